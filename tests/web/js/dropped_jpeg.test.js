import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { loadDroppedJpegs, textsOf } from "../../../web/js/node/dropped_jpeg.js";

const TEXT = (name, json) => new TextEncoder().encode(`${name}:${json}\0`);

/** A JPEG with texts in its EXIF, in either byte order. */
function jpeg(texts, little = true) {
  const values = Object.entries(texts).map(([name, json]) => TEXT(name, json));
  const start = 8;
  const tiff = new DataView(new ArrayBuffer(start + 2 + 12 * values.length + 4 + values.reduce((sum, one) => sum + one.length, 0)));
  tiff.setUint16(0, little ? 0x4949 : 0x4d4d);
  tiff.setUint16(2, 42, little);
  tiff.setUint32(4, start, little);
  tiff.setUint16(start, values.length, little);
  let place = start + 2 + 12 * values.length + 4;
  values.forEach((value, index) => {
    const at = start + 2 + 12 * index;
    tiff.setUint16(at, 0x010f + index, little);
    tiff.setUint16(at + 2, 2, little);
    tiff.setUint32(at + 4, value.length, little);
    tiff.setUint32(at + 8, place, little);
    new Uint8Array(tiff.buffer).set(value, place);
    place += value.length;
  });
  const body = new Uint8Array(tiff.buffer);
  const head = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xe1, (body.length + 8) >> 8, (body.length + 8) & 255];
  return new Uint8Array([...head, 0x45, 0x78, 0x69, 0x66, 0, 0, ...body, 0xff, 0xda, 0, 2]);
}

test("workflow and prompt are read in either byte order", () => {
  for (const little of [true, false])
    assert.deepEqual(textsOf(jpeg({ workflow: '{"a":1}', prompt: "{}" }, little).buffer), { workflow: '{"a":1}', prompt: "{}" });
});

test("other files, and any that are cut off, hold none", () => {
  const whole = jpeg({ workflow: '{"a":1}' });
  for (let length = 0; length < whole.length - 30; length++) textsOf(whole.slice(0, length).buffer);
  assert.deepEqual(textsOf(new Uint8Array([0x89, 0x50]).buffer), {});
  const signed = readFileSync(new URL("../../support/signed/picture.jpg", import.meta.url));
  assert.deepEqual(textsOf(new Uint8Array(signed).buffer), {});
});

test("a dropped JPEG with a workflow loads it, every other file goes its own way", async () => {
  const handled = [];
  const app = { handleFile: async (file) => handled.push(file) };
  loadDroppedJpegs(app);
  await app.handleFile(new File([jpeg({ workflow: '{"a":1}' })], "fox.jpg", { type: "image/jpeg" }));
  const plain = new File([jpeg({})], "plain.jpg", { type: "image/jpeg" });
  await app.handleFile(plain);
  assert.deepEqual([handled[0].name, handled[0].type, await handled[0].text()], ["fox.json", "application/json", '{"a":1}']);
  assert.equal(handled[1], plain);
});
