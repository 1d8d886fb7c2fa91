"""`known`: what belongs to none of the classes is told from what does, and never counts as a class."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from seesay.cli import main
from seesay.condition import Condition
from seesay.config import SplitConfig
from seesay.data.batches import Batch, Features, table
from seesay.data.dataset import MISSING, NONE, Dataset
from seesay.data.splits import folds, split
from seesay.errors import InputError
from seesay.formats.open import open_data
from seesay.learn.fit import exposure_loss, loss_of
from seesay.learn.run import Run
from seesay.measure.evaluate import evaluate
from seesay.model.classifier import build, upgraded_state
from seesay.model.known import REFUSED, fit_line, line_through, negative_energy
from seesay.serve.batch import write_predictions
from seesay.serve.predict import Predictor
from seesay.spec import WaveformSpec
from tiny import (
    AUDIO,
    CLASSES,
    picture,
    quick_first,
    recording,
    tiny_config,
    tiny_data,
    tiny_model,
    tiny_run,
    tiny_spec,
    with_negatives,
)

_IMAGE = Condition("image")
RANDOM = np.random.default_rng(5)
NOISE = RANDOM.integers(0, 256, (8, 8)).astype(np.uint8)
CLICKS = (np.where(RANDOM.random(AUDIO.samples) < 0.01, 20_000, 0).astype(np.int16), AUDIO.rate)
STRIPE = picture(1, RANDOM)[0]
TONE = (recording(1, RANDOM), AUDIO.rate)


def each_recorded(data: Dataset) -> Dataset:
    """The data with a recording of its own for every row: those of the tiny data are too few to calibrate."""
    random = np.random.default_rng(3)
    rows = data.rows.copy()
    rows[:, 1] = np.where(rows[:, 1] == MISSING, MISSING, np.arange(len(rows)))
    recordings = np.stack([recording(label, random) for label in data.label])
    return data.replace(contents={**data.contents, "audio": recordings}, rows=rows, groups={})


DATA = with_negatives(each_recorded(tiny_data(48, missing=True)), 48)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run(tmp_path_factory.mktemp("known") / "run", DATA, tiny_config(16))


@pytest.fixture(scope="module")
def predictor(run: Run) -> Predictor:
    return Predictor.open(run)


# ------------------------------------------------------------------------------------------------- prediction


def test_what_belongs_to_no_class_is_less_known(predictor: Predictor):
    for given, strange in (("image", NOISE), ("audio", CLICKS)):
        usual = {"image": STRIPE, "audio": TONE}[given]
        assert predictor.predict(**{given: usual}).known > 0.8
        assert predictor.predict(**{given: strange}).known < 0.2


def test_a_row_is_as_known_as_the_least_known_of_its_contents(predictor: Predictor):
    both = predictor.predict(STRIPE, CLICKS)
    assert both.known == min(both.known_alone.values()) == both.known_alone["audio"]
    assert both.known_alone["image"] == predictor.predict(STRIPE).known


def test_below_the_limit_the_answer_is_none_of_these(predictor: Predictor):
    rejected = predictor.predict(NOISE, reject=0.5)
    assert rejected.rejected
    assert rejected.label == "_none_"
    assert rejected.scores == predictor.predict(NOISE).scores
    accepted = predictor.predict(STRIPE, reject=0.5)
    assert (accepted.rejected, accepted.label) == (False, CLASSES[1])


@pytest.mark.parametrize("limit", [-0.1, 1.1, math.nan])
def test_a_limit_outside_0_to_1_is_refused(predictor: Predictor, limit: float):
    with pytest.raises(InputError, match="from 0 to 1"):
        predictor.predict(STRIPE, reject=limit)


def test_the_command_line_says_it_as_text_and_as_json(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    Image.fromarray(NOISE).save(tmp_path / "noise.png")
    words = ["predict", str(run.folder), "--image", str(tmp_path / "noise.png"), "--reject", "0.5"]
    assert main(words) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("none of these  known 0.")
    assert second.startswith("  nearest: ")
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rejected"] is True
    assert said["known"] == said["known_alone"]["image"] < 0.2


def test_a_table_has_it_per_row_and_modality(predictor: Predictor, tmp_path: Path):
    write_predictions(predictor, DATA, np.arange(len(DATA)), tmp_path / "said.csv", reject=0.5)
    head, *lines = [line.split(",") for line in (tmp_path / "said.csv").read_text().splitlines()]
    said = [dict(zip(head, line, strict=True)) for line in lines]
    for line, pointers in zip(said, DATA.rows, strict=True):
        alone = [line[f"known_{m}"] for m in DATA.modalities]
        assert [cell == "" for cell in alone] == (pointers == MISSING).tolist()
        assert float(line["known"]) == min(float(cell) for cell in alone if cell)
        assert (line["label"] == "_none_") == (float(line["known"]) < 0.5)
    rejected = np.array([line["label"] == "_none_" for line in said])
    assert np.mean(rejected == (DATA.label == NONE)) > 0.9


@pytest.mark.long
def test_the_graph_says_it_too(run: Run, predictor: Predictor):
    export = pytest.importorskip("seesay.serve.export", reason="the extra onnx is not installed")
    model = run.model()
    graph = export.Graph(export.to_onnx(model, run.spec))
    export.check_same(model, graph, "graph.onnx")
    inputs = {"image": np.stack([STRIPE, NOISE, NOISE])[:, None], "audio": np.stack([TONE[0]] * 3)}
    present = {"image": np.array([True, True, False]), "audio": np.array([True, False, False])}
    known = graph.run(inputs, present).known
    assert list(known) == ["image", "audio", "image+audio"]
    both = predictor.predict(STRIPE, TONE)
    assert known["image+audio"][:2] == pytest.approx([both.known, predictor.predict(NOISE).known], abs=1e-4)
    assert np.isnan(known["image+audio"][2])
    assert np.isnan(known["audio"]).tolist() == [False, True, True]


# ----------------------------------------------------------------------------------------------- no negatives


def test_without_negatives_one_in_twenty_known_contents_is_below_a_half(tmp_path: Path):
    data = tiny_data(80)
    run = tiny_run(tmp_path / "run", data, tiny_config(6))
    model, valid = run.model(), np.flatnonzero(data.split == 1)
    contents = torch.from_numpy(data.contents["image"][data.pointers("image")[valid]])
    with torch.inference_mode():
        known = model.known(model.encode(model.features({"image": contents})))["image"].numpy()
    assert np.mean(known < 0.5) == pytest.approx(REFUSED, abs=0.02)
    assert np.median(known) == pytest.approx(1 - REFUSED, abs=0.01)


def test_too_few_validation_contents_say_nothing(tmp_path: Path):
    """Of the recordings, six validate: `known` is null there and wherever a recording has a part."""
    predictor = Predictor.open(tiny_run(tmp_path / "run", tiny_data(96), tiny_config(2)))
    both = predictor.predict(STRIPE, TONE)
    assert both.known is None
    assert both.known_alone["audio"] is None
    assert both.known_alone["image"] is not None
    assert predictor.model.knowing == ("image",)
    with pytest.raises(InputError, match="how known its audio is"):
        predictor.predict(STRIPE, TONE, reject=0.5)


def test_the_energy_does_not_change_with_a_constant_added_to_all_logits():
    logits = torch.randn(5, 3)
    assert torch.allclose(negative_energy(logits), negative_energy(logits + 7), atol=1e-5)


# ------------------------------------------------------------------------------------------------ calibration


def test_the_line_gives_the_probability_if_half_of_what_comes_is_known():
    """Two normals one standard deviation from 0 either way, of very different numbers: the log odds at x are
    2 x."""
    random = np.random.default_rng(0)
    score = np.concatenate([random.normal(1, 1, 40_000), random.normal(-1, 1, 2_000)])
    slope, offset = fit_line(score, np.arange(len(score)) >= 40_000)
    assert (slope, offset) == (pytest.approx(2, abs=0.15), pytest.approx(0, abs=0.15))


def test_a_perfect_separation_is_not_certainty():
    slope, offset = fit_line(np.repeat([1.0, -1.0], 20), np.repeat([False, True], 20))
    assert 0.9 < 1 / (1 + np.exp(-(slope + offset))) < 1 - 1e-3


def test_scores_that_are_all_the_same_give_no_line():
    assert line_through(np.ones(30)) == (0.0, 0.0)


# ------------------------------------------------------------------------------------------- never a class


def test_negatives_have_no_part_in_scores_and_classes(run: Run):
    model = run.model()
    test = np.flatnonzero(DATA.split == 2)
    found = evaluate(model, DATA, test)
    assert (DATA.label[found.rows] >= 0).all()
    assert run.spec.classes == CLASSES
    assert {len(p[0]) for p in found.probabilities.values()} == {len(CLASSES)}
    assert model.log_prior.exp().tolist() == pytest.approx([1 / 3] * 3, abs=0.05)


def test_a_loss_without_negatives_is_that_of_the_other_rows():
    label = torch.tensor([0, 2, NONE, 1])
    present = {"image": torch.ones(4, dtype=torch.bool)}
    batch = Batch({}, present, label, torch.arange(4))
    logits = torch.randn(4, 3)
    whole = loss_of({_IMAGE: logits}, batch, 0.1)
    kept = torch.tensor([0, 1, 3])
    rest = Batch({}, {"image": present["image"][kept]}, label[kept], kept)
    assert whole.item() == loss_of({_IMAGE: logits[kept]}, rest, 0.1).item()


def test_negatives_pull_towards_the_prior():
    """The loss of a negative is least where the prediction is the prior."""
    prior = torch.tensor([0.5, 0.3, 0.2]).log()
    batch = Batch({}, {"image": torch.tensor([True])}, torch.tensor([NONE]), torch.tensor([0]))
    logits = prior[None].clone().requires_grad_()
    exposure_loss({_IMAGE: logits}, batch, prior).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_negatives_have_their_weights():
    logits, prior = torch.randn(2, 3), torch.zeros(3)
    present, rows = {"image": torch.ones(2, dtype=torch.bool)}, torch.arange(2)
    batch = Batch({}, present, torch.tensor([NONE, NONE]), rows, torch.tensor([0.5, 1.5]))
    alone = Batch({}, {"image": present["image"][:1]}, batch.label[:1], rows[:1])
    one, two = (exposure_loss({_IMAGE: logits[[i]]}, alone, prior) for i in range(2))
    torch.testing.assert_close(exposure_loss({_IMAGE: logits}, batch, prior), (0.5 * one + 1.5 * two) / 2)


UNSPLIT = with_negatives(each_recorded(tiny_data(40)), 40).replace(split=np.full(160, MISSING, np.int8))


def test_negatives_are_split_like_a_class():
    data, parts = UNSPLIT, split(UNSPLIT)
    share = [(data.label[parts[name]] == NONE).mean() for name in ("train", "valid", "test")]
    assert share == pytest.approx([0.25] * 3, abs=0.08)
    for _, held_out in folds(data, parts.train, 3):
        assert (data.label[held_out] == NONE).mean() == pytest.approx(0.25, abs=0.1)


def test_negatives_are_paired_among_themselves():
    values = {m: Features(torch.zeros(len(UNSPLIT.contents[m]))) for m in UNSPLIT.modalities}
    rows = table(UNSPLIT, np.arange(len(UNSPLIT)), values)
    again = rows.repair(torch.Generator().manual_seed(0)).pointers["audio"]
    assert not torch.equal(again, rows.pointers["audio"])
    negative = rows.label == NONE
    assert set(again[negative].tolist()) == set(rows.pointers["audio"][negative].tolist())


@pytest.mark.parametrize("fusion", quick_first(("posterior-sum", "gated"), "posterior-sum"))
def test_cross_fitted_negatives_calibrate(tmp_path: Path, fusion: str):
    config = tiny_config(4, tiny_model(fusion=fusion), split=SplitConfig(folds=2, valid=0.0))
    predictor = Predictor.open(tiny_run(tmp_path / "run", UNSPLIT, config))
    assert predictor.predict(STRIPE).known > predictor.predict(NOISE).known + 0.5


# --------------------------------------------------------------------------------------------------- own data


def pictures(folder: Path, image: Callable[[], np.ndarray], count: int = 12) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(image()).save(folder / f"{i}.png")


def test_a_folder_of_negatives_is_no_class(tmp_path: Path):
    random = np.random.default_rng(0)
    for label in range(3):
        pictures(tmp_path / "data" / str(label), lambda label=label: picture(label, random)[0])
    pictures(tmp_path / "data" / "_none_" / "street", lambda: random.permutation(NOISE))
    data = open_data(tmp_path / "data")
    assert data.spec.classes == ("0", "1", "2")
    assert np.bincount(data.label + 2).tolist() == [12, 0, 12, 12, 12]
    data.save(tmp_path / "saved")
    assert (Dataset.open(tmp_path / "saved").label == data.label).all()


def test_a_manifest_may_call_a_row_none(tmp_path: Path):
    random = np.random.default_rng(0)
    pictures(tmp_path / "p", lambda: picture(0, random)[0], 6)
    lines = [f"p/{i}.png,{label}" for i, label in enumerate(["a", "b", "_none_", "a", "b", "_none_"])]
    (tmp_path / "rows.csv").write_text("\n".join(["image,label", *lines]) + "\n")
    data = open_data(tmp_path / "rows.csv")
    assert data.spec.classes == ("a", "b")
    assert data.label.tolist() == [0, 1, NONE, 0, 1, NONE]


def test_none_cannot_be_a_class():
    with pytest.raises(InputError, match="cannot be a class"):
        tiny_data().replace(spec=replace(tiny_spec(), classes=("low", "middle", "_none_")))


def test_a_model_from_before_says_nothing(run: Run):
    state = {n: t for n, t in run.model().state_dict().items() if not n.startswith("known")}
    old = build(run.config.model, run.spec)
    old.load_state_dict(upgraded_state(state, "posterior-sum", {}))
    prediction = Predictor(old, run.spec).predict(STRIPE)
    assert prediction.known is None
    assert not prediction.rejected


def test_negatives_have_no_say_in_the_length_of_a_clip(tmp_path: Path):
    """Words of half a second, and noises of five: a clip is as long as words are."""
    random = np.random.default_rng(0)
    for label, seconds in (("yes", 0.5), ("no", 0.6), ("_none_", 5.0)):
        (tmp_path / "words" / label).mkdir(parents=True)
        for i in range(4):
            samples = random.normal(0, 3_000, round(seconds * 8_000)).astype(np.int16)
            soundfile.write(tmp_path / "words" / label / f"{i}.wav", samples, 8_000)
    spec = open_data(str(tmp_path / "words")).spec["audio"]
    assert isinstance(spec, WaveformSpec)
    assert spec.seconds == 1.0
