// A sheet to draw on with mouse, finger or pen. What is drawn is kept as strokes, so that it can be
// undone, and is the same picture in every theme and on every screen.

import { grainSide, grainsOf } from "./noise.js";

/**
 * Points of a stroke, from 0 to 1 across the sheet.
 * @typedef {[number, number][]} Stroke
 */

export const SIDE = 280; // pixels of the picture
const PEN = 20; // pixels of the picture
const LEAST = 0.004; // of the sheet: a nearer point is left out

/** The path of a stroke on a square of `side` pixels, rounded through the middles of its points. */
function trace(context, stroke, side) {
  const points = stroke.map(([x, y]) => [x * side, y * side]);
  context.beginPath();
  context.moveTo(...points[0]);
  if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
  for (let i = 1; i < points.length; i++) {
    const [[x, y], next] = [points[i], points[i + 1]];
    if (next) context.quadraticCurveTo(x, y, (x + next[0]) / 2, (y + next[1]) / 2);
    else context.lineTo(x, y);
  }
  context.stroke();
}

/** Strokes on a context, in its colour. @param {Stroke[]} strokes */
export function paint(context, strokes, side, pen = PEN / SIDE) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = pen * side;
  for (const stroke of strokes) trace(context, stroke, side);
}

/** Strokes as a picture, black on white. @param {Stroke[]} strokes @returns {import("./picture.js").Pixels} */
export function pixelsOf(strokes) {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, SIDE, SIDE);
  context.strokeStyle = "#000";
  paint(context, strokes, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return { data, height: SIDE, width: SIDE, alpha: false };
}

/**
 * Makes a canvas a sheet.
 * @param {HTMLCanvasElement} canvas
 * @param {(finished: boolean) => void} changed called while and after a stroke is drawn
 */
export function sheet(canvas, changed) {
  /** @type {Stroke[]} */
  let strokes = [];
  let current = null; // the stroke being drawn, and the pointer that draws it
  let underlay = null; // a picture instead of strokes
  let noise = 0;

  const redraw = () => {
    const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
    if (!side) return;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, side, side);
    if (underlay) {
      const { width, height } = underlay;
      const scale = side / Math.max(width, height);
      const [wide, high] = [width * scale, height * scale];
      context.imageSmoothingEnabled = scale < 4;
      context.drawImage(underlay, (side - wide) / 2, (side - high) / 2, wide, high);
      return;
    }
    const { color, backgroundColor } = getComputedStyle(canvas);
    context.strokeStyle = color;
    paint(context, strokes, side);
    if (!strokes.length || !noise) return;
    const grain = (grainSide(SIDE, SIDE) / SIDE) * side;
    for (const { column, row, white } of grainsOf(Math.ceil(side / grain), Math.ceil(side / grain), noise)) {
      context.fillStyle = white ? backgroundColor : color;
      context.fillRect(column * grain, row * grain, grain + 0.5, grain + 0.5);
    }
  };

  const add = (event) => {
    const box = canvas.getBoundingClientRect();
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) { // none where a stroke begins
      const point = [(each.clientX - box.left) / box.width, (each.clientY - box.top) / box.height];
      const last = current.stroke.at(-1);
      const far = !last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= LEAST;
      if (far) current.stroke.push(point.map((x) => Math.min(Math.max(x, 0), 1)));
    }
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (current || event.button > 0) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    if (underlay) [underlay, strokes] = [null, []];
    current = { id: event.pointerId, stroke: [] };
    strokes.push(current.stroke);
    add(event);
    redraw();
    changed(false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (current?.id !== event.pointerId) return;
    add(event);
    redraw();
    changed(false);
  });
  const end = (event) => {
    if (current?.id !== event.pointerId) return;
    current = null;
    changed(true);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  new ResizeObserver(redraw).observe(canvas);

  return {
    redraw,
    get strokes() {
      return strokes;
    },
    /** @param {Stroke[]} others */
    set(others) {
      [strokes, underlay] = [others.map((stroke) => [...stroke]), null];
      redraw();
    },
    undo() {
      if (underlay) [underlay, strokes] = [null, []];
      else strokes.pop();
      redraw();
      changed(true);
    },
    /** Show grains of noise over the strokes. @param {number} amount 0 to 1 */
    setNoise(amount) {
      noise = amount;
      redraw();
    },
    /** Show pixels in place of strokes; null: the strokes again. */
    show(pixels) {
      underlay = pixels && bitmapOf(pixels);
      redraw();
    },
  };
}

/** Pixels as something that can be drawn. @param {import("./picture.js").Pixels} pixels */
export function bitmapOf({ data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
  return canvas;
}
