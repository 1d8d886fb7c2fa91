"""The metadata at the top of a model card, as model hubs read it: YAML between two lines `---`.

The fields are those of Hugging Face's specification (`modelcard.md` in huggingface/hub-docs). `model-index`
holds every score of the evaluation: one result per condition, which is the `config` of its data set.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seesay.condition import Condition
from seesay.learn.run import Run
from seesay.measure.evaluate import Evaluation
from seesay.metrics.scores import heading, in_order
from seesay.spec import Spec

HUB_METRICS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "accuracy": ("accuracy", {}),
    "macro_f1": ("f1", {"average": "macro"}),
}
"""Metrics that the hub knows: its name for each, and its arguments. Others keep our name."""

OTHER = "other"
"""The hub's task for what none of its tasks describes, such as classes from a picture and a recording."""

UNPRINTABLE = re.compile(
    "[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""Characters that YAML 1.1 takes for line breaks or refuses; the byte order mark too."""


def front_matter(run: Run, evaluation: Evaluation, measured: str) -> str:
    """The YAML block, from `---` to `---`. `measured`: the name of the data set of the evaluation."""
    return "\n".join(["---", *_lines(metadata(run, evaluation, measured)), "---"])


def metadata(run: Run, evaluation: Evaluation, measured: str) -> dict[str, Any]:
    """The metadata as plain values."""
    spec, names = run.spec, in_order(name for each in evaluation.results.values() for name in each)
    tasks = [content.task for content in spec.contents.values() if content.task]
    tags = ["multimodal"] * (len(spec.modalities) > 1) + list(dict.fromkeys(tasks))
    index = {
        "name": run.folder.resolve().name or "seesay",
        "results": [
            {
                "task": {"type": task_of(spec, condition), "name": f"Classification from {condition}"},
                "dataset": {
                    "type": re.sub(r"[^A-Za-z0-9._-]+", "-", measured).strip("-") or "data",
                    "name": measured,
                    "config": condition,
                    "split": evaluation.split,
                    "args": {"rows": result["rows"]},
                },
                "metrics": list(_metrics(result)),
            }
            for condition, result in evaluation.results.items()
        ],
    }
    return {
        "library_name": "seesay",
        **({"pipeline_tag": tasks[0]} if tasks else {}),
        "tags": tags,
        "metrics": [HUB_METRICS[name][0] for name in names if name in HUB_METRICS],
        "model-index": [index],
    }


def task_of(spec: Spec, condition: Condition) -> str:
    """The hub's task of this condition: that of its modalities if they share one, else `OTHER`."""
    tasks = {spec[modality].task for modality in condition.modalities}
    return next(iter(tasks)) if len(tasks) == 1 and all(tasks) else OTHER


def _metrics(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each score of a condition, its 95 % interval among its arguments."""
    for name in in_order(name for name in result if name != "rows" and not name.endswith("_ci")):
        kind, arguments = HUB_METRICS.get(name, (name, {}))
        interval = {"interval_95": result[f"{name}_ci"]} if f"{name}_ci" in result else {}
        args = {**arguments, **interval}
        score = {"type": kind, "value": result[name], "name": heading(name)}
        yield {**score, "args": args} if args else score


# ------------------------------------------------------------------------------------------------------- YAML


def _lines(value: Any) -> Iterator[str]:
    """The value as lines of YAML: lists and mappings as blocks, everything else as `_scalar`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            if isinstance(inner, Mapping | list | tuple) and inner:
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(inner))
            else:
                yield f"{key}: {_scalar(inner)}"
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for item in value:
            for number, line in enumerate(_lines(item)):
                yield f"  {line}" if number else f"- {line}"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    """A string in quotes, as in JSON, or a number: what every version of YAML reads back unchanged."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        digits, exponent, power = repr(float(value)).partition("e")
        return f"{digits}{'.0' if '.' not in digits else ''}{exponent}{power}"  # 1e-05 would be a string
    text = json.dumps(value, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
