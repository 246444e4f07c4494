// What the extension registers with ComfyUI to swap its own OpenAI image nodes for ours. Which becomes what is told by
// the server.

import { pause, present } from "../dom.js";
import { labelled } from "../format.js";
import { widgetNamed } from "../node/state.js";
import { useOlderBatch } from "./batch_images.js";
import { LoadedNodes } from "./loaded.js";
import { MissingNodes, readOldValues } from "./missing_nodes.js";
import { OWN_WIDGET, contentOf, readingOf, snapshot, typeOf } from "./reading.js";
import { swap } from "./swap.js";

/** @import { Host } from "../host.js" */
/** @import { Command, GraphNode, Replacements, SavedWorkflow, Toast } from "../types" */

const COMMAND = "OpenAIImageNodes.ReplaceBuiltIn";
const LABEL = "Replace built-in OpenAI image nodes";
const ICON = "pi pi-sync";
const SETTLE_MS = 120; // until our own widgets have been hidden and sized
const TOAST_MS = 6000;

class Replacing {
  /** @type {Replacements} */
  #facts = { nodes: {}, models: {} };
  #hasCanvasMenu = false;

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.missing = new MissingNodes(host);
    this.loaded = new LoadedNodes();
  }

  async learn() {
    this.host.attempt(() => this.#joinCanvasMenu());
    this.#facts = await this.host.json("/openai_image_nodes/replacements");
  }

  replace = () => this.host.attempt(() => this.#replaceAll());

  /** Return the entries for the canvas's own menu. */
  entries = () => {
    const content = this.host.text("replace", LABEL);
    return this.host.attempt(() => this.#found())?.length ? [{ content, callback: this.replace }] : [];
  };

  /** Keep what the file says of built-in nodes, now that the host has made nodes of it; some of it takes a moment. */
  remember() {
    this.missing.remember(this.#found());
    this.#keep();
    setTimeout(() => this.host.attempt(() => this.#keep()), SETTLE_MS);
  }

  #keep() {
    this.#theirs().forEach(({ graph, node, reading }) =>
      this.loaded.keep(graph, node, reading, contentOf(graph, node, reading)));
  }

  /** @param {GraphNode} node */
  nodeCreated(node) {
    if (this.#isTheirs(node) && widgetNamed(node, OWN_WIDGET)) readOldValues(this.host, node, () => this.#facts);
    setTimeout(() => this.host.attempt(() => this.missing.complete(node, this.#facts)), 0);
  }

  /** @param {GraphNode} node */
  #isTheirs(node) {
    return Object.hasOwn(this.#facts.nodes, typeOf(node)); // a stranger's node may be called "constructor"
  }

  /** Return all built-in nodes of the workflow, and how each is read. */
  #theirs() {
    const { app } = this.host;
    const root = app.rootGraph ?? app.graph;
    const graphs = [root, ...(root.subgraphs?.values?.() ?? [])];
    const all = graphs.flatMap((graph) => graph._nodes.map((node) => ({ graph, node })));
    const theirs = all.filter(({ node }) => this.#isTheirs(node));
    return theirs.map((one) => ({ ...one, reading: readingOf(one.node, this.#facts) }));
  }

  /** Return what all built-in nodes of the workflow hold. */
  #found() {
    return this.#theirs().map(({ graph, node, reading }) => {
      const content = this.loaded.believed(node, contentOf(graph, node, reading));
      return snapshot(graph, node, reading, content);
    });
  }

  async #replaceAll() {
    const { text } = this.host;
    if (!Object.keys(this.#facts.nodes).length) await this.learn();
    const found = this.#found();
    const nothing = text("nothing", "There is no built-in OpenAI image node in this workflow.");
    if (!found.length) return this.#tell("info", nothing);
    const told = await this.#asOneStep(() => swap(this.host, found, this.#facts));
    const summary = labelled(text, text("replaced", "Built-in nodes replaced"), found.length);
    if (told.length) return this.#tell("warn", summary, told.join("\n"));
    return this.#tell("success", summary, text("all_carried", "Everything was carried over."));
  }

  /** Change the graph so that one undo takes all of it back.
   * @template T
   * @param {() => T} change
   */
  async #asOneStep(change) {
    const { app } = this.host;
    const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
    tracker?.beforeChange?.();
    try {
      const done = change();
      app.canvas?.setDirty?.(true, true);
      await pause(SETTLE_MS);
      return done;
    } finally {
      tracker?.afterChange?.();
    }
  }

  /** What was not carried over stays to be read.
   * @param {Toast["severity"]} severity
   * @param {string} summary
   * @param {string} [detail]
   */
  #tell(severity, summary, detail) {
    const life = severity === "warn" ? undefined : TOAST_MS;
    const isShown = this.host.toast({ severity, summary, detail, life });
    if (!isShown) window.alert(present([summary, detail]).join("\n"));
  }

  /** Older frontends ask no extension for the canvas's own menu. */
  #joinCanvasMenu() {
    const canvas = window.LGraphCanvas?.prototype;
    const own = canvas?.getCanvasMenuOptions;
    if (this.#hasCanvasMenu || this.host.app.collectCanvasMenuItems || !canvas || !own) return;
    this.#hasCanvasMenu = true;
    const { entries } = this;
    canvas.getCanvasMenuOptions = function (...asked) {
      return [...own.apply(this, asked), ...entries()];
    };
  }
}

/** @param {Host} host */
export function replaceExtension(host) {
  const replacing = new Replacing(host);
  const label = () => host.text("replace", LABEL);
  /** @type {Command} */
  const command = { id: COMMAND, label, menubarLabel: LABEL, icon: ICON, function: replacing.replace };
  return {
    commands: [command],
    menuCommands: [{ path: ["Edit"], commands: [COMMAND] }],
    learn: () => replacing.learn(),
    getCanvasMenuItems: replacing.entries,
    beforeConfigureGraph: (/** @type {SavedWorkflow} */ workflow) => {
      host.attempt(() => useOlderBatch(workflow, (type) => type in window.LiteGraph.registered_node_types));
      host.attempt(() => replacing.loaded.read(workflow));
    },
    afterConfigureGraph: () => host.attempt(() => replacing.remember()),
    nodeCreated: (/** @type {GraphNode} */ node) => replacing.nodeCreated(node),
  };
}
