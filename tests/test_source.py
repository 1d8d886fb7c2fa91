"""A path that is not there is said before anything heavy is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from seesay.cli import COMMANDS
from seesay.errors import InputError
from seesay.formats.source import CHECKS, check_inputs, check_source
from test_layers import HEAVY


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--data", "nowhere", "--out", "x"],
        ["data", "info", "nowhere.csv"],
        ["data", "import", "nowhere", "--out", "x"],
        ["evaluate", "nowhere"],
        ["predict", "nowhere", "--image", "a.png"],
        ["predict", "--audio", "nowhere.wav"],
        ["tune", "--data", "nowhere", "--out", "x", "--space", "report"],
        ["data", "build", "--pictures", "nowhere", "--recordings", "nowhere", "--out", "x"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded_to_say_that_nothing_is_there(tmp_path: Path, words: list[str]):
    script = (
        f"import sys; from seesay.cli import main; status = main({words}); "
        f"print(status, *sys.modules.keys() & set({HEAVY}))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert ended.stdout == "2\n", ended.stderr
    assert ended.stderr.startswith("seesay: No such ")
    assert "'nowhere" in ended.stderr


def test_the_nearest_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").touch()
    with pytest.raises(InputError, match=r"No such file or data set: 'pair.csv'. Did you mean 'pairs.csv'\?"):
        check_source("pair.csv")
    with pytest.raises(InputError, match=r"No such run: 'xyz'. Check the path."):
        check_inputs({"run": Path("xyz")})


def test_what_is_there_or_not_given_or_a_name_is_no_fault(tmp_path: Path):
    check_inputs({"data": "digits", "run": None, "recordings": (tmp_path, tmp_path), "out": Path("nowhere")})


def test_every_option_that_is_looked_for_is_one():
    options = {name for command in COMMANDS.values() for name in command.__annotations__}
    assert set(CHECKS) <= options
