// Heads for taught classes, in closed form: ridge regression from encodings to the classes, and what it
// says of each sample when that is left out, without fitting again.
//
// The logits of a head are calibrated as in Python (seesay/model/temperature.py): divided by the
// temperature for which the left-out samples are likeliest, with labels smoothed by 1 / (n + 2).

const PENALTIES = [10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001]; // times the mean squared norm

const TEMPERATURES = [0.05, 20];

const STEPS = 48; // of the search for a temperature: to a millionth of its logarithm

/** Samples of a class in a modality: one to fit to, one to leave out. */
export const FEWEST = 2;

/**
 * Samples of a modality.
 * @typedef {{ encodings: ArrayLike<number>[], label: number[] }} Samples
 *
 * Of one linear layer, and its fit. `leftOut`: the logits of each sample by the head without it.
 * @typedef {object} Head
 * @property {Float32Array} weight (classes * dim)
 * @property {Float32Array} bias (classes)
 * @property {number[][]} leftOut
 * @property {number} penalty
 * @property {number} temperature
 */

/**
 * The head of the penalty with which left-out samples are likeliest. Classes weigh the same, however many
 * samples each has; one without any is as unlikely as one that is ruled out.
 * @param {Samples} samples two classes or more, two samples or more of each that has any
 * @param {number} classes
 * @returns {Head}
 */
export function headOf({ encodings, label }, classes) {
  const counts = countsOf(label, classes);
  const some = counts.filter(Boolean).length;
  const weights = label.map((k) => label.length / (some * counts[k]));
  const problem = centred(encodings, weights);
  const smoothing = 1 / (label.length + 2);
  let best = null;
  for (const penalty of PENALTIES) {
    const fit = ridge(problem, weights, label, classes, penalty);
    const temperature = temperatureOf(fit.leftOut, label, smoothing, weights);
    const loss = lossOf(fit.leftOut, label, 1 / temperature, smoothing, weights);
    if (!best || loss < best.loss - 1e-9) best = { ...fit, penalty, temperature, loss };
  }
  const { penalty, temperature } = best;
  return {
    weight: Float32Array.from(best.weight, (x) => x / temperature),
    bias: Float32Array.from(best.bias, (x) => x / temperature),
    leftOut: best.leftOut.map((scores) => scores.map((x) => x / temperature)),
    penalty,
    temperature,
  };
}

/** The logits of an encoding. @param {Head} head @param {ArrayLike<number>} encoding @returns {number[]} */
export const logitsOf = ({ weight, bias }, encoding) =>
  Array.from(bias, (start, k) => {
    let sum = start;
    for (let i = 0; i < encoding.length; i++) sum += weight[k * encoding.length + i] * encoding[i];
    return sum;
  });

/** How many samples each class has. */
export function countsOf(label, classes) {
  const counts = new Array(classes).fill(0);
  for (const k of label) counts[k]++;
  return counts;
}

/** @param {number[]} logits @returns {number[]} */
export function softmax(logits) {
  const most = Math.max(...logits);
  const parts = logits.map((x) => Math.exp(x - most));
  const total = parts.reduce((sum, x) => sum + x, 0);
  return parts.map((x) => x / total);
}

// -------------------------------------------------------------------------------- ridge regression

/** Encodings without their weighted mean, and the matrix of their weighted products. */
function centred(encodings, weights) {
  const dim = encodings[0].length;
  const total = weights.reduce((sum, w) => sum + w, 0);
  const mean = new Float64Array(dim);
  encodings.forEach((row, i) => {
    for (let a = 0; a < dim; a++) mean[a] += (weights[i] / total) * row[a];
  });
  const rows = encodings.map((row) => Float64Array.from(row, (x, a) => x - mean[a]));
  const products = new Float64Array(dim * dim);
  rows.forEach((row, i) => {
    for (let a = 0; a < dim; a++) {
      for (let b = 0; b <= a; b++) products[a * dim + b] += weights[i] * row[a] * row[b];
    }
  });
  let trace = 0;
  for (let a = 0; a < dim; a++) trace += products[a * dim + a];
  return { dim, total, mean, rows, products, size: Math.max(trace / total, 1e-12) };
}

/**
 * Weighted least squares from encodings to an indicator of the class, with a penalty on the weights and
 * none on the bias. A sample's own residual, when it is left out, is its residual over one minus its
 * leverage (Allen 1974). Its class then has a smaller part in the bias, which says nothing of the sample
 * and is undone.
 */
function ridge({ dim, total, mean, rows, products, size }, weights, label, classes, penalty) {
  const matrix = Float64Array.from(products);
  for (let a = 0; a < dim; a++) matrix[a * dim + a] += penalty * size;
  const solve = solver(matrix, dim);
  const solved = rows.map(solve);
  const part = new Float64Array(classes); // of all weight
  label.forEach((k, i) => (part[k] += weights[i] / total));
  const weight = new Float64Array(classes * dim);
  solved.forEach((row, i) => {
    for (let k = 0; k < classes; k++) {
      const aim = weights[i] * ((label[i] === k ? 1 : 0) - part[k]);
      for (let a = 0; a < dim; a++) weight[k * dim + a] += aim * row[a];
    }
  });
  const dot = (one, other, at = 0) => {
    let sum = 0;
    for (let a = 0; a < dim; a++) sum += one[a] * other[at + a];
    return sum;
  };
  const leftOut = rows.map((row, i) => {
    const leverage = weights[i] * (1 / total + dot(row, solved[i]));
    return Array.from(part, (mine, k) => {
      const aim = label[i] === k ? 1 : 0;
      const residual = (aim - mine - dot(row, weight, k * dim)) / (1 - leverage);
      const without = (total * mine - weights[i] * aim) / (total - weights[i]);
      return aim - residual + (mine - without);
    });
  });
  const bias = part.map((mine, k) => mine - dot(mean, weight, k * dim));
  return { weight, bias, leftOut };
}

/** A function that solves for a symmetric matrix, positive definite, given by its lower half. */
function solver(matrix, dim) {
  const lower = Float64Array.from(matrix); // by Cholesky
  for (let a = 0; a < dim; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = lower[a * dim + b];
      for (let c = 0; c < b; c++) sum -= lower[a * dim + c] * lower[b * dim + c];
      lower[a * dim + b] = a === b ? Math.sqrt(sum) : sum / lower[b * dim + b];
    }
  }
  return (right) => {
    const x = Float64Array.from(right);
    for (let a = 0; a < dim; a++) {
      for (let b = 0; b < a; b++) x[a] -= lower[a * dim + b] * x[b];
      x[a] /= lower[a * dim + a];
    }
    for (let a = dim - 1; a >= 0; a--) {
      for (let b = a + 1; b < dim; b++) x[a] -= lower[b * dim + a] * x[b];
      x[a] /= lower[a * dim + a];
    }
    return x;
  };
}

// ------------------------------------------------------------------------------------- calibration

/**
 * The temperature for which smoothed labels are likeliest. The loss is convex in its inverse, so the golden
 * section finds it.
 */
export function temperatureOf(logits, label, smoothing, weights) {
  const loss = (x) => lossOf(logits, label, Math.exp(-x), smoothing, weights);
  let [low, high] = TEMPERATURES.map(Math.log);
  const golden = (Math.sqrt(5) - 1) / 2;
  let [left, right] = [high - golden * (high - low), low + golden * (high - low)];
  let [ofLeft, ofRight] = [loss(left), loss(right)];
  for (let step = 0; step < STEPS; step++) {
    if (ofLeft <= ofRight) {
      [high, right, ofRight] = [right, left, ofLeft];
      left = high - golden * (high - low);
      ofLeft = loss(left);
    } else {
      [low, left, ofLeft] = [left, right, ofRight];
      right = low + golden * (high - low);
      ofRight = loss(right);
    }
  }
  return Math.exp((low + high) / 2);
}

/** The mean negative log-likelihood of smoothed labels, of logits times a factor. */
function lossOf(logits, label, factor, smoothing, weights) {
  let [loss, total] = [0, 0];
  logits.forEach((row, i) => {
    let [most, sum, mean] = [-Infinity, 0, 0];
    for (const x of row) most = Math.max(most, factor * x);
    for (const x of row) {
      sum += Math.exp(factor * x - most);
      mean += (factor * x) / row.length;
    }
    const aimed = (1 - smoothing) * factor * row[label[i]] + smoothing * mean;
    loss += weights[i] * (most + Math.log(sum) - aimed);
    total += weights[i];
  });
  return loss / total;
}
