// Reads a drawing or a photo of a note as Python does (seesay/signal/ink.py, which gives the
// reasons): the ink is found on its paper, scaled into a box, and centred by its mass.

import {
  atLeast, chosen, clip, countsOf, filled, highest, mean, median, quantile, rint, sum, variance,
} from "./arrays.js";
import { InputError } from "./errors.js";
import { greyOf } from "./grey.js";
import {
  any, centre, cropped, dilated, extent, grid, grown, inverted, longer, longest, mapped, pieces,
  reduced, stretched, strokeWidth, transposed, where, whole,
} from "./grids.js";
import { checkSize, shrunk } from "./picture.js";

/**
 * @typedef {import("./grids.js").Grey} Grey
 * @typedef {import("./grids.js").Mask} Mask
 * @typedef {import("./grids.js").Part} Part
 * @typedef {import("./picture.js").Pixels} Pixels
 */

const { abs, ceil, floor, fround, max, min } = Math;

const LONGEST = 1024; // pixels: longest side worth reading
const WORK = 160; // pixels: longest side at which ink is looked for; small ink is looked at closer
const SMALL = 64; // pixels: a shorter side has no uneven paper, printed lines or clutter
const BOX = 20 / 28; // of the shorter side: the box that ink is scaled into, as in MNIST
const FAINT = 0.05; // of white: the least contrast of ink
const FAINTEST = 0.15; // of its brightness: the least contrast of ink on uneven paper
const TRACE = 0.35; // of full ink: less is shadow, print or grain, unless next to ink
const SPECK = 0.05; // of the largest piece of ink: smaller ones are specks
const SIGMAS = 3; // standard deviations of the paper's grain that ink exceeds
const APART = 7; // Fisher's criterion of ink and paper
const GROUND = 64; // pixels: longest side at which uneven paper is estimated
const WINDOW = 0.3; // of the shorter side: wider strokes are not told from a shadow

/**
 * The ink of a picture, light on black, laid out like MNIST's digits.
 * @param {Pixels} pixels
 * @param {{ height?: number, width?: number, name?: string }} options `name`: in messages
 * @returns {Uint8Array} (height * width)
 * @throws {InputError} if the picture is blank, or too small or large to read
 */
export function readInk(pixels, { height = 28, width = 28, name = "the picture" } = {}) {
  checkSize(pixels.height, pixels.width, name);
  const factor = floor(max(pixels.height, pixels.width) / LONGEST);
  const { data } = layOut(greyOf(shrunk(pixels, factor)), height, width);
  const content = Uint8Array.from(data, (value) => rint(fround(value * 255)));
  if (!content.some((value) => value > 0)) {
    throw new InputError(`${name} is blank: it shows no ink`, "Give another one, or leave it out.");
  }
  return content;
}

/**
 * The ink of a grey picture (0 black, 1 white) laid out; zeros if there is none.
 * @param {Grey} grey
 */
function layOut(grey, height, width) {
  if (grey.height === height && grey.width === width) {
    const levels = levelsOf(grey);
    const counts = countsOf([
      ...[0, height - 1].flatMap((row) => [...levels.subarray(row * width, (row + 1) * width)]),
      ...Array.from({ length: height }, (_, row) => levels[row * width]),
      ...Array.from({ length: height }, (_, row) => levels[(row + 1) * width - 1]),
    ]);
    const paper = counts.indexOf(max(...counts));
    const ink = grid(height, width);
    filled(ink.data, (i) => abs(levels[i] - paper) / 255);
    if (isLaidOut(ink)) return ink;
  }
  return placed(inkOf(grey), height, width);
}

/** Whether ink fills the box and is centred, within a pixel. @param {Grey} ink */
function isLaidOut(ink) {
  if (highest(ink.data) < fround(0.9)) return false;
  const side = longer(extent(where(ink, (value) => value > 0)));
  const [row, column] = centre(ink);
  const off = max(abs(row - (ink.height >> 1)), abs(column - (ink.width >> 1)));
  return abs(side - rint(BOX * min(ink.height, ink.width))) <= 1 && off < 0.6;
}

/** Cropped ink scaled into the box, at full strength, its centre of mass in the centre. */
function placed(ink, height, width) {
  const picture = grid(height, width);
  if (!ink.data.some((value) => value !== 0)) return picture;
  const factor = rint(BOX * min(height, width)) / longest(ink);
  const [high, wide] = [ink.height, ink.width].map((side) => max(1, rint(side * factor)));
  let scaled = stretched(ink, high, wide);
  if (factor !== 1) {
    const half = highest(scaled.data) / 2; // what lines lose when they are averaged down
    const full = quantile(atLeast(scaled.data, half), 0.75);
    scaled = mapped(scaled, (value) => clip(fround(value / full), 0, 1));
  }
  const [row, column] = centre(scaled);
  const top = clip((height >> 1) - rint(row), 0, height - high);
  const left = clip((width >> 1) - rint(column), 0, width - wide);
  for (let down = 0; down < high; down++) {
    const line = scaled.data.subarray(down * wide, (down + 1) * wide);
    picture.data.set(line, (top + down) * width + left);
  }
  return picture;
}

// -------------------------------------------------------------------------------- finding the ink

/** Ink per pixel, 0 to 1, of the part that holds it; a single 0 if none. @param {Grey} grey */
function inkOf(grey) {
  let small = reduced(grey, floor(longest(grey) / WORK));
  let factor = longest(grey) / longest(small);
  if (longest(small) > WORK) {
    factor = longest(grey) / WORK;
    const [height, width] = [grey.height, grey.width].map((side) => max(2, rint(side / factor)));
    small = stretched(small, height, width);
  }
  const { part, ink } = foundInk(small, min(grey.height, grey.width) > SMALL);
  if (factor > 1 && ink.data.some((value) => value !== 0) && longer(part) < 0.25 * WORK) {
    const margin = (longer(part) >> 3) + 2;
    const from = (start) => floor(factor * max(start - margin, 0));
    const to = (end) => floor(factor * (end + margin));
    const { top, bottom, left, right } = part;
    const closer = { top: from(top), bottom: to(bottom), left: from(left), right: to(right) };
    return inkOf(cropped(grey, closer));
  }
  return ink;
}

const NOTHING = () => ({ part: { top: 0, bottom: 1, left: 0, right: 1 }, ink: grid(1, 1) });

/**
 * The part of a picture that holds its ink, and the ink there.
 * @param {Grey} grey
 * @param {boolean} fine whether it has pixels enough to show clutter and print
 * @returns {{ part: Part, ink: Grey }}
 */
function foundInk(grey, fine) {
  const { part, rise, noise } = risen(grey, fine);
  const full = fine || noise ? levelOf(rise.data) : highest(rise.data); // clean: values stay
  if (full < 8 * noise && longest(grey) > SMALL) {
    const far = foundInk(reduced(grey, 2), fine); // from farther away grain is finer
    const { top, bottom, left, right } = far.part;
    return {
      part: { top: 2 * top, bottom: 2 * bottom, left: 2 * left, right: 2 * right },
      ink: far.ink,
    };
  }
  if (full < FAINT || separation(rise.data) < APART) return NOTHING();
  const scale = fround(full);
  let ink = mapped(rise, (value) => clip(fround(value / scale), 0, 1));
  const low = max(min((SIGMAS * noise) / full, 0.5), fine ? TRACE : 0);
  const least = fround(low);
  let mask = where(ink, (value) => value > least);
  if (low > 0) {
    mask = oneDrawing(fine ? withoutLines(mask, ink) : mask, fine);
    const near = grown(mask, fine ? 5 : 3).data;
    ink = mapped(ink, (value, i) => value * near[i]);
  }
  const found = extent(mask);
  return {
    part: {
      top: part.top + found.top,
      bottom: part.top + found.bottom,
      left: part.left + found.left,
      right: part.left + found.right,
    },
    ink: cropped(ink, found),
  };
}

/**
 * The part inside bars and frames, how far each pixel there stands out from the paper towards the
 * ink, and the standard deviation of the paper's grain.
 * @param {Grey} grey
 * @returns {{ part: Part, rise: Grey, noise: number }}
 */
function risen(grey, fine) {
  const levels = grid(grey.height, grey.width, levelsOf(grey));
  const threshold = otsu(levels.data);
  const light = where(levels, (level) => level > threshold);
  const { part, isLight } = inside(light);
  const ofPaper = cropped(light, part).data;
  const paper = chosen(cropped(levels, part).data, (_, i) => ofPaper[i] === isLight);
  const ground = fround(mode(paper) / 255);
  const rise = mapped(cropped(grey, part), (value) => (isLight ? ground - value : value - ground));
  const noise = noiseOf(rise);
  if (fine && (noise === null || noise > 2 / 255)) {
    const other = riseOnUnevenPaper(grey);
    const calm = noiseOf(other);
    const calmer = noise && calm && calm < 0.6 * noise;
    if (separation(rise.data) < 0.6 * separation(other.data) || calmer) {
      const full = levelOf(other.data);
      if (full < FAINTEST) return { part: NOTHING().part, rise: grid(1, 1), noise: 0 };
      const half = fround(full / 2);
      const inner = inside(where(other, (value) => value > half)).part;
      return { part: inner, rise: cropped(other, inner), noise: calm ?? 0 };
    }
  }
  return { part, rise, noise: noise ?? 0 };
}

/** How far each pixel stands out from unevenly lit paper, as a fraction of its brightness. */
function riseOnUnevenPaper(grey) {
  const { data, height, width } = grey;
  const small = reduced(grey, ceil(longest(grey) / GROUND));
  const window = max(3, floor(WINDOW * min(small.height, small.width)) | 1);
  const smooth = stretched(reduced(grey, 16), height, width).data;
  const cubes = data.map((value, i) => {
    const apart = fround(value - smooth[i]);
    return fround(apart * apart) * apart;
  });
  const sign = sum(cubes) < 0 ? 1 : -1; // cubed: ink stands out far, grain a little
  const turned = (picture, by) => mapped(picture, (value) => by * value);
  const lid = grown(turned(small, sign), window);
  const ground = turned(stretched(turned(grown(turned(lid, -1), window), -1), height, width), sign);
  const rise = mapped(ground, (value, i) => sign * fround(value - data[i]));
  const middle = median(rise.data);
  const least = fround(0.1);
  return mapped(rise, (value, i) => fround(value - middle) / max(ground.data[i], least));
}

/**
 * The part inside bars and frames, and whether its paper is light.
 *
 * Lines from side to side of one class are peeled off until something is drawn in each; what is
 * then around the rest is paper. Bars are cut off unless ink touches them: then they may be
 * strokes.
 * @param {Mask} light
 * @returns {{ part: Part, isLight: number }}
 */
function inside(light) {
  const all = whole(light);
  const { top, bottom, left, right } = all;
  const edge = [top, bottom, left, right];
  const runs = [[], [], [], []]; // per side: whether most of each line peeled off is light
  for (let changed = true; changed; ) {
    changed = false;
    for (let side = 0; side < 4; side++) {
      const part = { top: edge[0], bottom: edge[1], left: edge[2], right: edge[3] };
      if (part.top >= part.bottom || part.left >= part.right) {
        return { part: all, isLight: area(light, all).light > light.data.length / 2 ? 1 : 0 };
      }
      for (;;) {
        const line = { ...part };
        const [near, far] = side < 2 ? ["top", "bottom"] : ["left", "right"];
        const count = part[far] - part[near];
        if (count === 0) break;
        if (side % 2) line[near] = part[far] - 1;
        else line[far] = part[near] + 1;
        const found = area(light, line);
        const share = found.light / found.size;
        if (share >= 0.05 && share <= 0.95) break;
        runs[side].push(share > 0.5 ? 1 : 0);
        if (side % 2) part[far]--;
        else part[near]++;
        changed = true;
      }
      [edge[0], edge[1], edge[2], edge[3]] = [part.top, part.bottom, part.left, part.right];
    }
  }
  const wide = max(1, longest(light) >> 4);
  const [first, last, start, end] = edge;
  const around = area(light, {
    top: max(first - wide, 0),
    bottom: last + wide,
    left: max(start - wide, 0),
    right: end + wide,
  });
  const core = area(light, { top: first + 1, bottom: last - 1, left: start + 1, right: end - 1 });
  const isLight = around.light - core.light > (around.size - core.size) / 2 ? 1 : 0;
  const cut = runs.map((run) => run.lastIndexOf(1 - isLight) + 1);
  if (runs.some((run, side) => run.length && cut[side] === run.length)) {
    return { part: all, isLight };
  }
  const part = {
    top: cut[0],
    bottom: light.height - cut[1],
    left: cut[2],
    right: light.width - cut[3],
  };
  return { part, isLight };
}

/** How many pixels of a part there are, and how many are light. @param {Mask} light */
function area(light, { top, bottom, left, right }) {
  const [last, end] = [min(bottom, light.height), min(right, light.width)];
  let count = 0;
  for (let row = top; row < last; row++) {
    for (let i = row * light.width + left; i < row * light.width + end; i++) count += light.data[i];
  }
  return { light: count, size: max(last - top, 0) * max(end - left, 0) };
}

/**
 * The mask without specks and, where something else is left, without what touches the border.
 * @param {Mask} mask
 * @returns {Mask}
 */
function oneDrawing(mask, fine) {
  const { height, width } = mask;
  const { labels, sizes } = pieces(mask);
  sizes[0] = 0;
  let kept = sizes;
  if (fine) {
    const inner = sizes.slice();
    for (let column = 0; column < width; column++) {
      inner[labels[column]] = inner[labels[(height - 1) * width + column]] = 0;
    }
    for (let row = 0; row < height; row++) {
      inner[labels[row * width]] = inner[labels[(row + 1) * width - 1]] = 0;
    }
    if (highest(inner) > SPECK * highest(sizes)) kept = inner;
  }
  const least = SPECK * highest(kept);
  const isKept = kept.map((size) => (size > least ? 1 : 0));
  return grid(height, width, filled(new Uint8Array(labels.length), (i) => isKept[labels[i]]));
}

/**
 * The mask without rules, squares and frames: thin lines through the whole picture, or most of it
 * if they form a frame. Strokes that cross them are mended; where next to nothing is left, the
 * lines stay.
 * @param {Mask} mask
 * @param {Grey} ink
 * @returns {Mask}
 */
function withoutLines(mask, ink) {
  const { data, height, width } = mask;
  const [across, down] = [linesAcross(mask), linesAcross(transposed(mask))];
  const [wide, high] = [across.lengths.length, down.lengths.length];
  const least = wide && high && wide + high > 2 ? 0.6 : 0.98;
  const long = ({ lines, lengths }) =>
    mapped(lines, (line, i, all) => (line && lengths[line - 1] > least * lines.width ? 1 : 0));
  const [level, upright] = [long(across), long(down)];
  const crosses = (side) =>
    side.data.subarray(0, side.width).includes(1) && side.data.subarray(-side.width).includes(1);
  const turned = transposed(upright).data;
  const inked = data.map((value, i) => value & (level.data[i] | turned[i]));
  // No lines, or a display's digit cropped to its ink.
  if (!inked.includes(1) || crosses(level) || crosses(upright)) return mask;
  const strong = fround(1.5 * median(chosen(ink.data, (_, i) => inked[i] === 1)));
  const rest = mapped(mask, (value, i) => (inked[i] && ink.data[i] < strong ? 0 : value));
  if (!any(rest) || longer(extent(rest)) < 0.2 * longer(extent(mask))) return mask;
  const mended = inverted(grown(inverted(grown(rest, 7)), 7)).data;
  return grid(height, width, rest.data.map((value, i) => value | (data[i] & mended[i])));
}

/**
 * The thin line across that each pixel lies on, from 1 (0: none), and the length of each. A line
 * may slope by a pixel in a fifth of the width.
 * @param {Mask} mask
 * @returns {{ lines: { data: Int32Array, height: number, width: number }, lengths: number[] }}
 */
function linesAcross(mask) {
  const { data, height, width } = mask;
  const run = max(1, floor(width / 5));
  const gaps = dilated(inverted(transposed(dilated(mask, 3))), run);
  const { labels, sizes } = pieces(transposed(dilated(inverted(gaps), run)));
  const [thick, length] = [sizes.map(() => 0), sizes.map(() => 0)];
  const seen = new Uint8Array(sizes.length * width);
  for (let i = 0; i < labels.length; i++) {
    const place = labels[i] * width + (i % width);
    if (!seen[place]) length[labels[i]]++;
    seen[place] = 1;
    thick[labels[i]] += data[i];
  }
  const [numbers, lengths] = [sizes.map(() => 0), []];
  for (let label = 1; label < sizes.length; label++) {
    const isThin = thick[label] / max(length[label], 1) < max(3, width / 25);
    if (length[label] > 0.6 * width && isThin) numbers[label] = lengths.push(length[label]);
  }
  return { lines: grid(height, width, labels.map((label) => numbers[label])), lengths };
}

// ----------------------------------------------------------------------- levels, noise, threshold

/** The grey levels, 0 to 255. @param {Grey} grey */
const levelsOf = ({ data }) =>
  filled(new Uint8Array(data.length), (i) => rint(fround(data[i] * 255)));

/**
 * The level that splits a histogram into two classes of least variance.
 * @param {Uint8Array} levels
 */
function otsu(levels) {
  const counts = countsOf(levels);
  const total = counts.reduce((all, count, level) => all + count * level, 0);
  let [below, moment] = [0, 0];
  const between = counts.map((count, level) => {
    [below, moment] = [below + count, moment + count * level];
    const apart = total * (below / levels.length) - moment;
    return (apart * apart) / max(below * (levels.length - below), 1);
  });
  const least = highest(between) * (1 - 1e-9);
  const best = [...between.keys()].filter((level) => between[level] >= least);
  return floor(best.reduce((all, level) => all + level, 0) / best.length);
}

/** The most frequent level, give or take four; 0 of none. @param {Uint8Array} levels */
function mode(levels) {
  const counts = countsOf(levels);
  const smooth = counts.map((_, level) => {
    let total = 0;
    for (let off = -4; off <= 4; off++) total += (5 - abs(off)) * (counts[level + off] ?? 0);
    return total;
  });
  return smooth.indexOf(max(...smooth));
}

/**
 * How far full ink stands out: the threshold is half the mean of what exceeds it, found from above.
 * @param {Float32Array} rise
 */
function levelOf(rise) {
  const most = highest(rise);
  if (most <= 0) return 1e-6;
  let above = atLeast(rise, most / 2);
  for (let round = 0; round < 3; round++) above = atLeast(rise, mean(above) / 2);
  return max(quantile(above, 0.9), 1e-6);
}

/**
 * Standard deviation of the paper's grain, away from ink; null where there is no such paper. Where
 * values are clipped at the paper's level, of the rest.
 * @param {Grey} rise
 * @returns {number | null}
 */
function noiseOf(rise) {
  const half = fround(levelOf(rise.data) / 2);
  const ink = where(rise, (value) => value > half);
  const near = grown(ink, 2 * floor(strokeWidth(ink)) + 3);
  const far = chosen(rise.data, (_, i) => near.data[i] === 0).map(abs);
  if (far.length < 0.05 * rise.data.length) return null;
  const moved = chosen(far, (value) => value > 0);
  return moved.length > 0.45 * far.length ? quantile(moved, 0.68) : 0;
}

/**
 * Fisher's criterion: squared distance between ink and paper over the variance within both.
 * @param {Float32Array} rise
 */
function separation(rise) {
  const half = fround(levelOf(rise) / 2);
  const [ink, paper] = [atLeast(rise, half), chosen(rise, (value) => value < half)];
  if (!ink.length || !paper.length) return 0;
  const spread = (values) => fround(variance(values) * values.length);
  const within = fround(fround(spread(ink) + spread(paper)) / rise.length);
  const apart = fround(mean(ink) - mean(paper));
  return fround(fround(apart * apart) / max(within, fround(1e-9)));
}
