// Decodes PNG files to the pixels that Pillow gives Python. A browser multiplies colours by their opacity
// and rounds 16 bits to 8; the model then sees another picture.

/** @typedef {import("./picture.js").Pixels} Pixels */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const LARGEST = 50_000_000; // pixels, as in picture.js
const [GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA] = [0, 2, 3, 4, 6];
const CHANNELS = { [GREY]: 1, [COLOUR]: 3, [PALETTE]: 1, [GREY_ALPHA]: 2, [COLOUR_ALPHA]: 4 };

/**
 * The pixels of a PNG file; null for other files, and for those that a browser should decode: interlaced,
 * rotated, damaged.
 * @param {Uint8Array} bytes
 * @returns {Promise<Pixels | null>} with `deep`, (height * width), where it is grey of 16 bits
 */
export async function pngOf(bytes) {
  const chunks = chunksOf(bytes);
  const header = chunks?.IHDR?.[0];
  if (!header || !chunks.IDAT || chunks.eXIf) return null;
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [bits, type, , , interlaced] = header.subarray(8);
  if (interlaced || !CHANNELS[type] || !(width * height > 0 && width * height <= LARGEST)) return null;
  if (type === PALETTE && (!chunks.PLTE || bits > 8)) return null;
  const row = Math.ceil((width * bits * CHANNELS[type]) / 8);
  const packed = await inflated(chunks.IDAT);
  if (!packed || packed.length < height * (row + 1)) return null;
  const step = Math.max(1, (bits * CHANNELS[type]) >> 3); // bytes to the same byte of the pixel before
  const rows = unfiltered(packed, height, row, step);
  if (!rows) return null;
  const layout = { width, height, bits, type, row };
  const data = coloured(rows, layout, chunks.PLTE?.[0], chunks.tRNS?.[0]);
  const alpha = type === GREY_ALPHA || type === COLOUR_ALPHA || Boolean(chunks.tRNS);
  const deep = bits === 16 && type === GREY ? values(rows, layout) : null;
  return deep ? { data, height, width, alpha: false, deep } : { data, height, width, alpha };
}

/** The contents of each kind of chunk, up to the end; null if it is no whole PNG. */
function chunksOf(bytes) {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = {};
  for (let place = 8; place + 12 <= bytes.length; ) {
    const size = view.getUint32(place);
    const kind = String.fromCharCode(...bytes.subarray(place + 4, place + 8));
    if (kind === "IEND") return found;
    if (place + 12 + size > bytes.length) return null;
    (found[kind] ??= []).push(bytes.subarray(place + 8, place + 8 + size));
    place += 12 + size;
  }
  return null;
}

/** What was compressed by zlib; null if it is damaged. @param {Uint8Array[]} parts */
async function inflated(parts) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer().catch(() => new ArrayBuffer(0)));
}

/** The rows without their filters, which predict a byte from its neighbours; null if there is another. */
function unfiltered(packed, height, row, step) {
  const rows = new Uint8Array(height * row);
  for (let line = 0, at = 0, i = 0; line < height; line++) {
    const filter = packed[at++];
    if (filter > 4) return null;
    for (let column = 0; column < row; column++, at++, i++) {
      const left = column >= step ? rows[i - step] : 0;
      const up = line ? rows[i - row] : 0;
      const corner = line && column >= step ? rows[i - row - step] : 0;
      let guess = 0;
      if (filter === 1) guess = left;
      else if (filter === 2) guess = up;
      else if (filter === 3) guess = (left + up) >> 1;
      else if (filter === 4) guess = nearest(left, up, corner);
      rows[i] = packed[at] + guess;
    }
  }
  return rows;
}

/** Paeth's predictor: of three neighbours, the one nearest to left + up - corner. */
function nearest(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** The values of all channels, one after the other. */
function values(rows, { width, height, bits, type, row }) {
  const count = width * CHANNELS[type];
  const found = new Uint16Array(height * count);
  for (let line = 0, i = 0; line < height; line++) {
    for (let column = 0; column < count; column++, i++) {
      const at = line * row + ((column * bits) >> 3);
      if (bits === 16) found[i] = rows[at] * 256 + rows[at + 1];
      else found[i] = (rows[at] >> (8 - bits - ((column * bits) & 7))) & (2 ** bits - 1);
    }
  }
  return found;
}

/** Red, green, blue and alpha in 8 bits, as Pillow makes them: of 16 bits, the upper 8. */
function coloured(rows, layout, palette, transparent) {
  const { width, height, bits, type } = layout;
  const found = values(rows, layout);
  const data = new Uint8ClampedArray(4 * width * height);
  const scale = bits < 8 ? 255 / (2 ** bits - 1) : 1;
  const eight = (value) => (bits === 16 ? value >> 8 : value * scale);
  const key = transparent && type !== PALETTE ? keyOf(transparent, type) : null;
  const channels = CHANNELS[type];
  for (let pixel = 0, i = 0, j = 0; pixel < width * height; pixel++, i += channels, j += 4) {
    data[j + 3] = 255;
    if (type === PALETTE) {
      for (let c = 0; c < 3; c++) data[j + c] = palette[3 * found[i] + c] ?? 0;
      if (transparent) data[j + 3] = transparent[found[i]] ?? 255;
      continue;
    }
    const isGrey = type === GREY || type === GREY_ALPHA;
    for (let c = 0; c < 3; c++) data[j + c] = eight(found[i + (isGrey ? 0 : c)]);
    if (type === GREY_ALPHA || type === COLOUR_ALPHA) data[j + 3] = eight(found[i + channels - 1]);
    else if (key?.every((value, c) => value === found[i + c])) data[j + 3] = 0;
  }
  return data;
}

/** The one colour that is transparent, by channel. */
const keyOf = (chunk, type) =>
  Array.from({ length: CHANNELS[type] }, (_, c) => chunk[2 * c] * 256 + chunk[2 * c + 1]);
