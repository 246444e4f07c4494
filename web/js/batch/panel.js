// The panel for batches: what is planned, sent after a yes, how far it is, and collected. It sends nothing by itself.

import { made, present } from "../dom.js";
import { filled, labelled, listed, unbroken } from "../format.js";
import { cancelQuestion, forgetQuestion, mostUsd, submitQuestion } from "./questions.js";
import { STYLE } from "./style.js";

/** @import { Host } from "../host.js" */
/** @import { Batch, BatchView, FailedJob, Text } from "../types" */
/** @import { BatchClient } from "./client.js" */
/** @import { BatchWords } from "./words.js" */

export class BatchPanel {
  /** @type {Map<Element, string>} what each part was drawn from */
  #drawn = new Map();

  /**
   * @param {Host} host
   * @param {BatchClient} client
   * @param {BatchWords} words
   */
  constructor(host, client, words) {
    this.host = host;
    this.client = client;
    this.words = words;
    const { text } = host;
    const label = text("openai_batches", "OpenAI batches");
    document.head.append(made("style", { textContent: STYLE }));
    this.title = made("h2", { tabIndex: -1, textContent: label });
    this.refreshButton = this.#button("refresh", text("refresh", "Refresh"), () => client.act("look"));
    this.wrong = made("div", { className: "oin-said oin-wrong", role: "alert" });
    this.said = made("div", { className: "oin-said", role: "status", "aria-live": "polite" });
    this.head = made("div", { className: "oin-head" }, this.title, this.refreshButton);
    this.parts = [0, 1, 2].map(() => made("div", { className: "oin-part" }));
    const all = [this.head, this.wrong, this.said, ...this.parts];
    this.root = made("section", { className: "oin-batches", "aria-label": label }, ...all);
  }

  /** Draw what has changed. */
  draw = () => {
    const { view, complaint, unreachable, hint, isBusy: busy } = this.client;
    say(this.wrong, present([complaint, unreachable, view?.fault]).join("\n"));
    if (!view) return;
    const { count, parts: planned, left, failed, failed_count, batches } = view;
    say(this.said, busy ? present([this.words.doing(view.doing), view.words]).join(this.words.text("colon", ": ")) : hint);
    this.refreshButton.disabled = busy;
    this.#put(this.parts[0], { count, planned, left, busy }, () => this.#plan(view));
    this.#put(this.parts[1], { failed, failed_count, count, busy }, () => this.#failed(view));
    this.#put(this.parts[2], { batches, busy }, () => this.#batches(view));
  };

  /** Draw a part again if what it shows has changed, and leave the keyboard where it was.
   * @param {HTMLElement} part
   * @param {unknown} shown
   * @param {() => (Node | string | false | 0 | null)[]} make
   */
  #put(part, shown, make) {
    const now = JSON.stringify(shown);
    if (this.#drawn.get(part) === now) return;
    this.#drawn.set(part, now);
    const active = document.activeElement;
    const key = active instanceof HTMLElement && part.contains(active) && active.dataset.key;
    part.replaceChildren(...present(make()));
    if (!key) return;
    const again = [...part.querySelectorAll("button")].find((one) => one.dataset.key === key && !one.disabled);
    (again ?? this.title).focus({ preventScroll: true });
  }

  /** @param {BatchView} view */
  #plan(view) {
    const { text } = this.host;
    const { count, left, parts } = view;
    const goOn = `${text("go_on", "Finish submitting")} (${this.words.jobs(left.count)})`;
    const nothing = text("nothing_planned", "Nothing is planned. Run a workflow with the connection openai batch, or with sandbox batch to try it for free.");
    const sum = { className: "oin-sum", textContent: listed(text, this.words.jobs(count), this.words.price(view)) };
    const lines = parts.map((part) => made("li", {}, this.words.planLine(part)));
    const submit = count ? this.words.submit(view) : goOn;
    return [
      made("h3", {}, text("plan", "Plan")),
      made("p", count ? sum : { textContent: nothing }),
      lines.length > 0 && made("ul", {}, ...lines),
      buttons(
        (count || left.count) && this.#workButton("submit", submit, () => this.#submit(), { first: true }),
        count && this.#workButton("forget", text("forget_plan", "Discard the plan"), () => this.#forget()),
      ),
    ];
  }

  /** @param {BatchView} view */
  #failed(view) {
    const { text } = this.host;
    const { count, failed, failed_count } = view;
    if (!failed_count) return [];
    const rest = failed_count - failed.length;
    const isAlone = !count; // else it is forgotten with the plan
    return [
      made("h3", {}, labelled(text, text("failed_jobs", "Failed"), this.words.jobs(failed_count))),
      made("ul", {}, ...failed.map((job) => failedItem(job, text))),
      rest > 0 && made("p", {}, filled(text("and_more", "and [count] more"), { count: rest })),
      buttons(
        this.#workButton("retry", text("retry", "Plan failed ones again"), () => this.client.act("retry")),
        isAlone && this.#workButton("forget", text("forget", "Remove"), () => this.#forget()),
      ),
    ];
  }

  /** @param {BatchView} view */
  #batches({ batches, doing }) {
    if (!batches.length) return [];
    const { text } = this.host;
    const first = batches.some((batch) => batch.ready) && !this.client.isBusy;
    const collect = () => this.client.act("collect");
    const isOpen = batches.some((batch) => batch.open);
    return [
      made("h3", {}, text("batches", "Batches")),
      isOpen && buttons(this.#button("collect", text("collect", "Collect"), collect, { first, disabled: !first })),
      made("ul", {}, ...batches.map((batch) => this.#batch(batch, doing))),
    ];
  }

  /**
   * @param {Batch} batch
   * @param {string} doing
   */
  #batch(batch, doing) {
    const label = this.words.kindAndJobs(batch);
    const canStop = batch.open && !batch.ready;
    const stop = () => this.#cancel(batch);
    return made("li", { className: "oin-item", title: batch.batch_id ?? "" },
      made("strong", {}, label),
      made("progress", { max: batch.count || 1, value: batch.done + batch.failed, "aria-label": label }),
      made("span", {}, this.words.state(batch, doing)),
      batch.fault && made("p", { className: "oin-said oin-wrong" }, batch.fault),
      canStop && buttons(this.#workButton(`cancel ${batch.id}`, this.host.text("cancel", "Cancel"), stop)));
  }

  // ---- what a person asks for

  /** @param {{ title: string, message: string, itemList?: string[] }} question */
  #isSure(question) {
    return this.host.isSure(question, this.root.closest("dialog") !== null);
  }

  async #submit() {
    const { view } = this.client; // of this moment: what is asked and what is sent must be the same
    if (!view || !(await this.#isSure(submitQuestion(view, this.words)))) return;
    await this.client.act("submit", { count: view.count, left: view.left.count, high_usd: mostUsd(view) });
  }

  /** @param {Batch} batch */
  async #cancel(batch) {
    if (await this.#isSure(cancelQuestion(batch, this.words))) await this.client.act("cancel", { id: batch.id });
  }

  async #forget() {
    const { view } = this.client;
    if (view && (await this.#isSure(forgetQuestion(view, this.words)))) await this.client.act("forget");
  }

  /** Return a button; `key` finds it again when what is around it is drawn again.
   * @param {string} key
   * @param {string} label
   * @param {() => unknown} work
   * @param {{ first?: boolean, disabled?: boolean }} [look]
   */
  #button(key, label, work, { first = false, disabled = false } = {}) {
    const button = made("button", { type: "button", textContent: label, disabled, "data-key": key });
    if (first) button.className = "oin-first";
    button.addEventListener("click", () => this.host.attempt(work));
    return button;
  }

  /** Return a button that waits while the server does something.
   * @param {string} key
   * @param {string} label
   * @param {() => unknown} work
   * @param {{ first?: boolean }} [look]
   */
  #workButton(key, label, work, look) {
    return this.#button(key, label, work, { ...look, disabled: this.client.isBusy });
  }
}

/** @param {(HTMLElement | false | 0)[]} all */
function buttons(...all) {
  return made("div", { className: "oin-buttons" }, ...all);
}

/**
 * @param {FailedJob} job
 * @param {Text} text
 */
function failedItem({ prompt, model, seed, fault }, text) {
  const which = made("span", {}, `${model}, ${text("seed", "seed")} ${seed}`);
  return made("li", { className: "oin-item" }, made("strong", {}, prompt), which, made("span", {}, fault));
}

/**
 * @param {HTMLElement} element
 * @param {string} told
 */
function say(element, told) {
  const line = unbroken(told);
  if (element.textContent !== line) element.textContent = line;
}
