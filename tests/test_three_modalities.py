"""A third modality of ready-made vectors beside pictures and recordings, any of them missing in any row:
every fusion learns from all rows that have two, and every command works."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seesay.cli import main
from seesay.condition import Condition
from seesay.config import EncoderConfig
from seesay.data.batches import table
from seesay.data.dataset import Dataset
from seesay.learn.defaults import facts_of, settled
from seesay.learn.fit import Training, fresh
from seesay.learn.run import Run
from seesay.measure.evaluate import evaluate
from seesay.model.features import features_of
from seesay.spec import Spec, VectorSpec
from tiny import CLASSES, FUSIONS, quick_first, tiny_config, tiny_data, tiny_model, tiny_run

ALL = Condition("image+audio+touch")

SIX_AXES = 6
"""Forces and torques of a fingertip."""


def felt_data(each: int = 24, subsets: str = "any") -> Dataset:
    """The tiny data with a vector for each row. `subsets`: `any` of the three may be missing; `two`: each row
    has just two of them."""
    data, random = tiny_data(each), np.random.default_rng(5)
    vectors = 40 * data.label[:, None] + random.normal(0, 10, (len(data), SIX_AXES))
    kept = (
        random.integers(1, 8, len(data))
        if subsets == "any"
        else np.array([3, 5, 6])[np.arange(len(data)) % 3]
    )
    rows = np.column_stack([data.rows, np.arange(len(data))])
    rows = np.where(kept[:, None] >> np.arange(3) & 1 == 1, rows, -1)
    return data.replace(
        spec=Spec(CLASSES, {**data.spec.contents, "touch": VectorSpec(SIX_AXES)}),
        contents={**data.contents, "touch": vectors.astype(np.float32)},
        rows=rows.astype(np.int32),
        pairing="given",
    )


def three(fusion: str = "concat", epochs: int = 3):
    model = tiny_model(fusion=fusion)
    touch = EncoderConfig(kind="mlp", width=8, layers=1)
    return tiny_config(epochs, tiny_model(fusion=fusion, named={**model.named, "touch": touch}))


@pytest.fixture(scope="module")
def felt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set folder, and beside it a finished run."""
    folder = tmp_path_factory.mktemp("felt")
    data = felt_data()
    data.save(folder / "data")
    tiny_run(folder / "run", Dataset.open(folder / "data"), three(epochs=8), str(folder / "data"))
    return folder


@pytest.mark.parametrize("fusion", FUSIONS)
def test_rows_with_any_two_train_the_whole_fusion_and_are_scored_together(fusion: str):
    data = felt_data(subsets="two")
    train = data.rows_of("train")
    config = settled(three(fusion), facts_of(data, train, data.rows_of("valid")))
    model = fresh(config, data, train)
    rows = table(data, train, features_of(model, data))
    training = Training(model, config, steps=1)
    training.step(rows.take(torch.arange(len(train))))
    for name, weight in model.fusion.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    found = evaluate(training.average, data, data.rows_of("test"))
    assert found.results[ALL]["rows"] == len(data.rows_of("test"))
    assert {str(name) for name in found.results} == {"image", "audio", "touch", ALL}


@pytest.mark.parametrize("fusion", quick_first(FUSIONS, "posterior-sum", "attention"))
def test_every_fusion_learns_from_any_subset(fusion: str, tmp_path: Path):
    data = felt_data(each=72)
    run = tiny_run(tmp_path / "run", data, three(fusion, epochs=10))
    found = evaluate(run.model(), data, data.rows_of("test"))
    assert found.results[ALL]["macro_f1"] > 0.8
    there = Condition(ALL).has({m: data.pointers(m)[data.rows_of("test")] >= 0 for m in data.modalities})
    assert found.results[ALL]["rows"] == there.sum() < len(data.rows_of("test"))


@pytest.mark.parametrize(
    "command",
    [
        ["data", "info", "DATA"],
        ["data", "show", "DATA", "--out", "OUT/sheet.png"],
        ["evaluate", "RUN"],
        ["predict", "RUN", "--data", "DATA", "--out", "OUT/predictions.csv"],
        ["embed", "RUN", "--data", "DATA", "--out", "OUT/embedding", "--method", "pca"],
        pytest.param(["export", "RUN", "--out", "OUT/model.onnx"], marks=pytest.mark.long),
        [
            "tune",
            "--data",
            "DATA",
            "--out",
            "OUT/search",
            "--space",
            "model.touch.width=4|8",
            "--optim.epochs",
            "1",
        ],
        ["train", "--data", "DATA", "--out", "OUT/run", "--model.touch.layers", "2", "--optim.epochs", "1"],
    ],
    ids=lambda command: " ".join(command[: 2 if command[0] == "data" else 1]),
)
def test_every_command_works(
    command: list[str], felt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    if command[0] == "export":
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    places = {"DATA": str(felt / "data"), "RUN": str(felt / "run")}
    words = [places.get(word, word.replace("OUT", str(tmp_path))) for word in command]
    assert main(words) == 0, capsys.readouterr().err


def test_what_is_trained_by_the_command_names_every_modality(felt: Path, tmp_path: Path):
    out = tmp_path / "run"
    flags = ["--optim.epochs", "1", "--model.touch.width", "16", "--model.audio.features.kind", "log-mel"]
    assert main(["train", "--data", str(felt / "data"), "--out", str(out), "--quiet", *flags]) == 0
    named = Run.open(out).config.model.named
    assert {name: each.kind for name, each in named.items()} == {
        "image": "cnn",
        "audio": "cnn",
        "touch": "mlp",
    }
    assert (named["touch"].width, named["audio"].features.kind) == (16, "log-mel")


def test_two_runs_are_compared(felt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = Dataset.open(felt / "data")
    tiny_run(tmp_path / "other", data, three("mean", epochs=2), str(felt / "data"))
    assert main(["compare", str(felt / "run"), str(tmp_path / "other"), "--json"]) == 0
    pairs = json.loads(capsys.readouterr().out)["pairs"]
    assert {pair["condition"] for pair in pairs} == {"image", "audio", "touch", ALL}
