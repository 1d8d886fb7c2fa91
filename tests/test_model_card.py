"""What an evaluation leaves in a run: scores, figures to look at, and a card that says what the model is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seesay.condition import Condition
from seesay.config import EncoderConfig, ModelConfig
from seesay.data.dataset import Dataset
from seesay.learn.run import Run
from seesay.measure import model_card
from seesay.measure.evaluate import Evaluation, evaluate, held_out
from seesay.measure.model_card import card, keep, mistakes, row_features
from seesay.spec import Spec, VectorSpec
from tiny import CLASSES, IMAGE, tiny_config, tiny_data, tiny_run

CONDITIONS = ["image", "audio", "image+audio"]


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Half learned, so that there are mistakes."""
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", config=tiny_config(epochs=1))


def kept(run: Run, data: Dataset) -> Evaluation:
    model = run.model()
    evaluation = evaluate(model, data, data.rows_of("test"))
    keep(run, model, data, evaluation)
    return evaluation


def figures(run: Run) -> set[str]:
    return {path.name for path in (run.folder / "figures").iterdir()}


@pytest.mark.parametrize(
    ("changes", "conditions"),
    [({}, CONDITIONS), ({"missing": True}, CONDITIONS), ({"modalities": ["audio"]}, ["audio"])],
    ids=str,
)
def test_every_condition_has_its_figures(tmp_path: Path, changes: dict[str, Any], conditions: list[str]):
    data = tiny_data(**changes)
    run = tiny_run(tmp_path / "run", data, tiny_config(epochs=1))
    kept(run, data)
    names = {
        f"{kind}_{name.replace('+', '_')}.png" for kind in ("confusion", "mistakes") for name in conditions
    }
    assert figures(run) >= names | {"learning_curves.png"}
    for name in figures(run):
        with Image.open(run.folder / "figures" / name) as picture:
            extrema = picture.convert("L").getextrema()
        assert extrema[0] != extrema[1], f"{name} is blank"


def test_a_second_evaluation_takes_the_place_of_the_first(half: Run):
    kept(half, tiny_data())
    kept(half, tiny_data(modalities=["audio"]))
    assert figures(half) == {"learning_curves.png", "confusion_audio.png", "mistakes_audio.png"}
    assert "| image" not in (half.folder / "README.md").read_text()


def test_the_card_says_what_the_model_is_and_how_well_it_does(half: Run):
    evaluation = kept(half, tiny_data())
    text = (half.folder / "README.md").read_text()
    assert text.startswith("---\n")
    for name in CLASSES:
        assert name in text
    for name, result in evaluation.results.items():
        assert f"| {name} | {result['rows']} | {result['accuracy']:.4f} | {result['macro_f1']:.4f} |" in text
    assert f"`{half.recipe}`" in text
    assert "{" not in text, "a place that was not filled in"


def test_the_card_says_what_the_splits_share(tmp_path: Path):
    """By what they share, not by how they were drawn."""
    from seesay.config import SplitConfig

    data = tiny_data()
    data = data.replace(split=np.where(data.split == 1, 0, data.split).astype(np.int8))
    for by, leaks in (("group", False), ("row", True)):
        run = tiny_run(tmp_path / by, data, tiny_config(epochs=1, split=SplitConfig(by=by, valid=0.1)))
        text = carded(run, data, "valid")
        assert ("share their speaker with training rows: the scores are inflated" in text) == leaks
        assert ("No picture, recording or speaker of these rows is in the training rows" in text) != leaks


def test_the_card_claims_nothing_of_speakers_where_they_are_not_known(tmp_path: Path):
    data = tiny_data(groups={})
    text = carded(tiny_run(tmp_path / "run", data, tiny_config(epochs=1)), data, "test")
    assert "No picture or recording of these rows is in the training rows." in text
    assert "- Speakers not known: expect less on new voices." in text
    known = carded(tiny_run(tmp_path / "known", config=tiny_config(epochs=1)), tiny_data(), "test")
    assert "not known" not in known


def carded(run: Run, data: Dataset, split: str) -> str:
    held = held_out(run, data, split)
    notes = {"apart": held.apart, "notes": held.notes}
    return card(run, evaluate(run.model(), data, held.rows, split, **notes), data.name)


def test_the_card_names_the_data_that_were_measured(half: Run):
    evaluation = evaluate(half.model(), tiny_data(), tiny_data().rows_of("test"))
    assert "| test of elsewhere, " in card(half, evaluation, "elsewhere")


def test_class_names_may_hold_anything(half: Run):
    import dataclasses

    spec = dataclasses.replace(half.spec, classes=("{label}", "a|b", "%s"))
    evaluation = evaluate(half.model(), tiny_data(), tiny_data().rows_of("test"))
    assert "{label}" in card(dataclasses.replace(half, spec=spec), evaluation, "tiny")


# --------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("condition", [Condition(name) for name in CONDITIONS])
def test_mistakes_are_the_wrong_rows_and_the_surest_come_first(half: Run, condition: Condition):
    data, model = tiny_data(missing=True), half.model()
    evaluation = evaluate(model, data, data.rows_of("test"))
    probabilities = evaluation.probabilities[condition]
    there = ~np.isnan(probabilities[:, 0])
    wrong = (probabilities[there].argmax(1) != evaluation.label[there]).sum()
    cells = mistakes(model, data, evaluation, condition)
    assert len(cells) == min(wrong, 24)
    sureness = [cell.probability for cell in cells]
    assert sureness == sorted(sureness, reverse=True)
    assert all(cell.label != cell.prediction for cell in cells)
    assert all((cell.picture is not None) == ("image" in condition) for cell in cells)
    assert all((cell.features is not None) == ("audio" in condition) for cell in cells)
    assert [cell.probability for cell in mistakes(model, data, evaluation, condition, most=2)] == sureness[:2]


def test_mistakes_of_a_fusion_say_what_each_modality_predicts_on_its_own(half: Run):
    data, model = tiny_data(missing=True), half.model()
    evaluation = evaluate(model, data, data.rows_of("train"))
    for cell in mistakes(model, data, evaluation, Condition("image+audio")):
        [i] = np.flatnonzero(evaluation.rows == cell.row)
        assert cell.label == CLASSES[evaluation.label[i]]
        assert list(cell.opinions) == ["image", "audio"]
        for modality, opinion in cell.opinions.items():
            probabilities = evaluation.probabilities[Condition(modality)][i]
            assert opinion == (CLASSES[probabilities.argmax()], pytest.approx(probabilities.max()))
    assert all(not cell.opinions for cell in mistakes(model, data, evaluation, Condition("image")))


def test_mistakes_of_vectors_are_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two vectors, either of which may be missing: no cell to draw, and none left empty."""
    random, classes = np.random.default_rng(0), ("a", "b")
    vectors = {m: random.normal(size=(40, 4)).astype(np.float32) for m in ("clip", "clap")}
    rows = np.where(random.random((40, 2)) < 0.2, -1, np.arange(40)[:, None]).astype(np.int32)
    spec = Spec(classes, {m: VectorSpec(4) for m in vectors})
    data = Dataset(spec, vectors, rows, np.arange(40) % 2, (np.arange(40) // 2 % 3).astype(np.int8))
    encoder = EncoderConfig(kind="mlp", width=4, layers=1)
    model = ModelConfig(dim=4, hidden=4, named=dict.fromkeys(vectors, encoder))
    run = tiny_run(tmp_path / "run", data, tiny_config(1, model))
    drawn = {}
    monkeypatch.setattr(model_card, "save", lambda figure, path: drawn.update({path.stem: figure}))
    kept(run, data)
    figure = drawn["mistakes_clip_clap"]
    assert not figure.axes
    assert {"row", "label", "predicted", "clip alone", "clap alone"} <= {x.get_text() for x in figure.texts}
    assert "from clip vectors (4) and clap vectors (4)." in (run.folder / "README.md").read_text()


def test_features_of_a_row_are_those_that_it_has(half: Run):
    data, model = tiny_data(missing=True), half.model()
    assert set(row_features(model, data, 0)) == {"image", "audio"}
    assert row_features(model, data, 0)["image"].shape == IMAGE.shape
    assert set(row_features(model, data, 2)) == {"audio"}
    assert set(row_features(model, data, 3)) == {"image"}


def test_the_card_shows_how_to_predict_with_modalities_of_other_names(tmp_path: Path):
    """Other names than image and audio have no option of their own."""
    from test_three_modalities import felt_data, three
    from tiny import tiny_run

    data = felt_data()
    run = tiny_run(tmp_path / "run", data, three(epochs=1))
    evaluation = evaluate(run.model(), data, data.rows_of("test"), "test")
    text = card(run, evaluation, data.name)
    assert "$ seesay predict . --image PICTURE --audio RECORDING --input touch=TOUCH" in text
