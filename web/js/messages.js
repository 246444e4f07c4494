// What the server says, in the language of the interface: refusals, errors, stages. Translations are kept by the English
// text, whose variable parts are [1], [2] and so on; a message is one such text, or several in a row or in one another.

const VARIABLE = /\[(\d)\]/g;
const BREAK = /[.:;!?)]\s+|,\s+|\s+(?=\()/g;
const LEADING = /^[\s;,.(]+/;
const STOP = /[.:;,]$/;
const COUNT = /^(\d+) (?=[a-z])/; // "2 waiting for the picture"
const CODE = /["'`]$|--\w+ $/; // what follows is to be copied: no label there
const HANGUL = /[\uac00-\ud7a3]/;
const WIDE = "\u3005\u3040-\u30ff\u3400-\u9fff"; // Chinese and Japanese letters: no blank between two of them
const WIDE_MARKS = "\u3001\u3002\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\u201c\u201d\u300c\u300d"; // and none beside these
const IS_WIDE = new RegExp(`[${WIDE}]`);
const ENDS_WIDE = new RegExp(`[${WIDE}${WIDE_MARKS}]$`);
const ENDS_IN_MARK = new RegExp(`[${WIDE_MARKS}]$`);
const ENDS_IN_LETTER = new RegExp(`[${WIDE}]$`);
const BEGINS_WIDE = new RegExp(`^[${WIDE}${WIDE_MARKS}]`);
/** @type {Record<string, string>} */
const CHINESE = { ".": "\u3002", ":": "\uff1a", ";": "\uff1b", ",": "\uff0c" };
/** @type {Record<string, string>} */
const KOREAN = { ";": "." };
/** @type {Record<string, string>} */
const JAPANESE = { ".": "\u3002", ":": ": ", ";": "\u3002", ",": "\u3001" };
const SPOKEN = ["error", "fault", "reason", "words"]; // the fields of the server's answers that hold a message
const LONGEST = 2000; // characters; what is longer is somebody else's page or list
const MOST_BREAKS = 16; // no text of ours has more
const MOST_LOOKED_AT = 300_000; // characters, in all parts of a message; what we say takes 100,000, a stranger's words millions
const MOST_KEPT = 200;

/** @type {Record<string, string>} what means something in a page, and what the server says in a node instead */
const LOOK_ALIKES = {
  "<": "\u2039", ">": "\u203a", "&": "\uff06", '"': "\u201d", "'": "\u2019", "`": "\u2018", "[": "\uff3b", "]": "\uff3d",
};

/** @typedef {{ fixed: string[], length: number, places: string[], own: string, weight: number }} Template */
/** @typedef {{ own: string, known: number, isCut?: boolean }} Reading what a text means, and how many characters of it
 * are known; `isCut`: it may have cut a list of values at its first comma */

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
  const marks = marksOf(Object.values(translations).join(""));
  const read = (/** @type {string} */ message) => new Reader(templates, labels, marks).read(message).own;
  /** @type {Map<string, string>} what was said lately: app mode and the batch panel show it again and again */
  const kept = new Map();
  return (message) => {
    if (message.length > LONGEST) return message;
    const own = kept.get(message) ?? read(message);
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(message, own);
    return own;
  };
}

/** Return the marks that a language writes instead of ours, none for most.
 * @param {string} written texts of the language
 * @returns {Record<string, string>}
 */
function marksOf(written) {
  if (/[\u3040-\u30ff]/.test(written)) return JAPANESE;
  if (IS_WIDE.test(written)) return CHINESE;
  return HANGUL.test(written) ? KOREAN : {};
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

/** Reads one message: of all ways to take it apart, the one that knows most of it; of equal ones, the first part shorter.
 * What it has not come to after MOST_LOOKED_AT stays as it is: strangers' words can be taken apart in very many ways. */
class Reader {
  #lookedAt = 0;
  /** @type {Map<string, Reading>} */
  #read = new Map();
  /** @type {Map<string, Reading | undefined>} */
  #parts = new Map();

  /**
   * @param {Template[]} templates
   * @param {Record<string, string>} labels
   * @param {Record<string, string>} marks
   */
  constructor(templates, labels, marks) {
    this.templates = templates;
    this.labels = labels;
    this.marks = marks;
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
      if (reading && (reading.known > best.known || (best.isCut && reading.known === best.known))) best = reading;
    }
    const result = { own: this.#marked(lead, best.own) + best.own, known: best.known };
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
    const before = text.slice(0, end);
    const [, bracketed, mark] = /^(.*\))([.:;,])\s+$/s.exec(before) ?? [];
    return { own: (bracketed && mark ? this.#marked(`${bracketed}${mark} `, own) : before) + own, known };
  }

  /** Return what stands before a text, with the mark at its end as the language writes it.
   * @param {string} before
   * @param {string} own
   */
  #marked(before, own) {
    const mark = IS_WIDE.test(own) && /([.:;,])\s+$/.exec(before);
    return mark ? before.slice(0, mark.index) + (this.marks[mark[1] ?? ""] ?? mark[0]) : before;
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
    const own = this.#together(first.own + text.slice(part.length, end), rest.own);
    return { own, known: first.known + rest.known, isCut: part.endsWith(",") && !rest.known };
  }

  /** Return what a part of a message means, which may have a mark at its end that the text lacks, or lack one.
   * @param {string} part
   * @returns {Reading | undefined}
   */
  #meant(part) {
    if (this.#parts.has(part)) return this.#parts.get(part);
    this.#parts.set(part, undefined);
    let reading = part.endsWith(";") ? undefined : this.#filled(part); // no text ends so, and nothing that varies
    if (!reading && STOP.test(part)) {
      const bare = this.#filled(part.slice(0, -1));
      if (bare) reading = { ...bare, own: bare.own + this.#mark(bare.own, part.slice(-1)) };
    } else if (!reading) {
      const stopped = this.#filled(`${part}.`);
      if (stopped) reading = { ...stopped, own: stopped.own.replace(/[.\u3002]$/, "") };
    }
    const counted = !reading && COUNT.exec(part);
    const each = counted && this.#meant(part.slice(counted[0].length));
    if (counted && each) reading = { ...each, own: `${counted[1]} \u00d7 ${each.own}`, known: each.known - counted[0].length };
    this.#parts.set(part, reading);
    return reading;
  }

  /** Return a mark as the text before it has it.
   * @param {string} before
   * @param {string} mark
   */
  #mark(before, mark) {
    return IS_WIDE.test(before) || HANGUL.test(before) ? (this.marks[mark] ?? mark).trimEnd() : mark;
  }

  /** Return two texts as one, with the blank between them that the language has.
   * @param {string} left
   * @param {string} right
   */
  #together(left, right) {
    if (!this.marks["."]) return left + right;
    const [end, begin] = [left.trimEnd(), right.trimStart()];
    const mark = ENDS_IN_LETTER.test(left) && /^([.:;,])(?:\s+|$)/.exec(right);
    if (mark) return left + (this.marks[mark[1] ?? ""] ?? mark[0]) + right.slice(mark[0].length);
    if (/^[)\uff09]/.test(right)) return left.replace(/\u3002$/, "") + right;
    if (ENDS_WIDE.test(end) && BEGINS_WIDE.test(begin)) return end + begin;
    if (ENDS_IN_MARK.test(end) && /^[^(]/.test(begin)) return end + begin;
    return ENDS_IN_LETTER.test(left) && /^[A-Za-z0-9]/.test(right) ? `${left} ${right}` : left + right;
  }

  /** Return a variable part: an input by its label, its name in brackets, or else what it means as a message.
   * @param {string} text
   * @param {string} before what the translation has before it
   * @returns {Reading}
   */
  #variable(text, before) {
    const label = Object.hasOwn(this.labels, text) && !CODE.test(before) ? this.labels[text] : undefined;
    if (!label) return this.read(text);
    return { own: `${label}${HANGUL.test(label) ? "" : " "}(${text})`, known: 0 };
  }

  /** Return what one text means, its variable parts too.
   * @param {string} text
   * @returns {Reading | undefined}
   */
  #filled(text) {
    if ((this.#lookedAt += text.length) > MOST_LOOKED_AT) return undefined;
    /** @type {Reading | undefined} */
    let best;
    for (const template of this.templates) {
      const found = variablesIn(text, template);
      if (!found) continue;
      const reading = this.#with(template, found);
      if (reading.known > (best?.known ?? 0)) best = reading;
    }
    return best;
  }

  /** Return a template filled with what was found in its places.
   * @param {Template} template
   * @param {string[]} found
   * @returns {Reading}
   */
  #with({ places, own, weight }, found) {
    const [first = "", ...pieces] = own.split(VARIABLE); // the numbers of the places, and what follows each
    let [filled, known] = [first, weight];
    for (let index = 0; index < pieces.length; index += 2) {
      const group = this.#variable(found[places.indexOf(pieces[index] ?? "")] ?? "", pieces[index - 1] ?? first);
      filled = this.#together(this.#together(filled, group.own), pieces[index + 1] ?? "");
      known += group.known;
    }
    return { own: filled, known };
  }
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
  const places = [...english.matchAll(VARIABLE)].map(([, number]) => number ?? "");
  const all = fixed.join("");
  return { fixed, length: all.length, places, own, weight: all.trim().length };
}

/** Return what stands between the fixed parts of a text, each as short as can be, or undefined where it is another text.
 * A regular expression would try all ways to cut what a stranger wrote, which takes minutes.
 * @param {string} text
 * @param {Template} template
 */
function variablesIn(text, { fixed, length }) {
  const [first, last] = [fixed[0] ?? "", fixed.at(-1) ?? ""];
  if (text.length < length || !text.startsWith(first) || !text.endsWith(last)) return undefined;
  if (fixed.length === 1) return text === first ? [] : undefined;
  const found = [];
  let at = first.length;
  for (const part of fixed.slice(1, -1)) {
    const next = text.indexOf(part, at);
    if (next < 0) return undefined;
    found.push(text.slice(at, next));
    at = next + part.length;
  }
  const end = text.length - last.length;
  return at > end ? undefined : [...found, text.slice(at, end)];
}
