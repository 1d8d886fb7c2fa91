"""Any column of a table as a modality: arrays in files and in cells, several columns of pictures or of
recordings; found by what the cells hold, or named; refused in one line with the file and the row."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from seesay.cli import main
from seesay.data.dataset import Dataset
from seesay.data.splits import split
from seesay.errors import ConfigError, InputError
from seesay.formats.media import Reading
from seesay.formats.open import open_data
from seesay.formats.tables import parse_columns
from seesay.learn.run import Run
from seesay.spec import MatrixSpec, PictureSpec, Spec, VectorSpec
from test_manifest import manifest, photo, picture, recording, refused
from test_open import array_of

ROWS = 6


def vector(i: int, size: int = 4) -> np.ndarray:
    """Different for each row; exact as float16."""
    return np.arange(size) + i / 4


def saved(folder: Path, arrays: list[Any], name: str = "touch") -> list[str]:
    """The names of files that hold these arrays; "" for none."""
    names = ["" if array is None else f"{name}{i}.npy" for i, array in enumerate(arrays)]
    for file, array in zip(names, arrays, strict=True):
        if file:
            np.save(folder / file, array)
    return names


def table(folder: Path, name: str = "a.csv", **columns: list[Any]) -> Path:
    """Columns, and labels, as a manifest of that kind."""
    rows = len(next(iter(columns.values())))
    columns = {"label": [str(i % 2) for i in range(rows)]} | columns
    path = folder / name
    if path.suffix == ".csv":
        return manifest(
            path, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        )
    if path.suffix == ".jsonl":
        lines = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path
    pyarrow.parquet.write_table(pyarrow.table({n: pyarrow.array(c) for n, c in columns.items()}), path)
    return path


def content(data: Dataset, modality: str) -> np.ndarray:
    """Per row what it has of a modality of one size; every row has it."""
    return array_of(data.contents[modality])[data.pointers(modality)]


def named(*words: str) -> Reading:
    return Reading(columns=parse_columns(words))


# ----------------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize(
    ("shape", "spec"), [((4,), VectorSpec(4)), ((5, 3), MatrixSpec(5, 3)), ((3, 8, 9), PictureSpec)]
)
def test_a_column_of_npy_files_is_a_modality_of_its_name(tmp_path: Path, shape: tuple[int, ...], spec: Any):
    arrays = [np.random.default_rng(i).normal(size=shape).astype(np.float32) for i in range(ROWS)]
    data = open_data(table(tmp_path, touch=saved(tmp_path, arrays)))
    assert data.modalities == ("touch",)
    found = data.spec["touch"]
    assert found == spec if not isinstance(spec, type) else isinstance(found, spec)
    assert (content(data, "touch") == np.stack(arrays)).all()


def test_any_other_column_is_not_used_and_named(tmp_path: Path):
    files = saved(tmp_path, [vector(i) for i in range(ROWS)])
    data = open_data(table(tmp_path, touch=files, note=[*files[:-1], "lost"], photo=["a.png"] * ROWS))
    assert data.modalities == ("touch",)
    assert "Columns that are not used: note, photo." in data.notes


def test_an_empty_cell_is_missing_and_equal_arrays_are_one_content(tmp_path: Path):
    arrays = [vector(0), None, vector(0), vector(1), None, vector(2)]
    data = open_data(
        table(tmp_path, touch=saved(tmp_path, arrays), clip=saved(tmp_path, [vector(9)] * 6, "c"))
    )
    assert data.pointers("touch").tolist() == [0, -1, 0, 1, -1, 2]
    assert data.pointers("clip").tolist() == [0] * ROWS


def test_arrays_of_one_npz_file_have_their_names_behind_a_colon(tmp_path: Path):
    np.savez(tmp_path / "all.npz", **{f"row{i}": vector(i) for i in range(ROWS)})
    data = open_data(table(tmp_path, touch=[f"all.npz:row{i}" for i in range(ROWS)]))
    assert (content(data, "touch") == np.stack([vector(i) for i in range(ROWS)])).all()


def test_an_npz_file_with_one_array_needs_no_name(tmp_path: Path):
    for i in range(ROWS):
        np.savez(tmp_path / f"{i}.npz", vector(i))
    data = open_data(table(tmp_path, touch=[f"{i}.npz" for i in range(ROWS)]))
    assert (content(data, "touch") == np.stack([vector(i) for i in range(ROWS)])).all()


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_lists_of_numbers_are_vectors_and_lists_of_lists_matrices(tmp_path: Path, name: str):
    clip = [vector(i, 5).tolist() for i in range(ROWS)]
    clap = [np.outer(vector(i, 3), [1, 2]).tolist() for i in range(ROWS - 1)]
    data = open_data(table(tmp_path, name, clip=clip, clap=[*clap, None], label=["x", "y"] * 3))
    assert data.spec == Spec(("x", "y"), {"clip": VectorSpec(5), "clap": MatrixSpec(3, 2)})
    assert content(data, "clip").tolist() == clip
    assert data.pointers("clap").tolist() == [0, 1, 2, 3, 4, -1]
    assert array_of(data.contents["clap"])[1].tolist() == clap[1]


def test_lists_of_a_fixed_size_are_read_too(tmp_path: Path):
    values = [vector(i).tolist() for i in range(ROWS)]
    columns = {
        "clip": pyarrow.array(values, pyarrow.list_(pyarrow.float32(), 4)),
        "clap": pyarrow.array(
            [[v, v] for v in values], pyarrow.large_list(pyarrow.list_(pyarrow.float32(), 4))
        ),
    }
    pyarrow.parquet.write_table(pyarrow.table({**columns, "label": [0, 1] * 3}), tmp_path / "a.parquet")
    data = open_data(tmp_path / "a.parquet")
    assert data.spec.contents == {"clip": VectorSpec(4), "clap": MatrixSpec(2, 4)}


def test_lists_of_any_length_are_no_contents(tmp_path: Path):
    """Boxes, the words of a text: they were not used before, and are not now."""
    boxes = [[1] * i for i in range(1, ROWS + 1)]
    data = open_data(
        table(tmp_path, "a.parquet", boxes=boxes, clip=[vector(i).tolist() for i in range(ROWS)])
    )
    assert data.modalities == ("clip",)
    assert "Columns that are not used: boxes." in data.notes


@pytest.mark.parametrize("name", ["target", "y", "labels", "splits", "rows", "a b"])
def test_a_column_that_is_called_as_something_else_is_no_modality(tmp_path: Path, name: str):
    """One-hot labels would tell the model the class."""
    values = [vector(i).tolist() for i in range(ROWS)]
    data = open_data(table(tmp_path, "a.jsonl", clip=values, **{name: values}))
    assert data.modalities == ("clip",)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_samples_without_a_rate_stay_refused(tmp_path: Path, name: str):
    said = refused(table(tmp_path, name, audio=[vector(i).tolist() for i in range(ROWS)]))
    assert "has no rate for them" in said or "audio contains vectors, which could be pixels, samples" in said


def test_a_rate_makes_samples_of_lists_where_no_column_is_called_audio(tmp_path: Path):
    sounds = [(0.5 * np.sin(np.arange(4_000) * (i + 1) / 9)).tolist() for i in range(ROWS)]
    clip = [vector(i).tolist() for i in range(ROWS)]
    path = table(tmp_path, "a.parquet", voice=sounds, sampling_rate=[8_000] * ROWS)
    assert open_data(path, named("voice=voice")).spec.kinds == {"voice": "waveform"}
    path = table(tmp_path, "b.parquet", audio=sounds, clip=clip, sampling_rate=[8_000] * ROWS)
    assert open_data(path).spec.kinds == {"audio": "waveform", "clip": "vector"}


def test_arrays_of_the_column_image_are_pictures_and_of_audio_features(tmp_path: Path):
    pixels = [np.random.default_rng(i).integers(0, 256, (8, 9), np.uint8) for i in range(ROWS)]
    frames = [np.outer(vector(i, 3), [1, 2]) for i in range(ROWS)]
    files = {"image": saved(tmp_path, pixels, "p"), "audio": saved(tmp_path, frames, "f")}
    data = open_data(table(tmp_path, **files))
    assert data.spec.contents == {"image": PictureSpec(None, 1, 8, 9), "audio": MatrixSpec(3, 2)}
    assert (content(data, "image")[:, 0] == np.stack(pixels)).all()


# -------------------------------------------------------------------------------------------- columns by name


def test_two_columns_of_pictures_and_two_of_recordings(tmp_path: Path):
    columns = {
        "f": [photo(tmp_path / f"f{i}.png", i) for i in range(ROWS)],
        "s": [picture(tmp_path / f"s{i}.png", i) for i in range(ROWS)],
        "near": [recording(tmp_path / f"n{i}.wav", 300 + i, 8_000) for i in range(ROWS)],
        "far away": [recording(tmp_path / f"w{i}.wav", 400 + i, 4_000) for i in range(ROWS)],
    }
    words = ["side=s", "front=f", "near=near", "far=far away"]
    data = open_data(table(tmp_path, **columns), named(*words))
    assert data.spec.kinds == {"side": "picture", "front": "picture", "near": "waveform", "far": "waveform"}
    assert (data.spec["front"], data.spec["side"]) == (PictureSpec("photo", 3, 40, 50), PictureSpec())
    assert [getattr(data.spec[m], "rate", 0) for m in ("near", "far")] == [8_000, 4_000]
    assert (data.rows >= 0).all()


def test_files_that_do_not_say_what_they_are_are_looked_into(tmp_path: Path):
    for i in range(ROWS):
        photo(tmp_path / f"{i}.png", i)
        (tmp_path / f"{i}.png").rename(tmp_path / str(i))
    cells = [{"bytes": (tmp_path / str(i)).read_bytes()} for i in range(ROWS)]
    path = table(tmp_path, photo=[str(i) for i in range(ROWS)])
    assert open_data(path, named("front=photo")).spec.kinds == {"front": "picture"}
    path = table(tmp_path, "a.parquet", front=cells)
    assert open_data(path, named("front=front")).spec.kinds == {"front": "picture"}


def test_a_named_column_may_hold_lists_of_any_name(tmp_path: Path):
    path = table(tmp_path, "a.jsonl", **{"my column": [vector(i).tolist() for i in range(ROWS)]})
    assert open_data(path, named("touch=my column")).spec.kinds == {"touch": "vector"}


@pytest.mark.parametrize("word", ["front2=x", "radio=x", "image2=x", "A-b_c=x"])
def test_any_name_that_a_modality_may_have_can_be_given(word: str):
    assert parse_columns([word]) == dict([word.split("=")])


@pytest.mark.parametrize("word", ["lable=x", "Images=x", "rows=x", "2nd=x", "a b=x", "spilt=x"])
def test_slips_and_names_that_no_modality_may_have_are_refused(word: str):
    with pytest.raises(ConfigError, match=r"Did you mean|a modality cannot be called"):
        parse_columns([word])


def test_speakers_are_those_of_every_column_of_recordings(tmp_path: Path):
    """A row whose near recording is missing is still of its speaker, so no split parts them."""
    near = [recording(tmp_path / f"n{i}.wav", 300 + i) if i % 3 else "" for i in range(24)]
    far = [recording(tmp_path / f"w{i}.wav", 400 + i) if (i + 1) % 3 else "" for i in range(24)]
    who = [f"p{i // 4}" for i in range(24)]
    data = open_data(table(tmp_path, near=near, far=far, speaker=who), named("near=near", "far=far"))
    assert {m: set(g) for m, g in data.groups.items()} == {"near": {"speaker"}, "far": {"speaker"}}
    drawn = split(data, seed=0)
    sides = [{who[i] for i in drawn[part]} for part in ("train", "valid", "test")]
    assert sum(map(len, sides)) == len(set(who))


# -------------------------------------------------------------------------------------------------- bad input


def object_array() -> np.ndarray:
    array = np.empty(4, object)
    array[:] = 1
    return array


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (vector(0, 5), "expected the shape (4,), as in most files, got (5,)"),
        (vector(0)[None], "expected the shape (4,), as in most files, got (1, 4)"),
        (np.array(["a", "b", "c", "d"]), "expected numbers, got <U1. Save a numeric array"),
        (np.array([1, 2, np.nan, 4]), "holds NaN or an infinity. Fix it, or leave the cell empty"),
        (np.array([1, 2, 3, 1e300]), "holds NaN or an infinity"),
        (np.array(1.0), "expected a vector, a matrix or a picture, got an array of shape ()"),
        (
            np.zeros((0,)),
            ",). Save one array for each row of the table",
        ),  # the path cuts the rest
        (object_array(), "holds pickled objects, which can run code and are never loaded"),
        (np.array([1j]), "expected numbers, got complex128"),
    ],
)
def test_an_array_that_does_not_fit_is_refused_with_its_file_and_row(tmp_path: Path, bad: Any, message: str):
    arrays = [vector(i) for i in range(ROWS)]
    path = table(tmp_path, touch=saved(tmp_path, [*arrays[:2], bad, *arrays[3:]]))
    said = refused(path)
    assert "1 of 6 files cannot be read: row 3: " in said
    assert "touch2.npy" in said
    assert message in said
    assert "Fix or remove those rows, or import them with --on-bad skip" in said
    data = open_data(path, Reading(on_bad="skip"))
    assert [each.row for each in data.skipped] == [3]
    assert (len(data), data.spec["touch"]) == (ROWS - 1, VectorSpec(4))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("all.npz:nowhere", "all.npz has no array 'nowhere'. Choose one of: row0, row1"),
        (
            "all.npz",
            "holds 2 arrays (row0, row1), expected one. Name one, as in all.npz:row0",
        ),
        ("odd.npz:a", "odd.npz cannot be read: it holds pickled objects"),
        ("text.npz", "text.npz is not a .npz file, or truncated"),
        ("text.npy", "text.npy is not a .npy file"),
    ],
)
def test_a_cell_that_names_no_array_is_refused_with_its_row(tmp_path: Path, cell: str, message: str):
    np.savez(tmp_path / "all.npz", row0=vector(0), row1=vector(1))
    np.savez(tmp_path / "odd.npz", a=object_array(), allow_pickle=True)
    (tmp_path / "text.npz").write_text("no array")
    (tmp_path / "text.npy").write_text("no array")
    said = refused(table(tmp_path, touch=["all.npz:row0", "all.npz:row1", cell, "all.npz:row0"]))
    assert "row 3: " in said
    assert message in said


def test_files_that_are_not_there_are_named_with_their_rows(tmp_path: Path):
    files = saved(tmp_path, [vector(i) for i in range(ROWS)])
    said = refused(table(tmp_path, touch=[*files[:-2], "no.npy", "no.npz:a"]))
    assert "2 of 6 files do not exist: no.npy (row 5), no.npz:a (row 6)" in said


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1, 2, 3], "expected the shape (4,), as in most files, got (3,)"),
        ([1, None, 3, 4], "NaN or an infinity|cells without a number"),
    ],
)
def test_a_list_of_another_size_or_with_gaps_is_refused_with_its_row(
    tmp_path: Path, name: str, bad: list[Any], message: str
):
    lists = [vector(i).tolist() for i in range(ROWS)]
    said = refused(table(tmp_path, name, clip=[*lists[:4], bad, lists[5]]))
    assert "row 5: the numbers in row 5" in said
    assert any(part in said for part in message.split("|"))


def test_a_matrix_with_a_short_line_is_refused_with_its_row(tmp_path: Path):
    lines = [[[1.0, i], [2, 3]] for i in range(ROWS)]
    for name in ("a.parquet", "a.jsonl"):
        said = refused(table(tmp_path, name, clap=[*lines[:5], [[1.0, 2.0], [3.0]]]))
        assert "row 6: the numbers in row 6: expected numbers, got lists of differing sizes" in said


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([[1, 2], [3], [4, 5], [6, 7]], "row 2: the numbers in row 2: expected the shape (2,)"),
        ([[1, 2], [3, 4], [5, float("nan")], [6, 7]], "row 3: the numbers in row 3 holds NaN"),
        ([[[1], [2, 3]], [[1, 2]], [[3, 4]], [[5, 6]]], "lists of differing sizes"),
        (["lost.npy"] * 4, "files do not exist: lost.npy (row 1)"),
        (["text.npy"] * 4, "text.npy is not a .npy file"),
    ],
)
def test_a_column_that_nobody_named_is_left_out_where_its_arrays_cannot_be_used(
    tmp_path: Path, cells: list[Any], why: str
):
    (tmp_path / "text.npy").write_text("no array")
    clip = [vector(i).tolist() for i in range(4)]
    path = table(tmp_path, "a.jsonl", clip=clip, touch=cells)
    data = open_data(path)
    assert data.modalities == ("clip",)
    assert len(data) == 4
    (note,) = (note for note in data.notes if note.startswith("Column touch is left out"))
    assert "--columns touch=touch" in note
    assert why in note
    with pytest.raises(InputError) as caught:
        open_data(path, named("touch=touch"))
    assert why in str(caught.value)


def test_a_column_that_nobody_named_is_not_left_out_where_rows_have_nothing_else(tmp_path: Path):
    clip = [vector(i).tolist() for i in range(3)]
    said = refused(table(tmp_path, "a.jsonl", clip=[*clip, None], touch=[[1, 2], [3], [4, 5], [6, 7]]))
    assert "row 2: the numbers in row 2: expected the shape (2,)" in said


def test_a_column_in_metadata_that_nobody_named_is_left_out_too(tmp_path: Path):
    for i in range(ROWS):
        photo(tmp_path / f"{i}.png", i)
    lines = [
        {"file_name": f"{i}.png", "clip": vector(i, 5 if i == 2 else 4).tolist(), "label": "ab"[i % 2]}
        for i in range(ROWS)
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = open_data(tmp_path)
    assert data.modalities == ("image",)
    assert any(note.startswith("Column clip is left out") for note in data.notes)
    with pytest.raises(InputError, match="row 3: the numbers in row 3: expected the shape"):
        open_data(tmp_path, named("clip=clip"))


def test_lists_without_their_rate_are_not_used_unless_named(tmp_path: Path):
    clip = [[vector(i).tolist()] for i in range(ROWS)]
    columns = {"sound": [vector(i).tolist() for i in range(ROWS)], "sampling_rate": [None] * ROWS}
    path = table(tmp_path, "a.parquet", clip=clip, **columns)
    data = open_data(path)
    assert data.modalities == ("clip",)
    assert "Columns that are not used: sound." in data.notes
    with pytest.raises(InputError, match="has no rate for them"):
        open_data(path, named("sound=sound"))


def test_a_row_without_any_content_is_named(tmp_path: Path):
    files = saved(tmp_path, [vector(0), None, vector(1), vector(2)])
    columns = {"touch": files, "clip": saved(tmp_path, [vector(0), None, None, vector(2)], "c")}
    assert "1 rows have none of touch, clip: row 2" in refused(table(tmp_path, **columns))


def test_vectors_are_not_called_image_or_audio(tmp_path: Path):
    files = saved(tmp_path, [vector(i) for i in range(ROWS)])
    said = refused(table(tmp_path, image=files))
    assert "image contains vectors, which could be pixels, samples or embeddings" in said
    assert open_data(table(tmp_path, image=files), named("clip=image")).spec.kinds == {"clip": "vector"}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["a.png", "b.wav", "a.png", "b.wav"],
            "column of x mixes pictures (row 1) and recordings (row 2)",
        ),
        (["t.npy", "a.png", "a.png", "a.png"], "column of x mixes arrays (row 1) and pictures (row 2)"),
        (["notes.txt"] * 4, "column of x names no picture, recording or array: "),
        (["nowhere"] * 4, "1 of 1 files do not exist: nowhere (row 1)"),
    ],
)
def test_a_column_holds_files_of_one_kind(tmp_path: Path, cells: list[str], message: str):
    picture(tmp_path / "a.png")
    recording(tmp_path / "b.wav")
    np.save(tmp_path / "t.npy", vector(0))
    (tmp_path / "notes.txt").write_text("x")
    path = table(tmp_path, x=cells)
    with pytest.raises(InputError) as caught:
        open_data(path, named("x=x"))
    assert message in str(caught.value)


def test_lists_among_paths_of_pictures_are_refused(tmp_path: Path):
    picture(tmp_path / "a.png")
    path = table(tmp_path, "a.jsonl", image=["a.png", [[1, 2], [3, 4]], "a.png", "a.png"])
    assert "the column of image mixes pictures (row 1) and arrays (row 2)" in refused(path)


def test_a_column_that_is_named_and_is_no_content_is_refused(tmp_path: Path):
    path = table(tmp_path, "a.parquet", age=[1] * ROWS)
    with pytest.raises(InputError, match=r"column 'age' holds int64, expected paths.* or lists of numbers"):
        open_data(path, named("touch=age"))


# --------------------------------------------------------------------------------------- folders with a table


def test_a_table_of_metadata_names_arrays_too(tmp_path: Path):
    for i in range(ROWS):
        photo(tmp_path / "train" / f"{i}.png", i)
    files = saved(tmp_path / "train", [vector(i) for i in range(ROWS)])
    lines = [
        {"file_name": f"{i}.png", "touch": files[i], "clip": vector(i).tolist(), "animal": "ab"[i % 2]}
        for i in range(ROWS)
    ]
    (tmp_path / "train" / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = open_data(tmp_path)
    assert data.spec.kinds == {"image": "picture", "touch": "vector", "clip": "vector"}
    assert data.spec.classes == ("a", "b")
    assert (data.rows >= 0).all()
    assert data.left_out == {}


def test_a_table_of_metadata_may_name_two_pictures_a_row(tmp_path: Path):
    names = ("front_file_name", "side_file_name", "touch_file_name")
    touch = saved(tmp_path, [vector(i) for i in range(ROWS)])
    rows = [
        dict(
            zip(
                names,
                (photo(tmp_path / f"f{i}.png", i), photo(tmp_path / f"s{i}.png", 9 + i), touch[i]),
                strict=True,
            )
        )
        | {"label": "ab"[i % 2]}
        for i in range(ROWS)
    ]
    manifest(tmp_path / "metadata.csv", rows)
    assert open_data(tmp_path).spec.kinds == {"front": "picture", "side": "picture", "touch": "vector"}


# ---------------------------------------------------------------------------------------- by the command line


EPOCH = ["--quiet", "--optim.epochs", "1"]


def felt(folder: Path, rows: int = 24) -> Path:
    """A CSV of pictures and vectors, either of which may be missing."""
    vectors: list[Any] = [vector(i) + 9 * (i % 2) if i % 4 else None for i in range(rows)]
    images = [picture(folder / f"{i}.png", i) if i % 4 != 1 else "" for i in range(rows)]
    return table(folder, image=images, touch=saved(folder, vectors))


def test_a_csv_with_a_column_of_arrays_is_imported_trained_on_and_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    assert main(["data", "import", str(felt(tmp_path)), "--out", data]) == 0
    assert Dataset.open(data).spec.kinds == {"image": "picture", "touch": "vector"}
    assert main(["train", "--data", data, "--out", run, *EPOCH]) == 0
    assert set(Run.open(run).config.model.named) == {"image", "touch"}
    capsys.readouterr()
    assert main(["evaluate", run, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["results"]) == {"image", "touch", "image+touch"}
    out = str(tmp_path / "predictions.csv")
    assert main(["predict", run, "--data", str(tmp_path / "a.csv"), "--out", out]) == 0
    with Path(out).open() as file:
        assert {row["used"] for row in csv.DictReader(file)} == {"image", "touch", "image+touch"}


def test_two_columns_of_pictures_are_trained_on_and_predicted(tmp_path: Path):
    columns = {m: [picture(tmp_path / f"{m}{i}.png", i) for i in range(12)] for m in ("front", "side")}
    source, run = str(table(tmp_path, **columns)), str(tmp_path / "run")
    words = ["--columns", "front=front", "side=side"]
    assert main(["train", "--data", source, "--out", run, *EPOCH, *words]) == 0
    assert set(Run.open(run).config.model.named) == {"front", "side"}
    out = str(tmp_path / "predictions.csv")  # the model knows the names of its modalities
    assert main(["predict", run, "--data", source, "--out", out]) == 0
    assert main(["data", "info", source, *words]) == 0


def test_files_of_a_folder_are_called_as_the_model_calls_what_they_are(tmp_path: Path):
    for i in range(4):
        picture(tmp_path / "in" / f"{i}.png", i)
    specs = {"photo": PictureSpec(), "touch": VectorSpec(4)}
    data = open_data(tmp_path / "in", Reading(spec=Spec(("0", "1"), specs), labelled=False))
    assert data.modalities == ("photo",)
    specs = {"front": PictureSpec(), "side": PictureSpec()}
    data = open_data(tmp_path / "in", Reading(spec=Spec(("0", "1"), specs), labelled=False))
    assert data.modalities == ("image",)


def test_what_cannot_be_used_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = saved(tmp_path, [vector(0, 5), *(vector(i) for i in range(5))])
    source = str(table(tmp_path, touch=files))
    assert main(["data", "import", source, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "row 1" in said
    assert main(["data", "import", source, "--out", str(tmp_path / "out"), "--on-bad", "skip"]) == 1


def test_a_model_reads_only_columns_that_it_knows(tmp_path: Path):
    files = {"image": [picture(tmp_path / f"{i}.png", i) for i in range(4)], "touch": ["lost.npy"] * 4}
    spec = Spec(("0", "1"), {"image": PictureSpec()})
    path = table(tmp_path, **files)
    assert open_data(path, Reading(spec=spec, labelled=False)).modalities == ("image",)
    assert any("lost.npy (row 1)" in note for note in open_data(path).notes)


def test_arrays_have_the_shape_that_the_model_has(tmp_path: Path):
    spec = Spec(("0", "1"), {"touch": VectorSpec(3)})
    path = table(tmp_path, touch=saved(tmp_path, [vector(i) for i in range(4)]))
    with pytest.raises(InputError, match=r"expected the shape \(3,\), as in the model, got \(4,\)"):
        open_data(path, Reading(spec=spec, labelled=False))
