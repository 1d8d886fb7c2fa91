"""Paths of tables are found however they are written."""

import unicodedata
from pathlib import Path

import pytest

from seesay.formats.cells import Embedded, files_of

COMPOSED = "Müller/café.png"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


@pytest.mark.parametrize("there", [COMPOSED, DECOMPOSED, f"{DECOMPOSED[:7]}/café.png"])
@pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED, COMPOSED.replace("/", "\\")])
def test_a_file_is_found_in_any_unicode_form(tmp_path: Path, there: str, written: str):
    path = made(tmp_path / there)
    assert files_of([written, ""], tmp_path) == [path, None]


def test_backslashes_are_slashes_where_there_is_such_a_file(tmp_path: Path):
    path = made(tmp_path / "p" / "a.png")
    assert files_of([r"p\a.png", r"p\b.png"], tmp_path) == [path, tmp_path / r"p\b.png"]


def test_a_file_that_is_called_so_goes_first(tmp_path: Path):
    made(tmp_path / "p" / "a.png")
    path = made(tmp_path / r"p\a.png")
    assert files_of([r"p\a.png"], tmp_path) == [path]


def test_a_file_in_the_table_is_itself(tmp_path: Path):
    cell = Embedded("a.png", b"x")
    assert files_of([cell], tmp_path) == [cell]
    assert cell != Embedded("a.png", b"x")
