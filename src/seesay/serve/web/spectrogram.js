// What a recording looks like: how strong each frequency is over time.

import { powers } from "./fourier.js";

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
    const frame = window.map((weight, i) => weight * (samples[first + i] ?? 0));
    const spectrum = powers([frame]);
    for (let row = 0; row < ROWS; row++) {
      const bins = spectrum.subarray(edges[row], Math.max(edges[row + 1], edges[row] + 1));
      level[column * ROWS + row] = 10 * Math.log10(Math.max(...bins) + 1);
    }
  }
  const loudest = level.reduce((most, value) => Math.max(most, value), 1);
  const data = level.map((value) => Math.max(0, 1 + (value - loudest) / RANGE));
  return { data, columns, rows: ROWS };
}
