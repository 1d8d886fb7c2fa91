"""The page as a door of `seesay verify`: with a program that stands in for Chromium, and with Chromium itself
(marker `long`), on recordings of every rate and pictures of every mode."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import soundfile
import soxr
from PIL import Image

from seesay.cli import main
from seesay.errors import InputError
from seesay.learn.run import Run
from seesay.serve import browser, verify, web_export
from seesay.serve.browser import answers_of_page, found_browser
from seesay.serve.verify import cases, compare, from_page, rows_of, tried

ROOT = Path(__file__).parents[1]
PACKAGE = "onnxruntime-web-1.30.0.tgz"

STAND_IN = """#!{python}
import json, os, sys, time, urllib.request
address = sys.argv[-1].removesuffix("asking.html")
profile = next(word.partition("=")[2] for word in sys.argv if word.startswith("--user-data-dir="))
open({folder!r} + "/words", "w").write(json.dumps([profile, os.getpid(), *sys.argv]))
def ask(name, value=None):
    data = None if value is None else json.dumps(value).encode()
    return urllib.request.urlopen(urllib.request.Request(address + name, data), timeout=9).read()
{does}
"""

ANSWERS = """
assert b"localEngine" in ask("asking.js")
assert b"the page" in ask("index.html")
for i, case in enumerate(json.loads(ask("cases"))):
    sizes = [len(ask(f"given/{i}/{k}")) for k in range(len(case))]
    ask(f"answers/{i}", {"scores": [{"label": "+".join(case), "score": sum(sizes) / 100}]})
time.sleep(60)
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("the page")
    return tmp_path / "page"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A function that makes a program of what it does, which passes for a Chromium."""

    def make(does: str) -> str:
        path = tmp_path / "browser"
        path.write_text(STAND_IN.format(python=sys.executable, folder=str(tmp_path), does=does))
        path.chmod(0o755)
        monkeypatch.setenv(browser.VARIABLE, str(path))
        return str(path)

    return make


@pytest.fixture
def given(tmp_path: Path) -> list[dict[str, Path]]:
    for name, size in (("7.png", 30), ("7.wav", 40)):
        (tmp_path / name).write_bytes(bytes(size))
    return cases([{"image": tmp_path / "7.png", "audio": tmp_path / "7.wav"}])


def started(folder: Path) -> tuple[Path, int, list[str]]:
    """The profile, the process and the words that the stand-in was started with."""
    import json

    profile, process, *words = json.loads((folder / "words").read_text())
    return Path(profile), process, words


def check_gone(folder: Path) -> None:
    """Neither the process nor its profile is left."""
    profile, process, _ = started(folder)
    assert not profile.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_each_case_is_asked_in_order_and_nothing_is_left(
    page: Path, stand_in: Callable[[str], str], given: list[dict[str, Path]], tmp_path: Path
) -> None:
    answers = answers_of_page(stand_in(ANSWERS), page, given)
    labels = [(answer["scores"][0]["label"], answer["scores"][0]["score"]) for answer in answers]
    assert labels == [("image", 0.3), ("audio", 0.4), ("image+audio", 0.7)]
    check_gone(tmp_path)
    _, _, words = started(tmp_path)
    assert "--headless" in words
    assert ("--no-sandbox" in words) == (os.geteuid() == 0)


@pytest.mark.parametrize(
    ("does", "match"),
    [
        ("print('no display'); sys.exit(3)", "ended with status 3: no display"),
        ('ask("failed", "no memory"); time.sleep(60)', "the page failed: no memory"),
        ('ask("answers/0", {"scores": []}); time.sleep(60)', "1 of 3 answers, and none for 1 seconds"),
    ],
)
def test_a_browser_that_does_not_answer_is_ended_and_one_line_says_so(
    page: Path,
    stand_in: Callable[[str], str],
    given: list[dict[str, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    does: str,
    match: str,
) -> None:
    monkeypatch.setattr(browser, "PATIENCE", 1.0)
    program = stand_in(does)
    with pytest.raises(InputError, match=match):
        answers_of_page(program, page, given)
    check_gone(tmp_path)


WAITING = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job does not hear it
from seesay.serve.browser import answers_of_page
answers_of_page(sys.argv[1], Path(sys.argv[2]), [{}])
"""


def test_an_interrupt_ends_the_browser_too(
    page: Path, stand_in: Callable[[str], str], tmp_path: Path
) -> None:
    program = stand_in("time.sleep(60)")
    words = [sys.executable, "-c", WAITING, program, str(page)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "words").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
    check_gone(tmp_path)


def test_without_a_browser_or_its_runtime_the_door_is_not_tried(
    tmp_path: Path, given: list[dict[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    found = tried("browser", [], lambda: from_page(tmp_path, given, tmp_path, None))
    assert found.same
    assert found.skipped.startswith("no Chromium or Chrome was found on PATH. Install one")
    monkeypatch.setenv(browser.VARIABLE, "no-such-program")
    with pytest.raises(InputError, match="SEESAY_BROWSER names no-such-program, which is no program"):
        found_browser()
    monkeypatch.setenv(browser.VARIABLE, sys.executable)
    monkeypatch.setenv("SEESAY_CACHE", str(tmp_path / "cache"))
    found = tried("browser", [], lambda: from_page(tmp_path, given, tmp_path, None))
    assert "npm is not installed" in found.skipped
    found = tried("browser", [], lambda: from_page(tmp_path, [], tmp_path, None))
    assert "PNG and WAV" in found.skipped


def test_a_refusal_is_a_difference_and_said() -> None:
    one = {"scores": [{"label": "a", "score": 1.0}], "segments": []}
    found = compare("browser", [one, one], [one, {"scores": [], "refused": "7.png shows no ink"}])
    assert (found.same, found.refused) == (False, "7.png shows no ink")


# -------------------------------------------------------------------------------------------- Chromium itself


@pytest.fixture(scope="module")
def runtime() -> Path:
    places = [ROOT / "build" / PACKAGE, Path(pooch.os_cache("seesay")) / PACKAGE]
    package = next((place for place in places if place.is_file()), None)
    if package is None or not any(map(shutil.which, browser.NAMES)):
        pytest.skip(f"needs a Chromium, and {PACKAGE} in build/: npm pack {web_export.RUNTIME}")
    return package


RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)
SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT")


def recordings(folder: Path) -> list[Path]:
    """A spoken digit at every rate, mono and stereo, in every kind of sample."""
    word, rate = soundfile.read(Path(verify.__file__).parent / "web" / "examples" / "nine.wav")
    files = []
    for new in RATES:
        same = word if new == rate else soxr.resample(word, rate, new, "VHQ")
        loud = same / np.abs(same).max() * 0.9
        for number, subtype in enumerate(SUBTYPES):
            sound = np.stack([loud, np.roll(loud, number + 1) * 0.7], axis=1) if number % 2 else loud
            files.append(folder / f"{new}_{subtype}.wav")
            soundfile.write(files[-1], sound, new, subtype)
    return files


def pictures(folder: Path) -> list[Path]:
    """A digit in every mode of PNG."""
    random = np.random.default_rng(0)
    sheet = np.full((140, 120), 250.0)
    for place in range(100):
        row, column = 20 + place, 30 + place // 3 + int(8 * np.sin(place / 9))
        sheet[row : row + 7, column : column + 8] = 20
    grey = (sheet + random.normal(0, 2, sheet.shape)).clip(0, 255).astype(np.uint8)
    colour = np.stack([grey, grey // 2 + 100, grey], axis=2).astype(np.uint8)
    alpha = np.dstack([np.full_like(colour, 90), 255 - grey])
    made = {
        "grey": Image.fromarray(grey),
        "rgb": Image.fromarray(colour),
        "rgba": Image.fromarray(alpha),
        "la": Image.fromarray(np.dstack([grey // 3, 255 - grey])),
        "palette": Image.fromarray(colour).convert("P", palette=Image.Palette.ADAPTIVE, colors=16),
        "bits": Image.fromarray(grey).convert("1"),
        "deep": Image.fromarray(grey.astype(np.uint16) * 257),
        "uneven": Image.fromarray((grey.astype(np.uint16) << 8) + 37),
    }
    for name, picture in made.items():
        picture.save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in made]


@pytest.mark.long
def test_the_page_says_what_python_says_of_every_rate_and_mode(runtime: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    from seesay.serve.export_folder import export_folder
    from seesay.serve.predict import Predictor

    run = Run.open(None)
    rows = rows_of(run.spec, [*recordings(tmp_path), *pictures(tmp_path)])
    rows.append({"image": tmp_path / "rgb.png", "audio": tmp_path / "44100_PCM_24.wav"})
    predictor, given = Predictor.open(run), cases(rows)
    export_folder(run, tmp_path / "export")
    expected = [predictor.predict(**case).to_dict() for case in given]
    answers = from_page(tmp_path / "export", given, tmp_path, runtime)
    worst: dict[str, float] = {}
    for case, one, other in zip(given, expected, answers, strict=True):
        found = compare("browser", [one], [other])
        name = "+".join(path.name for path in case.values())
        worst[name] = 1.0 if found.refused or found.labels else found.difference
    print(dict(sorted(worst.items(), key=lambda each: -each[1])[:12]))
    assert not {name: each for name, each in worst.items() if each > verify.TOLERANCE}


@pytest.mark.long
def test_verify_tries_the_browser(
    runtime: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    monkeypatch.setattr(verify, "from_example", lambda export, given: _none())
    files = [str(recordings(tmp_path)[0]), str(pictures(tmp_path)[0])]
    assert main(["verify", "--files", *files, "--runtime", str(runtime)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("browser")]
    assert line.split()[1] == "3"
    assert line.split()[-1] == "same"


def _none() -> Any:
    raise InputError("left out: it takes long")
