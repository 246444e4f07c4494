// Which nodes are ours, and where they are in the workflow.

/** @import { App, ExecutionId, Graph, GraphNode } from "../types" */

const PICTURES = ["OIN_GPTImage", "OIN_GPTImageGIF", "OIN_GPTImageSVG"];
const LISTER = "OIN_PromptList";
const DEEPEST = 16; // subgraphs within subgraphs

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
export const nodesWithin = (graph) => within(graph, "", 0).map(([, node]) => node);

/** Return our nodes by the ids that a run has for them: inside of a subgraph, that of its node comes before.
 * @param {App} app
 * @returns {Record<ExecutionId, GraphNode>}
 */
export function ourNodes(app) {
  return Object.fromEntries(within(rootOf(app), "", 0).filter(([, node]) => isOurs(typeOf(node))));
}

/**
 * @param {Graph} graph
 * @param {string} path
 * @param {number} depth
 * @returns {[ExecutionId, GraphNode][]}
 */
function within(graph, path, depth) {
  if (depth > DEEPEST) return [];
  return graph._nodes.flatMap((node) => {
    const id = `${path}${node.id}`;
    return node.subgraph ? within(node.subgraph, `${id}:`, depth + 1) : [/** @type {[string, GraphNode]} */ ([id, node])];
  });
}
