// The panel for batches, in ComfyUI's sidebar or else in a dialog: what is planned, sent after a yes, how far it is, and
// collected. It sends nothing by itself. This file does nothing by itself: openai_image_nodes.js calls it.

const ROUTES = "/openai_image_nodes/batch";
const TAB = "openai-image-nodes-batches";
const COMMAND = "OpenAIImageNodes.Batches";
const LABEL = "OpenAI batches";
const ICON = "pi pi-inbox";
const RUNS = ["execution_success", "execution_error", "execution_interrupted"];
// what a node says that waits for a batch: of its one run, or of so many rows of a list
const DEFERRED = /(^|\d )(planned, |in a batch since |failed in the batch)/;
const TOAST_MS = 10_000;
const BUSY_MS = 1000;
const FIRST_LOOK_MS = 3000; // then more and more seldom
const LOOK_MS = 30_000;
const GROWTH = 1.5;
const SETTLE_MS = 400;
const SHARE = 5; // of the time, at most one part is spent on asking: a large plan takes the server a while to read

const STYLE = `
.oin-batches { box-sizing: border-box; padding: 12px; font-size: 14px; line-height: 1.4; text-align: left; min-width: 0; }
.oin-batches, .oin-batches-dialog { color: var(--fg-color, #ddd); }
.oin-batches * { box-sizing: border-box; overflow-wrap: anywhere; }
.oin-batches :is(h2, h3, p, ul) { margin: 0; padding: 0; color: inherit; list-style: none; }
.oin-batches h2 { font-size: 16px; font-weight: 700; outline: none; }
.oin-batches h3 { font-size: 14px; font-weight: 700; }
.oin-batches :is(.oin-head, .oin-buttons) { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.oin-batches .oin-head { justify-content: space-between; }
.oin-batches .oin-part { display: flex; flex-direction: column; gap: 8px; padding: 12px 0; }
.oin-batches .oin-part + .oin-part, .oin-batches .oin-item { border-top: 1px solid var(--border-color, #4e4e4e); }
.oin-batches ul { display: flex; flex-direction: column; gap: 8px; }
.oin-batches :is(.oin-part, .oin-said, .oin-buttons):empty { display: none; }
.oin-batches .oin-item { display: flex; flex-direction: column; gap: 4px; padding-top: 8px; }
.oin-batches .oin-sum { font-size: 18px; font-weight: 600; }
.oin-batches .oin-said { margin-top: 10px; padding: 8px 10px; border-left: 3px solid #3aa675; white-space: pre-wrap;
  background: var(--comfy-input-bg, #222); color: var(--input-text, #ddd); }
.oin-batches .oin-wrong { border-left-color: #e0483e; }
.oin-batches button { font: inherit; padding: 6px 12px; border-radius: 6px; cursor: pointer; max-width: 100%;
  white-space: normal; text-align: center; color: var(--input-text, #ddd); background: var(--comfy-input-bg, #222);
  border: 1px solid var(--border-color, #4e4e4e); }
.oin-batches button:hover:enabled { border-color: currentColor; }
.oin-batches button:focus-visible { outline: 2px solid #3aa675; outline-offset: 2px; }
.oin-batches button.oin-first { color: #eafff5; background: #1d5443; border-color: #3aa675; }
.oin-batches button:disabled { cursor: default; border-style: dashed; opacity: 0.65; }
.oin-batches progress { appearance: none; display: block; width: 100%; height: 8px; border: none; border-radius: 4px;
  overflow: hidden; background: var(--border-color, #4e4e4e); }
.oin-batches progress::-webkit-progress-bar { background: var(--border-color, #4e4e4e); }
.oin-batches progress::-webkit-progress-value { background: #3aa675; }
.oin-batches progress::-moz-progress-bar { background: #3aa675; }
.oin-batches-dialog { width: min(30rem, 92vw); max-height: 86vh; overflow: auto; padding: 0; border-radius: 8px;
  background: var(--comfy-menu-bg, #202020); border: 1px solid var(--border-color, #4e4e4e); }
`;

/** Return an element; what has a dash in its name, and `role`, is an attribute. */
function made(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter(Boolean));
  return element;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const filled = (words, values) => words.replace(/\[(\w+)\]/g, (whole, name) => values[name] ?? whole);
const sized = (bytes) => (bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** Return the words for what the server tells, in the language of the interface. */
function wording({ text, usd }) {
  const jobs = (count) => (count === 1 ? text("one_job", "1 job") : filled(text("jobs", "[count] jobs"), { count }));

  function price({ low_usd, high_usd }) {
    if (low_usd == null || high_usd == null) return text("no_price", "price not known");
    if (high_usd === 0) return text("free", "free");
    const [low, high] = [usd(low_usd), usd(high_usd)];
    return low === high ? `${high} USD` : filled(text("range", "[low] to [high] USD"), { low, high });
  }

  function submit(plan) {
    const values = { jobs: jobs(plan.count), price: price(plan) };
    if (!plan.high_usd) return filled(text("submit_plain", "Submit [jobs] ([price])"), values);
    return filled(text("submit", "Submit [jobs] for about [price]"), { ...values, price: `${usd(plan.high_usd)} USD` });
  }

  const operation = (name) =>
    ({ generations: text("generations", "new pictures"), edits: text("edits", "edits") })[name] ?? name;

  const kind = ({ connection, model, operation: name }) => [connection, model, operation(name)].join(", ");

  const status = (name) =>
    ({
      validating: text("validating", "being checked"),
      in_progress: text("in_progress", "under way"),
      finalizing: text("finalizing", "almost done"),
      completed: text("completed", "done, ready to be collected"),
      failed: text("refused", "refused"),
      expired: text("expired", "out of time; what was done can be collected"),
      cancelling: text("cancelling", "being cancelled"),
      cancelled: text("cancelled", "cancelled; what was done can be collected"),
    })[name] ?? name;

  function state(batch, doing) {
    if (batch.state === "refused") return text("not_begun", "not begun; its jobs are planned again");
    if (batch.state !== "submitted" && batch.state !== "collected")
      return doing === "submit" ? text("being_submitted", "being submitted") : text("half_way", "only partly submitted");
    const { done, count, failed, unfinished } = batch;
    const collected = batch.state === "collected";
    return [
      collected ? text("collected", "collected") : status(batch.status),
      filled(text("done_of", "[done] of [count]"), { done, count }),
      failed && filled(text("count_failed", "[count] failed"), { count: failed }),
      unfinished && filled(text("count_again", "[count] planned again"), { count: unfinished }),
      collected && batch.usd > 0 && `${usd(batch.usd)} USD`,
    ].filter(Boolean).join(", ");
  }

  const doing = (name) =>
    ({
      submit: text("doing_submit", "Submitting"),
      look: text("doing_look", "Checking the batches"),
      collect: text("doing_collect", "Collecting"),
      cancel: text("doing_cancel", "Cancelling"),
    })[name] ?? text("doing", "Working");

  return { jobs, price, submit, kind, state, doing };
}

/** Return what the extension registers, given its helpers. */
export function batches({ app, api, attempt, text, json, usd }) {
  const words = wording({ text, usd });
  let view, drawn, asked = 0, timer, lookPause = FIRST_LOOK_MS;
  let complaint = "", unreachable = "", hint = "", collecting = null, isDeferred = false, runTimer, toastEnds = 0;
  let root, title, refreshButton, wrong, said, parts, place;

  // ---- asking the server

  const isVisible = () => !document.hidden && root?.isConnected && root.getClientRects().length > 0;
  const collected = () => (view?.batches ?? []).filter((batch) => batch.state === "collected" && batch.done > 0).map(({ id }) => id);

  /** Ask for the view, or take the answer of an action; the newest question alone counts. */
  async function refresh(path, body) {
    const mine = ++asked;
    const began = performance.now();
    clearTimeout(timer);
    let error;
    const told = await json(path ?? ROUTES, body).catch((exc) => void (error = exc));
    if (mine !== asked) return error;
    if (told) view = told;
    if (!body) unreachable = error ? `${text("no_view", "The plan could not be read from the server")}: ${error.message}` : "";
    attempt(noteWhatEnded);
    attempt(draw);
    const share = SHARE * (performance.now() - began);
    timer = setTimeout(() => attempt(tick), Math.max(view?.busy ? BUSY_MS : lookPause, share));
    return error;
  }

  function noteWhatEnded() {
    if (!collecting || view.busy) return;
    if (collected().some((id) => !collecting.before.includes(id))) hint = text("run_again", "Run the workflow again: the pictures you paid for are read from your disk, at no cost.");
    collecting = null;
  }

  async function tick() {
    if (!root.isConnected) return;
    if (!isVisible()) return void (timer = setTimeout(() => attempt(tick), BUSY_MS));
    const isWaiting = view?.batches.some((batch) => batch.state === "submitted" && !batch.ready);
    if (!view?.busy) lookPause = Math.min(lookPause * GROWTH, LOOK_MS);
    if (isWaiting && !view.busy) await refresh(`${ROUTES}/look`, {});
    else await refresh();
  }

  /** Do what a person asked for; a look of the panel's own may have to end first. */
  async function act(name, body = {}) {
    [complaint, hint, lookPause] = ["", "", FIRST_LOOK_MS];
    draw();
    while (view?.doing === "look" && !unreachable) {
      await pause(SETTLE_MS);
      await refresh();
    }
    if (name === "collect") collecting = { before: collected() };
    const error = await refresh(`${ROUTES}/${name}`, body);
    if (!error) return;
    [complaint, collecting] = [error.message, null];
    await refresh();
  }

  async function isSure(heading, message, itemList = []) {
    const dialog = root.closest("dialog") ? null : app.extensionManager?.dialog; // it would open below ours
    if (dialog?.confirm) return (await dialog.confirm({ title: heading, message, itemList })) === true;
    return window.confirm([heading, message, ...itemList].join("\n"));
  }

  async function submit() {
    const { count, left } = view;
    const lines = view.parts.map((part) => `${words.kind(part)}: ${words.jobs(part.count)}, ${words.price(part)}`);
    if (left.count)
      lines.push(`${text("from_before", "only partly submitted before")}: ${words.jobs(left.count)}, ${words.price(left)}`);
    const paid = [view, left].some((one) => one.count && one.high_usd !== 0);
    const message = [
      count && [words.jobs(count), sized(view.bytes), words.price(view)].join(", "),
      paid && text("ask_submit_paid", "OpenAI charges for each picture that is made, collected or not. A batch may take 24 hours."),
    ].filter(Boolean).join("\n\n");
    if (await isSure(text("ask_submit", "Submit the plan?"), message, lines)) await act("submit", { count });
  }

  async function cancel(batch) {
    const message = `${words.kind(batch)}: ${words.jobs(batch.count)}. ${text("ask_cancel_note", "What is done by then is charged and can be collected.")}`;
    if (await isSure(text("ask_cancel", "Cancel this batch?"), message)) await act("cancel", { id: batch.id });
  }

  async function forget() {
    const message = `${words.jobs(view.count + view.failed_count)}. ${text("ask_forget_note", "Running the workflow plans them again.")}`;
    const heading = view.count ? text("ask_forget", "Discard the plan?") : text("ask_forget_failed", "Discard the failed jobs?");
    if (await isSure(heading, message)) await act("forget");
  }

  // ---- what is shown

  /** Return a button; `key` finds it again when what is around it is drawn afresh. */
  function button(key, label, work, { first = false, disabled = false } = {}) {
    const element = made("button", { type: "button", textContent: label, disabled, "data-key": key });
    if (first) element.className = "oin-first";
    element.addEventListener("click", () => attempt(work));
    return element;
  }

  const buttons = (...all) => made("div", { className: "oin-buttons" }, ...all);
  const isBusy = () => Boolean(view.busy && view.doing !== "look");

  function planPart() {
    const { count, left } = view;
    const disabled = isBusy();
    const lines = view.parts.map((part) => {
      const line = `${words.kind(part)}: ${words.jobs(part.count)}, ${sized(part.bytes)}, ${words.price(part)}`;
      const doubt = text("doubt", "no source says that batches take this model; if they do not, the batch is refused and costs nothing");
      return made("li", {}, part.sure ? line : `${line}; ${doubt}`);
    });
    const goOn = `${text("go_on", "Finish submitting")} (${words.jobs(left.count)})`;
    const nothing = text("nothing_planned", "Nothing is planned. Run a workflow with the connection openai batch, or with sandbox batch to try it for free.");
    return [
      made("h3", {}, text("plan", "Plan")),
      count ? made("p", { className: "oin-sum" }, `${words.jobs(count)}, ${words.price(view)}`) : made("p", {}, nothing),
      lines.length > 0 && made("ul", {}, ...lines),
      buttons(
        (count || left.count) && button("submit", count ? words.submit(view) : goOn, submit, { first: true, disabled }),
        count && button("forget", text("forget_plan", "Discard the plan"), forget, { disabled })
      ),
    ];
  }

  function failedPart() {
    const { failed, failed_count } = view;
    if (!failed_count) return [];
    const items = failed.map(({ prompt, model, seed, fault }) =>
      made("li", { className: "oin-item" }, made("strong", {}, prompt), made("span", {}, `${model}, seed ${seed}`), made("span", {}, fault))
    );
    const rest = failed_count - failed.length;
    return [
      made("h3", {}, `${text("failed_jobs", "Failed")}: ${words.jobs(failed_count)}`),
      made("ul", {}, ...items),
      rest > 0 && made("p", {}, filled(text("and_more", "and [count] more"), { count: rest })),
      buttons(
        button("retry", text("retry", "Plan failed ones again"), () => act("retry"), { disabled: isBusy() }),
        !view.count && button("forget", text("forget", "Remove"), forget, { disabled: isBusy() }) // else with the plan
      ),
    ];
  }

  function batchItem(batch) {
    const label = `${words.kind(batch)}: ${words.jobs(batch.count)}`;
    const stop = () => cancel(batch);
    return made(
      "li",
      { className: "oin-item", title: batch.batch_id ?? "" },
      made("strong", {}, label),
      made("progress", { max: batch.count || 1, value: batch.done + batch.failed, "aria-label": label }),
      made("span", {}, words.state(batch, view.doing)),
      batch.fault && made("p", { className: "oin-said oin-wrong" }, batch.fault),
      batch.open && !batch.ready && buttons(button(`cancel ${batch.id}`, text("cancel", "Cancel"), stop, { disabled: isBusy() }))
    );
  }

  function batchesPart() {
    if (!view.batches.length) return [];
    const disabled = isBusy() || !view.batches.some((batch) => batch.ready);
    const isOpen = view.batches.some((batch) => batch.open);
    return [
      made("h3", {}, text("batches", "Batches")),
      isOpen && buttons(button("collect", text("collect", "Collect"), () => act("collect"), { first: !disabled, disabled })),
      made("ul", {}, ...view.batches.map(batchItem)),
    ];
  }

  /** Draw a part afresh if what it shows has changed, and leave the keyboard where it was. */
  function put(part, shown, make) {
    const now = JSON.stringify(shown);
    if (drawn.get(part) === now) return;
    drawn.set(part, now);
    const active = document.activeElement;
    const key = part.contains(active) && active.dataset.key;
    part.replaceChildren(...make().filter(Boolean));
    if (!key) return;
    const again = [...part.querySelectorAll("button")].find((one) => one.dataset.key === key && !one.disabled);
    (again ?? title).focus({ preventScroll: true });
  }

  function say(element, told) {
    if (element.textContent !== told) element.textContent = told;
  }

  function draw() {
    say(wrong, [complaint, unreachable, view?.fault].filter(Boolean).join("\n"));
    if (!view) return;
    const { count, parts: planned, left, failed, failed_count, batches: all, doing } = view;
    const busy = isBusy();
    say(said, busy ? [words.doing(doing), view.words].filter(Boolean).join(": ") : hint);
    refreshButton.disabled = busy;
    put(parts[0], { count, planned, left, busy }, planPart);
    put(parts[1], { failed, failed_count, count, busy }, failedPart);
    put(parts[2], { all, busy }, batchesPart);
  }

  function build() {
    if (root) return;
    document.head.append(made("style", { textContent: STYLE }));
    title = made("h2", { tabIndex: -1, textContent: text("openai_batches", LABEL) });
    refreshButton = button("refresh", text("refresh", "Refresh"), () => act("look"));
    wrong = made("div", { className: "oin-said oin-wrong", role: "alert" });
    said = made("div", { className: "oin-said", role: "status", "aria-live": "polite" });
    parts = [0, 1, 2].map(() => made("div", { className: "oin-part" }));
    drawn = new Map();
    root = made("section", { className: "oin-batches", "aria-label": text("openai_batches", LABEL) });
    root.append(made("div", { className: "oin-head" }, title, refreshButton), wrong, said, ...parts);
    document.addEventListener("visibilitychange", () => isVisible() && attempt(() => refresh()));
  }

  // ---- after a run: what a node says of its job is wiped out by newer frontends when the run ends

  async function afterRun() {
    if (isVisible()) await refresh();
    else if (isDeferred) toast(await json(ROUTES));
    isDeferred = false;
  }

  function toast({ count, failed_count, batches: all, ...plan }) {
    const open = all.filter((batch) => batch.open).reduce((sum, batch) => sum + batch.count, 0);
    const told = [
      count && `${text("plan", "Plan")}: ${words.jobs(count)}, ${words.price(plan)}.`,
      open && `${text("batches", "Batches")}: ${words.jobs(open)}.`,
      failed_count && `${text("failed_jobs", "Failed")}: ${words.jobs(failed_count)}.`,
      text("see_panel", "Submit the plan and collect the pictures in the OpenAI batches panel (View menu)."),
    ];
    const summary = text("waits", "No picture yet: it waits for a batch.");
    const add = app.extensionManager?.toast?.add;
    add?.({ severity: "info", summary, detail: told.filter(Boolean).join(" "), life: TOAST_MS });
    toastEnds = Date.now() + TOAST_MS; // one at a time, however many runs end
  }

  function follow() {
    api.addEventListener("progress_text", ({ detail }) => (isDeferred ||= DEFERRED.test(detail?.text ?? "")));
    const soon = () => {
      clearTimeout(runTimer); // many may end one after the other
      const wait = isVisible() ? 0 : toastEnds - Date.now();
      runTimer = setTimeout(() => attempt(afterRun), Math.max(SETTLE_MS, wait));
    };
    RUNS.forEach((name) => api.addEventListener(name, soon));
  }

  // ---- where it is shown

  function render(element) {
    if (root?.parentElement === element) return; // called at each change around it
    build();
    place = element;
    element.replaceChildren(root);
    new MutationObserver((_changes, observer) => {
      if (root.parentElement === element && element.children.length === 1) return;
      observer.disconnect();
      if (root.parentElement === element) root.remove(); // another pack's tab was given the same place
    }).observe(element, { childList: true });
    lookPause = FIRST_LOOK_MS;
    attempt(() => refresh());
  }

  function openDialog() {
    build();
    const close = made("button", { type: "button", textContent: text("close", "Close") });
    const holder = made("div");
    const box = made("dialog", { className: "oin-batches-dialog" }, holder);
    close.addEventListener("click", () => box.close());
    box.addEventListener("keydown", (event) => {
      event.stopPropagation(); // no key is for the canvas; older frontends keep Escape from closing a dialog
      if (event.key === "Escape") box.close();
    });
    box.addEventListener("close", () => {
      close.remove();
      box.remove();
      if (place?.isConnected && place !== holder) render(place);
    });
    const before = place;
    document.body.append(box);
    render(holder);
    place = before;
    root.querySelector(".oin-head").append(close);
    box.showModal();
  }

  async function open() {
    if (isVisible()) return;
    const manager = app.extensionManager;
    const tabs = manager?.sidebarTab;
    if (tabs?.toggleSidebarTab) tabs.activeSidebarTabId !== TAB && tabs.toggleSidebarTab(TAB);
    else await attempt(() => manager?.command?.execute?.(`Workspace.ToggleSidebarTab.${TAB}`));
    await pause(SETTLE_MS);
    if (!isVisible()) openDialog(); // no sidebar, or one that is not shown
  }

  function setup() {
    const destroy = () => root?.parentElement === place && root.remove();
    const tab = { id: TAB, icon: ICON, title: text("openai_batches", LABEL), label: text("batches", "Batches"), tooltip: text("openai_batches", LABEL) };
    const register = app.extensionManager?.registerSidebarTab;
    register?.call(app.extensionManager, { ...tab, type: "custom", render: (element) => attempt(() => render(element)), destroy });
  }

  return {
    setup: () => [setup, follow].forEach(attempt),
    commands: [{ id: COMMAND, label: () => text("openai_batches", LABEL), menubarLabel: LABEL, icon: ICON, function: () => attempt(open) }],
    menuCommands: [{ path: ["View"], commands: [COMMAND] }],
  };
}
