// What a file says of built-in nodes, kept beside what the host made of it: a host that does not know a node's options
// (a newer model, more pictures) loses links and puts values under other names.

import { same } from "../graph.js";
import { namedValues } from "./reading.js";

/** @import { Graph, GraphNode, Id, Replacement, SavedNode, SavedWorkflow } from "../types" */
/** @import { Source } from "../graph.js" */
/** @import { Named } from "./reading.js" */

/** @typedef {Source & { name: string }} Incoming what comes into an input */
/** @typedef {{ inputs: Incoming[], values: Named | null }} Content what is replaced: links into a node and its values */
/** @typedef {{ file: Content, loaded: Content, made: string }} Kept `made` is what the host would write of it */

export class LoadedNodes {
  /** @type {Map<string, { node: SavedNode, inputs: Incoming[] }>} by graph and id, of the file that was loaded last */
  #file = new Map();
  /** @type {WeakMap<GraphNode, Kept>} */
  #kept = new WeakMap();
  /** @type {Map<string, Kept>} by graph and id, of any load: an undo or another tab gives back what the host made */
  #before = new Map();

  /** Read a file before the host changes it.
   * @param {SavedWorkflow} workflow
   */
  read(workflow) {
    const subgraphs = workflow.definitions?.subgraphs ?? [];
    this.#file = new Map([workflow, ...subgraphs].flatMap(nodesOf));
  }

  /** Keep what the file says of a node beside what the host made of it; called again when the host is done with it.
   * @param {Graph} graph
   * @param {GraphNode} node
   * @param {Replacement} reading
   * @param {Content} loaded
   */
  keep(graph, node, reading, loaded) {
    const key = keyOf(graph.id, node.id);
    const file = this.#kept.get(node)?.file ?? this.#said(key, node, reading);
    if (!file) return;
    const kept = { file, loaded, made: written(node.serialize()) };
    this.#kept.set(node, kept);
    this.#before.set(key, kept);
  }

  /** Return what a node holds: what a person changed since it was loaded, and else what the file says.
   * @param {GraphNode} node
   * @param {Content} now
   * @returns {Content}
   */
  believed(node, now) {
    const kept = this.#kept.get(node);
    return kept ? merged(kept, now) : now;
  }

  /** Return what the file says of a node, or what the file before said of which the host made this one.
   * @param {string} key
   * @param {GraphNode} node
   * @param {Replacement} reading
   * @returns {Content | undefined}
   */
  #said(key, node, reading) {
    const saved = this.#file.get(key) ?? this.#file.get(keyOf(undefined, node.id)); // older files have no id
    if (!saved || saved.node.type !== reading.old) return undefined;
    const before = this.#before.get(key);
    if (before?.made === written(saved.node)) return before.file;
    return { inputs: saved.inputs, values: namedValues(saved.node.widgets_values, reading) };
  }
}

/** Return what is there now where that is not what the host had made of the file, and else what the file says.
 * @param {Pick<Kept, "file" | "loaded">} kept
 * @param {Content} now
 * @returns {Content}
 */
export function merged({ file, loaded }, now) {
  const inputs = namesOf(now, file, loaded).flatMap((name) => {
    const [own, first, said] = [now, loaded, file].map((content) => content.inputs.find((end) => end.name === name));
    return (sourceOf(own) === sourceOf(first) ? said && { ...said, reroute: reroute(now, said) } : own) ?? [];
  });
  if (!file.values || !now.values) return { inputs, values: file.values ?? now.values };
  const changed = Object.entries(now.values).filter(([name, value]) => loaded.values?.[name] !== value);
  return { inputs, values: { ...now.values, ...file.values, ...Object.fromEntries(changed) } };
}

/** @param {Incoming | undefined} end */
const sourceOf = (end) => end && `${end.from}.${end.output}`;

/** Return the reroute of the link that is left of a saved one, under whatever name.
 * @param {Content} now
 * @param {Incoming} said
 */
const reroute = (now, said) => now.inputs.find((end) => sourceOf(end) === sourceOf(said))?.reroute;

/** @param {Content[]} contents */
const namesOf = (...contents) => [...new Set(contents.flatMap(({ inputs }) => inputs).map(({ name }) => name))];

/** Return what tells whether a node was written as the host had made it.
 * @param {SavedNode} node
 */
function written({ inputs = [], widgets_values }) {
  const linked = inputs.filter(({ link }) => link != null).map(({ name, link }) => [name, link]);
  return JSON.stringify([linked, widgets_values]);
}

/**
 * @param {Pick<SavedWorkflow, "id" | "nodes" | "links">} graph
 * @returns {[string, { node: SavedNode, inputs: Incoming[] }][]}
 */
function nodesOf({ id, nodes = [], links = [] }) {
  return nodes.map((node) => [keyOf(id, node.id), { node, inputs: incomingOf(node, links) }]);
}

/**
 * @param {SavedNode} node
 * @param {NonNullable<SavedWorkflow["links"]>} links
 */
function incomingOf({ inputs = [] }, links) {
  return inputs.flatMap(({ name, link: id }) => {
    const link = id == null ? undefined : links.map(readLink).find((one) => same(one.id, id));
    return link ? [{ name, from: link.origin_id, output: link.origin_slot }] : [];
  });
}

/** @param {NonNullable<SavedWorkflow["links"]>[number]} link */
function readLink(link) {
  if (!Array.isArray(link)) return link;
  const [id, origin_id, origin_slot] = link;
  return { id, origin_id, origin_slot };
}

/**
 * @param {string | undefined} graph
 * @param {Id | undefined} id
 */
const keyOf = (graph, id) => `${graph ?? ""}/${id}`;
