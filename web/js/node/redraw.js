// Has a node drawn again when something changed that a frontend does not watch.

/** @import { GraphNode } from "../types" */

/** Return what newer frontends watch of a node: its first widget's `disabled`. Reading it makes what reads it depend.
 * @param {GraphNode} node
 */
export function depend(node) {
  return Boolean(node.widgets?.[0]?.disabled);
}

/** Draw a node again: the canvas by redrawing it, Vue by touching what `depend` reads.
 * @param {GraphNode} node
 */
export function redraw(node) {
  const [widget] = node.widgets ?? [];
  if (widget) {
    const disabled = depend(node);
    widget.disabled = !disabled;
    widget.disabled = disabled;
  }
  node.setDirtyCanvas?.(true, true);
}
