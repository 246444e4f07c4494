// The box for a prompt starts with five lines, and no picture or line that comes into the node makes it smaller.

import { widgetNamed } from "./state.js";

/** @import { GraphNode } from "../types" */

const BOXES = ["prompt", "text"];
const FIVE_LINES = { canvas: 72, vue: 132 }; // pixels, with what a frontend leaves around

/** @param {GraphNode} node */
export function keepFiveLines(node) {
  for (const name of BOXES) {
    const widget = widgetNamed(node, name);
    if (widget?.options) widget.options.getMinHeight = () => FIVE_LINES[window.LiteGraph.vueNodesMode ? "vue" : "canvas"];
  }
  const height = node.computeSize()[1];
  if (node.size[1] < height) node.setSize([node.size[0], height]);
}
