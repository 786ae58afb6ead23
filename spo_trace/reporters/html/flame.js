// The flame graph, drawn by d3-flame-graph, and the details of a frame.
const ROW_HEIGHT = 20;
const STILL = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const ZOOM_MILLISECONDS = STILL ? 0 : 250;
const flame = { chart: null, cursor: null, total: 0 };

// Of pages that moved to swap, memory and swap changed, but not their sum. `spo-trace diff` ranks in the same way.
const MEASURES = {
  change: (own) =>
    state.weight === "total"
      ? Math.max(Math.abs(own[3] - own[0]), Math.abs(own[4] - own[1]))
      : Math.abs(after(own) - before(own)),
  b: after,
  a: before,
};

function drawFlame() {
  const place = byId("flame");
  const rows = DATA.rows.filter((row) => chosen(row));
  const tree = buildTree(rows, state.group, MEASURES[IS_DIFF ? state.mode : "b"]);
  place.replaceChildren();
  flame.chart = flame.cursor = null;
  flame.total = after(tree.sums);
  drawActions();
  if (!tree.value) {
    place.append(el("p", { class: "hint" }, "Nothing to draw: all amounts are 0."));
    byId("flame-details").replaceChildren();
    drawFrameActions(null);
    return;
  }
  flame.chart = window.flamegraph
    .default()
    .width(place.clientWidth)
    .cellHeight(ROW_HEIGHT)
    .minFrameSize(2)
    .inverted(true)
    .transitionDuration(ZOOM_MILLISECONDS)
    .setColorMapper(IS_DIFF ? diffColour : categoryColour)
    .setSearchMatch((node, term) => node.data.name.toLowerCase().includes(term))
    .setSearchHandler(() => {})
    .setLabelHandler((node) => nodeText(node.data).join(" "))
    .getName((node) => marked(node.data))
    .onHover((node) => showNode(node.data))
    .onClick(zoomed);
  d3.select(place).datum(tree).call(flame.chart);
  d3.select(place)
    .select("svg")
    .attr("height", ROW_HEIGHT * (depthOf(tree) + 1))
    .attr("aria-hidden", "true");
  if (state.search) flame.chart.search(state.search);
  if (state.zoom.length) zoomTo(state.zoom);
  else setCursor(d3.select(place).datum());
  settle();
  drawHatches(0);
}

// d3-flame-graph calls this after each change of the zoom.
function zoomed(node) {
  state.zoom = namesTo(node);
  writeLink();
  if (STILL) settle();
  drawHatches(ZOOM_MILLISECONDS);
  setCursor(node);
}

const namesTo = (node) =>
  node
    .ancestors()
    .map((one) => one.data.name)
    .reverse()
    .slice(1);

// After another selection, some of the frames may be missing: zoom to the innermost one that is left.
function zoomTo(names) {
  let node = d3.select("#flame").datum();
  for (const name of names) node = node.children?.find((child) => child.data.name === name) ?? node;
  flame.chart.zoomTo(node);
}

// Stop the animation of new frames by d3-flame-graph: only zooming is to be animated.
function settle() {
  const frames = d3.select("#flame").selectAll("g");
  frames
    .select("rect")
    .interrupt()
    .attr("width", function () {
      return this.parentNode.getAttribute("width");
    });
  frames
    .select("foreignObject div")
    .interrupt()
    .text((node) => marked(node.data));
}

const depthOf = (node) => node.children.reduce((deepest, child) => Math.max(deepest, 1 + depthOf(child)), 0);

function marked(data) {
  if (!IS_DIFF) return data.name;
  const change = after(data.sums) - before(data.sums);
  return (change > 0 ? "▲ " : change < 0 ? "▼ " : "") + data.name;
}

function nodeText(data) {
  if (IS_DIFF) {
    const [was, is] = [before(data.sums), after(data.sums)];
    return [
      data.name,
      `${formatSize(is - was, true)}: from ${formatSize(was)} to ${formatSize(is)} · ${categoryOf(data)}`,
    ];
  }
  const share = formatShare(after(data.sums) / Math.max(flame.total, 1));
  return [data.name, `${formatSize(after(data.sums))}, ${share} · ${inWords(...data.sums)} · ${categoryOf(data)}`];
}

const categoryOf = (data) => (data.categories.size > 1 ? "mostly " : "") + data.category;

function showNode(data) {
  const [name, details] = nodeText(data);
  byId("flame-details").replaceChildren(el("b", {}, name), el("br"), details);
}

function startFlame() {
  addPatterns();
  if (!IS_DIFF) drawLegend();
  startActions();
  byId("flame").addEventListener("keydown", onFlameKey);
  byId("flame").addEventListener("mouseleave", () => flame.cursor && showNode(flame.cursor.data));
  views.push(drawFlame);
}
