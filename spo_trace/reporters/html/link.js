// The address of the page contains the selections, so that a link shows the same view.
//
// A link may come from another page or be written by hand: names that this page lacks are ignored.
function linkOf() {
  const link = new URLSearchParams();
  const first = firstView();
  for (const name of ["weight", "group", "mode", "search", ...Object.keys(ORDERS)]) {
    if (state[name] !== first[name]) link.set(name, state[name]);
  }
  for (const name of SWITCHES) if (state[name]) link.set(name, "");
  if (state.focus) link.set(state.focus.way, state.focus.name);
  if (state.comm !== null) link.set("process", DATA.comms[state.comm]);
  for (const name of state.zoom) link.append("zoom", name);
  return link.toString();
}

const currentLink = () => window.location.hash.slice(1);

function writeLink() {
  const link = linkOf();
  if (link !== currentLink()) window.history.replaceState(null, "", `#${link}`);
}

function viewOf(text) {
  const link = new URLSearchParams(text);
  const view = { ...firstView(), search: searched(link.get("search") ?? ""), zoom: link.getAll("zoom") };
  const choices = { weight: knownWeights(), group: optionsOf("group"), mode: optionsOf("mode"), ...ORDERS };
  for (const [name, allowed] of Object.entries(choices)) {
    if (allowed.includes(link.get(name))) view[name] = link.get(name);
  }
  for (const name of SWITCHES) view[name] = link.has(name);
  for (const way of WAYS) {
    if (DATA.functions.includes(link.get(way))) view.focus = { way, name: link.get(way) };
  }
  const comm = DATA.comms.indexOf(link.get("process"));
  if (comm >= 0) view.comm = comm;
  return view;
}

const optionsOf = (name) => [...(byId(name)?.options ?? [])].map((option) => option.value);
const knownWeights = () => weights.filter((input) => !input.disabled).map((input) => input.value);
const firstView = () => ({ ...FIRST_VIEW, weight: ["total", "mem", "swap"].find(isKnown) ?? "total" });

function startLink() {
  views.push(writeLink);
  window.addEventListener("hashchange", () => show(viewOf(currentLink())));
  show(viewOf(currentLink()));
}
