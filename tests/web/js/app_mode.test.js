// What app mode shows of the nodes that it hides.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { showInAppMode } from "../../../web/js/app_mode.js";
import { fakeDocument } from "./support/dom.js";
import { fakeHost } from "./support/host.js";

const LOOK_MS = 500;

beforeEach(() => {
  mock.timers.enable({ apis: ["setInterval"] });
  globalThis.document = fakeDocument();
});

afterEach(() => {
  mock.timers.reset();
  delete globalThis.document;
});

/** Return a page whose app mode has a place above its Run button once it is open. */
function page(words) {
  const place = document.createElement("section");
  place.prepend = (element) => {
    place.children = [element, ...place.children.filter((one) => one !== element)];
    element.parentNode = place;
  };
  const workflow = { activeMode: null, initialMode: "graph" };
  document.querySelector = mock.fn(() => place);
  const host = Object.assign(fakeHost(), { app: { extensionManager: { workflow: { activeWorkflow: workflow } } } });
  showInAppMode(host, words);
  return { host, place, workflow, looked: () => document.querySelector.mock.callCount() };
}

test("price and last word stand above Run while app mode is open, and change with what is set", () => {
  let words = ["OpenAI Image Nodes: ~0.025 USD", ""];
  const on = page(() => words);
  mock.timers.tick(LOOK_MS);
  assert.deepEqual([on.looked(), on.place.children.length], [0, 0]); // the graph shows them at its nodes
  on.workflow.activeMode = "app";
  mock.timers.tick(LOOK_MS);
  const [box] = on.place.children;
  assert.equal(box.textContent, "OpenAI Image Nodes: ~0.025\u00a0USD");
  words = ["OpenAI Image Nodes: free", "done, free on the sandbox"];
  mock.timers.tick(LOOK_MS);
  assert.equal(box.textContent, "OpenAI Image Nodes: free\ndone, free on the sandbox");
  assert.equal(on.place.children.length, 1);
  words = ["", ""];
  mock.timers.tick(LOOK_MS);
  assert.equal(box.hidden, true);
});

test("a workflow that opens as an app is one, and a frontend without app mode is left as it is", () => {
  const on = page(() => ["free"]);
  on.workflow.initialMode = "app";
  document.querySelector = () => null;
  mock.timers.tick(LOOK_MS);
  document.querySelector = () => on.place;
  mock.timers.tick(LOOK_MS);
  assert.equal(on.place.textContent, "free");
  on.host.app.extensionManager = undefined;
  assert.doesNotThrow(() => mock.timers.tick(LOOK_MS));
});
