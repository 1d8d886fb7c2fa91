// The panel of a recording: hold a button to speak, or a file.

import { LONGEST, MicrophoneError, microphone, recordingOf } from "./microphone.js";
import { noisySound } from "./noise.js";
import { clear as wipe, showSpectrum, showWave } from "./sight.js";
import { decoded } from "./sound.js";
import { mixed, waveFile } from "./wave_file.js";

const TAP = 350; // milliseconds: a shorter press starts, and the next one stops
const TAIL = 150; // milliseconds recorded after the button is let go: people let go early

/**
 * @param {HTMLElement} element
 * @param {{ noun: string, hint: string, serverReads: boolean }} options
 * @param {(finished: boolean) => void} changed
 */
export function recordingPanel(element, { noun, hint, serverReads }, changed) {
  const part = (name) => element.querySelector(name);
  const [wave, spectrum, speak, level] = [".wave", ".spectrum", ".speak", ".level"].map(part);
  const [problem, file] = [".problem", "input[type=file]"].map(part);
  let recording = null;
  let noise = 0;
  let state = "idle"; // opening, recording
  let pressed = 0; // when
  let heard = null; // part of the recording that the model heard, as fractions
  let sheetShown = null;
  let player = null;
  let own = ""; // problem of the microphone or a file; those of reading come by `show`
  part(".hint").textContent = hint;

  const noisy = () => {
    if (!recording?.sound || !noise) return recording;
    return { sound: noisySound({ ...recording.sound, channels: [mixed(recording.sound)] }, noise) };
  };
  const redraw = () => {
    if (state === "recording") return;
    const sound = noisy()?.sound;
    if (sound) showWave(wave, mixed(sound), heard);
    else wipe(wave);
    if (sheetShown) showSpectrum(spectrum, sheetShown);
    else wipe(spectrum);
  };
  const update = () => {
    const empty = !recording;
    element.classList.toggle("empty", empty);
    part(".play").disabled = part(".clear").disabled = empty;
    if (empty) own = problem.textContent = "";
    const seconds = recording?.sound && recording.sound.channels[0].length / recording.sound.rate;
    wave.setAttribute("aria-label", seconds ? `Waveform of ${seconds.toFixed(1)} seconds` : "Waveform: nothing yet");
    heard = null;
    redraw();
    changed(true);
  };
  const set = (given) => {
    recording = given;
    update();
  };
  const choose = async (blob) => {
    own = problem.textContent = "";
    try {
      set({ sound: await decoded(blob, `the ${noun}`), file: blob });
    } catch (error) {
      if (!serverReads || error.name !== "InputError") own = problem.textContent = error.message;
      else set({ file: blob });
    }
  };

  const meter = (loud) => {
    element.style.setProperty("--level", loud.toFixed(3));
    level.setAttribute("aria-valuenow", String(Math.round(100 * loud)));
  };
  const mic = microphone((blocks, rate) => {
    const last = blocks.at(-1);
    const peak = last.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    meter(Math.min(1, Math.max(0, 1 + (20 * Math.log10(peak + 1e-6)) / 50)));
    const recent = blocks.slice(-Math.ceil((1.5 * rate) / last.length));
    if (blocks.length % 4 === 0) showWave(wave, Float32Array.from(recent.flatMap((block) => [...block])));
    if (blocks.length * last.length > LONGEST * rate) finish();
  });
  const word = (text, on) => {
    speak.querySelector("span").textContent = text;
    speak.setAttribute("aria-pressed", String(on));
    element.dataset.state = state;
  };
  const begin = async () => {
    if (state !== "idle") return;
    player?.pause();
    own = problem.textContent = "";
    state = "opening";
    word("One moment", false);
    try {
      await mic.start();
    } catch (error) {
      state = "idle";
      word("Hold to speak", false);
      if (!(error instanceof MicrophoneError)) throw error;
      own = problem.textContent = error.message;
      return;
    }
    state = "recording";
    word(pressed ? "Listening" : "Press to stop", true);
    element.classList.remove("empty");
  };
  const finish = async () => {
    if (state !== "recording") return;
    state = "ending";
    await new Promise((resolve) => setTimeout(resolve, TAIL));
    const found = await mic.stop();
    state = "idle";
    word("Hold to speak", false);
    meter(0);
    if (found) set(found);
    else update();
  };
  const press = () => {
    if (state === "recording") {
      pressed = 0; // the second press of a tap
      return finish();
    }
    pressed = performance.now();
    return begin();
  };
  const release = () => {
    if (!pressed) return;
    const tapped = performance.now() - pressed < TAP || state === "opening";
    pressed = 0;
    if (state === "recording" && !tapped) finish();
    else if (state === "recording") word("Press to stop", true);
  };

  speak.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    speak.setPointerCapture(event.pointerId);
    press();
  });
  speak.addEventListener("pointerup", release);
  speak.addEventListener("pointercancel", release);
  speak.addEventListener("contextmenu", (event) => event.preventDefault());
  speak.addEventListener("click", (event) => {
    // From a screen reader or another switch: no pointer and no key was held.
    if (event.detail === 0 && !event.pointerType && !speak.matches(":active")) {
      if (state === "recording") finish();
      else begin();
    }
  });
  part(".clear").addEventListener("click", () => set(null));
  part(".choose").addEventListener("click", () => file.click());
  file.addEventListener("change", async () => {
    if (file.files[0]) await choose(file.files[0]);
    file.value = "";
  });
  part(".play").addEventListener("click", () => {
    player?.pause();
    const given = noisy();
    player = new Audio(URL.createObjectURL(given.file ?? waveFile(given.sound)));
    player.addEventListener("ended", () => URL.revokeObjectURL(player.src), { once: true });
    player.play();
  });
  part(".noise input").addEventListener("input", ({ target }) => {
    noise = target.value / 100;
    update();
  });
  new ResizeObserver(redraw).observe(wave);
  element.classList.add("empty");
  part(".play").disabled = part(".clear").disabled = true;

  return {
    accepts: "audio/",
    choose,
    clear: () => set(null),
    press,
    release,
    /** @param {Float32Array} samples */
    say: (samples, rate) => set(recordingOf(samples, rate)),
    setNoise(amount) {
      part(".noise input").value = String(100 * amount);
      noise = amount;
    },
    redraw,
    get noise() {
      return noise;
    },
    /** @returns {import("./contents.js").Given | null} */
    given: noisy,
    /** Show what the model heard, and what could not be read. */
    show({ content, seen, spectrum: found, error, segments = [] }) {
      problem.textContent = error || own;
      sheetShown = found ?? null;
      heard = content && seen ? partOf(content.data, seen.data) : null;
      const words = segments.length > 1 ? segments : [];
      part(".segments").replaceChildren(...words.map(segmentShown));
      spectrum.setAttribute("aria-label", found ? "Spectrogram of the recording" : "What the model heard: nothing yet");
      redraw();
    },
  };
}

/** Where a clip was cut from, as fractions of the recording; null if it was not cut. */
function partOf(recording, clip) {
  if (clip.length >= recording.length) return null;
  for (let first = 0; first <= recording.length - clip.length; first++) {
    let i = 0;
    while (i < clip.length && recording[first + i] === clip[i]) i++;
    if (i === clip.length) return [first / recording.length, (first + i) / recording.length];
  }
  return null;
}

function segmentShown({ start, end, label, known }) {
  const word = document.createElement("span");
  word.textContent = known !== null && known < 0.5 ? "·" : label;
  word.title = `${start.toFixed(1)} to ${end.toFixed(1)} s`;
  return word;
}
