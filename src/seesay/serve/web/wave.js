// Decodes WAV files: PCM of 8 to 32 bits and floats, to the samples that libsndfile gives Python,
// or refuses them in the same sentence. Headers are not trusted.

import { InputError, grouped, tenths } from "./errors.js";

/**
 * @typedef {{ start: number, size: number }} Chunk where it is, and its declared size in bytes
 */

const PIPED = 2 ** 31 - 4096; // bytes: a declared length from here up stands for an unknown one
const LONGEST = 600; // seconds
const RATES = [1_000, 768_000]; // Hz, lowest and highest accepted
const MOST_CHANNELS = 32; // more is a false header
const MOST_DECODED = 1024; // channels: more, libsndfile refuses by itself
const REMEDY = "Save it again as WAV, FLAC, OGG (Vorbis, Opus), MP3 or AIFF.";

const [PCM, FLOAT, EXTENSIBLE] = [1, 3, 0xfffe];
const CODED = [2, 6, 7, 17, 49, 85]; // ADPCM, A-law, mu-law, GSM, MP3: browsers decode some of them
const GUID = "000000001000800000aa00389b71"; // after the codec's number in the extensible format

/** From a codec and the bytes of a sample to a function that reads one. */
const READERS = {
  [`${PCM} 1`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${PCM} 2`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${PCM} 3`]: (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 2 ** 23,
  [`${PCM} 4`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${FLOAT} 4`]: (view, at) => view.getFloat32(at, true),
  [`${FLOAT} 8`]: (view, at) => view.getFloat64(at, true),
};

/**
 * The sound of a WAV file; null for other formats, which a browser may decode.
 * @param {Uint8Array} bytes of the file
 * @param {string} name in messages
 * @returns {import("./sound.js").Sound | null}
 * @throws {InputError} if the file is empty, or a damaged or truncated WAV
 */
export function waveOf(bytes, name = "the recording") {
  if (!bytes.length) {
    const problem = `${name} is empty (0 bytes)`;
    throw new InputError(problem, "Record it again, or leave the recording out.");
  }
  if (text(bytes, 0) !== "RIFF") return null;
  const { fmt, data } = chunksOf(bytes);
  const length = data ? lengthOf(bytes, data, name) : 0;
  if (text(bytes, 8) !== "WAVE") throw damaged(name, "Format not recognised");
  const codec = fmt && codecOf(bytes, fmt, name);
  if (codec === null) return null;
  if (!fmt || !data) throw damaged(name, "Error in WAV file. No 'data' chunk marker");
  const count = number(bytes, fmt.start + 2, 2);
  const rate = number(bytes, fmt.start + 4, 4);
  if (count === 0) throw damaged(name, "Channel count is zero");
  if (count > MOST_DECODED) throw damaged(name, "Too many channels specified");
  if (rate === 0 || rate >= 2 ** 31) {
    throw damaged(name, "Internal error : SF_INFO struct incomplete");
  }
  const size = Math.ceil(number(bytes, fmt.start + 14, 2) / 8); // bytes of a sample
  const read = READERS[`${codec} ${size}`];
  if (!read) {
    const unknown = "File contains data in an unimplemented format";
    throw damaged(name, codec === FLOAT ? "Unspecified internal error" : unknown);
  }
  const samples = Math.floor(length / (count * size));
  checkSize(samples, rate, count, name);
  const view = new DataView(bytes.buffer, bytes.byteOffset + data.start, length);
  const channels = Array.from({ length: count }, (_, channel) => {
    const values = new Float32Array(samples);
    for (let i = 0, at = channel * size; i < samples; i++, at += count * size) {
      values[i] = read(view, at);
    }
    return values;
  });
  return { channels, rate };
}

/** Throws an InputError for an impossible rate, number of channels, or samples per channel. */
export function checkSize(samples, rate, channels, name) {
  if (!(rate >= RATES[0] && rate <= RATES[1])) {
    const expected = `expected ${grouped(RATES[0])} to ${grouped(RATES[1])}`;
    throw new InputError(`${name} has ${grouped(rate)} samples a second; ${expected}`);
  }
  if (!(channels >= 1 && channels <= MOST_CHANNELS)) {
    const expected = `expected 1 to ${MOST_CHANNELS}`;
    throw new InputError(`${name} has ${grouped(channels)} channels; ${expected}`);
  }
  if (samples === 0) {
    throw new InputError(`${name} holds no samples`, "Record it again, or leave it out.");
  }
  if (samples > LONGEST * rate) {
    const problem = `${name} lasts ${tenths(samples / rate / 60)} minutes`;
    throw new InputError(`${problem}; expected ${LONGEST / 60} minutes at most`, "Trim it.");
  }
}

/** The chunks that matter, up to the sound. @returns {{ fmt?: Chunk, data?: Chunk }} */
function chunksOf(bytes) {
  const found = {};
  for (let place = 12; place + 4 < bytes.length; ) {
    const kind = text(bytes, place).trim();
    const size = number(bytes, place + 4, 4);
    if (kind === "fmt" || kind === "data") found[kind] ??= { start: place + 8, size };
    if (kind === "data") break;
    place += 8 + size + (size % 2);
  }
  return found;
}

/** The bytes of sound: those declared, or all to the end of the file if the length is unknown. */
function lengthOf(bytes, { start, size }, name) {
  const actual = Math.max(bytes.length - start, 0);
  if (actual > 0 && actual < size && size < PIPED) {
    const declared = `the header of ${name} declares ${grouped(size)} bytes of sound`;
    const remedy = "It was truncated, or its header is wrong: copy or save it again.";
    throw new InputError(`${declared}, but ${grouped(actual)} follow`, remedy);
  }
  if (size === 0 && areChunks(bytes, start)) return 0;
  return size === 0 || size >= PIPED ? actual : Math.min(size, actual);
}

/** Whether well-formed chunks follow to the end of the file, so that a length of 0 is meant. */
function areChunks(bytes, place) {
  for (; place + 8 <= bytes.length; ) {
    if (!/^[ -~]{4}$/.test(text(bytes, place))) return false;
    const size = number(bytes, place + 4, 4);
    place += 8 + size + (size % 2);
  }
  return Math.abs(bytes.length - place) <= 1;
}

/** PCM or FLOAT; null for a codec that a browser may know. */
function codecOf(bytes, { start, size }, name) {
  if (size < 16) throw damaged(name, "Error in WAV/W64/RF64 file. Short 'fmt ' chunk");
  let codec = number(bytes, start, 2);
  if (codec === EXTENSIBLE) {
    const guid = [...bytes.subarray(start + 26, start + 40)];
    const hex = guid.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (size < 40 || hex !== GUID) {
      throw damaged(name, "File contains data in an unimplemented format");
    }
    codec = number(bytes, start + 24, 2);
  }
  if (codec === PCM || codec === FLOAT) return codec;
  if (CODED.includes(codec)) return null;
  throw damaged(name, "Error in WAV/W64/RF64 file. Malformed 'fmt ' chunk");
}

function damaged(name, why) {
  return new InputError(`${name} is damaged or of a kind that cannot be decoded (${why})`, REMEDY);
}

/** Four bytes as characters. */
const text = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

/** A number of `size` bytes, the lowest first; 0 where the file ends before. */
function number(bytes, at, size) {
  if (at + size > bytes.length) return 0;
  return bytes.subarray(at, at + size).reduceRight((total, byte) => total * 256 + byte, 0);
}
