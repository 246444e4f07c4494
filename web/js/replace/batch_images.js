// ComfyUI's older batch node in the place of the newer one, where this ComfyUI has only that: our example has the newer.

import { isOurs } from "../node/ours.js";

/** @import { SavedNode, SavedWorkflow } from "../types" */

const NEWER = "BatchImagesNode";
const OLDER = "ImageBatch";
const SOCKETS = ["image1", "image2"]; // of the older one, which joins two

/** Put the older node in the place of each newer one that joins two pictures, in a workflow of ours.
 * @param {SavedWorkflow} workflow
 * @param {(type: string) => boolean} has whether this ComfyUI has a node
 */
export function useOlderBatch(workflow, has) {
  if (has(NEWER) || !has(OLDER)) return;
  const graphs = [workflow, ...(workflow.definitions?.subgraphs ?? [])];
  const nodes = graphs.flatMap((graph) => graph.nodes ?? []);
  if (nodes.some((node) => isOurs(node.type ?? ""))) nodes.filter(joinsTwo).forEach(makeOlder);
}

/** @param {SavedNode} node */
function joinsTwo(node) {
  const linked = (node.inputs ?? []).map((input) => input.link != null);
  return node.type === NEWER && linked.length >= SOCKETS.length && linked.every((is, slot) => is === slot < SOCKETS.length);
}

/** @param {SavedNode} node */
function makeOlder(node) {
  const inputs = SOCKETS.map((name, slot) => ({ ...node.inputs?.[slot], name, label: undefined, localized_name: undefined }));
  Object.assign(node, { type: OLDER, inputs, properties: { ...node.properties, "Node name for S&R": OLDER } });
}
