import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { AfterRun } from "../../../web/js/batch/after_run.js";
import { BatchClient, ROUTES } from "../../../web/js/batch/client.js";
import { BatchWords } from "../../../web/js/batch/words.js";
import { english, fakeHost, settled } from "./support/host.js";

const VIEW = { count: 0, failed_count: 0, batches: [], parts: [], left: { count: 0 }, busy: false, doing: "", words: "" };

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"] }));
afterEach(() => mock.timers.reset());

async function passed(milliseconds) {
  mock.timers.tick(milliseconds);
  await settled();
}

/** Return a client whose panel is seen, and the host with what it asked. */
function seen(answers) {
  const host = fakeHost(answers);
  const client = new BatchClient(host);
  Object.assign(client, { isShown: () => true, isVisible: () => true });
  return { host, client, paths: () => host.asked.map(([path]) => path) };
}

const batch = (state, rest = {}) => ({ id: "b1", state, done: 1, ready: false, open: true, ...rest });

test("the newest question alone counts", async () => {
  const answers = [];
  const { client } = seen({ [ROUTES]: () => new Promise((resolve) => answers.push(resolve)) });
  client.refresh();
  client.refresh();
  answers[1]({ ...VIEW, count: 2 });
  await settled();
  answers[0]({ ...VIEW, count: 1 });
  await settled();
  assert.equal(client.view.count, 2);
});

test("a server that does not answer is told once and forgotten when it answers again", async () => {
  let isUp = false;
  const { client } = seen({ [ROUTES]: () => (isUp ? VIEW : Promise.reject(new Error("no route"))) });
  assert.match((await client.refresh()).message, /no route/);
  assert.match(client.unreachable, /no route$/);
  isUp = true;
  await client.refresh();
  assert.equal(client.unreachable, "");
});

test("a refused action is told until the next one, with the plan as it is by now", async () => {
  let count = 1;
  const refuse = () => {
    count = 7;
    throw new Error("The plan has 7 jobs by now");
  };
  const { client, paths } = seen({ [ROUTES]: () => ({ ...VIEW, count }), [`${ROUTES}/submit`]: refuse, [`${ROUTES}/look`]: VIEW });
  await client.act("submit", { count: 1 });
  assert.equal(client.complaint, "The plan has 7 jobs by now");
  assert.equal(client.view.count, 7);
  assert.deepEqual(paths(), [`${ROUTES}/submit`, ROUTES]);
  await client.act("look");
  assert.equal(client.complaint, "");
});

test("what a person asks for waits for a look of the panel's own", async () => {
  let isLooking = true;
  const { client, paths } = seen({
    [ROUTES]: () => ({ ...VIEW, busy: isLooking, doing: isLooking ? "look" : "" }),
    [`${ROUTES}/collect`]: VIEW,
  });
  await client.refresh();
  const acting = client.act("collect");
  await passed(400);
  assert.ok(!paths().includes(`${ROUTES}/collect`));
  isLooking = false;
  await passed(400);
  await acting;
  assert.equal(paths().at(-1), `${ROUTES}/collect`);
});

test("after a collect that brought something, the panel says to run again", async () => {
  let batches = [batch("submitted", { ready: true })];
  const { client } = seen({ [ROUTES]: () => ({ ...VIEW, batches }), [`${ROUTES}/collect`]: () => ({ ...VIEW, batches, busy: true, doing: "collect" }) });
  await client.refresh();
  await client.act("collect");
  assert.equal(client.hint, "");
  assert.ok(client.isBusy);
  batches = [batch("collected", { open: false })];
  await client.refresh();
  assert.match(client.hint, /^Run the workflow again/);
  await client.act("collect");
  await client.refresh();
  assert.equal(client.hint, "");
});

test("a batch on its way is looked after, more and more seldom, and only while the panel is seen", async () => {
  const view = { ...VIEW, batches: [batch("submitted")] };
  const { client, paths } = seen({ [ROUTES]: view, [`${ROUTES}/look`]: view });
  await client.refresh();
  await passed(3000);
  assert.deepEqual(paths(), [ROUTES, `${ROUTES}/look`]);
  await passed(4499);
  assert.equal(paths().length, 2);
  await passed(2);
  assert.equal(paths().length, 3);
  client.isVisible = () => false;
  await passed(3_600_000);
  assert.equal(paths().length, 3);
  client.isShown = () => false;
  await passed(2000);
  client.isVisible = () => true;
  await passed(3_600_000);
  assert.equal(paths().length, 3);
});

test("with nothing on its way the service is not asked", async () => {
  const { client, paths } = seen({ [ROUTES]: { ...VIEW, batches: [batch("submitted", { ready: true })] } });
  await client.refresh();
  for (let time = 0; time < 10; time++) await passed(30_001);
  assert.deepEqual([...new Set(paths())], [ROUTES]);
  assert.ok(paths().length > 5);
});

// ---- after a run

function running({ isVisible = false } = {}) {
  const listeners = {};
  const host = fakeHost();
  host.api = { addEventListener: (name, listener) => (listeners[name] = listener) };
  const asked = { refresh: 0, ask: 0 };
  const panel = {
    isVisible: () => isVisible,
    refresh: async () => void (asked.refresh += 1),
    ask: async () => ((asked.ask += 1), { ...VIEW, count: 3, low_usd: 0, high_usd: 0 }),
  };
  new AfterRun(host, new BatchWords(english), panel).follow();
  const say = (text) => listeners.progress_text({ detail: { nodeId: "1", text } });
  return { host, asked, say, end: (how = "execution_success") => listeners[how]({}) };
}

for (const text of ["planned, 3 in the plan", "4 planned, 3 in the plan", "in a batch since today", "2 failed in the batch: x"])
  test(`"${text}" is told by a toast when the run has ended`, async () => {
    const { host, say, end } = running();
    say(text);
    end();
    await passed(400);
    assert.equal(host.toasts.length, 1);
    assert.match(host.toasts[0].detail, /^Plan: 3 jobs, free\./);
  });

for (const text of ["done, 0.0150 USD", "preparing, 3 s", "unplanned, 1", undefined])
  test(`"${text}" is not`, async () => {
    const { host, asked, say, end } = running();
    say(text);
    end();
    await passed(60_000);
    assert.deepEqual([host.toasts, asked.ask], [[], 0]);
  });

test("many runs that end one after the other are told once, the panel that is seen is drawn again instead", async () => {
  const { host, say, end } = running();
  for (let run = 0; run < 20; run++) {
    say("planned, 1 in the plan");
    end(run % 2 ? "execution_success" : "execution_interrupted");
    await passed(100);
  }
  await passed(60_000);
  assert.equal(host.toasts.length, 1);
  const open = running({ isVisible: true });
  open.say("planned, 1 in the plan");
  open.end();
  await passed(400);
  assert.deepEqual([open.host.toasts, open.asked.refresh], [[], 1]);
});
