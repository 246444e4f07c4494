import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PaidPictures } from "../../../web/js/pictures/extension.js";
import { fakeDocument } from "./support/dom.js";
import { Graph, createNode } from "./support/graph.js";
import { fakeHost, settled } from "./support/host.js";

const ROUTE = "/openai_image_nodes/pictures";
const EVIL = "<img src=x onerror=alert(1)>";
const SMALL = "data:image/jpeg;base64,/9j/4AA=";

let shown;

beforeEach(() => {
  shown = [];
  globalThis.document = { ...fakeDocument(), body: { append: (dialog) => shown.push(dialog) } };
});

function opened(answer, { connected = [] } = {}) {
  const graph = new Graph();
  const node = createNode("OIN_GPTImage");
  graph.add(node);
  node.title = EVIL;
  node.widgets.push({ name: "reuse", value: false }, { name: "control_after_generate", value: "randomize" });
  node.inputs.forEach((input) => connected.includes(input.name) && (input.link = 1));
  const host = Object.assign(fakeHost({ [ROUTE]: answer }), { app: { graph } });
  const memory = { promptsWith: (workflow, id) => [`of ${workflow}/${id}`] };
  const pictures = new PaidPictures(host, memory);
  const [entry] = pictures.entries(node);
  entry.callback();
  return { node, host, entry };
}

test("a node's own settings are asked for, the prompt among them, and where it ran", async () => {
  const { host } = opened({ state: "known", pictures: [] });
  await settled();
  const [[path, asked]] = host.asked;
  assert.equal(path, ROUTE);
  assert.equal(asked.values.prompt, "");
  assert.equal("control_after_generate" in asked.values, false);
  assert.deepEqual(asked.prompt_ids, ["of root/1"]);
});

test("a click sets the seed, which stays, and reuse, so that nothing is paid", async () => {
  const picture = { seed: 42, made_at: 1, cost_usd: 0.04, credits: null, thumbnail: SMALL };
  const { node } = opened({ state: "known", pictures: [picture] });
  await settled();
  const [card] = shown[0].all("button");
  assert.match(card.textContent, /seed 42/);
  assert.match(card.textContent, /0\.04\u00a0USD/);
  assert.equal(card.attributes["aria-label"], undefined); // else it were all that is read out, without date and price
  card.listeners.click();
  const values = Object.fromEntries(node.widgets.map(({ name, value }) => [name, value]));
  assert.deepEqual([values.seed, values.reuse, values.control_after_generate], [42, true, "fixed"]);
});

test("what the sandbox made was free", async () => {
  opened({ state: "known", pictures: [{ seed: 42, made_at: 1, cost_usd: 0, credits: null, thumbnail: SMALL }] });
  await settled();
  assert.match(shown[0].all("button")[0].textContent, /free$/);
});

test("text is text, and only a small JPEG is a picture", async () => {
  const bad = { seed: EVIL, made_at: null, cost_usd: null, credits: null, thumbnail: "javascript:alert(1)" };
  opened({ state: "known", pictures: [bad] });
  await settled();
  assert.equal(shown[0].all("img").length, 0);
  assert.match(shown[0].textContent, /<img src=x/);
});

test("what takes a run to know is said, and a linked seed cannot be set", async () => {
  opened({ state: "run_once", pictures: [] });
  await settled();
  assert.match(shown[0].textContent, /Run it once/);
});

test("other nodes have no such entry", () => {
  const pictures = new PaidPictures(fakeHost(), {});
  assert.deepEqual(pictures.entries({ type: "SaveImage" }), []);
});

test("older frontends get the entry through the node", () => {
  const host = Object.assign(fakeHost(), { app: {} });
  const node = { type: "OIN_GPTImage" };
  new PaidPictures(host, {}).nodeCreated(node);
  const options = [];
  node.getExtraMenuOptions({}, options);
  assert.equal(options[0].content, "Show paid pictures");
});
