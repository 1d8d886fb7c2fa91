"""Networks of timm, tried with a stand-in for timm: the functions that are called and what they are given."""

import dataclasses
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seesay.config import Config, EncoderConfig, FeaturesConfig
from seesay.errors import ConfigError
from seesay.learn.run import Run, begin
from seesay.signal.feature_settings import features_for, settled_features
from seesay.signal.timm_network import TimmNetwork
from seesay.spec import PictureSpec
from tiny import tiny_config, tiny_data, tiny_run

PHOTO = PictureSpec(reader="photo", channels=3, height=64, width=64)


class Net(nn.Module):
    """Like a network of timm: pooled features, batch normalisation inside."""

    num_features = 5

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Conv2d(3, 5, 4, stride=4), nn.BatchNorm2d(5), nn.ReLU())

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.layers(pictures).mean((2, 3))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The networks that were asked for, and whether with their published weights."""
    found: list[tuple[str, bool]] = []
    timm, data = ModuleType("timm"), ModuleType("timm.data")

    def create_model(name: str, pretrained: bool, num_classes: int) -> nn.Module:
        assert num_classes == 0
        if name != "tiny16":
            raise RuntimeError(f"Unknown model ({name})")
        found.append((name, pretrained))
        return Net(seed=7 if pretrained else len(found) + 100)

    def resolve_model_data_config(network: nn.Module) -> dict[str, Any]:
        assert isinstance(network, Net)
        return {"mean": (0.5, 0.4, 0.3), "std": (0.25, 0.5, 0.2), "input_size": (3, 16, 20)}

    timm.create_model, data.resolve_model_data_config = create_model, resolve_model_data_config  # ty: ignore
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "timm.data", data)
    return found


def of_timm(finetune: float = 0.0) -> EncoderConfig:
    return EncoderConfig(kind="timm:tiny16", finetune=finetune)


def config_of(finetune: float) -> Config:
    """Of pictures alone."""
    config = tiny_config(epochs=1).naming({"image": "picture", "audio": "waveform"})
    model = dataclasses.replace(config.model, named={"image": of_timm(finetune)})
    return dataclasses.replace(config, model=model, modalities=("image",))


@pytest.mark.usefixtures("asked")
def test_pixels_are_normalised_as_in_its_training():
    network = TimmNetwork("tiny16")
    network.load_published()
    pictures = torch.rand(2, 3, 16, 20)
    channels = [(pictures[:, c] - m) / s for c, (m, s) in enumerate([(0.5, 0.25), (0.4, 0.5), (0.3, 0.2)])]
    torch.testing.assert_close(network(pictures), Net(7).eval()(torch.stack(channels, 1)))
    grey = pictures[:, :1]
    torch.testing.assert_close(network(grey), network(grey.expand(-1, 3, -1, -1)))


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("finetune", "kind"), [(0.0, "timm:tiny16"), (0.1, "pixels")])
def test_pictures_have_the_size_that_it_was_trained_on(finetune: float, kind: str):
    features = settled_features(features_for(of_timm(finetune), PHOTO), PHOTO)
    assert (features.kind, features.height, features.width) == (kind, 16, 20)


@pytest.mark.parametrize("finetune", [0.0, 0.1])
def test_a_run_keeps_the_weights_and_downloads_nothing(
    finetune: float, asked: list[tuple[str, bool]], tmp_path: Path
):
    run = tiny_run(tmp_path / "run", config=config_of(finetune))
    assert ("tiny16", True) in asked
    asked.clear()
    again = Run.open(run.folder).model()
    assert asked
    assert not any(pretrained for _, pretrained in asked)
    place = "encoders.image.network.0" if finetune else "front_ends.image.features.1"
    network, original = again.get_submodule(f"{place}.network"), Net(7)
    same = [torch.equal(a, b) for a, b in zip(network.parameters(), original.parameters(), strict=True)]
    assert all(same) if not finetune else not any(same)
    assert torch.equal(network.get_buffer("layers.1.running_mean"), torch.zeros(5))  # not those of a batch
    contents = torch.from_numpy(np.array(tiny_data().contents["image"][:3]))
    assert again({"image": contents})["image"].isfinite().all()


@pytest.mark.usefixtures("asked")
def test_an_unknown_network_is_one_clear_error():
    with pytest.raises(
        ConfigError, match=r"timm cannot make the network tiny99 \(RuntimeError: Unknown model"
    ):
        TimmNetwork("tiny99")


def test_where_timm_cannot_be_imported_its_own_error_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setitem(sys.modules, "timm", None)
    needs = (
        "timm:tiny16 needs the package timm, which cannot be imported (ModuleNotFoundError: import of timm"
    )
    with pytest.raises(ConfigError, match=re.escape(needs)):
        begin(tiny_data(), "tiny", config_of(0.0), "small", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_name_is_needed():
    with pytest.raises(ConfigError, match="the encoder timm needs a NAME"):
        EncoderConfig(kind="timm")
    with pytest.raises(ConfigError, match="the front-end timm needs a NAME"):
        FeaturesConfig(kind="timm")
