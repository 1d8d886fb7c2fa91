// Draws what a model saw or heard: a picture's contents, a waveform, a spectrogram.

/** The colours of an element, as the theme has them: ink, paper, accent. @param {Element} element */
function coloursOf(element) {
  const { color, backgroundColor, caretColor } = getComputedStyle(element);
  return { ink: color, paper: backgroundColor, accent: caretColor };
}

/** A canvas in the screen's own pixels. @param {HTMLCanvasElement} canvas */
function prepared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((x) => Math.round(x * scale));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  return { context, width, height, ...coloursOf(canvas) };
}

/** A content of a picture. @param {import("./contents.js").Content} content */
export function showPicture(canvas, { data, shape: [channels, height, width] }) {
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[channels === 3 ? c * size + i : i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/**
 * A waveform, loudest part filling the height; `part`: from and to, as fractions, what the model heard.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array | Int16Array} samples
 * @param {[number, number] | null} part
 */
export function showWave(canvas, samples, part = null) {
  const { context, width, height, ink, accent } = prepared(canvas);
  if (!width || !samples.length) return;
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  const step = 3 * (window.devicePixelRatio || 1);
  const bars = Math.floor(width / step);
  for (let bar = 0; bar < bars; bar++) {
    const from = Math.floor((bar / bars) * samples.length);
    const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) * samples.length));
    let most = 0;
    for (let i = from; i < to; i++) most = Math.max(most, Math.abs(samples[i] ?? 0));
    const high = Math.max(step / 3, (most / peak) * height * 0.94);
    const middle = (bar + 0.5) / bars;
    const outside = part && (middle < part[0] || middle > part[1]);
    context.globalAlpha = outside ? 0.35 : 1;
    context.fillStyle = part && !outside ? accent : ink;
    context.beginPath();
    context.roundRect(bar * step, (height - high) / 2, step * 0.6, high, step);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** A spectrogram: paper where it is silent, ink, and the accent where it is loudest. */
export function showSpectrum(canvas, { data, columns, rows }) {
  const { ink, paper, accent } = coloursOf(canvas);
  const [low, middle, high] = [paper, ink, accent].map(numbersOf);
  [canvas.width, canvas.height] = [columns, rows];
  const image = new ImageData(columns, rows);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const value = data[column * rows + row];
      const [from, to, share] = value < 0.6 ? [low, middle, value / 0.6] : [middle, high, (value - 0.6) / 0.4];
      const i = 4 * ((rows - 1 - row) * columns + column);
      for (let c = 0; c < 3; c++) image.data[i + c] = from[c] + (to[c] - from[c]) * share;
      image.data[i + 3] = 255;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Red, green and blue of a computed colour, by painting a pixel with it. */
function numbersOf(colour) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}
