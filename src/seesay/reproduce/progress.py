"""The progress of a reproduction, in `report.json`: plan, seconds of each stage, and results so far."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seesay.errors import OutputError
from seesay.files import check_new_folder, new_file
from seesay.plain import changes

FILE = "report.json"


@dataclass
class Progress:
    """Plain values that are kept in a JSON file."""

    path: Path
    values: dict[str, Any]

    @staticmethod
    def open(folder: Path, plan: Mapping[str, Any], overwrite: bool = False) -> "Progress":
        """Load the progress in this folder, or start it. Raises OutputError if the folder contains a
        different plan or other files, unless `overwrite` is set."""
        path, plan = folder / FILE, json.loads(json.dumps(plan))
        if path.is_file() and not overwrite:
            values = _read(path)
            changed = [name for name in plan if plan[name] != values["asked"].get(name)]
            if changed:
                raise OutputError(
                    f"{folder} was started with different settings for {' and '.join(changed)}: "
                    f"{changes(values['asked'], plan)}",
                    "Choose another --out, or add --overwrite.",
                )
            return Progress(path, values)
        check_new_folder(folder, overwrite)
        progress = Progress(path, {"asked": plan, "stages": {}})
        progress.save()
        return progress

    def save(self) -> None:
        """Write the file, atomically."""
        with new_file(self.path, encoding="utf-8") as file:
            file.write(json.dumps(self.values, indent=2) + "\n")

    def record(self, name: str, key: str, value: Any) -> None:
        """Set `values[name][key]` and save."""
        self.values.setdefault(name, {})[key] = value
        self.save()


class Stopwatch:
    """Records CPU and wall-clock seconds by stage."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.last = progress, (time.process_time(), time.perf_counter())

    def lap(self, stage: str) -> None:
        """Add the seconds since the last lap to those of the stage, in this process or an earlier one."""
        now = (time.process_time(), time.perf_counter())
        before = self.progress.values["stages"].get(stage, {})
        elapsed = {"cpu_seconds": now[0] - self.last[0], "seconds": now[1] - self.last[1]}
        self.last = now
        seconds = {name: round(before.get(name, 0) + s, 2) for name, s in elapsed.items()}
        self.progress.record("stages", stage, seconds)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        assert {"asked", "stages"} <= values.keys()
    except (ValueError, AssertionError, AttributeError):
        raise OutputError(
            f"{path} was not written by seesay", "Choose another --out, or add --overwrite."
        ) from None
    return values
