// Ages of the allocations: a histogram per process.
const MOST_ROWS = 12;

function drawAges() {
  const classes = usedClasses();
  const rows = ageRows();
  const table = el(
    "table",
    { class: "age" },
    el("caption", { class: "visually-hidden" }, "Bytes by age of the allocation and process"),
    el("col", { class: "name" }),
    el("col", { class: "sum" }),
    ...classes.map(() => el("col", { class: "bin" })),
  );
  table.append(
    el(
      "thead",
      {},
      el("tr", {}, el("td"), el("td"), ...classes.map((bin) => el("th", { scope: "col" }, ageTitle(bin)))),
    ),
  );
  table.append(el("tbody", {}, ...rows.map((row) => ageRow(row, classes))));
  byId("ages").replaceChildren(table);
}

// All classes from the youngest to the oldest with any bytes, then null for allocations without a time.
function usedClasses() {
  const used = DATA.ages.rows.filter(([, , ...amounts]) => weighed(...amounts)).map(([, bin]) => bin);
  const known = used.filter((bin) => bin !== null);
  const classes = known.length ? d3.range(d3.min(known), d3.max(known) + 1) : [];
  return used.includes(null) ? [...classes, null] : classes;
}

const ageTitle = (bin) => (bin === null ? "unknown" : formatSeconds(DATA.ages.begins[bin]));

function ageRows() {
  const comms = d3.group(DATA.ages.rows, ([comm]) => comm);
  const rows = [...comms]
    .map(([comm, parts]) => ageSums(DATA.comms[comm], parts, comm))
    .filter((row) => row.total);
  rows.sort((a, b) => b.total - a.total);
  const kept = rows.filter((row, index) => index < MOST_ROWS || row.comm === state.comm);
  const rest = rows.filter((row) => !kept.includes(row));
  const others = rest.length
    ? [
        ageSums(
          formatCount(rest.length, "other"),
          rest.flatMap((row) => row.parts),
        ),
      ]
    : [];
  return [ageSums("all", DATA.ages.rows), ...kept, ...others];
}

function ageSums(name, parts, comm = null) {
  const bins = new Map();
  for (const [, bin, ...amounts] of parts) {
    const sums = bins.get(bin) ?? noSums();
    addTo(sums, amounts);
    bins.set(bin, sums);
  }
  const sizes = [...bins.values()].map((sums) => weighed(...sums));
  return { name, comm, parts, bins, total: d3.sum(sizes), most: d3.max(sizes) };
}

function ageRow(row, classes) {
  const cells = classes.map((bin) => ageCell(row, bin));
  return el(
    "tr",
    {},
    el("th", { scope: "row", title: row.name }, row.name),
    el("td", { class: "sum" }, el("data", { value: row.total }, formatSize(row.total))),
    ...cells,
  );
}

function ageCell(row, bin) {
  const [mem, swap, both] = row.bins.get(bin) ?? noSums();
  const size = weighed(mem, swap, both);
  if (!size) return el("td", { class: "bin" });
  const part = (amount) => `height:${(100 * amount) / row.most}%`;
  const shown = { mem: { mem, swap: 0, total: mem - both }[state.weight], swap: state.weight === "mem" ? 0 : swap };
  const to = bin === null ? null : (DATA.ages.begins[bin + 1] ?? null);
  const range =
    bin === null
      ? "age unknown"
      : to === null
        ? `${ageTitle(bin)} or more`
        : `${ageTitle(bin)} to ${formatSeconds(to)}`;
  const text =
    `${row.name}, ${range}: ${formatSize(size)}` + (shown.swap ? `, ${formatSize(shown.swap)} of it in swap` : "");
  return el(
    "td",
    { class: "bin", title: text },
    el("span", { class: "visually-hidden" }, formatSize(size)),
    el("div", { "aria-hidden": "true" }, el("i", { style: part(shown.swap) }), el("b", { style: part(shown.mem) })),
  );
}
