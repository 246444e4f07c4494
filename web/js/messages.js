// What the server says, in the language of the interface: refusals, errors, stages. Translations are kept by the English
// text, whose variable parts are [1], [2] and so on; a message is one such text, or several in a row or in one another.

const VARIABLE = /\[(\d)\]/g;
const BREAK = /[.:;!?)]\s+|,\s+|\s+(?=\()/g;
const LEADING = /^[\s;,.(]+/;
const STOP = /[.:;,]$/;
const WIDE_END = /[\u3000-\u303f\u3040-\u9fff\uff00-\uffef]$/; // Chinese and Japanese have marks of their own
/** @type {Record<string, string>} */
const WIDE = { ".": "\u3002", ":": "\uff1a", ";": "\uff1b", ",": "\uff0c" };
const SPOKEN = ["error", "fault", "reason", "words"]; // the fields of the server's answers that hold a message
const LONGEST = 2000; // characters; what is longer is somebody else's page or list
const MOST_BREAKS = 16; // no text of ours has more

/** @type {Record<string, string>} what means something in a page, and what the server says in a node instead */
const LOOK_ALIKES = {
  "<": "\u2039", ">": "\u203a", "&": "\uff06", '"': "\u201d", "'": "\u2019", "`": "\u2018", "[": "\uff3b", "]": "\uff3d",
};

/** @typedef {{ pattern: RegExp, longest: string, places: string[], own: string, weight: number }} Template */
/** @typedef {{ own: string, known: number }} Reading what a text means, and how many characters of it are known */

/** Return what translates a message as far as it is known.
 * @param {Record<string, string>} translations by their English
 * @param {Record<string, string>} [labels] of inputs by their names
 * @returns {(message: string) => string}
 */
export function translator(translations, labels = {}) {
  const templates = Object.entries(translations).flatMap(([english, own]) => {
    const inNode = english.replace(/\[\d\]|[<>&"'`[\]]/g, (found) => LOOK_ALIKES[found] ?? found);
    return [...new Set([english, inNode])].map((each) => templateOf(each, own));
  });
  return (message) => (message.length > LONGEST ? message : new Reader(templates, labels).read(message).own);
}

/** Return how inputs of our nodes are labelled, by their names.
 * @param {Record<string, { inputs?: Record<string, { name: string }> }>} nodes as ComfyUI's translations have them
 * @returns {Record<string, string>}
 */
export function labelsOf(nodes) {
  const ours = Object.keys(nodes).filter((node) => node.startsWith("OIN_"));
  const inputs = ours.flatMap((node) => Object.entries(nodes[node]?.inputs ?? {}));
  return Object.fromEntries(inputs.map(([name, { name: label }]) => [name, label]).reverse());
}

/** Reads one message: of all ways to take it apart, the one that knows most of it; of equal ones, the first part shorter. */
class Reader {
  /** @type {Map<string, Reading>} */
  #read = new Map();
  /** @type {Map<string, Reading | undefined>} */
  #parts = new Map();

  /**
   * @param {Template[]} templates
   * @param {Record<string, string>} labels
   */
  constructor(templates, labels) {
    this.templates = templates;
    this.labels = labels;
  }

  /** Return what a message means.
   * @param {string} message
   * @returns {Reading}
   */
  read(message) {
    const before = this.#read.get(message);
    if (before) return before;
    this.#read.set(message, { own: message, known: 0 }); // a part that is the whole again adds nothing
    const lead = LEADING.exec(message)?.[0] ?? "";
    const text = message.slice(lead.length);
    const ends = [...text.matchAll(BREAK)].map((found) => found.index + found[0].length);
    const near = ends.filter((end) => end < text.length).slice(0, MOST_BREAKS);
    let best = this.#split(text, near[0]);
    for (const end of [...near, text.length]) {
      const reading = this.#joined(text, end);
      if (reading && reading.known > best.known) best = reading;
    }
    const result = { own: lead + best.own, known: best.known };
    this.#read.set(message, result);
    return result;
  }

  /** Return a message whose beginning means nothing to us.
   * @param {string} text
   * @param {number | undefined} end
   * @returns {Reading}
   */
  #split(text, end) {
    if (end === undefined) return { own: text, known: 0 };
    const { own, known } = this.read(text.slice(end));
    return { own: text.slice(0, end) + own, known };
  }

  /** Return a message that begins with a text of ours, or undefined.
   * @param {string} text
   * @param {number} end
   * @returns {Reading | undefined}
   */
  #joined(text, end) {
    const part = text.slice(0, end).trimEnd();
    const first = this.#meant(part);
    if (!first) return undefined;
    if (end === text.length) return { ...first, own: first.own + text.slice(part.length) };
    const rest = this.read(text.slice(end));
    const space = /[\u3002\uff01\uff1a\uff1b\uff1f]$/.test(first.own) ? "" : text.slice(part.length, end);
    return { own: first.own + space + rest.own, known: first.known + rest.known };
  }

  /** Return what a part of a message means, which may have a mark at its end that the text lacks, or lack one.
   * @param {string} part
   * @returns {Reading | undefined}
   */
  #meant(part) {
    if (this.#parts.has(part)) return this.#parts.get(part);
    this.#parts.set(part, undefined);
    let reading = this.#filled(part);
    if (!reading && STOP.test(part)) {
      const bare = this.#filled(part.slice(0, -1));
      if (bare) reading = { ...bare, own: bare.own + markAfter(bare.own, part.slice(-1)) };
    } else if (!reading) {
      const stopped = this.#filled(`${part}.`);
      if (stopped) reading = { ...stopped, own: stopped.own.replace(/[.\u3002]$/, "") };
    }
    this.#parts.set(part, reading);
    return reading;
  }

  /** Return a variable part: an input by its label, its name in brackets, or else what it means as a message.
   * @param {string} text
   * @returns {Reading}
   */
  #variable(text) {
    const label = Object.hasOwn(this.labels, text) ? this.labels[text] : undefined;
    return label ? { own: `${label} (${text})`, known: 0 } : this.read(text);
  }

  /** Return what one text means, its variable parts too.
   * @param {string} text
   * @returns {Reading | undefined}
   */
  #filled(text) {
    /** @type {Reading | undefined} */
    let best;
    for (const { pattern, longest, places, own, weight } of this.templates) {
      const found = text.includes(longest) && pattern.exec(text);
      if (!found) continue;
      const groups = places.map((_, place) => this.#variable(found[place + 1] ?? ""));
      const known = groups.reduce((sum, group) => sum + group.known, weight);
      if (known <= (best?.known ?? 0)) continue;
      best = { own: own.replace(VARIABLE, (_, number) => groups[places.indexOf(number)]?.own ?? ""), known };
    }
    return best;
  }
}

/** Return a mark as the script before it has it.
 * @param {string} before
 * @param {string} mark
 */
function markAfter(before, mark) {
  return WIDE_END.test(before) ? WIDE[mark] ?? mark : mark;
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
  return { pattern, longest, places, own, weight: fixed.join("").trim().length };
}
