"""Ready-made arrays in the layouts people have: told apart, said, stored once, refused in one line."""

import errno
import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seesay.config import Config
from seesay.data.dataset import SPLITS, Dataset
from seesay.data.ragged import ContentTable
from seesay.errors import InputError, OutputError
from seesay.files import read_array
from seesay.formats import open as layouts
from seesay.formats.arrays import audio_table, image_table
from seesay.formats.open import import_data, open_data
from seesay.learn.fit import fresh
from seesay.signal.front_ends import Normaliser
from seesay.spec import MatrixSpec, PictureSpec

TRAIN, TEST = 40, 10  # rows


def array_of(table: ContentTable) -> np.ndarray:
    """A table of contents of one size."""
    assert isinstance(table, np.ndarray)
    return table


def drawn(rows: int, seed: int) -> np.ndarray:
    """(rows, 28, 28) uint8 with a dark border, as MNIST; all different."""
    pictures = np.zeros((rows, 28, 28), np.uint8)
    pictures[:, 4:24, 4:24] = np.random.default_rng(seed).integers(0, 256, (rows, 20, 20))
    return pictures


def spoken(rows: int, seed: int) -> np.ndarray:
    """(rows, 39, 13) float64, every second one a repetition of the one before."""
    half = np.random.default_rng(seed).normal(size=((rows + 1) // 2, 39, 13))
    return half.repeat(2, axis=0)[:rows]


def labels(rows: int) -> np.ndarray:
    return np.arange(rows) % 10


def kaggle(folder: Path) -> Path:
    """As the course hands it out: float64, training pictures flat, test pictures square, no test labels."""
    folder.mkdir()
    np.save(folder / "x_train_wr.npy", drawn(TRAIN, 0).reshape(TRAIN, -1) / 255)
    np.save(folder / "x_train_sp.npy", spoken(TRAIN, 1).reshape(TRAIN, -1))
    np.save(folder / "x_test_wr.npy", drawn(TEST, 2) / 255)
    np.save(folder / "x_test_sp.npy", spoken(TEST, 3).reshape(TEST, -1))
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(labels(TRAIN)))
    (folder / "y_train.csv").write_text("row_id,label\n" + rows)
    return folder


def zenodo(folder: Path) -> Path:
    folder.mkdir()
    for split, rows, seed in (("train", TRAIN, 0), ("test", TEST, 2)):
        np.save(folder / f"data_wr_{split}.npy", drawn(rows, seed).reshape(rows, -1))
        np.save(folder / f"data_sp_{split}.npy", spoken(rows, seed + 1).reshape(rows, -1))
        np.save(folder / f"labels_{split}.npy", labels(rows).astype(float))
    return folder


def idx_bytes(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def mnist(folder: Path, gzipped: bool = False) -> Path:
    folder.mkdir()
    for part, rows, seed in (("train", TRAIN, 0), ("t10k", TEST, 2)):
        for kind, array in (("images-idx3", drawn(rows, seed)), ("labels-idx1", labels(rows))):
            content = idx_bytes(array)
            name = f"{part}-{kind}-ubyte"
            if gzipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return folder


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def seen(data: Dataset, modality: str, split: str) -> np.ndarray:
    """The contents of a split's rows, row by row."""
    return data.contents[modality][data.pointers(modality)[data.rows_of(split)]]


# ------------------------------------------------------------------------------------- the database's layouts


def test_kaggle_is_read_row_by_row(tmp_path: Path):
    data = open_data(kaggle(tmp_path / "kaggle"))
    assert (data.name, data.pairing, data.modalities) == ("kaggle", "drawn within class", ("image", "audio"))
    assert (seen(data, "image", "train")[:, 0] == drawn(TRAIN, 0)).all()
    assert (seen(data, "image", "test")[:, 0] == drawn(TEST, 2)).all()
    assert (seen(data, "audio", "train") == spoken(TRAIN, 1).astype(np.float32)).all()
    assert (seen(data, "audio", "test") == spoken(TEST, 3).astype(np.float32)).all()
    assert data.label[data.rows_of("train")].tolist() == labels(TRAIN).tolist()
    assert set(data.label[data.rows_of("test")]) == {-1}
    assert data.spec.classes == tuple("0123456789")


def test_zenodo_is_read_row_by_row(tmp_path: Path):
    data = open_data(str(zenodo(tmp_path / "zenodo")))
    assert (seen(data, "image", "train")[:, 0] == drawn(TRAIN, 0)).all()
    assert (seen(data, "audio", "test") == spoken(TEST, 3).astype(np.float32)).all()
    assert data.label.tolist() == [*labels(TRAIN), *labels(TEST)]
    assert data.pairing == "drawn within class"


def test_what_was_found_is_said(tmp_path: Path):
    data = open_data(kaggle(tmp_path / "kaggle"))
    said = " | ".join(data.sources)
    assert "image: (40, 784) float64 and (10, 28, 28) float64 in 0 to 1, read as 28x28 uint8 (exact)" in said
    assert "audio: (40, 507) float64 and (10, 507) float64, read as ready-made features of 39 frames" in said
    assert "25 distinct" in said
    assert "10.5281/zenodo.4452953" in said


def test_a_repeated_recording_is_stored_once(tmp_path: Path):
    data = open_data(zenodo(tmp_path / "zenodo"))
    assert len(data.contents["audio"]) == (TRAIN + TEST) // 2
    assert data.pointers("audio")[:4].tolist() == [0, 0, 1, 1]


def test_a_content_on_both_sides_is_one_content(tmp_path: Path):
    folder = zenodo(tmp_path / "zenodo")
    np.save(folder / "data_wr_test.npy", drawn(TRAIN, 0)[:TEST].reshape(TEST, -1))
    data = open_data(folder)
    assert data.pointers("image")[data.rows_of("test")].tolist() == list(range(TEST))


def test_what_it_holds_is_what_is_known_of_it(tmp_path: Path):
    spec = open_data(zenodo(tmp_path / "zenodo")).spec
    assert spec.contents == {"image": PictureSpec("ink", 1, 28, 28), "audio": MatrixSpec(39, 13)}


def test_kaggle_labels_go_by_row_id_and_not_by_line(tmp_path: Path):
    folder = kaggle(tmp_path / "kaggle")
    heading, *lines = (folder / "y_train.csv").read_text().splitlines()
    (folder / "y_train.csv").write_text("\r\n".join([heading, *reversed(lines)]))
    data = open_data(folder)
    assert data.label[:TRAIN].tolist() == labels(TRAIN).tolist()


@pytest.mark.parametrize("layout", [kaggle, zenodo])
def test_the_test_files_may_be_absent(tmp_path: Path, layout: Callable[[Path], Path]):
    folder = layout(tmp_path / "data")
    for path in folder.glob("*test*"):
        path.unlink()
    data = open_data(folder)
    assert len(data) == TRAIN
    assert set(data.split) == {SPLITS.index("train")}


# --------------------------------------------------------------------------------------- telling arrays apart

SQUARE = drawn(6, 5)
COLOURED = np.random.default_rng(6).integers(0, 256, (6, 3, 8, 9), np.uint8)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(SQUARE.reshape(6, 784), SQUARE[:, None], id="flat"),
        pytest.param(SQUARE, SQUARE[:, None], id="square"),
        pytest.param(SQUARE[:, None], SQUARE[:, None], id="channel first"),
        pytest.param(SQUARE[..., None], SQUARE[:, None], id="channel last"),
        pytest.param(COLOURED, COLOURED, id="RGB first"),
        pytest.param(COLOURED.transpose(0, 2, 3, 1), COLOURED, id="RGB last"),
        pytest.param(np.asfortranarray(SQUARE), SQUARE[:, None], id="Fortran order"),
        pytest.param(SQUARE / 255, SQUARE[:, None], id="float64 to 1"),
        pytest.param((SQUARE / 255).astype(np.float32), SQUARE[:, None], id="float32 to 1"),
        pytest.param(SQUARE.astype(np.float64), SQUARE[:, None], id="float64 to 255"),
        pytest.param(SQUARE.astype(np.int64), SQUARE[:, None], id="int64 to 255"),
        pytest.param(SQUARE // 128, SQUARE[:, None] // 128 * 255, id="uint8 to 1"),
        pytest.param(SQUARE > 127, SQUARE[:, None] // 128 * 255, id="bool"),
    ],
)
def test_pictures_of_any_form_become_the_same_bytes(array: np.ndarray, expected: np.ndarray):
    table = image_table({"a": array})
    assert table.contents.dtype == np.uint8
    assert table.spec.shape == expected.shape[1:]
    assert (table.contents[table.pointers] == expected).all()


@pytest.mark.parametrize("top", [1, 255])
def test_pictures_between_the_255ths_are_kept_as_halves(top: int):
    array = np.random.default_rng(0).random((5, 28, 28)) * top
    array.flat[0] = top
    table = image_table({"a": array})
    assert table.contents.dtype == np.float16
    assert np.abs(table.contents[:, 0] - array / top).max() < 1e-3
    assert f"in 0 to {top}, read as 28x28 float16 (rounded)" in table.summary


def test_train_and_test_are_scaled_alike():
    """A test split of dark pictures is still in 0 to 255."""
    table = image_table({"train": SQUARE.astype(float), "test": (SQUARE > 99).astype(float)})
    assert table.contents[table.pointers][6:].max() == 1


def test_pictures_that_look_like_mnist_are_ink():
    assert image_table({"a": SQUARE}).spec == PictureSpec("ink")
    for other in (255 - SQUARE, np.zeros((3, 28, 28), np.uint8)):
        assert image_table({"a": other}).spec == PictureSpec(None)
    assert image_table({"a": COLOURED}).spec == PictureSpec(None, 3, 8, 9)
    assert "as ink, like MNIST" in image_table({"a": SQUARE}).summary


def test_features_are_halves_only_where_no_value_changes():
    exact = np.random.default_rng(0).integers(-9, 9, (4, 39, 13)) / 4
    assert audio_table({"a": exact}).contents.dtype == np.float16
    other = array_of(audio_table({"a": exact + 0.001, "b": exact}).contents)
    assert other.dtype == np.float32
    assert (other == np.concatenate([exact + 0.001, exact]).astype(np.float32)).all()


def test_flat_features_are_frame_after_frame():
    table = array_of(audio_table({"a": np.arange(2 * 507).reshape(2, 507)}).contents)
    assert table[0, 0].tolist() == list(range(13))
    assert table.shape == (2, 39, 13)


def test_a_large_array_never_stands_whole_in_memory_as_float64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seesay.formats.arrays.CHUNK", 256)
    np.save(tmp_path / "a.npy", np.zeros((4_000, 784)))
    mapped = read_array(tmp_path / "a.npy")
    tracemalloc.start()
    image_table({"a": mapped})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < mapped.nbytes / 2


def test_large_arrays_are_converted_in_chunks_to_the_same(monkeypatch: pytest.MonkeyPatch):
    pictures, features = SQUARE / 255, spoken(6, 0)
    whole = image_table({"a": pictures}).contents, audio_table({"a": features}).contents
    monkeypatch.setattr("seesay.formats.arrays.CHUNK", 4)
    assert (array_of(image_table({"a": pictures}).contents) == array_of(whole[0])).all()
    assert (array_of(audio_table({"a": features}).contents) == array_of(whole[1])).all()


# --------------------------------------------------------------------------------------------------- npz, idx


def test_npz_with_everything(tmp_path: Path):
    path = npz(
        tmp_path / "pairs.npz",
        image=SQUARE,
        audio=spoken(6, 0)[:, :5, :4],
        label=np.array([0, 1, 0, 1, 0, 1]),
        split=np.array(["train", "val", "test", "validation", "dev", ""]),
        speaker=np.array(["ann", "ann", "bob", "bob", "", ""]),
        classes=np.array(["no", "yes"]),
    )
    data = open_data(path)
    assert data.spec.classes == ("no", "yes")
    assert data.label.tolist() == [0, 1, 0, 1, 0, 1]
    assert data.split.tolist() == [0, 1, 2, 1, 1, -1]
    assert data.spec["audio"].shape == (5, 4)
    assert (data.name, data.pairing) == ("pairs", "given")
    group = data.groups["audio"]["speaker"]
    who = [group.names[i] if i >= 0 else None for i in group.ids[data.pointers("audio")]]
    assert who == ["ann", "ann", "bob", "bob", None, None]


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_npz_with_one_modality(tmp_path: Path, modality: str):
    array = {"image": SQUARE, "audio": spoken(6, 0)}[modality]
    data = open_data(npz(tmp_path / "a.npz", **{modality: array}, label=np.array(list("ababab"))))
    assert data.modalities == (modality,)
    assert data.spec.classes == ("a", "b")
    assert set(data.split) == {-1}


def test_speakers_of_pictures_alone_group_the_pictures(tmp_path: Path):
    """Who wrote is as good as who spoke: it must not be lost."""
    who = np.array([1, 1, 2, 2, 3, 3])
    data = open_data(npz(tmp_path / "a.npz", image=SQUARE, label=who % 2, speaker=who))
    assert data.groups["image"]["speaker"].names == ("1", "2", "3")


def test_minus_one_is_unknown_in_the_test_split_and_else_a_class(tmp_path: Path):
    label = np.array([0, 0, 1, 1, -1, -1])
    split = np.array([0, 0, 0, 0, 2, 2])
    tested = open_data(npz(tmp_path / "a.npz", image=SQUARE, label=label, split=split))
    assert tested.spec.classes == ("0", "1")
    assert tested.label.tolist() == label.tolist()
    for splits in ({}, {"split": split[::-1]}):
        mood = open_data(npz(tmp_path / "b.npz", image=SQUARE, label=label, **splits))
        assert mood.spec.classes == ("-1", "0", "1")


@pytest.mark.parametrize(
    ("given", "classes", "indices"),
    [
        pytest.param([10, 9, 10, 9, 2, 2], ("2", "9", "10"), [2, 1, 2, 1, 0, 0], id="numbers"),
        pytest.param([1.0, 2.0] * 3, ("1", "2"), [0, 1] * 3, id="floats"),
        pytest.param(["07", "7", "10", "07", "7", "10"], ("07", "7", "10"), [0, 1, 2] * 2, id="text"),
        pytest.param(["1e3", "2e1", "10"] * 2, ("10", "1e3", "2e1"), [1, 2, 0] * 2, id="as written"),
        pytest.param(["٣", "١٢"] * 3, ("٣", "١٢"), [0, 1] * 3, id="Arabic-Indic digits"),
        pytest.param(["b", "a"] * 3, ("a", "b"), [1, 0] * 3, id="names"),
        pytest.param([b"b", b"a"] * 3, ("a", "b"), [1, 0] * 3, id="bytes"),
        pytest.param(["7", "x"] * 3, ("7", "x"), [0, 1] * 3, id="both"),
        pytest.param([True, False] * 3, ("0", "1"), [1, 0] * 3, id="bool"),
    ],
)
def test_labels_are_whole_numbers_or_names(
    tmp_path: Path, given: list, classes: tuple[str, ...], indices: list[int]
):
    data = open_data(npz(tmp_path / "a.npz", image=SQUARE, label=np.array(given)))
    assert data.spec.classes == classes
    assert data.label.tolist() == indices


@pytest.mark.parametrize("gzipped", [False, True])
def test_mnist_is_read_as_it_is_published(tmp_path: Path, gzipped: bool):
    data = open_data(mnist(tmp_path / "mnist", gzipped))
    assert data.modalities == ("image",)
    assert (seen(data, "image", "train")[:, 0] == drawn(TRAIN, 0)).all()
    assert (seen(data, "image", "test")[:, 0] == drawn(TEST, 2)).all()
    assert data.label.tolist() == [*labels(TRAIN), *labels(TEST)]
    assert data.spec["image"] == PictureSpec("ink", 1, 28, 28)


def test_the_real_mnist_is_exact_and_all_different(shared_data: Path):
    data = open_data(shared_data / "mnist")
    assert (len(data.rows_of("train")), len(data.rows_of("test"))) == (60_000, 10_000)
    assert data.contents["image"].dtype == np.uint8
    assert np.bincount(data.label[data.rows_of("test")]).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]


# ------------------------------------------------------------------------------------------- names, importing


def test_our_own_folder_is_mapped(tmp_path: Path):
    import_data(zenodo(tmp_path / "zenodo"), tmp_path / "ours")
    data = open_data(tmp_path / "ours")
    assert isinstance(data.contents["image"], np.memmap)
    assert data.name == "zenodo"


def test_imported_is_what_was_read_and_a_model_is_normalised_by_its_training_rows(tmp_path: Path):
    read = open_data(kaggle(tmp_path / "kaggle"))
    there = import_data(tmp_path / "kaggle", tmp_path / "ours")
    assert (there.label == read.label).all()
    assert (there.rows == read.rows).all()
    for modality in ("image", "audio"):
        assert (array_of(there.contents[modality]) == array_of(read.contents[modality])).all()
    heard = np.unique(read.pointers("audio")[read.rows_of("train")])
    columns = read.contents["audio"][heard].reshape(-1, 13)
    front_end = fresh(Config(), there, there.rows_of("train")).front_ends["audio"]
    normaliser = front_end.get_submodule("normaliser")
    assert isinstance(normaliser, Normaliser)
    np.testing.assert_allclose(normaliser.mean, columns.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(normaliser.scale, columns.std(axis=0), rtol=1e-3)


def test_an_existing_output_is_refused_before_anything_is_read(tmp_path: Path):
    import_data(zenodo(tmp_path / "zenodo"), tmp_path / "ours")
    with pytest.raises(OutputError, match="exists already"):
        import_data(tmp_path / "nowhere", tmp_path / "ours")
    import_data(kaggle(tmp_path / "kaggle"), tmp_path / "ours", overwrite=True)
    assert open_data(tmp_path / "ours").name == "kaggle"


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = zenodo(tmp_path / "zenodo")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        import_data(folder, tmp_path / "ours")
    assert [path.name for path in tmp_path.iterdir()] == ["zenodo"]


def test_a_bad_source_leaves_the_output_as_it_was(tmp_path: Path):
    import_data(zenodo(tmp_path / "zenodo"), tmp_path / "ours")
    with pytest.raises(InputError):
        import_data(tmp_path / "nowhere", tmp_path / "ours", overwrite=True)
    assert open_data(tmp_path / "ours").name == "zenodo"


def test_wsd_is_the_downloaded_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seesay.formats.download.wsd", lambda: zenodo(tmp_path / "cache"))
    assert open_data("wsd").name == "wsd"


def test_a_path_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    zenodo(tmp_path / "digits")
    assert open_data("digits").modalities == ("image", "audio")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", "No such file or data set: 'digit'. Did you mean 'digits'"),
        ("wds", "Did you mean 'wsd'"),
        ("zenod", "Did you mean 'zenodo'"),
        ("qqqqqq", r"No such file or data set: 'qqqqqq'. Give a path, or one of the names digits and wsd"),
        ("empty", "empty holds no data set, no picture and no recording. Expected"),
        ("notes.txt", r"notes\.txt is not a data set. Expected"),
    ],
)
def test_what_is_not_understood_says_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
):
    monkeypatch.chdir(tmp_path)
    zenodo(tmp_path / "zenodo")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=message):
        open_data(source)


# -------------------------------------------------------------------------------------------------- bad input


def put(name: str, array: np.ndarray, pickled: bool = False) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, array, allow_pickle=pickled)


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def cut(name: str, to: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:to])


def drop(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def spoilt(value: float) -> np.ndarray:
    features = spoken(TRAIN, 1)
    features[6, 3, 2] = value
    return features


LABELLED = "row_id,label\n" + "".join(f"{i},{i % 10}\n" for i in range(TRAIN))

BAD: list[tuple[str, Callable[[Path], object], str]] = [
    ("no labels", drop("y_train.csv"), r"y_train\.csv does not exist"),
    ("no recordings", drop("x_train_sp.npy"), r"x_train_sp\.npy does not exist"),
    ("no test recordings", drop("x_test_sp.npy"), r"x_test_sp\.npy does not exist"),
    ("empty array", cut("x_train_wr.npy", 0), r"x_train_wr\.npy is empty"),
    ("truncated array", cut("x_train_wr.npy", 5_000), r"x_train_wr\.npy .* may be truncated"),
    ("pickled array", put("x_train_wr.npy", np.array([{}]), True), r"x_train_wr\.npy holds pickled objects"),
    ("columns of pictures", put("x_train_wr.npy", np.zeros((TRAIN, 700))), r"x_train_wr\.npy: expected pic"),
    ("columns of features", put("x_train_sp.npy", np.zeros((TRAIN, 506))), r"x_train_sp\.npy: expected fea"),
    (
        "rows of pictures",
        put("x_train_wr.npy", np.zeros((3, 784))),
        r"3 in x_train_wr\.npy, 40 in x_train_sp",
    ),
    ("rows of labels", write("y_train.csv", "row_id,label\n0,1\n1,1\n"), "40 in .*, 2 in labels"),
    ("a single number", put("x_train_wr.npy", np.array(3.0)), "differ in their number of rows"),
    ("no rows", put("x_test_wr.npy", np.zeros((0, 784))), "0 in x_test_wr"),
    (
        "other test pictures",
        put("x_test_wr.npy", np.zeros((TEST, 32, 32))),
        r"x_test_wr\.npy holds \(1, 32, 32\)",
    ),
    (
        "other test features",
        put("x_test_sp.npy", np.zeros((TEST, 40, 13))),
        r"x_test_sp\.npy holds \(40, 13\)",
    ),
    ("text", put("x_train_wr.npy", np.full((TRAIN, 784), "a")), "expected numbers, got <U1"),
    ("complex", put("x_train_sp.npy", np.zeros((TRAIN, 507), complex)), "expected numbers, got complex128"),
    ("NaN in features", put("x_train_sp.npy", spoilt(np.nan)), r"x_train_sp\.npy: row 7 holds NaN or an inf"),
    ("infinity in features", put("x_train_sp.npy", spoilt(-np.inf)), r"x_train_sp\.npy: row 7 holds NaN"),
    ("beyond float32", put("x_train_sp.npy", spoilt(1e300)), r"x_train_sp\.npy: row 7 holds NaN or an inf"),
    (
        "NaN in pictures",
        put("x_test_wr.npy", np.full((TEST, 784), np.nan)),
        r"x_test_wr\.npy: row 1 holds NaN",
    ),
    (
        "negative pictures",
        put("x_test_wr.npy", np.full((TEST, 784), -1.0)),
        "0 to 1 or in 0 to 255, got -1 to 1",
    ),
    ("16-bit pictures", put("x_test_wr.npy", np.full((TEST, 784), 65_535)), "0 to 255, got 0 to 65535"),
    (
        "a fraction as label",
        write("y_train.csv", LABELLED.replace("3,3", "3,3.5", 1)),
        r"these have one: '3\.5' \(row 4\)",
    ),
    (
        "NaN as label",
        write("y_train.csv", LABELLED.replace("3,3", "3,nan")),
        "row 4 is 'nan', which programs write for a missing value",
    ),
    (
        "no label",
        write("y_train.csv", LABELLED.replace("3,3", "3,")),
        "4 rows have no label: row 4, row 14, row 24, row 34",
    ),
    (
        "a class of one row",
        write("y_train.csv", LABELLED.replace("3,3\n", "3,cat\n", 1)),
        r"these have one: 'cat' \(",
    ),
    (
        "one class",
        write("y_train.csv", "row_id,label\n" + "".join(f"{i},1\n" for i in range(TRAIN))),
        "has 1 class",
    ),
    ("no column", write("y_train.csv", LABELLED.replace("label", "lable")), "no column 'label'.*'lable'"),
    (
        "row_id twice",
        write("y_train.csv", LABELLED.replace("3,3\n", "4,3\n", 1)),
        "row_id must hold each number once",
    ),
    (
        "row_id a name",
        write("y_train.csv", LABELLED.replace("3,3\n", "x,3\n", 1)),
        "row_id must be integers",
    ),
    ("no labels below", write("y_train.csv", "row_id,label\n"), "has a heading and no rows"),
    ("an empty sheet", write("y_train.csv", ""), r"y_train\.csv is empty"),
    ("a blank sheet", write("y_train.csv", "\n\n"), r"y_train\.csv is not a CSV file"),
    ("a long line", write("y_train.csv", LABELLED + "40,1,2\n"), "row 41 has 3 cells, expected 2"),
]


@pytest.mark.parametrize(("damage", "message"), [pytest.param(d, m, id=name) for name, d, m in BAD])
def test_bad_files_are_refused_in_one_line(tmp_path: Path, damage: Callable[[Path], object], message: str):
    folder = kaggle(tmp_path / "kaggle")
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        open_data(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_bad_labels_of_zenodo_are_refused(tmp_path: Path):
    folder = zenodo(tmp_path / "zenodo")
    np.save(folder / "labels_train.npy", np.eye(10)[labels(TRAIN)])
    with pytest.raises(InputError, match=r"labels_train\.npy: labels must be one integer or name per row"):
        open_data(folder)
    (folder / "labels_train.npy").unlink()
    with pytest.raises(InputError, match=r"labels_train\.npy does not exist"):
        open_data(folder)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param({"image": SQUARE}, "contains image, and no labels", id="no label"),
        pytest.param({"label": np.zeros(6)}, "contains label; expected label, and image", id="label alone"),
        pytest.param(
            {"image": SQUARE, "label": np.zeros(5)}, "number of rows: 6 in image, 5 in label", id="rows"
        ),
        pytest.param(
            {"image": SQUARE, "audio": spoken(5, 0), "label": np.zeros(6)},
            "number of rows: 6 in image, 5 in audio",
            id="pairs",
        ),
        pytest.param({"image": SQUARE, "label": np.array(3)}, "label must be a single column", id="scalar"),
        pytest.param({"image": SQUARE, "label": np.full(6, 1.5)}, "row 1 is 1.5, neither", id="fraction"),
        pytest.param({"image": SQUARE, "label": np.array([{}] * 6)}, "pickled objects", id="pickled"),
        pytest.param(
            {"image": SQUARE, "label": np.arange(6) % 2, "split": ["trian"] * 6}, "'train'", id="split"
        ),
        pytest.param(
            {"image": SQUARE, "label": np.arange(6) % 2, "split": [3] * 6}, "must be -1 to 2", id="number"
        ),
        pytest.param(
            {"image": SQUARE, "label": np.arange(6) % 2, "speaker": ["a"]}, "as many speakers", id="speaker"
        ),
        pytest.param(
            {"image": SQUARE, "label": np.arange(6) % 2, "classes": ["a"]}, "'1' is not in 0 to 0", id="cl"
        ),
        pytest.param(
            {"image": SQUARE, "label": np.arange(6) % 2, "classes": ["a", "a"]}, "named once", id="twice"
        ),
        pytest.param(
            {"audio": np.zeros((6, 5)), "label": np.arange(6) % 2}, "a.npz, audio: expected", id="audio"
        ),
    ],
)
def test_bad_arrays_in_npz_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str):
    path = npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        open_data(path)


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04", None])
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes | None):
    path = npz(tmp_path / "a.npz", image=SQUARE, label=np.arange(6) % 2)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(InputError, match=r"a\.npz is (empty|not a \.npz file, or truncated)"):
        open_data(path)


def test_a_npz_with_a_wrong_byte_is_refused(tmp_path: Path):
    """The checksum inside notices."""
    path = npz(tmp_path / "a.npz", image=SQUARE, label=np.arange(6) % 2)
    content = bytearray(path.read_bytes())
    content[1_000] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz cannot be read: Bad CRC"):
        open_data(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop("train-labels-idx1-ubyte"), r"train-labels-idx1-ubyte\.gz does not exist"),
        (cut("train-images-idx3-ubyte", 0), "train-images-idx3-ubyte is empty"),
        (cut("train-images-idx3-ubyte", 999), r"must hold \(40, 28, 28\) bytes but holds 983"),
        (cut("train-images-idx3-ubyte", 9), "is not an idx file"),
        (cut("t10k-labels-idx1-ubyte", 12), r"must hold \(10,\) bytes but holds 4"),
        (write("t10k-images-idx3-ubyte", "hello, this is not an idx file"), "is not an idx file of bytes"),
    ],
)
def test_bad_idx_files_are_refused(tmp_path: Path, damage: Callable[[Path], object], message: str):
    folder = mnist(tmp_path / "mnist")
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        open_data(folder)
    assert str(folder) in str(caught.value)


def test_idx_files_of_other_rows_are_refused(tmp_path: Path):
    folder = mnist(tmp_path / "mnist")
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels(9)))
    with pytest.raises(InputError, match=r"has 10 rows, .* has 9"):
        open_data(folder)


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(idx_bytes(drawn(3, 0)))[:-300]], ids=["none", "cut short"]
)
def test_bad_gzip_is_refused(tmp_path: Path, content: bytes):
    folder = mnist(tmp_path / "mnist", gzipped=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(InputError, match="is not a gzip file, or truncated"):
        open_data(folder)


def test_every_layout_is_named_where_none_is_found():
    for word in (
        "Kaggle",
        "Zenodo",
        ".npz",
        "MNIST",
        "{speaker}_{take}.wav",
        "{label}/*.png",
        "metadata.csv",
        ".csv",
        "digits",
    ):
        assert word in layouts.UNDERSTOOD
