// What a built-in node is set to and linked with, read from the graph or from what was saved.

import { widgetNamed } from "../node/state.js";
import { incoming, outgoing } from "../graph.js";

/** @import { Graph, GraphNode, Replacement, Replacements, SavedValues } from "../types" */
/** @import { Content } from "./loaded.js" */

/** @typedef {ReturnType<typeof snapshot>} Old everything of a built-in node that ours takes over */
/** @typedef {Record<string, unknown>} Named values by the names of their inputs */

export const CONTROL = "control_after_generate";
const LATE = 100; // behind all pictures that have a number
export const OWN_WIDGET = "connection"; // no built-in node has it

/** Return the type that a node has in the file, also when the host does not know it.
 * @param {GraphNode} node
 */
export function typeOf(node) {
  // a node that is just being created has no type yet
  const constructed = /** @type {{ comfyClass?: string }} */ (node.constructor ?? {});
  return node.last_serialization?.type ?? (node.type || node.comfyClass || constructed.comfyClass || "");
}

/** Return how a node is read: by its description, or as one of ours that only has the old name.
 * @param {GraphNode} node
 * @param {Replacements} facts
 * @returns {Replacement}
 */
export function readingOf(node, facts) {
  const told = facts.nodes[typeOf(node)];
  if (!widgetNamed(node, OWN_WIDGET)) return told;
  const names = [...(node.inputs ?? []), ...(node.widgets ?? [])].map(({ name }) => name);
  const inputs = Object.fromEntries(names.map((name) => [name, name]));
  const outputs = Object.fromEntries((node.outputs ?? []).map((_, slot) => [slot, slot]));
  return { ...told, inputs, outputs, fixed: {}, pictures: null };
}

/** Return saved values by name, or null where their number is that of no known version.
 * @param {SavedValues | undefined} saved
 * @param {Pick<Replacement, "layouts">} reading
 * @returns {Named | null}
 */
export function namedValues(saved, { layouts }) {
  if (!Array.isArray(saved)) return saved ?? {};
  const layout = layouts.find((names) => names.length === saved.length);
  if (layout) return Object.fromEntries(layout.map((name, place) => [name, saved[place]]));
  return saved.length ? null : {};
}

/** Return a node's values by name; an older node lacks widgets for some of what the file holds.
 * @param {GraphNode} node
 * @param {Replacement} reading
 */
export function valuesOf(node, reading) {
  const saved = namedValues(node.last_serialization?.widgets_values ?? node.widgets_values, reading);
  const known = [...Object.keys(reading.inputs), ...reading.layouts.flat()]; // what has no place in ours is told
  const named = (node.widgets ?? []).filter(({ name }) => known.includes(name));
  if (node.last_serialization || !named.length) return saved;
  return { ...saved, ...Object.fromEntries(named.map(({ name, value }) => [name, value])) };
}

/** Return what is linked into a node and what it is set to. A host that does not know the node's options may have linked
 * pictures and a mask with anything: they are known by their type.
 * @param {Graph} graph
 * @param {GraphNode} node
 * @param {Replacement} reading
 * @returns {Content}
 */
export function contentOf(graph, node, reading) {
  const ends = incoming(graph, node);
  const pictures = ends.filter((end) => reading.pictures && end.isStray && end.type === "IMAGE");
  pictures.sort((one, other) => one.id - other.id); // as they were made
  const mask = Object.keys(reading.inputs).find((name) => reading.inputs[name] === "mask");
  const inputs = ends.map((end) => {
    if (pictures.includes(end)) return { ...end, name: `${reading.pictures}image_${LATE + pictures.indexOf(end)}` };
    return end.isStray && end.type === "MASK" && mask ? { ...end, name: mask } : end;
  });
  return { inputs, values: valuesOf(node, reading) };
}

/** Return everything of a built-in node that ours takes over.
 * @param {Graph} graph
 * @param {GraphNode} node
 * @param {Replacement} reading
 * @param {Content} content
 */
export function snapshot(graph, node, reading, content) {
  const { id, pos, size, mode, flags, color, bgcolor, title } = node;
  const inputs = content.inputs.map((end) => ({ ...end, ours: reading.inputs[end.name] }));
  const outputs = outgoing(graph, node).map((end) => ({ ...end, ours: reading.outputs[end.slot] }));
  const looks = { pos: [...pos], size: [...size], mode, flags, color, bgcolor, title };
  return { graph, node, reading, id, ...looks, inputs, outputs, values: content.values };
}
