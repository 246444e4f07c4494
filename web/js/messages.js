// What the server says, in the language of the interface: refusals, errors, stages. Translations are kept by the English
// text, whose variable parts are [1], [2] and so on; a message is one such text, or several in a row or in one another.

const VARIABLE = /\[(\d)\]/g;
const BREAK = /[.:;!?)]\s+|,\s+|\s+(?=\()/g;
const LEADING = /^[\s;,.(]+/;
const STOP = /[.:;,]$/;
const SPOKEN = ["error", "fault", "reason", "words"]; // the fields of the server's answers that hold a message
const LONGEST = 2000; // characters; what is longer is somebody else's page or list
const MOST_BREAKS = 16; // no text of ours has more

/** @typedef {{ pattern: RegExp, longest: string, places: string[], own: string, weight: number }} Template */

/** Return what translates a message as far as it is known.
 * @param {Record<string, string>} translations by their English
 * @returns {(message: string) => string}
 */
export function translator(translations) {
  const templates = Object.entries(translations)
    .map(([english, own]) => templateOf(english, own))
    .sort((one, other) => other.weight - one.weight);

  /** Return what one text means, its variable parts too, or undefined.
   * @param {string} text
   */
  function filled(text) {
    for (const { pattern, longest, places, own } of templates) {
      const found = text.includes(longest) && pattern.exec(text);
      if (found) return own.replace(VARIABLE, (_, number) => translated(found[places.indexOf(number) + 1] ?? ""));
    }
    return undefined;
  }

  /** Return what a part of a message means, which may have a mark at its end that the text lacks, or lack one.
   * @param {string} part
   */
  function meant(part) {
    const whole = filled(part);
    if (whole !== undefined) return whole;
    if (!STOP.test(part)) return filled(`${part}.`)?.replace(/[.\u3002]$/, "");
    const own = filled(part.slice(0, -1));
    return own === undefined ? undefined : own + part.slice(-1);
  }

  /** @param {string} message @returns {string} */
  function translated(message) {
    const lead = LEADING.exec(message)?.[0] ?? "";
    const text = message.slice(lead.length);
    if (!text) return message;
    const ends = [...text.matchAll(BREAK)].map((found) => found.index + found[0].length);
    const near = ends.filter((end) => end < text.length).slice(0, MOST_BREAKS);
    for (const end of [text.length, ...near.slice().reverse()]) {
      const part = text.slice(0, end).trimEnd();
      const own = meant(part);
      if (own !== undefined) return lead + own + text.slice(part.length, end) + translated(text.slice(end));
    }
    const [first] = near;
    return first === undefined ? message : lead + text.slice(0, first) + translated(text.slice(first));
  }

  return (message) => (message.length > LONGEST ? message : translated(message));
}

/** Return the server's answer with its messages translated.
 * @param {any} told
 * @param {(message: string) => string} translated
 * @returns {any}
 */
export function inOwnLanguage(told, translated) {
  if (Array.isArray(told)) return told.map((each) => inOwnLanguage(each, translated));
  if (told === null || typeof told !== "object") return told;
  const fields = Object.entries(told).map(([name, value]) => {
    const isMessage = SPOKEN.includes(name) && typeof value === "string";
    return [name, isMessage ? translated(value) : inOwnLanguage(value, translated)];
  });
  return Object.fromEntries(fields);
}

/** @param {string} english @param {string} own @returns {Template} */
function templateOf(english, own) {
  const fixed = english.split(/\[\d\]/);
  const literal = fixed.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(`^${literal.join("(.*?)")}$`, "s");
  const longest = fixed.reduce((one, other) => (other.length > one.length ? other : one));
  const places = [...english.matchAll(VARIABLE)].map(([, number]) => number ?? "");
  return { pattern, longest, places, own, weight: fixed.join("").length };
}
