"""Tables of predictions: the same numbers in every format, whatever the classes are called."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from seesay.errors import OutputError
from seesay.serve.columns import Column, columns_of
from seesay.serve.tables_out import FORMATS, table_format

ODD = ("a,b", 'say "no"', "two\nlines", "Zoë\u2028雪", " space ", "=1+1")
"""Names of classes that a table may trip over."""

COLUMNS = columns_of(("image", "audio"), files=True, classes=ODD)

BLOCK: list[list[Any]] = [
    [0, 1, 7],
    ["a,b.png", "two\nlines.png", "plain.png"],
    [ODD[0], ODD[2], ODD[3]],
    [0.1234565, 1.0, 0.0000004],
    ["image+audio", "image", ""],
    [True, False, True],
    [ODD[0], ODD[4], None],
    [ODD[1], None, None],
    [0.5, None, None],
    [0.25, 1 / 3, None],
    [None, None, None],
    *[[i / 7, i / 11, i / 13] for i in range(len(ODD))],
]


def written(folder: Path, suffix: str, *blocks: list[list[Any]]) -> Path:
    """The table of these blocks."""
    form = table_format(folder / f"a{suffix}", COLUMNS)
    parts = []
    for i, block in enumerate(blocks):
        parts.append(folder / f"{i}{suffix}")
        parts[-1].write_bytes(form.encoded(COLUMNS, block))
    with (folder / f"a{suffix}").open("wb") as file:
        form.join(file, COLUMNS, parts)
    return folder / f"a{suffix}"


def from_csv(path: Path) -> list[dict[str, Any]]:
    kinds = {column.name: column.kind for column in COLUMNS}
    values = {"integer": int, "fraction": float, "flag": {"yes": True, "no": False}.__getitem__, "text": str}
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    return [
        {n: None if cell == "" and n != "used" else values[kinds[n]](cell) for n, cell in row.items()}
        for row in rows
    ]


def from_jsonl(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [
        {k: v for k, v in row.items() if k != "probabilities"}
        | {f"probability_{name}": value for name, value in row["probabilities"].items()}
        for row in rows
    ]


def from_parquet(path: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    return parquet.ParquetFile(path).read().to_pylist()


READ = {".csv": from_csv, ".jsonl": from_jsonl, ".parquet": from_parquet}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_holds_the_same(tmp_path: Path, suffix: str):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    found = READ[suffix](written(tmp_path, suffix, BLOCK))
    expected = [
        {
            column.name: round(value, 6) if isinstance(value, float) else value
            for column, value in zip(COLUMNS, row, strict=True)
        }
        for row in zip(*BLOCK, strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize("suffix", FORMATS)
def test_shards_are_joined_in_order_and_empty_ones_leave_no_trace(tmp_path: Path, suffix: str):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    parts = [[values[i : i + 1] for values in BLOCK] for i in range(3)]
    empty: list[list[Any]] = [[] for _ in BLOCK]
    joined = READ[suffix](written(tmp_path, suffix, parts[0], empty, parts[1], parts[2]))
    assert joined == READ[suffix](written(tmp_path, suffix, BLOCK))


def test_parquet_has_types(tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    schema = parquet.read_schema(written(tmp_path, ".parquet", BLOCK))
    types = {name: str(schema.field(name).type) for name in ("row_id", "file", "label", "score", "agree")}
    assert types == {
        "row_id": "int64",
        "file": "string",
        "label": "string",
        "score": "double",
        "agree": "bool",
    }


@pytest.mark.parametrize("name", ["a.txt", "a", "a.csv.gz", "a.json"])
def test_another_ending_is_refused(name: str):
    with pytest.raises(OutputError, match=r"ends in none of \.csv, \.parquet, \.jsonl"):
        table_format(name, COLUMNS)


def test_without_pyarrow_parquet_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutputError, match=r"needs pyarrow\. Install seesay\[parquet\], or choose \.csv"):
        table_format("a.parquet", COLUMNS)
    assert table_format("a.CSV", COLUMNS) is FORMATS[".csv"]


def test_two_columns_of_one_name_are_for_csv_only():
    twice = (*COLUMNS, Column("score", "text"))
    assert table_format("a.csv", twice)
    with pytest.raises(OutputError, match="two columns 'score'"):
        table_format("a.jsonl", twice)


def test_columns_follow_the_modalities():
    names = [column.name for column in columns_of(("audio",), files=False)]
    assert names == ["row_id", "label", "score", "used", "agree", "audio", "known"]
