"""Learned fusions: whom they may listen to, what they owe to the papers, and that they export whole."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seesay.config import EncoderConfig
from seesay.model.classifier import Classifier, build
from seesay.model.fusion import (
    RANK,
    Attention,
    Concat,
    FusionDropout,
    Gated,
    LowRank,
    Mean,
    PosteriorSum,
    mlp,
)
from tiny import FUSIONS, quick_first, tiny_data, tiny_model, tiny_spec

MODALITIES, DIM, CLASSES, HIDDEN = 3, 8, 4, 7
LEARNED = [name for name in FUSIONS if name != "posterior-sum"]
PRESENCE = st.lists(st.lists(st.booleans(), min_size=MODALITIES, max_size=MODALITIES), min_size=1, max_size=5)

learned = pytest.mark.parametrize("name", LEARNED)


def fusion(name: str, layers: int = 2, dim: int = DIM) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FUSIONS[name](MODALITIES, dim, CLASSES, HIDDEN, layers)


def said(b: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Encodings and opinions of three modalities."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (b, MODALITIES, DIM), (b, MODALITIES, CLASSES)
    return torch.randn(shapes[0], generator=generator), torch.randn(shapes[1], generator=generator)


# --------------------------------------------------------------------------------- who is there, who is not


@learned
@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, -torch.inf, 1e30])
@given(PRESENCE)
@settings(max_examples=20)
def test_what_stands_in_an_absent_place_does_not_matter(
    name: str, garbage: float, presence: list[list[bool]]
):
    present = torch.tensor(presence)
    encodings, opinions = said(len(present))
    other = [torch.where(present[:, :, None], x, garbage) for x in (encodings, opinions)]
    fused = fusion(name)(encodings, opinions, present)
    assert fused.isfinite().all()
    assert torch.equal(fusion(name)(*other, present), fused)


@learned
@pytest.mark.parametrize("garbage", [torch.nan, torch.inf])
def test_nor_does_it_reach_the_gradient(name: str, garbage: float):
    present = torch.tensor(
        [[True, True, False], [False, True, False], [False, False, False], [True, True, True]]
    )
    encodings, opinions = said(4)
    encodings = torch.where(present[:, :, None], encodings, garbage).requires_grad_()
    fuse = fusion(name)
    fuse(encodings, opinions, present).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in fuse.parameters())
    assert encodings.grad is not None
    assert (encodings.grad[~present] == 0).all()


@learned
@given(PRESENCE)
@settings(max_examples=20)
def test_a_row_does_not_depend_on_its_neighbours(name: str, presence: list[list[bool]]):
    present = torch.tensor(presence)
    encodings, opinions = said(len(present))
    fuse = fusion(name)
    alone = [fuse(encodings[i : i + 1], opinions[i : i + 1], present[i : i + 1]) for i in range(len(present))]
    torch.testing.assert_close(fuse(encodings, opinions, present), torch.cat(alone))


@learned
def test_every_encoding_that_is_there_matters(name: str):
    encodings, opinions = said(1)
    fuse, everywhere = fusion(name), torch.ones(1, MODALITIES, dtype=torch.bool)
    for place in range(MODALITIES):
        changed = encodings.clone()
        changed[:, place] += torch.arange(DIM)
        assert not torch.allclose(fuse(changed, opinions, everywhere), fuse(encodings, opinions, everywhere))


@learned
def test_whether_one_is_there_matters(name: str):
    encodings, opinions = said(1)
    fuse, everywhere = fusion(name), torch.ones(1, MODALITIES, dtype=torch.bool)
    for place in range(MODALITIES):
        without = everywhere.clone()
        without[:, place] = False
        assert not torch.allclose(fuse(encodings, opinions, without), fuse(encodings, opinions, everywhere))


@given(st.permutations(range(MODALITIES)))
@settings(max_examples=6)
def test_a_mean_does_not_ask_who_said_it(order: list[int]):
    encodings, opinions = said(4)
    present = torch.tensor(
        [[True, True, True], [True, False, True], [False, False, True], [False, True, True]]
    )
    fuse = fusion("mean")
    torch.testing.assert_close(
        fuse(encodings[:, order], opinions, present[:, order]), fuse(encodings, opinions, present)
    )


@pytest.mark.parametrize("name", ["concat", "gated", "attention", "low-rank"])
def test_the_others_do(name: str):
    encodings, opinions = said(4)
    everywhere = torch.ones(4, MODALITIES, dtype=torch.bool)
    assert not torch.allclose(
        fusion(name)(encodings.flip(1), opinions, everywhere), fusion(name)(encodings, opinions, everywhere)
    )


# ---------------------------------------------------------------------------------------- what they owe


@learned
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_as_many_linear_layers_as_asked_for_with_relu_between(name: str, layers: int):
    kinds = [type(step) for step in fusion(name, layers).layers]
    assert kinds == ([nn.Linear, nn.ReLU] * layers)[:-1]
    assert fusion(name, layers)(*said(2), torch.ones(2, MODALITIES, dtype=torch.bool)).shape == (2, CLASSES)


def test_the_reports_classifier_is_two_linear_layers_with_relu_between():
    layers = mlp(6, 5, 10, 2)
    assert [type(step) for step in layers] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [tuple(step.weight.shape) for step in layers if isinstance(step, nn.Linear)] == [(5, 6), (10, 5)]


def test_of_identical_encodings_the_mean_is_that_encoding():
    encodings, opinions = said(3)
    encodings = encodings[:, :1].expand(-1, MODALITIES, -1)
    one, all_of_them = (
        torch.tensor([row]).repeat(3, 1) for row in ([True, False, False], [True, True, True])
    )
    fuse = fusion("mean")
    torch.testing.assert_close(fuse(encodings, opinions, one), fuse(encodings, opinions, all_of_them))


def test_a_low_rank_fusion_is_the_product_of_every_entry_with_every_entry():
    """The full weight tensor, made of the factors, times the product of encodings with a 1 behind each."""
    encodings, opinions = said(5)
    fuse = fusion("low-rank")
    weights = [
        torch.cat([f.weight, f.bias[:, None]], 1).unflatten(0, (RANK, HIDDEN)) for f in fuse.factors
    ]  # (rank, hidden, dim + 1)
    tensor = torch.einsum("rha,rhb,rhc->habc", *weights)
    longer = torch.cat([encodings, torch.ones(5, MODALITIES, 1)], 2)
    outer = torch.einsum("na,nb,nc->nabc", *longer.unbind(1))
    expected = fuse.layers(torch.einsum("nabc,habc->nh", outer, tensor))
    torch.testing.assert_close(fuse(encodings, opinions, torch.ones(5, 3, dtype=torch.bool)), expected)


@pytest.mark.parametrize("dim", [8, 6])
def test_attention_divides_encodings_among_heads_where_it_can(dim: int):
    fuse = fusion("attention", dim=dim)
    assert fuse.question.shape == ((4, 2) if dim == 8 else (1, 6))
    everywhere = torch.ones(2, MODALITIES, dtype=torch.bool)
    assert fuse(torch.randn(2, MODALITIES, dim), said(2)[1], everywhere).shape == (2, CLASSES)


@learned
def test_gradient_reaches_every_weight(name: str):
    fuse = fusion(name)
    encodings, opinions = said(32)
    present = torch.rand((32, MODALITIES), generator=torch.Generator().manual_seed(3)) < 0.7
    nn.functional.cross_entropy(fuse(encodings, opinions, present), torch.arange(32) % CLASSES).backward()
    assert [n for n, p in fuse.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_classes_behind_the_names():
    kinds = [Concat, Gated, Attention, LowRank, Mean, PosteriorSum]
    assert list(FUSIONS.values()) == kinds


class Everything(nn.Module):
    """A fusion that hands on what it is shown."""

    def forward(self, encodings: Tensor, opinions: Tensor, present: Tensor) -> Tensor:
        return encodings.flatten(1)


def test_doubt_hides_part_of_an_encoding_in_training_only():
    """A share by modality, what is left is larger; in use everything is shown."""
    encodings, opinions = torch.ones(400, MODALITIES, DIM), torch.zeros(400, MODALITIES, MODALITIES * DIM)
    everywhere = torch.ones(400, MODALITIES, dtype=torch.bool)
    doubting = FusionDropout(Everything(), (0.0, 0.5, 0.8))
    shown = doubting.train()(encodings, opinions, everywhere).view_as(encodings)
    assert (shown[:, 0] == 1).all()
    assert (shown[:, 1] == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    assert (shown[:, 2] == 0).float().mean() == pytest.approx(0.8, abs=0.05)
    assert shown[:, 2].max() == pytest.approx(5.0)
    assert torch.equal(doubting.eval()(encodings, opinions, everywhere).view_as(encodings), encodings)


def test_doubt_is_built_where_a_modality_asks_for_it():
    doubted = EncoderConfig(fusion_dropout=0.8)
    assert isinstance(build(tiny_model(fusion="concat"), tiny_spec()).fusion, Concat)
    fuse = build(tiny_model(fusion="concat", audio=doubted), tiny_spec()).fusion
    assert isinstance(fuse, FusionDropout)
    assert [dropout.p for dropout in fuse.dropouts] == [0.0, 0.8]


# ------------------------------------------------------------------------------------------------ export


class Doors(nn.Module):
    """A classifier as a graph sees it: four tensors in, three out."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, image: Tensor, audio: Tensor, has_image: Tensor, has_audio: Tensor
    ) -> tuple[Tensor, ...]:
        said = self.model({"image": image, "audio": audio}, {"image": has_image, "audio": has_audio})
        return tuple(said.values())


def door(fusion: str) -> Doors:
    model = build(tiny_model(fusion=fusion), tiny_spec(), np.array([0.2, 0.3, 0.5]), seed=3)
    for _ in range(2):
        model.train()(dict(zip(("image", "audio"), inputs(16)[:2], strict=True)))
    return Doors(model).eval()


def inputs(b: int) -> tuple[Tensor, ...]:
    """Pictures and recordings as a data set holds them; all four ways of being there, in turn."""
    data = tiny_data(seed=4)
    picked = torch.randperm(24, generator=torch.Generator().manual_seed(b))[:b]
    contents = (torch.from_numpy(data.contents[m])[picked] for m in data.modalities)
    there = torch.arange(b) % 4
    return (*contents, there < 2, there % 2 == 0)


def dynamic() -> tuple[dict[int, object], ...]:
    rows = torch.export.Dim("rows", min=1, max=4096)
    return tuple({0: rows} for _ in range(4))


@pytest.mark.parametrize("name", list(FUSIONS))
def test_an_exported_classifier_says_the_same_for_any_number_of_rows(name: str):
    module = door(name)
    program = torch.export.export(module, inputs(5), dynamic_shapes=dynamic()).module()
    for b in (1, 2, 8):
        for ours, theirs in zip(module(*inputs(b)), program(*inputs(b)), strict=True):
            torch.testing.assert_close(theirs, ours)


@pytest.mark.parametrize("name", quick_first(FUSIONS, "posterior-sum"))
def test_onnx_runtime_says_the_same(name: str):
    """Bytes and samples in, logits out: front ends, encoders, fusion and who is there, in one graph."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    module, names = door(name), ["image", "audio", "has_image", "has_audio"]
    said = onnx_graph(module, names)
    session = onnxruntime.InferenceSession(said, providers=["CPUExecutionProvider"])
    for b in (1, 8):
        found = session.run(None, {n: x.numpy() for n, x in zip(names, inputs(b), strict=True)})
        for ours, theirs in zip(module(*inputs(b)), found, strict=True):
            np.testing.assert_allclose(theirs, ours.detach().numpy(), rtol=1e-3, atol=1e-4)


def onnx_graph(module: nn.Module, names: list[str]) -> bytes:
    """The module as an ONNX file's bytes, for any number of rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts
        program = torch.onnx.export(
            module, inputs(5), input_names=names, dynamic_shapes=dynamic(), dynamo=True, verbose=False
        )
    assert program is not None
    return program.model_proto.SerializeToString()
