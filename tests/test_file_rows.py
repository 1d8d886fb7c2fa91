"""Rows whose files are not read yet: those of a folder, a manifest, a pattern, as importing has them."""

from pathlib import Path

import pytest

from seesay.errors import InputError
from seesay.formats.file_rows import FileRows
from seesay.formats.media import Reading
from seesay.formats.open import open_data, open_rows
from test_folders import fill
from tiny import tiny_data

UNLABELLED = Reading(labelled=False)


def rows_of(*sources: Path | str) -> FileRows:
    found = open_rows([str(source) for source in sources], UNLABELLED)
    assert isinstance(found, FileRows)
    rows = list(found.rows())
    assert rows == list(found.rows())
    assert found.count == len(rows)
    return found


def names(found: FileRows) -> list[tuple[str | None, ...]]:
    return [tuple(None if file is None else Path(str(file)).name for file in row) for row in found.rows()]


@pytest.mark.parametrize(
    "files",
    [
        ["b.png", "a.png", "c/d.jpg", "c/a.png"],
        ["x/1.png", "x/2.png", "y/1.png", "logo.wav"],
        ["image/a/1.png", "image/b/2.png", "audio/a/1.wav", "audio/b/2.wav"],
        ["1.png", "1.wav", "_none_/2.png"],
        ["train/a/1.wav", "test/b/2.wav", ".hidden.wav"],
    ],
    ids=" ".join,
)
def test_a_folder_has_the_rows_that_importing_it_has(tmp_path: Path, files: list[str]):
    folder = fill(tmp_path / "in", files)
    found, data = rows_of(folder), open_data(folder, UNLABELLED)
    assert list(found.files) == list(data.files)
    assert found.modalities == data.modalities
    missing = [tuple(file is None for file in row) for row in found.rows()]
    assert missing == [tuple(i < 0 for i in row) for row in data.rows.tolist()]


def test_files_that_do_not_pair_are_refused_as_in_a_folder(tmp_path: Path):
    folder = fill(tmp_path / "in", ["1.png", "2.png", "1.wav"])
    for sources in ([folder], [f"{folder}/*"]):
        with pytest.raises(InputError, match="do not pair them one to one"):
            rows_of(*sources)


# --------------------------------------------------------------------------------------------------- patterns


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = ["photos/b.png", "photos/a.png", "photos/x/c.png", "sounds/a.wav", "sounds/b.wav"]
    fill(tmp_path, files)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "photos" / ".hidden.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "files"),
    [
        (["photos/*.png"], ["photos/a.png", "photos/b.png"]),
        (["**/*.png"], ["photos/a.png", "photos/b.png", "photos/x/c.png"]),
        (["photos/*"], ["photos/a.png", "photos/b.png"]),
        (["./photos/[ab].png"], ["photos/a.png", "photos/b.png"]),
        (["photos/b.png", "photos/a.png"], ["photos/a.png", "photos/b.png"]),
        (["photos/b.png", "photos/*.png"], ["photos/a.png", "photos/b.png"]),
        (["photos/a.png"], ["photos/a.png"]),
    ],
    ids=lambda each: " ".join(each),
)
def test_a_pattern_or_a_list_has_a_row_for_each_file(here: Path, patterns: list[str], files: list[str]):
    found = rows_of(*patterns)
    assert list(found.files) == files
    assert found.modalities == ("image",)
    assert all(row[0] is not None and (here / str(row[0])).is_file() for row in found.rows())


def test_files_of_two_kinds_pair_by_name(here: Path):
    for patterns in (["photos/*.png", "sounds/*.wav"], ["*s/*"], [f"{here}/*s/*"]):
        found = rows_of(*patterns)
        assert found.modalities == ("image", "audio")
        assert names(found) == [("a.png", "a.wav"), ("b.png", "b.wav")]
    assert [Path(name).name for name in found.files] == ["a.png", "b.png"]


def test_what_is_left_out_is_counted(here: Path):
    assert rows_of("photos/*").left_out == {"not a picture or recording": 1}


@pytest.mark.parametrize(
    ("patterns", "says"),
    [
        (["*.flac"], "matches no file"),
        (["photos/a.png", "photos"], "photos is not a file"),
        (["photos/a.png", "gone.png"], "gone.png matches no file"),
        (["photos/*.txt"], "no picture and no recording"),
    ],
)
def test_patterns_that_name_nothing_are_refused(here: Path, patterns: list[str], says: str):
    with pytest.raises(InputError, match=says):
        rows_of(*patterns)


def test_a_file_may_be_called_like_a_pattern(here: Path):
    (here / "photos" / "[ab].png").write_bytes((here / "photos" / "a.png").read_bytes())
    assert list(rows_of("photos/[ab].png").files) == ["photos/[ab].png"]


# ---------------------------------------------------------------------------------------------- other layouts


def test_arrays_and_our_own_folders_are_data_sets(tmp_path: Path):
    tiny_data().save(tmp_path / "data")
    for source in (tmp_path / "data", "digits"):
        assert not isinstance(open_rows([str(source)], UNLABELLED), FileRows)


def test_a_table_beside_the_files_names_the_rows(tmp_path: Path):
    folder = fill(tmp_path / "in", ["a.png", "b.png", "c.png"])
    (folder / "metadata.csv").write_text("file_name,label\nb.png,x\na.png,y\n")
    found = rows_of(folder)
    assert names(found) == [("b.png",), ("a.png",)]
    assert found.files == ()


def test_a_folder_of_parquet_files_has_their_rows(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet

    fill(tmp_path, ["a.png", "b.png"])
    for i, name in enumerate("ab"):
        path = tmp_path / f"test-0000{i}-of-00002.parquet"
        parquet.write_table(pyarrow.table({"image": [f"{name}.png"]}), path)
    assert names(rows_of(tmp_path)) == [("a.png",), ("b.png",)]
    (tmp_path / "test-00001-of-00002.parquet").unlink()
    with pytest.raises(InputError, match="1 of the 2 Parquet files"):
        rows_of(tmp_path)


def test_an_empty_column_is_no_modality(tmp_path: Path):
    fill(tmp_path, ["a.png"])
    (tmp_path / "a.csv").write_text("image,audio\na.png,\n")
    assert rows_of(tmp_path / "a.csv").modalities == ("image",)
    (tmp_path / "b.csv").write_text("image,audio\n ,\nx,\n".replace("x", ""))
    with pytest.raises(InputError, match="a heading and no rows"):
        rows_of(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("label\nx\n")
    with pytest.raises(InputError, match=r"names no picture and no recording, it has only label"):
        rows_of(tmp_path / "c.csv")


def test_a_split_is_a_matter_of_a_data_set(tmp_path: Path):
    folder = fill(tmp_path / "in", ["train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png"])
    assert not isinstance(open_rows([str(folder)], UNLABELLED, whole=True), FileRows)
    with pytest.raises(InputError, match="--split is for a data set"):
        open_rows([f"{folder}/*", "a.png"], UNLABELLED, whole=True)
