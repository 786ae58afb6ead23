// A table that can be sorted by its headings, shows some rows at a time, and has details for each row.
const ROWS_AT_A_TIME = 50;

// The orders of each table, by the name of its order in `state`: titles of columns, with a minus for the largest first.
const ORDERS = {};
const orderOf = ({ title }, descending) => (descending ? "-" : "") + title;

// A column: {title, text(row) | size(row) | change(row) | share(row), wide: hidden on phones, nowrap, roomy}.
// `name`: of the order in `state`. `first()`: the column by which the largest are first until the user sorts.
// `detail(row)`: the details of an opened row.
function makeTable(place, { name, caption, columns, first, detail }) {
  const table = { rows: [], shown: ROWS_AT_A_TIME, sort: 0, descending: true };
  ORDERS[name] = columns.flatMap((column) => [orderOf(column, false), orderOf(column, true)]);
  const body = el("tbody");
  const more = el("button", { type: "button", class: "more", onclick: showMore });
  const heads = columns.map((column, index) =>
    heading(column, () => {
      table.descending = table.sort === index ? !table.descending : !column.text;
      table.sort = index;
      table.shown = ROWS_AT_A_TIME;
      state[name] = orderOf(column, table.descending);
      draw();
      writeLink();
    }),
  );
  place.replaceChildren(
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el("caption", { class: "visually-hidden" }, caption),
        el("thead", {}, el("tr", {}, ...(detail ? [el("td", { class: "open" })] : []), ...heads)),
        body,
      ),
    ),
    more,
  );

  function showMore() {
    table.shown += 10 * ROWS_AT_A_TIME;
    draw();
  }

  function draw() {
    heads.forEach((head, index) => {
      head.setAttribute("aria-sort", table.sort === index ? (table.descending ? "descending" : "ascending") : "none");
      head.querySelector("i").textContent = table.sort === index ? (table.descending ? " ▾" : " ▴") : "";
    });
    const rows = sorted(table.rows, columns[table.sort], table.descending);
    body.replaceChildren(...rows.slice(0, table.shown).map((row) => tableRow(row, columns, detail)));
    if (!rows.length) body.append(el("tr", {}, el("td", { colspan: columns.length + 1 }, "No matches.")));
    more.hidden = rows.length <= table.shown;
    more.textContent = `Show more (${(rows.length - table.shown).toLocaleString("en")} rows left)`;
  }

  return {
    show(rows) {
      const order = ORDERS[name].indexOf(state[name]);
      table.sort = order < 0 ? first() : Math.floor(order / 2);
      table.descending = order < 0 || order % 2 === 1;
      if (rows !== table.rows) Object.assign(table, { rows, shown: ROWS_AT_A_TIME });
      draw();
    },
  };
}

function heading(column, onclick) {
  const names = [column.text ? "" : "number", classes(column, "wide")].filter(Boolean).join(" ") || null;
  return el("th", { scope: "col", class: names }, el("button", { type: "button", onclick }, column.title, el("i")));
}

const classes = (column, ...names) => names.filter((name) => column[name]).join(" ") || null;
const valueOf = (column) => column.size ?? column.change ?? column.share ?? column.text;

function sorted(rows, column, descending) {
  const value = valueOf(column);
  const keyed = rows.map((row) => [value(row), row]);
  keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (descending ? -1 : 1));
  return keyed.map(([, row]) => row);
}

function cell(column, row) {
  const value = valueOf(column)(row);
  if (column.text) return el("td", { class: classes(column, "nowrap", "roomy", "wide") }, value);
  if (value === null) return el("td", { class: `number${column.wide ? " wide" : ""}` }, "?");
  const text = column.share ? formatShare(value) : formatSize(value, Boolean(column.change));
  const way = column.change && value ? (value > 0 ? " grew" : " shrank") : "";
  const exact = column.share ? value : Math.round(value);
  return el(
    "td",
    { class: `number${way}${column.wide ? " wide" : ""}` },
    el("data", { value: exact }, text, column.unit ?? ""),
  );
}

function tableRow(row, columns, detail) {
  const cells = columns.map((column) => cell(column, row));
  const line = el("tr", {}, ...cells);
  if (!detail) return line;
  let opened = null;
  const opener = el(
    "button",
    { type: "button", "aria-expanded": "false", "aria-label": "Frames", onclick: toggle },
    "▸",
  );
  line.prepend(el("td", { class: "open" }, opener));
  return line;

  function toggle() {
    if (opened) opened.remove();
    opened = opened ? null : el("tr", {}, el("td", { class: "frames", colspan: columns.length + 1 }, detail(row)));
    if (opened) line.after(opened);
    opener.setAttribute("aria-expanded", String(Boolean(opened)));
    opener.textContent = opened ? "▾" : "▸";
  }
}
