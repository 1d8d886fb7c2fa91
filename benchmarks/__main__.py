"""Times what a user waits for and writes `results.md` beside this file: `make bench`, or
`python -m benchmarks --data open-wsd --run RUN`.

Training is measured in CPU time (user + system) of one process and one thread: on a shared machine wall
time alone lies. Latencies and pairs a second are by the clock, with the CPU time beside them. What is
compared is measured in the same run.
"""

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks import contenders, prediction, training
from benchmarks.door import one_line_of_errors, positive
from benchmarks.machine import machine, matrix_peak
from seesay.data.dataset import Dataset
from seesay.files import new_file
from seesay.formats.open import open_data
from seesay.learn.run import Run
from seesay.recipes import recipe

Row = tuple[str, ...]


def the_machine() -> Iterator[Row]:
    """Its name and its peaks."""
    yield from machine().items()
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        yield f"matrix peak, {name}, one thread", f"{matrix_peak(dtype) / 1e9:,.0f} GFLOP/s"


def parallel_map(source: str, given: argparse.Namespace) -> Iterator[Row]:
    """A line for each contender; in brackets, how many times better the first one, ours, is."""
    ours = None
    for name in contenders.CONTENDERS:
        one = contenders.in_a_process(name, source, given.target, given.seeds, given.part, given.tested)
        ours = ours or one
        seconds, scores = np.array(one.seconds), np.array(one.scores)
        there = np.isfinite(seconds)
        seconds, missed = seconds[there], "" if there.all() else f"; {(~there).sum()} of {len(there)} never"
        yield (
            name,
            f"{seconds.mean():.2f} ± {seconds.std():.2f} s "
            f"({seconds.mean() / finite(ours.seconds):.1f}){missed}",
            f"{np.mean(one.rows):,.0f}",
            f"{scores.mean():.4f} ± {scores.std():.4f}",
            f"{one.pairs:,.0f} ({ours.pairs / one.pairs:.1f})",
            f"{one.latency:.3g} ms ({one.latency / ours.latency:.1f})",
            f"{one.memory:,.0f} MiB ({one.memory / ours.memory:.1f})",
        )


def finite(seconds: list[float]) -> float:
    """The mean of those that are."""
    return float(np.mean([each for each in seconds if np.isfinite(each)]))


def speeds(data: Dataset) -> Iterator[Row]:
    """Of training, by recipe."""
    for name in ("small", "best"):
        speed, operations, share = training.throughput(data, recipe(name))
        yield (name, f"{speed:,.0f}", f"{operations / 1e6:.1f}", f"{100 * share:.0f} %")


def whole_runs(source: str, recipes: Iterable[str]) -> Iterator[Row]:
    """`seesay train` and `seesay evaluate` from the command line: scores, CPU seconds and peak memory of a
    run."""
    with tempfile.TemporaryDirectory() as folder:
        for name in recipes:
            out = Path(folder) / name
            options = ("--data", source, "--recipe", name, "--out", out)
            seconds, memory = prediction.command("train", *options)
            prediction.command("evaluate", out)
            results = json.loads((out / "metrics.json").read_text())["results"]
            scores = [f"{result['macro_f1']:.4f}" for result in results.values()]
            yield (name, *scores, f"{seconds:.0f} s", f"{memory:,.0f} MiB")


def predictions(run: Path, data: Path, rows: int) -> Iterator[Row]:
    """Latency, throughput, rows on disk."""
    for line in prediction.measure(run, data, rows):
        yield (line.what, f"{line.figure:,.4g} {line.unit}", f"{line.cpu_seconds:.3g} s", str(line.threads))


def section(title: str, columns: Row, rows: Iterable[Row]) -> Iterator[str]:
    """A table in Markdown, line by line as it becomes known."""
    yield from ("", f"## {title}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns))
    for row in rows:
        yield f"| {' | '.join(row)} |"


def page(data: Dataset, given: argparse.Namespace) -> Iterator[str]:
    """All that is asked for."""
    target = given.target
    yield "# Benchmarks"
    yield ""
    yield f"Made by `make bench` on `{data.name}`. CPU time is user + system, of one thread if not said;"
    yield "latencies and pairs a second are by the clock."
    yield from section("Machine", ("what", "is"), the_machine())
    columns = ("", "CPU time of training", "rows trained on", "macro-F1 on test rows then")
    columns += ("pairs a second", "one pair", "peak memory")
    yield from section(
        f"Side by side: training the network of `small` until {target:g} macro-F1 of image+audio is "
        f"reached and held, on validation rows that share no recording with the others; then predicting "
        f"from features with one thread, by ONNX Runtime (ours), torch, scikit-learn. The support vector "
        f"machine has {given.part:,} rows and is scored on {given.tested:,}. {given.seeds} seeds; in "
        f"brackets, how many times better ours is",
        columns,
        parallel_map(given.data, given),
    )
    columns = ("recipe", "rows a CPU second", "million operations a row", "share of the matrix peak")
    yield from section("Training", columns, speeds(data))
    if given.recipes:
        columns = ("recipe", *("image", "audio", "image+audio"), "CPU time", "peak memory")
        yield from section(
            "Whole runs, macro-F1 on test rows", columns, whole_runs(given.data, given.recipes)
        )
    if given.run:
        columns = ("prediction", "figure", "CPU time", "threads")
        yield from section("Prediction", columns, predictions(given.run, Path(given.data), given.rows))


def main() -> None:
    """Prints each line when it is known, and writes the page when all are."""
    parser = argparse.ArgumentParser(description="How quick seesay is on this machine.")
    parser.add_argument("--data", default="digits", help="data set, as seesay train takes it")
    parser.add_argument("--run", type=Path, help="trained run to predict with; the data has to be a folder")
    parser.add_argument("--target", type=float, default=0.998)
    parser.add_argument("--seeds", type=positive, default=5)
    parser.add_argument("--recipes", nargs="*", default=["small"], help="recipes to train whole")
    parser.add_argument("--part", type=positive, default=6_000)
    parser.add_argument("--tested", type=positive, default=2_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.recipes:
        recipe(name)
    if given.run:
        prediction.check(Run.open(given.run), Dataset.open(given.data), given.rows)
    data = open_data(given.data)
    lines = []
    for line in page(data, given):
        print(line, flush=True)
        lines.append(line)
    with new_file(Path(__file__).parent / "results.md", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    one_line_of_errors(main)
