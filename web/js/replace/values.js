// The values of a built-in node, put into the widgets of ours.

import { labelled } from "../format.js";
import { widgetNamed } from "../node/state.js";
import { CONTROL } from "./reading.js";

/** @import { Host } from "../host.js" */
/** @import { GraphNode, Replacement, Replacements, Widget } from "../types" */
/** @import { Named } from "./reading.js" */

/** Return a value as the widget takes it, or undefined.
 * @param {Widget} widget
 * @param {unknown} value
 */
export function fitting(widget, value) {
  const choices = widget.options?.values;
  if (Array.isArray(choices)) return choices.includes(value) ? value : undefined;
  if (typeof value !== typeof widget.value) return undefined;
  if (typeof value !== "number") return value;
  const { min = value, max = value } = widget.options ?? {};
  return Math.min(Math.max(value, min), max);
}

/** Set a widget; return what it took, or undefined.
 * @param {GraphNode} node
 * @param {string} name
 * @param {unknown} value
 * @param {Host["attempt"]} attempt
 */
export function put(node, name, value, attempt) {
  const widget = widgetNamed(node, name);
  const fits = widget && fitting(widget, value);
  if (!widget || fits === undefined) return undefined;
  widget.value = fits;
  attempt(() => widget.callback?.(fits, undefined, node));
  return fits;
}

/** Set our widgets to the values of theirs; return what was changed or left out, in words.
 * @param {Host} host
 * @param {GraphNode} node ours
 * @param {{ reading: Replacement, values: Named | null }} old
 * @param {Replacements["models"]} models live models by the names of those that are shut down
 * @returns {string[]}
 */
export function fill({ attempt, text }, node, { reading, values }, models) {
  Object.entries(reading.fixed).forEach(([name, value]) => put(node, name, value, attempt));
  if (!values)
    return [text("unknown_layout", "its settings are saved in an unknown way, so they are at their defaults")];
  const told = Object.entries(values).map(([theirs, value]) => {
    const name = theirs === CONTROL ? theirs : reading.inputs[theirs];
    if (name && !widgetNamed(node, name)) return ""; // a socket of both
    const renames = name === "model" ? models : reading.values[name ?? ""];
    const got = name && put(node, name, renames?.[String(value)] ?? value, attempt);
    if (got === undefined) return labelled(text, `${theirs} ${value}`, text("left_out", "not carried over"));
    if (got === value || String(got) === String(value).toLowerCase()) return "";
    return `${theirs} ${value} \u2192 ${got}${name === "model" ? ` (${text("shut_down", "shut down")})` : ""}`;
  });
  if ("model" in reading.inputs && !("model" in values))
    told.push(`${text("no_model", "no model was saved")} \u2192 ${widgetNamed(node, "model")?.value}`);
  return told.filter(Boolean);
}
