// A few things to try with a model of digits: drawn as strokes, spoken by espeak-ng
// (scripts/make_page_examples.py).

import { paint } from "./drawing.js";

/** Points as `x y` in hundredths of the sheet, a comma between two, a slash between two strokes. */
const DRAWINGS = {
  7: "28 26, 50 25, 72 24, 72 24, 62 48, 54 64, 48 80",
  3: "32 27, 44 20, 58 22, 62 32, 56 43, 44 48, 58 51, 66 62, 60 76, 46 82, 32 77",
  5: "64 20, 50 21, 36 22, 36 22, 35 34, 34 47, 34 47, 46 42, 60 48, 66 60, 60 74, 46 81, 32 77",
  4: "40 18, 36 36, 31 56, 31 56, 48 56, 70 55 / 58 34, 56 60, 55 84",
  K: "34 20, 34 50, 34 82 / 68 20, 52 36, 36 51, 36 51, 50 64, 70 82",
};

/** `seen`: a drawing; `heard`: a recording; `noise` on what is seen. */
const EXAMPLES = [
  { seen: "7", heard: "seven", title: "Both say 7" },
  { seen: "3", heard: "eight", title: "A 3 that says “eight”" },
  { seen: "5", heard: "five", noise: 0.75, title: "A 5 in noise, and “five”" },
  { seen: "4", title: "A 4 to look at" },
  { heard: "nine", title: "A “nine” to hear" },
  { seen: "K", heard: "hello", title: "A letter, and “hello”" },
];

export const strokesOf = (drawing) =>
  DRAWINGS[drawing].split(" / ").map((stroke) => stroke.split(", ").map((point) => point.split(" ").map((x) => x / 100)));

const STEP = 14; // milliseconds a point takes to draw
const BETWEEN = 6; // points drawn between two

/** Denser points along a stroke. */
const dense = (stroke) =>
  stroke.flatMap(([x, y], i) => {
    const next = stroke[i + 1];
    if (!next) return [[x, y]];
    return Array.from({ length: BETWEEN }, (_, j) => [
      x + ((next[0] - x) * j) / BETWEEN,
      y + ((next[1] - y) * j) / BETWEEN,
    ]);
  });

/**
 * Cards to click.
 * @param {HTMLElement} element to fill
 * @param {{ picture?: any, recording?: any }} panels those that there are
 */
export function showExamples(element, { picture, recording }) {
  const base = new URL("./examples/", import.meta.url);
  let turn = 0;
  const show = async ({ seen, heard, noise = 0 }) => {
    const mine = ++turn;
    picture?.setNoise(noise);
    recording?.setNoise(0);
    const sound = heard && fetch(new URL(`${heard}.wav`, base)).then((response) => response.blob());
    if (picture && !seen) picture.clear();
    if (recording && !heard) recording.clear();
    if (sound && recording) await recording.choose(await sound);
    if (seen && picture) await draw(picture, strokesOf(seen), () => mine === turn);
  };
  const cards = EXAMPLES.filter(({ seen, heard }) => (!seen || picture) && (!heard || recording));
  element.replaceChildren(...cards.map((example) => card(example, () => show(example))));
}

/** Draw as a hand does, or at once for those who want no motion. */
async function draw(picture, strokes, goesOn) {
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
    const done = [];
    for (const stroke of strokes) {
      const points = [];
      done.push(points);
      for (const point of dense(stroke)) {
        points.push(point);
        if (points.length % 2) continue;
        picture.draw(done, false);
        await new Promise((resolve) => setTimeout(resolve, STEP));
        if (!goesOn()) return;
      }
    }
  }
  picture.draw(strokes, true);
}

function card(example, chosen) {
  const button = document.createElement("button");
  button.type = "button";
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [96, 96];
  canvas.setAttribute("aria-hidden", "true");
  const title = document.createElement("span");
  title.textContent = example.title;
  button.append(canvas, title);
  button.addEventListener("click", chosen);
  button.redraw = () => drawCard(canvas, example);
  return button;
}

/** A drawing, a sound's waves, or both. */
export function drawCard(canvas, { seen, heard }) {
  const context = canvas.getContext("2d");
  const { color, caretColor } = getComputedStyle(canvas);
  context.clearRect(0, 0, 96, 96);
  context.strokeStyle = color;
  context.save();
  if (heard) context.translate(-14, 0);
  if (seen) paint(context, strokesOf(seen), 96, 0.08);
  context.restore();
  if (!heard) return;
  context.strokeStyle = caretColor;
  context.lineWidth = 4;
  context.lineCap = "round";
  const from = seen ? 66 : 34;
  [14, 32, 20, 9].forEach((high, i) => {
    context.beginPath();
    context.moveTo(from + 9 * i, 48 - high / 2);
    context.lineTo(from + 9 * i, 48 + high / 2);
    context.stroke();
  });
}

