"""How well digits are read that were cropped, enlarged, grained or drawn, with the reader as it is:
`python -m benchmarks.drawings --data FOLDER [--run RUN] [--rows N] [--chosen]`.

`--data` holds `mnist` (the four files of the database). Accuracy, image only, on test pictures that nothing
was chosen on: MNIST's last 5,000 test digits (N of them for all but the first line) and scikit-learn's last
900; `--chosen` takes the first 5,000 and the first 897, and other drawings. Then milliseconds of CPU time
to read a picture.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

from benchmarks import canvas
from benchmarks.door import one_line_of_errors, positive
from seesay.errors import SeesayError
from seesay.formats.idx import read_idx_folder
from seesay.learn.run import PACKAGED
from seesay.serve.predict import Predictor
from seesay.signal.image import as_content, read_image

CHOSEN = {"mnist": 5_000, "scikit-learn": 897}
"""First pictures of each, on which a reader may be chosen."""

GRAIN = 0.1  # of white: standard deviation of the noise

Set = tuple[str, Sequence[Image.Image], np.ndarray]


def sets(folder: Path, rows: int, chosen: bool) -> Iterator[Set]:
    """Name, pictures and digits of each set."""
    pictures, label = (np.asarray(part) for part in read_idx_folder(folder / "mnist")["test"])
    part = slice(0, CHOSEN["mnist"]) if chosen else slice(CHOSEN["mnist"], None)
    plain = [Image.fromarray(picture) for picture in pictures.reshape(-1, 28, 28)[part]]
    label = label[part].astype(int)
    yield "MNIST's test digits", plain, label
    some, digit = plain[:rows], label[:rows]
    cropped = [picture.crop(picture.getbbox()) for picture in some]
    large = [enlarged(picture, 224) for picture in cropped]
    roomy = [enlarged(picture, 224) for picture in some]
    yield "cropped to the ink", cropped, digit
    yield "cropped, dark on light", [ImageOps.invert(picture) for picture in cropped], digit
    yield "cropped, 224 pixels", large, digit
    yield "cropped, 224 pixels, JPEG", [as_jpeg(picture) for picture in large], digit
    yield "cropped, 224 pixels, dark, JPEG", [as_jpeg(ImageOps.invert(picture)) for picture in large], digit
    yield "with a margin, 224 pixels", roomy, digit
    yield "with a margin, 224 pixels, JPEG", [as_jpeg(picture) for picture in roomy], digit
    random = np.random.default_rng(0)
    yield "with grain, 28 pixels", [grained(picture, random) for picture in some], digit
    yield "with grain, cropped, 224 pixels", [grained(picture, random) for picture in large], digit
    yield "with grain, with a margin, 224 pixels", [grained(picture, random) for picture in roomy], digit
    bunch: Any = load_digits()
    own = slice(0, CHOSEN["scikit-learn"]) if chosen else slice(CHOSEN["scikit-learn"], None)
    coarse = [Image.fromarray(np.rint(digit * (255 / 16)).astype(np.uint8)) for digit in bunch.images[own]]
    for side in (8, 64, 224):
        scaled = [enlarged(picture, side) for picture in coarse]
        yield f"scikit-learn's, {side} pixels", scaled, bunch.target[own]
    yield "scikit-learn's, 224 pixels, JPEG", [as_jpeg(picture) for picture in scaled], bunch.target[own]
    for name, draw in (
        ("canvas drawings", canvas.drawings),
        ("in a frame, on rules, on squares", canvas.printed),
        ("simulated photos of paper", canvas.photos),
    ):
        made = list(draw(200, seed=7 if chosen else 1))
        yield name, [drawing.picture for drawing in made], np.array([drawing.digit for drawing in made])


def enlarged(picture: Image.Image, side: int) -> Image.Image:
    """Scaled to so many pixels of the longer side, bicubically."""
    factor = side / max(picture.size)
    size = max(2, round(factor * picture.width)), max(2, round(factor * picture.height))
    return picture.resize(size, Image.Resampling.BICUBIC)


def as_jpeg(picture: Image.Image) -> Image.Image:
    file = BytesIO()
    picture.save(file, "JPEG")
    return Image.open(file)


def grained(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """With Gaussian noise of standard deviation GRAIN, clipped."""
    levels = np.asarray(picture, float) + random.normal(0, 255 * GRAIN, picture.size[::-1])
    return Image.fromarray(np.rint(np.clip(levels, 0, 255)).astype(np.uint8))


def score(
    predictor: Predictor, pictures: Sequence[Image.Image], digit: np.ndarray
) -> tuple[float, int, float]:
    """Fraction that is right, number refused as blank, and milliseconds of CPU time to read one."""
    spec: Any = predictor.spec["image"]
    began = time.process_time()
    read: list[UInt8[np.ndarray, "1 h w"]] = [as_content(read_image(picture, spec)) for picture in pictures]
    took = 1000 * (time.process_time() - began) / len(pictures)
    right = blank = 0
    for content, name in zip(read, digit, strict=True):
        try:
            right += predictor.predict(image=content[0]).label == str(name)
        except SeesayError:
            blank += 1
    return right / len(pictures), blank, took


def main() -> None:
    parser = argparse.ArgumentParser(description="Digits cropped, enlarged, grained, drawn.")
    parser.add_argument("--data", type=Path, required=True, help="folder with mnist")
    parser.add_argument("--run", type=Path, default=PACKAGED, help="default: the packaged model")
    parser.add_argument(
        "--rows", type=positive, default=1_000, help="MNIST's digits in all but the first set"
    )
    parser.add_argument("--chosen", action="store_true", help="the pictures that may choose a reader")
    given = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.open(given.run)
    print("| pictures | accuracy | refused | ms to read |\n|---|---|---|---|")
    for name, pictures, digit in sets(given.data, given.rows, given.chosen):
        right, blank, took = score(predictor, pictures, digit)
        print(f"| {name} | {right:.4f} | {blank} of {len(pictures):,} | {took:.2f} |", flush=True)


if __name__ == "__main__":
    one_line_of_errors(main)
