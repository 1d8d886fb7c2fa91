// Reads a photo as Python does (seesay/signal/image.py): the whole picture on white, scaled down by
// Pillow's bicubic filter in its fixed-point arithmetic, so that every byte is the same.

import { rint } from "./arrays.js";
import { checkSize, luma, shrunk } from "./picture.js";

const BITS = 22; // of the fraction of a weight: a product with a byte has 30

/**
 * The whole picture, channel by channel.
 * @param {import("./picture.js").Pixels} pixels
 * @param {{ channels?: 1 | 3, maxSide?: number, name?: string }} options grey or RGB; the longest
 *   side, to which larger pictures are scaled down; the name in messages
 * @returns {{ data: Uint8Array, channels: number, height: number, width: number }}
 *   data: (channels * height * width)
 */
export function readPhoto(pixels, { channels = 3, maxSide = 256, name = "the picture" } = {}) {
  checkSize(pixels.height, pixels.width, name);
  const longest = Math.max(pixels.height, pixels.width);
  const picture = shrunk(pixels, Math.floor(longest / (3 * maxSide)));
  const factor = maxSide / Math.max(picture.height, picture.width);
  const [height, width] = [picture.height, picture.width].map((side) =>
    factor < 1 ? Math.max(1, rint(side * factor)) : side,
  );
  const data = new Uint8Array(channels * height * width);
  planes(picture, channels).forEach((plane, channel) => {
    const fitted = resized(plane, picture.height, picture.width, height, width);
    data.set(fitted, channel * height * width);
  });
  return { data, channels, height, width };
}

/**
 * Grey, or red, green and blue, on white.
 * @returns {Uint8Array[]} (channels) of (height * width)
 */
function planes({ data, height, width }, channels) {
  const found = Array.from({ length: channels }, () => new Uint8Array(height * width));
  for (let i = 0; i < height * width; i++) {
    const opacity = data[4 * i + 3];
    const [red, green, blue] = [0, 1, 2].map((c) => onWhite(data[4 * i + c], opacity));
    if (channels === 1) found[0][i] = luma(red, green, blue);
    else [found[0][i], found[1][i], found[2][i]] = [red, green, blue];
  }
  return found;
}

/** A byte of a colour, of this opacity, on white; Pillow rounds at seven bits of a fraction. */
function onWhite(value, opacity) {
  if (opacity === 255) return value;
  const mixed = 128 * (value * opacity + 255 * (255 - opacity)) + (0x80 << 7);
  return ((mixed >> 8) + mixed) >> 8 >> 7;
}

/** A plane resampled, rows first, then columns. @param {Uint8Array} plane (height * width) */
function resized(plane, height, width, newHeight, newWidth) {
  const wide = width === newWidth ? plane : resampled(plane, height, width, newWidth, 1, width);
  if (height === newHeight) return wide;
  return resampled(wide, newWidth, height, newHeight, newWidth, 1);
}

/**
 * Lines of `count` bytes resampled to `newCount`. `step`: from a byte of a line to the next;
 * `next`: from a line to the next, before resampling.
 */
function resampled(plane, lines, count, newCount, step, next) {
  const result = new Uint8Array(lines * newCount);
  const newNext = next === 1 ? 1 : newCount;
  for (let place = 0; place < newCount; place++) {
    const { first, weights } = weightsOf(place, count, newCount);
    for (let line = 0; line < lines; line++) {
      let total = 1 << (BITS - 1);
      let from = line * next + first * step;
      for (let i = 0; i < weights.length; i++, from += step) total += weights[i] * plane[from];
      result[line * newNext + place * step] = Math.min(Math.max(total >> BITS, 0), 255);
    }
  }
  return result;
}

/** The old bytes that make a new one, as the first of them and their weights in fixed point. */
function weightsOf(place, count, newCount) {
  const scale = count / newCount;
  const wide = Math.max(scale, 1); // the filter spans as many more pixels as the picture shrinks
  const centre = (place + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - 2 * wide + 0.5), 0);
  const end = Math.min(Math.trunc(centre + 2 * wide + 0.5), count);
  const exact = Array.from({ length: end - first }, (_, i) =>
    bicubic((i + first - centre + 0.5) * (1 / wide)),
  );
  const total = exact.reduce((sum, weight) => sum + weight, 0);
  const fixed = (weight) => Math.trunc(Math.sign(weight) * 0.5 + (weight / total) * 2 ** BITS);
  return { first, weights: Int32Array.from(exact, fixed) };
}

/** The cubic convolution of Keys (1981) with a = -0.5. */
function bicubic(x) {
  const [a, far] = [-0.5, Math.abs(x)];
  if (far < 1) return ((a + 2) * far - (a + 3)) * far * far + 1;
  if (far < 2) return (((far - 5) * far + 8) * far - 4) * a;
  return 0;
}
