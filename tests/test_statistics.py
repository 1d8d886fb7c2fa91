import time

import numpy as np
import pytest
from scipy.stats import binomtest

from seesay.metrics.scores import accuracy, confusion, macro_f1
from seesay.metrics.statistics import bootstrap_accuracy, bootstrap_macro_f1, mcnemar, paired_bootstrap

CLASSES = 4


def answers(rows: int, error: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of which a share of `error` is wrong, and labels."""
    label = generator.integers(0, CLASSES, rows)
    wrong = (label + generator.integers(1, CLASSES, rows)) % CLASSES
    return np.where(generator.random(rows) < error, wrong, label), label


def covered(copies: int, by_group: bool, truth: float, trials: int = 200) -> float:
    """How often the 95 % interval holds the true macro-F1 when each of 80 clips stands in `copies` rows."""
    generator = np.random.default_rng(1)
    hits = 0
    for trial in range(trials):
        prediction, label = (np.repeat(part, copies) for part in answers(80, 0.2, generator))
        group = np.arange(len(label)) // (copies if by_group else 1)
        low, high = bootstrap_macro_f1(prediction, label, group, CLASSES, n=300, seed=trial)
        hits += low <= truth <= high
    return hits / trials


@pytest.fixture(scope="module")
def truth() -> float:
    prediction, label = answers(500_000, 0.2, np.random.default_rng(0))
    return float(macro_f1(confusion(prediction, label, CLASSES)))


def test_intervals_over_rows_hold_the_truth_as_often_as_they_say(truth):
    assert 0.9 <= covered(copies=1, by_group=True, truth=truth) <= 0.99


def test_intervals_over_groups_hold_the_truth_where_rows_are_copies_and_those_over_rows_do_not(truth):
    assert 0.9 <= covered(copies=6, by_group=True, truth=truth) <= 0.99
    assert covered(copies=6, by_group=False, truth=truth) < 0.7


def test_copies_of_a_recording_tell_no_more_than_the_recording():
    prediction, label = answers(200, 0.2, np.random.default_rng(0))
    once = bootstrap_macro_f1(prediction, label, np.arange(200), CLASSES)
    prediction, label, group = (np.repeat(part, 9) for part in (prediction, label, np.arange(200)))
    assert bootstrap_macro_f1(prediction, label, group, CLASSES) == pytest.approx(once)
    low, high = bootstrap_macro_f1(prediction, label, np.arange(1800), CLASSES)
    assert high - low == pytest.approx((once[1] - once[0]) / 3, rel=0.15)


def test_a_resample_is_what_drawing_whole_groups_by_hand_gives():
    """The quick way (weights times counts per group) against the obvious one: gather the rows, score them."""
    generator = np.random.default_rng(0)
    prediction, label = answers(90, 0.3, generator)
    group = generator.integers(0, 25, 90)
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    drawn = []
    for _ in range(4000):
        rows = np.concatenate([members[g] for g in generator.integers(0, len(members), len(members))])
        drawn.append(
            [f(confusion(prediction[rows], label[rows], CLASSES)) for f in (macro_f1, accuracy)],
        )
    by_hand = np.quantile(drawn, [0.05, 0.95], axis=0)
    quick = bootstrap_macro_f1(prediction, label, group, CLASSES, n=4000, level=0.9)
    assert quick == pytest.approx(by_hand[:, 0], abs=0.01)
    assert bootstrap_accuracy(prediction, label, group, n=4000, level=0.9) == pytest.approx(
        by_hand[:, 1], abs=0.01
    )


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    prediction, label = answers(300, 0.2, np.random.default_rng(0))
    arguments = (prediction, label, np.arange(300) // 2, CLASSES)
    assert bootstrap_macro_f1(*arguments, seed=3) == bootstrap_macro_f1(*arguments, seed=3)
    assert bootstrap_macro_f1(*arguments, seed=3) != bootstrap_macro_f1(*arguments, seed=4)


def test_names_of_groups_are_only_names():
    prediction, label = answers(300, 0.2, np.random.default_rng(0))
    group = np.arange(300) % 50
    renamed = np.random.default_rng(1).permutation(1000)[:50][group] - 500
    assert bootstrap_accuracy(prediction, label, renamed) == bootstrap_accuracy(prediction, label, group)


def test_probabilities_do_as_predictions():
    prediction, label = answers(100, 0.2, np.random.default_rng(0))
    probabilities = 0.9 * np.eye(CLASSES)[prediction] + 0.025
    group = np.arange(100)
    expected = bootstrap_macro_f1(prediction, label, group, CLASSES)
    assert bootstrap_macro_f1(probabilities, label, group, CLASSES) == expected


def test_a_model_without_errors_has_the_interval_one_to_one():
    label = np.arange(40) % CLASSES
    assert bootstrap_macro_f1(label, label, np.arange(40), CLASSES) == (1, 1)


@pytest.mark.parametrize("groups", [1_106, 10_000])
def test_ten_thousand_rows_take_less_than_a_second(groups):
    prediction, label = answers(10_000, 0.05, np.random.default_rng(0))
    began = time.process_time()
    bootstrap_macro_f1(prediction, label, np.arange(10_000) % groups, 10)
    assert time.process_time() - began < 1


def test_a_better_model_is_found_better_and_the_order_only_turns_the_sign():
    generator = np.random.default_rng(0)
    good, label = answers(1_000, 0.05, generator)
    bad = np.where(generator.random(1_000) < 0.1, (label + 1) % CLASSES, good)
    better = paired_bootstrap(good, bad, label, np.arange(1_000))
    scores = [macro_f1(confusion(p, label, CLASSES)) for p in (good, bad)]
    assert better.difference == pytest.approx(scores[0] - scores[1])
    assert 0 < better.low < better.difference < better.high
    assert better.p < 0.01
    worse = paired_bootstrap(bad, good, label, np.arange(1_000))
    turned = (-better.difference, -better.high, -better.low)
    assert (worse.difference, worse.low, worse.high) == pytest.approx(turned, abs=2e-3)


def test_a_model_does_not_differ_from_itself():
    prediction, label = answers(100, 0.2, np.random.default_rng(0))
    assert paired_bootstrap(prediction, prediction, label, np.arange(100)) == (0, 0, 0, 1)
    assert mcnemar(prediction, prediction, label) == (0, 0, 1)


def test_equal_models_are_called_different_about_as_often_as_the_level_says():
    generator = np.random.default_rng(0)
    called = 0
    for seed in range(200):
        a, label = answers(150, 0.2, generator)
        wrong = (label + generator.integers(1, CLASSES, 150)) % CLASSES
        b = np.where(generator.random(150) < 0.2, wrong, label)
        called += paired_bootstrap(a, b, label, np.arange(150), n=300, seed=seed).p < 0.05
    assert called / 200 < 0.1


def test_mcnemar_is_a_binomial_test_on_the_rows_where_the_models_differ():
    label = np.zeros(30, dtype=int)
    a, b = label.copy(), label.copy()
    a[:2] = 1
    b[2:13] = 1
    a[20:] = b[20:] = 1
    found = mcnemar(a, b, label)
    assert (found.only_a, found.only_b) == (11, 2)
    assert found.p == pytest.approx(binomtest(2, 13).pvalue)
