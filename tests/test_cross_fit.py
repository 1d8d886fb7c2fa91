"""Cross-fitting: every row is judged by a model that has not seen it, and the model of all rows is
calibrated by that."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from seesay.config import SplitConfig
from seesay.errors import ConfigError, InputError
from seesay.learn import cross_fit as module
from seesay.learn.cross_fit import cross_fit, from_tensors, to_tensors
from seesay.learn.run import Run, begin, train
from seesay.model.temperature import Evidence, nll
from seesay.recipes import recipe
from tiny import tiny_config, tiny_data

FEW = tiny_data(split=np.where(np.arange(72) % 4 == 3, 2, 0).astype(np.int8))
CONFIG = dataclasses.replace(tiny_config(6), split=SplitConfig(valid=0.0, folds=3))


@pytest.fixture(scope="module")
def parts() -> dict[int, Evidence]:
    rows = FEW.rows_of("train")
    return {part.number: part.evidence for part in cross_fit(FEW, rows, CONFIG, {}) if part is not None}


def test_each_row_is_judged_once_by_a_model_that_did_not_train_on_its_group(monkeypatch: pytest.MonkeyPatch):
    trained, fit = [], module.fit

    def watched(model, data, splits, *arguments, **named):
        trained.append(splits.train)
        return fit(model, data, splits, *arguments, **named)

    monkeypatch.setattr(module, "fit", watched)
    rows = FEW.rows_of("train")
    parts = [part.evidence for part in cross_fit(FEW, rows, CONFIG, {}) if part is not None]
    judged = np.concatenate([part.rows for part in parts])
    assert sorted(judged.tolist()) == rows.tolist()
    speaker = FEW.groups["audio"]["speaker"].ids[FEW.pointers("audio")]
    for train_rows, part in zip(trained, parts, strict=True):
        assert not set(speaker[train_rows]) & set(speaker[part.rows])


def test_it_comes_back_from_tensors(parts: dict[int, Evidence]):
    again = from_tensors(to_tensors(parts))
    assert list(again) == list(parts)
    for one, other in zip(again.values(), parts.values(), strict=True):
        assert all(np.array_equal(getattr(one, n), getattr(other, n)) for n in vars(other))


def test_parts_that_are_done_are_left_alone(parts: dict[int, Evidence]):
    first, last = cross_fit(FEW, FEW.rows_of("train"), CONFIG, {0: parts[0]})
    assert first is not None
    assert last is not None
    assert [first.number, last.number] == [1, 2]
    np.testing.assert_array_equal(last.evidence.opinions, parts[2].opinions)


def test_a_stopped_training_says_so():
    def stop(batches):
        return iter(())

    assert list(cross_fit(FEW, FEW.rows_of("train"), CONFIG, {}, stop)) == [None]


def test_a_run_of_few_rows_trains_on_all_of_them_and_is_calibrated(tmp_path: Path):
    open_config = dataclasses.replace(CONFIG, split=SplitConfig())
    run, data, splits = begin(FEW, "few", open_config, "small", tmp_path / "run")
    assert run.config.split.folds == 3
    assert len(splits.valid) == 0
    assert len(splits.train) == 54
    *_, last = train(run, data, splits)
    assert last.last
    assert set(last.scores) == {"image", "audio", "image+audio"}, "of the rows that were held out in turn"
    assert not torch.equal(run.model().temperature, torch.ones(3))
    assert run.finished


@pytest.mark.long
@pytest.mark.parametrize(("steps_done", "parts_done"), [(20, []), (30, [0])])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, steps_done: int, parts_done: list[int]):
    """A part takes 24 steps: 20 end the fifth of its six epochs."""
    whole, data, splits = begin(FEW, "few", CONFIG, "small", tmp_path / "whole")
    list(train(whole, data, splits))
    killed, data, splits = begin(FEW, "few", CONFIG, "small", tmp_path / "killed")
    steps = iter(range(steps_done))

    def until(batches):
        for batch in batches:
            if next(steps, None) is None:
                return
            yield batch

    assert list(train(killed, data, splits, until)) == []
    assert list(killed.cross_fitted()) == parts_done
    again, data, splits = begin(FEW, "few", CONFIG, "small", tmp_path / "killed", resume=True)
    list(train(again, data, splits))
    for name, tensor in Run.open(tmp_path / "whole").model().state_dict().items():
        assert torch.equal(tensor, Run.open(tmp_path / "killed").model().state_dict()[name]), name


def test_what_was_held_out_calibrates_better_than_nothing(parts: dict[int, Evidence]):
    from seesay.model.classifier import build
    from seesay.model.temperature import calibrate

    model = build(CONFIG.model, FEW.spec, np.full(3, 1 / 3))
    held = Evidence.joined(list(parts.values()))
    before = nll(held.opinions[:, 0].astype(float), held.label)
    calibrate(model, held)
    after = nll(held.opinions[:, 0] / model.temperature[0].item(), held.label)
    assert after < before


def test_what_cannot_be_divided_so_is_refused_before_there_is_a_run(tmp_path: Path):
    many = dataclasses.replace(CONFIG, split=SplitConfig(folds=99))
    with pytest.raises(InputError, match="99 folds need at least 99 groups"):
        begin(FEW, "few", many, "small", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_autoencoders_are_not_cross_fitted():
    report = recipe("report")
    with pytest.raises(ConfigError, match="cross-fitting cannot be combined with pretraining"):
        dataclasses.replace(report, split=SplitConfig(folds=3))
