// Reads a recording as Python does (seesay/signal/audio.py): mono at the model's rate, its constant
// offset subtracted, a very quiet one amplified; silence and nothing but faint noise are refused.

import { clip, filled, highest, mean, quantile, rint, sum } from "./arrays.js";
import { InputError, general } from "./errors.js";
import { powers } from "./fourier.js";
import { resampled } from "./resampling.js";
import { checkSize, waveOf } from "./wave.js";

/**
 * Samples in [-1, 1], one array per channel, and how many there are a second.
 * @typedef {{ channels: Float32Array[], rate: number }} Sound channels: (samples) each
 */

const LOUDEST = 8; // times full scale: floats may exceed 1 a little
const SILENCE = 2 ** -11; // peak, of full scale: sixteen steps of 16 bits, -66 dB
const QUIET = 0.01; // peak, of full scale: -40 dB
const NOISE_FRAME = 0.04; // seconds
const NOISE = 3; // dB between the softest tenth and the loudest frames, below which it is noise
const TONE = 0.25; // of the power: with more in one line of the spectrum it is a tone
const BLOCK = 65_536; // samples: the offset is that of the first block, as Python decodes
const DECODED = 48_000; // Hz: what browsers decode recordings to that are no WAV

const FORMATS = "WAV, FLAC, OGG (Vorbis, Opus), MP3 or AIFF";

/**
 * A recording file decoded: WAV here, to the bit as in Python; other formats by the browser.
 * @param {Blob} blob
 * @param {string} name in messages
 * @returns {Promise<Sound>}
 */
export async function decoded(blob, name = "the recording") {
  const bytes = await blob.arrayBuffer();
  const wave = waveOf(new Uint8Array(bytes), name);
  if (wave) return wave;
  const context = new OfflineAudioContext(1, 1, DECODED);
  const buffer = await context.decodeAudioData(bytes).catch(() => {
    const problem = `${name} is not a recording that can be read`;
    throw new InputError(problem, `Convert it to ${FORMATS}.`);
  });
  const numbers = [...Array(buffer.numberOfChannels).keys()];
  return {
    channels: numbers.map((channel) => buffer.getChannelData(channel)),
    rate: buffer.sampleRate,
  };
}

/**
 * The whole recording at `rate`, in steps of 16 bits.
 * @param {Sound} sound from a WAV (`waveOf`), or as a browser decoded it
 * @param {number} rate of the model, in Hz
 * @param {string} name in messages
 * @returns {Int16Array} (samples)
 * @throws {InputError} if it is empty, silent, only noise, longer than ten minutes, holds NaN, or
 *   has an impossible rate or number of channels
 */
export function readRecording({ channels, rate: ownRate }, rate, name = "the recording") {
  checkSize(channels[0]?.length ?? 0, ownRate, channels.length, name);
  const waveform = withoutOffset(averaged(channels, name));
  const converted = ownRate === rate ? waveform : resampled(waveform, ownRate, rate);
  const heard = checked(converted, rate, name);
  const peak = Math.max(peakOf(heard), SILENCE);
  // Floats of 32 bits after each step, as in Python, so that a tie is rounded alike.
  const gain = peak < QUIET ? Math.fround(QUIET / peak) : 1;
  return filled(new Int16Array(heard.length), (i) =>
    clip(rint(Math.fround(heard[i] * gain) * 32_768), -32_768, 32_767),
  );
}

/** The mean of the channels. @param {Float32Array[]} channels @returns {Float32Array} (samples) */
function averaged(channels, name) {
  const count = channels[0].length;
  for (let start = 0; start < count; start += BLOCK) {
    let [peak, finite] = [0, true];
    for (const channel of channels) {
      for (let i = start; i < Math.min(start + BLOCK, count); i++) {
        const value = Math.abs(channel[i]);
        if (value > peak) peak = value;
        else if (value !== value) finite = false;
      }
    }
    if (!finite || peak === Infinity) {
      throw new InputError(`${name} holds NaN or infinite samples`, "Export it again.");
    }
    if (peak > LOUDEST) {
      const problem = `${name} peaks at ${general(peak)} times full scale`;
      throw new InputError(problem, "Give floats in [-1, 1], or int16.");
    }
  }
  if (channels.length === 1) return channels[0];
  const each = new Float32Array(channels.length);
  return filled(new Float32Array(count), (i) => {
    for (let channel = 0; channel < each.length; channel++) each[channel] = channels[channel][i];
    return mean(each);
  });
}

/** The waveform less the mean of its first block: the constant offset of a sound card. */
function withoutOffset(waveform) {
  const offset = Math.fround(mean(Float64Array.from(waveform.subarray(0, BLOCK))));
  return waveform.map((value) => value - offset);
}

/** The highest absolute sample. @param {Float32Array} waveform */
const peakOf = (waveform) => waveform.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);

/** The waveform, scaled down if it peaks above 1; an InputError for silence or faint noise. */
function checked(waveform, rate, name) {
  const peak = peakOf(waveform);
  if (peak < SILENCE) {
    const limit = `${decibels(SILENCE)} dB of full scale`;
    const problem = `${name} is silent: the mean of its channels stays below ${limit}`;
    throw new InputError(problem, "Record it again, louder, or give one channel.");
  }
  if (peak < QUIET && isNoise(waveform, rate)) {
    const problem = `${name} holds nothing but faint, steady noise, ${decibels(peak)} dB at most`;
    throw new InputError(problem, "Check the microphone and record it again, louder.");
  }
  return peak > 1 ? waveform.map((value) => value / peak) : waveform;
}

const decibels = (peak) => (20 * Math.log10(peak)).toFixed(0);

/**
 * Whether the waveform is steady noise: equally loud throughout, digital silence aside, and no
 * tone.
 * @param {Float32Array} waveform (samples)
 */
function isNoise(waveform, rate) {
  const length = Math.min(waveform.length - 1, rint(NOISE_FRAME * rate));
  if (length < 1) return true;
  const frames = [];
  for (let start = 0; start + length < waveform.length; start += length) {
    const steps = new Float64Array(length);
    for (let i = 0; i < length; i++) steps[i] = waveform[start + i + 1] - waveform[start + i];
    frames.push(steps);
  }
  const power = (steps) => mean(steps.map((step) => step * step));
  const audible = frames.filter((steps) => power(steps) > (0.3 / 32_768) ** 2);
  const levels = Float64Array.from(audible, (steps) => 10 * Math.log10(power(steps)));
  if (!levels.length || highest(levels) - quantile(levels, 0.1) >= NOISE) return false;
  const spectrum = powers(audible);
  return highest(spectrum) < TONE * sum(spectrum);
}
