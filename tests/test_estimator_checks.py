"""scikit-learn's own checks of an estimator, all of them, on plain 2-D arrays."""

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from seesay import SeesayClassifier

TINY = SeesayClassifier(
    "small",
    epochs=6,
    config={
        "model.dim": 8,
        "model.vector.width": 8,
        "augment.vector_noise": 0.1,
        "optim.lr": 0.02,
        "split.valid": 0.1,
    },
)
"""Learns three clouds of points in a fraction of a second."""


@parametrize_with_checks([TINY])
def test_scikit_learn_finds_nothing_wrong(estimator: SeesayClassifier, check: Any):
    check(estimator)
