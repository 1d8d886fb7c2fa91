// The answer in plain English.

/**
 * @typedef {import("./answer.js").Answer} Answer
 *
 * @typedef {object} Saying
 * @property {"empty" | "known" | "unknown" | "conflict"} state
 * @property {string} headline the label, or what stands in its place
 * @property {string} sentence
 */

/** Below this a model says that it does not know what it is shown. */
export const KNOWN = 0.5;

/** Below this, two opinions contradict each other; above, they lean apart. */
export const CONTRADICTION = 0.2;

const NOUNS = { picture: "picture", waveform: "recording" };

/** The word for one content of a modality: its kind's, or its name if several are of that kind. */
export function nounOf(model, modality) {
  const kinds = Object.values(model.contents).map(({ kind }) => kind);
  const { kind } = model.contents[modality];
  const alone = kinds.filter((each) => each === kind).length === 1;
  return (alone && NOUNS[kind]) || modality;
}

export const isDigits = ({ classes }) => classes.length === 10 && classes.every((c, i) => c === `${i}`);

/** What to do first. */
export function invitation(model, doors) {
  const thing = isDigits(model) ? "a digit" : "something";
  const ink = doors.includes("ink") ? `Draw ${thing}` : doors.includes("photo") ? "Show a picture" : "";
  if (!doors.includes("recording")) return `${ink || "Nothing to show"}.`;
  if (!ink) return `Say ${thing}.`;
  return isDigits(model) ? "Draw a digit, say one, or both." : `${ink}, say something, or both.`;
}

/** A probability as people read it. */
export function percent(p) {
  if (p >= 0.9995) return "> 99.9 %";
  if (p < 0.001) return "< 0.1 %";
  return `${(100 * p).toFixed(p > 0.1 && p < 0.99 ? 0 : 1)} %`;
}

export const isUnknown = (known) => known !== null && known !== undefined && known < KNOWN;

/**
 * @param {import("./graph.js").Model} model
 * @param {Answer} answer
 * @param {string[]} noisy modalities that noise was added to
 * @returns {Saying}
 */
export function sayingOf(model, answer, noisy = []) {
  const { used, opinions, known_alone: alone, scores } = answer;
  const label = scores[0].label;
  const the = (modality) => `the ${nounOf(model, modality)}`;
  const says = (modality) => `${the(modality)} says ${opinions[modality][0].label}`;
  const strange = used.filter((modality) => isUnknown(alone[modality]));
  if (used.length === 1) {
    const [only] = used;
    if (strange.length) {
      const sentence = `${start(the(only))} is like nothing this model has learnt. Nearest: ${label}.`;
      return { state: "unknown", headline: "None of these", sentence };
    }
    if (answer.segments?.length > 1) {
      const parts = answer.segments.map((each) => (isUnknown(each.known) ? "something else" : each.label));
      const sentence = `${start(the(only))} has several parts: ${list(parts)}.`;
      return { state: "known", headline: label, sentence };
    }
    return { state: "known", headline: label, sentence: `${start(says(only))}.` };
  }
  if (strange.length === used.length) {
    const both = used.length === 2 ? "Neither" : "None of these";
    const what = list(used.map(the));
    return {
      state: "unknown",
      headline: both,
      sentence: `${start(what)} are like nothing this model has learnt.`,
    };
  }
  if (strange.length) {
    const rest = used.filter((modality) => !strange.includes(modality));
    const hears = list(rest.map(says));
    if (strange.every((modality) => noisy.includes(modality))) {
      const sentence = `${start(list(strange.map(the)))} drowns in noise; ${hears}.`;
      return { state: "known", headline: label, sentence };
    }
    const sentence = `${start(hears)}, but ${list(strange.map(the))} is like nothing this model has learnt.`;
    return { state: "unknown", headline: "None of these", sentence };
  }
  if (answer.agree) {
    const sentence = `${start(list(used.map(the)))} agree.`;
    return { state: "known", headline: label, sentence };
  }
  const opposed = list(used.map(says));
  const followed = used.filter((modality) => opinions[modality][0].label === label);
  const goes = followed.length ? `The answer goes with ${list(followed.map(the))}` : "Together they make it";
  const close = scores[0].score < 0.7 ? `, but only just` : "";
  const end = followed.length ? `${goes}${close}.` : `${goes} ${label}.`;
  const hard = (answer.agreement ?? 0) < CONTRADICTION;
  const sentence = hard ? `They contradict each other: ${opposed}. ${end}` : `They lean apart: ${opposed}. ${end}`;
  return { state: "conflict", headline: label, sentence };
}

/**
 * How much the answer rests on the second of two modalities, 0 to 1: how close it is to what each of
 * them says alone. 0.5 where both say the same.
 * @param {Answer} answer
 */
export function balance({ scores, used, opinions }) {
  if (used.length !== 2) return 0.5;
  const apart = used.map((modality) => {
    const alone = new Map(opinions[modality].map(({ label, score }) => [label, score]));
    return 0.5 * scores.reduce((sum, { label, score }) => sum + Math.abs(score - alone.get(label)), 0);
  });
  const room = 0.02; // so that two that agree balance
  return (apart[0] + room) / (apart[0] + apart[1] + 2 * room);
}

const start = (text) => text[0].toUpperCase() + text.slice(1);

const list = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
