import assert from "node:assert/strict";
import { test } from "node:test";

import { connectionSetting, stateLine } from "../../../web/js/settings_panel.js";
import { fakeDocument } from "./support/dom.js";
import { english, fakeHost, settled } from "./support/host.js";

const line = (connection, payer) =>
  stateLine({ ready: false, reason: "the endpoint is missing", key: "none", takes_key: true, ...connection }, english, payer);

test("a connection says what it uses", () => {
  assert.equal(line({ name: "openai", ready: true, key: "environment" }), "key from an environment variable");
  assert.equal(line({ name: "openai", ready: true, key: "stored" }), "key stored");
  assert.equal(line({ name: "local", ready: true, key: "none" }), "no key needed");
  assert.equal(line({ name: "sandbox", ready: true, takes_key: false }), "free, offline");
});

test("a connection says what it lacks", () => {
  assert.equal(line({ name: "openai" }), "no key yet");
  assert.equal(line({ name: "azure", key: "stored" }), "the endpoint is missing");
  assert.match(line({ name: "comfy.org", takes_key: false }), /signed in with in ComfyUI/);
});

test("comfy.org says who is signed in, as far as the page knows", () => {
  const comfy = { name: "comfy.org", takes_key: false };
  assert.match(line(comfy, "signed in"), /^you are signed in/);
  assert.match(line(comfy, "key"), /key that this browser keeps/);
  assert.match(line(comfy, "nobody"), /^nobody is signed in/);
  assert.equal(line({ ...comfy, ready: true, key: "environment" }, "nobody"), "key from an environment variable");
});

test("openai batch has no key of its own", () => {
  assert.equal(line({ name: "openai batch" }), "uses the key of openai");
  assert.equal(line({ name: "openai batch", ready: true, key: "stored" }), "uses the key of openai");
  assert.equal(line({ name: "openai batch", key: "stored" }), "the endpoint is missing");
});

test("a reason that is not told is not shown as null", () => {
  assert.equal(line({ name: "mine", takes_key: false, reason: null }), "");
});

test("ComfyUI stores nothing of ours: what it is given has no value", () => {
  const setting = connectionSetting(fakeHost(), { account: {}, askAgain: () => {} });
  assert.equal(setting.defaultValue, null);
  assert.equal(setting.id, "OpenAIImageNodes.Connections"); // locales/*/settings.json
});

test("fields of a part that is closed are no stop of Tab: a dialog would let nobody past them", async () => {
  globalThis.document = fakeDocument();
  const mine = { name: "mine", ready: true, key: "none", takes_key: true, omit: [], edits: "json" };
  const host = Object.assign(fakeHost(), { json: async () => ({ connections: [mine] }) });
  const box = connectionSetting(host, { account: {}, askAgain: () => {} }).type();
  await settled();
  const [part] = box.all("details");
  const [form] = part.all("form");
  const shown = [form.style.display];
  for (const open of [true, false]) {
    part.open = open;
    part.listeners.toggle();
    shown.push(form.style.display);
  }
  assert.deepEqual(shown, ["none", "flex", "none"]);
  delete globalThis.document;
});
