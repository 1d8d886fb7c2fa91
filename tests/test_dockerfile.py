"""The Dockerfile: what it says, and its steps in a clean environment."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import httpx
import pytest

from seesay.cli import COMMANDS
from seesay.cli.options import parse
from served import alone, png, tiny_graph, wav, without_times
from test_docs import ROOT

LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def steps(word: str) -> list[str]:
    """What follows this word, step by step."""
    return [line.removeprefix(word).strip() for line in LINES if line.startswith(f"{word} ")]


def installed() -> list[str]:
    """The arguments of `pip install`, step by step."""
    return [step.removeprefix("pip install ") for step in steps("RUN") if step.startswith("pip install ")]


def test_it_installs_what_serving_needs_and_no_torch():
    packages = set(re.split(r"\s+", installed()[0]))
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["serve"]
    needed = {re.split(r"[^\w.-]", name)[0] for name in extra} - {"onnx", "onnxscript"}
    assert needed < packages
    assert "torch" not in packages
    assert all((ROOT / name).exists() for step in steps("COPY") for name in step.split()[:-1]), (
        "what is copied is there"
    )


def test_it_is_not_root_checks_its_health_and_starts_a_command_that_there_is():
    assert steps("USER") == ["seesay"]
    assert "/ready" in steps("HEALTHCHECK")[0]
    assert json.loads(steps("ENTRYPOINT")[0]) == ["seesay"]
    assert parse(COMMANDS, json.loads(steps("CMD")[0])) is not None


@pytest.mark.long
@pytest.mark.timeout(900)
def test_its_steps_make_a_server_without_torch(tmp_path: Path):
    """The steps of pip in a new environment; then the command on an exported folder, and its health check."""
    for step in steps("COPY"):
        *names, target = step.split()
        for name in names:
            place = tmp_path / "context" / (name if target == "./" else target)
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, place, dirs_exist_ok=True, ignore=ignored)
            else:
                shutil.copy(ROOT / name, place)
    venv.create(tmp_path / "clean", with_pip=True)
    folder = tmp_path / "clean" / "bin"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for arguments in installed():
        words = [word for word in shlex.split(arguments) if word != "--no-cache-dir"]
        subprocess.run(
            [folder / "pip", "install", "-q", *words], cwd=tmp_path / "context", env=clean, check=True
        )
    assert subprocess.run(
        [folder / "python", "-c", "import torch"], env=clean, capture_output=True
    ).returncode
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(tiny_graph())
    command = [
        {"/model": str(tmp_path / "model"), "0.0.0.0": "127.0.0.1"}.get(word, word)
        for word in json.loads(steps("CMD")[0])
    ]
    with subprocess.Popen(
        [folder / "seesay", *command, "--port", "0"], stdout=subprocess.PIPE, text=True, env=clean
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            found = httpx.post(f"{url}/predict", files={"image": png(1), "audio": wav(1)}, timeout=30).json()
            assert without_times(found) == alone(image=png(1), audio=wav(1))
            check = json.loads(steps("HEALTHCHECK")[0].partition("CMD")[2])
            healthy = [
                sys.executable,
                *(word.replace(":8000", f":{url.rpartition(':')[2]}") for word in check[1:]),
            ]
            subprocess.run(healthy, check=True)
        finally:
            process.terminate()
        assert process.wait(40) == 0
