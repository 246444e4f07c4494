// What the buttons of an error do: open our part of ComfyUI's settings, choose the sandbox, show the node's help.

import { pause } from "../dom.js";
import { widgetNamed } from "../node/state.js";

/** @import { Host } from "../host.js" */
/** @import { GraphNode } from "../types" */

const SETTINGS_TITLE = "OpenAI Image Nodes";
const STEP_MS = 100;
const MOST_STEPS = 30;
const HELP_BUTTON = '[data-testid="info-button"]';

/** Open ComfyUI's settings at our connections.
 * @param {Host} host
 */
export async function openSettings({ app }) {
  app.extensionManager?.command?.execute?.("Comfy.ShowSettingsDialog");
  const entry = await found(() => {
    const texts = [...document.querySelectorAll('[role="dialog"] *, .p-dialog *')];
    return texts.find((one) => !one.children.length && one.textContent?.trim() === SETTINGS_TITLE);
  });
  /** @type {HTMLElement | undefined} */ (entry)?.click();
}

/** Set a node to the sandbox, which is free.
 * @param {GraphNode} node
 */
export function chooseSandbox(node) {
  const widget = widgetNamed(node, "connection");
  if (!widget) return;
  widget.value = "sandbox";
  widget.callback?.("sandbox", undefined, node);
  node.setDirtyCanvas?.(true, true);
}

/** Show the help of a node as its info button does, or else its page alone.
 * @param {Host} host
 * @param {GraphNode} node
 */
export async function showHelp({ app, setting }, node) {
  app.canvas?.selectNode?.(node);
  const button = await found(() => document.querySelector(HELP_BUTTON));
  if (button) return /** @type {HTMLElement} */ (button).click();
  const page = `../../docs/${node.comfyClass ?? node.type}/${String(setting("Comfy.Locale") ?? "en")}.md`;
  window.open(new URL(page, import.meta.url), "_blank", "noopener");
}

/** Return what is there after a while.
 * @param {() => Element | null | undefined} look
 */
async function found(look) {
  for (let step = 0; step < MOST_STEPS; step++) {
    const element = look();
    if (element) return element;
    await pause(STEP_MS);
  }
  return undefined;
}
