"""A data set: per modality a table of distinct contents, and rows that point into the tables.

A repeated recording is stored once, a missing modality is the pointer -1, a leak is two splits pointing at
one content, and new partners are a shuffled column. On disk it is a folder of `.npy` files, opened
memory-mapped, and `dataset.json`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from seesay.config import Modality, Spec
from seesay.data.card import FORMAT, card_spec, check_card, read_card
from seesay.data.skipped import Skipped
from seesay.errors import ConfigError, InputError, SeesayError, nearest
from seesay.files import new_folder, read_array

SPLITS = ("train", "valid", "test")
"""`split.npy` holds an index into this, or -1: the row belongs to none yet."""

MISSING = -1
"""In `rows`: this row has no such modality. In `label` or a group: not known. In `split`: not assigned."""

INTEGERS: Mapping[Modality, str] = {"image": "uint8", "audio": "int16"}
"""The only integers that a table may hold: a front end divides them by 255 and 32768."""

Pairing = Literal["given", "drawn within class"]
"""`given`: a row's picture and recording belong together; `drawn within class`: any two of one class were."""


@dataclass(frozen=True)
class Group:
    """Which contents belong together, e.g. by speaker: `ids[content]` is an index into `names`, or -1."""

    ids: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """Contents and rows. Arrays may be memory-mapped and must not be written to.

    `contents[m]`: (contents, ...), as `spec[m]` describes; `rows`: (rows, modalities of spec) int32;
    `label`: (rows,) int64; `split`: (rows,) int8.
    """

    spec: Spec
    contents: Mapping[Modality, np.ndarray]
    rows: np.ndarray
    label: np.ndarray
    split: np.ndarray
    groups: Mapping[Modality, Mapping[str, Group]] = field(default_factory=dict)
    pairing: str = "given"
    """A `Pairing`."""
    name: str = "data"
    sources: tuple[str, ...] = ()
    """Where everything came from, a sentence each."""
    notes: tuple[str, ...] = ()
    """What to know before the data set is used, a sentence each: what was chosen for it, what was cut off."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Files that were found and are not in it, by reason: `{"not a picture": 3}`."""
    skipped: tuple[Skipped, ...] = ()
    """Rows of the source that were left out when it was read, in order; not stored in a folder."""
    files: tuple[str, ...] = ()
    """What each row of the source is called, where rows were files of a folder; not stored."""

    def __post_init__(self) -> None:
        """InputError where the parts do not fit each other."""
        check(self)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        return self.spec.modalities

    def pointers(self, modality: Modality) -> np.ndarray:
        """(rows,) int32: where each row's content stands in the table, or -1."""
        return self.rows[:, self.modalities.index(modality)]

    def rows_of(self, split: str) -> np.ndarray:
        """(n,) int64: the rows of a split, in order."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def source_rows(self) -> np.ndarray:
        """(rows,) int64: which row of the source each was, from 0, those that were skipped counted too."""
        left_out = np.array([each.row - 1 for each in self.skipped], np.int64)
        return np.setdiff1d(np.arange(len(self) + len(left_out)), left_out)

    def select(self, rows: np.ndarray) -> "Dataset":
        """The same contents with only these rows (indices or a mask)."""
        picked = {name: getattr(self, name)[rows] for name in ("rows", "label", "split")}
        return dataclasses.replace(self, **picked, skipped=(), files=())

    def only(self, *modalities: Modality) -> "Dataset":
        """The same rows with these modalities alone; a row may be left with none. One that is not there:
        InputError."""
        for modality in modalities:
            if modality not in self.modalities:
                raise InputError(f"{self.name} has no {modality}, it has {' and '.join(self.modalities)}")
        kept = [m for m in self.modalities if m in modalities]
        return self.replace(
            spec=dataclasses.replace(self.spec, **{m: None for m in self.modalities if m not in kept}),
            contents={m: self.contents[m] for m in kept},
            rows=self.rows[:, [self.modalities.index(m) for m in kept]],
            groups={m: groups for m, groups in self.groups.items() if m in kept},
        )

    def replace(self, **changes: Any) -> "Dataset":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @staticmethod
    def open(folder: Path | str) -> "Dataset":
        """The data set in `folder`, memory-mapped. Missing, truncated or contradicting files: InputError."""
        folder = Path(folder)
        card = read_card(folder / "dataset.json")
        spec = card_spec(card)
        try:
            dataset = Dataset(
                spec=spec,
                contents={m: read_array(folder / f"{m}.npy") for m in spec.modalities},
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
        """Writes the folder, all or nothing. It exists without `overwrite`, or a full disk: OutputError."""
        with new_folder(folder, overwrite) as temporary:
            for name, array in self._arrays():
                np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            (temporary / "dataset.json").write_text(json.dumps(self.card(), indent=2) + "\n")

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        yield from self.contents.items()
        yield "rows", self.rows
        yield "label", self.label
        yield "split", self.split
        for modality, groups in self.groups.items():
            for name, group in groups.items():
                yield f"{modality}.{name}", group.ids

    def card(self) -> dict[str, Any]:
        """What `dataset.json` says."""
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
        }

    def _modality_card(self, modality: Modality) -> dict[str, Any]:
        table = self.contents[modality]
        return {
            "contents": len(table),
            "shape": list(table.shape[1:]),
            "dtype": table.dtype.name,
            "sha256": hashlib.sha256(np.ascontiguousarray(table).data).hexdigest(),
            "spec": dataclasses.asdict(self.spec[modality]),
            "groups": {name: list(group.names) for name, group in self.groups.get(modality, {}).items()},
        }


def check(dataset: Dataset) -> None:
    """InputError where tables, pointers, labels and groups do not fit each other."""
    spec, rows = dataset.spec, len(dataset.rows)
    if not spec.modalities:
        raise ConfigError("a data set needs pictures, recordings or both, and has neither")
    if dataset.rows.shape != (rows, len(spec.modalities)):
        raise InputError(f"rows must be (rows, {len(spec.modalities)}), got {dataset.rows.shape}")
    for name in ("label", "split"):
        if getattr(dataset, name).shape != (rows,):
            raise InputError(f"{rows} rows need {rows} entries in {name}, got {getattr(dataset, name).shape}")
    if len(set(spec.classes)) != len(spec.classes):
        raise InputError(f"each class must be named once, got {', '.join(map(str, spec.classes))}")
    if dataset.pairing not in get_args(Pairing):
        raise InputError(f"pairing is {dataset.pairing!r}", nearest(dataset.pairing, list(get_args(Pairing))))
    _check_indices("a label", dataset.label, len(spec.classes))
    _check_indices("a split", dataset.split, len(SPLITS))
    for modality in spec.modalities:
        _check_table(dataset, modality)


def _check_table(dataset: Dataset, modality: Modality) -> None:
    table = dataset.contents[modality]
    expected = content_shape(dataset.spec, modality)
    if table.shape[1:] != expected:
        raise InputError(f"a content of {modality} must be {expected}, got {table.shape[1:]}")
    if table.dtype.kind != "f" and table.dtype != INTEGERS[modality]:
        raise InputError(f"{modality} must be {INTEGERS[modality]} or floats, got {table.dtype}")
    _check_indices(f"a pointer into {modality}", dataset.pointers(modality), len(table))
    for name, group in dataset.groups.get(modality, {}).items():
        if group.ids.shape != (len(table),):
            raise InputError(
                f"{len(table)} contents of {modality} need as many ids in {name}, got {group.ids.shape}"
            )
        _check_indices(f"a {name} of {modality}", group.ids, len(group.names))


def _check_indices(what: str, indices: np.ndarray, choices: int) -> None:
    """InputError unless all are whole numbers from -1, which is missing, to the last of `choices`."""
    if indices.dtype.kind not in "iu":
        raise InputError(f"{what} must be a whole number, got {indices.dtype}")
    if indices.size and not MISSING <= int(indices.min()) <= int(indices.max()) < choices:
        raise InputError(f"{what} must be -1 to {choices - 1}, got {indices.min()} to {indices.max()}")


def content_shape(spec: Spec, modality: Modality) -> tuple[int, ...]:
    """Shape of one content: a picture, a clip's samples, or a ready-made feature matrix."""
    if modality == "audio" and spec[modality].features != "unknown":
        return (spec[modality].samples,)
    return spec[modality].shape


def distinct(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different contents of `table`, in order of appearance, and per row which of them, (rows,) int32."""
    found: dict[bytes, int] = {}
    pointers = np.empty(len(table), np.int32)
    first: list[int] = []
    for i, content in enumerate(table):
        digest = hashlib.blake2b(content.tobytes(), digest_size=16).digest()
        if digest not in found:
            found[digest] = len(first)
            first.append(i)
        pointers[i] = found[digest]
    return table[first], pointers
