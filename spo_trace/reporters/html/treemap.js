// A treemap: a box for each group, in it a cell for each of its processes or kinds of memory.
const SMALLEST = 4;

// `groups`: {name, cells}; a cell has `size`, its area. `element(cell, style, fits)` returns a cell's element; `fits`:
// the number of lines of text that fit into it.
function drawTreemap(place, groups, element) {
  const root = treemapLayout(groups, place.clientWidth, place.clientHeight);
  place.replaceChildren();
  for (const node of root.descendants().slice(1)) {
    if (!node.value || node.x1 - node.x0 < SMALLEST || node.y1 - node.y0 < SMALLEST) continue;
    place.append(node.children ? groupBox(node) : element(node.data, position(node), linesIn(node)));
  }
}

function treemapLayout(groups, width, height) {
  const root = d3.hierarchy({ cells: groups }, ({ cells }) => cells).sum(({ size }) => size ?? 0);
  root.sort((a, b) => b.value - a.value);
  return d3
    .treemap()
    .size([width, height])
    .paddingInner(2)
    .paddingOuter(2)
    .paddingTop((node) => (node.depth ? 18 : 2))
    .round(true)(root);
}

const position = (node) =>
  `left:${node.x0}px;top:${node.y0}px;width:${node.x1 - node.x0}px;height:${node.y1 - node.y0}px`;

function linesIn(node) {
  const [width, height] = [node.x1 - node.x0, node.y1 - node.y0];
  if (width <= 30 || height <= 16) return 0;
  return width > 64 && height > 34 ? 2 : 1;
}

function groupBox(node) {
  const text = `${node.data.name} ${node.data.text ?? formatSize(node.value)}`;
  return el("div", { class: "group", style: position(node), title: text }, text);
}

// A button that selects a process, and is in the style of `classes` besides.
function processCell(comm, style, classes, text, lines) {
  const names = [
    "cell",
    ...classes,
    state.comm === comm && "chosen",
    state.comm !== null && state.comm !== comm && "away",
  ];
  return el(
    "button",
    {
      type: "button",
      class: names.filter(Boolean).join(" "),
      title: text,
      "aria-label": text,
      style,
      onclick: () => show({ comm: state.comm === comm ? null : comm }),
    },
    ...lines.map((line) => el("span", {}, line)),
  );
}
