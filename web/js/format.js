// Amounts and words as they are shown.

/** @import { Text } from "./types" */

/** Return US dollars with the digits that matter: three below ten cents.
 * @param {number} amount
 */
export function usd(amount) {
  return amount < 0.1 ? amount.toFixed(3).replace(/0$/, "") : amount.toFixed(2);
}

/** Return a text in which no line ends between an amount and its unit.
 * @param {string} text
 */
export const unbroken = (text) => text.replace(/(\d) (?=(?:USD|KB|MB)\b)/g, "$1\u00a0");

/** Return a text with its [blanks] filled.
 * @param {string} words
 * @param {Record<string, string | number>} values
 */
export function filled(words, values) {
  return words.replace(/\[(\w+)\]/g, (blank, name) => String(values[name] ?? blank));
}

/** Return things in a row, with the comma of the language.
 * @param {Text} text
 * @param {string[]} things
 */
export const listed = (text, ...things) => things.join(text("comma", ", "));

/** Return what is said of something, with the colon of the language.
 * @param {Text} text
 * @param {string} name
 * @param {string | number} said
 */
export const labelled = (text, name, said) => `${name}${text("colon", ": ")}${said}`;

/** Return sentences that have no full stop of their own, all but the last.
 * @param {Text} text
 * @param {string[]} said
 */
export const sentences = (text, ...said) => said.join(text("full_stop", ". "));

/** @param {number} bytes */
export function sized(bytes) {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
