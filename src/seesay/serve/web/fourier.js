// The discrete Fourier transform of frames of any length.

import { filled } from "./arrays.js";

/**
 * The power of each frequency from 0 to half the rate, summed over frames of equal length.
 * @param {Float64Array[]} frames (frames) of (n)
 * @returns {Float64Array} (floor(n / 2) + 1)
 */
export function powers(frames) {
  const count = frames[0].length;
  const angle = (place) => (2 * Math.PI * place) / count;
  const cosines = filled(new Float64Array(count), (place) => Math.cos(angle(place)));
  const sines = filled(new Float64Array(count), (place) => -Math.sin(angle(place)));
  const spectrum = new Float64Array((count >> 1) + 1);
  for (const frame of frames) {
    const [real, imaginary] = transformed(frame, new Float64Array(count), { cosines, sines });
    for (let i = 0; i < spectrum.length; i++) spectrum[i] += real[i] ** 2 + imaginary[i] ** 2;
  }
  return spectrum;
}

/**
 * The transform of complex numbers, from those of every p-th number, p the smallest prime factor of
 * their count (Cooley and Tukey 1965).
 * @returns {[Float64Array, Float64Array]} real and imaginary parts
 */
function transformed(real, imaginary, turn) {
  const count = real.length;
  if (count === 1) return [real, imaginary];
  let prime = 2;
  while (count % prime && prime * prime < count) prime++;
  if (count % prime) prime = count;
  const step = turn.cosines.length / count;
  const [sumReal, sumImaginary] = [new Float64Array(count), new Float64Array(count)];
  for (let first = 0; first < prime; first++) {
    const every = (_, i) => first + i * prime;
    const places = Array.from({ length: count / prime }, every);
    const [a, b] = transformed(
      Float64Array.from(places, (place) => real[place]),
      Float64Array.from(places, (place) => imaginary[place]),
      turn,
    );
    for (let i = 0; i < count; i++) {
      const angle = ((i * first) % count) * step;
      const [c, s, j] = [turn.cosines[angle], turn.sines[angle], i % a.length];
      sumReal[i] += a[j] * c - b[j] * s;
      sumImaginary[i] += a[j] * s + b[j] * c;
    }
  }
  return [sumReal, sumImaginary];
}
