// The treemap of memory cgroups and processes.
const SMALLEST = 4;

function drawTreemap() {
  const place = byId("treemap");
  const root = treemapLayout(place.clientWidth, place.clientHeight);
  place.replaceChildren();
  for (const node of root.descendants().slice(1)) {
    if (!node.value || node.x1 - node.x0 < SMALLEST || node.y1 - node.y0 < SMALLEST) continue;
    place.append(node.children ? memcgBox(node) : commCell(node));
  }
}

function treemapLayout(width, height) {
  const memcgs = d3.group(DATA.owners, (owner) => owner[0]);
  const children = [...memcgs].map(([memcg, owners]) => ({
    memcg,
    children: owners.map(([, comm, mem, swap, both]) => ({ memcg, comm, mem, swap, both })),
  }));
  const root = d3.hierarchy({ children }).sum((owner) => ("mem" in owner ? weighed(owner.mem, owner.swap, owner.both) : 0));
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

function memcgBox(node) {
  const text = `${node.data.memcg} ${formatSize(node.value)}`;
  return el("div", { class: "memcg", style: position(node), title: text }, text);
}

function commCell(node) {
  const { comm, mem, swap, both, memcg } = node.data;
  const inSwap = { mem: 0, swap: 1, total: swap / WEIGH.total(mem, swap, both) }[state.weight];
  const name = DATA.comms[comm];
  const text = `${name} in ${memcg}: ${inWords(mem, swap, both)}`;
  const [width, height] = [node.x1 - node.x0, node.y1 - node.y0];
  const lines = width > 30 && height > 16 ? [name, ...(width > 64 && height > 34 ? [formatSize(node.value)] : [])] : [];
  const classes = [
    "cell",
    inSwap && "swapped",
    state.comm === comm && "chosen",
    state.comm !== null && state.comm !== comm && "away",
  ];
  return el(
    "button",
    {
      type: "button",
      class: classes.filter(Boolean).join(" "),
      title: text,
      "aria-label": text,
      style: `${position(node)};--in-swap:${inSwap}`,
      onclick: () => show({ comm: state.comm === comm ? null : comm }),
    },
    ...lines.map((line) => el("span", {}, line)),
  );
}

function startTreemap() {
  const owners = DATA.owners.map(([memcg, comm, mem, swap, both]) => ({ memcg, comm, mem, swap, both }));
  const amounts = [
    { title: "Memory", name: "mem", size: (row) => row.mem },
    { title: "Swap", name: "swap", size: (row) => row.swap },
    { title: "Both", name: "total", size: (row) => WEIGH.total(row.mem, row.swap, row.both) },
  ].filter((column) => isKnown(column.name));
  const table = makeTable(byId("owners"), {
    caption: "Memory and swap of each memory cgroup and process",
    columns: [
      { title: "Memory cgroup", text: (row) => row.memcg },
      { title: "Process", text: (row) => DATA.comms[row.comm] },
      ...amounts,
    ],
    sort: 1 + amounts.length,
  });
  table.show(owners);
  views.push(drawTreemap);
}
