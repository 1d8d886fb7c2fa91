"""A data set: per modality a table of distinct contents, and rows that point into the tables.

A repeated recording is stored once, a missing modality is the pointer -1, a leak is two splits pointing at one content, and
new partners are a shuffled column. On disk it is a folder of `.npy` files, opened memory-mapped, and `dataset.json`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from seesay.config import MODALITIES, AudioSpec, ImageSpec, Modality, Spec, from_dict
from seesay.errors import ConfigError, InputError
from seesay.files import new_folder, read_array

FORMAT = 1
"""Version of the folder format, written into dataset.json."""

SPLITS = ("train", "valid", "test")
"""`split.npy` holds an index into this, or -1: the row belongs to none yet."""

MISSING = -1
"""In `rows`: this row has no such modality. In `label`: not known. In `split`: not assigned. In a group: not known."""

Pairing = Literal["given", "drawn within class"]
"""`given`: a row's picture and recording belong together; `drawn within class`: partners are any of the same class."""


@dataclass(frozen=True)
class Group:
    """Which contents belong together, e.g. by speaker: `ids[content]` is an index into `names`, or -1."""

    ids: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """Contents and rows. Arrays may be memory-mapped and must not be written to.

    `contents[m]`: (contents, ...), as `spec[m]` describes; `rows`: (rows, modalities of spec) int32; `label`: (rows,) int64;
    `split`: (rows,) int8.
    """

    spec: Spec
    contents: Mapping[Modality, np.ndarray]
    rows: np.ndarray
    label: np.ndarray
    split: np.ndarray
    groups: Mapping[Modality, Mapping[str, Group]] = field(default_factory=dict)
    pairing: Pairing = "given"
    name: str = "data"
    sources: tuple[str, ...] = ()
    """Where everything came from, a sentence each."""

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

    def select(self, rows: np.ndarray) -> "Dataset":
        """The same contents with only these rows (indices or a mask)."""
        picked = {name: getattr(self, name)[rows] for name in ("rows", "label", "split")}
        return dataclasses.replace(self, **picked)

    def replace(self, **changes: Any) -> "Dataset":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @staticmethod
    def open(folder: Path | str) -> "Dataset":
        """The data set in `folder`, memory-mapped. Missing, truncated or contradicting files: InputError."""
        folder = Path(folder)
        card = _read_card(folder / "dataset.json")
        parts: dict[str, Any] = {m: read_card_spec(m, part["spec"]) for m, part in card["modalities"].items()}
        spec = Spec(classes=tuple(card["classes"]), **parts)
        return Dataset(
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
        )

    def save(self, folder: Path | str, overwrite: bool = False) -> None:
        """Writes the folder, all or nothing. It exists and `overwrite` is false, or the disk is full: OutputError."""
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


def read_card_spec(modality: Modality, values: Any) -> ImageSpec | AudioSpec:
    """The spec of one modality from plain values."""
    return from_dict({"image": ImageSpec, "audio": AudioSpec}[modality], values, modality)


def _read_card(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"{path} is not there, so {path.parent} is not a data set", "Make one with seesay data import."
        )
    try:
        card = json.loads(path.read_text())
        missing = {"format", "name", "classes", "modalities", "pairing", "sources"} - set(card)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not JSON ({error})", "Make the data set again.") from None
    if missing:
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}", "Make the data set again.")
    if card["format"] != FORMAT:
        raise InputError(
            f"{path} has format {card['format']}, this seesay reads {FORMAT}", "Make the data set again."
        )
    unknown = set(card["modalities"]) - set(MODALITIES)
    if unknown:
        raise InputError(
            f"{path} has modalities that this seesay does not know: {', '.join(sorted(unknown))}"
        )
    return card


def check(dataset: Dataset) -> None:
    """InputError where tables, pointers, labels and groups do not fit each other."""
    spec, rows = dataset.spec, len(dataset.rows)
    if not spec.modalities:
        raise ConfigError("a data set needs pictures, recordings or both, and has neither")
    if dataset.rows.shape != (rows, len(spec.modalities)):
        raise InputError(f"rows must be (rows, {len(spec.modalities)}), got {dataset.rows.shape}")
    for name in ("label", "split"):
        if len(getattr(dataset, name)) != rows:
            raise InputError(f"{rows} rows need {rows} entries in {name}, got {len(getattr(dataset, name))}")
    if rows and not -1 <= int(dataset.label.min()) <= int(dataset.label.max()) < len(spec.classes):
        raise InputError(
            f"labels must be -1 or 0 to {len(spec.classes) - 1}, got {set(np.unique(dataset.label))}"
        )
    for modality in spec.modalities:
        _check_table(dataset, modality)


def _check_table(dataset: Dataset, modality: Modality) -> None:
    table, pointers = dataset.contents[modality], dataset.pointers(modality)
    expected = content_shape(dataset.spec, modality)
    if table.shape[1:] != expected:
        raise InputError(f"a content of {modality} must be {expected}, got {table.shape[1:]}")
    if len(pointers) and not -1 <= int(pointers.min()) <= int(pointers.max()) < len(table):
        raise InputError(
            f"pointers into {modality} must be -1 to {len(table) - 1}, got {pointers.min()} to {pointers.max()}"
        )
    for name, group in dataset.groups.get(modality, {}).items():
        if len(group.ids) != len(table):
            raise InputError(
                f"{len(table)} contents of {modality} need as many ids in {name}, got {len(group.ids)}"
            )


def content_shape(spec: Spec, modality: Modality) -> tuple[int, ...]:
    """Shape of one content: a picture, a clip's samples, or a ready-made feature matrix."""
    if modality == "audio" and spec[modality].features != "unknown":
        return (spec[modality].samples,)
    return spec[modality].shape


def distinct(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different contents of `table` (in order of first appearance) and, per row, which one it is, (rows,) int32."""
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
