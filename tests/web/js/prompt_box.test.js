import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { keepFiveLines } from "../../../web/js/node/prompt_box.js";

const LINE = 11.5; // pixels, of the frontend's own style
const AROUND = 8;

beforeEach(() => (globalThis.window = { LiteGraph: {} }));
afterEach(() => delete globalThis.window);

/** Return a node as high as a frontend makes it: its box of text has 50 pixels where it does not say more. */
function node(name, options = {}) {
  const made = { widgets: [{ name, options }, { name: "seed", options: {} }], size: [400, 90] };
  made.computeSize = () => [200, 40 + (options.getMinHeight?.() ?? 50)];
  made.setSize = (size) => (made.size = size);
  return made;
}

for (const name of ["prompt", "text"])
  test(`the box of ${name} starts with five lines`, () => {
    const one = node(name);
    keepFiveLines(one);
    assert.ok(one.widgets[0].options.getMinHeight() >= 5 * LINE + AROUND);
    assert.deepEqual(one.size, [400, one.computeSize()[1]]);
    assert.equal(one.widgets[1].options.getMinHeight, undefined);
  });

test("a node that is higher stays as it is", () => {
  const one = node("prompt");
  one.size = [400, 900];
  keepFiveLines(one);
  assert.deepEqual(one.size, [400, 900]);
});

test("newer nodes leave more around the text", () => {
  const one = node("prompt");
  keepFiveLines(one);
  const before = one.widgets[0].options.getMinHeight();
  globalThis.window.LiteGraph.vueNodesMode = true;
  assert.ok(one.widgets[0].options.getMinHeight() > before);
});

test("a node without such a box is left as it is", () => {
  const one = node("anything");
  keepFiveLines(one);
  assert.deepEqual(one.size, [400, 90]);
});
