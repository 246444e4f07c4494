// Nodes and links of a graph, for replace.js: reading them, building ours, connecting them. It has no side effects.

const FROM_SUBGRAPH = "-10"; // ids of a subgraph's own ends
const TO_SUBGRAPH = "-20";
const COLLECTOR = "OIN_References";
const SOCKETS = 8;
const GAP = 70; // room for a badge, and for what newer frontends draw below a node
const WIDTH = 260; // its title in full
const TITLE_HEIGHT = 30;

export const same = (one, other) => String(one) === String(other);

const linksOf = (graph) => [...(graph.links?.values?.() ?? Object.values(graph.links ?? {}))].filter(Boolean);

/** Return what comes into a node, by the names of its inputs. */
export function incoming(graph, node) {
  const links = linksOf(graph).filter((link) => same(link.target_id, node.id));
  return links.map((link) => ({
    name: node.inputs?.[link.target_slot]?.name ?? "",
    from: link.origin_id,
    output: link.origin_slot,
    reroute: link.parentId,
  }));
}

/** Return where a node's outputs go. */
export function outgoing(graph, node) {
  const links = linksOf(graph).filter((link) => same(link.origin_id, node.id));
  return links.map((link) => ({
    slot: link.origin_slot,
    to: link.target_id,
    input: link.target_slot,
    reroute: link.parentId,
  }));
}

/** Return a new node of a type in the graph. */
export function built(graph, type, pos) {
  const node = window.LiteGraph.createNode(type);
  node.pos = [...pos];
  graph.add(node);
  return node;
}

function connect(graph, { from, output, reroute }, node, name) {
  const slot = node.inputs.findIndex((input) => input.name === name);
  if (slot < 0) return false;
  const outside = same(from, FROM_SUBGRAPH) && graph.inputNode?.slots?.[output];
  if (outside) return Boolean(outside.connect(node.inputs[slot], node, reroute));
  return Boolean(graph.getNodeById(from)?.connect(output, node, slot, reroute));
}

function connectOut(graph, node, slot, { to, input, reroute }) {
  const outside = same(to, TO_SUBGRAPH) && graph.outputNode?.slots?.[input];
  if (outside) return Boolean(outside.connect(node.outputs[slot], node, reroute));
  const target = graph.getNodeById(to);
  return Boolean(target && node.connect(slot, target, input, reroute));
}

const boxOf = ({ pos, size }) => [pos[0], pos[1] - TITLE_HEIGHT, pos[0] + size[0], pos[1] + size[1]];

function overlaps(one, other) {
  const [left, top, right, bottom] = boxOf(one);
  const [x, y, x2, y2] = boxOf(other);
  return left < x2 && x < right && top < y2 && y < bottom;
}

/** Move a node up from where it is until it covers no other. */
function moveFree(graph, node) {
  const others = graph._nodes.filter((other) => other !== node);
  for (let tries = 0; tries < 200 && others.some((other) => overlaps(node, other)); tries++)
    node.pos = [node.pos[0], node.pos[1] - 20];
}

function beside(graph, type, fresh) {
  const node = built(graph, type, fresh.pos);
  const size = [Math.max(node.computeSize()[0], WIDTH), node.computeSize()[1]];
  node.setSize(size);
  node.pos = [fresh.pos[0], fresh.pos[1] - TITLE_HEIGHT - GAP - size[1]];
  moveFree(graph, node);
  return node;
}

const numberOf = ({ name }) => Number(/(\d+)$/.exec(name)?.[1] ?? 0);

/** Connect several pictures: the first to `image`, the others, each in its size, through collecting nodes. */
function connectPictures(graph, [first, ...others], fresh) {
  const done = first ? [connect(graph, first, fresh, "image")] : [];
  let before;
  for (let start = 0; start < others.length; start += SOCKETS) {
    const collector = beside(graph, COLLECTOR, fresh);
    const some = others.slice(start, start + SOCKETS);
    some.forEach((end, place) => done.push(connect(graph, end, collector, `image_${place + 1}`)));
    if (before) connect(graph, before, collector, "references");
    before = { from: collector.id, output: 0 };
  }
  if (before) done.push(connect(graph, before, fresh, "references"));
  return done.every(Boolean);
}

/** Connect two sockets that ours has as one, through the node that joins them. */
function connectJoined(graph, join, ends, fresh) {
  const node = beside(graph, join.node, fresh);
  const pairs = Object.entries(join.inputs).map(([ours, theirs]) => [ours, ends.find(({ name }) => name === theirs)]);
  const done = pairs.map(([ours, end]) => connect(graph, end, node, ours));
  return [...done, connect(graph, { from: node.id, output: 0 }, fresh, join.target)].every(Boolean);
}

/** Connect our node as theirs was; return what could not be, in words. */
export function carriedBy(old, fresh, replacedBy, text) {
  const { graph, reading } = old;
  const lost = [];
  const note = (done, name) => done || lost.push(`${name}: ${text("link_lost", "its link is not carried over")}`);
  const ends = old.inputs.map((end) => {
    const other = replacedBy(graph, end.from);
    return other ? { ...end, from: other.fresh.id, output: other.old.reading.outputs[end.output] } : end;
  });
  const isPicture = ({ name }) => reading.pictures && name.startsWith(reading.pictures);
  const pictures = ends.filter(isPicture).sort((one, other) => numberOf(one) - numberOf(other));
  const joined = Object.values(reading.join?.inputs ?? {});
  const whole = joined.length && joined.every((name) => ends.some((end) => end.name === name));
  note(connectPictures(graph, pictures, fresh), "images");
  if (whole) note(connectJoined(graph, reading.join, ends, fresh), reading.join.target);
  const rest = ends.filter((end) => !isPicture(end) && !(whole && joined.includes(end.name)));
  rest.forEach((end) => note(end.ours && connect(graph, end, fresh, end.ours), end.name));
  old.outputs.forEach((end) => {
    if (replacedBy(graph, end.to)) return;
    note(end.ours !== undefined && connectOut(graph, fresh, end.ours, end), `output ${end.slot}`);
  });
  return lost;
}
