// A taught model: a head for each modality, and their sum, as Python's posterior sum
// (seesay/model/fusion.py). What it says, how well it does on samples that are left out, and its file.

import { answerOf, together } from "./answer.js";
import { segmentsOf } from "./graph.js";
import { countsOf, FEWEST, headOf, logitsOf, softmax, temperatureOf } from "./teach_head.js";

/**
 * @typedef {import("./teach_head.js").Head} Head
 *
 * One thing that was drawn or said for a class.
 * @typedef {{ modality: string, label: number, encoding: ArrayLike<number> }} Sample
 *
 * How many left-out samples were taken for their class; of the fusion, left-out pairs of them.
 * @typedef {{ right: number, total: number }} Score
 *
 * @typedef {object} Taught
 * @property {number[]} classes those that are in it, as places among all that were named
 * @property {string[]} modalities in the base's order
 * @property {Record<string, Head>} heads
 * @property {number} weight of each modality in the sum
 * @property {Record<string, Score>} scores by condition
 * @property {Map<Sample, number>} mistaken samples that are taken for another class when left out
 *
 * What an engine's `encode` gives: the encodings of a row; of a long recording, of each window, with the
 * seconds that it speaks for and a weight. Weights sum to 1.
 * @typedef {{ start: number, end: number, weight: number, encodings: Record<string, ArrayLike<number>> }} Window
 */

/**
 * The model of the classes that have two samples or more of a modality; null if no modality has two such
 * classes.
 * @param {string[]} modalities of the base, in order
 * @param {number} count classes that were named
 * @param {Sample[]} samples
 * @returns {Taught | null}
 */
export function taught(modalities, count, samples) {
  const enough = new Map();
  for (const modality of modalities) {
    const counts = countsOf(labelsOf(samples, modality), count);
    const ready = [...counts.keys()].filter((k) => counts[k] >= FEWEST);
    if (ready.length >= 2) enough.set(modality, ready);
  }
  if (!enough.size) return null;
  const classes = [...Array(count).keys()].filter((k) => [...enough.values()].some((ready) => ready.includes(k)));
  const [heads, scores, mistaken, used] = [{}, {}, new Map(), {}];
  for (const [modality, ready] of enough) {
    const mine = samples.filter((each) => each.modality === modality && ready.includes(each.label));
    const label = mine.map((each) => classes.indexOf(each.label));
    heads[modality] = headOf({ encodings: mine.map(({ encoding }) => encoding), label }, classes.length);
    used[modality] = label;
    const said = heads[modality].leftOut.map(highest);
    said.forEach((k, i) => k !== label[i] && mistaken.set(mine[i], classes[k]));
    scores[modality] = { right: said.filter((k, i) => k === label[i]).length, total: label.length };
  }
  const names = [...enough.keys()];
  let weight = 1;
  if (names.length === 2) {
    const pairs = pairsOf(names.map((m) => ({ logits: heads[m].leftOut, label: used[m] })));
    if (pairs.label.length) {
      weight = weightOf(pairs, Math.min(...names.map((m) => used[m].length)), classes.length);
      const right = pairs.logits.filter((logits, i) => highest(logits) === pairs.label[i]).length;
      scores[together(names)] = { right, total: pairs.label.length };
    }
  }
  return { classes, modalities: names, heads, weight, scores, mistaken };
}

const labelsOf = (samples, modality) =>
  samples.filter((each) => each.modality === modality).map(({ label }) => label);

const highest = (values) => values.indexOf(Math.max(...values));

/** Every left-out sample of one modality with every one of the other of its class; logits are summed. */
function pairsOf([one, other]) {
  const pairs = { logits: [], label: [] };
  one.logits.forEach((mine, i) => {
    other.logits.forEach((theirs, j) => {
      if (one.label[i] !== other.label[j]) return;
      pairs.logits.push(mine.map((x, k) => x + theirs[k]));
      pairs.label.push(one.label[i]);
    });
  });
  return pairs;
}

/**
 * The weight in the sum for which left-out pairs are likeliest, the inverse of a temperature. Labels are
 * smoothed as of the samples of one modality: pairs share them. Classes weigh the same.
 */
function weightOf({ logits, label }, samples, classes) {
  const counts = countsOf(label, classes);
  const weights = label.map((k) => 1 / counts[k]);
  return Math.fround(1 / temperatureOf(logits, label, 1 / (samples + 2), weights));
}

// ------------------------------------------------------------------------------------------ answers

/**
 * What the taught model says of a row.
 * @param {Taught} model
 * @param {string[]} classes their names
 * @param {Window[]} windows one, or those of a long recording
 * @param {string | null} long the modality of that
 * @returns {import("./answer.js").Answer}
 */
export function taughtAnswer(model, classes, windows, long) {
  const parts = windows.map(({ encodings, weight }) => {
    const given = model.modalities.filter((m) => encodings[m]);
    const logits = Object.fromEntries(given.map((m) => [m, logitsOf(model.heads[m], encodings[m])]));
    const probabilities = Object.fromEntries(given.map((m) => [m, softmax(logits[m])]));
    if (given.length > 1) {
      const sum = classes.map((_, k) => model.weight * given.reduce((total, m) => total + logits[m][k], 0));
      probabilities[together(given)] = softmax(sum);
    }
    return { probabilities, known: {}, weight };
  });
  const mean = (name) =>
    classes.map((_, k) => parts.reduce((sum, part) => sum + part.weight * part.probabilities[name][k], 0));
  const names = Object.keys(parts[0].probabilities);
  const probabilities = Object.fromEntries(names.map((name) => [name, mean(name)]));
  const segments = long ? segmentsOf(windows, parts, classes, long, 1) : [];
  return answerOf({ classes, modalities: model.modalities }, probabilities, {}, segments);
}

// --------------------------------------------------------------------------------------------- file

/**
 * The file that `seesay predict` opens (seesay/learn/taught.py): safetensors with what differs from the base.
 * @param {Taught} model
 * @param {string[]} classes their names
 * @param {{ name: string, encoders: string, seesay: string }} base
 * @returns {Uint8Array}
 */
export function taughtFile(model, classes, { name, encoders, seesay }) {
  const tensors = [];
  for (const modality of model.modalities) {
    const { weight, bias } = model.heads[modality];
    tensors.push([`heads.${modality}.0.weight`, weight, [classes.length, weight.length / classes.length]]);
    tensors.push([`heads.${modality}.0.bias`, bias, [classes.length]]);
  }
  const weight = new Float32Array(model.modalities.length).fill(model.weight);
  tensors.push(["fusion.weight", weight, [weight.length]]);
  const { modalities, scores } = model;
  const said = JSON.stringify({ classes, modalities, encoders, base: name, seesay, left_out: scores });
  const header = { __metadata__: { taught: said } };
  let end = 0;
  for (const [key, values, shape] of tensors) {
    header[key] = { dtype: "F32", shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
  }
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(8 * Math.ceil(text.length / 8)).fill(0x20); // tensors begin at a multiple of 8
  padded.set(text);
  text = padded;
  const file = new Uint8Array(8 + text.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const [, values] of tensors) {
    const view = new DataView(file.buffer, at, values.byteLength);
    values.forEach((x, i) => view.setFloat32(4 * i, x, true));
    at += values.byteLength;
  }
  return file;
}
