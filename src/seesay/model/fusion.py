"""Fusions: ways to make one prediction of several modalities.

Each takes the encodings `(b, m, d)`, what every modality says alone (logits, `(b, m, k)`) and which are present `(b, m)`,
and returns logits `(b, k)`. What stands in an absent place must not matter.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Encodings = Float[Tensor, "b m d"]
Opinions = Float[Tensor, "b m k"]
Presence = Bool[Tensor, "b m"]
Logits = Float[Tensor, "b k"]


class Concat(nn.Module):
    """Encodings side by side, then two linear layers with ReLU between. In an absent place stands a learned encoding."""

    def __init__(self, modalities: int, dim: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(modalities, dim))
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(modalities * dim, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        return self.layers(torch.where(present[:, :, None], encodings, self.absent))


class PosteriorSum(nn.Module):
    """The sum of the log-posteriors less the log-prior that was counted too often: Bayes' rule for modalities that are
    independent given the class (Kittler et al. 1998, the product rule). Nothing to learn; an absent one adds nothing."""

    log_prior: Tensor

    def __init__(self, log_prior: Tensor) -> None:
        super().__init__()
        self.register_buffer("log_prior", log_prior)

    def forward(self, encodings: Encodings, opinions: Opinions, present: Presence) -> Logits:
        evidence = opinions.log_softmax(2) - self.log_prior
        return self.log_prior + torch.where(present[:, :, None], evidence, 0).sum(1)
