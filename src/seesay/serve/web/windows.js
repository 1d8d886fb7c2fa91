// Which parts of a long recording sound, and the windows of a clip's length that cover them, as in
// Python (seesay/signal/sounding.py).

import { clip, highest, quantile, rint } from "./arrays.js";

/**
 * A window of a clip's length, by its first sample, and the part that it speaks for, by its first
 * sample and one after its last.
 * @typedef {{ first: number, start: number, end: number }} Window
 */

/** Clips: a longer recording may hold more than one word. */
export const LONG = 1.5;

const FRAME = 0.02; // seconds over which a level is measured
const BACKGROUND = 0.1; // quantile of the levels that is the background
const STEADY = 10; // dB from the background to the loudest frame, below which all is one part
const RISE = 0.2; // of the way from the background to the loudest frame: a part is louder
const EDGE = 0.1; // of that way: a part begins and ends where the level falls below it
const DEEPEST = 50; // dB below the loudest frame: the background is no lower
const PAUSE = 0.2; // seconds: a shorter gap belongs to the word
const SHORTEST = 0.06; // seconds: a shorter part, such as a click, is none
const ROOM = 1.25; // windows: a part up to this length has one

/**
 * The windows of this many samples over the parts that sound, in order of time: one around the
 * middle of a part that (nearly) fits, else windows that overlap by half or more.
 * @param {Int16Array} recording (n), no shorter than a window
 * @param {number} rate Hz
 * @param {number} samples of a window
 * @returns {Window[]} one at least
 */
export function windows(recording, rate, samples) {
  return sounding(recording, rate).flatMap(([start, end]) => {
    const most = Math.ceil((2 * (end - start - samples)) / samples);
    const count = end - start <= ROOM * samples ? 1 : 1 + most;
    const middle = Math.floor((start + end - samples) / 2);
    const stride = (end - samples - start) / (count - 1);
    const firsts = Array.from({ length: count }, (_, i) =>
      count === 1 ? middle : i === count - 1 ? end - samples : rint(i * stride + start),
    );
    const borders = firsts.map((first, i) =>
      i === 0 ? start : Math.floor((firsts[i - 1] + first + samples) / 2),
    );
    return firsts.map((first, i) => ({
      first: clip(first, 0, recording.length - samples),
      start: borders[i],
      end: borders[i + 1] ?? end,
    }));
  });
}

/**
 * The first sample of each part that sounds and the one after its last, in order; the whole
 * recording if it is steady.
 * @param {Int16Array} recording (n)
 * @param {number} rate Hz
 * @returns {[number, number][]}
 */
function sounding(recording, rate) {
  const frame = Math.max(1, rint(FRAME * rate));
  const level = levels(recording, frame);
  const loudest = highest(level);
  const floor = level.length ? Math.max(quantile(level, BACKGROUND), loudest - DEEPEST) : 0;
  if (!level.length || loudest - floor < STEADY) return [[0, recording.length]];
  const places = [...level.keys()];
  const loud = places.filter((i) => level[i] > floor + RISE * (loudest - floor));
  let parts = [];
  for (const place of loud) {
    const last = parts.at(-1);
    if (last && place - last.end + 1 <= PAUSE / FRAME) last.end = place + 1;
    else parts.push({ start: place, end: place + 1 });
  }
  const long = parts.filter(({ start, end }) => end - start >= SHORTEST / FRAME);
  if (long.length) parts = long;
  const isFaint = (i) => level[i] <= floor + EDGE * (loudest - floor);
  const pause = rint(PAUSE / FRAME);
  return parts.map(({ start, end }, i) => {
    const least = i === 0 ? 0 : Math.floor((parts[i - 1].end + start) / 2);
    const most = i === parts.length - 1 ? level.length : Math.floor((end + parts[i + 1].start) / 2);
    let [before, after] = [start, end]; // to the next faint frame, no farther than needed
    while (before > Math.max(least, start - pause) && !isFaint(before - 1)) before--;
    while (after < Math.min(most, end + pause) && !isFaint(after)) after++;
    return [before * frame, after * frame];
  });
}

/**
 * The level of each whole frame in dB of a 16-bit step, after pre-emphasis: hum and rumble count
 * less.
 * @param {Int16Array} recording (n)
 * @returns {Float64Array} (frames)
 */
function levels(recording, frame) {
  const count = Math.max(Math.floor((recording.length - 1) / frame), 0);
  return Float64Array.from({ length: count }, (_, i) => {
    let power = 0; // a whole number below 2^53: exact, whatever the order
    for (let at = i * frame; at < (i + 1) * frame; at++) {
      power += (recording[at + 1] - recording[at]) ** 2;
    }
    return 10 * Math.log10(power / frame + 1e-3);
  });
}
