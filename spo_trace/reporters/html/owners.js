// The treemap of memory cgroups and their processes, and the same as a table.
function drawOwners() {
  const memcgs = d3.group(DATA.owners, ([memcg]) => memcg);
  const groups = [...memcgs].map(([memcg, owners]) => ({
    name: memcg,
    cells: owners.map(([, comm, ...amounts]) => ({ memcg, comm, amounts, size: weighed(...amounts) })),
  }));
  drawTreemap(byId("treemap"), groups, ownerCell);
}

function ownerCell({ memcg, comm, amounts, size }, style, fits) {
  const inSwap = partInSwap(...amounts);
  const name = DATA.comms[comm];
  const text = `${name} in ${memcg}: ${inWords(...amounts)}`;
  const lines = [name, formatSize(size)].slice(0, fits);
  return processCell(comm, `${style};--in-swap:${inSwap}`, [inSwap && "swapped"], text, lines);
}

function startOwners() {
  const owners = DATA.owners.map(([memcg, comm, mem, swap, both]) => ({ memcg, comm, mem, swap, both }));
  const amounts = [
    { title: "Memory", name: "mem", size: (row) => row.mem },
    { title: "Swap", name: "swap", size: (row) => row.swap },
    { title: "Both", name: "total", size: (row) => WEIGH.total(row.mem, row.swap, row.both), wide: true },
  ].filter((column) => isKnown(column.name));
  const table = makeTable(byId("owners"), {
    caption: "Memory and swap of each memory cgroup and process",
    columns: [
      { title: "Memory cgroup", text: (row) => row.memcg },
      { title: "Process", text: (row) => DATA.comms[row.comm] },
      ...amounts,
    ],
    name: "order",
    first: () => 1 + amounts.length,
  });
  views.push(drawOwners, () => table.show(owners));
}
