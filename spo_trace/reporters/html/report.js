// The report on one snapshot.
const total = d3.sum(DATA.rows, (row) => row[2] + row[3]);

startFlame();
startTreemap();
views.push(drawAges);
const sizes = [
  { title: "Both", name: "total", size: (row) => row.sums[0] + row.sums[1] },
  { title: "Memory", name: "mem", size: (row) => row.sums[0], wide: isKnown("total") },
  { title: "Swap", name: "swap", size: (row) => row.sums[1], wide: isKnown("total") },
].filter((column) => isKnown(column.name));
startStacks(
  [
    ...sizes,
    { title: "Share", share: (row) => (row.sums[0] + row.sums[1]) / Math.max(total, 1), wide: true },
    ...OF_STACK,
  ],
  () => sizes.findIndex((column) => column.name === state.weight),
);
