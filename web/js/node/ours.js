// Which nodes are ours, and where they are in the workflow.

/** @import { App, ExecutionId, Graph, GraphNode } from "../types" */

const PICTURES = ["OIN_GPTImage", "OIN_GPTImageGIF", "OIN_GPTImageSVG"];
const LISTER = "OIN_PromptList";
const ASLEEP = [2, 4]; // muted, bypassed
const DEEPEST = 16; // subgraphs within subgraphs
const MOST_VISITS = 20_000; // a few subgraphs that hold each other many times are more nodes than can ever be counted

/** @param {GraphNode} node */
export const typeOf = (node) => node.comfyClass ?? node.type;

/** @param {string | undefined} type */
export const isOurs = (type) => Boolean(type?.startsWith("OIN_"));

/** Tell whether a node of a type asks the service for pictures.
 * @param {string} type
 */
export const makesPictures = (type) => PICTURES.includes(type);

/** @param {string} type */
export const isList = (type) => type === LISTER;

/** @param {string} type */
export const hasSeed = (type) => makesPictures(type) || isList(type);

/** Return the workflow itself, whatever subgraph is looked at.
 * @param {App} app
 */
export const rootOf = (app) => app.rootGraph ?? app.graph;

/** Tell whether a node runs: it is neither muted nor bypassed.
 * @param {GraphNode} node
 */
export const runs = (node) => !ASLEEP.includes(node.mode ?? 0);

/** Return all nodes of a graph and of the subgraphs in it that run, without those that stand for subgraphs.
 * @param {Graph} graph
 */
export const nodesWithin = (graph) => within(graph, runs).map(([, node]) => node).filter((node) => !node.subgraph);

/** Return our nodes by the ids that a run has for them: inside of a subgraph, that of its node comes before.
 * @param {App} app
 * @returns {Record<ExecutionId, GraphNode>}
 */
export function ourNodes(app) {
  return Object.fromEntries(within(rootOf(app)).filter(([, node]) => isOurs(typeOf(node))));
}

/** Return the nodes that stand for subgraphs, by the ids that a run has for them.
 * @param {App} app
 */
export const subgraphNodes = (app) => within(rootOf(app)).filter(([, node]) => node.subgraph);

/** Return all nodes of a graph and of the subgraphs in it, each behind the node that stands for its subgraph.
 * @param {Graph} graph
 * @param {(node: GraphNode) => boolean} counts others are left out, with what is inside
 * @returns {[ExecutionId, GraphNode][]}
 */
function within(graph, counts = () => true) {
  /** @type {[ExecutionId, GraphNode][]} */
  const found = [];
  let visits = 0;
  const visit = (/** @type {Graph} */ { _nodes }, path = "", depth = 0) => {
    for (const node of _nodes) {
      if (++visits > MOST_VISITS) return;
      if (!counts(node)) continue;
      const id = `${path}${node.id}`;
      found.push([id, node]);
      if (node.subgraph && depth < DEEPEST) visit(node.subgraph, `${id}:`, depth + 1);
    }
  };
  visit(graph);
  return found;
}
