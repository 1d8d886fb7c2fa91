// An exported model, run by ONNX Runtime Web: from contents to the answer, as in Python
// (seesay/serve/graph.py). Long recordings are answered by their windows.

import { answerOf, rounded, together } from "./answer.js";
import { LONG, windows } from "./windows.js";

/**
 * @typedef {import("./contents.js").Content} Content
 *
 * What model.json says of a model.
 * @typedef {object} Model
 * @property {string} name
 * @property {string} seesay its version
 * @property {string} encoders fingerprint of the encoders; empty: there are no encodings
 * @property {string[]} classes
 * @property {string[]} modalities in order
 * @property {Record<string, import("./contents.js").Spec>} contents by modality
 * @property {Record<string, number[]>} shapes of the content that the model sees
 * @property {Record<string, string>} types of ONNX Runtime's tensors
 */

const BATCH = 16; // windows scored at a time

const ARRAYS = { uint8: Uint8Array, int16: Int16Array, float32: Float32Array };

const sizeOf = (shape) => shape.reduce((product, side) => product * side, 1);

/**
 * @param {{ session: any, Tensor: any }} runtime a session of the graph, and the class of its tensors
 * @param {Model} model
 */
export const graphOf = (runtime, model) => ({
  /**
   * The answer about one row, and the part of each content that the model saw, if it was cut or scaled.
   * @param {Record<string, Content>} contents by modality, one at least
   */
  async predict(contents) {
    const long = longOf(model, contents);
    if (long) return pooled(runtime, model, contents, long);
    const outputs = await run(runtime, model, contents, 1);
    const names = sources(model, Object.keys(contents));
    const probabilities = each(names, (source) => outputs[`probabilities_${source}`].data);
    const known = each(names, (source) => outputs[`known_${source}`]?.data[0] ?? NaN);
    return { answer: answerOf(model, probabilities, known), seen: seenIn(outputs, contents) };
  },

  /**
   * The encodings of one row; of a long recording, of each window.
   * @returns {Promise<{ windows: import("./taught.js").Window[], seen: Record<string, Content> }>}
   */
  async encode(contents) {
    const given = Object.keys(contents);
    const long = longOf(model, contents);
    const encodings = (outputs, row) =>
      Object.fromEntries(
        given.map((m) => [m, rowFrom(outputs[`encoding_${m}`], row, outputs[`encoding_${m}`].dims[1])]),
      );
    if (!long) {
      const outputs = await run(runtime, model, contents, 1);
      const window = { start: 0, end: 0, weight: 1, encodings: encodings(outputs, 0) };
      return { windows: [window], seen: seenIn(outputs, contents) };
    }
    const keep = (outputs, row) => ({
      encodings: encodings(outputs, row),
      voiced: outputs[`voiced_${long}`].data[row],
    });
    const { found, parts, seen } = await byWindow(runtime, model, contents, long, keep);
    const { rate } = model.contents[long];
    const total = parts.reduce((sum, { voiced }) => sum + voiced, 0);
    const windows = found.map(({ start, end }, i) => ({
      start: start / rate,
      end: end / rate,
      weight: parts[i].voiced / total,
      encodings: parts[i].encodings,
    }));
    return { windows, seen };
  },
});

/** The first modality whose recording is answered by its windows. */
export const longOf = (model, contents) =>
  model.modalities.find(
    (m) => model.contents[m].kind === "waveform" && contents[m]?.shape[0] > LONG * model.shapes[m][0],
  ) ?? null;

/** A row of an output, (rows, size). */
const rowFrom = ({ data }, row, size) => data.slice(row * size, (row + 1) * size);

/** What the graph says of `count` rows; contents are (count, ...shape), all together. */
async function run({ session, Tensor }, model, contents, count) {
  const feeds = {};
  for (const modality of model.modalities) {
    const given = contents[modality];
    const type = model.types[modality];
    const shape = given ? given.shape : model.shapes[modality];
    const data = given ? given.data : new ARRAYS[type](count * sizeOf(shape));
    feeds[modality] = new Tensor(type, data, [count, ...shape]);
    feeds[`has_${modality}`] = new Tensor("bool", new Uint8Array(count).fill(given ? 1 : 0), [count]);
  }
  return session.run(feeds);
}

/** The conditions of a row that has these modalities, and which output says each of them. */
function sources(model, given) {
  const used = model.modalities.filter((m) => given.includes(m));
  const names = Object.fromEntries(used.map((m) => [m, m]));
  if (used.length > 1) names[together(used)] = together(model.modalities);
  return names;
}

const each = (names, value) =>
  Object.fromEntries(Object.entries(names).map(([name, source]) => [name, value(source)]));

/** What the model saw of contents that it fits to one size. @returns {Record<string, Content>} */
function seenIn(outputs, contents) {
  const seen = {};
  for (const modality of Object.keys(contents)) {
    const fitted = outputs[`fitted_${modality}`];
    if (fitted) seen[modality] = { data: fitted.data, shape: fitted.dims.slice(1) };
  }
  return seen;
}

/** The answer about a row with a long recording: the mean over its windows, by how voiced they are. */
async function pooled(runtime, model, contents, long) {
  const names = sources(model, Object.keys(contents));
  const keep = (outputs, row) => rowOf(outputs, names, long, row, model.classes.length);
  const { found, parts, seen } = await byWindow(runtime, model, contents, long, keep);
  const total = parts.reduce((sum, part) => sum + part.voiced, 0);
  const mean = (value) => parts.reduce((sum, part) => sum + (part.voiced / total) * value(part), 0);
  const probabilities = each(names, (source) =>
    model.classes.map((_, k) => mean((part) => part.probabilities[source][k])),
  );
  const known = each(names, (source) => mean((part) => part.known[source]));
  const segments = segmentsOf(found, parts, model.classes, long, model.contents[long].rate);
  return { answer: answerOf(model, probabilities, known, segments), seen };
}

/** The windows of a long recording, and what `keep` takes from the outputs for each. */
async function byWindow(runtime, model, contents, long, keep) {
  const { data } = contents[long];
  const [samples] = model.shapes[long];
  const found = windows(data, model.contents[long].rate, samples);
  const parts = [];
  let others = Object.fromEntries(Object.entries(contents).filter(([m]) => m !== long));
  for (let start = 0; start < found.length; ) {
    // The first window goes alone: it shows the others as fitted, in the size that rows share.
    const some = found.slice(start, start + (start === 0 ? 1 : BATCH));
    const rows = each(Object.fromEntries(Object.keys(others).map((m) => [m, m])), (m) =>
      repeated(others[m], some.length),
    );
    const clips = new Int16Array(some.length * samples);
    some.forEach(({ first }, i) => clips.set(data.subarray(first, first + samples), i * samples));
    rows[long] = { data: clips, shape: [samples] };
    const outputs = await run(runtime, model, rows, some.length);
    if (start === 0) others = { ...others, ...seenIn(outputs, others) };
    parts.push(...some.map((_, row) => keep(outputs, row)));
    start += some.length;
  }
  return { found, parts, seen: others };
}

/** A content `count` times. @returns {Content} */
function repeated({ data, shape }, count) {
  if (count === 1) return { data, shape };
  const all = new data.constructor(count * data.length);
  for (let i = 0; i < count; i++) all.set(data, i * data.length);
  return { data: all, shape };
}

/** One row of the outputs. */
function rowOf(outputs, names, long, row, classes) {
  const probabilities = {};
  const known = {};
  for (const source of Object.values(names)) {
    probabilities[source] = rowFrom(outputs[`probabilities_${source}`], row, classes);
    known[source] = outputs[`known_${source}`]?.data[row] ?? NaN;
  }
  return { probabilities, known, voiced: outputs[`voiced_${long}`].data[row] };
}

/** Runs of adjacent windows with one label. @returns {import("./answer.js").Segment[]} */
export function segmentsOf(found, parts, classes, long, rate) {
  const labels = parts.map((part) => {
    const mine = part.probabilities[long];
    return mine.indexOf(Math.max(...mine));
  });
  const runs = [];
  found.forEach((window, i) => {
    const goes = i > 0 && found[i - 1].end === window.start && labels[i - 1] === labels[i];
    if (goes) runs.at(-1).push(i);
    else runs.push([i]);
  });
  const mean = (run, value) => run.reduce((sum, i) => sum + value(parts[i]), 0) / run.length;
  return runs.map((run) => {
    const label = labels[run[0]];
    const known = mean(run, (part) => part.known[long]);
    return {
      start: Number((found[run[0]].start / rate).toFixed(3)),
      end: Number((found[run.at(-1)].end / rate).toFixed(3)),
      label: classes[label],
      score: rounded(mean(run, (part) => part.probabilities[long][label])),
      known: Number.isNaN(known) ? null : rounded(known),
      rejected: false,
    };
  });
}
