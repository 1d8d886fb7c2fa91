"""The progress bar at every width: count and time left are never lost, nor a score."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from seesay.cli.terminal import progress_bar, watching
from tiny import tiny_config

SCORES = {"image": 0.9912, "audio": 0.9712, "image+audio": 0.9999}


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_the_bar_keeps_count_time_and_scores(width: int, monkeypatch: pytest.MonkeyPatch):
    look = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    screen = Console(file=io.StringIO(), width=width, force_terminal=True)
    monkeypatch.setattr("rich.console.Console", lambda **_: screen)
    with watching(tiny_config(epochs=6), 36_000, 2) as watch:
        for _ in watch(range(4_500)):
            pass
        watch.say(SimpleNamespace(number=1, loss=0.12345, scores=SCORES))
        with look.capture() as captured:
            look.print(watch.progress.get_renderable())
    lines = captured.get().splitlines()
    assert lines[0].startswith("epoch 1/6 ━")
    assert "4500/27000 " in lines[0]
    assert lines[0].rstrip()[-3] == ":", "the time left"
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines[1:]).split()) == (
        "epoch 1/6 loss 0.1235 image 0.9912 audio 0.9712 image+audio 0.9999"
    )


def test_where_nobody_watches_lines_stand_one_below_the_other(capsys: pytest.CaptureFixture[str]):
    with progress_bar() as progress:
        progress.tell("one [b]line")
        progress.tell("another " * 30)
    assert capsys.readouterr().err == f"one [b]line\n{'another ' * 30}\n"
    with progress_bar(quiet=True) as progress:
        progress.tell("nothing")
    assert capsys.readouterr() == ("", "")


def test_a_long_silence_is_broken_by_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Folds that calibrate a model end without a line, and an epoch may take minutes."""
    clock = [0.0]
    monkeypatch.setattr("seesay.cli.terminal.time", SimpleNamespace(monotonic=lambda: clock[0]))
    with watching(tiny_config(epochs=6), 36_000, 2) as watch:
        for _ in watch(range(4_500)):
            clock[0] += 0.01
    with watching(tiny_config(epochs=6), 36_000, 2, quiet=True) as watch:
        for _ in watch(range(4_500)):
            clock[0] += 0.01
    assert capsys.readouterr().err.splitlines() == [f"{n} % of the training" for n in (3, 7, 11, 14)]
