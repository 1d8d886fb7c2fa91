"""Imports: their arrows run one way (the contract stands in pyproject.toml), `--help` does not wait for heavy
ones, and all of them are declared."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACT = ROOT / "pyproject.toml"
PROJECT = tomllib.loads(CONTRACT.read_text())

HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "optuna", "openTSNE", "onnx", "fastapi")
"""Each takes a good part of the 0.3 s that `seesay --help` may take, or all of it several times over."""


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the package seesay that lies in the folder `source`."""
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--config", CONTRACT, "--no-cache"],
        cwd=source,
        env=os.environ | {"PYTHONPATH": str(source), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def test_arrows_run_one_way():
    done = lint(ROOT / "src")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_arrow_that_runs_back_is_noticed(tmp_path: Path):
    """A package of the same layers in which the lowest imports the highest."""
    [contract] = PROJECT["tool"]["importlinter"]["contracts"]
    modules = [module.strip() for layer in contract["layers"] for module in layer.split("|")]
    (tmp_path / "seesay").mkdir()
    for module in ["__init__", *modules]:
        (tmp_path / "seesay" / f"{module}.py").touch()
    (tmp_path / "seesay" / f"{modules[-1]}.py").write_text(f"import seesay.{modules[0]}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert f"seesay.{modules[-1]} is not allowed to import seesay.{modules[0]}" in done.stdout


@pytest.mark.parametrize("module", ["seesay", "seesay.config", "seesay.recipes", "seesay.cli"])
def test_what_help_needs_is_light(module: str):
    command = f"import sys, {module}; print(*sorted(sys.modules.keys() & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def imported(source: Path) -> set[str]:
    """The packages, ours and Python's own left out, that a module imports anywhere."""
    nodes = list(ast.walk(ast.parse(source.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    beside = {file.stem for file in source.parent.glob("*.py")} | {"ink"}  # files of an exported folder
    ours = {"seesay"} | (beside if source.parent.name == "exported" else set())
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - ours


def test_what_is_imported_is_declared():
    """Not only brought in by chance, by a dependency of a dependency."""
    project = PROJECT["project"]
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    declared = {re.split(r"[<>=\[]", name)[0].lower() for name in [*project["dependencies"], *extras]}
    distributions = packages_distributions()  # reads the file lists of all that is installed
    for source in (ROOT / "src").rglob("*.py"):
        for package in imported(source):
            brought = {name.lower().replace("_", "-") for name in distributions.get(package, [])}
            absent_extra = not brought and any(name.split("-")[0] == package for name in declared)
            assert brought & declared or absent_extra, (
                f"{source.name} imports {package}, which pyproject.toml does not name"
            )
