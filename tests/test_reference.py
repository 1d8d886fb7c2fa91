"""The pages of the command line and the config say what the code says."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from seesay.cli import COMMANDS

SCRIPT = Path(__file__).parents[1] / "scripts" / "make_reference.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_reference"] = module
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_those_that_the_code_makes(script: ModuleType):
    for path, text in script.pages().items():
        assert path.read_text() == text, f"{path.name} is old: make reference"


def test_every_option_has_a_meaning(script: ModuleType):
    for name, command in COMMANDS.items():
        for option, _, _, meaning in script.options_of(command):
            assert meaning, f"{name} {option}"
    for line in script.config_page().splitlines():
        if line.startswith("| `"):
            assert not line.endswith("|  |"), line
