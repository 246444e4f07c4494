// Swaps built-in nodes for ours, all at once: links between them are kept.

import { built, same } from "../graph.js";
import { carriedBy } from "./links.js";
import { typeOf } from "./reading.js";
import { fill } from "./values.js";

/** @import { Host } from "../host.js" */
/** @import { Graph, GraphNode, Id, Replacements } from "../types" */
/** @import { Old } from "./reading.js" */

/** @typedef {{ old: Old, fresh: GraphNode }} Pair */

const COMMON_TITLE = /^OpenAI (GPT Image [\d.]+( GIF| SVG)?|DALL\u00b7E \d)$/;

/** @param {GraphNode} node */
export const titleOf = (node) => `${node.title} #${node.id}`;

/** Swap these nodes, which were read before anything changes; return what was not carried over, in words.
 * @param {Host} host
 * @param {Old[]} found
 * @param {Replacements} facts
 */
export function swap(host, found, facts) {
  /** @type {Pair[]} */
  const pairs = found.map((old) => ({ old, fresh: built(old.graph, old.reading.new, old.pos) }));
  const replacedBy = (/** @type {Graph} */ graph, /** @type {Id} */ id) =>
    pairs.find(({ old }) => old.graph === graph && same(old.id, id));
  const told = pairs.flatMap(({ old, fresh }) => {
    const words = fill(host, fresh, old, facts.models);
    takeLooks(fresh, old, facts.api_node_colour);
    return named(fresh, words);
  });
  pairs.forEach(({ old, fresh }) => told.push(...named(fresh, carriedBy(old, fresh, replacedBy, host.text))));
  pairs.forEach(({ old }) => old.graph.remove(old.node));
  return told;
}

/** Give our node the looks of theirs; a title or colour that every such node has is nobody's choice.
 * @param {GraphNode} fresh
 * @param {Old} old
 * @param {string | undefined} commonColour
 */
export function takeLooks(fresh, { title, mode, flags, color, bgcolor, size, node }, commonColour) {
  const ownTitle = /** @type {{ title?: string }} */ (node.constructor ?? {}).title;
  const isCommon = [typeOf(node), ownTitle, node.type].includes(title) || COMMON_TITLE.test(title ?? "");
  if (title && !isCommon) fresh.title = title;
  fresh.mode = mode;
  Object.assign(fresh.flags, flags);
  if (color && color !== commonColour) Object.assign(fresh, { color, bgcolor });
  const least = fresh.computeSize();
  fresh.setSize([Math.max(size[0], least[0]), Math.max(size[1], least[1])]);
}

/**
 * @param {GraphNode} fresh
 * @param {string[]} words
 */
function named(fresh, words) {
  return words.map((word) => `${titleOf(fresh)}: ${word}`);
}
