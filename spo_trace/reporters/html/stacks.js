// The table of stacks, and the search.
const MOST_NAMES = 3;

function sumByStack(rows) {
  const stacks = new Map();
  for (const row of rows) {
    if (!stacks.has(row[0])) stacks.set(row[0], { stack: row[0], sums: noSums(), comms: new Map() });
    const one = stacks.get(row[0]);
    addTo(one.sums, row, 2);
    addSize(one.comms, row[1], sizeOf(row));
  }
  return [...stacks.values()];
}

function commNames({ comms }) {
  const names = [...comms].sort((a, b) => b[1] - a[1]).map(([comm]) => DATA.comms[comm]);
  const rest = names.length - MOST_NAMES;
  return names.slice(0, MOST_NAMES).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

const OF_STACK = [
  { title: "Category", text: (row) => DATA.stacks.category[row.stack], nowrap: true, wide: true },
  { title: "Caller", text: (row) => DATA.stacks.caller[row.stack], roomy: true },
  { title: "Call site", text: (row) => DATA.stacks.callsite[row.stack], roomy: true, wide: true },
  { title: "Module", text: (row) => DATA.stacks.module[row.stack], wide: true },
  { title: "Processes", text: commNames, wide: true },
];

function stackDetails(row) {
  const [inner, outer] = DATA.stacks.plumbing[row.stack];
  const frames = frameTexts(row.stack);
  const isPlumbing = (at) => at < inner || at >= frames.length - outer;
  const lines = frames.map((frame, at) => el("li", { class: isPlumbing(at) ? "plumbing" : null }, ...withMarks(frame)));
  const button = el("button", { type: "button", onclick: () => copy(button, frames.join("\n")) }, COPY);
  return el("div", {}, el("p", { class: "phone" }, DATA.stacks.category[row.stack]), el("ol", {}, ...lines), button);
}

function withMarks(text) {
  const at = state.search ? text.toLowerCase().indexOf(state.search) : -1;
  if (at < 0) return [text];
  const end = at + state.search.length;
  return [text.slice(0, at), el("mark", {}, text.slice(at, end)), text.slice(end)];
}

// `first()`: the column that the table is sorted by until the user sorts it.
function startStacks(columns, first) {
  const table = makeTable(byId("stacks"), { name: "sort", caption: "All stacks", columns, first, detail: stackDetails });
  views.push(() => {
    const rows = DATA.rows.filter((row) => chosen(row) && matches(row));
    const stacks = sumByStack(rows).filter((one) => after(one.sums) !== before(one.sums));
    table.show(stacks);
    showFound(stacks);
  });
}

function showFound(stacks) {
  const was = d3.sum(stacks, (one) => before(one.sums));
  const is = d3.sum(stacks, (one) => after(one.sums));
  const amount = IS_DIFF ? formatSize(is - was, true) : formatSize(is);
  const found = el("data", { value: is - was }, amount);
  byId("found").replaceChildren(`${formatCount(stacks.length, "stack")}${IS_DIFF ? " changed" : ""}, `, found);
}
