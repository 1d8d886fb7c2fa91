"""Autoencoders and the report's encoder: the mirror fits any size, and all that is compared is 0 to 1."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seesay.config import EncoderConfig
from seesay.model.autoencoder import Autoencoder, ReportDecoder, autoencoders, reconstruct
from seesay.model.classifier import Classifier, build
from seesay.model.report_cnn import REACH, ReportCnn, UnitRange, places, windows
from tiny import tiny_model, tiny_spec

SHAPES = [(1, 28, 28), (39, 13), (1, 8, 8), (3, 5, 17), (9, 7), (1, 1, 1), (100, 1)]


def autoencoder(shape: tuple[int, ...], dim: int = 16, **changes: Any) -> Autoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes: dict[str, Any] = {"width": 4, "layers": 2, "dropout": 0.0, **changes}
        encoder = ReportCnn(shape, dim, **sizes)
        return Autoencoder(encoder, ReportDecoder(encoder))


def features(shape: tuple[int, ...], b: int = 4) -> torch.Tensor:
    return torch.rand((b, *shape), generator=torch.Generator().manual_seed(1))


# ------------------------------------------------------------------------------------------- the encoder


@given(
    st.one_of(
        st.tuples(st.sampled_from([1, 3]), st.integers(1, 30), st.integers(1, 30)),
        st.tuples(st.integers(1, 60), st.integers(1, 30)),
    ),
    st.integers(1, 40),
    st.integers(1, 3),
    st.sampled_from([1, 2, 3, 5]),
    st.integers(1, 2),
)
@settings(max_examples=60)
def test_a_mirror_fits_features_of_any_size(
    shape: tuple[int, ...], dim: int, layers: int, kernel: int, stride: int
):
    there_and_back = autoencoder(shape, dim, layers=layers, kernel=kernel, stride=stride).eval()
    assert there_and_back.encoder(features(shape)).shape == (4, dim)
    assert there_and_back(features(shape)).shape == (4, *shape)


@given(st.integers(1, 200), st.integers(1, 4))
def test_windows_just_cover_a_side(side: int, count: int):
    count = min(side, count)
    length, distance = windows(side, count)
    seen = {start * distance + i for start in range(count) for i in range(length)}
    assert seen == set(range(side))


def test_maps_become_four_by_four_places_where_the_length_of_the_encoding_divides_by_them():
    assert places((28, 28), 128) == (4, 4)
    assert places((39, 13), 64) == (4, 4)
    assert places((28, 28), 40) == (4, 2)
    assert places((28, 28), 7) == (1, 1)
    assert places((39, 1), 64) == (4, 1)


def test_a_block_is_a_convolution_normalisation_activation_and_dropout_at_full_resolution():
    encode: Any = ReportCnn((1, 28, 28), 64, width=8, layers=3, kernel=5, dropout=0.5, activation="sigmoid")
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.Sigmoid, nn.Dropout]
    assert [[type(step) for step in block] for block in encode.blocks] == [kinds] * 3
    assert [block[0].out_channels for block in encode.blocks] == [8, 16, 32]
    assert all(block[0].kernel_size == (5, 5) and block[3].p == 0.5 for block in encode.blocks)
    assert [step.sides for step in encode.steps] == [(28, 28)] * 4
    maps = encode.eval().downsample(encode.blocks(features((1, 28, 28))))
    assert maps.shape == (4, 4, 4, 4)
    torch.testing.assert_close(maps.flatten(1), encode(features((1, 28, 28))))


def test_the_decoder_is_the_encoder_in_reverse():
    both: Any = autoencoder((1, 28, 28), layers=3, kernel=5, stride=2)
    down = [*(block[0] for block in both.encoder.blocks), both.encoder.downsample]
    up = [m for m in both.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [m.weight.shape for m in reversed(up)] == [m.weight.shape for m in down]
    assert [m.stride for m in reversed(up)] == [m.stride for m in down]


# ----------------------------------------------------------------------------------------- 0 to 1


def test_normalised_features_are_squashed_into_zero_to_one():
    found = UnitRange()(torch.tensor([[[-100.0, -REACH, 0.0, REACH / 2, REACH, 100.0]]]))
    torch.testing.assert_close(found, torch.tensor([[[0.0, 0.0, 0.5, 0.75, 1.0, 1.0]]]))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_target_and_reconstruction_lie_in_zero_to_one(shape: tuple[int, ...]):
    both = autoencoder(shape)
    seen = (
        features(shape, 8)
        if len(shape) == 3
        else 3 * torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))
    )
    for said in (both.target(seen), both(seen)):
        assert said.shape == seen.shape
        assert said.min() >= 0
        assert said.max() <= 1


def test_a_picture_is_compared_with_itself():
    seen = features((1, 8, 8))
    assert torch.equal(autoencoder((1, 8, 8)).target(seen), seen)


@pytest.mark.parametrize("shape", [(1, 8, 8), (9, 7)], ids=str)
def test_a_batch_is_learned_by_heart(shape: tuple[int, ...]):
    both = autoencoder(shape, dim=32, width=8)
    seen = features(shape, 8) if len(shape) == 3 else 2 * REACH * features(shape, 8) - REACH
    optimizer = torch.optim.Adam(both.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        loss = nn.functional.mse_loss(both.train()(seen), both.target(seen))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    spread = float(both.target(seen).var())
    assert losses[-1] < 0.2 * spread, "the mean of all would leave the whole spread"


def test_gradient_reaches_every_weight():
    both = autoencoder((39, 13), layers=3)
    nn.functional.mse_loss(both.train()(features((39, 13), 8)), both.target(features((39, 13), 8))).backward()
    assert [n for n, p in both.named_parameters() if p.grad is None or not p.grad.any()] == []


# ------------------------------------------------------------------------------ those of a classifier


def report_model(**changes: Any) -> Classifier:
    encoder = EncoderConfig(kind="report", width=4, layers=2, dropout=0.5)
    return build(tiny_model(image=encoder, audio=encoder, **changes), tiny_spec())


def test_a_classifiers_autoencoders_train_its_own_encoders():
    model = report_model()
    found = autoencoders(model, seed=1)
    assert list(found) == ["image", "audio"]
    assert all(found[m].encoder is model.encoders[m] for m in found)


def test_decoders_follow_from_the_seed_and_leave_torchs_generator_alone():
    before = torch.get_rng_state()
    one, same, other = (
        autoencoders(report_model(), seed)["audio"].decoder.state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[n], same[n]) for n in one)
    assert any(not torch.equal(one[n], other[n]) for n in one)


def test_inputs_and_reconstructions_come_side_by_side_without_dropout():
    both = autoencoder((9, 7), dropout=0.5)
    seen = 3 * torch.randn(5, 9, 7, generator=torch.Generator().manual_seed(0))
    inputs, outputs = reconstruct(both.train(), seen)
    np.testing.assert_array_equal(inputs, both.target(seen).numpy())
    np.testing.assert_array_equal(outputs, reconstruct(both, seen)[1])
    assert inputs.shape == outputs.shape == (5, 9, 7)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_in_use_a_row_does_not_depend_on_its_neighbours(shape: tuple[int, ...]):
    encode = autoencoder(shape).encoder
    for _ in range(2):
        encode.train()(features(shape, 16))
    together = features(shape, 5)
    torch.testing.assert_close(encode.eval()(together)[2:3], encode(together[2:3]))
