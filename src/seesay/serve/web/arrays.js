// Sums, means and quantiles of typed arrays, to the last bit as NumPy computes them.
//
// A reader decides by thresholds: whether a pixel is ink, where the middle of a drawing lies.
// Python computes them in float32, whose last bit depends on the order of additions. With the same
// order and the same rounding, both decide alike, and the model sees the same picture.

const UNIT = 1.5 * 2 ** 52; // a double this large has no bits for fractions: adding it rounds

/**
 * The nearest whole number, a tie to the even one: NumPy's rint, Python's round. For |x| < 2^51.
 */
export const rint = (x) => x + UNIT - UNIT;

/** `low` to `high`: the nearest number to x. */
export const clip = (x, low, high) => Math.min(Math.max(x, low), high);

/**
 * How results of an array's type are rounded: to float32, or not at all.
 * @param {Float32Array | Float64Array} values
 */
const rounding = (values) => (values instanceof Float32Array ? Math.fround : (x) => x);

/**
 * The array, each value computed from its place. (The array's own `from` is ten times slower.)
 * @template {Float32Array | Float64Array | Uint8Array | Int16Array} T
 * @param {T} array
 * @param {(place: number) => number} compute
 * @returns {T}
 */
export function filled(array, compute) {
  for (let i = 0; i < array.length; i++) array[i] = compute(i);
  return array;
}

/**
 * The sum of `count` values, in NumPy's order: halves, down to 128 values, of which every eighth
 * goes into the same partial sum.
 * @param {Float32Array | Float64Array} values
 */
export function sum(values, start = 0, count = values.length) {
  if (count < 8) {
    const round = rounding(values);
    let total = 0;
    for (let i = start; i < start + count; i++) total = round(total + values[i]);
    return total;
  }
  if (count <= 128) {
    const part = values.slice(start, start + 8); // of the same type: it rounds what it stores
    const whole = start + count - (count % 8);
    for (let i = start + 8; i < whole; i += 8) {
      for (let j = 0; j < 8; j++) part[j] += values[i + j];
    }
    for (let step = 1; step < 8; step *= 2) {
      for (let j = 0; j < 8; j += 2 * step) part[j] += part[j + step];
    }
    for (let i = whole; i < start + count; i++) part[0] += values[i];
    return part[0];
  }
  let half = count >> 1;
  half -= half % 8;
  const round = rounding(values);
  return round(sum(values, start, half) + sum(values, start + half, count - half));
}

/** @param {Float32Array | Float64Array} values */
export const mean = (values) => rounding(values)(sum(values) / values.length);

/** @param {Float32Array | Float64Array} values */
export function variance(values) {
  const middle = mean(values);
  const squares = values.map((value) => value - middle);
  for (let i = 0; i < squares.length; i++) squares[i] *= squares[i];
  return mean(squares);
}

/** @param {Float32Array | Float64Array} values */
export function highest(values) {
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) if (values[i] > most) most = values[i];
  return most;
}

/**
 * The quantile `q`, interpolated between neighbours.
 * @param {Float32Array | Float64Array} values
 */
export function quantile(values, q) {
  const sorted = values.slice().sort();
  return between((i) => sorted[i], sorted.length, q, rounding(values));
}

/**
 * The quantile `q` of `count` values, given the i-th smallest.
 * @param {(i: number) => number} nth
 */
export function between(nth, count, q, round = (x) => x) {
  const place = (count - 1) * q;
  const below = Math.floor(place);
  const [low, high] = [nth(below), nth(Math.min(below + 1, count - 1))];
  const [step, part] = [round(high - low), place - below];
  if (part < 0.5) return round(low + round(step * round(part)));
  return round(high - round(step * round(1 - part)));
}

/** @param {Float32Array} values */
export function median(values) {
  const sorted = values.slice().sort();
  const half = sorted.length >> 1;
  if (sorted.length % 2) return sorted[half];
  return Math.fround(Math.fround(sorted[half - 1] + sorted[half]) / 2);
}

/**
 * The values that a test of value and place accepts. (The array's own `filter` is far slower.)
 * @template {Float32Array | Float64Array | Uint8Array} T
 * @param {T} values
 * @param {(value: number, place: number) => boolean} test
 * @returns {T}
 */
export function chosen(values, test) {
  const found = values.slice();
  let count = 0;
  for (let i = 0; i < values.length; i++) if (test(values[i], i)) found[count++] = values[i];
  return found.subarray(0, count);
}

/** The values of at least `least`. @param {Float32Array} values */
export function atLeast(values, least) {
  const found = new Float32Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] >= least) found[count++] = values[i];
  return found.subarray(0, count);
}

/**
 * How often each level, 0 to 255, occurs.
 * @param {Uint8Array | number[]} levels
 * @returns {number[]} (256)
 */
export function countsOf(levels) {
  const counts = new Array(256).fill(0);
  for (let i = 0; i < levels.length; i++) counts[levels[i]]++;
  return counts;
}
