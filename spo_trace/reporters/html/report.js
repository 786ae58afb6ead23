// The page of one snapshot.
const SIZES = { total: 0, mem: 1, swap: 2 };
const total = d3.sum(DATA.rows, (row) => row[2] + row[3]);

startFlame();
startTreemap();
views.push(drawAges);
startStacks(
  [
    { title: "Both", size: (row) => row.sums[0] + row.sums[1] },
    { title: "Memory", size: (row) => row.sums[0], wide: true },
    { title: "Swap", size: (row) => row.sums[1], wide: true },
    { title: "Share", share: (row) => (row.sums[0] + row.sums[1]) / Math.max(total, 1), wide: true },
    ...OF_STACK,
  ],
  () => SIZES[state.weight],
);
