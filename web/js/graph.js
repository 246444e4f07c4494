// Nodes and links of a graph: read, built, placed, connected. It knows nothing of what is replaced.

/** @import { Graph, GraphNode, Id } from "./types" */

/** @typedef {{ from: Id, output?: number, reroute?: Id }} Source where a link comes from, if there is such an output */
/** @typedef {{ to: Id, input: number, reroute?: Id }} Target where a link goes */

const FROM_SUBGRAPH = "-10"; // ids of a subgraph's own ends
const TO_SUBGRAPH = "-20";
const GAP = 70; // room for a badge, and for what newer frontends draw below a node
const WIDTH = 260; // a title in full
const TITLE_HEIGHT = 30;
const TYPES_WITHOUT_WIDGET = ["IMAGE", "MASK"];
const STEP = 20;
const MOST_STEPS = 200;

/**
 * @param {Id} one
 * @param {Id} other
 */
export const same = (one, other) => String(one) === String(other);

/** @param {Graph} graph */
function linksOf({ links }) {
  const all = links instanceof Map ? [...links.values()] : Object.values(links ?? {});
  return all.filter(Boolean);
}

/** Return what comes into a node, by the names of its inputs; `isStray` tells that a picture or mask came to be linked
 * with an input of another type.
 * @param {Graph} graph
 * @param {GraphNode} node
 */
export function incoming(graph, node) {
  const links = linksOf(graph).filter((link) => same(link.target_id, node.id));
  return links.map((link) => ({
    id: Number(link.id),
    name: node.inputs?.[link.target_slot]?.name ?? "",
    type: link.type,
    isStray: TYPES_WITHOUT_WIDGET.includes(link.type ?? "") && node.inputs?.[link.target_slot]?.type !== link.type,
    from: link.origin_id,
    output: link.origin_slot,
    reroute: link.parentId,
  }));
}

/** Return where a node's outputs go.
 * @param {Graph} graph
 * @param {GraphNode} node
 */
export function outgoing(graph, node) {
  const links = linksOf(graph).filter((link) => same(link.origin_id, node.id));
  return links.map((link) => ({
    slot: link.origin_slot,
    to: link.target_id,
    input: link.target_slot,
    reroute: link.parentId,
  }));
}

/** Return a new node of a type in the graph.
 * @param {Graph} graph
 * @param {string} type
 * @param {number[]} pos
 */
export function built(graph, type, pos) {
  const node = window.LiteGraph.createNode(type);
  node.pos = [...pos];
  graph.add(node);
  return node;
}

/** Return a new node of a type above another, where it covers none.
 * @param {Graph} graph
 * @param {string} type
 * @param {GraphNode} below
 */
export function builtAbove(graph, type, below) {
  const node = built(graph, type, below.pos);
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, WIDTH), height]);
  node.pos = [below.pos[0], below.pos[1] - TITLE_HEIGHT - GAP - height];
  const others = graph._nodes.filter((other) => other !== node);
  for (let steps = 0; steps < MOST_STEPS && others.some((other) => overlaps(node, other)); steps++)
    node.pos = [node.pos[0], node.pos[1] - STEP];
  return node;
}

/** Connect a source to an input of a node, by its name; tell whether it is connected.
 * @param {Graph} graph
 * @param {Source} source
 * @param {GraphNode} node
 * @param {string} name
 */
export function connect(graph, { from, output, reroute }, node, name) {
  const slot = node.inputs.findIndex((input) => input.name === name);
  if (slot < 0 || output === undefined) return false;
  const outside = same(from, FROM_SUBGRAPH) && graph.inputNode?.slots?.[output];
  if (outside) return Boolean(outside.connect(node.inputs[slot], node, reroute));
  return Boolean(graph.getNodeById(from)?.connect(output, node, slot, reroute));
}

/** Connect an output of a node to a target; tell whether it is connected.
 * @param {Graph} graph
 * @param {GraphNode} node
 * @param {number} slot
 * @param {Target} target
 */
export function connectOut(graph, node, slot, { to, input, reroute }) {
  const outside = same(to, TO_SUBGRAPH) && graph.outputNode?.slots?.[input];
  if (outside) return Boolean(outside.connect(node.outputs[slot], node, reroute));
  const target = graph.getNodeById(to);
  return Boolean(target && node.connect(slot, target, input, reroute));
}

/**
 * @param {GraphNode} one
 * @param {GraphNode} other
 */
function overlaps(one, other) {
  const [left, top, right, bottom] = boxOf(one);
  const [x, y, x2, y2] = boxOf(other);
  return left < x2 && x < right && top < y2 && y < bottom;
}

/** @param {GraphNode} node */
const boxOf = ({ pos, size }) => [pos[0], pos[1] - TITLE_HEIGHT, pos[0] + size[0], pos[1] + size[1]];
