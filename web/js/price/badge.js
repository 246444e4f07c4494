// A badge with a price at a node. It knows no prices: the server is asked whenever something is set again.

import { depend, redraw } from "../node/redraw.js";
import { priceColours } from "./words.js";

/** @import { Host } from "../host.js" */
/** @import { Badge, Estimate, GraphNode } from "../types" */
/** @import { Account } from "./account.js" */

const SETTLE_MS = 250;

/** @typedef {{ text: string, estimate?: Estimate }} Shown */

/** What any of our badges has: what it shows, and how it is drawn. */
export class PriceBadge {
  /**
   * @param {Host} host
   * @param {GraphNode} node
   */
  constructor(host, node) {
    this.host = host;
    this.node = node;
  }

  /** What is shown now; asked whenever the node is drawn.
   * @returns {Shown}
   */
  shown() {
    return { text: "" };
  }

  /** Add the badge to the node, where this frontend has badges. */
  attach() {
    if (!window.LGraphBadge || !Array.isArray(this.node.badges)) return;
    const badge = new window.LGraphBadge({ text: "" });
    this.node.badges.push(() => this.#drawn(badge));
  }

  /** @param {Badge} badge */
  #drawn(badge) {
    this.host.attempt(() => depend(this.node));
    const { text, estimate } = this.host.attempt(() => this.shown()) ?? { text: "", estimate: undefined };
    return Object.assign(badge, { text }, priceColours(estimate?.state));
  }
}

/** A badge that asks the server: once what is set has settled, and only for the newest.
 * @template Question
 */
export class AskingBadge extends PriceBadge {
  /** @type {Shown} */
  #shown = { text: "" };
  /** @type {Question | undefined} */
  #seen;
  #asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  onSet = () => {}; // something of the node was set
  onChange = () => {}; // another price is shown

  /**
   * @param {Host} host
   * @param {GraphNode} node
   * @param {Account} account
   */
  constructor(host, node, account) {
    super(host, node);
    this.account = account;
  }

  /** What is asked as the node is set; nothing where nothing can be known.
   * @returns {Question | undefined}
   */
  question() {
    return undefined;
  }

  /** Ask the server.
   * @param {Question} _question
   * @returns {Promise<Shown>}
   */
  async ask(_question) {
    return { text: "" };
  }

  shown() {
    this.follow();
    return this.#shown;
  }

  follow() {
    const question = this.question();
    if (isSame(question, this.#seen)) return;
    this.#seen = question;
    setTimeout(() => this.host.attempt(this.onSet), 0);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.host.attempt(() => this.#answer(question)), SETTLE_MS);
  }

  /** Whether a run here may tell more. */
  get isLearnt() {
    const { state, certainty } = this.#shown.estimate ?? {};
    return state === "unknown" || certainty === "last time";
  }

  /** Ask again although nothing was set: a key was stored, somebody signed in. */
  again() {
    const question = this.#seen;
    if (question !== undefined) this.host.attempt(() => this.#answer(question));
  }

  /** @param {Question | undefined} question */
  async #answer(question) {
    const mine = ++this.#asked;
    const shown = question === undefined ? { text: "" } : await this.ask(question).catch(() => ({ text: "" }));
    if (mine !== this.#asked || this.#seen !== question || isSame(shown, this.#shown)) return;
    this.#shown = shown;
    redraw(this.node);
    this.host.attempt(this.onChange);
  }
}

/** Tell whether two things that JSON can hold are the same; long texts that were not touched cost nothing.
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function isSame(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => isSame(one[name], other[name]));
}
