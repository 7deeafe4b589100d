"use strict";
// From runs to lines: the step in the unit that is asked for, counted from an event, in colours that tell runs
// apart, and seeds as a band.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const DASHES = ["", "7 3", "2 2", "9 3 2 3"];
const RAMP = [[13, 8, 135], [126, 3, 168], [204, 71, 120], [240, 140, 60]];
const LOOKS = COLOURS.length * DASHES.length;

const perStep = (run) => (state.unit === "published" ? run.scale : state.unit === "own" ? 1 : 1 / run.epoch);

// What x is 0 at, in own steps: 0, or that of the event; NaN for a run that has none, or no such unit.
function start(run) {
  if (state.unit === "epoch" && !run.epoch) return NaN;
  if (!state.align) return 0;
  const [step] = run.events[state.align] ?? [null];
  return step === null ? NaN : Math.round(step / run.scale);
}

function keyOf(run) {
  if (state.colour === "run" && !state.band) return run.title;
  const own = state.colour === "alike" || state.colour === "run" || (state.band && state.colour === "seed");
  return own ? run.group : valueOf(run, state.colour);
}

// Colour and dashes of every key, in order; numbers get an ordered palette.
function looks(shown) {
  const keys = [...new Set(shown.map(keyOf))], found = new Map();
  const numbers = keys.length > 2 && keys.every((key) => key !== "" && Number.isFinite(Number(key)));
  if (numbers) keys.sort((a, b) => a - b);
  keys.forEach((key, i) => {
    const one = COLOURS[i % COLOURS.length], dash = DASHES[Math.floor(i / COLOURS.length) % DASHES.length];
    found.set(key, numbers ? { colour: ramp(i / (keys.length - 1)), dash: "" } : { colour: one, dash });
  });
  return found;
}

function ramp(share) {
  const place = share * (RAMP.length - 1), i = Math.min(Math.floor(place), RAMP.length - 2);
  const mixed = RAMP[i].map((from, k) => Math.round(from + (place - i) * (RAMP[i + 1][k] - from)));
  return `rgb(${mixed.join()})`;
}

// The course of a run in the units of the plot, with its standard errors where they were measured; null where none.
function lineOf(run, column, found) {
  const course = courseOf(run, column), zero = start(run);
  if (!course || !Number.isFinite(zero)) return null;
  const factor = perStep(run), x = course.steps.map((step) => (step - zero) * factor);
  const line = { run, x, y: course.values, title: run.title, diverged: run.diverged, ...found.get(keyOf(run)) };
  const error = courseOf(run, errorOf(column));
  if (!error || error.steps.length !== course.steps.length) return line;
  const [low, high] = [-1, 1].map((sign) => course.values.map((v, i) => v + sign * error.values[i]));
  return { ...line, low, high };
}

// The column that has the standard errors of another.
const errorOf = (column) => column.replace(/^(.+?)(?= of |$)/, "$1_se");

// Runs that differ in the seed alone become a mean in the band that they span; what is alone or diverged stays.
function banded(lines) {
  const groups = new Map(), kept = [], bands = [];
  for (const line of lines) {
    if (line.diverged) kept.push(line);
    else groups.set(line.run.group, [...(groups.get(line.run.group) ?? []), line]);
  }
  for (const [group, members] of groups) {
    if (members.length === 1) kept.push(members[0]); // with its standard errors
    else bands.push(bandOf(group, members));
  }
  return { lines: [...kept, ...bands], bands };
}

// Over the steps that all members span, in between by straight lines; never across a gap.
function bandOf(group, members) {
  const lo = Math.max(...members.map((m) => m.x[0])), hi = Math.min(...members.map((m) => m.x.at(-1)));
  const grid = new Set();
  for (const m of members) for (const x of m.x) if (x >= lo && x <= hi) grid.add(x);
  const x = Float64Array.from(grid).sort(), low = new Float64Array(x.length), high = low.slice(), y = low.slice();
  x.forEach((at, i) => {
    const values = members.map((m) => between(m, at));
    y[i] = values.reduce((sum, v) => sum + v, 0) / values.length;
    low[i] = Math.min(...values); // NaN where one is missing
    high[i] = Math.max(...values);
  });
  return { ...members[0], run: null, group, title: `${group}: mean of ${members.length}`, x, y, low, high };
}

function between({ x, y }, at) {
  const i = before(x, at);
  if (x[i] === at) return y[i];
  return y[i] + ((at - x[i]) / (x[i + 1] - x[i])) * (y[i + 1] - y[i]);
}
