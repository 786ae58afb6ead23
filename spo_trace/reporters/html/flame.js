// The flame graph, drawn by d3-flame-graph: colours, details and keyboard.
const ROW_HEIGHT = 20;
const STILL = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const flame = { chart: null, cursor: null, total: 0 };

const MEASURES = {
  change: (own) => Math.abs(after(own) - before(own)),
  b: after,
  a: before,
};

function drawFlame() {
  const place = byId("flame");
  const rows = DATA.rows.filter((row) => chosen(row));
  const tree = buildTree(rows, byId("group").value, MEASURES[IS_DIFF ? byId("mode").value : "b"]);
  place.replaceChildren();
  flame.chart = flame.cursor = null;
  flame.total = after(tree.sums);
  if (!tree.value) {
    place.append(el("p", { class: "hint" }, "Nothing to draw: all amounts are 0."));
    byId("flame-details").replaceChildren();
    return;
  }
  flame.chart = window.flamegraph
    .default()
    .width(place.clientWidth)
    .cellHeight(ROW_HEIGHT)
    .minFrameSize(2)
    .inverted(true)
    .transitionDuration(STILL ? 0 : 250)
    .setColorMapper(IS_DIFF ? diffColour : categoryColour)
    .setSearchMatch((node, term) => node.data.name.toLowerCase().includes(term))
    .setSearchHandler(() => {})
    .setLabelHandler((node) => nodeText(node.data).join(" "))
    .getName((node) => marked(node.data))
    .onHover((node) => showNode(node.data))
    .onClick((node) => {
      if (STILL) settle();
      setCursor(node);
    });
  d3.select(place).datum(tree).call(flame.chart);
  d3.select(place)
    .select("svg")
    .attr("height", ROW_HEIGHT * (depthOf(tree) + 1))
    .attr("aria-hidden", "true");
  if (state.search) flame.chart.search(state.search);
  settle();
  setCursor(d3.select(place).datum());
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
const colourOf = (category) => `var(--${category.replaceAll(" ", "-").replace("/shmem", "")})`;

function categoryColour(node) {
  if (node.highlight) return "var(--hit)";
  if (!node.data.hit) return "var(--dim)";
  return node.depth ? colourOf(node.data.category) : "var(--other)";
}

// A frame's stacks may grow and shrink. Its colour has four steps, by the net change as a share of the frame's width,
// which is the sum of all its changes, or its amount in A or B.
function diffColour(node) {
  if (node.highlight) return "var(--hit)";
  const [was, is] = [before(node.data.sums), after(node.data.sums)];
  if (!node.data.hit || was === is) return "var(--dim)";
  const step = Math.ceil((4 * Math.abs(is - was)) / Math.max(node.data.value, Math.abs(is - was)));
  return `url(#${is > was ? "grew" : "shrank"}-${step})`;
}

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

function setCursor(node) {
  flame.cursor = node;
  d3.select("#flame")
    .selectAll("g")
    .classed("cursor", (other) => other === node);
  showNode(node.data);
}

const visible = (nodes) => {
  const shown = new Set(d3.select("#flame").selectAll("g").data());
  return nodes.filter((node) => shown.has(node) && node.value);
};

function neighbour(key) {
  const { cursor } = flame;
  const siblings = cursor.parent ? visible(cursor.parent.children) : [];
  const at = siblings.indexOf(cursor);
  switch (key) {
    case "ArrowDown":
      return visible(cursor.children ?? [])[0];
    case "ArrowUp":
      return cursor.parent;
    case "ArrowLeft":
      return siblings[at - 1];
    case "ArrowRight":
      return siblings[at + 1];
    default:
      return undefined;
  }
}

function onFlameKey(event) {
  if (!flame.chart || event.ctrlKey || event.altKey || event.metaKey) return;
  const next = neighbour(event.key);
  if (next) setCursor(next);
  else if (event.key === "Enter" || event.key === " ") flame.chart.zoomTo(flame.cursor);
  else if (event.key === "Escape") flame.chart.resetZoom();
  else if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
}

// Shrinking is hatched, too, for readers who cannot distinguish the colours.
function addPatterns() {
  const steps = {
    grew: ["#fddbc7", "#f6b497", "#ef8a62", "#e2633f"],
    shrank: ["#d1e5f0", "#a6cfe6", "#67a9cf", "#4a8fc0"],
  };
  const hidden = d3.select(document.body).append("svg").attr("width", 0).attr("height", 0).attr("aria-hidden", "true");
  const defs = hidden.style("position", "absolute").append("defs");
  for (const [way, colours] of Object.entries(steps)) {
    colours.forEach((colour, step) => {
      const pattern = defs
        .append("pattern")
        .attr("id", `${way}-${step + 1}`)
        .attr("patternUnits", "userSpaceOnUse")
        .attr("width", 7)
        .attr("height", 7)
        .attr("patternTransform", "rotate(45)");
      pattern.append("rect").attr("width", 7).attr("height", 7).attr("fill", colour);
      if (way === "shrank")
        pattern.append("rect").attr("width", 2).attr("height", 7).attr("fill", "rgb(255 255 255 / 30%)");
    });
  }
}

function drawLegend() {
  const used = new Set(DATA.rows.map((row) => DATA.stacks.category[row[0]]));
  for (const category of DATA.categories.filter((name) => used.has(name))) {
    byId("legend").append(el("li", {}, el("i", { style: `background:${colourOf(category)}` }), category));
  }
}

function startFlame() {
  if (IS_DIFF) addPatterns();
  else drawLegend();
  byId("group").addEventListener("change", drawFlame);
  byId("mode")?.addEventListener("change", drawFlame);
  byId("reset").addEventListener("click", () => flame.chart?.resetZoom());
  byId("flame").addEventListener("keydown", onFlameKey);
  views.push(drawFlame);
}
