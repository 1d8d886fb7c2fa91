"""A run: the folder that *is* a trained model and how it came about.

`config.json`, `model.safetensors`, `epochs.jsonl`, where there were autoencoders `pretraining.safetensors`
and `pretrain.jsonl`, where rows were cross-fitted `cross_fit.safetensors`, and later `metrics.json`,
`README.md`, `figures/`. Every file is written whole or not at all; loading needs only the folder and never
unpickles. While it trains, `state.safetensors` holds what a killed run goes on from.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from seesay.compatibility import old_run
from seesay.config import Config
from seesay.data.dataset import Dataset
from seesay.data.ragged import hashed
from seesay.data.splits import Splits
from seesay.errors import ConfigError, InputError, OutputError
from seesay.files import make_way, new_file, writing
from seesay.learn.cross_fit import HeldPart, from_tensors, to_tensors
from seesay.learn.fit import Epoch, Watch
from seesay.learn.learn import Progress, learn, prepared
from seesay.learn.pretrain import Pretraining, Reconstruction
from seesay.model.autoencoder import Autoencoder
from seesay.model.classifier import Classifier, build, upgraded_state
from seesay.model.temperature import Evidence
from seesay.plain import changes, from_dict, to_dict
from seesay.registry import load_installed, missing_plugins, plugins_of
from seesay.spec import Modality, Spec

MODEL = "model.safetensors"
STATE = "state.safetensors"
PRETRAINING = "pretraining.safetensors"
CROSS_FIT = "cross_fit.safetensors"

PACKAGED = Path(__file__).parents[1] / "packaged"
"""The run that comes with seesay: recipe `best`, trained on digits of many hands and voices (its
MODEL_CARD.md)."""


@dataclass(frozen=True)
class Run:
    """A run's folder and what its `config.json` says."""

    folder: Path
    config: Config
    spec: Spec
    data: str
    """Name or path of the data set, as it was given."""
    digest: str
    """Of the training rows and their contents' pointers and labels: a run goes on only with the data that it
    began with."""
    recipe: str
    threads: int
    """Torch threads in training; sums in another order give other last digits."""
    plugins: tuple[str, ...] = ()
    """Modules that its parts from outside come from."""
    normalisers: Mapping[Modality, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    """Of an old run, whose numbers stood in its `config.json`: mean and scale by modality."""

    @staticmethod
    def create(run: "Run", overwrite: bool = False) -> "Run":
        """Makes the folder and writes `config.json`. It exists and `overwrite` is false: OutputError."""
        if not overwrite and (run.folder / "config.json").is_file():
            remedy = "Add --resume to resume that run, --overwrite to replace it, or give another --out."
            raise OutputError(f"{run.folder} exists already", remedy)
        make_way(run.folder, overwrite)
        card = {"seesay": version("seesay"), **to_dict(run), "environment": environment()}
        del card["folder"], card["normalisers"]
        run.write("config.json", json.dumps(card, indent=2) + "\n")
        with writing(run.folder):
            (run.folder / "figures").mkdir()
        return run

    @staticmethod
    def open(folder: Path | str | None = None) -> "Run":
        """The run in this folder; none: the one that comes with seesay. It is no run, or its files are
        broken: InputError."""
        folder = PACKAGED if folder is None else Path(folder)
        load_installed()
        path = folder / "config.json"
        if folder.is_file():
            remedy = "Pictures are given with --image, recordings with --audio."
            raise InputError(f"{folder} is a file, expected the folder of a run", remedy)
        if not path.is_file():
            raise InputError(f"{folder} is not a run: it has no config.json", "Make one with seesay train.")
        card: Any = None
        try:
            card = json.loads(path.read_text())
            normalisers = {}
            if "contents" not in card["spec"]:
                card, normalisers = old_run(card)
            fields = {name: card[name] for name in ("data", "digest", "recipe", "threads")}
            config, spec = from_dict(Config, card["config"], "config"), from_dict(Spec, card["spec"], "spec")
            fields["plugins"] = tuple(card.get("plugins", ()))
        except ConfigError:
            if isinstance(card, dict) and (missing := missing_plugins(card.get("plugins", ()))):
                raise _needs(folder, missing) from None
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not what seesay wrote ({error})", "Train again.") from None
        return Run(folder=folder, config=config, spec=spec, normalisers=normalisers, **fields)

    def write(self, name: str, text: str) -> None:
        """A text file of the run, whole or not at all."""
        with new_file(self.folder / name, encoding="utf-8") as file:
            file.write(text)

    def log(self, epoch: Epoch) -> None:
        """Keeps the epoch: a line in `epochs.jsonl`, the model if it is the best so far, the state if it is
        whole."""
        if epoch.model is not None and (epoch.whole or not (self.folder / MODEL).is_file()):
            self.save_model(epoch.model)
        lines = self.epochs()[: epoch.number - 1]
        names = ("number", "loss", "scores", "remarks", "seconds", "whole", "last")
        line = {name: getattr(epoch, name) for name in names}
        self.write("epochs.jsonl", "".join(json.dumps(each) + "\n" for each in [*lines, line]))
        if epoch.last:
            (self.folder / STATE).unlink(missing_ok=True)
        elif epoch.whole:
            self._save_tensors(STATE, epoch.training.state())

    def log_pretraining(self, epoch: Reconstruction) -> None:
        """Keeps the epoch of an autoencoder: a line in `pretrain.jsonl` and, if it is whole, the state."""
        done = epoch.pretraining.done
        lines = self.pretraining_epochs()[: done - 1 if epoch.whole else done]
        names = ("modality", "number", "total", "mean", "seconds", "whole")
        line = {name: getattr(epoch, name) for name in names}
        self.write("pretrain.jsonl", "".join(json.dumps(each) + "\n" for each in [*lines, line]))
        if epoch.whole:
            self._save_tensors(PRETRAINING, epoch.pretraining.state())

    def epochs(self) -> list[dict[str, Any]]:
        """The lines of `epochs.jsonl`."""
        return self._lines("epochs.jsonl")

    def pretraining_epochs(self) -> list[dict[str, Any]]:
        """The lines of `pretrain.jsonl`."""
        return self._lines("pretrain.jsonl")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        try:
            return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        except ValueError as error:
            raise InputError(f"{path} is not what seesay wrote ({error})", "Train again.") from None

    def pretraining(self) -> dict[str, Tensor] | None:
        """What killed autoencoders go on from, and where finished ones stay; None: no epoch was finished."""
        path = self.folder / PRETRAINING
        return _load_tensors(path) if path.is_file() else None

    def autoencoders(self) -> dict[Modality, Autoencoder]:
        """The autoencoders as they were when their training ended, by modality. The run has none:
        InputError."""
        state = self.pretraining()
        if state is None:
            raise InputError(f"{self.folder} has no autoencoders", "Train one with --recipe report.")
        pretraining = Pretraining(build(self.config.model, self.spec), self.config)
        pretraining.restore(state)
        return {m: autoencoder.eval() for m, autoencoder in pretraining.autoencoders.items()}

    def state(self) -> dict[str, Tensor] | None:
        """What a killed run goes on from; None: nothing was finished, or everything is."""
        path = self.folder / STATE
        return _load_tensors(path) if path.is_file() else None

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        epochs = self.config.optim.epochs or 0
        over = any(line["whole"] and (line.get("last") or line["number"] >= epochs) for line in self.epochs())
        return over and not (self.folder / STATE).is_file()

    def cross_fitted(self) -> dict[int, Evidence]:
        """By part, what a model that was trained without it says of its rows; empty: rows were not
        cross-fitted."""
        path = self.folder / CROSS_FIT
        return from_tensors(_load_tensors(path)) if path.is_file() else {}

    def log_cross_fit(self, done: Mapping[int, Evidence]) -> None:
        """Keeps the parts that are done."""
        self._save_tensors(CROSS_FIT, to_tensors(done))

    def save_model(self, model: Classifier) -> None:
        """Writes `model.safetensors`."""
        self._save_tensors(MODEL, {n: t.contiguous().cpu() for n, t in model.state_dict().items()})

    def model(self) -> Classifier:
        """The trained model, ready to predict."""
        path = self.folder / MODEL
        if not path.is_file():
            raise InputError(
                f"{path} is not there: the run has not finished an epoch", "Train with --resume."
            )
        model = build(self.config.model, self.spec)
        try:
            model.load_state_dict(
                upgraded_state(_load_tensors(path), self.config.model.fusion, self.normalisers)
            )
        except RuntimeError as error:
            raise InputError(f"{path} does not fit the run's config.json ({error})", "Train again.") from None
        return model.eval()

    def _save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        with new_file(self.folder / name, "wb") as file:
            file.write(save(dict(tensors)))


def _needs(folder: Path, plugins: list[str]) -> InputError:
    """A run folder names plug-ins and never imports one: its files may be a stranger's."""
    words = " ".join(f"--plugin {module}" for module in plugins)
    return InputError(
        f"{folder} needs the plug-in {' and '.join(plugins)}, which holds parts of its model",
        f"Add {words}; in Python, import it first.",
    )


def digest(dataset: Dataset, rows: np.ndarray) -> str:
    """A fingerprint of these rows: what they point at, and their labels."""
    return hashed(dataset.rows[rows], dataset.label[rows], rows, *dataset.contents.values())[:16]


def check_same(run: Run, config: Config, fingerprint: str) -> None:
    """OutputError where a run that is to go on was begun with another config or other data."""
    if run.digest != fingerprint:
        raise OutputError(
            f"{run.folder} was trained on other rows than these", "Give the same data, or another --out."
        )
    if run.config != config:
        changed = changes(to_dict(run.config), to_dict(config))
        raise OutputError(
            f"{run.folder} was begun with another config: {changed}",
            "Give the same config, or another --out.",
        )


def environment() -> dict[str, str]:
    """What numbers depend on besides code and data."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": torch.cpu.get_capabilities().get("cpu_name")
        or platform.processor()
        or platform.machine(),
        "system": platform.system(),
    }


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is broken ({error})", "Train again, or copy the run again.") from None


def begin(
    data: Dataset,
    source: str,
    config: Config,
    recipe: str,
    folder: Path,
    overwrite: bool = False,
    resume: bool = False,
) -> tuple["Run", Dataset, Splits]:
    """The run that trains `config` on the data set, the data set as the run sees it, and its splits.

    With `resume` the run in the folder, if there is one, after a check that it was begun with the same rows
    and config. A model of one modality is given the same splits as one of all. No rows to train on:
    InputError, and no folder.
    """
    seen, splits, config = prepared(data, config)
    fingerprint = digest(data, splits.train)
    if resume and (folder / "config.json").is_file():
        run = Run.open(folder)
        check_same(run, config, fingerprint)
        return run, seen, splits
    threads, plugins = torch.get_num_threads(), plugins_of(config.parts())
    run = Run(folder, config, seen.spec, source, fingerprint, recipe, threads, plugins)
    return Run.create(run, overwrite), seen, splits


def train(
    run: Run, data: Dataset, splits: Splits, watch: Watch = iter, device: str = "cpu"
) -> Iterator[Reconstruction | Epoch]:
    """Trains the run from its beginning, or from the last epoch it finished, and keeps every epoch before
    yielding it: those of autoencoders first, where the config asks for them."""
    if run.finished:
        return
    done = Progress(run.pretraining(), run.cross_fitted(), run.state())
    held = dict(done.held)
    for step in learn(data, splits, run.config, done, watch, device):
        if isinstance(step, Reconstruction):
            run.log_pretraining(step)
        elif isinstance(step, HeldPart):
            held[step.number] = step.evidence
            run.log_cross_fit(held)
            continue
        else:
            run.log(step)
        yield step
