// The list of connections in ComfyUI's settings, where a key can be stored. A key that is stored is never read back.

import { made } from "./dom.js";
import { labelled } from "./format.js";

/** @import { Host } from "./host.js" */
/** @import { Connection, Text } from "./types" */
/** @import { Account } from "./price/account.js" */

/** @typedef {{ account: Pick<Account, "payer">, askAgain: () => unknown }} Prices */

const ROUTES = "/openai_image_nodes";
const SANDBOXES = ["sandbox", "sandbox batch"];
const LINE = "1px solid var(--border-color, #4e4e4e)";
const BUTTON = {
  padding: "4px 10px", borderRadius: "6px", cursor: "pointer", whiteSpace: "nowrap",
  border: LINE, background: "var(--comfy-input-bg, #222)", color: "var(--input-text, #ddd)",
};

const FIELD = { ...BUTTON, flex: "1", minWidth: "0", cursor: "text" };

/** Return what is said of a connection: what it uses, or what it lacks.
 * @param {Connection} connection
 * @param {Text} text
 * @param {Account["payer"]} [payer] who pays over comfy.org
 */
export function stateLine({ name, ready, key, reason, takes_key }, text, payer) {
  if (SANDBOXES.includes(name)) return text("sandbox", "free, offline");
  if (name === "openai batch" && (ready || key === "none")) return text("key_of_openai", "uses the key of openai");
  if (name === "comfy.org" && !ready) {
    if (payer === "signed in") return text("comfy_signed_in", "you are signed in to comfy.org (Settings > User)");
    if (payer === "key") return text("comfy_key", "uses the comfy.org key that this browser keeps (Settings > User)");
    if (payer === "nobody") return text("comfy_nobody", "nobody is signed in to comfy.org (Settings > User)");
    return text("comfy", "uses the account you are signed in with in ComfyUI (Settings > User)");
  }
  if (takes_key && !ready && key === "none") return text("no_key", "no key yet");
  if (!ready) return reason ?? "";
  if (key === "environment") return text("environment", "key from an environment variable");
  return key === "stored" ? text("stored", "key stored") : text("no_key_needed", "no key needed");
}

/** The panel: all connections, shown again after each change, as some share a key. */
class SettingsPanel {
  /**
   * @param {Host} host
   * @param {Prices} prices asked again when a key was stored or removed
   */
  constructor(host, prices) {
    this.host = host;
    this.prices = prices;
    this.box = made("div", { className: "oin-connections", style: { width: "min(27rem, 50vw)", textAlign: "left" } });
  }

  /** @param {Record<string, string>} [notes] what is said below a connection, by its name */
  async show(notes = {}) {
    try {
      const { connections } = await this.host.json(`${ROUTES}/connections`);
      this.box.replaceChildren(...connections.map((/** @type {Connection} */ one) => this.#row(one, notes[one.name])));
    } catch (error) {
      const failed = this.host.text("unreachable", "The connections could not be read from the server");
      this.box.textContent = labelled(this.host.text, failed, messageOf(error));
    }
  }

  /**
   * @param {Connection} connection
   * @param {string | undefined} note
   */
  #row(connection, note) {
    const { name, ready, takes_key } = connection;
    const { text } = this.host;
    const head = { display: "flex", gap: "8px", alignItems: "baseline" };
    const payer = this.prices.account.payer;
    const isReady = ready || (name === "comfy.org" && (payer === "signed in" || payer === "key"));
    const isMarked = ready || name !== "comfy.org" || payer !== undefined;
    const small = { fontSize: "0.875rem", overflowWrap: "anywhere" };
    return made("div", { style: { padding: "8px 0", borderBottom: LINE } },
      made("div", { style: head }, made("strong", { textContent: name }), isMarked && readyMark(isReady, text)),
      made("div", { style: small, textContent: stateLine(connection, text, payer) }),
      takes_key && (name === "azure" ? this.#azureForm(connection) : this.#keyForm(connection)),
      takes_key && name !== "azure" && connection.edits && this.#wireForm(connection),
      note && made("div", { role: "status", style: { ...small, marginTop: "4px" }, textContent: note }));
  }

  /** @param {Connection} connection */
  #keyForm({ name, key }) {
    const { text } = this.host;
    const placeholder = text("placeholder", "Paste the key");
    const field = made("input", {
      ...{ type: "password", autocomplete: "off", spellcheck: false, name: `oin-key-${name}`, placeholder },
      ...{ "aria-label": `${name}: ${placeholder}`, style: FIELD },
    });
    const save = made("button", { style: BUTTON, textContent: text("save", "Save") });
    const remove = { type: "button", style: BUTTON, textContent: text("forget", "Remove") };
    const forget = key === "stored" && made("button", remove);
    const form = made("form", { style: { display: "flex", gap: "6px", marginTop: "6px" } }, field, save, forget);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = field.value;
      field.value = "";
      if (typed.trim()) this.#send(name, typed, save);
    });
    if (forget) forget.addEventListener("click", () => this.#send(name, null, save));
    return form;
  }

  /** Where the resource is, which version of the API it is asked in, and its key; an empty key keeps the stored one.
   * @param {Connection} connection
   */
  #azureForm({ name, key, endpoint = "", api_version = "" }) {
    const { text } = this.host;
    const field = (/** @type {string} */ label, /** @type {Record<string, string>} */ rest) =>
      made("input", { spellcheck: false, placeholder: label, "aria-label": `${name}: ${label}`, style: FIELD, ...rest });
    const place = field(text("endpoint", "Endpoint, https://NAME.openai.azure.com"), { type: "text", value: endpoint });
    const version = field(text("api_version", "API version, or empty"), { type: "text", value: api_version });
    const secret = field(text("placeholder", "Paste the key"), { type: "password", autocomplete: "off", name: "oin-key-azure" });
    const save = made("button", { style: BUTTON, textContent: text("save", "Save") });
    const forget = key === "stored" && made("button", { type: "button", style: BUTTON, textContent: text("forget", "Remove") });
    const line = { display: "flex", gap: "6px", marginTop: "6px" };
    const form = made("form", {}, ...[[place], [version], [secret, save, forget]].map((row) => made("div", { style: line }, ...row)));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = secret.value;
      secret.value = "";
      const body = { name, endpoint: place.value.trim(), api_version: version.value.trim(), key: typed };
      this.#post("azure", body, save, typed.trim() ? text("saved", "Saved. The key is never shown again.") : text("form_saved", "Saved."));
    });
    if (forget) forget.addEventListener("click", () => this.#send(name, null, save));
    return form;
  }

  /** What a server that knows less than OpenAI gets: fields that are never sent, and the form of edits.
   * @param {Connection} connection
   */
  #wireForm({ name, omit, edits }) {
    const { text } = this.host;
    const label = text("omit", "Fields never sent, such as moderation");
    const field = made("input", {
      ...{ type: "text", spellcheck: false, value: omit.join(", "), placeholder: label, "aria-label": `${name}: ${label}` },
      style: { ...FIELD, flexBasis: "100%" },
    });
    const options = ["multipart", "json"].map((one) =>
      made("option", { value: one, textContent: `${text("edits_as", "edits as")} ${one}`, selected: one === edits }));
    const choice = made("select", { style: BUTTON, "aria-label": `${name}: ${text("edits_as", "edits as")}` }, ...options);
    const save = made("button", { style: BUTTON, textContent: text("save", "Save") });
    const form = made("form", { style: { display: "none", flexWrap: "wrap", gap: "6px" } }, field, choice, save);
    const title = made("summary", { style: { cursor: "pointer" }, textContent: text("other_server", "Another server") });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const fields = field.value.split(",").map((one) => one.trim()).filter(Boolean);
      this.#post("form", { name, omit: fields, edits: choice.value }, save, text("form_saved", "Saved."));
    });
    const part = made("details", { style: { marginTop: "6px", fontSize: "0.875rem" } }, title, form);
    // What is closed and only not painted is the last stop of Tab to the dialog around, which lets nobody past it.
    part.addEventListener("toggle", () => (form.style.display = part.open ? "flex" : "none"));
    return part;
  }

  /**
   * @param {string} name
   * @param {string | null} key null forgets the one that is stored
   * @param {HTMLButtonElement} save
   */
  async #send(name, key, save) {
    const { text } = this.host;
    const said = key === null ? text("forgotten", "Removed.") : text("saved", "Saved. The key is never shown again.");
    await this.#post("key", { name, key }, save, said);
  }

  /**
   * @param {string} route
   * @param {{ name: string, [field: string]: unknown }} body
   * @param {HTMLButtonElement} save
   * @param {string} done what is said when it was stored
   */
  async #post(route, body, save, done) {
    save.disabled = true;
    let said = done;
    try {
      await this.host.json(`${ROUTES}/${route}`, body);
      this.host.attempt(this.prices.askAgain);
    } catch (error) {
      said = labelled(this.host.text, this.host.text("failed", "Not saved"), messageOf(error));
    }
    await this.show({ [body.name]: said });
  }
}

/**
 * @param {boolean} ready
 * @param {Text} text
 */
function readyMark(ready, text) {
  const [mark, color] = ready
    ? [`\u2713 ${text("ready", "ready")}`, "var(--p-green-500, #3aa675)"]
    : [`\u2013 ${text("not_ready", "not ready")}`, "var(--p-orange-400, #d98032)"];
  return made("span", { style: { color, whiteSpace: "nowrap" }, textContent: mark });
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** Return what ComfyUI's settings get.
 * @param {Host} host
 * @param {Prices} prices
 */
export function connectionSetting(host, prices) {
  const shown = () => {
    const panel = new SettingsPanel(host, prices);
    panel.show();
    return panel.box;
  };
  return {
    id: "OpenAIImageNodes.Connections",
    category: ["OpenAI Image Nodes", "Accounts", "Connections"],
    name: "Connections and keys",
    type: () => host.attempt(shown) ?? document.createElement("div"),
    defaultValue: null,
  };
}
