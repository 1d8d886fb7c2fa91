// What a recording looks like: how strong each frequency is over time.

const FRAME = 0.032; // seconds
const COLUMNS = 160; // most frames shown
const ROWS = 48; // frequencies shown, evenly spaced in mel
const RANGE = 60; // dB shown below the loudest

const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const hertz = (mels) => 700 * (10 ** (mels / 2595) - 1);

/**
 * The strength of each frequency over time, 0 to 1, low frequencies first.
 * @param {Int16Array} samples
 * @param {number} rate Hz
 * @returns {{ data: Float32Array, columns: number, rows: number }} data: (columns * rows)
 */
export function spectrogram(samples, rate) {
  const length = 2 ** Math.round(Math.log2(FRAME * rate));
  const columns = Math.max(1, Math.min(COLUMNS, Math.ceil((samples.length / length) * 4)));
  const window = Float64Array.from(
    { length },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / length),
  );
  const edges = Array.from({ length: ROWS + 1 }, (_, row) =>
    Math.round((hertz((mel(rate / 2) * row) / ROWS) / rate) * length),
  );
  const level = new Float32Array(columns * ROWS);
  for (let column = 0; column < columns; column++) {
    const middle = ((column + 0.5) / columns) * samples.length;
    const first = Math.round(middle - length / 2);
    const spectrum = power(window.map((weight, i) => weight * (samples[first + i] ?? 0)));
    for (let row = 0; row < ROWS; row++) {
      const bins = spectrum.subarray(edges[row], Math.max(edges[row + 1], edges[row] + 1));
      level[column * ROWS + row] = 10 * Math.log10(Math.max(...bins) + 1);
    }
  }
  const loudest = level.reduce((most, value) => Math.max(most, value), 1);
  const data = level.map((value) => Math.max(0, 1 + (value - loudest) / RANGE));
  return { data, columns, rows: ROWS };
}

/**
 * The power of each frequency from 0 to half the rate of a frame whose length is a power of two, halved
 * until it is one (fourier.js takes any length, and twenty times as long).
 * @param {Float64Array} frame (n)
 * @returns {Float64Array} (n / 2)
 */
function power(frame) {
  const count = frame.length;
  const [real, imaginary] = [new Float64Array(count), new Float64Array(count)];
  for (let i = 0, j = 0; i < count; i++) {
    real[j] = frame[i]; // in bit-reversed order
    let bit = count >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
  }
  for (let size = 2; size <= count; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((Math.PI * k) / half), -Math.sin((Math.PI * k) / half)];
      for (let even = k; even < count; even += size) {
        const odd = even + half;
        const a = real[odd] * c - imaginary[odd] * s;
        const b = real[odd] * s + imaginary[odd] * c;
        real[odd] = real[even] - a;
        imaginary[odd] = imaginary[even] - b;
        real[even] += a;
        imaginary[even] += b;
      }
    }
  }
  return real.subarray(0, count / 2).map((x, i) => x * x + imaginary[i] * imaginary[i]);
}
