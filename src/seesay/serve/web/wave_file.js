// Writes a sound as a WAV file: 16 bits, one channel, at its own rate.

const HEADER = 44; // bytes

/** The mean of the channels. @param {import("./sound.js").Sound} sound @returns {Float32Array} */
export function mixed({ channels }) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, i) => channels.reduce((sum, each) => sum + each[i], 0) / channels.length);
}

/**
 * The bytes of the file. Samples beyond full scale scale all of it down.
 * @param {import("./sound.js").Sound} sound
 * @returns {Uint8Array}
 */
export function waveBytes(sound) {
  const samples = mixed(sound);
  const bytes = new Uint8Array(HEADER + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channel
  view.setUint32(24, sound.rate, true);
  view.setUint32(28, 2 * sound.rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes of a sample
  view.setUint16(34, 16, true); // bits
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  samples.forEach((value, i) => {
    const step = Math.round((value / peak) * 32_768);
    view.setInt16(HEADER + 2 * i, Math.max(-32_768, Math.min(32_767, step)), true);
  });
  return bytes;
}

/** @param {import("./sound.js").Sound} sound */
export const waveFile = (sound) => new Blob([waveBytes(sound)], { type: "audio/wav" });
