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

test("a toast can be taken away before its time, in frontends of today and of before", () => {
  const shown = [];
  const before = {
    add: (toast) => void shown.push(toast),
    remove: (toast) => void shown.splice(shown.indexOf(toast), 1),
  };
  const today = {
    ...before,
    remove: undefined,
    error: (title, { description, duration, action }) => shown.push({ id: "7", title, description, duration, action }) && "7",
    dismiss: (id) => void shown.splice(shown.findIndex((toast) => toast.id === id), 1),
  };
  const told = { severity: "error", summary: "node 1", detail: "no key", life: 9, action: { label: "Help", onClick: () => 0 } };
  const { action, ...plain } = told;
  for (const [toast, seen] of [[before, plain], [today, { id: "7", title: "node 1", description: "no key", duration: 9, action }]]) {
    const takeAway = new Host({ extensionManager: { toast } }, {}).toast(told);
    assert.deepEqual(shown, [seen]);
    takeAway();
    assert.deepEqual(shown, []);
  }
  assert.doesNotThrow(new Host({ extensionManager: { toast: today } }, {}).toast({ severity: "info", summary: "x" }));
});

test("a frontend without toasts says so", () => {
  for (const app of [{}, { extensionManager: {} }, { extensionManager: { toast: {} } }])
    assert.equal(new Host(app, {}).toast({ summary: "x" }), undefined);
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
