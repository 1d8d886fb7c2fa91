"""Trials on disk: an Optuna study in SQLite that survives crashes and can be shared by processes on one
machine.

A process claims the trial it works on (claims.py). The next process to ask resumes an abandoned trial at its
next fold. Trial n depends only on n and the trials before it, not on which process runs it.
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
"""Name of the study in its file, and of the attribute that describes the search."""

STARTUP, WARMUP = 5, 2
"""Pruning starts after this many finished trials, and after this many epochs of a trial: the first epoch says
little about the last."""

STATES: Mapping[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}

FEWEST = 20
"""Fewest trials for importances: PED-ANOVA compares the best tenth of the trials with the others."""


class Study:
    """A search in a folder: `total` trials, which are the cells of a grid or proposals of TPE."""

    def __init__(
        self,
        folder: Path,
        space: Space,
        description: Mapping[str, Any],
        total: int,
        cells: Sequence[Mapping[str, Value]],
        seed: int,
    ) -> None:
        """Create or open the folder. `description`: everything that the scores depend on, as JSON; it is
        saved with the study.

        OutputError if the folder is not a search, or a different one, naming the difference. A damaged study:
        InputError.
        """
        self.folder, self.space, self.total, self._cells, self._seed = folder, space, total, cells, seed
        _check_folder(folder)
        with writing(folder):
            (folder / CLAIMS).mkdir(parents=True, exist_ok=True)
        with self._lock(), _opening(folder / STUDY):
            self._study = optuna.create_study(
                storage=_storage(folder / STUDY),
                study_name=SEARCH,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.NopPruner() if cells else optuna.pruners.MedianPruner(STARTUP, WARMUP),
            )
            saved = self._study.user_attrs.get(SEARCH)
            if saved is None:
                self._study.set_user_attr(SEARCH, dict(description))
        if saved is not None:
            _check_same(folder, saved, description)

    def trials(self) -> list[Trial]:
        """All started trials, in order."""
        return [self._read(trial) for trial in self._study.get_trials(deepcopy=False)]

    def next(self) -> "Claimed | None":
        """The next trial to work on: an abandoned one or else a new one. None if all have started and are
        claimed or finished.

        Close it (`with`) to release the claim.
        """
        with self._lock():
            trials = self._study.get_trials(deepcopy=False)
            for trial in trials:
                if trial.state == TrialState.RUNNING and (claim := self._claim(trial.number)) is not None:
                    if self.trials()[trial.number].state == "running":
                        return self._claimed(optuna.Trial(self._study, trial._trial_id), trial.number, claim)
                    claim.close()  # it ended between the two checks
            # Queued by a process that died right after.
            waiting = any(trial.state == TrialState.WAITING for trial in trials)
            number = len(trials) - waiting
            if number >= self.total or (claim := self._claim(number)) is None:
                return None
            if self._cells and not waiting:
                self._study.enqueue_trial(dict(self._cells[number]))
            self._study.sampler = self._sampler(number)
            return self._claimed(self._study.ask(), number, claim)

    def importances(self) -> dict[str, float]:
        """The importance of each varied field for being among the best trials, the largest first; the sum is
        1.

        PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255) over the finished trials; empty if there are fewer
        than `FEWEST`.
        """
        done = [trial for trial in self.trials() if trial.state == "done"]
        if len(done) < FEWEST or len({trial.mean() for trial in done}) < 2:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        importances = optuna.importance.get_param_importances(
            self._study, evaluator=evaluator, params=list(self.space.varied)
        )
        return {name: float(importance) for name, importance in importances.items()}

    def _claimed(self, trial: optuna.Trial, number: int, claim: sqlite3.Connection) -> "Claimed":
        self._study.sampler = self._sampler(number)
        for name, field in self.space.fields.items():
            suggest(trial, name, field)  # all at once, so that a process that resumes it has the same values
        return Claimed(self, trial, claim)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """TPE (Bergstra et al. 2011), seeded by trial, so that a resumed search proposes the same values."""
        return optuna.samplers.TPESampler(
            seed=int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        )

    def _claim(self, number: int) -> sqlite3.Connection | None:
        return hold(self.folder / CLAIMS / str(number))

    def _lock(self) -> AbstractContextManager[Any]:
        """A lock under which no other process opens the study or asks for its next trial."""
        lock = hold(self.folder / CLAIMS / "next", PATIENCE)
        if lock is None:
            raise OutputError(f"{self.folder} was locked by another process for {PATIENCE:g} s", "Try again.")
        return closing(lock)

    def _read(self, trial: FrozenTrial) -> Trial:
        notes = trial.user_attrs
        folds = tuple(_fold(**fold) for fold in notes.get("folds", ()))
        return Trial(trial.number, trial.params, folds, STATES[trial.state], notes.get("error", ""))


class Claimed:
    """A trial that no other process works on until this is closed. Results are saved at once."""

    def __init__(self, study: Study, trial: optuna.Trial, claim: sqlite3.Connection) -> None:
        self._study, self._trial, self._claim = study, trial, claim

    def __enter__(self) -> "Claimed":
        return self

    def __exit__(self, *_: Any) -> None:
        self._claim.close()

    @property
    def trial(self) -> Trial:
        """The trial as saved."""
        return self._study._read(self._study._study.get_trials(deepcopy=False)[self._trial.number])

    def should_prune(self, score: float, epoch: int) -> bool:
        """Record the score of an epoch of the first fold; whether to prune, because the trial's best score so
        far is below the median of the other trials."""
        if epoch not in self._study._study.get_trials(deepcopy=False)[self._trial.number].intermediate_values:
            self._trial.report(score, epoch)
        return bool(self._trial.should_prune())

    def keep(self, fold: Fold) -> None:
        """Save a fold."""
        folds = self._trial.user_attrs.get("folds", [])
        self._trial.set_user_attr("folds", [*folds, asdict(fold)])

    def end(self, score: float = math.nan) -> None:
        """Finish the trial with this score, the higher the better. NaN: failed."""
        if math.isnan(score):
            return self.fail("no row was scored")
        self._study._study.tell(self._trial, score)
        return None

    def prune(self) -> None:
        """End the trial early, because of its score."""
        self._study._study.tell(self._trial, state=TrialState.PRUNED)

    def fail(self, error: str) -> None:
        """End the trial: it cannot be trained with these values."""
        self._trial.set_user_attr("error", error)
        self._study._study.tell(self._trial, state=TrialState.FAIL)


def _fold(scores: Mapping[str, Mapping[str, float]], seconds: float) -> Fold:
    """The fold that `Claimed.keep` saved."""
    return Fold({Condition(name): score for name, score in scores.items()}, seconds)


def suggest(trial: optuna.Trial, name: str, field: Range | Choices) -> None:
    """Let Optuna choose the trial's value of the field."""
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
    """Raise InputError for a file that is not a study."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a readable study ({reason})", "Give another --out.") from None


def _check_folder(folder: Path) -> None:
    """Raise OutputError unless the folder is new, empty or a search."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} is not a folder", "Give another --out.")
    if not folder.exists() or (folder / STUDY).is_file():
        return
    if any(path.name != CLAIMS for path in folder.iterdir()):
        raise OutputError(f"{folder} exists already and is not a search", "Give another --out.")


def _check_same(folder: Path, saved: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """Raise OutputError, naming the first differences, unless both describe the same search."""
    if changed := changes(saved, description):
        raise OutputError(
            f"{folder} contains a different search: {changed}", "Give the same settings, or another --out."
        )
