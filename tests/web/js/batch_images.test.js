// Our example with ComfyUI's newer batch node, on a ComfyUI that has only the older one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { useOlderBatch } from "../../../web/js/replace/batch_images.js";

const input = (name, link) => ({ name, label: name, localized_name: name, type: "IMAGE", link });
const batch = (links) => ({
  ...{ id: 3, type: "BatchImagesNode", properties: { ver: "1", "Node name for S&R": "BatchImagesNode" } },
  inputs: links.map((link, number) => input(`images.image${number}`, link)),
});
const workflow = (node, type = "OIN_GPTImage") => ({ nodes: [{ id: 1, type }, node], links: [] });
const only = (...types) => (type) => types.includes(type);

/** Return the batch node of a workflow as a ComfyUI with these nodes gets it. */
function read(file, has) {
  useOlderBatch(file, has);
  return file.nodes[1];
}

test("two pictures come to the older node, linked as they were", () => {
  const node = read(workflow(batch([4, 5, null])), only("ImageBatch"));
  assert.equal(node.type, "ImageBatch");
  assert.deepEqual(node.inputs.map(({ name, link }) => [name, link]), [["image1", 4], ["image2", 5]]);
  assert.deepEqual(node.properties, { ver: "1", "Node name for S&R": "ImageBatch" });
});

test("it stays the newer one where that is known, and where neither is", () => {
  assert.equal(read(workflow(batch([4, 5])), only("ImageBatch", "BatchImagesNode")).type, "BatchImagesNode");
  assert.equal(read(workflow(batch([4, 5])), only()).type, "BatchImagesNode");
});

test("what the older node cannot hold stays, and so do workflows without a node of ours", () => {
  for (const links of [[4], [4, 5, 6], [null, 5, 6]])
    assert.equal(read(workflow(batch(links)), only("ImageBatch")).type, "BatchImagesNode");
  assert.equal(read(workflow(batch([4, 5]), "KSampler"), only("ImageBatch")).type, "BatchImagesNode");
});

test("what is no workflow does no harm", () => {
  assert.doesNotThrow(() => useOlderBatch({}, only("ImageBatch")));
  assert.doesNotThrow(() => useOlderBatch({ nodes: [{}], definitions: { subgraphs: [{}] } }, only("ImageBatch")));
});
