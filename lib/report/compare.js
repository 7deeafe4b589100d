"use strict";
// The controls of the page: the state is what was asked for, and everything shown follows from it.

const AGAIN = 10; // seconds after which a page that is to follow runs is read again
const MOST_KEYS = 24; // in the legend
const named = (name) => [...document.querySelectorAll(`input[name=${name}]`)];
let span = [0, 1];

function draw() {
  const shown = chosen(), found = looks(shown);
  const sets = state.plots.map((spec) => linesOf(spec, shown, found));
  span = window_(sets);
  const count = Math.max(1, sets.flat().length), most = Math.max(8, Math.floor(POINTS / count));
  panels();
  const lost = state.plots.map((spec, i) => {
    const svg = byId("plots").children[i].querySelector(".plot"), pixels = 2 * (svg.clientWidth || 300);
    return drawPlot(svg, spec, sets[i], span, Math.min(most, pixels));
  });
  drawLegend(shown, found);
  byId("said").textContent = told(shown, sets, lost);
  holdingFocus(() => drawTable(span, found));
  drawDifferences(shown);
  sync();
  share();
}

// What the plots do not show by themselves: who is missing, and why.
function told(shown, sets, lost) {
  const parts = [`${shown.length} of ${runs.length} runs are chosen.`];
  if (state.unit === "epoch" && shown.some((run) => !run.epoch)) {
    parts.push(`${shown.filter((run) => !run.epoch).length} have no epochs and are not drawn.`);
  }
  const without = state.align ? shown.filter((run) => !Number.isFinite(run.events[state.align]?.[0] ?? NaN)) : [];
  if (without.length) {
    const until = without.map((run) => run.events[state.align]?.[1]).filter(Number.isFinite);
    const ends = [...new Set([Math.min(...until), Math.max(...until)])].map((step) => short(step, 7)).join(" to ");
    const by = until.length ? ` by step ${ends}` : "";
    parts.push(`${without.length} of them without “${state.align}”${by} and not drawn.`);
  }
  state.plots.forEach((spec, i) => {
    for (const column of [spec.y, spec.with].filter(Boolean)) {
      const lacking = shown.filter((run) => !courseOf(run, column)).length;
      if (lacking) parts.push(`${lacking} have no ${column}.`);
    }
    if (lost[i]) parts.push(`${spec.y}: ${lost[i]} values are not positive and have no place on a log scale.`);
  });
  const ended = shown.filter((run) => run.diverged).length;
  if (ended) parts.push(`${ended} diverged: thin lines that end in ✕ and do not set the scale.`);
  if (sets.some((lines) => lines.length < MANY && lines.some((line) => line.run && line.low))) {
    parts.push("Shades: a standard error to either side.");
  }
  if (state.band) parts.push("Bands: smallest to largest over seeds, and their mean, where all have values.");
  if (study.thinned) {
    parts.push(`Courses of more than ${study.thinned} points were thinned to fit this page, extremes kept.`);
  }
  if (study.unread.length) parts.push(`${study.unread.join("; ")}.`);
  if (unknown.length) parts.push(`The address names what this page does not have: ${unknown.join(", ")}.`);
  return parts.join(" ");
}

function drawLegend(shown, found) {
  const counts = new Map();
  for (const run of shown) counts.set(keyOf(run), (counts.get(keyOf(run)) ?? 0) + 1);
  const items = [...found].slice(0, MOST_KEYS).map(([key, { colour, dash }]) => {
    const item = node("li"), look = { class: "run", style: `--c:${colour}`, "stroke-dasharray": dash };
    const line = element("line", { x1: 0, x2: 26, y1: 5, y2: 5, ...look });
    item.append(element("svg", { class: "plot key", viewBox: "0 0 26 10", "aria-hidden": "true" }, line));
    const ofParameter = study.parameters.includes(state.colour) && !(state.band && state.colour === "seed");
    const name = ofParameter ? `${state.colour} = ${key}` : key;
    item.append(` ${name}${counts.get(key) > 1 ? ` (${counts.get(key)})` : ""}`);
    return item;
  });
  const more = found.size - MOST_KEYS;
  if (more > 0) items.push(node("li", `and ${more} more: point at a line for its name`));
  if (found.size > LOOKS) items.push(node("li", "colours come again"));
  byId("legend").replaceChildren(...items);
}

// ------------------------------------------------------------------------------------------------ plots as elements

function columnSelect(none) {
  const select = node("select"), groups = new Map();
  if (none) select.append(node("option", none, { value: "" }));
  for (const column of columns) {
    const [, , group = "evaluations"] = /^(.+?) of (.+)$/.exec(column) ?? [];
    if (!groups.has(group)) groups.set(group, node("optgroup", "", { label: group }));
    groups.get(group).append(node("option", column, { value: column }));
  }
  select.append(...groups.values());
  return select;
}

function panel(place) {
  const figure = node("figure", "", { className: "panel" }), caption = node("figcaption");
  const [y, other] = [columnSelect(), columnSelect("nothing")], log = node("input", "", { type: "checkbox" });
  y.setAttribute("aria-label", `what plot ${place + 1} shows`);
  const beside = node("label", "dotted "), scale = node("label");
  const remove = node("button", "remove", { type: "button" });
  beside.append(other);
  scale.append(log, " log");
  remove.setAttribute("aria-label", `remove plot ${place + 1}`);
  caption.append(y, beside, scale, remove);
  const svg = element("svg", { class: "plot course", role: "img" });
  figure.append(caption, svg);
  const change = () => {
    state.plots[place] = { y: y.value, with: other.value, log: log.checked };
    draw();
  };
  for (const control of [y, other, log]) control.addEventListener("change", change);
  remove.addEventListener("click", () => {
    state.plots.splice(place, 1);
    draw();
  });
  zoomable(svg);
  return figure;
}

function panels() {
  const home = byId("plots");
  while (home.children.length > state.plots.length) home.lastChild.remove();
  while (home.children.length < state.plots.length) home.append(panel(home.children.length));
  state.plots.forEach((spec, i) => {
    const [y, other] = home.children[i].querySelectorAll("select");
    [y.value, other.value, home.children[i].querySelector("input").checked] = [spec.y, spec.with, spec.log];
  });
}

// Dragging chooses the window; a double click goes back to all of it.
function zoomable(svg) {
  let from = null;
  const at = (event) => back(drawn.get(svg).fromX(event.clientX - svg.getBoundingClientRect().left));
  svg.addEventListener("pointermove", (event) => (from === null || event.buttons ? hover(event, svg) : null));
  svg.addEventListener("pointerleave", () => (byId("tip").hidden = true));
  svg.addEventListener("pointerdown", (event) => {
    from = { x: at(event), px: event.clientX };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointercancel", () => (from = null));
  svg.addEventListener("pointerup", (event) => {
    const two = from && [from.x, at(event)].sort((a, b) => a - b);
    const near = !from || Math.abs(event.clientX - from.px) <= 8;
    from = null;
    if (near) return;
    [state.from, state.to] = two.map((v, i) => Number(Math.min(Math.max(v, span[0]), span[1]).toPrecision(5)));
    draw();
  });
  svg.addEventListener("dblclick", () => wholeRun());
}

function wholeRun() {
  [state.from, state.to] = [null, null];
  draw();
}

// ------------------------------------------------------------------------------------------------------- controls

function filters() {
  const [near, far] = [byId("filters"), byId("more")];
  study.parameters.forEach((name, i) => {
    const values = [...new Set(runs.map((run) => valueOf(run, name)))];
    if (values.every((v) => Number.isFinite(Number(v)))) values.sort((a, b) => a - b);
    const set = node("fieldset"), many = values.length > 12, home = many ? node("details") : set;
    set.append(node("legend", name));
    if (many) {
      home.append(node("summary", `${values.length} values`));
      set.append(home);
    }
    for (const value of values) {
      const label = node("label"), box = node("input", "", { type: "checkbox", name: "filter", value });
      box.dataset.parameter = name;
      label.append(box, ` ${value}`);
      home.append(label);
    }
    (i < AXES ? near : far).append(set);
  });
  byId("others").hidden = !far.children.length;
  byId("others").querySelector("summary").textContent = `${far.children.length} more parameters differ`;
}

function useFilters() {
  state.filters.clear();
  for (const name of study.parameters) {
    const boxes = named("filter").filter((box) => box.dataset.parameter === name);
    if (boxes.some((box) => !box.checked)) {
      state.filters.set(name, new Set(boxes.filter((box) => box.checked).map((box) => box.value)));
    }
  }
}

// The controls say what the state is.
function sync() {
  for (const box of named("filter")) {
    box.checked = state.filters.get(box.dataset.parameter)?.has(box.value) ?? true;
  }
  for (const name of ["part", "unit", "align", "colour", "quality"]) {
    if (byId(name).value !== state[name]) byId(name).value = state[name];
  }
  for (const name of ["logX", "band", "again"]) byId(name).checked = state[name];
  for (const name of ["from", "to"]) {
    if (document.activeElement !== byId(name)) byId(name).value = state[name] ?? "";
    byId(name).placeholder = short(span[name === "from" ? 0 : 1], 6);
  }
  byId("logX").disabled = Boolean(state.align);
}

function share() {
  const said = fragment(), address = location.href.replace(/#.*/, "") + (said ? `#${said}` : "");
  if (location.href !== address) history.replaceState(null, "", address);
  byId("address").value = location.href;
}

// A table that is made anew keeps the place of the keyboard.
function holdingFocus(make) {
  const { dataset = {}, name, value } = document.activeElement ?? {};
  make();
  const headings = [...document.querySelectorAll("[data-sort]")];
  const heading = headings.find((button) => button.dataset.sort === dataset.sort);
  const box = name === "run" ? named("run").find((one) => one.value === value) : null;
  (heading ?? box)?.focus({ preventScroll: true });
}

function listen() {
  const changed = (id, set) => byId(id).addEventListener("input", (event) => (set(event.target), draw()));
  const number = (text) => (text === "" || !Number.isFinite(Number(text)) ? null : Number(text));
  for (const name of ["part", "align", "colour", "quality"]) {
    changed(name, (control) => (state[name] = control.value));
  }
  for (const name of ["logX", "band", "again"]) changed(name, (control) => (state[name] = control.checked));
  for (const name of ["from", "to"]) changed(name, (control) => (state[name] = number(control.value)));
  changed("unit", (control) => Object.assign(state, { unit: control.value, from: null, to: null }));
  byId("align").addEventListener("input", wholeRun);
  for (const home of ["filters", "more"]) byId(home).addEventListener("change", () => (useFilters(), draw()));
  byId("all").addEventListener("click", () => (listed().forEach((run) => state.off.delete(run.name)), draw()));
  byId("none").addEventListener("click", () => (listed().forEach((run) => state.off.add(run.name)), draw()));
  byId("whole").addEventListener("click", wholeRun);
  byId("add").addEventListener("click", () => (state.plots.push({ y: columns[0], with: "", log: false }), draw()));
  byId("table").addEventListener("change", ({ target }) => {
    state.off[target.checked ? "delete" : "add"](target.value);
    draw();
  });
  byId("table").addEventListener("click", ({ target }) => {
    const name = target.dataset.sort;
    if (name === undefined) return;
    state.falling = state.sort === name ? !state.falling : false;
    state.sort = name;
    draw();
  });
  byId("copy").addEventListener("click", async () => {
    byId("address").select();
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    byId("copied").textContent = copied ? "copied" : "press Ctrl+C";
  });
  byId("reload").addEventListener("click", () => location.reload());
  byId("again").addEventListener("input", later);
  addEventListener("hashchange", () => (readFragment(), draw()));
  addEventListener("resize", draw);
}

function later() {
  setTimeout(() => state.again && location.reload(), 1000 * AGAIN);
}

function options() {
  const add = (id, entries) => byId(id).append(...entries.map(([value, text]) => node("option", text, { value })));
  add("unit", [["published", scaled ? "step, published" : "step"]]);
  if (scaled) add("unit", [["own", UNITS.own]]);
  if (runs.some((run) => run.epoch)) add("unit", [["epoch", UNITS.epoch]]);
  add("align", [["", "nothing"], ...events.map((name) => [name, name])]);
  add("colour", [["alike", "all but the seed"], ["run", "run"], ...study.parameters.map((name) => [name, name])]);
  add("quality", study.qualities.map(({ score }) => [score, score]));
  byId("written").textContent = document.lastModified;
}

async function begin() {
  if (!globalThis.DecompressionStream) {
    byId("old").hidden = false;
    return;
  }
  await unpack();
  for (const hidden of document.querySelectorAll(".scripted")) hidden.hidden = false;
  options();
  filters();
  readFragment();
  listen();
  draw();
  if (state.again) later();
  document.body.dataset.ready = "yes";
}

if (runs.length) begin();
