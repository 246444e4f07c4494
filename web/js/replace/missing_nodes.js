// ComfyUI's own "replace missing nodes" knows one picture and takes values by position: what it loses is completed.

import { widgetNamed } from "../node/state.js";
import { carriedBy } from "./links.js";
import { OWN_WIDGET, namedValues, typeOf } from "./reading.js";
import { titleOf } from "./swap.js";
import { fill, put } from "./values.js";

/** @import { Host } from "../host.js" */
/** @import { Graph, GraphNode, Id, Replacements } from "../types" */
/** @import { Old } from "./reading.js" */

export class MissingNodes {
  /** @type {Map<string, Old>} */
  #remembered = new Map();

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
  }

  /** Keep what these nodes of a graph that was just loaded are set to, where the host does not know them.
   * @param {Old[]} found
   */
  remember(found) {
    const missing = found.filter(({ node }) => node.last_serialization);
    this.#remembered = new Map(missing.map((old) => [keyOf(old.graph, old.id), old]));
  }

  /** Complete a node that ComfyUI has put in the place of a missing one, under its id.
   * @param {GraphNode} fresh
   * @param {Replacements} facts
   */
  complete(fresh, facts) {
    const { graph } = fresh;
    const old = graph && this.#remembered.get(keyOf(graph, fresh.id));
    if (!old || old.reading.new !== fresh.type) return;
    this.#remembered.delete(keyOf(graph, fresh.id));
    const { attempt, text } = this.host;
    attempt(() => fresh.onAdded?.(graph)); // frontend 1.58 does not say so, and shows no text box then
    const lost = carriedBy({ ...old, outputs: [] }, fresh, () => undefined, text);
    const told = [...fill(this.host, fresh, old, facts.models), ...lost];
    if (told.length) this.host.toast({ severity: "warn", summary: titleOf(fresh), detail: told.join("\n") });
  }
}

/** One of ours under the old name may be given the values of the old node: from `connection` on they lie elsewhere.
 * @param {Host} host
 * @param {GraphNode} node
 * @param {() => Replacements} facts
 */
export function readOldValues(host, node, facts) {
  const own = node.onConfigure;
  node.onConfigure = function (saved) {
    const result = own?.call(this, saved);
    host.attempt(() => takeOldValues(host, node, saved, facts()));
    return result;
  };
}

/**
 * @param {Host} host
 * @param {GraphNode} node
 * @param {Parameters<NonNullable<GraphNode["onConfigure"]>>[0]} saved
 * @param {Replacements} facts
 */
function takeOldValues(host, node, saved, facts) {
  const reading = facts.nodes[typeOf(node)];
  const { model: _, ...values } = namedValues(saved?.widgets_values, reading) ?? {};
  if (!Object.keys(values).length) return;
  const connection = widgetNamed(node, OWN_WIDGET)?.value;
  if (put(node, OWN_WIDGET, connection, host.attempt) === undefined) put(node, OWN_WIDGET, "auto", host.attempt);
  fill(host, node, { reading, values }, facts.models);
}

/**
 * @param {Graph} graph
 * @param {Id} id
 */
const keyOf = (graph, id) => `${graph.id ?? ""}/${id}`;
