import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { addPriceBadge, priceColours, priceText } from "../../../web/js/node/price_badge.js";
import { english, fakeHost, settled } from "./support/host.js";

const ESTIMATE = "/openai_image_nodes/estimate";
const SETTLE_MS = 250;

const said = (told) => priceText(told, english);

test("one price is told as about, two as a range", () => {
  assert.equal(said({ state: "known", low_usd: 0.0411, high_usd: 0.0414 }), "~0.041 USD");
  assert.equal(said({ state: "known", low_usd: 0.006, high_usd: 0.211 }), "0.006-0.21 USD");
});

test("what has no price says why", () => {
  assert.equal(said({ state: "free" }), "free");
  assert.equal(said({ state: "no_key" }), "no key yet");
  assert.equal(said({ state: "unknown" }), "price after the run");
  assert.equal(said({ state: "something newer" }), "price after the run");
});

test("a refusal is told in its first sentence, where that fits the node", () => {
  assert.equal(said({ state: "impossible", reason: "n is 9. It must be 1 to 8." }), "n is 9");
  assert.equal(said({ state: "impossible", reason: `${"long ".repeat(20)}. More.` }), "not possible as set");
  assert.equal(said({ state: "impossible" }), "");
});

test("what keeps a run from working has another colour", () => {
  const colours = ["free", "known", "unknown"].map((state) => priceColours(state).bgColor);
  assert.equal(new Set(colours).size, 1);
  for (const state of ["impossible", "no_key"]) assert.notEqual(priceColours(state).bgColor, colours[0]);
});

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.window = {
    LGraphBadge: class {
      constructor(options) {
        Object.assign(this, options);
      }
    },
  };
});

afterEach(() => {
  mock.timers.reset();
  delete globalThis.window;
});

function node() {
  const widgets = [{ name: "seed", value: 1 }, { name: "quality", value: "low" }];
  const made = { type: "OIN_GPTImage", inputs: [], widgets, badges: [], redrawn: 0 };
  made.setDirtyCanvas = () => (made.redrawn += 1);
  return made;
}

async function passed(milliseconds) {
  mock.timers.tick(milliseconds);
  await settled();
}

const set = (one, name, value) => {
  const widget = one.widgets.find((entry) => entry.name === name);
  widget.value = value;
  widget.callback?.(value);
  mock.timers.tick(1);
};

const badge = (one) => one.badges[0]().text;

test("the price is asked once what is set has settled, and shown", async () => {
  const host = fakeHost({ [ESTIMATE]: ({ values }) => ({ state: "known", low_usd: values.seed, high_usd: values.seed }) });
  const one = node();
  addPriceBadge(host, one, () => undefined);
  for (const seed of [2, 3, 4]) set(one, "seed", seed);
  await passed(SETTLE_MS);
  assert.deepEqual(host.asked.map(([path, { values }]) => [path, values.seed]), [[ESTIMATE, 4]]);
  assert.equal(badge(one), "~4.00 USD");
  assert.equal(one.redrawn, 1);
});

test("nothing is asked again while nothing is set again, however often the node is drawn", async () => {
  const host = fakeHost({ [ESTIMATE]: { state: "free" } });
  const one = node();
  addPriceBadge(host, one, () => undefined);
  await passed(SETTLE_MS);
  for (let frame = 0; frame < 100; frame++) badge(one);
  await passed(SETTLE_MS);
  assert.equal(host.asked.length, 1);
});

test("an answer that comes late for what was set before is not shown", async () => {
  const answers = [];
  const host = fakeHost({ [ESTIMATE]: () => new Promise((resolve) => answers.push(resolve)) });
  const one = node();
  addPriceBadge(host, one, () => undefined);
  await passed(SETTLE_MS);
  set(one, "quality", "high");
  await passed(SETTLE_MS);
  answers[1]({ state: "known", low_usd: 0.2, high_usd: 0.2 });
  await settled();
  answers[0]({ state: "known", low_usd: 0.01, high_usd: 0.01 });
  await settled();
  assert.equal(badge(one), "~0.20 USD");
});

test("a server that does not answer leaves no price of before", async () => {
  let isUp = true;
  const host = fakeHost({ [ESTIMATE]: () => (isUp ? { state: "free" } : Promise.reject(new Error("gone"))) });
  const one = node();
  addPriceBadge(host, one, () => undefined);
  await passed(SETTLE_MS);
  assert.equal(badge(one), "free");
  isUp = false;
  set(one, "quality", "high");
  await passed(SETTLE_MS);
  assert.equal(badge(one), "");
});

test("a frontend without badges is left as it is, and what is not used is hidden all the same", async () => {
  delete globalThis.window.LGraphBadge;
  const one = node();
  one.widgets.push({ name: "custom_width", value: 8 }, { name: "size", value: "auto" });
  addPriceBadge(fakeHost({ [ESTIMATE]: { state: "free" } }), one, () => undefined);
  await passed(SETTLE_MS);
  assert.deepEqual(one.badges, []);
  assert.equal(one.widgets[2].hidden, true);
});

test("what a widget or the node did before is still done", () => {
  const one = node();
  const calls = [];
  one.widgets[0].callback = (value) => calls.push(value) && "answer";
  one.onConfigure = (saved) => calls.push(saved);
  addPriceBadge(fakeHost({ [ESTIMATE]: { state: "free" } }), one, () => undefined);
  assert.equal(one.widgets[0].callback(7), "answer");
  one.onConfigure("saved");
  assert.deepEqual(calls, [7, "saved"]);
});
