// Noise on what is seen or heard, the same each time, so that a slider changes its strength only.

const FRAME = 0.02; // seconds over which loudness is measured
const SOFTEST = 20; // dB by which a word exceeds the weakest noise
const LOUDEST = -15; // and the strongest
const GRAINS = 28; // of a picture, across its shorter side
const MOST = 0.35; // of the grains are taken at most

/** Uniform numbers from 0 to 1, the same for each seed (mulberry32). */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The grains of a picture that noise has taken: column, row, and whether it is white.
 * @param {number} across grains beside each other
 * @param {number} down grains below each other
 * @param {number} amount 0 (none) to 1
 * @returns {{ column: number, row: number, white: boolean }[]}
 */
export function grainsOf(across, down, amount) {
  const next = numbers(1);
  return Array.from({ length: across * down }, (_, i) => {
    const [taken, white] = [next() < amount * MOST, next() < 0.5];
    return taken ? { column: i % across, row: Math.floor(i / across), white } : null;
  }).filter(Boolean);
}

/** The side of a grain in pixels: as large as a pixel that the model sees of a drawing. */
export const grainSide = (height, width) => Math.max(1, Math.round(Math.min(height, width) / GRAINS));

/**
 * The picture with grains of noise in it.
 * @param {import("./picture.js").Pixels} pixels
 * @param {number} amount 0 (none) to 1
 * @returns {import("./picture.js").Pixels}
 */
export function noisyPixels(pixels, amount) {
  const { height, width } = pixels;
  const side = grainSide(height, width);
  const data = new Uint8ClampedArray(pixels.data);
  const words = new Uint32Array(data.buffer);
  for (const { column, row, white } of grainsOf(Math.ceil(width / side), Math.ceil(height / side), amount)) {
    const right = Math.min((column + 1) * side, width);
    for (let y = row * side; y < Math.min((row + 1) * side, height); y++) {
      words.fill(white ? 0xffffffff : 0xff000000, y * width + column * side, y * width + right);
    }
  }
  return { ...pixels, data, deep: undefined };
}

/**
 * The sound with noise in it, one channel.
 * @param {import("./sound.js").Sound} sound
 * @param {number} amount 0 (none) to 1 (far louder than the word)
 * @returns {import("./sound.js").Sound}
 */
export function noisySound({ channels, rate }, amount) {
  const [samples] = channels;
  const loud = loudness(samples, rate);
  const strength = loud * 10 ** (-(SOFTEST + (LOUDEST - SOFTEST) * amount) / 20);
  const next = numbers(2);
  const noisy = samples.map((value) => {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    return value + strength * normal;
  });
  return { channels: [noisy], rate };
}

/** The root mean square of the loudest tenth of a sound: that of the word in it. */
function loudness(samples, rate) {
  const length = Math.max(1, Math.round(FRAME * rate));
  const power = [];
  for (let at = 0; at < samples.length; at += length) {
    const part = samples.subarray(at, at + length);
    power.push(part.reduce((sum, value) => sum + value * value, 0) / part.length);
  }
  power.sort((a, b) => b - a);
  const loudest = power.slice(0, Math.max(1, Math.round(power.length / 10)));
  return Math.sqrt(loudest.reduce((sum, value) => sum + value, 0) / loudest.length);
}
