// The panel of a picture: a sheet to draw on, or a camera, or a file.

import { pixelsOf, sheet } from "./drawing.js";
import { noisyPixels } from "./noise.js";
import { pixels as decoded } from "./picture.js";
import { clear as wipe, showPicture } from "./sight.js";

const LARGEST = 1280; // pixels: longer side of a camera's picture

/**
 * @param {HTMLElement} element
 * @param {{ ink: boolean, noun: string, hint: string, serverReads: boolean }} options
 * @param {(finished: boolean) => void} changed
 */
export function picturePanel(element, { ink, noun, hint, serverReads }, changed) {
  const part = (name) => element.querySelector(name);
  const [canvas, video, file, seen] = [".sheet", ".camera", "input[type=file]", ".seen"].map(part);
  const problem = part(".problem");
  let picture = null; // chosen or taken
  let noise = 0;
  let own = ""; // problem of the camera or a file; those of reading come by `show`

  const update = (finished = true) => {
    const empty = !picture && !pad.strokes.length;
    element.classList.toggle("empty", empty);
    part(".undo").disabled = part(".clear").disabled = empty;
    if (empty) own = problem.textContent = "";
    changed(finished);
  };
  const drawn = (finished) => {
    picture = null;
    update(finished);
  };
  const pad = sheet(canvas, drawn);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", ink ? `Sheet to draw the ${noun} on` : `The ${noun}`);
  part(".hint").textContent = hint;
  part(".undo").hidden = !ink;
  part(".snap").hidden = ink;
  if (!ink) canvas.style.pointerEvents = "none";

  const display = () => {
    pad.setNoise(noise);
    if (!picture) return pad.show(null);
    if (!picture.pixels) return pad.set([]);
    return pad.show(noise ? noisyPixels(picture.pixels, noise) : picture.pixels);
  };
  const clear = () => {
    picture = null;
    pad.set([]);
    stopCamera();
    update();
  };
  const choose = async (blob) => {
    own = problem.textContent = "";
    stopCamera();
    try {
      picture = { pixels: await decoded(blob, `the ${noun}`), file: blob };
    } catch (error) {
      if (!serverReads || error.name !== "InputError") {
        own = problem.textContent = error.message;
        return;
      }
      picture = { file: blob };
    }
    display();
    update();
  };

  const snapSays = (text) => {
    part(".snap").textContent = text;
    part(".snap").setAttribute("aria-label", `${text} (${noun})`);
  };
  const stopCamera = () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    video.hidden = true;
    snapSays("Camera");
  };
  const startCamera = async () => {
    const wanted = { facingMode: "environment", width: { ideal: LARGEST } };
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      const blocked = error.name === "NotAllowedError";
      const why = blocked ? "The camera is blocked" : "No camera can be used";
      own = problem.textContent = `${why}. Choose a picture instead.`;
      return;
    }
    video.hidden = false;
    await video.play();
    snapSays("Take the picture");
  };
  const takePicture = async () => {
    const shot = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    shot.getContext("2d").drawImage(video, 0, 0);
    await choose(await shot.convertToBlob({ type: "image/png" }));
  };

  part(".undo").addEventListener("click", () => {
    picture = null;
    pad.undo();
  });
  part(".clear").addEventListener("click", clear);
  part(".choose").addEventListener("click", () => file.click());
  part(".snap").addEventListener("click", () => (video.srcObject ? takePicture() : startCamera()));
  file.addEventListener("change", async () => {
    if (file.files[0]) await choose(file.files[0]);
    file.value = "";
  });
  part(".noise input").addEventListener("input", ({ target }) => {
    noise = target.value / 100;
    display();
    update();
  });
  element.classList.add("empty");
  part(".undo").disabled = part(".clear").disabled = true;

  return {
    accepts: "image/",
    choose,
    clear,
    /** @param {import("./drawing.js").Stroke[]} strokes */
    draw(strokes, finished = true) {
      picture = null;
      pad.set(strokes);
      update(finished);
    },
    undo: () => part(".undo").click(),
    setNoise(amount) {
      part(".noise input").value = String(100 * amount);
      noise = amount;
      display();
    },
    redraw: pad.redraw,
    get noise() {
      return noise;
    },
    /** @returns {import("./contents.js").Given | null} */
    given() {
      const clean = picture ?? (pad.strokes.length ? { pixels: pixelsOf(pad.strokes) } : null);
      return clean?.pixels && noise ? { pixels: noisyPixels(clean.pixels, noise) } : clean;
    },
    /** Show what the model saw, and what could not be read. */
    show({ content, error }) {
      problem.textContent = error || own;
      seen.setAttribute("aria-label", content ? "What the model saw" : "What the model saw: nothing yet");
      if (content) showPicture(seen, content);
      else wipe(seen);
    },
  };
}

