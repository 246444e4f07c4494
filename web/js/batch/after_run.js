// After a run whose job waits for a batch, a toast says so: newer frontends clear what the node says when a run ends.

import { waitsForBatch } from "../outcome/texts.js";

/** @import { Host } from "../host.js" */
/** @import { BatchView } from "../types" */
/** @import { BatchWords } from "./words.js" */

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];
const TOAST_MS = 10_000;
const SETTLE_MS = 400;

export class AfterRun {
  #isDeferred = false;
  #toastEnds = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Host} host
   * @param {BatchWords} words
   * @param {{ isVisible: () => boolean, refresh: () => Promise<unknown>, ask: () => Promise<BatchView> }} panel
   */
  constructor(host, words, panel) {
    this.host = host;
    this.words = words;
    this.panel = panel;
  }

  follow() {
    const { api } = this.host;
    api.addEventListener("progress_text", ({ detail }) => (this.#isDeferred ||= waitsForBatch(detail?.text)));
    ENDS.forEach((name) => api.addEventListener(name, this.#soon));
  }

  /** Wait a little: many runs may end one after the other. */
  #soon = () => {
    clearTimeout(this.#timer);
    const wait = this.panel.isVisible() ? 0 : this.#toastEnds - Date.now();
    this.#timer = setTimeout(() => this.host.attempt(() => this.#tell()), Math.max(SETTLE_MS, wait));
  };

  async #tell() {
    if (this.panel.isVisible()) await this.panel.refresh();
    else if (this.#isDeferred) this.#toast(await this.panel.ask());
    this.#isDeferred = false;
  }

  /** @param {BatchView} view */
  #toast(view) {
    const summary = this.host.text("waits", "No picture yet: it waits for a batch.");
    this.host.toast({ severity: "info", summary, detail: this.words.waiting(view), life: TOAST_MS });
    this.#toastEnds = Date.now() + TOAST_MS; // one at a time, however many runs end
  }
}
