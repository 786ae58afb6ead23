// The report on two snapshots.
const change = (row) => after(row.sums) - before(row.sums);
const OF_MEMORY_AND_SWAP = [
  { title: "Memory", change: (row) => row.sums[3] - row.sums[0] },
  { title: "Swap", change: (row) => row.sums[4] - row.sums[1] },
];
const amounts = [
  { title: "Change", change, wide: isKnown("total") },
  ...(isKnown("total") ? OF_MEMORY_AND_SWAP : []),
  { title: "A", size: (row) => before(row.sums), wide: true },
  { title: "B", size: (row) => after(row.sums), wide: true },
  ...(DATA.seconds ? [{ title: "Rate", change: (row) => change(row) / DATA.seconds, unit: "/s", wide: true }] : []),
];

function startGrowth() {
  const table = makeTable(byId("growth"), {
    caption: "Growth of each process",
    columns: [{ title: "Process", text: (row) => DATA.comms[row.comm] }, ...amounts],
    name: "order",
    first: () => 1,
  });
  views.push(() => table.show(sumByComm().filter((one) => change(one) && matchesComm(one.comm))));
}

function sumByComm() {
  const comms = DATA.comms.map((name, comm) => ({ comm, sums: noSums() }));
  for (const row of DATA.rows) addTo(comms[row[1]].sums, row, 2);
  return comms.filter(({ sums }) => sums.some(Boolean));
}

const matchesComm = (comm) => !state.search || DATA.rows.some((row) => row[1] === comm && matches(row));

startFlame();
views.push(drawChanges);
startGrowth();
startStacks([...amounts, ...OF_STACK], () => 0);
