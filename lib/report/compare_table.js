"use strict";
// The table of the runs, sortable by any column, and what the chosen ones differ in.

const MARKS = { high: "●", middling: "◐", low: "○" };
const AXES = study.axes || 4; // parameters that stand before the scores; the others come last
const MOST_BESIDE = 6; // chosen runs that stand beside each other; more are counted by value
const quality = () => study.qualities.find((q) => q.score === state.quality);

function node(name, text = "", set = {}) {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  return Object.assign(made, set);
}

// Every column: its name, what a cell says, what it is sorted by (what is missing is null), and its exact value.
function tableColumns(span) {
  const parameter = (name) => ({ name, number: true, cell: (run) => said(valueOf(run, name)) });
  const outcome = (name) => ({ name, number: true, cell: (run) => value(run.outcomes[name] ?? NaN) });
  const happened = (name) => ({ name: `step: ${name}`, number: true, cell: (run) => reached(run.events[name]) });
  const all = (key) => [...new Set(runs.flatMap((run) => Object.keys(run[key])))];
  const shownNames = [...new Set(state.plots.flatMap((p) => [p.y, p.with]).filter(Boolean))];
  const atEnd = (name) => (run) => value(valueAt(run, name, span[1]));
  const plotted = (name) => ({ name: `${name} at the end of the window`, number: true, cell: atEnd(name) });
  const { parameters } = study;
  return [
    { name: "state", cell: (run) => ({ text: stateText(run), by: run.state }) },
    { name: "quality", cell: qualityCell },
    ...parameters.slice(0, AXES).map(parameter), ...all("outcomes").map(outcome), ...all("events").map(happened),
    ...shownNames.map(plotted), ...parameters.slice(AXES).map(parameter),
  ];
}

const MISSING = { text: "–", by: null };
const said = (text) => (text === "–" ? MISSING : { text, by: Number.isFinite(Number(text)) ? Number(text) : text });
const value = (v) => (Number.isFinite(v) ? { text: short(v, 6), by: v, exact: String(v) } : MISSING);

function reached([step, until] = [null, NaN]) {
  if (step !== null) return { text: short(step, 7), by: step };
  if (!Number.isFinite(until)) return MISSING;
  return { text: `> ${short(until, 7)}`, by: Infinity, exact: `not by step ${until}` };
}

function stateText(run) {
  if (run.step === null || (run.state === "done" && run.step === run.steps)) return run.state;
  return `${run.state}, ${short(run.step * run.scale, 7)} of ${short(run.steps * run.scale, 7)}`;
}

function qualityCell(run) {
  const level = quality()?.of[run.name];
  return level ? { text: `${MARKS[level]} ${level}`, by: Object.keys(MARKS).indexOf(level) } : MISSING;
}

// The number of a run at the last of its steps that is not after x; NaN without one.
function valueAt(run, column, x) {
  const line = lineOf(run, column, new Map());
  if (!line) return NaN;
  const at = before(line.x, x + 1e-9 * Math.abs(x));
  return at < 0 ? NaN : line.y[at];
}

function sorted(rows, columns_) {
  const at = columns_.findIndex((column) => column.name === state.sort), sign = state.falling ? -1 : 1;
  if (at < 0 && state.sort !== "run") return rows;
  const by = (row) => (at < 0 ? row.run.title : row.cells[at].by);
  return rows.sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    if (typeof x === "number" && typeof y === "number") return x === y ? 0 : sign * (x - y);
    return sign * String(x).localeCompare(String(y), "en", { numeric: true });
  });
}

let tabled = ""; // all that the table says, so that it is made anew only where it says something else

function drawTable(span, found) {
  const columns_ = tableColumns(span), head = node("tr");
  const cellsOf = (run) => columns_.map((column) => column.cell(run));
  const rows = sorted(listed().map((run) => ({ run, cells: cellsOf(run) })), columns_);
  const look = (run) => (state.off.has(run.name) ? undefined : found.get(keyOf(run)));
  const texts = (cells) => cells.flatMap((cell) => [cell.text, cell.exact]);
  const all = rows.map(({ run, cells }) => [run.name, look(run)?.colour, ...texts(cells)]);
  const says = JSON.stringify([columns_, state.sort, state.falling, state.quality, all]);
  if (says === tabled) return;
  tabled = says;
  for (const { name, number } of [{ name: "run" }, ...columns_]) {
    const cell = node("th", "", { className: number ? "number" : "", scope: "col" });
    const order = state.sort === name ? (state.falling ? "descending" : "ascending") : "none";
    cell.setAttribute("aria-sort", order);
    const arrow = order === "none" ? "" : state.falling ? " ▼" : " ▲";
    const button = node("button", name + arrow, { type: "button" });
    button.dataset.sort = name;
    cell.append(button);
    head.append(cell);
  }
  const body = rows.map(({ run, cells }) => {
    const row = node("tr"), first = node("th", "", { scope: "row" });
    const label = node("label", "", { title: run.name }), box = node("input", "", { type: "checkbox", name: "run" });
    Object.assign(box, { value: run.name, checked: !state.off.has(run.name) });
    label.append(box, ` ${run.title}`);
    if (look(run)) first.style.setProperty("--c", look(run).colour);
    first.className = look(run) ? "run" : "unchosen";
    first.append(label);
    row.append(first);
    cells.forEach((cell, i) => {
      const made = node("td", cell.text, { className: columns_[i].number ? "number" : "" });
      if (columns_[i].name === "quality") made.className = `quality ${quality()?.of[run.name] ?? ""}`;
      if (cell.exact !== undefined) made.title = cell.exact;
      row.append(made);
    });
    return row;
  });
  byId("table").tHead.replaceChildren(head);
  byId("table").tBodies[0].replaceChildren(...body);
  byId("rule").textContent = quality() ? `Quality by ${quality().rule}. ● high, ◐ middling, ○ low.` : "";
}

// ------------------------------------------------------------------------------------------------- differences

function drawDifferences(shown) {
  const names = study.parameters.filter((name) => new Set(shown.map((run) => valueOf(run, name))).size > 1);
  const rows = [], head = node("tr"), beside = shown.length <= MOST_BESIDE;
  head.append(node("th", "parameter", { scope: "col" }));
  const titles = beside ? shown.map((run) => run.title) : ["values, and of how many runs"];
  head.append(...titles.map((title) => node("th", title, { scope: "col" })));
  for (const name of names) {
    const row = node("tr"), counts = new Map();
    for (const run of shown) counts.set(valueOf(run, name), (counts.get(valueOf(run, name)) ?? 0) + 1);
    row.append(node("th", name, { scope: "row" }));
    if (beside) for (const run of shown) row.append(node("td", valueOf(run, name)));
    else row.append(node("td", [...counts].map(([text, count]) => `${text} (${count})`).join(", ")));
    rows.push(row);
  }
  byId("differences").tHead.replaceChildren(head);
  byId("differences").tBodies[0].replaceChildren(...rows);
  byId("differences").hidden = !names.length;
  const same = study.same + study.parameters.length - names.length;
  byId("same").textContent = shown.length < 2 ? "Choose two runs or more to see what they differ in."
    : `${shown.length} chosen runs: ${names.length} parameters differ, ${same} are the same in all.`;
}
