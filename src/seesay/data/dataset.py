"""A data set: per modality a table of distinct contents, and rows that index into the tables.

A content is one picture, recording, matrix or vector. A recording used in several rows is stored once; the
index -1 means that a row lacks the modality; two splits that share an index leak; rows are re-paired by
shuffling a column of indices. On disk: a folder of `.npy` files, opened memory-mapped, and `dataset.json`.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from seesay.data.dataset_json import FORMAT, card_spec, check_card, read_card, shape_of
from seesay.data.ragged import ContentTable, Ragged, hashed
from seesay.data.skipped import Skipped
from seesay.errors import ConfigError, InputError, SeesayError, nearest
from seesay.files import new_folder, read_array
from seesay.registry import plugins_of
from seesay.spec import ContentSpec, Modality, Spec, content_to_dict

SPLITS = ("train", "valid", "test")
"""`split.npy` holds indices into this, or -1: not assigned yet."""

MISSING = -1
"""In `rows`: the row lacks the modality. In `label` or a group: unknown. In `split`: not assigned."""

NONE = -2
"""In `label`: the row is a negative, whose contents belong to none of the classes."""

NONE_NAME = "_none_"
"""Folder or label of negatives. It is not a class."""

Pairing = Literal["given", "drawn within class"]
"""`given`: the contents of a row belong together; `drawn within class`: they were paired at random in a
class."""


@dataclass(frozen=True)
class Group:
    """Group of each content, such as its speaker: `ids[content]` is an index into `names`, or -1."""

    ids: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """Contents and rows. Arrays may be memory-mapped and must not be written to.

    `contents[m]`: (contents, ...), as `spec[m]` describes, or a ragged table; `rows`: (rows, modalities of
    spec) int32; `label`: (rows,) int64, an index into the classes, MISSING or NONE; `split`: (rows,) int8.
    """

    spec: Spec
    contents: Mapping[Modality, ContentTable]
    rows: np.ndarray
    label: np.ndarray
    split: np.ndarray
    groups: Mapping[Modality, Mapping[str, Group]] = field(default_factory=dict)
    pairing: str = "given"
    """A `Pairing`."""
    name: str = "data"
    sources: tuple[str, ...] = ()
    """Where the data came from, a sentence each."""
    notes: tuple[str, ...] = ()
    """What to know before using the data set, a sentence each: choices made, contents cut off."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of files that were left out, by reason: `{"not a picture": 3}`."""
    skipped: tuple[Skipped, ...] = ()
    """Rows of the source that were skipped in reading, in order; not stored on disk."""
    files: tuple[str, ...] = ()
    """Name of each row's file, where rows were files of a folder; not stored on disk."""
    weight: np.ndarray | None = None
    """(rows,): how much each row counts in training, 1 on average; None: all the same. Not stored on disk."""

    def __post_init__(self) -> None:
        """Raises InputError if the arrays are inconsistent."""
        check(self)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        return self.spec.modalities

    def pointers(self, modality: Modality) -> np.ndarray:
        """(rows,) int32: index of each row's content in the table, or -1."""
        return self.rows[:, self.modalities.index(modality)]

    def rows_of(self, split: str) -> np.ndarray:
        """(n,) int64: the rows of a split, in order."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def class_counts(self, rows: np.ndarray) -> np.ndarray:
        """(k,): how many of these rows belong to each class; with weights, the sum of theirs."""
        label = self.label[rows]
        weight = None if self.weight is None else self.weight[rows][label >= 0]
        return np.bincount(label[label >= 0], weight, minlength=len(self.spec.classes))

    def source_rows(self) -> np.ndarray:
        """(rows,) int64: index of each row in the source, which counts skipped rows too."""
        left_out = np.array([row.row - 1 for row in self.skipped], np.int64)
        return np.setdiff1d(np.arange(len(self) + len(left_out)), left_out)

    def select(self, rows: np.ndarray) -> "Dataset":
        """The data set with only these rows (indices or a mask), and all contents."""
        names = ("rows", "label", "split", *(() if self.weight is None else ("weight",)))
        picked = {name: getattr(self, name)[rows] for name in names}
        return dataclasses.replace(self, **picked, skipped=(), files=())

    def only(self, *modalities: Modality) -> "Dataset":
        """The data set with only these modalities; a row may be left with none. An unknown one:
        InputError."""
        for modality in modalities:
            if modality not in self.modalities:
                raise InputError(f"{self.name} has no {modality}, it has {' and '.join(self.modalities)}")
        kept = [m for m in self.modalities if m in modalities]
        return self.replace(
            spec=self.spec.only(tuple(kept)),
            contents={m: self.contents[m] for m in kept},
            rows=self.rows[:, [self.modalities.index(m) for m in kept]],
            groups={m: groups for m, groups in self.groups.items() if m in kept},
        )

    def replace(self, **changes: Any) -> "Dataset":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @staticmethod
    def open(folder: Path | str) -> "Dataset":
        """The data set in `folder`, memory-mapped. Missing, truncated or inconsistent files: InputError."""
        folder = Path(folder)
        card = read_card(folder / "dataset.json")
        spec = card_spec(card)
        try:
            dataset = Dataset(
                spec=spec,
                contents={m: _table(folder, m, spec[m]) for m in spec.modalities},
                rows=read_array(folder / "rows.npy"),
                label=read_array(folder / "label.npy"),
                split=read_array(folder / "split.npy"),
                groups={
                    m: {
                        g: Group(read_array(folder / f"{m}.{g}.npy"), tuple(names))
                        for g, names in part["groups"].items()
                    }
                    for m, part in card["modalities"].items()
                },
                pairing=card["pairing"],
                name=card["name"],
                sources=tuple(card["sources"]),
                notes=tuple(card.get("notes", ())),
                left_out=card.get("left_out", {}),
            )
        except SeesayError as error:
            raise InputError(f"{folder}: {error}") from None
        check_card(folder / "dataset.json", card, len(dataset), dataset.contents)
        return dataset

    def save(self, folder: Path | str, overwrite: bool = False) -> None:
        """Write the folder, atomically. Raises OutputError if it exists (unless `overwrite` is set) or
        the disk is full."""
        with new_folder(folder, overwrite) as temporary:
            for name, array in self._arrays():
                np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            (temporary / "dataset.json").write_text(json.dumps(self.card(), indent=2) + "\n")

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        for modality, table in self.contents.items():
            if isinstance(table, Ragged):
                yield modality, table.values
                yield f"{modality}.offsets", table.offsets
                if table.dimensions > 1:
                    yield f"{modality}.shapes", table.shapes
            else:
                yield modality, table
        yield "rows", self.rows
        yield "label", self.label
        yield "split", self.split
        for modality, groups in self.groups.items():
            for name, group in groups.items():
                yield f"{modality}.{name}", group.ids

    def card(self) -> dict[str, Any]:
        """The content of `dataset.json`."""
        return {
            "format": FORMAT,
            "name": self.name,
            "rows": len(self),
            "classes": list(self.spec.classes),
            "modalities": {m: self._modality_card(m) for m in self.modalities},
            "splits": list(SPLITS),
            "pairing": self.pairing,
            "sources": list(self.sources),
            "notes": list(self.notes),
            "left_out": dict(self.left_out),
            "plugins": list(plugins_of(("kind", kind) for kind in self.spec.kinds.values())),
        }

    def _modality_card(self, modality: Modality) -> dict[str, Any]:
        table = self.contents[modality]
        return {
            "contents": len(table),
            "shape": shape_of(table),
            "dtype": table.dtype.name,
            "sha256": hashed(table),
            "spec": content_to_dict(self.spec[modality]),
            "groups": {name: list(group.names) for name, group in self.groups.get(modality, {}).items()},
        }


def check(dataset: Dataset) -> None:
    """InputError where tables, rows, labels and groups do not fit each other."""
    spec, rows = dataset.spec, len(dataset.rows)
    if not spec.modalities:
        raise ConfigError("a data set needs at least one modality, such as pictures or recordings")
    if dataset.rows.shape != (rows, len(spec.modalities)):
        raise InputError(f"rows must be (rows, {len(spec.modalities)}), got {dataset.rows.shape}")
    for name in ("label", "split"):
        if getattr(dataset, name).shape != (rows,):
            raise InputError(f"{rows} rows need {rows} entries in {name}, got {getattr(dataset, name).shape}")
    if (weight := dataset.weight) is not None and (weight.shape != (rows,) or not (weight > 0).all()):
        raise InputError(f"{rows} rows need as many weights above 0", "Leave out rows of weight 0.")
    if len(set(spec.classes)) != len(spec.classes):
        raise InputError(f"each class must be named once, got {', '.join(map(str, spec.classes))}")
    if dataset.pairing not in get_args(Pairing):
        raise InputError(f"pairing is {dataset.pairing!r}", nearest(dataset.pairing, list(get_args(Pairing))))
    if NONE_NAME in spec.classes:
        raise InputError(f"{NONE_NAME} cannot be a class", "It marks rows that belong to no class.")
    _check_indices("a label", dataset.label, len(spec.classes), least=NONE)
    _check_indices("a split", dataset.split, len(SPLITS))
    for modality in spec.modalities:
        _check_table(dataset, modality)


def _check_table(dataset: Dataset, modality: Modality) -> None:
    table = dataset.contents[modality]
    spec = dataset.spec[modality]
    _check_shapes(modality, table, spec)
    integers = spec.integers
    if table.dtype.kind != "f" and table.dtype != integers:
        raise InputError(
            f"{modality} must be {integers + ' or ' if integers else ''}floats, got {table.dtype}"
        )
    _check_indices(f"a pointer into {modality}", dataset.pointers(modality), len(table))
    for name, group in dataset.groups.get(modality, {}).items():
        if group.ids.shape != (len(table),):
            raise InputError(
                f"{name} of {modality} needs one id for each of {len(table)} contents, got {group.ids.shape}"
            )
        _check_indices(f"a {name} of {modality}", group.ids, len(group.names))


def _check_shapes(modality: Modality, table: ContentTable, spec: ContentSpec) -> None:
    """InputError where contents have other dimensions or sizes than the spec."""
    sizes = spec.sizes
    shapes = table.shapes if isinstance(table, Ragged) else np.array([table.shape[1:]])
    fits = shapes.shape[1] == len(sizes) and all(
        isinstance(size, str) or (shapes[:, axis] == size).all() for axis, size in enumerate(sizes)
    )
    if not fits:
        wanted = f"({', '.join(map(str, sizes))}{',' * (len(sizes) == 1)})"
        raise InputError(f"a content of {modality} must be {wanted}, got {tuple(shape_of(table))}")


def _table(folder: Path, modality: Modality, spec: ContentSpec) -> ContentTable:
    """The memory-mapped table of contents of a modality; ragged if it has a file of offsets."""
    values = read_array(folder / f"{modality}.npy")
    if not (folder / f"{modality}.offsets.npy").is_file():
        return values
    offsets = read_array(folder / f"{modality}.offsets.npy")
    if (folder / f"{modality}.shapes.npy").is_file():
        shapes = read_array(folder / f"{modality}.shapes.npy")
    else:
        shapes = np.diff(offsets).astype(np.int32)[:, None]
    sizes = np.prod(np.asarray(shapes, np.int64), axis=1) if shapes.ndim == 2 else np.zeros(0)
    fits = values.ndim == offsets.ndim == 1 and len(offsets) == len(sizes) + 1 and not offsets[0]
    if not fits or (np.diff(offsets) != sizes).any() or (sizes < 1).any() or offsets[-1] != len(values):
        raise InputError(f"{modality}.npy and its offsets do not fit each other", "Make the data set again.")
    return Ragged(values, offsets, shapes)


def _check_indices(what: str, indices: np.ndarray, choices: int, least: int = MISSING) -> None:
    """InputError unless all are integers from `least` to `choices` - 1."""
    if indices.dtype.kind not in "iu":
        raise InputError(f"{what} must be a whole number, got {indices.dtype}")
    if indices.size and not least <= int(indices.min()) <= int(indices.max()) < choices:
        raise InputError(f"{what} must be {least} to {choices - 1}, got {indices.min()} to {indices.max()}")


def subset_with_contents(data: Dataset, rows: np.ndarray) -> Dataset:
    """The data set of only these rows and the contents they use."""
    data = data.select(rows)
    contents, groups, columns = {}, {}, []
    for modality in data.modalities:
        pointers = data.pointers(modality)
        used = np.unique(pointers[pointers != MISSING])
        used = used if len(used) else np.arange(1)  # front ends cannot take an empty table
        columns.append(np.where(pointers == MISSING, MISSING, np.searchsorted(used, pointers)))
        contents[modality] = data.contents[modality][used]
        groups[modality] = {n: Group(g.ids[used], g.names) for n, g in data.groups.get(modality, {}).items()}
    return data.replace(contents=contents, groups=groups, rows=np.stack(columns, 1).astype(np.int32))
