import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from seesay.metrics import statistics
from seesay.metrics.scores import METRICS, Metric
from seesay.metrics.statistics import bootstrap, drawn_scores, mcnemar, paired_bootstrap

CLASSES = 4

ACCURACY, F1 = METRICS["accuracy"], METRICS["macro_f1"]


def sure(prediction: np.ndarray, classes: int = CLASSES) -> np.ndarray:
    """Probabilities that are 1 for these classes."""
    return np.eye(classes)[prediction]


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
        low, high = bootstrap(F1, sure(prediction), label, group, n=300, seed=trial)
        hits += low <= truth <= high
    return hits / trials


@pytest.fixture(scope="module")
def truth() -> float:
    prediction, label = answers(500_000, 0.2, np.random.default_rng(0))
    return F1.score(sure(prediction), label)


def test_intervals_over_rows_hold_the_truth_as_often_as_they_say(truth):
    assert 0.9 <= covered(copies=1, by_group=True, truth=truth) <= 0.99


def test_intervals_over_groups_hold_the_truth_where_rows_are_copies_and_those_over_rows_do_not(truth):
    assert 0.9 <= covered(copies=6, by_group=True, truth=truth) <= 0.99
    assert covered(copies=6, by_group=False, truth=truth) < 0.7


def test_copies_of_a_recording_tell_no_more_than_the_recording():
    prediction, label = answers(200, 0.2, np.random.default_rng(0))
    once = bootstrap(F1, sure(prediction), label, np.arange(200))
    prediction, label, group = (np.repeat(part, 9) for part in (prediction, label, np.arange(200)))
    assert bootstrap(F1, sure(prediction), label, group) == pytest.approx(once)
    low, high = bootstrap(F1, sure(prediction), label, np.arange(1800))
    assert high - low == pytest.approx((once[1] - once[0]) / 3, rel=0.15)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.sums])
def test_a_resample_is_what_drawing_whole_groups_by_hand_gives(name: str):
    """The quick way (weights times sums per group) against the obvious one: gather the rows, score them."""
    metric, generator = METRICS[name], np.random.default_rng(0)
    label = generator.integers(0, CLASSES, 90)
    probabilities = generator.dirichlet(np.ones(CLASSES), 90) / 2 + sure(label) * 0.2 + 0.3 / CLASSES
    group = generator.integers(0, 25, 90)
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    drawn = []
    for _ in range(4000):
        rows = np.concatenate([members[g] for g in generator.integers(0, len(members), len(members))])
        drawn.append(metric.score(probabilities[rows], label[rows]))
    by_hand = np.quantile(drawn, [0.05, 0.95])
    quick = bootstrap(metric, probabilities, label, group, n=4000, level=0.9)
    assert quick == pytest.approx(by_hand, abs=0.02)
    slow = bootstrap(replace(metric, sums=None), probabilities, label, group, n=1000, level=0.9)
    assert slow == pytest.approx(by_hand, abs=0.03)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.sums])
def test_the_score_of_the_sums_is_the_score(name: str):
    metric, generator = METRICS[name], np.random.default_rng(0)
    label, probabilities = generator.integers(0, 6, 50), generator.dirichlet(np.ones(6), 50)
    assert metric.sums is not None
    [quick] = metric.sums.score(metric.sums.terms(probabilities, label).sum(0, keepdims=True))
    assert quick == pytest.approx(metric.score(probabilities, label))


def test_many_kinds_of_groups_are_drawn_one_by_one_with_the_same_interval(monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(0)
    label = generator.integers(0, CLASSES, 400)
    probabilities = generator.dirichlet(np.ones(CLASSES), 400) / 2 + sure(label) / 2
    arguments = (METRICS["nll"], probabilities, label, np.arange(400))
    few = bootstrap(*arguments, n=4000)
    monkeypatch.setattr(statistics, "MANY", 100)
    assert bootstrap(*arguments, n=4000) == pytest.approx(few, rel=0.02)
    assert bootstrap(*arguments, n=4000) != few


def test_resamples_in_which_a_metric_is_not_defined_are_left_out():
    label = np.array([0, 1, 1, 1])
    of_class_0 = Metric(lambda p, y: float(p[y == 0, 0].mean()) if (y == 0).any() else np.nan, "mine")
    low, high = bootstrap(of_class_0, np.tile([0.25, 0.75], (4, 1)), label, np.arange(4), n=200)
    assert (low, high) == (0.25, 0.25)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    prediction, label = answers(300, 0.2, np.random.default_rng(0))
    for metric in (*METRICS.values(), replace(F1, sums=None)):
        arguments = (metric, [0.9 * sure(prediction) + 0.025], label, np.arange(300) // 2, 100)
        assert (drawn_scores(*arguments, seed=3) == drawn_scores(*arguments, seed=3)).all()
        assert (drawn_scores(*arguments, seed=3) != drawn_scores(*arguments, seed=4)).any()


def test_names_of_groups_are_only_names():
    prediction, label = answers(300, 0.2, np.random.default_rng(0))
    group = np.arange(300) % 50
    renamed = np.random.default_rng(1).permutation(1000)[:50][group] - 500
    both = (bootstrap(ACCURACY, sure(prediction), label, names) for names in (renamed, group))
    assert len(set(both)) == 1


def test_a_model_without_errors_has_the_interval_one_to_one():
    label = np.arange(40) % CLASSES
    assert bootstrap(F1, sure(label), label, np.arange(40)) == (1, 1)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.sums])
@pytest.mark.parametrize("groups", [1_106, 10_000])
def test_ten_thousand_rows_take_less_than_a_second(groups: int, name: str):
    prediction, label = answers(10_000, 0.05, np.random.default_rng(0))
    probabilities = np.random.default_rng(1).dirichlet(np.ones(10), 10_000) / 2 + sure(prediction, 10) / 2
    began = time.process_time()
    bootstrap(METRICS[name], probabilities, label, np.arange(10_000) % groups)
    assert time.process_time() - began < 1


def test_a_better_model_is_found_better_and_the_order_only_turns_the_sign():
    generator = np.random.default_rng(0)
    good, label = answers(1_000, 0.05, generator)
    bad = np.where(generator.random(1_000) < 0.1, (label + 1) % CLASSES, good)
    better = paired_bootstrap(F1, sure(good), sure(bad), label, np.arange(1_000))
    scores = [F1.score(sure(p), label) for p in (good, bad)]
    assert better.difference == pytest.approx(scores[0] - scores[1])
    assert 0 < better.low < better.difference < better.high
    assert better.p < 0.01
    worse = paired_bootstrap(F1, sure(bad), sure(good), label, np.arange(1_000))
    turned = (-better.difference, -better.high, -better.low)
    assert (worse.difference, worse.low, worse.high) == pytest.approx(turned, abs=2e-3)


def test_a_model_does_not_differ_from_itself():
    prediction, label = answers(100, 0.2, np.random.default_rng(0))
    for metric in METRICS.values():
        a = sure(prediction)
        assert paired_bootstrap(metric, a, a, label, np.arange(100), n=50) == (0, 0, 0, 1)
    assert mcnemar(prediction, prediction, label) == (0, 0, 1)


def test_equal_models_are_called_different_about_as_often_as_the_level_says():
    generator = np.random.default_rng(0)
    called = 0
    for seed in range(200):
        a, label = answers(150, 0.2, generator)
        wrong = (label + generator.integers(1, CLASSES, 150)) % CLASSES
        b = np.where(generator.random(150) < 0.2, wrong, label)
        called += paired_bootstrap(F1, sure(a), sure(b), label, np.arange(150), n=300, seed=seed).p < 0.05
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
