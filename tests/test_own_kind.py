"""A kind of content from outside the package: clouds of points from files of their own format, with an own
encoder, through every command."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seesay import registry
from seesay.cli import main
from seesay.config import default_encoder
from seesay.data.dataset import Dataset
from seesay.errors import ConfigError
from seesay.learn.run import Run
from seesay.spec import ContentSpec

PLUGIN = '''
"""Points: files of lines `x y z`, encoded whatever their order."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import nn

import seesay
from seesay.spec import ContentSpec


class PointNet(nn.Module):
    def __init__(self, config, dim, shape):
        super().__init__()
        self.point = nn.Sequential(nn.Linear(shape[1], config.width), nn.ReLU(), nn.Linear(config.width, dim))

    def forward(self, points):
        return self.point(points).amax(1)


@dataclass(frozen=True)
class PointsSpec(ContentSpec):
    """A cloud of points."""

    kind: ClassVar[str] = "points"
    noun: ClassVar[str] = "cloud"
    suffixes: ClassVar[tuple[str, ...]] = (".xyz",)
    load: ClassVar = np.loadtxt
    encoder: ClassVar = {"kind": "point-net", "width": 16}
    points: int = 0
    axes: int = 3

    @property
    def shape(self):
        return (self.points, self.axes)

    def __str__(self):
        return f"clouds of {self.points} points"


seesay.register("encoder", "point-net", PointNet, kinds=["points"])
seesay.register("kind", "points", PointsSpec)
'''


LONG = (
    "export run --out model.onnx",
    "embed run --data data --out drawn --method pca",
    "tune --data data --out search --space model.scan.width=8|16 --optim.epochs 1",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory: a plug-in, files of points, and a table of them."""
    before = {family: dict(parts) for family, parts in registry.PARTS.items()}
    for name in ("_named", "_installed"):
        monkeypatch.setattr(registry, name, [])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_points.py").write_text(PLUGIN)
    random, lines = np.random.default_rng(0), ["scan,label,split"]
    for i in range(48):
        flat = np.array([1.0, 1.0, 0.05]) if i % 2 else np.array([0.05, 1.0, 1.0])
        np.savetxt(tmp_path / f"{i}.xyz", random.normal(size=(30, 3)) * flat)
        lines.append(f"{i}.xyz,{'floor' if i % 2 else 'wall'},{('train', 'train', 'valid', 'test')[i // 12]}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    importlib.invalidate_caches()
    yield tmp_path
    for family, parts in before.items():
        registry.PARTS[family].clear()
        registry.PARTS[family].update(parts)
    sys.modules.pop("my_points", None)


def seesay(command: str) -> int:
    return main([*command.split(), "--plugin", "my_points"])


@pytest.mark.parametrize("more", [(), pytest.param(LONG, marks=pytest.mark.long)], ids=["quick", "whole"])
def test_it_goes_through_every_command(
    more: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
):
    if more:
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    for command in (
        "data import table.csv --out data",
        "data info data",
        "data show data --out sheet.png",
        "train --data data --out run --optim.epochs 12 --model.scan.width 24 --quiet",
        "evaluate run",
        "predict run --data table.csv --out said.csv",
        *more,
    ):
        assert seesay(command) == 0, f"{command}: {capsys.readouterr().err}"
    run = Run.open("run")
    assert run.plugins == ("my_points",)
    assert type(run.model().encoders["scan"]).__name__ == "PointNet"
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert metrics["results"]["scan"]["macro_f1"] > 0.9
    capsys.readouterr()
    assert seesay("predict run --input scan=3.xyz --json") == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["label"] == "floor"


def test_data_of_it_are_read_with_the_plugin_alone(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert seesay("data import table.csv --out data") == 0
    assert Dataset.open("data").contents["scan"].shape == (48, 30, 3)
    registry.PARTS["kind"].pop("points")
    del sys.modules["my_points"]
    capsys.readouterr()
    assert main(["data", "info", "data"]) == 2
    said = "data needs the plug-in my_points, which contains a kind of its contents. Add --plugin my_points"
    assert said in capsys.readouterr().err
    assert "my_points" not in sys.modules


@pytest.mark.parametrize(
    ("text", "said"), [("1 2 x", "cannot be read as points"), ("1 2 3", "expected finite")]
)
def test_a_file_that_does_not_fit_is_named(
    text: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "5.xyz").write_text(text)
    assert seesay("data import table.csv --out data") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "row 6" in error
    assert seesay("data import table.csv --out data --on-bad skip") == 1


def kind(**own: object) -> type[ContentSpec]:
    """A kind of content with these attributes."""
    return type("TraceSpec", (ContentSpec,), {"kind": "trace", "encoder": {"kind": "mlp"}, **own})


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            {"encoder": {"kind": "mlp", "channels": 3}},
            "trace.encoder.channels is not a field. Choose one of: kind, width",
        ),
        ({"encoder": {}}, "the kind trace names no encoder"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_encoder_that_cannot_be_is_one_line(own: dict[str, object], said: str):
    registry.register("kind", "trace", kind(**own))
    with pytest.raises(ConfigError, match=said):
        default_encoder("trace")


@pytest.mark.usefixtures("folder")
def test_a_kind_without_a_field_for_each_axis_is_one_line():
    with pytest.raises(ConfigError, match="TraceSpec must have 2 fields, one for each axis"):
        kind().of((3, 4))


@pytest.mark.usefixtures("folder")
def test_two_kinds_cannot_have_one_ending():
    registry.register("kind", "trace", kind(suffixes=(".csv",)))
    with pytest.raises(ConfigError, match=r"files that end in .csv are already those of trace"):
        registry.register("kind", "other", kind(kind="other", suffixes=(".txt", ".csv")))
