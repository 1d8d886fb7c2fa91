"""Encodings as pictures and numbers: each content once, senses weighed alike, and a folder that is whole."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seesay.cli import main
from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.errors import ConfigError, InputError, OutputError
from seesay.learn.run import Run
from seesay.measure.embed import Embedded, Joined, distinct, embed, encode, keep_embedding, rows_with, views
from seesay.measure.projection import Method
from seesay.spec import Spec
from test_open import array_of
from tiny import CLASSES, IMAGE, STILL, tiny_config, tiny_data, tiny_run

CONDITIONS = ["image", "audio", "image+audio"]
LOW = 1.5  # a perplexity that the six recordings of the tiny test split allow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("embed")
    tiny_data().save(folder / "data")
    grey = tiny_data(modalities=["image"])
    pixels = np.repeat(array_of(grey.contents["image"]), 3, axis=1)
    spec = Spec(CLASSES, {"image": dataclasses.replace(IMAGE, channels=3)})
    grey.replace(contents={"image": pixels}, spec=spec).save(folder / "coloured")
    return tiny_run(folder / "run", config=tiny_config(8, augment=STILL), source=str(folder / "data"))


def embedded(run: Run, data: Dataset | None = None, method: Method = "pca", **options) -> dict[str, Embedded]:
    data = data or tiny_data()
    shown = views(run.model(), data, data.rows_of("test"), data.rows_of("train"), **options)
    return {each.view.condition: each for each in embed(shown, len(CLASSES), method, LOW)}


@pytest.fixture(scope="module")
def found(run: Run) -> dict[str, Embedded]:
    return embedded(run)


# ------------------------------------------------------------------------------------------------------ views


def test_a_repeated_recording_is_shown_once(found: dict[str, Embedded]):
    data = tiny_data()
    test = data.rows_of("test")
    assert sorted(found) == sorted(CONDITIONS)
    heard = np.unique(data.pointers("audio")[test])
    assert len(heard) < len(test)
    assert sorted(data.pointers("audio")[found["audio"].view.rows]) == list(heard)
    assert len(found["image"].view.rows) == len(found["image+audio"].view.rows) == len(test)
    assert {each.view.rows_with_repeats for each in found.values()} == {len(test)}
    np.testing.assert_array_equal(found["audio"].view.label, data.label[found["audio"].view.rows])


def test_a_pair_is_repeated_only_where_both_are():
    data = tiny_data()
    rows = np.array([[0, 1], [0, 2], [0, 1], [5, 1]], np.int32)
    data = data.select(np.arange(4)).replace(rows=rows)
    every = np.arange(4)
    assert distinct(data, every, Condition("image")).tolist() == [0, 3]
    assert distinct(data, every, Condition("audio")).tolist() == [0, 1]
    assert distinct(data, every, Condition("image+audio")).tolist() == [0, 1, 3]


def test_rows_that_lack_a_modality_are_in_no_view_of_it(run: Run):
    data = tiny_data(missing=True)
    for each in embedded(run, data).values():
        assert (data.rows[each.view.rows] >= 0)[
            :, [m in each.view.condition.modalities for m in ("image", "audio")]
        ].all()
        assert (
            each.view.rows_with_repeats
            == len(rows_with(data, data.rows_of("test"), each.view.condition))
            < len(data.rows_of("test"))
        )


def test_encodings_are_those_of_the_row_alone(run: Run):
    """Whatever else is encoded with it."""
    data, model = tiny_data(), run.model()
    rows = data.rows_of("test")[[3, 5, 9]]
    for modality, together in encode(model, data, rows).items():
        for row, encoding in zip(rows, together, strict=True):
            alone = encode(model, data, np.array([row]))[modality][0]
            np.testing.assert_allclose(alone, encoding, atol=1e-5)


def test_neither_sense_outweighs_the_other_when_both_are_joined():
    random = np.random.default_rng(0)
    encodings = {"image": 1000 * random.normal(size=(50, 4)) + 7, "audio": random.normal(size=(50, 9))}
    joined = Joined.of(encodings)(encodings)
    assert joined.shape == (50, 13)
    np.testing.assert_allclose(joined.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose([joined[:, :4].std(), joined[:, 4:].std()], 1)
    ratio = joined[:, 4:] / (encodings["audio"] - encodings["audio"].mean(axis=0))
    np.testing.assert_allclose(ratio, ratio[0, 0])  # columns keep their proportions


def test_one_sense_alone_stays_as_it_is():
    encodings = {"audio": np.random.default_rng(0).normal(size=(5, 3))}
    assert Joined.of(encodings)(encodings) is encodings["audio"]


def test_at_most_so_many_are_drawn_and_the_same_ones_again(run: Run):
    few, again, other = (embedded(run, most=7, seed=seed)["image"].view.rows for seed in (0, 0, 1))
    assert len(few) == 7
    assert few.tolist() == again.tolist() != other.tolist()
    assert set(few) <= set(tiny_data().rows_of("test"))


def test_a_model_that_has_learned_tells_classes_apart_in_every_view(found: dict[str, Embedded]):
    for each in found.values():
        assert each.on_encodings.matched_accuracy > 0.9
        assert each.probe is not None
        assert each.probe["linear_accuracy"] == 1
        assert each.view.train is not None
        assert len(each.view.train[1]) == len(
            distinct(tiny_data(), tiny_data().rows_of("train"), each.view.condition)
        )


def test_training_rows_are_not_probed_by_themselves(run: Run):
    data = tiny_data()
    shown = views(run.model(), data, data.rows_of("train"), data.rows_of("train"))
    assert all(view.train is None for view in shown)
    assert all(each.probe is None for each in embed(shown, len(CLASSES), "pca"))


@pytest.mark.parametrize("name", CONDITIONS)
def test_new_rows_find_their_place_in_a_picture(run: Run, found: dict[str, Embedded], name: str):
    """Rows of the validation split fall to their class in the picture of the test split."""
    data, each = tiny_data(), found[name]
    rows = data.rows_of("valid")
    points = each.projection.place(each.view.join(encode(run.model(), data, rows)))
    centres = np.stack(
        [each.projection.points[each.view.label == k].mean(axis=0) for k in range(len(CLASSES))]
    )
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == data.label[rows]).mean() > 0.9


def test_rows_of_the_picture_are_placed_where_they_are(run: Run, found: dict[str, Embedded]):
    each = found["image+audio"]
    again = each.projection.place(each.view.join(encode(run.model(), tiny_data(), each.view.rows)))
    np.testing.assert_allclose(again, each.projection.points, atol=1e-4)


# ------------------------------------------------------------------------------------------------- the folder


def test_the_command_leaves_figures_numbers_and_arrays(run: Run, tmp_path: Path, capsys):
    words = ["embed", str(run.folder), "--out", str(tmp_path / "e"), "--perplexity", str(LOW)]
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    figures = [f"{name}{kind}.png" for name in ("audio", "image", "image_audio") for kind in ("", "_kmeans")]
    assert sorted(p.name for p in (tmp_path / "e").iterdir()) == sorted(
        ["embedding.json", "encodings.npz", *figures]
    )
    for name in figures:
        with Image.open(tmp_path / "e" / name) as figure:
            assert min(figure.size) > 500
    numbers = json.loads((tmp_path / "e" / "embedding.json").read_text())
    assert numbers["views"] == {name: printed[name] for name in CONDITIONS}
    assert (numbers["split"], numbers["method"], numbers["perplexity"]) == ("test", "tsne", LOW)
    assert numbers["views"]["audio"]["rows"] == 18
    assert numbers["views"]["audio"]["distinct"] == numbers["views"]["audio"]["probe_rows"] / 2 == 6
    assert set(numbers["views"]["image"]["probe"]) == {"knn_accuracy", "linear_accuracy"}
    with np.load(tmp_path / "e" / "encodings.npz", allow_pickle=False) as arrays:
        assert arrays["classes"].tolist() == list(CLASSES)
        for name in CONDITIONS:
            rows = arrays[f"{name}.rows"]
            assert arrays[f"{name}.points"].shape == (len(rows), 2)
            assert arrays[f"{name}.encodings"].shape == (len(rows), 16 if "+" in name else 8)
            np.testing.assert_array_equal(arrays[f"{name}.label"], tiny_data().label[rows])


def test_the_table_names_every_view(run: Run, tmp_path: Path, capsys):
    assert main(["embed", str(run.folder), "--out", str(tmp_path / "e"), "--method", "pca"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("image+audio", "linear probe: accuracy", "embedding.json"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "of the distinct contents of audio: t-SNE with perplexity 30 needs at least 91 rows, got 6"),
        (["--rows", "2", "--method", "pca"], "3 clusters need more than 3 rows, got 2"),
        (["--rows", "0"], "at least 1 row"),
        (["--data", "nowhere"], "No such file or data set: "),
        (["--data", "coloured"], "differ in image: channels 1 and 3"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch, capsys, flags, words
):
    monkeypatch.chdir(run.folder.parent)
    assert main(["embed", str(run.folder), "--out", str(tmp_path / "e"), *flags]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_what_lies_there_is_replaced_only_when_asked(found: dict[str, Embedded], tmp_path: Path):
    keep_embedding(list(found.values()), CLASSES, tmp_path / "e", {})
    with pytest.raises(OutputError, match="exists already"):
        keep_embedding(list(found.values()), CLASSES, tmp_path / "e", {})
    keep_embedding(list(found.values()), CLASSES, tmp_path / "e", {"again": True}, overwrite=True)
    assert json.loads((tmp_path / "e" / "embedding.json").read_text())["again"]


def test_nothing_is_shown_of_rows_without_labels(run: Run):
    data = tiny_data()
    rows = data.rows_of("test")
    with pytest.raises(InputError, match="no labelled rows"):
        views(run.model(), data.replace(label=np.full_like(data.label, -1)), rows, rows)
    with pytest.raises(ConfigError, match="at least 1 row"):
        views(run.model(), data, rows, rows, most=0)
