"""Twenty words, twenty recordings of each: how well voices are understood that no training heard.

    python -m benchmarks.words --voices build/words --package build/kokoro-js-1.2.1.tgz --seeds 5

The voices are synthetic (scripts/make_voices.py says of what they are made): twelve of espeak-ng and eight of
Kokoro say each word once to train, as many others say them to test. They are made once, in the folder given.
Trains as `seesay train` does with defaults, or with `--recipe` and `--change`.
"""

# ruff: noqa: RUF001 (stress and length marks are meant)

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import torch
from scripts import make_voices

from benchmarks.door import one_line_of_errors, positive
from seesay.condition import Condition
from seesay.data.dataset import SPLITS, Dataset
from seesay.formats.media import USUAL
from seesay.formats.pairing import read_speech
from seesay.learn.run import begin, train
from seesay.measure.evaluate import evaluate
from seesay.recipes import recipe
from seesay.search.space import apply, parse_space
from seesay.tables import written

WORDS = {
    "bed": "bˈɛd",
    "bird": "bˈɜɹd",
    "cat": "kˈæt",
    "dog": "dˈɔɡ",
    "down": "dˈWn",
    "go": "ɡˈO",
    "happy": "hˈæpi",
    "house": "hˈWs",
    "left": "lˈɛft",
    "marvin": "mˈɑɹvɪn",
    "no": "nˈO",
    "off": "ˈɔf",
    "on": "ˈɑn",
    "right": "ɹˈIt",
    "sheila": "ʃˈilə",
    "stop": "stˈɑp",
    "tree": "tɹˈi",
    "up": "ˈʌp",
    "wow": "wˈW",
    "yes": "jˈɛs",
}
"""Words of Speech Commands, in Kokoro's letters."""

SYMBOLS = make_voices.SYMBOLS | {
    "W": 39, "b": 44, "d": 46, "h": 50, "j": 52, "l": 54, "m": 55, "p": 58, "ɑ": 69, "æ": 72, "ɜ": 87,
    "ɡ": 92, "ʃ": 131,
}  # fmt: skip
"""Kokoro's numbers for their letters."""

FORMANT, NEURAL = 12, 8
"""Voices of either synthesizer that train; as many others test."""


def formant(variant: str, random: np.random.Generator) -> Iterator[np.ndarray]:
    """The words as espeak-ng says them with this variant, (samples,) each."""
    accent, pace = random.choice(make_voices.ACCENTS), int(random.integers(*make_voices.WORDS_A_MINUTE))
    pitch = int(random.integers(*make_voices.PITCH))
    for word in WORDS:
        manner = ["-s", str(pace), "-p", str(pitch), "-a", str(make_voices.AMPLITUDE)]
        command = ["espeak-ng", "-v", f"{accent}+{variant}", *manner, "--stdout", word]
        said = subprocess.run(command, check=True, capture_output=True).stdout
        samples, rate = soundfile.read(BytesIO(said), dtype="float32")
        yield make_voices.finished(samples, rate, random)


def neural(voice: make_voices.Voice, session: object, random: np.random.Generator) -> Iterator[np.ndarray]:
    """The words as this voice of Kokoro says them, (samples,) each."""
    for word in WORDS.values():
        tokens = [0, *(SYMBOLS[symbol] for symbol in word), 0]
        inputs = {
            "tokens": np.array([tokens]),
            "style": voice.style[len(tokens) - 2 : len(tokens) - 1].astype(np.float32),
            "speed": np.array([voice.pace], np.float32),
        }
        said = session.run(None, inputs)[0]  # ty: ignore[unresolved-attribute]  # pyright: ignore
        yield make_voices.finished(said, make_voices.SPOKEN_RATE, random)


def make(folder: Path, package: Path) -> None:
    """Writes `{word}/{voice}_0.wav` for the voices that are not there yet."""
    variants, styles = make_voices.variants(), make_voices.read_styles(package)
    session = None
    for number in range(2 * (FORMANT + NEURAL)):
        random = np.random.default_rng(1_000 + number)
        side, place = divmod(number, FORMANT + NEURAL)
        if place < FORMANT:
            name, own = f"e{side}{place:02d}", variants[(number * 5) % len(variants)]
        else:
            name, own = f"k{side}{place:02d}", side * NEURAL + place - FORMANT
        if (folder / "yes" / f"{name}_nohash_0.wav").is_file():
            continue
        if isinstance(own, str):
            clips = formant(own, random)
        else:
            session = session or make_voices.synthesizer()
            clips = neural(make_voices.draw(own * 2, styles, random), session, random)
        for word, clip in zip(WORDS, clips, strict=True):
            path = folder / word / f"{name}_nohash_0.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, clip, make_voices.RATE, subtype="PCM_16")


def divided(heard: Dataset) -> Dataset:
    """The recordings with those of the second half of either synthesizer's voices as test rows."""
    speaker = heard.groups["audio"]["speaker"]
    name = np.array(speaker.names)[speaker.ids[heard.pointers("audio")]]
    test = np.array([each[1] == "1" for each in name])
    side = np.where(test, SPLITS.index("test"), SPLITS.index("train")).astype(np.int8)
    return heard.replace(split=side, name="twenty words")


def main() -> None:
    """Prints accuracy by synthesizer and CPU seconds, mean and standard deviation over the seeds."""
    parser = argparse.ArgumentParser(description="Twenty words of twenty voices.")
    parser.add_argument("--voices", type=Path, required=True, help="folder of recordings, made if need be")
    parser.add_argument("--package", type=Path, required=True, help="kokoro-js-1.2.1.tgz")
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--change", help="settings unlike the recipe's: model.audio.kind=cnn")
    parser.add_argument("--seeds", type=positive, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    make(given.voices, given.package)
    data = divided(read_speech([given.voices], tuple(WORDS), USUAL))
    config = recipe(given.recipe).naming({"audio": "waveform"})
    if given.change:
        config = apply(config, parse_space(given.change).cells()[0])
    rows = []
    for seed in range(given.seeds):
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            own = dataclasses.replace(config, seed=seed)
            run, seen, splits = begin(data, "benchmarks.words", own, given.recipe, Path(folder) / "run")
            for _ in train(run, seen, splits):
                pass
            seconds = time.process_time() - began
            found = evaluate(run.model(), seen, splits.test)
        right = found.probabilities[Condition("audio")].argmax(1) == found.label
        speaker = data.groups["audio"]["speaker"]
        names = np.array(speaker.names)[speaker.ids[data.pointers("audio")[found.rows]]]
        is_neural = np.array([name[0] == "k" for name in names])
        rows.append([right.mean(), right[~is_neural].mean(), right[is_neural].mean(), seconds])
        print(*(f"{value:.4f}" for value in rows[-1]), file=sys.stderr, flush=True)
    means, spread = np.mean(rows, 0), np.std(rows, 0, ddof=min(1, len(rows) - 1))
    heads = ["voices that test", "accuracy", "espeak-ng", "Kokoro", "CPU s"]
    cells = [f"{mean:.3f} ± {std:.3f}" for mean, std in zip(means[:3], spread[:3], strict=True)]
    print(written([heads, [f"{FORMANT} + {NEURAL}", *cells, f"{means[3]:.0f}"]], "markdown"))


if __name__ == "__main__":
    one_line_of_errors(main)
