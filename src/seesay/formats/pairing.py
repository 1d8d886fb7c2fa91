"""Pair unrelated pictures and recordings: every picture gets a random recording of its class.

As in the written and spoken digits database, picture and recording are independent given the class, so
training may draw new partners. Test speakers never occur in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seesay.data.dataset import MISSING, NONE, NONE_NAME, SPLITS, Dataset, Group
from seesay.data.groups import unknown_speakers
from seesay.data.splits import Splits, split, stored
from seesay.errors import ConfigError, InputError, listed, nearest
from seesay.files import check_file, check_new_folder
from seesay.formats.cells import composed
from seesay.formats.folders import Recording, read_pictures, recordings_of
from seesay.formats.media import USUAL, Reading, Track, audio_contents, silent, with_negatives
from seesay.formats.name_parts import WORDS
from seesay.formats.rows import dataset_from

PURPOSES = {"train": "train on", "test": "test on"}
"""The splits that pairs are made for, as words for messages."""


def build(
    pictures: Path | str,
    recordings: Sequence[Path | str],
    out: Path | str,
    test_speakers: Path | str | None = None,
    rows: tuple[int, int] | None = None,
    seed: int = 0,
    reading: Reading = USUAL,
    overwrite: bool = False,
    track: Track = silent,
) -> Dataset:
    """Pair pictures with recordings of the same class, save the data set to the folder `out` and return it.

    `pictures`: MNIST's idx files, whose test part stays test, or a folder per class, of which a fifth becomes
    test. `recordings`: folders of files, whose names are read by `formats.names`; digits and the words zero
    to nine are equivalent. `test_speakers`: a file of names, one a line, whose clips are only for test;
    without it, a fifth of the recordings, by speaker. `rows`: numbers of train and test rows, at most one per
    picture; a smaller number is a stratified sample; None: all pictures. Every clip is used once before any
    is repeated. The same seed gives the same bytes.

    Classes without recordings, unknown names in `test_speakers`, no speaker left in a split, more rows than
    pictures, one recording under two names: InputError. A seed below 0: ConfigError. `out` exists, or the
    disk is full: OutputError.
    """
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    check_new_folder(out, overwrite, delete=False)
    images = read_pictures(Path(pictures), replace(reading, name_pattern=None), track)
    speech = read_speech(recordings, images.spec.classes, reading, track)
    speech_splits = (
        _by_speaker(speech, Path(test_speakers)) if test_speakers else split(speech, seed, valid=0)
    )
    image_splits = split(images, seed, valid=0)
    dataset = pair(images, image_splits, speech, speech_splits, rows, seed).replace(name=Path(out).name)
    dataset.save(out, overwrite)
    return dataset


# ------------------------------------------------------------------------------------------------- recordings


def read_speech(
    folders: Sequence[Path | str], classes: Sequence[str], reading: Reading, track: Track = silent
) -> Dataset:
    """The recordings of these classes, one row per file, grouped by speaker. A class without any:
    InputError."""
    if not folders:
        raise InputError("expected at least one folder of recordings, got none", "Give one.")
    same = {digit: word for word, digit in WORDS.items()} | WORDS
    known = {*classes, *(same[name] for name in classes if name in same)}
    read = [recordings_of(Path(folder), known, reading.name_pattern) for folder in folders]
    labelled = [
        (recording, class_named(recording.label, classes)) for those, _ in read for recording in those
    ]
    lacking = sorted(set(classes) - {label for _, label in labelled})
    where = ", ".join(Path(folder).name for folder in folders)
    if lacking:
        raise InputError(
            f"{len(lacking)} of {len(classes)} classes have pictures but no recordings in {where}: "
            f"{listed(lacking)}",
            "Add recordings of them, or remove their pictures.",
        )
    usable = [(recording, label) for recording, label in labelled if label]
    files = [recording for recording, _ in usable]
    labels = [label for _, label in usable]
    paths = [file.path for file in files]
    table = audio_contents(paths, with_negatives(reading, labels, [paths]), where, track)
    _check_named_once(files, labels, table.pointers)
    others = sorted({recording.label for recording, label in labelled if not label})
    left_out = sum((Counter(how.left_out) for _, how in read), Counter())
    left_out["recordings of classes without pictures"] += len(labelled) - len(usable)
    return dataset_from(
        where,
        {"audio": table},
        labels,
        speaker=[file.speaker for file in files],
        sources=[
            f"the recordings of {where}",
            *([f"left out, having no pictures: {listed(others)}"] if others else []),
        ],
        notes=[
            f"{Path(folder).name}: {how.names.summary}"
            for folder, (_, how) in zip(folders, read, strict=True)
        ],
        left_out=+left_out,
    )


def class_named(label: str, classes: Sequence[str]) -> str:
    """The class of a recording's label, `_none_` for a negative, or "". A digit and its English word are
    equivalent."""
    if label == NONE_NAME:
        return NONE_NAME
    digits = {digit: word for word, digit in WORDS.items()}
    label = composed(label)
    names = (label, WORDS.get(label, ""), digits.get(label, ""))
    return next((name for name in names if name in classes), "")


def _check_named_once(files: Sequence[Recording], labels: Sequence[str], pointers: np.ndarray) -> None:
    """InputError where one recording has two classes or two speakers."""
    first: dict[int, int] = {}
    duplicates = []
    for i, pointer in enumerate(pointers.tolist()):
        j = first.setdefault(pointer, i)
        if (labels[i], files[i].speaker) != (labels[j], files[j].speaker):
            duplicates.append(f"{files[j].path} and {files[i].path}")
    if duplicates:
        raise InputError(
            f"{len(duplicates)} recordings occur under two classes or speakers: {listed(duplicates)}",
            "Remove the wrong ones.",
        )


def _by_speaker(speech: Dataset, path: Path) -> Splits:
    """Splits by speaker: those named in the file are test, the others train."""
    check_file(path)
    names = speech.groups["audio"]["speaker"].names
    test_names = list(
        dict.fromkeys(composed(name.strip()) for name in path.read_text().splitlines() if name.strip())
    )
    unknown = [name for name in test_names if name not in names]
    if unknown or not test_names:
        raise InputError(
            f"{path} names {len(unknown)} speakers without recordings: {listed(unknown)}"
            if unknown
            else f"{path} names no speaker",
            nearest(unknown[0], list(names)) if unknown else "Write one name a line.",
        )
    speaker = speech.groups["audio"]["speaker"].ids[speech.pointers("audio")]
    is_test = np.isin(speaker, [names.index(name) for name in test_names])
    return stored(
        speech.replace(split=np.where(is_test, SPLITS.index("test"), SPLITS.index("train")).astype(np.int8))
    )


# ------------------------------------------------------------------------------------------------------ pairs


def pair(
    images: Dataset,
    image_splits: Splits,
    speech: Dataset,
    speech_splits: Splits,
    rows: tuple[int, int] | None = None,
    seed: int = 0,
) -> Dataset:
    """The data set of pictures (`images`), each with a recording (`speech`) of its class and split.

    Train rows come first; rows of a split are in the order of the pictures. Negatives follow them, each a row
    without a partner. A class with pictures but no recordings in a split, or more rows than pictures:
    InputError.
    """
    assert images.spec.classes == speech.spec.classes
    random = np.random.default_rng(seed)
    pointers, label, split_of_rows = [], [], []
    for i, name in enumerate(PURPOSES):
        seen, heard = image_splits[name], speech_splits[name]
        classed, clips = seen[images.label[seen] >= 0], heard[speech.label[heard] >= 0]
        picked = _sample(images.label, classed, rows[i] if rows else None, name, random)
        _check_clips(images.label[picked], speech.label[clips], images.spec.classes, name)
        content = speech.pointers("audio")
        partner = _partners(images.label[picked], content[clips], speech.label[clips], random)
        pointers.append(np.stack([images.pointers("image")[picked], partner], axis=1))
        negatives = _negatives(images, np.setdiff1d(seen, classed), speech, np.setdiff1d(heard, clips))
        pointers.append(negatives)
        label += [images.label[picked], np.full(len(negatives), NONE)]
        split_of_rows.append(np.full(len(picked) + len(negatives), SPLITS.index(name), np.int8))
    return _only_used(images, speech, np.concatenate(pointers)).replace(
        label=np.concatenate(label),
        split=np.concatenate(split_of_rows),
        sources=_sources(images, speech, seed),
        notes=(*images.notes, *speech.notes),
    )


def _sample(
    label: np.ndarray, rows: np.ndarray, wanted: int | None, name: str, random: np.random.Generator
) -> np.ndarray:
    """A stratified sample of `wanted` of the rows; None: all of them."""
    if wanted is None or wanted == len(rows):
        return rows
    if not 1 <= wanted <= len(rows):
        raise InputError(
            f"{wanted:,} rows to {PURPOSES[name]} need as many pictures, there are {len(rows):,}",
            f"Choose 1 to {len(rows):,} rows.",
        )
    classes, which = np.unique(label[rows], return_inverse=True)
    ideal = np.bincount(which) * wanted / len(rows)
    take = ideal.astype(int)
    take[np.argsort(take - ideal, kind="stable")[: wanted - take.sum()]] += 1  # largest remainders
    picked = [random.permutation(rows[which == c])[: take[c]] for c in range(len(classes))]
    return np.sort(np.concatenate(picked))


def _check_clips(label: np.ndarray, clip_label: np.ndarray, classes: Sequence[str], name: str) -> None:
    lacking = [classes[int(c)] for c in np.setdiff1d(label, clip_label)]
    if lacking:
        raise InputError(
            f"no recordings to {PURPOSES[name]} are left of {len(lacking)} of {len(classes)} classes: "
            f"{listed(lacking)}",
            "Each class needs recordings of a train speaker and of a test speaker: "
            "choose other test speakers, or add recordings.",
        )


def _partners(
    label: np.ndarray, content: np.ndarray, clip_label: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """(rows,) int32: a recording of its class for each label. All are used once before any is repeated."""
    partner = np.empty(len(label), np.int32)
    for c in np.unique(label):
        rows, contents = np.flatnonzero(label == c), np.unique(content[clip_label == c])
        once = random.permutation(contents)[: len(rows)]
        again = random.choice(contents, len(rows) - len(once))
        partner[rows] = random.permutation(np.concatenate([once, again]))
    return partner


def _negatives(images: Dataset, seen: np.ndarray, speech: Dataset, heard: np.ndarray) -> np.ndarray:
    """(rows, 2) int32: these pictures, then these recordings, each without a partner."""
    pointers = np.full((len(seen) + len(heard), 2), MISSING, np.int32)
    pointers[: len(seen), 0] = images.pointers("image")[seen]
    pointers[len(seen) :, 1] = speech.pointers("audio")[heard]
    return pointers


def _only_used(images: Dataset, speech: Dataset, pointers: np.ndarray) -> Dataset:
    """The data set of these rows, with only the contents and speakers they use."""
    image_ids, clip_ids = (np.unique(column[column != MISSING]) for column in pointers.T)
    image, audio = (
        np.where(column == MISSING, MISSING, np.searchsorted(ids, column))
        for column, ids in zip(pointers.T, (image_ids, clip_ids), strict=True)
    )
    speaker = speech.groups["audio"]["speaker"]
    speakers = speaker.ids[clip_ids]
    used, ids = np.unique(speakers[speakers != MISSING], return_inverse=True)
    speakers[speakers != MISSING] = ids
    group = Group(speakers, tuple(speaker.names[i] for i in used))
    return Dataset(
        spec=replace(images.spec, contents={**images.spec.contents, "audio": speech.spec["audio"]}),
        contents={"image": images.contents["image"][image_ids], "audio": speech.contents["audio"][clip_ids]},
        rows=np.stack([image, audio], axis=1).astype(np.int32),
        label=np.full(len(pointers), MISSING),
        split=np.full(len(pointers), MISSING, np.int8),
        groups={"audio": {"speaker": group}},
        pairing="drawn within class",
        notes=(*images.notes, *speech.notes),
        left_out=Counter(images.left_out) + Counter(speech.left_out),
    )


def _sources(images: Dataset, speech: Dataset, seed: int) -> tuple[str, ...]:
    drawn = (
        f"pairs: each picture with a recording of its class, drawn at random, seed {seed}; every recording "
        f"is used once before any is repeated; {_speaker_note(speech)}"
    )
    return (*images.sources, *speech.sources, drawn)


def _speaker_note(speech: Dataset) -> str:
    unknown, _ = unknown_speakers(speech)
    if not unknown:
        return "no speaker is in both splits"
    return f"no known speaker is in both splits; {unknown:,} recordings have no known speaker"
