// The placeholders of Save Image's file name, such as %date:yyyy-MM-dd%, in Save Original's: the page fills them in when a
// workflow is queued, and does so by itself for its own nodes alone.

import { typeOf } from "./ours.js";
import { widgetNamed } from "./state.js";

/** @import { App, GraphNode } from "../types" */

const SAVER = "OIN_SaveOriginal";

/**
 * @param {App} app
 * @param {GraphNode} node
 */
export function fillFileName(app, node) {
  const widget = typeOf(node) === SAVER ? widgetNamed(node, "filename_prefix") : undefined;
  if (!widget) return;
  widget.serializeValue = () => {
    const { value } = widget;
    const fill = window.comfyAPI?.utils?.applyTextReplacements;
    return typeof value === "string" && fill ? fill(app, value) : value;
  };
}
