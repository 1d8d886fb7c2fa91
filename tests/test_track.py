"""Experiment trackers get every number of a run once, and never end a training. TensorBoard and MLflow are
the real ones, read back by their own readers; Trackio is a stand-in with the functions that it documents."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from seesay.cli import main
from seesay.cli.arguments import Track
from seesay.learn import track
from seesay.learn.run import Run
from seesay.learn.track import parameters_of, steps_of, tracking
from seesay.learn.trackers import TRACKERS
from tiny import STILL, tiny_config, tiny_data, tiny_run

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
"""Of MLflow, which uses it."""

SMALL = ["--model.dim", "8", "--model.image.width", "4", "--model.audio.width", "4", "--optim.batch", "8"]
SMALL += ["--threads", "1", "--optim.precision", "float32", "--quiet"]

Points = dict[str, dict[int, float]]
"""Values by name and step."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run. Not to be changed."""
    return tiny_run(tmp_path_factory.mktemp("track") / "a run", config=tiny_config(3, augment=STILL))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("track") / "data"
    tiny_data().save(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of MLflow in files: as it is made in no time."""
    folder = tmp_path / "store"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", folder.as_uri())
    return folder


def expected(run: Run) -> Points:
    points: Points = {}
    for line in run.epochs():
        values = {f"valid/macro_f1/{c.replace('+', '_')}": score for c, score in line["scores"].items()}
        for name, value in {"loss": line["loss"], "seconds": line["seconds"], **values}.items():
            points.setdefault(name, {})[line["number"]] = value
    return points


def silent(_: str) -> None:
    pytest.fail("a tracker failed")


def sent(run: Run, name: str, folder: Path, epochs: int | None = None) -> None:
    """Track a run, or its first epochs, as the training in this folder."""
    with tracking(name, folder, parameters_of(run), silent) as record:
        record.add(list(steps_of(run))[:epochs])


# ------------------------------------------------------------------------------------------------ TensorBoard


def events(folder: Path) -> tuple[Points, list[tuple[str, int]], dict[str, Any]]:
    """The scalars in event files, every point of them with its repeats, and the hyperparameters."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    read = EventAccumulator(str(folder)).Reload()
    names = read.Tags()["scalars"]
    points = {name: {e.step: e.value for e in read.Scalars(name)} for name in names}
    every = [(name, e.step) for name in names for e in read.Scalars(name)]
    content = read.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    session = HParamsPluginData.FromString(content).session_start_info
    parameters = {n: getattr(v, str(v.WhichOneof("kind"))) for n, v in session.hparams.items()}
    return points, every, parameters


def test_tensorboard_shows_every_number_and_the_config(run: Run, tmp_path: Path):
    sent(run, "tensorboard", tmp_path)
    points, every, parameters = events(tmp_path / "tensorboard")
    wanted = expected(run)
    assert {name: list(by_step) for name, by_step in points.items()} == {n: [1, 2, 3] for n in wanted}
    for name, by_step in points.items():
        assert by_step == pytest.approx(wanted[name], rel=1e-6), "event files hold float32"
    assert len(every) == len(set(every))
    assert parameters["optim.epochs"] == 3
    assert parameters["model.fusion"] == run.config.model.fusion
    assert parameters["recipe"] == "small"


def test_a_resumed_run_goes_on_in_tensorboard_without_repeats(run: Run, tmp_path: Path):
    for epochs in (1, 1, 2, None):
        sent(run, "tensorboard", tmp_path, epochs)
    points, every, parameters = events(tmp_path / "tensorboard")
    assert list(points["loss"]) == [1, 2, 3]
    assert len(every) == len(set(every))
    assert parameters["optim.epochs"] == 3


def test_files_of_one_second_are_read_in_the_order_they_were_written(tmp_path: Path):
    """Their names end in a counter of ours, and sorted by name a tenth comes before a ninth."""
    for step in range(1, 13):
        with tracking("tensorboard", tmp_path, {}, silent) as record:
            record.add([(step, {"loss": 1 / step})])
    points, _, _ = events(tmp_path / "tensorboard")
    assert list(points["loss"]) == list(range(1, 13))


def test_a_killed_writer_is_gone_on_with(run: Run, tmp_path: Path):
    """Half a step is written, and half an event."""
    steps = list(steps_of(run))
    with tracking("tensorboard", tmp_path, {}, silent) as record:
        record.add(steps[:1])
        record.add([(2, {"loss": steps[1][1]["loss"]})])
    [file] = (tmp_path / "tensorboard").iterdir()
    with file.open("ab") as cut:
        cut.write(file.read_bytes()[:20])
    sent(run, "tensorboard", tmp_path)
    points, every, _ = events(tmp_path / "tensorboard")
    assert {name: list(by_step) for name, by_step in points.items()} == {n: [1, 2, 3] for n in expected(run)}
    assert len(every) == len(set(every))


# ----------------------------------------------------------------------------------------------------- MLflow


def mlflow_runs() -> list[Any]:
    """The runs of the experiment seesay, the first first."""
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("seesay")
    return client.search_runs([experiment.experiment_id])[::-1] if experiment else []


def history(run: Any) -> tuple[Points, int]:
    """The values of a run, and the number of them with repeats."""
    from mlflow import MlflowClient

    client = MlflowClient()
    found = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    points = {name: {m.step: m.value for m in metrics} for name, metrics in found.items()}
    return points, sum(map(len, found.values()))


@pytest.mark.usefixtures("store")
def test_mlflow_shows_every_number_and_the_config(run: Run, tmp_path: Path):
    sent(run, "mlflow", tmp_path / "my run")
    [shown] = mlflow_runs()
    assert history(shown) == (expected(run), 15)
    assert shown.info.run_name == "my run"
    assert shown.info.status == "FINISHED"
    assert shown.data.params == {name: str(track._plain(v)) for name, v in parameters_of(run).items()}


@pytest.mark.usefixtures("store")
def test_mlflow_gets_more_parameters_than_one_call_takes(tmp_path: Path):
    with tracking("mlflow", tmp_path, {f"p{i}": "x" * 10_000 for i in range(250)}, silent):
        pass
    [shown] = mlflow_runs()
    assert len(shown.data.params) == 250
    assert set(map(len, shown.data.params.values())) == {6_000}


@pytest.mark.usefixtures("store")
def test_a_resumed_run_goes_on_in_mlflow_without_repeats(run: Run, tmp_path: Path):
    for epochs in (1, 1, 2, None):
        sent(run, "mlflow", tmp_path / "run", epochs)
    [shown] = mlflow_runs()
    assert history(shown) == (expected(run), 15)


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED"), (None, "FINISHED")]
)
@pytest.mark.usefixtures("store")
def test_mlflow_says_how_a_run_ended(tmp_path: Path, error: type[BaseException] | None, status: str):
    def training() -> None:
        with tracking("mlflow", tmp_path, {}, silent) as record:
            record.add([(1, {"loss": 1.0})])
            [running] = mlflow_runs()
            assert running.info.status == "RUNNING"
            if error is not None:
                raise error

    if error is None:
        training()
    else:
        with pytest.raises(error):
            training()
    assert [shown.info.status for shown in mlflow_runs()] == [status]


def test_another_store_gets_a_run_of_its_own(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for store in ("a", "b"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / store).as_uri())
        sent(run, "mlflow", tmp_path)
        [shown] = mlflow_runs()
        assert history(shown) == (expected(run), 15)


@pytest.mark.usefixtures("store")
def test_processes_that_share_a_folder_share_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The second looks for the file of the first before that is written, and writes its own after."""
    from mlflow import MlflowClient

    create, begun = MlflowClient.create_run, []

    def slow(client: Any, *arguments: Any, **named: Any) -> Any:
        if not begun:
            begun.append(True)
            with tracking("mlflow", tmp_path, {}, silent):
                pass
        return create(client, *arguments, **named)

    monkeypatch.setattr(MlflowClient, "create_run", slow)
    with tracking("mlflow", tmp_path, {}, silent) as record:
        record.add([(1, {"loss": 1.0})])
    [shown] = mlflow_runs()
    assert shown.data.metrics == {"loss": 1.0}


@pytest.mark.usefixtures("store")
def test_no_password_of_a_store_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://user:secret@localhost{store}")
    with tracking("mlflow", tmp_path / "run", {}, silent):
        pass
    assert "secret" not in (tmp_path / "run" / "mlflow" / "run.json").read_text()


@pytest.mark.long
def test_mlflow_keeps_runs_where_it_usually_does(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A new database of its own, which takes it some ten seconds to make; also from another folder."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    sent(run, "mlflow", tmp_path / "run", 1)
    assert (tmp_path / "mlflow.db").is_file()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    sent(run, "mlflow", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    [shown] = mlflow_runs()
    assert history(shown) == (expected(run), 15)


# ---------------------------------------------------------------------------------------------------- Trackio


class StandIn(ModuleType):
    """As much of Trackio as is used: a run is found by its name."""

    def __init__(self) -> None:
        super().__init__("trackio")
        self.runs: dict[str, dict[str, Any]] = {}
        self.open: dict[str, Any] | None = None

    def init(self, project: str, name: str, group: str | None, config: Any, resume: str, embed: bool) -> None:
        print("* Trackio project initialized")
        assert (project, resume, embed) == ("seesay", "allow", False)
        self.open = self.runs.setdefault(name, {"group": group, "config": config, "logged": []})

    def log(self, metrics: dict[str, float], step: int) -> None:
        assert self.open is not None
        self.open["logged"] += [(name, step, value) for name, value in metrics.items()]

    def finish(self) -> None:
        assert self.open is not None
        self.open = None


@pytest.fixture
def trackio(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    module = StandIn()
    module.__spec__ = type(json.__spec__)("trackio", None)
    monkeypatch.setitem(sys.modules, "trackio", module)
    yield module
    assert module.open is None


def test_trackio_gets_every_number_once(run: Run, tmp_path: Path, trackio: StandIn, capsys):
    for epochs in (1, 2, 2, None):
        sent(run, "trackio", tmp_path / "my run", epochs)
    [(name, shown)] = trackio.runs.items()
    assert name.startswith("my run-")
    assert sorted(shown["logged"]) == sorted(
        (n, s, v) for n, by in expected(run).items() for s, v in by.items()
    )
    assert shown["config"]["optim.epochs"] == 3
    assert capsys.readouterr().out == "", "stdout is for results"


def test_two_folders_of_one_name_are_two_runs_of_trackio(run: Run, tmp_path: Path, trackio: StandIn):
    for folder in ("a", "b"):
        sent(run, "trackio", tmp_path / folder / "run")
    assert len(trackio.runs) == 2


# -------------------------------------------------------------------------------------------- whichever it is


def test_the_option_names_the_trackers():
    assert set(get_args(Track)) == set(TRACKERS)


def test_a_tracker_that_is_not_installed_is_refused_before_anything(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "trackio", None)
    out = str(tmp_path / "run")
    for command in (["train"], ["tune", "--space", "model.dim=4|8"]):
        assert main([*command, "--data", str(data), "--out", out, "--track", "trackio"]) == 2
        said = capsys.readouterr().err
        assert said == "seesay: trackio is not installed. Run `pip install 'seesay[trackio]'`.\n"
    assert not (tmp_path / "run").exists()


class Broken:
    """A tracker that fails from its `good`th call on."""

    def __init__(self, good: int) -> None:
        self.good = good

    def _call(self) -> None:
        self.good -= 1
        if self.good < 0:
            raise ConnectionError("the server\nis gone")

    def start(self, parameters: Any) -> dict[str, int]:
        self._call()
        return {}

    def log(self, step: int, values: Any) -> None:
        self._call()

    def end(self, status: str) -> None:
        self._call()


@pytest.mark.parametrize("good", [0, 1, 2, 6])
def test_a_tracker_that_fails_never_ends_a_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, good: int
):
    broken = Broken(good)
    monkeypatch.setitem(track.TRACKERS, "tensorboard", lambda folder, part: broken)
    words = ["--data", str(data), "--out", str(tmp_path / "run"), "--optim.epochs", "2"]
    assert main(["train", *words, *SMALL, "--track", "tensorboard"]) == 0
    err = capsys.readouterr().err
    warning = "Note: Tracking stopped, and training goes on: the server is gone\n"
    assert err.count(warning) == err.count("Note: Tracking") == (good < 4)
    assert Run.open(tmp_path / "run").finished


def test_half_an_epoch_is_not_tracked(tmp_path: Path):
    run = tiny_run(tmp_path / "run", config=tiny_config(1))
    lines = run.epochs()
    run.write("epochs.jsonl", "".join(json.dumps({**line, "whole": False}) + "\n" for line in lines))
    assert list(steps_of(run)) == []


def test_autoencoders_are_tracked_too(run: Run, tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_bytes((run.folder / "config.json").read_bytes())
    own = Run.open(folder)
    line = {"modality": "image", "number": 1, "total": 2.5, "mean": 0.5, "seconds": 1.0, "whole": True}
    own.write("pretrain.jsonl", json.dumps(line) + "\n" + json.dumps({**line, "whole": False}) + "\n")
    numbers = {"pretrain/image/total": 2.5, "pretrain/image/mean": 0.5, "pretrain/image/seconds": 1.0}
    assert list(steps_of(own)) == [(1, numbers)]


def test_names_that_a_tracker_refuses_are_changed(tmp_path: Path):
    with tracking("tensorboard", tmp_path, {"model.Größe": [1, 2], "b": None}, silent) as record:
        record.add([(1, {"valid/macro_f1/left eye+Ton": 0.5})])
    points, _, parameters = events(tmp_path / "tensorboard")
    assert points == {"valid/macro_f1/left_eye_Ton": {1: 0.5}}
    assert parameters == {"model.Gr__e": "[1, 2]", "b": "null"}


# -------------------------------------------------------------------------------------------- command line


def test_train_tracks_as_it_trains_and_resumes(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The training is interrupted in its second epoch, as by Ctrl-C."""
    from seesay.cli.terminal import Watch

    advance, seen = Watch.__call__, []

    def interrupted(watch: Watch, batches: Any) -> Iterator[Any]:
        for batch in advance(watch, batches):
            seen.append(batch)
            yield batch
            watch.stopped = watch.stopped or len(seen) == 7

    monkeypatch.setattr(Watch, "__call__", interrupted)
    words = ["train", "--data", str(data), "--out", str(tmp_path / "run"), "--optim.epochs", "3", *SMALL]
    words += ["--track", "tensorboard"]
    assert main(words) == 130
    run = Run.open(tmp_path / "run")
    assert [line["whole"] for line in run.epochs()] == [True, False]
    assert list(events(run.folder / "tensorboard")[0]["loss"]) == [1]
    assert main([*words, "--resume"]) == 0
    points, every, _ = events(run.folder / "tensorboard")
    wanted = expected(run)
    assert set(points) == set(wanted)
    assert points["loss"] == pytest.approx(wanted["loss"], rel=1e-6)
    assert len(every) == len(set(every))


def test_a_finished_run_can_be_tracked_afterwards(data: Path, tmp_path: Path):
    words = ["train", "--data", str(data), "--out", str(tmp_path / "run"), "--optim.epochs", "1", *SMALL]
    assert main(words) == 0
    assert main([*words, "--resume", "--track", "tensorboard"]) == 0
    assert list(events(tmp_path / "run" / "tensorboard")[0]["loss"]) == [1]


@pytest.mark.usefixtures("store")
def test_each_trial_of_a_search_is_a_child_of_its_run(data: Path, tmp_path: Path):
    words = ["tune", "--data", str(data), "--out", str(tmp_path / "search"), "--space", "model.dim=4|8"]
    words += ["--optim.epochs", "1", "--folds", "2", "--optim.batch", "8", "--quiet", "--modality", "image"]
    for _ in range(2):
        assert main([*words, "--track", "mlflow"]) == 0
    runs = mlflow_runs()
    [parent] = [each for each in runs if each.info.run_name == "search"]
    trials = {each.info.run_name: each for each in runs if each is not parent}
    assert set(trials) == {"trial-0", "trial-1"}
    kept = json.loads((tmp_path / "search" / "search.json").read_text())["trials"]
    for number, trial in enumerate(trials[name] for name in sorted(trials)):
        assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert trial.data.params == {"model.dim": str(kept[number]["values"]["model.dim"])}
        assert trial.info.status == "FINISHED"
        points, count = history(trial)
        folds = kept[number]["folds"]
        wanted = {
            f"valid/{m}/image": {i + 1: f["scores"]["image"][m] for i, f in enumerate(folds)}
            for m in folds[0]["scores"]["image"]
        }
        assert points == {**wanted, "seconds": {i + 1: f["seconds"] for i, f in enumerate(folds)}}
        assert count == 2 * len(points)


def test_trials_stand_side_by_side_in_tensorboard(data: Path, tmp_path: Path):
    words = ["tune", "--data", str(data), "--out", str(tmp_path / "search"), "--space", "model.dim=4|8"]
    words += ["--optim.epochs", "1", "--optim.batch", "8", "--quiet", "--modality", "image"]
    assert main([*words, "--track", "tensorboard"]) == 0
    folder = tmp_path / "search" / "tensorboard"
    dims = {each.name: events(each)[2]["model.dim"] for each in folder.iterdir()}
    assert dims == {"trial-0": 4.0, "trial-1": 8.0}
