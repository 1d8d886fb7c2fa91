"""Folders of files at the command line: every command that takes data reads them in the same way."""

import csv
import json
from pathlib import Path

import pytest

from seesay.cli import main
from test_cli import SMALL, Captured, done, refused
from test_folders import classes, fill


def pictures(folder: Path) -> Path:
    return fill(folder, classes("cat", "dog", each=12))


def test_a_folder_is_imported_with_what_was_decided_and_what_was_left_out(capsys: Captured, tmp_path: Path):
    (pictures(tmp_path / "in") / "cat" / "notes.txt").write_text("x")
    said = done(capsys, "data", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert "label: first folder; groups: not known; 2 labels\n" in said
    assert "Left out: 1 file (1 not a picture or recording)" in said
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert card["left_out"] == {"not a picture or recording": 1}
    assert card["notes"][0] == "label: first folder; groups: not known; 2 labels"
    for source in (tmp_path / "in", tmp_path / "out"):
        said = " ".join(done(capsys, "data", "info", source).split())
        assert "Left out: 1 file (1 not a picture or recording)" in said
        assert "label: first folder; groups: not known; 2 labels" in said


@pytest.mark.parametrize("command", [["data", "info"], ["data", "import", "--out", "out"]])
def test_two_readings_are_one_line_and_a_pattern_chooses(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
):
    monkeypatch.chdir(tmp_path)
    words = [f"{word}_{i}.wav" for word in ("yes", "no") for i in "12"]
    fill(tmp_path / "in", [f"{who}_{word}" for who in ("ann", "bob") for word in words])
    said = refused(capsys, *command, "in")
    assert "in: first part of the name (ann, bob) and second part of the name (no, yes) could each be" in said
    assert "--name-pattern '{speaker}_{label}_{take}'" in said
    assert not (tmp_path / "out").exists()
    said = done(capsys, *command, "in", "--name-pattern", "{speaker}_{label}_{take}")
    assert "read as {speaker}_{label}_{take}: 2 labels; 2 speakers" in " ".join(said.split())


def test_a_model_is_trained_on_a_folder_and_predicts_another_without_labels(capsys: Captured, tmp_path: Path):
    data = pictures(tmp_path / "in")
    done(capsys, "train", "--data", data, "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1")
    done(capsys, "evaluate", tmp_path / "run")
    new = fill(tmp_path / "new", ["b.png", "a.png", "c/d.jpg"])
    done(capsys, "predict", tmp_path / "run", "--data", new, "--out", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["row_id"], row["file"]) for row in rows] == [
        ("0", "a.png"),
        ("1", "b.png"),
        ("2", "c/d.jpg"),
    ]
    assert {row["label"] for row in rows} <= {"cat", "dog"}
    words = ["predict", tmp_path / "run", "--data", data, "--split", "test", "--out", tmp_path / "test.csv"]
    done(capsys, *words)
    with (tmp_path / "test.csv").open() as file:
        named = [row["file"] for row in csv.DictReader(file)]
    assert 2 <= len(named) < 12
    assert set(named) <= set(classes("cat", "dog", each=12))


def test_rows_keep_their_files_where_others_cannot_be_read(capsys: Captured, tmp_path: Path):
    data = pictures(tmp_path / "in")
    (data / "cat" / "0.png").write_bytes(b"not a picture")
    words = ["train", "--data", data, "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    assert "1 of 24 files cannot be read" in refused(capsys, *words)
    (data / "cat" / "0.png").unlink()
    done(capsys, *words)
    new = fill(tmp_path / "new", ["a.png", "b.png", "c.png"])
    (new / "b.png").write_bytes(b"not a picture")
    out = tmp_path / "out.csv"
    words = ["predict", tmp_path / "run", "--data", new, "--on-bad", "skip", "--out", out]
    assert main(list(map(str, words))) == 1
    with out.open() as file:
        rows = [(row["row_id"], row["file"]) for row in csv.DictReader(file)]
    assert rows == [("0", "a.png"), ("2", "c.png")]
