// Follows runs: what was said last of each node of ours stays to be seen after the run, and why one failed.

import { unbroken } from "../format.js";
import { isOurs, makesPictures, ourNodes, rootOf, subgraphNodes, typeOf } from "../node/ours.js";
import { widgetNamed } from "../node/state.js";
import { chooseSandbox, openSettings, showHelp } from "./actions.js";
import { actionsFor, isQuestion, messageOf, refusalOf } from "./advice.js";
import { RunMemory } from "./memory.js";
import { hostShowsText, sayInHostsPlace, showNote } from "./note.js";
import { askAboutSum } from "./large_sum.js";
import { isLastWord, waitsForBatch } from "./texts.js";

/** @import { Host } from "../host.js" */
/** @import { ExecutionError, ExecutionId, GraphNode, ProgressText, QueueAnswer, QueuedPrompt } from "../types" */
/** @import { Action } from "./advice.js" */
/** @import { Job, Note } from "./memory.js" */
/** @import { Button } from "./note.js" */

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];
const TOAST_MS = 20_000; // the node says it for as long as it is true
const SETTLE_MS = 300; // until a frontend has cleared what was said during the run

export class Outcomes {
  /** @type {Map<ExecutionId, string>} what was said in this run */
  #said = new Map();
  /** @type {Set<ExecutionId>} answered from ComfyUI's own cache in this run */
  #cached = new Set();
  /** @type {Job | undefined} */
  #running;
  /** @type {Job | undefined} queued a moment ago, its id is not known yet */
  #queued;
  /** @type {(() => unknown)[]} take away the toasts that tell why runs failed, once somebody runs again */
  #toasts = [];

  /**
   * @param {Host} host
   * @param {RunMemory} memory
   */
  constructor(host, memory) {
    this.host = host;
    this.memory = memory;
  }

  /** Follow what ComfyUI tells of runs, and learn how those ended that it told of while the page was loaded again, or the
   * connection was broken.
   */
  follow() {
    this.#followQueue();
    for (const [name, work] of this.#works())
      this.host.api.addEventListener(name, ({ detail }) => this.host.attempt(() => work(detail ?? {})));
    this.host.api.addEventListener("reconnected", () => this.host.attempt(() => this.#catchUp()));
    return this.#catchUp();
  }

  /** Return what is done with each of ComfyUI's messages.
   * @returns {[string, (detail: any) => void][]}
   */
  #works() {
    return [
      ["execution_start", this.#start],
      ["execution_cached", ({ nodes = [] }) => (this.#cached = new Set(nodes.map(String)))],
      ["progress_text", this.#say],
      ["execution_error", this.#fail],
      ...ENDS.map((name) => /** @type {[string, (detail: any) => void]} */ ([name, this.#end])),
    ];
  }

  /** Follow the runs that ended unseen, by what ComfyUI's history has of them. */
  async #catchUp() {
    for (const id of this.memory.openJobs()) {
      const told = await this.host.attempt(() => this.host.json(`/history/${id}`));
      const [job, messages] = [this.memory.job(id), told?.[id]?.status?.messages];
      if (!job || !Array.isArray(messages)) continue;
      const last = await this.#lastWords(id);
      if (!this.memory.openJobs().includes(id)) continue;
      const [running, said, cached] = [this.#running, new Map(this.#said), new Set(this.#cached)];
      const replay = (/** @type {[string, any][]} */ told) => {
        for (const message of told)
          for (const [name, work] of this.#works()) if (message?.[0] === name) this.host.attempt(() => work(message[1] ?? {}));
      };
      job.nodes.forEach((node) => this.memory.keep(job.workflow, node, undefined)); // of a run before
      replay(messages.slice(0, -1));
      // Kept and not said again: the host's own place is by now that of another run, or of another workflow's node.
      last.forEach(([node, text]) => this.#said.set(node, text));
      replay(messages.slice(-1));
      [this.#running, this.#said, this.#cached] = [running === job ? undefined : running, said, cached];
    }
  }

  /** Return what each node said last in a run, as the server heard it.
   * @param {string} prompt_id
   * @returns {Promise<[ExecutionId, string][]>}
   */
  async #lastWords(prompt_id) {
    const told = await this.host.attempt(() => this.host.json("/openai_image_nodes/last_words", { prompt_id }));
    return Object.entries(told?.said ?? {});
  }

  /** Show what is known of the workflow that was just loaded. */
  restore = () => this.#show(Object.keys(ourNodes(this.host.app)));

  /** Learn of each job which nodes of ours it has and of which workflow it is. */
  #followQueue() {
    const { api, attempt } = this.host;
    const own = api.queuePrompt;
    if (!own) return;
    api.queuePrompt = async (number, prompt, ...others) => {
      attempt(this.#takeToastsAway);
      const job = (this.#queued = attempt(() => jobOf(prompt)));
      try {
        const answer = await own.call(api, number, prompt, ...others);
        attempt(() => this.#answered(job, answer));
        return answer;
      } catch (error) {
        attempt(() => this.#answered(job, /** @type {{ response?: QueueAnswer }} */ (error)?.response));
        throw error;
      }
    };
  }

  /** Learn the id of a job, and which of its nodes were refused before the run: all of them, or some.
   * @param {Job | undefined} job
   * @param {QueueAnswer | undefined} answer
   */
  #answered(job, answer) {
    if (!job || !answer) return;
    const refused = job.nodes.filter((id) => answer.node_errors?.[id]?.errors?.length);
    const nodes = job.nodes.filter((id) => !refused.includes(id));
    if (answer.prompt_id) this.memory.queued(answer.prompt_id, { ...job, nodes });
    for (const id of refused) this.memory.keep(job.workflow, id, refusalOf(answer.node_errors?.[id]?.errors ?? []));
    this.#show(refused);
  }

  #start = (/** @type {{ prompt_id?: string }} */ { prompt_id }) => {
    const job = (this.#running = this.memory.job(prompt_id) ?? this.#queued);
    this.#said.clear();
    this.#cached.clear();
    if (!job) return;
    const failed = job.nodes.filter((id) => this.memory.note(job.workflow, id)?.kind === "error");
    failed.forEach((id) => this.memory.keep(job.workflow, id, undefined));
    this.#show(job.nodes);
  };

  #say = (/** @type {ProgressText} */ { nodeId, text }) => {
    if (nodeId === undefined || !text) return;
    const id = String(nodeId);
    this.#said.set(id, text);
    if (!this.#running) this.#keep([id]); // said after the run, or after a reload of the page
    const own = this.host.said(text);
    if (unbroken(own) !== text) setTimeout(() => this.host.attempt(() => sayInHostsPlace(ourNodes(this.host.app)[id], own)), 0);
  };

  #fail = (/** @type {ExecutionError} */ { prompt_id, node_id, node_type, exception_message, exception_type }) => {
    if (!isOurs(node_type)) return;
    const [id, text] = [String(node_id), messageOf(exception_message)];
    this.#said.delete(id);
    const workflow = this.#workflowOf(id);
    /** @type {Note} */
    const note = { kind: "error", text, type: exception_type };
    this.memory.keep(workflow, id, note);
    if (isQuestion(exception_type)) // behind the dialog in which older frontends tell an error, so that it lies over it
      return void setTimeout(() => this.host.attempt(() => askAboutSum(this.host, text, prompt_id)), SETTLE_MS);
    const node = workflow === (rootOf(this.host.app).id ?? "") ? ourNodes(this.host.app)[id] : undefined;
    const [button] = node ? this.#buttons(id, note) : [];
    const takeAway = this.host.toast({
      ...{ severity: "error", summary: node?.title || "OpenAI Image Nodes", detail: this.host.said(text), life: TOAST_MS },
      action: button && { label: button.label, onClick: button.work },
    });
    if (takeAway) this.#toasts.push(takeAway);
  };

  #takeToastsAway = () => this.#toasts.splice(0).forEach((takeAway) => this.host.attempt(takeAway));

  #end = (/** @type {{ prompt_id?: string, node_id?: string }} */ { prompt_id, node_id }) => {
    const unheard = this.#running ? undefined : this.memory.job(prompt_id);
    if (prompt_id) this.memory.ended(prompt_id);
    if (prompt_id && unheard) return void this.host.attempt(() => this.#keepUnheard(prompt_id, unheard, String(node_id)));
    const ids = this.#running?.nodes ?? [...this.#said.keys()];
    this.#keep(ids);
    this.#running = undefined;
  };

  /** Keep what was said in a run of which this page heard the end alone, for it was loaded again meanwhile.
   * @param {string} id
   * @param {Job} job
   * @param {ExecutionId} failed the node that ended it, whose error stays
   */
  async #keepUnheard(id, { workflow, nodes }, failed) {
    const isError = (/** @type {ExecutionId} */ node) => node === failed && this.memory.note(workflow, node)?.kind === "error";
    for (const [node, text] of await this.#lastWords(id))
      if (nodes.includes(node) && isLastWord(text) && !isError(node)) this.memory.keep(workflow, node, { kind: "said", text });
    this.#show(nodes);
  }

  /** Keep the last words of nodes, and show them when the frontend has cleared its own.
   * @param {ExecutionId[]} ids
   */
  #keep(ids) {
    for (const id of ids) {
      const workflow = this.#workflowOf(id);
      const text = this.#said.get(id) ?? this.#fromCache(id, this.memory.note(workflow, id));
      if (text && isLastWord(text)) this.memory.keep(workflow, id, { kind: "said", text });
    }
    setTimeout(() => this.host.attempt(() => this.#show(ids)), SETTLE_MS);
  }

  /** Return what is said of a node that ComfyUI answered from its own cache: nothing of one that still waits.
   * @param {ExecutionId} id
   * @param {Note | undefined} before
   */
  #fromCache(id, before) {
    const node = this.#cached.has(id) ? ourNodes(this.host.app)[id] : undefined;
    if (!node || !makesPictures(typeOf(node)) || waitsForBatch(before?.text)) return undefined;
    const mayWait = !before && String(widgetNamed(node, "connection")?.value).includes("batch");
    return mayWait ? undefined : this.host.text("same_picture", "the same picture: nothing was paid");
  }

  /** Show what is known of nodes: nothing while they run.
   * @param {ExecutionId[]} ids
   */
  #show(ids) {
    const nodes = ourNodes(this.host.app);
    for (const id of ids.filter((one) => one in nodes)) {
      const note = this.#told(id);
      const isShown = note?.kind === "said" && hostShowsText(nodes[id]);
      if (isShown || note?.kind === "error") sayInHostsPlace(nodes[id], (isShown && note?.text) || ""); // not of a run before
      showNote(nodes[id], isShown ? undefined : note, note?.kind === "error" ? this.#buttons(id, note) : []);
    }
    for (const [id, node] of subgraphNodes(this.host.app))
      if (ids.some((one) => one.startsWith(`${id}:`))) this.#showAround(id, node, nodes);
    this.host.app.canvas?.setDirty?.(true, true); // a note inside of a subgraph lies on the graph around it until then
  }

  /** Show at the node that stands for a subgraph what the nodes inside say.
   * @param {ExecutionId} around
   * @param {GraphNode} node
   * @param {Record<ExecutionId, GraphNode>} nodes
   */
  #showAround(around, node, nodes) {
    const { note, failed } = this.#together(Object.keys(nodes).filter((id) => id.startsWith(`${around}:`)), nodes);
    showNote(node, note, note && failed ? this.#buttons(failed, note) : []);
  }

  /** Return what nodes say together: the first error, and whose it is, or else each last word.
   * @param {ExecutionId[]} ids
   * @param {Record<ExecutionId, GraphNode>} nodes
   * @returns {{ note?: Note, failed?: ExecutionId }}
   */
  #together(ids, nodes) {
    const said = ids.filter((id) => this.#told(id));
    const failed = said.find((id) => this.#told(id)?.kind === "error");
    if (failed) return { note: this.#told(failed), failed };
    const lines = said.map((id) => (said.length > 1 ? `${nodes[id]?.title}: ` : "") + this.#told(id)?.text);
    return said.length ? { note: { kind: "said", text: [...new Set(lines)].join("\n") } } : {};
  }

  /** Return what all nodes of the open workflow say together. */
  words() {
    const nodes = ourNodes(this.host.app);
    return this.#together(Object.keys(nodes), nodes).note?.text ?? "";
  }

  /** Return what is to be seen of a node, in the language of the interface: nothing while it runs.
   * @param {ExecutionId} id
   * @returns {Note | undefined}
   */
  #told(id) {
    const workflow = rootOf(this.host.app).id ?? "";
    const isRunning = this.#running?.workflow === workflow && this.#running.nodes.includes(id);
    const note = isRunning ? undefined : this.memory.note(workflow, id);
    return note && { ...note, text: this.host.said(note.text) };
  }

  /**
   * @param {ExecutionId} id
   * @param {Note} note
   * @returns {Button[]}
   */
  #buttons(id, note) {
    const { host } = this;
    const node = /** @type {GraphNode} */ (ourNodes(host.app)[id]);
    /** @type {Record<Action, Button>} */
    const all = {
      settings: { label: host.text("open_settings", "Open settings"), work: () => openSettings(host) },
      sandbox: { label: host.text("choose_sandbox", "Choose sandbox"), work: () => this.#chooseSandbox(id, node) },
      help: { label: host.text("show_in_help", "Show in help"), work: () => showHelp(host, node) },
    };
    const actions = actionsFor(note.type).filter((name) => name !== "sandbox" || widgetNamed(node, "connection"));
    const work = (/** @type {Action} */ name) => [this.#takeToastsAway, all[name].work].forEach((step) => host.attempt(step));
    return actions.map((name) => ({ ...all[name], work: () => work(name) }));
  }

  /**
   * @param {ExecutionId} id
   * @param {GraphNode} node
   */
  #chooseSandbox(id, node) {
    chooseSandbox(node);
    this.memory.keep(rootOf(this.host.app).id ?? "", id, undefined);
    this.#show([id]);
  }

  /** @param {ExecutionId} id */
  #workflowOf(id) {
    return (this.#running ?? this.memory.lastJobWith(id))?.workflow ?? rootOf(this.host.app).id ?? "";
  }
}

/**
 * @param {QueuedPrompt} prompt
 * @returns {Job}
 */
function jobOf({ output, workflow }) {
  const nodes = Object.keys(output).filter((id) => isOurs(output[id].class_type));
  return { workflow: workflow?.id ?? "", nodes };
}

/** Return what the extension registers.
 * @param {Host} host
 */
export function outcomeExtension(host) {
  const outcomes = new Outcomes(host, new RunMemory(host.attempt(() => window.sessionStorage)));
  return {
    memory: outcomes.memory,
    words: () => outcomes.words(),
    setup: () => host.attempt(() => outcomes.follow()),
    afterConfigureGraph: () => host.attempt(outcomes.restore),
  };
}
