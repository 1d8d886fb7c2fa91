"""Whatever holds a picture, the same drawing comes out as the same picture, or one line says why not."""

import contextlib
import dataclasses
import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from seesay.errors import InputError
from seesay.signal.front_ends import Fit, UnitRange
from seesay.signal.image import Facts, as_content, facts_of, read_image
from seesay.spec import PictureSpec

Reader = Literal["ink", "photo"]
How = Literal["pad", "crop", "stretch"]

INK = PictureSpec()
PHOTO = PictureSpec(reader="photo", channels=3, height=32, width=48)
READY_MADE = PictureSpec(reader=None)


def seven(side: int = 200, ground: int = 255, ink: int = 0) -> np.ndarray:
    """A 7 off the centre of a canvas, uint8 (side, side)."""
    picture = Image.new("L", (side * 4, side * 4), ground)
    points = [(side * 4 * x, side * 4 * y) for x, y in ((0.2, 0.15), (0.6, 0.18), (0.35, 0.7))]
    ImageDraw.Draw(picture).line(points, ink, width=side // 4, joint="curve")
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def encoded(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(file, kind, **options)
    return file.getvalue()


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


BASE = read_image(seven(), INK)


# -------------------------------------------------------------------------------------- what comes in


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "PPM", "ICO", "JPEG2000"])
def test_every_file_format_reads_the_same(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"sizes": [(200, 200)]} if kind == "ICO" else {}
    assert difference(read_image(encoded(seven(), kind, **options), INK), BASE) < 0.01


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
)
def test_every_mode_of_pillow_reads_the_same(mode: str) -> None:
    """A bilevel drawing has lost its soft edges."""
    grey = Image.fromarray(seven())
    picture = grey.convert("RGB").convert(mode) if mode == "HSV" else grey.convert(mode)
    assert difference(read_image(picture, INK), BASE) < 0.01


def test_a_path_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(encoded(seven()))
    for source in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(read_image(source, INK), BASE)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64)
    spec = PictureSpec(reader="photo", height=64, width=64)
    for source in (encoded(ramp), ramp, encoded(Image.fromarray(ramp), "TIFF")):
        np.testing.assert_allclose(read_image(source, spec)[0], ramp / 65_535, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (seven() > 127, "bool"),
        (seven().astype(np.uint16) * 257, "16 bits"),
        (seven() / 255, "float 0-1"),
        (seven().astype(np.float32), "float 0-255"),
        (seven().astype(np.int64), "whole numbers 0-255"),
        (seven()[None], "(1, h, w)"),
        (seven()[..., None], "(h, w, 1)"),
        (np.repeat(seven()[None], 3, 0), "(3, h, w)"),
        (np.repeat(seven()[..., None], 3, 2) / 255, "(h, w, 3)"),
        (np.dstack([seven()] * 3 + [np.full((200, 200), 255, np.uint8)]), "(h, w, 4)"),
        (seven()[::-1][::-1], "a view"),
    ],
)
def test_every_kind_of_array_reads_the_same(array: np.ndarray, why: str) -> None:
    assert difference(read_image(array, INK), BASE) < 0.01, why


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter before it is looked at
    lying = encoded(np.rot90(seven()), "JPEG", exif=exif, quality=95)
    assert difference(read_image(lying, INK), BASE) < 0.01


def test_of_an_animation_the_first_frame_is_read() -> None:
    first, second = Image.fromarray(seven()), Image.fromarray(seven()[::-1])
    moving = encoded(first, "GIF", save_all=True, append_images=[second])
    assert difference(read_image(moving, INK), BASE) < 0.01


@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_transparent_ground_is_read_whatever_its_colour(ink: int) -> None:
    drawing = np.full((200, 200, 4), ink, np.uint8)
    drawing[..., 3] = 255 - seven()
    assert difference(read_image(encoded(drawing), INK), BASE) < 0.001
    drawing[drawing[..., 3] == 0] = 0  # as browsers leave what was never drawn on
    assert difference(read_image(drawing, INK), BASE) < 0.001


def test_paper_with_transparent_corners_stays_paper() -> None:
    card = np.dstack([seven()] * 3 + [np.full((200, 200), 255, np.uint8)])
    card[:20, :20] = card[-20:, -20:] = 0
    assert difference(read_image(card, INK), BASE) < 0.001


@pytest.mark.parametrize(
    ("ink", "paper"), [((255, 0, 0), (0, 130, 0)), ((0, 130, 0), (255, 0, 0)), ((0, 0, 255), (97, 0, 0))]
)
def test_ink_as_light_as_its_paper_is_seen_by_its_colour(
    ink: tuple[int, ...], paper: tuple[int, ...]
) -> None:
    share = seven()[..., None] / 255
    drawing = np.rint(share * paper + (1 - share) * ink).astype(np.uint8)
    assert difference(read_image(drawing, INK), BASE) < 0.005


def test_a_palette_with_a_transparent_colour_is_read() -> None:
    indexed = Image.fromarray(np.where(seven() < 128, 1, 0).astype(np.uint8), "P")
    indexed.putpalette([0, 0, 0, 0, 0, 0])  # black ink, and a ground that is black but not there
    assert difference(read_image(encoded(indexed, transparency=0), INK), BASE) < 0.02


def test_the_picture_of_the_caller_is_left_as_it_was() -> None:
    picture = Image.open(io.BytesIO(encoded(np.repeat(seven(3000)[..., None], 3, 2), "JPEG")))
    read_image(picture, INK)
    assert (picture.size, picture.mode) == ((3000, 3000), "RGB")


# ------------------------------------------------------------------------------------- what comes out


@given(
    st.integers(2, 40),
    st.integers(2, 40),
    st.sampled_from([1, 3]),
    st.sampled_from(["ink", "photo"]),
    st.integers(0),
)
@settings(max_examples=60)
def test_any_picture_gives_the_shape_of_the_spec_between_0_and_1(
    height: int, width: int, channels: int, reader: Reader, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 256, (height, width, channels), dtype=np.uint8) // rng.integers(
        1, 256, dtype=np.uint8
    )
    spec = PictureSpec(
        reader=reader, channels=channels, height=int(rng.integers(8, 40)), width=int(rng.integers(8, 40))
    )
    picture = read_image(array, spec)
    assert picture.shape == (spec.shape if reader == "ink" else (channels, height, width))
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1


def mnist(folder: Path, name: str) -> np.ndarray:
    data = gzip.decompress((folder / "mnist" / f"{name}-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(data, np.uint8, offset=16).reshape(-1, 28, 28)


def test_mnist_passes_through_bit_for_bit(shared_data: Path) -> None:
    """Of 70,000, every 30th here; all of them when the reader was written. From PNG and inverted too."""
    pictures = np.concatenate([mnist(shared_data, "train")[::30], mnist(shared_data, "t10k")[::10]])
    for picture in pictures:
        np.testing.assert_array_equal(
            read_image(picture, INK)[0], picture.astype(np.float32) / np.float32(255)
        )
    for picture in pictures[:200]:
        np.testing.assert_array_equal(as_content(read_image(encoded(picture), INK))[0], picture)
        np.testing.assert_array_equal(as_content(read_image(255 - picture, INK))[0], picture)
        np.testing.assert_array_equal(as_content(read_image(picture / 255, INK))[0], picture)


def test_three_channels_repeat_the_ink() -> None:
    picture = read_image(seven(), PictureSpec(channels=3))
    for channel in picture:
        np.testing.assert_array_equal(channel, BASE[0])


THIRDS = np.repeat(np.eye(3, dtype=np.uint8) * 255, 100, axis=0)[None].repeat(100, 0)
"""Red left, green middle, blue right; three times as wide as high."""


def fitted(source: bytes | np.ndarray, height: int, width: int, how: How, channels: int = 3) -> np.ndarray:
    """What a model is given of a photo, 0 to 1."""
    content = as_content(read_image(source, PictureSpec("photo", channels)))
    return UnitRange()(Fit(height, width, how)(torch.from_numpy(content)[None]))[0].numpy()


def test_a_photo_is_fitted_and_cropped_in_the_middle() -> None:
    for source in (encoded(THIRDS), np.rot90(THIRDS)):
        picture = fitted(source, 20, 20, "crop")
        np.testing.assert_allclose(picture.mean((1, 2)), [0, 1, 0], atol=0.05)


def test_a_photo_is_averaged_when_it_shrinks() -> None:
    """A chessboard of single pixels becomes grey, without moire, at the door and in a model."""
    board = (np.indices((900, 900)).sum(0) % 2 * 255).astype(np.uint8)
    at_the_door = read_image(encoded(board), PictureSpec("photo", max_side=32))
    assert at_the_door.shape == (1, 32, 32)
    np.testing.assert_allclose(at_the_door, 0.5, atol=0.02)
    shrunk = Fit(32, 32, "crop")(torch.from_numpy(board)[None, None])
    np.testing.assert_allclose(UnitRange()(shrunk).numpy(), 0.5, atol=0.02)


def test_a_photo_that_is_small_enough_stays_as_it_is() -> None:
    array = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    for longest in (48, 256):
        picture = read_image(array, dataclasses.replace(PHOTO, max_side=longest))
        np.testing.assert_array_equal(as_content(picture), array.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("size", "kept"),
    [((100, 300), (21, 64)), ((300, 100), (64, 21)), ((65, 3), (64, 3)), ((999, 2), (64, 1))],
)
def test_a_larger_photo_is_made_smaller_in_its_own_shape(
    size: tuple[int, int], kept: tuple[int, int]
) -> None:
    array = np.full((*size, 3), 200, np.uint8)
    picture = read_image(encoded(array), dataclasses.replace(PHOTO, max_side=64))
    assert picture.shape == (3, *kept)
    assert np.abs(picture - 200 / 255).max() < 0.01


def test_a_photo_is_padded_with_black() -> None:
    picture = fitted(encoded(THIRDS), 20, 20, "pad")
    assert not picture[:, :6].any()
    assert not picture[:, -6:].any()
    np.testing.assert_allclose(picture[:, 8:12].mean(1)[:, [3, 10, 17]], np.eye(3), atol=0.05)


def test_a_photo_is_stretched() -> None:
    picture = fitted(encoded(THIRDS), 20, 20, "stretch")
    np.testing.assert_allclose(picture.mean(1)[:, [3, 10, 17]], np.eye(3), atol=0.05)


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(2, 90), (90, 2), (31, 17), (3000, 40)])
def test_any_shape_is_made_to_fit(fit: How, size: tuple[int, int]) -> None:
    array = np.full((*size, 3), 200, np.uint8)
    picture = fitted(encoded(array), 24, 16, fit)
    assert picture.shape == (3, 24, 16)
    assert abs(float(picture.max()) - 200 / 255) < 0.01


def test_transparent_ground_of_a_photo_is_white() -> None:
    assert read_image(np.zeros((40, 60, 4), np.uint8), PHOTO).min() == 1


def test_a_large_jpeg_reads_as_the_small_one_does() -> None:
    """Large ones are decoded at a fraction of their size. The seven's centre of mass lies between two rows:
    it may come out a row lower."""
    large = Image.fromarray(np.repeat(seven(3000)[..., None], 3, 2))
    read = read_image(encoded(large, "JPEG"), INK)
    assert min(difference(np.roll(read, rows, 1), BASE) for rows in (-1, 0)) < 0.01
    small = large.resize((200, 200), Image.Resampling.BOX)
    spec = dataclasses.replace(PHOTO, max_side=64)
    assert difference(read_image(encoded(large, "JPEG"), spec), read_image(small, spec)) < 0.01


# ------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("reader", ["ink", "photo"])
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.png", b"", "is empty"),
        ("text.png", b"not a picture at all", "not a picture"),
        ("noise.png", bytes(range(256)) * 9, "not a picture"),
        ("sliced.png", encoded(seven())[:-90], "truncated"),
        ("sliced.jpg", encoded(seven(), "JPEG")[:-500], "truncated"),
        ("sliced.gif", encoded(seven(), "GIF")[:200], "truncated"),
        ("dot.png", encoded(np.zeros((1, 1), np.uint8)), "1x1 pixels"),
        ("line.png", encoded(np.zeros((1, 28), np.uint8)), "28x1 pixels"),
    ],
)
def test_a_bad_file_is_refused_by_name(
    tmp_path: Path, reader: Reader, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=says) as refused:
        read_image(path, PictureSpec(reader=reader))
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=says):
        read_image(content, PictureSpec(reader=reader))


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.png does not exist"):
        read_image(tmp_path / "absent.png", INK)
    with pytest.raises(InputError, match=f"{tmp_path.name} is not a file"):
        read_image(str(tmp_path), INK)


def bomb(width: int, height: int) -> bytes:
    """A PNG that promises many pixels, and holds so few bytes that decoding it would fail in another way."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 10_000), (10_000, 5_001)])
@pytest.mark.parametrize("reader", ["ink", "photo"])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, size: tuple[int, int], reader: Reader
) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(*size))
    with pytest.raises(InputError, match=r"bomb\.png .*pixels") as refused:
        read_image(path, PictureSpec(reader=reader))
    assert "truncated" not in str(refused.value)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_postscript_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "page.eps"
    path.write_bytes(encoded(Image.fromarray(seven()), "EPS"))
    with pytest.raises(InputError, match="PostScript"):
        read_image(path, INK)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((0, 28)), "shape"),
        (np.zeros((28, 28, 0)), "shape"),
        (np.zeros(784), "shape"),
        (np.zeros((28, 28, 2)), "shape"),
        (np.zeros((2, 1, 28, 28)), "shape"),
        (np.zeros((1, 1)), "1x1"),
        (np.full((28, 28), np.nan), "NaN"),
        (np.full((28, 28), np.inf), "NaN or infinities"),
        (np.linspace(-1, 1, 784).reshape(28, 28), "-1 to 1"),
        (np.full((28, 28), 1e6), "1e\\+06"),
        (np.zeros((28, 28), complex), "complex"),
        (np.full((28, 28), "7"), "expected numbers"),
    ],
)
def test_a_bad_array_is_refused(array: np.ndarray, says: str) -> None:
    for reader in ("ink", "photo"):
        with pytest.raises(InputError, match=says):
            read_image(array, PictureSpec(reader=reader))


def test_a_long_thin_jpeg_is_read():
    """Scaled down by the decoder it would be less than a pixel wide."""
    file = io.BytesIO()
    pixels = np.full((42_024, 40), 255, np.uint8)
    pixels[20_000:22_000, 10:30] = 0
    Image.fromarray(pixels).save(file, "JPEG")
    assert read_image(file.getvalue(), INK).shape == INK.shape


@given(
    st.binary(min_size=1, max_size=60),
    st.integers(0, 600),
    st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF"]),
)
@settings(max_examples=150)
def test_damaged_bytes_give_a_picture_or_an_input_error(damage: bytes, place: int, kind: str) -> None:
    content = encoded(seven(40), kind)
    damaged = content[:place] + damage + content[place + len(damage) :]
    with contextlib.suppress(InputError):
        assert read_image(damaged, INK).shape == INK.shape


# -------------------------------------------------------------------------------- which value is white

SCENE = np.linspace(0, 1, 32 * 48).reshape(32, 48)
GREY = PictureSpec("photo", 1, 32, 48)
TWELVE = dataclasses.replace(GREY, white=4_095.0)


def deep(peak: float, kind: str) -> list[np.ndarray | Image.Image | bytes]:
    """The scene up to this value: as an array, a Pillow picture, and files."""
    array = (SCENE * peak).astype(np.float32 if kind == "float" else np.uint16)
    picture = Image.fromarray(array)
    if kind == "float":
        return [array, picture, encoded(picture, "TIFF")]
    whole = [picture, Image.fromarray(array.astype(np.int32)), picture.convert("I")]
    return [array, *whole, encoded(picture), encoded(picture, "TIFF"), encoded(whole[1], "TIFF")]


@pytest.mark.parametrize("spec", [GREY, TWELVE])
@pytest.mark.parametrize(("one", "other"), [(255, 256), (1_023, 1_024), (4_094, 4_095), (1, 2)])
def test_one_step_more_is_one_step_brighter(spec: PictureSpec, one: int, other: int) -> None:
    for darker, brighter in zip(deep(one, "whole"), deep(other, "whole"), strict=True):
        difference = read_image(brighter, spec) - read_image(darker, spec)
        assert 0 <= difference.max() < 0.001


@pytest.mark.parametrize(("one", "other"), [(0.5, 0.51), (0.99, 1.0), (1.0, 1.01)])
def test_floats_go_to_one_and_a_little_beyond_is_white(one: float, other: float) -> None:
    for darker, brighter in zip(deep(one, "float"), deep(other, "float"), strict=True):
        assert np.abs(read_image(brighter, GREY) - read_image(darker, GREY)).max() < 0.011


def test_white_is_that_of_the_spec_whatever_holds_the_picture() -> None:
    for source in (*deep(4_095, "whole"), *deep(4_095, "float")):
        np.testing.assert_allclose(read_image(source, TWELVE)[0], SCENE, atol=0.001)


def test_a_file_of_eight_bits_or_one_that_says_what_is_white_is_believed() -> None:
    eight = (SCENE * 255).astype(np.uint8)
    portable = b"P5 48 32 4095\n" + (SCENE * 4_095).astype(">u2").tobytes()
    for source in (eight, encoded(eight), portable):
        for spec in (GREY, TWELVE):
            np.testing.assert_allclose(read_image(source, spec)[0], SCENE, atol=0.005)


@pytest.mark.parametrize(
    ("source", "spec", "says"),
    [
        ((SCENE * 255).astype(np.float32), GREY, "0 to 255, expected 0 to 1"),
        ((SCENE * 300).astype(np.int64), GREY, "0 to 300, expected 0 to 255"),
        ((SCENE * 60_000).astype(np.uint16), TWELVE, "0 to 60000, expected 0 to 4095"),
        (
            encoded(Image.fromarray((SCENE * 1.5).astype(np.float32)), "TIFF"),
            GREY,
            "0 to 1.5, expected 0 to 1",
        ),
        (encoded(Image.fromarray((SCENE * 1e6).astype(np.int32)), "TIFF"), GREY, "expected 0 to 65535"),
    ],
)
def test_what_is_brighter_than_white_is_of_another_source(
    source: np.ndarray | bytes, spec: PictureSpec, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        read_image(source, spec)


@pytest.mark.parametrize("peak", [255, 256, 4_095, 40_000])
def test_of_ink_contrast_is_no_part(peak: int) -> None:
    ink = (seven().astype(float) / 255 * peak).astype(np.uint16)
    for source in (ink, ink.astype(np.float32), encoded(ink), encoded(Image.fromarray(ink), "TIFF")):
        assert difference(read_image(source, INK), BASE) < 0.01


def test_facts_are_found_without_reading(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encoded(np.zeros((20, 30, 3), np.uint8), "JPEG", exif=exif)
    assert facts_of(lying) == Facts(height=30, width=20)
    whole, halves = deep(4_000, "whole")[-2], deep(0.5, "float")[-1]
    assert isinstance(whole, bytes)
    assert isinstance(halves, bytes)
    (tmp_path / "a.tif").write_bytes(whole)
    assert facts_of(tmp_path / "a.tif") == Facts(32, 48, 4_000.0, whole=True)
    assert facts_of(halves) == Facts(32, 48, 0.5, whole=False)
    assert facts_of(b"P5 48 32 4095\n" + bytes(32 * 48 * 2)) == Facts(32, 48)
    for source in (b"no picture", b"", tmp_path / "absent", bomb(20_000, 20_000), encoded(seven())[:90]):
        assert facts_of(source) in (None, Facts(200, 200))


# ------------------------------------------------------------------------------ ready-made and stored


def test_a_file_is_not_guessed_into_ready_made_arrays(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(encoded(seven(28)))
    for source in (path, path.read_bytes(), Image.fromarray(seven(28))):
        with pytest.raises(InputError, match="ready-made arrays"):
            read_image(source, READY_MADE)
    with pytest.raises(InputError, match=r"seven\.png"):
        read_image(str(path), READY_MADE)


def test_ready_made_arrays_are_taken_as_they_are() -> None:
    array = np.random.default_rng(0).random((1, 28, 28), np.float32)
    np.testing.assert_array_equal(read_image(array, READY_MADE), array)
    whole = as_content(array)
    np.testing.assert_array_equal(as_content(read_image(whole, READY_MADE)), whole)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((28, 28)),
        np.zeros((1, 27, 28)),
        np.full((1, 28, 28), 7.0),
        np.full((1, 28, 28), -0.1),
        np.full((1, 28, 28), np.nan),
        np.zeros((1, 28, 28), np.int64),
    ],
)
def test_other_ready_made_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match="the picture array"):
        read_image(array, READY_MADE)


def test_what_is_stored_comes_back_through_the_front_end() -> None:
    content = as_content(BASE)
    features = UnitRange()(torch.from_numpy(content[None]))
    assert features.dtype == torch.float32
    np.testing.assert_allclose(features[0].numpy(), BASE, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(as_content(features[0].numpy()), content)


def test_the_front_end_gives_a_mnist_content_the_values_the_reader_gave() -> None:
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    np.testing.assert_array_equal(
        UnitRange()(every).numpy(), every.numpy().astype(np.float32) / np.float32(255)
    )


def test_floats_keep_their_values() -> None:
    half = torch.rand(2, 3, 4, 5).half()
    assert torch.equal(UnitRange()(half), half.float())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16])
def test_the_front_end_exports_and_computes_the_same(dtype: torch.dtype) -> None:
    contents = (torch.rand(5, 1, 28, 28) * 255).to(dtype)
    batch = torch.export.Dim("batch")
    program = torch.export.export(UnitRange(), (contents[:2],), dynamic_shapes=({0: batch},))
    assert torch.equal(program.module()(contents), UnitRange()(contents))
