"""The command line: commands do what they say; what is wrong with their input is one line and exit code 2."""

import csv
import dataclasses
import errno
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

import seesay.files
from seesay.cli import COMMANDS, main
from seesay.config import SplitConfig
from seesay.learn.run import Run
from seesay.measure.evaluate import rows_for
from seesay.recipes import RECIPES
from seesay.spec import PictureSpec
from test_layers import HEAVY
from tiny import AUDIO, CLASSES, STILL, tiny_config, tiny_data, tiny_run

HEARD = ["--model.dim", "8", "--model.audio.width", "4", "--optim.batch", "8"]
HEARD += ["--threads", "1", "--optim.precision", "float32"]
SMALL = ["--model.image.width", "4", *HEARD]
CONDITIONS = ["image", "audio", "image+audio"]

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, a saved data set, `run`, which has learned it, a picture and a recording. Not to be changed."""
    folder = tmp_path_factory.mktemp("cli")
    tiny_data().save(folder / "data")
    tiny_run(folder / "run", config=tiny_config(epochs=8, augment=STILL), source=str(folder / "data"))
    data = tiny_data()
    Image.fromarray(data.contents["image"][0, 0]).save(folder / "picture.png")
    soundfile.write(folder / "recording.wav", data.contents["audio"][data.pointers("audio")[0]], AUDIO.rate)
    return folder


def done(capsys: Captured, *words: str | Path) -> str:
    """What a command that succeeds prints."""
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def refused(capsys: Captured, *words: str | Path) -> str:
    """The one line with which a command ends that cannot do what it is asked for."""
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert (status, out) == (2, ""), err
    assert err.startswith("seesay: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize(
    "words", [["--help"], ["data"], ["train", "--help"], ["--version"], ["trian"]], ids=" ".join
)
def test_help_and_mistypings_wait_for_nothing_heavy(words: list[str]):
    script = (
        f"import sys; from seesay.cli import main; main({words}); print(*sys.modules.keys() & set({HEAVY}))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, ""), ended.stdout + ended.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself_and_each_option(capsys: Captured, name: str):
    said = done(capsys, *name.split(), "--help")
    assert f"usage: seesay {name} " in said
    assert (COMMANDS[name].__doc__ or "").splitlines()[0].split(". ")[0][:40] in said
    explained = re.findall(r"^ *(\w+): .", inspect.getdoc(COMMANDS[name]) or "", re.M)
    assert explained == list(inspect.signature(COMMANDS[name]).parameters)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_no_help_shows_how_it_was_written(capsys: Captured, monkeypatch: pytest.MonkeyPatch, name: str):
    """Not its markup, and no paragraph broken before its line is full."""
    monkeypatch.setenv("COLUMNS", "100")
    said = done(capsys, *name.split(), "--help")
    assert "Args:" not in said
    texts = [line.strip("│ ") for line in said.splitlines() if line.startswith("│    ")]
    ends = (")", "}", "]")  # of an option's text, and of the values it takes
    early = [a for a, b in pairwise(texts) if len(a) + len(b.split()[0]) < 60 and not a.endswith(ends)]
    assert early == []


def test_the_help_of_training_fits_two_screens(capsys: Captured, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "100")
    said = done(capsys, "train", "--help")
    assert said.count("\n") <= 100
    assert f"--recipe {{{','.join(RECIPES)}}}" in said
    assert done(capsys, "train", "--help-all").count("\n") > 100


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train"], "seesay train needs --data, --out"),
        (["train", "--out", "o"], "seesay train needs --data. "),
        (["serve", "--port", "http"], "--port takes a whole number, got 'http'"),
        (["serve", "--workers", "1.5"], "--workers takes a whole number, got '1.5'"),
        (["predict", "--reject", "half"], "--reject takes a number, got 'half'"),
        (["predict", "--reject"], "--reject needs a value"),
        (["predict", "a", "b", "c"], "too many values: b, c"),
        (["train", "--data", "d", "--out", "o", "--optim.epochs", "3x"], "takes a whole number, got '3x'"),
        (["train", "--data", "d", "--out", "o", "--optim.lr=b"], "--optim.lr takes a number, got 'b'"),
    ],
)
def test_a_value_that_does_not_fit_is_named(capsys: Captured, words: list[str], expected: str):
    said = refused(capsys, *words)
    assert expected in said
    assert f"See seesay {words[0]} --help." in said


def test_an_argument_that_may_be_left_out_is_shown_in_brackets(capsys: Captured):
    usage = done(capsys, "predict", "--help").splitlines()[0]
    assert usage == "usage: seesay predict [-h] [OPTIONS] [PATH]"


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["trian"], "'train'"),
        (["data", "inof"], "'data info'"),
        (["train", "--data", "d", "--out", "o", "--recipe", "smal"], "'small'"),
        (["train", "--data", "d", "--out", "o", "--optim.epohcs", "3"], "'--optim.epochs'"),
        (["predict", "run", "--imgae", "a.png"], "'--image'"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest(capsys: Captured, words: list[str], nearest: str):
    assert f"Did you mean {nearest}?" in refused(capsys, *words)


def test_the_overview_says_a_whole_sentence_of_each_command(capsys: Captured):
    said = done(capsys, "--help")
    assert said.count("\n  seesay ") == len(COMMANDS)
    assert max(map(len, said.splitlines())) <= 100
    for command in COMMANDS.values():
        first = " ".join((inspect.getdoc(command) or "").split()).split(". ")[0]
        assert first.rstrip(".") in " ".join(said.split())


def test_from_outside_it_is_a_status_and_a_line(tmp_path: Path):
    """As a shell sees it."""
    program = Path(sys.executable).parent / "seesay"
    ended = subprocess.run([program, "data", "info", tmp_path / "nowhere"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("seesay: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("line", ["data info {} --json", "--version"], ids=["much to say", "little to say"])
def test_a_reader_that_has_gone_is_no_error(folder: Path, line: str):
    words = line.format(folder / "data").split()
    script = f"import sys; from seesay.cli import main; sys.exit(main({words}))"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.close()
    _, err = child.communicate()
    assert err == b""
    assert child.returncode == 0


# ----------------------------------------------------------------------------------------- train and evaluate


def test_a_run_is_trained_and_evaluated(capsys: Captured, folder: Path, tmp_path: Path):
    run = tmp_path / "run"
    said = done(
        capsys, "train", "--data", folder / "data", "--out", run, *SMALL, "--optim.epochs", "2", "--seed", "7"
    )
    assert f"seesay evaluate {run}" in said
    trained = Run.open(run)
    assert (trained.config.optim.epochs, trained.config.seed, trained.config.model.dim) == (2, 7, 8)
    assert trained.data == str(folder / "data")
    said = done(capsys, "evaluate", run)
    assert all(name in said for name in CONDITIONS)
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics["results"]) == CONDITIONS
    assert names(run) == [
        "README.md",
        "config.json",
        "epochs.jsonl",
        "figures",
        "metrics.json",
        "model.safetensors",
    ]
    assert {path.suffix for path in (run / "figures").iterdir()} == {".png"}


def test_evaluation_in_json_is_what_metrics_json_holds(capsys: Captured, folder: Path, tmp_path: Path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    printed = json.loads(done(capsys, "evaluate", run, "--json"))
    assert printed == json.loads((run / "metrics.json").read_text())
    assert printed["split"] == "test"


def test_other_scores_do_not_replace_those_that_a_run_is_judged_by(
    capsys: Captured, folder: Path, tmp_path: Path
):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    tiny_data(seed=3).replace(name="new voices/2").save(tmp_path / "other")
    done(capsys, "evaluate", run)
    judged = {name: (run / name).read_text() for name in ("metrics.json", "README.md")}
    figures = names(run / "figures")
    done(capsys, "evaluate", run, "--split", "valid")
    said = done(capsys, "evaluate", run, "--data", tmp_path / "other")
    assert {name: (run / name).read_text() for name in judged} == judged
    assert names(run / "figures") == figures
    others, valid = (run / "evaluations" / name for name in ("new-voices-2-test", "tiny-valid"))
    assert str(others) in said
    for part in (others, valid):
        shown = json.loads((part / "metrics.json").read_text())
        assert part.name.endswith(shown["split"])
        assert (part / "README.md").is_file()
        assert names(part / "figures") == figures


def test_a_run_is_evaluated_on_other_data(capsys: Captured, folder: Path, tmp_path: Path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    tiny_data(seed=3, modalities=["audio"]).save(tmp_path / "other")
    printed = json.loads(done(capsys, "evaluate", run, "--data", tmp_path / "other", "--json"))
    assert list(printed["results"]) == ["audio"]
    assert printed["results"]["audio"]["accuracy"] > 0.8


def test_folders_whose_names_are_no_text_are_classes(capsys: Captured, tmp_path: Path):
    """Names in Latin-1, as old archives have them."""
    data = tmp_path / os.fsdecode(b"d\xe9j\xe0")
    for number, name in enumerate((b"caf\xe9", b"tea")):
        folder = data / os.fsdecode(name)
        folder.mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng(i).integers(0, 120, (8, 8)) + 120 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    run = tmp_path / "run"
    said = done(capsys, "train", "--data", data, "--out", run, "--recipe", "small", "--optim.epochs", "1")
    assert Run.open(run).spec.classes == (r"caf\udce9", "tea")
    assert "image" in done(capsys, "evaluate", run), said
    assert r"d\udce9j\udce0" in (run / "README.md").read_text("utf-8")


def test_training_may_take_a_modality_alone(capsys: Captured, folder: Path, tmp_path: Path):
    run = tmp_path / "run"
    words = ["--modalities", "audio", "--optim.epochs", "1"]
    done(capsys, "train", "--data", folder / "data", "--out", run, *SMALL, *words)
    assert list(json.loads(done(capsys, "evaluate", run, "--json"))["results"]) == ["audio"]


def test_in_a_pipe_training_says_a_line_an_epoch_and_ends_with_the_scores(
    capsys: Captured, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seesay.cli.terminal.SILENCE", float("inf"))  # on a busy machine
    run = tmp_path / "run"
    words = ["train", "--data", folder / "data", "--out", run, *SMALL, "--optim.epochs", "2"]
    assert main([str(word) for word in words]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(
        r"36 training rows, 18 validation rows: .*\n"
        r"recordings of up to [0-9.]+ s, as words are: the pretrained network speech, trained further; .*\n"
        r"(epoch [12]/2  loss \d+\.\d{4}(  [a-z+]+ \d\.\d{4}){3}\n){2}",
        err,
    )
    last = Run.open(run).epochs()[-1]["scores"]
    for name in CONDITIONS:
        assert re.search(rf"{re.escape(name)} +18 +{last[name]:.4f}", out)
    assert out.endswith(f"Next: seesay evaluate {run}\n")


def test_a_quiet_training_says_its_scores_and_nothing_else(capsys: Captured, tmp_path: Path):
    tiny_data(groups={}).save(tmp_path / "data")
    words = ["train", "--data", tmp_path / "data", "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    assert main([str(word) for word in words]) == 0
    assert "Note: Speakers not known: expect less on new voices." in capsys.readouterr().err
    assert main([str(word) for word in [*words, "--overwrite", "--quiet"]]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert all(name in out for name in CONDITIONS)
    assert "Next" not in out
    assert main(["evaluate", str(tmp_path / "run"), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert (err, "Figures" in out) == ("", False)


def test_the_scores_that_training_ends_with_are_of_the_epoch_it_keeps(
    capsys: Captured, folder: Path, tmp_path: Path
):
    run = tmp_path / "run"
    words = ["train", "--data", folder / "data", "--out", run, *SMALL, "--optim.epochs", "6"]
    out = done(capsys, *words, "--optim.keep", "best", "--optim.lr", "0.1")
    best = max((epoch["scores"] for epoch in Run.open(run).epochs()), key=lambda s: sum(s.values()))
    assert all(f"{score:.4f}" in out for score in best.values())


def test_without_validation_rows_training_says_that_there_are_no_scores(capsys: Captured, tmp_path: Path):
    data = tiny_data()
    data.replace(split=np.where(data.split == 1, 0, data.split).astype(np.int8)).save(tmp_path / "data")
    words = ["train", "--data", tmp_path / "data", "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    assert "No validation rows" in done(capsys, *words, "--split.valid", "0")


def test_the_demo_trains_evaluates_and_says_where_things_lie(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With the tiny data in the place of the embedded digits. An earlier demo is replaced."""
    monkeypatch.setattr("seesay.formats.open.open_data", {"digits": tiny_data()}.__getitem__)
    monkeypatch.setitem(RECIPES, "demo", lambda: tiny_config(epochs=2))
    for _ in range(2):
        said = done(capsys, "demo", "--out", tmp_path / "demo")
        assert all(name in said for name in CONDITIONS)
        assert f"{tmp_path / 'demo'}/figures" in said
    assert (tmp_path / "demo" / "metrics.json").is_file()


# --------------------------------------------------------------------------------------------- going on again


def train_words(data: Path, run: Path) -> list[str]:
    return ["train", "--data", str(data), "--out", str(run), *SMALL, "--optim.epochs", "20"]


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The model of a run that nobody stopped."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert main(train_words(folder / "data", run)) == 0
    return (run / "model.safetensors").read_bytes()


def stopped(words: list[str], run: Path, how: signal.Signals) -> tuple[int, str]:
    """Trains in another process and stops it so when it has finished its second epoch."""
    script = "import sys; from seesay.cli import main; sys.exit(main(sys.argv[1:]))"
    child = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = run / "epochs.jsonl"
    while child.poll() is None and not (lines.is_file() and lines.read_text().count("\n") >= 2):
        time.sleep(0.005)
    child.send_signal(how)
    _, err = child.communicate()
    return child.returncode, err


@pytest.mark.long
def test_after_kill_9_a_run_goes_on_to_the_very_same_model(
    capsys: Captured, folder: Path, tmp_path: Path, undisturbed: bytes
):
    words = train_words(folder / "data", tmp_path / "run")
    status, _ = stopped(words, tmp_path / "run", signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert not Run.open(tmp_path / "run").finished
    done(capsys, *words, "--resume")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == undisturbed
    assert [line["number"] for line in Run.open(tmp_path / "run").epochs()] == list(range(1, 21))


@pytest.mark.long
def test_after_one_interrupt_a_run_can_be_used_and_goes_on_to_the_very_same_model(
    capsys: Captured, folder: Path, tmp_path: Path, undisturbed: bytes
):
    run = tmp_path / "run"
    words = train_words(folder / "data", run)
    status, err = stopped(words, run, signal.SIGINT)
    assert status == 130
    assert err.splitlines(True)[-1] == f"Stopped. {run} can be used as it is; resume with --resume\n"
    done(capsys, "evaluate", run)
    assert done(capsys, "predict", run, "--image", folder / "picture.png")
    done(capsys, *words, "--resume")
    assert (run / "model.safetensors").read_bytes() == undisturbed


def test_a_finished_run_says_so(capsys: Captured, folder: Path, tmp_path: Path):
    words = ["train", "--data", folder / "data", "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    done(capsys, *words)
    assert main([str(word) for word in [*words, "--resume"]]) == 0
    assert capsys.readouterr().err == f"{tmp_path / 'run'} is already finished\n"


def test_a_run_goes_on_only_as_it_began(capsys: Captured, folder: Path, tmp_path: Path):
    words = ["train", "--data", folder / "data", "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    done(capsys, *words)
    assert "another config: seed was 0, now 1. Give" in refused(capsys, *words, "--seed", "1", "--resume")
    assert "exists already. Add --resume to resume that run" in refused(capsys, *words)
    tiny_data(each=16).save(tmp_path / "other")
    words[2] = tmp_path / "other"
    assert "was trained on other rows" in refused(capsys, *words, "--resume")


# ---------------------------------------------------------------------------------------------------- predict


def test_a_prediction_in_words(capsys: Captured, folder: Path):
    said = done(
        capsys,
        "predict",
        folder / "run",
        "--image",
        folder / "picture.png",
        "--audio",
        folder / "recording.wav",
    )
    first, *opinions = said.splitlines()
    assert first.split()[0] == "low"
    assert first.endswith("from image and audio")
    assert [line.split()[0] for line in opinions] == ["image", "audio"]


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_a_prediction_in_json(capsys: Captured, folder: Path, modality: str):
    path = folder / ("picture.png" if modality == "image" else "recording.wav")
    prediction = json.loads(done(capsys, "predict", folder / "run", f"--{modality}", path, "--json"))
    assert prediction["used"] == [modality]
    assert prediction["label"] == prediction["scores"][0]["label"] == "low"
    names = {"scores", "used", "opinions", "agree", "known", "known_alone", "rejected", "segments"}
    names |= {"agreement", "label", "version"}
    assert set(prediction) == names


@pytest.mark.parametrize(("split", "rows"), [("all", 72), ("test", 18)])
def test_predictions_of_a_data_set_are_a_csv(
    capsys: Captured, folder: Path, tmp_path: Path, split: str, rows: int
):
    out = tmp_path / "predictions.csv"
    words = ["predict", folder / "run", "--data", folder / "data", "--split", split, "--out", out]
    assert str(rows) in done(capsys, *words)
    with out.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == rows
    assert {line["label"] for line in lines} == set(CLASSES)
    assert "exists already" in refused(capsys, *words)
    done(capsys, *words, "--overwrite")


def test_a_prediction_needs_something(capsys: Captured, folder: Path):
    assert "expected at least one input, got none" in refused(capsys, "predict", folder / "run")


def test_a_rows_file_needs_a_data_set(capsys: Captured, folder: Path, tmp_path: Path):
    words = ["predict", folder / "run", "--image", folder / "picture.png", "--out", tmp_path / "a.csv"]
    assert "--out needs --data" in refused(capsys, *words)


def test_a_blank_page_is_no_prediction(capsys: Captured, tmp_path: Path):
    data = tiny_data()
    ink = PictureSpec("ink", height=8, width=8)
    data = data.replace(spec=dataclasses.replace(data.spec, contents={**data.spec.contents, "image": ink}))
    tiny_run(tmp_path / "run", data, tiny_config(epochs=1))
    Image.new("L", (40, 30), 255).save(tmp_path / "blank.png")
    said = refused(capsys, "predict", tmp_path / "run", "--image", tmp_path / "blank.png")
    assert "blank.png is blank" in said


def test_the_rows_that_validate_are_those_of_the_run(capsys: Captured, tmp_path: Path):
    """Where the data set names no splits the run has drawn them."""
    data = tiny_data()
    data = data.replace(split=np.full_like(data.split, -1))
    data.save(tmp_path / "data")
    run = tiny_run(tmp_path / "run", data, tiny_config(epochs=1, split=SplitConfig(valid=0.2)))
    out = tmp_path / "p.csv"
    done(capsys, "predict", run.folder, "--data", tmp_path / "data", "--split", "valid", "--out", out)
    with out.open() as file:
        rows = [int(line["row_id"]) for line in csv.DictReader(file)]
    assert rows == rows_for(run, data, "valid").tolist()
    assert 0 < len(rows) < len(data) / 2


def test_no_rows_are_no_predictions(capsys: Captured, folder: Path, tmp_path: Path):
    data = tiny_data()
    data.replace(split=np.zeros_like(data.split), label=np.full_like(data.label, -1)).save(tmp_path / "data")
    words = ["predict", folder / "run", "--data", tmp_path / "data", "--split", "test"]
    assert "none of the rows" in refused(capsys, *words, "--out", tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("more", [[], ["--out", "a.csv", "--image", __file__]])
def test_rows_are_predicted_into_a_file(capsys: Captured, folder: Path, more: list[str]):
    assert "--data needs --out" in refused(
        capsys, "predict", folder / "run", "--data", folder / "data", *more
    )


def spoilt(folder: Path) -> Path:
    """A table of eight pictures that the tiny run reads, under names of its own; rows 2 and 5 cannot be."""
    data = tiny_data()
    lines = ["photo,class"]
    for i in range(8):
        Image.fromarray(data.contents["image"][3 * i, 0]).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{CLASSES[i % 2]}")
    (folder / "1.png").write_text("no picture")
    (folder / "4.png").unlink()
    (folder / "a.csv").write_text("\n".join(lines))
    return folder / "a.csv"


NAMED = ["--columns", "image=photo", "label=class"]


def bad_rows(out: Path) -> list[str]:
    with Path(f"{out}.bad.csv").open(newline="") as file:
        return [line["row"] for line in csv.DictReader(file)]


def test_rows_that_cannot_be_read_are_skipped_in_predictions(capsys: Captured, folder: Path, tmp_path: Path):
    out = tmp_path / "p.csv"
    words = ["predict", folder / "run", "--data", spoilt(tmp_path), "--out", out, *NAMED]
    assert main([str(word) for word in words]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said == [f"Saved 6 predictions to {out}", f"2 rows were skipped; {out}.bad.csv says which and why"]
    with out.open(newline="") as file:
        assert [line["row_id"] for line in csv.DictReader(file)] == ["0", "2", "3", "5", "6", "7"]
    assert bad_rows(out) == ["2", "5"]
    said = refused(capsys, *words, "--overwrite", "--on-bad", "stop")
    assert "1 of 8 files do not exist: 4.png (row 5)" in said


def test_an_import_stops_at_bad_rows_or_skips_them(capsys: Captured, tmp_path: Path):
    out, path = tmp_path / "out", spoilt(tmp_path)
    words = ["data", "import", path, "--out", out, *NAMED]
    before = names(tmp_path)
    refused(capsys, *words)
    assert names(tmp_path) == before
    assert main([str(word) for word in [*words, "--on-bad", "skip"]]) == 1
    said = capsys.readouterr().out
    assert "Left out: 2 files (2 cannot be read)." in said
    assert said.endswith(f"2 rows were skipped; {out}.bad.csv says which and why\n")
    assert bad_rows(out) == ["2", "5"]
    assert json.loads(done(capsys, "data", "info", out, "--json"))["left_out"] == {"cannot be read": 2}
    for i in (1, 4):
        shutil.copy(tmp_path / "0.png", tmp_path / f"{i}.png")
    done(capsys, *words, "--on-bad", "skip", "--overwrite")
    assert not Path(f"{out}.bad.csv").exists()


def test_columns_of_a_table_are_named_where_it_is_read(capsys: Captured, tmp_path: Path):
    path = spoilt(tmp_path)
    for i in (1, 4):
        shutil.copy(tmp_path / "0.png", tmp_path / f"{i}.png")
    assert "8 rows" in done(capsys, "data", "info", path, *NAMED)
    assert "has no column 'label'" in refused(capsys, "data", "info", path)
    assert "Did you mean 'label'?" in refused(capsys, "data", "info", path, "--columns", "lable=class")
    run = tmp_path / "run"
    done(capsys, "train", "--data", path, "--out", run, *SMALL, "--optim.epochs", "1", *NAMED)
    assert "image" in done(capsys, "evaluate", run, "--split", "train", *NAMED)


def test_advice_never_names_an_empty_split(capsys: Captured, folder: Path, tmp_path: Path):
    data = tiny_data()
    split = np.where(data.split == 1, 0, data.split)
    data.replace(split=split, label=np.full_like(data.label, -1)).save(tmp_path / "none")
    words = [folder / "run", "--data", tmp_path / "none"]
    said = refused(capsys, "predict", *words, "--split", "valid", "--out", tmp_path / "p.csv")
    assert "none of the rows asked for. Choose --split train (54 rows) or test (18 rows)." in said
    said = refused(capsys, "embed", *words, "--out", tmp_path / "e")
    assert "no labelled test rows to show. Give other --data." in said


# ------------------------------------------------------------------------------------------------------- data


def test_data_are_described(capsys: Captured, folder: Path):
    assert "low" in done(capsys, "data", "info", folder / "data")
    info = json.loads(done(capsys, "data", "info", folder / "data", "--json"))
    assert info["rows"] == 72


def test_data_are_shown(capsys: Captured, folder: Path, tmp_path: Path):
    tiny_data(each=4).save(tmp_path / "few")
    show = ["data", "show", tmp_path / "few", "--out"]
    assert "shows 12 rows" in done(capsys, *show, tmp_path / "all.png", "--rows", "100")
    assert "seed must be 0 or more" in refused(capsys, *show, tmp_path / "a.png", "--seed", "-1")
    assert "End it in .png" in refused(capsys, *show, tmp_path / "sheet.txt")
    done(capsys, *show, tmp_path / "sheet.png", "--rows", "4")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 100


def test_data_are_imported_and_can_be_trained_on(capsys: Captured, tmp_path: Path):
    random = np.random.default_rng(0)
    label = np.arange(40) % 2
    features = random.standard_normal((40, 5, 3)).astype(np.float32) + label[:, None, None]
    np.savez(tmp_path / "source.npz", audio=features, label=label)
    said = done(capsys, "data", "import", tmp_path / "source.npz", "--out", tmp_path / "data")
    assert "40 rows" in said
    words = ["train", "--data", tmp_path / "data", "--out", tmp_path / "run", "--optim.epochs", "1"]
    assert "has no option --model.image.width" in refused(capsys, *words, *SMALL)
    done(capsys, *words, *HEARD)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "picture.png")
    assert "trained on audio only" in refused(
        capsys, "predict", tmp_path / "run", "--image", tmp_path / "picture.png"
    )


def test_a_model_of_ready_made_features_says_that_it_cannot_hear(
    capsys: Captured, folder: Path, tmp_path: Path
):
    np.savez(
        tmp_path / "source.npz", audio=np.random.default_rng(0).random((40, 5, 3)), label=np.arange(40) % 2
    )
    words = ["--data", tmp_path / "source.npz", "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    done(capsys, "train", *words)
    said = refused(capsys, "predict", tmp_path / "run", "--audio", folder / "recording.wav")
    assert "trained on ready-made arrays" in said


# -------------------------------------------------------------------------------------------------- bad input


def truncated(data: Path) -> None:
    path = data / "rows.npy"
    path.write_bytes(path.read_bytes()[:-20])


def pickled(data: Path) -> None:
    np.save(data / "label.npy", np.array([{}] * 72, object), allow_pickle=True)


def of_other_length(data: Path) -> None:
    np.save(data / "label.npy", np.zeros(71, np.int64))


def fractional(data: Path) -> None:
    np.save(data / "label.npy", np.full(72, 0.5))


def of_wrong_columns(data: Path) -> None:
    np.save(data / "rows.npy", np.zeros((72, 3), np.int32))


def empty(data: Path) -> None:
    (data / "label.npy").write_bytes(b"")


def absent(data: Path) -> None:
    (data / "image.npy").unlink()


def no_card(data: Path) -> None:
    (data / "dataset.json").write_text("{")


SPOILED = [truncated, pickled, of_other_length, fractional, of_wrong_columns, empty, absent, no_card]


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_a_spoiled_data_set_is_one_line_and_no_run(
    capsys: Captured, folder: Path, tmp_path: Path, spoil: Callable[[Path], None]
):
    spoil(shutil.copytree(folder / "data", tmp_path / "data"))
    assert "data" in refused(capsys, "train", "--data", tmp_path / "data", "--out", tmp_path / "run", *SMALL)
    assert names(tmp_path) == ["data"]


def manifest(folder: Path) -> Path:
    (folder / "m.csv").write_text("image,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(30)))
    return folder / "m.csv"


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "s.npz", **arrays)
    return folder / "s.npz"


def nothing(folder: Path) -> Path:
    return folder / "nowhere"


def bare(folder: Path) -> Path:
    (folder / "bare").mkdir()
    return folder / "bare"


def with_nan(folder: Path) -> Path:
    return npz(folder, audio=np.full((10, 5, 3), np.nan), label=np.arange(10) % 2)


def single(folder: Path) -> Path:
    return npz(
        folder, audio=np.ones((10, 5, 3)) * np.arange(10)[:, None, None], label=np.array([0] * 9 + [1])
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (nothing, "No such file or data set"),
        (bare, ""),
        (manifest, "30 of 30 files do not exist"),
        (with_nan, "NaN|not a number|infinit"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_source_that_cannot_be_read_is_one_line_and_no_data_set(
    capsys: Captured, tmp_path: Path, source: Callable[[Path], Path], says: str
):
    path = source(tmp_path)
    before = names(tmp_path)
    assert any(
        part in refused(capsys, "data", "import", path, "--out", tmp_path / "out") for part in says.split("|")
    )
    assert names(tmp_path) == before


def test_a_class_with_a_single_row_is_dealt_with(capsys: Captured, tmp_path: Path):
    """It is refused or trained on, but never a traceback."""
    path = single(tmp_path)
    words = ["train", "--data", path, "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    assert main([str(word) for word in words]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def small_picture(folder: Path) -> Path:
    Image.new("L", (1, 1), 200).save(folder / "p.png")
    return folder / "p.png"


def bomb(folder: Path) -> Path:
    """20,000 x 20,000 pixels in 50 kB."""
    Image.new("1", (20_000, 20_000)).save(folder / "p.png")
    return folder / "p.png"


def no_picture(folder: Path) -> Path:
    (folder / "p.png").write_text("I am a picture")
    return folder / "p.png"


def silence(folder: Path) -> Path:
    soundfile.write(folder / "r.wav", np.zeros(4_000), 4_000)
    return folder / "r.wav"


def no_samples(folder: Path) -> Path:
    soundfile.write(folder / "r.wav", np.zeros(0), 4_000)
    return folder / "r.wav"


def lying(folder: Path) -> Path:
    """A header that promises far more than is there, of which nothing is."""
    soundfile.write(folder / "r.wav", np.zeros(4_000), 4_000)
    (folder / "r.wav").write_bytes((folder / "r.wav").read_bytes()[:44])
    return folder / "r.wav"


def an_hour(folder: Path) -> Path:
    soundfile.write(folder / "r.flac", np.tile(np.array([0.5, -0.5]), 1_000 * 1_800), 1_000)
    return folder / "r.flac"


@pytest.mark.parametrize(
    ("modality", "make"),
    [("image", make) for make in (nothing, small_picture, bomb, no_picture)]
    + [("audio", make) for make in (nothing, silence, no_samples, lying, an_hour)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_file_that_is_no_picture_or_recording_is_one_line(
    capsys: Captured, folder: Path, tmp_path: Path, modality: str, make: Callable[[Path], Path]
):
    path = make(tmp_path)
    assert path.name in refused(capsys, "predict", folder / "run", f"--{modality}", path)


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_folder_that_is_no_run_is_one_line(capsys: Captured, tmp_path: Path, command: str):
    assert "is not a run" in refused(capsys, command, tmp_path)


def test_a_picture_in_the_place_of_a_run_is_told_where_it_belongs(capsys: Captured, tmp_path: Path):
    path = tmp_path / "seven.png"
    path.write_bytes(b"any")
    assert "--image" in refused(capsys, "predict", path)


def test_no_threads_are_one_line(capsys: Captured, folder: Path, tmp_path: Path):
    words = ["predict", folder / "run", "--threads", "0"]
    assert "threads must be 1 or more, got 0" in refused(capsys, *words)
    out = tmp_path / "p.csv"
    assert "threads must be" in refused(capsys, *words, "--data", folder / "data", "--out", out)


def test_data_that_do_not_fit_the_model_are_one_line(capsys: Captured, folder: Path, tmp_path: Path):
    random = np.random.default_rng(0)
    path = npz(tmp_path, audio=random.random((9, 5, 3)), label=np.arange(9) % 3)
    assert "differ in audio" in refused(capsys, "evaluate", folder / "run", "--data", path)
    words = ["predict", folder / "run", "--data", path, "--out", tmp_path / "p.csv"]
    assert "differ in audio" in refused(capsys, *words)
    assert not (tmp_path / "p.csv").exists()


def test_a_field_that_cannot_be_is_one_line(capsys: Captured, folder: Path, tmp_path: Path):
    words = ["train", "--data", folder / "data", "--out", tmp_path / "run"]
    assert "epochs" in refused(capsys, *words, "--optim.epochs", "0")
    assert "width" in refused(capsys, *words, "--model.image.width", "0")
    assert "fusion" in refused(capsys, *words, "--model.fusion", "sum")
    assert "seed must be 0 to" in refused(capsys, *words, "--seed", "-1")
    assert "seed must be 0 to" in refused(capsys, *words, "--split.seed", str(2**80))
    assert "weight_decay must be" in refused(capsys, *words, "--optim.weight-decay", "inf")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [("--device", "gpu", "gpu"), ("--threads", "0", "threads must be 1 or more, got 0")],
)
def test_where_it_cannot_compute_there_is_no_run(
    capsys: Captured, folder: Path, tmp_path: Path, flag: str, value: str, said: str
):
    words = ["train", "--data", folder / "data", "--out", tmp_path / "run", flag, value]
    assert said in refused(capsys, *words)
    assert not (tmp_path / "run").exists()


def test_without_rows_to_train_on_there_is_no_run(capsys: Captured, tmp_path: Path):
    data = tiny_data()
    data.replace(split=np.full_like(data.split, 2)).save(tmp_path / "data")
    words = ["train", "--data", tmp_path / "data", "--out", tmp_path / "run", *SMALL]
    assert "no rows to train on" in refused(capsys, *words)
    assert not (tmp_path / "run").exists()


def test_where_no_test_row_has_a_label_the_validation_rows_are_scored(capsys: Captured, tmp_path: Path):
    data = tiny_data()
    label = np.where(data.split == 2, -1, data.label)
    data.replace(label=label).save(tmp_path / "data")
    run = tmp_path / "run"
    said = done(capsys, "train", "--data", tmp_path / "data", "--out", run, *SMALL, "--optim.epochs", "1")
    assert f"Next: seesay evaluate {run}" in said
    assert main(["evaluate", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "18 rows of valid" in out
    assert err.startswith("Note: No test row has a label: the validation rows are scored.\n")
    assert json.loads((run / "metrics.json").read_text())["split"] == "valid"
    assert "Splits that have some: train, valid" in refused(capsys, "evaluate", run, "--split", "test")


def test_a_run_never_replaces_the_data_it_trains_on(capsys: Captured, tmp_path: Path):
    data = tmp_path / "data"
    tiny_data().save(data)
    before = names(data)
    words = ["train", "--data", data, "--out", data, "--overwrite", *SMALL]
    assert "contains the training data" in refused(capsys, *words)
    assert names(data) == before


def test_a_run_whose_data_have_moved_says_what_to_do(capsys: Captured, folder: Path, tmp_path: Path):
    tiny_run(tmp_path / "run", config=tiny_config(epochs=1), source="elsewhere/data")
    said = refused(capsys, "evaluate", tmp_path / "run")
    assert "was trained on elsewhere/data, which is not there. Say where it is with --data." in said
    done(capsys, "evaluate", tmp_path / "run", "--data", folder / "data")


def test_a_name_that_no_disk_can_hold_is_one_line(capsys: Captured, folder: Path):
    for flag in ("--image", "--audio"):
        assert "cannot be used" in refused(capsys, "predict", folder / "run", flag, "a" * 5000)
    assert "cannot be used" in refused(capsys, "data", "info", "a" * 5000)


def test_a_spoiled_log_is_one_line(capsys: Captured, folder: Path, tmp_path: Path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    (run / "epochs.jsonl").write_text('{"a')
    assert "epochs.jsonl is not what seesay wrote" in refused(capsys, "evaluate", run)


@pytest.mark.parametrize("command", ["train", "data import"])
def test_an_existing_folder_is_refused_and_never_mixed(
    capsys: Captured, folder: Path, tmp_path: Path, command: str
):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("ten years")
    words = (
        ["train", "--data", folder / "data", *SMALL]
        if command == "train"
        else ["data", "import", folder / "data"]
    )
    assert "exists already" in refused(capsys, *words, "--out", tmp_path / "out")
    assert "not made by seesay" in refused(capsys, *words, "--out", tmp_path / "out", "--overwrite")
    assert names(tmp_path / "out") == ["thesis.txt"]


def test_what_seesay_made_may_be_replaced(capsys: Captured, folder: Path, tmp_path: Path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    (run / "left over.txt").write_text("")
    words = ["train", "--data", folder / "data", "--out", run, *SMALL, "--optim.epochs", "1"]
    assert "exists already" in refused(capsys, *words)
    done(capsys, *words, "--overwrite")
    assert "left over.txt" not in names(run)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "epochs.jsonl"])
def test_a_disk_that_fills_up_in_training_is_one_line(
    capsys: Captured, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    real = seesay.files.tempfile.mkstemp

    def full(*args: Any, prefix: str = "", **named: Any) -> Any:
        if prefix.startswith(f".{name}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, prefix=prefix, **named)

    monkeypatch.setattr(seesay.files.tempfile, "mkstemp", full)
    words = ["train", "--data", folder / "data", "--out", tmp_path / "run", *SMALL, "--optim.epochs", "1"]
    said = refused(capsys, *words, "--quiet")
    assert "No space left on device" in said
    assert name in said
    assert not (tmp_path / "run" / name).exists()


def test_without_cuda_it_is_not_pretended(
    capsys: Captured, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = ["train", "--data", folder / "data", "--out", tmp_path / "run", "--device", "cuda"]
    assert "there is no CUDA device here" in refused(capsys, *words)
