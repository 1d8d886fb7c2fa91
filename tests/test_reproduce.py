"""The report in one command: two splits that differ as they say, numbers that add up, and work that is not
done twice."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

import seesay.reproduce.reproduce as module
from seesay.cli import main
from seesay.condition import Condition
from seesay.config import Config, EncoderConfig, PretrainConfig
from seesay.data.dataset import Dataset
from seesay.data.splits import leaks, stored
from seesay.errors import OutputError
from seesay.metrics.scores import METRICS
from seesay.metrics.statistics import bootstrap
from seesay.recipes import recipe
from seesay.reproduce.leak import Outcome, leak, resampled, score
from seesay.reproduce.page import REPORT, filled, page, scores_table, series
from seesay.reproduce.reproduce import RECIPES, Plan, configs_for, divided, reproduce
from seesay.search.space import parse_space
from tiny import CLASSES, STILL, tiny_config, tiny_data, tiny_model

CONDITIONS = ("image+audio", "image", "audio")
FIGURES = ("reconstructions_audio.png", "reconstructions_image.png", "scores.png")


def tiny_configs() -> dict[Condition, Config]:
    """The report's three models, of a few hundred weights, each trained in a moment."""
    encoder = EncoderConfig(kind="report", width=4, layers=2, dropout=0.1)
    model = tiny_model(image=encoder, audio=encoder, fusion="concat")
    config = tiny_config(2, model, augment=STILL)
    alone = {Condition(m): dataclasses.replace(config, modalities=(m,)) for m in ("image", "audio")}
    both = dataclasses.replace(config, pretrain=PretrainConfig(epochs=1, batch=8))
    return {Condition("image+audio"): both, **alone}


def tiny_plan(folder: Path, **changes) -> Plan:
    return dataclasses.replace(Plan(tiny_data(), "tiny", folder, tiny_configs()), **changes)


def values_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reproduction that was never stopped. Not to be changed."""
    folder = tmp_path_factory.mktemp("reproduce") / "whole"
    for _ in reproduce(tiny_plan(folder)):
        pass
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, where they are not what is asked for: they take longer than all the rest."""
    monkeypatch.setattr(module, "keep", lambda *parts: None)
    for name in ("embed.scatter", "embed.scatter_pair", "embed.save"):
        monkeypatch.setattr(f"seesay.measure.{name}", lambda *parts, **named: None)
    for name in ("reconstructions", "score_intervals", "save"):
        monkeypatch.setattr(module, name, lambda *parts, **named: None)


# ----------------------------------------------------------------------------------------------------- splits


def test_the_random_row_split_leaks_and_the_other_does_not():
    data = tiny_data()
    rows, groups = (divided(data, by) for by in ("row", "group"))
    assert "audio content" in {leak.what for leak in leaks(rows, stored(rows))}
    assert leaks(groups, stored(groups)) == ()


def test_test_rows_are_in_no_random_row_split():
    data = tiny_data()
    drawn = divided(data, "row")
    seen = set(drawn.pointers("image"))
    assert seen == set(data.pointers("image")[data.split != 2])
    assert len(drawn.rows_of("test")) == pytest.approx(0.2 * len(drawn), abs=2)
    assert len(drawn.rows_of("valid")) == 0


def test_rows_without_labels_are_left_out():
    """A competition's test rows: then both splits are drawn from the others."""
    data = tiny_data()
    label = data.label.copy()
    label[data.rows_of("test")] = -1
    for by in ("row", "group"):
        part = divided(data.replace(label=label), by)
        assert (part.label >= 0).all()
        assert set(part.pointers("image")) == set(data.pointers("image")[data.split != 2])


def test_a_small_data_set_is_gone_over_more_often():
    large = tiny_data()
    many = large.select(np.zeros(20_000, int)).replace(split=np.zeros(20_000, np.int8))
    for name, config in configs_for(many).items():
        assert config == recipe(RECIPES[name])
    for name, config in configs_for(large).items():
        known = recipe(RECIPES[name])
        assert config.optim.epochs
        assert config.optim.batch
        assert known.optim.epochs
        steps = config.optim.epochs * 54 / config.optim.batch
        assert module.STEPS <= steps <= max(module.STEPS + 1, known.optim.epochs)
        assert (config.pretrain.epochs > known.pretrain.epochs) == ("+" in name)


# ---------------------------------------------------------------------------------------------------- numbers


def outcome(models: int, rows: int, right: float, seed: int = 0) -> Outcome:
    """Predictions of which about the share `right` are right, rows in units of two."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, rows)
    hit = random.random((models, rows)) < right
    return Outcome(list(np.where(hit, label, (label + 1) % 3)), label, np.arange(rows) // 2, 3)


def test_a_score_of_one_model_is_what_the_other_measures_say():
    one = outcome(1, 300, 0.8)
    found = score(one)
    assert found["accuracy"] == pytest.approx(accuracy_score(one.label, one.predicted[0]))
    assert found["macro_f1"] == pytest.approx(f1_score(one.label, one.predicted[0], average="macro"))
    for name in ("macro_f1", "accuracy"):
        alone = bootstrap(METRICS[name], np.eye(3)[one.predicted[0]], one.label, one.unit)
        assert found[f"{name}_ci"] == pytest.approx(alone)
    assert (found["rows"], found["units"]) == (300, 150)


def test_a_score_of_several_models_is_their_mean():
    three = outcome(3, 300, 0.8)
    found = score(three)
    for measure in ("accuracy", "macro_f1"):
        alone = [each[measure] for each in found["seeds"]]
        assert len(set(alone)) == 3
        assert found[measure] == pytest.approx(np.mean(alone))
        low, high = found[f"{measure}_ci"]
        assert low < found[measure] < high


def test_the_leak_is_the_difference_and_its_interval_has_both_uncertainties():
    rows, groups = outcome(1, 400, 0.9), outcome(1, 100, 0.7, seed=1)
    found = leak(rows, groups)
    for i, measure in enumerate(("accuracy", "macro_f1")):
        assert found[measure]["difference"] == pytest.approx(score(rows)[measure] - score(groups)[measure])
        low, high = found[measure]["ci"]
        both = np.hypot(*(resampled(each, seed=3)[:, i].std() for each in (rows, groups)))
        assert high - low == pytest.approx(2 * 1.96 * both, rel=0.1)
        assert low > 0


def test_equal_splits_leak_nothing():
    found = leak(outcome(1, 300, 0.8), outcome(1, 300, 0.8))
    assert found["accuracy"]["difference"] == 0
    assert found["accuracy"]["ci"][0] < 0 < found["accuracy"]["ci"][1]


# ----------------------------------------------------------------------------------------------------- folder


def test_the_folder_holds_the_report_its_figures_and_every_run(whole: Path):
    names = {"embedding", "figures", "report.json", "report.md", "runs"}
    assert {path.name for path in whole.iterdir()} == names
    assert tuple(sorted(path.name for path in (whole / "figures").iterdir())) == FIGURES
    for by, name in itertools.product(("row", "group"), CONDITIONS):
        folder = whole / "runs" / by / f"{name.replace('+', '_')}-0"
        assert {"model.safetensors", "metrics.json", "README.md"} <= {path.name for path in folder.iterdir()}
    assert (whole / "embedding" / "image_audio_kmeans.png").is_file()


def test_results_are_those_of_the_runs(whole: Path):
    values = values_of(whole)
    for by, name in itertools.product(("row", "group"), CONDITIONS):
        folder = whole / "runs" / by / f"{name.replace('+', '_')}-0"
        said = json.loads((folder / "metrics.json").read_text())["results"][name]
        found = values["results"][by][name]
        for measure in ("accuracy", "macro_f1", "macro_f1_ci"):
            assert found[measure] == pytest.approx(said[measure]), (by, name, measure)
    for name in CONDITIONS:
        one, other = (values["results"][by][name]["accuracy"] for by in ("row", "group"))
        assert values["leak"][name]["accuracy"]["difference"] == pytest.approx(one - other)


def test_models_are_tested_on_rows_that_their_split_holds_out(whole: Path):
    values = values_of(whole)
    test = len(tiny_data().rows_of("test"))
    assert {values["results"]["group"][name]["rows"] for name in CONDITIONS} == {test}
    assert values["splits"]["group"]["rows"]["test"] == test
    assert values["splits"]["row"]["rows"]["test"] == values["results"]["row"]["audio"]["rows"] == 12
    assert "inflated" in " ".join(values["splits"]["row"]["notes"])
    assert values["splits"]["group"]["notes"] == []


def test_every_stage_says_its_seconds(whole: Path):
    stages = values_of(whole)["stages"]
    assert len(stages) == 2 * 6 + 2
    assert all(stage["cpu_seconds"] > 0 and stage["seconds"] > 0 for stage in stages.values())


def test_the_page_has_the_report_beside_both_splits_and_figures_that_are_there(whole: Path):
    text = (whole / "report.md").read_text()
    assert text == page(values_of(whole), "tiny")
    lines = scores_table(values_of(whole)).splitlines()
    assert "| the report | random row split | split without leaks |" in lines[0]
    for name, measure, word in [("audio", "accuracy", "0.834"), ("image+audio", "macro_f1", "0.978")]:
        model, kind = {"audio": "audio alone", "image+audio": "fusion"}[name], measure.replace("_f1", "-F1")
        [line] = [line for line in lines if line.startswith(f"| {model} | {kind} ")]
        assert f"| {word} |" in line
        assert f"{values_of(whole)['results']['group'][name][measure]:.4f}" in line
    linked = [part.split(")")[0] for part in text.split("](")[1:]]
    assert len(linked) == 1 + 2 + 6 + 12
    assert all((whole / link).is_file() for link in linked)
    assert (
        series(values_of(whole)["results"])["the report"]["image+audio"][0]
        == REPORT["image+audio", "macro_f1"]
    )


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_another_number_of_seeds_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seesay.reproduce.reproduce.configs_for", lambda data: tiny_configs())
    words = ["reproduce", "--data", saved(tmp_path / "data", tiny_data()), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert main([*words, "--overwrite", "--seeds", "2"]) == 0
    assert values_of(tmp_path / "out")["asked"]["seeds"] == 2


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_several_seeds_are_averaged(tmp_path: Path):
    plan = tiny_plan(tmp_path / "two", seeds=2)
    assert sum("autoencoder" in line for line in reproduce(plan)) == 2 * 2 * 2
    values = values_of(tmp_path / "two")
    assert len(values["results"]["row"]["image"]["seeds"]) == 2
    assert "(seeds " in (tmp_path / "two" / "report.md").read_text()


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_the_search_goes_into_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FOLDS", 2)
    monkeypatch.setattr(module, "parse_space", lambda name, m: parse_space(f"model.{m}.layers=1|2"))
    plan = tiny_plan(tmp_path / "searched", search=True)
    said = list(reproduce(plan))
    assert sum(line.startswith("search, audio: trial") for line in said) == 2 * 2
    found = values_of(tmp_path / "searched")["search"]
    assert {m: each["cells"] for m, each in found.items()} == {"image": 2, "audio": 2}
    text = (tmp_path / "searched" / "report.md").read_text()
    assert "| best cell |" in text
    assert "](search-audio/search.png)" in text
    assert not any(line.startswith("search") for line in reproduce(plan))  # done already


# ------------------------------------------------------------------------------------------------ once, whole


def models(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/model.safetensors")}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("stop", [9, pytest.param(1, marks=pytest.mark.long)])
def test_what_was_stopped_goes_on_and_ends_the_same(whole: Path, tmp_path: Path, stop: int):
    plan = tiny_plan(tmp_path / "part")
    first = list(itertools.islice(reproduce(plan), stop))
    there = models(plan.folder)
    finished = {path for path in there if (path.parent / "predictions.npz").is_file()}
    rest = list(reproduce(plan))
    assert not set(first) & set(rest)
    assert {path: time for path, time in models(plan.folder).items() if path in finished} == {
        path: there[path] for path in finished
    }
    assert values_of(plan.folder)["results"] == values_of(whole)["results"]
    assert values_of(plan.folder)["leak"] == values_of(whole)["leak"]


@pytest.mark.usefixtures("undrawn")
def test_what_is_finished_is_not_done_again(tmp_path: Path):
    plan = tiny_plan(tmp_path / "done")
    said = list(reproduce(plan))
    before, stages = models(plan.folder), values_of(plan.folder)["stages"]
    assert list(reproduce(plan)) == said[-1:]
    assert (models(plan.folder), values_of(plan.folder)["stages"]) == (before, stages)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 2}, "was started with different settings for seeds"),
        ({"data": tiny_data(seed=5)}, "was started with different settings for data"),
        (
            {"configs": {**tiny_configs(), Condition("image"): tiny_config(3)}},
            "was started with different settings for configs",
        ),
    ],
)
def test_another_plan_does_not_go_on_in_its_folder(whole: Path, changes: dict, words: str):
    before = models(whole)
    with pytest.raises(OutputError, match=words):
        next(reproduce(tiny_plan(whole, **changes)))
    assert models(whole) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        next(reproduce(tiny_plan(tmp_path)))
    (tmp_path / "report.json").write_text("[1]")
    with pytest.raises(OutputError, match="was not written by seesay"):
        next(reproduce(tiny_plan(tmp_path)))
    assert (tmp_path / "mine").read_text() == "precious"


# ----------------------------------------------------------------------------------------------- command line


def saved(folder: Path, data: Dataset) -> str:
    data.save(folder)
    return str(folder)


@pytest.mark.usefixtures("undrawn")
def test_the_command_prints_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr("seesay.reproduce.reproduce.configs_for", lambda data: tiny_configs())
    words = ["reproduce", "--data", saved(tmp_path / "data", tiny_data()), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith(scores_table(values_of(tmp_path / "out")))
    assert "row split, image+audio: macro-F1 " in err
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr() == (out, "")


@pytest.mark.parametrize(
    ("data", "flags", "words"),
    [
        (tiny_data(modalities=["image"]), [], "tiny has no audio"),
        (tiny_data().replace(label=np.full(72, -1)), [], "no labelled row with picture and recording"),
        (tiny_data(), ["--seeds", "0"], "at least 1 seed, got 0"),
    ],
    ids=["one modality", "no labels", "no seeds"],
)
def test_what_cannot_be_reproduced_is_one_line_and_leaves_nothing(tmp_path: Path, capsys, data, flags, words):
    folder = saved(tmp_path / "data", data)
    assert main(["reproduce", "--data", folder, "--out", str(tmp_path / "out"), *flags]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert not (tmp_path / "out").exists()


def test_the_classes_of_the_page_are_those_of_the_data(whole: Path):
    with np.load(whole / "embedding" / "encodings.npz", allow_pickle=False) as arrays:
        assert tuple(arrays["classes"]) == CLASSES


# --------------------------------------------------------------------------------------------- docs/report.md


def test_numbers_of_a_page_are_filled_in(whole: Path):
    values = values_of(whole)
    number, rows = "<!--results.row.image.accuracy-->0<!---->", "<!--splits.row.rows.test-->\n9\n<!---->"
    text = f"a {number} b {rows}\n<!--scores-->\n<!---->"
    done = filled(text, values)
    assert done.startswith(
        f"a <!--results.row.image.accuracy-->{values['results']['row']['image']['accuracy']:.4f}<"
    )
    assert "<!--splits.row.rows.test-->12<!---->" in done
    assert scores_table(values) in done
    assert filled(done, values) == done


def test_every_number_of_the_page_about_the_report_can_be_filled_in(whole: Path):
    page = (Path(__file__).parents[1] / "docs" / "report.md").read_text()
    assert filled(page, values_of(whole)).count("<!---->") == page.count("<!---->") >= 20
