"""Strokes of one pen are told from photos by what photos have: colours, texture, shades, filled shapes."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks import canvas
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn.datasets import load_digits

from seesay.formats.settings import CLEAR
from seesay.signal.looks import Look, look

Draw = Callable[[np.random.Generator], Image.Image]


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG")
    return file.getvalue()


def strokes(random: np.random.Generator, colour: tuple[int, ...] = (0, 0, 0), count: int = 2) -> Image.Image:
    """Lines from point to point on white."""
    picture = Image.new("RGB", (400, 400), "white")
    for _ in range(count):
        points = [tuple(point) for point in random.uniform(60, 340, (4, 2)).tolist()]
        ImageDraw.Draw(picture).line(points, colour, 12, joint="curve")
    return picture.resize((200, 200), Image.Resampling.BOX)


def hand(random: np.random.Generator, grey: bool = False, flat: bool = False) -> Image.Image:
    """A palm and fingers of one colour on an even ground; shaded and textured unless it is flat."""
    mask = Image.new("L", (400, 400))
    pen = ImageDraw.Draw(mask)
    pen.ellipse((130, 180, 270, 340), 255)
    for angle in random.uniform(-1.2, 1.2, 3):
        tip = (200 + 130 * np.sin(angle), 260 - 150 * np.cos(angle))
        pen.line([(200, 260), tip], 255, 28)
    pen.rectangle((160, 300, 240, 400), 255)
    inside = np.asarray(mask.resize((200, 200), Image.Resampling.BOX), float) / 255
    colour, ground = (
        np.array([0.85, 0.64, 0.5]),
        np.array([[0.95, 0.95, 0.93], [0.2, 0.5, 0.3]][random.integers(2)]),
    )
    shade = np.ones((3, 200, 200))
    if not flat:
        shade -= 0.4 * ndimage.gaussian_filter(1 - inside, 8) + random.normal(0, 0.02, (3, 200, 200))
    pixels = ground[:, None, None] * (1 - inside) + colour[:, None, None] * shade * inside
    picture = Image.fromarray(np.clip(255 * pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    return picture.convert("L") if grey else picture


def blob(random: np.random.Generator) -> Image.Image:
    """A filled shape, black on white."""
    radius = 40 + 30 * ndimage.gaussian_filter1d(random.random(90), 6, mode="wrap")
    turn = np.linspace(0, 2 * np.pi, 90)
    picture = Image.new("L", (200, 200), 255)
    points = np.stack([100 + radius * np.cos(turn), 100 + radius * np.sin(turn)], 1)
    ImageDraw.Draw(picture).polygon([tuple(point) for point in points.tolist()], 0)
    return picture


def icon(random: np.random.Generator) -> Image.Image:
    """Three shapes of three colours on white."""
    picture = Image.new("RGB", (96, 96), "white")
    for corner in random.uniform(5, 50, (3, 2)).tolist():
        colour = tuple(random.integers(0, 220, 3).tolist())
        ImageDraw.Draw(picture).ellipse((*corner, corner[0] + 40, corner[1] + 30), colour)
    return picture


def scribble(random: np.random.Generator) -> Image.Image:
    return strokes(random, count=25)


def share_of_ink(pictures: list[Image.Image], encoded: Callable[[Image.Image], bytes] = png) -> float:
    looks = [seen for picture in pictures if (seen := look(encoded(picture)))]
    assert len(looks) == len(pictures)
    return float(np.mean([seen.pen is not None for seen in looks]))


def many(draw: Draw, count: int = 20) -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [draw(random) for _ in range(count)]


PHOTOS: dict[str, Draw] = {
    "hand": hand,
    "grey hand": lambda random: hand(random, grey=True),
    "flat hand": lambda random: hand(random, flat=True),
    "blob": blob,
    "icon": icon,
    "scribble": scribble,
}


@pytest.mark.parametrize("kind", PHOTOS)
def test_what_is_more_than_strokes_is_no_ink(kind: str) -> None:
    assert share_of_ink(many(PHOTOS[kind])) < CLEAR - 0.1


@pytest.mark.parametrize("encoded", [png, jpeg])
def test_strokes_are_ink(encoded: Callable[[Image.Image], bytes]) -> None:
    assert share_of_ink(many(strokes), encoded) > 0.9


def test_a_pen_has_its_colour() -> None:
    blue = look(png(strokes(np.random.default_rng(0), (0, 0, 255))))
    black = look(png(strokes(np.random.default_rng(0))))
    assert blue is not None
    assert black is not None
    assert (blue.colour, black.colour) == (True, False)
    assert blue.pen is not None
    assert black.pen is not None
    np.testing.assert_allclose(blue.pen, [-1 / 3, -1 / 3, 2 / 3], atol=0.02)
    np.testing.assert_allclose(black.pen, 0, atol=0.02)


def test_small_digits_are_ink() -> None:
    images = load_digits().images[:60]
    assert share_of_ink([Image.fromarray((15 * image).astype(np.uint8)) for image in images]) > 0.7


def test_photos_of_notes_are_ink() -> None:
    assert share_of_ink([note.picture for note in canvas.photos(20, 3)]) > 0.7


@pytest.mark.parametrize("ground", ["dark on light", "light on dark", "transparent"])
def test_canvas_drawings_are_ink(ground: str) -> None:
    drawn = [drawing.picture for drawing in canvas.drawings(60, 3) if drawing.ground == ground]
    assert share_of_ink(drawn) > 0.9


def test_real_photos_are_not(shared_data: Path) -> None:
    for kind in ("flowers/roses", "flowers/daisy", "caltech/helicopter"):
        files = sorted((shared_data / "photos" / kind).glob("*.jpg"))[:25]
        looks = [look(file) for file in files]
        assert np.mean([seen is not None and seen.pen is not None for seen in looks]) < 0.35


def test_a_blank_page_is_no_ink_and_what_is_no_picture_has_no_look() -> None:
    assert look(png(Image.new("L", (60, 60), 255))) == Look(False, None)
    assert look(b"no picture") is None
