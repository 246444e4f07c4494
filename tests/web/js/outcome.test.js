// What was said last of a node stays to be seen after its run, and why a run failed.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { actionsFor, messageOf, refusalOf } from "../../../web/js/outcome/advice.js";
import { Outcomes } from "../../../web/js/outcome/extension.js";
import { RunMemory } from "../../../web/js/outcome/memory.js";
import { isLastWord, waitsForBatch } from "../../../web/js/outcome/texts.js";
import { fakeDocument } from "./support/dom.js";
import { fakeHost, settled } from "./support/host.js";

const SETTLE_MS = 300;
const HOST_TEXT = "$$node-text-preview";
const DONE = "done, 0.0150 USD";
const SEEN = "done, 0.0150\u00a0USD"; // no line ends between an amount and its unit
const SAME = "the same picture: nothing was paid";

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.document = fakeDocument();
});

afterEach(() => {
  mock.timers.reset();
  delete globalThis.document;
});

function storage() {
  const kept = new Map();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
}

function node(id, { type = "OIN_GPTImage", connection = "openai", subgraph } = {}) {
  const made = { id, type, title: `node ${id}`, size: [400, 600], subgraph };
  made.widgets = [{ name: "connection", value: connection }];
  made.computeSize = () => [200, 560 + made.widgets.reduce((sum, one) => sum + Math.max(one.computeSize?.()[1] ?? 0, 0), 0)];
  made.setSize = (size) => (made.size = size);
  made.addCustomWidget = (widget) => made.widgets.push(widget);
  made.addDOMWidget = (name, _type, element) => {
    const widget = { name, element };
    made.addCustomWidget(widget);
    return widget;
  };
  return made;
}

/** Return a page of a workflow, whose frontend clears what nodes say when a run ends, or not. */
function page(nodes, { kept = storage(), clears = true, workflow = "w", answers = {} } = {}) {
  const listeners = {};
  const app = { graph: { id: workflow, _nodes: nodes } };
  const hostWidget = (one) => one.widgets.find(({ name }) => name === HOST_TEXT);
  let count = 0;
  const api = {
    addEventListener: (name, listener) => (listeners[name] ??= []).push(listener),
    queuePrompt: async () => ({ prompt_id: `job ${(count += 1)} of ${workflow}` }),
  };
  const host = Object.assign(fakeHost(), { app, api, json: async (path) => answers[path] ?? {} });
  const outcomes = new Outcomes(host, new RunMemory(kept));
  outcomes.follow();
  const tell = (name, detail = {}) => listeners[name]?.forEach((listener) => listener({ detail }));
  return {
    ...{ app, host, kept, tell, outcomes, nodes },
    /** Queue everything on the page; return the job's id. */
    async queue() {
      const output = Object.fromEntries(nodes.map((one) => [String(one.id), { class_type: one.type }]));
      return (await api.queuePrompt(0, { output, workflow: { id: app.graph.id } })).prompt_id;
    },
    say(id, text) {
      tell("progress_text", { nodeId: id, text });
      const one = nodes.find((each) => String(each.id) === id);
      if (one && !hostWidget(one)) one.widgets.push({ name: HOST_TEXT });
      if (one) hostWidget(one).value = text;
    },
    end(how = "execution_success", detail = {}) {
      tell(how, detail);
      if (clears) nodes.forEach((one) => (one.widgets = one.widgets.filter((widget) => widget !== hostWidget(one))));
      mock.timers.tick(SETTLE_MS);
    },
    /** Return the text that is to be seen in a node, or none. */
    seen(one = nodes[0]) {
      const note = one.widgets.find(({ name }) => name === "oin_note");
      const text = note && !note.hidden ? note.element.children[0].textContent : undefined;
      return [hostWidget(one)?.value, text].filter((each) => each !== undefined).join(" + ");
    },
    buttons(one = nodes[0]) {
      return one.widgets.find(({ name }) => name === "oin_note").element.all("button");
    },
  };
}

async function run(on, { says = [["1", DONE]], cached = [], ends = ["execution_success"] } = {}) {
  const prompt_id = await on.queue();
  on.tell("execution_start", { prompt_id });
  on.tell("execution_cached", { prompt_id, nodes: cached });
  says.forEach(([id, text]) => on.say(id, text));
  on.end(...ends);
  return prompt_id;
}

test("the last word is seen after the run, wherever the frontend shows it", async () => {
  for (const clears of [true, false]) {
    const on = page([node(1)], { clears });
    await run(on, { says: [["1", "preparing, 1 s"], ["1", DONE]] });
    assert.equal(on.seen(), SEEN);
  }
});

test("beside an error nothing is left of what was said before it, wherever the frontend shows that", async () => {
  for (const clears of [true, false]) {
    const on = page([node(1)], { clears });
    await run(on);
    await run(on, { says: [["1", "generating, 2 s"]], ends: failed("OutOfCreditError") });
    assert.equal(on.seen().replace(/^ [+] /, ""), on.outcomes.memory.note("w", "1").text);
  }
});

test("it survives a reload of the page", async () => {
  const on = page([node(1)]);
  await run(on);
  const again = page([node(1)], { kept: on.kept });
  assert.equal(again.seen(), "");
  again.outcomes.restore();
  assert.equal(again.seen(), SEEN);
});

test("a run that ends while the page is loaded again is learnt of from ComfyUI's history", async () => {
  const on = page([node(1), node(2)]);
  await run(on, { says: [["1", DONE], ["2", DONE]] });
  const prompt_id = await on.queue();
  on.tell("execution_start", { prompt_id });
  const failed = { prompt_id, node_id: "1", node_type: "OIN_GPTImage", exception_message: "no key", exception_type: "x.NoKeyError" };
  const messages = [["execution_start", { prompt_id }], ["execution_cached", { prompt_id, nodes: ["2"] }], ["execution_error", failed]];
  const answers = { [`/history/${prompt_id}`]: { [prompt_id]: { status: { messages } } } };
  for (const seen of [1, 0]) {
    const again = page([node(1), node(2)], { kept: on.kept, answers });
    await settled();
    again.outcomes.restore();
    assert.equal(again.seen(), "no key");
    assert.equal(again.seen(again.nodes[1]), SAME);
    assert.equal(again.host.toasts.length, seen); // told once
  }
});

test("the last words of a run that succeeds while the page is loaded again are asked of the server", async () => {
  const on = page([node(1), node(2), node(3)]);
  const prompt_id = await on.queue();
  on.tell("execution_start", { prompt_id });
  on.say("1", "generating, 2 s");
  const messages = [["execution_start", { prompt_id }], ["execution_cached", { prompt_id, nodes: ["2"] }], ["execution_success", { prompt_id }]];
  const said = { 1: DONE, 3: "generating, 9 s" };
  const answers = { [`/history/${prompt_id}`]: { [prompt_id]: { status: { messages } } }, "/openai_image_nodes/last_words": { said } };
  for (const kept of [on.kept, on.kept]) {
    const again = page([node(1), node(2), node(3)], { kept, answers });
    await settled();
    again.outcomes.restore();
    assert.deepEqual(again.nodes.map((one) => again.seen(one)), [SEEN, SAME, ""]);
  }
});

test("of a run whose end alone is heard after a reload, the last words are asked of the server", async () => {
  for (const [how, of, seen] of [["execution_success", {}, [SEEN, SEEN]], ["execution_error", failed("NoKeyError")[1], ["no key", SEEN]]]) {
    const on = page([node(1), node(2)]);
    await run(on, { says: [["1", "planned, 1 in the plan"]] });
    const prompt_id = await on.queue();
    on.tell("execution_start", { prompt_id });
    const answers = { "/openai_image_nodes/last_words": { said: { 1: DONE, 2: DONE, 9: DONE } } };
    const again = page([node(1), node(2)], { kept: on.kept, answers });
    await settled();
    again.end(how, { ...of, prompt_id, ...(how === "execution_error" && { exception_message: "no key" }) });
    await settled();
    assert.deepEqual(again.nodes.map((one) => again.seen(one)), seen);
    assert.deepEqual(again.outcomes.memory.openJobs(), []);
  }
});

test("what a run said while nobody listened is not said for another workflow's node, nor over a run that goes on", async () => {
  for (const [workflow, before] of [["v", "seen there"], ["w", "generating, 1 s"]]) {
    const on = page([node(1)], { clears: false });
    on.host.said = (text) => `translated: ${text}`;
    const prompt_id = await on.queue();
    on.tell("execution_start", { prompt_id });
    if (workflow === "w") on.tell("execution_start", { prompt_id: await on.queue() });
    on.app.graph = { id: workflow, _nodes: [node(1)] };
    on.app.graph._nodes[0].widgets.push({ name: HOST_TEXT, value: before });
    const messages = [["execution_start", { prompt_id }], ["execution_success", { prompt_id }]];
    const history = { [prompt_id]: { status: { messages } } };
    on.host.json = async (path) => (path.startsWith("/history") ? history : { said: { 1: DONE } });
    on.tell("reconnected");
    await settled();
    mock.timers.tick(SETTLE_MS);
    assert.equal(on.seen(on.app.graph._nodes[0]), before);
    assert.equal(on.outcomes.memory.note("w", "1").text, DONE);
  }
});

test("of a node that ran again meanwhile, an earlier run that ended unheard says nothing", async () => {
  const on = page([node(1), node(2)]);
  const prompt_id = await on.queue(); // its end was told while the connection was broken
  const later = await on.queue();
  on.tell("execution_start", { prompt_id: later });
  on.say("1", DONE);
  on.end("execution_success", { prompt_id: later });
  const failed = { prompt_id, node_id: "1", node_type: "OIN_GPTImage", exception_message: "no key", exception_type: "x.NoKeyError" };
  const messages = [["execution_start", { prompt_id }], ["execution_error", failed]];
  const answers = { [`/history/${prompt_id}`]: { [prompt_id]: { status: { messages } } } };
  const again = page([node(1), node(2)], { kept: on.kept, answers });
  await settled();
  again.outcomes.restore();
  assert.equal(again.seen(), SEEN);
  assert.equal(again.host.toasts.length, 0);
});

test("what one run's history holds that nobody understands keeps no other from being learnt of", async () => {
  const on = page([node(1)]);
  const [broken, other] = [await on.queue(), await on.queue()];
  const failed = { prompt_id: other, node_id: "1", node_type: "OIN_GPTImage", exception_message: "no key", exception_type: "x.NoKeyError" };
  const told = (id, messages) => ({ [`/history/${id}`]: { [id]: { status: { messages } } } });
  const answers = { ...told(broken, [["execution_start"], 7]), ...told(other, [["execution_start", { prompt_id: other }], ["execution_error", failed]]) };
  const again = page([node(1)], { kept: on.kept, answers });
  await settled();
  again.outcomes.restore();
  assert.equal(again.seen(), "no key");
});

test("a run that ends while the connection is broken is learnt of when there is one again", async () => {
  const answers = {};
  const on = page([node(1)], { answers });
  const prompt_id = await on.queue();
  on.tell("execution_start", { prompt_id });
  on.say("1", "generating, 2 s");
  const failed = { prompt_id, node_id: "1", node_type: "OIN_GPTImage", exception_message: "no key", exception_type: "x.NoKeyError" };
  const messages = [["execution_start", { prompt_id }], ["execution_error", failed]];
  answers[`/history/${prompt_id}`] = { [prompt_id]: { status: { messages } } };
  for (const _ of [1, 2]) {
    on.tell("reconnected");
    await settled();
    mock.timers.tick(SETTLE_MS);
    assert.equal(on.seen().replace(/^ [+] /, ""), "no key");
    assert.equal(on.host.toasts.length, 1);
  }
});

test("a run that still goes on after a reload is told at its end", async () => {
  const on = page([node(1)]);
  const prompt_id = await on.queue();
  on.tell("execution_start", { prompt_id });
  const again = page([node(1)], { kept: on.kept });
  await settled();
  again.say("1", DONE);
  again.end("execution_success", { prompt_id });
  assert.equal(again.seen(), SEEN);
});

test("another workflow with a node of that id shows nothing of it", async () => {
  const on = page([node(1)]);
  await run(on);
  const other = page([node(1)], { kept: on.kept, workflow: "another" });
  other.outcomes.restore();
  assert.equal(other.seen(), "");
});

test("a run whose workflow is not looked at any more is told when one comes back to it", async () => {
  const on = page([node(1)]);
  const prompt_id = await on.queue();
  on.app.graph.id = "another tab";
  on.tell("execution_start", { prompt_id });
  on.tell("progress_text", { nodeId: "1", text: DONE });
  on.end();
  assert.equal(on.seen(), "");
  on.app.graph.id = "w";
  on.outcomes.restore();
  assert.equal(on.seen(), SEEN);
});

test("several queued runs are told apart by their ids", async () => {
  const on = page([node(1)]);
  const first = await on.queue();
  on.app.graph.id = "another tab";
  await on.queue();
  on.app.graph.id = "w";
  on.tell("execution_start", { prompt_id: first });
  on.say("1", DONE);
  on.end();
  assert.equal(on.seen(), SEEN);
});

test("while a node runs, nothing of the run before is seen", async () => {
  const on = page([node(1)]);
  await run(on);
  on.tell("execution_start", { prompt_id: await on.queue() });
  assert.equal(on.seen(), "");
  on.say("1", "generating, 3 s");
  assert.equal(on.seen(), "generating, 3 s");
});

test("a stage is no last word: what was known before stays", async () => {
  const on = page([node(1)]);
  await run(on);
  await run(on, { says: [["1", "generating, 3 s"]], ends: ["execution_interrupted"] });
  assert.equal(on.seen(), SEEN);
});

test("what is said after the end is kept", async () => {
  const on = page([node(1)]);
  await run(on, { says: [["1", "generating, 3 s"]], ends: ["execution_interrupted"] });
  const stopped = "Stopped. The request was already sent; its picture is saved and used by the next run.";
  on.tell("progress_text", { nodeId: "1", text: stopped });
  mock.timers.tick(SETTLE_MS);
  assert.equal(on.seen(), stopped);
});

test("a node that ComfyUI answers from its cache says that nothing was paid", async () => {
  for (const clears of [true, false]) {
    const on = page([node(1), node(2, { type: "OIN_References" })], { clears });
    await run(on);
    await run(on, { says: [], cached: ["1", "2"] });
    assert.equal(on.seen(), SAME);
    assert.equal(on.seen(on.nodes[1]), "");
  }
});

test("a job that still waits for its batch does not become a picture by ComfyUI's cache", async () => {
  const on = page([node(1, { connection: "openai batch" })]);
  await run(on, { says: [["1", "planned, 3 in the plan"]] });
  await run(on, { says: [], cached: ["1"] });
  assert.equal(on.seen(), "planned, 3 in the plan");
  const fresh = page([node(1, { connection: "openai batch" })]); // nobody knows what was said before
  await run(fresh, { says: [], cached: ["1"] });
  assert.equal(fresh.seen(), "");
});

test("what ComfyUI had not answered from its cache is not said to be so in the next run", async () => {
  const on = page([node(1)]);
  await run(on, { says: [], cached: ["1"] });
  for (const [text, end] of [[DONE, "execution_success"], ["", "execution_interrupted"]]) {
    on.tell("execution_start", { prompt_id: await on.queue() }); // nothing is told of a cache
    if (text) on.say("1", text);
    on.end(end);
  }
  assert.equal(on.seen(), SEEN);
});

const ERROR = { node_id: "1", node_type: "OIN_GPTImage", exception_message: "openai: there is no key.\n" };
const failed = (type, detail = {}) => ["execution_error", { ...ERROR, exception_type: `openai_image_nodes.${type}`, ...detail }];

test("why a run failed is told by a toast and in the node", async () => {
  const on = page([node(1)]);
  await run(on, { says: [["1", "preparing, 1 s"]], ends: failed("NoKeyError") });
  assert.equal(on.seen(), "openai: there is no key.");
  const [{ life, action, ...toast }, ...others] = on.host.toasts;
  assert.deepEqual(toast, { severity: "error", summary: "node 1", detail: "openai: there is no key." });
  assert.ok(life >= 10_000); // long enough to be read
  assert.equal(action.label, "Open settings");
  assert.deepEqual(others, []);
  assert.deepEqual(on.buttons().map((button) => button.textContent), ["Open settings", "Choose sandbox", "Show in help"]);
});

test("why a run failed is not told beside the next run, nor once another way was chosen", async () => {
  const on = page([node(1)]);
  const fail = () => run(on, { says: [], ends: failed("NoKeyError") });
  await fail();
  assert.equal(on.host.toasts.length, 1);
  await fail();
  assert.equal(on.host.toasts.length, 1); // that of the second run
  on.buttons().find((button) => button.textContent === "Choose sandbox").listeners.click();
  assert.deepEqual(on.host.toasts, []);
  await fail();
  on.host.toast({ summary: "of others" });
  await run(on);
  assert.deepEqual(on.host.toasts, [{ summary: "of others" }]);
});

test("lines, last words and errors are in the language of the interface, what is kept is not", async () => {
  const on = page([node(1)]);
  on.host.said = (message) => `\u00fc ${message}`;
  on.tell("execution_start", { prompt_id: await on.queue() });
  on.say("1", "generating, 3 s");
  mock.timers.tick(1);
  assert.equal(on.seen(), "\u00fc generating, 3 s");
  on.say("1", DONE);
  on.end();
  assert.equal(on.seen(), `\u00fc ${SEEN}`);
  assert.equal(new RunMemory(on.kept).note("w", "1").text, DONE);
  await run(on, { says: [], ends: failed("NoKeyError") });
  assert.equal(on.seen(), "\u00fc openai: there is no key.");
  assert.equal(on.host.toasts[0].detail, "\u00fc openai: there is no key.");
});

const REFUSAL = "quality xhigh is not available for gpt-image-2.";
const refusing = (ids, more = {}) => ({
  ...more,
  node_errors: Object.fromEntries(ids.map((id) => [id, { errors: [{
    ...{ message: "Exception when validating inner node", details: REFUSAL },
    extra_info: { exception_message: REFUSAL, exception_type: "openai_image_nodes.RefusedError" },
  }] }])),
});

/** Have the server answer a queued prompt so; an error where it is refused as a whole. */
function answers(on, nodes, answer) {
  const api = { addEventListener: () => {} };
  api.queuePrompt = async () => {
    if (answer.prompt_id) return answer;
    throw Object.assign(new Error("Prompt execution failed"), { response: answer });
  };
  const host = Object.assign(fakeHost(), { app: on.app, api });
  new Outcomes(host, new RunMemory(on.kept)).follow();
  const output = Object.fromEntries(nodes.map((one) => [String(one.id), { class_type: one.type }]));
  return api.queuePrompt(0, { output, workflow: { id: "w" } });
}

test("a refusal before the run stands in the node, and is still an error to the frontend", async () => {
  const on = page([node(1), node(2, { type: "SaveImage" })]);
  await assert.rejects(answers(on, on.nodes, refusing(["1", "2"])), /Prompt execution failed/);
  assert.equal(on.seen(), REFUSAL);
  assert.equal(on.seen(on.nodes[1]), "");
  assert.deepEqual(on.buttons().map((button) => button.textContent), ["Show in help"]);
});

test("of a run that goes on without a refused node, that one alone says why", async () => {
  const on = page([node(1), node(2)]);
  await answers(on, on.nodes, refusing(["2"], { prompt_id: "half" }));
  assert.deepEqual(on.nodes.map((one) => on.seen(one)), ["", REFUSAL]);
  assert.deepEqual(new RunMemory(on.kept).job("half").nodes, ["1"]);
});

test("a large sum is asked about after ComfyUI has opened its own dialog of the error, which would lie over it", async () => {
  const on = page([node(1)]);
  const questions = [];
  on.host.isSure = async (question) => void questions.push(question.message);
  const detail = { node_id: "1", node_type: "OIN_GPTImage", exception_message: "may cost 9 USD", exception_type: "x.LargeSumError" };
  const prompt_id = await on.queue();
  on.tell("execution_start", { prompt_id });
  on.tell("execution_error", { ...detail, prompt_id });
  assert.deepEqual(questions, []);
  mock.timers.tick(SETTLE_MS);
  assert.deepEqual(questions, ["may cost 9 USD"]);
});

test("a network that fails is nobody's refusal", async () => {
  const on = page([node(1)]);
  on.host.api.queuePrompt = undefined;
  const api = { addEventListener: () => {}, queuePrompt: async () => Promise.reject(new TypeError("Failed to fetch")) };
  new Outcomes(Object.assign(fakeHost(), { app: on.app, api }), new RunMemory(on.kept)).follow();
  await assert.rejects(api.queuePrompt(0, { output: { 1: { class_type: "OIN_GPTImage" } } }), /Failed to fetch/);
  assert.equal(on.seen(), "");
});

test("a failure in another tab does not borrow the title of a node here", async () => {
  const on = page([node(1)]);
  const prompt_id = await on.queue();
  on.app.graph.id = "another tab";
  on.tell("execution_start", { prompt_id });
  on.end(...failed("NoKeyError"));
  assert.equal(on.host.toasts[0].summary, "OpenAI Image Nodes");
  assert.equal(on.seen(), "");
});

test("markup in a message is text", async () => {
  const on = page([node(1)]);
  const exception_message = "<img src=x onerror=alert(1)>";
  await run(on, { ends: failed("ModeratedError", { exception_message }) });
  const { element } = on.nodes[0].widgets.find(({ name }) => name === "oin_note");
  assert.equal(element.children[0].own, exception_message);
  assert.deepEqual(element.all("img"), []);
});

test("a failure of somebody else's node is not ours to tell", async () => {
  const on = page([node(1), node(2, { type: "SaveImage" })]);
  await run(on, { ends: failed("Error", { node_id: "2", node_type: "SaveImage" }) });
  assert.deepEqual(on.host.toasts, []);
  assert.equal(on.seen(), SEEN); // ours had been done
});

test("an error is forgotten when the node runs again, and by choosing the sandbox", async () => {
  const on = page([node(1)]);
  await run(on, { says: [], ends: failed("NoKeyError") });
  await run(on, { says: [], ends: ["execution_interrupted"] });
  assert.equal(on.seen(), "");
  await run(on, { says: [], ends: failed("OutOfCreditError") });
  on.buttons().find((button) => button.textContent === "Choose sandbox").listeners.click();
  assert.equal(on.nodes[0].widgets[0].value, "sandbox");
  assert.equal(on.seen(), "");
});

test("a note of letters that are twice as wide has twice the lines", async () => {
  const heights = ["nokey", "没有密钥吧"].map(async (word) => {
    const on = page([node(1)]);
    await run(on, { says: [], ends: failed("NoKeyError", { exception_message: word.repeat(40) }) });
    return on.nodes[0].size[1];
  });
  const [narrow, wide] = await Promise.all(heights);
  assert.equal(wide - narrow, 4 * 18);
});

test("a node is higher for a note that it has no room for, as high as before without, and a note is in no file", async () => {
  const on = page([node(1)]);
  const [one] = on.nodes;
  one.size = [400, 700];
  await run(on);
  assert.deepEqual([on.seen(), one.size], [SEEN, [400, 700]]);
  one.size = [400, 600];
  await run(on, { says: [], ends: failed("NoKeyError", { exception_message: "long ".repeat(100) }) });
  assert.ok(one.size[1] > 700);
  const saved = { size: [...one.size] };
  one.onSerialize(saved);
  assert.deepEqual(saved.size, [400, 600]);
  assert.equal(one.widgets.find(({ name }) => name === "oin_note").serialize, false);
  on.tell("execution_start", { prompt_id: await on.queue() });
  assert.deepEqual(one.size, [400, 600]);
});

test("a node inside a subgraph is known by the ids of both", async () => {
  const inner = node(5);
  const on = page([node(3, { type: "subgraph", subgraph: { _nodes: [inner] } })]);
  on.app.canvas = { setDirty: mock.fn() };
  on.tell("progress_text", { nodeId: "3:5", text: DONE });
  mock.timers.tick(SETTLE_MS);
  assert.equal(on.seen(inner), SEEN);
  assert.equal(on.app.canvas.setDirty.mock.callCount(), 1); // the graph around it, over which the note would lie
});

test("the node that stands for a subgraph says what the nodes inside say, an error first and with its buttons", async () => {
  const [first, second] = [node(5), node(6)];
  const deeper = node(4, { type: "subgraph", subgraph: { _nodes: [second] } });
  const outer = node(3, { type: "subgraph", subgraph: { _nodes: [first, deeper] } });
  const on = page([outer]);
  on.tell("progress_text", { nodeId: "3:5", text: DONE });
  mock.timers.tick(SETTLE_MS);
  assert.deepEqual([on.seen(outer), on.seen(deeper)], [SEEN, ""]);
  on.tell("progress_text", { nodeId: "3:4:6", text: "done, free on the sandbox" });
  mock.timers.tick(SETTLE_MS);
  assert.equal(on.seen(outer), `node 5: ${SEEN}\nnode 6: done, free on the sandbox`);
  assert.equal(on.seen(deeper), "done, free on the sandbox");
  const error = { node_id: "3:4:6", node_type: "OIN_GPTImage", exception_type: "pack.NoKeyError", exception_message: "no key" };
  on.tell("execution_error", error);
  on.tell("execution_start", { prompt_id: undefined });
  on.outcomes.restore();
  assert.deepEqual([on.seen(outer), on.seen(deeper)], ["no key", "no key"]);
  assert.deepEqual(on.buttons(outer).map(({ textContent }) => textContent), ["Open settings", "Choose sandbox", "Show in help"]);
  on.buttons(outer)[1].listeners.click();
  assert.equal(second.widgets[0].value, "sandbox");
  assert.equal(on.seen(outer), SEEN);
});

test("a node that keeps no widget of its own, as older frontends' for subgraphs, is left as it is", async () => {
  const outer = node(3, { type: "subgraph", subgraph: { _nodes: [node(5)] } });
  const removed = mock.fn();
  outer.addCustomWidget = (widget) => Object.assign(widget, { onRemove: removed });
  outer.setSize = mock.fn();
  const on = page([outer]);
  on.tell("progress_text", { nodeId: "3:5", text: DONE });
  mock.timers.tick(SETTLE_MS);
  assert.deepEqual([removed.mock.callCount(), outer.setSize.mock.callCount()], [1, 0]);
});

test("a frontend without elements in nodes is left as it is", async () => {
  const bare = node(1);
  delete bare.addDOMWidget;
  const on = page([bare]);
  await run(on, { ends: failed("NoKeyError") });
  assert.equal(on.seen(), "");
  assert.equal(on.host.toasts.length, 1);
});

test("a run that ends before its id is known is told all the same", async () => {
  const on = page([node(1)]);
  const { queuePrompt } = on.host.api;
  const queued = queuePrompt(0, { output: { 1: { class_type: "OIN_GPTImage" } }, workflow: { id: "w" } });
  on.tell("execution_start", { prompt_id: "not told yet" });
  on.tell("execution_cached", { nodes: ["1"] });
  on.end();
  await queued;
  await settled();
  assert.equal(on.seen(), SAME);
});

// ---- what needs no page

test("what is kept is bounded, the newest stays", () => {
  const memory = new RunMemory(storage());
  for (let number = 0; number < 500; number++) {
    memory.keep("w", String(number), { kind: "said", text: DONE });
    memory.queued(`job ${number}`, { workflow: "w", nodes: [String(number)] });
  }
  assert.equal(memory.note("w", "0"), undefined);
  assert.equal(memory.note("w", "499").text, DONE);
  assert.equal(memory.job("job 0"), undefined);
  assert.deepEqual(memory.lastJobWith("499").nodes, ["499"]);
});

test("a browser that keeps nothing, or something else, does no harm", () => {
  const forbidding = {
    getItem: () => "{not json",
    setItem: () => {
      throw new Error("full");
    },
  };
  for (const kept of [forbidding, undefined]) {
    const memory = new RunMemory(kept);
    memory.keep("w", "1", { kind: "said", text: DONE });
    assert.equal(memory.note("w", "1").text, DONE);
  }
});

test("each class of error has the buttons that help", () => {
  assert.deepEqual(actionsFor("openai_image_nodes.NoKeyError"), ["settings", "sandbox", "help"]);
  assert.deepEqual(actionsFor("openai_image_nodes.OutOfCreditError"), ["sandbox", "help"]);
  for (const type of ["ValueError", "", undefined, "openai_image_nodes.New"]) assert.deepEqual(actionsFor(type), ["help"]);
  assert.equal(messageOf("It failed.\n\n"), "It failed.");
  assert.equal(messageOf(undefined), "");
});

test("a refusal is told once however often ComfyUI writes it, and as ComfyUI tells it where it is its own", () => {
  const own = { message: "Required input is missing", details: "image" };
  const ours = { message: "Custom validation failed", extra_info: { exception_message: "n is 9.\n" } };
  assert.deepEqual(refusalOf([ours, ours, own]), { kind: "error", text: "n is 9.\nRequired input is missing: image", type: undefined });
});

test("lines that count seconds are stages, all others are last words", () => {
  assert.deepEqual(["generating, 12 s", "waiting for row 3, 1 s", ""].filter(isLastWord), []);
  const last = [DONE, "6 done", "Stopped. The request was already sent; its picture is saved and used by the next run."];
  assert.deepEqual(last.filter(isLastWord), last);
  assert.deepEqual([DONE, "planned, 1 in the plan", "2 planned, 1", undefined].map(waitsForBatch), [false, true, true, false]);
});
