"""Terminal output: progress bars (lines where stderr is not a terminal), tables, JSON."""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from seesay.condition import Condition
from seesay.config import Config
from seesay.tables import Format, Rows, show, written

SILENCE = 10.0
"""Seconds without a line after which training that is not watched on a terminal says how far it is."""


class Watch:
    """Passes batches through, advances the progress bar, and ends the epoch early after an interrupt."""

    def __init__(self, progress: Any, config: Config, rows: int, modalities: int) -> None:
        self.progress, self.stopped, self.epochs = progress, False, config.optim.epochs or 0
        steps = (1 + (config.split.folds or 0)) * max(1, rows // (config.optim.batch or 1)) * self.epochs
        before = max(1, rows // config.pretrain.batch) * config.pretrain.epochs * modalities
        self.task = progress.add_task("training", total=steps + before)
        self.done, self.total, self.told = 0, steps + before, time.monotonic()

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            if self.stopped:
                return
            yield batch
            self.progress.advance(self.task)
            self.done += 1
            if self.progress.disable and time.monotonic() > self.told + SILENCE:
                self._tell(f"{min(99, 100 * self.done // self.total)} % of the training")

    def track(self, items: Iterable[Any], description: str) -> Iterable[Any]:
        """Passes items through under a bar of their own."""
        return self.progress.track(items, description=description)

    def say(self, epoch: Any) -> None:
        """Shows loss and scores below the bar, or as a line; lines of autoencoders stay above it."""
        from seesay.learn.pretrain import Reconstruction

        if isinstance(epoch, Reconstruction):
            self._tell(str(epoch), stays=True)
            return
        scores = "  ".join(f"{name} {score:.4f}" for name, score in epoch.scores.items())
        number = f"epoch {epoch.number}/{self.epochs}"
        self._tell(f"{number}  loss {epoch.loss:.4f}  {scores}".rstrip())
        self.progress.update(self.task, description=number)

    def _tell(self, line: str, stays: bool = False) -> None:
        self.progress.tell(line, stays)
        self.told = time.monotonic()

    def stop(self, *_: Any) -> None:
        """Handles an interrupt: the first stops after the current batch, the second at once."""
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True


@contextlib.contextmanager
def watching(config: Config, rows: int, modalities: int, quiet: bool = False) -> Generator[Watch]:
    """A progress bar with loss, scores and time left; one line per epoch where stderr is not a terminal."""
    with progress_bar(quiet) as progress:
        watch = Watch(progress, config, rows, modalities)
        before = signal.signal(signal.SIGINT, watch.stop)
        try:
            yield watch
        finally:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def tracking() -> Generator[Callable[[Iterable[Any], str], Iterable[Any]]]:
    """A function `track(items, description)` that shows progress while iterating, on a terminal only."""
    with progress_bar() as progress:
        yield lambda items, description: progress.track(items, description=description)


@contextlib.contextmanager
def counting(description: str, total: int) -> Generator[Callable[[int], None]]:
    """A function that adds a number to what is done, of `total`, and shows it on a terminal."""
    with progress_bar() as progress:
        task = progress.add_task(description, total=total)
        yield lambda count: progress.advance(task, count)


def progress_bar(quiet: bool = False) -> Any:
    """A progress display on stderr with a method `tell` that prints a line below the bars. Without a terminal
    only the lines are printed; with `quiet`, nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class Bars(Progress):
        last = ""

        def get_renderables(self) -> Iterable[Any]:
            yield self.make_tasks_table(self.tasks)
            yield Text(self.last)

        def tell(self, line: str, stays: bool = False) -> None:
            if quiet:
                return
            if self.disable or stays:
                self.console.print(Text(line), soft_wrap=True)
            else:
                self.last = line

    console = Console(stderr=True)
    text = TextColumn("{task.description}", markup=False)
    ends = (kind(table_column=Column(no_wrap=True)) for kind in (MofNCompleteColumn, TimeRemainingColumn))
    columns = (text, BarColumn(bar_width=None), *ends)
    return Bars(*columns, console=console, disable=quiet or not console.is_terminal, transient=True)


def console() -> Any:
    """A rich console on stdout that raises BrokenPipeError when its reader, such as `head`, has gone."""
    from rich.console import Console

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Pipe()


def describe_data(data: Any, folder: Path) -> None:
    """Prints what was imported, and notes on how it was read."""
    from seesay.data.info import says_left_out

    counts = {name: len(data.rows_of(name)) for name in ("train", "valid", "test")}
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    rows = rows if any(counts.values()) else "no split yet, train draws one"
    classes = len(data.spec.classes)
    then = f"seesay data info {quote(str(folder))}"
    print(f"{folder}: {len(data):,} rows ({rows}), {classes} classes. Next: {then}")
    for line in (*data.notes, *says_left_out(data.left_out)):
        print(line)


def say_notes(notes: Iterable[str]) -> None:
    """Prints notes on stderr, so that a pipe receives the result alone."""
    for note in notes:
        say_note(note)


def say_note(note: str) -> None:
    """Prints one note on stderr."""
    print(f"Note: {note}", file=sys.stderr)


def print_json(values: Any) -> None:
    print(json.dumps(values, indent=2))


def print_scores(evaluation: Any, kind: Format = "table") -> None:
    """Prints the scores of each condition; `rows` counts rows that have all its modalities."""
    from seesay.measure.evaluate import table_of

    print_table(table_of(evaluation.results), kind, f"{len(evaluation.rows):,} rows of {evaluation.split}")


def print_comparison(pairs: Any, kind: Format, title: str) -> None:
    """Prints every metric of both models: a table per pair and condition, or one table in other formats."""
    from seesay.measure.compare import table_of, tables_of

    if kind != "table":
        print_table(table_of(pairs), kind)
        return
    print(title)
    for name, rows in tables_of(pairs):
        print_table(rows, kind, name)


def print_table(rows: Rows, kind: Format, title: str = "") -> None:
    """Prints a table; formats to be copied (Markdown, CSV, LaTeX) have no title."""
    if kind == "table":
        show(rows, console(), title)
    else:
        print(written(rows, kind))


def print_validation(run: Any, data: Any, splits: Any) -> None:
    """Prints the validation scores of the epoch that the run kept, by condition."""
    scores = [epoch["scores"] for epoch in run.epochs() if epoch["scores"]]
    if not scores:
        print("No validation rows, so no scores yet.")
        return
    best = run.config.optim.keep == "best"
    kept = max(scores, key=lambda epoch: sum(epoch.values()) / len(epoch)) if best else scores[-1]
    folds = run.config.split.folds
    scored = splits.train if folds else splits.valid
    rows = [["condition", "rows", "macro-F1"]]
    for name, score in kept.items():
        condition = Condition(name)
        present = condition.has({m: data.pointers(m)[scored] >= 0 for m in condition.modalities})
        rows.append([name, f"{present.sum():,}", f"{score:.4f}"])
    print_table(rows, "table", f"{len(scored):,} {'cross-fitted' if folds else 'validation'} rows")
    for remark in run.epochs()[-1].get("remarks", ()):
        print(remark)


def print_adapted(adapted: Any, rows: int) -> None:
    """Prints the held-out scores of each condition before and after adapting."""
    table = [["condition", "rows", "NLL before", "after", "macro-F1 before", "after"]]
    for name, held in adapted.results.items():
        numbers = [f"{value:.4f}" for value in (*held.nll, *held.macro_f1)]
        table.append([name, f"{held.rows:,}", *numbers])
    print_table(table, "table", f"{rows:,} rows, each held out once")


def print_embedding(views: Any) -> None:
    rows = [["", *views]]
    rows.append(["distinct contents", *(f"{view['distinct']:,}" for view in views.values())])
    rows.append(["of rows", *(f"{view['rows']:,}" for view in views.values())])
    for kind, title in (
        ("kmeans_on_picture", "k-means, projection"),
        ("kmeans_on_encodings", "k-means, encodings"),
    ):
        for measure, word in EMBEDDING_WORDS.items():
            rows.append([f"{title}: {word}", *(f"{view[kind][measure]:.3f}" for view in views.values())])
    for measure, word in (("knn_accuracy", "5 nearest neighbours"), ("linear_accuracy", "linear probe")):
        if all(view["probe"] for view in views.values()):
            rows.append([f"{word}: accuracy", *(f"{view['probe'][measure]:.4f}" for view in views.values())])
    print_table(rows, "table", "Encodings of distinct contents")


EMBEDDING_WORDS = {
    "matched_accuracy": "accuracy, matched",
    "adjusted_rand": "adjusted Rand",
    "nmi": "NMI",
    "purity": "purity",
    "silhouette": "silhouette",
}


def print_prediction(prediction: Any) -> None:
    best, used = prediction.scores[0], " and ".join(prediction.used)
    if prediction.rejected:
        print(f"none of these{_known(prediction.known)}  from {used}")
        print(f"  nearest: {best['label']}  {best['score']:.4f}")
    else:
        print(f"{best['label']}  {best['score']:.4f}{_known(prediction.known)}  from {used}")
    if len(prediction.opinions) > 1:
        for name, scores in prediction.opinions.items():
            known = _known(prediction.known_alone[name])
            print(f"  {name} alone: {scores[0]['label']}  {scores[0]['score']:.4f}{known}")
        if not prediction.agree:
            print("  They disagree.")
    for segment in prediction.segments:
        times = f"{segment.start:.2f} to {segment.end:.2f} s"
        said = "none of these" if segment.rejected else f"{segment.label}  {segment.score:.4f}"
        print(f"  {times}: {said}{_known(segment.known)}")


def _known(known: float | None) -> str:
    return "" if known is None else f"  known {known:.4f}"


def print_found(found: Any, rows: int) -> None:
    """Prints what was found of each door (serve/verify.py), and why some were not tried."""
    table = [["answers of", "cases", "largest difference", "other labels", ""]]
    for each in found:
        said = "same" if each.same else "DIFFERENT"
        cells = [f"{each.cases:,}", f"{each.difference:.1e}", str(each.labels), said]
        table.append([each.door, *(["-", "-", "-", "not tried"] if each.skipped else cells)])
    print_table(table, "table", f"{rows:,} rows, every subset of their modalities")
    for each in found:
        if each.skipped:
            print(f"{each.door} was not tried: {each.skipped}")
        if each.refused:
            print(f"{each.door} refused what Python did not: {each.refused}")
