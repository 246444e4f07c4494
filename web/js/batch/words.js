// The words of the batch panel for what the server tells.

import { present } from "../dom.js";
import { filled, labelled, listed, sentences, sized, usd } from "../format.js";

/** @import { Batch, BatchView, Kind, PlanPart, Price, Sums, Text } from "../types" */

export class BatchWords {
  /** @param {Text} text */
  constructor(text) {
    this.text = text;
  }

  /** @param {number} count */
  jobs(count) {
    return count === 1 ? this.text("one_job", "1 job") : filled(this.text("jobs", "[count] jobs"), { count });
  }

  /** @param {Price} price */
  price({ low_usd, high_usd }) {
    if (low_usd == null || high_usd == null) return this.text("no_price", "price not known");
    if (high_usd === 0) return this.text("free", "free");
    const [low, high] = [usd(low_usd), usd(high_usd)];
    return low === high ? `${high} USD` : filled(this.text("range", "[low] to [high] USD"), { low, high });
  }

  /** Return the label of the button that submits.
   * @param {Sums} plan
   */
  submit(plan) {
    const values = { jobs: this.jobs(plan.count), price: this.price(plan) };
    if (!plan.high_usd) return filled(this.text("submit_plain", "Submit [jobs] ([price])"), values);
    const price = `${usd(plan.high_usd)} USD`;
    return filled(this.text("submit", "Submit [jobs] for about [price]"), { ...values, price });
  }

  /** @param {Kind} kind */
  kind({ connection, model, operation }) {
    return listed(this.text, connection, model, operationWord(operation, this.text));
  }

  /** @param {Kind & { count: number }} one */
  kindAndJobs(one) {
    return labelled(this.text, this.kind(one), this.jobs(one.count));
  }

  /** @param {PlanPart} part */
  planLine(part) {
    const line = listed(this.text, this.kindAndJobs(part), sized(part.bytes), this.price(part));
    const doubt = this.text("doubt", "no source says that batches take this model; if they do not, the batch is refused and costs nothing");
    return part.sure ? line : [line, doubt].join(this.text("semicolon", "; "));
  }

  /** Return how far a batch is.
   * @param {Batch} batch
   * @param {string} doing what the server does at this time
   */
  state(batch, doing) {
    const { text } = this;
    if (batch.state === "refused") return text("not_begun", "not begun; its jobs are planned again");
    const isCollected = batch.state === "collected";
    if (!isCollected && batch.state !== "submitted")
      return doing === "submit"
        ? text("being_submitted", "being submitted")
        : text("half_way", "only partly submitted");
    const { done, count, failed, unfinished, usd: paid } = batch;
    const told = present([
      isCollected ? text("collected", "collected") : statusWord(batch.status, text),
      filled(text("done_of", "[done] of [count]"), { done, count }),
      failed && filled(text("count_failed", "[count] failed"), { count: failed }),
      unfinished && filled(text("count_again", "[count] planned again"), { count: unfinished }),
      isCollected && paid != null && paid > 0 && `${usd(paid)} USD`,
    ]);
    return listed(text, ...told);
  }

  /** @param {string} name */
  doing(name) {
    const { text } = this;
    const words = {
      submit: text("doing_submit", "Submitting"),
      look: text("doing_look", "Checking the batches"),
      collect: text("doing_collect", "Collecting"),
      cancel: text("doing_cancel", "Cancelling"),
    };
    return wordOf(words, name) ?? text("doing", "Working");
  }

  /** Return what waits, in sentences, for a person who does not see the panel.
   * @param {BatchView} view
   */
  waiting({ count, failed_count, batches, ...price }) {
    const { text } = this;
    const open = batches.filter((batch) => batch.open).reduce((sum, batch) => sum + batch.count, 0);
    const told = present([
      count && labelled(text, text("plan", "Plan"), listed(text, this.jobs(count), this.price(price))),
      open && labelled(text, text("batches", "Batches"), this.jobs(open)),
      failed_count && labelled(text, text("failed_jobs", "Failed"), this.jobs(failed_count)),
      text("see_panel", "Submit the plan and collect the pictures in the OpenAI batches panel (View menu)."),
    ]);
    return sentences(text, ...told);
  }
}

/**
 * @param {Record<string, string>} words
 * @param {string} name
 * @returns {string | undefined}
 */
const wordOf = (words, name) => (Object.hasOwn(words, name) ? words[name] : undefined);

/**
 * @param {string} name
 * @param {Text} text
 */
function operationWord(name, text) {
  const words = { generations: text("generations", "new pictures"), edits: text("edits", "edits") };
  return wordOf(words, name) ?? name;
}

/** Return a word for the service's own status of a batch.
 * @param {string} name
 * @param {Text} text
 */
function statusWord(name, text) {
  const words = {
    validating: text("validating", "being checked"),
    in_progress: text("in_progress", "under way"),
    finalizing: text("finalizing", "almost done"),
    completed: text("completed", "done, ready to be collected"),
    failed: text("refused", "refused"),
    expired: text("expired", "out of time; what was done can be collected"),
    cancelling: text("cancelling", "being cancelled"),
    cancelled: text("cancelled", "cancelled; what was done can be collected"),
  };
  return wordOf(words, name) ?? name;
}
