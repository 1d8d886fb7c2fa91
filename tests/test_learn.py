"""A whole training without a folder, by the function that runs, search and benchmarks train by."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from seesay.condition import Condition
from seesay.config import Config, PretrainConfig, SplitConfig
from seesay.data.dataset import Dataset
from seesay.errors import InputError
from seesay.learn.cross_fit import HeldOutPart
from seesay.learn.fit import Epoch
from seesay.learn.learn import Progress, Step, learn, prepared
from seesay.learn.pretrain import Reconstruction
from seesay.learn.run import begin, train
from seesay.measure.evaluate import evaluate
from tiny import tiny_config, tiny_data, tiny_model

FEW = tiny_data(split=np.where(np.arange(72) % 4 == 3, 2, 0).astype(np.int8))
CROSS_FITTED = dataclasses.replace(tiny_config(4), split=SplitConfig(valid=0.0, folds=2))

REPORT = tiny_model(
    named={m: dataclasses.replace(e, kind="report", layers=1) for m, e in tiny_model().named.items()}
)
PRETRAINED = dataclasses.replace(
    tiny_config(3, REPORT), split=SplitConfig(valid=0.2, folds=0), pretrain=PretrainConfig(epochs=2, batch=16)
)

CASES = [(tiny_data(), tiny_config(3)), (FEW, CROSS_FITTED), (tiny_data(), PRETRAINED)]
NAMES = ["plain", "cross-fitted", "pretrained"]


def last_model(steps: Sequence[Step]) -> dict[str, torch.Tensor]:
    last = steps[-1]
    assert isinstance(last, Epoch)
    assert last.last
    assert last.model is not None
    return last.model.state_dict()


@pytest.mark.parametrize(("data", "config"), CASES, ids=NAMES)
def test_it_ends_in_the_model_of_a_run(data: Dataset, config: Config, tmp_path: Path):
    ours = last_model(list(learn(*prepared(data, config))))
    run, seen, splits = begin(data, "tiny", config, "small", tmp_path / "run")
    for _ in train(run, seen, splits):
        pass
    theirs = run.model().state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(("data", "config"), CASES, ids=NAMES)
def test_it_goes_on_from_any_step_to_the_same_model(data: Dataset, config: Config):
    """What a caller keeps of the steps so far is all that the rest needs."""
    given = prepared(data, config)
    whole = last_model(list(learn(*given)))
    for stop in (1, 4):
        done = Progress()
        for _, step in zip(range(stop), learn(*given), strict=False):
            if isinstance(step, Reconstruction):
                done = dataclasses.replace(done, pretraining=copied(step.pretraining.state()))
            elif isinstance(step, HeldOutPart):
                done = dataclasses.replace(done, held_out={**done.held_out, step.number: step.evidence})
            else:
                done = dataclasses.replace(done, training=copied(step.training.state()))
        rest = list(learn(*given, done))
        if rest:
            again = last_model(rest)
            assert all(torch.equal(whole[name], again[name]) for name in whole), stop


def copied(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def test_the_steps_come_in_order():
    kinds = [type(step) for step in learn(*prepared(FEW, CROSS_FITTED))]
    assert kinds == [HeldOutPart] * 2 + [Epoch] * 4
    kinds = [type(step) for step in learn(*prepared(tiny_data(), PRETRAINED))]
    assert kinds == [Reconstruction] * 4 + [Epoch] * 3


def test_the_last_model_is_calibrated_and_right():
    whole = tiny_data()
    fewer = whole.replace(split=np.where((whole.label == 0) & (np.arange(72) % 3 == 0), 2, whole.split))
    data, splits, config = prepared(fewer, tiny_config(8))
    *_, last = learn(data, splits, config)
    assert isinstance(last, Epoch)
    assert last.model is not None
    counts = np.bincount(data.label[splits.train])
    assert last.model.log_prior.exp().numpy() == pytest.approx(counts / counts.sum())
    assert not torch.equal(last.model.log_prior, last.training.averaged().log_prior)
    results = evaluate(last.model, data, data.rows_of("test")).results
    assert results[Condition("image+audio")]["macro_f1"] > 0.9


def test_a_watch_that_stops_ends_the_training():
    given = prepared(tiny_data(), tiny_config(3))
    steps = list(learn(*given, watch=lambda batches: [next(iter(batches))]))
    assert len(steps) == 1
    assert isinstance(steps[0], Epoch)
    assert not steps[0].whole


def test_no_rows_to_train_on_are_refused():
    data = tiny_data(split=np.full(72, 2, np.int8))
    with pytest.raises(InputError, match="there are no rows to train on"):
        prepared(data, tiny_config(1))


def test_no_test_rows_are_drawn_where_none_are_wanted():
    """For a caller who has split the rows already."""
    data = tiny_data(each=40).replace(split=np.zeros(120, np.int8))
    _, drawn, _ = prepared(data, tiny_config(1))
    _, splits, _ = prepared(data, tiny_config(1, split=SplitConfig(valid=0.2)), test=0)
    assert len(drawn.test) > 0
    assert len(splits.test) == 0
    assert len(splits.train) + len(splits.valid) == 120
    assert prepared(data, tiny_config(1), test=0)[2].split.folds, "few rows are cross-fitted"
