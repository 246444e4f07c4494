// A JPEG with a workflow in its EXIF, dropped on the canvas: frontends up to 1.58 look into PNG and WebP alone. What is
// found is handed on as the JSON file that they know.

/** @import { App } from "../types" */

const START = 0xffd8;
const EXIF = 0xffe1;
const SCAN = 0xffda;
const ASCII = 2;
const MOST_BYTES = 4 << 20; // the segments come before the picture
const KEYS = ["workflow", "prompt"];

/** Return the texts of the first directory of EXIF that begin with a name and a colon, by that name.
 * @param {ArrayBuffer} buffer the beginning of a JPEG
 * @returns {Record<string, string>}
 */
export function textsOf(buffer) {
  const view = new DataView(buffer);
  try {
    if (view.getUint16(0) !== START) return {};
    for (let at = 2; view.getUint16(at) !== SCAN; at += 2 + view.getUint16(at + 2))
      if (view.getUint16(at) === EXIF && view.getUint32(at + 4) === 0x45786966)
        return directory(new DataView(buffer, at + 10, view.getUint16(at + 2) - 8));
  } catch {
    // cut off, or no JPEG
  }
  return {};
}

/** @param {DataView} tiff */
function directory(tiff) {
  const little = tiff.getUint16(0) === 0x4949;
  const start = tiff.getUint32(4, little);
  /** @type {Record<string, string>} */
  const found = {};
  for (let entry = 0; entry < tiff.getUint16(start, little); entry++) {
    const at = start + 2 + 12 * entry;
    if (tiff.getUint16(at + 2, little) !== ASCII) continue;
    const [length, place] = [tiff.getUint32(at + 4, little), tiff.getUint32(at + 8, little)];
    if (length < 5 || place + length > tiff.byteLength) continue;
    const text = new TextDecoder().decode(new Uint8Array(tiff.buffer, tiff.byteOffset + place, length - 1));
    const key = KEYS.find((name) => text.startsWith(`${name}:`));
    if (key) found[key] = text.slice(key.length + 1);
  }
  return found;
}

/** Have a dropped JPEG with a workflow load it; every other file goes the frontend's own way.
 * @param {App} app
 */
export function loadDroppedJpegs(app) {
  const own = app.handleFile;
  if (!own) return;
  app.handleFile = async function (file, ...others) {
    const texts = file?.type === "image/jpeg" ? textsOf(await file.slice(0, MOST_BYTES).arrayBuffer()) : {};
    const json = texts.workflow ?? texts.prompt;
    const name = file?.name?.replace(/\.\w+$/, ".json");
    const handed = json ? new File([json], name, { type: "application/json" }) : file;
    return own.call(this, handed, ...others);
  };
}
