"use strict";
// One way to draw a plot as SVG, in the pixels of the place that it has.

const short = (x, digits = 3) => (Number.isFinite(x) ? String(Number(x.toPrecision(digits))) : "–");

function element(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= rough) ?? rough;
  const first = Math.ceil(low / size), last = Math.floor(high / size + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * size);
}

function extent(lists, least = []) {
  const known = lists.flat().concat(least).filter(Number.isFinite);
  if (!known.length) return [0, 1];
  const low = Math.min(...known), high = Math.max(...known), margin = 0.05 * (high - low || Math.abs(high) || 1);
  return [low - margin, high + margin];
}

// A line whose numbers are all finite as text, to a tenth of a pixel: of many lines that takes most of the time.
function trace({ x, y }, toX, toY) {
  const near = (v) => Math.round(10 * v) / 10;
  let text = "";
  for (let i = 0; i < x.length; i++) text += `${near(toX(x[i]))},${near(toY(y[i]))} `;
  return text;
}

// One plot: lines over a band over axes. Everything is in pixels of the place that it has; returns the scales.
// `inside` cuts lines and marks off where the axes end.
function plot(svg, asked) {
  const { lines, band = [], x, y, across = short, named = "", up = "", marks = [], inside = false } = asked;
  const { reads = short, over = ticks(...y, 5), along } = asked;
  const width = Math.max(svg.clientWidth, 200), height = svg.clientHeight || 200;
  const box = { left: 46, right: width - 10, top: up ? 18 : 8, bottom: height - (named ? 34 : 20) };
  const toX = (v) => box.left + ((v - x[0]) / (x[1] - x[0] || 1)) * (box.right - box.left);
  const toY = (v) => box.bottom - ((v - y[0]) / (y[1] - y[0] || 1)) * (box.bottom - box.top);
  const parts = [];
  for (const v of over) {
    parts.push(element("line", { class: "grid", x1: box.left, x2: box.right, y1: toY(v), y2: toY(v) }));
    parts.push(element("text", { x: box.left - 5, y: toY(v) + 4, "text-anchor": "end" }, reads(v)));
  }
  for (const v of along ?? ticks(...x, Math.max(2, Math.floor(width / 90)))) {
    parts.push(element("line", { class: "tick", x1: toX(v), x2: toX(v), y1: box.bottom, y2: box.bottom + 4 }));
    const anchor = toX(v) > width - 24 ? "end" : "middle";
    parts.push(element("text", { x: toX(v), y: box.bottom + 15, "text-anchor": anchor }, across(v)));
  }
  parts.push(element("line", { class: "tick", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  if (named) parts.push(element("text", { x: box.right, y: height - 4, "text-anchor": "end" }, named));
  if (up) parts.push(element("text", { x: 2, y: 11 }, up));
  const path = (xs, ys) => xs.map((v, i) => [toX(v), toY(ys[i])]).filter((p) => p.every(Number.isFinite));
  if (band.length) {
    const edge = [...band.map(([v, , high]) => [v, high]), ...band.toReversed().map(([v, low]) => [v, low])];
    const points = path(edge.map((p) => p[0]), edge.map((p) => p[1])).join(" ");
    parts.push(element("polygon", { class: "null", points }));
  }
  const drawn = inside ? [] : parts;
  for (const mark of marks) drawn.push(mark(box, toX, toY));
  for (const line of lines) {
    const look = { class: line.kind ?? "run", style: `--c:${line.colour}${line.look ?? ""}` };
    const points = line.dots || line.named || !inside ? path(line.x, line.y) : [];
    drawn.push(element("polyline", { ...look, points: points.length ? points.join(" ") : trace(line, toX, toY) }));
    for (const [cx, cy] of line.dots ? points : []) drawn.push(element("circle", { ...look, cx, cy, r: 2.2 }));
    if (line.named && points.length) {
      const [cx, cy] = points[Math.floor(0.6 * points.length)], below = line.kind === "nullpath";
      const place = { x: cx + (below ? 8 : -8), y: cy + (below ? 14 : -6), "text-anchor": below ? "start" : "end" };
      drawn.push(element("text", { class: "named", ...place }, line.named));
    }
  }
  if (inside) {
    const size = { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
    parts.push(element("svg", { ...size, viewBox: Object.values(size).join(" ") }, ...drawn));
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...parts);
  return { box, toX, toY, fromX: (px) => x[0] + ((px - box.left) / (box.right - box.left)) * (x[1] - x[0]) };
}

// The smallest and the largest value at every step over curves.
function envelope(curves) {
  const at = new Map();
  for (const { x, y } of curves) {
    x.forEach((step, i) => {
      if (!Number.isFinite(y[i])) return;
      const [low, high] = at.get(step) ?? [Infinity, -Infinity];
      at.set(step, [Math.min(low, y[i]), Math.max(high, y[i])]);
    });
  }
  return [...at].sort(([a], [b]) => a - b).map(([step, both]) => [step, ...both]);
}
