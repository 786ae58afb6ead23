// The controls, and the first drawing.
function later(work, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}

function drawOnly() {
  const only = byId("only");
  only.hidden = state.comm === null;
  only.textContent = state.comm === null ? "" : `Only ${nameOf(DATA.comms[state.comm], "comm")} ✕`;
}

for (const input of document.querySelectorAll("input[name=weight]")) {
  input.disabled = !DATA.rows.some((row) => sizeOf(row, WEIGH[input.value]));
  input.addEventListener("change", () => show({ weight: input.value }));
}
byId("search").addEventListener(
  "input",
  later(() => show({ search: byId("search").value.trim().toLowerCase() }), 150),
);
byId("only").addEventListener("click", () => show({ comm: null }));
byId("controls").addEventListener("submit", (event) => event.preventDefault());
views.push(drawOnly);

let drawnWidth = window.innerWidth;
window.addEventListener(
  "resize",
  later(() => {
    // A phone's address bar comes and goes: only another width changes the pictures.
    if (window.innerWidth === drawnWidth) return;
    drawnWidth = window.innerWidth;
    show({});
  }, 200),
);
show({ weight: document.querySelector("input[name=weight]:checked").value });
