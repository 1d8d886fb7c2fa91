"""Data sets and runs that seesay wrote before front ends moved into the model: made by commit 61f8cc0 of
the tiny data, and held as they were."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from seesay.cli import main
from seesay.compatibility import old_content
from seesay.data.dataset import Dataset
from seesay.errors import ConfigError
from seesay.learn.run import Run
from seesay.measure.evaluate import own_splits, predictions_of
from seesay.spec import MatrixSpec, PictureSpec, WaveformSpec


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with `data`, `run`, and in `said.json` what that version said of the test rows."""
    with zipfile.ZipFile(Path(__file__).parent / "run_of_61f8cc0.zip") as file:
        file.extractall(tmp_path)
    return tmp_path


def test_an_old_run_says_of_old_data_what_it_said(old: Path):
    data, run = Dataset.open(old / "data"), Run.open(old / "run")
    found = predictions_of(run.model(), data, data.rows_of("test"))
    for name, said in json.loads((old / "said.json").read_text()).items():
        np.testing.assert_allclose(np.nan_to_num(found[name], nan=-1), said, rtol=0, atol=1e-5)


def test_it_knows_the_data_that_it_was_trained_on(old: Path):
    run, data = Run.open(old / "run"), Dataset.open(old / "data")
    splits = own_splits(run, data)
    assert splits is not None
    assert splits.test.tolist() == data.rows_of("test").tolist()


def test_its_front_end_is_in_its_config_and_its_numbers_in_the_weights(old: Path):
    card = json.loads((old / "run" / "config.json").read_text())
    run = Run.open(old / "run")
    features = run.config.model.named["audio"].features
    assert (features.kind, features.filters, features.coefficients, features.seconds) == ("mfcc", 12, 6, 0.25)
    mean = run.model().front_ends["audio"].normaliser.mean
    np.testing.assert_allclose(mean.numpy(), card["spec"]["audio"]["mean"], rtol=1e-6)


@pytest.mark.parametrize(
    "command",
    [
        ["data", "info", "DATA"],
        ["evaluate", "RUN", "--data", "DATA"],
        ["predict", "RUN", "--data", "DATA", "--out", "OUT.csv"],
        [
            "train",
            "--data",
            "DATA",
            "--out",
            "OUT",
            "--optim.epochs",
            "1",
            "--model.audio.features.filters",
            "14",
        ],
        ["data", "import", "DATA", "--out", "OUT"],
    ],
    ids=lambda command: command[-1] if command[0] == "data" else command[0],
)
def test_commands_take_them(command: list[str], old: Path, capsys: pytest.CaptureFixture[str]):
    places = {"DATA": str(old / "data"), "RUN": str(old / "run")}
    words = [places.get(word, word.replace("OUT", str(old / "out"))) for word in command]
    assert main(words) == 0, capsys.readouterr().err


def test_imported_anew_they_are_written_as_today(old: Path):
    assert main(["data", "import", str(old / "data"), "--out", str(old / "new")]) == 0
    before, after = Dataset.open(old / "data"), Dataset.open(old / "new")
    assert json.loads((old / "new" / "dataset.json").read_text())["format"] == 2
    assert after.spec == before.spec
    np.testing.assert_array_equal(after.contents["audio"], before.contents["audio"])


def test_every_old_spec_is_understood():
    assert old_content("image", {"reader": "unknown", "height": 8, "width": 9}, "x").spec == PictureSpec(
        None, height=8, width=9
    )
    padded = old_content("image", {"reader": "photo", "fit": "pad"}, "x")
    assert padded.features == {"height": 28, "width": 28, "fit": "pad"}
    ready = old_content(
        "audio", {"features": "unknown", "frames": 9, "columns": 5, "mean": [1], "scale": [2]}, "x"
    )
    assert (ready.spec, ready.mean, ready.scale) == (MatrixSpec(9, 5), (1.0,), (2.0,))
    words = old_content("audio", {"features": "log-mel", "rate": 8_000, "seconds": 2, "high": 4_000}, "x")
    assert words.spec == WaveformSpec(8_000, 2.0, 4_000.0)
    assert (words.features["kind"], words.features["filters"]) == ("log-mel", 40)
    assert "coefficients" not in words.features


@pytest.mark.parametrize(
    ("modality", "fields", "message"),
    [
        ("audio", {"tempo": 3}, "x.tempo is not a field"),
        ("audio", {"rate": "high"}, "x.rate must be int, got 'high'"),
        ("image", {"depth": 3}, "x.depth is not a field"),
        ("touch", {}, "x has no kind"),
    ],
)
def test_what_was_never_written_is_refused(modality: str, fields: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        old_content(modality, fields, "x")
