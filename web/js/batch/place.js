// Where the batch panel is shown: in ComfyUI's sidebar, or in a dialog where there is none.

import { made, pause } from "../dom.js";

/** @import { Host } from "../host.js" */
/** @import { BatchPanel } from "./panel.js" */

const TAB = "openai-image-nodes-batches";
const SETTLE_MS = 400;
export const ICON = "pi pi-inbox";

export class BatchPlace {
  /** @type {BatchPanel | undefined} */
  #panel;
  /** @type {HTMLElement | undefined} */
  #place;

  /**
   * @param {Host} host
   * @param {() => BatchPanel} build called when the panel is to be seen for the first time
   * @param {() => void} onShow
   */
  constructor(host, build, onShow) {
    this.host = host;
    this.build = build;
    this.onShow = onShow;
  }

  isShown = () => Boolean(this.#panel?.root.isConnected);

  isVisible = () => !document.hidden && this.isShown() && this.#panel?.root.getClientRects().length !== 0;

  /** Add the tab to the sidebar, where this frontend has one. */
  register() {
    const { app, text, attempt } = this.host;
    const title = text("openai_batches", "OpenAI batches");
    app.extensionManager?.registerSidebarTab?.({
      ...{ id: TAB, icon: ICON, title, label: text("batches", "Batches"), tooltip: title, type: "custom" },
      render: (element) => attempt(() => this.#render(element)),
      destroy: () => this.#panel?.root.parentElement === this.#place && this.#panel?.root.remove(),
    });
  }

  /** Show the panel, if it is not seen already. */
  async open() {
    if (this.isVisible()) return;
    const { app, attempt } = this.host;
    const manager = app.extensionManager;
    const tabs = manager?.sidebarTab;
    if (!tabs?.toggleSidebarTab) await attempt(() => manager?.command?.execute?.(`Workspace.ToggleSidebarTab.${TAB}`));
    else if (tabs.activeSidebarTabId !== TAB) tabs.toggleSidebarTab(TAB);
    await pause(SETTLE_MS);
    if (!this.isVisible()) this.#openDialog(); // no sidebar, or one that is not shown
  }

  #built() {
    return (this.#panel ??= this.build());
  }

  /** Put the panel into an element; called at each change around it.
   * @param {HTMLElement} element
   */
  #render(element) {
    const { root } = this.#built();
    if (root.parentElement === element) return;
    this.#place = element;
    element.replaceChildren(root);
    new MutationObserver((_changes, observer) => {
      if (root.parentElement === element && element.children.length === 1) return;
      observer.disconnect();
      if (root.parentElement === element) root.remove(); // another pack's tab was given the same place
    }).observe(element, { childList: true });
    this.host.attempt(this.onShow);
  }

  #openDialog() {
    const { head } = this.#built();
    const close = made("button", { type: "button", textContent: this.host.text("close", "Close") });
    const holder = made("div");
    const box = made("dialog", { className: "oin-batches-dialog" }, holder);
    close.addEventListener("click", () => box.close());
    box.addEventListener("keydown", (event) => {
      event.stopPropagation(); // no key is for the canvas; older frontends keep Escape from closing a dialog
      if (event.key === "Escape") box.close();
    });
    const before = this.#place;
    box.addEventListener("close", () => {
      close.remove();
      box.remove();
      if (this.#place?.isConnected && this.#place !== holder) this.#render(this.#place);
    });
    document.body.append(box);
    this.#render(holder);
    this.#place = before;
    head.append(close);
    box.showModal();
  }
}
