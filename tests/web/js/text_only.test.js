// What strangers write reaches the page as text: no source of ours makes markup, code or addresses out of words.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { made } from "../../../web/js/dom.js";
import { fakeDocument } from "./support/dom.js";

const ROOT = fileURLToPath(new URL("../../../web/js/", import.meta.url));
const SOURCES = readdirSync(ROOT, { recursive: true }).map(String).filter((name) => name.endsWith(".js"));
const MARKUP = [
  /\binnerHTML\b/, /\bouterHTML\b/, /\binsertAdjacentHTML\b/, /\bdocument\s*\.\s*write(ln)?\b/, /\bcreateContextualFragment\b/,
  /\bDOMParser\b/, /\bsrcdoc\b/, /\bsetHTML(Unsafe)?\b/, /\beval\s*\(/, /\bnew\s+Function\b/, /\bimport\s*\(\s*[^"'`)\s]/,
  /\bset(Timeout|Interval)\s*\(\s*["'`]/, /\bhtml\s*:/, /\bv-html\b/, /javascript:/i, /\bon[a-z]+\s*=\s*["'`]/,
];

test("there are sources to look at", () => {
  assert.ok(SOURCES.length > 20, String(SOURCES.length));
});

for (const name of SOURCES) {
  test(`${name} makes no markup or code of words`, () => {
    const code = readFileSync(ROOT + name, "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
    assert.deepEqual(MARKUP.filter((pattern) => pattern.test(code)).map(String), []);
  });
}

test("the patterns find what they are for", () => {
  const bad = [
    "a.innerHTML = x", "a.outerHTML = x", "a.insertAdjacentHTML('b', x)", "document.write(x)", "r.createContextualFragment(x)",
    "new DOMParser()", "f.srcdoc = x", "a.setHTMLUnsafe(x)", "eval(x)", "new Function(x)", "import(x)", "setTimeout('x()')",
    "{ html: x }", "javascript:x", "onclick='x'",
  ];
  for (const code of bad) assert.ok(MARKUP.some((pattern) => pattern.test(code)), code);
});

test("an element's children are text, whatever they look like", () => {
  globalThis.document = fakeDocument();
  try {
    const script = "<img src=x onerror=alert(1)>";
    const element = made("div", {}, script);
    assert.equal(element.textContent ?? element.children?.[0] ?? element.childNodes?.[0], script);
  } finally {
    delete globalThis.document;
  }
});
