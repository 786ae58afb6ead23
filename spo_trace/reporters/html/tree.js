// The tree of a flame graph, from rows of stacks.
const FIRST_LEVEL = {
  category: (row) => DATA.stacks.category[row[0]],
  comm: (row) => nameOf(DATA.comms[row[1]], "comm"),
  module: (row) => DATA.stacks.module[row[0]],
};

// `own` is what ends in a node, `sums` what ends there or below.
const newNode = (name) => ({ name, own: noSums(), sums: noSums(), hit: false, categories: new Map(), below: new Map() });

// `measure` of `own`, in bytes, gives a node its width.
function buildTree(rows, level, measure) {
  const root = newNode("all");
  for (const row of rows) addRow(level ? child(root, FIRST_LEVEL[level](row)) : root, row);
  finish(root, measure);
  return root;
}

function child(node, name) {
  let found = node.below.get(name);
  if (!found) node.below.set(name, (found = newNode(name)));
  return found;
}

function addRow(node, row) {
  const frames = DATA.stacks.frames[row[0]];
  for (let i = frames.length - 1; i >= 0; i -= 1) node = child(node, DATA.functions[frames[i]]);
  addTo(node.own, row, 2);
  node.hit ||= matches(row);
  addSize(node.categories, DATA.stacks.category[row[0]], sizeOf(row));
}

const addSize = (sizes, name, size) => sizes.set(name, (sizes.get(name) ?? 0) + size);

function finish(node, measure) {
  node.value = measure(node.own);
  addTo(node.sums, node.own);
  node.children = [];
  for (const below of node.below.values()) {
    finish(below, measure);
    node.value += below.value;
    addTo(node.sums, below.sums);
    node.hit ||= below.hit;
    for (const [name, size] of below.categories) addSize(node.categories, name, size);
    if (below.value) node.children.push(below);
  }
  node.children.sort((a, b) => b.value - a.value);
  node.category = [...node.categories].reduce((most, one) => (one[1] > most[1] ? one : most), ["other", -1])[0];
}
