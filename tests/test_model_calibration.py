"""Temperatures: found again where they are known, left alone where too few rows could tell."""

import numpy as np
import pytest
import torch
from torch import nn

from seesay.data.batches import Table
from seesay.model.calibration import FEWEST, calibrate, fit_temperature
from seesay.model.classifier import Classifier
from seesay.model.fusion import PosteriorSum

CLASSES = 4


def drawn(n: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are calibrated once divided by `temperature`: labels are drawn with those probabilities."""
    random = np.random.default_rng(seed)
    honest = 2 * random.standard_normal((n, CLASSES))
    label = (honest + random.gumbel(size=honest.shape)).argmax(1)
    return temperature * honest, label


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_a_known_temperature_is_found_again(temperature: float):
    assert fit_temperature(*drawn(20_000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_what_is_added_to_all_logits_of_a_row_does_not_matter():
    logits, label = drawn(500, 2.0)
    offset = np.linspace(-50, 50, 500)[:, None]
    assert fit_temperature(logits + offset, label) == pytest.approx(fit_temperature(logits, label), rel=1e-3)


@pytest.mark.parametrize("right", [True, False])
def test_it_stays_finite_where_all_rows_are_right_or_all_are_wrong(right: bool):
    label = np.arange(60) % CLASSES
    logits = 5 * np.eye(CLASSES)[label if right else (label + 1) % CLASSES]
    assert 0.04 < fit_temperature(logits, label) < 21


def identities(
    n: int, temperatures: tuple[float, float], there: int | None = None
) -> tuple[Classifier, Table]:
    """A classifier that says what it is given, and rows whose modalities are independent given the class.
    `there`: how many rows have a recording."""
    random = np.random.default_rng(1)
    label = random.integers(0, CLASSES, n)
    features = {}
    for modality, temperature in zip(("image", "audio"), temperatures, strict=True):
        seen = 1.5 * np.eye(CLASSES)[label] + random.standard_normal(
            (n, CLASSES)
        )  # posterior: softmax(1.5 seen)
        features[modality] = torch.from_numpy(temperature * 1.5 * seen).float()
    pointers = {m: torch.arange(n) for m in features}
    pointers["audio"][there if there is not None else n :] = -1
    log_prior = torch.full((CLASSES,), 1 / CLASSES).log()
    own = [{m: nn.Identity() for m in features} for _ in range(3)]
    classifier = Classifier(*own, PosteriorSum(log_prior), log_prior)
    return classifier, Table(features, pointers, torch.from_numpy(label), torch.arange(n))


def test_every_modality_gets_its_own_and_their_sum_is_then_calibrated():
    classifier, rows = identities(8_000, (4.0, 0.5))
    calibrate(classifier, rows)
    np.testing.assert_allclose(classifier.temperature, [4.0, 0.5, 1.0], rtol=0.06)


def test_what_was_set_before_is_forgotten():
    classifier, rows = identities(500, (4.0, 0.5))
    calibrate(classifier, rows)
    once = classifier.temperature.clone()
    calibrate(classifier, rows)
    torch.testing.assert_close(classifier.temperature, once)


def test_few_rows_leave_it_at_1():
    classifier, rows = identities(FEWEST - 1, (4.0, 0.5))
    classifier.temperature.fill_(7)
    calibrate(classifier, rows)
    assert classifier.temperature.tolist() == [1, 1, 1]


def test_no_rows_leave_it_at_1():
    classifier, rows = identities(0, (4.0, 0.5))
    calibrate(classifier, rows)
    assert classifier.temperature.tolist() == [1, 1, 1]


def test_only_rows_that_have_it_count():
    classifier, rows = identities(500, (4.0, 0.5), there=FEWEST - 1)
    calibrate(classifier, rows)
    image, audio, both = classifier.temperature.tolist()
    assert image == pytest.approx(4, rel=0.3)
    assert (audio, both) == (1, 1)


def test_one_modality_has_one_temperature_that_counts():
    _, rows = identities(8_000, (4.0, 0.5))
    log_prior = torch.full((CLASSES,), 1 / CLASSES).log()
    own = [{"image": nn.Identity()} for _ in range(3)]
    classifier = Classifier(*own, PosteriorSum(log_prior), log_prior)
    calibrate(classifier, Table({"image": rows.features["image"]}, rows.pointers, rows.label, rows.rows))
    np.testing.assert_allclose(classifier.temperature, [4.0, 1.0], rtol=0.06)
    said = classifier.classify({"image": rows.features["image"]})["image"]
    torch.testing.assert_close(said, rows.features["image"] / classifier.temperature[0])


def test_predictions_stay_the_same():
    classifier, rows = identities(300, (4.0, 0.5))
    batch = rows.take(torch.arange(300))
    before = {m: said.argmax(1) for m, said in classifier.classify(batch.inputs).items()}
    calibrate(classifier, rows)
    after = classifier.classify(batch.inputs)
    for modality in ("image", "audio"):
        assert torch.equal(after[modality].argmax(1), before[modality])
