"""Results that are made shard by shard, so that a killed command continues where it was.

Beside the result `OUT` lies `OUT.parts` until all shards are done: `settings.json`, and for each finished
shard its rows, `000012.csv`, the encodings of its files, `000012.image.npy`, and `000012.json`, which is
written last. Shards are then joined, and the folder is removed.
"""

import contextlib
import json
import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Float

from seesay.data.skipped import Skipped, write_skipped
from seesay.errors import InputError, OutputError
from seesay.files import new_file, writing
from seesay.plain import changes
from seesay.serve.columns import Block, Column
from seesay.serve.tables_out import TableFormat, table_format
from seesay.spec import Modality

SETTINGS = "settings.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Shard:
    """Predictions for some rows."""

    number: int
    """Its place among the shards."""
    rows: int
    """Rows of the source that it covers."""
    block: Block | None
    """Values by column; None: the shard was finished before."""
    bad: Sequence[Skipped] = ()
    """Rows of the source that are left out."""
    stamp: str = ""
    """Hash of the sizes and times of the files that it was made from: with others, it is made again."""
    encodings: Mapping[Modality, Float[np.ndarray, "n d"]] = field(default_factory=dict)
    """Encodings of its files, which later shards may name again."""
    faults: Mapping[Modality, Mapping[int, tuple[str, str]]] = field(default_factory=dict)
    """Name and reason of those files that cannot be read."""


@dataclass(frozen=True)
class Shards:
    """The finished shards of a result."""

    out: Path
    folder: Path
    format: TableFormat
    columns: Sequence[Column]

    def stamp(self, number: int) -> str | None:
        """The stamp of a finished shard; None: it is not finished."""
        return self._card_of(number)["stamp"] if self._card(number).is_file() else None

    def bad(self, number: int) -> list[Skipped]:
        """The rows that a finished shard leaves out."""
        return [Skipped(*each) for each in self._card_of(number)["bad"]]

    def encodings(self, number: int, modality: Modality) -> Float[np.ndarray, "n d"]:
        """The encodings of a finished shard's files."""
        return np.load(self._encodings(number, modality), mmap_mode="r")

    def faults(self, number: int, modality: Modality) -> dict[int, tuple[str, str]]:
        """Name and reason of a finished shard's files that cannot be read, by their place."""
        theirs = self._card_of(number)["faults"][modality]
        return {int(place): (name, reason) for place, (name, reason) in theirs.items()}

    def write(self, shard: Shard) -> None:
        """Save a shard; from then on it is finished."""
        assert shard.block is not None
        with new_file(self._data(shard.number), "wb") as file:
            file.write(self.format.encoded(self.columns, shard.block))
        for modality, encodings in shard.encodings.items():
            with new_file(self._encodings(shard.number, modality), "wb") as file:
                np.save(file, encodings, allow_pickle=False)
        bad = [(each.row, each.file, each.reason) for each in shard.bad]
        card = {"stamp": shard.stamp, "rows": len(shard.block[0]), "bad": bad, "faults": shard.faults}
        with new_file(self._card(shard.number), encoding="utf-8") as file:
            json.dump(card, file)

    def join(self, count: int) -> tuple[int, str]:
        """Make the result of shards 0 to `count` - 1, and a table of the rows left out beside it. Returns the
        number of rows in the result, and a sentence on those left out. No row left: InputError."""
        rows = sum(self._card_of(number)["rows"] for number in range(count))
        bad = [each for number in range(count) for each in self.bad(number)]
        if not rows:
            shutil.rmtree(self.folder)  # nothing in it is worth continuing
            first = bad[0]
            raise InputError(
                f"none of the {len(bad):,} rows can be read: row {first.row}: {first.reason}",
                "Check the files.",
            )
        joined = self.folder / f"joined{self.out.suffix}"
        with new_file(joined, "wb") as file:
            self.format.join(file, self.columns, [self._data(number) for number in range(count)])
        said = write_skipped(self.out, bad)
        with writing(self.out):
            joined.replace(self.out)
        return rows, said

    def _card_of(self, number: int) -> dict[str, Any]:
        try:
            return json.loads(self._card(number).read_text(encoding="utf-8"))
        except ValueError:
            raise OutputError(f"{self._card(number)} is damaged", f"Remove {self.folder}.") from None

    def _data(self, number: int) -> Path:
        return self.folder / f"{number:06}{self.out.suffix}"

    def _encodings(self, number: int, modality: Modality) -> Path:
        return self.folder / f"{number:06}.{modality}.npy"

    def _card(self, number: int) -> Path:
        return self.folder / f"{number:06}.json"


@contextlib.contextmanager
def shards_of(
    out: Path | str, columns: Sequence[Column], settings: Mapping[str, Any], overwrite: bool = False
) -> Generator[Shards]:
    """The shards of `out` that an earlier command with the same settings finished, to add others and join
    them. The folder is removed at the end, or after an error if it holds no finished shard.

    `out` exists, its folder was begun with other settings (unless `overwrite`), or another command works on
    it: OutputError.
    """
    out = Path(out)
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already", "Choose another name, or add --overwrite.")
    folder = out.with_name(f"{out.name}.parts")
    shards = Shards(out, folder, table_format(out, columns), columns)
    with _locked(folder):
        _begin(folder, dict(settings), overwrite)
        kept = False
        try:
            yield shards
        except BaseException:
            kept = shards.stamp(0) is not None
            raise
        finally:
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Write the settings, or check that they are those of an earlier command."""
    before = _settings(folder)
    if before == settings:
        return
    if before is not None and not overwrite:
        raise OutputError(
            f"{folder} holds the beginning of another result: {changes(before, settings)}",
            "Give the same options and data to continue it, or add --overwrite to start anew.",
        )
    with writing(folder):
        for path in folder.iterdir():
            if path.name not in (LOCK, SETTINGS):
                path.unlink()
    with new_file(folder / SETTINGS, encoding="utf-8") as file:
        json.dump(settings, file, indent=2)


def _settings(folder: Path) -> dict[str, Any] | None:
    """The settings that an earlier command began with; None: none did."""
    path = folder / SETTINGS
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError:
        raise OutputError(f"{path} is not what seesay wrote", f"Remove {folder}.") from None


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold the lock of the folder, which is created. Another command holds it, or the folder is of something
    else: OutputError."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / SETTINGS).is_file() and any(path.name[0] != "." for path in folder.iterdir()):
            raise OutputError(f"{folder} was not made by seesay", "Move it, or choose another --out.")
        file = (folder / LOCK).open("w")
    with file:
        if not _lock(file):
            raise OutputError(f"another command is writing {folder}", "Wait for it, or choose another --out.")
        yield


def _lock(file: IO[str]) -> bool:
    """Lock an open file until it is closed or the process dies. False: another process holds the lock."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
