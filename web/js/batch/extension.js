// What the extension registers with ComfyUI for batches.

import { AfterRun } from "./after_run.js";
import { BatchClient, ROUTES } from "./client.js";
import { BatchPanel } from "./panel.js";
import { BatchPlace, ICON } from "./place.js";
import { BatchWords } from "./words.js";

/** @import { Host } from "../host.js" */
/** @import { Command } from "../types" */

const COMMAND = "OpenAIImageNodes.Batches";
const LABEL = "OpenAI batches";

/** @param {Host} host */
export function batchExtension(host) {
  const { attempt, json, text } = host;
  const words = new BatchWords(text);
  const client = new BatchClient(host);
  const show = () => {
    client.lookOften();
    attempt(() => client.refresh());
  };
  const place = new BatchPlace(host, () => builtPanel(host, client, words), show);
  Object.assign(client, { isShown: place.isShown, isVisible: place.isVisible });
  const ask = () => json(ROUTES);
  const afterRun = new AfterRun(host, words, { isVisible: place.isVisible, refresh: () => client.refresh(), ask });
  const label = () => text("openai_batches", LABEL);
  const open = () => attempt(() => place.open());
  /** @type {Command} */
  const command = { id: COMMAND, label, menubarLabel: LABEL, icon: ICON, function: open };
  return {
    commands: [command],
    menuCommands: [{ path: ["View"], commands: [COMMAND] }],
    setup() {
      attempt(() => place.register());
      attempt(() => afterRun.follow());
    },
  };
}

/**
 * @param {Host} host
 * @param {BatchClient} client
 * @param {BatchWords} words
 */
function builtPanel(host, client, words) {
  const panel = new BatchPanel(host, client, words);
  client.onChange = panel.draw;
  document.addEventListener("visibilitychange", () => client.isVisible() && host.attempt(() => client.refresh()));
  return panel;
}
