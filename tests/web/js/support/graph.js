// As much of LiteGraph as nodes and links need: nodes of known types, links by id, one link per input.

const TYPES = {
  OIN_GPTImage: {
    inputs: ["image", "references", "mask", "markup", "prompt"],
    outputs: ["image", "alpha", "report"],
    widgets: { prompt: "", connection: "auto", model: "gpt-image-2.6-flare", size: "auto", custom_width: 1024, seed: 0 },
  },
  OIN_References: {
    inputs: ["references", ...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => `image_${number}`)],
    outputs: ["references"],
    widgets: {},
  },
  JoinImageWithAlpha: { inputs: ["image", "alpha"], outputs: ["IMAGE"], widgets: {} },
};

class Node {
  constructor(type, { inputs = [], outputs = [], widgets = {} }) {
    Object.assign(this, { type, title: type, pos: [0, 0], size: [300, 200], mode: 0, flags: {} });
    this.inputs = inputs.map((name) => ({ name }));
    this.outputs = outputs.map((name) => ({ name }));
    this.widgets = Object.entries(widgets).map(([name, value]) => ({ name, value, options: {} }));
  }

  computeSize = () => [200, 150];

  setSize(size) {
    this.size = [...size];
  }

  connect(slot, target, input, reroute) {
    if (!Number.isInteger(slot) || !Number.isInteger(input)) throw new TypeError(`no slots: ${slot}, ${input}`);
    if (!this.outputs[slot] || !target.inputs[input]) return null;
    return this.graph.link(this.id, slot, target.id, input, reroute);
  }
}

export class Graph {
  id = "root";
  _nodes = [];
  links = new Map();

  add(node) {
    node.graph = this;
    node.id ??= Math.max(0, ...this._nodes.map(({ id }) => id)) + 1;
    this._nodes.push(node);
  }

  remove(node) {
    this._nodes = this._nodes.filter((other) => other !== node);
    for (const [id, link] of this.links)
      if ([link.origin_id, link.target_id].includes(node.id)) this.links.delete(id);
  }

  getNodeById(id) {
    return this._nodes.find((node) => String(node.id) === String(id));
  }

  link(origin_id, origin_slot, target_id, target_slot, parentId) {
    for (const [id, link] of this.links)
      if (link.target_id === target_id && link.target_slot === target_slot) this.links.delete(id);
    const link = { id: 1 + Math.max(0, ...this.links.keys()), origin_id, origin_slot, target_id, target_slot, parentId };
    this.links.set(link.id, link);
    return link;
  }

  /** Add a node of any type with these sockets; return it. */
  placed(type, sockets, look = {}) {
    const node = Object.assign(new Node(type, sockets), look);
    this.add(node);
    return node;
  }

  /** Return where an input's link comes from, as "type #id.slot", or undefined. */
  into(node, name) {
    const slot = node.inputs.findIndex((input) => input.name === name);
    const link = [...this.links.values()].find((one) => one.target_id === node.id && one.target_slot === slot);
    return link && `${this.getNodeById(link.origin_id).type} #${link.origin_id}.${link.origin_slot}`;
  }

  only(type) {
    const [node, ...others] = this._nodes.filter((one) => one.type === type);
    if (!node || others.length) throw new Error(`${others.length + Boolean(node)} nodes of type ${type}`);
    return node;
  }
}

export const createNode = (type) => new Node(type, TYPES[type]);
