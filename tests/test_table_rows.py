"""Tables read row by row: what is read and what is refused is the same as in reading them whole."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesay.errors import InputError
from seesay.formats import table_rows as table_rows_module
from seesay.formats.cells import Embedded
from seesay.formats.table_rows import TableRows, parquet_rows, table_rows
from seesay.formats.tables import ROW_COLUMNS, Wanted, read_sheet

WANTED = Wanted(aliases={"front": "photo"}, used=("image", "audio", "label", "front"))
PLAIN = Wanted()


def whole(path: Path, wanted: Wanted) -> dict[str, list[Any]] | str:
    """The columns of contents, or the error, of the table read at once."""
    try:
        columns = read_sheet(path, wanted).columns
    except InputError as error:
        return str(error)
    return {
        name: list(map(comparable, column)) for name, column in columns.items() if name not in ROW_COLUMNS
    }


def by_rows(path: Path, wanted: Wanted) -> dict[str, list[Any]] | str:
    """The same, of the table read row by row."""
    try:
        table = table_rows(path, wanted)
        rows = list(table.rows())
    except InputError as error:
        return str(error)
    assert len(rows) == table.count
    assert rows == list(table.rows()) or any(isinstance(cell, Embedded) for row in rows for cell in row)
    return {name: [comparable(row[i]) for row in rows] for i, name in enumerate(table.columns)}


def comparable(cell: Any) -> Any:
    """A cell as a plain value."""
    if not isinstance(cell, Embedded):
        return cell
    source = cell.source
    if isinstance(source, tuple):
        return cell.name, source[0].tolist(), source[1]
    return cell.name, source.tolist() if isinstance(source, np.ndarray) else source


LARGE = "image,audio\n" + "".join(f"{i}.png,\n" for i in range(9_000))

TABLES = {
    "plain": "image,label,audio\na.png,1,b.wav\n,2,c.wav\n",
    "semicolons": "image;label\na.png;1\nb.png;2\n",
    "sep": "sep=;\nimage;audio\na.png;b.wav\n",
    "blank lines": "\nimage,audio\n\na.png,b.wav\n\n\nc.png,\n",
    "empty rows": "image,audio\na.png,b.wav\n,\nc.png,\n,\n , \n,,,,\n",
    "quotes": 'image,audio\n"a, b.png","c\nd.wav"\n"e ""f"".png",\n',
    "spaces": " image , audio \n a.png , b.wav \n",
    "extra commas": "image,audio,,\na.png,b.wav,,\nc.png,,,,,\n",
    "too long": "image,audio\na.png,b.wav\nc.png,d.wav,e\n",
    "too short": "image,label,audio\na.png,1,b.wav\nc.png,1\n",
    "last too long": LARGE + "a.png,b.wav,c\n",
    "large": LARGE,
    "unicode": "image,audio\ncafe\u0301.png,\u96ea\u2028.wav\n",
    "no rows": "image,audio\n",
    "only empty rows": "image,audio\n,\n",
    "no heading": "\n\n",
    "no column": "photo\na.png\n",
    "two columns": "image,Image,image\na,b,c\n",
    "zero": "image,audio\na.png,b\0.wav\n",
    "old Mac": "image,audio\ra.png,b.wav\r",
    "Windows": "image,audio\r\na.png,b.wav\r\n",
    "long field": "image,audio\n" + "a" * 200_000 + ",b.wav\n",
}


@pytest.mark.parametrize("wanted", [PLAIN, WANTED], ids=["usual", "named"])
@pytest.mark.parametrize("name", TABLES)
def test_a_csv_file_is_read_as_the_whole_is(tmp_path: Path, name: str, wanted: Wanted):
    (tmp_path / "a.csv").write_text(TABLES[name], encoding="utf-8", newline="")
    found, expected = (read(tmp_path / "a.csv", wanted) for read in (by_rows, whole))
    if wanted is WANTED and isinstance(expected, str):  # of several faults another may be found first
        assert isinstance(found, str)
    else:
        assert found == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1", "utf-16-le"])
@pytest.mark.parametrize(
    "text", ["image,audio\né.png,\nb.png,c.wav\n", LARGE + "é.png,\n"], ids=["short", "long"]
)
def test_encodings_are_read_or_refused_as_in_the_whole(tmp_path: Path, encoding: str, text: str):
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    found = by_rows(tmp_path / "a.csv", PLAIN)
    assert found == whole(tmp_path / "a.csv", PLAIN)
    assert isinstance(found, str) == (encoding in ("latin-1", "utf-16-le"))


@given(st.text(st.sampled_from('ab,;"\n\r \t|'), max_size=40))
def test_any_text_is_read_as_the_whole_is(text: str):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_text("image,audio\n" + text, encoding="utf-8", newline="")
        assert by_rows(path, PLAIN) == whole(path, PLAIN)


LINES = {
    "plain": [{"image": "a.png"}, {"audio": "b.wav", "label": 3}, {}],
    "lists": [{"image": [[1, 2], [3, 4]]}, {"image": None}, {"image": "a.png"}],
    "numbers": [{"image": 5, "audio": True}],
}


@pytest.mark.parametrize("name", LINES)
def test_json_lines_are_read_as_the_whole_is(tmp_path: Path, name: str):
    text = "\n\n".join(map(json.dumps, LINES[name])) + "\n"
    (tmp_path / "a.jsonl").write_text(text)
    found = by_rows(tmp_path / "a.jsonl", PLAIN)
    assert found == whole(tmp_path / "a.jsonl", PLAIN)
    assert isinstance(found, dict)


@pytest.mark.parametrize("text", ['{"image": "a"}\n[1]\n', '{"image": "a"}\n{"im', "\n", '{"image": "a"}\n3'])
def test_broken_json_lines_are_refused(tmp_path: Path, text: str):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"is not one JSON object a line|is empty"):
        table_rows(tmp_path / "a.jsonl", PLAIN)


# ---------------------------------------------------------------------------------------------------- Parquet


def write_parquet(path: Path, **columns: Any) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path, row_group_size=50)
    return path


def test_parquet_is_read_as_the_whole_is(tmp_path: Path):
    """Over row groups and batches: files in the table, paths, samples with a rate, nothing."""
    rows = range(200)
    path = write_parquet(
        tmp_path / "a.parquet",
        image=[{"bytes": bytes([i]), "path": f"{i}.png"} if i % 3 else None for i in rows],
        audio=[[0.1 * i, 0.2] if i % 2 else None for i in rows],
        sampling_rate=[8_000 + i for i in rows],
        photo=[f"{i}.png" for i in rows],
        label=[str(i) for i in rows],
    )
    for wanted in (PLAIN, WANTED):
        assert by_rows(path, wanted) == whole(path, wanted)


def test_files_of_a_folder_follow_each_other(tmp_path: Path):
    one = write_parquet(tmp_path / "a.parquet", image=["a.png", "b.png"])
    other = write_parquet(tmp_path / "b.parquet", audio=["c.wav"], image=["d.png"])
    table = parquet_rows([one, other], PLAIN)
    assert (table.columns, table.count) == (("image", "audio"), 3)
    assert list(table.rows()) == [("a.png", ""), ("b.png", ""), ("d.png", "c.wav")]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", image=[f"{i}.png" for i in range(2_000)])
    data = bytearray(path.read_bytes())
    data[200:5_000] = bytes(4_800)
    path.write_bytes(data)
    with pytest.raises(InputError, match="is not a Parquet file"):
        list(table_rows(path, PLAIN).rows())


def test_samples_without_a_rate_are_refused(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", audio=[[0.1, 0.2]])
    with pytest.raises(InputError, match="row 1 has no rate"):
        list(table_rows(path, PLAIN).rows())


# ------------------------------------------------------------------------------------------------------- rows


def test_columns_in_memory_are_rows_too():
    table = TableRows.of({"image": ["a.png", ""], "label": ["x", "y"], "audio": ["", ""]})
    assert (table.columns, table.count) == (("image", "audio"), 2)
    assert list(table.rows()) == [("a.png", ""), ("", "")]
    assert table.filled() == {"image"}


def test_a_large_table_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Only the beginning is read to find its heading, and rows as they are asked for."""
    import tracemalloc

    monkeypatch.setattr(table_rows_module, "HEAD", 64)
    path = tmp_path / "a.csv"
    path.write_text(LARGE + "".join(f"{'x' * 100}{i}.png,\n" for i in range(20_000)))
    tracemalloc.start()
    rows = table_rows(path, PLAIN).rows()
    assert next(rows) == ("0.png", "")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 4
