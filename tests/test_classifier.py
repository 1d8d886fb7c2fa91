"""The classifier: what is missing is missing, a row is itself whoever stands beside it, everything learns."""

import copy
import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seesay.config import EncoderConfig
from seesay.data.batches import Batch, table
from seesay.data.dataset import NONE
from seesay.learn.fit import loss_of
from seesay.model.classifier import Classifier, build, posteriors
from seesay.model.features import RawFeatures, features_of, fit_normalisers
from seesay.model.fusion import Concat, PosteriorSum
from seesay.registry import find, names
from tiny import FUSIONS, quick_first, tiny_data, tiny_model, tiny_spec

KINDS = [n for n in names("encoder", "picture") if n != "auto" and not find("encoder", n).frozen]
"""For pictures and recordings, with any front end."""

PRIOR = np.array([0.2, 0.3, 0.5])
BOTH = "image+audio"

PRESENCE = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6)

ROWS = np.stack([np.arange(24), np.arange(24)], 1).astype(np.int32)
ROWS[2::5, 0] = ROWS[3::5, 1] = -1
DISTINCT = tiny_data(each=8, rows=ROWS)
"""Rows that share no content, so that any labels can be learned."""

CONTENTS = tiny_data(seed=4)

fusions = pytest.mark.parametrize("fusion", FUSIONS)


@cache
def made(fusion: str) -> Classifier:
    classifier = build(tiny_model(fusion=fusion), tiny_spec(), PRIOR, seed=3)
    fit_normalisers(classifier, CONTENTS, CONTENTS.rows_of("train"), RawFeatures(CONTENTS))
    classifier.temperature.copy_(torch.tensor([0.7, 1.5, 2.5]))
    for _ in range(3):
        classifier.train()(contents(16, 9))
    return classifier.eval()


def model(fusion: str) -> Classifier:
    """Fresh weights; neither temperatures nor statistics of batch normalisation are the first ones."""
    return copy.deepcopy(made(fusion))


def contents(b: int, seed: int = 0) -> dict[str, Tensor]:
    """Pictures and recordings as a data set holds them."""
    generator, data = torch.Generator().manual_seed(seed), CONTENTS
    picks = {m: torch.randint(0, len(data.contents[m]), (b,), generator=generator) for m in data.modalities}
    return {m: torch.from_numpy(data.contents[m])[pick] for m, pick in picks.items()}


def presence(rows: list[tuple[bool, bool]]) -> dict[str, Tensor]:
    return {"image": torch.tensor([row[0] for row in rows]), "audio": torch.tensor([row[1] for row in rows])}


def one_row(inputs: Mapping[str, Tensor], i: int) -> dict[str, Tensor]:
    return {m: x[i : i + 1] for m, x in inputs.items()}


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], msg=lambda text, name=name: f"{name}: {text}")


# --------------------------------------------------------------------------------- what is missing is missing


@fusions
@given(PRESENCE)
@settings(max_examples=15)
def test_a_row_does_not_depend_on_its_neighbours(fusion: str, rows: list[tuple[bool, bool]]):
    classifier, inputs, present = model(fusion), contents(len(rows)), presence(rows)
    together = classifier(inputs, present)
    for i in range(len(rows)):
        alone = classifier(one_row(inputs, i), one_row(present, i))
        assert_same({name: said[i : i + 1] for name, said in together.items()}, alone)


@fusions
def test_the_order_of_the_dict_does_not_matter(fusion: str):
    classifier, inputs = model(fusion), contents(4)
    present = presence([(True, True), (True, False), (False, True), (False, False)])
    backwards = [dict(reversed(list(d.items()))) for d in (inputs, present)]
    assert list(backwards[0]) == ["audio", "image"]
    assert_same(classifier(*backwards), classifier(inputs, present))


@fusions
@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, 1e30])
@given(PRESENCE)
@settings(max_examples=10)
def test_what_stands_in_an_absent_place_does_not_matter(
    fusion: str, garbage: float, rows: list[tuple[bool, bool]]
):
    classifier, present = model(fusion), presence(rows)
    features = classifier.features(contents(len(rows)))
    other = {m: x.clone() for m, x in features.items()}
    for m, x in other.items():
        x[~present[m]] = garbage
    said = classifier.classify(features, present)
    assert all(logits.isfinite().all() for logits in said.values())
    assert_same(classifier.classify(other, present), said)


@fusions
@pytest.mark.parametrize("modality", ["image", "audio"])
def test_an_absent_key_is_a_modality_that_no_row_has(fusion: str, modality: str):
    classifier, inputs = model(fusion), contents(5)
    marked = {m: torch.full((5,), m == modality) for m in inputs}
    without, masked = classifier({modality: inputs[modality]}), classifier(inputs, marked)
    assert list(without) == [modality]
    torch.testing.assert_close(without[modality], masked[modality])
    torch.testing.assert_close(without[modality], masked[BOTH])


@fusions
@pytest.mark.parametrize("modality", ["image", "audio"])
def test_a_row_with_one_modality_gets_exactly_what_that_one_says(fusion: str, modality: str):
    classifier, inputs = model(fusion), contents(4)
    said = classifier(inputs, {m: torch.full((4,), m == modality) for m in inputs})
    assert torch.equal(said[BOTH], said[modality])


@fusions
def test_a_row_with_none_gets_the_prior(fusion: str):
    classifier, inputs = model(fusion), contents(3)
    rows = [(False, False), (True, True), (False, False)]
    for said in classifier(inputs, presence(rows)).values():
        torch.testing.assert_close(said[[0, 2]].softmax(1), torch.tensor(PRIOR).float().repeat(2, 1))
        assert not torch.allclose(said[1].softmax(0), torch.tensor(PRIOR).float())


@fusions
def test_rows_that_are_not_marked_are_present(fusion: str):
    classifier, inputs = model(fusion), contents(3)
    everywhere = presence([(True, True)] * 3)
    assert_same(classifier(inputs), classifier(inputs, everywhere))
    assert_same(classifier(inputs, {"image": everywhere["image"]}), classifier(inputs))


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_without_the_other_a_sum_of_posteriors_is_the_model_of_one_modality(modality: str):
    pair = model("posterior-sum")
    single = build(tiny_model(fusion="posterior-sum"), tiny_spec([modality]), PRIOR)
    own = {
        n: t
        for n, t in pair.state_dict().items()
        if f".{'audio' if modality == 'image' else 'image'}." not in n
    }
    place = pair.modalities.index(modality)
    for name in ("temperature", "learned"):
        own[name] = own[name][[place, -1]]
    for name in ("stand_in", "fusion.weight", "known_line"):
        own[name] = own[name][[place]]
    single.load_state_dict(own)
    inputs = contents(6)
    alone = {modality: inputs[modality]}
    assert_same(single.eval()(alone), pair(alone))


def test_both_together_are_bayes_rule_of_what_each_says():
    classifier, inputs = model("posterior-sum"), contents(6)
    classifier.temperature.copy_(torch.tensor([0.7, 1.5, 1.0]))
    said = {name: logits.double().softmax(1) for name, logits in classifier(inputs).items()}
    product = said["image"] * said["audio"] / torch.from_numpy(PRIOR)
    torch.testing.assert_close(said[BOTH], product / product.sum(1, keepdim=True), atol=1e-6, rtol=1e-4)


def test_each_condition_is_divided_by_its_own_temperature():
    classifier, inputs = model("posterior-sum"), contents(4)
    classifier.temperature.fill_(1.0)
    before = classifier(inputs)
    classifier.temperature.copy_(torch.tensor([1.0, 1.0, 4.0]))
    prior = classifier.log_prior  # it is the evidence that is divided, not the prior
    torch.testing.assert_close(classifier(inputs)[BOTH], prior + (before[BOTH] - prior) / 4)
    torch.testing.assert_close(classifier(inputs)["audio"], before["audio"])
    classifier.temperature.copy_(torch.tensor([2.0, 1.0, 1.0]))
    torch.testing.assert_close(classifier(inputs)["image"], prior + (before["image"] - prior) / 2)


def test_conditions_are_every_modality_and_all_together():
    assert model("concat").conditions == ("image", "audio", BOTH)
    assert build(tiny_model(), tiny_spec(["audio"])).conditions == ("audio",)


def test_forward_remembers_nothing():
    classifier, inputs = model("concat"), contents(4)
    before = {n: t.clone() for n, t in classifier.state_dict().items()}
    own = set(vars(classifier))
    first = classifier(inputs)
    classifier({"image": inputs["image"]})
    assert_same(classifier(inputs), first)
    assert set(vars(classifier)) == own
    assert all(torch.equal(t, before[n]) for n, t in classifier.state_dict().items())


@pytest.mark.parametrize("fusion", ["concat", "posterior-sum"])
def test_a_third_modality_is_one_more_of_everything(fusion: str):
    """Modules take plain values: fakes will do, and each pair of the three may be there."""
    names = ("image", "audio", "touch")
    parts = {m: nn.Identity() for m in names}
    log_prior = torch.tensor(PRIOR).float().log()
    fuse = Concat(2, 3, 3, 4) if fusion == "concat" else PosteriorSum(log_prior, 2)
    classifier = Classifier(parts, {m: parts[m] for m in names[:2]}, parts, fuse, log_prior).eval()
    inputs = {m: torch.randn(2, 3) for m in names}
    assert list(classifier(inputs)) == ["image", "audio", BOTH], (
        "what the model has no encoder for is not looked at"
    )


# --------------------------------------------------------------------------------------------------- training


def learner(fusion: str, kind: Any = "cnn", seed: int = 1) -> Classifier:
    """Fresh weights; nothing is dropped."""
    settings = EncoderConfig(kind=kind, width=8, layers=2, dropout=0.0)
    config = tiny_model(dim=16, fusion=fusion, image=settings, audio=settings)
    classifier = build(config, DISTINCT.spec, seed=seed)
    fit_normalisers(classifier, DISTINCT, np.arange(24), RawFeatures(DISTINCT))
    return classifier.train()


def batch_for(classifier: Classifier, rows: int = 24) -> Batch:
    """Features of rows some of which lack a picture or a recording."""
    return table(DISTINCT, np.arange(rows), features_of(classifier, DISTINCT)).take(torch.arange(rows))


@pytest.mark.parametrize("fusion", quick_first(FUSIONS, "posterior-sum", "gated"))
@pytest.mark.parametrize("kind", KINDS)
def test_one_batch_is_learned_by_heart(fusion: str, kind: str):
    """In every condition, though labels are drawn at random and some modalities are missing."""
    classifier = learner(fusion, kind)
    label = torch.randint(0, 3, (24,), generator=torch.Generator().manual_seed(0))
    batch = dataclasses.replace(batch_for(classifier), label=label)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=0.01)
    loss = torch.tensor(torch.inf)
    for _ in range(300):
        if loss < 0.03:  # then no row can be wrong
            break
        loss = loss_of(classifier.classify(batch.inputs, batch.present), batch, 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, said in classifier.classify(batch.inputs, batch.present).items():
        has_all = torch.stack([batch.present[m] for m in name.split("+")]).all(0)
        assert (said.argmax(1) == label)[has_all].all(), name


@fusions
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reaches_every_weight(fusion: str, kind: str):
    classifier = learner(fusion, kind)
    batch = batch_for(classifier)
    loss_of(classifier.classify(batch.inputs, batch.present), batch, 0.1).backward()
    assert [n for n, p in classifier.named_parameters() if p.grad is None or not p.grad.any()] == []


@fusions
def test_absent_rows_do_not_enter_training(fusion: str):
    """Neither the loss, nor a gradient, nor the statistics of batch normalisation."""
    ways = []
    for garbage in (0.0, 1e3):
        classifier = learner(fusion)
        batch = batch_for(classifier)
        inputs = {m: x.clone() for m, x in batch.inputs.items()}
        for m, x in inputs.items():
            x[~batch.present[m]] = garbage
        said = classifier.classify(inputs, batch.present)
        loss_of(said, batch, 0.0).backward()
        ways.append(
            (said, dict(classifier.named_buffers()), {n: p.grad for n, p in classifier.named_parameters()})
        )
    for one, same in zip(*ways, strict=True):
        assert one.keys() == same.keys()
        for name in one:
            assert torch.equal(one[name], same[name]), name


@fusions
@pytest.mark.parametrize("there", [0, 1, 2])
def test_a_batch_where_hardly_a_row_has_a_recording_can_be_learned_from(fusion: str, there: int):
    """Of one row batch normalisation has no variance to divide by; that must not stop the training."""
    classifier = learner(fusion)
    batch = batch_for(classifier, 8)
    few = {"image": batch.present["image"], "audio": torch.arange(8) < there}
    batch = dataclasses.replace(batch, present=few)
    loss = loss_of(classifier.classify(batch.inputs, few), batch, 0.0)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in classifier.parameters())
    assert all(t.isfinite().all() for t in classifier.state_dict().values())
    assert all(module.training for module in classifier.modules())


@fusions
def test_the_loss_counts_each_condition_over_the_rows_that_have_it(fusion: str):
    classifier, inputs = model(fusion), contents(4)
    rows = [(True, True), (True, False), (False, True), (False, False)]
    batch = Batch(inputs, presence(rows), torch.tensor([0, 1, 2, 0]), torch.arange(4))
    said = classifier(inputs, batch.present)
    by_hand = sum(
        F.cross_entropy(said[name][places], batch.label[places])
        for name, places in (("image", [0, 1]), ("audio", [0, 2]), (BOTH, [0]))
    )
    torch.testing.assert_close(loss_of(said, batch, 0.0), by_hand)


@pytest.mark.parametrize("classes", [None, torch.tensor([0.5, 1.0, 2.0])], ids=["rows", "rows and classes"])
def test_weights_are_factors_of_each_rows_loss(classes: torch.Tensor | None):
    classifier, inputs = model("posterior-sum"), contents(4)
    rows = [(True, True), (True, False), (False, True), (True, True)]
    weight = torch.tensor([0.25, 1.0, 1.75, 1.0])
    batch = Batch(inputs, presence(rows), torch.tensor([0, 1, 2, NONE]), torch.arange(4), weight)
    said = classifier(inputs, batch.present)
    factor = weight if classes is None else weight * classes[batch.label.clamp(min=0)]
    by_hand = sum(
        (F.cross_entropy(said[name][places], batch.label[places], reduction="none") * factor[places]).mean()
        for name, places in (("image", [0, 1]), ("audio", [0, 2]), (BOTH, [0]))
    )
    torch.testing.assert_close(loss_of(said, batch, 0.0, classes), by_hand)
    ones = dataclasses.replace(batch, weight=torch.ones(4))
    plain = dataclasses.replace(batch, weight=None)
    torch.testing.assert_close(loss_of(said, ones, 0.1), loss_of(said, plain, 0.1))


# --------------------------------------------------------------------------------------------------- building


def test_weights_follow_from_the_seed_and_leave_torchs_generator_alone():
    before = torch.get_rng_state()
    one, same, other = (build(tiny_model(), tiny_spec(), seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[n], same[n]) for n in one)
    assert any(not torch.equal(one[n], other[n]) for n in one)


def test_without_a_prior_all_classes_are_alike():
    torch.testing.assert_close(build(tiny_model(), tiny_spec()).log_prior.exp(), torch.full((3,), 1 / 3))


def test_a_class_that_never_trained_has_a_prior_that_is_small_but_finite():
    classifier = build(tiny_model(), tiny_spec(), np.array([0.5, 0.5, 0.0])).eval()
    assert all(said.isfinite().all() for said in classifier(contents(2)).values())


# ---------------------------------------------------------------------------------- whole data sets, by table


def test_posteriors_are_in_order_and_nothing_where_something_is_missing():
    data, classifier = tiny_data(missing=True), model("posterior-sum")
    rows = data.rows_of("test")[::-1].copy()
    found = posteriors(classifier, table(data, rows, features_of(classifier, data)), size=5)
    assert list(found) == ["image", "audio", BOTH]
    for name, probabilities in found.items():
        assert probabilities.shape == (len(rows), 3)
        has_all = np.all([data.pointers(m)[rows] >= 0 for m in name.split("+")], axis=0)
        assert np.isnan(probabilities[~has_all]).all()
        np.testing.assert_allclose(probabilities[has_all].sum(1), 1, rtol=1e-5)
        i = int(np.flatnonzero(has_all)[2])
        inputs = {
            m: torch.from_numpy(data.contents[m][data.pointers(m)[rows[i : i + 1]]]) for m in name.split("+")
        }
        np.testing.assert_allclose(
            probabilities[i], classifier(inputs)[name][0].softmax(0).detach(), atol=1e-5
        )


def test_features_are_those_of_the_front_ends():
    data, classifier = tiny_data(), model("concat")
    features = features_of(classifier, data)
    assert features["image"].values.dtype == torch.uint8, "a quarter of the memory"
    expected = classifier.features({m: torch.from_numpy(data.contents[m]) for m in data.modalities})
    for modality, found in features.items():
        torch.testing.assert_close(found.finish(found.values), expected[modality])


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_data_may_lack_a_modality_that_the_model_knows(modality: str):
    data, classifier = tiny_data(modalities=[modality]), model("posterior-sum")
    found = posteriors(classifier, table(data, data.rows_of("test"), features_of(classifier, data)))
    whole = tiny_data()
    expected = posteriors(classifier, table(whole, whole.rows_of("test"), features_of(classifier, whole)))
    assert list(found) == [modality]
    np.testing.assert_allclose(found[modality], expected[modality], atol=1e-6)
