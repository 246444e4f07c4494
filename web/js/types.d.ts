// Types alone, for the checker: what of ComfyUI's page the extension touches, and what our routes answer.

/** Return a text in the language of the interface, or else in English. */
export type Text = (name: string, english: string) => string;

// ---- ComfyUI's page; what not every frontend has is optional

export interface Widget {
  name: string;
  value: any;
  hidden?: boolean;
  advanced?: boolean;
  disabled?: boolean;
  serialize?: boolean;
  options?: { values?: unknown; min?: number; max?: number; hidden?: boolean; advanced?: boolean; getMinHeight?: () => number };
  callback?: (value: unknown, canvas?: unknown, node?: GraphNode) => unknown;
  computeSize?: (width?: number) => number[];
  computeLayoutSize?: unknown;
  serializeValue?: () => unknown;
  onRemove?: () => unknown;
}

export interface Slot {
  name: string;
  type?: string;
  link?: number | null;
}

export type Id = number | string;

export interface GraphNode {
  id: Id;
  type: string;
  comfyClass?: string;
  subgraph?: Graph; // of a node that stands for one
  title: string;
  pos: number[];
  size: number[];
  mode?: number;
  flags: object;
  color?: string;
  bgcolor?: string;
  graph?: Graph | null;
  inputs: Slot[];
  outputs: Slot[];
  widgets?: Widget[];
  widgets_values?: SavedValues;
  badges?: unknown[];
  last_serialization?: { type?: string; widgets_values?: SavedValues };
  serialize: () => SavedNode;
  computeSize: () => number[];
  setSize: (size: number[]) => void;
  connect: (slot: number, target: GraphNode, input: number, reroute?: Id) => unknown;
  addCustomWidget: (widget: Widget) => unknown;
  onSerialize?: (saved: { size: number[] }) => unknown;
  addDOMWidget?: (name: string, type: string, element: HTMLElement, options: object) => Widget;
  isInputConnected?: (slot: number) => boolean;
  getInputNode?: (slot: number) => GraphNode | null | undefined;
  setDirtyCanvas?: (front: boolean, back: boolean) => void;
  onConfigure?: (saved: { widgets_values?: SavedValues; size?: ArrayLike<number> }) => unknown;
  onConnectionsChange?: (...change: any[]) => unknown;
  onAdded?: (graph: Graph) => unknown;
  getExtraMenuOptions?: (canvas: unknown, options: MenuEntry[]) => unknown;
}

export type SavedValues = unknown[] | Record<string, unknown>;

/** A node as a file has it. */
export interface SavedNode {
  id?: Id;
  type?: string;
  inputs?: Slot[];
  widgets_values?: SavedValues;
  properties?: Record<string, unknown>;
}

/** A workflow as a file has it, or a subgraph in it. */
export interface SavedWorkflow {
  id?: string;
  nodes?: SavedNode[];
  groups?: { color?: string }[];
  links?: ([Id, Id, number, ...unknown[]] | { id: Id; origin_id: Id; origin_slot: number })[];
  definitions?: { subgraphs?: SavedWorkflow[] };
}

export interface Link {
  id: Id;
  origin_id: Id;
  origin_slot: number;
  target_id: Id;
  target_slot: number;
  type?: string;
  parentId?: Id;
}

interface SubgraphEnd {
  slots: { connect: (slot: Slot, node: GraphNode, reroute?: Id) => unknown }[];
}

export interface Graph {
  id?: string;
  _nodes: GraphNode[];
  _groups?: { color?: string }[];
  links?: Map<Id, Link> | Record<string, Link>;
  subgraphs?: Map<string, Graph>;
  inputNode?: SubgraphEnd;
  outputNode?: SubgraphEnd;
  add: (node: GraphNode) => unknown;
  remove: (node: GraphNode) => unknown;
  getNodeById: (id: Id) => GraphNode | null | undefined;
}

export interface Toast {
  severity: "success" | "info" | "warn" | "error";
  summary: string;
  detail?: string;
  life?: number;
  action?: { label: string; onClick: () => void };
}

/** The toasts of newer frontends, and those before. */
interface ToastManager {
  error?: (title: string, options: { description?: string; duration?: number; action?: Toast["action"] }) => string;
  dismiss?: (id: string) => unknown;
  add?: (toast: Toast) => void;
  remove?: (toast: Toast) => void;
}

export interface SidebarTab {
  id: string;
  icon: string;
  title: string;
  label: string;
  tooltip: string;
  type: "custom";
  render: (element: HTMLElement) => unknown;
  destroy: () => unknown;
}

export interface App {
  graph: Graph;
  rootGraph?: Graph;
  canvas?: { setDirty?: (front: boolean, back: boolean) => void; selectNode?: (node: GraphNode) => void };
  collectCanvasMenuItems?: unknown;
  collectNodeMenuItems?: unknown;
  handleFile?: (file: File, ...others: unknown[]) => unknown;
  registerExtension: (extension: object) => void;
  queuePrompt?: (number: number, batchCount?: number) => Promise<unknown>;
  ui?: { settings?: { getSettingValue?: (id: string) => unknown } & SettingStore };
  extensionManager?: {
    setting?: SettingStore;
    toast?: ToastManager;
    dialog?: { confirm?: (asked: { title: string; message: string; itemList: string[] }) => Promise<boolean | null> };
    command?: { execute?: (id: string) => unknown };
    sidebarTab?: { activeSidebarTabId?: string | null; toggleSidebarTab?: (id: string) => void };
    registerSidebarTab?: (tab: SidebarTab) => void;
    workflow?: { activeWorkflow?: OpenWorkflow | null };
  };
}

interface OpenWorkflow {
  changeTracker?: { beforeChange?: () => void; afterChange?: () => void };
  activeMode?: string | null;
  initialMode?: string | null;
}

interface SettingStore {
  get?: (id: string) => unknown;
}

export interface Api {
  fetchApi: (path: string, options?: RequestInit) => Promise<Response>;
  addEventListener: (name: string, listener: (event: CustomEvent) => void) => void;
  queuePrompt?: (number: number, prompt: QueuedPrompt, ...others: unknown[]) => Promise<QueueAnswer>;
}

/** How a prompt was taken: some of its nodes, or all, may be refused before the run. */
export interface QueueAnswer {
  prompt_id?: string;
  node_errors?: Record<ExecutionId, NodeErrors | undefined>;
}

export interface NodeErrors {
  errors?: {
    message?: string;
    details?: string;
    extra_info?: { exception_message?: string; exception_type?: string };
  }[];
}

/** The id of a node in a run: "5", or "3:5" for node 5 of the subgraph that node 3 stands for. */
export type ExecutionId = string;

/** What is sent to be run, and the workflow that it was made of. */
export interface QueuedPrompt {
  output: Record<ExecutionId, { class_type: string }>;
  workflow?: { id?: string };
}

export interface ProgressText {
  nodeId?: Id;
  text?: string;
}

export interface ExecutionError {
  prompt_id?: string;
  node_id?: Id;
  node_type?: string;
  exception_message?: string;
  exception_type?: string;
}

export interface MenuEntry {
  content: string;
  callback: () => unknown;
}

export interface Command {
  id: string;
  label: string | (() => string);
  menubarLabel: string;
  icon: string;
  function: () => unknown;
}

declare global {
  interface Window {
    __COMFYUI_FRONTEND_VERSION__?: string;
    comfyAPI?: { utils?: { applyTextReplacements?: (app: App, text: string) => string } };
    LGraphBadge?: new (options: { text: string }) => Badge;
    LGraphCanvas?: { prototype: { getCanvasMenuOptions?: (...asked: unknown[]) => unknown[] } };
    LiteGraph: {
      createNode: (type: string) => GraphNode;
      registered_node_types: Record<string, unknown>;
      vueNodesMode?: boolean;
    };
  }
}

export interface Badge {
  text: string;
  fgColor?: string;
  bgColor?: string;
}

// ---- what our routes answer

/** What a model takes, as far as widgets depend on it. */
export type ModelFacts = Record<string, any>;

/** How a node is set, as /estimate is asked for its price. */
export interface NodeState {
  node: string;
  values: Record<string, any>;
  connected: string[];
  image_count: number;
  files?: Record<string, string>; // in the Load Image nodes behind image and mask
  pinned?: string[]; // linked, and still what the widget says
}

export interface Estimate {
  state: "free" | "no_key" | "no_account" | "impossible" | "known" | "unknown";
  reason?: string;
  connection?: string;
  low_usd?: number;
  high_usd?: number;
  certainty?: "exact" | "about" | "at most" | "last time";
  is_partial?: boolean; // some of a sum is not known
  words?: string; // what is done in place of what was set
}

/** An estimate of so many runs, of one where that is not said. */
export type Counted = Estimate & { count?: number };

export interface Connection {
  name: string;
  ready: boolean;
  reason: string | null;
  key: "none" | "environment" | "stored" | "not needed" | string;
  takes_key: boolean;
  endpoint?: string; // of azure
  api_version?: string;
  omit: string[];
  edits: string;
}

export interface Price {
  low_usd: number | null;
  high_usd: number | null;
}

/** A count of jobs, their bytes and price. */
export interface Sums extends Price {
  count: number;
  bytes: number;
}

/** What has one connection, model and operation. */
export interface Kind {
  connection: string;
  model: string;
  operation: string;
}

export interface PlanPart extends Kind, Sums {
  sure: boolean;
}

export interface Batch extends Kind {
  id: string;
  batch_id: string | null;
  count: number;
  done: number;
  failed: number;
  unfinished: number;
  usd: number | null;
  state: string;
  status: string;
  fault: string;
  open: boolean;
  ready: boolean;
}

/** A picture that a node gets for nothing with its seed; `thumbnail` is a data address. */
export interface PaidPicture {
  seed: number;
  made_at: number | null;
  cost_usd: number | null;
  credits: number | null;
  count: number;
  thumbnail: string | null;
}

export interface FailedJob {
  prompt: string;
  model: string;
  seed: number;
  fault: string;
}

/** Plan, failed jobs, batches, and what is being done. */
export interface BatchView extends Sums {
  parts: PlanPart[];
  left: Sums;
  failed: FailedJob[];
  failed_count: number;
  batches: Batch[];
  busy: boolean;
  doing: string;
  words: string;
  fault: string;
}

/** How one of ComfyUI's own nodes becomes ours; nodes/replacements.py describes each field. */
export interface Replacement {
  old: string;
  new: string;
  inputs: Partial<Record<string, string>>;
  layouts: string[][];
  outputs: Partial<Record<string, number>>;
  fixed: Record<string, unknown>;
  pictures: string | null;
  join: { node: string; inputs: Record<string, string>; target: string } | null;
  values: Partial<Record<string, Partial<Record<string, string>>>>;
}

export interface Replacements {
  nodes: Record<string, Replacement>;
  models: Partial<Record<string, string>>; // live ones by those that are shut down
  api_node_colour?: string;
}
