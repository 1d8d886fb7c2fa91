"""The metadata of a model card: what the hub's own library reads back, whatever the names."""

import dataclasses
import json
import math
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard
from hypothesis import given
from hypothesis import strategies as st

from seesay.condition import Condition, conditions
from seesay.learn.run import Run
from seesay.measure.card_metadata import OTHER, _lines, task_of
from seesay.measure.evaluate import Evaluation, evaluate
from seesay.measure.model_card import card, keep
from seesay.metrics.scores import heading
from seesay.spec import MatrixSpec, Spec, VectorSpec
from tiny import AUDIO, CLASSES, IMAGE, tiny_config, tiny_data, tiny_run

TASKS = {"image-classification", "audio-classification", "other"}
"""Those of the hub's tasks that seesay's models have."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run(tmp_path_factory.mktemp("runs") / "my run", config=tiny_config(epochs=1))


def evaluated(run: Run, **changes: Any) -> Evaluation:
    data = tiny_data(missing=True, **changes)
    return evaluate(run.model(), data, data.rows_of("test"))


def read(run: Run, evaluation: Evaluation, name: str = "tiny") -> ModelCard:
    """The card, saved, and loaded by the hub's own library."""
    run.write("README.md", card(run, evaluation, name))
    return ModelCard.load(run.folder / "README.md")


def test_the_card_gives_back_every_number_of_the_evaluation(run: Run):
    data, model = tiny_data(missing=True), run.model()
    keep(run, model, data, evaluate(model, data, data.rows_of("test")))
    results: list[EvalResult] = ModelCard.load(run.folder / "README.md").data.eval_results or []
    metrics = json.loads((run.folder / "metrics.json").read_text())
    found: dict[str, dict[str, Any]] = {}
    names = {heading(name): name for name in metrics["results"]["image"]}
    for result in results:
        assert (result.dataset_name, result.dataset_type, result.dataset_split) == ("tiny", "tiny", "test")
        scores = found.setdefault(str(result.dataset_config), {"rows": result.dataset_args["rows"]})
        name = names[str(result.metric_name)]
        scores[name] = result.metric_value
        if "interval_95" in (result.metric_args or {}):
            scores[f"{name}_ci"] = result.metric_args["interval_95"]
    assert found == metrics["results"]
    assert set(found) == {"image", "audio", "image+audio"}


def test_the_card_uses_the_words_of_the_hub(run: Run):
    loaded = read(run, evaluated(run))
    data = loaded.data.to_dict()
    assert data["library_name"] == "seesay"
    assert data["pipeline_tag"] == "image-classification"
    assert data["tags"] == ["multimodal", "image-classification", "audio-classification"]
    assert data["metrics"] == ["accuracy", "f1"]
    assert loaded.data.model_name == "my run"
    results = loaded.data.eval_results or []
    assert {(r.dataset_config, r.task_type) for r in results} == {
        ("image", "image-classification"),
        ("audio", "audio-classification"),
        ("image+audio", "other"),
    }
    [f1] = [r for r in results if r.metric_name == "macro-F1" and r.dataset_config == "image"]
    assert (f1.metric_type, (f1.metric_args or {})["average"]) == ("f1", "macro")
    assert loaded.text.lstrip().startswith("# A seesay model")


@pytest.mark.parametrize(
    ("modalities", "tasks"),
    [
        ({"front": IMAGE, "side": IMAGE}, ["image-classification"] * 3),
        ({"voice": AUDIO}, ["audio-classification"]),
        ({"clip": VectorSpec(4)}, [OTHER]),
        ({"image": IMAGE, "mfcc": MatrixSpec(9, 4)}, ["image-classification", OTHER, OTHER]),
    ],
)
def test_a_condition_has_the_task_that_its_modalities_share(modalities: dict[str, Any], tasks: list[str]):
    spec = Spec(CLASSES, modalities)
    assert [task_of(spec, condition) for condition in conditions(spec.modalities)] == tasks
    assert set(tasks) <= TASKS


ODD = [
    "yes", "null", "1e5", "0x1f", "~", "- a", "a: b", "# no", "a\n---\nb: c", '"\'', "{a}", "*&!|>%@`",
    "a\\nb", "\u2028", "\x85", "\x7f", "\ufeff", "\N{GRINNING FACE}",
    "Zürich 日本", " ", "2026-11-27", "\t",
]  # fmt: skip


def test_a_name_may_be_anything(run: Run):
    """Of a data set, and of a class."""
    evaluation = evaluated(run)
    for name in ODD:
        odd = dataclasses.replace(run, spec=dataclasses.replace(run.spec, classes=(name, "b", "c")))
        data = read(odd, evaluation, name).data
        results = data.eval_results or []
        assert {result.dataset_name for result in results} == {name}
        assert all(result.dataset_type for result in results)
        assert data.get("library_name") == "seesay"


def test_a_condition_without_rows_is_absent(run: Run):
    evaluation = evaluated(run, modalities=["audio"])
    results = read(run, evaluation).data.eval_results or []
    assert {r.dataset_config for r in results} == set(evaluation.results) == {"audio"}


def test_what_is_no_finite_number_stays_so(run: Run):
    evaluation = evaluated(run)
    result = dict(evaluation.results[Condition("image")], nll=math.inf, macro_f1_ci=[math.nan, 1.0])
    evaluation = dataclasses.replace(evaluation, results={Condition("image"): result})
    scores = {r.metric_name: r for r in read(run, evaluation).data.eval_results or []}
    assert scores["NLL"].metric_value == math.inf
    f1 = scores["macro-F1"]
    low, high = (f1.metric_args or {})["interval_95"]
    assert math.isnan(low)
    assert high == 1.0


KEYS = st.from_regex(r"[a-z][a-z_-]{0,8}", fullmatch=True).filter(lambda key: key not in ("y", "n"))
SCALARS = st.text() | st.floats(allow_nan=False) | st.integers() | st.booleans() | st.none()


@given(
    st.dictionaries(
        KEYS.filter(lambda key: key not in ("yes", "no", "on", "off", "true", "false", "null")),
        st.recursive(
            SCALARS,
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(KEYS.map("k{}".format), inner, max_size=3)
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_yaml_gives_back_what_was_written(values: dict[str, Any]):
    assert yaml.safe_load("\n".join(_lines(values))) == values
