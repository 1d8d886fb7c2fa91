// From a picture's pixels to one grey picture of it, for the reader of ink.

import { between, chosen, countsOf, filled, mean } from "./arrays.js";
import { grid } from "./grids.js";
import { luma } from "./picture.js";

/** @typedef {import("./picture.js").Pixels} Pixels */

const { ceil, floor, fround, max } = Math;

/**
 * The picture in grey, 0 to 1; what is transparent has the background that suits it.
 * @param {Pixels} pixels
 * @returns {import("./grids.js").Grey}
 */
export function greyOf(pixels) {
  const { data, height, width, alpha, deep } = pixels;
  if (deep) return greyOfDeep(deep, height, width);
  const levels = contrasting(pixels);
  const units = filled(new Float32Array(256), (level) => level / 255);
  const grey = grid(height, width);
  for (let i = 0; i < levels.length; i++) grey.data[i] = units[levels[i]];
  if (!alpha) return grey;
  const ground = groundUnder(levels, data);
  const behind = units.map((opacity) => ground * fround(1 - opacity));
  for (let i = 0; i < levels.length; i++) {
    const opacity = data[4 * i + 3];
    grey.data[i] = fround(grey.data[i] * units[opacity]) + behind[opacity];
  }
  return grey;
}

/** Greys of more than 8 bits; white is the highest number of as many bits as the brightest has. */
function greyOfDeep(deep, height, width) {
  let brightest = 1;
  for (let i = 0; i < deep.length; i++) if (deep[i] > brightest) brightest = deep[i];
  const white = 2 ** ceil(Math.log2(brightest + 1)) - 1;
  return grid(height, width, filled(new Float32Array(deep.length), (i) => deep[i] / white));
}

/**
 * Luma, or one channel where luma hides the contrast, as of red ink on green.
 * @param {Pixels} pixels
 */
function contrasting({ data, height, width, alpha }) {
  const grey = new Uint8Array(height * width);
  const [low, high] = [new Uint8Array(4).fill(255), new Uint8Array(4)]; // by channel, luma last
  for (let i = 0; i < grey.length; i++) {
    const [red, green, blue] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    const level = luma(red, green, blue);
    grey[i] = level;
    if (red < low[0]) low[0] = red;
    if (red > high[0]) high[0] = red;
    if (green < low[1]) low[1] = green;
    if (green > high[1]) high[1] = green;
    if (blue < low[2]) low[2] = blue;
    if (blue > high[2]) high[2] = blue;
    if (level < low[3]) low[3] = level;
    if (level > high[3]) high[3] = level;
  }
  const ranges = Array.from(high, (value, channel) => value - low[channel]);
  const best = ranges.indexOf(max(...ranges.slice(0, 3)));
  if (alpha || ranges[best] <= 4 * ranges[3]) return grey;
  return filled(grey, (i) => data[4 * i + best]);
}

/** The background for a transparent picture: its own paper, else the opposite of its ink. */
function groundUnder(levels, data) {
  const opaque = chosen(levels, (_, i) => data[4 * i + 3] > 127);
  const counts = countsOf(opaque);
  const nth = (place) => {
    let level = 0;
    for (let before = counts[0]; before <= place; before += counts[++level]);
    return fround(level / 255);
  };
  if (opaque.length > levels.length / 2) {
    const [low, high] = [0.02, 0.98].map((q) => between(nth, opaque.length, q));
    if (high - low > 0.25) {
      const half = (opaque.length - 1) / 2;
      return fround(fround(nth(floor(half)) + nth(ceil(half))) / 2);
    }
  }
  const units = filled(new Float32Array(opaque.length), (i) => opaque[i] / 255);
  const light = opaque.length && mean(units) > 0.5;
  return light ? 0 : 1;
}
