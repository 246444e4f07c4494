import assert from "node:assert/strict";
import { test } from "node:test";

import { filled, sized, unbroken, usd } from "../../../web/js/format.js";

test("amounts below ten cents have three digits, without a last zero; others two", () => {
  assert.deepEqual([0.0049, 0.006, 0.041, 0.05, 0.0999, 0.1, 1.234, 12].map(usd), [
    ...["0.005", "0.006", "0.041", "0.05", "0.10", "0.10", "1.23", "12.00"],
  ]);
});

test("blanks are filled, each wherever a language puts it, and an unknown one stays to be seen", () => {
  assert.equal(filled("[count] of [all], [count]", { count: 0, all: 3 }), "0 of 3, 0");
  assert.equal(filled("[price]", {}), "[price]");
  assert.equal(filled("[a]", { a: "[b]", b: "never" }), "[b]");
});

test("no line ends between an amount and its unit, and all else stays", () => {
  assert.equal(unbroken("20.1 MB, 5.00 USD; 12 KB"), "20.1\u00a0MB, 5.00\u00a0USD; 12\u00a0KB");
  for (const text of ["3 USDT", "in USD", "2 pictures", "1-2 MBs", ""]) assert.equal(unbroken(text), text);
});

test("small files are told in KB, never as none, larger ones in MB", () => {
  assert.deepEqual([1, 1000, 1001, 99_999, 100_000, 12_345_678].map(sized), [
    ...["1 KB", "1 KB", "2 KB", "100 KB", "0.1 MB", "12.3 MB"],
  ]);
});
