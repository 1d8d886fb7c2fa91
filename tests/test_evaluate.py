"""Evaluation: the contract of metrics.json, conditions over rows that have them, repeats in the intervals."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from seesay.condition import Condition
from seesay.config import SplitConfig
from seesay.data.dataset import Dataset
from seesay.data.splits import split
from seesay.errors import InputError
from seesay.learn.run import Run
from seesay.measure.evaluate import Evaluation, evaluate, held_out, resampling_units, rows_for
from seesay.metrics.scores import METRICS
from tiny import tiny_config, tiny_data, tiny_run

CONDITIONS = [Condition("image"), Condition("audio"), Condition("image+audio")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Half learned, so that there are mistakes."""
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", config=tiny_config(epochs=2))


def evaluated(run: Run, data: Dataset, split: str = "test") -> Evaluation:
    return evaluate(run.model(), data, data.rows_of(split), split)


def assert_close(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5)


def test_metrics_are_exactly_what_was_agreed(run: Run):
    metrics = json.loads(evaluated(run, tiny_data()).to_json(), parse_constant=pytest.fail)
    assert list(metrics) == ["split", "rows", "seconds", "notes", "results"]
    assert (metrics["split"], metrics["rows"]) == ("test", 18)
    assert list(metrics["results"]) == CONDITIONS
    for result in metrics["results"].values():
        assert set(result) == {"rows", "macro_f1_ci", *METRICS} - {"top_3"}, "three classes"
        low, high = result["macro_f1_ci"]
        assert 0 <= low <= result["macro_f1"] <= high <= 1
        assert 0 <= result["accuracy"] <= 1
        assert 0 <= result["ece"] <= 1
        assert result["nll"] > 0
        assert 0 < result["brier"] < 2


def test_scores_are_those_of_scikit_learn(run: Run):
    data = tiny_data(missing=True)
    evaluation = evaluated(run, data)
    for name, result in evaluation.results.items():
        has_all = np.all([data.pointers(m)[evaluation.rows] >= 0 for m in name.split("+")], axis=0)
        said = evaluation.probabilities[name][has_all].argmax(1)
        assert result["rows"] == has_all.sum()
        assert result["accuracy"] == pytest.approx(accuracy_score(evaluation.label[has_all], said))
        assert result["macro_f1"] == pytest.approx(f1_score(evaluation.label[has_all], said, average="macro"))


def test_a_row_that_lacks_a_modality_is_left_out_of_its_conditions_only(run: Run):
    """Scores of a condition are those of a data set that has just its rows."""
    data = tiny_data(missing=True)
    whole = evaluated(run, data).results
    for name in CONDITIONS:
        has_all = np.all([data.pointers(m) >= 0 for m in name.modalities], axis=0)
        alone = evaluated(run, data.select(has_all)).results
        assert_close(alone[name], whole[name])


def test_a_condition_that_no_row_has_is_not_scored(run: Run):
    data = tiny_data()
    rows = data.rows.copy()
    rows[:, 1] = -1
    assert list(evaluated(run, data.replace(rows=rows)).results) == ["image"]


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_data_with_one_modality_is_scored_as_the_other_data_were(run: Run, modality: str):
    alone = evaluated(run, tiny_data(modalities=[modality]))
    assert list(alone.results) == [modality]
    condition = Condition(modality)
    assert_close(alone.results[condition], evaluated(run, tiny_data()).results[condition])


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_a_model_of_one_modality_has_one_condition(tmp_path: Path, modality: str):
    data = tiny_data(modalities=[modality])
    run = tiny_run(tmp_path / "run", data, tiny_config(epochs=1))
    assert list(evaluated(run, data).results) == [modality]


def test_rows_without_a_label_are_left_out(run: Run):
    data = tiny_data()
    label = data.label.copy()
    label[data.rows_of("test")[:3]] = -1
    evaluation = evaluated(run, data.replace(label=label))
    assert len(evaluation.rows) == 15
    assert (evaluation.label >= 0).all()


def test_without_labelled_rows_there_is_nothing_to_score(run: Run):
    data = tiny_data()
    with pytest.raises(InputError, match="'test' has no labelled rows"):
        evaluated(run, data.replace(label=np.full_like(data.label, -1)))


def test_the_same_evaluation_gives_the_same_numbers(run: Run):
    assert evaluated(run, tiny_data()).results == evaluated(run, tiny_data()).results


# -------------------------------------------------------------------------------------------------- intervals


def test_repeated_recordings_widen_the_interval(run: Run):
    """The same predictions, once of recordings that repeat and once of as many different ones."""
    data = tiny_data(each=60)
    heard = data.pointers("audio")
    apart = data.replace(
        contents={**data.contents, "audio": data.contents["audio"][heard]},
        rows=np.stack([data.pointers("image"), np.arange(len(data), dtype=np.int32)], 1),
        groups={},
    )
    widths = {}
    for name, each in (("repeated", data), ("apart", apart)):
        result = evaluated(run, each).results[Condition("audio")]
        low, high = result["macro_f1_ci"]
        widths[name] = high - low
    assert widths["repeated"] > 1.3 * widths["apart"]


def test_units_of_resampling_are_contents_and_the_most_repeated_decide():
    data = tiny_data()
    rows = np.arange(len(data))
    np.testing.assert_array_equal(resampling_units(data, rows, Condition("image")), data.pointers("image"))
    for name in ("audio", "image+audio"):
        np.testing.assert_array_equal(resampling_units(data, rows, Condition(name)), data.pointers("audio"))


# ------------------------------------------------------------------------------------------------- which rows


def test_in_its_own_data_a_run_is_scored_on_the_rows_it_has_not_seen(tmp_path: Path):
    """A data set that names no splits: the run drew its own, and draws the same again."""
    data = tiny_data()
    data = data.replace(split=np.full_like(data.split, -1))
    config = tiny_config(epochs=1, split=SplitConfig(valid=0.1))
    run = tiny_run(tmp_path / "run", data, config)
    drawn = split(data, config.split.seed, config.split.by, config.split.valid)
    for name in ("train", "valid", "test"):
        np.testing.assert_array_equal(rows_for(run, data, name), drawn[name])
    assert not set(rows_for(run, data, "test")) & set(drawn.train)


def test_a_model_of_one_modality_knows_its_own_data_again(tmp_path: Path):
    """Its splits were drawn with all modalities, and its rows must not be mistaken for unseen ones."""
    data = tiny_data()
    data = data.replace(split=np.full_like(data.split, -1))
    config = tiny_config(epochs=1, modalities=("audio",))
    run = tiny_run(tmp_path / "run", data, config)
    drawn = split(data, config.split.seed, config.split.by, config.split.valid)
    np.testing.assert_array_equal(rows_for(run, data, "test"), drawn.test)
    evaluation = evaluate(run.model(), data, drawn.test)
    assert list(evaluation.results) == ["audio"]


def test_in_other_data_the_stored_split_counts(run: Run):
    other = tiny_data(seed=5)
    np.testing.assert_array_equal(rows_for(run, other, "valid"), other.rows_of("valid"))


def test_other_data_without_a_split_are_scored_whole(run: Run):
    other = tiny_data(seed=5)
    label = other.label.copy()
    label[4] = -1
    other = other.replace(split=np.full_like(other.split, -1), label=label)
    assert rows_for(run, other, "test").tolist() == [i for i in range(len(other)) if i != 4]
    assert not len(rows_for(run, other, "valid")), "rows that nobody set aside are not called so"


def test_the_seconds_are_counted(run: Run):
    evaluation = evaluated(run, tiny_data())
    assert 0 < evaluation.seconds < 60
    assert dataclasses.replace(evaluation, seconds=1.23456).metrics()["seconds"] == 1.235


# ----------------------------------------------------------------------------------- how far they stand apart


def test_where_test_rows_have_labels_they_are_scored(run: Run):
    held = held_out(run, tiny_data())
    assert (held.split, held.notes) == ("test", ())
    assert held.apart == "No picture, recording or speaker of these rows is in the training rows."


def test_where_no_test_row_has_a_label_the_validation_rows_are_scored_and_it_is_said(tmp_path: Path):
    data = tiny_data()
    data = data.replace(label=np.where(data.split == 2, -1, data.label))
    run = tiny_run(tmp_path / "run", data, tiny_config(epochs=1))
    held = held_out(run, data)
    assert held.split == "valid"
    np.testing.assert_array_equal(held.rows, data.rows_of("valid"))
    assert held.notes[0] == "No test row has a label: the validation rows are scored."
    assert "calibrated" in held.notes[1]
    with pytest.raises(InputError, match=r"'test' of tiny has no labelled rows\..* train, valid; choose"):
        held_out(run, data, "test")


def test_an_empty_split_is_never_advised(run: Run):
    data = tiny_data(seed=5)
    data = data.replace(label=np.where(data.split == 0, data.label, -1))
    with pytest.raises(InputError, match="have some: train; choose"):
        held_out(run, data)
    with pytest.raises(InputError, match="Give --data with labels"):
        held_out(run, data.replace(label=np.full_like(data.label, -1)))


def test_rows_that_trained_and_rows_that_calibrated_are_called_so(run: Run):
    assert held_out(run, tiny_data(), "train").apart == ""
    assert "trained on these rows" in held_out(run, tiny_data(), "train").notes[0]
    assert "calibrated" in held_out(run, tiny_data(), "valid").notes[0]


def test_a_split_as_given_that_shares_speakers_is_not_said_to_keep_them_apart(tmp_path: Path):
    """Speakers 0 and 3 have one name: who tests has trained, too."""
    data = tiny_data()
    group = data.groups["audio"]["speaker"]
    same = dataclasses.replace(group, ids=np.where(group.ids == 3, 0, group.ids).astype(np.int32))
    data = data.replace(groups={"audio": {"speaker": same}})
    run = tiny_run(tmp_path / "run", data, tiny_config(epochs=1))
    held = held_out(run, data)
    assert held.apart == "No picture or recording of these rows is in the training rows."
    shared = "18 of 18 test rows share their speaker with training rows: the scores are inflated."
    assert held.notes == (shared,)


def test_of_other_data_it_is_said_that_nobody_knows(run: Run):
    held = held_out(run, tiny_data(seed=5))
    assert "is not known" in held.apart
    assert held.notes == ()


def test_where_speakers_are_not_known_the_scores_say_so(run: Run):
    data = tiny_data(groups={})
    [note] = evaluated(run, data).notes
    assert note.startswith("Speakers not known: expect less on new voices. ")
    assert "group=" in note
    assert json.loads(evaluated(run, data).to_json())["notes"] == [note]
    assert evaluated(run, tiny_data()).notes == ()


def test_a_model_of_pictures_is_asked_for_no_speakers(tmp_path: Path):
    data = tiny_data(groups={})
    run = tiny_run(tmp_path / "run", data, tiny_config(epochs=1, modalities=("image",)))
    assert evaluated(run, data).notes == ()
