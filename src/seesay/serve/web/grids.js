// Pictures and masks as grids of numbers: cut, grown, reduced, stretched, split into pieces.

import { filled, sum } from "./arrays.js";

/**
 * Rows of numbers, one after the other: a mask of 0 and 1 if they are bytes, else greys in float32.
 * @typedef {{ data: Float32Array, height: number, width: number }} Grey (height * width)
 * @typedef {{ data: Uint8Array, height: number, width: number }} Mask (height * width)
 * @typedef {Grey | Mask} Grid
 *
 * A part of a grid: its first row and column, and one after its last.
 * @typedef {{ top: number, bottom: number, left: number, right: number }} Part
 */

/** @returns {any} */
export const grid = (height, width, data = new Float32Array(height * width)) => ({
  data,
  height,
  width,
});

/** The longer side, in pixels. */
export const longest = ({ height, width }) => Math.max(height, width);

/** @param {Grid} grid @returns {Part} */
export const whole = ({ height, width }) => ({ top: 0, bottom: height, left: 0, right: width });

/** The longer side of a part. @param {Part} part */
export const longer = ({ top, bottom, left, right }) => Math.max(bottom - top, right - left);

/** A mask of where the test of a value holds. @returns {Mask} */
export const where = ({ data, height, width }, test) =>
  grid(height, width, filled(new Uint8Array(data.length), (i) => (test(data[i]) ? 1 : 0)));

/** A grid of the same type, each value computed from the old one and its place. */
export function mapped({ data, height, width }, compute) {
  const values = new data.constructor(data.length);
  for (let i = 0; i < values.length; i++) values[i] = compute(data[i], i);
  return grid(height, width, values);
}

/** @param {Mask} mask */
export const inverted = (mask) => mapped(mask, (value) => 1 - value);

/** @param {Mask} mask */
export const any = ({ data }) => data.includes(1);

/** A copy of a part; rows and columns that the grid lacks are left out. */
export function cropped({ data, height, width }, { top, bottom, left, right }) {
  const [last, end] = [Math.min(bottom, height), Math.min(right, width)];
  const part = new data.constructor((last - top) * (end - left));
  for (let row = top; row < last; row++) {
    part.set(data.subarray(row * width + left, row * width + end), (row - top) * (end - left));
  }
  return grid(last - top, end - left, part);
}

export function transposed({ data, height, width }) {
  const turned = new data.constructor(data.length);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++) turned[column * height + row] = data[i++];
  }
  return grid(width, height, turned);
}

/** The maximum over a square of `size` pixels around each. */
export const grown = (values, size) =>
  transposed(dilated(transposed(dilated(values, size)), size));

/** The maximum over `size` pixels of the column around each, by doubling. Borders repeat. */
export function dilated({ data, height, width }, size) {
  const best = new data.constructor((height + size - 1) * width);
  for (let row = 0; row < height + size - 1; row++) {
    const from = Math.min(Math.max(row - (size >> 1), 0), height - 1) * width;
    best.set(data.subarray(from, from + width), row * width);
  }
  for (let step = 1, end = best.length; step < size; ) {
    const shift = Math.min(step, size - step);
    const ahead = shift * width;
    end -= ahead;
    for (let i = 0; i < end; i++) if (best[i + ahead] > best[i]) best[i] = best[i + ahead];
    step += shift;
  }
  return grid(height, width, best.subarray(0, height * width));
}

/**
 * The connected piece of each pixel, from 1 (0: none), and the number of pixels of each, 0 first.
 *
 * Runs along rows are joined with those that they touch in the row above, corners included. The
 * first run of a piece is its root.
 * @param {Mask} mask
 * @returns {{ labels: Int32Array, sizes: number[] }}
 */
export function pieces({ data, height, width }) {
  const [begins, ends, parents] = [[], [], []];
  const root = (run) => {
    while (parents[run] !== run) run = parents[run] = parents[parents[run]];
    return run;
  };
  let above = 0; // the first run of the row above that may touch the next run
  for (let row = 0; row < height; row++) {
    const own = begins.length; // the first run of this row
    for (let column = 0; column < width; column++) {
      if (!data[row * width + column]) continue;
      const begin = row * width + column;
      while (column < width && data[row * width + column]) column++;
      const run = begins.push(begin) - 1;
      ends.push(row * width + column);
      parents.push(run);
      while (above < own && ends[above] + width < begin) above++;
      for (let touched = above; touched < own; touched++) {
        if (begins[touched] + width > ends[run]) break;
        const [one, other] = [root(touched), root(run)];
        parents[Math.max(one, other)] = Math.min(one, other);
      }
    }
    above = own;
  }
  const labels = new Int32Array(height * width);
  const [numbers, sizes] = [new Int32Array(begins.length), [data.length]];
  for (let run = 0; run < begins.length; run++) {
    const from = root(run);
    if (from === run) numbers[run] = sizes.push(0) - 1;
    labels.fill(numbers[from], begins[run], ends[run]);
    sizes[numbers[from]] += ends[run] - begins[run];
    sizes[0] -= ends[run] - begins[run];
  }
  return { labels, sizes };
}

/** Row and column of the centre of mass. @param {Grey} ink @returns {[number, number]} */
export function centre({ data, height, width }) {
  const [rows, columns] = [new Float32Array(height), new Float32Array(width)];
  for (let row = 0, i = 0; row < height; row++) {
    rows[row] = sum(data, row * width, width);
    for (let column = 0; column < width; column++) columns[column] += data[i++];
  }
  if (width === 1) columns[0] = sum(data);
  const middle = (sums) => sums.reduce((total, each, i) => total + each * i, 0) / sum(sums);
  return [middle(rows), middle(columns)];
}

/** The bounding box of the true pixels, of which there is one at least. @returns {Part} */
export function extent({ data, height, width }) {
  const box = { top: height, bottom: 0, left: width, right: 0 };
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (!data[i++]) continue;
      box.top = Math.min(box.top, row);
      box.bottom = row + 1;
      box.left = Math.min(box.left, column);
      box.right = Math.max(box.right, column + 1);
    }
  }
  return box;
}

/**
 * Mean stroke width in pixels: twice the area over the outline (Crofton's estimate, four
 * directions).
 * @param {Mask} strokes
 */
export function strokeWidth({ data, height, width }) {
  const at = (row, column) =>
    row < 0 || column < 0 || row >= height || column >= width ? 0 : data[row * width + column];
  let [area, straight, slanted] = [0, 0, 0];
  for (let row = 0; row <= height; row++) {
    for (let column = 0; column <= width; column++) {
      const [here, left] = [at(row, column), at(row, column - 1)];
      const [up, corner] = [at(row - 1, column), at(row - 1, column - 1)];
      area += here;
      straight += (here !== left) + (here !== up);
      slanted += (here !== corner) + (left !== up);
    }
  }
  return (2 * area) / Math.max((Math.PI / 8) * (straight + slanted / Math.SQRT2), 1);
}

/** The means of squares of `factor` pixels; the last ones repeat the border. @param {Grey} grey */
export function reduced(grey, factor) {
  if (factor < 2) return grey;
  const { data, height, width } = grey;
  const small = grid(Math.ceil(height / factor), Math.ceil(width / factor));
  for (let row = 0, i = 0; row < small.height; row++) {
    const sums = new Float32Array(small.width * factor);
    for (let down = row * factor; down < (row + 1) * factor; down++) {
      const from = Math.min(down, height - 1) * width;
      for (let column = 0; column < width; column++) sums[column] += data[from + column];
    }
    sums.fill(sums[width - 1], width);
    for (let column = 0; column < small.width; column++) {
      small.data[i++] = sum(sums, column * factor, factor) / (factor * factor);
    }
  }
  return small;
}

/** The picture resampled to a size, linearly, with as wide a triangle as it shrinks. */
export const stretched = (grey, height, width) =>
  transposed(stretchedDown(transposed(stretchedDown(grey, height)), width));

/** @param {Grey} grey */
function stretchedDown({ data, height, width }, rows) {
  const result = grid(rows, width);
  const [scale, reach] = [Math.fround(height / rows), Math.fround(Math.max(height / rows, 1))];
  for (let row = 0; row < rows; row++) {
    const { first, end, weights } = triangle(row, height, scale, reach);
    const target = result.data.subarray(row * width, (row + 1) * width);
    for (let from = first; from < end; from++) {
      const weight = weights[from];
      const source = data.subarray(from * width, (from + 1) * width);
      // The product is exact in doubles and only the sum is rounded, to float32 by the array: the
      // fused multiply-add of the matrix product in Python.
      for (let column = 0; column < width; column++) target[column] += weight * source[column];
    }
  }
  return result;
}

/**
 * The weight of each of `count` old rows in a new one; it is 0 before `first` and from `end` on.
 */
function triangle(row, count, scale, reach) {
  const { fround } = Math;
  const middle = fround(fround(fround(row + 0.5) * scale) - 0.5);
  const first = Math.max(Math.floor(middle - reach), 0);
  const end = Math.min(Math.ceil(middle + reach) + 1, count);
  const weights = new Float32Array(count);
  for (let from = first; from < end; from++) {
    const apart = fround(Math.abs(fround(from - middle)));
    weights[from] = Math.max(fround(1 - fround(apart / reach)), 0);
  }
  const total = sum(weights);
  for (let from = first; from < end; from++) weights[from] /= total;
  return { first, end, weights };
}
