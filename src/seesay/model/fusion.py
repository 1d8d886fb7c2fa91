"""Fusions: ways to make one prediction from several modalities.

Each takes the encodings `(b, m, d)`, each modality's own logits `(b, m, k)` and a presence mask `(b, m)`, and
returns logits `(b, k)`. The values where a modality is absent must not matter.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Encodings = Float[Tensor, "b m d"]
Opinions = Float[Tensor, "b m k"]
Presence = Bool[Tensor, "b m"]
Logits = Float[Tensor, "b k"]

RANK = 4
"""Rank of the low-rank fusion; Liu et al. 2018 find little gain beyond it."""

HEADS = 4
"""Heads of the attention fusion, if the encodings' dimension is divisible by it."""


def mlp(size: int, hidden: int, classes: int, layers: int) -> nn.Sequential:
    """`layers` linear layers with ReLU between, from `size` numbers to class logits."""
    sizes = [size, *[hidden] * (layers - 1), classes]
    steps = [step for a, b in pairwise(sizes) for step in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*steps[:-1])


class Concat(nn.Module):
    """An MLP on the concatenated encodings, zeros where absent, and the presence mask."""

    def __init__(self, modalities: int, dim: int, classes: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.layers = mlp(modalities * (dim + 1), hidden, classes, layers)

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        filled = torch.where(present[:, :, None], encodings, 0)
        return self.layers(torch.cat([filled.flatten(1), present.to(filled.dtype)], 1))


class Gated(nn.Module):
    """A weighted mean of the encodings, with gates per entry computed from all of them (the gated multimodal
    unit, Arevalo et al. 2017, with gates that sum to 1 over the modalities present)."""

    def __init__(self, modalities: int, dim: int, classes: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.own = nn.ModuleList(nn.Linear(dim, hidden) for _ in range(modalities))
        self.gates = nn.Linear(modalities * dim, modalities * hidden)
        self.layers = mlp(hidden, hidden, classes, layers)

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        filled = torch.where(present[:, :, None], encodings, 0)
        own = torch.stack([layer(filled[:, i]) for i, layer in enumerate(self.own)], 1).tanh()
        gates = self.gates(filled.flatten(1)).view_as(own)
        return self.layers((masked_softmax(gates, present[:, :, None]) * own).sum(1))


class Attention(nn.Module):
    """An MLP on multi-head attention over the encodings, with a learned embedding per modality (`place`)
    and a
    learned query (`question`; Vaswani et al. 2017). Absent modalities are masked."""

    def __init__(self, modalities: int, dim: int, classes: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.heads = HEADS if dim % HEADS == 0 else 1
        self.place = nn.Parameter(torch.randn(modalities, dim) / dim**0.5)
        self.question = nn.Parameter(torch.randn(self.heads, dim // self.heads))
        self.tokens = nn.ModuleList(nn.Linear(dim, 2 * dim, bias=False) for _ in range(modalities))
        self.layers = mlp(dim, hidden, classes, layers)

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        filled = torch.where(present[:, :, None], encodings, 0) + self.place
        tokens = torch.stack([layer(filled[:, i]) for i, layer in enumerate(self.tokens)], 1)
        key, value = tokens.unflatten(2, (2, self.heads, -1)).unbind(2)
        scores = (key * self.question).sum(3) / self.question.shape[1] ** 0.5
        weight = masked_softmax(scores, present[:, :, None])
        return self.layers((weight[..., None] * value).sum(1).flatten(1))


class LowRank(nn.Module):
    """The outer product of all encodings times a low-rank weight tensor, computed without forming the product
    (Liu et al. 2018). An absent modality is a factor of 1."""

    def __init__(self, modalities: int, dim: int, classes: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.factors = nn.ModuleList(nn.Linear(dim, RANK * hidden) for _ in range(modalities))
        self.layers = mlp(hidden, hidden, classes, layers)

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        filled = torch.where(present[:, :, None], encodings, 0)
        factors = torch.stack([factor(filled[:, i]) for i, factor in enumerate(self.factors)], 1)
        product = torch.where(present[:, :, None], factors, 1).prod(1)
        return self.layers(product.unflatten(1, (RANK, -1)).sum(1))


class Mean(nn.Module):
    """The mean of the encodings that are present, whichever they are."""

    def __init__(self, modalities: int, dim: int, classes: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.layers = mlp(dim, hidden, classes, layers)

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        total = torch.where(present[:, :, None], encodings, 0).sum(1)
        return self.layers(total / present.sum(1, keepdim=True).clamp(min=1))


class PosteriorSum(nn.Module):
    """The log prior plus each modality's weighted log-posterior ratio: `log π + Σ w (log p - log π)`.

    With weights of 1 this is Bayes' rule for modalities that are independent given the class (Kittler et al.
    1998, the product rule). Weights below 1 are right where modalities are redundant; calibration fits them.
    Nothing is learned in training. A modality that predicts the prior, or is absent, adds nothing.
    """

    log_prior: Tensor
    weight: Tensor

    def __init__(self, log_prior: Tensor, modalities: int) -> None:
        super().__init__()
        self.register_buffer("log_prior", log_prior)
        self.register_buffer("weight", torch.ones(modalities))

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        evidence = (opinions.log_softmax(2) - self.log_prior) * self.weight[:, None]
        return self.log_prior + torch.where(present[:, :, None], evidence, 0).sum(1)


class FusionDropout(nn.Module):
    """A fusion with dropout on its input encodings, at one rate per modality."""

    def __init__(self, fusion: nn.Module, rates: Sequence[float]) -> None:
        super().__init__()
        self.fusion, self.dropouts = fusion, nn.ModuleList(nn.Dropout(rate) for rate in rates)

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        dropped = [dropout(encodings[:, i]) for i, dropout in enumerate(self.dropouts)]
        return self.fusion(torch.stack(dropped, 1), opinions, present)


def masked_softmax(scores: Float[Tensor, "b m h"], present: Bool[Tensor, "b m 1"]) -> Float[Tensor, "b m h"]:
    """Softmax over the modalities that are present; zeros in a row without any."""
    lowest = torch.finfo(scores.dtype).min
    return torch.where(present, torch.where(present, scores, lowest).softmax(1), 0)
