// The tree of a flame graph, from rows of stacks.
const FIRST_LEVEL = {
  category: (row) => DATA.stacks.category[row[0]],
  comm: (row) => DATA.comms[row[1]],
  module: (row) => DATA.stacks.module[row[0]],
};

// `own`: the amounts of stacks that end in a node; `sums`: of those that end there or below.
// A tree may have 100,000 nodes: fields that most nodes lack are created on demand.
const newNode = (name) => ({ name, own: null, sums: null, hit: false, categories: null, below: null, children: [] });

// The functions of a stack in the order of the flame graph; null if the stack lacks the function in focus.
function pathOf(stack) {
  const frames = DATA.stacks.frames[stack];
  const [inner, outer] = state.plumbing ? [0, 0] : DATA.stacks.plumbing[stack];
  const names = frames.map((frame) => DATA.functions[frame]);
  const end = names.length - outer;
  if (!state.focus) return state.invert ? names.slice(inner, end) : names.slice(inner, end).reverse();
  const { way, name } = state.focus;
  // A recursive function has all its callers outside its innermost frame, and all its callees within its outermost one.
  const at = way === "callers" ? names.indexOf(name) : names.lastIndexOf(name);
  if (at < 0) return null;
  if (way === "callers") return [name, ...names.slice(Math.max(at + 1, inner), end)];
  return [name, ...names.slice(inner, Math.min(at, end)).reverse()];
}

// Whether callers are below the functions that they call.
const isInverted = () => (state.focus ? state.focus.way === "callers" : state.invert);

// The width of a node is the sum of `measure(own)` of the node itself and all nodes below it, in bytes.
function buildTree(rows, level, measure) {
  const root = newNode("all");
  for (const row of rows) {
    const path = pathOf(row[0]);
    if (path) addRow(level ? child(root, FIRST_LEVEL[level](row)) : root, path, row);
  }
  finish(root, measure);
  return root;
}

function child(node, name) {
  node.below ??= new Map();
  let found = node.below.get(name);
  if (!found) node.below.set(name, (found = newNode(name)));
  return found;
}

function addRow(node, path, row) {
  for (const name of path) node = child(node, name);
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
