"""The pages tell the truth: their Python runs, their commands exist, their links lead somewhere.

The Python blocks of a page are one session in an empty folder. In its `console` blocks, the lines after a `$`
are commands. What is only a sketch stands in a `text` block.
"""

import contextlib
import io
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from made_once import few_digits
from seesay.cli import COMMANDS
from seesay.cli.options import parse
from seesay.errors import SeesayError

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

FENCE = re.compile(r"^ *(?P<ticks>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^ *(?P=ticks) *$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\((?P<markdown>[^)\s]+)[^)]*\)|(?:src|href)=\"(?P<html>[^\"]+)\"")


class Block(NamedTuple):
    language: str
    line: int
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages, with the line on which each begins."""
    text, found = page.read_text(), []
    for fence in FENCE.finditer(text):
        line = text[: fence.start("text")].count("\n")
        found.append(Block(fence["language"], line, textwrap.dedent(fence["text"])))
    return [block for block in found if block.language in languages]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command in the console blocks of a page; a pipe or `&&` separates two."""
    for block in blocks(page, "console", "sh", "bash"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if block.language == "console" and not line.startswith("$ "):
                continue
            words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
            words.whitespace_split = True
            command: list[str] = []
            for word in [*words, ";"]:
                if word.strip("|&;<>()"):
                    command.append(word)
                else:
                    yield command
                    command = []


def commands_of(page: Path, program: str) -> list[list[str]]:
    """What follows the name of `program`, wherever that is run, with a folder or `time` before it or not."""
    found = []
    for words in commands(page):
        names = [Path(word).name for word in words]
        if program in names:
            found.append(words[names.index(program) + 1 :])
    return found


def check_command(words: list[str]) -> None:
    """The command line could be run as it is, if its files were there."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            parse(COMMANDS, words)
    except SeesayError as error:
        pytest.fail(f"seesay {' '.join(words)}: {error}")


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked by, as a forge makes it."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def check_link(page: Path, link: str) -> None:
    """It leads to a file of the repository, and to a heading of it where it names one."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
    assert target.exists(), f"{link} is not there"
    assert not anchor or anchor in anchors(target), f"{path or page.name} has no heading for #{anchor}"


FOLLOWED = sorted([ROOT / "docs" / "tutorial.md", *(ROOT / "docs" / "how-to").glob("*.md")])
"""Pages that are followed whole, commands and all, by test_how_to.py."""


def pages(having: str) -> list:
    """Of those pages that have such blocks, one test each."""
    some = [p for p in PAGES if not having or (blocks(p, having) and p not in FOLLOWED)]
    return [pytest.param(p, id=str(p.relative_to(ROOT))) for p in some]


@pytest.mark.usefixtures("same_metrics")
@pytest.mark.parametrize("epochs", ["epochs=1", pytest.param("epochs=8", marks=pytest.mark.long)])
@pytest.mark.parametrize("page", pages(having="python"))
def test_python_runs(page: Path, epochs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Quick: a training is one epoch on every tenth of the built-in digits."""
    monkeypatch.chdir(tmp_path)
    if epochs == "epochs=1":
        monkeypatch.setattr("seesay.formats.digits.digits_dataset", few_digits)
    session = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        text = block.text.replace("epochs=8", epochs)
        exec(compile("\n" * block.line + text, page, "exec"), session)


@pytest.mark.parametrize("page", pages(having=""))
def test_commands_exist(page: Path):
    if page in FOLLOWED:
        pytest.skip("its commands are run")
    for words in commands_of(page, "seesay"):
        check_command(words)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for words in commands_of(page, "make"):
        assert set(words) <= set(targets), f"make {' '.join(words)}: no such target"


@pytest.mark.parametrize("page", pages(having=""))
def test_links_lead_somewhere(page: Path):
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
    for found in LINK.finditer(text):
        link = found["markdown"] or found["html"]
        if "://" not in link and not link.startswith("mailto:"):
            check_link(page, link)


@pytest.mark.parametrize(
    "words",
    [
        ["trian", "--out", "run"],
        ["data", "biuld"],
        ["evaluate", "run", "--splt", "test"],
        ["evaluate", "run", "--split", "tset"],
        ["evaluate"],
        ["train", "--data", "d", "--out", "o", "--recipe", "smal"],
        ["train", "--data", "d", "--out", "o", "--optim.epohcs", "3"],
    ],
)
def test_a_command_line_that_would_be_refused_is_noticed(words: list[str]):
    with pytest.raises(pytest.fail.Exception):
        check_command(words)


@pytest.mark.parametrize("link", ["nowhere.md", "README.md#no-such-heading", "../shared"])
def test_a_dead_link_is_noticed(link: str):
    with pytest.raises(AssertionError):
        check_link(ROOT / "README.md", link)


def test_commands_are_found_in_what_a_reader_would_type(tmp_path: Path):
    page = tmp_path / "page.md"
    first = "$ A=1 .venv/bin/seesay train \\\n    --out run && seesay evaluate run | head -3"
    page.write_text(f"```console\n{first}\nseesay prints\n$ make demo  # seesay demo\n```\n")
    assert commands_of(page, "seesay") == [["train", "--out", "run"], ["evaluate", "run"]]
    assert commands_of(page, "make") == [["demo"]]


def test_decisions_are_short_and_say_the_four_things():
    for page in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        text = page.read_text()
        headings = re.findall(r"^## (.*)$", text, re.M)
        assert headings == ["Context", "Decision", "Consequences", "What would change our mind"], page.name
        assert text.count("\n") <= 40, page.name


def test_the_log_begins_with_what_we_know_and_is_dated_newest_first():
    headings = re.findall(r"^## (.*)$", (ROOT / "docs" / "log.md").read_text(), re.M)
    assert headings[:2] == ["What we know", "How to read an entry"]
    dates = [heading[:10] for heading in headings[2:]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d: .+", heading) for heading in headings[2:])
    assert dates == sorted(dates, reverse=True)
