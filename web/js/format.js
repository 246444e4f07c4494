// Amounts and words as they are shown.

/** Return US dollars with the digits that matter: three below ten cents.
 * @param {number} amount
 */
export function usd(amount) {
  return amount < 0.1 ? amount.toFixed(3).replace(/0$/, "") : amount.toFixed(2);
}

/** Return a text with its [blanks] filled.
 * @param {string} words
 * @param {Record<string, string | number>} values
 */
export function filled(words, values) {
  return words.replace(/\[(\w+)\]/g, (blank, name) => String(values[name] ?? blank));
}

/** @param {number} bytes */
export function sized(bytes) {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
