"""Experiment trackers: TensorBoard, MLflow and Trackio get the numbers of a run as they are saved.

`epochs.jsonl` remains the record. A tracker is given every number in it once: what it has already is not sent
again, so that a resumed run continues its tracked run, and a finished one can still be sent.
"""

import contextlib
import importlib.util
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from seesay.condition import Condition
from seesay.errors import InputError
from seesay.learn.encoder_files import from_run
from seesay.learn.run import Run
from seesay.learn.trackers import TRACKERS, Status, Tracker, Values
from seesay.plain import flat, to_dict

Step = tuple[int, Values]
"""The number of an epoch or a fold, from 1, and its numbers by name."""

PRETRAINING = ("total", "mean", "seconds")
"""Numbers in a line of `pretrain.jsonl`."""


def check_tracker(name: str | None) -> None:
    """InputError if the tracker's package is not installed."""
    if name is not None and importlib.util.find_spec(name) is None:
        raise InputError(f"{name} is not installed", f"Run `pip install 'seesay[{name}]'`.")


class Record:
    """Sends each number to a tracker once. A tracker that fails is dropped after one warning, so that it
    never ends a training."""

    def __init__(self, tracker: Tracker | None, warn: Callable[[str], None]) -> None:
        """`tracker` None: nothing is sent."""
        self.status: Status = "finished"
        self._tracker, self._warn, self._last = tracker, warn, dict[str, int]()

    def start(self, parameters: Mapping[str, Any]) -> None:
        with self._guarded() as tracker:
            if tracker is not None:
                self._last = dict(tracker.start({_name(n): _plain(v) for n, v in parameters.items()}))

    def add(self, steps: Iterable[Step]) -> None:
        """Send those of these numbers that were not sent before."""
        if self._tracker is None:
            return
        for step, values in steps:
            new = {_name(n): v for n, v in values.items() if step > self._last.get(_name(n), 0)}
            with self._guarded() as tracker:
                if new and tracker is not None:
                    tracker.log(step, new)
                    self._last |= dict.fromkeys(new, step)

    def end(self) -> None:
        with self._guarded() as tracker:
            if tracker is not None:
                tracker.end(self.status)

    @contextlib.contextmanager
    def _guarded(self) -> Generator[Tracker | None]:
        try:
            yield self._tracker
        except Exception as error:  # whatever a tracker's package, disk or server raises
            self._tracker = None
            reason = " ".join(str(error).split()) or type(error).__name__
            self._warn(f"Tracking stopped, and training goes on: {reason[:200]}")


@contextlib.contextmanager
def tracking(
    name: str | None,
    folder: Path,
    parameters: Mapping[str, Any],
    warn: Callable[[str], None],
    part: str = "",
) -> Generator[Record]:
    """A record of the run in this folder, ended with the block. `name`: the tracker; None: no tracker.
    `part`: the name of a part of the folder with a tracked run of its own, such as a trial of a search."""
    record = Record(TRACKERS[name](folder, part) if name else None, warn)
    record.start(parameters)
    try:
        yield record
    except BaseException as error:
        record.status = "stopped" if isinstance(error, KeyboardInterrupt | GeneratorExit) else "failed"
        raise
    finally:
        record.end()


def parameters_of(run: Run) -> dict[str, Any]:
    """What a tracked run is shown to depend on: the recipe, the data, and every field of the config."""
    return {"recipe": run.recipe, "data": run.data, **flat(to_dict(from_run(run.config)))}


def steps_of(run: Run) -> Iterator[Step]:
    """The numbers in `pretrain.jsonl` and `epochs.jsonl`. An epoch that was stopped half-way is left out:
    when resumed, it is trained again."""
    for line in run.pretraining_epochs():
        if line["whole"]:
            yield line["number"], {f"pretrain/{line['modality']}/{n}": line[n] for n in PRETRAINING}
    for line in run.epochs():
        if line["whole"]:
            scores = {f"valid/macro_f1/{Condition(name).slug}": s for name, s in line["scores"].items()}
            yield line["number"], {"loss": line["loss"], **scores, "seconds": line["seconds"]}


def _name(name: str) -> str:
    """The name, with characters that a tracker refuses replaced."""
    return re.sub(r"[^\w./-]", "_", name, flags=re.ASCII)


def _plain(value: Any) -> Any:
    """The value of a parameter as a string or number; lists as JSON."""
    return value if isinstance(value, str | int | float) else json.dumps(value)
