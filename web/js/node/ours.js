// Which nodes are ours, and where they are in the workflow.

/** @import { App, ExecutionId, Graph, GraphNode } from "../types" */

const PICTURES = ["OIN_GPTImage", "OIN_GPTImageGIF", "OIN_GPTImageSVG"];
const LISTER = "OIN_PromptList";
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

/** Return all nodes of a graph and of the subgraphs in it.
 * @param {Graph} graph
 */
export const nodesWithin = (graph) => within(graph).map(([, node]) => node);

/** Return our nodes by the ids that a run has for them: inside of a subgraph, that of its node comes before.
 * @param {App} app
 * @returns {Record<ExecutionId, GraphNode>}
 */
export function ourNodes(app) {
  return Object.fromEntries(within(rootOf(app)).filter(([, node]) => isOurs(typeOf(node))));
}

/**
 * @param {Graph} graph
 * @returns {[ExecutionId, GraphNode][]}
 */
function within(graph) {
  /** @type {[ExecutionId, GraphNode][]} */
  const found = [];
  let visits = 0;
  const visit = (/** @type {Graph} */ { _nodes }, path = "", depth = 0) => {
    for (const node of _nodes) {
      if (++visits > MOST_VISITS) return;
      const id = `${path}${node.id}`;
      if (!node.subgraph) found.push([id, node]);
      else if (depth < DEEPEST) visit(node.subgraph, `${id}:`, depth + 1);
    }
  };
  visit(graph);
  return found;
}
