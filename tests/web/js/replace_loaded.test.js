// A host that does not know a node's options makes something else of a file: what the file says is believed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LoadedNodes, merged } from "../../../web/js/replace/loaded.js";
import { contentOf } from "../../../web/js/replace/reading.js";
import { Graph } from "./support/graph.js";

const TYPE = "OpenAIGPTImageNodeV2";
const READING = {
  ...{ old: TYPE, layouts: [["prompt", "model", "model.size", "seed", "control"]], pictures: "model.images." },
  inputs: { prompt: "prompt", model: "model", "model.size": "size", seed: "seed", "model.mask": "mask" },
};
const VALUES = { prompt: "a fox", model: "gpt-image-9", "model.size": "auto", seed: 183495656, control: "randomize" };
const FILE = {
  id: "g",
  nodes: [{
    ...{ id: 7, type: TYPE, widgets_values: Object.values(VALUES) },
    inputs: [{ name: "model.images.image_1", link: 1 }, { name: "model.mask", link: 2 }, { name: "free", link: null }],
  }],
  links: [[1, 3, 0, 7, 0, "IMAGE"], [2, 3, 1, 7, 1, "MASK"]],
};

/** Return what a host without the model makes of the file: values moved up, links lost or elsewhere. */
function garbled(id = "g") {
  const graph = Object.assign(new Graph(), { id });
  const values = { prompt: "a fox", model: "gpt-image-2", n: 1024, seed: 1024, control: "fixed" };
  graph.placed("LoadImage", { outputs: ["IMAGE", "MASK"] }, { id: 3 });
  const node = graph.placed(TYPE, { inputs: ["prompt", "model"], outputs: ["IMAGE"], widgets: values }, { id: 7 });
  node.serialize = () => ({ inputs: node.inputs, widgets_values: node.widgets.map((widget) => widget.value) });
  return { graph, node, now: () => contentOf(graph, node, READING) };
}

/** Load a file and return what is believed of its node, after `change`. */
function loaded(nodes, file, { graph, node, now }, change = () => {}) {
  nodes.read(structuredClone(file));
  nodes.keep(graph, node, READING, now());
  change();
  return nodes.believed(node, now());
}

const sources = ({ inputs }) => Object.fromEntries(inputs.map(({ name, from, output }) => [name, `${from}.${output}`]));

test("values and links are those of the file, whatever the host made of them", () => {
  const believed = loaded(new LoadedNodes(), FILE, garbled());
  assert.deepEqual(believed.values, VALUES);
  assert.deepEqual(sources(believed), { "model.images.image_1": "3.0", "model.mask": "3.1" });
});

test("what a person changed since then comes first", () => {
  const host = garbled();
  const believed = loaded(new LoadedNodes(), FILE, host, () => {
    host.node.widgets.find(({ name }) => name === "seed").value = 5;
    host.graph.getNodeById(3).connect(0, host.node, 0);
  });
  assert.deepEqual(believed.values, { ...VALUES, seed: 5 });
  assert.equal(sources(believed).prompt, "3.0");
});

test("a link that a person took away is gone", () => {
  const end = { name: "model.mask", from: 3, output: 1 };
  const content = (...inputs) => ({ inputs, values: {} });
  assert.deepEqual(merged({ file: content(end), loaded: content(end) }, content()).inputs, []);
  assert.deepEqual(merged({ file: content(end), loaded: content() }, content()).inputs.length, 1);
});

test("an undo or another tab gives back what the host had made: the file before is still believed", () => {
  const nodes = new LoadedNodes();
  const first = garbled();
  loaded(nodes, FILE, first);
  const { inputs, widgets_values } = first.node.serialize();
  const again = { id: "g", nodes: [{ id: 7, type: TYPE, inputs, widgets_values }], links: [] };
  assert.deepEqual(loaded(nodes, again, garbled()).values, VALUES);
  const other = { ...again, nodes: [{ ...again.nodes[0], widgets_values: ["a cat", "gpt-image-2", "auto", 3, "fixed"] }] };
  assert.equal(loaded(nodes, other, garbled()).values.prompt, "a cat");
});

test("a node of a subgraph is known by the subgraph", () => {
  const inner = { ...FILE, id: "inner", links: FILE.links.map(([id, origin_id, origin_slot]) => ({ id, origin_id, origin_slot })) };
  const file = { id: "g", nodes: [], links: [], definitions: { subgraphs: [inner] } };
  const believed = loaded(new LoadedNodes(), file, garbled("inner"));
  assert.deepEqual(believed.values, VALUES);
  assert.deepEqual(sources(believed), { "model.images.image_1": "3.0", "model.mask": "3.1" });
});

test("a file without an id is believed for the workflow that it became", () => {
  const { id: _, ...file } = FILE;
  assert.deepEqual(loaded(new LoadedNodes(), file, garbled("made by the host")).values, VALUES);
});

test("what only the node has, as one of ours under the old name has it, stays", () => {
  const content = (values) => ({ inputs: [], values });
  const now = content({ model: "gpt-image-2", moderation: "low" });
  const believed = merged({ file: content({ model: "gpt-image-9" }), loaded: now }, now);
  assert.deepEqual(believed.values, { model: "gpt-image-9", moderation: "low" });
});

test("values in an unknown layout leave those of the host", () => {
  const file = { ...FILE, nodes: [{ ...FILE.nodes[0], widgets_values: [1, 2, 3] }] };
  const believed = loaded(new LoadedNodes(), file, garbled());
  assert.equal(believed.values.model, "gpt-image-2");
  assert.ok("model.mask" in sources(believed));
});

test("a node that was in no file is taken as it is", () => {
  const { node, now } = garbled();
  assert.deepEqual(new LoadedNodes().believed(node, now()), now());
});

test("without a file, pictures and a mask that are linked with anything are known by their type", () => {
  const { graph, node, now } = garbled();
  node.inputs = ["model.images.image_1", "n", "seed", "model"].map((name) => ({ name, type: name.includes("image") ? "IMAGE" : "INT" }));
  graph.link(3, 0, 7, 0).type = "IMAGE";
  graph.link(3, 0, 7, 2).type = "IMAGE";
  graph.link(3, 1, 7, 3).type = "MASK";
  graph.link(3, 2, 7, 1).type = "INT";
  const late = graph.placed("LoadImage", { outputs: ["IMAGE"] });
  Object.assign(graph.link(late.id, 0, 7, 4), { type: "IMAGE", id: 0 }); // made before, found after
  const names = now().inputs.map(({ name, from }) => `${name} ${from}`);
  assert.deepEqual(names, [
    ...["model.images.image_1 3", "model.images.image_101 3", "model.mask 3", "n 3", `model.images.image_100 ${late.id}`],
  ]);
});
