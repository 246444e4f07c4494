// A run that may cost much was stopped before it does: the page asks, and runs it once where the person says yes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isQuestion } from "../../../web/js/outcome/advice.js";
import { askAboutSum } from "../../../web/js/outcome/large_sum.js";
import { fakeHost } from "./support/host.js";

const PATH = "/openai_image_nodes/allow_sum";
const QUESTION = "This run may cost up to 200.00 USD.";
const WORDS = `${QUESTION}\nRun it in ComfyUI's page and say yes there.`;

/** Return a host whose person says yes or no, and what happened. */
function page(yes, answers = { [PATH]: { usd: 200 } }) {
  const host = fakeHost(answers);
  const seen = { questions: [], queued: [] };
  host.app = { queuePrompt: async (...told) => void seen.queued.push(told) };
  host.isSure = async (question) => Boolean(seen.questions.push(question)) && yes;
  return { host, ...seen };
}

test("a yes lets that run go on, and queues it again", async () => {
  const { host, questions, queued } = page(true);
  await askAboutSum(host, WORDS, "prompt-7");
  assert.deepEqual(questions, [{ title: "Run it for this sum?", message: QUESTION }]); // the buttons are the answers
  assert.deepEqual(host.asked, [[PATH, { prompt_id: "prompt-7" }]]);
  assert.deepEqual(queued, [[0, 1]]);
});

test("a no, and a run whose id is not known, send nothing", async () => {
  for (const [yes, id] of [[false, "prompt-7"], [true, undefined]]) {
    const { host, queued } = page(yes);
    await askAboutSum(host, WORDS, id);
    assert.deepEqual([host.asked, queued], [[], []]);
  }
});

test("what the server refuses is told and runs nothing", async () => {
  const { host, queued } = page(true, { [PATH]: () => { throw new Error("Nothing is asked about this run any more."); } });
  await askAboutSum(host, WORDS, "prompt-7");
  assert.equal(host.toasts[0].detail, "Nothing is asked about this run any more.");
  assert.deepEqual(queued, []);
});

test("only that error is a question", () => {
  assert.ok(isQuestion("openai_image_nodes.LargeSumError"));
  for (const type of ["openai_image_nodes.RefusedError", "LargeSumErrors", undefined]) assert.ok(!isQuestion(type));
});
