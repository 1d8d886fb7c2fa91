"""Experiment tracking of a search: a tracked run for each trial, with its values as parameters and the scores
of each fold as a step."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from seesay.learn.track import Step, tracking
from seesay.search.trial import Trial


def tracked(
    trials: Iterable[Trial], name: str | None, folder: Path, warn: Callable[[str], None]
) -> Iterator[Trial]:
    """Passes on what `search` yields, once a tracker has it. `name`: the tracker; None: none."""
    for number, same in itertools.groupby(trials, key=lambda trial: trial.number):
        first = next(same)
        with tracking(name, folder, first.values, warn, part=f"trial-{number}") as record:
            for trial in itertools.chain([first], same):
                record.add(steps_of(trial))
                record.status = "failed" if trial.state == "failed" else "finished"
                yield trial


def steps_of(trial: Trial) -> Iterator[Step]:
    """The scores and seconds of each fold."""
    for number, fold in enumerate(trial.folds, 1):
        scores = {
            f"valid/{metric}/{condition.slug}": score
            for condition, by_metric in fold.scores.items()
            for metric, score in by_metric.items()
        }
        yield number, {**scores, "seconds": fold.seconds}
