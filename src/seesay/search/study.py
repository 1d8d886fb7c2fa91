"""Trials on disk: an Optuna study in SQLite that outlives any kill, and that several processes of one machine
may share.

Who works at a trial holds a claim on it (claims.py). A trial that has begun and that nobody holds was left
behind, and whoever asks next goes on with it at its next fold. What comes as trial n depends on n and on the
trials before it alone, never on who asks or how often.
"""

import contextlib
import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from seesay.condition import Condition
from seesay.errors import InputError, OutputError
from seesay.files import writing
from seesay.plain import changes
from seesay.search.claims import CLAIMS, PATIENCE, hold
from seesay.search.space import Choices, Range, Space, Value
from seesay.search.trial import Fold, State, Trial

STUDY = "study.db"
SEARCH = "search"
"""Name of the study in its file, and of the note in it that says what is searched."""

STARTUP, WARMUP = 5, 2
"""A trial is stopped early once so many are done, and not before this epoch: the first says little of the
last."""

STATES: Mapping[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}

FEWEST = 20
"""Trials of which it can be said which fields matter: PED-ANOVA tells the best tenth of them from the
others."""


class Study:
    """The trials in a folder. `total` of them are wanted: the cells of a grid, or what TPE proposes."""

    def __init__(
        self,
        folder: Path,
        space: Space,
        asked: Mapping[str, Any],
        total: int,
        cells: Sequence[Mapping[str, Value]],
        seed: int,
    ) -> None:
        """Makes the folder or opens it. `asked`: all that decides the scores, as JSON; a study keeps it.

        The folder is something else, or a search that was asked for something else: OutputError, which names
        the difference. A damaged study: InputError.
        """
        self.folder, self.space, self.total, self._cells, self._seed = folder, space, total, cells, seed
        _check_folder(folder)
        with writing(folder):
            (folder / CLAIMS).mkdir(parents=True, exist_ok=True)
        with self._alone(), _opening(folder / STUDY):
            self._study = optuna.create_study(
                storage=_storage(folder / STUDY),
                study_name=SEARCH,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.NopPruner() if cells else optuna.pruners.MedianPruner(STARTUP, WARMUP),
            )
            noted = self._study.user_attrs.get(SEARCH)
            if noted is None:
                self._study.set_user_attr(SEARCH, dict(asked))
        if noted is not None:
            _check_same(folder, noted, asked)

    def trials(self) -> list[Trial]:
        """All that have begun, in order."""
        return [self._read(trial) for trial in self._study.get_trials(deepcopy=False)]

    def next(self) -> "Claimed | None":
        """The trial to work at now: one that was left behind, or else a new one. None: all have begun and are
        held, or done.

        Close what comes (`with`), to let go of it.
        """
        with self._alone():
            trials = self._study.get_trials(deepcopy=False)
            for left in trials:
                if left.state == TrialState.RUNNING and (claim := self._claim(left.number)) is not None:
                    if self.trials()[left.number].state == "running":
                        return self._claimed(optuna.Trial(self._study, left._trial_id), left.number, claim)
                    claim.close()  # it was ended between the two looks
            waiting = any(
                trial.state == TrialState.WAITING for trial in trials
            )  # queued by one that died just then
            number = len(trials) - waiting
            if number >= self.total or (claim := self._claim(number)) is None:
                return None
            if self._cells and not waiting:
                self._study.enqueue_trial(dict(self._cells[number]))
            self._study.sampler = self._sampler(number)
            return self._claimed(self._study.ask(), number, claim)

    def importances(self) -> dict[str, float]:
        """By field, how much of the differences among the best trials it explains, the largest first; the sum
        is 1.

        PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255) over the trials that are done; of fewer than
        `FEWEST` nothing can be said: empty.
        """
        done = [trial for trial in self.trials() if trial.state == "done"]
        if len(done) < FEWEST or len({trial.mean() for trial in done}) < 2:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(
            self._study, evaluator=evaluator, params=list(self.space.varied)
        )
        return {name: float(share) for name, share in found.items()}

    def _claimed(self, trial: optuna.Trial, number: int, claim: sqlite3.Connection) -> "Claimed":
        self._study.sampler = self._sampler(number)
        for name, field in self.space.fields.items():
            suggest(trial, name, field)  # at once, so that one who goes on with it has the same
        return Claimed(self, trial, claim)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """TPE (Bergstra et al. 2011), seeded for each trial: one that goes on after a kill draws nothing
        twice."""
        return optuna.samplers.TPESampler(
            seed=int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        )

    def _claim(self, number: int) -> sqlite3.Connection | None:
        return hold(self.folder / CLAIMS / str(number))

    def _alone(self) -> AbstractContextManager[Any]:
        """While nobody else opens the study or asks for its next trial."""
        held = hold(self.folder / CLAIMS / "next", PATIENCE)
        if held is None:
            raise OutputError(
                f"{self.folder} was kept busy by another process for {PATIENCE:g} s", "Try again."
            )
        return closing(held)

    def _read(self, trial: FrozenTrial) -> Trial:
        notes = trial.user_attrs
        folds = tuple(_fold(**fold) for fold in notes.get("folds", ()))
        return Trial(trial.number, trial.params, folds, STATES[trial.state], notes.get("error", ""))


class Claimed:
    """A trial that nobody else works at until this is closed. What is kept is on disk at once."""

    def __init__(self, study: Study, trial: optuna.Trial, claim: sqlite3.Connection) -> None:
        self._study, self._trial, self._claim = study, trial, claim

    def __enter__(self) -> "Claimed":
        return self

    def __exit__(self, *_: Any) -> None:
        self._claim.close()

    @property
    def trial(self) -> Trial:
        """As it stands on disk."""
        return self._study._read(self._study._study.get_trials(deepcopy=False)[self._trial.number])

    def worse(self, score: float, epoch: int) -> bool:
        """Notes the score of an epoch of the first fold; whether the best so far is worse than the median of
        the others."""
        if epoch not in self._study._study.get_trials(deepcopy=False)[self._trial.number].intermediate_values:
            self._trial.report(score, epoch)
        return bool(self._trial.should_prune())

    def keep(self, fold: Fold) -> None:
        """Adds a fold."""
        kept = self._trial.user_attrs.get("folds", [])
        self._trial.set_user_attr("folds", [*kept, asdict(fold)])

    def end(self, score: float = math.nan) -> None:
        """The trial is done, with this score, the higher the better. NaN: failed."""
        if math.isnan(score):
            return self.fail("no row was given a score")
        self._study._study.tell(self._trial, score)
        return None

    def prune(self) -> None:
        """The trial is over: it is not worth its other epochs."""
        self._study._study.tell(self._trial, state=TrialState.PRUNED)

    def fail(self, error: str) -> None:
        """The trial is over: these values cannot be trained."""
        self._trial.set_user_attr("error", error)
        self._study._study.tell(self._trial, state=TrialState.FAIL)


def _fold(scores: Mapping[str, Mapping[str, float]], seconds: float) -> Fold:
    """From what `Claimed.keep` has written."""
    return Fold({Condition(name): score for name, score in scores.items()}, seconds)


def suggest(trial: optuna.Trial, name: str, field: Range | Choices) -> None:
    """Lets Optuna choose a value of the field, once and for all."""
    if isinstance(field, Choices):
        trial.suggest_categorical(name, field.values)
    elif isinstance(field.low, int) and isinstance(field.high, int):
        trial.suggest_int(name, field.low, field.high, log=field.log)
    else:
        trial.suggest_float(name, field.low, field.high, log=field.log)


def _storage(path: Path) -> optuna.storages.RDBStorage:
    url = f"sqlite:///{path}"
    return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": PATIENCE}})


@contextlib.contextmanager
def _opening(path: Path):
    """Turns a file that is no study into InputError."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{path} is not a study that can be read ({why})", "Give another --out.") from None


def _check_folder(folder: Path) -> None:
    """OutputError unless a search can be made there or lies there."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} is no folder, expected one to make", "Give another --out.")
    if not folder.exists() or (folder / STUDY).is_file():
        return
    if any(path.name != CLAIMS for path in folder.iterdir()):
        raise OutputError(f"{folder} exists already and is no search", "Give another --out.")


def _check_same(folder: Path, noted: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """OutputError that names the first differences between what was searched and what is asked for."""
    if changed := changes(noted, asked):
        raise OutputError(
            f"{folder} is another search: {changed}", "Ask for the same, or give another --out."
        )
