"""Read ready-made arrays as tables, detecting the shape of pictures, their range (1 or 255) and the dtype to
store.

Arrays may be memory-mapped and large: they are read and converted in chunks, never wholly in memory as
float64. `Table.summary` says what was detected.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from seesay.data.dataset import MISSING
from seesay.data.ragged import ContentTable, Ragged, distinct
from seesay.errors import InputError
from seesay.formats.rows import Table
from seesay.spec import DEFAULT_NAMES, MatrixSpec, Modality, PictureSpec, VectorSpec

Parts = Mapping[str, np.ndarray]
"""The arrays of one modality, such as train and test, by file name; they are concatenated."""

CHUNK = 4_096
"""Rows converted at a time: 26 MB of pictures of 28x28 in float64."""

FRAMES, COLUMNS = 39, 13
"""Layout of a flat row of the written and spoken digits database, frame by frame (Zenodo record 4452953)."""

WHOLE = 1e-4
"""Tolerance for a grey value in 0 to 255 to count as an integer: float32 rounds 255 * (k / 255) by up to
3e-5."""

DARK = 0.02
"""Mean grey, out of 1, of the border below which pictures count as MNIST-like; MNIST has at most 0.0001."""


def image_table(parts: Parts, reader: Literal["auto", "ink"] = "auto") -> Table:
    """A table of pictures: flat (n, h*h), (n, h, w), (n, c, h, w) or (n, h, w, c) with c of 1, 3 or 4, in 0
    to 1 or in 0 to 255, or floats around 0.

    Stored as uint8 where every value is a 255th, else as float16 in 0 to 1, with an error of at most 0.00025.
    A fourth channel is opacity: pictures are put on white, or it is dropped if all is opaque. Standardised
    pictures, floats whose mean is about 0, are unchanged. `reader`: as in PictureSpec, for pictures of 28x28
    grey pixels; `auto` detects it. Other shapes or ranges, NaN, no rows: InputError.
    """
    shapes = {file: picture_shape(file, array) for file, array in parts.items()}
    shape = _agreed(shapes)
    top = _top(parts, standardised=reader == "auto" and shape[0] != 4)
    chunks, opacity = [_as_pictures(array, shape) for array in parts.values()], ""
    if top is None:
        return _standardised(parts, chunks, shape)
    if shape[0] == 4:
        opaque = all(bool((chunk[:, 3] == top).all()) for part in chunks for chunk in part())
        opacity = ", all opaque: opacity dropped" if opaque else ", put on white"
        chunks = [_without_opacity(part, top) for part in chunks]
        shape = (3, *shape[1:])
    exact = all(_whole(chunk, top) for part in chunks for chunk in part())
    contents = np.concatenate([_grey(chunk, top, exact) for part in chunks for chunk in part()])
    kept, pointers = distinct(contents)
    channels, height, width = shape
    spec = PictureSpec(_reader(kept, reader), channels, height, width)
    made = "uint8 (exact)" if exact else "float16 (rounded)"
    why = "as ink, like MNIST" if spec.reader == "ink" else "made in an unknown way"
    return Table(
        spec,
        kept,
        pointers,
        f"{_described(parts)} in 0 to {top}, read as {_size(shape)} {made}{opacity}, {why}; "
        f"{len(kept)} distinct",
    )


def picture_top(file: str, array: np.ndarray) -> int | None:
    """The value of white in these pictures, 1 or 255; None: they are standardised. InputError as in
    `image_table`."""
    return _top({file: array}, standardised=picture_shape(file, array)[0] != 4)


def pictures_like(
    file: str, array: np.ndarray, spec: PictureSpec, top: float | None
) -> Float[np.ndarray, "n c h w"]:
    """New pictures as contents like those that `image_table` made with this spec, `top` being their white
    (`picture_top`). Each is read by itself, whatever the others hold. Another shape or range: InputError."""
    shape = picture_shape(file, array)
    chunks = _as_pictures(array, shape)
    if top is not None and shape[0] == 4:
        chunks, shape = _without_opacity(chunks, top), (3, *shape[1:])
    if shape != spec.shape:
        raise InputError(
            f"{file}: expected pictures of {spec.shape}, got {shape}", "Bring them to that size."
        )
    pictures = np.concatenate([chunk.astype(np.float32) for chunk in chunks()])
    _check_finite(file, 0, pictures)
    if top is None:
        return pictures
    low, high = float(pictures.min()), float(pictures.max())
    if low < 0 or high > top:
        problem = f"{file}: pictures must lie in 0 to {top:g}, as in training, got {low:g} to {high:g}"
        raise InputError(problem, "Scale them the same way.")
    return pictures / np.float32(top)


def _standardised(
    parts: Parts, chunks: Sequence[Callable[[], Iterator[np.ndarray]]], shape: tuple[int, ...]
) -> Table:
    """The table of standardised pictures, values unchanged: float16 if exact, else float32."""
    contents = np.concatenate([chunk for part in chunks for chunk in part()])
    kept, pointers = distinct(contents.astype(np.float16) if _fits_float16(contents) else contents)
    channels, height, width = shape
    made = (
        f"{_described(parts)} from {contents.min():.3g} to {contents.max():.3g}, mean {contents.mean():.2g}"
    )
    return Table(
        PictureSpec(None, channels, height, width, standardised=True),
        kept,
        pointers,
        f"{made}, read as {_size(shape)} standardised pictures, kept as {kept.dtype}, made in an unknown "
        f"way; {len(kept)} distinct",
        notes=(
            "Pictures are standardised arrays, used unchanged: a model trained on them takes arrays "
            "standardised the same way, no picture files.",
        ),
    )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[2]}" + (" RGB" if shape[0] == 3 else "")


def _without_opacity(
    chunks: Callable[[], Iterator[np.ndarray]], top: float
) -> Callable[[], Iterator[np.ndarray]]:
    """The pictures blended on white by their fourth channel; integers stay integers."""

    def blended() -> Iterator[np.ndarray]:
        for chunk in chunks():
            opacity = chunk[:, 3:].astype(np.float32) / np.float32(top)
            colour = chunk[:, :3] * opacity + np.float32(top) * (1 - opacity)
            yield np.rint(colour).astype(np.uint8) if chunk.dtype == np.uint8 else colour

    return blended


def audio_table(parts: Parts) -> Table:
    """A table of ready-made features: (n, frames, columns), or flat (n, 507), 39 frames of 13 columns.

    Stored as float16 if exact, else float32. Other shapes, NaN, infinities, no rows: InputError.
    """
    frames, columns = _agreed({file: feature_shape(file, array) for file, array in parts.items()})
    blocks, exact = [], True
    for file, array in parts.items():
        for start, chunk in _chunks(array):
            blocks.append(_features(file, start, chunk).reshape(-1, frames, columns))
            exact = exact and _fits_float16(chunk)
    contents = np.concatenate(blocks)
    del blocks
    kept, pointers = distinct(contents.astype(np.float16) if exact else contents)
    spec = MatrixSpec(frames, columns)
    return Table(
        spec,
        kept,
        pointers,
        f"{_described(parts)}, read as ready-made features of {frames} frames and {columns} columns, "
        f"{kept.dtype}; {len(kept)} distinct; made in an unknown way",
    )


def vector_table(parts: Parts) -> Table:
    """A table of ready-made vectors (n, size) of any range, stored as float16 if exact, else float32. NaN,
    infinities, no rows: InputError."""
    (size,) = _agreed({file: _vector_shape(file, array) for file, array in parts.items()})
    blocks = [
        _features(file, start, chunk) for file, array in parts.items() for start, chunk in _chunks(array)
    ]
    exact = all(_fits_float16(block) for block in blocks)
    contents = np.concatenate(blocks)
    kept, pointers = distinct(contents.astype(np.float16) if exact else contents)
    summary = f"{_described(parts)}, read as vectors of {size} numbers, {kept.dtype}; {len(kept)} distinct"
    return Table(VectorSpec(size), kept, pointers, summary)


def ready_made_table(parts: Parts) -> Table:
    """A table of vectors (n, size), matrices (n, frames, columns) or pictures (n, channels, height, width),
    by the number of dimensions. Other shapes, or values these tables refuse: InputError."""
    dimensions = {array.ndim for array in parts.values()}
    if dimensions == {2}:
        return vector_table(parts)
    return image_table(parts) if dimensions == {4} else audio_table(parts)


def without_absent(parts: Parts, reader: Callable[[Parts], Table]) -> Table:
    """The table that `reader` makes of the rows that are not missing; a row of only NaN is missing. All rows
    missing: InputError."""
    missing_of = {file: _absent(array) for file, array in parts.items()}
    missing = np.concatenate(list(missing_of.values()))
    if not missing.any():
        return reader(parts)
    if missing.all():
        raise InputError(f"{_described(parts)}: every row is NaN, so missing", "Remove the array.")
    table = reader({file: array[~missing_of[file]] for file, array in parts.items()})
    pointers = np.full(len(missing), MISSING, table.pointers.dtype)
    pointers[~missing] = table.pointers
    return replace(
        table, pointers=pointers, summary=f"{table.summary}; {missing.sum():,} rows of NaN are missing"
    )


def _absent(array: np.ndarray) -> np.ndarray:
    """(rows,) bool: whether all numbers of a row are NaN."""
    if array.dtype.kind != "f" or array.ndim < 2 or not array.size:
        return np.zeros(len(array), bool)
    absent = np.isnan(array.reshape(len(array), -1)[:, 0])
    absent[absent] = np.isnan(array[absent]).all(axis=tuple(range(1, array.ndim)))
    return absent


def array_table(parts: Parts, modality: Modality) -> Table:
    """The table of a modality: pictures for `image`, features for `audio`, others by their dimensions.
    Unusable arrays: InputError."""
    tables = {"picture": image_table, "waveform": audio_table}
    kinds = {DEFAULT_NAMES[kind]: table for kind, table in tables.items()}
    return kinds.get(modality, ready_made_table)(parts)


# ----------------------------------------------------------------------------------------------------- shapes


def picture_shape(file: str, array: np.ndarray) -> tuple[int, int, int]:
    """(channels, height, width) of the pictures in `array`."""
    _check_numbers(file, array)
    match array.shape[1:]:
        case (pixels,) if math.isqrt(pixels) ** 2 == pixels > 0:
            return (1, math.isqrt(pixels), math.isqrt(pixels))
        case (height, width) if height and width:
            return (1, height, width)
        case (1 | 3 | 4 as channels, height, width) if height and width:
            return (channels, height, width)
        case (height, width, 1 | 3 | 4 as channels) if height and width:
            return (channels, height, width)
    raise InputError(
        f"{file}: expected pictures as (n, 784), (n, 28, 28), (n, 1, 28, 28) or (n, 28, 28, 1), "
        f"or of another size, grey, RGB or RGBA, got {array.shape}",
        "Check the number of columns.",
    )


def feature_shape(file: str, array: np.ndarray) -> tuple[int, int]:
    """(frames, columns) of the features in `array`."""
    _check_numbers(file, array)
    if array.shape[1:] == (FRAMES * COLUMNS,):
        return (FRAMES, COLUMNS)
    if array.ndim == 3 and min(array.shape) > 0:
        return (array.shape[1], array.shape[2])
    waves = array.ndim == 2 and array.shape[1] > FRAMES * COLUMNS
    raise InputError(
        f"{file}: expected features as (n, {FRAMES * COLUMNS}) or (n, frames, columns), got {array.shape}",
        "If they are waveforms, add an array `rate`: samples a second."
        if waves
        else "Check the number of columns.",
    )


def _vector_shape(file: str, array: np.ndarray) -> tuple[int]:
    _check_numbers(file, array)
    return (array.shape[1],)


def _check_numbers(file: str, array: np.ndarray) -> None:
    if array.dtype.kind not in "biuf":
        raise InputError(f"{file}: expected numbers, got {array.dtype}", "Save a numeric array.")
    if array.ndim < 2 or not len(array):
        raise InputError(f"{file}: expected rows of numbers, got {array.shape}", "Check the file.")


def _agreed(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    (first, shape), *others = shapes.items()
    for file, other in others:
        if other != shape:
            raise InputError(
                f"{file} holds {other} per row, {first} holds {shape}", "Give all the same shape."
            )
    return shape


def _described(parts: Parts) -> str:
    return " and ".join(f"{array.shape} {array.dtype}" for array in parts.values())


# ----------------------------------------------------------------------------------------------------- values


def _chunks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(array), CHUNK):
        yield start, array[start : start + CHUNK]


def _check_finite(file: str, start: int, chunk: np.ndarray) -> None:
    flat = chunk.reshape(len(chunk), -1)
    if not np.isfinite(flat).all():
        bad = np.flatnonzero(~np.isfinite(flat).all(axis=1))
        raise InputError(
            f"{file}: row {start + bad[0] + 1} holds NaN or an infinity", "Fix or remove such rows."
        )


def _top(parts: Parts, standardised: bool) -> int | None:
    """The top of the range, 1 or 255. None: floats around 0, if `standardised` allows them."""
    low, high, around = math.inf, -math.inf, []
    for file, array in parts.items():
        least, most, total, squares = math.inf, -math.inf, 0.0, 0.0
        for start, chunk in _chunks(array):
            _check_finite(file, start, chunk)
            least, most = min(least, float(chunk.min())), max(most, float(chunk.max()))
            total += float(chunk.sum(dtype=np.float64))
            squares += float(np.square(chunk, dtype=np.float64).sum())
        mean = total / array.size
        around.append(array.dtype.kind == "f" and least < 0 < most and 2 * mean**2 < squares / array.size)
        low, high = min(low, least), max(high, most)
    if standardised and all(around):
        return None
    if low < 0 or high > 255:
        raise InputError(
            f"{' and '.join(parts)}: pictures must lie in 0 to 1 or in 0 to 255, got {low:g} to {high:g}",
            "Rescale them, or standardise them all: floats whose mean is 0."
            if standardised
            else "Rescale them.",
        )
    return 1 if high <= 1 else 255


def _as_pictures(array: np.ndarray, shape: tuple[int, ...]) -> Callable[[], Iterator[np.ndarray]]:
    """A function that yields `array` in chunks of float32 or uint8 (n, c, h, w)."""
    channels_last = array.ndim == 4 and array.shape[1:] != shape

    def chunks() -> Iterator[np.ndarray]:
        for _, chunk in _chunks(array):
            values = chunk if chunk.dtype == np.uint8 else chunk.astype(np.float32)
            yield np.moveaxis(values, -1, 1) if channels_last else values.reshape(-1, *shape)

    return chunks


def _whole(chunk: np.ndarray, top: int) -> bool:
    """Whether every value is an integer when scaled to 0 to 255."""
    if chunk.dtype == np.uint8:
        return True
    values = chunk * np.float32(255 / top)
    return bool(np.abs(values - np.rint(values)).max() <= WHOLE)


def _grey(chunk: np.ndarray, top: int, exact: bool) -> np.ndarray:
    """The pictures as uint8 in 0 to 255 if `exact`, else float16 in 0 to 1."""
    if exact and chunk.dtype == np.uint8:
        return chunk * np.uint8(255 // top)
    if exact:
        return np.rint(chunk * np.float32(255 / top)).astype(np.uint8)
    return (chunk / np.float32(top)).astype(np.float16)


def _features(file: str, start: int, chunk: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
        values = chunk.astype(np.float32)
    _check_finite(file, start, values)
    return values


def _fits_float16(chunk: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return bool((chunk.astype(np.float16) == chunk).all())


def _reader(contents: ContentTable, reader: Literal["auto", "ink"]) -> Literal["ink"] | None:
    """`ink` for grey 28x28 pictures with a dark border, or if given as `ink`; else None."""
    if isinstance(contents, Ragged) or contents.shape[1:] != (1, 28, 28):
        return None
    if reader == "ink":
        return "ink"
    full = 255 if contents.dtype == np.uint8 else 1
    pictures = contents[:: len(contents) // 1_000 + 1, 0].astype(np.float32) / full
    border = np.ones((28, 28), bool)
    border[1:-1, 1:-1] = False
    dark, drawn = pictures[:, border].mean() < DARK, pictures[:, ~border].mean() > DARK
    return "ink" if dark and drawn else None
