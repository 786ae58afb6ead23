// The data of the page (from spo_trace/reporters/html/page.py), and the user's selections.
//
// DATA.rows: [stack, comm, mem, swap] in bytes; in a diff [stack, comm, mem A, swap A, mem B, swap B].
const DATA = JSON.parse(byId("data").textContent);
DATA.functions = DATA.frames.map(functionOf);
const IS_DIFF = DATA.kind === "diff";

// Amounts ("mem", "swap") whose owners are unknown; unknown is not 0.
const isKnown = (name) => (name === "total" ? !DATA.unknown.length : !DATA.unknown.includes(name));
const inWords = (mem, swap) =>
  (isKnown("mem") ? `${formatSize(mem)} in memory` : "memory unknown") +
  (isKnown("swap") ? `, ${formatSize(swap)} in swap` : ", swap unknown");

const state = { weight: "total", search: "", comm: null };
const views = [];

// Change the selections and redraw all views.
function show(change) {
  Object.assign(state, change);
  for (const view of views) view();
}

const WEIGH = { mem: (mem) => mem, swap: (mem, swap) => swap, total: (mem, swap) => mem + swap };
const weighed = (mem, swap) => WEIGH[state.weight](mem, swap);
// The chosen amount in A and in B; a report on one snapshot has only the latter.
const before = (sums) => (IS_DIFF ? weighed(sums[0], sums[1]) : 0);
const after = (sums) => (IS_DIFF ? weighed(sums[2], sums[3]) : weighed(sums[0], sums[1]));
const noSums = () => (IS_DIFF ? [0, 0, 0, 0] : [0, 0]);

// `at`: where the amounts begin; in a row of DATA, at 2, after its stack and comm.
function addTo(sums, amounts, at = 0) {
  for (let i = 0; i < sums.length; i += 1) sums[i] += amounts[at + i];
}

const sizeOf = (row, weigh = weighed) => weigh(row[2], row[3]) + (IS_DIFF ? weigh(row[4], row[5]) : 0);

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

const COMM_TEXTS = DATA.comms.map((comm) => nameOf(comm, "comm").toLowerCase());

function matches(row) {
  return !state.search || textOf(row[0]).includes(state.search) || COMM_TEXTS[row[1]].includes(state.search);
}

const chosen = (row) => state.comm === null || row[1] === state.comm;
