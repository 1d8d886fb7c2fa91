// Converts a waveform's rate by the filters of soxr's quality VHQ, which Python reads recordings with
// (seesay/signal/audio.py).
//
// soxr passes 0.9113 of the lower Nyquist frequency and stops at it. Between rates in a ratio of small
// numbers, such as 48 to 16 kHz, it filters once, by a windowed sinc. Else, as from 44.1 to 16 kHz, that
// filter works at a rate near the old one, and a short second filter, which droops by 0.01 dB, leads from
// there to any time; here, both are one filter for each phase of the new rate. A rate of four times the new
// one or more is halved first. The numbers were fitted to what soxr makes of single samples. What is left of
// white noise is below -166 dB for ratios of small numbers and below -114 dB for others, so that a step of 16
// bits is hardly ever another; where a rate is halved it is -69 to -105 dB, in the first samples.

const CUTOFF = 0.9556641599475831; // the 6 dB point, of the lower Nyquist frequency
const TRANSITION = 1 - CUTOFF; // from there to where the filter stops
const BETA = { alone: 18.433496058, decibel: 0.11259 }; // of a Kaiser window; more per dB of attenuation
const SECOND = { beta: 19.59231, narrower: 0.829076, decibels: 20 * Math.log10(2) };
const LENGTH = 0.6367; // samples of a filter, times its transition, over beta
const HALVING = { reach: 40, beta: 19 }; // samples; aliases only what the next filter removes
const PLACES = 1024; // of a sample of the lower rate: between them, interpolation errs by -119 dB

/**
 * Weights of old samples for times between two of them.
 * @typedef {object} Filter
 * @property {number} margin old samples that count on either side of a time
 * @property {number} places of times in a sample
 * @property {(place: number, sample: number) => Float64Array} weights (2 * margin) for the time after a sample
 */

/** By ratio, since people record at one rate. @type {Map<number, Filter>} */
const filters = new Map();

/**
 * The waveform at another rate.
 * @param {Float32Array} waveform (samples)
 * @param {number} oldRate whole Hz
 * @param {number} newRate whole Hz
 * @returns {Float32Array} (samples * newRate / oldRate, rounded)
 */
export function resampled(waveform, oldRate, newRate) {
  const ratio = oldRate / newRate;
  const result = new Float32Array(Math.floor(waveform.length / ratio + 0.5));
  let [halved, unit] = [waveform, 1];
  for (; 4 * unit <= ratio; unit *= 2) halved = half(halved);
  if (!filters.has(ratio)) filters.set(ratio, filterOf(oldRate, newRate * unit, Math.log2(unit)));
  const { margin, places, weights } = filters.get(ratio);
  const [step, phases] = reduced(oldRate, newRate * unit);
  const padded = new Float64Array(halved.length + 2 * margin);
  padded.set(halved, margin);
  for (let i = 0; i < result.length; i++) {
    const sample = Math.floor((i * step) / phases);
    const exact = (((i * step) % phases) * places) / phases;
    const place = Math.floor(exact);
    const part = exact - place; // 0 where every phase has its place
    result[i] = dot(weights(place, sample), padded, sample + 1) * (1 - part);
    if (part) result[i] += dot(weights(place + 1, sample), padded, sample + 1) * part;
  }
  return result;
}

function dot(weights, values, first) {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i] * values[first + i];
  return total;
}

/** The waveform at half its rate, and what rings on after its end. */
function half(waveform) {
  const { reach, beta } = HALVING;
  const weights = weightsOf(reach, windowedSinc(0.5, beta, reach));
  const padded = new Float64Array(waveform.length + 4 * reach);
  padded.set(waveform, reach);
  return Float64Array.from({ length: Math.ceil((waveform.length + reach) / 2) }, (_, i) =>
    dot(weights, padded, 2 * i + 1),
  );
}

/** @returns {Filter} after so many halvings */
function filterOf(oldRate, newRate, halvings) {
  const low = Math.min(1, newRate / oldRate); // the lower rate over the old one
  const [down, up] = reduced(oldRate, newRate);
  const isTwo = Math.max(down, up) > 4 && down * up > 5;
  const times = isTwo ? (down < 2 * up ? 2 : 1) : up; // samples of the first filter in an old one
  const beta = BETA.alone + BETA.decibel * (20 * Math.log10(1 + halvings) + (isTwo ? SECOND.decibels : 0));
  const whole = isTwo || up !== 4 ? 4 : 8; // soxr's lengths are multiples of it
  const length = whole * Math.ceil((LENGTH * beta * times) / (TRANSITION * low) / whole);
  const reach = (length + 1) / 2 / times; // old samples
  const sharp = windowedSinc(CUTOFF * low, beta, reach);
  const places = Math.min(up, Math.ceil(PLACES * low));
  const known = [];
  if (!isTwo) {
    const margin = Math.ceil(reach) + 1;
    const make = (time) => weightsOf(margin, (sample) => sharp(sample - time));
    return { margin, places, weights: (place) => (known[place] ??= make(place / places)) };
  }
  const second = secondOf(low, times, up);
  const { margin, make } = joined(sharp, reach, second, times);
  const weights = (place, sample) =>
    sample < second.reach ? make(place / places, sample) : (known[place] ??= make(place / places, Infinity));
  return { margin, places, weights };
}

/** The weight of each sample from `1 - margin` to `margin`. */
function weightsOf(margin, weight) {
  const weights = new Float64Array(2 * margin);
  for (let i = 0; i < weights.length; i++) weights[i] = weight(i + 1 - margin);
  return weights;
}

/** The second filter as a function of time in samples of the first, and its reach in these. */
function secondOf(low, times, phases) {
  const nyquist = low / times; // the lower one, over that of the first filter
  const stop = 2 - (1 - 0.6 * TRANSITION) * nyquist;
  const narrow = (stop - (1 - 2 * TRANSITION) * nyquist) / 2 / SECOND.narrower;
  const transition = Math.min(narrow, stop / 2);
  const taps = Math.floor((LENGTH * SECOND.beta) / transition) + 1;
  const reach = (low < 1 ? 2 * Math.ceil(taps / 2) : taps) / 2 - times / phases;
  return { reach, weight: windowedSinc(stop - transition, SECOND.beta, reach) };
}

/**
 * Both filters as one: weights for a time after a sample that has so many before it. What the first filter
 * makes before the first sample of all does not count, since soxr drops it.
 */
function joined(sharp, reach, second, times) {
  const end = Math.ceil(reach * times);
  const fine = Float64Array.from({ length: 2 * end + 1 }, (_, i) => sharp((i - end) / times));
  const margin = Math.ceil(reach + second.reach) + 1;
  const make = (time, before) => {
    const weights = new Float64Array(2 * margin);
    const middle = time * times; // in samples of the first filter
    const first = Math.max(Math.ceil(middle - second.reach), -before * times);
    for (let i = first; i <= middle + second.reach; i++) {
      const weight = second.weight(middle - i);
      const last = Math.floor((i + end) / times);
      for (let sample = Math.ceil((i - end) / times); sample <= last; sample++) {
        weights[sample + margin - 1] += weight * fine[i - sample * times + end];
      }
    }
    return weights;
  };
  return { margin, make };
}

/**
 * A low-pass filter as a function of time in samples: a sinc in a Kaiser window.
 * @param {number} cutoff of the Nyquist frequency
 * @param {number} reach half the window, in samples
 */
function windowedSinc(cutoff, beta, reach) {
  const gain = cutoff / bessel(beta);
  return (time) => {
    const part = time / reach;
    if (Math.abs(part) >= 1) return 0;
    const angle = Math.PI * cutoff * time;
    const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
    return gain * sinc * bessel(beta * Math.sqrt(1 - part * part));
  };
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

/** Two whole numbers over their greatest common divisor. */
function reduced(one, other) {
  let [divisor, rest] = [one, other];
  while (rest) [divisor, rest] = [rest, divisor % rest];
  return [one / divisor, other / divisor];
}
