"use strict";
// The plots: one for every number that is asked for, all over the same steps.

const POINTS = 40000; // in all plots together, so that a redraw is not felt; more is thinned
const FEW = 40; // points of a line that are drawn as points too
const MANY = 9; // lines from which on they are thin, without points and shades
const drawn = new Map(); // of every plot as it was drawn last, for the pointer

const log10 = (v) => (v > 0 ? Math.log10(v) : NaN);
const asIs = (v) => v;
const across = () => (state.logX && !state.align ? log10 : asIs);
const back = (v) => (across() === log10 ? 10 ** v : v);

function logTicks(low, high, count) {
  const whole = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
  const powers = whole(Math.ceil(low), Math.floor(high));
  if (powers.length > 2) return powers.filter((_, i) => i % Math.ceil(powers.length / count) === 0);
  const decades = whole(Math.floor(low), Math.ceil(high)), inside = (v) => v >= low && v <= high;
  const fine = decades.flatMap((k) => [1, 2, 5].map((m) => Math.log10(m) + k)).filter(inside);
  return fine.length > 1 ? fine : ticks(10 ** low, 10 ** high, count).filter((v) => v > 0).map(Math.log10);
}

// The lines of a plot before anything is cut or thinned.
function linesOf(spec, shown, found) {
  return [spec.y, spec.with].flatMap((column, second) => {
    if (!column) return [];
    const lines = shown.map((run) => lineOf(run, column, found)).filter((line) => line?.x.length);
    return (state.band ? banded(lines).lines : lines).map((line) => ({ ...line, column, second: Boolean(second) }));
  });
}

// From and to of all plots: what was chosen, else all that there is.
function window_(sets) {
  let low = Infinity, high = -Infinity;
  for (const line of sets.flat()) {
    const first = across() === log10 ? line.x.find((v) => v > 0) ?? Infinity : line.x[0];
    low = Math.min(low, first);
    high = Math.max(high, line.x.at(-1));
  }
  if (!(low < high)) [low, high] = Number.isFinite(low) ? [low, low + 1] : [1, 2];
  const least = across() === log10 ? low : -Infinity;
  const both = [Math.max(least, state.from ?? low), state.to ?? high];
  return both[0] < both[1] ? both : [low, high];
}

// The pieces of a line in a window, and its values there: cut at gaps, thinned to about `most` points.
function piecesOf(line, [low, high], most, up) {
  const { x, y } = line, first = Math.max(0, before(x, low)), last = Math.min(x.length - 1, before(x, high) + 1);
  const pieces = [], seen = [], places = first <= last ? thinned(y, first, last, most) : [];
  const over = across(), edge = (values) => places.map((i) => [over(x[i]), up(values[i])]);
  let piece = null, lost = 0;
  for (const i of places) {
    const [px, py] = [over(x[i]), up(y[i])], inside = x[i] >= low && x[i] <= high;
    if (Number.isFinite(y[i]) && !Number.isFinite(py) && inside) lost++;
    if (!Number.isFinite(px) || !Number.isFinite(py)) piece = null;
    else {
      if (!piece) pieces.push((piece = { x: [], y: [] }));
      piece.x.push(px);
      piece.y.push(py);
      if (inside) seen.push(py);
    }
  }
  const around = line.low && [...edge(line.high), ...edge(line.low).reverse()];
  const band = around && around.filter((point) => point.every(Number.isFinite));
  const limits = line.low ? places.flatMap((i) => [up(line.low[i]), up(line.high[i])]).filter(Number.isFinite) : [];
  return { line, pieces, seen: [...seen, ...limits], band, lost, count: places.length };
}

function lookOf(line, few) {
  const dash = line.second ? "1 3" : line.dash;
  const width = line.run ? (line.diverged ? 0.9 : few ? 1.6 : 1.2) : 2.2;
  return `;stroke-width:${width}${dash ? `;stroke-dasharray:${dash};stroke-linecap:round` : ""}`;
}

function drawPlot(svg, spec, lines, span, most) {
  const up = spec.log ? log10 : asIs, bare = !state.band && lines.length >= MANY;
  const parts = lines.map((line) => ({ ...piecesOf(bare ? { ...line, low: null } : line, span, most, up), line }));
  const steady = parts.filter((part) => !part.line.diverged && part.seen.length);
  let [low, high] = [Infinity, -Infinity];
  for (const { seen } of steady.length ? steady : parts) {
    for (const v of seen) [low, high] = [Math.min(low, v), Math.max(high, v)];
  }
  const empty = !(low <= high), margin = 0.05 * (high - low || Math.abs(high) || 1);
  const y = empty ? [0, 1] : [low - margin, high + margin], x = span.map(across());
  const few = parts.length < MANY;
  const pieces = parts.flatMap(({ line, pieces, count }) => pieces.map((piece) => ({
    ...piece, colour: line.colour, look: lookOf(line, few), dots: (count <= FEW && few) || piece.x.length === 1,
  })));
  const bands = parts.filter((part) => part.band), ends = parts.filter((part) => part.line.diverged);
  const marks = [zeroRule(x), ...bands.map(bandMark), ...ends.map(endMark)];
  const wide = Math.max(2, Math.floor((svg.clientWidth || 300) / 90));
  const scale = plot(svg, {
    lines: pieces, x, y, marks, inside: true, named: axisName(),
    across: (v) => short(back(v), 4), along: across() === log10 ? logTicks(...x, wide) : undefined,
    reads: spec.log ? (v) => short(10 ** v) : short, over: spec.log ? logTicks(...y, 5) : ticks(...y, 5),
  });
  const told = (v) => short(spec.log ? 10 ** v : v), what = [spec.y, spec.with].filter(Boolean).join(" and ");
  const range = empty ? "nothing to draw" : `from ${told(low)} to ${told(high)}`;
  svg.setAttribute("aria-label", `${what} of ${lines.length} lines, ${range}`);
  drawn.set(svg, { ...scale, parts, up });
  return parts.reduce((sum, part) => sum + part.lost, 0); // values that have no place on its scale
}

const axisName = () => UNITS[state.unit] + (state.align ? `, counted from: ${state.align}` : "");

const zeroRule = ([low, high]) => (box, toX) => {
  const seen = state.align && low <= 0 && high >= 0;
  return element("line", { class: seen ? "rule" : "none", x1: toX(0), x2: toX(0), y1: box.top, y2: box.bottom });
};

const bandMark = ({ line, band }) => (box, toX, toY) => {
  const points = band.map(([x, y]) => `${toX(x).toFixed(1)},${toY(y).toFixed(1)}`).join(" ");
  return element("polygon", { class: "run span", style: `--c:${line.colour}`, points });
};

// Where a run that diverged ends, at the edge of the plot where it is beyond it.
const endMark = ({ line, pieces }) => (box, toX, toY) => {
  const last = pieces.at(-1);
  if (!last) return element("g", {});
  const y = Math.min(box.bottom - 4, Math.max(box.top + 10, toY(last.y.at(-1)) + 4));
  const x = Math.min(box.right - 5, Math.max(box.left + 5, toX(last.x.at(-1))));
  return element("text", { class: "run end", style: `--c:${line.colour}`, x, y, "text-anchor": "middle" }, "✕");
};

// ----------------------------------------------------------------------------------------------------- the pointer

function pointed(event, svg) {
  const at = drawn.get(svg), rect = svg.getBoundingClientRect();
  const [px, py] = [event.clientX - rect.left, event.clientY - rect.top], x = back(at.fromX(px));
  let best = null, least = Infinity;
  for (const { line } of at.parts) {
    const after = before(line.x, x) + 1;
    for (const i of [after - 1, after]) {
      const [cx, cy] = [at.toX(across()(line.x[i])), at.toY(at.up(line.y[i]))];
      const apart = (cx - px) ** 2 / 4 + (cy - py) ** 2;
      if (apart < least) [best, least] = [{ line, i }, apart];
    }
  }
  return best;
}

function hover(event, svg) {
  const best = pointed(event, svg), tip = byId("tip");
  for (const old of document.querySelectorAll(".picked")) old.remove();
  tip.hidden = !best;
  if (!best) return;
  const { line, i } = best, at = drawn.get(svg), inner = svg.querySelector("svg");
  const part = at.parts.find((p) => p.line === line);
  for (const piece of part.pieces) {
    const points = piece.x.map((v, k) => `${at.toX(v)},${at.toY(piece.y[k])}`).join(" ");
    inner.append(element("polyline", { class: "run picked", style: `--c:${line.colour}`, points }));
  }
  const circle = { cx: at.toX(across()(line.x[i])), cy: at.toY(at.up(line.y[i])), r: 4 };
  inner.append(element("circle", { class: "run picked", style: `--c:${line.colour}`, ...circle }));
  const name = document.createElement("div");
  name.className = "run";
  name.style.setProperty("--c", line.colour);
  name.textContent = line.title;
  const around = line.low && (line.run ? `± ${short(line.high[i] - line.y[i])}` : `(${line.low[i]} to ${line.high[i]})`);
  tip.replaceChildren(name, `${axisName()} ${short(line.x[i], 7)}: ${line.column} ${line.y[i]} ${around ?? ""}`);
  const right = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, right - tip.offsetWidth - 4))}px`;
  tip.style.top = `${event.clientY + 16}px`;
}
