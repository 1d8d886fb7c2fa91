"""Metrics against scikit-learn and against values worked out by hand; the table that holds them."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from seesay.errors import ConfigError
from seesay.metrics.scores import (
    METRICS,
    add_metric,
    by_row,
    confusion,
    ece,
    heading,
    in_order,
    lower_is_better,
    measure,
    predicted,
    printed,
    top,
)


def macro_f1(said: np.ndarray, label: np.ndarray, classes: int) -> float:
    return METRICS["macro_f1"].score(np.eye(classes)[said], label)


def guesses(rows: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that lean towards the label, and the label."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[label]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), label


@settings(max_examples=50)
@given(rows=st.integers(1, 60), classes=st.integers(1, 7), seed=st.integers(0, 10_000))
def test_scores_are_those_of_scikit_learn(rows, classes, seed):
    probabilities, label = guesses(rows, classes, seed)
    scores = measure(probabilities, label)
    said = probabilities.argmax(axis=1)
    assert scores["accuracy"] == reference.accuracy_score(label, said), "to the last bit"
    assert scores["macro_f1"] == reference.f1_score(label, said, average="macro"), "to the last bit"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that classes were predicted which are no labels
        assert scores["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(label, said))
    assert set(scores) == set(METRICS) - ({"top_3"} if classes < 4 else set())
    if classes > 1:
        expected = reference.log_loss(label, probabilities, labels=np.arange(classes))
        assert scores["nll"] == pytest.approx(expected)
        squares = reference.brier_score_loss(
            label, probabilities, labels=np.arange(classes), scale_by_half=False
        )
        assert scores["brier"] == pytest.approx(squares)
    if classes > 3:
        in_top = reference.top_k_accuracy_score(label, probabilities, k=3, labels=np.arange(classes))
        assert scores["top_3"] == pytest.approx(in_top)
    if classes > 1:
        matrix = confusion(said, label, classes)
        assert (matrix == reference.confusion_matrix(label, said, labels=np.arange(classes))).all()


def test_a_class_that_nobody_has_and_nobody_names_is_left_out_of_macro_f1():
    label = np.array([0, 0, 1, 1])
    assert macro_f1(label, label, 10) == 1


def test_a_class_that_is_only_ever_predicted_counts_as_zero():
    label, said = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    assert macro_f1(said, label, 3) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_rows_of_the_confusion_matrix_are_labels_and_columns_predictions():
    assert confusion(np.array([2]), np.array([0]), 3)[0, 2] == 1


def test_labels_may_be_small_integers_without_overflow():
    label = np.full(5, 39, dtype=np.uint8)
    assert confusion(label, label, 40)[39, 39] == 5


def test_a_row_that_was_certain_and_wrong_costs_much_but_not_everything():
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    assert METRICS["nll"].score(probabilities, np.array([0, 1])) == pytest.approx(87.34 / 2, abs=0.01)


def test_a_half_precision_probability_a_little_above_one_costs_nothing():
    assert METRICS["nll"].score(np.array([[1.001, 0.0]], dtype=np.float16), np.array([0])) == 0


def test_ece_is_the_gap_between_how_sure_and_how_right():
    probabilities = np.tile([0.9, 0.1], (10, 1))
    label = np.array([0] * 7 + [1] * 3)
    assert ece(probabilities, label) == pytest.approx(0.2)
    assert ece(probabilities, np.array([0] * 9 + [1])) == pytest.approx(0)


def test_ece_does_not_let_errors_of_different_bins_cancel():
    probabilities = np.array([[0.6, 0.4]] * 10 + [[0.9, 0.1]] * 10)
    label = np.array([0] * 9 + [1] + [0] * 6 + [1] * 4)
    assert ece(probabilities, label) == pytest.approx(0.3)
    assert ece(probabilities, label, bins=1) == pytest.approx(0)


def test_predictions_pass_and_probabilities_become_predictions():
    assert predicted(np.array([2, 0])).tolist() == [2, 0]
    assert predicted(np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])).tolist() == [1, 0]


def test_brier_worked_out_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]])
    by_hand = ((0.3**2 + 0.2**2 + 0.1**2) + (1 + 1)) / 2
    assert METRICS["brier"].score(probabilities, np.array([0, 2])) == pytest.approx(by_hand)


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_occur():
    said, label = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 0, 0, 1])
    assert METRICS["balanced_accuracy"].score(np.eye(4)[said], label) == (3 / 4 + 0) / 2


def test_of_equally_likely_classes_the_first_are_in_the_top():
    """So that the top 1 is the prediction, and no order of sorting decides."""
    equal = np.full((5, 5), 0.2)
    label = np.arange(5)
    assert top(3)(equal, label).tolist() == [1, 1, 1, 0, 0]
    probabilities = np.array([[0.4, 0.2, 0.2, 0.2, 0.0]] * 5)
    assert top(2)(probabilities, label).tolist() == [1, 1, 0, 0, 0]
    assert METRICS["top_3"].score(probabilities, label) == 3 / 5


@given(rows=st.integers(1, 30), classes=st.integers(2, 6), seed=st.integers(0, 999))
def test_the_top_1_is_accuracy(rows: int, classes: int, seed: int):
    probabilities, label = guesses(rows, classes, seed)
    probabilities = probabilities.round(1)  # with ties
    assert top(1)(probabilities, label).mean() == METRICS["accuracy"].score(probabilities, label)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_top_3_of_three_classes_are_left_out(classes: int):
    probabilities, label = guesses(20, classes, 0)
    assert "top_3" not in measure(probabilities, label)
    assert "top_3" in measure(*guesses(20, 4, 0))


def test_every_metric_is_explained_where_people_look():
    page = (Path(__file__).parents[1] / "docs" / "scores.md").read_text()
    for name, metric in METRICS.items():
        assert f"| {metric.heading} | `{name}` | {metric.meaning}" in page
        assert metric.meaning.endswith(".")


# --------------------------------------------------------------------------------------------- an own metric


@pytest.mark.usefixtures("same_metrics")
def test_a_function_becomes_a_metric():
    add_metric("mine", lambda probabilities, label: probabilities.max(), "Mine", higher_is_better=False)
    probabilities, label = guesses(20, 4, 0)
    assert list(measure(probabilities, label)) == [*METRICS]
    assert measure(probabilities, label)["mine"] == probabilities.max()
    assert (heading("mine"), printed("mine", 0.12345)) == ("Mine", "0.1235")
    assert lower_is_better(["accuracy", "mine", "nll"]) == "Lower is better: NLL, Mine."
    assert lower_is_better(["accuracy"]) == ""


@pytest.mark.usefixtures("same_metrics")
@pytest.mark.parametrize(
    "name", ["accuracy", "Mine", "my metric", "3_top", "", "rows", "groups", "macro_f1_ci"]
)
def test_a_name_that_is_taken_or_is_no_key_is_refused(name: str):
    with pytest.raises(ConfigError, match=r"already|cannot be named"):
        add_metric(name, lambda probabilities, label: 0.5)


@pytest.mark.usefixtures("same_metrics")
def test_what_is_no_function_or_returns_no_number_is_refused():
    with pytest.raises(ConfigError, match=r"'mine' must be a function, got 0\.5"):
        add_metric("mine", 0.5)
    add_metric("mine", lambda probabilities, label: None)
    with pytest.raises(ConfigError, match="'mine' must return a number, got None"):
        measure(*guesses(20, 4, 0))


@pytest.mark.usefixtures("same_metrics")
def test_a_metric_that_is_not_defined_for_some_rows_is_left_out():
    METRICS["mine"] = by_row(lambda probabilities, label: np.full(len(label), math.nan), "mine", "Nothing.")
    assert "mine" not in measure(*guesses(20, 4, 0))


def test_metrics_that_the_table_no_longer_has_come_last_under_their_names():
    assert in_order(["gone", "ece", "accuracy", "ece"]) == ["accuracy", "ece", "gone"]
    assert (heading("gone"), printed("gone", 0.5)) == ("gone", "0.5000")
