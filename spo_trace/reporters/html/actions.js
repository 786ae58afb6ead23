// The controls of the flame graph, and what can be done with its selected frame.
const SELECTS = ["group", "mode"];
const SWITCHES = ["invert", "plumbing"];
const WAYS = ["callers", "callees"];

// Another tree: the frames of the zoom may be elsewhere in it.
const changeTree = (change) => show({ ...change, zoom: [] });

function startActions() {
  for (const name of SELECTS) {
    byId(name)?.addEventListener("change", ({ target }) => changeTree({ [name]: target.value }));
  }
  for (const name of SWITCHES) {
    byId(name).addEventListener("change", ({ target }) => changeTree({ [name]: target.checked }));
  }
  for (const way of WAYS) {
    byId(way).addEventListener("click", () => changeTree({ focus: { way, name: flame.cursor.data.name } }));
  }
  byId("focus").addEventListener("click", () => changeTree({ focus: null }));
  byId("reset").addEventListener("click", () => flame.chart?.resetZoom());
  byId("copy").addEventListener("click", () => copy(byId("copy"), functionsOf(flame.cursor).join("\n")));
}

function drawActions() {
  for (const name of SELECTS) if (byId(name)) byId(name).value = state[name];
  for (const name of SWITCHES) byId(name).checked = state[name];
  byId("invert").disabled = state.focus !== null;
  byId("focus").hidden = !state.focus;
  byId("focus").textContent = state.focus ? `Only ${state.focus.way} of ${state.focus.name} ✕` : "";
  const order = ["Functions are below their callers", "Callers are below the functions that they call"];
  byId("order").textContent = order[Number(isInverted())];
}

// A function can be in focus, and has a stack to copy; a process has neither.
function drawFrameActions(node) {
  for (const id of [...WAYS, "copy"]) byId(id).disabled = !node || !isFunction(node);
}

// The functions from the selected frame to the first level, innermost first, as the kernel prints stacks.
function functionsOf(node) {
  const names = node.ancestors().filter(isFunction).map((one) => one.data.name);
  return isInverted() ? names.reverse() : names;
}
