// A line or an error in a node of ours, below its widgets: in a place of its own, because newer frontends clear what a
// node says as soon as the run has ended.

import { made } from "../dom.js";
import { unbroken } from "../format.js";
import { redraw } from "../node/redraw.js";
import { savedHeight, setHidden } from "../node/widgets.js";

/** @import { GraphNode, Widget } from "../types" */
/** @import { Note } from "./memory.js" */

/** @typedef {{ label: string, work: () => unknown }} Button */

const NAME = "oin_note"; // of a widget that is neither saved nor sent
const HOST_TEXT = "$$node-text-preview"; // the frontend's own
const LINE_HEIGHT = 18;
const CHARACTER_WIDTH = 6.2;
const WIDE = /[\u2e80-\uffef]/g; // Chinese, Japanese and Korean letters take the room of two
const MARGIN = 20; // that frontends leave around an element in a node, both sides
const PADDING = 16;
const BUTTON_ROW = 34;
const MOST_LINES = 9;
const BOX = {
  display: "flex", flexDirection: "column", boxSizing: "border-box", padding: "7px 8px", borderRadius: "6px", textAlign: "left",
  fontSize: "12px", lineHeight: `${LINE_HEIGHT}px`, whiteSpace: "pre-wrap", overflowWrap: "anywhere", userSelect: "text",
  color: "var(--input-text, #ddd)", background: "var(--comfy-input-bg, #222)",
};
const EDGES = { said: "3px solid #3aa675", error: "3px solid #e0483e" };
const BUTTON = {
  padding: "3px 8px", borderRadius: "6px", cursor: "pointer", font: "inherit", color: "inherit",
  border: "1px solid var(--border-color, #4e4e4e)", background: "var(--comfy-menu-bg, #353535)",
};

/** The place of notes in one node, made for its first. */
class NotePlace {
  #height = 0;
  #isKept;
  #grown = 0; // by how much the node was made higher for the note that is shown

  /**
   * @param {GraphNode} node
   * @param {NonNullable<GraphNode["addDOMWidget"]>} add
   */
  constructor(node, add) {
    this.node = node;
    this.element = made("div", { className: "oin-note", style: BOX });
    const own = node.addCustomWidget;
    node.addCustomWidget = (widget) => own.call(node, this.#ofOneHeight(widget));
    try {
      const options = { serialize: false, hideOnZoom: false, getValue: () => "" };
      this.widget = add.call(node, NAME, NAME, this.element, options);
    } finally {
      node.addCustomWidget = own;
    }
    this.#keepOutOfFiles();
    this.#isKept = Boolean(node.widgets?.some(({ name }) => name === NAME));
    if (!this.#isKept) this.widget.onRemove?.(); // older frontends' nodes that stand for subgraphs have no widgets of their own
  }

  /** Have a widget be as high as its note: else it would take half of the room that the prompt has.
   * @param {Widget} widget
   */
  #ofOneHeight(widget) {
    widget.computeLayoutSize = undefined;
    widget.computeSize = () => (widget.hidden ? [0, -4] : [0, this.#height]); // -4: older frontends leave a gap
    return widget;
  }

  /** Neither the note nor the room that it takes is saved. */
  #keepOutOfFiles() {
    this.widget.serialize = false;
    const own = this.node.onSerialize;
    this.node.onSerialize = (saved) => {
      own?.call(this.node, saved);
      if (!this.#grown) return;
      const [width, height] = saved.size; // what was hidden since the note came may have made room for it
      saved.size = [width, Math.max(height - this.#grown, Math.min(height, savedHeight(this.node)))];
    };
  }

  /**
   * @param {Note | undefined} note
   * @param {Button[]} buttons
   */
  show(note, buttons) {
    if (!this.#isKept) return;
    if (note) this.#fill(note, buttons);
    setHidden(this.widget, !note);
    this.#fit();
    redraw(this.node);
  }

  /**
   * @param {Note} note
   * @param {Button[]} buttons
   */
  #fill({ kind, text }, buttons) {
    const perLine = Math.max((this.node.size[0] - 2 * MARGIN - PADDING) / CHARACTER_WIDTH, 10);
    const lines = text.replace(WIDE, "$&$&").split("\n")
      .reduce((sum, line) => sum + Math.max(Math.ceil(line.length / perLine), 1), 0);
    const row = buttons.length ? BUTTON_ROW : 0;
    this.#height = Math.min(lines, MOST_LINES) * LINE_HEIGHT + PADDING + MARGIN + row;
    this.element.style.maxHeight = `${this.#height - MARGIN}px`;
    this.element.style.borderLeft = EDGES[kind];
    this.element.setAttribute("role", kind === "error" ? "alert" : "status");
    const words = made("span", { textContent: text, style: { overflow: "auto", minHeight: "0" } }); // the buttons stay to be seen
    this.element.replaceChildren(words, buttonRow(buttons));
  }

  /** Make the node higher for a note where there is no room for it, and as high as before without. */
  #fit() {
    const { node } = this;
    const before = node.size[1] - this.#grown;
    const height = Math.max(before, this.widget.hidden ? 0 : node.computeSize()[1]);
    if (height !== node.size[1]) node.setSize([node.size[0], height]);
    this.#grown = height - before;
  }
}

/** @type {WeakMap<GraphNode, NotePlace>} */
const places = new WeakMap();

/** Show a note in a node, or none; a frontend without elements in nodes shows none.
 * @param {GraphNode} node
 * @param {Note | undefined} note
 * @param {Button[]} [buttons]
 */
export function showNote(node, note, buttons = []) {
  if (note && !places.has(node) && node.addDOMWidget) places.set(node, new NotePlace(node, node.addDOMWidget));
  places.get(node)?.show(note, buttons);
}

/** Tell whether the frontend shows what the node says, in its own place.
 * @param {GraphNode} node
 */
export function hostShowsText(node) {
  return Boolean(node.widgets?.some(({ name }) => name === HOST_TEXT));
}

/** Have the frontend's own place say something, where it is there.
 * @param {GraphNode | undefined} node
 * @param {string} text
 */
export function sayInHostsPlace(node, text) {
  const widget = node?.widgets?.find(({ name }) => name === HOST_TEXT);
  if (widget) widget.value = unbroken(text);
}

/** @param {Button[]} buttons */
function buttonRow(buttons) {
  const row = made("div", { style: { display: buttons.length ? "flex" : "none", flex: "none", flexWrap: "wrap", gap: "6px", marginTop: "6px" } });
  for (const { label, work } of buttons) {
    const button = made("button", { type: "button", style: BUTTON, textContent: label });
    button.addEventListener("click", work);
    row.append(button);
  }
  return row;
}
