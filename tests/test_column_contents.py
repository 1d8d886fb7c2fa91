"""Contents of rows in memory are read in prediction as they were in training, each row by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from seesay import InputError, Rows
from seesay.formats.column_contents import Learned, contents_like, learned_from
from seesay.spec import MatrixSpec, PictureSpec, VectorSpec, WaveformSpec

RANDOM = np.random.default_rng(0)

BYTES = RANDOM.integers(0, 256, (6, 9, 8), dtype=np.uint8)
"""Six grey pictures."""


def learned(**columns: Any) -> Learned:
    """What is learned from these rows, of two classes in turn."""
    rows = Rows(**columns)
    return learned_from(rows, np.arange(len(rows)) % 2, ["0", "1"])


def floats(contents: np.ndarray) -> np.ndarray:
    """Contents as front ends see them."""
    return contents.astype(np.float32) / (255 if contents.dtype == np.uint8 else 1)


def check_same(made: Learned, modality: str, column: Any, error: float = 0.0) -> None:
    """Read again, the column and each of its rows give the contents of training."""
    spec, data = made.data.spec[modality], made.data
    given = [i for i, cell in enumerate(Rows(**{modality: column})[modality]) if cell is not None]
    for rows in (given, *([i] for i in given)):
        column_of_rows = column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]
        contents, pointers = contents_like(Rows(**{modality: column_of_rows}), modality, spec, made.tops)
        for i, pointer in zip(rows, pointers, strict=True):
            before = data.contents[modality][int(data.pointers(modality)[i])]
            np.testing.assert_allclose(floats(contents[int(pointer)]), floats(before), atol=error)


@pytest.mark.parametrize(
    ("pictures", "shape"),
    [
        (BYTES, (1, 9, 8)),
        (BYTES.astype(np.float64), (1, 9, 8)),
        (BYTES / 255, (1, 9, 8)),
        (np.stack([BYTES] * 3, -1), (3, 9, 8)),
        (np.concatenate([np.stack([BYTES] * 3, 1), np.full((6, 1, 9, 8), 255, np.uint8)], 1), (3, 9, 8)),
    ],
    ids=["bytes", "floats", "to 1", "colour last", "opacity"],
)
def test_pictures_in_arrays_are_read_as_in_training(pictures: np.ndarray, shape: tuple[int, ...]):
    made = learned(image=pictures)
    assert made.data.spec["image"].shape == shape
    check_same(made, "image", pictures, error=1e-7)


def test_a_dark_picture_is_read_in_the_range_of_the_training_rows():
    """Alone, a picture of zeros and ones could be in 0 to 1."""
    made, dark = learned(image=BYTES), (BYTES > 128).astype(np.uint8)
    contents, _ = contents_like(Rows(image=dark), "image", made.data.spec["image"], made.tops)
    assert contents.max() == np.float32(1 / 255)


def test_the_brightest_value_of_dim_pictures_is_white():
    """Those of sklearn's load_digits end at 16."""
    dim = np.minimum(BYTES // 15, 16).astype(np.float64)
    made = learned(image=dim)
    assert made.tops == {"image": 16}
    assert "is 16, which is taken for white" in made.data.notes[0]
    check_same(made, "image", dim, error=3e-4)  # kept in 16 bits
    with pytest.raises(InputError, match="must lie in 0 to 16, as in training, got 0 to 255"):
        contents_like(Rows(image=BYTES), "image", made.data.spec["image"], made.tops)


def test_standardised_pictures_stay_as_they_are():
    pictures = (BYTES.astype(np.float32) - 128) / 70
    made = learned(image=pictures)
    assert made.tops == {"image": None}
    check_same(made, "image", pictures)


@pytest.mark.parametrize(
    ("name", "array", "spec"),
    [
        ("clip", RANDOM.normal(size=(6, 5)), VectorSpec(5)),
        ("clip", [[1, 2], None, [3, 4]], VectorSpec(2)),
        ("audio", RANDOM.normal(size=(6, 9, 4)), MatrixSpec(9, 4)),
        ("audio", RANDOM.normal(size=(6, 507)).astype(np.float32), MatrixSpec(39, 13)),
        ("touch", RANDOM.normal(size=(6, 9, 4)), MatrixSpec(9, 4)),
    ],
    ids=["vectors", "lists", "features", "flat features", "matrices"],
)
def test_vectors_and_matrices_are_read_as_in_training(name: str, array: Any, spec: Any):
    made = learned(**{name: array})
    assert made.data.spec[name] == spec
    assert made.tops == {}
    check_same(made, name, array)


def test_a_row_of_nan_is_missing():
    array = RANDOM.normal(size=(4, 5))
    array[1] = np.nan
    made = learned(clip=array, audio=[None, np.ones((3, 2)), None, np.zeros((3, 2))])
    assert made.data.rows.tolist() == [[-1, 0], [0, -1], [-1, 1], [1, 2]]
    assert made.data.modalities == ("audio", "clip"), "in their usual order"


# ------------------------------------------------------------------------------------------------------ files


def write_pictures(folder: Path) -> list[Any]:
    for i, picture in enumerate(BYTES):
        Image.fromarray(np.kron(picture, np.ones((4, 4), np.uint8))).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(len(BYTES))]


def write_recordings(folder: Path) -> list[Any]:
    for i in range(6):
        tone = np.sin(np.arange(3_000 + 100 * i) * (0.1 + 0.05 * i)) / 2
        soundfile.write(folder / f"{i}.wav", tone, 8_000)
    return [str(folder / f"{i}.wav") for i in range(6)]


def write_vectors(folder: Path) -> list[Any]:
    for i in range(6):
        np.save(folder / f"{i}.npy", np.arange(4.0) + i / 3)
    return [folder / f"{i}.npy" for i in range(6)]


@pytest.mark.parametrize(
    ("name", "write", "spec"),
    [
        ("image", write_pictures, PictureSpec),
        ("audio", write_recordings, WaveformSpec),
        ("clip", write_vectors, VectorSpec),
        ("scan", write_pictures, PictureSpec),
    ],
    ids=["pictures", "recordings", "arrays", "another name"],
)
def test_files_are_read_as_in_training(
    name: str, write: Callable[[Path], list[Any]], spec: type, tmp_path: Path
):
    paths = [*write(tmp_path), None]
    made = learned(**{name: paths})
    assert isinstance(made.data.spec[name], spec)
    assert made.tops == {}
    check_same(made, name, paths)
    if name != "clip":
        check_same(made, name, [path and Path(path).read_bytes() for path in paths])


def test_samples_with_their_rate_are_recordings(tmp_path: Path):
    pairs = [soundfile.read(path) for path in write_recordings(tmp_path)]
    made = learned(audio=pairs)
    assert isinstance(made.data.spec["audio"], WaveformSpec)
    assert made.data.spec["audio"].rate == 8_000
    check_same(made, "audio", pairs)


def test_arrays_can_follow_files(tmp_path: Path):
    paths = write_pictures(tmp_path)
    made = learned(image=paths)
    pictures = np.stack([np.asarray(Image.open(path)) for path in paths])
    contents, pointers = contents_like(Rows(image=pictures), "image", made.data.spec["image"], made.tops)
    assert (contents[pointers] == made.data.contents["image"][made.data.pointers("image")]).all()


def test_a_file_of_several_rows_is_one_content(tmp_path: Path):
    path = write_pictures(tmp_path)[0]
    assert len(learned(image=[path, path, str(path)]).data.contents["image"]) == 1


# -------------------------------------------------------------------------------------------- groups, errors


def test_groups_become_groups_of_contents():
    rows = Rows(clip=RANDOM.normal(size=(4, 3)))
    made = learned_from(rows, np.array([0, 1, 0, 1]), ["0", "1"], ["ann", None, "bob", "ann"])
    group = made.data.groups["clip"]["group"]
    assert [group.names[i] if i >= 0 else None for i in group.ids] == ["ann", None, "bob", "ann"]


def test_a_column_without_contents_is_left_out():
    assert learned(image=BYTES, audio=[None] * 6).data.modalities == ("image",)
    with pytest.raises(InputError, match="all cells of image, audio are missing"):
        learned(image=[None, None], audio=["", float("nan")])


def test_all_unreadable_files_are_named_with_their_rows(tmp_path: Path):
    paths = write_recordings(tmp_path)
    Path(paths[3]).write_bytes(b"RIFF")
    rows = Rows(audio=["no.wav", *paths])[np.array([5, 4, 0])]
    with pytest.raises(InputError) as error:
        learned_from(rows, np.array([0, 1, 0]), ["0", "1"])
    assert "2 of 3 contents of audio cannot be read: row 4: " in str(error.value)
    assert "row 0: no.wav does not exist" in str(error.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [np.zeros((3, 3)), np.zeros((3, 4)), np.zeros((3, 3))]}, r"one shape.*row 1: \(3, 4\)"),
        ({"audio": np.zeros((2, 8_000))}, "recordings need their rate"),
        ({"clip": np.array([[1, np.inf], [0, 0]])}, "NaN or an infinity"),
        ({"image": ["a.png", np.zeros((3, 3))]}, "mixes pictures .* and arrays"),
        ({"image": np.full((2, 3, 3), 300)}, "must lie in 0 to 1 or in 0 to 255"),
    ],
    ids=["shapes", "waveforms", "infinity", "mixed", "range"],
)
def test_unsuitable_columns_are_refused(columns: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        learned(**columns)


@pytest.mark.parametrize(
    ("before", "new", "message"),
    [
        ({"image": BYTES}, {"image": BYTES[:, :5]}, r"expected pictures of \(1, 9, 8\), got \(1, 5, 8\)"),
        ({"clip": np.eye(4)}, {"clip": np.eye(5)}, r"expected arrays of shape \(4,\), got \(5,\)"),
        ({"clip": np.eye(4)}, {"clip": np.array([[np.nan, 1, 1, 1]])}, "holds NaN"),
        ({"image": BYTES}, {"image": ["a.png"]}, "trained on ready-made arrays, not on files"),
    ],
    ids=["size", "length", "NaN", "files"],
)
def test_new_rows_of_another_form_are_refused(before: dict[str, Any], new: dict[str, Any], message: str):
    made, [(name, column)] = learned(**before), new.items()
    with pytest.raises(InputError, match=message):
        contents_like(Rows(**{name: column}), name, made.data.spec[name], made.tops)
