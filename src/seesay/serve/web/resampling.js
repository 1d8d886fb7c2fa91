// Converts a waveform's rate by a windowed sinc, as near to soxr's quality HQ as one filter gets.
//
// soxr passes 0.9136 of the lower Nyquist frequency, and stops at it by 126 dB. Between a rate and
// 2, 3, 4 or 6 times it, it filters with Kaiser windows alone, whose numbers were fitted to what it
// makes of noise: what is left is -130 dB of white noise. For other ratios, such as 44.1 to 16 kHz,
// it has a stage more, which droops by up to 0.01 dB: the fit leaves -70 dB of white noise, at its
// highest frequencies, and -99 dB of speech (the median).

/**
 * The 6 dB point, of the lower Nyquist frequency; half the window, in samples of the lower rate.
 */
const OTHER = { cutoff: 0.956843, reach: 109.67, beta: 15.98 };
/** By the larger of the ratio's two numbers, the other being 1 or 2. */
const SIMPLE = {
  2: { cutoff: 0.95687183, reach: 97.25044, beta: 13.04016 },
  3: { cutoff: 0.95687183, reach: 96.83352, beta: 13.04008 },
  4: { cutoff: 0.95687183, reach: 102.25112, beta: 13.7115 },
  6: { cutoff: 0.95687183, reach: 101.50097, beta: 13.71147 },
};
/**
 * Places of the sinc in a sample of the lower rate, between which interpolation errs by -119 dB.
 */
const PLACES = 1024;

/**
 * The waveform at another rate.
 * @param {Float32Array} waveform (samples)
 * @param {number} oldRate whole Hz
 * @param {number} newRate whole Hz
 * @returns {Float32Array} (samples * newRate / oldRate, rounded)
 */
export function resampled(waveform, oldRate, newRate) {
  const divisor = commonDivisor(oldRate, newRate);
  const [step, phases] = [oldRate / divisor, newRate / divisor];
  const simple = Math.min(step, phases) <= 2 && SIMPLE[Math.max(step, phases)];
  const { cutoff, reach, beta } = simple || OTHER;
  const low = Math.min(1, phases / step); // lower rate over the old one
  const margin = Math.ceil(reach / low) + 1;
  const padded = new Float64Array(waveform.length + 2 * margin);
  padded.set(waveform, margin);
  const places = Math.min(phases, Math.ceil(PLACES * low));
  const gain = (cutoff * low) / bessel(beta);
  const kernels = new Array(places + 1);
  const kernel = (place) => {
    const shift = place / places;
    kernels[place] ??= Float64Array.from({ length: 2 * margin }, (_, i) =>
      weight((i - margin + 1 - shift) * low, cutoff, reach, beta) * gain,
    );
    return kernels[place];
  };
  const result = new Float32Array(Math.floor((waveform.length * phases) / step + 0.5));
  for (let i = 0; i < result.length; i++) {
    const first = Math.floor((i * step) / phases) + 1;
    const exact = (((i * step) % phases) * places) / phases;
    const place = Math.floor(exact);
    const part = exact - place; // 0 where every phase has its place
    result[i] = dot(kernel(place), padded, first) * (1 - part);
    if (part) result[i] += dot(kernel(place + 1), padded, first) * part;
  }
  return result;
}

function dot(weights, values, first) {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i] * values[first + i];
  return total;
}

/** The windowed sinc, times a constant, at a time in samples of the lower rate. */
function weight(time, cutoff, reach, beta) {
  const part = time / reach;
  if (Math.abs(part) >= 1) return 0;
  const angle = Math.PI * cutoff * time;
  const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
  return sinc * bessel(beta * Math.sqrt(1 - part * part));
}

/** The modified Bessel function of the first kind and order 0, by its series. */
function bessel(x) {
  let [total, term] = [1, 1];
  for (let k = 1; term > 1e-17 * total; k++) {
    term *= (x / (2 * k)) ** 2;
    total += term;
  }
  return total;
}

const commonDivisor = (a, b) => (b === 0 ? a : commonDivisor(b, a % b));
