// What was said last of each node, and which nodes each queued job has: kept until the browser's tab is closed, so that
// a reload of the page brings it back.

/** @import { ExecutionId } from "../types" */

/** @typedef {{ kind: "said" | "error", text: string, type?: string }} Note `type` is the class of an error */
/** @typedef {{ workflow: string, nodes: ExecutionId[], hasEnded?: boolean }} Job its nodes of ours, and the workflow that
 * it was made of */

const KEY = "OpenAIImageNodes.outcomes";
const MOST_JOBS = 50;
const MOST_NOTES = 200;
const MOST_OPEN = 10;

export class RunMemory {
  /** @type {{ jobs: Record<string, Job>, notes: Record<string, Note> }} in the order in which they came */
  #kept = { jobs: {}, notes: {} };

  /** @param {Pick<Storage, "getItem" | "setItem"> | undefined} storage */
  constructor(storage) {
    this.storage = storage;
    try {
      const { jobs = {}, notes = {} } = JSON.parse(storage?.getItem(KEY) ?? "{}");
      this.#kept = { jobs, notes };
    } catch {
      // what somebody else wrote there, or a browser that lets nothing be kept: it begins empty
    }
  }

  /**
   * @param {string} id
   * @param {Job} job
   */
  queued(id, job) {
    this.#kept.jobs = newest({ ...this.#kept.jobs, [id]: job }, MOST_JOBS);
    this.#write();
  }

  /** @param {string} id */
  ended(id) {
    const job = this.#kept.jobs[id];
    if (!job) return;
    job.hasEnded = true;
    this.#write();
  }

  /** Return the ids of the newest jobs whose end was not heard of, nor that of a later run of their nodes; the oldest first. */
  openJobs() {
    const jobs = Object.entries(this.#kept.jobs);
    const isAgain = (/** @type {Job} */ job, /** @type {Job} */ later) =>
      later.hasEnded && later.workflow === job.workflow && later.nodes.some((node) => job.nodes.includes(node));
    const open = jobs.filter(([, job], at) => !job.hasEnded && !jobs.slice(at + 1).some(([, later]) => isAgain(job, later)));
    return open.slice(-MOST_OPEN).map(([id]) => id);
  }

  /** @param {string | undefined} id */
  job(id) {
    return id === undefined ? undefined : this.#kept.jobs[id];
  }

  /** Return the ids of the jobs of a workflow with a node, the newest first.
   * @param {string} workflow
   * @param {ExecutionId} node
   */
  promptsWith(workflow, node) {
    const jobs = Object.entries(this.#kept.jobs).reverse();
    return jobs.filter(([, job]) => job.workflow === workflow && job.nodes.includes(node)).map(([id]) => id);
  }

  /** Return the job that was queued last with a node.
   * @param {ExecutionId} node
   */
  lastJobWith(node) {
    return Object.values(this.#kept.jobs).reverse().find(({ nodes }) => nodes.includes(node));
  }

  /**
   * @param {string} workflow
   * @param {ExecutionId} node
   */
  note(workflow, node) {
    /** @type {Note | undefined} */
    const note = this.#kept.notes[`${workflow}/${node}`];
    return note;
  }

  /** Keep what was said of a node, or forget it.
   * @param {string} workflow
   * @param {ExecutionId} node
   * @param {Note | undefined} note
   */
  keep(workflow, node, note) {
    const { [`${workflow}/${node}`]: _, ...others } = this.#kept.notes;
    this.#kept.notes = note ? newest({ ...others, [`${workflow}/${node}`]: note }, MOST_NOTES) : others;
    this.#write();
  }

  #write() {
    try {
      this.storage?.setItem(KEY, JSON.stringify(this.#kept));
    } catch {
      // full or forbidden: it is kept while the page is open
    }
  }
}

/**
 * @template T
 * @param {Record<string, T>} all
 * @param {number} count
 * @returns {Record<string, T>}
 */
function newest(all, count) {
  return Object.fromEntries(Object.entries(all).slice(-count));
}
