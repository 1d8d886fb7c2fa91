// The answer about one row, made from probabilities as Python does (seesay/serve/answer.py).

/**
 * @typedef {{ label: string, score: number }} Score
 * @typedef {{ start: number, end: number, label: string, score: number, known: number | null,
 *   rejected: boolean }} Segment
 *
 * The fields of Python's `Prediction`.
 * @typedef {object} Answer
 * @property {Score[]} scores every class with its probability, most likely first
 * @property {string[]} used the modalities that were given
 * @property {Record<string, Score[]>} opinions what each of them says alone
 * @property {boolean} agree whether all of them say the same class
 * @property {number | null} known 0 (none of the classes) to 1; of the least known of them
 * @property {Record<string, number | null>} known_alone
 * @property {Segment[]} segments what was recognised where in a long recording
 * @property {number | null} agreement the probability that labels drawn from the two are the same
 */

export const VERSION = 1;

/** To six decimals. */
export const rounded = (x) => Number(x.toFixed(6));

const orNull = (x) => (x === undefined || Number.isNaN(x) ? null : rounded(x));

/** The name of several modalities together. @param {string[]} modalities in the model's order */
export const together = (modalities) => modalities.join("+");

/**
 * @param {{ classes: string[], modalities: string[] }} model
 * @param {Record<string, ArrayLike<number>>} probabilities (classes) by condition: one for each modality
 *   that was given, and one for all of them
 * @param {Record<string, number>} known by condition; absent or NaN where the model cannot tell
 * @param {Segment[]} segments
 * @returns {Answer}
 */
export function answerOf({ classes, modalities }, probabilities, known, segments = []) {
  const used = modalities.filter((modality) => modality in probabilities);
  const opinions = Object.fromEntries(used.map((m) => [m, ranked(classes, probabilities[m])]));
  const all = together(used);
  return {
    scores: ranked(classes, probabilities[all]),
    used,
    opinions,
    agree: new Set(used.map((m) => opinions[m][0].label)).size === 1,
    known: orNull(known[all]),
    known_alone: Object.fromEntries(used.map((m) => [m, orNull(known[m])])),
    rejected: false,
    segments,
    agreement: orNull(agreementOf(used.map((m) => probabilities[m]))),
    version: VERSION,
    label: ranked(classes, probabilities[all])[0].label,
  };
}

/** Of two opinions or more, how much those two agree that agree least; NaN of one. */
function agreementOf(opinions) {
  const found = opinions.flatMap((one, i) =>
    opinions.slice(i + 1).map((other) => one.reduce((sum, p, k) => sum + p * other[k], 0)),
  );
  return found.length ? Math.min(...found) : NaN;
}

/** @returns {Score[]} */
function ranked(classes, probabilities) {
  const order = [...classes.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  return order.map((k) => ({ label: classes[k], score: rounded(probabilities[k]) }));
}
