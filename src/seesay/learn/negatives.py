"""What negatives, the rows that belong to no class, add to the loss."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from seesay.condition import Condition
from seesay.data.batches import Batch
from seesay.data.dataset import NONE
from seesay.spec import Modality

EXPOSURE = 0.5
"""Weight of outlier exposure, as for pictures in Hendrycks et al. (2019)."""


def negatives_loss(
    logits: Mapping[Condition, Tensor], scores: Mapping[Modality, Tensor], batch: Batch, log_prior: Tensor
) -> Tensor:
    """The sum of two losses. *Outlier exposure* (Hendrycks et al. 2019): in each condition, the cross-entropy
    between the prior, (k,) log fractions, and the prediction for negatives, times EXPOSURE. And for each
    modality, the binary cross-entropy of the layer that tells contents of the classes from negatives."""
    negative, prior = batch.label == NONE, log_prior.softmax(0)
    total = batch.label.new_zeros((), dtype=torch.float32)
    for condition, by_class in logits.items():
        rows = negative & condition.has(batch.present)
        if rows.any():
            total = total - EXPOSURE * (prior * by_class[rows].log_softmax(1)).sum(1).mean()
    for modality, score in scores.items():
        rows = batch.present[modality]
        if rows.any():
            total = total + F.binary_cross_entropy_with_logits(score[rows], (~negative)[rows].float())
    return total
