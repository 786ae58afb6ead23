// What colours and textures mean: a category or a change, an owner, hatching for swap.
const colourOf = (category) => `var(--${category.replaceAll(" ", "-").replace("/shmem", "")})`;

// The root and the first level are owners; all below are functions.
const isFunction = (node) => node.depth > (state.group ? 1 : 0);

function categoryColour(node) {
  if (node.highlight) return "var(--hit)";
  if (!node.data.hit) return "var(--dim)";
  if (!isFunction(node) && state.group !== "category") return "var(--owner)";
  return node.depth ? colourOf(node.data.category) : "var(--owner)";
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

const STEPS = {
  grew: ["#fddbc7", "#f6b497", "#ef8a62", "#e2633f"],
  shrank: ["#d1e5f0", "#a6cfe6", "#67a9cf", "#4a8fc0"],
};

// Shrinking is dotted, for readers who cannot distinguish the colours.
function addPatterns() {
  const hidden = d3.select(document.body).append("svg").attr("width", 0).attr("height", 0).attr("aria-hidden", "true");
  const defs = hidden.style("position", "absolute").append("defs");
  const pattern = (id) =>
    defs.append("pattern").attr("id", id).attr("patternUnits", "userSpaceOnUse").attr("width", 6).attr("height", 6);
  const line = pattern("hatch").attr("patternTransform", "rotate(45)").append("rect");
  line.attr("class", "line").attr("width", 1.5).attr("height", 6);
  for (const [way, colours] of Object.entries(STEPS)) {
    colours.forEach((colour, step) => {
      const filled = pattern(`${way}-${step + 1}`);
      filled.append("rect").attr("width", 6).attr("height", 6).attr("fill", colour);
      if (way === "shrank") filled.append("circle").attr("cx", 3).attr("cy", 3).attr("r", 1).attr("fill", "#14171b");
    });
  }
}

// Hatch the right part of each frame: d3-flame-graph draws one rectangle per frame, to which this adds a second one.
function drawHatches(milliseconds) {
  d3.select("#flame")
    .selectAll("g")
    .each(function (node) {
      const frame = d3.select(this);
      const width = Number(frame.attr("width"));
      const hatched = width * hatchedPart(node.data.sums);
      if (!frame.select(".hatch").size()) {
        if (!hatched) return;
        frame.insert("rect", "title").attr("class", "hatch").attr("height", ROW_HEIGHT).attr("fill", "url(#hatch)");
      }
      frame
        .select(".hatch")
        .transition()
        .duration(milliseconds)
        .attr("x", width - hatched)
        .attr("width", hatched);
    });
}

// Before the entries that every report has.
function drawLegend() {
  const used = new Set(DATA.rows.map((row) => DATA.stacks.category[row[0]]));
  const categories = DATA.categories.filter((name) => used.has(name));
  byId("legend").prepend(
    ...categories.map((name) => el("li", {}, el("i", { style: `background:${colourOf(name)}` }), name)),
  );
}
