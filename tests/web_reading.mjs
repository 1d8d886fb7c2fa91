// What the readers of the web page make of inputs: node web_reading.mjs MODULES FOLDER
//
// The folder holds jobs.json and inputs.bin; results.json and outputs.bin are written beside them.

import { readFileSync, writeFileSync } from "node:fs";

const [modules, folder] = process.argv.slice(2);
const module = (name) => import(`file://${modules}/${name}.js`);
const { InputError } = await module("errors");
const { readInk } = await module("ink");
const { readPhoto } = await module("photo");
const { readRecording } = await module("sound");
const { pngOf } = await module("png");
const { waveOf } = await module("wave");
const { resampled } = await module("resampling");
const { windows } = await module("windows");

const pixelsOf = (bytes, { height, width, alpha }) => ({ data: bytes, height, width, alpha });
const floats = (bytes) => new Float32Array(bytes.slice().buffer);
const RUN = {
  ink: (bytes, job) => readInk(pixelsOf(bytes, job), job.options),
  photo: (bytes, job) => readPhoto(pixelsOf(bytes, job), job.options).data,
  wave: (bytes, job) => {
    const sound = waveOf(bytes);
    return sound ? readRecording(sound, job.rate) : new Int16Array(0);
  },
  png: async (bytes) => {
    const picture = await pngOf(bytes);
    return picture?.deep ?? picture?.data ?? new Uint8Array(0);
  },
  samples: (bytes, job) => {
    const values = floats(bytes);
    const count = values.length / job.channels;
    const channels = Array.from({ length: job.channels }, (_, i) =>
      values.subarray(i * count, (i + 1) * count),
    );
    return readRecording({ channels, rate: job.from }, job.rate);
  },
  resampled: (bytes, job) => resampled(floats(bytes), job.from, job.rate),
  windows: (bytes, job) => {
    const recording = new Int16Array(bytes.slice().buffer);
    const found = windows(recording, job.rate, job.samples);
    return Int32Array.from(found.flatMap(({ first, start, end }) => [first, start, end]));
  },
};

// Of this process alone, however busy the machine is.
const now = () => process.cpuUsage().user / 1_000;

const inputs = readFileSync(`${folder}/inputs.bin`);
const [results, outputs] = [[], []];
for (const job of JSON.parse(readFileSync(`${folder}/jobs.json`, "utf8"))) {
  const bytes = new Uint8Array(inputs.subarray(job.start, job.end));
  const times = [];
  try {
    let output;
    for (let time = 0; time < (job.times ?? 1); time++) {
      const before = now();
      output = await RUN[job.run](bytes, job);
      times.push(now() - before);
    }
    outputs.push(Buffer.from(output.buffer, output.byteOffset, output.byteLength));
    results.push({ length: output.byteLength, times });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    results.push({ error: error.message, times });
  }
}
writeFileSync(`${folder}/outputs.bin`, Buffer.concat(outputs));
writeFileSync(`${folder}/results.json`, JSON.stringify(results));
