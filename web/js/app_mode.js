// App mode hides the nodes: their price, and what they said last, stand above its Run button.

import { made } from "./dom.js";
import { unbroken } from "./format.js";

/** @import { Host } from "./host.js" */

const PLACE = '[data-testid="linear-run-button"]';
const LOOK_MS = 500; // frontends do not tell when app mode opens
const STYLE = {
  ...{ margin: "0 4px 12px", maxHeight: "180px", overflow: "auto", fontSize: "13px", lineHeight: "18px" },
  ...{ whiteSpace: "pre-wrap", overflowWrap: "anywhere", userSelect: "text" },
};

/** Show words in app mode for as long as the page is open, whatever workflow is.
 * @param {Host} host
 * @param {() => string[]} words
 */
export function showInAppMode(host, words) {
  const box = made("div", { className: "oin-app", role: "status", style: STYLE });
  setInterval(() => host.attempt(() => place(host, box, words)), LOOK_MS);
}

/**
 * @param {Host} host
 * @param {HTMLElement} box
 * @param {() => string[]} words
 */
function place({ app }, box, words) {
  const workflow = app.extensionManager?.workflow?.activeWorkflow;
  if ((workflow?.activeMode ?? workflow?.initialMode) !== "app") return;
  const text = unbroken(words().filter(Boolean).join("\n"));
  const parent = document.querySelector(PLACE);
  if (parent && box.parentNode !== parent) parent.prepend(box);
  if (box.textContent !== text) box.textContent = text;
  box.hidden = !text;
}
