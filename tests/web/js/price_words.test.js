import assert from "node:assert/strict";
import { test } from "node:test";

import { listText, priceColours, priceText, roomIn, summed } from "../../../web/js/price/words.js";
import { english } from "./support/host.js";

const known = (low_usd, high_usd = low_usd, rest = {}) => ({ state: "known", low_usd, high_usd, ...rest });
const said = (told) => priceText(told, english);

test("one price is told as about, two as a range, part of a sum as the least", () => {
  assert.equal(said(known(0.0411, 0.0414)), "~0.041 USD");
  assert.equal(said(known(0.006, 0.211)), "0.006-0.21 USD");
  assert.equal(said(known(0.5, 0.9, { is_partial: true })), "at least 0.50 USD");
});

test("a price that is not sure says so", () => {
  assert.equal(said(known(0.0937, 0.0937, { certainty: "about" })), "about 0.094 USD");
  assert.equal(said(known(0.05, 0.125, { certainty: "about" })), "about 0.05-0.13 USD");
  assert.equal(said(known(0.0247, 0.1749, { certainty: "at most" })), "up to 0.17 USD");
  assert.equal(said(known(0.041, 0.041, { certainty: "last time" })), "last time 0.041 USD");
  assert.equal(said(known(0.0411, 0.0411, { certainty: "exact" })), "~0.041 USD");
});

test("a sum is as sure as all of it: about, where its parts differ", () => {
  const [exact, most] = [known(1, 1, { certainty: "exact" }), known(1, 2, { certainty: "at most" })];
  assert.equal(said(summed([most, most])), "up to 4.00 USD");
  assert.equal(said(summed([exact, most])), "about 2.00-3.00 USD");
  assert.equal(said(summed([exact, known(1)])), "~2.00 USD");
});

test("what has no price says why", () => {
  assert.equal(said({ state: "free" }), "free");
  assert.equal(said({ state: "no_key" }), "no key yet");
  assert.equal(said({ state: "no_account" }), "no account yet");
  assert.equal(said({ state: "unknown" }), "price after the run");
  assert.equal(said({ state: "something newer" }), "price after the run");
});

test("a refusal is told in its first sentence, where that fits the node", () => {
  assert.equal(said({ state: "impossible", reason: "n is 9. It must be 1 to 8." }), "n is 9");
  assert.equal(said({ state: "impossible", reason: `${"long ".repeat(20)}. More.` }), "not possible as set");
  assert.equal(said({ state: "impossible" }), "");
});

test("Vue nodes have less room for words: their badge stands in a row with that of the pack", () => {
  const reason = "quality xhigh is not available for gpt-image-2";
  const words = "The area around the mask would be 82 % of the picture: all of it is sent.";
  globalThis.window = { LiteGraph: { vueNodesMode: true } };
  const [wide, narrow] = [440, 300].map((width) => roomIn({ size: [width, 700] }));
  delete globalThis.window;
  assert.equal(priceText({ state: "impossible", reason }, english, wide), reason);
  assert.equal(priceText({ state: "impossible", reason }, english, narrow), "not possible as set");
  assert.equal(priceText({ state: "free", words }, english, wide), "free \u00b7 The area around the mask would be 82 %\u2026");
  assert.equal(listText({ state: "free", words }, 12, english, wide), "12 rows: free \u00b7 The area around the mask would\u2026");
  const japanese = "\u753b".repeat(40);
  assert.equal(priceText({ state: "impossible", reason: japanese }, english, wide), "not possible as set");
});

test("what keeps a run from working has another colour", () => {
  const colours = ["free", "known", "unknown", undefined].map((state) => priceColours(state).bgColor);
  assert.equal(new Set(colours).size, 1);
  for (const state of ["impossible", "no_key", "no_account"]) assert.notEqual(priceColours(state).bgColor, colours[0]);
});

test("a list tells its rows and what they cost together, or why it cannot run", () => {
  assert.equal(listText(known(0.055, 0.071), 6, english), "6 rows: 0.055-0.071 USD");
  assert.equal(listText({ state: "free" }, 1, english), "1 row: free");
  assert.equal(listText({ state: "no_key" }, 6, english), "no key yet");
});

test("a sum counts each as often as it runs, what is free as nothing", () => {
  assert.deepEqual(summed([{ count: 10, ...known(0.25, 0.5) }, known(1, 2), { state: "free" }]), known(3.5, 7, { certainty: "exact", is_partial: false }));
  assert.deepEqual(summed([{ state: "free" }, { count: 4, state: "free" }]), { state: "free" });
  assert.equal(summed([]), undefined);
});

test("what is not known makes a sum the least that it costs", () => {
  assert.equal(said(summed([known(0.25), { state: "unknown" }])), "at least 0.25 USD");
  assert.equal(said(summed([known(0.25), known(0.5, 1, { is_partial: true })])), "at least 0.75 USD");
  assert.deepEqual(summed([{ state: "unknown" }, { state: "unknown" }]), { state: "unknown" });
});

test("a refusal of one is a refusal of all, before a missing key or account", () => {
  const refused = { state: "impossible", reason: "n is 9" };
  assert.deepEqual(summed([known(1), { state: "no_account" }, { state: "no_key" }, refused]), refused);
  assert.equal(summed([known(1), { state: "no_account" }, { state: "no_key" }]).state, "no_key");
  assert.equal(summed([known(1), { state: "no_account" }]).state, "no_account");
});

test("what is done in place of what was set stands behind the price", () => {
  const words = "The area around the mask would be 82 % of the picture: all of it is sent, as with mask_mode blend.";
  assert.equal(said(known(0.04, 0.04, { words })), "~0.04 USD \u00b7 The area around the mask would be 82 % of the picture");
  assert.equal(said({ state: "free", words }), "free \u00b7 The area around the mask would be 82 % of the picture");
  assert.equal(said(known(0.04, 0.04, { words: "x".repeat(100) })), "~0.04 USD");
  const french = "Il n\u2019y a pas d\u2019image pour \u00ab\u00a0mode du masque\u00a0\u00bb (mask_mode) region ou blend";
  assert.equal(said({ state: "free", words: french }), "free \u00b7 Il n\u2019y a pas d\u2019image pour \u00ab\u00a0mode du masque\u00a0\u00bb (mask_mode) region\u2026");
  assert.equal(said({ state: "free", words: "\u753b".repeat(50) }), `free \u00b7 ${"\u753b".repeat(32)}\u2026`);
  assert.equal(said({ state: "free", words: "\u753b".repeat(32) }), `free \u00b7 ${"\u753b".repeat(32)}`);
});
