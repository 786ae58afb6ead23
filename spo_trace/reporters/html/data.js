// The data of the page (from spo_trace/reporters/html/page.py), and the user's selections.
//
// DATA.rows: [stack, comm, mem, swap, both] in bytes; in a diff, the amounts of A, then those of B. `both`: in the swap
// cache, in memory and in swap.
const DATA = JSON.parse(byId("data").textContent);
DATA.functions = DATA.frames.map(functionOf);
const IS_DIFF = DATA.kind === "diff";

// Amounts ("mem", "swap") whose owners are unknown; unknown is not 0.
const isKnown = (name) => (name === "total" ? !DATA.unknown.length : !DATA.unknown.includes(name));
const inWords = (mem, swap, both) =>
  (isKnown("mem") && mem !== null ? `${formatSize(mem)} in memory` : "memory unknown") +
  (isKnown("swap") && swap !== null ? `, ${formatSize(swap)} in swap` : ", swap unknown") +
  (both ? `, ${formatSize(both)} of it in both` : "");

// `comm`: the number of the only process that is shown. `focus`: the function whose callers or callees are merged, as
// {way, name}. `sort`: the order of the table of stacks; by default, by the chosen amount. `order`: that of the table of
// processes. `zoom`: the names of the frames from the root of the flame graph to the one that fills its width.
const FIRST_VIEW = {
  weight: "total",
  group: "comm",
  mode: "change",
  plumbing: false,
  invert: false,
  focus: null,
  search: "",
  comm: null,
  sort: null,
  order: null,
  zoom: [],
};
const state = { ...FIRST_VIEW };
const views = [];

// Change the selections and redraw all views.
function show(change) {
  Object.assign(state, change);
  for (const view of views) view();
}

const WEIGH = { mem: (mem) => mem, swap: (mem, swap) => swap, total: (mem, swap, both) => mem + swap - both };
const weighed = (mem, swap, both) => WEIGH[state.weight](mem, swap, both);
// The chosen amount in A and in B; a report on one snapshot has only the latter.
const before = (sums) => (IS_DIFF ? weighed(sums[0], sums[1], sums[2]) : 0);
const after = (sums) => (IS_DIFF ? weighed(sums[3], sums[4], sums[5]) : weighed(sums[0], sums[1], sums[2]));
const noSums = () => (IS_DIFF ? [0, 0, 0, 0, 0, 0] : [0, 0, 0]);

const partInSwap = (mem, swap, both) =>
  ({ mem: 0, swap: 1, total: swap / Math.max(WEIGH.total(mem, swap, both), 1) })[state.weight];

// The part of a frame's width that is hatched: what is in swap, or the share of swap in the changes of both.
function hatchedPart(sums) {
  if (!IS_DIFF) return partInSwap(...sums);
  if (state.mode !== "change") return partInSwap(...(state.mode === "a" ? sums.slice(0, 3) : sums.slice(3)));
  return partInSwap(Math.abs(sums[3] - sums[0]), Math.abs(sums[4] - sums[1]), 0);
}

// `at`: where the amounts begin; in a row of DATA, at 2, after its stack and comm.
function addTo(sums, amounts, at = 0) {
  for (let i = 0; i < sums.length; i += 1) sums[i] += amounts[at + i];
}

const sizeOf = (row, weigh = weighed) => weigh(row[2], row[3], row[4]) + (IS_DIFF ? weigh(row[5], row[6], row[7]) : 0);

const frameTexts = (stack) => DATA.stacks.frames[stack].map((frame) => DATA.frames[frame]);

const textOf = (() => {
  const texts = [];
  return (stack) => {
    texts[stack] ??= [
      ...frameTexts(stack),
      DATA.stacks.category[stack],
      DATA.stacks.caller[stack],
      DATA.stacks.callsite[stack],
      DATA.stacks.module[stack],
    ]
      .join("\n")
      .toLowerCase();
    return texts[stack];
  };
})();

const COMM_TEXTS = DATA.comms.map((comm) => comm.toLowerCase());

function matches(row) {
  return !state.search || textOf(row[0]).includes(state.search) || COMM_TEXTS[row[1]].includes(state.search);
}

const chosen = (row) => state.comm === null || row[1] === state.comm;
