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

// Values (falling) and unit vectors of a symmetric matrix: reflections to three diagonals, then shifted rotations.
function eigen(symmetric) {
  const n = symmetric.length;
  const a = symmetric.map((row) => Float64Array.from(row));
  const vectors = matrix(n, (i, j) => (i === j ? 1 : 0));
  for (let k = 0; k < n - 2; k++) reflect(a, vectors, k);
  const d = Float64Array.from(a, (row, i) => row[i]);
  const e = Float64Array.from({ length: Math.max(0, n - 1) }, (_, i) => a[i + 1][i]);
  const negligible = EPS * d.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  let end = n - 1;
  while (end > 0) {
    for (let i = 0; i < end; i++) if (!(Math.abs(e[i]) > negligible)) e[i] = 0;
    if (e[end - 1] === 0) {
      end--;
      continue;
    }
    let start = end - 1;
    while (start > 0 && e[start - 1] !== 0) start--;
    rotate(d, e, vectors, start, end);
  }
  const order = Array.from(d.keys()).sort((i, j) => d[j] - d[i]);
  return { values: order.map((i) => d[i]), vectors: order.map((i) => vectors[i]) };
}

// a <- H a H and v <- H v with the reflection H that leaves column k nothing below its second diagonal.
function reflect(a, v, k) {
  const n = a.length;
  const u = new Float64Array(n);
  let length = 0;
  for (let i = k + 1; i < n; i++) {
    u[i] = a[i][k];
    length += u[i] * u[i];
  }
  if (length === 0) return;
  u[k + 1] += (u[k + 1] < 0 ? -1 : 1) * Math.sqrt(length);
  let uu = 0;
  for (let i = k + 1; i < n; i++) uu += u[i] * u[i];
  const w = new Float64Array(n);
  let uw = 0;
  for (let i = k; i < n; i++) {
    for (let j = k + 1; j < n; j++) w[i] += a[i][j] * u[j];
    w[i] *= 2 / uu;
    uw += u[i] * w[i];
  }
  for (let i = k; i < n; i++) w[i] -= (uw / uu) * u[i];
  for (let i = k; i < n; i++) for (let j = k; j < n; j++) a[i][j] -= u[i] * w[j] + w[i] * u[j];
  const along = new Float64Array(n);
  for (let i = k + 1; i < n; i++) for (let j = 0; j < n; j++) along[j] += u[i] * v[i][j];
  for (let i = k + 1; i < n; i++) for (let j = 0; j < n; j++) v[i][j] -= (2 / uu) * u[i] * along[j];
}

// One sweep over the block start..end of three diagonals, shifted by the eigenvalue of its last corner.
function rotate(d, e, v, start, end) {
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
    const upper = v[k], lower = v[k + 1];
    for (let j = 0; j < upper.length; j++) {
      const one = upper[j], two = lower[j];
      upper[j] = c * one + s * two;
      lower[j] = c * two - s * one;
    }
  }
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
  const found = eigen(matrix(n, (i, j) => inner[i + 1][j + 1] / (size[i + 1] * size[j + 1])));
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
