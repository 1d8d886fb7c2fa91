"""Prediction: from files, arrays or whole data sets the same answer, and what is not given is not made up."""

import csv
import dataclasses
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from seesay.config import ModelConfig
from seesay.data.dataset import Dataset
from seesay.data.ragged import Ragged
from seesay.errors import InputError, OutputError
from seesay.formats.media import audio_contents, image_contents
from seesay.formats.open import open_data
from seesay.learn.run import Run
from seesay.model.classifier import build
from seesay.serve import encodings
from seesay.serve.batch import predict_rows, write_predictions
from seesay.serve.parallel import parallel_map
from seesay.serve.predict import (
    Predictor,
    check_fits,
    reading_of,
)
from seesay.serve.shards import Shard
from seesay.signal.image import as_content, read_image
from seesay.spec import ContentSpec, MatrixSpec, PictureSpec, Spec, VectorSpec, WaveformSpec
from tiny import AUDIO, CLASSES, IMAGE, STILL, tiny_config, tiny_data, tiny_model, tiny_run, tiny_spec

DATA = tiny_data(missing=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", config=tiny_config(epochs=8, augment=STILL))


@pytest.fixture(scope="module")
def predictor(run: Run) -> Predictor:
    return Predictor.open(run)


def picture(row: int) -> Image.Image:
    return Image.fromarray(DATA.contents["image"][DATA.pointers("image")[row]][0])


def recording(row: int) -> tuple[np.ndarray, int]:
    return DATA.contents["audio"][DATA.pointers("audio")[row]], AUDIO.rate


def files(folder: Path, row: int) -> dict[str, Path]:
    """A picture and a recording on disk."""
    picture(row).save(folder / "picture.png")
    soundfile.write(folder / "recording.wav", *recording(row))
    return {"image": folder / "picture.png", "audio": folder / "recording.wav"}


# ---------------------------------------------------------------------------------------------- one at a time


@pytest.mark.parametrize("given", [["image"], ["audio"], ["image", "audio"]], ids="+".join)
def test_whatever_is_given_is_used_and_nothing_else(predictor: Predictor, tmp_path: Path, given: list[str]):
    prediction = predictor.predict(**{m: path for m, path in files(tmp_path, 0).items() if m in given})
    assert prediction.used == given
    assert list(prediction.opinions) == given
    assert prediction.label == CLASSES[DATA.label[0]]
    scores = [score["score"] for score in prediction.scores]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert {score["label"] for score in prediction.scores} == set(CLASSES)
    assert prediction.label == prediction.scores[0]["label"]


def test_one_alone_is_its_own_opinion_and_agrees(predictor: Predictor):
    prediction = predictor.predict(audio=recording(0))
    assert prediction.scores == prediction.opinions["audio"]
    assert prediction.agree


def test_opinions_are_what_each_says_alone(predictor: Predictor):
    both = predictor.predict(picture(0), recording(0))
    assert both.opinions["image"] == predictor.predict(picture(0)).scores
    assert both.opinions["audio"] == predictor.predict(audio=recording(0)).scores


def test_it_says_whether_they_disagree(predictor: Predictor):
    last = len(DATA) - 2  # of another class
    assert predictor.predict(picture(0), recording(0)).agree
    contradicting = predictor.predict(picture(0), recording(last))
    assert contradicting.opinions["image"][0]["label"] != contradicting.opinions["audio"][0]["label"]
    assert not contradicting.agree


def test_paths_bytes_and_arrays_are_read_alike(predictor: Predictor, tmp_path: Path):
    paths = files(tmp_path, 0)
    sources: list[dict[str, Any]] = [
        dict(paths),
        {m: str(path) for m, path in paths.items()},
        {m: path.read_bytes() for m, path in paths.items()},
        {"image": picture(0), "audio": recording(0)},
        {"image": np.asarray(picture(0)), "audio": recording(0)},
    ]
    first, *others = [predictor.predict(**source) for source in sources]
    assert all(prediction == first for prediction in others)


def test_neither_is_refused(predictor: Predictor):
    with pytest.raises(InputError, match="expected at least one input, got none"):
        predictor.predict()


@pytest.mark.parametrize(("known", "given"), [("image", "audio"), ("audio", "image")])
def test_a_modality_that_the_model_does_not_know_is_refused(tmp_path: Path, known: str, given: str):
    single = Predictor(build(tiny_model(), tiny_spec([known])), tiny_spec([known]))
    with pytest.raises(InputError, match=f"trained on {known} only, got {given}. Leave {given} out"):
        single.predict(**{given: files(tmp_path, 0)[given]})


def test_a_model_of_ready_made_features_says_that_it_cannot_hear(tmp_path: Path):
    for ready_made in (MatrixSpec(frames=5, columns=3), VectorSpec(4)):
        spec = Spec(CLASSES, {"audio": ready_made})
        deaf = Predictor(build(ModelConfig(), spec), spec)
        with pytest.raises(InputError, match="trained on ready-made arrays") as caught:
            deaf.predict(audio=files(tmp_path, 0)["audio"])
        assert "\n" not in str(caught.value)
        assert deaf.predict(audio=np.zeros(ready_made.shape, np.float32)).used == ["audio"]


def test_sources_may_stand_in_the_order_of_the_models_modalities(predictor: Predictor):
    named = predictor.predict(image=picture(0), audio=recording(0))
    assert predictor.predict(picture(0), recording(0)) == named
    assert predictor.predict(picture(0), audio=recording(0)) == named
    assert predictor.predict(None, recording(0)) == predictor.predict(audio=recording(0))
    with pytest.raises(InputError, match="at most image and audio, got 3 sources"):
        predictor.predict(picture(0), recording(0), picture(0))
    with pytest.raises(InputError, match="image is given twice"):
        predictor.predict(picture(0), image=picture(0))


@pytest.mark.parametrize("modality", ["image", "audio"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"], ids=["absent", "empty", "nonsense"])
def test_a_file_that_cannot_be_read_is_named(
    predictor: Predictor, tmp_path: Path, modality: str, content: bytes | None
):
    path = tmp_path / "file.dat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"file\.dat") as caught:
        predictor.predict(**{modality: path})
    assert "\n" not in str(caught.value)


def test_the_shape_is_plain_json(predictor: Predictor):
    shape = json.loads(json.dumps(predictor.predict(picture(0), recording(0)).to_dict()))
    names = {"scores", "used", "opinions", "agree", "known", "known_alone", "rejected", "segments"}
    names |= {"agreement", "label", "version"}
    assert set(shape) == names
    assert shape["label"] == shape["scores"][0]["label"]
    assert shape["used"] == ["image", "audio"]
    assert shape["agree"] is True
    for scores in (shape["scores"], *shape["opinions"].values()):
        assert all(set(score) == {"label", "score"} for score in scores)
        assert len(scores) == len(CLASSES)


# ----------------------------------------------------------------------------------------------- many at once


def lines(predictor: Predictor, data: Dataset, path: Path) -> list[dict[str, str]]:
    write_predictions(predictor, data, np.arange(len(data)), path)
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_every_row_is_a_line_that_says_what_predict_says(predictor: Predictor, tmp_path: Path):
    found = lines(predictor, DATA, tmp_path / "predictions.csv")
    assert [int(line["row_id"]) for line in found] == list(range(len(DATA)))
    names = ["row_id", "label", "score", "used", "agree", "image", "audio"]
    assert list(found[0]) == [*names, "known", "known_image", "known_audio"]
    for row in (0, 2, 3, 30, 50):
        given: dict[str, Any] = {}
        if DATA.pointers("image")[row] >= 0:
            given["image"] = picture(row)
        if DATA.pointers("audio")[row] >= 0:
            given["audio"] = recording(row)
        expected = predictor.predict(**given)
        line = found[row]
        assert line["label"] == expected.label
        assert float(line["score"]) == pytest.approx(expected.scores[0]["score"], abs=2e-4)
        assert line["used"] == "+".join(expected.used)
        assert line["agree"] == ("yes" if expected.agree else "no")
        opinions = {m: scores[0]["label"] for m, scores in expected.opinions.items()}
        assert {m: line[m] for m in ("image", "audio")} == {
            m: opinions.get(m, "") for m in ("image", "audio")
        }


def test_they_are_right(predictor: Predictor, tmp_path: Path):
    found = lines(predictor, DATA, tmp_path / "predictions.csv")
    right = [line["label"] == CLASSES[label] for line, label in zip(found, DATA.label, strict=True)]
    assert np.mean(right) > 0.8


def test_a_row_with_nothing_gets_the_likeliest_class_and_uses_nothing(predictor: Predictor, tmp_path: Path):
    rows = DATA.rows.copy()
    rows[1] = -1
    line = lines(predictor, DATA.replace(rows=rows), tmp_path / "predictions.csv")[1]
    assert (line["used"], line["image"], line["audio"]) == ("", "", "")
    assert float(line["score"]) == pytest.approx(1 / 3, abs=0.05)


def rows_of(shards: Iterable[Shard]) -> list[list[Any]]:
    """The values of all rows, row by row."""
    return [list(row) for shard in shards for row in zip(*(shard.block or ()), strict=True)]


def assert_alike(found: list[list[Any]], expected: list[list[Any]]) -> None:
    """The same, and numbers nearly so."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        assert [v for v in row if not isinstance(v, float)] == [v for v in other if not isinstance(v, float)]
        fractions = ([v for v in each if isinstance(v, float)] for each in (row, other))
        np.testing.assert_allclose(*fractions, atol=1e-5)


def test_shards_are_as_good_as_the_whole(predictor: Predictor, tmp_path: Path):
    """Also from a memory-mapped data set."""
    DATA.save(tmp_path / "data")
    mapped = Dataset.open(tmp_path / "data")
    rows = np.arange(len(DATA))[::-1]
    shards = list(predict_rows(predictor, mapped, rows, size=7))
    assert [shard.rows for shard in shards] == [7] * 10 + [2]
    assert_alike(rows_of(shards), rows_of(predict_rows(predictor, DATA, rows)))


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "made anew"])
def test_threads_and_what_is_kept_change_nothing(
    predictor: Predictor, kept: bool, monkeypatch: pytest.MonkeyPatch
):
    rows = np.tile(np.arange(len(DATA)), 3)
    expected = rows_of(predict_rows(predictor, DATA, rows))
    monkeypatch.setattr(encodings, "CACHE_BYTES", 10**6 if kept else 0)
    found = rows_of(predict_rows(predictor, DATA, rows, size=10, threads=2))
    assert_alike(found, expected)
    assert found == rows_of(predict_rows(predictor, DATA, rows, size=10))


def test_rows_are_asked_for_as_they_are_needed():
    """With two threads, three parts ahead of the one at hand at most: memory does not fill with results."""
    begun: list[int] = []
    results = parallel_map(lambda i: begun.append(i) or i * i, range(100), threads=2)
    assert [next(results) for _ in range(4)] == [0, 1, 4, 9]
    assert len(begun) <= 4 + 3
    assert list(results) == [i * i for i in range(4, 100)]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_goes_wrong_in_a_thread_is_said(threads: int):
    def call(part: int) -> int:
        if part == 3:
            raise InputError("the third part is broken")
        return part

    with pytest.raises(InputError, match="third part"):
        list(parallel_map(call, range(10), threads))


def test_a_modality_that_no_row_has_is_left_out(predictor: Predictor, tmp_path: Path):
    """Also where its table is empty."""
    rows = DATA.rows.copy()
    rows[:, 1] = -1
    empty = DATA.replace(
        rows=rows, contents={**DATA.contents, "audio": DATA.contents["audio"][:0]}, groups={}
    )
    found = lines(predictor, empty, tmp_path / "predictions.csv")
    assert {line["used"] for line in found} == {"image", ""}
    assert {line["audio"] for line in found} == {""}


def test_data_without_labels_are_predicted(predictor: Predictor, tmp_path: Path):
    unlabelled = DATA.replace(label=np.full_like(DATA.label, -1))
    assert lines(predictor, unlabelled, tmp_path / "a.csv") == lines(predictor, DATA, tmp_path / "b.csv")


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_data_of_one_modality_are_predicted_from_it(predictor: Predictor, tmp_path: Path, modality: str):
    found = lines(predictor, tiny_data(modalities=[modality]), tmp_path / "predictions.csv")
    assert {line["used"] for line in found} == {modality}
    assert list(found[0])[-2:] == [modality, "known"]


def test_an_existing_file_is_refused_unless_it_may_be_replaced(predictor: Predictor, tmp_path: Path):
    path = tmp_path / "predictions.csv"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_predictions(predictor, DATA, np.arange(3), path)
    assert path.read_text() == "mine"
    write_predictions(predictor, DATA, np.arange(3), path, overwrite=True)
    assert len(path.read_text().splitlines()) == 4


def test_a_prediction_that_fails_leaves_no_file(predictor: Predictor, tmp_path: Path):
    with pytest.raises(IndexError):
        write_predictions(predictor, DATA, np.array([0, 10_000]), tmp_path / "predictions.csv")
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------------------- what fits


def spec_of(
    image: ContentSpec = IMAGE, audio: ContentSpec = AUDIO, classes: tuple[str, ...] = CLASSES
) -> Spec:
    """A model's that may differ from that of the tiny data."""
    return Spec(classes, {"image": image, "audio": audio})


def test_the_data_it_was_trained_on_fit():
    check_fits(tiny_spec(), DATA)
    check_fits(tiny_spec(), tiny_data(modalities=["audio"]))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (spec_of(PictureSpec("ink", height=9, width=8)), "differ in image: height 9 and 8\\. "),
        (spec_of(PictureSpec("photo", channels=3)), "differ in image: channels 3 and 1"),
        (spec_of(audio=WaveformSpec(rate=8_000)), "differ in audio: rate 8000 and 4000"),
        (spec_of(audio=MatrixSpec(9, 7)), "differ in audio: kind matrix and waveform"),
        (spec_of(classes=("a", "b", "c")), "has the classes low, middle, high, the model a, b, c"),
        (spec_of(classes=CLASSES[::-1]), "the model high, middle, low"),
    ],
)
def test_other_contents_or_classes_do_not(spec: Spec, says: str):
    with pytest.raises(InputError, match=says):
        check_fits(spec, DATA)


def test_data_of_which_the_model_knows_nothing_do_not():
    with pytest.raises(InputError, match="tiny has audio, the model was trained on image only"):
        check_fits(tiny_spec(["image"]), tiny_data(modalities=["audio"]))


def test_what_the_model_does_not_know_is_left_unused(tmp_path: Path):
    spec = tiny_spec(["audio"])
    single = Predictor(build(tiny_model(), spec), spec)
    check_fits(spec, DATA)
    found = lines(single, DATA, tmp_path / "predictions.csv")
    assert list(found[0]) == ["row_id", "label", "score", "used", "agree", "audio", "known"]
    assert {line["used"] for line in found} == {"audio", ""}
    assert found == lines(single, tiny_data(missing=True).only("audio"), tmp_path / "only.csv")


def test_how_files_were_read_does_not_matter():
    check_fits(spec_of(PictureSpec(None, height=8, width=8)), DATA)


def test_what_a_model_brings_to_its_own_size_itself_does_not_matter():
    photo, clip = PictureSpec("photo", height=9, width=7), dataclasses.replace(AUDIO, seconds=3.0, high=900)
    check_fits(spec_of(photo, clip), DATA)


@pytest.mark.parametrize(("modality", "source"), [("image", 123), ("audio", 123), ("audio", [1, 2, 3])])
def test_what_cannot_be_a_picture_or_a_recording_is_said(modality: str, source: Any):
    predictor = Predictor(build(tiny_model(), tiny_spec()), tiny_spec())
    what = {"image": "picture", "audio": "recording"}[modality]
    with pytest.raises(InputError, match=f"expected a {what} as a path, bytes.* got {type(source).__name__}"):
        predictor.predict(**{modality: source})


def test_classes_do_not_matter_where_labels_do_not():
    check_fits(spec_of(classes=("a", "b")), DATA, labelled=False)


@pytest.mark.parametrize(
    "spec",
    [
        PictureSpec("photo", 3, 24, 16, max_side=30),
        PictureSpec("photo", 1, 16, 24, white=4_095.0),
        PictureSpec("ink", 1, 28, 28),
    ],
    ids=["small", "white", "ink"],
)
def test_rows_of_files_are_read_as_one_file_is(tmp_path: Path, spec: PictureSpec):
    """As the model's own were: grey pictures for a model of coloured ones, other shapes, other depths."""
    grey = np.add.outer(np.arange(40), 2 * np.arange(60)).astype(np.uint16)
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "0.png")
    Image.fromarray(grey * 20).save(tmp_path / "1.png")
    Image.fromarray(grey.astype(np.uint8)).convert("RGB").save(tmp_path / "2.jpg")
    files = sorted(tmp_path.iterdir())
    table = image_contents(files, reading_of(Spec(("a", "b"), {"image": spec})), "here")
    assert table.spec == spec
    for file, pointer in zip(files, table.pointers, strict=True):
        np.testing.assert_array_equal(table.contents[pointer], as_content(read_image(file, spec)))


def test_rows_of_files_are_not_guessed_into_ready_made_features(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / "in").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "in" / f"{name}.wav", 0.1 * np.sin(np.arange(8_000)), 8_000)
    spec = Spec(("a", "b"), {"audio": MatrixSpec(39, 13)})
    data = open_data(tmp_path / "in", reading_of(spec))
    deaf = Predictor(build(ModelConfig(), spec), spec)
    with pytest.raises(InputError, match="differ in audio: kind matrix and waveform"):
        write_predictions(deaf, data, np.arange(2), tmp_path / "predictions.csv")
    assert not (tmp_path / "predictions.csv").exists()


def test_photos_and_recordings_of_any_size_are_predicted_as_one_file_is(tmp_path: Path):
    """For a model of photos and clips; a folder of them makes ragged tables. No recording is so long that a
    file would be heard in windows."""
    random = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for i, size in enumerate([(40, 60), (60, 40), (9, 9), (8, 8), (300, 20)]):
        pixels = random.integers(0, 256, size, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{i}.png")
        sound = random.normal(0, 0.1, 600 * (i + 1)).astype(np.float32)
        soundfile.write(tmp_path / "in" / f"{i}.wav", sound, 8_000)
    predictor = Predictor(build(tiny_model(), tiny_spec(), seed=1), tiny_spec())
    for modality, ending in (("image", "png"), ("audio", "wav")):
        paths = sorted((tmp_path / "in").glob(f"*.{ending}"))
        reader = image_contents if modality == "image" else audio_contents
        found = reader(paths, reading_of(predictor.spec), "here")
        assert isinstance(found.contents, Ragged)
        data = Dataset(
            predictor.spec.only((modality,)),
            {modality: found.contents},
            found.pointers[:, None],
            np.full(len(paths), -1),
            np.full(len(paths), -1, np.int8),
        )
        for path, line in zip(paths, lines(predictor, data, tmp_path / f"{modality}.csv"), strict=True):
            expected = predictor.predict(**{modality: path})
            assert line["label"] == expected.label
            assert float(line["score"]) == pytest.approx(expected.scores[0]["score"], abs=1e-4)
