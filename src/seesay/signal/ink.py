"""Find ink on paper and lay it out like MNIST.

Paper is most of a picture and most of its border: one value in a drawing from a canvas, a slowly changing
surface with grain in a photo of a note. What stands out from it is ink. The ink is cropped, scaled into a box
of 20x20 in 28x28 and moved so that its centre of mass is the centre of the picture: LeCun, Bottou, Bengio,
Haffner, Gradient-based learning applied to document recognition (1998), section III.A.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy import ndimage

Grey = Float[np.ndarray, "h w"]
Scaled = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "h w"]
Levels = UInt8[np.ndarray, "h w"]

TRACE = 0.15  # of full ink: the least that counts as ink in measuring its extent
SPAN = 0.85  # of the extent of all ink: least length of the lines of a frame or of squared paper
THIN = 0.1  # of the shorter side: greatest thickness of a frame or a line of squared paper
WIDE = 0.3  # of the shorter side: greatest width of a bar along a side
SPECK = 0.05  # of the largest piece of ink: smaller ones are specks
LEFT = 0.2  # of the extent of all ink: lines are removed only if at least this much remains
LONGEST = 1024  # pixels: longest side searched for ink; a digit a fiftieth as wide still has 20 pixels
BOX = 20 / 28  # of the shorter side: the box that ink is scaled into, as in MNIST
FINE = 8  # grid for cleaning strokes, times finer than the box; MNIST was averaged down from bilevel scans
SHARPEN = 1.5  # of a source pixel's blur; tuned, as EDGE and SOFT, by a MNIST network's score on 8x8 digits
EDGE = 0.55  # of the local peak: where a stroke ends
SOFT = 0.8  # of the local peak: width of the range around the edge where ink is partial
THINNEST = 2.0  # pixels in the box: thinner strokes are thickened to this, the lower quartile of MNIST (1.96)
THICKEST = 0.17  # of the box: digits with thicker strokes are shrunk; 95 % of MNIST's are thinner
SHRUNK = 0.8  # of the box: digits are never shrunk further
SOFTEST = 1.5  # times a stroke's width: how far its edge reaches in 8x8 digits that were enlarged to 224
SMALL = 64  # pixels: pictures with a shorter side have no paper texture to speak of
GROUND = 64  # pixels: longest side at which uneven paper is estimated; finer than most shadows
STEP = 0.08  # of white, from pixel to pixel of the estimated ground: paper ends here, shadows are softer
FAINT = 0.05  # of white: ink on paper of one value stands out by this much; grain of three levels does not
FAINTEST = 0.1  # of white: ink on uneven paper stands out by this much; simulated shadows left up to 0.08


def lay_out(grey: Grey, height: int, width: int) -> Scaled:
    """The ink of a grey picture (0 black, 1 white), light on black, laid out in `height` x `width`.

    All zeros if there is no ink. A picture already laid out so, light on dark or dark on light, keeps its
    8-bit values.
    """
    grey = resized(grey, LONGEST / max(grey.shape)) if max(grey.shape) > LONGEST else grey
    levels = np.rint(grey * 255).astype(np.uint8)
    part = inside_of_bars(levels)
    grey, levels = grey[part], levels[part]
    ground = even_ground(levels)
    if ground is None:
        return place(ink_on_uneven_paper(grey), height, width)
    if grey.shape == (height, width) and is_laid_out(ink := np.abs(grey - np.float32(ground))):
        return np.rint(ink * 255).astype(np.float32) / np.float32(255)
    differ = levels != round(ground * 255)
    if not differ.any():
        return np.zeros((height, width), np.float32)
    part = extent(differ)
    ink = np.abs(grey[part] - np.float32(ground))
    if ink.max() < FAINT:
        return np.zeros((height, width), np.float32)
    ink /= ink.max()
    if min(grey.shape) > SMALL:  # in a few pixels a stroke may well be a line or a speck
        ink = without_specks(without_print(ink, grey.shape))
    return place(ink, height, width)


def is_laid_out(ink: Grey) -> bool:
    """Whether ink fills the box and is centred, within a pixel: true of MNIST's 70,000 pictures."""
    if ink.max() < 0.9:
        return False
    off = np.subtract(ndimage.center_of_mass(ink), (ink.shape[0] // 2, ink.shape[1] // 2))
    return fills(ink[extent(ink > 0)], round(BOX * min(ink.shape)), 1) and bool(np.abs(off).max() < 0.6)


def fills(ink: Grey, box: int, slack: int = 0) -> bool:
    """Whether cropped ink is as large as `into_box` makes it, give or take `slack` pixels."""
    longer = max(ink.shape)
    if longer > box + slack:
        return False
    thick = stroke_width(ink > 0.5) > THICKEST * box - 0.5  # half a pixel less: measured on few pixels
    return longer >= round((SHRUNK if thick else 1) * box) - slack


# ------------------------------------------------------------------------------------------- finding the ink


def inside_of_bars(levels: Levels) -> tuple[slice, slice]:
    """Rows and columns inside a frame along the border, or inside bars along some sides.

    Each line of a frame or bar has one value, other than that of most pixels. A frame is thin. Bars on fewer
    sides may be wider if no ink touches them: a touched bar may be a stroke. Where nothing is inside, or only
    lines from side to side, the whole picture is the drawing, as 0 and 8 of a display.
    """
    height, width = levels.shape
    whole = slice(0, height), slice(0, width)
    if min(levels.shape) <= SMALL:
        return whole
    paper = int(np.argmax(Image.fromarray(levels).histogram()))
    top, bottom, left, right = bars = _bars(levels, paper)
    if not any(bars):
        return whole
    part = slice(top, height - bottom), slice(left, width - right)
    inked = np.abs(levels[part].astype(np.int16) - paper) > 255 * FAINT
    if min(bars) > 0 and max(bars) <= THIN * min(levels.shape):
        for lines, side in ((_spanning(inked), inked), (_spanning(inked.T), inked.T)):
            for line in lines:
                side[line] = False
    else:
        beside = ((top, inked[:1]), (bottom, inked[-1:]), (left, inked[:, :1]), (right, inked[:, -1:]))
        if any(bar and line.any() for bar, line in beside):
            return whole
    return part if inked.any() else whole


def _bars(levels: Levels, paper: int) -> tuple[int, int, int, int]:
    """Widths of the bars of one value, other than the paper's, at the top, bottom, left and right; all 0
    where they would cover most of the picture."""
    depth = [0, 0, 0, 0]
    most = WIDE * min(levels.shape)
    changed = True
    while changed and max(depth) <= most:
        changed = False
        for side in range(4):
            rest = levels[depth[0] : len(levels) - depth[1], depth[2] : levels.shape[1] - depth[3]]
            line = (rest[0], rest[-1], rest[:, 0], rest[:, -1])[side]
            if line[0] != paper and (line == line[0]).all():
                depth[side] += 1
                changed = True
    top, bottom, left, right = depth if max(depth) <= most else (0, 0, 0, 0)
    return top, bottom, left, right


def even_ground(levels: Levels) -> float | None:
    """The paper's value, 0 to 1, in a drawing or a clean scan; None where paper is uneven."""
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    shares = np.array(Image.fromarray(levels).histogram()) / levels.size
    ground = int(np.argmax(shares + np.bincount(border, minlength=256) / border.size))
    darker, lighter = shares[: max(ground - 2, 0)], shares[ground + 3 :]
    fewer, more = sorted((darker.sum(), lighter.sum()))
    if fewer > 0.02 * more:
        return None  # ink lies on one side of the paper's value, grain on both
    side = darker[::-1] if darker.sum() > lighter.sum() else lighter
    contrast = int(np.flatnonzero(side).max(initial=0))
    if side[contrast // 2 :].sum() > 2 / 3:
        return None
    weak = side[: contrast // 4].sum()  # edges of strokes have few weak pixels, shadows many
    if min(levels.shape) <= SMALL or weak <= 0.01 + 2 / min(levels.shape):
        return ground / 255
    return ground / 255 if _is_all_edges(np.abs(levels.astype(np.int16) - ground), contrast) else None


def _is_all_edges(rise: Int[np.ndarray, "h w"], contrast: int) -> bool:
    """Whether values between paper and ink lie only along the ink, as the soft edges of an enlarged drawing
    do, and shadows do not."""
    ink = rise > contrast / 2
    far = ndimage.distance_transform_edt(~ink) > max(3.0, SOFTEST * stroke_width(ink))
    return bool((far & (rise > 2)).mean() < 0.01)


def without_print(ink: Grey, picture: tuple[int, ...]) -> Grey:
    """The ink without a frame, squares or rules that a program drew under it.

    `ink` is the part of a picture of shape `picture` that holds all of its ink. Printed lines are thin,
    straight and span all of the ink: at least two in each direction; or at least three in one direction
    through the whole picture, unless they begin and end with it, as in a display's digit cropped to its ink.
    Strokes that cross them are repaired. Where next to nothing remains, the lines were the drawing and stay.
    """
    mask = ink > TRACE
    part = extent(mask)
    whole = mask[part]
    across, down = _spanning(whole), _spanning(whole.T)
    framed = min(len(across), len(down)) > 1
    if not (
        framed or _are_rules(across, whole.shape[1], picture) or _are_rules(down, len(whole), picture[::-1])
    ):
        return ink
    rest = ink.copy()
    _repair(rest[part], across)
    _repair(rest[part].T, down)
    left = rest > TRACE
    size = max(side.stop - side.start for side in extent(left)) if left.any() else 0
    return rest if size > LEFT * max(whole.shape) else ink


def without_specks(ink: Grey) -> Grey:
    """The ink without specks: pieces tiny beside the largest, as stray dots and dotted paper.

    Skipped unless some row or column within the ink is empty.
    """
    mask = ink > TRACE
    if not (_has_gap(mask) or _has_gap(mask.T)):
        return ink
    labels, sizes = _pieces(mask)
    specks = sizes < SPECK * sizes.max()
    specks[0] = False
    return np.where(specks[labels], np.float32(0), ink)


def _has_gap(mask: Mask) -> bool:
    """Whether an empty row lies between two rows with ink."""
    where = np.flatnonzero(mask.any(1))
    return bool(where[-1] - where[0] >= len(where))


def _are_rules(lines: list[slice], width: int, picture: tuple[int, ...]) -> bool:
    """Whether lines as wide as all of the ink are rules of ruled paper."""
    if len(lines) < 3 or width < picture[1]:
        return False
    return not (lines[0].start == 0 and lines[-1].stop == picture[0])  # a digit cropped to its ink


def _spanning(mask: Mask) -> list[slice]:
    """Thin runs of rows that are ink over (nearly) the full width."""
    full = np.concatenate([[False], np.count_nonzero(mask, 1) > SPAN * mask.shape[1], [False]])
    begins, ends = np.flatnonzero(full[1:] & ~full[:-1]), np.flatnonzero(full[:-1] & ~full[1:])
    thin = max(2, THIN * min(mask.shape))
    return [slice(int(a), int(b)) for a, b in zip(begins, ends, strict=True) if b - a <= thin]


def _repair(ink: Grey, lines: list[slice]) -> None:
    """Fill the rows of lines, in place, with what both of their neighbours share."""
    for line in lines:
        above, below = line.start - 1, line.stop
        inside = above >= 0 and below < len(ink)
        ink[line] = np.minimum(ink[above], ink[below]) if inside else 0


def ink_on_uneven_paper(grey: Grey) -> Grey:
    """Amount of ink per pixel, 0 to 1, without shading, grain, specks and ruled lines."""
    rise = grey - uneven_ground(grey)
    light = (rise * rise * rise).sum() > 0  # cubed: ink stands out far, grain a little both ways
    ink = rise if light else -rise / np.maximum(grey - rise, 0.1)  # dark ink absorbs a fraction of the light
    smooth = ndimage.gaussian_filter(ink, max(0.7, max(ink.shape) / 700))
    noise = 1.4826 * np.median(np.abs(smooth - np.median(smooth)))
    peak = smooth.max()
    if peak < max(FAINTEST, 6 * noise):
        return np.zeros_like(ink)
    mask = one_drawing(without_ruled_lines(smooth > max(0.35 * peak, 4 * noise)))
    full = np.percentile(smooth[mask], 70)
    near = ndimage.binary_dilation(mask, iterations=2)
    return np.where(near, np.clip(smooth / full, 0, 1), 0).astype(np.float32)


def uneven_ground(grey: Grey) -> Grey:
    """Brightness of the paper: a wide median, corrected twice by the mean of the pixels close to it.

    Where the paper ends (the median jumps) it equals the picture, so that nothing stands out there.
    """
    factor = min(1.0, GROUND / max(grey.shape))
    height, width = (
        max(2, round(side * factor)) for side in grey.shape
    )  # at least 2, so that a strip has a gradient
    small = stretched(grey, (height, width), Image.Resampling.BOX)
    median = ndimage.median_filter(small, size=min(small.shape) // 4 * 2 + 1, mode="nearest")
    ground, wide = median, max(small.shape) / 16
    for _ in range(2):
        rise = small - ground
        paper = ~ndimage.binary_dilation(np.abs(rise) > max(4.5 * np.median(np.abs(rise)), 0.04))
        weight = ndimage.gaussian_filter(paper.astype(np.float32), wide)
        ground = ground + ndimage.gaussian_filter(rise * paper, wide) / np.maximum(weight, 0.01)
    edge = ndimage.maximum_filter(np.hypot(*np.gradient(median)) > STEP, 5)
    return np.where(stretched(edge, grey.shape) > 0.5, grey, stretched(ground, grey.shape))


def without_ruled_lines(mask: Mask) -> Mask:
    """The mask without thin lines through most of the picture, across or down.

    Strokes that cross them are repaired. A line may slope by a fiftieth. Where nothing else remains, the line
    was the drawing and stays.
    """
    return _without_lines_across(_without_lines_across(mask).T).T


def _without_lines_across(mask: Mask) -> Mask:
    width = mask.shape[1]
    run = max(1, width // 5)
    slack = 2 * max(1, width // 200) + 1  # pixels: a sloping line stays within it for the length of a run
    runs = ndimage.minimum_filter1d(ndimage.maximum_filter1d(mask, slack, axis=0), run, axis=1)
    labels, count = ndimage.label(ndimage.maximum_filter1d(runs, run, axis=1))
    length = np.array([1] + [columns.stop - columns.start for _, columns in ndimage.find_objects(labels)])
    thickness = np.bincount(labels[mask], minlength=count + 1) / length
    is_line = (length > 0.8 * width) & (thickness < max(3, width / 50))
    lines = is_line[labels]
    rest = mask & ~lines
    if not lines.any() or not rest.any():
        return mask
    gap = 2 * slack + 1
    repaired = ndimage.minimum_filter1d(ndimage.maximum_filter1d(rest, gap, axis=0), gap, axis=0)
    return rest | (repaired & mask)


def one_drawing(mask: Mask) -> Mask:
    """The largest piece of ink and others that are no specks beside it, without clutter at the border."""
    labels, sizes = _pieces(mask)
    boxes = ndimage.find_objects(labels)
    longer = np.array([0] + [max(r.stop - r.start, c.stop - c.start) for r, c in boxes])
    inner = np.where(longer > max(mask.shape) / 40, sizes, 0)
    inner[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = 0
    sizes = inner if inner.max() > 0.01 * sizes.max() else sizes
    return (sizes > SPECK * sizes.max())[labels]


def _pieces(mask: Mask) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, " pieces"]]:
    """The connected piece of each pixel, from 1 (0: none), and the number of pixels of each piece."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels, sizes


# --------------------------------------------------------------------------------------------------- placing


def place(ink: Grey, height: int, width: int) -> Scaled:
    """The ink scaled into the box, its aspect kept and its centre of mass moved to the centre."""
    picture = np.zeros((height, width), np.float32)
    box = round(BOX * min(height, width))
    if not ink.any():
        return picture
    crop = ink[extent(ink > 0)]
    scaled = crop if fills(crop, box) else into_box(ink[extent(ink > TRACE)], box)
    mass = np.rint(ndimage.center_of_mass(scaled)).astype(int)
    room = np.subtract((height, width), scaled.shape)
    top, left = np.clip(np.array((height // 2, width // 2)) - mass, 0, room)
    picture[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return picture


def into_box(ink: Grey, box: int) -> Scaled:
    """Cropped ink scaled to a longer side of `box` pixels, strokes sharp and no thinner than MNIST's; smaller
    where strokes would be thicker than MNIST's."""
    factor = FINE * box / max(ink.shape)
    fine = resized(np.pad(ink, 1), factor)
    fine = np.clip(fine + SHARPEN * (fine - blurred(fine, 0.6 * factor)), 0, 1)
    if 0 < fine.max() < 0.3:  # a hairline on a large canvas, averaged down to next to nothing
        fine = fine / fine.max()
    peak = blurred(ndimage.maximum_filter(fine, 5 * FINE), 1.5 * FINE)
    strokes = np.clip((fine / np.maximum(peak, 0.3) - EDGE) / SOFT + 0.5, 0, 1)
    pen = stroke_width(strokes > 0.5) / FINE
    missing = (THINNEST - pen) * FINE
    if missing > 0:
        strokes = thickened(np.pad(strokes, 2 * FINE), missing / 2)
    strokes = strokes[extent(strokes > 0.3)]
    longer = round(box * np.clip(THICKEST * box / max(pen, 1), SHRUNK, 1))
    height, width = (max(1, round(side * longer / max(strokes.shape))) for side in strokes.shape)
    return stretched(strokes, (height, width), Image.Resampling.BOX)


def thickened(strokes: Grey, by: float) -> Grey:
    """Strokes grown by `by` pixels on all sides, with a soft edge.

    Uses the Euclidean distance to ink, computed only that far: squared, it mostly fits in a byte.
    """
    reach = int(by) + 1
    far = (reach + 1) ** 2
    narrow = np.min_scalar_type(far + reach**2).type  # of the largest sum: a byte for up to 9 pixels
    apart = np.where(strokes < 0.5, narrow(far), narrow(0))
    apart = _least(_least(apart, reach).T, reach).T
    covered = np.clip(by + 1 - np.sqrt(np.arange(far + 1)), 0, 1).astype(np.float32)
    return np.maximum(covered.take(apart), strokes)


def _least(squares: UInt[np.ndarray, "h w"], reach: int) -> UInt[np.ndarray, "h w"]:
    """For each pixel the minimum over its column, within `reach` pixels, of value plus squared distance."""
    squares = np.ascontiguousarray(squares)
    least = squares.copy()
    for step in range(1, reach + 1):
        further = squares + squares.dtype.type(step * step)
        np.minimum(least[step:], further[:-step], out=least[step:])
        np.minimum(least[:-step], further[step:], out=least[:-step])
    return least


def blurred(grey: Grey, sigma: float) -> Grey:
    """The picture after a Gaussian filter, mirrored at the border: two matrix products, on the fine grid five
    times faster than a kernel along every row."""
    down, across = (_gaussian(side, round(sigma, 4)) for side in grey.shape)
    return down @ grey @ across.T


@lru_cache(8)
def _gaussian(size: int, sigma: float) -> Float[np.ndarray, "n n"]:
    """A matrix whose row i holds the weights of the mean around position i, mirrored at the ends."""
    kernel = np.exp(-((np.arange(2 * size, dtype=np.float32) / np.float32(sigma)) ** 2) / 2)
    kernel[int(4 * sigma + 0.5) + 1 :] = 0  # the reach of SciPy's filter
    apart = sliding_window_view(np.concatenate([kernel[:0:-1], kernel]), size)  # row 2 size - 1: 0, 1, 2 ...
    weight = apart[2 * size - 1 : size - 1 : -1] + apart[2 * size :] + apart[:size]
    return weight / weight.sum(1, keepdims=True)


def stroke_width(strokes: Mask) -> float:
    """Mean stroke width in pixels: twice the area over the outline (Crofton's estimate, four directions)."""
    m = np.pad(strokes, 1)
    straight = np.count_nonzero(m[1:] != m[:-1]) + np.count_nonzero(m[:, 1:] != m[:, :-1])
    slanted = np.count_nonzero(m[1:, 1:] != m[:-1, :-1]) + np.count_nonzero(m[1:, :-1] != m[:-1, 1:])
    outline = np.pi / 8 * (straight + slanted / np.sqrt(2))
    return 2 * np.count_nonzero(strokes) / max(outline, 1)


def extent(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns of the bounding box of the true pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def resized(grey: Grey, factor: float) -> Scaled:
    """The picture scaled by a factor: box-averaged when shrinking, bicubic when growing."""
    height, width = (max(1, round(side * factor)) for side in grey.shape)
    method = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    return stretched(grey, (height, width), method)


def stretched(
    grey: Grey | Mask, shape: tuple[int, ...], method: Image.Resampling = Image.Resampling.BILINEAR
) -> Scaled:
    """The picture resampled to a shape, of any aspect."""
    picture = Image.fromarray(np.ascontiguousarray(grey, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), method))
