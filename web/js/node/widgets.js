// Widgets that are not used as the node is set are hidden; their order and values stay.

import { redraw } from "./redraw.js";
import { widgetNamed } from "./state.js";

/** @import { GraphNode, ModelFacts, NodeState, Widget } from "../types" */

const HIDEABLE = [
  ...["custom_width", "custom_height", "output_compression", "input_fidelity", "complexity", "svg_effort"],
  ...["region_context", "transparent_pixels"],
];
const REGION_CONTEXT = 50; // as it is from the start
const FILLED = "filled white";
const PICTURES = ["image", "references"];
const COMPRESSED = ["jpeg", "webp"];
const noRoom = () => [0, -4]; // older frontends leave a row for what is hidden
/** @type {WeakMap<GraphNode, number>} */
const savedHeights = new WeakMap();

/** Keep the height that a workflow has saved of a node: frontends make it higher while nothing is hidden yet.
 * @param {GraphNode} node
 * @param {{size?: ArrayLike<number>}} [saved]
 */
export function keepHeight(node, saved) {
  const height = Number(saved?.size?.[1]);
  if (height > 0) savedHeights.set(node, height);
}

/** Return the widgets without any use. One that holds a value which matters stays to be seen.
 * @param {NodeState["values"]} values
 * @param {ModelFacts | undefined} facts
 * @param {string[]} [connected] the inputs that are linked; nothing where that is not known
 */
export function unused(values, facts, connected) {
  const names = [];
  if (values.size !== "custom") names.push("custom_width", "custom_height");
  if (!COMPRESSED.includes(values.output_format) && values.output_compression === 100) names.push("output_compression");
  for (const name of ["input_fidelity", "complexity"])
    if (facts && !facts[name]?.length && values[name] === "auto") names.push(name);
  if (values.mask_mode !== "region" && values.region_context === REGION_CONTEXT) names.push("region_context");
  const hasPictures = !connected || PICTURES.some((name) => connected.includes(name));
  if (!hasPictures && values.transparent_pixels === FILLED) names.push("transparent_pixels");
  if (values.svg_model === "" && values.svg_effort === "auto") names.push("svg_effort");
  return names;
}

/** Hide or show a widget; tell whether that changed anything.
 * @param {Widget} widget
 * @param {boolean} hidden
 */
export function setHidden(widget, hidden) {
  if (Boolean(widget.hidden) === hidden) return false;
  if (hidden && !widget.computeSize) widget.computeSize = noRoom;
  else if (widget.computeSize === noRoom) delete widget.computeSize;
  widget.hidden = hidden; // drawn on the canvas
  if (widget.options) widget.options.hidden = hidden; // drawn by Vue
  return true;
}

/** Show a widget without "show advanced" while it is the one that matters.
 * @param {Widget} widget
 * @param {boolean} advanced
 */
function setAdvanced(widget, advanced) {
  if (widget.advanced !== undefined && widget.advanced !== advanced) widget.advanced = advanced;
  if (widget.options?.advanced !== undefined) widget.options.advanced = advanced;
}

/** Return the height that a workflow has saved of a node, 0 for a new one.
 * @param {GraphNode} node
 */
export const savedHeight = (node) => savedHeights.get(node) ?? 0;

/** Show the widgets that are used and hide the others; a node that was just high enough stays so, one of a workflow
 * at least as high as it was saved.
 * @param {GraphNode} node
 * @param {NodeState} state
 * @param {ModelFacts | undefined} facts
 */
export function showUsed(node, state, facts) {
  const hidden = unused(state.values, facts, state.connected);
  const wasTight = Math.abs(node.size?.[1] - node.computeSize?.()[1]) <= 1; // a loaded one may be made for fewer widgets
  let changed = false;
  for (const name of HIDEABLE) {
    const widget = widgetNamed(node, name);
    if (!widget) continue;
    if (name.startsWith("custom_")) setAdvanced(widget, state.values.size !== "custom");
    changed = setHidden(widget, hidden.includes(name) && !state.connected.includes(name)) || changed;
  }
  if (!changed) return;
  redraw(node);
  if (!node.computeSize) return;
  const height = node.computeSize()[1];
  if (wasTight) node.setSize([node.size[0], Math.max(height, savedHeight(node))]);
  else if (node.size[1] < height) node.setSize([node.size[0], height]);
}
