import assert from "node:assert/strict";
import { test } from "node:test";

import { stateOf, widgetNamed } from "../../../web/js/node/state.js";
import { keepHeight, showUsed, unused } from "../../../web/js/node/widgets.js";

const SET = {
  ...{ size: "auto", output_format: "png", output_compression: 100, input_fidelity: "auto", complexity: "auto" },
  ...{ svg_model: "", svg_effort: "auto" },
};
const ALL = ["custom_width", "custom_height", "output_compression", "input_fidelity", "complexity", "svg_effort"];
const PLAIN = { input_fidelity: [], complexity: null };

test("all that a plain model has no use for is unused", () => {
  assert.deepEqual(unused(SET, PLAIN), ALL);
});

for (const [name, values] of Object.entries({
  custom_width: { size: "custom" },
  custom_height: { size: "custom" },
  output_compression: { output_format: "webp" },
  svg_effort: { svg_model: "gpt-5" },
}))
  test(`${name} is used with ${JSON.stringify(values)}`, () => {
    assert.ok(!unused({ ...SET, ...values }, PLAIN).includes(name));
  });

test("what is for a region, or for pictures, is shown with these", () => {
  const values = { mask_mode: "guide", region_context: 50, transparent_pixels: "filled white" };
  assert.deepEqual(unused({ ...SET, ...values }, undefined, []).slice(-3), ["region_context", "transparent_pixels", "svg_effort"]);
  assert.ok(!unused({ ...SET, ...values, mask_mode: "region" }, undefined, []).includes("region_context"));
  assert.ok(!unused({ ...SET, ...values, region_context: 80 }, undefined, []).includes("region_context"));
  for (const input of ["image", "references"])
    assert.ok(!unused({ ...SET, ...values }, undefined, [input]).includes("transparent_pixels"));
  assert.ok(!unused({ ...SET, ...values, transparent_pixels: "own colours" }, undefined, []).includes("transparent_pixels"));
});

test("a value that the model does not take stays to be seen: the run would be refused for it", () => {
  const refused = { ...SET, output_compression: 80, input_fidelity: "high", complexity: "low", svg_effort: "high" };
  assert.deepEqual(unused(refused, PLAIN), ["custom_width", "custom_height"]);
});

test("a model that is not known hides nothing of its own", () => {
  assert.deepEqual(unused(SET, undefined), ["custom_width", "custom_height", "output_compression", "svg_effort"]);
  assert.deepEqual(unused(SET, { input_fidelity: ["low", "high"], complexity: [] }).includes("input_fidelity"), false);
});

/** Return a node whose height is that of its visible widgets. */
function node(values, look = {}) {
  const widgets = Object.entries(values).map(([name, value]) => ({ name, value, options: { advanced: true }, advanced: true }));
  const made = { type: "OIN_GPTImage", inputs: [], widgets, size: [400, 0], ...look };
  made.computeSize = () => [200, made.widgets.reduce((sum, one) => sum + (one.computeSize?.()[1] ?? 20) + 4, 0)];
  made.setSize = (size) => (made.size = size);
  made.size[1] ||= made.computeSize()[1];
  return made;
}

const shown = (of) => of.widgets.filter((widget) => !widget.hidden).map(({ name }) => name);

test("what is hidden keeps its value, and its place in what is saved", () => {
  const one = node({ ...SET, custom_width: 1280, custom_height: 768 });
  const before = one.widgets.map(({ name, value }) => [name, value]);
  showUsed(one, stateOf(one), PLAIN);
  assert.deepEqual(shown(one), ["size", "output_format", "svg_model"]);
  assert.deepEqual(one.widgets.map(({ name, value }) => [name, value]), before);
  assert.ok(one.widgets.every((widget) => Boolean(widget.options.hidden) === Boolean(widget.hidden)));
});

test("what is used again comes back, at the top level while it matters", () => {
  const one = node({ ...SET, custom_width: 1280, custom_height: 768 });
  showUsed(one, stateOf(one), PLAIN);
  widgetNamed(one, "size").value = "custom";
  showUsed(one, stateOf(one), PLAIN);
  assert.ok(shown(one).includes("custom_width"));
  assert.equal(widgetNamed(one, "custom_width").computeSize, undefined);
  assert.deepEqual([widgetNamed(one, "custom_width").advanced, widgetNamed(one, "custom_width").options.advanced], [false, false]);
});

test("an input that is linked is not hidden", () => {
  const one = node({ ...SET, custom_width: 1280 });
  one.inputs = [{ name: "custom_width", link: 7 }];
  showUsed(one, stateOf(one), PLAIN);
  assert.ok(shown(one).includes("custom_width"));
});

test("a loaded node, whose height was made for the widgets that it then had, keeps it", () => {
  const loaded = node(SET);
  const [width, height] = loaded.computeSize();
  loaded.size = [width, height - 10];
  showUsed(loaded, stateOf(loaded), PLAIN);
  assert.deepEqual(loaded.size, [width, height - 10]);
});

test("a node that was just high enough stays so, one that was made larger keeps its size", () => {
  const [tight, roomy] = [node(SET), node(SET, { size: [400, 900] })];
  for (const one of [tight, roomy]) showUsed(one, stateOf(one), PLAIN);
  assert.equal(tight.size[1], tight.computeSize()[1]);
  assert.deepEqual(roomy.size, [400, 900]);
  widgetNamed(tight, "output_format").value = "jpeg";
  showUsed(tight, stateOf(tight), PLAIN);
  assert.equal(tight.size[1], tight.computeSize()[1]);
});

test("a node of a workflow is never less high than it was saved, whatever the frontend made of it meanwhile", () => {
  const one = node({ ...SET, custom_width: 1280, custom_height: 768 });
  const saved = one.size[1] - 40;
  keepHeight(one, { size: [400, saved] });
  showUsed(one, stateOf(one), PLAIN);
  assert.equal(one.size[1], saved);
  keepHeight(one, { size: [400, 10] });
  widgetNamed(one, "size").value = "custom";
  showUsed(one, stateOf(one), PLAIN);
  assert.equal(one.size[1], Math.max(saved, one.computeSize()[1]));
});
