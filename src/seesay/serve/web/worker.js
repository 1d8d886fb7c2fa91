// Reads contents and runs the model away from the page's own thread, so that drawing stays smooth.
//
// Messages are { id, task, ...arguments }; the reply is { id, result } or { id, error }.

import { contentOf } from "./contents.js";
import { InputError } from "./errors.js";
import { graphOf } from "./graph.js";
import { spectrogram } from "./spectrogram.js";

let model;
let graph;
let tell;
const described = new Promise((resolve) => (tell = resolve));

const TASKS = {
  /** What the model is, so that contents can be read for it. */
  describe({ model: given }) {
    model = given;
    tell();
  },

  /** Load the runtime and the graph; `base`: address of their folder. */
  async open({ base }) {
    const address = (name) => new URL(name, base).href;
    const bytes = fetch(address("model.onnx"));
    const ort = await import(address("runtime/ort.wasm.min.mjs"));
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    ort.env.wasm.wasmPaths = address("runtime/");
    const response = await bytes;
    if (!response.ok) throw new Error(`model.onnx: ${response.status} ${response.statusText}`);
    const content = new Uint8Array(await response.arrayBuffer());
    // Optimising the graph takes as long as the rest of the start, and makes an answer no quicker.
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "disabled" };
    const session = await ort.InferenceSession.create(content, options);
    await described;
    graph = graphOf({ session, Tensor: ort.Tensor }, model);
    const blank = {}; // the first run allocates memory, so it is not the user's
    for (const m of model.modalities) {
      const shape = model.shapes[m];
      const size = shape.reduce((product, side) => product * side, 1);
      const type = { uint8: Uint8Array, int16: Int16Array, float32: Float32Array }[model.types[m]];
      blank[m] = { data: new type(size), shape };
    }
    await graph.predict(blank);
  },

  /** The contents of what was given, by modality, or the sentence that says why it cannot be read. */
  read({ given }) {
    const [contents, errors, spectra] = [{}, {}, {}];
    for (const [modality, each] of Object.entries(given)) {
      const spec = model.contents[modality];
      try {
        contents[modality] = contentOf(spec, each);
        if (spec.kind === "waveform") spectra[modality] = spectrogram(contents[modality].data, spec.rate);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        errors[modality] = error.message;
      }
    }
    return { contents, errors, spectra };
  },

  /** The answer about contents. */
  async predict({ contents }) {
    const before = performance.now();
    const { answer, seen } = await graph.predict(contents);
    return { answer, seen, milliseconds: performance.now() - before };
  },

  /** The encodings of contents. */
  encode: ({ contents }) => graph.encode(contents),
};

self.addEventListener("message", async ({ data: { id, task, ...rest } }) => {
  try {
    self.postMessage({ id, result: await TASKS[task](rest) });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
});
