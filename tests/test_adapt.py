"""Adapting: what held-out rows support is changed, what they do not is left, and the new run is a run."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seesay.cli import main
from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.errors import InputError
from seesay.learn.adapt import Adapted, adapt, adaptation_splits
from seesay.learn.last_layer import Layer, refit
from seesay.learn.run import Run
from seesay.measure.evaluate import held_out, predictions_of
from seesay.metrics.scores import METRICS
from tiny import tiny_config, tiny_data, tiny_model, tiny_run


def others(seed: int = 5) -> Dataset:
    """Data of the same classes whose pictures are negatives of those that the model knows."""
    data = tiny_data(seed=seed)
    negatives = 255 - np.asarray(data.contents["image"])
    return data.replace(contents={**data.contents, "image": negatives}, name="others")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run(tmp_path_factory.mktemp("adapt") / "run")


@pytest.fixture(scope="module")
def adapted(run: Run) -> Adapted:
    return adapt(run.model(), others(), adaptation_splits(others()).train)


def test_other_pictures_are_learned(run: Run, adapted: Adapted):
    data, test = others(), others().rows_of("test")
    before, after = (predictions_of(m, data, test)[Condition("image")] for m in (run.model(), adapted.model))
    score = METRICS["macro_f1"].score
    assert score(after, data.label[test]) > score(before, data.label[test]) + 0.3


def test_no_condition_is_worse_on_held_out_rows(adapted: Adapted):
    assert set(adapted.results) == {"image", "audio", "image+audio"}
    assert all(held.nll[1] <= held.nll[0] + 1e-6 for held in adapted.results.values())


def test_encoders_and_front_ends_are_unchanged(run: Run, adapted: Adapted):
    old, new = run.model().state_dict(), adapted.model.state_dict()
    same = [name for name in old if name.startswith(("encoders.", "front_ends."))]
    assert same
    assert all(torch.equal(old[name], new[name]) for name in same)
    assert not torch.equal(old["heads.image.0.weight"], new["heads.image.0.weight"])


def test_the_model_that_is_adapted_stays_as_it_was(run: Run):
    model = run.model()
    adapt(model, others(), adaptation_splits(others()).train)
    for name, tensor in run.model().state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_labels_change_nothing(run: Run, seed: int):
    data = tiny_data(seed=7)
    data = data.replace(label=np.random.default_rng(seed).permutation(data.label))
    rows = adaptation_splits(data).train
    new = adapt(run.model(), data, rows)
    assert all(held.nll[1] <= held.nll[0] + 1e-6 for held in new.results.values())
    before, after = (
        predictions_of(m, data, rows)[Condition("image+audio")] for m in (run.model(), new.model)
    )
    assert np.mean(before.argmax(1) == after.argmax(1)) > 0.9


def test_held_out_outputs_are_those_of_the_model_with_other_changes(adapted: Adapted):
    rows = np.concatenate([part.rows for part in adapted.evidence.values()])
    assert sorted(rows.tolist()) == adaptation_splits(others()).train.tolist()
    data = others()
    speaker = data.groups["audio"]["speaker"].ids[data.pointers("audio")]
    parts = [set(speaker[part.rows].tolist()) for part in adapted.evidence.values()]
    assert sum(map(len, parts)) == len(set().union(*parts)), "no speaker is in two folds"


def test_rows_of_one_speaker_are_held_out_by_content_and_it_says_so(run: Run):
    data = others()
    mine = np.flatnonzero(data.groups["audio"]["speaker"].ids[data.pointers("audio")] == 0)
    new = adapt(run.model(), data, mine)
    assert new.by == "content"
    assert any("of the same groups only" in remark for remark in new.remarks)


@pytest.mark.parametrize("fusion", ["concat", "gated"])
def test_a_learned_fusion_is_adapted(tmp_path: Path, fusion: str):
    config = dataclasses.replace(tiny_config(3), model=tiny_model(fusion=fusion))
    run = tiny_run(tmp_path / "run", config=config)
    new = adapt(run.model(), others(), adaptation_splits(others()).train)
    held = new.results[Condition("image+audio")]
    assert held.nll[1] <= min(held.nll[0], new.results[Condition("image")].nll[1]) + 1e-3


def test_data_of_one_modality_leaves_the_other_alone(run: Run):
    data = others().only("image")
    new = adapt(run.model(), data, adaptation_splits(data).train)
    assert set(new.results) == {"image"}
    old = run.model().state_dict()
    for name in ("heads.audio.0.weight", "fusion.weight"):
        assert torch.equal(old[name], new.model.state_dict()[name])


def test_the_scale_alone_is_fitted_where_only_confidence_is_wrong():
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 300)
    evidence = 2.0 * np.eye(3)[label] + random.normal(0, 1, (300, 3))
    layer = Layer(np.zeros((300, 1)), 5 * evidence, label, np.full(3, -np.log(3)), np.arange(300))
    parts = [
        (np.flatnonzero(np.arange(300) % 3 != i), np.flatnonzero(np.arange(300) % 3 == i)) for i in range(3)
    ]
    change = refit(layer, parts).change
    assert change is not None
    assert 0.1 < change.scale < 0.7
    assert np.abs(change.weight).max() == 0


# ---------------------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def new(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    others().save(folder / "others")
    assert (
        main(["adapt", str(run.folder), "--data", str(folder / "others"), "--out", str(folder / "new")]) == 0
    )
    return folder / "new"


def test_the_new_run_opens_with_every_command(new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(new)]) == 0
    assert (
        main(["predict", str(new), "--data", str(new.parent / "others"), "--out", str(tmp_path / "p.csv")])
        == 0
    )
    assert main(["compare", str(new), str(new.parent / "new"), "--json"]) == 2, "the same run twice"
    assert main(["evaluate", str(new), "--split", "valid", "--json", "--quiet"]) == 0
    capsys.readouterr()
    assert "Adapted to" in (new / "README.md").read_text()


def test_its_validation_rows_are_those_it_was_adapted_to_held_out(new: Path):
    run, data = Run.open(new), others()
    held = held_out(run, data, "valid")
    assert held.cross_fitted
    assert held.rows.tolist() == adaptation_splits(data).train.tolist()
    assert held_out(run, data).rows.tolist() == data.rows_of("test").tolist()


def test_an_adapted_run_can_be_adapted_again(new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [
        "adapt",
        str(new),
        "--data",
        str(new.parent / "others"),
        "--out",
        str(tmp_path / "again"),
        "--json",
    ]
    assert main(words) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert all(held["nll"][1] <= held["nll"][0] + 1e-6 for held in results.values())


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says when it refuses."""
    assert main(words) == 2
    return capsys.readouterr().err


def test_an_existing_folder_is_kept(run: Run, new: Path, capsys: pytest.CaptureFixture[str]):
    before = (new / "model.safetensors").read_bytes()
    words = ["adapt", str(run.folder), "--data", str(new.parent / "others"), "--out", str(new)]
    assert "exists already" in refused(words, capsys)
    assert (new / "model.safetensors").read_bytes() == before


def test_other_classes_are_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = others()
    spec = dataclasses.replace(data.spec, classes=("low", "middle", "loud"))
    data.replace(spec=spec).save(tmp_path / "d")
    words = ["adapt", str(run.folder), "--data", str(tmp_path / "d"), "--out", str(tmp_path / "n")]
    said = refused(words, capsys)
    assert "seesay train" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "n").exists()


def test_no_shared_modality_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    tiny_run(tmp_path / "seen", data=tiny_data(modalities=("image",)), config=tiny_config(1))
    others().only("audio").save(tmp_path / "d")
    words = ["adapt", str(tmp_path / "seen"), "--data", str(tmp_path / "d"), "--out", str(tmp_path / "n")]
    assert "was trained on image only" in refused(words, capsys)


def test_too_few_rows_of_a_class_are_refused(run: Run):
    data = others()
    rows = np.concatenate([np.flatnonzero(data.label == 0)[:1], np.flatnonzero(data.label > 0)])
    with pytest.raises(InputError, match=r"2 rows or more of every class.*'low' \(1\)"):
        adapt(run.model(), data, rows)


def test_a_class_of_one_content_is_refused(run: Run):
    data = others().only("audio")
    first = [np.flatnonzero(data.label == c)[:2] for c in range(3)]
    rows = data.rows.copy()
    for pair in first:
        rows[pair] = rows[pair[0]]
    with pytest.raises(InputError, match="share a picture or recording"):
        adapt(run.model(), data.replace(rows=rows), np.sort(np.concatenate(first)))
