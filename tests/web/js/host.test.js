import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Host } from "../../../web/js/host.js";

const answering = (answers) => ({
  sent: [],
  async fetchApi(path, options) {
    this.sent.push([path, options]);
    const [body, ok, statusText] = answers[path];
    return { ok, statusText, json: async () => body };
  },
});

test("what fails is logged once and does no harm, whether at once or later", async (context) => {
  const warn = context.mock.method(console, "warn", () => {});
  const host = new Host({}, {});
  const fail = () => {
    throw new Error("not here");
  };
  assert.equal(host.attempt(fail), undefined);
  assert.equal(await host.attempt(async () => fail()), undefined);
  assert.equal(host.attempt(() => 5), 5);
  assert.equal(await host.attempt(async () => 6), 6);
  assert.equal(warn.mock.callCount(), 1);
});

test("a refusal of the server is an error with its own words", async () => {
  const api = answering({ "/a": [{ error: "The key is wrong." }, false, "Bad Request"], "/b": [{}, false, "Bad Request"] });
  const host = new Host({}, api);
  await assert.rejects(host.json("/a", { key: "k" }), { message: "The key is wrong." });
  await assert.rejects(host.json("/b"), { message: "Bad Request" });
  assert.deepEqual(api.sent[0][1].body, '{"key":"k"}');
  assert.deepEqual(api.sent[1][1], {}); // a GET
});

test("texts are those of the interface's language, and else English", async () => {
  const api = answering({ "/i18n": [{ fr: { openaiImageNodes: { free: "gratuit" } } }, true] });
  const inFrench = new Host({ extensionManager: { setting: { get: () => "fr" } } }, api);
  const inPersian = new Host({ ui: { settings: { getSettingValue: () => "fa" } } }, api);
  for (const host of [inFrench, inPersian]) await host.learnLanguage();
  assert.deepEqual([inFrench.text("free", "free"), inFrench.text("new", "new")], ["gratuit", "new"]);
  assert.equal(inPersian.text("free", "free"), "free");
});

test("a frontend without toasts says so", () => {
  const add = mock.fn();
  assert.equal(new Host({ extensionManager: { toast: { add } } }, {}).toast({ summary: "x" }), true);
  assert.equal(add.mock.callCount(), 1);
  for (const app of [{}, { extensionManager: {} }, { extensionManager: { toast: {} } }])
    assert.equal(new Host(app, {}).toast({ summary: "x" }), false);
});

test("only a yes is a yes", async () => {
  const question = { title: "Sure?", message: "It costs." };
  for (const [answer, expected] of [[true, true], [false, false], [null, false], [undefined, false]]) {
    const dialog = { confirm: async () => answer };
    assert.equal(await new Host({ extensionManager: { dialog } }, {}).isSure(question), expected);
  }
});

test("what lies over ComfyUI's dialogs asks by the browser's own", async (context) => {
  globalThis.window = { confirm: context.mock.fn(() => true) };
  context.after(() => delete globalThis.window);
  const confirm = context.mock.fn();
  const host = new Host({ extensionManager: { dialog: { confirm } } }, {});
  assert.equal(await host.isSure({ title: "Sure?", message: "It costs.", itemList: ["one"] }, true), true);
  assert.deepEqual(globalThis.window.confirm.mock.calls[0].arguments, ["Sure?\nIt costs.\none"]);
  assert.equal(confirm.mock.callCount(), 0);
});
