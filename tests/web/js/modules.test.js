// ComfyUI imports every file below web/ whose name ends with .js, each by itself, as an extension.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const FOLDER = fileURLToPath(new URL("../../../web/js", import.meta.url));
const ENTRY = "openai_image_nodes.js";
const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
const modules = files.filter((name) => name !== ENTRY);
const read = (name) => readFileSync(join(FOLDER, name), "utf8");

test("all modules are found", () => {
  assert.ok(files.includes(ENTRY));
  assert.ok(modules.length > 15);
});

for (const name of modules)
  test(`${name} does nothing when it is imported: there is no page here`, async () => {
    const before = Object.keys(globalThis);
    const exported = await import(pathToFileURL(join(FOLDER, name)).href);
    assert.notDeepEqual(Object.keys(exported), []);
    assert.deepEqual(Object.keys(globalThis), before);
  });

test("ComfyUI's own modules are imported by one file", () => {
  const importing = files.filter((name) => read(name).includes("/scripts/"));
  assert.deepEqual(importing, [ENTRY]);
});

test("nothing is ever read as markup or as code", () => {
  const risky = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/;
  assert.deepEqual(files.filter((name) => risky.test(read(name))), []);
});

test("every file is reached from the one that ComfyUI is to import", () => {
  const reached = new Set([ENTRY]);
  for (const name of reached)
    for (const [, path] of read(name).matchAll(/^import .* from "(\.{1,2}\/[^"]+)";$/gm)) {
      const target = join(name, "..", path);
      if (!path.includes("scripts/")) reached.add(target);
    }
  assert.deepEqual([...reached].sort(), [...files].sort());
});
