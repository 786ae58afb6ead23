// The treemap of what changed: a box for each process, in it cells for each category, in memory and (hatched) in swap.
function drawChanges() {
  const groups = [...changesByComm()].map(([comm, { sums, categories }]) => ({
    name: DATA.comms[comm],
    text: formatSize(after(sums) - before(sums), true),
    cells: changeCells(categories).map((one) => ({ ...one, comm, size: Math.abs(one.change) })),
  }));
  drawTreemap(byId("treemap"), groups, changeCell);
}

function changesByComm() {
  const comms = new Map();
  for (const row of DATA.rows.filter(matches)) {
    if (!comms.has(row[1])) comms.set(row[1], { sums: noSums(), categories: new Map() });
    const { sums, categories } = comms.get(row[1]);
    const category = DATA.stacks.category[row[0]];
    if (!categories.has(category)) categories.set(category, noSums());
    addTo(sums, row, 2);
    addTo(categories.get(category), row, 2);
  }
  return comms;
}

// Memory that moved to swap is a decrease of memory and an increase of swap, also where both amounts are selected.
function changeCells(categories) {
  return [...categories].flatMap(([category, sums]) => [
    ...(state.weight === "swap" ? [] : [{ category, change: sums[3] - sums[0], inSwap: false }]),
    ...(state.weight === "mem" ? [] : [{ category, change: sums[4] - sums[1], inSwap: true }]),
  ]);
}

function changeCell({ comm, category, change, inSwap }, style, fits) {
  const amount = formatSize(change, true);
  const way = change > 0 ? "grew" : "shrank";
  const text = `${DATA.comms[comm]}, ${category}: ${amount} ${inSwap ? "in swap" : "in memory"}`;
  const lines = [category, amount].slice(0, fits);
  return processCell(comm, `${style};--in-swap:${Number(inSwap)}`, [way, inSwap && "swapped"], text, lines);
}
