"""Fusions: what is absent does not matter, in whatever place and whatever stands there."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seesay.model.fusion import PosteriorSum
from tiny import FUSIONS

MODALITIES, DIM, CLASSES = 3, 5, 4
PRIOR = torch.tensor([0.1, 0.2, 0.3, 0.4])
LEARNED = [name for name in FUSIONS if name != "posterior-sum"]
PRESENCE = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=5)


def fusion(name: str, layers: int = 2) -> nn.Module:
    if name == "posterior-sum":
        return PosteriorSum(PRIOR.log(), MODALITIES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FUSIONS[name](MODALITIES, DIM, CLASSES, 7, layers)


def said(b: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Encodings and opinions of three modalities."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (b, MODALITIES, DIM), (b, MODALITIES, CLASSES)
    return torch.randn(shapes[0], generator=generator), torch.randn(shapes[1], generator=generator)


@pytest.mark.parametrize("name", list(FUSIONS))
@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, -torch.inf, 1e9])
@given(PRESENCE)
@settings(max_examples=10)
def test_what_stands_in_an_absent_place_does_not_matter(
    name: str, garbage: float, presence: list[list[bool]]
):
    present = torch.tensor(presence)
    encodings, opinions = said(len(present))
    other = [torch.where(present[:, :, None], x, garbage) for x in (encodings, opinions)]
    fused = fusion(name)(encodings, opinions, present)
    assert fused.isfinite().all()
    assert torch.equal(fusion(name)(*other, present), fused)


@pytest.mark.parametrize("name", list(FUSIONS))
@given(PRESENCE)
@settings(max_examples=20)
def test_a_row_does_not_depend_on_its_neighbours(name: str, presence: list[list[bool]]):
    present = torch.tensor(presence)
    encodings, opinions = said(len(present))
    fuse = fusion(name)
    alone = [fuse(encodings[i : i + 1], opinions[i : i + 1], present[i : i + 1]) for i in range(len(present))]
    torch.testing.assert_close(fuse(encodings, opinions, present), torch.cat(alone))


@pytest.mark.parametrize("name", list(FUSIONS))
def test_what_is_present_does_matter(name: str):
    encodings, opinions = said(1)
    fuse, everywhere = fusion(name), torch.ones(1, MODALITIES, dtype=torch.bool)
    for place in range(MODALITIES):
        changed = [x.clone() for x in (encodings, opinions)]
        for x in changed:
            x[:, place] += torch.arange(x.shape[2])
        assert not torch.allclose(fuse(*changed, everywhere), fuse(encodings, opinions, everywhere))


def test_bayes_by_hand():
    """Two independent tests of a rare illness: P(ill) = 0.1, each is right in 8 of 10 cases, both say ill.

    Bayes: 0.1 * 0.8 * 0.8 / (0.1 * 0.8 * 0.8 + 0.9 * 0.2 * 0.2) = 0.64. Each alone says
    0.1 * 0.8 / (0.1 * 0.8 + 0.9 * 0.2) = 0.08 / 0.26.
    """
    prior = torch.tensor([0.1, 0.9])
    one = torch.tensor([0.08, 0.18]) / 0.26
    opinions = one.log()[None, None].repeat(1, 2, 1)
    fused = PosteriorSum(prior.log(), 2)(torch.zeros(1, 2, 1), opinions, torch.ones(1, 2, dtype=torch.bool))
    np.testing.assert_allclose(fused.softmax(1), [[0.64, 0.36]], rtol=1e-5)


def test_a_second_test_that_denies_takes_it_back():
    """The same, the second says healthy: 0.1 * 0.8 * 0.2 against 0.9 * 0.2 * 0.8, the prior."""
    prior = torch.tensor([0.1, 0.9])
    opinions = torch.tensor([[[0.08 / 0.26, 0.18 / 0.26], [0.02 / 0.74, 0.72 / 0.74]]]).log()
    fused = PosteriorSum(prior.log(), 2)(torch.zeros(1, 2, 1), opinions, torch.ones(1, 2, dtype=torch.bool))
    np.testing.assert_allclose(fused.softmax(1), [[0.1, 0.9]], rtol=1e-5)


@given(st.permutations(range(MODALITIES)))
@settings(max_examples=6)
def test_a_sum_of_posteriors_does_not_ask_for_the_order(order: list[int]):
    encodings, opinions = said(4)
    present = torch.tensor(
        [[True, True, True], [True, False, True], [False, False, True], [False, True, True]]
    )
    fuse = fusion("posterior-sum")
    torch.testing.assert_close(
        fuse(encodings[:, order], opinions[:, order], present[:, order]), fuse(encodings, opinions, present)
    )


def test_opinions_are_read_as_logits_of_any_offset():
    encodings, opinions = said(2)
    everywhere, fuse = torch.ones(2, MODALITIES, dtype=torch.bool), fusion("posterior-sum")
    torch.testing.assert_close(
        fuse(encodings, opinions + 100, everywhere), fuse(encodings, opinions, everywhere)
    )


def test_one_opinion_alone_is_repeated_and_none_leaves_the_prior():
    encodings, opinions = said(2)
    present = torch.tensor([[False, True, False], [False, False, False]])
    fused = fusion("posterior-sum")(encodings, opinions, present).softmax(1)
    torch.testing.assert_close(fused[0], opinions[0, 1].softmax(0))
    torch.testing.assert_close(fused[1], PRIOR)


def test_one_who_knows_nothing_beyond_the_prior_changes_nothing():
    encodings, opinions = said(3)
    opinions[:, 2] = PRIOR.log()
    fuse = fusion("posterior-sum")
    two, three = (torch.tensor([[True, True, last]]).repeat(3, 1) for last in (False, True))
    torch.testing.assert_close(fuse(encodings, opinions, three), fuse(encodings, opinions, two))


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_gradient_reaches_every_weight(name: str, layers: int):
    """Where some modalities are absent too."""
    fuse = fusion(name, layers)
    encodings, opinions = said(32)
    present = torch.rand((32, MODALITIES), generator=torch.Generator().manual_seed(3)) < 0.7
    fused = fuse(encodings, opinions, present)
    assert fused.shape == (32, CLASSES)
    F.cross_entropy(fused, torch.arange(32) % CLASSES).backward()
    assert [n for n, p in fuse.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("dim", [1, 4, 6])
@pytest.mark.parametrize("name", LEARNED)
def test_encodings_of_any_length_are_fused(name: str, dim: int):
    fuse = FUSIONS[name](2, dim, CLASSES, 7, 2)
    fused = fuse(torch.randn(3, 2, dim), torch.randn(3, 2, CLASSES), torch.ones(3, 2, dtype=torch.bool))
    assert fused.shape == (3, CLASSES)


@given(st.permutations(range(MODALITIES)))
@settings(max_examples=6)
def test_a_mean_does_not_ask_for_the_order(order: list[int]):
    encodings, opinions = said(4)
    present = torch.tensor(
        [[True, True, True], [True, False, True], [False, False, True], [False, True, True]]
    )
    fuse = fusion("mean")
    torch.testing.assert_close(
        fuse(encodings[:, order], opinions, present[:, order]), fuse(encodings, opinions, present)
    )


def test_a_sum_of_posteriors_has_nothing_to_learn():
    assert list(fusion("posterior-sum").parameters()) == []


# ------------------------------------------------------------------------------------- the weighted sum's
# promises

PROBABILITIES = st.lists(st.floats(0.01, 1), min_size=CLASSES, max_size=CLASSES)
WEIGHTS = st.lists(st.floats(0, 3), min_size=MODALITIES, max_size=MODALITIES)


def of_parts(parts: list[float]) -> Tensor:
    return (torch.tensor(parts, dtype=torch.float64) / sum(parts)).log()


def weighted(prior: Tensor, weights: list[float]) -> PosteriorSum:
    fuse = PosteriorSum(prior, MODALITIES).double()
    fuse.weight.copy_(torch.tensor(weights))
    return fuse


def fused(fuse: PosteriorSum, opinions: Tensor, present: list[bool] | None = None) -> Tensor:
    there = torch.tensor([present or [True] * MODALITIES])
    return fuse(torch.zeros(1, MODALITIES, DIM), opinions[None], there).log_softmax(1)[0]


@given(PROBABILITIES, WEIGHTS, st.lists(PROBABILITIES, min_size=2, max_size=2))
def test_whoever_says_the_prior_adds_nothing_whatever_the_weights(prior, weights, others):
    log_prior = of_parts(prior)
    opinions = torch.stack([*map(of_parts, others), log_prior])
    fuse = weighted(log_prior, weights)
    torch.testing.assert_close(fused(fuse, opinions), fused(fuse, opinions, [True, True, False]))


@given(PROBABILITIES, WEIGHTS, st.lists(PROBABILITIES, min_size=MODALITIES, max_size=MODALITIES))
def test_the_class_that_all_favour_most_over_the_prior_gains(prior, weights, parts):
    log_prior = of_parts(prior)
    gains = torch.stack(list(map(of_parts, parts))) - log_prior
    first, best = torch.zeros(MODALITIES, dtype=torch.long), gains.argmax(1)
    rows = torch.arange(MODALITIES)
    gains[rows, first], gains[rows, best] = gains[rows, best], gains[rows, first]
    opinions = (log_prior + gains).log_softmax(1)
    assert fused(weighted(log_prior, weights), opinions)[0] >= log_prior[0] - 1e-9


@given(st.floats(0.01, 0.99), WEIGHTS, st.lists(st.floats(0, 1), min_size=MODALITIES, max_size=MODALITIES))
def test_of_two_classes_the_one_that_all_favour_more_than_the_prior_gains(share, weights, more):
    """The fault that led here: two weak votes for the frequent class became a strong one for the rare
    class, by a prior that heads had not learned. With their own prior votes above it are votes for it."""
    log_prior = of_parts([share, 1 - share])
    said = [share + (1 - share) * 0.99 * part for part in more]
    opinions = torch.stack([of_parts([p, 1 - p]) for p in said])
    assert fused(weighted(log_prior, weights), opinions)[0] >= log_prior[0] - 1e-9
