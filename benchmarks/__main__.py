"""Times the parts that a user waits for, on the embedded digits, and writes `results.md` beside this file.

Each figure is CPU time (user + system) of the whole process, the best of several runs in one process and one
thread: on a shared machine wall time alone lies. The plain loop is the same network trained as most people
would write it.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from seesay.data.batches import table
from seesay.data.dataset import Dataset
from seesay.data.digits import digits_dataset
from seesay.data.splits import split
from seesay.learn.run import environment
from seesay.learn.train import fit
from seesay.model.classifier import build, features_of, posteriors
from seesay.recipes import recipe
from seesay.signal.features import front_end

RUNS = 5
EPOCHS = 4


def best(call: Callable[[], object], runs: int = RUNS) -> float:
    """The fewest CPU seconds of several runs."""
    seconds = []
    for _ in range(runs):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return min(seconds)


def ours(data: Dataset) -> None:
    """Some epochs of the recipe `small`."""
    config = recipe("small")
    config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, epochs=EPOCHS))
    for _ in fit(build(config.model, data.spec), data, split(data), config):
        pass


def plain(data: Dataset) -> None:
    """As many epochs of the same network: DataLoader, batches of 64, float32, Adam, features made batch by
    batch."""
    model = build(recipe("small").model, data.spec)
    rows = split(data).train
    pointers = {m: data.pointers(m)[rows] for m in data.modalities}
    tensors = [torch.from_numpy(np.asarray(data.contents[m])[pointers[m]]) for m in data.modalities]
    loader = DataLoader(
        TensorDataset(*tensors, torch.from_numpy(data.label[rows])), batch_size=64, shuffle=True
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        model.train()
        for *contents, label in loader:
            said = model(dict(zip(data.modalities, contents, strict=True)))
            loss = sum(F.cross_entropy(logits, label) for logits in said.values())
            optimizer.zero_grad()
            torch.as_tensor(loss).backward()
            optimizer.step()


def figures(data: Dataset) -> Iterator[tuple[str, str]]:
    """What is measured, and how much it is."""
    model = build(recipe("small").model, data.spec).eval()
    clips = torch.from_numpy(np.asarray(data.contents["audio"])[:512])
    features = front_end(data.spec["audio"])
    with torch.no_grad():
        seconds = best(lambda: features(clips))
        yield "MFCC of 512 clips of 1 s at 16 kHz", f"{512 / seconds:,.0f} clips/s"
        rows = table(data, np.arange(len(data)), features_of(model, data))
        seconds = best(lambda: posteriors(model, rows))
        yield "prediction, features in memory", f"{len(data) / seconds:,.0f} pairs/s"
        one = {m: torch.from_numpy(np.asarray(data.contents[m])[:1]) for m in data.modalities}
        seconds = best(lambda: [model(one) for _ in range(100)]) / 100
        yield "one pair, from picture and waveform to probabilities", f"{1e3 * seconds:.2f} ms"
    quick, slow = best(lambda: ours(data), 3), best(lambda: plain(data), 3)
    yield f"{EPOCHS} epochs of `small` on {len(split(data).train):,} rows", f"{quick:.2f} s"
    yield "the same network in a plain loop (DataLoader, batch 64, float32, Adam)", f"{slow:.2f} s"
    yield "plain loop / `small`", f"{slow / quick:.1f}"


def main() -> None:
    """Prints each figure when it is known, and writes the page when all are."""
    torch.set_num_threads(1)
    head = ["# Benchmarks", "", "Made by `make bench`; CPU time, one thread, best of several runs.", ""]
    head += [f"- {name}: {value}" for name, value in environment().items()]
    lines = [*head, f"- cores: {os.cpu_count()}", "", "| what | how much |", "|---|---|"]
    print("\n".join(lines))
    for what, much in figures(digits_dataset()):
        lines.append(f"| {what} | {much} |")
        print(lines[-1], flush=True)
    (Path(__file__).parent / "results.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
