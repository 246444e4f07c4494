// Whether anybody pays for a run over comfy.org: the server cannot know who is signed in, the page can.

/** @import { Host } from "../host.js" */
/** @import { Connection, Estimate } from "../types" */

const COMFY = "comfy.org";
const STORED_KEY = "comfy_api_key"; // where frontends keep a comfy.org key
const FIRST_THAT_TELLS = [1, 27]; // older frontends do not say who is signed in

export class Account {
  #isSignedIn = false;
  #needsSignIn = false;

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
  }

  /** @param {boolean} isSignedIn */
  signed(isSignedIn) {
    this.#isSignedIn = isSignedIn;
  }

  /** Learn whether the server has an account of its own. */
  async learn() {
    const { connections } = await this.host.json("/openai_image_nodes/connections");
    const comfy = connections.find((/** @type {Connection} */ one) => one.name === COMFY);
    this.#needsSignIn = comfy?.ready === false;
  }

  /** Return an estimate as the page sees it: without an account, a run over comfy.org has no price.
   * @template {Estimate} T
   * @param {T} told
   * @returns {T}
   */
  seen(told) {
    const isPaidByComfy = told.connection === COMFY && ["known", "unknown"].includes(told.state);
    return isPaidByComfy && this.#isMissing() ? { ...told, state: "no_account" } : told;
  }

  /** Who pays for a run over comfy.org; nothing where this frontend does not say who is signed in.
   * @returns {"signed in" | "key" | "nobody" | undefined}
   */
  get payer() {
    if (this.#isSignedIn) return "signed in";
    if (this.host.attempt(() => JSON.parse(window.localStorage.getItem(STORED_KEY) ?? "null"))) return "key";
    return tellsWhoIsSignedIn() ? "nobody" : undefined;
  }

  #isMissing() {
    return this.#needsSignIn && this.payer === "nobody";
  }
}

function tellsWhoIsSignedIn() {
  const [major = 0, minor = 0] = (window.__COMFYUI_FRONTEND_VERSION__ ?? "").split(".").map(Number);
  const [first = 0, second = 0] = FIRST_THAT_TELLS;
  return major > first || (major === first && minor >= second);
}
