// Samples of taught classes: from what was given to an encoding, and a small picture to take it back by.

import { pixels as pictureOf } from "./picture.js";
import { showPicture, showWave } from "./sight.js";
import { decoded } from "./sound.js";
import { nounOf } from "./words.js";

/**
 * @typedef {import("./contents.js").Given} Given
 * @typedef {import("./contents.js").Content} Content
 * @typedef {import("./taught.js").Sample & { content?: Content }} Shown
 */

/** The file as what the panel of its kind takes; null if none does. @returns {Promise<[string, Given] | null>} */
export async function givenOf(file, engine, panels) {
  const found = [...panels].find(([, { panel }]) => file.type.startsWith(panel.accepts));
  if (!found) return null;
  const [modality, { door }] = found;
  const noun = `${nounOf(engine.model, modality)} ${file.name}`;
  try {
    if (door === "recording") return [modality, { sound: await decoded(file, noun), file }];
    return [modality, { pixels: await pictureOf(file, noun), file }];
  } catch (error) {
    if (engine.kind !== "server" || error.name !== "InputError") throw error;
    return [modality, { file }]; // which the server may be able to read
  }
}

/**
 * A sample of what was given. Of a long recording it is the window with the most voiced sound.
 * @param {Given} given
 * @returns {Promise<Shown>}
 * @throws {Error} whose message says why it cannot be read
 */
export async function sampleOf(engine, modality, label, given) {
  const { contents, errors } = await engine.read({ [modality]: given });
  if (errors[modality]) throw new Error(errors[modality]);
  const { windows, seen } = await engine.encode({ [modality]: given }, contents);
  const best = windows.reduce((one, other) => (other.weight > one.weight ? other : one));
  const content = seen[modality] ?? contents[modality];
  return { modality, label, encoding: best.encodings[modality], content };
}

/** A button that shows the sample and takes it back. @param {Shown} sample @param {() => void} remove */
export function sampleButton(sample, remove) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  button.append(canvas);
  button.addEventListener("click", remove);
  item.append(button);
  return {
    item,
    draw() {
      const { content } = sample;
      if (!content) return;
      canvas.classList.toggle("heard", content.shape.length === 1);
      if (content.shape.length === 1) showWave(canvas, content.data);
      else showPicture(canvas, content);
    },
    /** @param {string} name what it is @param {string} other the class that it is taken for, if another */
    say(name, other) {
      item.classList.toggle("mistaken", Boolean(other));
      const end = other ? `: left out, it is taken for ${other}` : "";
      button.setAttribute("aria-label", `Remove ${name}${end}`);
      button.title = `Remove${end}`;
    },
  };
}
