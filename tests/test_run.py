"""The run folder: it is the model, opens from nothing else, and what was stopped goes on to the same end."""

import dataclasses
import errno
import json
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from seesay.data.batches import Batch
from seesay.data.splits import split
from seesay.errors import InputError, OutputError, SeesayError
from seesay.learn.fit import Epoch, fresh
from seesay.learn.run import Run, begin, check_same, digest, train
from seesay.plain import to_dict, to_json
from seesay.signal.feature_settings import settled_features
from tiny import AUDIO, FEATURES, tiny_config, tiny_data, tiny_model, tiny_run

CONFIG = tiny_config(epochs=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that nobody may change."""
    return tiny_run(tmp_path_factory.mktemp("runs") / "undisturbed", config=CONFIG)


@pytest.fixture
def run(undisturbed: Run, tmp_path: Path) -> Run:
    """A copy of it to break."""
    return Run.open(shutil.copytree(undisturbed.folder, tmp_path / "run"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def model_bytes(run: Run) -> bytes:
    return (run.folder / "model.safetensors").read_bytes()


def part_of(folder: Path, epochs: int, watch: Any = iter) -> Run:
    """The same run, left after some epochs."""
    run, data, splits = begin(tiny_data(), "tiny", CONFIG, "small", folder)
    for _ in islice(train(run, data, splits, watch), epochs):
        pass
    return run


def go_on(folder: Path) -> Run:
    run, data, splits = begin(tiny_data(), "tiny", CONFIG, "small", folder, resume=True)
    for _ in train(run, data, splits):
        pass
    return run


class Impatient:
    """A watch that ends an epoch after so many batches in all."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if not self.left:
                return
            self.left -= 1
            yield batch


# ---------------------------------------------------------------------------------------------- what is in it


def test_a_finished_run_holds_what_the_design_says(undisturbed: Run):
    assert names(undisturbed.folder) == ["config.json", "epochs.jsonl", "figures", "model.safetensors"]
    assert undisturbed.finished


def test_every_epoch_is_a_line(undisturbed: Run):
    lines = [json.loads(line) for line in (undisturbed.folder / "epochs.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3]
    for line in lines:
        assert set(line) >= {"loss", "scores", "seconds"}
        assert set(line["scores"]) == {"image", "audio", "image+audio"}


def test_the_config_says_how_it_came_about(undisturbed: Run):
    card = json.loads((undisturbed.folder / "config.json").read_text())
    assert card["config"] == json.loads(to_json(undisturbed.config))
    given, used = to_dict(CONFIG)["optim"], card["config"]["optim"]
    assert {n: used[n] for n, v in given.items() if v is not None} == {
        n: v for n, v in given.items() if v is not None
    }
    assert None not in used.values(), "what was left open is filled in"
    assert (card["data"], card["recipe"]) == ("tiny", "small")
    assert {"torch", "python", "processor"} <= set(card["environment"])
    assert card["spec"] == json.loads(to_json(undisturbed.spec))
    assert card["spec"]["contents"]["audio"]["kind"] == "waveform"
    features = card["config"]["model"]["audio"]["features"]
    assert features == to_dict(settled_features(FEATURES, AUDIO)), "so it is in front ends"
    assert features["window"] > 0


def test_the_normaliser_is_part_of_the_model(undisturbed: Run):
    tensors = load_file(undisturbed.folder / "model.safetensors")
    mean, scale = (tensors[f"front_ends.audio.normaliser.{name}"] for name in ("mean", "scale"))
    assert mean.all()
    assert (scale != 1).all()
    expected = fresh(undisturbed.config, tiny_data(), split(tiny_data()).train).front_ends["audio"]
    torch.testing.assert_close(undisturbed.model().front_ends["audio"].state_dict(), expected.state_dict())


def test_it_opens_as_what_was_written(undisturbed: Run):
    assert Run.open(undisturbed.folder) == undisturbed
    assert Run.open(str(undisturbed.folder)) == undisturbed


def test_the_model_is_the_best_epochs(tmp_path: Path):
    run, data, splits = begin(tiny_data(), "tiny", CONFIG, "small", tmp_path / "run")
    best = None
    for epoch in train(run, data, splits):
        assert isinstance(epoch, Epoch)
        best = epoch.model or best
    assert best is not None
    kept = run.model()
    assert not kept.training
    assert all(torch.equal(tensor, kept.state_dict()[name]) for name, tensor in best.state_dict().items())


def test_nothing_else_is_needed_to_predict(run: Run, tmp_path: Path):
    moved = shutil.move(run.folder, tmp_path / "elsewhere")
    model = Run.open(moved).model()
    data = tiny_data()
    inputs = {m: torch.from_numpy(data.contents[m][data.pointers(m)]) for m in data.modalities}
    right = model(inputs)["image+audio"].argmax(1).numpy() == data.label
    assert right.mean() > 0.5


# --------------------------------------------------------------------------------------------- broken folders


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("config.json", None, "is not a run"),
        ("config.json", "", "not what seesay wrote"),
        ("config.json", "{", "not what seesay wrote"),
        ("config.json", "[]", "not what seesay wrote"),
        ("config.json", "{}", "not what seesay wrote"),
        ("model.safetensors", None, "has not finished an epoch"),
        ("model.safetensors", "", "broken"),
        ("model.safetensors", "x" * 100, "broken"),
    ],
)
def test_a_broken_run_is_refused_in_one_line(run: Run, name: str, text: str | None, says: str):
    path = run.folder / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        Run.open(run.folder).model()
    assert "\n" not in str(caught.value)
    assert str(run.folder) in str(caught.value)


def test_a_truncated_model_is_refused(run: Run):
    path = run.folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="damaged"):
        run.model()


def test_a_model_of_another_config_is_refused(run: Run):
    other = dataclasses.replace(run, config=dataclasses.replace(CONFIG, model=tiny_model(dim=9)))
    with pytest.raises(InputError, match="does not fit"):
        other.model()


def test_an_unknown_field_in_the_config_is_named(run: Run):
    card = json.loads((run.folder / "config.json").read_text())
    card["config"]["optim"]["epohcs"] = 3
    (run.folder / "config.json").write_text(json.dumps(card))
    with pytest.raises(SeesayError, match=r"config\.optim\.epohcs is not a field\. Did you mean 'epochs'"):
        Run.open(run.folder)


def test_a_folder_that_is_not_there_is_no_run(tmp_path: Path):
    with pytest.raises(InputError, match="is not a run"):
        Run.open(tmp_path / "nowhere")


# ------------------------------------------------------------------------------------------- old and new runs


def test_an_existing_folder_is_refused_and_left_alone(run: Run):
    before = {path.name: path.stat().st_mtime_ns for path in run.folder.iterdir()}
    with pytest.raises(OutputError, match="exists already"):
        begin(tiny_data(), "tiny", CONFIG, "small", run.folder)
    assert {path.name: path.stat().st_mtime_ns for path in run.folder.iterdir()} == before


def test_overwrite_replaces_a_run_as_a_whole(run: Run):
    (run.folder / "metrics.json").write_text("{}")
    begin(tiny_data(), "tiny", CONFIG, "small", run.folder, overwrite=True)
    assert names(run.folder) == ["config.json", "figures"]


def test_overwrite_replaces_only_what_seesay_made(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(OutputError, match="not made by seesay"):
        begin(tiny_data(), "tiny", CONFIG, "small", tmp_path, overwrite=True)
    assert names(tmp_path) == ["thesis.txt"]


# --------------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("epochs", [1, 2])
def test_what_was_stopped_between_epochs_reaches_the_same_model(
    undisturbed: Run, tmp_path: Path, epochs: int
):
    stopped = part_of(tmp_path / "run", epochs)
    assert not stopped.finished
    assert len(stopped.epochs()) == epochs
    resumed = go_on(stopped.folder)
    assert resumed.finished
    assert names(resumed.folder) == names(undisturbed.folder)
    assert model_bytes(resumed) == model_bytes(undisturbed)
    seen = [
        [(line["number"], line["loss"], line["scores"]) for line in r.epochs()]
        for r in (resumed, undisturbed)
    ]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("batches", [1, 4, 6, 8, 11])
def test_what_was_stopped_within_an_epoch_can_be_used_and_reaches_the_same_model(
    undisturbed: Run, tmp_path: Path, batches: int
):
    """An epoch has four batches; what an epoch had begun is done again."""
    stopped = part_of(tmp_path / "run", 9, Impatient(batches))
    assert not stopped.finished
    assert Run.open(stopped.folder).model()
    assert all(np.isfinite(line["loss"]) for line in stopped.epochs())
    assert model_bytes(go_on(stopped.folder)) == model_bytes(undisturbed)


def test_a_run_of_one_epoch_that_was_stopped_is_not_finished(tmp_path: Path):
    config = tiny_config(epochs=1)
    run, data, splits = begin(tiny_data(), "tiny", config, "small", tmp_path / "run")
    [epoch] = train(run, data, splits, Impatient(2))
    assert not epoch.whole
    assert not run.finished


def test_a_finished_run_has_nothing_left_to_do(run: Run):
    before = model_bytes(run)
    go_on(run.folder)
    assert model_bytes(run) == before
    assert len(run.epochs()) == 3


def test_going_on_where_nothing_has_begun_begins(undisturbed: Run, tmp_path: Path):
    assert model_bytes(go_on(tmp_path / "new")) == model_bytes(undisturbed)


def test_a_killed_run_may_have_written_any_part_of_an_epoch(undisturbed: Run, tmp_path: Path):
    """The files of an epoch are written one after the other: model, line, state. Whatever the last one was
    before the kill, the run goes on to the same end."""
    one, two = (part_of(tmp_path / f"{n}", n) for n in (1, 2))
    for newer in (["model.safetensors"], ["model.safetensors", "epochs.jsonl"]):
        killed = shutil.copytree(one.folder, tmp_path / f"killed after {newer[-1]}")
        for name in newer:
            shutil.copy(two.folder / name, killed)
        resumed = go_on(killed)
        assert model_bytes(resumed) == model_bytes(undisturbed)
        assert [line["number"] for line in resumed.epochs()] == [1, 2, 3]


def test_a_run_killed_in_its_last_epoch_is_not_finished(undisturbed: Run, tmp_path: Path):
    two = part_of(tmp_path / "run", 2)
    shutil.copy(undisturbed.folder / "epochs.jsonl", two.folder)
    assert not two.finished
    assert model_bytes(go_on(two.folder)) == model_bytes(undisturbed)


def test_a_run_goes_on_only_with_its_data(tmp_path: Path):
    stopped = part_of(tmp_path / "run", 1)
    with pytest.raises(OutputError, match="was trained on other rows"):
        begin(tiny_data(each=20), "tiny", CONFIG, "small", stopped.folder, resume=True)


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        (dataclasses.replace(CONFIG, seed=1), "seed was 0, now 1"),
        (tiny_config(epochs=4), r"optim\.epochs was 3, now 4"),
        (tiny_config(3, tiny_model(fusion="concat")), r"model\.fusion was posterior-sum, now concat"),
    ],
    ids=["seed", "epochs", "fusion"],
)
def test_a_run_goes_on_only_with_its_config_and_says_what_has_changed(
    tmp_path: Path, config: Any, changed: str
):
    stopped = part_of(tmp_path / "run", 1)
    with pytest.raises(OutputError, match=rf"started with another config: {changed}\. Give"):
        begin(tiny_data(), "tiny", config, "small", stopped.folder, resume=True)


def test_a_damaged_state_is_refused(tmp_path: Path):
    stopped = part_of(tmp_path / "run", 1)
    (stopped.folder / "state.safetensors").write_bytes(b"x" * 50)
    with pytest.raises(InputError, match=r"state\.safetensors is damaged"):
        go_on(stopped.folder)


def test_the_fingerprint_is_of_rows_pointers_and_labels():
    data = tiny_data()
    rows = data.rows_of("train")
    same = digest(data, rows)
    assert digest(tiny_data(), rows) == same
    assert digest(data, rows[1:]) != same
    assert digest(data.replace(weight=np.ones(len(data))), rows) != same
    label, pointers = data.label.copy(), data.rows.copy()
    label[rows[0]] += 1
    pointers[rows[0], 1] += 1
    assert digest(data.replace(label=label), rows) != same
    rolled = {m: np.roll(np.asarray(contents), 1, axis=0) for m, contents in data.contents.items()}
    assert digest(data.replace(contents=rolled), rows) != same
    assert digest(data.replace(rows=pointers), rows) != same
    test = data.rows_of("test")
    pointers = data.rows.copy()
    pointers[test[0], 1] = -1
    assert digest(data.replace(rows=pointers), rows) == same


def test_the_same_run_is_the_same(undisturbed: Run):
    check_same(undisturbed, undisturbed.config, undisturbed.digest)


# ------------------------------------------------------------------------------------------------- full disks


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "epochs.jsonl", "state.safetensors"])
def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """Simulated at the second writing of each file; before it stands what was there."""
    real, writes = Path.open, []

    def full(self: Path, mode: str = "r", *args: Any, **named: Any) -> Any:
        if "w" in mode and self.name.startswith(f".{name}."):
            writes.append(self)
            if len(writes) == (1 if name == "config.json" else 2):
                with real(self, "wb") as file:
                    file.write(b"half of it")
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, mode, *args, **named)

    monkeypatch.setattr(Path, "open", full)
    folder = tmp_path / "run"
    with pytest.raises(OutputError, match=rf"cannot write .*{name}.*No space left on device") as caught:
        part_of(folder, 3)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert list(folder.rglob(".*")) == []
    if name == "config.json":
        assert not (folder / name).exists()
    else:
        assert Run.open(folder).model()
        assert np.isfinite(Run.open(folder).epochs()[0]["loss"])


def test_after_a_full_disk_a_run_goes_on_to_the_same_model(
    undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any) -> None:
        raise OutputError("the disk is full")

    run, data, splits = begin(tiny_data(), "tiny", CONFIG, "small", tmp_path / "run")
    epochs = train(run, data, splits)
    next(epochs)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "log", full)
        with pytest.raises(OutputError):
            next(epochs)
    assert model_bytes(go_on(tmp_path / "run")) == model_bytes(undisturbed)
