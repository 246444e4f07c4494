// The nodes work in full without this file. It hides what the chosen model or size does not use, shows what a run will
// cost, and lists the connections in ComfyUI's settings. It holds no facts about models and no prices: the server does.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { batches } from "./batch.js";
import { replacing } from "./replace.js";

const ROUTES = "/openai_image_nodes";
const PRICED = ["OIN_GPTImage", "OIN_GPTImageGIF", "OIN_GPTImageSVG"];
const COLLECTOR = "OIN_References";
const LISTER = "OIN_PromptList";
const NOT_ASKED = ["prompt", "control_after_generate"];
const COMPRESSED = ["jpeg", "webp"];
const SETTLE_MS = 250;
const LONGEST_REASON = 48; // characters of a badge that is no wider than the node
const PRICE_COLOURS = { fgColor: "#eafff5", bgColor: "#1d5443" };
const WARNING_COLOURS = { fgColor: "#fff4e0", bgColor: "#7a4b0c" };

let models = {};
let translations = {};
let warned = false;

/** Run something that a frontend we do not know may not have; what fails is said once and does no harm. */
function attempt(work) {
  const tell = (error) => {
    if (!warned) console.warn("OpenAI Image Nodes: a part of the extension does not work here.", error);
    warned = true;
  };
  try {
    const result = work();
    if (result instanceof Promise) return result.catch(tell);
    return result;
  } catch (error) {
    tell(error);
  }
}

/** Return a text in the language of the interface, or else in English. */
function text(name, english) {
  return translations[name] ?? english;
}

async function json(path, body) {
  const sent = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await api.fetchApi(path, body === undefined ? {} : sent);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error ?? answer.statusText);
  return told;
}

// ---- what a node is set to

const widgetNamed = (node, name) => node.widgets?.find((widget) => widget.name === name);

/** Return the inputs that have a link, as [input, slot]. */
function linked(node) {
  const has = (input, slot) => (node.isInputConnected ? node.isInputConnected(slot) : input.link != null);
  return (node.inputs ?? []).map((input, slot) => [input, slot]).filter(([input, slot]) => has(input, slot));
}

/** Return how many pictures will go out, as far as it is known before a run; a batch counts as one. */
function pictureCount(node, depth = 0) {
  if (depth > 16) return 0;
  let count = 0;
  linked(node).forEach(([input, slot]) => {
    if (input.name === "references") {
      const source = node.getInputNode?.(slot);
      count += source?.type === COLLECTOR ? pictureCount(source, depth + 1) : 1;
    } else if (/^image(_\d+)?$/.test(input.name)) count += 1;
  });
  return count;
}

function stateOf(node) {
  const asked = (node.widgets ?? []).filter((widget) => widget.name && !NOT_ASKED.includes(widget.name));
  return {
    node: node.type,
    values: Object.fromEntries(asked.map((widget) => [widget.name, widget.value])),
    connected: linked(node).map(([input]) => input.name),
    image_count: Math.min(pictureCount(node), 16),
  };
}

// ---- widgets that are not used are hidden; order and values stay

/** Return the widgets without any use as the node is set. One that holds a value which matters stays to be seen. */
function unused({ values }) {
  const facts = models[values.model];
  const names = [];
  if (values.size !== "custom") names.push("custom_width", "custom_height");
  if (!COMPRESSED.includes(values.output_format) && values.output_compression === 100) names.push("output_compression");
  for (const name of ["input_fidelity", "complexity"])
    if (facts && !facts[name]?.length && values[name] === "auto") names.push(name);
  if (values.svg_model === "" && values.svg_effort === "auto") names.push("svg_effort");
  return names;
}

const noRoom = () => [0, -4]; // older frontends leave a row for what is hidden

function setHidden(widget, hidden) {
  if (Boolean(widget.hidden) === hidden) return false;
  if (hidden && !widget.computeSize) widget.computeSize = noRoom;
  else if (widget.computeSize === noRoom) delete widget.computeSize;
  widget.hidden = hidden; // drawn on the canvas
  if (widget.options) widget.options.hidden = hidden; // drawn by Vue
  return true;
}

/** Show a widget without "show advanced" while it is the one that matters. */
function setAdvanced(widget, advanced) {
  if (widget.advanced !== undefined && widget.advanced !== advanced) widget.advanced = advanced;
  if (widget.options?.advanced !== undefined) widget.options.advanced = advanced;
}

function showWhatIsUsed(node, state) {
  const hidden = unused(state);
  const least = node.computeSize?.()[1];
  const wasTight = node.size?.[1] <= least + 1;
  let changed = false;
  for (const name of ["custom_width", "custom_height", "output_compression", "input_fidelity", "complexity", "svg_effort"]) {
    const widget = widgetNamed(node, name);
    if (!widget) continue;
    if (name.startsWith("custom_")) setAdvanced(widget, state.values.size !== "custom");
    changed = setHidden(widget, hidden.includes(name) && !state.connected.includes(name)) || changed;
  }
  if (!changed || !node.computeSize) return;
  const height = node.computeSize()[1];
  if (wasTight || node.size[1] < height) node.setSize([node.size[0], height]);
}

// ---- the price

function usd(amount) {
  return amount < 0.1 ? amount.toFixed(3).replace(/0$/, "") : amount.toFixed(2);
}

function priceText(told) {
  if (told.state === "free") return text("free", "free");
  if (told.state === "no_key") return text("no_key", "no key yet");
  if (told.state === "impossible") {
    const reason = told.reason.split(". ")[0];
    return reason.length <= LONGEST_REASON ? reason : text("impossible", "not possible as set");
  }
  if (told.state !== "known") return text("after", "price after the run");
  const [low, high] = [usd(told.low_usd), usd(told.high_usd)];
  return low === high ? `~${low} USD` : `${low}-${high} USD`;
}

/** Have the badge drawn again: the canvas by redrawing it, Vue by touching what the badge depends on. */
function redraw(node) {
  const widget = widgetNamed(node, "seed");
  if (widget) {
    const disabled = Boolean(widget.disabled);
    widget.disabled = !disabled;
    widget.disabled = disabled;
  }
  node.setDirtyCanvas?.(true, true);
}

function watch(node) {
  let seen, timer, shown = "", colours = PRICE_COLOURS;
  const follow = () => {
    const state = stateOf(node);
    const now = JSON.stringify(state);
    if (now === seen) return;
    seen = now;
    clearTimeout(timer);
    setTimeout(() => attempt(() => showWhatIsUsed(node, state)));
    timer = setTimeout(() => attempt(() => ask(state, now)), SETTLE_MS);
  };
  const ask = async (state, asked) => {
    const told = await json(`${ROUTES}/estimate`, state).catch(() => null);
    const said = told ? priceText(told) : "";
    if (asked !== seen || said === shown) return;
    shown = said;
    colours = ["impossible", "no_key"].includes(told?.state) ? WARNING_COLOURS : PRICE_COLOURS;
    redraw(node);
  };
  const after = (owner, name) => {
    const own = owner[name];
    owner[name] = function () {
      const result = own?.apply(this, arguments);
      setTimeout(() => attempt(follow));
      return result;
    };
  };
  ["onConfigure", "onConnectionsChange"].forEach((name) => after(node, name));
  node.widgets?.forEach((widget) => after(widget, "callback"));
  attempt(follow);
  if (!window.LGraphBadge || !Array.isArray(node.badges)) return;
  const badge = new window.LGraphBadge({ text: "" });
  node.badges.push(() => {
    attempt(() => void widgetNamed(node, "seed")?.disabled); // what Vue has to depend on, see redraw
    attempt(follow);
    return Object.assign(badge, { text: shown }, colours);
  });
}

// ---- the settings panel

function element(tag, style, words) {
  const made = document.createElement(tag);
  Object.assign(made.style, style);
  if (words) made.textContent = words;
  return made;
}

function stateLine(connection) {
  if (["sandbox", "sandbox batch"].includes(connection.name)) return text("sandbox", "free, offline");
  if (connection.name === "openai batch" && (connection.ready || connection.key === "none"))
    return text("key_of_openai", "uses the key of openai");
  if (connection.name === "comfy.org" && !connection.ready)
    return text("comfy", "uses the account you are signed in with in ComfyUI (Settings > User)");
  if (connection.takes_key && !connection.ready && connection.key === "none") return text("no_key", "no key yet");
  if (!connection.ready) return connection.reason;
  if (connection.key === "environment") return text("environment", "key from an environment variable");
  return connection.key === "stored" ? text("stored", "key stored") : text("no_key_needed", "no key needed");
}

const BUTTON = {
  padding: "4px 10px", borderRadius: "6px", cursor: "pointer", whiteSpace: "nowrap",
  border: "1px solid var(--border-color, #4e4e4e)", background: "var(--comfy-input-bg, #222)", color: "var(--input-text, #ddd)",
};

/** A field that only ever takes a key: what is stored is never read back. */
function keyForm(connection, done) {
  const form = element("form", { display: "flex", gap: "6px", marginTop: "6px" });
  const field = element("input", { ...BUTTON, flex: "1", minWidth: "0", cursor: "text" });
  Object.assign(field, { type: "password", autocomplete: "off", spellcheck: false, name: `oin-key-${connection.name}` });
  field.placeholder = text("placeholder", "Paste the key");
  field.setAttribute("aria-label", `${connection.name}: ${field.placeholder}`);
  const save = element("button", BUTTON, text("save", "Save"));
  form.append(field, save);
  const send = async (key) => {
    save.disabled = true;
    try {
      await json(`${ROUTES}/key`, { name: connection.name, key });
      done(key === null ? text("forgotten", "Removed.") : text("saved", "Saved. The key is never shown again."));
    } catch (error) {
      done(`${text("failed", "Not saved")}: ${error.message}`);
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = field.value;
    field.value = "";
    if (key.trim()) send(key);
  });
  if (connection.key === "stored") {
    const forget = Object.assign(element("button", BUTTON, text("forget", "Remove")), { type: "button" });
    forget.addEventListener("click", () => send(null));
    form.append(forget);
  }
  return form;
}

function row(connection, note, show) {
  const box = element("div", { padding: "8px 0", borderBottom: "1px solid var(--border-color, #4e4e4e)" });
  const head = element("div", { display: "flex", gap: "8px", alignItems: "baseline" });
  const name = element("strong", {}, connection.name);
  const [mark, colour] = connection.ready
    ? [`\u2713 ${text("ready", "ready")}`, "var(--p-green-500, #3aa675)"]
    : [`\u2013 ${text("not_ready", "not ready")}`, "var(--p-orange-400, #d98032)"];
  head.append(name);
  if (connection.ready || connection.name !== "comfy.org") head.append(element("span", { color: colour, whiteSpace: "nowrap" }, mark));
  box.append(head, element("div", { fontSize: "0.875rem", overflowWrap: "anywhere" }, stateLine(connection)));
  if (connection.takes_key) box.append(keyForm(connection, (said) => show({ [connection.name]: said })));
  if (note) box.append(Object.assign(element("div", { fontSize: "0.875rem", marginTop: "4px" }, note), { role: "status" }));
  return box;
}

/** Return the panel; the connections appear in it as soon as the server has told them. */
function panel() {
  const box = element("div", { width: "min(27rem, 50vw)", textAlign: "left" });
  box.className = "oin-connections";
  // all of them anew after each change: some share a key
  const show = (notes = {}) =>
    json(`${ROUTES}/connections`).then(
      ({ connections }) => box.replaceChildren(...connections.map((one) => row(one, notes[one.name], show))),
      (error) => (box.textContent = `${text("unreachable", "The connections could not be read from the server")}: ${error.message}`)
    );
  show();
  return box;
}

// A seed that changes by itself buys a new picture at every Run. A loaded workflow keeps what it says.
function keepSeed(node) {
  const control = node.widgets?.find((widget) => widget.name === "control_after_generate");
  if (control) control.value = "fixed";
}

// ---- what ComfyUI calls

async function learn() {
  const setting = app.extensionManager?.setting ?? app.ui?.settings;
  const language = setting?.get?.("Comfy.Locale") ?? app.ui?.settings?.getSettingValue?.("Comfy.Locale") ?? "en";
  const [facts, all] = await Promise.all([json(`${ROUTES}/models`), json("/i18n")]);
  models = facts.models;
  translations = all?.[language]?.openaiImageNodes ?? {};
}

const { learn: learnReplacements, nodeCreated: followReplacement, ...replacements } = replacing({ app, attempt, text, json });
const batchPanel = batches({ app, api, attempt, text, json, usd });

attempt(() =>
  app.registerExtension({
    name: "OpenAIImageNodes",
    ...replacements,
    commands: [...replacements.commands, ...batchPanel.commands],
    menuCommands: [...replacements.menuCommands, ...batchPanel.menuCommands],
    settings: [
      {
        id: "OpenAIImageNodes.Connections",
        category: ["OpenAI Image Nodes", "Accounts", "Connections"],
        name: "Connections and keys",
        type: () => attempt(panel) ?? document.createElement("div"),
        defaultValue: null,
      },
    ],
    init: () => Promise.all([attempt(learn), attempt(learnReplacements)]),
    setup: batchPanel.setup,
    nodeCreated: (node) => {
      attempt(() => followReplacement(node));
      const kind = node.comfyClass ?? node.type;
      if ([...PRICED, LISTER].includes(kind)) attempt(() => keepSeed(node));
      if (PRICED.includes(kind)) attempt(() => watch(node));
    },
  })
);
