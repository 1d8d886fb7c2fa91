"""What a person sees while a command works and when it is done: bars where the output is a terminal, tables,
JSON."""

import contextlib
import json
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from seesay.config import Config


class Watch:
    """Hands batches on, moves the bar, and ends the epoch early once it has been told to stop."""

    def __init__(self, progress: Any, config: Config, rows: int, modalities: int) -> None:
        self.progress, self.stopped, self.epochs = progress, False, config.optim.epochs or 0
        steps = (1 + (config.split.folds or 0)) * max(1, rows // (config.optim.batch or 1)) * self.epochs
        before = max(1, rows // config.pretrain.batch) * config.pretrain.epochs * modalities
        self.task = progress.add_task("training", total=steps + before)

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            if self.stopped:
                return
            yield batch
            self.progress.advance(self.task)

    def say(self, epoch: Any) -> None:
        """Writes loss and scores beside the bar; the losses of autoencoders stay above it."""
        from seesay.learn.pretrain import Reconstruction

        if isinstance(epoch, Reconstruction):
            self.progress.console.print(str(epoch))
            return
        scores = "  ".join(f"{name} {score:.4f}" for name, score in epoch.scores.items())
        text = f"epoch {epoch.number}/{self.epochs}  loss {epoch.loss:.4f}  {scores}"
        self.progress.update(self.task, description=text)

    def stop(self, *_: Any) -> None:
        """The first interrupt asks; the second insists."""
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True


@contextlib.contextmanager
def watching(config: Config, rows: int, modalities: int) -> Generator[Watch]:
    """A progress bar with loss, scores and the time left; nothing where the output is not a terminal."""
    with progress_bar() as progress:
        watch = Watch(progress, config, rows, modalities)
        before = signal.signal(signal.SIGINT, watch.stop)
        try:
            yield watch
        finally:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def tracking() -> Generator[Callable[[Iterable[Any], str], Iterable[Any]]]:
    """`track(items, description)` for long reads; nothing where the output is not a terminal."""
    with progress_bar() as progress:
        yield lambda items, description: progress.track(items, description=description)


def progress_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def console() -> Any:
    """Where tables are printed. A reader who has gone, such as `head`, is a BrokenPipeError, as for print."""
    from rich.console import Console

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Pipe()


def describe_data(data: Any, folder: Path) -> None:
    from seesay.data.info import says_left_out

    rows = ", ".join(f"{len(data.rows_of(name)):,} {name}" for name in ("train", "valid", "test"))
    classes = len(data.spec.classes)
    print(f"{folder}: {len(data):,} rows ({rows}), {classes} classes. Look: seesay data info {folder}")
    for line in (*data.notes, *says_left_out(data.left_out)):
        print(line)


def print_json(values: Any) -> None:
    print(json.dumps(values, indent=2))


def print_scores(evaluation: Any) -> None:
    from rich.table import Table

    table = Table(title=f"{len(evaluation.rows):,} rows of {evaluation.split}", title_justify="left")
    for name in ("condition", "accuracy", "macro-F1", "95 % interval", "NLL", "ECE"):
        table.add_column(name, justify="left" if name == "condition" else "right")
    for name, result in evaluation.results.items():
        low, high = result["macro_f1_ci"]
        numbers = [f"{result[key]:.4f}" for key in ("accuracy", "macro_f1", "nll", "ece")]
        table.add_row(name, *numbers[:2], f"{low:.4f} to {high:.4f}", *numbers[2:])
    console().print(table)


def print_embedding(views: Any) -> None:
    from rich.table import Table

    table = Table(title="Encodings of distinct contents", title_justify="left")
    for name in ("", *views):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("distinct contents", *(f"{view['distinct']:,}" for view in views.values()))
    table.add_row("of rows", *(f"{view['rows']:,}" for view in views.values()), end_section=True)
    for kind, title in (
        ("kmeans_on_picture", "k-means of the picture"),
        ("kmeans_on_encodings", "of encodings"),
    ):
        for measure, word in EMBEDDING_WORDS.items():
            numbers = (f"{view[kind][measure]:.3f}" for view in views.values())
            table.add_row(f"{title}: {word}", *numbers, end_section=measure == "silhouette")
    for measure, word in (("knn_accuracy", "5 nearest neighbours"), ("linear_accuracy", "linear probe")):
        if all(view["probe"] for view in views.values()):
            table.add_row(f"{word}: accuracy", *(f"{view['probe'][measure]:.4f}" for view in views.values()))
    console().print(table)


EMBEDDING_WORDS = {
    "matched_accuracy": "accuracy, matched",
    "adjusted_rand": "adjusted Rand",
    "nmi": "NMI",
    "purity": "purity",
    "silhouette": "silhouette",
}


def print_prediction(prediction: Any) -> None:
    best = prediction.scores[0]
    print(f"{best['label']}  {best['score']:.4f}  from {' and '.join(prediction.used)}")
    if len(prediction.opinions) > 1:
        for name, scores in prediction.opinions.items():
            print(f"  {name} alone: {scores[0]['label']}  {scores[0]['score']:.4f}")
        if not prediction.agree:
            print("  They disagree.")
