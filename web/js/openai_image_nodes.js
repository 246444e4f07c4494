// The extension in ComfyUI's page. The nodes work in full without it. It holds no facts about models and no prices: the
// server does. This is the one file that imports ComfyUI's modules and does anything by itself: ComfyUI imports every
// file below web/ whose name ends with .js.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { showInAppMode } from "./app_mode.js";
import { batchExtension } from "./batch/extension.js";
import { labelled } from "./format.js";
import { darkenTitles, isLightCanvas, suitGroups } from "./group_colours.js";
import { Host } from "./host.js";
import { loadDroppedJpegs } from "./node/dropped_jpeg.js";
import { fillFileName } from "./node/file_name.js";
import { hasSeed, typeOf } from "./node/ours.js";
import { keepFiveLines } from "./node/prompt_box.js";
import { widgetNamed } from "./node/state.js";
import { outcomeExtension } from "./outcome/extension.js";
import { picturesExtension } from "./pictures/extension.js";
import { Prices } from "./price/extension.js";
import { replaceExtension } from "./replace/extension.js";
import { connectionSetting } from "./settings_panel.js";

/** @import { GraphNode, SavedWorkflow } from "./types" */

const host = new Host(app, api);
const { attempt } = host;
const batches = batchExtension(host);
const replacing = replaceExtension(host);
const outcomes = outcomeExtension(host);
const pictures = picturesExtension(host, outcomes.memory);
const prices = new Prices(host);

/** Say in app mode what a run costs, and what the nodes said last. */
function inAppMode() {
  showInAppMode(host, () => {
    const price = prices.total();
    return [price && labelled(host.text, "OpenAI Image Nodes", price), outcomes.words()];
  });
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
  attempt(() => prices.nodeCreated(node));
  attempt(() => pictures.nodeCreated(node));
  attempt(() => fillFileName(app, node));
}

attempt(() =>
  app.registerExtension({
    name: "OpenAIImageNodes",
    commands: [...replacing.commands, ...batches.commands],
    menuCommands: [...replacing.menuCommands, ...batches.menuCommands],
    settings: [connectionSetting(host, prices)],
    init: () => Promise.all([() => host.learnLanguage(), () => prices.learn(), replacing.learn].map(attempt)),
    setup: () => [batches.setup, outcomes.setup, () => prices.follow(), () => loadDroppedJpegs(app), inAppMode].forEach(attempt),
    nodeCreated,
    onAuthUserResolved: () => attempt(() => prices.signed(true)),
    onAuthUserLogout: () => attempt(() => prices.signed(false)),
    getCanvasMenuItems: replacing.getCanvasMenuItems,
    getNodeMenuItems: pictures.getNodeMenuItems,
    beforeConfigureGraph: (/** @type {SavedWorkflow} */ workflow) => {
      attempt(() => suitGroups(workflow, isLightCanvas()));
      replacing.beforeConfigureGraph(workflow);
    },
    afterConfigureGraph: () => {
      attempt(() => darkenTitles(app.graph?._groups ?? []));
      [replacing, outcomes].forEach((part) => part.afterConfigureGraph());
    },
  })
);
