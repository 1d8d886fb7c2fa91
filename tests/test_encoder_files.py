"""Runs with encoders from files: complete wherever they lie, resumed, and refused once a file was changed."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import onnx
import pytest

from onnx_files import picture_file, sound_file
from seesay.cli import main
from seesay.config import Config, EncoderConfig
from seesay.errors import InputError, OutputError
from seesay.learn.fit import Epoch
from seesay.learn.learn import learn, prepared
from seesay.learn.run import Run, begin, train
from seesay.serve.predict import Predictor
from seesay.signal import onnx_encoder
from seesay.signal.onnx_encoder import Network
from tiny import tiny_config, tiny_data, tiny_model, tiny_run

FILES = {"encoders/audio.onnx", "encoders/audio.onnx.json", "encoders/image.onnx", "encoders/image.onnx.json"}


def config_of(folder: Path, epochs: int = 2, **changes: object) -> Config:
    """Both encoders from files in this folder."""
    folder.mkdir(exist_ok=True)
    card = {"source": "made here", "licence": "none"}
    image = EncoderConfig(kind=f"onnx:{picture_file(folder)}")
    audio = EncoderConfig(kind=f"onnx:{sound_file(folder, card=card)}")
    model = tiny_model()
    named = {"image": image, "audio": audio}
    return dataclasses.replace(tiny_config(epochs, dataclasses.replace(model, named=named)), **changes)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return tiny_run(tmp_path / "run", config=config_of(tmp_path / "files"))


def test_a_run_holds_its_encoders(run: Run):
    assert {str(path.relative_to(run.folder)) for path in run.folder.glob("encoders/*")} == FILES
    card = json.loads((run.folder / "config.json").read_text())
    assert set(card["files"]) == FILES
    model = card["config"]["model"]
    assert model["audio"]["kind"] == model["audio"]["features"]["kind"] == "onnx:encoders/audio.onnx"
    assert not list(run.folder.glob("encoders/.*"))


def test_it_predicts_the_same_wherever_it_lies_without_the_originals(run: Run, tmp_path: Path):
    data = tiny_data()
    contents = {"image": data.contents["image"][0], "audio": (data.contents["audio"][0], 4_000)}
    before = Predictor.open(run.folder).predict(**contents)
    (tmp_path / "elsewhere").mkdir()
    moved = run.folder.rename(tmp_path / "elsewhere" / "moved")
    shutil.rmtree(tmp_path / "files")
    after = Predictor.open(moved).predict(**contents)
    assert after.scores == before.scores
    assert Run.open(moved).config.model.named["audio"].kind == f"onnx:{moved}/encoders/audio.onnx"


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_or_missing_file_is_refused(name: str, run: Run):
    path = run.folder / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(InputError, match=r"was changed after training \(SHA-256\). Copy the run again"):
        Run.open(run.folder)
    path.unlink()
    with pytest.raises(InputError, match=r"is missing: the run needs this encoder"):
        Run.open(run.folder)


def test_opening_a_run_needs_onnxruntime_and_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    tiny_data().save(run.folder.parent / "data")
    onnx_encoder.session.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["evaluate", str(run.folder), "--data", str(run.folder.parent / "data")]) == 2
    said = capsys.readouterr().err
    assert "needs the package onnxruntime, which is not installed. Run `pip install 'seesay[onnx]'`" in said
    assert said.count("\n") == 1


def test_weights_in_another_file_are_copied_too(tmp_path: Path):
    config = config_of(tmp_path / "files")
    path = tmp_path / "files" / "sound.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.data", size_threshold=1_000)
    run, data, splits = begin(tiny_data(), "tiny", config, "small", tmp_path / "run")
    shutil.rmtree(tmp_path / "files")
    assert [step for step in learn(data, splits, Run.open(run.folder).config) if isinstance(step, Epoch)]


def interrupted(folder: Path, config: Config) -> None:
    """A run of which one epoch is done."""
    run, data, splits = begin(tiny_data(), "tiny", config, "small", folder)
    next(iter(train(run, data, splits)))


def finished(folder: Path, config: Config) -> list[float]:
    """The losses of the run, resumed."""
    run, data, splits = begin(tiny_data(), "tiny", config, "small", folder, resume=True)
    for _ in train(run, data, splits):
        pass
    return [epoch["loss"] for epoch in run.epochs()]


def test_a_run_is_resumed_to_the_same_losses(tmp_path: Path, run: Run):
    config = config_of(tmp_path / "files")
    interrupted(tmp_path / "again", config)
    expected = [epoch["loss"] for epoch in run.epochs()]
    assert finished(tmp_path / "again", config) == expected


def test_a_run_is_resumed_when_the_originals_are_gone(tmp_path: Path):
    config = config_of(tmp_path / "files")
    interrupted(tmp_path / "again", config)
    shutil.rmtree(tmp_path / "files")
    assert len(finished(tmp_path / "again", config)) == 2


def test_a_run_is_not_resumed_with_another_file(tmp_path: Path):
    config = config_of(tmp_path / "files")
    interrupted(tmp_path / "again", config)
    sound_file(tmp_path / "files", card={"scale": 2})
    with pytest.raises(OutputError, match=r"was started with another config: model.audio.kind was onnx:"):
        finished(tmp_path / "again", config)


def test_a_run_may_replace_the_run_that_holds_its_encoders(run: Run):
    begin(tiny_data(), "tiny", run.config, "small", run.folder, overwrite=True)
    assert Run.open(run.folder).files == run.files


def test_cross_fitting_makes_embeddings_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls, once = [], Network._run
    monkeypatch.setattr(Network, "_run", lambda self, given: calls.append(len(given)) or once(self, given))
    config = config_of(tmp_path / "files", modalities=("audio",))
    config = dataclasses.replace(config, split=dataclasses.replace(config.split, folds=2, valid=0.0))
    data, splits, config = prepared(tiny_data(), config)
    *_, last = learn(data, splits, config)
    assert isinstance(last, Epoch)
    contents = len(data.contents["audio"])
    assert sum(calls) <= contents + 10  # and a blank content for each front end that is built


QUICK = ("evaluate run", "predict run --data data --out said.csv")
MORE = (
    "embed run --data data --out drawn --method pca",
    "tune --data data --out search --modality audio --optim.epochs 1 "
    "--space model.audio.kind=cnn|onnx:../files/sound.onnx",
)


@pytest.mark.parametrize(
    "commands", [QUICK, pytest.param(MORE, marks=pytest.mark.long)], ids=["quick", "more"]
)
def test_the_usual_commands_work(
    commands: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    config_of(tmp_path / "files")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    tiny_data(each=24).save("data")
    kinds = "--model.image.kind onnx:../files/picture.onnx --model.audio.kind onnx:../files/sound.onnx"
    for command in (f"train --data data --out run --optim.epochs 2 {kinds}", *commands):
        assert main(command.split()) == 0, f"{command}: {capsys.readouterr().err}"
    said = " ".join(capsys.readouterr().err.split())
    assert "run/encoders/audio.onnx: recordings of 4,000 Hz are resampled to 8,000 Hz." in said
    if commands == QUICK:
        card = Path("run/README.md").read_text()
        assert "The encoder of audio is `encoders/audio.onnx` (made here; licence none), unchanged." in card
    else:
        trials = json.loads(Path("search/search.json").read_text())["trials"]
        assert [trial["state"] for trial in trials] == ["done", "done"]
