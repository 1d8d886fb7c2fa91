"""Find ink on paper and lay it out like MNIST, in NumPy alone.

Paper is what lies around the drawing: one value, or an envelope over the strokes (a morphological closing)
where light is uneven. What stands out from it is ink. Specks, bars, frames and printed lines are left out.
The ink is scaled into a box of 20x20 in 28x28 with its centre of mass in the middle: LeCun, Bottou, Bengio,
Haffner, Gradient-based learning applied to document recognition (1998), section III.A. How thick and sharp
strokes are stays as it is: a network learns that from drawings read here (scripts/drawn.py).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

Grey = Float[np.ndarray, "h w"]
Scaled = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "h w"]
Part = tuple[slice, slice]

LONGEST = 1024  # pixels: longest side worth decoding; a digit a fiftieth as wide still has 20 pixels
WORK = 160  # pixels: longest side at which ink is looked for; what is found small is looked at again, closer
SMALL = 64  # pixels: pictures with a shorter side have no uneven paper, printed lines or clutter to speak of
BOX = 20 / 28  # of the shorter side: the box that ink is scaled into, as in MNIST
FAINT = 0.05  # of white: the least contrast of ink; people see less, but so does grain
FAINTEST = 0.15  # of its brightness: least contrast of ink on uneven paper; shadows left up to 0.11
TRACE = 0.35  # of full ink: less is shadow, print or grain, unless next to ink
SPECK = 0.05  # of the largest piece of ink: smaller ones are specks
SIGMAS = 3  # standard deviations of the paper's grain that ink exceeds
APART = 7  # Fisher's criterion of ink and paper: grain alone has 5.6 to 6.7, digits 12 and more
GROUND = 64  # pixels: longest side at which uneven paper is estimated
WINDOW = 0.3  # of the shorter side: wider strokes are not told from a shadow on uneven paper


def lay_out(grey: Grey, height: int, width: int) -> Scaled:
    """The ink of a grey picture (0 black, 1 white), light on black, laid out in `height` x `width`.

    All zeros if there is no ink. A picture already laid out so, light on dark or dark on light, keeps its
    8-bit values.
    """
    if grey.shape == (height, width):
        levels = np.rint(grey * 255).astype(np.int16)
        rim = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
        ink = np.abs(levels - np.bincount(rim).argmax()).astype(np.float32) / np.float32(255)
        if is_laid_out(ink):
            return ink
    return place(ink_of(grey), height, width)


def is_laid_out(ink: Grey) -> bool:
    """Whether ink fills the box and is centred, within a pixel: true of MNIST's 70,000 pictures."""
    if ink.max() < 0.9:
        return False
    crop = ink[extent(ink > 0)]
    off = np.subtract(centre(ink), np.array(ink.shape) // 2)
    return abs(max(crop.shape) - round(BOX * min(ink.shape))) <= 1 and bool(np.abs(off).max() < 0.6)


def place(ink: Grey, height: int, width: int) -> Scaled:
    """Cropped ink scaled into the box, its aspect kept, its strokes at full strength and its centre of mass
    in the centre."""
    picture = np.zeros((height, width), np.float32)
    if not ink.any():
        return picture
    factor = round(BOX * min(height, width)) / max(ink.shape)
    scaled = stretched(ink, [max(1, round(side * factor)) for side in ink.shape])
    if factor != 1:  # what lines lose when they are averaged down
        scaled = np.clip(scaled / np.quantile(scaled[scaled >= scaled.max() / 2], 0.75), 0, 1)
    room = np.subtract((height, width), scaled.shape)
    middle = np.rint(centre(scaled)).astype(int)
    top, left = np.clip((height // 2 - middle[0], width // 2 - middle[1]), 0, room)
    picture[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return picture


# ------------------------------------------------------------------------------------------- finding the ink


def ink_of(grey: Grey) -> Scaled:
    """Amount of ink per pixel, 0 to 1, of the part that holds it; a single 0 if there is none.

    Ink that is small on a large picture is looked at again at full resolution.
    """
    small = reduced(grey, max(grey.shape) // WORK)
    factor = max(grey.shape) / max(small.shape)
    if max(small.shape) > WORK:
        factor = max(grey.shape) / WORK
        small = stretched(small, [max(2, round(side / factor)) for side in grey.shape])
    part, ink = found_ink(small, fine=min(grey.shape) > SMALL)
    longer = max(side.stop - side.start for side in part)
    if factor > 1 and ink.any() and longer < 0.25 * WORK:
        margin = longer // 8 + 2
        closer = [
            slice(int(factor * max(side.start - margin, 0)), int(factor * (side.stop + margin)))
            for side in part
        ]
        return ink_of(grey[closer[0], closer[1]])
    return ink


def found_ink(grey: Grey, fine: bool) -> tuple[Part, Scaled]:
    """The part of a picture that holds its ink, and the ink there.

    `fine`: the picture has pixels enough to show clutter and print.
    """
    part, rise, noise = risen(grey, fine)
    full = level_of(rise) if fine or noise else float(rise.max())  # clean: values stay as they are
    if full < 8 * noise and max(grey.shape) > SMALL:  # from farther away grain is finer
        (rows, columns), ink = found_ink(reduced(grey, 2), fine)
        return (slice(2 * rows.start, 2 * rows.stop), slice(2 * columns.start, 2 * columns.stop)), ink
    if full < FAINT or separation(rise) < APART:
        return np.s_[0:1, 0:1], np.zeros((1, 1), np.float32)
    ink = np.clip(rise / np.float32(full), 0, 1)
    low = max(min(SIGMAS * noise / full, 0.5), TRACE if fine else 0)
    mask = ink > low
    if low > 0:
        mask = one_drawing(without_lines(mask, ink) if fine else mask, fine)
        ink = ink * grown(mask, 5 if fine else 3)
    found = extent(mask)
    rows, columns = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(part, found, strict=True))
    return (rows, columns), ink[found]


def risen(grey: Grey, fine: bool) -> tuple[Part, Scaled, float]:
    """The part of a picture inside bars and frames, how far each pixel there stands out from the paper
    towards the ink, and the standard deviation of the paper's grain."""
    levels = np.rint(grey * 255).astype(np.uint8)
    light = levels > otsu(levels)
    part, is_light = inside(light)
    ground = np.float32(mode(levels[part][light[part] == is_light]) / 255)
    rise = ground - grey[part] if is_light else grey[part] - ground
    noise = noise_of(rise)
    if fine and (noise is None or noise > 2 / 255):  # the paper may be uneven
        other = rise_on_uneven_paper(grey)
        calm = noise_of(other)
        if separation(rise) < 0.6 * separation(other) or (noise and calm and calm < 0.6 * noise):
            if level_of(other) < FAINTEST:
                return np.s_[0:1, 0:1], np.zeros((1, 1), np.float32), 0.0
            part, _ = inside(other > level_of(other) / 2)
            return part, other[part], calm or 0.0
    return part, rise, noise or 0.0


def rise_on_uneven_paper(grey: Grey) -> Grey:
    """How far each pixel stands out from unevenly lit paper, as a fraction of its brightness."""
    small = reduced(grey, -(-max(grey.shape) // GROUND))
    window = max(3, int(WINDOW * min(small.shape)) | 1)
    apart = grey - stretched(reduced(grey, 16), grey.shape)
    sign = 1 if (apart * apart * apart).sum() < 0 else -1  # cubed: ink stands out far, grain a little
    lid = grown(small * np.float32(sign), window)
    ground = stretched(-grown(-lid, window), grey.shape) * np.float32(sign)
    rise = sign * (ground - grey)
    return (rise - np.median(rise)) / np.maximum(ground, np.float32(0.1))


def inside(light: Mask) -> tuple[Part, bool]:
    """The part inside bars and frames, and whether its paper is light.

    Lines from side to side of one class are peeled off until something is drawn in each; what is then around
    the rest is paper. Bars are cut off unless ink touches them: then they may be strokes.
    """
    edge, runs = [0, light.shape[0], 0, light.shape[1]], [np.zeros(0, bool) for _ in range(4)]
    changed = True
    while changed:
        changed = False
        for side in range(4):
            rest = light[edge[0] : edge[1], edge[2] : edge[3]]
            if not rest.size:  # nothing but lines from side to side
                return np.s_[0 : light.shape[0], 0 : light.shape[1]], bool(light.mean() > 0.5)
            share = rest.mean(1 if side < 2 else 0)[:: -1 if side % 2 else 1]
            count = int(np.argmin(np.append((share < 0.05) | (share > 0.95), False)))
            edge[side] += -count if side % 2 else count
            runs[side] = np.append(runs[side], share[:count] > 0.5)
            changed |= count > 0
    top, bottom, left, right = edge
    wide = max(1, max(light.shape) // 16)
    around = light[max(top - wide, 0) : bottom + wide, max(left - wide, 0) : right + wide]
    core = light[top + 1 : bottom - 1, left + 1 : right - 1]
    paper = bool(around.sum() - core.sum() > (around.size - core.size) / 2)
    bars = [np.flatnonzero(run != paper) for run in runs]
    if any(len(bar) and bar[-1] == len(run) - 1 for bar, run in zip(bars, runs, strict=True)):
        return np.s_[0 : light.shape[0], 0 : light.shape[1]], paper
    cut = [int(bar[-1]) + 1 if len(bar) else 0 for bar in bars]
    return np.s_[cut[0] : light.shape[0] - cut[1], cut[2] : light.shape[1] - cut[3]], paper


def one_drawing(mask: Mask, fine: bool) -> Mask:
    """The mask without specks and, where something else is left, without what touches the border."""
    labels, sizes = pieces(mask)
    sizes[0] = 0
    if fine:
        inner = sizes.copy()
        inner[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = 0
        sizes = inner if inner.max() > SPECK * sizes.max() else sizes
    return (sizes > SPECK * sizes.max())[labels]


def without_lines(mask: Mask, ink: Grey) -> Mask:
    """The mask without rules, squares and frames: thin lines through the whole picture, or most of it if
    they form a frame. Strokes that cross them are mended; where next to nothing is left, the lines stay."""
    (across, wide), (down, high) = lines_across(mask), lines_across(mask.T)
    least = 0.6 if len(wide) and len(high) and len(wide) + len(high) > 2 else 0.98
    level = np.append(False, wide > least * mask.shape[1])[across]
    upright = np.append(False, high > least * len(mask))[down].T
    lines = level | upright
    if not (lines & mask).any() or any(side[0].any() and side[-1].any() for side in (level, upright.T)):
        return mask  # no lines, or a display's digit cropped to its ink
    rest = mask & ~(lines & (ink < 1.5 * np.median(ink[lines & mask])))
    if not rest.any() or max(rest[extent(rest)].shape) < 0.2 * max(mask[extent(mask)].shape):
        return mask
    return rest | (mask & ~grown(~grown(rest, 7), 7))


def lines_across(mask: Mask) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, " lines"]]:
    """The thin line across that each pixel lies on, from 1 (0: none), and the length of each. A line may
    slope by a pixel in a fifth of the width."""
    width = mask.shape[1]
    run = max(1, width // 5)
    labels, sizes = pieces(dilated(~dilated(~dilated(mask, 3).T, run), run).T)
    seen = np.zeros((len(sizes), width), bool)
    seen[labels, np.arange(width)] = True
    length = seen.sum(1)
    thickness = np.bincount(labels[mask], minlength=len(sizes)) / np.maximum(length, 1)
    line = (length > 0.6 * width) & (thickness < max(3, width / 25))
    line[0] = False
    return np.where(line, line.cumsum(), 0)[labels], length[line]


# ---------------------------------------------------------------------------------- levels, noise, threshold


def otsu(levels: UInt8[np.ndarray, "h w"]) -> int:
    """The level that splits a histogram into two classes of least variance: Otsu (1979)."""
    counts = np.bincount(levels.ravel(), minlength=256)
    below, sums = counts.cumsum(), (counts * np.arange(256)).cumsum()
    between = (sums[-1] * (below / below[-1]) - sums) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return int(np.flatnonzero(between >= between.max() * (1 - 1e-9)).mean())


def mode(levels: UInt8[np.ndarray, " n"]) -> int:
    """The most frequent level, give or take four; 0 of none."""
    return int(np.convolve(np.bincount(levels, minlength=256), (1, 2, 3, 4, 5, 4, 3, 2, 1), "same").argmax())


def level_of(rise: Grey) -> float:
    """How far full ink stands out: the threshold is half the mean of what exceeds it, found from above as
    Ridler and Calvard (1978) do, but the paper's level is known."""
    if rise.max() <= 0:
        return 1e-6
    above = rise[rise >= rise.max() / 2]
    for _ in range(3):
        above = rise[rise >= above.mean() / 2]
    return max(float(np.quantile(above, 0.9)), 1e-6)


def noise_of(rise: Grey) -> float | None:
    """Standard deviation of the paper's grain, away from ink; None where there is no such paper. Where
    values are clipped at the paper's level, of the rest."""
    ink = rise > level_of(rise) / 2
    far = np.abs(rise[~grown(ink, 2 * int(stroke_width(ink)) + 3)])
    if far.size < 0.05 * rise.size:
        return None
    moved = far[far > 0]
    return float(np.quantile(moved, 0.68)) if moved.size > 0.45 * far.size else 0.0


def separation(rise: Grey) -> float:
    """Fisher's criterion: squared distance between ink and paper over the variance within both."""
    mask = rise >= level_of(rise) / 2
    if mask.all() or not mask.any():
        return 0.0
    ink, paper = rise[mask], rise[~mask]
    within = (ink.var() * ink.size + paper.var() * paper.size) / rise.size
    return float((ink.mean() - paper.mean()) ** 2 / max(within, 1e-9))


# -------------------------------------------------------------------------------------------- masks and sizes


def pieces(mask: Mask) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, " pieces"]]:
    """The connected piece of each pixel, from 1 (0: none), and the number of pixels of each, 0 first.

    Runs along rows are joined with those that they touch in the next row, corners included.
    """
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8))
    (row, begin), end = np.nonzero(edges == 1), np.nonzero(edges == -1)[1]
    span = mask.shape[1] + 2
    first = np.searchsorted(row * span + end, (row + 1) * span + begin)
    count = np.searchsorted(row * span + begin, (row + 1) * span + end, "right") - first
    count = np.maximum(count, 0)
    upper = np.repeat(np.arange(len(row)), count)
    lower = np.arange(len(upper)) + np.repeat(first - count.cumsum() + count, count)
    label = np.arange(len(row))
    while (label[upper] != label[lower]).any():
        least = np.minimum(label[upper], label[lower])
        np.minimum.at(label, label[upper], least)
        np.minimum.at(label, label[lower], least)
        while (label[label] != label).any():
            label = label[label]
    labels = np.zeros(mask.shape, np.intp)
    labels[mask] = np.repeat(np.unique(label, return_inverse=True)[1] + 1, end - begin)
    return labels, np.bincount(labels.ravel(), minlength=1)


def grown(values: Shaped[np.ndarray, "h w"], size: int) -> Shaped[np.ndarray, "h w"]:
    """The maximum over a square of `size` pixels around each."""
    return np.ascontiguousarray(dilated(np.ascontiguousarray(dilated(values, size).T), size).T)


def dilated(values: Shaped[np.ndarray, "h w"], size: int) -> Shaped[np.ndarray, "h w"]:
    """The maximum over `size` pixels of the column around each, by doubling."""
    values, step = np.pad(values, ((size // 2, size - 1 - size // 2), (0, 0)), "edge"), 1
    while step < size:
        shift = min(step, size - step)
        values = np.maximum(values[:-shift], values[shift:])
        step += shift
    return values


def centre(ink: Grey) -> tuple[float, float]:
    """Row and column of the centre of mass."""
    rows, columns = ink.sum(1), ink.sum(0)
    return (
        float(rows @ np.arange(len(rows)) / rows.sum()),
        float(columns @ np.arange(len(columns)) / columns.sum()),
    )


def extent(mask: Mask) -> Part:
    """Rows and columns of the bounding box of the true pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def stroke_width(strokes: Mask) -> float:
    """Mean stroke width in pixels: twice the area over the outline (Crofton's estimate, four directions)."""
    m = np.pad(strokes, 1)
    straight = np.count_nonzero(m[1:] != m[:-1]) + np.count_nonzero(m[:, 1:] != m[:, :-1])
    slanted = np.count_nonzero(m[1:, 1:] != m[:-1, :-1]) + np.count_nonzero(m[1:, :-1] != m[:-1, 1:])
    outline = np.pi / 8 * (straight + slanted / np.sqrt(2))
    return 2 * np.count_nonzero(strokes) / max(outline, 1)


def reduced(grey: Grey, factor: int) -> Scaled:
    """The means of squares of `factor` pixels; the last ones repeat the border."""
    if factor < 2:
        return grey
    height, width = (-(-side // factor) for side in grey.shape)
    missing = [(0, side * factor - old) for side, old in zip((height, width), grey.shape, strict=True)]
    rows = np.pad(grey, missing, "edge").reshape(height, factor, width * factor).sum(1)
    return rows.reshape(height, width, factor).sum(2) / np.float32(factor * factor)


def stretched(grey: Grey, shape: Sequence[int]) -> Scaled:
    """The picture resampled to a shape, linearly, with as wide a triangle as it shrinks."""
    down, across = (_triangles(old, new) for old, new in zip(grey.shape, shape, strict=True))
    return down @ grey @ across.T


def _triangles(old: int, new: int) -> Float[np.ndarray, "new old"]:
    middle = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new) - np.float32(0.5)
    apart = np.abs(np.arange(old, dtype=np.float32) - middle[:, None])
    weight = np.maximum(1 - apart / np.float32(max(old / new, 1)), 0)
    return weight / weight.sum(1, keepdims=True)
