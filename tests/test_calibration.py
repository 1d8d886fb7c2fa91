import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from seesay.metrics.scores import METRICS
from seesay.model.temperature import TEMPERATURES, fit_temperature


def honest(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that are drawn with exactly the probabilities they say."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(rows, 5))
    label = (softmax(logits, axis=1).cumsum(axis=1) > generator.random((rows, 1))).argmax(axis=1)
    return logits, label


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 4.0])
def test_the_temperature_undoes_what_sharpened_the_logits(sharpness):
    logits, label = honest(20_000)
    assert fit_temperature(sharpness * logits, label) == pytest.approx(sharpness, rel=0.03)


def test_nothing_nearby_has_a_smaller_likelihood_loss():
    logits, label = honest(300, seed=1)
    logits = 3 * logits
    best = fit_temperature(logits, label)
    losses = [
        METRICS["nll"].score(softmax(logits / t, axis=1), label)
        for t in (best, 0.98 * best, 1.02 * best, 1.0)
    ]
    assert losses[0] == min(losses)


def test_log_probabilities_do_as_logits():
    logits, label = honest(500)
    said = log_softmax(logits, axis=1)
    assert fit_temperature(said, label) == pytest.approx(fit_temperature(logits, label), rel=1e-3)


def test_logits_without_an_error_get_the_lowest_temperature_and_hopeless_ones_the_highest():
    label = np.array([0, 1, 2])
    right = 10 * np.eye(3, dtype=np.float32)
    assert fit_temperature(right, label) == pytest.approx(TEMPERATURES[0])
    assert fit_temperature(-right, label) == pytest.approx(TEMPERATURES[1])


def test_logits_are_not_changed():
    logits, label = honest(50)
    before = logits.copy()
    fit_temperature(logits, label)
    assert (logits == before).all()


def test_calibrated_probabilities_are_better_calibrated():
    logits, label = honest(5_000)
    logits = 3 * logits
    calibrated = softmax(logits / fit_temperature(logits, label), axis=1)
    assert METRICS["ece"].score(calibrated, label) < 0.25 * METRICS["ece"].score(
        softmax(logits, axis=1), label
    )
