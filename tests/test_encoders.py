"""Encoders: one vector for features of any size, the whole input looked at, every weight in use."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seesay.config import EncoderConfig
from seesay.errors import ConfigError
from seesay.model.encoders import encoder
from seesay.registry import find, names

KINDS = [name for name in names("encoder") if not find("encoder", name).frozen and name != "auto"]
"""All but those that take the features of their own front ends alone."""
DIM = 6

PICTURES = [(1, 8, 8), (1, 28, 28), (3, 28, 28), (3, 64, 40), (1, 1, 1), (1, 5, 17)]
MATRICES = [(1, 1), (2, 3), (39, 13), (98, 64), (100, 1), (1, 64)]
VECTORS = [(1,), (7,), (300,)]


def of_every_kind(*shapes: tuple[int, ...]) -> list[tuple[tuple[int, ...], str]]:
    """These shapes, each with every kind of network that is for contents like it."""
    return [(shape, kind) for shape in shapes for kind in KINDS if (kind == "mlp") == (len(shape) == 1)]


KIND = {3: "picture", 2: "matrix", 1: "vector"}
"""Of content, by the number of axes of its features."""


def network(shape: tuple[int, ...], kind: Any = "cnn", layers: int = 2, dropout: float = 0.0) -> nn.Module:
    """The encoder for one content of this shape."""
    settings = EncoderConfig(kind=kind, width=4, layers=layers, dropout=dropout)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return encoder(settings, DIM, shape, KIND[len(shape)])


def features(shape: tuple[int, ...], b: int = 4) -> Tensor:
    return torch.rand((b, *shape), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("shape", "kind"), of_every_kind(*PICTURES, *MATRICES, *VECTORS), ids=str)
@pytest.mark.parametrize("layers", [1, 3])
def test_features_of_any_size_become_one_vector(shape: tuple[int, ...], kind: str, layers: int):
    encode = network(shape, kind, layers)
    for mode in (True, False):
        encoding = encode.train(mode)(features(shape))
        assert encoding.shape == (4, DIM)
        assert encoding.isfinite().all()


@given(st.tuples(st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40)), st.integers(1, 4))
@settings(max_examples=25)
def test_pictures_of_any_size_are_encoded(shape: tuple[int, int, int], layers: int):
    assert network(shape, layers=layers).eval()(features(shape, 1)).shape == (1, DIM)


@given(st.tuples(st.integers(1, 100), st.integers(1, 64)), st.integers(1, 4))
@settings(max_examples=25)
def test_recordings_of_any_size_are_encoded(shape: tuple[int, int], layers: int):
    assert network(shape, layers=layers).eval()(features(shape, 1)).shape == (1, DIM)


@pytest.mark.parametrize(("shape", "kind"), of_every_kind((3, 28, 28), (1, 8, 8), (39, 13), (7,)), ids=str)
def test_gradient_reaches_every_weight(shape: tuple[int, ...], kind: str):
    encode = network(shape, kind, 3).train()
    target = torch.randn((16, DIM), generator=torch.Generator().manual_seed(2))
    (encode(features(shape, 16)) * target).sum().backward()
    assert [n for n, p in encode.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("shape", "kind"), of_every_kind((3, 28, 28), (1, 8, 8), (1, 9, 15), (39, 13), (7,)), ids=str
)
def test_the_whole_input_is_looked_at(shape: tuple[int, ...], kind: str):
    """No edge is cut off, whatever the size divides by: some row of the batch depends on every place."""
    encode = network(shape, kind, 3).train()
    seen = features(shape, 64).requires_grad_()
    encode(seen).square().sum().backward()
    assert seen.grad is not None
    assert (seen.grad != 0).any(0).all()


@pytest.mark.parametrize(("shape", "kind"), [((1, 8, 8), "cnn"), ((39, 13), "cnn"), ((7,), "mlp")], ids=str)
def test_in_use_a_row_does_not_depend_on_its_neighbours(shape: tuple[int, ...], kind: str):
    encode = network(shape, kind).eval()
    together = features(shape, 5)
    torch.testing.assert_close(encode(together)[2:3], encode(together[2:3]))


@pytest.mark.parametrize(("shape", "kind"), [((1, 8, 8), "cnn"), ((39, 13), "cnn")], ids=str)
def test_entries_are_dropped_in_training_only(shape: tuple[int, ...], kind: str):
    encode, batch = network(shape, kind, dropout=0.5), features(shape, 200)
    dense = network(shape, kind).train()(batch)
    sparse = encode.train()(batch)
    dropped = ((sparse == 0) & (dense != 0)).sum() / (dense != 0).sum()
    assert 0.35 < dropped < 0.65
    assert torch.equal(encode.eval()(batch), encode(batch))


def test_hidden_units_of_vectors_are_dropped_in_training_only():
    encode, batch = network((7,), "mlp", dropout=0.5), features((7,), 200)
    assert not torch.equal(encode.train()(batch), network((7,), "mlp").train()(batch))
    assert torch.equal(encode.eval()(batch), encode(batch))


def test_what_is_linear_in_a_vector_needs_no_hidden_layer():
    encode, batch = network((7,), "mlp").eval(), features((7,), 200)
    torch.nn.init.zeros_(encode.get_submodule("project").weight)
    expected = encode.get_submodule("normalise")(encode.get_submodule("linear")(batch))
    assert torch.equal(encode(batch), expected)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((1, 8, 8), "mlp"), ((39, 13), "mlp"), *(((7,), kind) for kind in KINDS if kind != "mlp")],
    ids=str,
)
def test_a_network_that_is_not_for_such_contents_is_refused(shape: tuple[int, ...], kind: str):
    with pytest.raises(ConfigError, match=f"the encoder {kind} is not for the kind "):
        network(shape, kind)


@pytest.mark.parametrize(("shape", "kind"), [((1, 8, 8), "cnn"), ((39, 13), "cnn"), ((7,), "mlp")], ids=str)
def test_width_and_layers_make_it_larger(shape: tuple[int, ...], kind: str):
    def weights(layers: int) -> int:
        return sum(p.numel() for p in network(shape, kind, layers).parameters())

    assert weights(1) < weights(2) < weights(3)
