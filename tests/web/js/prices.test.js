// The badges at nodes, lists and subgraphs, from what is set to what is shown.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { isSame } from "../../../web/js/price/badge.js";
import { Prices } from "../../../web/js/price/extension.js";
import { nodesBehind } from "../../../web/js/price/sums.js";
import { Graph } from "./support/graph.js";
import { fakeHost, settled } from "./support/host.js";

const ROUTES = "/openai_image_nodes";
const [ESTIMATE, LIST, CONNECTIONS, MODELS] = ["estimate", "list_estimates", "connections", "models"].map((name) => `${ROUTES}/${name}`);
const SETTLE_MS = 250;
const OUTPUTS = ["prompt", "seed", "size", "quality", "image", "mask", "name", "count"];

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.window = {
    __COMFYUI_FRONTEND_VERSION__: "1.49.6",
    localStorage: { getItem: () => null },
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

const known = (price, rest = {}) => ({ state: "known", low_usd: price, high_usd: price, ...rest });

/** Return an open workflow whose prices are told by `answers`. */
function page(answers = {}, { comfyReady = false } = {}) {
  const graph = new Graph();
  const listeners = {};
  const host = fakeHost({
    [ESTIMATE]: ({ values }) => known(values.seed),
    [CONNECTIONS]: () => ({ connections: [{ name: "comfy.org", ready: comfyReady }] }),
    [MODELS]: { models: { plain: { complexity: [] } } },
    ...answers,
  });
  Object.assign(host, { app: { graph }, api: { addEventListener: (name, listener) => (listeners[name] = listener) } });
  const prices = new Prices(host);
  prices.follow();
  const created = (node) => {
    Object.assign(node, { badges: [], redrawn: 0 });
    node.setDirtyCanvas = () => (node.redrawn += 1);
    prices.nodeCreated(node);
    return node;
  };
  return {
    ...{ graph, host, prices, listeners, created },
    asked: (path) => host.asked.filter(([asked]) => asked === path).map(([, body]) => body),
    picture: (look = {}, where = graph) =>
      created(where.placed("OIN_GPTImage", { inputs: ["image", "size", "prompt"], widgets: { seed: 1, quality: "low" } }, look)),
    list: (where = graph) => created(where.placed("OIN_PromptList", { inputs: ["text"], outputs: OUTPUTS, widgets: { text: "a\nb" } })),
  };
}

async function passed(milliseconds = SETTLE_MS) {
  mock.timers.tick(1);
  mock.timers.tick(milliseconds);
  await settled();
}

function set(node, name, value) {
  const widget = node.widgets.find((entry) => entry.name === name);
  widget.value = value;
  widget.callback?.(value);
  mock.timers.tick(1);
}

const badge = (node) => node.badges[0]().text;

test("the price is asked once what is set has settled, and shown", async () => {
  const on = page();
  const node = on.picture();
  for (const seed of [2, 3, 4]) set(node, "seed", seed);
  await passed();
  assert.deepEqual(on.asked(ESTIMATE).map(({ values }) => values.seed), [4]);
  assert.equal(badge(node), "~4.00 USD");
  assert.ok(node.redrawn > 0);
});

test("nothing is asked again while nothing is set again, however often the node is drawn", async () => {
  const on = page();
  const node = on.picture();
  await passed();
  for (let frame = 0; frame < 100; frame++) badge(node);
  await passed();
  assert.equal(on.asked(ESTIMATE).length, 1);
});

test("an answer that comes late for what was set before is not shown", async () => {
  const answers = [];
  const on = page({ [ESTIMATE]: () => new Promise((resolve) => answers.push(resolve)) });
  const node = on.picture();
  await passed();
  set(node, "quality", "high");
  await passed();
  answers[1](known(0.2));
  await settled();
  answers[0](known(0.01));
  await settled();
  assert.equal(badge(node), "~0.20 USD");
});

test("an answer from before a key was stored is not shown where it comes behind the one from after", async () => {
  const answers = [];
  const on = page({ [ESTIMATE]: () => new Promise((resolve) => answers.push(resolve)) });
  const node = on.picture();
  await passed();
  on.prices.signed(true);
  await settled();
  answers[1](known(0.2));
  await settled();
  answers[0]({ state: "no_key" });
  await settled();
  assert.equal(badge(node), "~0.20 USD");
});

test("a server that does not answer leaves no price of before", async () => {
  let isUp = true;
  const on = page({ [ESTIMATE]: () => (isUp ? { state: "free" } : Promise.reject(new Error("gone"))) });
  const node = on.picture();
  await passed();
  assert.equal(badge(node), "free");
  isUp = false;
  set(node, "quality", "high");
  await passed();
  assert.equal(badge(node), "");
});

test("a frontend without badges is left as it is, and what is not used is hidden all the same", async () => {
  delete globalThis.window.LGraphBadge;
  const on = page();
  const node = on.graph.placed("OIN_GPTImage", { widgets: { seed: 1, custom_width: 8, size: "auto" } });
  on.created(node);
  await passed();
  assert.deepEqual(node.badges, []);
  assert.equal(node.widgets[1].hidden, true);
});

test("what a widget or the node did before is still done", () => {
  const on = page();
  const node = on.graph.placed("OIN_GPTImage", { widgets: { seed: 1 } });
  const calls = [];
  node.widgets[0].callback = (value) => calls.push(value) && "answer";
  node.onConfigure = (saved) => calls.push(saved);
  on.created(node);
  assert.equal(node.widgets[0].callback(7), "answer");
  node.onConfigure("saved");
  assert.deepEqual(calls, [7, "saved"]);
});

// ---- who pays

const overComfy = { [ESTIMATE]: known(0.04, { connection: "comfy.org" }) };

test("nobody is signed in: a run over comfy.org has no account yet, in the colour of a warning", async () => {
  const on = page(overComfy);
  await on.prices.learn();
  const node = on.picture();
  await passed();
  assert.equal(badge(node), "no account yet");
  const { bgColor } = node.badges[0]();
  on.prices.signed(true);
  await passed();
  assert.equal(badge(node), "~0.04 USD");
  assert.notEqual(node.badges[0]().bgColor, bgColor);
  on.prices.signed(false);
  await passed();
  assert.equal(badge(node), "no account yet");
});

for (const [why, change] of Object.entries({
  "the server has an account of its own": { comfyReady: true },
  "a key of comfy.org is stored in the browser": { key: '"comfyui-key"' },
  "an older frontend does not say who is signed in": { version: "1.23.4" },
}))
  test(`${why}: the price is shown`, async () => {
    if (change.version) globalThis.window.__COMFYUI_FRONTEND_VERSION__ = change.version;
    if (change.key) globalThis.window.localStorage.getItem = () => change.key;
    const on = page(overComfy, change);
    await on.prices.learn();
    const node = on.picture();
    await passed();
    assert.equal(badge(node), "~0.04 USD");
  });

test("an own key needs no account", async () => {
  const on = page({ [ESTIMATE]: known(0.04, { connection: "openai" }) });
  await on.prices.learn();
  const node = on.picture();
  await passed();
  assert.equal(badge(node), "~0.04 USD");
});

test("after a key was stored every badge asks again", async () => {
  let hasKey = false;
  const on = page({ [ESTIMATE]: () => (hasKey ? known(0.5) : { state: "no_key" }) });
  const inner = new Graph();
  on.graph.placed("subgraph", {}, { subgraph: inner });
  const nodes = [on.picture(), on.picture(), on.picture({}, inner)];
  await passed();
  assert.deepEqual(nodes.map(badge), ["no key yet", "no key yet", "no key yet"]);
  hasKey = true;
  await on.prices.askAgain();
  await settled();
  assert.deepEqual(nodes.map(badge), ["~0.50 USD", "~0.50 USD", "~0.50 USD"]);
});

test("after a run what was not known is asked again, what was is not", async () => {
  let isKnown = false;
  const on = page({ [ESTIMATE]: ({ values }) => (isKnown || values.seed === 1 ? known(0.5) : { state: "unknown" }) });
  const [one, other] = [on.picture(), on.picture()];
  set(other, "seed", 2);
  await passed();
  assert.equal(badge(other), "price after the run");
  isKnown = true;
  on.listeners.execution_success();
  await settled();
  assert.deepEqual([badge(one), badge(other)], ["~0.50 USD", "~0.50 USD"]);
  assert.equal(on.asked(ESTIMATE).length, 3);
});

// ---- lists

test("a list knows which nodes run once per row, through reroutes too, and which inputs it gives", () => {
  const on = page();
  const list = on.list();
  const node = on.picture();
  const reroute = on.graph.placed("Reroute", { inputs: [""], outputs: [""] });
  const save = on.graph.placed("SaveImage", { inputs: ["filename_prefix"] });
  list.connect(0, node, 2);
  list.connect(2, reroute, 0);
  reroute.connect(0, node, 1);
  list.connect(6, save, 0);
  assert.deepEqual(nodesBehind(list), [{ node, linked: { prompt: "prompt", size: "size" } }]);
});

test("how many rows there are is no row", () => {
  const on = page();
  const list = on.list();
  list.connect(7, on.picture(), 1);
  assert.deepEqual(nodesBehind(list), []);
});

test("a list shows the sum over its rows, and again when the node behind it is set", async () => {
  const on = page({
    [LIST]: ({ nodes }) => ({ rows: 5, estimates: [{ count: 3, ...known(nodes[0].state.values.seed) }, { count: 2, ...known(0.5) }] }),
  });
  const [list, node] = [on.list(), on.picture()];
  list.connect(0, node, 2);
  list.onConnectionsChange();
  await passed();
  assert.equal(badge(list), "5 rows: ~4.00 USD");
  assert.deepEqual(on.asked(LIST).at(-1).list, { text: "a\nb" });
  set(node, "seed", 3);
  mock.timers.tick(1);
  await passed();
  assert.equal(badge(list), "5 rows: ~10.00 USD");
});

test("a list that cannot run says why", async () => {
  const on = page({ [LIST]: { state: "impossible", reason: "Text holds no prompt. Write one per line." } });
  const [list, node] = [on.list(), on.picture()];
  list.connect(0, node, 2);
  list.onConnectionsChange();
  await passed();
  assert.equal(badge(list), "Text holds no prompt");
});

test("a list with nothing behind it, or that is linked itself, has no price", async () => {
  const on = page({ [LIST]: { rows: 1, estimates: [known(1)] } });
  const alone = on.list();
  const [linked, node] = [on.list(), on.picture()];
  linked.connect(0, node, 2);
  on.graph.placed("Text", { outputs: ["STRING"] }).connect(0, linked, 0);
  linked.inputs[0].link = 7;
  linked.onConnectionsChange();
  await passed();
  assert.deepEqual([badge(alone), badge(linked)], ["", ""]);
  assert.deepEqual(on.asked(LIST), []);
});

test("rows over comfy.org have no account yet", async () => {
  const on = page({ [LIST]: { rows: 2, estimates: [{ count: 2, ...known(1, { connection: "comfy.org" }) }] } });
  await on.prices.learn();
  const [list, node] = [on.list(), on.picture()];
  list.connect(0, node, 2);
  list.onConnectionsChange();
  await passed();
  assert.equal(badge(list), "no account yet");
});

// ---- subgraphs

/** Return a node that stands for a subgraph, on a page. */
function subgraph(on, where = on.graph) {
  const inner = new Graph();
  const node = on.created(where.placed("some-uuid", {}, { subgraph: inner }));
  return { inner, node };
}

test("a subgraph carries the sum of what is inside, however deep", async () => {
  const on = page();
  const outer = subgraph(on);
  const deeper = subgraph(on, outer.inner);
  on.picture({}, outer.inner);
  const node = on.picture({}, deeper.inner);
  set(node, "seed", 3);
  await passed();
  assert.deepEqual([badge(outer.node), badge(deeper.node)], ["~4.00 USD", "~3.00 USD"]);
});

test("what is muted or bypassed is in no sum", async () => {
  const on = page({ [LIST]: ({ nodes }) => ({ rows: 5, estimates: nodes.map(() => ({ count: 5, ...known(1) })) }) });
  const { inner, node } = subgraph(on);
  const deeper = subgraph(on, inner);
  const [first, second] = [on.picture({}, inner), on.picture({}, deeper.inner)];
  const [list, third] = [on.list(), on.picture()];
  list.connect(0, third, 2);
  list.connect(0, on.picture(), 2);
  list.onConnectionsChange();
  await passed();
  assert.deepEqual([badge(node), badge(list)], ["~2.00 USD", "5 rows: ~10.00 USD"]);
  [second.mode, third.mode] = [4, 2];
  badge(list);
  await passed();
  assert.deepEqual([badge(node), badge(list)], ["~1.00 USD", "5 rows: ~5.00 USD"]);
  [first.mode, second.mode, deeper.node.mode] = [2, 0, 2];
  assert.equal(badge(node), "");
});

test("a refusal inside is a refusal outside", async () => {
  const on = page({ [ESTIMATE]: ({ values }) => (values.seed === 1 ? known(1) : { state: "impossible", reason: "n is 9. No." }) });
  const { inner, node } = subgraph(on);
  const [, second] = [on.picture({}, inner), on.picture({}, inner)];
  set(second, "seed", 2);
  await passed();
  assert.equal(badge(node), "n is 9");
  assert.notEqual(node.badges[0]().bgColor, on.picture().badges[0]().bgColor);
});

test("a list inside counts with its rows, not with one run of the node behind it", async () => {
  const on = page({ [LIST]: { rows: 5, estimates: [{ count: 5, ...known(2) }] } });
  const { inner, node } = subgraph(on);
  const [list, picture] = [on.list(inner), on.picture({}, inner)];
  list.connect(0, picture, 2);
  list.onConnectionsChange();
  await passed();
  assert.equal(badge(node), "~10.00 USD");
});

test("a subgraph without a node of ours has no price, and is not asked about", async () => {
  const on = page();
  const { inner, node } = subgraph(on);
  inner.placed("KSampler", {});
  await passed();
  assert.equal(badge(node), "");
  assert.deepEqual(on.host.asked, []);
});

test("two states are the same when JSON would be", () => {
  assert.ok(isSame({ a: [1, { b: null }], c: "x" }, { a: [1, { b: null }], c: "x" }));
  for (const other of [{ a: 1 }, { a: 1, b: 3 }, { a: 1, c: 2 }, { a: [1], b: 2 }, null, undefined, "x"])
    assert.ok(!isSame({ a: 1, b: 2 }, other));
});
