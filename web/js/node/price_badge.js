// The badge that says what a run of the node will cost. It knows no prices: the server does.

import { usd } from "../format.js";
import { depend, redraw } from "./redraw.js";
import { stateOf } from "./state.js";
import { showUsed } from "./widgets.js";

/** @import { Host } from "../host.js" */
/** @import { Badge, Estimate, GraphNode, ModelFacts, NodeState, Text } from "../types" */

const ESTIMATE = "/openai_image_nodes/estimate";
const SETTLE_MS = 250;
const LONGEST_REASON = 48; // characters of a badge that is no wider than the node
const PRICE_COLOURS = { fgColor: "#eafff5", bgColor: "#1d5443" };
const WARNING_COLOURS = { fgColor: "#fff4e0", bgColor: "#7a4b0c" };

/** Return what the badge says.
 * @param {Estimate} told
 * @param {Text} text
 */
export function priceText(told, text) {
  if (told.state === "free") return text("free", "free");
  if (told.state === "no_key") return text("no_key", "no key yet");
  if (told.state === "impossible") {
    const reason = (told.reason ?? "").split(/\. |\u3002/)[0] ?? "";
    return reason.length <= LONGEST_REASON ? reason : text("impossible", "not possible as set");
  }
  if (told.state !== "known") return text("after", "price after the run");
  const [low, high] = [usd(told.low_usd ?? 0), usd(told.high_usd ?? 0)];
  return low === high ? `~${low} USD` : `${low}-${high} USD`;
}

/** @param {Estimate["state"] | undefined} state */
export function priceColours(state) {
  return state === "impossible" || state === "no_key" ? WARNING_COLOURS : PRICE_COLOURS;
}

/** Follows one node: hides what it does not use, and asks its price whenever something is set again. */
class PriceBadge {
  #shown = { text: "", ...PRICE_COLOURS };
  #seen = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Host} host
   * @param {GraphNode} node
   * @param {(model: string) => ModelFacts | undefined} factsOf
   */
  constructor(host, node, factsOf) {
    this.host = host;
    this.node = node;
    this.factsOf = factsOf;
  }

  follow = () => {
    const state = stateOf(this.node);
    const now = JSON.stringify(state);
    if (now === this.#seen) return;
    this.#seen = now;
    clearTimeout(this.#timer);
    setTimeout(() => this.host.attempt(() => showUsed(this.node, state, this.factsOf(state.values.model))), 0);
    this.#timer = setTimeout(() => this.host.attempt(() => this.#ask(state, now)), SETTLE_MS);
  };

  /** Add the badge to the node, where this frontend has badges. */
  show() {
    if (!window.LGraphBadge || !Array.isArray(this.node.badges)) return;
    const badge = new window.LGraphBadge({ text: "" });
    this.node.badges.push(() => this.#drawn(badge));
  }

  /** @param {Badge} badge */
  #drawn(badge) {
    this.host.attempt(() => depend(this.node));
    this.host.attempt(this.follow);
    return Object.assign(badge, this.#shown);
  }

  /**
   * @param {NodeState} state
   * @param {string} asked
   */
  async #ask(state, asked) {
    /** @type {Estimate | null} */
    const told = await this.host.json(ESTIMATE, state).catch(() => null);
    const text = told ? priceText(told, this.host.text) : "";
    if (asked !== this.#seen || text === this.#shown.text) return;
    this.#shown = { text, ...priceColours(told?.state) };
    redraw(this.node);
  }
}

/** Do something after each call of a function of an object.
 * @param {any} owner
 * @param {string} name
 * @param {() => void} work
 */
function afterEach(owner, name, work) {
  const own = owner[name];
  owner[name] = function () {
    const result = own?.apply(this, arguments);
    setTimeout(work, 0);
    return result;
  };
}

/** Show the price of a node's run at the node, from now on.
 * @param {Host} host
 * @param {GraphNode} node
 * @param {(model: string) => ModelFacts | undefined} factsOf
 */
export function addPriceBadge(host, node, factsOf) {
  const badge = new PriceBadge(host, node, factsOf);
  const follow = () => host.attempt(badge.follow);
  ["onConfigure", "onConnectionsChange"].forEach((name) => afterEach(node, name, follow));
  node.widgets?.forEach((widget) => afterEach(widget, "callback", follow));
  follow();
  badge.show();
}
