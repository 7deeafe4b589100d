"use strict";
// What is asked for, and the same as the fragment of the page's address: a view that can be sent.

const UNITS = { published: "step", own: "step of each run", epoch: "epoch" };
const scaled = runs.some((run) => run.scale !== 1);
const events = [...new Set(runs.flatMap((run) => Object.keys(run.events)))];
const state = fresh();
let unknown = []; // what an address named that this page does not have

function fresh() {
  return {
    filters: new Map(), off: new Set(), part: "", plots: study.first.map((y) => ({ y, with: "", log: false })),
    unit: "published", logX: false, from: null, to: null, align: "", band: false, colour: "alike",
    sort: "", falling: false, quality: study.qualities[0]?.score ?? "", again: false,
  };
}

const valueOf = (run, name) => run.parameters[study.parameters.indexOf(name)];

function inFilter(run) {
  for (const [name, allowed] of state.filters) if (!allowed.has(valueOf(run, name))) return false;
  const words = state.part.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => `${run.name} ${run.title} ${run.state}`.toLowerCase().includes(word));
}

const listed = () => runs.filter(inFilter);
const chosen = () => runs.filter((run) => inFilter(run) && !state.off.has(run.name));

// ------------------------------------------------------------------------------------------------- the fragment

function fragment() {
  const said = new URLSearchParams(), plain = fresh();
  for (const [name, allowed] of state.filters) for (const value of allowed) said.append(`is.${name}`, value);
  for (const [name, allowed] of state.filters) if (!allowed.size) said.append(`is.${name}`, "");
  const off = runs.filter((run) => state.off.has(run.name)), on = runs.filter((run) => !state.off.has(run.name));
  if (off.length && off.length <= on.length) for (const run of off) said.append("without", run.name);
  else if (off.length && !on.length) said.append("only", "");
  else if (off.length) for (const run of on) said.append("only", run.name);
  const plots = (all) => all.map((p) => [p.y, p.with, p.log ? "log" : ""].join("|"));
  if (String(plots(state.plots)) !== String(plots(plain.plots))) {
    for (const text of plots(state.plots)) said.append("plot", text);
    if (!state.plots.length) said.append("plot", "");
  }
  for (const name of ["part", "unit", "align", "colour", "sort", "quality"]) {
    if (state[name] !== plain[name]) said.append(name, state[name]);
  }
  for (const name of ["from", "to"]) if (state[name] !== null) said.append(name, state[name]);
  for (const name of ["logX", "band", "falling", "again"]) if (state[name]) said.append(name, "yes");
  return said.toString();
}

function readFragment() {
  const said = new URLSearchParams(location.hash.slice(1)), named = new Set(runs.map((run) => run.name));
  Object.assign(state, fresh());
  unknown = [];
  const known = (there, name) => there || (unknown.push(name), false);
  for (const key of new Set(said.keys())) {
    const name = key.slice(3);
    if (!key.startsWith("is.") || !known(study.parameters.includes(name), name)) continue;
    const values = new Set(runs.map((run) => valueOf(run, name)));
    state.filters.set(name, new Set(said.getAll(key).filter((v) => v && known(values.has(v), `${name} = ${v}`))));
  }
  const asked = (key) => said.getAll(key).filter((name) => name && known(named.has(name), name));
  if (said.has("only")) {
    const on = new Set(asked("only"));
    state.off = new Set([...named].filter((name) => !on.has(name)));
  } else state.off = new Set(asked("without"));
  if (said.has("plot")) {
    const plots = said.getAll("plot").map((text) => text.split("|"));
    state.plots = plots.filter(([y]) => y && known(columns.includes(y), y))
      .map(([y, other, log]) => ({ y, with: columns.includes(other) ? other : "", log: log === "log" }));
  }
  const among = { unit: Object.keys(UNITS), align: ["", ...events], quality: study.qualities.map((q) => q.score) };
  among.colour = ["alike", "run", ...study.parameters];
  for (const name of ["part", "sort", ...Object.keys(among)]) {
    const given = said.get(name);
    if (given !== null && (!among[name] || known(among[name].includes(given), given))) state[name] = given;
  }
  for (const name of ["from", "to"]) {
    if (said.has(name) && Number.isFinite(Number(said.get(name)))) state[name] = Number(said.get(name));
  }
  for (const name of ["logX", "band", "falling", "again"]) state[name] = said.get(name) === "yes";
}
