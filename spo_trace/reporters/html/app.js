// The controls, and the first drawing of the charts.
function later(work, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}

const weights = [...document.querySelectorAll("input[name=weight]")];

function drawControls() {
  const only = byId("only");
  only.hidden = state.comm === null;
  only.textContent = state.comm === null ? "" : `Only ${DATA.comms[state.comm]} ✕`;
  for (const input of weights) input.checked = input.value === state.weight;
  const search = byId("search");
  if (searched(search.value) !== state.search) search.value = state.search;
}

const searched = (text) => text.trim().toLowerCase();

for (const input of weights) {
  input.disabled = !isKnown(input.value) || !DATA.rows.some((row) => sizeOf(row, WEIGH[input.value]));
  if (!isKnown(input.value)) input.parentNode.title = "Unknown in this snapshot";
  input.addEventListener("change", () => show({ weight: input.value, sort: null }));
}
byId("search").addEventListener(
  "input",
  later(() => show({ search: searched(byId("search").value) }), 150),
);
byId("only").addEventListener("click", () => show({ comm: null }));
byId("controls").addEventListener("submit", (event) => event.preventDefault());
views.push(drawControls);

let drawnWidth = window.innerWidth;
window.addEventListener(
  "resize",
  later(() => {
    // Phones also send this event when the address bar appears: redraw only if the width has changed.
    if (window.innerWidth === drawnWidth) return;
    drawnWidth = window.innerWidth;
    show({});
  }, 200),
);
startLink();
