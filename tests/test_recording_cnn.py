"""The residual network of recordings: any size in, every weight in use, exported."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from seesay.model.recording_cnn import FramePooling, Residual, ResidualRecordingCnn, SpectralRecordingCnn

BOTH = [ResidualRecordingCnn, SpectralRecordingCnn]


def network(kind: type[nn.Module], columns: int, layers: int = 3, dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(columns, dim=6, width=8, layers=layers, dropout=dropout)


def features(t: int, f: int, b: int = 4) -> Tensor:
    return torch.randn((b, t, f), generator=Generator().manual_seed(1))


@given(st.sampled_from(BOTH), st.integers(1, 100), st.integers(1, 64), st.integers(1, 4))
@settings(max_examples=25)
def test_recordings_of_any_size_become_one_vector(kind: type[nn.Module], t: int, f: int, layers: int):
    encode = network(kind, f, layers)
    for mode in (True, False):
        encoding = encode.train(mode)(features(t, f))
        assert encoding.shape == (4, 6)
        assert encoding.isfinite().all()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("layers", [1, 3])
def test_gradient_reaches_every_weight(kind: type[nn.Module], layers: int):
    encode = network(kind, 5, layers)
    encode(features(20, 5)).square().sum().backward()
    for name, weight in encode.named_parameters():
        # A constant added to every frame's score changes no softmax.
        assert name == "pool.weigh.bias" or (weight.grad is not None and weight.grad.abs().sum() > 0), name


@pytest.mark.parametrize("kind", BOTH)
def test_a_recording_is_encoded_alike_alone_and_among_others(kind: type[nn.Module]):
    encode, batch = network(kind, 5).eval(), features(20, 5)
    torch.testing.assert_close(encode(batch)[:1], encode(batch[:1]))


def test_a_block_passes_on_what_it_was_given_where_its_convolution_says_nothing():
    block, maps = Residual(3, dilation=2).eval(), torch.rand((2, 3, 1, 9))
    torch.nn.init.zeros_(block.convolution.weight)
    torch.testing.assert_close(block(maps), maps)


def test_frames_that_weigh_nothing_are_no_part_of_the_weighed_mean():
    pool = FramePooling(2)
    torch.nn.init.constant_(pool.weigh.weight, 100.0)
    maps = torch.zeros((1, 2, 1, 10))
    maps[:, :, 0, 3] = torch.tensor([1.0, 2.0])
    weighed, mean, highest = pool(maps)[0].split(2)
    torch.testing.assert_close(weighed, torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(mean, torch.tensor([0.1, 0.2]))
    torch.testing.assert_close(highest, torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize("kind", BOTH)
def test_the_exported_graph_says_the_same_for_batches_of_any_length(kind: type[nn.Module]):
    encode = network(kind, 5).eval()
    exported = torch.export.export(encode, (features(20, 5),), dynamic_shapes=({0: torch.export.Dim("b")},))
    for b in (2, 7):
        torch.testing.assert_close(exported.module()(features(20, 5, b)), encode(features(20, 5, b)))
