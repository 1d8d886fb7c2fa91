"""How well words are found in longer recordings: `python -m benchmarks.segments --data ../shared/data`.

Dictations: words of speakers that nothing was trained on, as many as asked, with pauses of 0.3 to 1.2 s, in
noise; a word is found if exactly one segment overlaps it. Single words: the recordings of benchmarks.thumps,
predicted from one clip, as rows of a data set are, and from windows, pooled in several ways.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import soxr
import torch
from jaxtyping import Float

from benchmarks.door import one_line_of_errors, positive
from benchmarks.thumps import NOISES, Spoken, options, scene, words
from seesay.condition import Condition
from seesay.errors import InputError
from seesay.serve.long_recordings import clip_of, scored
from seesay.serve.predict import Predictor
from seesay.spec import WaveformSpec
from seesay.tables import written

PAUSES = (0.3, 1.2)
"""Seconds, shortest and longest."""

PEAKS = (-14.0, -6.0)
"""dB of full scale, of a word's peak."""

AUDIO = Condition("audio")


class Dictation(NamedTuple):
    waveform: Float[np.ndarray, " n"]
    marks: list[tuple[float, float, str]]
    """Start and end in seconds and label of each word: where its energy over 20 ms is within 30 dB of the
    highest."""


def dictation(spoken: Sequence[Spoken], rate: int, room: float, seed: int) -> Dictation:
    """These words with pauses, in noise of `room` dB."""
    random = np.random.default_rng(seed)
    parts, marks, length = [], [], 0

    def add(part: np.ndarray) -> None:
        nonlocal length
        parts.append(part)
        length += len(part)

    add(np.zeros(round(random.uniform(*PAUSES) * rate)))
    for word in spoken:
        waveform = soxr.resample(word.waveform, word.rate, rate)
        waveform = waveform * 10 ** (random.uniform(*PEAKS) / 20) / np.abs(waveform).max()
        energy = np.convolve(waveform**2, np.ones(rate // 50), "same")
        loud = (length + np.flatnonzero(energy > 1e-3 * energy.max())) / rate
        marks.append((float(loud[0]), float(loud[-1]), word.label))
        add(waveform)
        add(np.zeros(round(random.uniform(*PAUSES) * rate)))
    noise = random.normal(0, 10 ** (room / 20), length)
    return Dictation(np.clip(np.concatenate(parts) + noise, -1, 1).astype(np.float32), marks)


def dictated(predictor: Predictor, spoken: list[Spoken], each: int, rate: int, room: float) -> list[str]:
    """A row: noise, words, recordings with the right number of segments, words with one segment, those
    recognised in it, and segments without a word, per word."""
    right = found = known = extra = count = recordings = 0
    for seed, start in enumerate(range(0, len(spoken) - each + 1, each)):
        made = dictation(spoken[start : start + each], rate, room, seed)
        segments = predictor.predict(audio=(made.waveform, rate)).segments
        recordings += 1
        right += len(segments) == each
        count += each
        touched = set()
        for first, last, label in made.marks:
            over = [i for i, s in enumerate(segments) if s.start < last and s.end > first]
            touched.update(over)
            found += len(over) == 1
            known += len(over) == 1 and segments[over[0]].label == label
        extra += len(segments) - len(touched)
    fractions = (right / recordings, found / count, known / count, extra / count)
    return [f"{room:g} dB", str(count), *(f"{value:.3f}" for value in fractions)]


def pools(
    predictor: Predictor, recording: np.ndarray, rate: int
) -> Iterator[tuple[str, Float[np.ndarray, " k"]]]:
    """The probabilities of a recording by each way of pooling."""
    content = {"audio": torch.from_numpy(recording)[None]}
    clip = clip_of(predictor.model, "audio")
    assert clip is not None
    assert clip.voicing is not None
    with torch.inference_mode():
        yield "one clip", predictor.model(content)[AUDIO][0].softmax(0).numpy()
        starts = range(0, len(recording) - clip.samples + 1, clip.samples // 2)
        grid = torch.stack([content["audio"][0, start : start + clip.samples] for start in starts])
        every = predictor.model({"audio": grid})[AUDIO].softmax(1).numpy()
        voiced = clip.voicing(grid).sum(1).numpy() + 1e-3
    yield "every half clip, mean", every.mean(0)
    yield "every half clip, by voiced sound", voiced @ every / voiced.sum()
    yield "every half clip, most voiced", every[voiced.argmax()]
    found = scored(predictor.model, "audio", rate, content)
    probabilities = found.probabilities[AUDIO]
    yield "windows, mean", probabilities.mean(0)
    yield "windows, by voiced sound (used)", found.pooled()[AUDIO]
    yield "windows, most certain", probabilities[probabilities.max(1).argmax()]


def pooled(predictor: Predictor, spoken: list[Spoken], noise: str, rate: int) -> list[list[str]]:
    """A row for each way of pooling: noise, way, accuracy, mean negative log-likelihood."""
    right: dict[str, list[bool]] = {}
    loss: dict[str, list[float]] = {}
    for seed, word in enumerate(spoken):
        try:
            recording = predictor.read("audio", (scene(word, NOISES[noise], 0.0, seed), word.rate))
        except InputError:
            continue
        label = predictor.spec.classes.index(word.label)
        for name, probabilities in pools(predictor, recording, rate):
            right.setdefault(name, []).append(int(probabilities.argmax()) == label)
            loss.setdefault(name, []).append(-np.log(max(probabilities[label], 1e-6)))
    return [[noise, name, f"{np.mean(right[name]):.3f}", f"{np.mean(loss[name]):.3f}"] for name in right]


def main() -> None:
    """Prints two tables."""
    parser = options("Words in longer recordings.")
    parser.add_argument("--each", type=positive, default=6, help="words in a dictation")
    parser.add_argument("--rooms", type=float, nargs="+", default=[-60.0, -45.0, -35.0])
    parser.add_argument("--noises", nargs="*", default=["none", "thump", "hiss"], choices=NOISES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    spoken = words(given.data, given.clips, given.tuning, 0)
    predictor = Predictor.open(given.run)
    spec = predictor.spec["audio"]
    assert isinstance(spec, WaveformSpec)
    rows = [["noise", "words", "number right", "one segment", "and its label", "other segments"]]
    rows += [dictated(predictor, spoken, given.each, spec.rate, room) for room in given.rooms]
    print(written(rows, "markdown"), end="\n\n")
    rows = [["noise", "pooled", "accuracy", "NLL"]]
    for noise in given.noises:
        rows += pooled(predictor, spoken, noise, spec.rate)
    print(written(rows, "markdown"))


if __name__ == "__main__":
    one_line_of_errors(main)
