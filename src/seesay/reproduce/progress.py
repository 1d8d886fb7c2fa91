"""`report.json` while it grows: what was asked, the seconds of every stage, what has been found so far."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seesay.errors import OutputError
from seesay.files import make_way, new_file
from seesay.plain import changes

FILE = "report.json"


@dataclass
class Diary:
    """Plain values that are on disk after every change that `save` is told of."""

    path: Path
    values: dict[str, Any]

    @staticmethod
    def open(folder: Path, asked: Mapping[str, Any], overwrite: bool = False) -> "Diary":
        """The diary of this folder, new or to be gone on with. The folder holds anything else and `overwrite`
        is false: OutputError."""
        path, asked = folder / FILE, json.loads(json.dumps(asked))
        if path.is_file() and not overwrite:
            values = _read(path)
            changed = [name for name in asked if asked[name] != values["asked"].get(name)]
            if changed:
                told = changes(values["asked"], asked)
                raise OutputError(
                    f"{folder} was begun with other {' and '.join(changed)}: {told}",
                    "Choose another --out, or add --overwrite.",
                )
            return Diary(path, values)
        make_way(folder, overwrite)
        diary = Diary(path, {"asked": asked, "stages": {}})
        diary.save()
        return diary

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        with new_file(self.path, encoding="utf-8") as file:
            file.write(json.dumps(self.values, indent=2) + "\n")

    def note(self, name: str, key: str, value: Any) -> None:
        """Keeps a value under `values[name][key]`."""
        self.values.setdefault(name, {})[key] = value
        self.save()


class Clock:
    """Charges the seconds since the last charge to a stage: those of the processor and those on the wall."""

    def __init__(self, diary: Diary) -> None:
        self.diary, self.last = diary, (time.process_time(), time.perf_counter())

    def charge(self, stage: str) -> None:
        """Adds to what the stage has taken before, in this process or an earlier one."""
        now = (time.process_time(), time.perf_counter())
        before = self.diary.values["stages"].get(stage, {})
        passed = {"cpu_seconds": now[0] - self.last[0], "seconds": now[1] - self.last[1]}
        self.last = now
        self.diary.note(
            "stages", stage, {name: round(before.get(name, 0) + s, 2) for name, s in passed.items()}
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        assert {"asked", "stages"} <= values.keys()
    except (ValueError, AssertionError, AttributeError):
        raise OutputError(
            f"{path} is not what seesay wrote", "Choose another --out, or add --overwrite."
        ) from None
    return values
