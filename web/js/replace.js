// Swaps ComfyUI's own OpenAI image nodes for ours in the open graph. Which becomes what is told by the server. This
// file does nothing by itself: openai_image_nodes.js calls it.

import { built, carriedBy, incoming, outgoing, same } from "./replace_graph.js";

const COMMAND = "OpenAIImageNodes.ReplaceBuiltIn";
const LABEL = "Replace built-in OpenAI image nodes";
const CONTROL = "control_after_generate";
const OWN_WIDGET = "connection"; // no built-in node has it
const SETTLE_MS = 120; // until our own widgets have been hidden and sized
const COMMON_TITLE = /^OpenAI GPT Image [\d.]+( GIF| SVG)?$/;

/** Return what the extension registers, given its helpers. */
export function replacing({ app, attempt, text, json }) {
  let facts = { nodes: {}, models: {} };
  let remembered = new Map();
  let joined = false;

  const ownType = (node) => node.type || node.comfyClass || node.constructor?.comfyClass; // no type yet while created
  const typeOf = (node) => node.last_serialization?.type ?? ownType(node);
  const isTheirs = (node) => typeOf(node) in facts.nodes;
  const widgetNamed = (node, name) => node.widgets?.find((widget) => widget.name === name);

  function graphs() {
    const root = app.rootGraph ?? app.graph;
    return [root, ...(root.subgraphs?.values?.() ?? [])];
  }

  /** Return how the node is read: by its description, or as one of ours that only has the old name. */
  function readingOf(node) {
    const told = facts.nodes[typeOf(node)];
    if (!widgetNamed(node, OWN_WIDGET)) return told;
    const names = [...(node.inputs ?? []), ...node.widgets].map(({ name }) => name);
    const outputs = Object.fromEntries((node.outputs ?? []).map((_, slot) => [slot, slot]));
    return { ...told, inputs: Object.fromEntries(names.map((name) => [name, name])), outputs, fixed: {}, pictures: null };
  }

  /** Return saved values by name, or null where their number is that of no known version. */
  function namedValues(saved, reading) {
    if (!Array.isArray(saved)) return saved ?? {};
    const layout = reading.layouts.find((names) => names.length === saved.length);
    return layout ? Object.fromEntries(layout.map((name, place) => [name, saved[place]])) : saved.length ? null : {};
  }

  /** Return a node's values by name; an older node lacks widgets for some of what the file holds. */
  function valuesOf(node, reading) {
    const saved = namedValues(node.last_serialization?.widgets_values ?? node.widgets_values, reading);
    const named = (node.widgets ?? []).filter(({ name }) => name in reading.inputs || name === CONTROL);
    if (node.last_serialization || !named.length) return saved;
    return { ...saved, ...Object.fromEntries(named.map(({ name, value }) => [name, value])) };
  }

  /** Return everything of a built-in node that ours takes over. */
  function snapshot(graph, node) {
    const reading = readingOf(node);
    const { id, pos, size, mode, flags, color, bgcolor, title } = node;
    const inputs = incoming(graph, node).map((end) => ({ ...end, ours: reading.inputs[end.name] }));
    const values = valuesOf(node, reading);
    const outputs = outgoing(graph, node).map((end) => ({ ...end, ours: reading.outputs[end.slot] }));
    const looks = { pos: [...pos], size: [...size], mode, flags, color, bgcolor, title };
    return { graph, node, reading, id, ...looks, inputs, outputs, values };
  }

  /** Return the value as the widget takes it, or undefined. */
  function fitting(widget, value) {
    const choices = widget.options?.values;
    if (Array.isArray(choices)) return choices.includes(value) ? value : undefined;
    if (typeof value !== typeof widget.value) return undefined;
    if (typeof value !== "number") return value;
    const { min = value, max = value } = widget.options ?? {};
    return Math.min(Math.max(value, min), max);
  }

  function put(node, name, value) {
    const widget = widgetNamed(node, name);
    const fits = widget && fitting(widget, value);
    if (fits === undefined) return undefined;
    widget.value = fits;
    attempt(() => widget.callback?.(fits, undefined, node));
    return fits;
  }

  /** Set our widgets to their values; return what was changed or left out, in words. */
  function fill(node, { reading, values }) {
    const told = [];
    const unknown = "its settings are saved in a way that is not known, they are at their defaults";
    if (!values) told.push(text("unknown_layout", unknown));
    Object.entries(reading.fixed).forEach(([name, value]) => put(node, name, value));
    for (const [theirs, value] of Object.entries(values ?? {})) {
      const name = theirs === CONTROL ? theirs : reading.inputs[theirs];
      const wanted = name === "model" ? facts.models[value] ?? value : reading.values[name]?.[value] ?? value;
      if (name && !widgetNamed(node, name)) continue; // a socket of both
      const got = name && put(node, name, wanted);
      if (got === undefined) told.push(`${theirs} ${value}: ${text("left_out", "not carried over")}`);
      else if (got !== value && String(got) !== String(value).toLowerCase())
        told.push(`${theirs} ${value} \u2192 ${got}${name === "model" ? ` (${text("shut_down", "shut down")})` : ""}`);
    }
    if (values && "model" in reading.inputs && !("model" in values))
      told.push(`${text("no_model", "no model was saved")} \u2192 ${widgetNamed(node, "model")?.value}`);
    return told;
  }

  function looks(fresh, { title, mode, flags, color, bgcolor, size, node }) {
    const given = [typeOf(node), node.constructor?.title, node.type].includes(title) || COMMON_TITLE.test(title ?? "");
    if (title && !given) fresh.title = title;
    Object.assign(fresh, { mode });
    Object.assign(fresh.flags, flags);
    if (color && color !== facts.api_node_colour) Object.assign(fresh, { color, bgcolor });
    const least = fresh.computeSize();
    fresh.setSize([Math.max(size[0], least[0]), Math.max(size[1], least[1])]);
  }

  const titleOf = (fresh) => `${fresh.title} #${fresh.id}`;

  /** Swap these nodes; all are read before anything changes, so that links between them are kept. */
  function swap(found) {
    const pairs = found.map((old) => ({ old, fresh: built(old.graph, old.reading.new, old.pos) }));
    const replacedBy = (graph, id) => pairs.find(({ old }) => old.graph === graph && same(old.id, id));
    const named = (fresh, words) => words.map((word) => `${titleOf(fresh)}: ${word}`);
    const told = pairs.flatMap(({ old, fresh }) => {
      const words = fill(fresh, old);
      looks(fresh, old);
      return named(fresh, words);
    });
    pairs.forEach(({ old, fresh }) => told.push(...named(fresh, carriedBy(old, fresh, replacedBy, text))));
    pairs.forEach(({ old }) => old.graph.remove(old.node));
    return { count: pairs.length, told };
  }

  function toast(severity, summary, detail) {
    const add = app.extensionManager?.toast?.add;
    if (!add) return window.alert([summary, detail].filter(Boolean).join("\n"));
    add({ severity, summary, ...(detail ? { detail } : {}), ...(severity === "warn" ? {} : { life: 6000 }) });
  }

  function found() {
    return graphs().flatMap((graph) => [...graph._nodes].filter(isTheirs).map((node) => snapshot(graph, node)));
  }

  async function replaceAll() {
    if (!Object.keys(facts.nodes).length) await learn();
    const nodes = found();
    if (!nodes.length) return toast("info", text("nothing", "There is no built-in OpenAI image node in this workflow."));
    const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
    tracker?.beforeChange?.();
    let done;
    try {
      done = swap(nodes);
      app.canvas?.setDirty?.(true, true);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    } finally {
      tracker?.afterChange?.();
    }
    const summary = `${text("replaced", "Built-in nodes replaced")}: ${done.count}`;
    if (done.told.length) return toast("warn", summary, done.told.join("\n"));
    toast("success", summary, text("all_carried", "Everything was carried over."));
  }

  async function learn() {
    attempt(joinCanvasMenu);
    facts = await json("/openai_image_nodes/replacements");
  }

  const entries = () => (attempt(found)?.length ? [{ content: text("replace", LABEL), callback: replace }] : []);

  /** Older frontends ask no extension for the canvas's own menu. */
  function joinCanvasMenu() {
    const canvas = window.LGraphCanvas?.prototype;
    const own = canvas?.getCanvasMenuOptions;
    if (joined || app.collectCanvasMenuItems || !own) return;
    joined = true;
    canvas.getCanvasMenuOptions = function () {
      return [...own.apply(this, arguments), ...entries()];
    };
  }

  const keyOf = (graph, id) => `${graph.id ?? ""}/${id}`;

  /** Keep what ComfyUI's own "replace missing nodes" would lose. */
  function remember() {
    const missing = found().filter(({ node }) => node.last_serialization);
    remembered = new Map(missing.map((old) => [keyOf(old.graph, old.id), old]));
  }

  /** Complete a node that ComfyUI has put in the place of a missing one, under its id. */
  function complete(fresh) {
    const old = fresh.graph && remembered.get(keyOf(fresh.graph, fresh.id));
    if (!old || old.reading.new !== fresh.type) return;
    remembered.delete(keyOf(fresh.graph, fresh.id));
    attempt(() => fresh.onAdded?.(fresh.graph)); // frontend 1.58 does not say so, and shows no text box then
    const told = [...fill(fresh, old), ...carriedBy({ ...old, outputs: [] }, fresh, () => undefined, text)];
    if (told.length) toast("warn", titleOf(fresh), told.join("\n"));
  }

  /** One of ours under the old name may be given the values of the old node: from `connection` on they lie elsewhere. */
  function readOldValues(node) {
    const own = node.onConfigure;
    node.onConfigure = function (saved) {
      const result = own?.apply(this, arguments);
      attempt(() => {
        const reading = facts.nodes[typeOf(node)];
        const { model, ...values } = namedValues(saved?.widgets_values, reading) ?? {};
        if (!Object.keys(values).length) return;
        if (put(node, OWN_WIDGET, widgetNamed(node, OWN_WIDGET).value) === undefined) put(node, OWN_WIDGET, "auto");
        fill(node, { reading, values });
      });
      return result;
    };
  }

  const replace = () => attempt(replaceAll);
  return {
    learn,
    commands: [{ id: COMMAND, label: () => text("replace", LABEL), menubarLabel: LABEL, icon: "pi pi-sync", function: replace }],
    menuCommands: [{ path: ["Edit"], commands: [COMMAND] }],
    getCanvasMenuItems: entries,
    afterConfigureGraph: () => attempt(remember),
    nodeCreated: (node) => {
      if (isTheirs(node) && widgetNamed(node, OWN_WIDGET)) readOldValues(node);
      setTimeout(() => attempt(() => complete(node)));
    },
  };
}
