// The links of a built-in node, connected to ours: several pictures through collecting nodes.

import { filled, labelled } from "../format.js";
import { builtAbove, connect, connectOut } from "../graph.js";

/** @import { Graph, GraphNode, Id, Replacement, Text } from "../types" */
/** @import { Source } from "../graph.js" */
/** @import { Old } from "./reading.js" */
/** @import { Pair } from "./swap.js" */

/** @typedef {Source & { name: string, ours?: string }} End an input of theirs that is linked */
/** @typedef {(graph: Graph, id: Id) => Pair | undefined} ReplacedBy finds what took the place of a node */
/** @typedef {Old["outputs"][number]} OutEnd */

const COLLECTOR = "OIN_References";
const SOCKETS = 8;

/** Connect our node as theirs was; return what could not be, in words.
 * @param {Old} old
 * @param {GraphNode} fresh
 * @param {ReplacedBy} replacedBy
 * @param {Text} text
 */
export function carriedBy(old, fresh, replacedBy, text) {
  const { graph, reading } = old;
  const ends = old.inputs.map((end) => fromOurs(end, replacedBy(graph, end.from)));
  const { pictures, joined, rest } = sorted(ends, reading);
  /** @type {[boolean, string][]} */
  const done = [[connectPictures(graph, pictures, fresh), "images"]];
  const { join } = reading;
  if (join && joined.length) done.push([connectJoined(graph, join, joined, fresh), join.target]);
  rest.forEach((end) => done.push([Boolean(end.ours && connect(graph, end, fresh, end.ours)), end.name]));
  const outside = old.outputs.filter((end) => !replacedBy(graph, end.to)); // else it was an input of that one
  outside.forEach((end) => done.push([connectOutput(graph, fresh, end), filled(text("output", "output [number]"), { number: end.slot })]));
  const lost = done.filter(([isDone]) => !isDone);
  return lost.map(([, name]) => labelled(text, name, text("link_lost", "its link is not carried over")));
}

/** Return an end whose source was replaced itself as it comes from ours.
 * @param {Old["inputs"][number]} end
 * @param {Pair | undefined} source
 * @returns {End}
 */
function fromOurs(end, source) {
  return source ? { ...end, from: source.fresh.id, output: source.old.reading.outputs[end.output ?? ""] } : end;
}

/** Return the ends by what becomes of them: pictures in their order, those that become one, and the others.
 * @param {End[]} ends
 * @param {Replacement} reading
 */
function sorted(ends, { pictures: prefix, join }) {
  const isPicture = (/** @type {End} */ { name }) => Boolean(prefix && name.startsWith(prefix));
  const pictures = ends.filter(isPicture).sort((one, other) => numberOf(one) - numberOf(other));
  const names = Object.values(join?.inputs ?? {});
  const isWhole = names.every((name) => ends.some((end) => end.name === name));
  const joined = isWhole ? ends.filter(({ name }) => names.includes(name)) : [];
  const rest = ends.filter((end) => !isPicture(end) && !joined.includes(end));
  return { pictures, joined, rest };
}

/** Connect several pictures: the first to `image`, the others, each in its size, through collecting nodes.
 * @param {Graph} graph
 * @param {End[]} pictures
 * @param {GraphNode} fresh
 */
function connectPictures(graph, [first, ...others], fresh) {
  const done = first ? [connect(graph, first, fresh, "image")] : [];
  /** @type {Source | undefined} */
  let before;
  for (let start = 0; start < others.length; start += SOCKETS) {
    const collector = builtAbove(graph, COLLECTOR, fresh);
    const some = others.slice(start, start + SOCKETS);
    some.forEach((end, place) => done.push(connect(graph, end, collector, `image_${place + 1}`)));
    if (before) done.push(connect(graph, before, collector, "references"));
    before = { from: collector.id, output: 0 };
  }
  if (before) done.push(connect(graph, before, fresh, "references"));
  return done.every(Boolean);
}

/** Connect sockets that ours has as one, through the node that joins them.
 * @param {Graph} graph
 * @param {NonNullable<Replacement["join"]>} join
 * @param {End[]} ends
 * @param {GraphNode} fresh
 */
function connectJoined(graph, join, ends, fresh) {
  const node = builtAbove(graph, join.node, fresh);
  const done = Object.entries(join.inputs).map(([ours, theirs]) => {
    const end = ends.find(({ name }) => name === theirs);
    return Boolean(end && connect(graph, end, node, ours));
  });
  return [...done, connect(graph, { from: node.id, output: 0 }, fresh, join.target)].every(Boolean);
}

/**
 * @param {Graph} graph
 * @param {GraphNode} fresh
 * @param {OutEnd} end
 */
function connectOutput(graph, fresh, end) {
  return end.ours !== undefined && connectOut(graph, fresh, end.ours, end);
}

/** @param {End} end */
const numberOf = ({ name }) => Number(/(\d+)$/.exec(name)?.[1] ?? 0);
