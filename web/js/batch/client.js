// What the server tells of plan and batches, asked again while the panel is seen; and what it is told to do.

import { pause } from "../dom.js";
import { labelled } from "../format.js";

/** @import { Host } from "../host.js" */
/** @import { BatchView } from "../types" */

export const ROUTES = "/openai_image_nodes/batch";
const BUSY_MS = 1000;
const FIRST_LOOK_MS = 3000; // then more and more seldom
const LOOK_MS = 30_000;
const GROWTH = 1.5;
const SETTLE_MS = 400;
const SHARE = 5; // of the time, at most one part is spent on asking: a large plan takes the server a while to read

export class BatchClient {
  /** @type {BatchView | undefined} */
  view;
  complaint = ""; // what was wrong with what a person asked for
  unreachable = "";
  hint = "";
  onChange = () => {};
  isShown = () => false; // in the page at all
  isVisible = () => false; // to be seen at this moment

  #asked = 0;
  #lookPause = FIRST_LOOK_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {string[] | null} */
  #collectedBefore = null; // while a person waits for a collect

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
  }

  /** The server does something that a person asked for. */
  get isBusy() {
    return Boolean(this.view?.busy && this.view.doing !== "look");
  }

  /** Begin again to look often. */
  lookOften() {
    this.#lookPause = FIRST_LOOK_MS;
  }

  /** Ask for the view, or take the answer of an action; only the newest question counts. Return what went wrong.
   * @param {string} [path]
   * @param {unknown} [body]
   * @returns {Promise<Error | undefined>}
   */
  async refresh(path = ROUTES, body) {
    const mine = ++this.#asked;
    const began = performance.now();
    clearTimeout(this.#timer);
    /** @type {Error | undefined} */
    let error;
    const told = await this.host.json(path, body).catch((exc) => void (error = exc));
    if (mine !== this.#asked) return error;
    if (told) this.view = told;
    if (!body) this.unreachable = error ? this.#unreachable(error) : "";
    this.host.attempt(() => this.#noteWhatEnded());
    this.host.attempt(this.onChange);
    const share = SHARE * (performance.now() - began);
    this.#again(Math.max(this.view?.busy ? BUSY_MS : this.#lookPause, share));
    return error;
  }

  /** Do what a person asked for; a look of the panel's own may have to end first.
   * @param {string} name
   * @param {object} [body]
   */
  async act(name, body = {}) {
    [this.complaint, this.hint] = ["", ""];
    this.lookOften();
    this.onChange();
    while (this.view?.doing === "look" && !this.unreachable) {
      await pause(SETTLE_MS);
      await this.refresh();
    }
    if (name === "collect") this.#collectedBefore = this.#collected();
    const error = await this.refresh(`${ROUTES}/${name}`, body);
    if (!error) return;
    [this.complaint, this.#collectedBefore] = [error.message, null];
    await this.refresh();
  }

  /** @param {number} milliseconds */
  #again(milliseconds) {
    this.#timer = setTimeout(() => this.host.attempt(() => this.#tick()), milliseconds);
  }

  async #tick() {
    if (!this.isShown()) return;
    if (!this.isVisible()) return this.#again(BUSY_MS);
    const isWaiting = this.view?.batches.some((batch) => batch.state === "submitted" && !batch.ready);
    if (!this.view?.busy) this.#lookPause = Math.min(this.#lookPause * GROWTH, LOOK_MS);
    if (isWaiting && !this.view?.busy) await this.refresh(`${ROUTES}/look`, {});
    else await this.refresh();
  }

  #noteWhatEnded() {
    if (!this.#collectedBefore || this.view?.busy) return;
    const { text } = this.host;
    if (this.#collected().some((id) => !this.#collectedBefore?.includes(id)))
      this.hint = text("run_again", "Run the workflow again: the pictures you paid for are read from your disk, at no cost.");
    this.#collectedBefore = null;
  }

  #collected() {
    const batches = this.view?.batches ?? [];
    return batches.filter((batch) => batch.state === "collected" && batch.done > 0).map(({ id }) => id);
  }

  /** @param {Error} error */
  #unreachable(error) {
    return labelled(this.host.text, this.host.text("no_view", "The plan could not be read from the server"), error.message);
  }
}
