import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { widgetNamed } from "../../../web/js/node/state.js";
import { MissingNodes, readOldValues } from "../../../web/js/replace/missing_nodes.js";
import { contentOf, namedValues, readingOf, snapshot } from "../../../web/js/replace/reading.js";
import { replaceExtension } from "../../../web/js/replace/extension.js";
import { swap } from "../../../web/js/replace/swap.js";
import { fitting } from "../../../web/js/replace/values.js";
import { Graph, createNode } from "./support/graph.js";
import { fakeHost } from "./support/host.js";

const OLD = "OpenAIGPTImageNodeV2";
const LAYOUT = ["prompt", "model", "model.size", "seed", "control_after_generate"];
const SAVED = ["a fox", "gpt-image-2", "Custom", 77, "randomize"];
const FACTS = {
  nodes: {
    [OLD]: {
      ...{ old: OLD, new: "OIN_GPTImage", layouts: [LAYOUT, LAYOUT.slice(0, 2)], outputs: { 0: 0 }, fixed: {} },
      inputs: { prompt: "prompt", model: "model", "model.size": "size", seed: "seed", "model.mask": "mask" },
      ...{ pictures: "model.images.", values: { size: { Custom: "custom" } } },
      join: { node: "JoinImageWithAlpha", inputs: { image: "model.markup", alpha: "model.markup_alpha" }, target: "markup" },
    },
  },
  models: { "gpt-image-1": "gpt-image-2.5-sunburst" },
  api_node_colour: "#432",
};

beforeEach(() => {
  globalThis.window = {
    LiteGraph: {
      createNode(type) {
        const node = createNode(type);
        if (type === "OIN_GPTImage") node.widgets.push({ name: "control_after_generate", value: "fixed", options: {} });
        return node;
      },
    },
  };
});
afterEach(() => delete globalThis.window);

const host = fakeHost();
const values = (node) => Object.fromEntries(node.widgets.map(({ name, value }) => [name, value]));

/** Return a graph with one node that the host does not know, and what it is linked with. */
function missing(saved, look = {}) {
  const graph = new Graph();
  const inputs = look.inputs ?? [];
  const node = graph.placed(OLD, { inputs, outputs: ["IMAGE"] }, look.node);
  node.last_serialization = { type: OLD, widgets_values: saved };
  node.widgets = [];
  return { graph, node };
}

/** Return everything of a built-in node, as it is. */
function read(graph, node) {
  const reading = readingOf(node, FACTS);
  return snapshot(graph, node, reading, contentOf(graph, node, reading));
}

function replaced(graph) {
  const found = graph._nodes.filter(({ type }) => type === OLD).map((node) => read(graph, node));
  return swap(host, found, FACTS);
}

// ---- values

test("saved values are read by the layout of as many, and by none if their number is unknown", () => {
  const { layouts } = FACTS.nodes[OLD];
  assert.deepEqual(namedValues(["a fox", "gpt-image-2"], { layouts }), { prompt: "a fox", model: "gpt-image-2" });
  assert.equal(namedValues([1, 2, 3], { layouts }), null);
  assert.deepEqual(namedValues([], { layouts }), {});
  assert.deepEqual(namedValues(undefined, { layouts }), {});
  assert.deepEqual(namedValues({ seed: 1 }, { layouts }), { seed: 1 });
});

test("a widget takes a choice it has, a value of its kind, a number within its limits", () => {
  const combo = { value: "low", options: { values: ["low", "high"] } };
  assert.deepEqual(["high", "xhigh", 1].map((value) => fitting(combo, value)), ["high", undefined, undefined]);
  const number = { value: 1, options: { min: 1, max: 8 } };
  assert.deepEqual([3, 0, 99, "3", null].map((value) => fitting(number, value)), [3, 1, 8, undefined, undefined]);
  assert.equal(fitting({ value: "" }, "text"), "text");
});

test("all values are carried over, under the names and choices of ours", () => {
  const { graph } = missing(SAVED);
  assert.deepEqual(replaced(graph), []);
  const ours = values(graph.only("OIN_GPTImage"));
  assert.deepEqual(
    [ours.prompt, ours.model, ours.size, ours.seed, ours.control_after_generate],
    ["a fox", "gpt-image-2", "custom", 77, "randomize"],
  );
});

test("a model that is shut down becomes its successor, and that is told", () => {
  const { graph, node } = missing(["a fox", "gpt-image-1"]);
  const told = replaced(graph);
  assert.equal(values(graph.only("OIN_GPTImage")).model, "gpt-image-2.5-sunburst");
  assert.deepEqual(told, [`OIN_GPTImage #${node.id + 1}: model gpt-image-1 \u2192 gpt-image-2.5-sunburst (shut down)`]);
});

test("what does not fit is told and stays at its default", () => {
  const { graph } = missing(["a fox", "gpt-image-2", "auto", "77", "fixed"]);
  const told = replaced(graph);
  assert.equal(told.length, 1);
  assert.match(told[0], /seed 77: not carried over$/);
  assert.equal(values(graph.only("OIN_GPTImage")).seed, 0);
});

test("what ours has no place for is told, of a node that the host knows too", () => {
  for (const isKnown of [true, false]) {
    const { graph, node } = missing(["a fox", "vivid"]);
    if (isKnown) {
      node.widgets = [{ name: "prompt", value: "a fox" }, { name: "style", value: "vivid" }, { name: "upload", value: "x" }];
      delete node.last_serialization;
    }
    const styled = { ...FACTS.nodes[OLD], layouts: [["prompt", "style"]] };
    const old = snapshot(graph, node, styled, contentOf(graph, node, styled));
    assert.match(swap(host, [old], FACTS)[0], /style vivid: not carried over$/);
  }
});

test("values that nobody can read are told, and the links are carried over all the same", () => {
  const { graph, node } = missing([1, 2, 3], { inputs: ["model.images.image_1"] });
  const source = graph.placed("LoadImage", { outputs: ["IMAGE", "MASK"] });
  source.connect(0, node, 0);
  const told = replaced(graph);
  assert.equal(told.length, 1);
  assert.match(told[0], /saved in an unknown way/);
  assert.equal(graph.into(graph.only("OIN_GPTImage"), "image"), `LoadImage #${source.id}.0`);
});

// ---- links

/** Return a graph where so many pictures go into one built-in node, then Save Image. */
function withPictures(count, ...others) {
  const inputs = [...Array.from({ length: count }, (_, place) => `model.images.image_${place + 1}`), ...others];
  const { graph, node } = missing(SAVED, { inputs });
  [...inputs.entries()].reverse().forEach(([slot, name]) => {
    const source = graph.placed("LoadImage", { outputs: ["IMAGE", "MASK"] }, { title: name });
    source.connect(/mask|alpha/.test(name) ? 1 : 0, node, slot);
  });
  const save = graph.placed("SaveImage", { inputs: ["images"] });
  node.connect(0, save, 0);
  return { graph, node, save };
}

/** Return the titles of what goes into ours, in the order in which it is sent. */
function order(graph) {
  const source = (node, name) => graph.getNodeById(/#(\d+)/.exec(graph.into(node, name) ?? "")?.[1]);
  const collected = (node) =>
    node ? [...collected(source(node, "references")), ...node.inputs.slice(1).map(({ name }) => source(node, name)?.title)] : [];
  const ours = graph.only("OIN_GPTImage");
  return [source(ours, "image")?.title, ...collected(source(ours, "references"))].filter(Boolean);
}

for (const count of [0, 1, 2, 9, 10, 16])
  test(`${count} pictures keep their order, and nothing else is connected`, () => {
    const { graph, save } = withPictures(count);
    assert.deepEqual(replaced(graph), []);
    const names = Array.from({ length: count }, (_, place) => `model.images.image_${place + 1}`);
    assert.deepEqual(order(graph), names);
    assert.equal(graph._nodes.filter(({ type }) => type === "OIN_References").length, Math.ceil(Math.max(count - 1, 0) / 8));
    assert.match(graph.into(save, "images"), /^OIN_GPTImage/);
    assert.ok(![...graph._nodes].some(({ type }) => type === OLD));
  });

test("the mask comes from the same output", () => {
  const { graph } = withPictures(1, "model.mask");
  assert.deepEqual(replaced(graph), []);
  assert.match(graph.into(graph.only("OIN_GPTImage"), "mask"), /^LoadImage #\d+\.1$/);
});

test("two sockets that are one of ours are joined; one of them alone is told as lost", () => {
  const both = withPictures(0, "model.markup", "model.markup_alpha");
  assert.deepEqual(replaced(both.graph), []);
  const join = both.graph.only("JoinImageWithAlpha");
  assert.equal(both.graph.into(both.graph.only("OIN_GPTImage"), "markup"), `JoinImageWithAlpha #${join.id}.0`);
  assert.ok(both.graph.into(join, "image") && both.graph.into(join, "alpha"));
  const [told] = replaced(withPictures(0, "model.markup").graph);
  assert.match(told, /model\.markup: its link is not carried over$/);
});

test("an input that ours does not have is told as lost", () => {
  const { graph } = withPictures(0, "model.unheard_of");
  assert.match(replaced(graph)[0], /model\.unheard_of: its link is not carried over$/);
});

test("built-in nodes behind each other are linked as they were", () => {
  const { graph, node, save } = withPictures(1);
  const second = graph.placed(OLD, { inputs: ["model.images.image_1"], outputs: ["IMAGE"] });
  second.last_serialization = { type: OLD, widgets_values: ["second", "gpt-image-2"] };
  second.widgets = [];
  node.connect(0, second, 0);
  second.connect(0, save, 0);
  assert.deepEqual(replaced(graph), []);
  const [one, two] = graph._nodes.filter(({ type }) => type === "OIN_GPTImage");
  assert.deepEqual([values(one).prompt, values(two).prompt], ["a fox", "second"]);
  assert.equal(graph.into(two, "image"), `OIN_GPTImage #${one.id}.0`);
  assert.equal(graph.into(save, "images"), `OIN_GPTImage #${two.id}.0`);
});

test("an output that ours does not have is told, as the end of a link and as its source", () => {
  const { graph, node } = missing(SAVED);
  node.outputs.push({ name: "NEW" });
  const preview = graph.placed("PreviewAny", { inputs: ["source"] });
  node.connect(1, preview, 0);
  const other = graph.placed(OLD, { inputs: ["model.images.image_1"], outputs: ["IMAGE"] });
  other.last_serialization = { type: OLD, widgets_values: [] };
  other.widgets = [];
  node.connect(1, other, 0);
  const told = replaced(graph);
  assert.equal(told.filter((line) => /output 1: its link/.test(line)).length, 1);
  assert.equal(told.filter((line) => /images: its link/.test(line)).length, 1);
});

test("links through a subgraph's own ends stay there", () => {
  const { graph, node } = missing(SAVED, { inputs: ["model.images.image_1"] });
  const asked = [];
  const slot = { connect: (...ends) => asked.push(ends) };
  Object.assign(graph, { inputNode: { slots: [slot] }, outputNode: { slots: [slot] } });
  graph.link("-10", 0, node.id, 0, 5);
  graph.link(node.id, 0, "-20", 0);
  assert.deepEqual(replaced(graph), []);
  const ours = graph.only("OIN_GPTImage");
  assert.deepEqual(asked, [[ours.inputs[0], ours, 5], [ours.outputs[0], ours, undefined]]);
});

// ---- looks and places

test("a person's title and colour are kept, those that every such node has are not", () => {
  const mine = missing(SAVED, { node: { title: "My fox", color: "#233", bgcolor: "#355", mode: 4, pos: [40, 60], size: [500, 400] } });
  const plain = missing(SAVED, { node: { title: "OpenAI GPT Image 2", color: "#432", size: [10, 10] } });
  for (const { graph } of [mine, plain]) replaced(graph);
  const [one, other] = [mine, plain].map(({ graph }) => graph.only("OIN_GPTImage"));
  assert.deepEqual([one.title, one.color, one.mode, one.pos, one.size], ["My fox", "#233", 4, [40, 60], [500, 400]]);
  assert.deepEqual([other.title, other.color, other.size], ["OIN_GPTImage", undefined, [200, 150]]);
});

test("a node that is put in between covers none", () => {
  const { graph } = withPictures(16);
  graph.placed("Note", {}, { pos: [-50, -400], size: [800, 300] });
  replaced(graph);
  const boxes = graph._nodes.filter(({ type }) => /References|Note/.test(type)).map(({ pos, size }) => [...pos, ...size]);
  for (const [place, [x, y, width, height]] of boxes.entries())
    for (const [x2, y2, width2, height2] of boxes.slice(place + 1))
      assert.ok(x + width <= x2 || x2 + width2 <= x || y + height <= y2 || y2 + height2 <= y, JSON.stringify(boxes));
});

// ---- ComfyUI's own swap of missing nodes

test("a node that ComfyUI put in the place of a missing one is completed once", () => {
  const { graph, node } = withPictures(3);
  const asked = fakeHost();
  const nodes = new MissingNodes(asked);
  nodes.remember([read(graph, node)]);
  graph.remove(node);
  const fresh = Object.assign(globalThis.window.LiteGraph.createNode("OIN_GPTImage"), { id: node.id });
  graph.add(fresh);
  nodes.complete(fresh, FACTS);
  assert.equal(values(fresh).seed, 77);
  assert.deepEqual(asked.toasts, []);
  widgetNamed(fresh, "seed").value = 5;
  nodes.complete(fresh, FACTS);
  assert.equal(values(fresh).seed, 5);
  assert.equal(graph._nodes.filter(({ type }) => type === "OIN_References").length, 1);
});

test("a node that was there before is left alone", () => {
  const { graph, node } = missing(SAVED);
  delete node.last_serialization;
  const nodes = new MissingNodes(host);
  nodes.remember([read(graph, node)]);
  const fresh = Object.assign(createNode("OIN_GPTImage"), { id: node.id, graph });
  nodes.complete(fresh, FACTS);
  assert.equal(values(fresh).seed, 0);
});

test("one of ours under the old name reads values that were saved by the old node", () => {
  const node = Object.assign(createNode("OIN_GPTImage"), { type: OLD });
  widgetNamed(node, "connection").options = { values: ["auto", "openai"] };
  readOldValues(host, node, () => FACTS);
  node.widgets[1].value = "medium"; // what ComfyUI put there by position
  node.onConfigure({ widgets_values: SAVED });
  const { prompt, size, connection, model } = values(node);
  assert.deepEqual([prompt, size, connection, model], ["a fox", "custom", "auto", "gpt-image-2.6-flare"]);
});

test("a stranger's node with a name that every object knows hides no built-in node", async () => {
  const { graph } = missing(SAVED);
  graph.placed("constructor", {});
  const inPage = { ...fakeHost(), app: { graph }, json: async () => FACTS, attempt: (work) => work() };
  const extension = replaceExtension(inPage);
  await extension.learn();
  assert.equal(extension.getCanvasMenuItems().length, 1);
});
