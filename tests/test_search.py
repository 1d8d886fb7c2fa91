"""A search: its folds, what it keeps, and that nothing is lost or done twice, whoever is killed."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seesay.condition import Condition
from seesay.config import Config
from seesay.data.dataset import Dataset, subset_with_contents
from seesay.data.groups import components, ties
from seesay.errors import ConfigError, InputError, OutputError
from seesay.learn.fit import fresh
from seesay.search import search as search_module
from seesay.search.search import Plan, begin, search, stratified
from seesay.search.space import parse_space
from seesay.search.study import Study
from seesay.search.trial import Trial
from tiny import tiny_config, tiny_data

GRID = "model.image.width=2|4,model.dim=4|8"
OPEN = "model.dim=2..16:log,optim.lr=1e-4..1e-1:log,model.image.dropout=0..0.5"


def plan(text: str = GRID, epochs: int = 1, **changes: Any) -> Plan:
    return Plan(parse_space(text), tiny_config(epochs), **changes)


def images() -> Dataset:
    return tiny_data(each=12, modalities=["image"])


def over(trials: list[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.state != "running"]


def told(trials: list[Trial]) -> list[tuple[Any, ...]]:
    """All but the seconds."""
    return [(t.number, dict(t.values), t.state, [f.scores for f in t.folds]) for t in trials]


# ----------------------------------------------------------------------------------------------------- trials


def test_a_grid_is_tried_whole_each_cell_on_each_fold(tmp_path):
    found = begin(images(), plan(folds=2), tmp_path / "s")
    yielded = list(search(found))
    assert [len(trial.folds) for trial in yielded] == [1, 2] * 4, "one after each fold"
    assert [trial.values for trial in over(yielded)] == found.plan.space.cells()
    assert {trial.state for trial in over(yielded)} == {"done"}
    assert found.study.trials() == over(yielded)


def test_a_score_is_what_the_models_predict_of_the_fold(tmp_path, monkeypatch):
    """Mean over the folds of the macro-F1 of the last epoch's weights; accuracy beside it."""
    found = begin(images(), plan("model.dim=8", epochs=3, folds=2), tmp_path / "s")
    epochs = []
    learn = search_module.learn

    def watched(*arguments, **named):
        for epoch in learn(*arguments, **named):
            epochs.append(epoch)
            yield epoch

    monkeypatch.setattr(search_module, "learn", watched)
    (*_, trial) = search(found)
    last = [epoch.scores["image"] for epoch in epochs if epoch.number == 3]
    assert trial.scores() == pytest.approx(last)
    assert trial.mean() == pytest.approx(np.mean(last))
    assert trial.std() == pytest.approx(np.std(last, ddof=1))
    for name in ("accuracy", "nll", "ece", "brier", "balanced_accuracy"):
        assert trial.mean(name) >= 0
        assert len(trial.scores(name)) == 2
    assert "top_3" not in trial.folds[0].scores[Condition("image")], "three classes"


def test_the_score_can_be_that_of_one_condition(tmp_path):
    data = tiny_data()
    (trial,) = search(begin(data, plan("model.dim=8", condition=Condition("audio")), tmp_path / "s"))
    scores = {c: s["macro_f1"] for c, s in trial.folds[0].scores.items()}
    assert set(scores) == {"image", "audio", "image+audio"}
    assert trial.mean(condition=Condition("audio")) == scores["audio"]
    assert trial.mean() == pytest.approx(np.mean(list(scores.values())))


def test_the_best_has_the_highest_mean(tmp_path):
    found = begin(images(), plan("optim.lr=1e-8|2e-2", epochs=8, folds=2), tmp_path / "s")
    assert found.best is None
    list(search(found))
    assert found.best is not None
    assert found.best.values == {"optim.lr": 2e-2}
    config = tiny_config(8).naming({"image": "picture"})
    assert found.config_of(found.best) == dataclasses.replace(
        config, optim=dataclasses.replace(config.optim, lr=2e-2)
    )


def test_the_same_plan_gives_the_same_trials(tmp_path):
    one, other = (
        [told([trial]) for trial in search(begin(images(), plan(OPEN, trials=13), tmp_path / name))]
        for name in "ab"
    )
    assert one == other, "ten random trials and three of TPE's"


def test_no_two_trials_of_a_search_are_the_same(tmp_path):
    trials = list(search(begin(images(), plan(OPEN, trials=4), tmp_path / "s")))
    assert len({tuple(trial.values.values()) for trial in trials}) == 4
    assert all(isinstance(trial.values["model.dim"], int) for trial in trials)


def test_what_is_worse_than_the_median_is_pruned_and_the_rest_goes_on(tmp_path, monkeypatch):
    """Scores are made up: trials 5 and 7 are bad. Pruning begins after 5 trials and in epoch 2."""
    began = []

    def made_up(data, splits, config, **named):
        began.append(0)
        number = (len(began) - 1) if len(began) <= 5 else None
        bad = number is None and len(found.study.trials()) - 1 in (5, 7)
        for epoch in learn(data, splits, config, **named):
            began[-1] += 1
            yield dataclasses.replace(
                epoch, scores={Condition("image"): 0.1 if bad else 0.5 + 0.01 * epoch.number}
            )

    learn = search_module.learn
    monkeypatch.setattr(search_module, "learn", made_up)
    found = begin(images(), plan("model.dim=2..16", epochs=3, trials=8), tmp_path / "s")
    trials = list(search(found))
    assert [trial.state for trial in trials] == ["done"] * 5 + ["pruned", "done", "pruned"]
    assert began == [3] * 5 + [2, 3, 2], "epochs"


def test_a_grid_prunes_nothing(tmp_path):
    trials = over(list(search(begin(images(), plan("seed=1|2|3|4|5|6|7|8", epochs=3), tmp_path / "s"))))
    assert {trial.state for trial in trials} == {"done"}


def test_values_that_cannot_be_trained_fail_and_the_search_goes_on(tmp_path):
    """An autoencoder needs an encoder that has a mirror; `cnn` has none."""
    space = "pretrain.epochs=0|1"
    found = begin(images(), plan(space), tmp_path / "s")
    done, failed = search(found)
    assert (done.state, failed.state) == ("done", "failed")
    assert "only report encoders" in failed.error
    assert list(search(begin(images(), plan(space), tmp_path / "s"))) == [], "what failed is not tried again"


# ------------------------------------------------------------------------------------------------------- rows


def test_no_search_sees_a_test_row(tmp_path):
    """Neither the rows nor what only they point at: with folds, with a part of the rows, with one split."""
    data = tiny_data()
    test = data.rows_of("test")
    audio = {data.contents["audio"][i].tobytes() for i in data.pointers("audio")[test]}
    pictures = {data.contents["image"][i].tobytes() for i in data.pointers("image")[test]}
    ways: dict[str, dict[str, Any]] = {"a": {"folds": 2}, "b": {"folds": 2, "rows": 20}, "c": {}}
    for name, changes in ways.items():
        found = begin(data, plan(**changes), tmp_path / name)
        assert not audio & {content.tobytes() for content in found.data.contents["audio"]}
        assert not pictures & {content.tobytes() for content in found.data.contents["image"]}
        assert len(found.data) == changes.get("rows", len(data) - len(test))


def test_where_the_data_have_no_test_rows_those_that_training_would_draw_are_left_out(tmp_path):
    data = tiny_data(split=np.full(72, -1, np.int8))
    pool = begin(data, plan(folds=2), tmp_path / "s").data
    assert 0.6 * 72 <= len(pool) < 0.9 * 72


def test_folds_cut_through_no_group_and_cover_every_row_once(tmp_path):
    found = begin(tiny_data(), plan(folds=3), tmp_path / "s")
    assert sorted(np.concatenate([valid for _, valid in found.pairs])) == list(range(len(found.data)))
    for train, valid in found.pairs:
        assert len(train) + len(valid) == len(found.data)
        for _, ids in ties(found.data):
            assert not set(ids[train]) & set(ids[valid])
        group = components(found.data)
        assert not set(group[train]) & set(group[valid])


def test_each_fold_is_normalised_by_its_own_training_rows(tmp_path, monkeypatch):
    found = begin(tiny_data(), plan("model.dim=8", folds=3), tmp_path / "s")
    means = []
    learn = search_module.learn

    def watched(*arguments, **named):
        for step in learn(*arguments, **named):
            model = step.training.averaged()
            yield step
        means.append(model.get_buffer("front_ends.audio.normaliser.mean").tolist())

    monkeypatch.setattr(search_module, "learn", watched)
    list(search(found))
    assert len(means) == len(set(map(tuple, means))) == 3
    train, _ = found.pairs[1]
    alone = fresh(found.plan.config, subset_with_contents(found.data, train), np.arange(len(train)))
    assert means[1] == pytest.approx(alone.get_buffer("front_ends.audio.normaliser.mean").tolist())


def test_without_folds_the_rows_that_validate_in_training_do(tmp_path):
    data = images()
    found = begin(data, plan(), tmp_path / "s")
    [(train, valid)] = found.pairs
    pool = np.sort(np.concatenate([data.rows_of("train"), data.rows_of("valid")]))
    np.testing.assert_array_equal(pool[train], data.rows_of("train"))
    np.testing.assert_array_equal(pool[valid], data.rows_of("valid"))


def test_a_part_of_the_rows_has_the_shares_of_the_classes():
    label = np.repeat([0, 1, 2], [600, 300, 100])
    rows = np.flatnonzero(np.arange(1000) % 2)
    drawn = stratified(label, rows, 53, seed=0)
    assert np.isin(drawn, rows).all()
    assert len(set(drawn)) == 53
    np.testing.assert_allclose(np.bincount(label[drawn]), 53 * np.array([0.6, 0.3, 0.1]), atol=1)
    np.testing.assert_array_equal(drawn, stratified(label, rows, 53, seed=0))
    assert set(drawn) != set(stratified(label, rows, 53, seed=1))
    np.testing.assert_array_equal(stratified(label, rows, 500, seed=0), rows)


def test_rows_without_any_modality_are_left_out(tmp_path):
    data = tiny_data(missing=True).only("audio")
    pool = begin(data, plan("model.audio.width=4"), tmp_path / "s").data
    assert (pool.rows >= 0).all()


def speakers(data: Dataset, rows: np.ndarray) -> list[str]:
    """Who speaks in these rows."""
    group, pointers = data.groups["audio"]["speaker"], data.pointers("audio")[rows]
    return [group.names[group.ids[p]] for p in pointers if p >= 0]


def test_contents_of_some_rows_are_the_same_contents():
    data = tiny_data(missing=True)
    rows = np.array([3, 5, 8, 40, 71])
    some = subset_with_contents(data, rows)
    for modality in data.modalities:
        before, after = data.pointers(modality)[rows], some.pointers(modality)
        np.testing.assert_array_equal(before < 0, after < 0)
        np.testing.assert_array_equal(
            data.contents[modality][before[before >= 0]], some.contents[modality][after[after >= 0]]
        )
        assert len(some.contents[modality]) == len(set(before[before >= 0]))
    assert speakers(some, np.arange(5)) == speakers(data, rows)
    none = subset_with_contents(data, np.flatnonzero(data.pointers("audio") < 0)[:1])
    assert none.pointers("audio").tolist() == [-1]


# ------------------------------------------------------------------------------------------ killed and shared


@pytest.mark.parametrize("text", [GRID, pytest.param(OPEN, marks=pytest.mark.long)])
@pytest.mark.parametrize("stop", [pytest.param(1, marks=pytest.mark.long), 2, 3])
def test_a_search_broken_off_anywhere_goes_on_and_ends_as_if_it_had_not_been(tmp_path, text, stop):
    """Broken off after each `stop` folds, again and again, and opened anew."""
    how = plan(text, folds=2, trials=None if text == GRID else 4)
    whole = begin(images(), how, tmp_path / "whole")
    list(search(whole))
    folds = 0
    for _ in range(9):
        found = begin(images(), how, tmp_path / "pieces")
        for _, trial in zip(range(stop), search(found), strict=False):
            folds += 1
            assert trial.state == "running" or len(trial.folds) == 2
    assert told(found.study.trials()) == told(whole.study.trials())
    assert folds == 8, "none was trained twice"


def test_a_fold_that_was_cut_short_is_trained_anew_and_counted_once(tmp_path, monkeypatch):
    """The kill comes after an epoch was reported and before the fold was kept."""
    how = plan(OPEN, epochs=3, trials=1, folds=2)
    learn = search_module.learn

    def killed(*arguments, **named):
        epochs = learn(*arguments, **named)
        yield next(epochs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search_module, "learn", killed)
        with pytest.raises(KeyboardInterrupt):
            list(search(begin(images(), how, tmp_path / "s")))
    first, second = search(begin(images(), how, tmp_path / "s"))
    assert (first.number, second.number) == (0, 0)
    assert [len(first.folds), len(second.folds), second.state] == [1, 2, "done"]


def test_one_left_behind_between_its_last_fold_and_its_end_is_ended(tmp_path):
    how = plan("model.dim=4", folds=2)
    found = begin(images(), how, tmp_path / "s")
    claimed = found.study.next()
    assert claimed is not None
    with claimed:
        for _ in range(2):
            claimed.keep(search_module.Fold({Condition("image"): {"macro_f1": 0.5, "accuracy": 0.5}}, 1.0))
    (trial,) = search(found)
    assert (trial.state, trial.mean()) == ("done", 0.5)


def test_a_trial_that_somebody_holds_is_nobody_elses(tmp_path):
    one, other = (begin(images(), plan(), tmp_path / "s").study for _ in range(2))
    first, second = one.next(), other.next()
    assert first is not None
    assert second is not None
    assert (first.trial.number, second.trial.number) == (0, 1)
    with first:
        assert (third := other.next()) is not None
        assert third.trial.number == 2
    assert (again := other.next()) is not None
    assert again.trial.number == 0, "what was let go of comes before what is new"
    assert (last := other.next()) is not None
    assert last.trial.number == 3
    assert one.next() is None


WORKER = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from seesay.search.search import begin, search
from test_search import images, plan
for trial in search(begin(images(), plan({text!r}, folds=2, trials={trials}), Path({folder!r}))):
    print(trial.number, len(trial.folds), flush=True)
    time.sleep({pause})
"""


def worker(folder: Path, text: str, trials: int | None = None, pause: float = 0.0) -> subprocess.Popen[str]:
    script = WORKER.format(
        tests=str(Path(__file__).parent), text=text, folder=str(folder), trials=trials, pause=pause
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


@pytest.mark.long
@pytest.mark.parametrize(("text", "trials"), [(GRID, None), (OPEN, 4)])
def test_two_processes_share_a_search_and_do_nothing_twice(tmp_path, text, trials):
    """They begin at once, and so make the study together, too."""
    both = [worker(tmp_path / "s", text, trials, pause=0.2) for _ in range(2)]
    lines = [process.communicate(timeout=120)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(lines[0] + lines[1]) == [f"{n} {fold}" for n in range(4) for fold in (1, 2)]
    assert lines[0]
    assert lines[1]
    trials_ = begin(images(), plan(text, folds=2, trials=trials), tmp_path / "s").study.trials()
    assert [(trial.number, trial.state) for trial in trials_] == [(n, "done") for n in range(4)]


@pytest.mark.long
def test_what_a_killed_process_left_is_gone_on_with_at_its_next_fold(tmp_path):
    process = worker(tmp_path / "s", GRID, pause=30)
    assert process.stdout is not None
    assert process.stdout.readline() == "0 1\n"
    found = begin(images(), plan(folds=2), tmp_path / "s")
    beside = found.study.next()
    assert beside is not None
    with beside:
        assert beside.trial.number == 1, "the other one is alive and holds trial 0"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        trial = next(iter(search(found)))
    assert (trial.number, len(trial.folds), trial.state) == (0, 2, "done")


# ------------------------------------------------------------------------------------------------- importance


def test_the_field_that_matters_is_the_important_one(tmp_path, monkeypatch):
    def made_up(model, data, rows):
        return {Condition("image"): {"macro_f1": 1 - abs(math.log10(rates[-1]) + 2) / 4, "accuracy": 1.0}}

    rates = []
    learn = search_module.learn

    def watched(data, splits, config, **named):
        rates.append(config.optim.lr)
        return learn(data, splits, config, **named)

    monkeypatch.setattr(search_module, "learn", watched)
    monkeypatch.setattr(search_module, "scores_of", made_up)
    found = begin(images(), plan(OPEN, trials=20), tmp_path / "s")
    assert found.study.importances() == {}
    list(search(found))
    shares = found.study.importances()
    assert set(shares) == set(found.plan.space.fields)
    assert next(iter(shares)) == "optim.lr"
    assert sum(shares.values()) == pytest.approx(1)


# -------------------------------------------------------------------------------------------------- bad input


def test_encoders_can_be_autoencoders_first(tmp_path):
    """Frozen ones, too, whose classifiers learn from encodings alone."""
    config = dataclasses.replace(tiny_config(2), modalities=("image",))
    space = parse_space("model.image.kind=report,pretrain.epochs=1,pretrain.freeze=true|false")
    for trial in search(begin(images(), Plan(space, config), tmp_path / "s")):
        assert (trial.state, trial.error) == ("done", "")
        assert trial.mean() > 0


def test_the_test_rows_are_those_of_all_modalities(tmp_path):
    """A search of one modality leaves out the rows that a model of both is tested on."""
    data = tiny_data(split=np.full(72, -1, np.int8))
    both, one = (
        begin(
            data,
            Plan(parse_space("model.dim=4|8"), dataclasses.replace(tiny_config(1), modalities=m)),
            tmp_path / str(i),
        )
        for i, m in enumerate([(), ("image",)])
    )
    assert one.data.modalities == ("image",)
    np.testing.assert_array_equal(both.data.contents["image"], one.data.contents["image"])


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"folds": 4}, InputError, "4 folds need at least 4 groups"),
        ({"folds": 1}, ConfigError, "at least 2 folds, got 1"),
        ({"trials": 0}, ConfigError, "at least 1 trial, got 0"),
        ({"rows": 0}, ConfigError, "rows must be 1 to 54"),
        ({"rows": 55}, ConfigError, "rows must be 1 to 54"),
        ({"condition": Condition("touch")}, ConfigError, "no condition 'touch'"),
        ({"space": parse_space("optim.lr=1e-3..1e-2")}, ConfigError, "optim.lr is a range"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path, changes, error, says):
    with pytest.raises(error, match=says):
        begin(tiny_data(), dataclasses.replace(plan(), **changes), tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_field_of_a_modality_that_is_not_searched_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.audio\.kernel changes nothing.*only image"):
        begin(images(), plan("model.audio.kernel=3|5"), tmp_path / "s")


def test_no_rows_that_validate_is_refused(tmp_path):
    config = dataclasses.replace(tiny_config(1), split=dataclasses.replace(Config().split, valid=0.0))
    data = tiny_data(split=np.zeros(72, np.int8))
    with pytest.raises(ConfigError, match=r"validate on.*--folds"):
        begin(data, Plan(parse_space(GRID), config), tmp_path / "s")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"space": parse_space("model.image.width=2|8,model.dim=4|8")},
            "space.model.image.width was 2|4, now 2|8;",
        ),
        ({"space": parse_space("model.dim=4|8")}, "space.model.image.width was 2|4, now absent"),
        ({"config": tiny_config(2)}, "config.optim.epochs was 1, now 2"),
        ({"folds": 3}, "folds was 2, now 3"),
        ({"rows": 20}, "rows was all, now 20"),
        ({"condition": Condition("image")}, "condition was mean, now image"),
        ({"trials": 3}, "search was grid, now TPE"),
    ],
)
def test_another_search_in_the_folder_is_refused_with_the_difference(tmp_path, changes, says):
    list(search(begin(images(), plan(folds=2), tmp_path / "s")))
    with pytest.raises(OutputError) as caught:
        begin(images(), dataclasses.replace(plan(folds=2), **changes), tmp_path / "s")
    assert says.rstrip(";") in str(caught.value)
    assert str(tmp_path / "s") in str(caught.value)


def test_other_data_are_refused(tmp_path):
    begin(images(), plan(folds=2), tmp_path / "s")
    with pytest.raises(OutputError, match=r"data was tiny .* now tiny "):
        begin(tiny_data(each=28, modalities=["image"]), plan(folds=2), tmp_path / "s")


def test_more_trials_of_the_same_search_are_no_other_search(tmp_path):
    first = list(search(begin(images(), plan(OPEN, trials=2), tmp_path / "s")))
    found = begin(images(), plan(OPEN, trials=3), tmp_path / "s")
    (new,) = search(found)
    assert found.study.trials() == [*first, new]


def test_a_folder_of_something_else_is_refused_and_untouched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already and is not a search"):
        begin(images(), plan(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(OutputError, match="is not a folder"):
        begin(images(), plan(), tmp_path / "notes.txt")


@pytest.mark.parametrize("damage", [b"", b"no database", None])
def test_a_damaged_study_is_refused_in_one_line(tmp_path, damage):
    begin(images(), plan(), tmp_path / "s")
    path = tmp_path / "s" / "study.db"
    path.write_bytes(path.read_bytes()[:5000] if damage is None else damage)
    if damage == b"":
        assert begin(images(), plan(), tmp_path / "s").study.trials() == [], "an empty file is a new database"
        return
    with pytest.raises(InputError, match=r"study\.db is not a readable study") as caught:
        begin(images(), plan(), tmp_path / "s")
    assert "\n" not in str(caught.value)


def test_a_study_is_a_plain_optuna_study(tmp_path):
    """So its own tools read it."""
    import optuna

    list(search(begin(images(), plan(), tmp_path / "s")))
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path / 's' / 'study.db'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    assert json.dumps(study.user_attrs["search"])
    assert isinstance(begin(images(), plan(), tmp_path / "s").study, Study)
