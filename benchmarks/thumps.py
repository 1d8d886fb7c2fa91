"""Whether the word is found in a recording where something else is louder: `python -m benchmarks.thumps
--data ../shared/data`.

Words of speakers that nothing was trained on (`open_wsd_test_speakers.txt`) are put anywhere into three
seconds of noise at -50 dB, alone and with a noise at least 0.3 s away whose peak is that of the word. The
thump is a burst of 80 Hz that decays with a time constant of 40 ms and ends after 40 ms (`short thump`) or
when it has faded (`thump`). With `--tuning`, words of speakers that constants were chosen on.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from jaxtyping import Float

from benchmarks.door import one_line_of_errors, positive
from seesay.errors import InputError
from seesay.files import new_file
from seesay.serve.predict import Predictor
from seesay.tables import written

Sound = Float[np.ndarray, " n"]
Noise = Callable[[int, np.random.Generator], Sound]
"""From a rate and a generator to a waveform, of any level."""

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TUNING = ("george", "nicolas")
"""The FSDD speakers of `--tuning`; of Speech Commands all that are not in the list of test speakers."""

SECONDS, ROOM, APART = 3.0, -50.0, 0.3
"""Length of a recording, level of its noise in dB, and seconds between the word and the other noise."""

SURE = 0.9
"""Probability at which a wrong answer is counted as sure."""


def fading(rate: int, seconds: float, constant: float) -> Sound:
    return np.exp(-np.arange(round(seconds * rate)) / rate / constant)


def burst(rate: int, seconds: float) -> Sound:
    fade = fading(rate, seconds, 0.04)
    return fade * np.sin(2 * np.pi * 80 * np.arange(len(fade)) / rate)


def click(rate: int, random: np.random.Generator) -> Sound:
    fade = fading(rate, 0.01, 0.0015)
    return fade * random.normal(size=len(fade))


def clap(rate: int, random: np.random.Generator) -> Sound:
    fade = fading(rate, 0.12, 0.02)
    return fade * random.normal(size=len(fade))


def slam(rate: int, random: np.random.Generator) -> Sound:
    """Low-passed noise that fades in 0.1 s."""
    fade = fading(rate, 0.4, 0.1)
    return fade * np.convolve(random.normal(size=len(fade)), np.hanning(rate // 200), "same")


def hiss(rate: int, random: np.random.Generator) -> Sound:
    shape = np.hanning(rate // 2)
    return shape * random.normal(size=len(shape))


NOISES: dict[str, Noise | None] = {
    "none": None,
    "short thump": lambda rate, random: burst(rate, 0.04),
    "thump": lambda rate, random: burst(rate, 0.28),
    "click": click,
    "clap": clap,
    "slam": slam,
    "hiss": hiss,
}


class Spoken(NamedTuple):
    """One recorded word."""

    label: str
    waveform: Sound
    rate: int


def words(data: Path, count: int, tuning: bool, seed: int) -> list[Spoken]:
    """That many clips of the two corpora, drawn at random, of held-out speakers or those for tuning.
    InputError if the corpora are not there."""
    names = data / "open_wsd_test_speakers.txt"
    if not names.is_file():
        raise InputError(f"{names} is not there", "Give a folder with fsdd, speech_commands and that file.")
    held_out = set(names.read_text().split())
    found = [
        (path.stem.split("_")[0], path)
        for path in sorted((data / "fsdd").glob("*_*_*.wav"))
        if path.stem.split("_")[1] in (TUNING if tuning else held_out)
    ]
    found += [
        (str(NUMBERS.index(path.parent.name)), path)
        for path in sorted((data / "speech_commands").glob("*/*_nohash_*.wav"))
        if path.parent.name in NUMBERS and (path.stem.split("_")[0] in held_out) is not tuning
    ]
    picked = np.random.default_rng(seed).permutation(len(found))[:count]
    return [Spoken(found[i][0], *soundfile.read(found[i][1])) for i in picked]


def scene(word: Spoken, noise: Noise | None, decibels: float, seed: int) -> Sound:
    """The word in a recording of `SECONDS`, and the noise, whose peak is that many dB above the word's."""
    random, rate = np.random.default_rng(seed), word.rate
    sound = np.zeros(0) if noise is None else noise(rate, np.random.default_rng(seed))
    gap = round(APART * rate)
    room = len(word.waveform) + 2 * (
        len(sound) + gap
    )  # so that the noise fits on one side, wherever the word is
    mixed = random.normal(0, 10 ** (ROOM / 20), max(room, round(SECONDS * rate)))
    start = int(random.integers(0, len(mixed) - len(word.waveform) + 1))
    end = start + len(word.waveform)
    mixed[start:end] += word.waveform
    if len(sound):
        peak = np.abs(word.waveform).max() * 10 ** (decibels / 20)
        places = np.arange(len(mixed) - len(sound) + 1)
        place = random.choice(places[(places + len(sound) + gap <= start) | (places >= end + gap)])
        mixed[place : place + len(sound)] += sound * peak / np.abs(sound).max()
    return np.clip(mixed, -1, 1).astype(np.float32)


class Outcome(NamedTuple):
    noise: str
    accuracy: float
    sure: int
    """Wrong answers with a probability of `SURE` or more."""
    refused: int
    """Recordings that were refused, which count as wrong."""


def outcome(predictor: Predictor, name: str, heard: list[tuple[str, Sound, int]]) -> Outcome:
    """How many of the (label, waveform, rate) are recognised."""
    right = sure = refused = 0
    for label, waveform, rate in heard:
        try:
            first = predictor.predict(audio=(waveform, rate)).scores[0]
        except InputError:
            refused += 1
            continue
        right += first["label"] == label
        sure += first["label"] != label and first["score"] >= SURE
    return Outcome(name, right / len(heard), sure, refused)


def outcomes(predictor: Predictor, spoken: list[Spoken], decibels: float) -> Iterator[Outcome]:
    """One for the words as they are, and one for each kind of noise."""
    yield outcome(
        predictor, "the clip as it is", [(w.label, w.waveform.astype(np.float32), w.rate) for w in spoken]
    )
    for name, noise in NOISES.items():
        scenes = [(w.label, scene(w, noise, decibels, seed), w.rate) for seed, w in enumerate(spoken)]
        yield outcome(predictor, name, scenes)


def options(description: str) -> argparse.ArgumentParser:
    """The options of what asks a model about clips of the two corpora."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder with fsdd and speech_commands")
    parser.add_argument("--run", type=Path, help="run that predicts; default: the packaged model")
    parser.add_argument("--clips", type=positive, default=300)
    parser.add_argument("--tuning", action="store_true", help="speakers that constants were chosen on")
    return parser


def main() -> None:
    """Prints the table."""
    parser = options("Words beside louder noises.")
    parser.add_argument("--decibels", type=float, default=0.0, help="peak of the noise above the word's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown file to write the table into")
    given = parser.parse_args()
    torch.set_num_threads(1)
    spoken = words(given.data, given.clips, given.tuning, given.seed)
    rows = [["noise", "accuracy", f"wrong at {SURE:g} and above", "refused"]]
    rows += [
        [each.noise, f"{each.accuracy:.3f}", str(each.sure), str(each.refused)]
        for each in outcomes(Predictor.open(given.run), spoken, given.decibels)
    ]
    table = written(rows, "markdown")
    print(table)
    if given.out:
        with new_file(given.out, encoding="utf-8") as file:
            file.write(table + "\n")


if __name__ == "__main__":
    one_line_of_errors(main)
