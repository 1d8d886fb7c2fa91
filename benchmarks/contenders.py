"""The same task done in several ways, each in a process of its own, so that memory can be told apart:

    python -m benchmarks.contenders seesay DATA

seesay; the loop that most people would write (DataLoader, batches of 64, float32, Adam) on the same network,
with features made once or item by item; and scikit-learn's support vector machine with an RBF kernel on the
features of both modalities, side by side, of as many rows as finish. Prints a `Standing` as JSON.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks import prediction, training
from benchmarks.door import one_line_of_errors, positive
from benchmarks.prediction import Pairs
from seesay.data.batches import table
from seesay.data.dataset import Dataset
from seesay.data.splits import split
from seesay.formats.open import open_data
from seesay.learn.fit import fresh, validate
from seesay.model.classifier import build
from seesay.model.features import features_of
from seesay.recipes import recipe
from seesay.serve.export import to_onnx
from seesay.serve.graph import Graph

MACHINE = "support vector machine"
CONTENDERS = (*training.LOOPS, MACHINE)

PREDICTED = 2_048
"""Pairs that the throughput of prediction is measured with."""


@dataclass(frozen=True)
class Standing:
    """What one of them needed."""

    seconds: list[float]
    """CPU time of training until the score was reached, features included, by seed; infinite if it was not.
    Of the support vector machine: of all its training."""
    rows: list[int]
    """Trained on until then."""
    scores: list[float]
    """Macro-F1 on test rows, both modalities, of what there was then, by seed; of the support vector
    machine on as many as it was given."""
    pairs: float
    """Predicted in a second of the clock, features in memory, one thread: by ONNX Runtime for ours, by
    torch or scikit-learn for the others."""
    latency: float
    """Milliseconds, one pair, from features."""
    memory: float
    """MiB, the most of the whole process; for ours with the export to ONNX."""


def loop(name: str, data: Dataset, target: float, seeds: int) -> Standing:
    """A way to train the network of `small`: one of `training.LOOPS`."""
    test = split(data).test
    seconds, rows, scores, model = [], [], [], None
    for seed in range(seeds):
        found = training.time_to_score(data, training.quick(seed), name, target)
        seconds.append(found.seconds)
        rows.append(found.rows)
        model = found.model
        scores.append(list(validate(model, table(data, test, features_of(model, data))).values())[-1])
    pairs = _pairs(data, test)
    assert model is not None
    if name == "seesay":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(to_onnx(model, data.spec, "features"))
            call: Callable[[Pairs], object] = Graph(path)
    else:
        call = partial(prediction.classify, model.eval())
    return _standing(seconds, rows, scores, call, pairs)


def support_vector_machine(data: Dataset, rows: int, tested: int, seeds: int) -> Standing:
    """Trained on `rows` rows drawn at random, as all of them would take hours."""
    splits = split(data)
    seconds, trained, scores, machine = [], [], [], make_pipeline()
    model = build(recipe("small").model, data.spec)
    tables = {m: t.finish(t.values).flatten(1).numpy() for m, t in features_of(model, data).items()}

    def arrays(part: np.ndarray) -> np.ndarray:
        return np.concatenate([tables[m][data.pointers(m)[part]] for m in tables], 1)

    for seed in range(seeds):
        random = np.random.default_rng(seed)
        train, test = (
            random.choice(part, min(size, len(part)), replace=False)
            for part, size in ((splits.train, rows), (splits.test, tested))
        )
        began = time.process_time()
        machine = make_pipeline(StandardScaler(), SVC(C=10.0, cache_size=1000))
        machine.fit(arrays(train), data.label[train])
        seconds.append(time.process_time() - began)
        trained.append(len(train))
        scores.append(float(f1_score(data.label[test], machine.predict(arrays(test)), average="macro")))

    def call(part: Pairs) -> object:
        return machine.predict(np.concatenate([x.reshape(len(x), -1) for x in part.values()], 1))

    return _standing(seconds, trained, scores, call, _pairs(data, splits.test))


def _pairs(data: Dataset, rows: np.ndarray) -> Pairs:
    """The features of some rows."""
    contents = {m: data.contents[m][data.pointers(m)[rows[:PREDICTED]]] for m in data.modalities}
    return prediction.features_of(fresh(recipe("small"), data, split(data).train), contents)


def _standing(
    seconds: list[float],
    rows: list[int],
    scores: list[float],
    call: Callable[[Pairs], object],
    pairs: Pairs,
) -> Standing:
    one = {m: x[:1] for m, x in pairs.items()}
    return Standing(
        seconds=seconds,
        rows=rows,
        scores=scores,
        pairs=prediction.throughput("", call, pairs, threads=1).figure,
        latency=prediction.latency("", lambda: call(one)).figure,
        memory=prediction.peak_memory(),
    )


def in_a_process(name: str, data: str, target: float, seeds: int, rows: int, tested: int) -> Standing:
    """What a process of its own says."""
    options = {"--target": target, "--seeds": seeds, "--rows": rows, "--tested": tested}
    words = [name, data, *(str(word) for pair in options.items() for word in pair)]
    command = [sys.executable, "-m", "benchmarks.contenders", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Standing(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description="One way to do the task.")
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("data")
    parser.add_argument("--target", type=float, default=0.998)
    parser.add_argument("--seeds", type=positive, default=5)
    parser.add_argument("--rows", type=positive, default=6_000, help="of the support vector machine")
    parser.add_argument("--tested", type=positive, default=2_000, help="by the support vector machine")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = open_data(given.data)
    if given.name == MACHINE:
        standing = support_vector_machine(data, given.rows, given.tested, given.seeds)
    else:
        standing = loop(given.name, data, given.target, given.seeds)
    print(json.dumps(dataclasses.asdict(standing)))


if __name__ == "__main__":
    one_line_of_errors(main)
