"""Pictures and recordings of no digit to test with, of kinds and makers that no training has seen
(scripts/negative_pictures.py and negative_recordings.py make those).

Pictures: in DejaVu, the font of Matplotlib, capital letters, Greek letters and punctuation, none that looks
like a digit; filled shapes and silhouettes of clothes. Recordings: number words above nine, said by variants
of espeak-ng that train nothing; melodies; engines; ESC-10's dogs and roosters.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy.signal import butter, sosfilt

from seesay.errors import InputError

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Oblique")
TEXTS = {
    "capital letters": "ABCDEFGHJKMNPQRTUVWXY",
    "Greek letters": "αβγδεηθκλμνξπρςφχψωΓΔΘΛΞΠΣΦΨΩ",
    "punctuation": '!?&@#%*+=§{}[]~^"$;€',
}
PAGE = 120  # pixels

SILHOUETTES = {
    "shirt": "20 10, 38 10, 50 18, 62 10, 80 10, 99 32, 84 46, 76 38, 76 95, 24 95, 24 38, 16 46, 1 32",
    "trousers": "25 5, 75 5, 80 97, 58 97, 50 40, 42 97, 20 97",
    "dress": "38 4, 62 4, 60 34, 84 97, 16 97, 40 34",
    "boot": "28 5, 62 5, 62 60, 95 72, 95 92, 28 92",
    "bag": "8 40, 28 40, 34 14, 66 14, 72 40, 92 40, 96 92, 4 92",
    "heart": "50 92, 8 48, 6 26, 22 10, 40 14, 50 28, 60 14, 78 10, 94 26, 92 48",
    "square": "10 10, 90 10, 90 90, 10 90",
    "triangle": "50 6, 95 92, 5 92",
    "star": "50 3, 61 38, 98 38, 68 60, 79 96, 50 74, 21 96, 32 60, 2 38, 39 38",
    "diamond": "50 3, 85 50, 50 97, 15 50",
    "hexagon": "26 8, 74 8, 98 50, 74 92, 26 92, 2 50",
}
"""By name: corners as `x y` in hundredths of a page."""

RATE = 16_000  # samples a second
SECONDS = 1.0
VARIANTS = ("m3", "m7", "f2", "f5", "Andrea", "Gene", "Lee", "linda", "max", "steph")
"""Of espeak-ng: those that scripts/negative_recordings.py does not use."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUMBERS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred",
    "thousand", "million",
)  # fmt: skip


def pictures(kind: str, count: int, seed: int = 0) -> Iterator[Image.Image]:
    """So many pictures of the kind, as a user would give them: ink on white."""
    random = np.random.default_rng(seed)
    for number in range(count):
        page = Image.new("L", (PAGE, PAGE), 255)
        draw = ImageDraw.Draw(page)
        if kind in TEXTS:
            text, face = TEXTS[kind][number % len(TEXTS[kind])], str(random.choice(FACES))
            font = ImageFont.truetype(str(FONTS / f"{face}.ttf"), int(random.integers(50, 90)))
            draw.text((PAGE // 2, PAGE // 2), text, int(random.integers(0, 90)), font, anchor="mm")
        else:
            corners = SILHOUETTES[list(SILHOUETTES)[number % len(SILHOUETTES)]]
            points = np.array([[float(x) for x in corner.split()] for corner in corners.split(",")])
            points = 10 + (points + random.normal(0, 2, points.shape)) * random.uniform(0.5, 1, 2)
            draw.polygon([tuple(point) for point in points], int(random.integers(0, 90)))
        yield page.rotate(random.normal(0, 6), fillcolor=255, resample=Image.Resampling.BILINEAR)


def melody(random: Generator) -> np.ndarray:
    """Two to five notes of a scale, each with harmonics and a decay, over a drone or alone."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    starts = np.sort(random.uniform(0, 0.8, int(random.integers(2, 6))))
    sound = np.zeros_like(time)
    for start in [0.0, *starts]:
        pitch = 220 * 2 ** (random.choice([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)
        since = np.maximum(time - start, 0)
        decay = (time >= start) * np.exp(-since * random.uniform(2, 8)) * np.minimum(since / 0.01, 1)
        sound += sum(np.sin(2 * np.pi * k * pitch * since) / k**1.5 for k in range(1, 6)) * decay
    return sound


def engine(random: Generator) -> np.ndarray:
    """Explosions at 20 to 90 a second that speed up or slow down, through a muffler."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    pace = random.uniform(20, 90) * (1 + random.uniform(-0.4, 0.4) * time)
    phase = np.cumsum(pace) / RATE % 1
    thrust = np.exp(-phase * random.uniform(3, 12)) * (1 + 0.3 * random.standard_normal(len(time)))
    low = butter(2, random.uniform(300, 1_500), fs=RATE, output="sos")
    return sosfilt(low, thrust - thrust.mean())


def words(texts: Sequence[str], count: int, seed: int = 0) -> Iterator[tuple[np.ndarray, int]]:
    """These words in turn, said by VARIANTS: samples and their rate. InputError without espeak-ng."""
    if shutil.which("espeak-ng") is None:
        raise InputError("espeak-ng is not installed", "apt install espeak-ng")
    random = np.random.default_rng(seed)
    for number in range(count):
        voice = f"{random.choice(['en', 'en-us', 'en-gb-x-rp'])}+{random.choice(VARIANTS)}"
        speed, pitch = int(random.integers(120, 220)), int(random.integers(20, 80))
        call = ["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "-a", 20, "--stdout"]
        text = texts[number % len(texts)]
        out = subprocess.run([*map(str, call), text], capture_output=True, check=True).stdout
        yield soundfile.read(BytesIO(out), dtype="float32")


SOUNDS: Mapping[str, Callable[[Generator], np.ndarray]] = {"melodies": melody, "engines": engine}
ANIMALS = ("dog_bark", "rooster")
SAME_VOICES = "digits of the same voices"
PICTURES: Sequence[str] = (*TEXTS, "shapes and clothes")
RECORDINGS: Sequence[str] = ("numbers above nine", *SOUNDS, *ANIMALS)


def recordings(kind: str, count: int, esc10: Path, seed: int = 0) -> Iterator[tuple[np.ndarray, int] | Path]:
    """So many recordings of the kind, as files or as samples and their rate; of ESC-10, all there are."""
    if kind in ANIMALS:
        yield from sorted((esc10 / kind).glob("*.ogg"))[:count]
    elif kind in SOUNDS:
        random = np.random.default_rng(seed)
        for _ in range(count):
            sound = SOUNDS[kind](random) + 0.003 * random.standard_normal(int(RATE * SECONDS))
            yield (0.5 * sound / np.abs(sound).max()).astype(np.float32), RATE
    else:
        yield from words(DIGITS if kind == SAME_VOICES else NUMBERS, count, seed)
