"""Read folders of pictures, recordings, or both as data sets.

`formats/listing.py` lists the files, `formats/names.py` interprets their names.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from seesay.data.dataset import NONE_NAME, Dataset, Group
from seesay.errors import InputError, listed
from seesay.formats.arrays import image_table
from seesay.formats.idx import is_idx_folder, read_idx_folder
from seesay.formats.listing import Listing, Paths, look
from seesay.formats.media import READERS, USUAL, Reading, Track, silent, with_negatives
from seesay.formats.names import Names, is_negative, read_names, unlabelled
from seesay.formats.rows import Table, dataset_from, speakers
from seesay.spec import DEFAULT_NAMES, Modality, spec_type

UNDERSTOOD = (
    "a seesay data set, x_train_wr.npy and its like (Kaggle), data_wr_train.npy and its like (Zenodo), "
    "a .npz file or .npy files such as x_train.npy and y_train.npy, MNIST's idx files, "
    "a folder of pictures, of recordings or of both "
    "({label}/*.png, {label}_{speaker}_{take}.wav, train/{label}/*.wav, metadata.csv, ...), "
    "a .csv, .jsonl or .parquet manifest, a folder of train-*.parquet, or the names digits and wsd"
)


@dataclass(frozen=True)
class Recording:
    """A recording, the word in it and its speaker; "" where unknown."""

    path: Path
    label: str
    speaker: str


@dataclass(frozen=True)
class Files:
    """The files of a folder to read, one per row in each kind, and what their names say."""

    paths: Mapping[str, Paths]
    """None where a negative has no partner."""
    names: Names
    left_out: Mapping[str, int]


def recordings_of(
    folder: Path, known: Collection[str] = (), pattern: str | None = None
) -> tuple[list[Recording], Files]:
    """The recordings below a folder, sorted by path, and the files and names behind them.

    `known`: labels to expect. No recordings, or names that cannot be interpreted: InputError.
    """
    files = _of_one(look(folder), "waveform", Reading(name_pattern=pattern), known)
    labels, paths = files.names.labels, files.paths["waveform"]
    groups = files.names.groups
    who = groups.get("speaker") or next(iter(groups.values()), ("",) * len(labels))
    found = zip(paths, labels, who, strict=True)
    return [Recording(path, label, speaker) for path, label, speaker in found if path], files


def read_folder(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set of all pictures and recordings below a folder.

    No files, ambiguous names, unreadable files, a class without files: InputError.
    """
    listing = look(folder)
    files = files_in(listing, reading)
    told = with_negatives(reading, files.names.labels, files.paths.values())
    tables = {
        called(kind, reading): READERS[kind](paths, told, str(folder), track)
        for kind, paths in files.paths.items()
    }
    what = " and ".join(map(_plural, files.paths))
    data = _dataset(folder, f"the folder of {what}", tables, files.names, files.left_out, reading)
    return data.replace(files=_relative(folder, files))


def called(kind: str, reading: Reading) -> Modality:
    """The modality for contents of a kind: the model's, if it has exactly one of that kind, else the
    default."""
    known = () if reading.spec is None else reading.spec.of_kind(kind)
    return known[0] if len(known) == 1 else DEFAULT_NAMES[kind]


def read_pictures(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set of MNIST's idx files (with their split) or of a folder of pictures.

    No files, or unreadable ones: InputError.
    """
    name = DEFAULT_NAMES["picture"]
    if is_idx_folder(folder):
        table, names = _idx(folder)
        return _dataset(folder, "MNIST's idx files in", {name: table}, names, {}, reading)
    files = _of_one(look(folder), "picture", reading)
    table = READERS["picture"](files.paths["picture"], reading, str(folder), track)
    return _dataset(folder, "the folder of pictures", {name: table}, files.names, files.left_out, reading)


def _idx(folder: Path) -> tuple[Table, Names]:
    parts = read_idx_folder(folder)
    table = image_table({split: images for split, (images, _) in parts.items()}, reader="ink")
    labels = np.concatenate([labels for _, labels in parts.values()])
    splits = np.repeat(list(parts), [len(labels) for _, labels in parts.values()])
    return table, Names(tuple(map(str, labels.tolist())), splits=tuple(splits.tolist()))


def _dataset(
    folder: Path,
    source: str,
    tables: Mapping[Modality, Table],
    names: Names,
    left_out: Mapping[str, int],
    reading: Reading,
) -> Dataset:
    name = folder.resolve().name
    data = dataset_from(
        name,
        tables,
        names.labels,
        split=names.splits,
        sources=[f"{source} {name}"],
        notes=[names.summary] if names.summary else [],
        left_out=left_out,
        where=str(folder),
        labelled=reading.labelled,
    )
    groups: dict[Modality, dict[str, Group]] = {}
    for kind, column in names.groups.items():
        for modality, by_name in speakers(tables, np.array(column)).items():
            groups.setdefault(modality, {})[kind] = by_name["speaker"]
    return data.replace(groups=groups)


def _relative(folder: Path, files: Files) -> tuple[str, ...]:
    """Name of each row: its picture or, without any, its recording."""
    rows = zip(*files.paths.values(), strict=True)
    return tuple(next(filter(None, row)).relative_to(folder).as_posix() for row in rows)


# ------------------------------------------------------------------------------------------------ which files


def files_in(listing: Listing, reading: Reading, loose: bool = True) -> Files:
    """The files of one kind, one per row, or the pairs of both. `loose`: files outside folders are left out
    if all files of the other kind are in folders. No files, or no one-to-one match: InputError."""
    kinds: list[str] = [kind for kind, files in listing.files.items() if files]
    if loose and len(kinds) == 2 and (outside := _only_loose(listing)):
        kinds.remove(outside)
    if len(kinds) == 2:
        return _pairs(listing, reading)
    if not kinds:
        raise InputError(
            f"{listing.folder} holds no data set, no picture and no recording{_left_out(listing)}",
            f"Expected {UNDERSTOOD}.",
        )
    return _of_one(listing, kinds[0], reading)


def _left_out(listing: Listing) -> str:
    left = [f"{count:,} {reason}" for reason, count in listing.left_out.items()]
    return f" ({listed(left)})" if left else ""


def _only_loose(listing: Listing) -> str | None:
    """The kind whose files all lie outside the folders that hold the other kind: a logo, a jingle."""
    loose: list[str] = [k for k, files in listing.files.items() if not any("/" in f for f in files)]
    return loose[0] if len(loose) == 1 else None


def _plural(kind: str) -> str:
    return f"{spec_type(kind).noun}s"


def _of_one(listing: Listing, kind: str, reading: Reading, known: Collection[str] = ()) -> Files:
    """The files of one kind, with those of the other left out."""
    left_out = Counter(listing.left_out)
    files, what = list(listing.files[kind]), _plural(kind)
    left_out[f"not {what}"] += sum(map(len, listing.files.values())) - len(files)
    if not files:
        raise InputError(f"{listing.folder} holds no {what}{_left_out(listing)}", "Check the folder.")
    if reading.name_pattern is None and reading.labelled:
        files = _without_loose(files, left_out)
    names = _names(files, kind == "picture", reading, known, listing.folder)
    if names.level is not None and reading.labelled:
        _check_whole(listing, files, names.level + 1, what)
    return Files({kind: listing.paths(files)}, names, +left_out)


def _without_loose(files: list[str], left_out: Counter[str]) -> list[str]:
    """The files without those outside folders, if most are in folders: they have no class."""
    inner = [file for file in files if "/" in file]
    if len(inner) <= len(files) / 2:
        return files
    left_out["not in a class folder"] += len(files) - len(inner)
    return inner


def _names(
    files: Sequence[str], pictures: bool, reading: Reading, known: Collection[str], folder: Path
) -> Names:
    """Labels and groups by file names; if rows are only predicted, names may say nothing."""
    try:
        return read_names(files, pictures, reading.name_pattern, known, str(folder))
    except InputError:
        if reading.labelled or reading.name_pattern is not None:
            raise
        return unlabelled(files)


def _check_whole(listing: Listing, files: Sequence[str], depth: int, what: str) -> None:
    """InputError where a class folder, at this depth, holds no usable file."""
    used = {tuple(file.split("/")[:depth]) for file in files if not is_negative(file)}
    parents = {folder[:-1] for folder in used}
    lost = [
        folder
        for folder in listing.folders
        if (parts := tuple(folder.split("/"))) not in used
        and len(parts) == depth
        and parts[:-1] in parents
        and NONE_NAME not in parts
    ]
    if lost:
        raise InputError(
            f"{listing.folder}: {len(lost)} of {len(used) + len(lost)} class folders hold no {what}: "
            f"{listed(lost)}",
            "Remove them, or add readable files.",
        )


# ------------------------------------------------------------------------------------------------------ pairs


def _pairs(listing: Listing, reading: Reading) -> Files:
    """Pairs of pictures and recordings whose paths match except for the suffix and one folder, such as
    `image` and `audio`; a file of `_none_` may be without a partner. No one-to-one match: InputError."""
    for i, keys in _keys(listing):
        paths = {k: dict(zip(keys[k], listing.files[k], strict=True)) for k in keys}
        alone = paths["picture"].keys() ^ paths["waveform"].keys()
        twice = any(len(paths[k]) < len(listing.files[k]) for k in paths)
        if twice or not all(is_negative(stem) for stem in alone):
            continue
        stems = sorted(paths["picture"].keys() | paths["waveform"].keys(), key=lambda stem: stem.split("/"))
        names = _names([f"{stem}.wav" for stem in stems], False, reading, (), listing.folder)
        if names.level is not None and reading.labelled:
            files = [file for of in listing.files.values() for file in of]
            _check_whole(listing, files, names.level + 1 + (i <= names.level), "pairs")
        pairs = len(stems) - len(alone)
        summary = f"{pairs:,} pairs: each picture with the recording of its name; {names.summary}"
        files = {k: listing.paths([of.get(s) for s in stems]) for k, of in paths.items()}
        return Files(files, replace(names, summary=summary), listing.left_out)
    raise InputError(
        f"{listing.folder} holds {len(listing.files['picture']):,} pictures and "
        f"{len(listing.files['waveform']):,} recordings, and their names do not pair them one to one",
        "List the pairs in a manifest, or pair by class with seesay data build.",
    )


def _keys(listing: Listing) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """Candidate keys to match paths by, per kind, with the depth of the folder that is dropped.

    First the paths without suffix (at the full depth), then also without a folder level that is constant
    within each kind.
    """
    split = {k: [PurePosixPath(f).with_suffix("").parts for f in of] for k, of in listing.files.items()}
    depth = min(len(parts) for of in split.values() for parts in of) - 1
    yield depth + 1, {k: ["/".join(parts) for parts in of] for k, of in split.items()}
    for i in range(depth):
        if all(len({parts[i] for parts in of}) == 1 for of in split.values()):
            yield i, {k: ["/".join(p[:i] + p[i + 1 :]) for p in of] for k, of in split.items()}
