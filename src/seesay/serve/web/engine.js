// Two engines behind one interface: a server that answers, or the model in this page. Both let the
// page's worker read contents, so that a blank picture is refused before anything is sent.

/**
 * @typedef {import("./contents.js").Given} Given
 * @typedef {import("./contents.js").Content} Content
 * @typedef {import("./graph.js").Model} Model
 *
 * @typedef {object} Result
 * @property {import("./answer.js").Answer} answer
 * @property {Record<string, Content>} seen by modality: what the model saw of contents that it fitted
 * @property {number} milliseconds
 *
 * @typedef {object} Engine
 * @property {"server" | "local"} kind
 * @property {Model} model
 * @property {Promise<void>} ready when it can answer; rejected if it never will
 * @property {(given: Record<string, Given>) => Promise<Reading>} read
 * @property {(given: Record<string, Given>, contents: Record<string, Content>) => Promise<Result>} predict
 * @property {(given: Record<string, Given>, contents: Record<string, Content>) => Promise<Encoded>} encode if
 *   the model has `encoders`
 *
 * What a model's heads take, of one row.
 * @typedef {{ windows: import("./taught.js").Window[], seen: Record<string, Content> }} Encoded
 *
 * @typedef {object} Reading
 * @property {Record<string, Content>} contents
 * @property {Record<string, string>} errors
 * @property {Record<string, { data: Float32Array, columns: number, rows: number }>} spectra
 */

/**
 * The server refused, or is not there. `status` 0: not there; `after`: seconds to wait; `modality`: the
 * input to blame, if it is one.
 */
export class ServerError extends Error {
  constructor(message, status = 0, after = 0, modality = null) {
    super(message);
    this.name = "ServerError";
    Object.assign(this, { status, after, modality });
  }
}

/** A function that has the worker do a task and resolves with its result. */
function workerTasks() {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let count = 0;
  worker.addEventListener("message", ({ data: { id, result, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  });
  worker.addEventListener("error", ({ message }) => {
    for (const { reject } of waiting.values()) reject(new Error(message ?? "the worker failed"));
    waiting.clear();
  });
  return (task, values = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      worker.postMessage({ id: count, task, ...values });
    });
}

/** Only what can be cloned and is read: no files. */
const readable = (given) =>
  Object.fromEntries(
    Object.entries(given)
      .filter(([, { pixels, sound }]) => pixels || sound)
      .map(([modality, { pixels, sound }]) => [modality, pixels ? { pixels } : { sound }]),
  );

/**
 * The model in this page: nothing leaves the device.
 * @param {string} base address of the folder with model.json, model.onnx and runtime/
 * @returns {Promise<Engine>}
 */
export async function localEngine(base) {
  const tasks = workerTasks();
  const ready = tasks("open", { base }); // meanwhile one can draw
  ready.catch(() => {}); // who waits for it is told
  const model = modelOf(await (await fetched(new URL("model.json", base))).json());
  await tasks("describe", { model });
  return {
    kind: "local",
    model,
    ready,
    read: (given) => tasks("read", { given: readable(given) }),
    async predict(_, contents) {
      await ready;
      return tasks("predict", { contents });
    },
    async encode(_, contents) {
      await ready;
      return tasks("encode", { contents });
    },
  };
}

/**
 * The server that this page came from.
 * @param {string} base its address
 * @param {string} token that it may ask for; empty if it is not known
 * @param {(refused: boolean) => Promise<string>} askToken asks for it
 * @returns {Promise<Engine>}
 */
export async function serverEngine(base, token, askToken) {
  const tasks = workerTasks();
  const asked = async (name, options = {}) => {
    for (;;) {
      const headers = token ? { Authorization: `Bearer ${token}` } : {};
      try {
        return await fetched(new URL(name, base), { ...options, headers });
      } catch (error) {
        if (error.status !== 401) throw error;
        token = await askToken(Boolean(token));
      }
    }
  };
  const model = modelOf(await (await asked("model")).json());
  await tasks("describe", { model });
  return {
    kind: "server",
    model,
    ready: Promise.resolve(),
    read: (given) => tasks("read", { given: readable(given) }),
    async predict(given) {
      const body = await formOf(given);
      const before = performance.now();
      const answer = await (await asked("predict", { method: "POST", body })).json();
      return { answer, seen: {}, milliseconds: performance.now() - before };
    },
    async encode(given) {
      const body = await formOf(given);
      const { windows } = await (await asked("encode", { method: "POST", body })).json();
      return { windows, seen: {} };
    },
  };
}

/** Files by modality, as a form. @param {Record<string, Given>} given */
async function formOf(given) {
  const form = new FormData();
  for (const [modality, each] of Object.entries(given)) {
    const file = each.file ?? (await fileOf(each));
    form.append(modality, file, file.name ?? (each.pixels ? "drawing.png" : "recording.wav"));
  }
  return form;
}

/** A response that is fine; a ServerError with the server's own sentence otherwise. */
async function fetched(address, options) {
  const response = await fetch(address, options).catch(() => {
    throw new ServerError("No answer from the server: it may have stopped, or the network is down.");
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const said = typeof problem.detail === "string" ? problem.detail : problem.title;
  const after = Number(response.headers.get("Retry-After")) || 0;
  const message = said ?? `The server answered ${response.status}.`;
  throw new ServerError(message, response.status, after, problem.modality);
}

/**
 * What model.json or `GET /model` says, by modality.
 * @returns {Model}
 */
export function modelOf({ name = "", seesay = "", version = seesay, encoders = "", classes, modalities }) {
  const by = (value) => Object.fromEntries(modalities.map((each) => [each.name, value(each)]));
  const sides = ({ shape: [channels, height, width] }) => ({ channels, height, width });
  return {
    name,
    seesay: version,
    encoders,
    classes,
    modalities: modalities.map((each) => each.name),
    contents: by((each) => (each.kind === "picture" ? { ...sides(each), ...each } : each)),
    shapes: by(({ shape }) => shape),
    types: by(({ dtype }) => dtype),
  };
}

/** @param {Given} given @returns {Promise<Blob>} */
async function fileOf({ pixels, sound }) {
  if (sound) {
    const { waveFile } = await import("./wave_file.js");
    return waveFile(sound);
  }
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  const data = new ImageData(new Uint8ClampedArray(pixels.data), pixels.width, pixels.height);
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
