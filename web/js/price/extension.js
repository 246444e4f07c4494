// What the extension registers with ComfyUI for prices.

import { isList, makesPictures, ourNodes, rootOf, typeOf } from "../node/ours.js";
import { stateOf } from "../node/state.js";
import { keepHeight, showUsed } from "../node/widgets.js";
import { Account } from "./account.js";
import { AskingBadge } from "./badge.js";
import { PictureBadge } from "./picture_badge.js";
import { ListBadge, SubgraphBadge, sumWithin } from "./sums.js";
import { priceText } from "./words.js";

/** @import { Host } from "../host.js" */
/** @import { GraphNode, ModelFacts } from "../types" */

export class Prices {
  /** @type {WeakMap<GraphNode, AskingBadge<any>>} */
  #badges = new WeakMap();
  /** @type {Record<string, ModelFacts>} */
  #models = {};

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.account = new Account(host);
  }

  async learn() {
    const { models } = await this.host.json("/openai_image_nodes/models");
    this.#models = models;
    await this.account.learn();
  }

  /** Ask all prices again after a key was stored or somebody signed in or out. */
  askAgain = async () => {
    await this.account.learn();
    this.#all().forEach((badge) => badge.again());
  };

  /** @param {boolean} isSignedIn */
  signed(isSignedIn) {
    this.account.signed(isSignedIn);
    this.#all().forEach((badge) => badge.again());
  }

  /** After a run more may be known: what such a picture cost here. */
  follow() {
    this.host.api.addEventListener("execution_success", () =>
      this.host.attempt(() => this.#all().filter((badge) => badge.isLearnt).forEach((badge) => badge.again())));
  }

  /** @param {GraphNode} node */
  nodeCreated(node) {
    const { host, account } = this;
    if (makesPictures(typeOf(node))) this.#addPicture(node, new PictureBadge(host, node, account));
    else if (isList(typeOf(node))) this.#add(node, new ListBadge(host, node, account));
    else if (node.subgraph) new SubgraphBadge(host, node, this.#badgeOf).attach();
  }

  #badgeOf = (/** @type {GraphNode} */ node) => this.#badges.get(node);

  /** Return what a run of the open workflow costs, in words: none where no node of ours is in it. */
  total() {
    const estimate = sumWithin(rootOf(this.host.app), this.#badgeOf);
    return estimate ? priceText(estimate, this.host.text) : "";
  }

  /**
   * @param {GraphNode} node
   * @param {PictureBadge} badge
   */
  #addPicture(node, badge) {
    badge.onSet = () => {
      const state = stateOf(node);
      showUsed(node, state, this.#models[state.values.model]);
      this.#all().filter((one) => one instanceof ListBadge).forEach((list) => list.follow());
    };
    const configured = node.onConfigure;
    node.onConfigure = function (saved) {
      keepHeight(node, saved);
      return configured?.call(this, saved);
    };
    this.#add(node, badge);
  }

  /** Have a badge follow what is set and linked, wherever that is done.
   * @param {GraphNode} node
   * @param {AskingBadge<any>} badge
   */
  #add(node, badge) {
    this.#badges.set(node, badge);
    const follow = () => this.host.attempt(() => badge.follow());
    badge.onChange = () => this.host.app.canvas?.setDirty?.(true, true); // a subgraph around it shows the sum
    ["onConfigure", "onConnectionsChange"].forEach((name) => afterEach(node, name, follow));
    node.widgets?.forEach((widget) => afterEach(widget, "callback", follow));
    follow();
    badge.attach();
  }

  /** Return the badges of the workflow that is open. */
  #all() {
    if (!rootOf(this.host.app)) return [];
    return Object.values(ourNodes(this.host.app)).flatMap((node) => this.#badges.get(node) ?? []);
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
