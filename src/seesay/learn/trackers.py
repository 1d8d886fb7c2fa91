"""TensorBoard, MLflow and Trackio, each behind the same three methods. Their packages are extras and are
imported only when one is started.

Whatever a tracker must remember of a run folder lies in that folder, under the tracker's name.
"""

import contextlib
import importlib
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from seesay.files import new_file

Values = Mapping[str, float]

Status = Literal["finished", "stopped", "failed"]

PROJECT = "seesay"
"""The experiment in MLflow and the project in Trackio that tracked runs belong to."""


@runtime_checkable
class Tracker(Protocol):
    """A place that shows the numbers of runs. Each method may raise anything."""

    def __init__(self, folder: Path, part: str) -> None:
        """`folder`: a run or a search; `part`: a trial of the search, which has a tracked run of its own."""
        ...

    def start(self, parameters: Mapping[str, Any]) -> Mapping[str, int]:
        """Create the tracked run with these parameters, or reopen it. Returns the last step of each name that
        it has."""
        ...

    def log(self, step: int, values: Values) -> None:
        """Add the values of a step."""
        ...

    def end(self, status: Status) -> None:
        """Close the tracked run."""
        ...


class TensorBoard:
    """Event files in the folder `tensorboard`; each part has a folder in it."""

    def __init__(self, folder: Path, part: str) -> None:
        self._folder = folder / "tensorboard" / part

    def start(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from torch.utils.tensorboard import SummaryWriter

        events = EventAccumulator(str(self._folder))
        names = events.Reload().Tags()["scalars"] if self._folder.is_dir() else []
        self._parameters = None if names else parameters
        before = self._files()
        self._writer = SummaryWriter(str(self._folder))
        [file] = self._files() - before
        if file < max(before, default=file):
            # Files are read in the order of their names, which are the second, the process and a counter:
            # the tenth of a second is read before its ninth.
            self._writer.close()
            file.unlink()
            time.sleep(1)
            self._writer = SummaryWriter(str(self._folder))
        return {name: max(event.step for event in events.Scalars(name)) for name in names}

    def log(self, step: int, values: Values) -> None:
        if self._parameters is not None:  # with the first values, since their names belong to its table
            from torch.utils.tensorboard.summary import hparams

            for summary in hparams(dict(self._parameters), dict(values)):
                self._writer._get_file_writer().add_summary(summary)
            self._parameters = None
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def end(self, status: Status) -> None:
        self._writer.close()

    def _files(self) -> set[Path]:
        return set(self._folder.glob("events.out.tfevents.*"))


class MLflow:
    """A run in the experiment `seesay`, in the store that MLFLOW_TRACKING_URI names or MLflow's default. A
    part is a child of the folder's run."""

    STATUS: Mapping[Status, str] = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}

    def __init__(self, folder: Path, part: str) -> None:
        self._folder, self._part = folder, part

    def start(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        # A server that does not answer takes half a minute, instead of four with seven retries.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody is called but the user's server
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        import mlflow

        given = os.environ.get("MLFLOW_TRACKING_URI")
        uri = given or _read(self._file("")).get("uri") or mlflow.get_tracking_uri()
        self._client, self._uri = mlflow.MlflowClient(uri), re.sub("//[^/@]*@", "//", uri)  # no password
        parent = {"mlflow.parentRunId": self._run("", {}, {})} if self._part else {}
        self._id = self._run(self._part, parent, parameters)
        self._client.update_run(self._id, status="RUNNING")
        names = self._client.get_run(self._id).data.metrics
        return {n: max(each.step for each in self._client.get_metric_history(self._id, n)) for n in names}

    def log(self, step: int, values: Values) -> None:
        from mlflow.entities import Metric

        now = int(1_000 * time.time())  # ms
        metrics = [Metric(name, float(value), now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics)

    def end(self, status: Status) -> None:
        self._client.set_terminated(self._id, self.STATUS[status])

    def _file(self, part: str) -> Path:
        return self._folder / "mlflow" / f"{part or 'run'}.json"

    def _run(self, part: str, tags: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
        """The id of the tracked run of this part; a new one if this store has none. It is kept in a file, so
        that processes that share a search share its run."""
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        path, title = self._file(part), part or self._folder.resolve().name
        kept = _read(path)
        if kept.get("uri") == self._uri:
            return kept["run_id"]
        if kept:
            path.unlink()
        with contextlib.suppress(MlflowException):  # there is one, perhaps since a moment ago
            self._client.create_experiment(PROJECT)
        experiment = self._client.get_experiment_by_name(PROJECT)
        assert experiment is not None
        created = self._client.create_run(experiment.experiment_id, tags=dict(tags), run_name=title)
        new = created.info.run_id
        params = [Param(name, str(value)[:6_000]) for name, value in parameters.items()]
        for start in range(0, len(params), 100):  # the most in one call, as are 6000 characters in a value
            self._client.log_batch(new, params=params[start : start + 100])
        self._client.set_terminated(new)  # `start` reopens it, unless it only holds others
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{new}")
        temporary.write_text(json.dumps({"uri": self._uri, "run_id": new}) + "\n")
        with contextlib.suppress(FileExistsError):  # another process was first
            path.hardlink_to(temporary)
        temporary.unlink()
        if (first := _read(path)["run_id"]) != new:
            self._client.delete_run(new)
        return first


class Trackio:
    """A run of the project `seesay`, wherever Trackio keeps it. The parts of a folder are a group."""

    def __init__(self, folder: Path, part: str) -> None:
        self._title, self._part = folder.resolve().name, part
        self._file = folder / "trackio" / f"{part or 'run'}.json"

    def start(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        self._trackio: Any = importlib.import_module("trackio")
        unique = "-".join(filter(None, (self._title, self._part, uuid.uuid4().hex[:6])))
        self._kept: dict[str, Any] = {"name": unique, "last": {}} | _read(self._file)
        group = self._title if self._part else None
        config, name = dict(parameters), self._kept["name"]
        with contextlib.redirect_stdout(sys.stderr):  # it tells of itself
            self._trackio.init(PROJECT, name=name, group=group, config=config, resume="allow", embed=False)
        return dict(self._kept["last"])

    def log(self, step: int, values: Values) -> None:
        self._trackio.log(dict(values), step=step)
        self._kept["last"] |= dict.fromkeys(values, step)
        with new_file(self._file) as file:
            file.write(json.dumps(self._kept) + "\n")

    def end(self, status: Status) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            self._trackio.finish()


TRACKERS: Mapping[str, type[Tracker]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "trackio": Trackio}
"""Trackers by the names of their packages and of our extras."""


def _read(path: Path) -> dict[str, Any]:
    """What a tracker kept in this file; empty if there is none."""
    return json.loads(path.read_text()) if path.is_file() else {}
