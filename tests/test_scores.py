import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from seesay.metrics.scores import confusion, ece, macro_f1, measure, nll, predicted


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
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(label, said))
    assert scores["macro_f1"] == pytest.approx(reference.f1_score(label, said, average="macro"))
    if classes > 1:
        expected = reference.log_loss(label, probabilities, labels=np.arange(classes))
        assert scores["nll"] == pytest.approx(expected)
        matrix = confusion(said, label, classes)
        assert (matrix == reference.confusion_matrix(label, said, labels=np.arange(classes))).all()


def test_a_class_that_nobody_has_and_nobody_names_is_left_out_of_macro_f1():
    label = np.array([0, 0, 1, 1])
    assert macro_f1(confusion(label, label, 10)) == 1


def test_a_class_that_is_only_ever_predicted_counts_as_zero():
    label, said = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    assert macro_f1(confusion(said, label, 3)) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_rows_of_the_confusion_matrix_are_labels_and_columns_predictions():
    assert confusion(np.array([2]), np.array([0]), 3)[0, 2] == 1


def test_labels_may_be_small_integers_without_overflow():
    label = np.full(5, 39, dtype=np.uint8)
    assert confusion(label, label, 40)[39, 39] == 5


def test_a_row_that_was_certain_and_wrong_costs_much_but_not_everything():
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    assert nll(probabilities, np.array([0, 1])) == pytest.approx(87.34 / 2, abs=0.01)


def test_a_half_precision_probability_a_little_above_one_costs_nothing():
    assert nll(np.array([[1.001, 0.0]], dtype=np.float16), np.array([0])) == 0


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
