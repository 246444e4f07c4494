// What a person is asked before something is sent, stopped or thrown away.

import { present } from "../dom.js";
import { labelled, listed, sentences, sized } from "../format.js";

/** @import { Batch, BatchView } from "../types" */
/** @import { BatchWords } from "./words.js" */

/**
 * @param {BatchView} view
 * @param {BatchWords} words
 */
export function submitQuestion(view, words) {
  const { count, bytes, left, parts } = view;
  const { text } = words;
  const itemList = parts.map((part) => listed(text, words.kindAndJobs(part), words.price(part)));
  if (left.count)
    itemList.push(
      labelled(text, text("from_before", "only partly submitted before"), listed(text, words.jobs(left.count), words.price(left)))
    );
  const isPaid = [view, left].some((one) => one.count && one.high_usd !== 0);
  const message = present([
    count && listed(text, words.jobs(count), sized(bytes), words.price(view)),
    isPaid && text("ask_submit_paid", "OpenAI charges for each picture that is made, collected or not. A batch may take 24 hours."),
  ]).join("\n\n");
  return { title: text("ask_submit", "Submit the plan?"), message, itemList };
}

/** What may be charged in all for what is asked about; null where that is not known.
 * @param {BatchView} view
 */
export function mostUsd(view) {
  const sums = [view, view.left].filter((one) => one.count).map((one) => one.high_usd);
  return sums.some((usd) => usd === null) ? null : sums.reduce((sum, usd) => Number(sum) + Number(usd), 0);
}

/**
 * @param {Batch} batch
 * @param {BatchWords} words
 */
export function cancelQuestion(batch, words) {
  const note = words.text("ask_cancel_note", "What is done by then is charged and can be collected.");
  return { title: words.text("ask_cancel", "Cancel this batch?"), message: sentences(words.text, words.kindAndJobs(batch), note) };
}

/**
 * @param {BatchView} view
 * @param {BatchWords} words
 */
export function forgetQuestion({ count, failed_count }, words) {
  const { text } = words;
  const note = text("ask_forget_note", "Running the workflow plans them again.");
  const title = count ? text("ask_forget", "Discard the plan?") : text("ask_forget_failed", "Discard the failed jobs?");
  return { title, message: sentences(text, words.jobs(count + failed_count), note) };
}
