"""The Transformer encoder: tokens of any picture or recording, places that count, rows alone, export."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seesay.model.transformer import PATCHES, Block, Transformer

SHAPES = [(1, 28, 28), (39, 13), (3, 9, 15), (1, 1, 1), (1, 1), (9, 7)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def network(
    shape: tuple[int, ...], width: int = 8, layers: int = 2, dropout: float = 0.0, dim: int = 6
) -> Transformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Transformer(shape, dim, width, layers, dropout)


def features(shape: tuple[int, ...], b: int = 4) -> Tensor:
    return torch.randn((b, *shape), generator=torch.Generator().manual_seed(1))


@given(
    st.one_of(
        st.tuples(st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40)),
        st.tuples(st.integers(1, 60), st.integers(1, 40)),
    )
)
@settings(max_examples=30)
def test_features_of_any_size_become_one_vector(shape: tuple[int, ...]):
    encoding = network(shape).eval()(features(shape))
    assert encoding.shape == (4, 6)
    assert encoding.isfinite().all()


def test_tokens_are_patches_and_frames():
    picture, recording = network((1, 28, 28)), network((39, 13))
    assert picture.tokens(features((1, 28, 28))).shape == (4, 8, PATCHES, PATCHES)
    assert picture.places.shape == (49, 8)
    assert recording.tokens(features((39, 13)).transpose(1, 2)).shape == (4, 8, 39)
    assert recording.places.shape == (39, 8)


@shapes
def test_the_whole_input_is_looked_at(shape: tuple[int, ...]):
    seen = features(shape, 64).requires_grad_()
    network(shape, dim=16).train()(seen).square().mul(torch.arange(16.0)).sum().backward()
    assert seen.grad is not None
    assert (seen.grad != 0).any(0).all()


@pytest.mark.parametrize("shape", [(1, 28, 28), (39, 13)], ids=str)
def test_gradient_reaches_every_weight(shape: tuple[int, ...]):
    encode = network(shape, layers=3, dropout=0.1).train()
    target = torch.randn((16, 6), generator=torch.Generator().manual_seed(2))
    (encode(features(shape, 16)) * target).sum().backward()
    assert [n for n, p in encode.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("shape", [(1, 28, 28), (39, 13)], ids=str)
def test_where_something_stands_counts(shape: tuple[int, ...]):
    """Without positions, attention and a mean would not tell a picture from its patches in another order."""
    encode = network(shape).eval()
    seen = features(shape)
    assert not torch.allclose(encode(seen), encode(seen.flip(1 if len(shape) == 2 else 2)), atol=1e-3)


@shapes
def test_in_use_a_row_does_not_depend_on_its_neighbours(shape: tuple[int, ...]):
    encode = network(shape)
    encode.train()(features(shape, 16))
    together = features(shape, 5)
    torch.testing.assert_close(encode.eval()(together)[2:3], encode(together[2:3]))


@pytest.mark.parametrize(("width", "heads"), [(32, 4), (6, 2), (5, 1)])
def test_heads_divide_the_width(width: int, heads: int):
    block = Block(width, 0.0)
    assert block.heads == heads
    assert block(torch.randn(2, 3, width)).shape == (2, 3, width)


def test_attention_is_what_it_is_in_the_paper():
    """softmax(q k / sqrt(d)) v, head by head, written out."""
    block = Block(8, 0.0)
    tokens = torch.randn((2, 5, 8), generator=torch.Generator().manual_seed(0))
    asked = block.ask(tokens)
    query, key, value = (part.view(2, 5, 4, 2) for part in asked.chunk(3, dim=2))
    weight = torch.einsum("bqhd,bkhd->bhqk", query, key).div(2**0.5).softmax(3)
    seen = torch.einsum("bhqk,bkhd->bqhd", weight, value).flatten(2)
    middle = tokens + block.answer(seen)
    torch.testing.assert_close(block(tokens), middle + block.think(middle))


def test_entries_are_dropped_in_training_only():
    encode, seen = network((9, 7), dropout=0.5), features((9, 7), 50)
    assert torch.equal(encode.eval()(seen), encode(seen))
    assert not torch.equal(encode.train()(seen), encode(seen))


@pytest.mark.parametrize("shape", [(1, 28, 28), (39, 13)], ids=str)
def test_an_exported_encoder_says_the_same_for_any_number_of_rows(shape: tuple[int, ...]):
    encode: nn.Module = network(shape).eval()
    rows = torch.export.Dim("rows", min=1, max=4096)
    program = torch.export.export(encode, (features(shape, 5),), dynamic_shapes=({0: rows},)).module()
    for b in (1, 8):
        torch.testing.assert_close(program(features(shape, b)), encode(features(shape, b)))
