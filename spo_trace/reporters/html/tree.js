// The tree of a flame graph, from rows of stacks.
const FIRST_LEVEL = {
  category: (row) => DATA.stacks.category[row[0]],
  comm: (row) => DATA.comms[row[1]],
  module: (row) => DATA.stacks.module[row[0]],
};

// `own`: the amounts of stacks that end in a node; `sums`: of those that end there or below.
// A tree may have 100,000 nodes: fields that most nodes lack are created on demand.
const newNode = (name) => ({ name, own: null, sums: null, hit: false, categories: null, below: null, children: [] });

// The width of a node is the sum of `measure(own)` of the node itself and all nodes below it, in bytes.
function buildTree(rows, level, measure) {
  const root = newNode("all");
  for (const row of rows) addRow(level ? child(root, FIRST_LEVEL[level](row)) : root, row);
  finish(root, measure);
  return root;
}

function child(node, name) {
  node.below ??= new Map();
  let found = node.below.get(name);
  if (!found) node.below.set(name, (found = newNode(name)));
  return found;
}

function addRow(node, row) {
  const frames = DATA.stacks.frames[row[0]];
  for (let i = frames.length - 1; i >= 0; i -= 1) node = child(node, DATA.functions[frames[i]]);
  node.own ??= noSums();
  node.categories ??= new Map();
  addTo(node.own, row, 2);
  node.hit ||= matches(row);
  addSize(node.categories, DATA.stacks.category[row[0]], sizeOf(row));
}

const addSize = (sizes, name, size) => sizes.set(name, (sizes.get(name) ?? 0) + size);

function finish(node, measure) {
  node.sums = noSums();
  node.value = 0;
  if (node.own) {
    addTo(node.sums, node.own);
    node.value = measure(node.own);
  }
  for (const below of node.below?.values() ?? []) addBelow(node, below, measure);
  node.children.sort((a, b) => b.value - a.value);
  node.category = largest(node.categories);
}

function addBelow(node, below, measure) {
  finish(below, measure);
  node.value += below.value;
  addTo(node.sums, below.sums);
  node.hit ||= below.hit;
  if (below.value) node.children.push(below);
  if (!node.own && node.below.size === 1) {
    node.categories = below.categories;
    return;
  }
  node.categories ??= new Map();
  for (const [name, size] of below.categories) addSize(node.categories, name, size);
}

function largest(sizes) {
  let [most, name] = [-1, "other"];
  for (const [one, size] of sizes ?? []) if (size > most) [most, name] = [size, one];
  return name;
}
