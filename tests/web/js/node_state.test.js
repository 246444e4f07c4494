import assert from "node:assert/strict";
import { test } from "node:test";

import { nodesWithin, ourNodes } from "../../../web/js/node/ours.js";
import { pictureCount, stateOf, widgetNamed } from "../../../web/js/node/state.js";

/** Return a node with linked inputs: each name alone, or with the node it comes from. */
function node(type, links, widgets = {}) {
  const entries = links.map((link) => (Array.isArray(link) ? link : [link]));
  return {
    type,
    widgets: Object.entries(widgets).map(([name, value]) => ({ name, value })),
    inputs: [{ name: "free", link: null }, ...entries.map(([name], place) => ({ name, link: place + 1 }))],
    getInputNode: (slot) => entries[slot - 1]?.[1],
  };
}

test("each linked picture counts, the mask and the prompt do not", () => {
  assert.equal(pictureCount(node("OIN_GPTImage", ["image", "mask", "prompt", "markup"])), 1);
  assert.equal(pictureCount(node("OIN_References", ["image_1", "image_8"])), 2);
});

test("what is collected counts through any number of collecting nodes", () => {
  const first = node("OIN_References", ["image_1", "image_2", "image_3"]);
  const second = node("OIN_References", [["references", first], "image_1"]);
  assert.equal(pictureCount(node("OIN_GPTImage", ["image", ["references", second]])), 5);
});

test("references that come from anything else count as one picture", () => {
  assert.equal(pictureCount(node("OIN_GPTImage", [["references", node("Reroute", ["image"])]])), 1);
});

test("collecting nodes in a circle end", () => {
  const circle = node("OIN_References", ["image_1"]);
  circle.inputs.push({ name: "references", link: 9 });
  circle.getInputNode = () => circle;
  assert.ok(pictureCount(circle) < 100);
  assert.equal(stateOf(circle).image_count, 16);
});

test("a frontend's own word on whether an input is linked comes first", () => {
  const linked = node("OIN_GPTImage", ["image"]);
  linked.isInputConnected = () => false;
  assert.equal(pictureCount(linked), 0);
});

test("the server is asked without the prompt, which is still being written", () => {
  const values = { prompt: "secret", model: "gpt-image-2", control_after_generate: "fixed", seed: 3 };
  assert.deepEqual(stateOf(node("OIN_GPTImage", ["image", "mask"], values)), {
    node: "OIN_GPTImage",
    values: { model: "gpt-image-2", seed: 3 },
    connected: ["image", "mask"],
    image_count: 1,
  });
});

test("a node without widgets and inputs has a state too", () => {
  assert.deepEqual(stateOf({ type: "X" }), { node: "X", values: {}, connected: [], image_count: 0 });
  assert.equal(widgetNamed({ type: "X" }, "seed"), undefined);
});

test("the files that Load Image shows are told, as the price follows their size", () => {
  const loader = node("LoadImage", [], { image: "cat.png [input]" });
  const asks = node("OIN_GPTImage", [["image", loader], ["mask", loader], ["markup", loader]]);
  assert.deepEqual(stateOf(asks).files, { image: "cat.png [input]", mask: "cat.png [input]" });
  assert.equal(stateOf(node("OIN_GPTImage", [["image", node("Other", [], { image: "x" })], "mask"])).files, undefined);
});

test("a node that was just taken off the canvas has a state, though older frontends throw when asked for its links", () => {
  const gone = node("OIN_GPTImage", ["image", "references"], { seed: 1 });
  gone.graph = null;
  gone.getInputNode = () => {
    throw new Error("Attempted to access LGraph reference that was null or undefined.");
  };
  const { connected, image_count } = stateOf(gone);
  assert.deepEqual([connected, image_count], [["image", "references"], 2]);
});

test("what a primitive sets is known although it is linked", () => {
  const asks = node("OIN_GPTImage", [["quality", node("PrimitiveNode", [])], ["size", node("OIN_PromptList", [])]]);
  assert.deepEqual(stateOf(asks).connected, ["quality", "size"]);
  assert.deepEqual(stateOf(asks).pinned, ["quality"]);
});

test("inputs that a file has many times count once, so that they do not multiply", () => {
  let last = node("OIN_References", ["image_1"]);
  for (let level = 0; level < 16; level++) last = node("OIN_References", Array(10).fill(["references", last]));
  assert.equal(pictureCount(last), 1);
});

test("subgraphs that hold each other many times are walked so far only", () => {
  let subgraph = { _nodes: [{ id: 1, type: "OIN_GPTImage" }] };
  for (let level = 0; level < 15; level++) {
    const inner = subgraph;
    subgraph = { _nodes: Array.from({ length: 10 }, (_, id) => ({ id, subgraph: inner })) };
  }
  assert.ok(nodesWithin(subgraph).length < 100_000);
  const [id] = Object.keys(ourNodes({ graph: { _nodes: [{ id: 7, subgraph: { _nodes: [{ id: 1, type: "OIN_GPTImage" }] } }] } }));
  assert.equal(id, "7:1");
});
