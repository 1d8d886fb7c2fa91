"""Folders of files with Hugging Face's table of metadata: rows as it lists them."""

import json
from pathlib import Path

import pytest

from seesay.data.dataset import SPLITS
from seesay.formats.media import Reading
from seesay.formats.open import open_data
from test_folders import fill, refused, rows_of

FILES = [f"{i}.png" for i in range(6)]


def table(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def lines_of(files: list[str], extra: str = "") -> list[str]:
    return [f"{name},{'cat' if i % 2 else 'dog'}{extra}" for i, name in enumerate(files)]


@pytest.mark.parametrize("column", ["label", "animal"])
def test_the_label_is_the_column_of_that_name_or_the_only_other_one(tmp_path: Path, column: str):
    fill(tmp_path, [*FILES, "more.png"])
    table(tmp_path / "metadata.csv", f"file_name,{column}", *lines_of(FILES))
    data = open_data(tmp_path)
    assert rows_of(data) == ["dog", "cat"] * 3
    assert data.name == tmp_path.name
    assert data.left_out == {"not named in metadata.csv": 1}
    assert data.notes[0] == "metadata.csv: 6 rows with image, label"


def test_columns_may_be_named(tmp_path: Path):
    fill(tmp_path, FILES)
    table(tmp_path / "metadata.csv", "file_name,kind,place", *lines_of(FILES, ",home"))
    assert rows_of(open_data(tmp_path, Reading(columns={"label": "kind"}))) == ["dog", "cat"] * 3


def test_lines_of_json_say_the_same(tmp_path: Path):
    fill(tmp_path / "sounds", [f"{i}.wav" for i in range(6)])
    rows = [{"file_name": f"sounds/{i}.wav", "label": i % 2, "speaker": f"p{i // 2}"} for i in range(6)]
    table(tmp_path / "metadata.jsonl", *map(json.dumps, rows))
    data = open_data(tmp_path)
    assert data.modalities == ("audio",)
    assert rows_of(data) == ["0", "1"] * 3
    assert data.groups["audio"]["speaker"].names == ("p0", "p1", "p2")


def test_a_table_in_each_folder_of_a_split(tmp_path: Path):
    for split in ("train", "validation"):
        fill(tmp_path / split, FILES)
        table(tmp_path / split / "metadata.csv", "file_name,label", *lines_of(FILES))
    fill(tmp_path / "test", FILES)
    table(tmp_path / "test" / "metadata.csv", "file_name", *FILES)
    data = open_data(tmp_path)
    assert [SPLITS[i] for i in data.split] == ["test"] * 6 + ["train"] * 6 + ["valid"] * 6
    assert rows_of(data) == [""] * 6 + ["dog", "cat"] * 6


def test_a_table_whose_files_lie_in_folders_of_splits(tmp_path: Path):
    files = [f"{split}/{name}" for split in ("train", "test") for name in FILES]
    fill(tmp_path, files)
    table(tmp_path / "metadata.csv", "file_name,label", *lines_of(files))
    assert [SPLITS[i] for i in open_data(tmp_path).split] == ["train"] * 6 + ["test"] * 6


def test_pictures_and_recordings_in_one_row(tmp_path: Path):
    fill(tmp_path, [*FILES, *(f"{i}.wav" for i in range(6))])
    rows = [f"{i}.png,{i}.wav,{'ab'[i % 2]}" for i in range(6)]
    table(tmp_path / "metadata.csv", "image_file_name,audio_file_name,label", *rows)
    data = open_data(tmp_path)
    assert data.modalities == ("image", "audio")
    assert (data.rows >= 0).all()


def test_without_a_column_of_labels_folders_are_labels(tmp_path: Path):
    files = [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(3)]
    fill(tmp_path, files)
    table(tmp_path / "metadata.csv", "file_name", *files)
    assert rows_of(open_data(tmp_path)) == ["cat"] * 3 + ["dog"] * 3


def test_files_that_are_only_predicted_need_no_labels(tmp_path: Path):
    fill(tmp_path, FILES)
    table(tmp_path / "metadata.csv", "file_name,caption,place", *lines_of(FILES, ",home"))
    assert rows_of(open_data(tmp_path, Reading(labelled=False))) == [""] * 6


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("metadata.csv", ["file,label", "0.png,a"], "has no column 'file_name', only file, label"),
        ("metadata.csv", ["file_name,a,b", "0.png,x,y"], "several candidates: a, b"),
        ("metadata.csv", ["file_name,label", "nowhere.png,x"], "1 of 1 files do not exist"),
        ("metadata.csv", ["file_name,label", "notes.txt,x"], "names no pictures and no recordings"),
        ("metadata.jsonl", ["not json"], "is not one JSON object a line"),
        ("metadata.jsonl", ["[1, 2]"], "is not one JSON object a line"),
    ],
)
def test_odd_tables_are_refused(tmp_path: Path, name: str, lines: list[str], message: str):
    fill(tmp_path, FILES)
    (tmp_path / "notes.txt").write_text("x")
    table(tmp_path / name, *lines)
    assert message in refused(tmp_path)
