// Right-click on a node that asks: the pictures that were paid for with its settings and other seeds. A click sets the
// seed, and the next run takes that picture from the disk.

import { ourNodes, makesPictures, rootOf, typeOf } from "../node/ours.js";
import { stateOf, widgetNamed } from "../node/state.js";
import { showPictures } from "./dialog.js";

/** @import { Host } from "../host.js" */
/** @import { RunMemory } from "../outcome/memory.js" */
/** @import { GraphNode, MenuEntry, PaidPicture } from "../types" */

const ROUTE = "/openai_image_nodes/pictures";
const MOST_PROMPTS = 20;

export class PaidPictures {
  /**
   * @param {Host} host
   * @param {RunMemory} memory
   */
  constructor(host, memory) {
    this.host = host;
    this.memory = memory;
  }

  /** Return the entries for a node's menu.
   * @param {GraphNode} node
   * @returns {MenuEntry[]}
   */
  entries = (node) => {
    if (!makesPictures(typeOf(node))) return [];
    const content = this.host.text("paid_pictures", "Show paid pictures");
    return [{ content, callback: () => this.host.attempt(() => this.open(node)) }];
  };

  /** Older frontends ask no extension for a node's menu.
   * @param {GraphNode} node
   */
  nodeCreated(node) {
    if (this.host.app.collectNodeMenuItems || !makesPictures(typeOf(node))) return;
    const own = node.getExtraMenuOptions;
    const { entries } = this;
    node.getExtraMenuOptions = function (canvas, options) {
      const told = own?.call(this, canvas, options);
      options.push(...entries(node));
      return told ?? [];
    };
  }

  /** @param {GraphNode} node */
  async open(node) {
    const { text } = this.host;
    const asked = this.#asked(node);
    const told = await this.host.json(ROUTE, asked).catch((error) => ({ fault: error.message }));
    const isLinked = asked.connected.includes("seed");
    const words =
      told.fault ??
      (told.state === "run_once"
        ? text("paid_run_once", "What is connected to this node is known after a run. Run it once, then look again.")
        : !told.pictures.length
          ? text("paid_none", "Nothing was paid for with these settings yet.")
          : isLinked
            ? text("paid_linked", "The seed is connected to another node, so it cannot be set here.")
            : text("paid_click", "A click sets the seed: the next run takes that picture from your disk and costs nothing."));
    const choose = isLinked ? undefined : (/** @type {PaidPicture} */ one) => this.#choose(node, one);
    showPictures(this.host, { title: node.title, words, pictures: told.pictures ?? [], choose });
  }

  /** @param {GraphNode} node */
  #asked(node) {
    const { node: type, connected } = stateOf(node);
    const widgets = (node.widgets ?? []).filter(({ name }) => name && name !== "control_after_generate");
    const values = Object.fromEntries(widgets.map(({ name, value }) => [name, value]));
    const id = Object.entries(ourNodes(this.host.app)).find(([, one]) => one === node)?.[0] ?? String(node.id);
    const prompts = this.memory.promptsWith(rootOf(this.host.app).id ?? "", id).slice(0, MOST_PROMPTS);
    return { node: type, node_id: id, values, connected, prompt_ids: prompts };
  }

  /**
   * @param {GraphNode} node
   * @param {PaidPicture} picture
   */
  #choose(node, { seed }) {
    const wanted = { seed, control_after_generate: "fixed", reuse: true };
    for (const [name, value] of Object.entries(wanted)) {
      const widget = widgetNamed(node, name);
      if (!widget || widget.value === value) continue;
      widget.value = value;
      widget.callback?.(value, undefined, node);
    }
    node.setDirtyCanvas?.(true, true);
  }
}

/** Return what the extension registers.
 * @param {Host} host
 * @param {RunMemory} memory
 */
export function picturesExtension(host, memory) {
  const pictures = new PaidPictures(host, memory);
  return {
    getNodeMenuItems: pictures.entries,
    nodeCreated: (/** @type {GraphNode} */ node) => pictures.nodeCreated(node),
  };
}
