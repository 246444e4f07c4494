// What the extension asks of ComfyUI's page and server. What a frontend does not have is done without.

import { unbroken } from "./format.js";
import { inOwnLanguage, labelsOf, translator } from "./messages.js";

/** @import { Api, App, Toast } from "./types" */

export class Host {
  /** @type {Record<string, string>} */
  #translations = {};
  /** Return a message of the server in the language of the interface, as far as it is known.
   * @type {(message: string) => string}
   */
  said = (message) => message;
  #hasWarned = false;

  /**
   * @param {App} app
   * @param {Api} api
   */
  constructor(app, api) {
    this.app = app;
    this.api = api;
  }

  /**
   * Run something that a frontend we do not know may not have; the first failure is logged, and none does harm.
   * @template T
   * @param {() => T} work
   * @returns {T | undefined}
   */
  attempt = (work) => {
    try {
      const result = work();
      return result instanceof Promise ? /** @type {T} */ (result.catch(this.#warn)) : result;
    } catch (error) {
      this.#warn(error);
      return undefined;
    }
  };

  /** Return a text in the language of the interface, or else in English.
   * @param {string} name
   * @param {string} english
   */
  text = (name, english) => this.#translations[name] ?? english;

  /** Return what the server answers to a GET, or to a POST of a body.
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  json = async (path, body) => {
    const sent = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await this.api.fetchApi(path, body === undefined ? {} : sent);
    const told = inOwnLanguage(await answer.json(), this.said);
    if (!answer.ok) throw new Error(told.error ?? answer.statusText);
    return told;
  };

  /** Learn the texts of the language that the interface is set to. */
  async learnLanguage() {
    const answer = await this.api.fetchApi("/i18n");
    const all = await answer.json();
    const own = all?.[String(this.setting("Comfy.Locale") ?? "en")] ?? {};
    this.#translations = own.openaiImageNodes ?? {};
    this.said = translator(own.openaiImageNodesMessages ?? {}, labelsOf(own.nodeDefs ?? {}));
  }

  /** @param {string} id */
  setting(id) {
    const { extensionManager, ui } = this.app;
    const store = extensionManager?.setting ?? ui?.settings;
    return store?.get?.(id) ?? ui?.settings?.getSettingValue?.(id);
  }

  /** Show a toast; return what takes it away before its time, or undefined where this frontend has no toasts.
   * @param {Toast} toast its action is offered only where the frontend's toasts can have one
   * @returns {(() => unknown) | undefined}
   */
  toast({ action, ...told }) {
    const toast = { ...told, detail: told.detail && unbroken(told.detail) };
    const manager = this.app.extensionManager?.toast;
    if (toast.severity === "error" && manager?.error && manager.dismiss) {
      const id = manager.error(toast.summary, { description: toast.detail, duration: toast.life, action });
      return () => manager.dismiss?.(id);
    }
    if (!manager?.add) return undefined;
    manager.add(toast);
    return () => manager.remove?.(toast);
  }

  /** Ask a person; `isCovered` says that something lies over ComfyUI's own dialogs.
   * @param {{ title: string, message: string, itemList?: string[] }} question
   * @param {boolean} [isCovered]
   */
  async isSure({ title, ...told }, isCovered = false) {
    const [message = "", ...itemList] = [told.message, ...(told.itemList ?? [])].map(unbroken);
    const dialog = isCovered ? undefined : this.app.extensionManager?.dialog;
    if (dialog?.confirm) return (await dialog.confirm({ title, message, itemList })) === true;
    return window.confirm([title, message, ...itemList].join("\n"));
  }

  #warn = (/** @type {unknown} */ error) => {
    if (!this.#hasWarned) console.warn("OpenAI Image Nodes: a part of the extension does not work here.", error);
    this.#hasWarned = true;
  };
}
