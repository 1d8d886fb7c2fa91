"""`seesay predict --data`: rows into a table, from any source, to the end or in several goes."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seesay.cli import main
from seesay.serve import batch
from test_cli import Captured, done, names, refused
from test_file_shards import files, killed_after
from test_manifest import manifest
from tiny import tiny_config, tiny_data, tiny_run

DATA = tiny_data()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", config=tiny_config(epochs=2)).folder


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_ending_and_source(
    capsys: Captured, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    DATA.save("data")
    manifest(Path("in") / "a.csv", files(tmp_path / "in"))
    for i in range(3):
        Path("in", f"{i}.png").rename(Path("in", f"_{i}.png"))
    for source in (["data"], ["in/_*.png"], ["in/_0.png", "in/_1.png", "in/_2.png"]):
        assert "Saved" in done(capsys, "predict", run, "--data", *source, "--out", "a.csv", "--overwrite")
        words = ["--out", "a.jsonl", "--overwrite", "--probabilities"]
        done(capsys, "predict", run, "--data", *source, *words)
        for line, other in zip(read(Path("a.csv")), read(Path("a.jsonl")), strict=True):
            assert float(line["score"]) == other["score"] == max(other["probabilities"].values())
            assert {name: str(other[name]) for name in ("row_id", "label", "used")}.items() <= line.items()
            assert list(other["probabilities"]) == ["low", "middle", "high"]
    assert [row["file"] for row in read(Path("a.csv"))] == ["in/_0.png", "in/_1.png", "in/_2.png"]
    assert names(tmp_path) == ["a.csv", "a.jsonl", "data", "in"]
    assert main(["predict", str(run), "--data", "in/a.csv", "--out", "b.csv"]) == 1
    assert [row["row"] for row in read(Path("b.csv.bad.csv"))] == ["1", "2"]


def test_strict_is_on_bad_stop(capsys: Captured, run: Path, tmp_path: Path):
    rows = files(tmp_path)
    (tmp_path / "4.png").write_text("no picture")
    path, out = manifest(tmp_path / "a.csv", rows), tmp_path / "out.csv"
    words = ["predict", run, "--data", path, "--out", out]
    said = refused(capsys, *words, "--strict")
    assert "cannot be read: row 5: " in said
    assert refused(capsys, *words, "--on-bad", "stop") == said
    assert not out.exists()
    assert main(list(map(str, words))) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "a.csv", "--out", "a.txt"], "ends in none of"),
        (["--data", "none/*.png", "--out", "b.csv"], "No file matches 'none/\\*.png'"),
        (["--data", "a.csv", "a.csv", "--out", "b.csv"], "no picture and no recording"),
        (["--data", "a.csv", "b.png", "--split", "test", "--out", "b.csv"], "No such file"),
        (["--data", "a.csv", "--out", "b.csv", "--reject", "2"], "from 0 to 1"),
        (["--data", "empty.csv", "--out", "b.csv"], "a heading and no rows"),
        (["--data", "broken.csv", "--out", "b.csv"], "row 3 has 1 cells, expected 2"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    capsys: Captured,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    says: str,
):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(DATA.contents["image"][0][0]).save("0.png")
    Path("a.csv").write_text("image\n0.png\n")
    Path("empty.csv").write_text("image,audio\n")
    Path("broken.csv").write_text("image,audio\n0.png,\n0.png,\n0.png\n")
    before = names(tmp_path)
    assert re.search(says, refused(capsys, "predict", run, *words))
    assert names(tmp_path) == before


def test_an_interrupted_command_says_how_to_continue(
    capsys: Captured, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch, "SHARD_ROWS", 10)
    path, out = manifest(tmp_path / "a.csv", files(tmp_path)), tmp_path / "out.csv"
    words = ["predict", run, "--data", path, "--out", out]
    killed_after(2, monkeypatch, KeyboardInterrupt)
    assert main(list(map(str, words))) == 130
    said = capsys.readouterr().err
    assert said == f"Stopped. Run the same command again to continue; {out}.parts holds what is done.\n"
    assert "another result: reject was None, now" not in done(capsys, *words)
    done(capsys, *words[:-1], tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_data_set_that_was_changed_is_not_continued(
    capsys: Captured, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch, "SHARD_ROWS", 10)
    DATA.save(tmp_path / "data")
    words = ["predict", run, "--data", tmp_path / "data", "--out", tmp_path / "out.csv"]
    killed_after(2, monkeypatch, KeyboardInterrupt)
    assert main(list(map(str, words))) == 130
    capsys.readouterr()
    assert "rows was" in refused(capsys, *words, "--split", "test")
    tiny_data(seed=1).save(tmp_path / "data", overwrite=True)
    assert "source.changed was" in refused(capsys, *words)
    done(capsys, *words, "--overwrite")


COMMAND = """
import re, sys
from seesay.serve import batch
from seesay.cli import main
batch.SHARD_ROWS = int(sys.argv[1])
status = main(sys.argv[2:])
print("MiB", int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
sys.exit(status)
"""


def command(shard: int, *words: object) -> list[str]:
    """The words of a process that runs the command with shards of so many rows."""
    return [sys.executable, "-c", COMMAND, *map(str, (shard, *words))]


def finished(shard: int, *words: object) -> str:
    """What such a process prints, once it has succeeded."""
    return subprocess.run(command(shard, *words), check=True, capture_output=True, text=True).stdout


def linked(folder: Path, count: int) -> Path:
    """A manifest of so many pictures, each of a name of its own."""
    files(folder)
    for i in range(count):
        os.link(folder / f"{i % 72}.png", folder / f"n{i}.png")
    return manifest(folder / "many.csv", [{"image": f"n{i}.png"} for i in range(count)])


@pytest.mark.long
@pytest.mark.parametrize("source", ["files", "data"])
def test_a_killed_process_continues_to_the_same_bytes(run: Path, tmp_path: Path, source: str):
    """Killed twice, at whatever it was doing."""
    if source == "files":
        data = linked(tmp_path / "in", 6_000)
    else:
        data = tmp_path / "data"
        DATA.select(np.arange(60_000) % len(DATA)).save(data)
    words = ("predict", run, "--data", data, "--out")
    finished(200, *words, tmp_path / "whole.csv")
    out, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    for shards in (3, 12):
        with subprocess.Popen(command(200, *words, out)) as process:
            while len(list(parts.glob("0*.json"))) < shards and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not out.exists()
    assert len(list(parts.glob("0*.json"))) >= 12
    finished(200, *words, out)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not parts.exists()


@pytest.mark.long
def test_memory_does_not_grow_with_the_rows(run: Path, tmp_path: Path):
    """Ten times the files: at most a tenth more."""
    if not Path("/proc/self/status").is_file():
        pytest.skip("only Linux says how much memory a process has had")
    peaks = []
    for count in (2_000, 20_000):
        data = linked(tmp_path / str(count), count)
        said = finished(1_000, "predict", run, "--data", data, "--out", tmp_path / f"{count}.csv")
        peaks.append(float(said.split()[-1]))
    assert peaks[1] < 1.1 * peaks[0], peaks
