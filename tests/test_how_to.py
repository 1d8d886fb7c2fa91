"""The tutorial and the how-to pages are run as a reader would follow them, from outside the package: blocks
that begin with the name of a module are written, other Python is one session, each command line is run."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from made_once import few_digits
from seesay import registry
from seesay.cli import main
from seesay.metrics import scores
from test_docs import FENCE, FOLLOWED, ROOT

OWN_TEST = ("serve",)
"""Pages that are followed by tests of their own: their commands do not end."""

MODULE = re.compile(r"# (\w+\.py)\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; what a page registers and imports is gone after it."""
    parts = {family: dict(parts) for family, parts in registry.PARTS.items()}
    metrics, modules = dict(scores.METRICS), set(sys.modules)
    for name in ("_named", "_installed"):
        monkeypatch.setattr(registry, name, [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for family, known in parts.items():
        registry.PARTS[family].clear()
        registry.PARTS[family].update(known)
    scores.METRICS.clear()
    scores.METRICS.update(metrics)
    for name in set(sys.modules) - modules:
        if name.startswith("my_"):
            del sys.modules[name]


ONE_EPOCH = ("--optim.epochs", "1")


@pytest.mark.parametrize("page", [p for p in FOLLOWED if p.stem not in OWN_TEST], ids=lambda page: page.stem)
@pytest.mark.parametrize(
    "more", [ONE_EPOCH, pytest.param((), marks=pytest.mark.long)], ids=["quick", "whole"]
)
def test_a_page_can_be_followed(
    page: Path,
    more: tuple[str, ...],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Quick: trainings are one epoch, in Python those of `epochs=8`, on a tenth of the built-in digits or a
    third of the objects, and nothing is searched or exported."""
    session, text = {"__name__": "__main__"}, page.read_text()
    if more:
        text = text.replace("epochs=8", "epochs=1")
    if more and page.stem == "third-modality":
        text = text.replace("300", "100")  # objects
    if not more:
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    elif "seesay train --data digits" in text:
        monkeypatch.setattr("seesay.formats.digits.digits_dataset", few_digits)
    done = 0
    for fence in FENCE.finditer(text):
        block, line = fence["text"], text[: fence.start("text")].count("\n")
        if fence["language"] == "python" and (module := MODULE.match(block)):
            (folder / module[1]).write_text(block)
            importlib.invalidate_caches()
        elif fence["language"] == "python":
            exec(compile("\n" * line + block, page, "exec"), session)
        elif fence["language"] == "console":
            for command in re.findall(r"^\$ seesay (.+)$", block, re.M):
                words = shlex.split(command)
                if more and words[0] in ("tune", "export"):
                    continue
                words += more if words[0] == "train" else ()
                assert main(words) == 0, f"{command}: {capsys.readouterr().err}"
                done += 1
    assert done, "such a page has commands"


def test_the_four_pages_are_there():
    assert {page.stem for page in FOLLOWED} >= {"own-fusion", "third-modality", "vectors", "own-metric"}


def test_an_own_fusion_takes_twenty_lines_at_most():
    text = (ROOT / "docs" / "how-to" / "own-fusion.md").read_text()
    module = next(f["text"] for f in FENCE.finditer(text) if MODULE.match(f["text"]))
    assert len(module.splitlines()) <= 20
