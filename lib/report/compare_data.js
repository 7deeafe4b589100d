"use strict";
// The numbers of the page: every course of every run, unpacked once, and found by run and column.

const byId = (id) => document.getElementById(id);
const study = JSON.parse(byId("study").textContent);
const { runs, columns } = study;
const courses = new Map(); // of run * columns.length + column: own steps and values

async function unpacked(text, size) {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const apart = new Uint8Array(await new Response(stream).arrayBuffer());
  const whole = new Uint8Array(apart.length), count = apart.length / size;
  for (let place = 0; place < size; place++) {
    for (let i = 0; i < count; i++) whole[i * size + place] = apart[place * count + i];
  }
  return whole.buffer;
}

async function unpack() {
  const narrow = new Float32Array(await unpacked(study.narrow, 4));
  const wide = new Float64Array(await unpacked(study.wide, 8));
  const steps = new Uint32Array(await unpacked(study.stepBytes, 4)), grids = [], at = [0, 0];
  let first = 0;
  for (const length of study.grids) grids.push(Float64Array.from(steps.subarray(first, (first += length))));
  for (let i = 0; i < study.series.length; i += 4) {
    const [run, column, grid, kind] = study.series.slice(i, i + 4), from = at[kind];
    at[kind] += grids[grid].length;
    const values = Float64Array.from((kind ? wide : narrow).subarray(from, at[kind]));
    courses.set(run * columns.length + column, { steps: grids[grid], values });
  }
  for (const name of ["narrow", "wide", "stepBytes", "series"]) delete study[name];
  runs.forEach((run, i) => (run.at = i));
}

const placeOf = new Map(columns.map((column, i) => [column, i]));
const courseOf = (run, column) => courses.get(run.at * columns.length + placeOf.get(column)); // of no column: none

// Places of about `most` points from one place to another: both ends, the smallest and the largest of every
// stretch, and where gaps begin; all of them where they are no more.
function thinned(values, first, last, most) {
  const kept = [], count = last - first + 1;
  if (count <= most) {
    for (let i = first; i <= last; i++) kept.push(i);
    return kept;
  }
  const stretches = Math.max(1, Math.floor(most / 2));
  for (let k = 0; k < stretches; k++) {
    const [from, to] = [k, k + 1].map((n) => first + Math.floor((n * count) / stretches));
    let low = -1, high = -1, gap = -1;
    for (let i = from; i < to; i++) {
      if (!Number.isFinite(values[i])) gap = gap < 0 ? i : gap;
      else {
        if (low < 0 || values[i] < values[low]) low = i;
        if (high < 0 || values[i] > values[high]) high = i;
      }
    }
    kept.push(...new Set([...(k ? [] : [first]), low, high, gap, ...(k < stretches - 1 ? [] : [last])]));
  }
  return [...new Set(kept.filter((i) => i >= 0))].sort((a, b) => a - b);
}

// The place of the last x that is not larger than a value; -1 where all are.
function before(x, value) {
  let low = 0, high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
