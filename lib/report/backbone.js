"use strict";
// The algebra of lib/geometry in a page: backbones and nulls of a run, from its Gram matrix alone. Matrices are
// lists of rows; a run's has the drifts from its first snapshot as rows, then that snapshot, as in a digest.

const EPS = Number.EPSILON;

function matrix(n, entry) {
  const rows = [];
  for (let i = 0; i < n; i++) {
    rows.push(new Float64Array(n));
    for (let j = 0; j < n; j++) rows[i][j] = entry(i, j);
  }
  return rows;
}

// A symmetric matrix from the base64 of its upper triangle, row by row, in float64.
function unpack(text, n) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const upper = new Float64Array(bytes.buffer);
  const at = (i, j) => upper[i * n - (i * (i - 1)) / 2 + j - i];
  return matrix(n, (i, j) => (i <= j ? at(i, j) : at(j, i)));
}

// ------------------------------------------------------------------------------------------------ eigenvectors

// All values (falling) of a symmetric matrix, and the unit vectors of the first few: reflections leave three
// diagonals, shifted rotations their values, and inverse iteration the vectors.
function eigen(symmetric, count) {
  const n = symmetric.length;
  const a = symmetric.map((row) => Float64Array.from(row)), reflections = [];
  for (let k = 0; k < n - 2; k++) reflections.unshift(reflect(a, k));
  const d = Float64Array.from(a, (row, i) => row[i]);
  const e = Float64Array.from({ length: Math.max(0, n - 1) }, (_, i) => a[i + 1][i]);
  const values = valuesOf(Float64Array.from(d), Float64Array.from(e)), vectors = [];
  for (const value of values.slice(0, count)) vectors.push(vectorOf(d, e, value, vectors));
  for (const v of vectors) for (const u of reflections) if (u) add(v, u, (-2 * dot(u, v)) / dot(u, u));
  return { values: [...values], vectors };
}

function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

function add(x, y, times) {
  for (let i = 0; i < x.length; i++) x[i] += times * y[i];
}

// a <- H a H with the reflection H = 1 - 2 u u^T / u^T u that leaves column k nothing below its second diagonal.
function reflect(a, k) {
  const n = a.length, u = new Float64Array(n), w = new Float64Array(n);
  for (let i = k + 1; i < n; i++) u[i] = a[i][k];
  const length = Math.sqrt(dot(u, u));
  if (length === 0) return null;
  u[k + 1] += u[k + 1] < 0 ? -length : length;
  const uu = dot(u, u);
  for (let i = k; i < n; i++) w[i] = (2 * dot(a[i], u)) / uu;
  add(w, u, -dot(u, w) / uu);
  for (let i = k; i < n; i++) {
    const row = a[i], ui = u[i], wi = w[i];
    for (let j = k; j < n; j++) row[j] -= ui * w[j] + wi * u[j];
  }
  return u;
}

// The values, falling, of the symmetric matrix with diagonal d and, beside it, e.
function valuesOf(d, e) {
  const negligible = EPS * d.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  let end = d.length - 1;
  while (end > 0) {
    for (let i = 0; i < end; i++) if (!(Math.abs(e[i]) > negligible)) e[i] = 0;
    let start = end;
    while (start > 0 && e[start - 1] !== 0) start--;
    if (start === end) end--;
    else rotate(d, e, start, end);
  }
  return d.sort().reverse();
}

// One sweep over the block start..end, shifted by the eigenvalue of its last corner.
function rotate(d, e, start, end) {
  const half = (d[end - 1] - d[end]) / 2, last = e[end - 1];
  const shift = d[end] - (last * last) / (half + (half < 0 ? -1 : 1) * Math.sqrt(half * half + last * last));
  let x = d[start] - shift, z = e[start];
  for (let k = start; k < end; k++) {
    const r = Math.sqrt(x * x + z * z), c = x / r, s = z / r;
    const p = d[k], q = e[k], t = d[k + 1];
    if (k > start) e[k - 1] = r;
    d[k] = c * c * p + 2 * c * s * q + s * s * t;
    d[k + 1] = s * s * p - 2 * c * s * q + c * c * t;
    e[k] = c * s * (t - p) + (c * c - s * s) * q;
    if (k < end - 1) {
      x = e[k];
      z = s * e[k + 1];
      e[k + 1] *= c;
    }
  }
}

// The unit vector of a value, orthogonal to those that were found before.
function vectorOf(d, e, value, before) {
  let x = Float64Array.from(d, (_, i) => 1 + Math.sin((before.length + 1) * i + 1) / 2);
  for (let round = 0; round < 4; round++) {
    x = solved(d, e, value, x);
    for (const v of before) add(x, v, -dot(x, v));
    const length = Math.sqrt(dot(x, x));
    x = x.map((entry) => entry / length);
  }
  return x;
}

// (T - value) x = b by elimination with row exchanges; a pivot that vanishes is made as small as rounding is.
function solved(d, e, value, b) {
  const n = d.length, x = Float64Array.from(b), p = d.map((entry) => entry - value);
  const q = Float64Array.from(d, (_, i) => (i < n - 1 ? e[i] : 0)), r = new Float64Array(n);
  const least = EPS * (d.reduce((most, entry) => Math.max(most, Math.abs(entry)), 0) || 1);
  for (let i = 0; i < n - 1; i++) {
    if (Math.abs(p[i]) < Math.abs(e[i])) {
      const times = p[i] / e[i], below = p[i + 1];
      [p[i], p[i + 1], q[i]] = [e[i], q[i] - times * below, below];
      [r[i], q[i + 1]] = [q[i + 1], -times * q[i + 1]];
      [x[i], x[i + 1]] = [x[i + 1], x[i] - times * x[i + 1]];
    } else {
      const times = e[i] / (p[i] || least);
      p[i + 1] -= times * q[i];
      x[i + 1] -= times * x[i];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    const rest = x[i] - (i < n - 1 ? q[i] * x[i + 1] : 0) - (i < n - 2 ? r[i] * x[i + 2] : 0);
    x[i] = rest / (Math.abs(p[i]) > least ? p[i] : least);
  }
  return x;
}

// -------------------------------------------------------------------------------------------------- the backbone

// PCA of the drifts of a window, and what is measured along its first direction (lib/geometry/backbone.py).
// window: {lo, hi, stride, normalise, components}, null where there is no limit; lag: steps of an update, null
// between neighbours. The arrays begin with the anchor.
function measure(gram, steps, window, lag) {
  const isInside = (step) => step >= window.lo && (window.hi === null || step <= window.hi);
  const inside = [...steps.keys()].filter((i) => isInside(steps[i]));
  const here = inside.filter((i, at) => at === 0 || window.stride === null || steps[i] % window.stride === 0);
  const zero = here[0], n = Math.max(0, here.length - 1);
  const inner = matrix(here.length, (i, j) =>
    gram[here[i]][here[j]] - gram[here[i]][zero] - gram[zero][here[j]] + gram[zero][zero]);
  const drift = here.map((_, i) => Math.sqrt(Math.max(inner[i][i], 0)));
  const size = drift.map((length) => (window.normalise ? Math.max(length, 1e-12) : 1));
  const found = eigen(matrix(n, (i, j) => inner[i + 1][j + 1] / (size[i + 1] * size[j + 1])), 2);
  const squares = found.values.map((x) => Math.max(x, 0));
  const energy = squares.slice(0, window.components ?? n).reduce((sum, x) => sum + x, 0);
  const shares = squares.slice(0, window.components ?? n).map((x) => x / energy);
  const coordinate = (k) => {
    if (!(squares[k] > n * EPS * squares[0])) return here.map(() => NaN);
    const w = found.vectors[k], sign = w[n - 1] < 0 ? -1 : 1;
    return here.map((_, i) => (i === 0 ? 0 : sign * Math.sqrt(squares[k]) * w[i - 1] * size[i]));
  };
  const a = coordinate(0), at = new Map(here.map((i, place) => [steps[i], place]));
  const pairs = [];
  here.forEach((i, place) => {
    const later = lag === null ? (place < n ? place + 1 : undefined) : at.get(steps[i] + lag);
    if (later !== undefined) pairs.push([place, later]);
  });
  let sum = 0;
  const few = shares.filter((share) => (sum += share) < 0.95).length;
  return {
    steps: here.map((i) => steps[i]),
    pc1: energy > 0 ? 100 * shares[0] : NaN,
    k95: energy > 0 ? 1 + few : NaN,
    a,
    second: coordinate(1),
    drift,
    r: a.map((x, i) => Math.sqrt(Math.max(drift[i] ** 2 - x ** 2, 0))),
    fraction: a.map((x, i) => (drift[i] > 0 ? x ** 2 / drift[i] ** 2 : 0 * x)),
    ends: pairs.map(([, j]) => steps[here[j]]),
    cosines: pairs.map(([i, j]) => (a[j] - a[i]) / Math.sqrt(inner[j][j] - 2 * inner[i][j] + inner[i][i])),
  };
}

// ------------------------------------------------------------------------------------------------------ the nulls

// The learning rate of every step (lib/optim/schedules.py), the first first.
function learningRates(s) {
  return Float64Array.from({ length: s.steps }, (_, i) => {
    const step = i + 1;
    if (step < s.warmup) return (s.peak * step) / s.warmup;
    if (s.decay === "constant") return s.peak;
    const x = Math.min((step - s.warmup) / Math.max(1, s.steps - s.warmup), 1);
    const cosine = 0.5 * (1 + Math.cos(Math.PI * x)), least = s.min_lr_ratio;
    return s.peak * (s.decay === "clamped" ? Math.max(cosine, least) : least + (1 - least) * cosine);
  });
}

// What decay leaves of theta_0 (P) and the noise that has gathered (M) after every step, from none.
function walked(rates, decay) {
  const kept = new Float64Array(rates.length + 1).fill(1), noise = new Float64Array(rates.length + 1);
  rates.forEach((rate, i) => {
    kept[i + 1] = (1 - rate * decay) * kept[i];
    noise[i + 1] = (1 - rate * decay) ** 2 * noise[i] + rate ** 2;
  });
  return { kept, noise };
}

// The Gram matrix of s^2 M_min P_max / P_min + n0^2 P_a P_b; without a scale s, that of the run's last drift.
function scheduleNull(steps, rates, decay, start, { scale, drift }) {
  const { kept, noise } = walked(rates, decay), n = steps.length;
  const both = (a, b) => (noise[steps[Math.min(a, b)]] * kept[steps[Math.max(a, b)]]) / kept[steps[Math.min(a, b)]];
  const moved = (a, b) => both(a, b) - both(a, 0) - both(0, b) + both(0, 0);
  const left = Float64Array.from(steps, (step) => (kept[step] - kept[steps[0]]) / kept[steps[0]]);
  const missing = scale === undefined ? Math.max(0, drift ** 2 - (start * left[n - 1]) ** 2) : 0;
  const square = scale === undefined ? missing / (moved(n - 1, n - 1) || Infinity) : scale ** 2;
  const noisy = matrix(n + 1, (a, b) => {
    if (a < n && b < n) return moved(a, b);
    return a === n && b === n ? both(0, 0) : both(Math.min(a, b), 0) - both(0, 0);
  });
  const own = (a) => (a < n ? left[a] : 1);
  return { square, gram: matrix(n + 1, (a, b) => square * noisy[a][b] + start ** 2 * own(a) * own(b)) };
}

// sum over steps t, s of two intervals between snapshots of w_t w_s keeps^|t - s| (lib/geometry/ladder.py), mixed
// from noise that is fresh at every step and a share of noise that is remembered.
function additionCovariance(steps, rates, decay, memory) {
  const { kept } = walked(rates, decay), keeps = memory ? Math.exp(-1 / memory.timeConstant) : 0;
  const found = steps.slice(1).map((last, i) => {
    let [squares, pairs, handed, arrives, slow, power] = [0, 0, 0, 0, 0, 1];
    for (let t = steps[i] + 1; t <= last; t++) {
      const w = (rates[t - 1] * kept[last]) / kept[t];
      squares += w * w;
      pairs += w * slow;
      slow = keeps * (slow + w);
      handed = handed * keeps + w;
      arrives += w * power;
      power *= keeps;
    }
    return { squares, pairs, handed, arrives, first: steps[i] + 1, last };
  });
  const share = memory ? memory.share : 0;
  return matrix(found.length, (i, j) => {
    const early = found[Math.min(i, j)], late = found[Math.max(i, j)];
    if (i === j) return early.squares + 2 * share * early.pairs;
    return share * early.handed * late.arrives * keeps ** Math.max(late.first - early.last, 0);
  });
}

// The Gram matrix of theta_i = (f_i / f_{i-1}) theta_{i-1} + xi_i, with a covariance of the additions xi.
function rebuilt(steps, rates, decay, start, covariance) {
  const { kept } = walked(rates, decay), n = steps.length;
  const f = Array.from(steps, (step) => kept[step] / kept[steps[0]]);
  const rows = matrix(n, () => 0);
  for (let i = 1; i < n; i++) {
    for (let j = 1; j < n; j++) rows[i][j] = (f[i] / f[i - 1]) * rows[i - 1][j] + covariance[i - 1][j - 1];
  }
  for (let i = 1; i < n; i++) for (let j = 1; j < n; j++) rows[i][j] += (f[j] / f[j - 1]) * rows[i][j - 1];
  const own = (a) => (a < n ? f[a] - 1 : 1);
  return matrix(n + 1, (a, b) => (a < n && b < n ? rows[a][b] : 0) + start ** 2 * own(a) * own(b));
}

// Additions as long as the run's own, with the cosines of a noise that remembers.
function memoryNull(gram, steps, rates, decay, memory) {
  const { kept } = walked(rates, decay), end = steps.length;
  const lengths = steps.slice(1).map((step, i) => {
    const ratio = kept[step] / kept[steps[i]], c = [[i + 1, 1], [i, -ratio], [end, 1 - ratio]];
    let square = 0;
    for (const [j, x] of c) for (const [k, y] of c) square += x * y * gram[j][k];
    return Math.sqrt(Math.max(square, 0));
  });
  const c = additionCovariance(steps, rates, decay, memory), norms = c.map((row, i) => Math.sqrt(row[i]));
  const cosine = (i, j) => (i === j ? 1 : norms[i] * norms[j] > 0 ? c[i][j] / (norms[i] * norms[j]) : 0);
  const covariance = matrix(c.length, (i, j) => lengths[i] * lengths[j] * cosine(i, j));
  return rebuilt(steps, rates, decay, Math.sqrt(gram[end][end]), covariance);
}
