"""Temperatures: found again where they are known, left alone where too few rows could tell."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seesay.data.batches import Features, Table, table
from seesay.model.classifier import Classifier, build, posteriors, upgraded_state
from seesay.model.features import features_of
from seesay.model.fusion import PosteriorSum
from seesay.model.temperature import (
    FEWEST,
    Evidence,
    calibrate,
    deciding_modality,
    evidence_of,
    fit_temperature,
    fit_weights,
    probabilities,
    remarks,
)
from tiny import FUSIONS, tiny_data, tiny_model, tiny_spec

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


def test_a_row_of_weight_k_counts_as_k_rows():
    logits, label = drawn(80, 2.0)
    counts = np.random.default_rng(1).integers(0, 4, 80)
    again, weight = np.repeat(np.arange(80), counts), counts.astype(float)
    found = fit_temperature(logits, label, 0.01, weight=weight)
    assert found == pytest.approx(fit_temperature(logits[again], label[again], 0.01), rel=1e-4)
    opinions, label = independent(80, 6)
    expected = fit_weights(opinions[again], label[again], np.zeros(4), 0.01)
    np.testing.assert_allclose(fit_weights(opinions, label, np.zeros(4), 0.01, weight), expected, rtol=1e-4)


@pytest.mark.parametrize("fusion", ["posterior-sum", "concat"])
def test_calibration_uses_the_weights_of_the_rows(fusion: str):
    """Rows of hardly any weight, whose labels are wrong, hardly change it."""
    opinions, label = independent(200, 7)
    wrong, weight = label.copy(), np.ones(300)
    wrong[100:] = (label[100:] + 1) % CLASSES
    weight[100:200] = 1e-9
    states = []
    for rows, weights in ((np.arange(100), None), (np.arange(200), weight)):
        model = fresh(fusion)
        held = judged(opinions[rows], wrong[rows], fused=opinions.sum(1)[rows])
        calibrate(model, held, np.log(np.full(4, 0.25)), weights)
        states.append([*model.temperature.tolist(), *(model.fusion_weight if fusion != "concat" else ())])
    np.testing.assert_allclose(states[0], states[1], rtol=0.05)


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
        features[modality] = Features(torch.from_numpy(temperature * 1.5 * seen).float())
    pointers = {m: torch.arange(n) for m in features}
    pointers["audio"][there if there is not None else n :] = -1
    log_prior = torch.full((CLASSES,), 1 / CLASSES).log()
    own = [{m: nn.Identity() for m in features} for _ in range(3)]
    classifier = Classifier(*own, PosteriorSum(log_prior, 2), log_prior)
    return classifier, Table(features, pointers, torch.from_numpy(label), torch.arange(n))


def test_every_modality_gets_its_own_and_their_sum_is_then_calibrated():
    classifier, rows = identities(8_000, (4.0, 0.5))
    calibrate(classifier, evidence_of(classifier, rows))
    np.testing.assert_allclose(classifier.temperature, [4.0, 0.5, 1.0], rtol=0.06)


def test_what_was_set_before_is_forgotten():
    classifier, rows = identities(500, (4.0, 0.5))
    calibrate(classifier, evidence_of(classifier, rows))
    once = classifier.temperature.clone()
    calibrate(classifier, evidence_of(classifier, rows))
    torch.testing.assert_close(classifier.temperature, once)


def test_few_rows_leave_it_at_1():
    classifier, rows = identities(FEWEST - 1, (4.0, 0.5))
    classifier.temperature.fill_(7)
    calibrate(classifier, evidence_of(classifier, rows))
    assert classifier.temperature.tolist() == [1, 1, 1]


def test_no_rows_leave_it_at_1():
    classifier, rows = identities(0, (4.0, 0.5))
    calibrate(classifier, evidence_of(classifier, rows))
    assert classifier.temperature.tolist() == [1, 1, 1]


def test_only_rows_that_have_it_count():
    classifier, rows = identities(500, (4.0, 0.5), there=FEWEST - 1)
    calibrate(classifier, evidence_of(classifier, rows))
    image, audio, both = classifier.temperature.tolist()
    assert image == pytest.approx(4, rel=0.3)
    assert (audio, both) == (1, 1)


def test_one_modality_has_one_temperature_that_counts():
    _, rows = identities(8_000, (4.0, 0.5))
    log_prior = torch.full((CLASSES,), 1 / CLASSES).log()
    own = [{"image": nn.Identity()} for _ in range(3)]
    classifier = Classifier(*own, PosteriorSum(log_prior, 2), log_prior)
    pictures = Table({"image": rows.features["image"]}, rows.pointers, rows.label, rows.rows)
    calibrate(classifier, evidence_of(classifier, pictures))
    np.testing.assert_allclose(classifier.temperature, [4.0, 1.0], rtol=0.06)
    seen = rows.features["image"].values
    said = classifier.classify({"image": seen})["image"]
    same_prior = seen / classifier.temperature[0]
    torch.testing.assert_close(said.log_softmax(1), same_prior.log_softmax(1))


def test_predictions_stay_the_same():
    classifier, rows = identities(300, (4.0, 0.5))
    batch = rows.take(torch.arange(300))
    before = {m: said.argmax(1) for m, said in classifier.classify(batch.inputs).items()}
    calibrate(classifier, evidence_of(classifier, rows))
    after = classifier.classify(batch.inputs)
    for modality in ("image", "audio"):
        assert torch.equal(after[modality].argmax(1), before[modality])


# --------------------------------------------------------------------------------------- priors, weights,
# stand-in


def judged(
    opinions: np.ndarray, label: np.ndarray, fused: np.ndarray | None = None, there: np.ndarray | None = None
) -> Evidence:
    """Rows of two modalities that say this."""
    n, modalities, classes = opinions.shape
    pointers = np.tile(np.arange(n)[:, None], (1, modalities))
    if there is not None:
        pointers[~there] = -1
    blank = np.zeros((n, classes)) if fused is None else fused
    known = np.zeros((n, modalities), np.float32)
    return Evidence(
        np.arange(n), label, pointers, opinions.astype(np.float32), blank.astype(np.float32), known
    )


def fresh(fusion: str = "posterior-sum", prior: np.ndarray | None = None) -> Classifier:
    return build(
        tiny_model(fusion=fusion), dataclasses.replace(tiny_spec(), classes=("a", "b", "c", "d")), prior
    )


def independent(
    n: int, seed: int, strength: tuple[float, float] = (1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Evidence of two modalities that are independent given the class, and calibrated if the strengths are
    1."""
    random = np.random.default_rng(seed)
    label = random.integers(0, CLASSES, n)
    seen = 1.5 * np.eye(CLASSES)[label][:, None] + random.standard_normal((n, 2, CLASSES))
    return 1.5 * seen * np.array(strength)[:, None], label


def test_answers_are_put_back_to_the_prior_of_the_training_rows():
    """Heads trained on weighted classes that predict their prior: the prediction is that of the rows."""
    model, rows = fresh(prior=np.full(4, 0.25)), np.array([0.7, 0.1, 0.1, 0.1])
    calibrate(model, judged(np.zeros((60, 2, 4)), np.repeat(range(4), (42, 6, 6, 6))), np.log(rows))
    nothing = {m: torch.zeros(1, 8) for m in model.modalities}
    for head in model.heads.values():
        torch.nn.init.zeros_(head[-1].weight)
    for said in model.eval().decide(nothing).values():
        np.testing.assert_allclose(said.softmax(1).detach(), rows[None], atol=1e-5)


def test_modalities_that_say_the_same_count_once():
    opinions, label = independent(3_000, 3)
    opinions[:, 1] = opinions[:, 0]
    weight = fit_weights(opinions, label, np.zeros(4))
    assert weight.sum() == pytest.approx(1, abs=0.1)


def test_modalities_that_are_independent_count_whole():
    np.testing.assert_allclose(fit_weights(*independent(6_000, 4), np.zeros(4)), [1, 1], atol=0.1)


def test_few_rows_leave_the_weights_near_1():
    opinions, label = independent(8, 5)
    opinions[:, 1] = opinions[:, 0]
    assert (np.abs(fit_weights(opinions, label, np.zeros(4)) - 1) < 0.4).all()


@given(
    st.integers(2, 300),
    st.integers(0, 1_000),
    st.floats(0, 8),
    st.floats(0, 8),
    st.sampled_from(list(FUSIONS)),
)
@settings(max_examples=40, deadline=None)
def test_the_fused_answer_is_at_least_as_likely_as_the_best_single_one(n, seed, first, second, fusion):
    """Whatever is wrong with it: modalities that are far too sure, that say nothing, a fusion that is
    noise."""
    opinions, label = independent(n, seed, (first, second))
    random = np.random.default_rng(seed)
    held = judged(opinions, label, fused=3 * random.standard_normal((n, CLASSES)))
    model = fresh(fusion)
    calibrate(model, held, np.log(np.full(4, 0.25)))
    loss = {m: -np.log(p[np.arange(n), label]).mean() for m, p in probabilities(model, held).items()}
    assert loss["image+audio"] <= min(loss["image"], loss["audio"]) + 1e-6


def test_only_a_fusion_that_is_worse_gives_way():
    opinions, label = independent(400, 6)
    noise = np.random.default_rng(0).standard_normal((400, CLASSES))
    model = fresh("concat")
    calibrate(model, judged(opinions, label, fused=noise))
    assert deciding_modality(model) is not None
    calibrate(model, judged(opinions, label, fused=opinions.sum(1)))
    assert deciding_modality(model) is None


def test_a_stand_in_decides_where_it_is_present_and_only_there():
    model = fresh("concat").eval()
    model.stand_in[1] = True
    inputs = {m: torch.randn(3, 8) for m in model.modalities}
    said = model.decide(inputs)
    torch.testing.assert_close(said["image+audio"], said["audio"])
    absent = model.decide(inputs, {"audio": torch.tensor([True, False, True])})
    torch.testing.assert_close(absent["image+audio"][1], said["image"][1])


@pytest.mark.parametrize("fusion", ["posterior-sum", "gated"])
def test_what_is_said_of_held_out_rows_is_what_the_model_says(fusion: str):
    data = tiny_data(missing=True)
    model = build(tiny_model(fusion=fusion), data.spec, np.array([0.5, 0.3, 0.2]), seed=3)
    rows = table(data, np.arange(len(data)), features_of(model, data))
    held = evidence_of(model, rows)
    calibrate(model, held, np.log([0.2, 0.3, 0.5]))
    expected = posteriors(model, rows)
    found = probabilities(model, held)
    assert set(found) == set(expected)
    for name, said in found.items():
        np.testing.assert_allclose(said, expected[name], atol=1e-5)


def test_what_has_learned_nothing_is_said():
    opinions, label = independent(200, 7)
    opinions[:, 0] = 0.01 * np.random.default_rng(1).standard_normal((200, CLASSES))
    model = fresh()
    held = judged(opinions, label)
    calibrate(model, held, np.log([0.4, 0.2, 0.2, 0.2]))
    first, *_ = remarks(model, probabilities(model, held), label, ("owl", "b", "c", "d"))
    assert first == "image is no better than always predicting 'owl'."


def test_a_model_that_was_saved_before_priors_were_learned_says_the_same():
    """Then an answer was logits / temperature."""
    model = fresh(prior=np.array([0.4, 0.3, 0.2, 0.1])).eval()
    temperature = torch.tensor([0.5, 2.0, 1.0])
    old = {n: t for n, t in model.state_dict().items() if n not in ("learned", "stand_in", "fusion.weight")}
    model.load_state_dict(upgraded_state({**old, "temperature": temperature}, "posterior-sum", {}))
    encodings = {m: torch.randn(5, 8) for m in model.modalities}
    said = model.decide(encodings)
    alone = [model.heads[m](x) / t for (m, x), t in zip(encodings.items(), temperature[:2], strict=True)]
    for modality, logits in zip(model.modalities, alone, strict=True):
        torch.testing.assert_close(said[modality].log_softmax(1), logits.log_softmax(1))
    together = sum(logits.log_softmax(1) for logits in alone) - model.log_prior
    torch.testing.assert_close(said["image+audio"].log_softmax(1), together.log_softmax(1))


def test_numbers_of_normalisers_that_stood_in_the_spec_are_put_into_the_model():
    model = build(tiny_model(), tiny_spec())
    columns = len(model.get_buffer("front_ends.audio.normaliser.mean"))
    mean, scale = [float(i) for i in range(columns)], [2.0] * columns
    old = {n: t for n, t in model.state_dict().items() if "normaliser" not in n}
    model.load_state_dict(upgraded_state(old, "posterior-sum", {"audio": (mean, scale)}))
    found = [model.get_buffer(f"front_ends.audio.normaliser.{name}").tolist() for name in ("mean", "scale")]
    assert found == [mean, scale]
