import assert from "node:assert/strict";
import { test } from "node:test";

import { cancelQuestion, forgetQuestion, mostUsd, submitQuestion } from "../../../web/js/batch/questions.js";
import { BatchWords } from "../../../web/js/batch/words.js";
import { english } from "./support/host.js";

const words = new BatchWords(english);
const KIND = { connection: "openai batch", model: "gpt-image-2", operation: "edits" };
const FREE = { low_usd: 0, high_usd: 0 };
const PRICED = { low_usd: 0.0123, high_usd: 0.25 };
const UNKNOWN = { low_usd: null, high_usd: null };
const BATCH = { ...KIND, state: "submitted", status: "in_progress", done: 2, count: 4, failed: 0, unfinished: 0, usd: null };
const NOTHING = { count: 0, bytes: 0, ...FREE };

test("one job is told as one", () => {
  assert.deepEqual([0, 1, 2].map((count) => words.jobs(count)), ["0 jobs", "1 job", "2 jobs"]);
});

test("a price is a range, an amount, free, or said to be unknown: never 0 or NaN", () => {
  assert.equal(words.price(PRICED), "0.012 to 0.25 USD");
  assert.equal(words.price({ low_usd: 0.25, high_usd: 0.2501 }), "0.25 USD");
  assert.equal(words.price(FREE), "free");
  for (const half of [UNKNOWN, { low_usd: 0.1, high_usd: null }, { low_usd: null, high_usd: 0.1 }])
    assert.equal(words.price(half), "price not known");
});

test("the button that submits names what it will cost at most", () => {
  assert.equal(words.submit({ count: 3, ...PRICED }), "Submit 3 jobs for about 0.25 USD");
  assert.equal(words.submit({ count: 1, ...FREE }), "Submit 1 job (free)");
  assert.equal(words.submit({ count: 1, ...UNKNOWN }), "Submit 1 job (price not known)");
});

test("an operation that is new is told by its own name", () => {
  assert.equal(words.kind(KIND), "openai batch, gpt-image-2, edits");
  assert.equal(words.kind({ ...KIND, operation: "videos" }), "openai batch, gpt-image-2, videos");
});

test("a model that no source names for batches is told as a doubt", () => {
  const part = { ...KIND, count: 2, bytes: 1234, ...PRICED };
  const sure = words.planLine({ ...part, sure: true });
  assert.equal(sure, "openai batch, gpt-image-2, edits: 2 jobs, 2 KB, 0.012 to 0.25 USD");
  assert.ok(words.planLine({ ...part, sure: false }).startsWith(`${sure}; no source says`));
});

test("a batch on its way tells the service's status and how far it is", () => {
  assert.equal(words.state(BATCH, ""), "under way, 2 of 4");
  assert.equal(words.state({ ...BATCH, status: "new word", failed: 1 }, ""), "new word, 2 of 4, 1 failed");
  assert.equal(words.state({ ...BATCH, status: "constructor" }, ""), "constructor, 2 of 4"); // a gateway may say anything
});

test("a collected batch tells what it cost, a free one does not", () => {
  const collected = { ...BATCH, state: "collected", done: 3, failed: 1, unfinished: 1 };
  assert.equal(words.state({ ...collected, usd: 0.5 }, ""), "collected, 3 of 4, 1 failed, 1 planned again, 0.50 USD");
  for (const usd of [null, 0]) assert.ok(!words.state({ ...collected, usd }, "").includes("USD"));
});

test("a batch that was not begun, or only in part, is told so", () => {
  assert.equal(words.state({ ...BATCH, state: "refused" }, ""), "not begun; its jobs are planned again");
  assert.equal(words.state({ ...BATCH, state: "uploading" }, "submit"), "being submitted");
  assert.notEqual(words.state({ ...BATCH, state: "uploading" }, ""), words.state({ ...BATCH, state: "uploading" }, "submit"));
});

test("the toast after a run tells what is planned, open and failed, each where there is any", () => {
  const view = { ...NOTHING, ...PRICED, failed_count: 0, batches: [] };
  assert.match(words.waiting({ ...view, count: 3 }), /^Plan: 3 jobs, 0\.012 to 0\.25 USD\. Submit/);
  const open = [{ ...BATCH, open: true }, { ...BATCH, open: true }, { ...BATCH, open: false }];
  assert.match(words.waiting({ ...view, batches: open, failed_count: 1 }), /^Batches: 8 jobs\. Failed: 1 job\. /);
});

test("before anything is sent, a person reads what, how much, and that it will be charged", () => {
  const part = { ...KIND, count: 2, bytes: 1234, ...PRICED, sure: true };
  const view = { count: 2, bytes: 1234, ...PRICED, parts: [part], left: NOTHING };
  const { message, itemList } = submitQuestion(view, words);
  assert.match(message, /^2 jobs, 2 KB, 0\.012 to 0\.25 USD\n\nOpenAI charges/);
  assert.deepEqual(itemList, ["openai batch, gpt-image-2, edits: 2 jobs, 0.012 to 0.25 USD"]);
});

test("a free plan does not threaten with a charge; one whose price is not known does", () => {
  const view = { count: 2, bytes: 1, parts: [], left: NOTHING };
  assert.doesNotMatch(submitQuestion({ ...view, ...FREE }, words).message, /charges/);
  assert.match(submitQuestion({ ...view, ...UNKNOWN }, words).message, /charges/);
});

test("what was left half-way is charged too, and listed", () => {
  const view = { ...NOTHING, parts: [], left: { count: 5, bytes: 9, ...PRICED } };
  const { message, itemList } = submitQuestion(view, words);
  assert.match(message, /^OpenAI charges/);
  assert.equal(itemList.length, 1);
  assert.match(itemList[0], /: 5 jobs, 0\.012 to 0\.25 USD$/);
});

test("cancelling and forgetting say of how many jobs and what it means", () => {
  assert.match(cancelQuestion(BATCH, words).message, /: 4 jobs\. What is done by then is charged/);
  const both = forgetQuestion({ count: 2, failed_count: 1 }, words);
  const failed = forgetQuestion({ count: 0, failed_count: 1 }, words);
  assert.match(both.message, /^3 jobs\./);
  assert.match(failed.message, /^1 job\./);
  assert.notEqual(both.title, failed.title);
});

test("what was seen of the price is the most that all of it may cost, if that is known", () => {
  const priced = (count, high_usd) => ({ count, high_usd });
  assert.equal(mostUsd({ ...priced(2, 0.5), left: priced(1, 0.25) }), 0.75);
  assert.equal(mostUsd({ ...priced(2, 0.5), left: priced(0, null) }), 0.5);
  assert.equal(mostUsd({ ...priced(2, 0.5), left: priced(1, null) }), null);
});
