"""How long prediction takes: one pair, many pairs in memory, a million rows on disk; torch and ONNX Runtime.

    python -m benchmarks.prediction RUN DATA

Latencies are medians of wall time, pairs a second the best of several runs by the clock; the last but one
column is CPU time. On a busy machine all of them are too long, never too short.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
import torch
from PIL import Image, ImageDraw

from benchmarks.door import one_line_of_errors
from seesay.data.dataset import Dataset
from seesay.data.ragged import ContentTable, flat
from seesay.errors import InputError
from seesay.learn.run import Run
from seesay.model.classifier import Classifier
from seesay.model.features import features_of_contents, fitted, fitting
from seesay.serve.batch import parallel_map
from seesay.serve.export import export
from seesay.serve.graph import Graph, InputKind
from seesay.serve.predict import Predictor
from seesay.spec import Modality, WaveformSpec

Pairs = dict[str, np.ndarray]
"""Arrays by modality, as many rows each."""

PAIRS = 16_384
"""In memory, in the form that the networks are given."""

AT_ONCE = 512
"""Pairs that the networks are given at a time."""

NOISED = 10_000_000
"""Values that get their noise at a time."""

COMMAND = """
import re, resource, sys
from seesay.cli import main
if main():
    sys.exit("failed")
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
"""The command, and what it took in all: CPU seconds and the most KiB (of Linux; ru_maxrss would begin at
ours)."""


@dataclass(frozen=True)
class Figure:
    """A line of the table."""

    what: str
    figure: float
    unit: str
    cpu_seconds: float
    """Of one pair, or of the whole command."""
    threads: int


def measure(run: Path, data: Path, rows: int = 1_000_000, scratch: Path | None = None) -> list[Figure]:
    """All of them. `rows`: of the large data sets, which need 3 GB of `scratch` for a million."""
    torch.set_num_threads(1)
    opened, dataset = Run.open(run), Dataset.open(data)
    check(opened, dataset, rows)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        kinds: tuple[InputKind, ...] = ("contents", "features")
        graphs: dict[InputKind, Path] = {kind: Path(folder) / f"{kind}.onnx" for kind in kinds}
        for kind, path in graphs.items():
            export(opened, path, kind)
        return [
            *one_pair(opened, dataset, graphs),
            *many_pairs(opened, dataset, graphs["features"]),
            *rows_on_disk(run, dataset, rows, Path(folder)),
        ]


def check(run: Run, data: Dataset, rows: int) -> None:
    """InputError where these cannot be measured together."""
    expected = {"image": "picture", "audio": "waveform"}
    if data.spec.kinds != expected or run.spec.kinds != expected:
        raise InputError("expected a run and a data set of pictures and recordings")
    if rows < 10:
        raise InputError(f"expected 10 rows or more, a tenth of which are predicted as well, got {rows}")


# --------------------------------------------------------------------------------------------------- one pair


def one_pair(run: Run, data: Dataset, graphs: dict[InputKind, Path]) -> Iterator[Figure]:
    """Latencies."""
    predictor, plain = Predictor.open(run), run.model()
    contents, features = Graph(graphs["contents"]), Graph(graphs["features"])
    one = {m: data.contents[m][:1] for m in data.modalities}
    pair, given, heard = of_one_size(plain, one), features_of(plain, one), data.spec["audio"]
    assert isinstance(heard, WaveformSpec)
    sound = wav(one["audio"][0], heard.rate)

    def from_bytes(picture: bytes) -> object:
        files = {"image": picture, "audio": sound}
        return contents(of_one_size(plain, {m: predictor.read(m, file)[None] for m, file in files.items()}))

    scan, drawn = png(one["image"][0][0]), png(drawing())
    yield latency("one pair from features, ONNX Runtime", lambda: features(given))
    yield latency("one pair from features, torch", lambda: classify(predictor.model, given))
    yield latency("one pair from features, torch, not folded", lambda: classify(plain, given))
    yield latency("one pair from contents, ONNX Runtime", lambda: contents(pair))
    yield latency("one pair from bytes, ONNX Runtime: PNG as MNIST has it, WAV", lambda: from_bytes(scan))
    yield latency("one pair from bytes, ONNX Runtime: drawing of 280x280, WAV", lambda: from_bytes(drawn))
    yield latency("only reading that drawing", lambda: predictor.read("image", drawn))
    yield latency("only reading that WAV", lambda: predictor.read("audio", sound))


def latency(what: str, call: Callable[[], object], runs: int = 300) -> Figure:
    """The median of many calls, after some to warm up."""
    for _ in range(20):
        call()
    seconds, began = [], time.process_time()
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return Figure(what, 1e3 * median(seconds), "ms", (time.process_time() - began) / runs, 1)


def drawing() -> np.ndarray:
    """A seven on a canvas, (280, 280) uint8."""
    canvas = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(canvas).line([(80, 60), (200, 65), (130, 230)], fill=0, width=18, joint="curve")
    return np.asarray(canvas)


def png(picture: np.ndarray) -> bytes:
    """The bytes of a grey picture's file."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def wav(samples: np.ndarray, rate: int) -> bytes:
    """The bytes of a recording's file, at twice the rate that the model hears: it has to be converted."""
    file = BytesIO()
    soundfile.write(file, np.repeat(samples, 2), 2 * rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


# ----------------------------------------------------------------------------------------- features in memory


def many_pairs(run: Run, data: Dataset, graph: Path) -> Iterator[Figure]:
    """Pairs a second, in parts that threads share."""
    places = np.arange(PAIRS)
    contents = {m: data.contents[m][places % len(data.contents[m])] for m in data.modalities}
    given = features_of(run.model(), contents)
    models = {"torch": Predictor.open(run).model, "torch, not folded": run.model()}
    session = Graph(graph)
    calls: dict[str, Callable[[Pairs], object]] = {
        "ONNX Runtime": session,
        **{name: lambda part, model=model: classify(model, part) for name, model in models.items()},
    }
    for name, call in calls.items():
        for threads in (1, 2):
            yield throughput(f"pairs, features in memory, {name}", call, given, threads)


def throughput(
    what: str, call: Callable[[Pairs], object], pairs: Pairs, threads: int, runs: int = 5
) -> Figure:
    """Pairs a second of the clock, the best of several runs; and the CPU seconds of a pair."""
    count = len(next(iter(pairs.values())))

    def part(start: int) -> object:
        return call({m: x[start : start + AT_ONCE] for m, x in pairs.items()})

    wall, cpu = [], []
    for _ in range(runs):
        clock, process = time.perf_counter(), time.process_time()
        for _ in parallel_map(part, range(0, count, AT_ONCE), threads):
            pass
        wall.append(time.perf_counter() - clock)
        cpu.append(time.process_time() - process)
    return Figure(what, count / min(wall), "pairs/s", min(cpu) / count, threads)


@torch.inference_mode()
def of_one_size(model: Classifier, contents: Mapping[Modality, ContentTable]) -> Pairs:
    """Contents as a graph takes them: clips, and pictures that were made to fit."""
    return {m: fitted(fitting(model.front_ends[m])[0], x).numpy() for m, x in contents.items()}


def features_of(model: Classifier, contents: Mapping[Modality, ContentTable]) -> Pairs:
    """By modality, float32, sixteen at a time."""
    parts = {m: [x[i : i + 16] for i in range(0, len(x), 16)] for m, x in contents.items()}
    return {
        m: torch.cat([features_of_contents(model.front_ends[m], p) for p in part]).numpy()
        for m, part in parts.items()
    }


@torch.inference_mode()
def classify(model: Classifier, features: Pairs) -> object:
    """Logits, from arrays."""
    return model.classify({m: torch.from_numpy(x) for m, x in features.items()})


# ----------------------------------------------------------------------------------------------- rows on disk


def rows_on_disk(run: Path, data: Dataset, rows: int, folder: Path, threads: int = 1) -> Iterator[Figure]:
    """The command `seesay predict --data`, its start included: CPU seconds and peak memory, for a tenth of
    the rows and for all. A million recordings would be 16 GB: of those only a tenth."""
    repeats = f"contents that repeat ({', '.join(f'{len(t):,}' for t in data.contents.values())})"
    for kind, modalities, counts in (
        (repeats, (), (rows // 10, rows)),
        ("a picture of its own each", ("image",), (rows // 10, rows)),
        ("a picture and a recording of its own each", data.modalities, (rows // 10,)),
    ):
        for count in counts:
            with tempfile.TemporaryDirectory(dir=folder) as made:
                many_rows(data, count, modalities).save(made)
                out = folder / "predictions.csv"
                options = ("--out", out, "--threads", threads, "--overwrite")
                cpu, memory = command("predict", run, "--data", Path(made), *options)
            what = f"{count:,} rows to CSV, {kind}"
            yield Figure(what, cpu, "s CPU", cpu, threads)
            yield Figure(f"{what}: peak memory", memory, "MiB", cpu, threads)


def many_rows(data: Dataset, rows: int, own: Collection[str]) -> Dataset:
    """So many rows, drawn from those that are there; of the modalities in `own` each has a content that no
    other row has: one that is there, in other noise."""
    random = np.random.default_rng(0)
    many = data.select(random.integers(0, len(data), rows))
    contents, pointers = dict(many.contents), np.array(many.rows)
    for modality in own:
        table = contents[modality][np.maximum(many.pointers(modality), 0)]
        values = flat(table).reshape(-1)
        for start in range(0, len(values), NOISED):
            part = values[start : start + NOISED]
            part ^= random.integers(0, 16, part.shape, part.dtype)
        contents[modality], pointers[:, data.modalities.index(modality)] = table, np.arange(rows)
    return many.replace(contents=contents, rows=pointers, groups={})


def command(*words: object) -> tuple[float, float]:
    """CPU seconds (user + system) and the most MiB of memory of `seesay` with these words, in a process of
    its own."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise InputError(f"seesay {words[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    seconds, memory = done.stdout.split()[-2:]
    return float(seconds), int(memory) / 1024


def peak_memory() -> float:
    """The most MiB that this process has had, of Linux; elsewhere NaN."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else float("nan")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    print("| what | figure | unit | CPU seconds | threads |\n|---|---|---|---|---|")
    for line in measure(arguments.run, arguments.data, arguments.rows, arguments.scratch):
        print(f"| {line.what} | {line.figure:,.4g} | {line.unit} | {line.cpu_seconds:.3g} | {line.threads} |")


if __name__ == "__main__":
    one_line_of_errors(main)
