// The flame graph's selected frame, and the keys that move it.
function setCursor(node) {
  flame.cursor = node;
  d3.select("#flame")
    .selectAll("g")
    .classed("cursor", (other) => other === node);
  showNode(node.data);
  drawFrameActions(node);
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
