"""Shared by commands: option types, and opening a data source, a device, threads."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from seesay.config import Config
from seesay.errors import ConfigError, InputError
from seesay.recipes import RECIPES

Settings = Annotated[Config, tyro.conf.arg(name="")]
Words = tyro.conf.Positional
Device = Literal["auto", "cpu", "cuda"]
Track = Literal["tensorboard", "mlflow", "trackio"]
OnBad = Literal["stop", "skip"]
Recipe = Annotated[str, tyro.conf.arg(metavar=f"{{{','.join(RECIPES)}}}")]


def open_source(
    source: str, columns: tuple[str, ...] = (), on_bad: OnBad = "stop", reading: Any = None
) -> Any:
    """Opens a data source, with the user's names of its columns."""
    from seesay.formats.open import open_data

    return open_data(source, with_columns(columns, on_bad, reading))


def with_columns(columns: tuple[str, ...], on_bad: OnBad, reading: Any = None) -> Any:
    """A way of reading, with the user's names of columns."""
    import dataclasses

    from seesay.formats.media import USUAL
    from seesay.formats.tables import parse_columns

    return dataclasses.replace(reading or USUAL, columns=parse_columns(columns), on_bad=on_bad)


def reading_for(run: Any, adapting: bool = False) -> Any:
    """How to read labelled files for a run: an adapted model takes them in the format of its first training;
    None: as usual."""
    from seesay.formats.media import Reading

    return Reading(spec=run.spec) if adapting or run.adapted_from else None


def report_skipped(out: Path, data: Any) -> int:
    """Writes OUT.bad.csv and prints how many rows were skipped. Returns the exit status: 1 if any was."""
    from seesay.data.skipped import write_skipped

    if message := write_skipped(out, data.skipped):
        print(message)
    return 1 if data.skipped else 0


def training_data(run: Any) -> str:
    """The data set of the run. InputError where it has moved, or its path was a relative one from
    elsewhere."""
    from seesay.formats.open import NAMES

    if run.data not in NAMES and not Path(run.data).exists():
        raise InputError(
            f"{run.folder} was trained on {run.data}, which is not there", "Say where it is with --data."
        )
    return run.data


def use_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(check_threads(threads))


def check_threads(threads: int) -> int:
    if threads < 1:
        raise ConfigError(f"threads must be 1 or more, got {threads}")
    return threads


def device_for(name: Device) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device here", "Use --device cpu.")
    return name
