"""What a search leaves: table, CSV, JSON and figure, from made-up trials; and the whole command."""

import csv
import dataclasses
import io
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle
from rich.console import Console

from seesay.cli import main
from seesay.condition import Condition
from seesay.config import Config
from seesay.plain import from_dict
from seesay.search.figure import cells_figure, progress_figure, short
from seesay.search.report import conditions_of, keep_search, print_search, ranked, summary, write_csv
from seesay.search.search import Plan, Search
from seesay.search.space import parse_space
from seesay.search.study import Study
from seesay.search.trial import Fold, Trial
from tiny import tiny_config, tiny_data

CELLS = "model.image.layers=2|3,optim.lr=1e-3|1e-2,model.image.kernel=3"
VALUES = parse_space(CELLS).cells()


def trial(number: int, *scores: float, state: Any = "done", error: str = "") -> Trial:
    """A trial with these macro-F1 in its folds; accuracies are lower by 0.1."""
    folds = tuple(Fold({Condition("image"): {"macro_f1": s, "accuracy": s - 0.1}}, 2.0) for s in scores)
    return Trial(number, VALUES[number], folds, state, error)


TRIALS = [
    trial(0, 0.8, 0.9),
    trial(1, 0.95, 0.97),
    trial(2, 0.5, state="running"),
    trial(3, state="failed", error="kernel too large"),
]


class FakeStudy(SimpleNamespace, Study):
    """The trials, in no file."""

    def trials(self) -> list[Trial]:
        return self.kept

    def importances(self) -> dict[str, float]:
        return self.shares


def found(folder: Path, trials: list[Trial] = TRIALS, **plan: Any) -> Search:
    study: Any = FakeStudy(
        kept=trials, shares={"optim.lr": 0.75, "model.image.layers": 0.25}, folder=folder, total=4
    )
    data = tiny_data(modalities=["image"])
    return Search(
        Plan(parse_space(CELLS), tiny_config(), folds=2, **plan), data, ((data.label, data.label),) * 2, study
    )


def told(search: Search) -> str:
    text = io.StringIO()
    print_search(search, Console(file=text, width=110))
    return text.getvalue()


def lines_of(search: Search, path: Path) -> list[dict[str, str]]:
    write_csv(search, path)
    with path.open() as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------------------------------------------- numbers


def test_the_best_comes_first_and_the_failed_last(tmp_path):
    assert [t.number for t in ranked(found(tmp_path))] == [1, 0, 2, 3]
    best = found(tmp_path).best
    assert best is not None
    assert best.number == 1


def test_mean_and_deviation_are_over_the_folds():
    assert TRIALS[0].mean() == pytest.approx(0.85)
    assert TRIALS[0].std() == pytest.approx(0.05 * math.sqrt(2))
    assert TRIALS[0].mean("accuracy", Condition("image")) == pytest.approx(0.75)
    assert math.isnan(TRIALS[2].std()), "one fold"
    assert math.isnan(TRIALS[3].mean()), "no fold"
    assert math.isnan(TRIALS[0].mean(condition=Condition("audio"))), "not scored"


def test_names_are_cut_to_what_tells_them_apart():
    assert list(short(["model.image.layers", "optim.lr"]).values()) == ["layers", "lr"]
    assert short(["model.image.layers", "model.audio.layers"])["model.audio.layers"] == "audio.layers"
    assert short(["optim.lr", "pretrain.lr", "model.dim"]) == {
        "optim.lr": "optim.lr",
        "pretrain.lr": "pretrain.lr",
        "model.dim": "dim",
    }


def test_conditions_are_those_that_were_scored():
    assert conditions_of(TRIALS) == ("image",)
    assert conditions_of(TRIALS[3:]) == ()


# ------------------------------------------------------------------------------------------------------ files


def test_the_table_says_mean_and_deviation_and_what_is_always_the_same(tmp_path):
    lines = told(found(tmp_path)).splitlines()
    assert "mean ± std over 2 folds; always model.image.kernel 3" in lines[0]
    rows = [line for line in lines if "±" in line and "folds" not in line]
    assert "0.9600 ± 0.0141" in rows[0]
    assert "0.8600 ± 0.0141" in rows[0], "accuracy"
    assert "0.8500 ± 0.0707" in rows[1]
    assert any("running" in line for line in lines)
    [best] = [i for i, line in enumerate(lines) if line == "Trial 1, the best"]
    assert lines[best + 2].split() == ["condition", "accuracy", "macro-F1"]
    assert lines[best + 4].split() == ["image", *["0.8600", "±", "0.0141", "0.9600", "±", "0.0141"]]
    assert any("trial 3 failed: kernel too large" in line for line in lines)
    assert "Importance (PED-ANOVA): optim.lr 75 %, model.image.layers 25 %" in lines[-1]


def test_the_table_of_a_search_that_has_not_begun_is_empty(tmp_path):
    assert "0 " not in "".join(told(found(tmp_path, [])).splitlines()[2:-1])


def test_the_csv_has_every_trial_and_every_fold(tmp_path):
    lines = lines_of(found(tmp_path), tmp_path / "s.csv")
    assert [line["trial"] for line in lines] == ["0", "1", "2", "3"]
    assert [line["state"] for line in lines] == ["done", "done", "running", "failed"]
    assert lines[1]["optim.lr"] == "0.01"
    assert float(lines[0]["image.macro_f1.mean"]) == pytest.approx(0.85)
    assert float(lines[0]["image.macro_f1.std"]) == pytest.approx(0.070711)
    assert float(lines[0]["image.accuracy.mean"]) == pytest.approx(0.75)
    assert [lines[0][f"image.macro_f1.fold{i}"] for i in (1, 2)] == ["0.800000", "0.900000"]
    assert lines[2]["image.macro_f1.std"] == lines[2]["image.macro_f1.fold2"] == ""
    assert [line["folds"] for line in lines] == ["2", "2", "1", "0"]
    assert lines[0]["seconds"] == "4.00"


def test_a_search_of_an_earlier_version_goes_on_with_more_metrics(tmp_path):
    """Of its old folds the new metrics are not known; what is not known is left empty."""
    old, new = (
        TRIALS[1].folds[0],
        Fold({Condition("image"): {"macro_f1": 0.9, "accuracy": 0.8, "nll": 0.3}}, 2.0),
    )
    both = dataclasses.replace(TRIALS[1], folds=(old, new))
    search = found(tmp_path, [dataclasses.replace(both, number=0), TRIALS[0]])
    assert math.isnan(both.mean("nll"))
    assert both.mean() == pytest.approx(0.925)
    lines = lines_of(search, tmp_path / "s.csv")
    assert (lines[0]["image.nll.mean"], lines[1]["image.nll.mean"]) == ("", "")
    best = json.loads(json.dumps(summary(search, tiny_config()), allow_nan=False))["best"]
    assert best["scores"]["image"]["nll"] == {"mean": None, "std": None}
    assert "NLL" in told(search)
    assert "nan" not in told(search)


def test_the_json_has_a_complete_config_and_the_flags_that_make_it(tmp_path):
    search = found(tmp_path)
    said = json.loads(json.dumps(summary(search, tiny_config()), allow_nan=False))
    best = said["best"]
    assert best["values"] == {"model.image.layers": 2, "optim.lr": 0.01, "model.image.kernel": 3}
    assert from_dict(Config, best["config"]) == search.config_of(TRIALS[1]).naming(search.data.spec.kinds)
    assert best["flags"] == ["--optim.lr", "0.01"], "layers and kernel are the base's already"
    assert best["scores"]["image"]["macro_f1"] == {
        "mean": pytest.approx(0.96),
        "std": pytest.approx(0.0141421, rel=1e-4),
    }
    assert len(said["trials"]) == said["wanted"] == 4


def test_everything_is_written_at_once_and_again(tmp_path):
    for trials in ([TRIALS[3]], TRIALS, TRIALS):
        keep_search(found(tmp_path, trials), tiny_config())
    assert {path.name for path in tmp_path.iterdir()} == {"search.csv", "search.json", "search.png"}
    assert imread(tmp_path / "search.png").shape[2] == 4


# ---------------------------------------------------------------------------------------------------- figures


def test_the_figure_of_a_grid_shows_every_cell_its_values_and_its_folds():
    figure = cells_figure(TRIALS[:2], ["model.image.layers", "optim.lr"], None, "Title")
    left, right = figure.axes
    texts = [text.get_text() for text in left.texts]
    assert texts == ["layers", "lr", "2", "0.001", "2", "0.01"]
    assert [text.get_text() for text in right.texts] == ["0.8500 ± 0.0707", "0.9600 ± 0.0141"]
    assert np.asarray(right.lines[0].get_xdata()).tolist() == [0.8, 0.9], "folds"
    assert np.asarray(right.lines[2].get_xdata()).tolist() == [pytest.approx(0.85)], "mean"


def test_the_figure_of_a_search_shows_the_best_so_far_and_the_importances():
    trials = [dataclasses.replace(trial(0, s), number=n) for n, s in enumerate([0.5, 0.4, 0.7])]
    pruned = dataclasses.replace(trial(0, state="pruned"), number=3)
    left, right = progress_figure([*trials, pruned], {"optim.lr": 0.9, "model.dim": 0.1}, None, "Title").axes
    assert np.asarray(left.lines[0].get_ydata()).tolist() == [0.5, 0.5, 0.7]
    assert [np.asarray(line.get_xdata()).tolist() for line in left.lines if line.get_marker() == "|"] == [[3]]
    assert [bar.get_width() for bar in right.patches if isinstance(bar, Rectangle)] == [0.9, 0.1]
    *_, right = progress_figure(trials, {}, None, "Title").axes
    assert [text.get_text() for text in right.texts] == [
        "unknown after 3 trials:\nat least 20 with different scores needed"
    ]


# ---------------------------------------------------------------------------------------------------- command


@pytest.fixture
def tiny(tmp_path) -> Path:
    tiny_data().save(tmp_path / "data")
    return tmp_path / "data"


QUICK = ["--optim.epochs", "1", "--optim.batch", "16", "--optim.precision", "float32", "--threads", "1"]


def tune(data: Path, out: Path, *words: str) -> int:
    return main(["tune", "--data", str(data), "--out", str(out), *QUICK, *words])


def test_the_command_searches_says_the_next_command_and_goes_on(tiny, tmp_path, capsys):
    words = ["--modality", "image", "--space", "model.image.width=2|4", "--folds", "2", "--rows", "40"]
    assert tune(tiny, tmp_path / "s", *words) == 0
    said = capsys.readouterr()
    assert "40 rows, mean ± std over 2 folds" in said.out
    assert "--recipe small --out RUN --modalities image --model.image.width" in said.out
    assert re.fullmatch(r"(trial [12]/2, best [01]\.\d{4}\n){2}", said.err)
    flags = json.loads((tmp_path / "s" / "search.json").read_text())["best"]["flags"]
    before = (tmp_path / "s" / "search.csv").read_text()
    assert tune(tiny, tmp_path / "s", *words) == 0
    assert "resuming with 2 of 2 trials done" in capsys.readouterr().err
    assert (tmp_path / "s" / "search.csv").read_text() == before
    assert main(["train", "--data", str(tiny), "--out", str(tmp_path / "run"), "--threads", "1", *flags]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert config["model"]["image"]["width"] in (2, 4)
    assert config["modalities"] == ["image"]


def test_the_command_proposes_trials_and_prints_json(tiny, tmp_path, capsys):
    words = ["--space", "optim.lr=1e-3..1e-1:log", "--trials", "2", "--json", "--quiet"]
    assert tune(tiny, tmp_path / "s", *words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    said = json.loads(out)
    assert [t["state"] for t in said["trials"]] == ["done", "done"]
    assert (tmp_path / "s" / "search.png").is_file()


@pytest.mark.long
def test_the_reports_grid_is_searched_by_its_name(tiny, tmp_path, capsys):
    """All sixteen cells; the recipe's autoencoders are not trained."""
    words = [
        "--recipe",
        "report-audio",
        "--space",
        "report",
        "--folds",
        "2",
        "--model.dim",
        "16",
        "--model.audio.width",
        "2",
    ]
    assert tune(tiny, tmp_path / "s", *words) == 0
    with (tmp_path / "s" / "search.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["state"] for line in lines] == ["done"] * 16
    assert {line["model.audio.activation"] for line in lines} == {"relu", "sigmoid"}
    assert {line["pretrain.epochs"] for line in lines} == {"0"}
    assert "audio.macro_f1.fold2" in lines[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--space", "model.dims=8|16"], "is not a field. Did you mean 'model.dim'?"),
        (["--space", "model.dim=16..8", "--trials", "3"], "empty range"),
        (["--space", "model.dim=8..16"], "Give the number of trials"),
        (["--space", "report"], "Add --modality image or --modality audio"),
        (["--space", "model.dim=8|16", "--folds", "99"], "99 folds need at least 99 groups"),
        (["--space", "model.dim=8|16", "--trials", "0"], "at least 1 trial"),
        (["--space", "model.dim=8|16", "--modality", "touch"], "touch"),
        (
            ["--space", "pretrain.epochs=1|2"],
            "trials could be trained: only report encoders can",
        ),
    ],
)
def test_a_wrong_search_is_one_line_and_exit_code_2(tiny, tmp_path, capsys, words, says):
    assert tune(tiny, tmp_path / "s", *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("seesay: ")
    assert says in said
    assert said.count("\n") == 1


def test_a_folder_with_another_search_is_one_line_and_keeps_what_it_has(tiny, tmp_path, capsys):
    words = ["--modality", "image", "--space"]
    assert tune(tiny, tmp_path / "s", *words, "model.dim=8|16") == 0
    before = (tmp_path / "s" / "search.json").read_text()
    capsys.readouterr()
    assert tune(tiny, tmp_path / "s", *words, "model.dim=8|32") == 2
    assert "space.model.dim was 8|16, now 8|32" in capsys.readouterr().err
    assert (tmp_path / "s" / "search.json").read_text() == before


def test_a_folder_of_something_else_is_left_as_it_is(tiny, tmp_path, capsys):
    assert tune(tiny, tiny, "--space", "model.dim=8|16") == 2
    assert "is not a search" in capsys.readouterr().err
    assert not (tiny / "study.db").exists()
