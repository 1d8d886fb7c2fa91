"""docs/how-to/serve.md is followed: its requests are sent to a server, its commands exist."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from seesay.cli import COMMANDS
from seesay.cli.options import parse
from seesay.serve.limits import Limits
from served import png, serving, wav
from test_docs import FENCE, ROOT

PAGE = (ROOT / "docs" / "how-to" / "serve.md").read_text()


def blocks(language: str) -> list[str]:
    """The blocks in this language, in order."""
    return [fence["text"] for fence in FENCE.finditer(PAGE) if fence["language"] == language]


def test_its_requests_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
):
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    monkeypatch.chdir(tmp_path)
    Path("seven.png").write_bytes(png(1))
    Path("seven.wav").write_bytes(wav(1))
    with serving(tmp_path) as server:
        asked = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl")]
        assert len(asked) >= 5
        for line in asked:
            here = line.replace(":8000", f":{server.port}")
            subprocess.run(["sh", "-c", here.replace("curl", "curl -sS --fail", 1)], check=True)
        session: dict[str, object] = {}
        for block in blocks("python"):
            exec(compile(block.replace(":8000", f":{server.port}"), "serve.md", "exec"), session)
    assert "is not a picture" in capfd.readouterr().out


def test_its_commands_are_ones_that_there_are():
    lines = [line for block in blocks("console") for line in re.findall(r"^\$ seesay (.+)$", block, re.M)]
    for line in lines:
        assert parse(COMMANDS, shlex.split(line)) is not None
    assert sum(line.startswith("serve") for line in lines) >= 3


def test_its_numbers_are_the_limits():
    limits = Limits()
    shown = dict(re.findall(r"`--([\w-]+)` \((\d+)", PAGE))
    assert shown["max-bytes"] == str(limits.body // 1_000_000)
    assert shown["max-pixels"] == str(limits.pixels // 1_000_000)
    assert shown["max-seconds"] == str(round(limits.seconds))
    assert shown["max-rows"] == str(limits.rows)
    assert shown["queue"] == str(limits.waiting)
    assert shown["receive-seconds"] == str(round(limits.receive))
    assert shown["finish-seconds"] == str(limits.finish)
