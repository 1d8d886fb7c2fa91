// Records from the microphone, as it is: no echo cancelled, no gain changed.

import { waveOf } from "./wave.js";
import { waveBytes } from "./wave_file.js";

export const LONGEST = 15; // seconds
const WARM = 30_000; // milliseconds for which the microphone stays open for the next recording

const RAW = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** Why the microphone cannot be used, and what to do, by the name of the browser's error. */
const REASONS = {
  NotAllowedError: "The microphone is blocked. Allow it for this page in the browser's settings, or choose a recording.",
  NotFoundError: "No microphone was found. Plug one in, or choose a recording.",
  NotReadableError: "Another program uses the microphone. Close it, or choose a recording.",
};
const INSECURE = "Browsers give the microphone to https:// and localhost only. Choose a recording instead.";

/** The microphone cannot be used. */
export class MicrophoneError extends Error {}

/**
 * @param {(samples: Float32Array[], rate: number) => void} heard called while recording, with all blocks
 */
export function microphone(heard) {
  let open = null; // promise of { context, stream, node }
  let blocks = null; // of the recording, or null
  let closing = 0;

  const opened = async () => {
    if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError(INSECURE);
    const stream = await navigator.mediaDevices.getUserMedia({ audio: RAW }).catch((error) => {
      throw new MicrophoneError(REASONS[error.name] ?? `The microphone failed: ${error.message}`);
    });
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("./capture.js", import.meta.url));
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1 });
    node.port.addEventListener("message", ({ data }) => {
      if (!blocks) return;
      blocks.push(data);
      heard(blocks, context.sampleRate);
    });
    node.port.start();
    context.createMediaStreamSource(stream).connect(node);
    return { context, stream, node };
  };

  const close = async () => {
    const closed = open;
    open = null;
    const { context, stream } = await closed;
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };

  return {
    /** Begin; resolves when sound arrives. @throws {MicrophoneError} */
    async start() {
      clearTimeout(closing);
      open ??= opened();
      try {
        const { context } = await open;
        await context.resume();
      } catch (error) {
        open = null;
        throw error;
      }
      blocks = [];
    },
    /** End; the recording and its file, null if there is nothing. */
    async stop() {
      const recorded = blocks;
      blocks = null;
      if (!open) return null;
      const { context } = await open;
      closing = setTimeout(close, WARM);
      return recorded?.length ? recordingOf(joined(recorded), context.sampleRate) : null;
    },
  };
}

/** A recording as a server would get it: in steps of 16 bits. @returns {import("./contents.js").Given} */
export function recordingOf(samples, rate) {
  const bytes = waveBytes({ channels: [samples], rate });
  return { sound: waveOf(bytes), file: new Blob([bytes], { type: "audio/wav" }) };
}

/** @param {Float32Array[]} blocks */
function joined(blocks) {
  const samples = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    samples.set(block, at);
    at += block.length;
  }
  return samples;
}
