"""Tables: no number is cut on a terminal; as text they can be read back."""

import csv
import io

import pytest
from rich.console import Console

from seesay.tables import Rows, show, written

SCORES = [
    ["condition", "rows", "accuracy", "macro-F1", "95 % interval", "NLL", "ECE"],
    ["image", "10,000", "0.9954", "0.9954", "0.9941 to 0.9966", "0.0151", "0.0022"],
    ["image+audio", "10,000", "0.9999", "0.9999", "0.9997 to 1.0000", "0.0006", "0.0003"],
]


def shown(rows: Rows, width: int, title: str = "") -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        show(rows, console, title)
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_number_is_cut_at_any_width(width: int):
    lines = shown(SCORES, width)
    assert max(map(len, lines)) <= width
    for word in " ".join(cell for row in SCORES for cell in row).split():
        assert any(word in line for line in lines)


def test_a_table_that_is_too_wide_is_turned_on_its_side():
    assert shown(SCORES, 100)[1].split()[:3] == ["condition", "rows", "accuracy"]
    assert shown(SCORES, 60)[1].split() == ["condition", "image", "image+audio"]


def test_a_table_that_is_too_wide_on_its_side_as_well_becomes_several():
    many = [SCORES[0], *([f"{name}+{i}", *cells] for i in range(4) for name, *cells in SCORES[1:])]
    lines = shown(many, 60, "Title")
    heads = [line.split() for line in lines if "condition" in line]
    assert heads == [
        ["condition", "rows", "accuracy", "macro-F1"],
        ["condition", "95", "%", "interval", "NLL", "ECE"],
    ]
    assert sum("image+audio+3" in line for line in lines) == 2, "each part says what its rows are of"
    assert sum("Title" in line for line in lines) == 1


def test_names_are_not_markup_and_the_title_stands_on_a_line():
    lines = shown([["[b]a", "b"], ["[red]x", "1"]], 80, "[i]a title that is longer than the table")
    assert lines[0] == "[i]a title that is longer than the table"
    assert "[b]a" in lines[2]
    assert "[red]x" in lines[4]


def test_markdown_has_a_rule_below_the_heads_and_bars_that_are_not_its_own():
    text = written([["run", "rows"], ["a|b", "12"]], "markdown")
    assert text == "| run | rows |\n| --- | ---: |\n| a\\|b | 12 |"


def test_csv_can_be_read_back():
    rows = [["run", "rows"], ['a "b", c', "10,000"]]
    assert list(csv.reader(io.StringIO(written(rows, "csv")))) == rows


def test_latex_takes_no_character_for_a_command():
    text = written([["run", "95 %"], ["a_b & c\\d", "1"]], "latex")
    assert text == "\n".join([
        r"\begin{tabular}{lr}", r"\toprule", r"run & 95 \% \\", r"\midrule",
        r"a\_b \& c\textbackslash{}d & 1 \\", r"\bottomrule", r"\end{tabular}",
    ])  # fmt: skip
