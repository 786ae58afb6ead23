// The report on one snapshot.
const total = d3.sum(DATA.rows, (row) => WEIGH.total(row[2], row[3], row[4]));

startFlame();
startOwners();
views.push(drawAges);
const sizes = [
  { title: "Both", name: "total", size: (row) => WEIGH.total(...row.sums), wide: true },
  { title: "Memory", name: "mem", size: (row) => row.sums[0] },
  { title: "Swap", name: "swap", size: (row) => row.sums[1] },
].filter((column) => isKnown(column.name));
startStacks(
  [
    ...sizes,
    { title: "Share", share: (row) => WEIGH.total(...row.sums) / Math.max(total, 1), wide: true },
    ...OF_STACK,
  ],
  () => sizes.findIndex((column) => column.name === state.weight),
);
