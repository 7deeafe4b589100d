"use strict";
// The explorer of a study's page: which runs, which window, which null; everything shown is computed here from the
// runs' Gram matrices. The controls are the state: what they say is what is drawn.

const byId = (id) => document.getElementById(id);
const study = JSON.parse(byId("study").textContent);
const runs = study.runs.map(prepared);
const POINTS = 60; // snapshots of the walk that the sliders make
const NEVER = -6; // the share of the memory, as a power of ten, that stands for none
const QUANTITIES = [
  { key: "a", title: "along the backbone, a(t)", x: "steps" },
  { key: "r", title: "across it, ‖r(t)‖", x: "steps" },
  { key: "fraction", title: "backbone fraction, a² / ‖Δ‖²", x: "steps", range: [0, 1] },
  { key: "cosines", title: "update · v_b, in sample (cosine)", x: "ends" },
];
const WHOLE = { lo: 0, hi: null, stride: null, normalise: true, components: null };
const measured = new Map();

function prepared(run) {
  const end = run.steps.length, gram = unpack(run.gram, end + 1), rates = learningRates(run.schedule);
  const start = Math.sqrt(gram[end][end]), drift = Math.sqrt(gram[end - 1][end - 1]);
  const schedule = scheduleNull(run.steps, rates, run.decay, start, { drift });
  const memory = run.memory ? memoryNull(gram, run.steps, rates, run.decay, run.memory) : null;
  const grams = { observed: gram, schedule: schedule.gram, memory };
  return { ...run, start, scale: Math.sqrt(schedule.square), grams };
}

function measuredOf(run, side, window) {
  const key = [run.name, side, ...Object.values(window)].join();
  if (measured.size > 2000) measured.clear();
  if (!measured.has(key)) {
    const gram = run.grams[side];
    measured.set(key, gram ? measure(gram, run.steps, window, study.lag) : null);
  }
  return measured.get(key);
}

// --------------------------------------------------------------------------------------------- what is asked for

const checked = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;
const listed = (name) => [...document.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value);
const unit = () => (checked("steps") === "published" ? study.timeScale : 1);
const stepText = (step) => String(Math.round(step * unit() * 100) / 100);

function shownRuns() {
  const groups = listed("group"), seeds = listed("seed");
  return runs.filter((run) => groups.includes(run.group) && seeds.includes(String(run.seed)));
}

function preset() {
  return study.windows.find((w) => w.name === byId("preset").value);
}

// The preset's own window, or, once its ends were moved, the one between the two sliders.
function chosenWindow() {
  const { lo, hi, stride, normalise, components } = preset();
  if (!byId("preset").dataset.moved) return { lo, hi, stride, normalise, components };
  const [first, last] = ends();
  return { lo: study.steps[first], hi: study.steps[last], stride, normalise, components };
}

function ends() {
  const two = [Number(byId("from").value), Number(byId("to").value)];
  return [Math.min(...two), Math.max(...two)];
}

function usePreset() {
  const { lo, hi } = preset(), isInside = (step) => step >= lo && (hi === null || step <= hi);
  const inside = [...study.steps.keys()].filter((i) => isInside(study.steps[i]));
  byId("from").value = inside[0] ?? 0;
  byId("to").value = inside.at(-1) ?? study.steps.length - 1;
  delete byId("preset").dataset.moved;
}

// ------------------------------------------------------------------------------------------------------- drawing

const rule = (box, toX) => {
  const x = toX(study.steps[byId("at").value] * unit()), seen = x > box.left - 1 && x < box.right + 1;
  return element("line", { class: seen ? "rule" : "none", x1: x, x2: x, y1: box.top, y2: box.bottom });
};

const scales = new Map(); // of every panel as it was drawn last, for the pointer

function panel(svg, curves, nulls, range = []) {
  const inUnits = (c) => ({ ...c, x: c.x.map((step) => step * unit()) });
  const lines = curves.map(inUnits), band = envelope(nulls.map(inUnits));
  const x = extent([lines.flatMap((c) => c.x)]).map((v, i, both) => v + (i ? -1 : 1) * 0.045 * (both[1] - both[0]));
  const y = extent([lines.flatMap((c) => [...c.y]), band.flatMap((b) => b.slice(1))], range);
  scales.set(svg, { ...plot(svg, { lines, band, x, y, named: "step", marks: [rule] }), curves, nulls });
}

const curve = (run, x, y) => ({ x, y, colour: run.colour, title: run.title });

function draw() {
  const window = chosenWindow(), shown = shownRuns(), rung = checked("rung");
  const of = (run, side) => measuredOf(run, side, window);
  const both = shown.map((run) => ({ run, seen: of(run, "observed"), null: of(run, rung) }));
  for (const { key, x, range } of QUANTITIES) {
    const curves = (side) => both.filter((b) => b[side]).map((b) => curve(b.run, b[side][x], b[side][key]));
    panel(byId(`panel-${key}`), curves("seen"), curves("null"), range);
  }
  const [lo, hi] = [window.lo, window.hi ?? Infinity], wanted = byId("score")?.value;
  const scores = shown.flatMap((run) => run.scores.filter((s) => s.name === wanted).map((s) => {
    const kept = [...s.steps.keys()].filter((i) => s.steps[i] >= lo && s.steps[i] <= hi);
    return curve(run, kept.map((i) => s.steps[i]), kept.map((i) => s.values[i]));
  }));
  if (wanted) panel(byId("panel-score"), scores, []);
  const paths = (side, look) => both.filter((b) => b[side])
    .map((b) => ({ x: b[side].a, y: b[side].second, colour: b.run.colour, ...look }));
  plane(byId("panel-plane"), [...paths("null", { kind: "nullpath" }), ...paths("seen", {})], false);
  drawStrip(shown, rung, window);
  table(both);
  byId("from-text").textContent = stepText(study.steps[ends()[0]]);
  byId("to-text").textContent = stepText(study.steps[ends()[1]]);
  const grid = window.stride === null ? "every snapshot" : `snapshots every ${stepText(window.stride)} steps`;
  const name = byId("preset").dataset.moved ? `${preset().name}, its window moved` : preset().name;
  const scaling = window.normalise ? "each drift scaled to one length" : "drifts as they are";
  byId("window-text").textContent = `${name}: ${grid}, ${scaling}`;
}

// The whole run, the window marked: where a window is dragged.
function drawStrip(shown, rung, window) {
  const of = (side) => shown.filter((run) => run.grams[side]).map((run) => {
    const { steps, drift } = measuredOf(run, side, WHOLE);
    return { x: steps.map((step) => step * unit()), y: drift, colour: run.colour };
  });
  const lines = of("observed"), band = envelope(of(rung));
  const last = study.steps.at(-1) * unit();
  const y = extent([lines.flatMap((c) => c.y), band.flatMap((b) => b.slice(1))], [0]);
  const marked = (box, toX) => {
    const left = toX(window.lo * unit()), right = toX(Math.min((window.hi ?? Infinity) * unit(), last));
    const size = { width: Math.max(1, right - left), height: box.bottom - box.top };
    return element("rect", { class: "window", x: left, y: box.top, ...size });
  };
  const up = "‖Δ(t)‖ of the whole run: drag a window";
  scales.set(byId("strip"), plot(byId("strip"), { lines, band, x: [0, last], y, up, marks: [marked, rule] }));
}

function table(both) {
  const step = study.steps[byId("at").value];
  byId("at-text").textContent = stepText(step);
  const value = (m, key, x) => (m ? m[key][m[x].indexOf(step)] : NaN);
  const pair = (b, of) => `${short(of(b.seen))} (${b.null ? short(of(b.null)) : "–"})`;
  const rows = both.map((b) => {
    const excess = b.null ? short(b.seen.pc1 - b.null.pc1) : "–";
    const cells = [b.run.title, pair(b, (m) => m.pc1), excess, pair(b, (m) => m.k95)];
    for (const { key, x } of QUANTITIES) cells.push(pair(b, (m) => value(m, key, x)));
    const row = document.createElement("tr");
    cells.forEach((text, i) => {
      const cell = document.createElement(i ? "td" : "th");
      if (i) cell.className = "number";
      else cell.style.setProperty("--c", b.run.colour);
      cell.textContent = text;
      row.append(cell);
    });
    return row;
  });
  byId("values").tBodies[0].replaceChildren(...rows);
}

// ---------------------------------------------------------------------------------- the plane, and a walk of noise

function plane(svg, paths, dots = true) {
  const x = extent(paths.map((p) => p.x)), y = extent(paths.map((p) => p.y));
  plot(svg, { lines: paths.map((p) => ({ ...p, dots })), x, y, named: "along v_b", up: "along PC2" });
}

function drawAnswer() {
  const run = runs[study.baseline], found = study.windows[0], rung = run.grams.memory ? "memory" : "schedule";
  const path = (side) => measuredOf(run, side, found);
  const [seen, none] = [path("observed"), path(rung)];
  plane(byId("plane"), [
    { x: none.a, y: none.second, kind: "nullpath", colour: "", named: "null" },
    { x: seen.a, y: seen.second, colour: run.colour, named: "run" },
  ]);
  byId("plane-text").textContent =
    `The path of the baseline run (${run.title}) in the plane of its first two directions, and that of its ` +
    `null (${rung}) in the plane of its own. PC1 is ${short(seen.pc1)} % in the run and ${short(none.pc1)} % in ` +
    `the null.`;
}

// A walk without learning along the baseline's schedule, its warm-up, decay and memory as the sliders have them.
function walk({ warmup, decay, share, timeConstant }) {
  const base = runs[study.baseline], schedule = { ...base.schedule, warmup }, rates = learningRates(schedule);
  const points = Math.min(POINTS, schedule.steps);
  const steps = Array.from({ length: points + 1 }, (_, i) => Math.round((i * schedule.steps) / points));
  const fresh = scheduleNull(steps, rates, decay, base.start, { scale: base.scale });
  if (share === 0) return { steps, gram: fresh.gram };
  const covariance = additionCovariance(steps, rates, decay, { share, timeConstant });
  const scaled = covariance.map((row) => row.map((c) => c * base.scale ** 2));
  return { steps, gram: rebuilt(steps, rates, decay, base.start, scaled) };
}

function drawWalk() {
  const base = runs[study.baseline], steps = base.schedule.steps, at = (id) => Number(byId(id).value);
  const share = at("walk-share") <= NEVER ? 0 : 10 ** at("walk-share"), timeConstant = 10 ** at("walk-constant");
  const asked = { warmup: Math.round(at("walk-warmup") * steps), decay: at("walk-decay"), share, timeConstant };
  asked.warmup = Math.min(asked.warmup, steps - 1);
  const made = walk(asked), found = measure(made.gram, made.steps, WHOLE, null);
  byId("walk-warmup-text").textContent = `${Math.round(100 * at("walk-warmup"))} % of the run`;
  byId("walk-decay-text").textContent = short(asked.decay);
  byId("walk-share-text").textContent = share ? `${short(100 * share, 2)} % of a step's variance` : "none";
  byId("walk-constant-text").textContent = share ? `${short(timeConstant * unit())} steps` : "no memory, so none";
  byId("walk-said").textContent = `PC1 ${short(found.pc1)} % and k95 ${short(found.k95)}, with nothing learnt.`;
  plane(byId("walk-plane"), [{ x: found.a, y: found.second, kind: "nullpath", colour: "" }]);
}

// ---------------------------------------------------------------------------------------------------- the pointer

function nearest(step) {
  let best = 0;
  study.steps.forEach((s, i) => {
    if (Math.abs(s - step) < Math.abs(study.steps[best] - step)) best = i;
  });
  return best;
}

const stepUnder = (event, svg) => scales.get(svg).fromX(event.clientX - svg.getBoundingClientRect().left) / unit();

function hover(event, svg) {
  byId("at").value = nearest(stepUnder(event, svg));
  draw();
  const { curves, nulls } = scales.get(svg), step = study.steps[byId("at").value], tip = byId("tip");
  const at = (c) => short(c.y[c.x.indexOf(step)]);
  const rows = curves.map((c, i) => {
    const row = document.createElement("div");
    row.className = "run";
    row.style.setProperty("--c", c.colour);
    row.textContent = `${c.title}: ${at(c)}${nulls[i] ? ` (null ${at(nulls[i])})` : ""}`;
    return row;
  });
  tip.replaceChildren(`step ${stepText(step)}`, ...rows);
  tip.hidden = false;
  const wide = tip.offsetWidth, right = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, right - wide - 4))}px`;
  tip.style.top = `${event.clientY + 16}px`;
}

function dragged(event, svg, from) {
  byId("from").value = from;
  byId("to").value = nearest(stepUnder(event, svg));
  byId("preset").dataset.moved = "yes";
  draw();
}

function listen() {
  const explorer = byId("explorer"), strip = byId("strip");
  explorer.addEventListener("input", (event) => {
    if (event.target.id === "preset") usePreset();
    if (["from", "to"].includes(event.target.id)) byId("preset").dataset.moved = "yes";
    draw();
    drawWalk();
  });
  for (const svg of explorer.querySelectorAll("[data-hover]")) {
    svg.addEventListener("pointermove", (event) => hover(event, svg));
    svg.addEventListener("pointerleave", () => (byId("tip").hidden = true));
  }
  let from = null;
  strip.addEventListener("pointerdown", (event) => {
    from = nearest(stepUnder(event, strip));
    strip.setPointerCapture(event.pointerId);
  });
  strip.addEventListener("pointermove", (event) => from !== null && dragged(event, strip, from));
  for (const over of ["pointerup", "pointercancel"]) strip.addEventListener(over, () => (from = null));
  byId("walk").addEventListener("input", drawWalk);
  addEventListener("resize", all);
}

function all() {
  draw();
  drawAnswer();
  drawWalk();
}

function begin() {
  for (const hidden of document.querySelectorAll(".scripted")) hidden.hidden = false;
  usePreset();
  listen();
  all();
}

if (runs.length) begin();
