"""Folding: fewer operations, the same answers, and the model itself stays as it was."""

import pytest
import torch
from torch import nn

from seesay.config import EncoderConfig
from seesay.model.classifier import Classifier, build
from seesay.model.folding import folded
from tiny import tiny_data, tiny_model, tiny_spec

DATA = tiny_data(seed=5)
INPUTS = {m: torch.from_numpy(DATA.contents[m][:16]) for m in DATA.modalities}
KINDS = ("cnn", "deep", "report", "transformer")


def model(kind: str = "cnn", **changes) -> Classifier:
    """With statistics that training leaves: means that are not 0, variances that are not 1, some gains below
    0."""
    encoder = EncoderConfig(kind=kind, width=4, layers=2)
    made = build(tiny_model(image=encoder, audio=encoder, **changes), tiny_spec(), seed=1)
    generator = torch.Generator().manual_seed(2)
    for part in made.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.2, 3.0, generator=generator)
            nn.init.normal_(part.weight, generator=generator)
            nn.init.normal_(part.bias, generator=generator)
    return made.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
def test_it_says_the_same(kind: str, missing: bool):
    plain = model(kind)
    present = {"image": torch.arange(16) % 3 > 0, "audio": torch.arange(16) % 4 > 0} if missing else None
    with torch.inference_mode():
        ours, theirs = folded(plain)(INPUTS, present), plain(INPUTS, present)
    assert list(ours) == list(theirs)
    for name in ours:
        torch.testing.assert_close(ours[name].softmax(1), theirs[name].softmax(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["cnn", "report"])
def test_no_normalisation_is_left(kind: str):
    plain = model(kind)
    for part in plain.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.weight.data.abs_()
    kinds = {type(part) for part in folded(plain).modules()}
    assert not kinds & {nn.BatchNorm1d, nn.BatchNorm2d, nn.Conv1d}


def test_the_model_itself_stays_as_it_was():
    plain = model()
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    folded(plain)
    assert list(before) == list(plain.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in plain.state_dict().items())
    assert all(p.requires_grad for p in plain.parameters())


def test_the_temperature_counts():
    """Also one that is set after training, by calibration."""
    plain = model()
    plain.temperature.copy_(torch.tensor([0.5, 2.0, 1.5]))
    with torch.inference_mode():
        ours, theirs = folded(plain)(INPUTS), plain(INPUTS)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gains", [(0.5, 2.0), (0.5, -2.0)], ids=["above 0", "one below 0"])
def test_what_is_pooled_before_it_is_normalised_says_the_same(gains: tuple[float, float]):
    """A gain below 0 turns the highest into the lowest: then the normalisation has to stay where it is."""
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.BatchNorm2d(2), nn.ReLU())
    encoder[2].weight = nn.Parameter(torch.tensor(gains))
    maps = torch.randn(3, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    parts = {"image": nn.Identity()}
    plain = Classifier(parts, {"image": encoder.eval()}, parts, nn.Identity(), torch.zeros(2)).eval()
    ready = folded(plain).encoders["image"]
    with torch.inference_mode():
        torch.testing.assert_close(ready(maps), encoder(maps), rtol=1e-4, atol=1e-5)
    kinds = [type(step) for step in ready.children()]
    assert (nn.BatchNorm2d in kinds) == (min(gains) < 0)
