// The words of the badges: what a run will cost, or why it has no price.

import { filled, usd } from "../format.js";

/** @import { Counted, Estimate, GraphNode, Text } from "../types" */

const WIDEST = 72; // columns of a badge that is no wider than the node
const BESIDE_PX = 176; // what a Vue node has beside the words of our badge: edges, and the pack's own badge
const COLUMN_PX = 5.7;
const WIDE = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uff60]/; // letters of two columns
const PRICE_COLOURS = { fgColor: "#eafff5", bgColor: "#1d5443" };
const WARNING_COLOURS = { fgColor: "#fff4e0", bgColor: "#7a4b0c" };
/** @type {Estimate["state"][]} */
const WARNINGS = ["impossible", "no_key", "no_account"]; // what keeps a run from working, the worst first

/** Return how many columns the badge of a node has room for: Vue draws it in a row inside of the node.
 * @param {GraphNode} node
 */
export const roomIn = ({ size }) => (window.LiteGraph?.vueNodesMode ? Math.floor((size[0] - BESIDE_PX) / COLUMN_PX) : WIDEST);

/** Return what the badge says: the price, and what will be done in place of what was set.
 * @param {Estimate} told
 * @param {Text} text
 * @param {number} [room] columns
 */
export function priceText(told, text, room = WIDEST) {
  const words = (told.words ?? "").split(/: |\uff1a|\. |\u3002/)[0] ?? "";
  const price = amountText(told, text, room);
  return words ? cut(`${price} \u00b7 `, words, room) || price : price;
}

/** Return a beginning and as many words behind it as there is room for; nothing where no word has.
 * @param {string} start
 * @param {string} words
 * @param {number} room
 */
function cut(start, words, room) {
  let shown = "";
  room -= widthOf(start);
  for (const part of words.match(/\S+\s*/g) ?? []) {
    const letters = WIDE.test(part) ? [...part] : [part];
    for (const each of letters) {
      room -= widthOf(each.trimEnd());
      if (room < 0) return shown && `${start}${shown.trimEnd()}\u2026`;
      shown += each;
      room -= each.length - each.trimEnd().length;
    }
  }
  return start + shown;
}

/** @param {string} words */
const widthOf = (words) => [...words].reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : 1), 0);

/**
 * @param {Estimate} told
 * @param {Text} text
 * @param {number} room
 */
function amountText(told, text, room) {
  if (told.state === "free") return text("free", "free");
  if (told.state === "no_key") return text("no_key", "no key yet");
  if (told.state === "no_account") return text("no_account", "no account yet");
  if (told.state === "impossible") {
    const reason = (told.reason ?? "").split(/\. |\u3002/)[0] ?? "";
    return widthOf(reason) <= room ? reason : text("impossible", "not possible as set");
  }
  if (told.state !== "known") return text("after", "price after the run");
  const [low, high] = [usd(told.low_usd ?? 0), usd(told.high_usd ?? 0)];
  if (told.is_partial) return filled(text("at_least", "at least [price] USD"), { price: low });
  if (told.certainty === "at most") return filled(text("at_most", "up to [price] USD"), { price: high });
  const price = low === high ? low : `${low}-${high}`;
  if (told.certainty === "about") return filled(text("about", "about [price] USD"), { price });
  if (told.certainty === "last time") return filled(text("last_time", "last time [price] USD"), { price });
  return low === high ? `~${price} USD` : `${price} USD`;
}

/** Return what the badge of a list says.
 * @param {Estimate} told the sum over all rows
 * @param {number} rows
 * @param {Text} text
 * @param {number} [room] columns
 */
export function listText(told, rows, text, room = WIDEST) {
  if (isWarning(told.state)) return priceText(told, text, room);
  const words = rows === 1 ? text("one_row_costs", "1 row: [price]") : text("rows_cost", "[count] rows: [price]");
  const left = room - widthOf(filled(words, { count: rows, price: "" }));
  return filled(words, { count: rows, price: priceText(told, text, left) });
}

/** @param {Estimate["state"] | undefined} state */
export const priceColours = (state) => (isWarning(state) ? WARNING_COLOURS : PRICE_COLOURS);

/** Return what all these runs cost together: a refusal of one is a refusal of all.
 * @param {Counted[]} estimates each as often as it counts
 * @returns {Estimate | undefined} nothing for none
 */
export function summed(estimates) {
  const worst = WARNINGS.map((state) => estimates.find((one) => one.state === state)).find(Boolean);
  if (worst || !estimates.length) return worst;
  if (estimates.every((one) => one.state === "free")) return { state: "free" };
  const priced = estimates.filter((one) => one.state === "known");
  if (!priced.length) return { state: "unknown" };
  const sum = (/** @type {"low_usd" | "high_usd"} */ name) =>
    priced.reduce((all, one) => all + (one.count ?? 1) * (one[name] ?? 0), 0);
  const is_partial = estimates.some((one) => one.state === "unknown" || one.is_partial);
  const [certainty, ...others] = new Set(priced.map((one) => one.certainty ?? "exact"));
  return { state: "known", low_usd: sum("low_usd"), high_usd: sum("high_usd"), certainty: others.length ? "about" : certainty, is_partial };
}

/** @param {Estimate["state"] | undefined} state */
const isWarning = (state) => Boolean(state && WARNINGS.includes(state));
