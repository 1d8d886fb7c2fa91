"""Training: it learns, a seed decides every bit of it, and one can leave and come back."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seesay.config import Config, EncoderConfig, WaveformConfig
from seesay.data.batches import Batch, table
from seesay.data.dataset import Dataset
from seesay.data.splits import Splits, split
from seesay.errors import InputError
from seesay.learn.fit import Epoch, Training, epoch_batches, fit, fresh, one_cycle, validate
from seesay.learn.hardware import bfloat16_is_quick
from seesay.model.classifier import Classifier, build
from seesay.model.features import RawFeatures, features_of
from seesay.spec import MatrixSpec, Spec
from tiny import STILL, tiny_config, tiny_data, tiny_model

BOTH = "image+audio"


def prepared(**changes: Any) -> tuple[Dataset, Splits]:
    data = tiny_data(**changes)
    return data, split(data)


DATA, SPLITS = prepared()


def trained(config: Config, data: Dataset = DATA, splits: Splits = SPLITS, **options: Any) -> Iterator[Epoch]:
    return fit(fresh(config, data, splits.train), data, splits, config, **options)


def weights(epoch: Epoch) -> dict[str, Tensor]:
    """A copy of all that changes in training."""
    return {name: tensor.clone() for name, tensor in epoch.training.state().items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


# -------------------------------------------------------------------------------------------------- it learns


@pytest.mark.parametrize(
    "changes", [{}, {"missing": True}, {"modalities": ["image"]}, {"modalities": ["audio"]}], ids=str
)
def test_it_learns(changes: dict[str, Any]):
    data, splits = prepared(**changes)
    epochs = list(trained(tiny_config(epochs=12, augment=STILL), data, splits))
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    assert epochs[-1].loss < 0.7 * epochs[0].loss
    assert max(epoch.score for epoch in epochs) > 0.9
    assert set(epochs[0].scores) == set(data.modalities) | {"+".join(data.modalities)}
    assert all(epoch.whole for epoch in epochs)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_it_learns_in_every_number_format(precision: Any):
    config = tiny_config(epochs=3, augment=STILL)
    config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, precision=precision))
    first, *_, last = trained(config)
    assert last.loss < first.loss
    expected = precision == "bfloat16" or (precision == "auto" and bfloat16_is_quick(torch.device("cpu")))
    assert last.training.bfloat16 == expected
    assert all(t.dtype != torch.bfloat16 for t in last.training.model.state_dict().values())


def keeping_the_best(epochs: int) -> Config:
    config = tiny_config(epochs=epochs)
    return dataclasses.replace(config, optim=dataclasses.replace(config.optim, keep="best"))


def test_every_epoch_is_kept_so_the_last_one_stays():
    for epoch in trained(tiny_config(epochs=6)):
        assert epoch.model is not None
        assert epoch.model.temperature.isfinite().all()


def test_the_best_epoch_is_kept_and_only_if_it_is_the_best():
    best = -1.0
    for epoch in trained(keeping_the_best(epochs=6)):
        assert (epoch.model is not None) == (epoch.score >= best)
        best = max(best, epoch.score)
        if epoch.model is not None:
            rows = table(DATA, SPLITS.valid, features_of(epoch.model, DATA))
            assert validate(epoch.model, rows) == pytest.approx(dict(epoch.scores))


def test_a_kept_model_does_not_change_afterwards():
    kept, before = None, {}
    for epoch in trained(tiny_config(epochs=4)):
        if kept is None:
            kept = epoch.model
            assert kept is not None
            before = {n: t.clone() for n, t in kept.state_dict().items()}
    assert kept is not None
    assert_equal(dict(kept.state_dict()), before)


def test_the_average_is_what_is_kept():
    [epoch] = trained(tiny_config(epochs=1))
    assert epoch.model is not None
    kept, average = epoch.model.state_dict(), epoch.training.average.state_dict()
    calibrated = {"temperature", "log_prior", "stand_in", "learned", "fusion.log_prior", "fusion.weight"}
    assert all(torch.equal(kept[n], average[n]) for n in kept if n not in calibrated)
    moving = epoch.training.model.state_dict()
    assert any(not torch.equal(kept[n], moving[n]) for n in kept)


def test_without_rows_to_validate_the_last_epoch_is_the_best():
    nobody = dataclasses.replace(SPLITS, valid=np.array([], np.int64))
    epochs = list(trained(tiny_config(epochs=3), DATA, nobody))
    assert all(epoch.model is not None and not epoch.scores for epoch in epochs)
    assert np.isnan(epochs[0].score)


def test_without_rows_to_train_on_it_is_refused():
    config, none = tiny_config(), dataclasses.replace(SPLITS, train=np.array([], np.int64))
    with pytest.raises(InputError, match="no rows to train on"):
        next(fit(build(config.model, DATA.spec), DATA, none, config))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_handful_of_rows_can_be_trained_on(rows: int):
    few = dataclasses.replace(SPLITS, train=SPLITS.train[:rows])
    *_, last = trained(tiny_config(epochs=2), DATA, few)
    assert np.isfinite(last.loss)


def test_a_modality_that_hardly_any_row_has_does_not_stop_it():
    rows = DATA.rows.copy()
    rows[SPLITS.train[1:], 1] = -1
    *_, last = trained(tiny_config(epochs=2), DATA.replace(rows=rows))
    assert np.isfinite(last.loss)
    assert all(tensor.isfinite().all() for tensor in last.training.state().values())


# --------------------------------------------------------------------------------------------- a seed decides


def test_the_same_seed_gives_the_same_losses_and_weights_bit_for_bit():
    one, same = (list(trained(tiny_config(epochs=3))) for _ in range(2))
    assert [epoch.loss for epoch in one] == [epoch.loss for epoch in same]
    assert [dict(epoch.scores) for epoch in one] == [dict(epoch.scores) for epoch in same]
    assert_equal(weights(one[-1]), weights(same[-1]))


def test_another_seed_gives_others():
    losses = [[epoch.loss for epoch in trained(tiny_config(epochs=2, seed=seed))] for seed in (0, 1)]
    assert losses[0] != losses[1]


def test_it_depends_on_no_generator_but_its_own_and_leaves_torchs_alone():
    torch.manual_seed(1)
    one = [epoch.loss for epoch in trained(tiny_config(epochs=2))]
    torch.manual_seed(2)
    before = torch.get_rng_state()
    same = [epoch.loss for epoch in trained(tiny_config(epochs=2))]
    assert one == same
    assert torch.equal(torch.get_rng_state(), before)


def test_what_the_caller_does_between_epochs_does_not_matter():
    undisturbed = [epoch.loss for epoch in trained(tiny_config(epochs=3))]
    disturbed = []
    for epoch in trained(tiny_config(epochs=3)):
        torch.rand(7)
        disturbed.append(epoch.loss)
    assert undisturbed == disturbed


# ------------------------------------------------------------------------------------ leaving and coming back


def test_one_can_leave_after_any_epoch():
    for epoch in trained(tiny_config(epochs=50)):
        if epoch.number == 2:
            break
    assert epoch.number == 2


@pytest.mark.parametrize("changes", [{}, {"missing": True}], ids=str)
@pytest.mark.parametrize("fusion", ["concat", "posterior-sum"])
def test_a_run_that_goes_on_reaches_the_same_weights_bit_for_bit(changes: dict[str, Any], fusion: str):
    data, splits = prepared(**changes)
    config = tiny_config(epochs=4, model=tiny_model(fusion=fusion))
    *_, undisturbed = trained(config, data, splits)
    *_, stopped = islice(trained(config, data, splits), 2)
    resumed = list(trained(dataclasses.replace(config), data, splits, resume=weights(stopped)))
    assert [epoch.number for epoch in resumed] == [3, 4]
    assert_equal(weights(resumed[-1]), weights(undisturbed))


def test_going_on_needs_nothing_of_the_model_that_is_handed_in():
    config = tiny_config(epochs=3)
    *_, undisturbed = trained(config)
    stopped = next(trained(config))
    other = build(config.model, DATA.spec, seed=99)
    *_, resumed = fit(other, DATA, SPLITS, config, resume=weights(stopped))
    assert_equal(weights(resumed), weights(undisturbed))


def test_what_was_best_before_is_remembered():
    config = keeping_the_best(epochs=3)
    state = weights(next(trained(config)))
    state["numbers"][2] = 2.0  # better than anything can be
    assert all(epoch.model is None for epoch in trained(config, resume=state))


def test_nothing_is_left_to_do_after_the_last_epoch():
    config = tiny_config(epochs=2)
    *_, last = trained(config)
    assert list(trained(config, resume=weights(last))) == []


def test_batches_go_through_the_watch_and_what_it_holds_back_ends_the_run():
    seen = []

    def watch(batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if len(seen) == 6:
                return
            seen.append(batch)
            yield batch

    config = tiny_config(epochs=9)
    epochs = list(trained(config, watch=watch))
    assert [epoch.whole for epoch in epochs] == [True, False]
    assert epochs[-1].training.epochs == 1
    assert epochs[-1].training.done == 6


# -------------------------------------------------------------------------------------------------- its parts


def rows_of(config: Config, number: int, data: Dataset = DATA, **changes: Any) -> list[Batch]:
    whole = SPLITS.train[: 4 * config.optim.batch]  # none is left out
    model = fresh(config, data, SPLITS.train)
    rows = table(data, whole, features_of(model, data))
    changed = data.replace(**changes)
    return list(epoch_batches(rows, changed, RawFeatures(changed), config, number, model))


def pairs(batches: list[Batch]) -> dict[int, tuple[bytes, ...]]:
    """By row, what it was seen and heard as."""
    return {
        int(row): tuple(batch.inputs[m][i].numpy().tobytes() for m in ("image", "audio"))
        for batch in batches
        for i, row in enumerate(batch.rows)
    }


def test_new_partners_come_at_every_epoch_where_they_were_drawn():
    config = tiny_config(augment=dataclasses.replace(STILL, repair=True))
    first, again, second = (pairs(rows_of(config, number)) for number in (1, 1, 2))
    assert first == again
    assert {row: pair[0] for row, pair in first.items()} == {row: pair[0] for row, pair in second.items()}
    changed = sum(first[row][1] != second[row][1] for row in first)
    assert changed > len(first) / 2


def test_partners_that_belong_together_stay_together():
    config = tiny_config(augment=dataclasses.replace(STILL, repair=True))
    given = [pairs(rows_of(config, number, pairing="given")) for number in (1, 2)]
    assert given[0] == given[1]


def test_partners_stay_where_that_is_asked_for():
    first, second = (pairs(rows_of(tiny_config(augment=STILL), number)) for number in (1, 2))
    assert first == second


def test_recordings_are_changed_before_their_features_are_made_anew_at_every_epoch():
    louder = WaveformConfig(views=3, gain=20.0)
    config = tiny_config(augment=STILL, waveform=louder)
    still, first, again, second = (
        pairs(rows_of(c, n))
        for c, n in ((tiny_config(augment=STILL), 1), (config, 1), (config, 1), (config, 2))
    )
    assert first == again
    assert all(first[row][0] == still[row][0] for row in first)
    assert all(first[row][1] not in (still[row][1], second[row][1]) for row in first)
    contents = DATA.pointers("audio")
    heard = collections.defaultdict(set)
    for row, pair in first.items():
        heard[contents[row]].add(pair[1])
    assert 1 < max(map(len, heard.values())) <= 3


def test_rows_without_a_recording_stay_without_when_others_are_changed():
    data = tiny_data(missing=True)
    config = tiny_config(augment=STILL, waveform=WaveformConfig(views=2, gain=20.0))
    for batch in rows_of(config, 1, data):
        assert (batch.present["audio"].numpy() == (data.pointers("audio")[batch.rows] >= 0)).all()


def test_ready_made_features_have_no_waveform_to_change():
    features = features_of(build(tiny_model(), DATA.spec), DATA)["audio"].values.numpy()
    spec = Spec(DATA.spec.classes, {**DATA.spec.contents, "audio": MatrixSpec(*features.shape[1:])})
    data = DATA.replace(spec=spec, contents={**DATA.contents, "audio": features})
    small = EncoderConfig(width=4, layers=2)
    model = tiny_model(named={"image": small, "audio": small})
    still = tiny_config(model=model, augment=STILL)
    config = dataclasses.replace(still, waveform=WaveformConfig(views=2, gain=20.0))
    assert pairs(rows_of(config, 1, data)) == pairs(rows_of(still, 1, data))


def test_every_epoch_has_its_own_order_and_its_own_changes():
    config = tiny_config(augment=dataclasses.replace(STILL, noise=0.1))
    first, second = (rows_of(config, number) for number in (1, 2))
    assert [int(r) for batch in first for r in batch.rows] != [int(r) for batch in second for r in batch.rows]
    assert all(pairs(first)[row][1] != pairs(second)[row][1] for row in pairs(first))


def test_the_learning_rate_rises_once_and_falls_once():
    rates = np.array([one_cycle(done) for done in np.linspace(0, 1, 101)])
    top = int(rates.argmax())
    assert rates[top] == pytest.approx(1)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates.min() > 0
    assert rates[0] < 0.5
    assert rates[-1] < 0.05


def test_decay_pulls_at_matrices_only():
    config = tiny_config()
    training = Training(build(config.model, DATA.spec), config, 1)
    for group in training.optimizer.param_groups:
        assert all((p.dim() > 1) == (group["weight_decay"] > 0) for p in group["params"])
    owned = [p for group in training.optimizer.param_groups for p in group["params"]]
    assert len(owned) == len(list(training.model.parameters()))


def test_an_encoder_can_have_a_decay_of_its_own():
    config = tiny_config()
    image = dataclasses.replace(config.model.named["image"], weight_decay=0.7)
    own = tiny_model(image=image)
    training = Training(build(own, DATA.spec), dataclasses.replace(config, model=own), 1)
    decay = {p: group["weight_decay"] for group in training.optimizer.param_groups for p in group["params"]}
    for name, weight in training.model.named_parameters():
        of_matrices = 0.7 if name.startswith("encoders.image") else config.optim.weight_decay
        assert decay[weight] == (of_matrices if weight.dim() > 1 else 0), name


def test_the_state_says_everything_and_is_taken_back():
    config = tiny_config()
    one = next(trained(config)).training
    other = Training(build(config.model, DATA.spec, seed=5), config, one.steps)
    other.restore({name: tensor.clone() for name, tensor in one.state().items()})
    assert_equal(other.state(), one.state())
    assert (other.epochs, other.done, other.best) == (one.epochs, one.done, one.best)
    batch = rows_of(config, 2)[0]
    torch.manual_seed(0)
    loss = one.step(batch)
    torch.manual_seed(0)
    assert other.step(batch) == loss
    assert_equal(other.state(), one.state())


def test_scores_are_those_of_scikit_learn_over_the_rows_that_have_it():
    from sklearn.metrics import f1_score

    data, splits = prepared(missing=True)
    classifier: Classifier = build(tiny_model(), data.spec, seed=8)
    rows = table(data, splits.valid, features_of(classifier, data))
    scores = validate(classifier, rows)
    assert set(scores) == set(classifier.conditions)
    batch = rows.take(torch.arange(len(rows)))
    said = classifier.eval().classify(batch.inputs, batch.present)
    for name, score in scores.items():
        there = torch.stack([batch.present[m] for m in name.split("+")]).all(0)
        expected = f1_score(batch.label[there], said[name][there].argmax(1), average="macro")
        assert score == pytest.approx(expected)
