"""One entry in `METRICS`, and a metric appears wherever scores do."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from seesay.cli import main
from seesay.cli.terminal import print_scores
from seesay.condition import Condition
from seesay.metrics.scores import METRICS, Label, Metric, Probabilities, add_metric
from tiny import tiny_config, tiny_data, tiny_run


def confidence(probabilities: Probabilities, label: Label) -> float:
    """The mean highest probability."""
    return float(probabilities.max(1).mean())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data and two runs on it, and one metric more."""
    tiny_data().save(tmp_path / "data")
    for name, epochs in (("short", 1), ("long", 3)):
        tiny_run(tmp_path / name, tiny_data(), tiny_config(epochs=epochs), str(tmp_path / "data"))
    monkeypatch.setitem(
        METRICS, "confidence", Metric(confidence, "How sure", "The mean highest probability.")
    )
    return tmp_path


def test_a_metric_of_ones_own_appears_in_an_evaluation(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(folder / "short")]) == 0
    assert "How sure" in capsys.readouterr().out
    metrics = json.loads((folder / "short" / "metrics.json").read_text())
    card = (folder / "short" / "README.md").read_text()
    for result in metrics["results"].values():
        assert 1 / 3 < result["confidence"] < 1
        assert f"{result['confidence']:.4f}" in card
    assert "| How sure |" in card
    assert "- How sure: The mean highest probability." in card


def test_a_metric_of_ones_own_appears_in_a_search(folder: Path, capsys: pytest.CaptureFixture[str]):
    words = ["tune", "--data", str(folder / "data"), "--out", str(folder / "s"), "--space", "model.dim=4|8"]
    assert main([*words, "--optim.epochs", "1", "--optim.batch", "16", "--threads", "1"]) == 0
    assert "How sure" in capsys.readouterr().out
    found = json.loads((folder / "s" / "search.json").read_text())
    for scores in found["best"]["scores"].values():
        assert 1 / 3 < scores["confidence"]["mean"] < 1
    with (folder / "s" / "search.csv").open() as file:
        assert all(float(line["image+audio.confidence.mean"]) > 1 / 3 for line in csv.DictReader(file))


def test_a_metric_of_ones_own_appears_in_a_comparison(folder: Path, capsys: pytest.CaptureFixture[str]):
    words = ["compare", str(folder / "short"), str(folder / "long")]
    assert main(words) == 0
    assert "How sure" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    for pair in json.loads(capsys.readouterr().out)["pairs"]:
        assert pair["confidence"]["b"] > pair["confidence"]["a"] > 1 / 3
        assert pair["confidence"]["ci"] is None, "nobody asked for one"


@pytest.mark.usefixtures("same_metrics")
def test_one_that_asks_for_an_interval_gets_it(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.delitem(METRICS, "confidence")
    add_metric("confidence", confidence, interval=True)
    assert main(["evaluate", str(folder / "short"), "--json"]) == 0
    for result in json.loads(capsys.readouterr().out)["results"].values():
        low, high = result["confidence_ci"]
        assert low < result["confidence"] < high
    assert (
        main(["compare", str(folder / "short"), str(folder / "long"), "--json", "--condition", "image"]) == 0
    )
    [pair] = json.loads(capsys.readouterr().out)["pairs"]
    low, high = pair["confidence"]["ci"]
    assert low < pair["confidence"]["difference"] < high
    assert pair["confidence"]["p_holm"] == pair["confidence"]["p"] > 0


# -------------------------------------------------------------------------------------------------- terminal


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("modalities", [2, 3])
@pytest.mark.parametrize("classes", [2, 20])
def test_every_score_fits_the_terminal(
    width: int, modalities: int, classes: int, monkeypatch: pytest.MonkeyPatch, capsys
):
    """Also of every set of three modalities: metrics and conditions trade places, or the table is parted."""
    from types import SimpleNamespace

    from seesay.metrics.scores import measure

    monkeypatch.setenv("COLUMNS", str(width))
    names = ["image", "audio", "touch"][:modalities]
    sets = [[n for i, n in enumerate(names) if bits >> i & 1] for bits in range(1, 2**modalities)]
    random = np.random.default_rng(0)
    results = {}
    for each in sets:
        label = random.integers(0, classes, 500)
        scores = measure(random.dirichlet(np.ones(classes), 500), label)
        f1 = scores["macro_f1"]
        results[Condition.of(each)] = {"rows": 10_000, **scores, "macro_f1_ci": [f1 - 0.01, f1 + 0.01]}
    print_scores(SimpleNamespace(results=results, rows=np.arange(10_000), split="test"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    words = {word for line in lines for word in line.split()}
    for condition, scores in results.items():
        assert condition in words, "not folded"
        assert {f"{scores[name]:.4f}" for name in METRICS if name in scores} <= words
    assert ("top-3" in words) == (classes > 3)
