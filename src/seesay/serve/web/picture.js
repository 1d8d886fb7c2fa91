// A picture as its pixels, and what both readers do with them first, as Pillow does it.

import { InputError } from "./errors.js";
import { pngOf } from "./png.js";

/**
 * Decoded pixels, row by row: red, green, blue and alpha, which does not scale the other three.
 * @typedef {object} Pixels
 * @property {Uint8Array | Uint8ClampedArray} data (height * width * 4)
 * @property {number} height
 * @property {number} width
 * @property {boolean} alpha whether the picture has an alpha channel; without one all of it is 255
 * @property {Uint16Array} [deep] (height * width), its greys if they have 16 bits
 */

const SMALLEST = 2; // pixels: a shorter side shows nothing
const LARGEST = 50_000_000; // pixels: as many as common cameras have

/**
 * The pixels of a picture file or of a canvas's blob, upright.
 *
 * PNG files are decoded here, and the same as in Python, to the bit; others by the browser. No colour
 * profile is applied, since Python applies none; rotation by EXIF is, by all current browsers
 * ("from-image"). A JPEG may be off by a level or two, by another decoder, and so may translucent
 * colours: although the bitmap does not multiply them by their alpha, a canvas does.
 * @param {Blob} blob
 * @param {string} name in messages
 * @returns {Promise<Pixels>}
 */
export async function pixels(blob, name = "the picture") {
  if (!blob.size) {
    throw new InputError(`${name} is empty, expected a picture`, "Make or copy it again.");
  }
  const png = await pngOf(new Uint8Array(await blob.arrayBuffer()));
  if (png) {
    checkSize(png.height, png.width, name);
    return png;
  }
  const options = {
    premultiplyAlpha: "none",
    colorSpaceConversion: "none",
    imageOrientation: "from-image",
  };
  const bitmap = await createImageBitmap(blob, options).catch(() => {
    const remedy = "Give a PNG, JPEG, GIF, BMP, TIFF or WebP file.";
    throw new InputError(`${name} is not a picture that can be read`, remedy);
  });
  const { height, width } = bitmap;
  checkSize(height, width, name);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { data, height, width, alpha: isTranslucent(data) };
}

/** Whether any pixel shows what is behind it. @param {Uint8Array | Uint8ClampedArray} data */
function isTranslucent(data) {
  for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
  return false;
}

/** Throws an InputError for a picture that is too small to show anything, or too large. */
export function checkSize(height, width, name = "the picture") {
  if (Math.min(height, width) < SMALLEST) {
    const problem = `${name} is ${width}x${height} pixels, too small to show anything`;
    throw new InputError(problem, "Give a larger one.");
  }
  if (height * width > LARGEST) {
    const limit = `more than the limit of ${Math.floor(LARGEST / 1e6)} megapixels`;
    throw new InputError(`${name} is ${width}x${height} pixels, ${limit}`, "Scale it down.");
  }
}

/** Luma (ITU-R BT.601) in Pillow's 16-bit fixed point. */
export const luma = (red, green, blue) =>
  (red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16;

/**
 * The means of squares of `factor` pixels; at the border, of the pixels that there are. Colours are
 * weighted by alpha.
 * @param {Pixels} pixels
 * @returns {Pixels}
 */
export function shrunk(pixels, factor) {
  if (factor < 2) return pixels;
  const { data, height, width, alpha } = pixels;
  const [rows, columns] = [Math.ceil(height / factor), Math.ceil(width / factor)];
  const small = new Uint8ClampedArray(rows * columns * 4);
  for (let row = 0; row < rows; row++) {
    const sums = new Uint32Array(columns * 4);
    const last = Math.min((row + 1) * factor, height);
    for (let down = row * factor; down < last; down++) {
      for (let column = 0, i = down * width * 4; column < columns; column++) {
        const end = Math.min(i + factor * 4, (down + 1) * width * 4);
        let [red, green, blue, opaque] = [0, 0, 0, 0];
        for (; i < end; i += 4) {
          const opacity = data[i + 3];
          red += by255(data[i] * opacity);
          green += by255(data[i + 1] * opacity);
          blue += by255(data[i + 2] * opacity);
          opaque += opacity;
        }
        sums[4 * column] += red;
        sums[4 * column + 1] += green;
        sums[4 * column + 2] += blue;
        sums[4 * column + 3] += opaque;
      }
    }
    for (let column = 0; column < columns; column++) {
      const count = Math.min(factor, width - column * factor) * (last - row * factor);
      const [j, at] = [column * 4, (row * columns + column) * 4];
      for (let c = 0; c < 4; c++) small[at + c] = average(sums[j + c], count);
      const opacity = small[at + 3];
      if (opacity === 0 || opacity === 255) continue;
      for (let c = 0; c < 3; c++) small[at + c] = Math.floor((255 * small[at + c]) / opacity);
    }
  }
  return { data: small, height: rows, width: columns, alpha };
}

/** A product of two bytes over 255, rounded. */
function by255(product) {
  const half = product + 128;
  return ((half >> 8) + half) >> 8;
}

/** A sum of bytes over their count, rounded, by Pillow's multiplication of 24 bits. */
function average(total, count) {
  const multiplier = Math.floor(Math.fround(2 ** 32 / Math.fround(256 * count)));
  return Math.floor(((total + (count >> 1)) * multiplier) / 2 ** 24);
}
