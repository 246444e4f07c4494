// The badge of a node that asks for pictures.

import { stateOf } from "../node/state.js";
import { AskingBadge } from "./badge.js";
import { priceText } from "./words.js";

/** @import { Host } from "../host.js" */
/** @import { GraphNode, NodeState } from "../types" */
/** @import { Account } from "./account.js" */

const ESTIMATE = "/openai_image_nodes/estimate";

/** @extends {AskingBadge<NodeState>} */
export class PictureBadge extends AskingBadge {
  /**
   * @param {Host} host
   * @param {GraphNode} node
   * @param {Account} account
   */
  constructor(host, node, account) {
    super(host, node);
    this.account = account;
  }

  question() {
    return stateOf(this.node);
  }

  /** @param {NodeState} state */
  async ask(state) {
    const estimate = this.account.seen(await this.host.json(ESTIMATE, state));
    return { text: priceText(estimate, this.host.text), estimate };
  }
}
