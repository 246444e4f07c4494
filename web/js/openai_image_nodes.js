// The extension in ComfyUI's page. The nodes work in full without it. It holds no facts about models and no prices: the
// server does. This is the one file that imports ComfyUI's modules and does anything by itself: ComfyUI imports every
// file below web/ whose name ends with .js.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { batchExtension } from "./batch/extension.js";
import { Host } from "./host.js";
import { addPriceBadge } from "./node/price_badge.js";
import { keepFiveLines } from "./node/prompt_box.js";
import { hasSeed, makesPictures, typeOf } from "./node/ours.js";
import { widgetNamed } from "./node/state.js";
import { outcomeExtension } from "./outcome/extension.js";
import { replaceExtension } from "./replace/extension.js";
import { connectionSetting } from "./settings_panel.js";

/** @import { GraphNode, ModelFacts } from "./types" */

const host = new Host(app, api);
const { attempt } = host;
const batches = batchExtension(host);
const replacing = replaceExtension(host);
const outcomes = outcomeExtension(host);
/** @type {Record<string, ModelFacts>} */
let models = {};

async function learnModels() {
  ({ models } = await host.json("/openai_image_nodes/models"));
}

/** A seed that changes by itself buys a new picture at every Run. A loaded workflow keeps what it says.
 * @param {GraphNode} node
 */
function keepSeed(node) {
  const control = widgetNamed(node, "control_after_generate");
  if (control) control.value = "fixed";
}

/** @param {GraphNode} node */
function nodeCreated(node) {
  attempt(() => replacing.nodeCreated(node));
  if (hasSeed(typeOf(node))) [keepSeed, keepFiveLines].forEach((work) => attempt(() => work(node)));
  if (makesPictures(typeOf(node))) attempt(() => addPriceBadge(host, node, (model) => models[model]));
}

attempt(() =>
  app.registerExtension({
    name: "OpenAIImageNodes",
    commands: [...replacing.commands, ...batches.commands],
    menuCommands: [...replacing.menuCommands, ...batches.menuCommands],
    settings: [connectionSetting(host)],
    init: () => Promise.all([learnModels, () => host.learnLanguage(), replacing.learn].map(attempt)),
    setup: () => [batches, outcomes].forEach(({ setup }) => setup()),
    nodeCreated,
    getCanvasMenuItems: replacing.getCanvasMenuItems,
    beforeConfigureGraph: replacing.beforeConfigureGraph,
    afterConfigureGraph: () => [replacing, outcomes].forEach((part) => part.afterConfigureGraph()),
  })
);
