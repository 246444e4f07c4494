// Badges with a sum: of a list over its rows, of a subgraph over what is inside.

import { outgoing } from "../graph.js";
import { depend } from "../node/redraw.js";
import { isList, isOurs, makesPictures, nodesWithin, runs, typeOf } from "../node/ours.js";
import { stateOf } from "../node/state.js";
import { AskingBadge, PriceBadge } from "./badge.js";
import { listText, priceText, roomIn, summed } from "./words.js";

/** @import { Host } from "../host.js" */
/** @import { Counted, Estimate, Graph, GraphNode, NodeState } from "../types" */

/** @typedef {{ list: NodeState["values"], nodes: { state: NodeState, linked: Record<string, string> }[] }} ListQuestion */
/** @typedef {(node: GraphNode) => PriceBadge | undefined} BadgeOf */

const LIST_ESTIMATES = "/openai_image_nodes/list_estimates";
const OUTPUTS = ["prompt", "seed", "size", "quality", "image", "mask", "name"]; // of a list, one value per row
const REROUTE = "Reroute";

/** Return the nodes that run once for each row of a list, and which of their inputs come from which of its outputs.
 * @param {GraphNode} list
 */
export function nodesBehind(list) {
  /** @type {Map<GraphNode, Record<string, string>>} */
  const found = new Map();
  for (const [output, node, input] of targetsOf(list.graph, list)) {
    const [name, slot] = [OUTPUTS[output], node.inputs[input]?.name];
    if (name && slot && makesPictures(typeOf(node)) && runs(node)) found.set(node, { ...found.get(node), [slot]: name });
  }
  return [...found].map(([node, linked]) => ({ node, linked }));
}

/** Return where a node's outputs arrive, as [output, node, input].
 * @param {Graph | null | undefined} graph
 * @param {GraphNode} node
 * @param {Set<GraphNode>} seen the reroutes on the way: a file may link them in circles, and each with many
 * @returns {[number, GraphNode, number][]}
 */
function targetsOf(graph, node, seen = new Set()) {
  if (!graph || seen.has(node)) return [];
  seen.add(node);
  return outgoing(graph, node).flatMap(({ slot, to, input }) => {
    const target = graph.getNodeById(to);
    if (target?.type !== REROUTE) return target ? [/** @type {[number, GraphNode, number]} */ ([slot, target, input])] : [];
    return targetsOf(graph, target, seen).map(([, end, at]) => /** @type {[number, GraphNode, number]} */ ([slot, end, at]));
  });
}

/** @extends {AskingBadge<ListQuestion>} */
export class ListBadge extends AskingBadge {
  /** What is linked into the list, or goes to no node that asks for pictures, has no price before the run. */
  question() {
    const { values, connected } = stateOf(this.node);
    const behind = nodesBehind(this.node);
    if (connected.length || !behind.length) return undefined;
    return { list: values, nodes: behind.map(({ node, linked }) => ({ state: stateOf(node), linked })) };
  }

  /** @param {ListQuestion} question */
  async ask(question) {
    const { text, json } = this.host;
    const told = await json(LIST_ESTIMATES, question);
    /** @type {Counted[]} */
    const estimates = told.estimates ?? [told];
    const estimate = summed(estimates.map((one) => this.account.seen(one)));
    return estimate ? { text: listText(estimate, told.rows ?? 0, text, roomIn(this.node)), estimate } : { text: "" };
  }
}

/** The sum of all that is inside of a subgraph, however deep. */
export class SubgraphBadge extends PriceBadge {
  /**
   * @param {Host} host
   * @param {GraphNode} node
   * @param {BadgeOf} badgeOf
   */
  constructor(host, node, badgeOf) {
    super(host, node);
    this.badgeOf = badgeOf;
  }

  shown() {
    const estimate = this.node.subgraph ? sumWithin(this.node.subgraph, this.badgeOf) : undefined;
    return estimate ? { text: priceText(estimate, this.host.text, roomIn(this.node)), estimate } : { text: "" };
  }
}

/** Return what all that runs of a graph and of the subgraphs in it costs, a list and what is behind it by its rows.
 * @param {Graph} graph
 * @param {BadgeOf} badgeOf
 * @returns {Estimate | undefined}
 */
export function sumWithin(graph, badgeOf) {
  const inside = nodesWithin(graph).filter((node) => isOurs(typeOf(node)));
  inside.forEach(depend);
  const estimateOf = (/** @type {GraphNode} */ node) => badgeOf(node)?.shown().estimate;
  const lists = inside.filter((node) => isList(typeOf(node)) && estimateOf(node));
  const behind = new Set(lists.flatMap((list) => nodesBehind(list).map(({ node }) => node)));
  return summed(inside.filter((node) => !behind.has(node)).flatMap((node) => estimateOf(node) ?? []));
}
