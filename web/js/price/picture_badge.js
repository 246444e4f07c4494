// The badge of a node that asks for pictures.

import { stateOf } from "../node/state.js";
import { AskingBadge } from "./badge.js";
import { priceText, roomIn } from "./words.js";

/** @import { NodeState } from "../types" */

const ESTIMATE = "/openai_image_nodes/estimate";

/** @extends {AskingBadge<NodeState>} */
export class PictureBadge extends AskingBadge {
  question() {
    return stateOf(this.node);
  }

  /** @param {NodeState} state */
  async ask(state) {
    const estimate = this.account.seen(await this.host.json(ESTIMATE, state));
    return { text: priceText(estimate, this.host.text, roomIn(this.node)), estimate };
  }
}
