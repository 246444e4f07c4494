// How a node is set: what the server is asked the price of.

/** @import { GraphNode, NodeState, Slot } from "../types" */

const COLLECTOR = "OIN_References";
const LOADER = "LoadImage";
const PRIMITIVE = "PrimitiveNode"; // the page's own: it sets the widget that it is linked to
const PICTURED = ["image", "mask"];
const NOT_ASKED = ["prompt", "control_after_generate"];
const MOST_PICTURES = 16;

/**
 * @param {GraphNode} node
 * @param {string} name
 */
export function widgetNamed(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

/** Return the inputs that have a link, as [input, slot].
 * @param {GraphNode} node
 * @returns {[Slot, number][]}
 */
function linked(node) {
  const inputs = (node.inputs ?? []).map((input, slot) => /** @type {[Slot, number]} */ ([input, slot]));
  return inputs.filter(([input, slot]) => node.isInputConnected?.(slot) ?? input.link != null);
}

/** Return the node behind an input; of a node that was taken off the canvas, older frontends throw instead of telling.
 * @param {GraphNode} node
 * @param {number} slot
 */
const sourceOf = (node, slot) => (node.graph === null ? undefined : node.getInputNode?.(slot));

/** Return how many pictures will go out, as far as it is known before a run; a batch counts as one.
 * @param {GraphNode} node
 * @returns {number}
 */
export function pictureCount(node, depth = 0) {
  if (depth > MOST_PICTURES) return 0;
  const slots = new Map(linked(node).map(([{ name }, slot]) => [name, slot])); // each name once, whatever a file says
  const counts = [...slots].map(([name, slot]) => {
    if (name !== "references") return Number(/^image(_\d+)?$/.test(name));
    const source = sourceOf(node, slot);
    return source?.type === COLLECTOR ? pictureCount(source, depth + 1) : 1;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Return the names of the files behind the inputs that the size of what is asked for may follow.
 * @param {GraphNode} node
 * @returns {Record<string, string>}
 */
function filesOf(node) {
  const named = linked(node).map(([{ name }, slot]) => {
    const source = PICTURED.includes(name) ? sourceOf(node, slot) : undefined;
    return [name, source?.type === LOADER ? widgetNamed(source, "image")?.value : undefined];
  });
  return Object.fromEntries(named.filter(([, file]) => typeof file === "string" && file));
}

/**
 * @param {GraphNode} node
 * @returns {NodeState}
 */
export function stateOf(node) {
  const files = filesOf(node);
  const asked = (node.widgets ?? []).filter(({ name }) => name && !NOT_ASKED.includes(name));
  const pinned = linked(node).filter(([, slot]) => sourceOf(node, slot)?.type === PRIMITIVE);
  return {
    node: node.type,
    values: Object.fromEntries(asked.map(({ name, value }) => [name, value])),
    connected: linked(node).map(([input]) => input.name),
    image_count: Math.min(pictureCount(node), MOST_PICTURES),
    ...(Object.keys(files).length ? { files } : {}),
    ...(pinned.length ? { pinned: pinned.map(([input]) => input.name) } : {}),
  };
}
