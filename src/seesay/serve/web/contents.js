// From what a person gives (pixels, sounds) to a model's contents, as described by its spec
// (seesay/spec.py).

import { readInk } from "./ink.js";
import { readPhoto } from "./photo.js";
import { readRecording } from "./sound.js";

/**
 * A modality's spec, as in model.json: `kind` "picture" has `reader`, `channels`, `height`, `width` and
 * `max_side`; "waveform" has `rate` and `seconds`.
 * @typedef {{ kind: string, [field: string]: any }} Spec
 *
 * What was given for a modality. `file`: the file that it came from, if nothing was done to it since.
 * `pixels` and `sound` are absent if only a server can decode the file.
 * @typedef {object} Given
 * @property {import("./picture.js").Pixels} [pixels]
 * @property {import("./sound.js").Sound} [sound]
 * @property {Blob} [file]
 *
 * One content and its shape, without the axis of rows.
 * @typedef {{ data: Uint8Array | Int16Array, shape: number[] }} Content
 */

/** "ink", "photo", "recording", or null for a kind that cannot be given on a page. @param {Spec} spec */
export function doorOf({ kind, reader, standardised }) {
  if (kind === "waveform") return "recording";
  return kind === "picture" && reader && !standardised ? reader : null;
}

/**
 * The content that a model of this spec takes.
 * @param {Spec} spec
 * @param {Given} given
 * @returns {Content}
 * @throws {import("./errors.js").InputError} if nothing can be read: a blank picture, silence
 */
export function contentOf(spec, { pixels, sound }) {
  const door = doorOf(spec);
  if (door === "ink") {
    const { height, width } = spec; // those of the model
    return { data: readInk(pixels, { height, width }), shape: [1, height, width] };
  }
  if (door === "photo") {
    const photo = readPhoto(pixels, { channels: spec.channels, maxSide: spec.max_side });
    return { data: photo.data, shape: [photo.channels, photo.height, photo.width] };
  }
  const data = readRecording(sound, spec.rate);
  return { data, shape: [data.length] };
}
