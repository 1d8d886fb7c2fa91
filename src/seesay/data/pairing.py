"""Pairs from pictures and recordings that do not know each other: every picture gets a partner of its class.

Partners are drawn at random, as for the written and spoken digits database, so picture and recording are independent given
the class, and a model may draw new partners while it trains. Speakers whose clips are tested are never heard in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seesay.data.columns import dataset_from, listed
from seesay.data.contents import Reading, Track, audio_contents, silent
from seesay.data.dataset import MISSING, SPLITS, Dataset, Group
from seesay.data.manifest import WORDS, Recording, read_pictures, recordings
from seesay.data.normaliser import normalised
from seesay.data.splits import Splits, split, stored
from seesay.errors import InputError, nearest
from seesay.files import check_file, make_way

SIDES = {"train": "train on", "test": "test on"}
"""The splits of which pairs are made, and what their rows are for."""


def build(
    pictures: Path | str,
    recordings: Sequence[Path | str],
    out: Path | str,
    test_speakers: Path | str | None = None,
    rows: tuple[int, int] | None = None,
    seed: int = 0,
    reading: Reading = Reading(),
    overwrite: bool = False,
    track: Track = silent,
) -> Dataset:
    """Pairs pictures with recordings of the same class, writes the data set into the folder `out` and returns it.

    `pictures`: MNIST's idx files, whose test part stays test, or a folder per class, of which a fifth is tested.
    `recordings`: folders as `data.manifest.recordings` reads them; the words zero to nine and the digits mean the same.
    `test_speakers`: a file of names, one a line, whose clips are only tested; without it a fifth of the recordings is drawn,
    by speaker. `rows`: how many to train on and to test on; none: all pictures. Each picture is used once, so there cannot be
    more; of fewer a stratified part is drawn. Every clip is used once before any is repeated. The same seed gives the same
    bytes.

    Classes without recordings, names in `test_speakers` that nobody has, no speaker left on one side, more rows than
    pictures, the same recording under two names: InputError. `out` exists, the disk is full: OutputError.
    """
    make_way(out, overwrite, delete=False)
    seen = read_pictures(Path(pictures), reading, track)
    heard = read_speech(recordings, seen.spec.classes, reading, track)
    sides = _by_speaker(heard, Path(test_speakers)) if test_speakers else split(heard, seed, valid=0)
    drawn = split(seen, seed, valid=0)
    dataset = pair(seen, drawn, heard, sides, rows, seed).replace(name=Path(out).name)
    dataset = normalised(dataset, dataset.rows_of("train"))
    dataset.save(out, overwrite)
    return dataset


# ------------------------------------------------------------------------------------------------- recordings


def read_speech(
    folders: Sequence[Path | str], classes: Sequence[str], reading: Reading, track: Track = silent
) -> Dataset:
    """The recordings of these classes, a row per file, grouped by speaker. A class without any: InputError."""
    found = [(recording, class_named(recording.label, classes)) for recording in recordings(folders)]
    lacking = sorted(set(classes) - {label for _, label in found})
    where = ", ".join(Path(folder).name for folder in folders)
    if lacking:
        raise InputError(
            f"{len(lacking)} of {len(classes)} classes have pictures and no recordings in {where}: {listed(lacking)}",
            "Add recordings of them, or leave their pictures out.",
        )
    kept = [(recording, label) for recording, label in found if label]
    files = [recording for recording, _ in kept]
    table = audio_contents([file.path for file in files], reading, where, track)
    labels = [label for _, label in kept]
    _check_named_once(files, labels, table.pointers)
    others = sorted({recording.label for recording, label in found if not label})
    return dataset_from(
        where,
        {"audio": table},
        labels,
        speaker=[file.speaker for file in files],
        sources=[
            f"the recordings of {where}",
            *([f"left out, having no pictures: {listed(others)}"] if others else []),
        ],
    )


def class_named(label: str, classes: Sequence[str]) -> str:
    """The class that a recording's label means, a digit and its English word being the same; "" where there is none."""
    digits = {digit: word for word, digit in WORDS.items()}
    names = (label, WORDS.get(label), digits.get(label))
    return next((name for name in names if name in classes), "")


def _check_named_once(files: Sequence[Recording], labels: Sequence[str], pointers: np.ndarray) -> None:
    """InputError where the same recording stands under two classes or two speakers: one of them is wrong."""
    first: dict[int, int] = {}
    double = []
    for i, pointer in enumerate(pointers.tolist()):
        j = first.setdefault(pointer, i)
        if (labels[i], files[i].speaker) != (labels[j], files[j].speaker):
            double.append(f"{files[j].path} and {files[i].path}")
    if double:
        raise InputError(
            f"{len(double)} recordings are the same under another class or speaker: {listed(double)}",
            "Remove the wrong ones.",
        )


def _by_speaker(heard: Dataset, path: Path) -> Splits:
    """The rows of speakers that the file names are tested, the others train."""
    check_file(path)
    names = heard.groups["audio"]["speaker"].names
    wanted = list(dict.fromkeys(filter(None, map(str.strip, path.read_text().splitlines()))))
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise InputError(
            f"{path} names {len(unknown)} speakers of whom there are no recordings: {listed(unknown)}"
            if unknown
            else f"{path} names no speaker",
            nearest(unknown[0], list(names)) if unknown else "Write one name a line.",
        )
    speaker = heard.groups["audio"]["speaker"].ids[heard.pointers("audio")]
    tested = np.isin(speaker, [names.index(name) for name in wanted])
    return stored(heard.replace(split=np.where(tested, SPLITS.index("test"), SPLITS.index("train")).astype(np.int8)))
