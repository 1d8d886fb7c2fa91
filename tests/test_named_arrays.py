"""Arrays are known by the names that people give them; waveforms need a rate, colours may have opacity."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seesay.data.dataset import Dataset
from seesay.errors import InputError
from seesay.formats.arrays import image_table
from seesay.formats.media import Reading
from seesay.formats.named_arrays import kind_of
from seesay.formats.open import import_data, open_data
from seesay.signal.image import read_image
from seesay.spec import PictureSpec, Spec, VectorSpec, WaveformSpec
from test_open import array_of, drawn, labels, npz, seen

TRAIN, TEST = drawn(20, 0), drawn(10, 1)


def npy(folder: Path, **arrays: Any) -> Path:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


@pytest.mark.parametrize(
    "put", [lambda path, **a: npz(path.with_suffix(".npz"), **a), npy], ids=["npz", "npy"]
)
@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "y_train", "X_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("images_train", "targets_train", "images_test", "targets_test"),
    ],
)
def test_a_split_may_stand_in_the_names(tmp_path: Path, put: Any, names: tuple[str, ...]):
    arrays = dict(zip(names, (TRAIN, labels(20), TEST, labels(10)[:, None]), strict=True))
    data = open_data(put(tmp_path / "mnist", **arrays))
    assert (seen(data, "image", "train")[:, 0] == TRAIN).all()
    assert (seen(data, "image", "test")[:, 0] == TEST).all()
    assert data.label.tolist() == [*labels(20), *labels(10)]
    assert data.spec["image"] == PictureSpec("ink")


@pytest.mark.parametrize("names", [("images", "labels"), ("X", "y"), ("data", "target"), ("image", "label")])
def test_other_names_mean_the_same(tmp_path: Path, names: tuple[str, str]):
    data = open_data(npz(tmp_path / "a.npz", **dict(zip(names, (TRAIN, labels(20)), strict=True))))
    assert (data.contents["image"][data.pointers("image")][:, 0] == TRAIN).all()
    assert set(data.split) == {-1}


def test_arrays_of_other_names_do_not_name_the_data_set(tmp_path: Path):
    vectors = np.random.default_rng(0).normal(size=(20, 5))
    data = open_data(npz(tmp_path / "a.npz", image=TRAIN, clip=vectors, label=labels(20)))
    assert (data.name, data.modalities) == ("a", ("image", "clip"))


def test_names_that_say_nothing():
    assert [kind_of(name) for name in ("x_train_wr", "embedding", "train", "y-val")] == [
        None,
        None,
        None,
        ("label", "valid"),
    ]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": TRAIN, "y_test": labels(10)}, "do not match each other"),
        ({"x_train": TRAIN, "y_train": labels(20), "y_val": labels(9)}, "do not match each other"),
        (
            {"x_train": TRAIN, "x_val": TEST, "y_train": labels(20)},
            "has x_val and no labels for it, only y_train",
        ),
        ({"x": TRAIN, "image": TRAIN, "y": labels(20)}, "has x and image: which one"),
        ({"image": TRAIN, "images": TRAIN, "y": labels(20)}, "has image and images: which one"),
        ({"x_train": TRAIN, "y_train": np.eye(10)[labels(20)]}, "y_train must be a single column"),
        ({"x_train": TRAIN, "y_train": labels(19)}, "number of rows: 20 in x_train, 19 in y_train"),
        ({"x_train": TRAIN, "x_test": TEST, "labels": labels(20)}, "30 rows need as many labels, got 20"),
        ({"a": TRAIN, "b": labels(20)}, "contains a, b, and no labels"),
        ({"audio": np.zeros((9, 8_000)), "label": labels(9)}, "add an array `rate`"),
        ({"audio": np.zeros((9, 8_000)), "label": labels(9), "rate": [8_000, 1]}, "or one per row"),
        ({"audio": np.zeros((9, 8, 8)), "label": labels(9), "rate": 8_000}, "expected waveforms as"),
        ({"audio": np.zeros((9, 8_000)), "label": labels(9), "rate": 8_000}, "9 of 9 files cannot be read"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, arrays: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        open_data(npz(tmp_path / "a.npz", **arrays))


def test_test_rows_may_have_no_labels_and_unused_arrays_are_named(tmp_path: Path):
    data = open_data(npz(tmp_path / "a.npz", x_train=TRAIN, y_train=labels(20), x_test=TEST, weights=[1]))
    assert set(data.label[data.rows_of("test")]) == {-1}
    assert data.notes == ("Arrays that are not used: weights.",)


# -------------------------------------------------------------------------------------------------- waveforms


def tones(kind: str) -> np.ndarray:
    waves = np.sin(2 * np.pi * (300 + 50 * np.arange(8))[:, None] * np.arange(8_000) / 8_000) / 2
    return (waves * 32_767).astype(np.int16) if kind == "int16" else waves.astype(kind)


@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
@pytest.mark.parametrize("name", ["audio", "x"])
@pytest.mark.parametrize("rate", [8_000, [8_000.0] * 8])
def test_waveforms_with_a_rate_are_recordings(tmp_path: Path, kind: str, name: str, rate: Any):
    path = npz(tmp_path / "a.npz", **{name: tones(kind)}, label=np.arange(8) % 2, rate=rate)
    assert open_data(path).spec["audio"] == WaveformSpec(8_000, 1.0, high=4_000)
    data = import_data(path, tmp_path / "out")
    heard = array_of(data.contents["audio"])
    assert heard.dtype == np.int16
    assert np.abs(np.fft.rfft(heard)).argmax(1).tolist() == [300 + 50 * i for i in range(8)]


def test_channels_are_averaged(tmp_path: Path):
    stereo = np.stack([tones("float32"), np.zeros((8, 8_000), np.float32)], axis=2)
    data = open_data(npz(tmp_path / "a.npz", audio=stereo, label=np.arange(8) % 2, rate=8_000))
    assert 8_000 < np.abs(array_of(data.contents["audio"])).max() < 8_300


# --------------------------------------------------------------------------------------------------- pictures

RGBA = np.random.default_rng(0).integers(0, 256, (6, 8, 9, 4), np.uint8)


@pytest.mark.parametrize("divide", [1, 255])
@pytest.mark.parametrize("first", [False, True])
def test_opacity_is_dropped_where_all_is_opaque_else_put_on_white(divide: int, first: bool):
    opaque, clear = RGBA.copy(), RGBA.copy()
    opaque[..., 3], clear[..., 3] = 255, 0

    def read(pictures: np.ndarray) -> Any:
        pictures = np.moveaxis(pictures, -1, 1) if first else pictures
        return image_table({"a": pictures if divide == 1 else pictures / divide})

    table = read(opaque)
    assert table.spec == PictureSpec(None, 3, 8, 9)
    assert (table.contents == np.moveaxis(RGBA[..., :3], -1, 1)).all()
    assert "opacity dropped" in table.summary
    assert (read(clear).contents == 255).all()
    assert "put on white" in read(clear).summary


def test_half_opaque_black_is_grey():
    half = np.zeros((2, 8, 8, 4), np.uint8)
    half[..., 3] = 51
    assert set(np.unique(array_of(image_table({"a": half}).contents))) == {204}


STANDARD = np.random.default_rng(1).normal(size=(10, 8, 8)).astype(np.float32)


def test_standardised_pictures_are_kept_as_they_are_and_said(tmp_path: Path):
    data = import_data(npz(tmp_path / "a.npz", image=STANDARD, label=labels(10) % 2), tmp_path / "out")
    spec = PictureSpec(None, 1, 8, 8, standardised=True)
    assert data.spec["image"] == spec
    assert (data.contents["image"][:, 0] == STANDARD).all()
    assert "standardised" in data.notes[0]
    assert (read_image(STANDARD[:1], spec) == STANDARD[:1]).all()
    for source in (STANDARD[:1] * np.inf, (STANDARD[:1] * 9).astype(np.int16)):
        with pytest.raises(InputError, match="must be floats around 0"):
            read_image(source, spec)
    with pytest.raises(InputError, match="standardised floats, around 0"):
        read_image(b"\x89PNG", spec)
    assert Dataset.open(tmp_path / "out").spec == data.spec


@pytest.mark.parametrize(
    "array",
    [STANDARD - 5, (STANDARD * 40).astype(np.int16), -np.abs(STANDARD), np.full((10, 8, 8), -1.0)],
    ids=["mean", "integers", "below 0", "constant"],
)
def test_other_negative_pictures_are_refused(array: np.ndarray):
    with pytest.raises(InputError, match="must lie in 0 to 1 or in 0 to 255"):
        image_table({"a": array})


# ----------------------------------------------------------------------------------------------- NaN: missing


def test_a_row_of_nan_is_missing(tmp_path: Path):
    vectors = np.arange(60, dtype=np.float32).reshape(10, 6)
    pictures = np.random.default_rng(0).random((10, 8, 8)).astype(np.float32)
    vectors[[2, 5]] = pictures[[0, 5]] = np.nan
    np.savez(tmp_path / "a.npz", touch=vectors, image=pictures, label=np.arange(10) % 2)
    data = open_data(tmp_path / "a.npz")
    assert np.flatnonzero(data.pointers("touch") < 0).tolist() == [2, 5]
    assert np.flatnonzero(data.pointers("image") < 0).tolist() == [0, 5]
    assert len(data.contents["touch"]) == 8
    np.testing.assert_array_equal(data.contents["touch"][data.pointers("touch")[7]], vectors[7])
    assert any("2 rows of NaN are missing" in source for source in data.sources)


@pytest.mark.parametrize("rows", [slice(0, 1), slice(None)], ids=["part of a row", "every row"])
def test_other_nan_is_refused(rows: slice, tmp_path: Path):
    vectors = np.ones((10, 6), np.float32)
    vectors[rows, : 3 if rows.stop else 6] = np.nan
    np.savez(tmp_path / "a.npz", touch=vectors, label=np.arange(10) % 2)
    with pytest.raises(InputError, match=r"row 1 holds NaN|every row is NaN"):
        open_data(tmp_path / "a.npz")


def test_vectors_without_labels_are_read_as_the_model_names_them(tmp_path: Path):
    """To be predicted; a test split may lack labels in training, too."""
    random = np.random.default_rng(0)
    arrays = {name: random.normal(size=(5, 4)).astype(np.float32) for name in ("face", "voice", "other")}
    np.savez(tmp_path / "new.npz", **arrays)
    spec = Spec(("a", "b"), {"face": VectorSpec(4), "voice": VectorSpec(4)})
    data = open_data(tmp_path / "new.npz", Reading(spec=spec, labelled=False))
    assert (data.modalities, len(data), set(data.label.tolist())) == (("face", "voice"), 5, {-1})
    with pytest.raises(InputError, match=r"contains face, voice, other, and no labels. Add an array label"):
        open_data(tmp_path / "new.npz")
    train = {"face_train": arrays["face"], "label_train": np.array(list("ababa"))}
    np.savez(tmp_path / "split.npz", face_test=arrays["voice"], **train)
    assert open_data(tmp_path / "split.npz").label.tolist() == [0, 1, 0, 1, 0, -1, -1, -1, -1, -1]
