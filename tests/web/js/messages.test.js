import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { inOwnLanguage, labelsOf, translator } from "../../../web/js/messages.js";

const locale = (language) =>
  JSON.parse(readFileSync(new URL(`../../../locales/${language}/main.json`, import.meta.url), "utf8"));
const german = translator(locale("de").openaiImageNodesMessages);
const chinese = translator(locale("zh").openaiImageNodesMessages);

test("a message is translated whole, with what a run filled in", () => {
  const english = "Model gpt-image-1 was shut down on 2026-10-23. Choose gpt-image-2.6-flare instead.";
  assert.equal(
    german(english),
    "Das Modell gpt-image-1 wurde am 2026-10-23 abgeschaltet. Wählen Sie stattdessen gpt-image-2.6-flare."
  );
});

test("a message in another is translated too", () => {
  const english = "Size 464x1392 has a side of 464, the smallest is 480 (gpt-image-2.6-flare). Choose another size or model.";
  const own = german(english);
  assert.match(own, /^Die Größe 464x1392 hat eine Seite von 464, die kleinste ist 480 \(gpt-image-2\.6-flare\)\./);
  assert.match(own, /Wählen Sie eine andere Größe/);
});

test("texts in a row are translated one by one, and the service's own words are left", () => {
  const english =
    "openai: too many requests at the moment (HTTP 429, code rate_limit, request req_1)." +
    " The service says: Slow down, please. Wait a little and run again.";
  const own = german(english);
  assert.match(own, /^openai: zurzeit zu viele Anfragen \(HTTP 429, code rate_limit, request req_1\)\./);
  assert.match(own, /Der Dienst sagt: Slow down, please\./);
  assert.match(own, /Warten Sie ein wenig und führen Sie es noch einmal aus\.$/);
});

test("what it may have cost is told in every part", () => {
  const english =
    "openai: the request went out at 10:00:00 and the connection was lost before the whole answer came (reset by peer);" +
    " it may have been billed, so it is not sent again by itself. Look at the usage page of your account first." +
    " To run it anyway (you may pay twice), switch reuse off or change the seed.";
  const own = chinese(english);
  assert.match(own, /可能已经计费，因此不会自动再次发送/);
  assert.match(own, /请先查看账户的用量页面/);
  assert.match(own, /可能会付两次费/);
  assert.doesNotMatch(own, /billed|usage|twice/);
});

test("the last words of a run are translated, notes behind them too", () => {
  assert.equal(german("done, 0.0150 USD"), "fertig, 0.0150 USD");
  const noted = "done, free on the sandbox; The model gpt-image-2 is shut down on 2026-12-01. Its successors: gpt-image-2.6-flare.";
  assert.match(german(noted), /^fertig, in der Sandbox kostenlos; Das Modell gpt-image-2 wird am 2026-12-01 abgeschaltet\./);
  assert.match(german("planned, 37 in the plan, about 1.48 USD"), /^geplant, 37 im Plan, etwa 1\.48 USD$/);
});

test("of several ways to read a message the one that knows most of it is taken", () => {
  const english =
    "comfy.org: this account has no access to gpt-image-2 (HTTP 403). The service says: Verify first." +
    " Ask the owner of the account for access to gpt-image-2 (OpenAI may first want the organization verified), or choose" +
    " another model.";
  assert.match(chinese(english), /^comfy\.org：此账户没有 gpt-image-2 的权限 \(HTTP 403\)/);
  assert.match(chinese(english), /请向账户所有者申请 gpt-image-2 的权限/);
});

test("an input is named by its label, with its name in brackets", () => {
  const nodes = { OIN_One: { inputs: { quality: { name: "Qualität" } } }, Other: { inputs: { quality: { name: "no" } } } };
  assert.deepEqual(labelsOf(nodes), { quality: "Qualität" });
  const labelled = translator(locale("de").openaiImageNodesMessages, labelsOf(nodes));
  const english = "quality xhigh is not available for gpt-image-2. Choose one of low, medium, high.";
  assert.match(labelled(english), /^Qualität \(quality\) xhigh gibt es bei gpt-image-2 nicht\./);
});

test("what is not known is left as it is, around what is known", () => {
  assert.equal(german("Something nobody has said before."), "Something nobody has said before.");
  assert.equal(german(""), "");
  assert.match(german("Something new. Choose another model or connection."), /^Something new\. Wählen Sie ein anderes Modell/);
  assert.equal(translator({})("The prompt is empty."), "The prompt is empty.");
});

test("what is longer than any message of ours is left alone", () => {
  const long = "There are no pictures. ".repeat(200);
  assert.equal(german(long), long);
  const many = "There are no pictures. ".repeat(60);
  assert.equal(german(many), "Es gibt keine Bilder. ".repeat(60));
});

/** Count how often texts are held against one of ours while something is done. */
function comparisons(work) {
  const { startsWith } = String.prototype;
  let count = 0;
  String.prototype.startsWith = function (...asked) {
    count++;
    return startsWith.apply(this, asked);
  };
  try {
    work();
  } finally {
    String.prototype.startsWith = startsWith;
  }
  return count;
}

test("a stranger's words of our own texts in one another do not hold the page up", () => {
  const messages = locale("fr").openaiImageNodesMessages;
  const french = translator(messages);
  const openings = Object.keys(messages).filter((english) => english.includes("[1]"));
  let hostile = "a. b, c: d";
  for (let step = 0; hostile.length < 1600; step++)
    hostile = openings[(18 + 7 * step) % openings.length].replace(/\[1\]/g, `${hostile}, z. `).replace(/\[\d\]/g, "q, r");
  hostile = hostile.slice(0, 2000);
  const first = comparisons(() => french(hostile));
  assert.ok(first > 1000 && first < 1_200_000, String(first));
  assert.equal(comparisons(() => french(hostile)), 0); // app mode asks twice a second
  assert.notEqual(french("There are no pictures."), "There are no pictures.");
});

test("only messages in an answer are translated", () => {
  const told = { error: "There are no pictures.", prompt: "There are no pictures.", batches: [{ fault: "no answer came" }] };
  const upper = (text) => text.toUpperCase();
  assert.deepEqual(inOwnLanguage(told, upper), {
    error: "THERE ARE NO PICTURES.",
    prompt: "There are no pictures.",
    batches: [{ fault: "NO ANSWER CAME" }],
  });
  assert.equal(inOwnLanguage(null, upper), null);
});

test("what is said in a node is known though marks are look-alikes there", () => {
  const said = translator({ "It's \"[1]\" & <[2]>.": "Es ist [1] und [2]." });
  assert.equal(said("It's \"a\" & <b>."), "Es ist a und b.");
  assert.equal(said("It\u2019s \u201da\u201d \uff06 \u2039b\u203a."), "Es ist a und b.");
});

const japanese = translator(locale("ja").openaiImageNodesMessages);
const korean = translator(locale("ko").openaiImageNodesMessages);

test("each language has its own marks between the parts of a message", () => {
  const said = "done, 0.0150 USD; aligned: was 4.8 % smaller, its colours were matched";
  assert.doesNotMatch(chinese(said) + japanese(said), /[;,]/);
  assert.match(japanese(said), /USD\u3002.*\u3001/);
  assert.match(korean(said), /USD\. [^;]*, [^;]*$/);
  assert.match(german(said), /USD; /);
  const refused = "openai: quota, credit or a spend limit is used up (HTTP 429). The service says: No.";
  assert.match(chinese(refused), /\(HTTP 429\)\u3002[^ ]/);
  const large = "openai: the request is too large, 12.3 MB went out (HTTP 413).";
  assert.match(chinese(large), /\uff0c[^ ]/);
});

test("Chinese and Japanese words are not torn apart by blanks, and Latin ones stand free", () => {
  const chineseOne = translator({ "[1] has [2].": "[1] 有[2]。", "a mask": "遮罩", "the service": "服务" });
  assert.equal(chineseOne("the service has a mask."), "服务有遮罩。");
  assert.equal(chineseOne("GPT has PNG."), "GPT 有 PNG。");
  const japaneseOne = translator({ "It failed ([1]). Run again.": "失敗 ([1])。もう一度。", "no picture.": "画像なし。" });
  assert.equal(japaneseOne("It failed (no picture.). Run again."), "失敗 (画像なし)。もう一度。");
});

test("what is to be copied holds no label", () => {
  const own = translator(locale("zh").openaiImageNodesMessages, { moderation: "内容审核" });
  const told = own(
    'Leave the field out: "omit": ["moderation"] for local in connections.json, or run: openai-image connect local --omit' +
      " moderation. Then run again."
  );
  assert.match(told, /\["moderation"\]/);
  assert.match(told, /--omit moderation/);
});

test("how far a list is, is told in words of the language", () => {
  const told = "2 of 6 done; 1 waiting for the picture (usually 20 s here), 3 drawing, 1 sketch so far, 12 s";
  for (const [own, english] of [[german, /[a-z] for|sketch/], [chinese, /[a-z]{3}/], [japanese, /[a-z]{3}/], [korean, /[a-z]{3}/]]) {
    assert.doesNotMatch(own(told), english);
  }
  for (const short of ["6 done", "preparing, 3 s", "saved 3 files", "1 row", "drawing, 2 sketches so far, 3 s"]) {
    assert.doesNotMatch(chinese(short), /[a-z]{3}/);
  }
});

test("values with commas between them stay together, and parts of a message do not", () => {
  assert.match(korean("Size 64x64 is not one of 1024x1024, 1536x1024, 1024x1536 (x). Choose another size or model."), /\(1024x1024, 1536x1024, 1024x1536\)/);
  assert.match(german("6 rows, 1 to 6 of 10"), /^6 Zeilen, 1 bis 6 von 10$/);
  assert.match(german("6 planned, 6 in the plan, about 1.20 USD"), /^6 geplant, 6 im Plan, etwa 1\.20 USD$/);
});

test("a service's words that almost are many texts of ours are read at once", () => {
  for (const [between, count] of [["x", 1900], [" to x", 390], [" was scaled from x to ", 90]]) {
    const words = `Picture 1 was scaled from ${between.repeat(count)}`.slice(0, 1990);
    assert.equal(german(words), words);
  }
});
