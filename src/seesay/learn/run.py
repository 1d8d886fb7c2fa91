"""A run: the folder of a trained model and how it was trained.

It holds `config.json`, `model.safetensors`, `epochs.jsonl`; after pretraining `pretraining.safetensors` and
`pretrain.jsonl`; after cross-fitting `cross_fit.safetensors`; in `encoders/` those from files; and later
`metrics.json`, `README.md`, `figures/`. Writes are atomic; loading needs only the folder and never unpickles.
During training, `state.safetensors` holds the state from which an interrupted run resumes.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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
from seesay.files import check_new_folder, new_file, writing
from seesay.learn.cross_fit import HeldOutPart, from_tensors, to_tensors
from seesay.learn.encoder_files import (
    check_files,
    files_of,
    from_run,
    hashes,
    in_run,
    same_files,
    write_files,
)
from seesay.learn.fit import Epoch, Watch
from seesay.learn.learn import Progress, learn, prepared
from seesay.learn.pretrain import Pretraining, Reconstruction
from seesay.model.autoencoder import Autoencoder
from seesay.model.classifier import Classifier, build, upgraded_state
from seesay.model.feature_cache import Track, untracked
from seesay.model.features import RawFeatures
from seesay.model.temperature import Evidence
from seesay.plain import changes, from_dict, to_dict
from seesay.registry import check_plugins, load_installed, plugins_of
from seesay.spec import Modality, Spec

MODEL = "model.safetensors"
STATE = "state.safetensors"
PRETRAINING = "pretraining.safetensors"
CROSS_FIT = "cross_fit.safetensors"

PACKAGED = Path(__file__).parents[1] / "packaged"
"""The run that comes with seesay: recipe `best`, trained on digits by many writers and speakers (see its
MODEL_CARD.md)."""


@dataclass(frozen=True)
class Run:
    """A run's folder and the contents of its `config.json`."""

    folder: Path
    config: Config
    spec: Spec
    data: str
    """Name or path of the data set, as given."""
    digest: str
    """Hash of the training rows, their labels and contents: a run resumes only with the data it started
    with."""
    recipe: str
    threads: int
    """Torch threads in training; another number changes the order of sums and so the last digits."""
    plugins: tuple[str, ...] = ()
    """Plug-in modules that its parts come from."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the copies of encoders from files, by their path in the folder."""
    normalisers: Mapping[Modality, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
    """Mean and scale by modality; only in old runs, which kept them in `config.json`."""
    adapted_from: str = ""
    """The run that it was adapted from (learn/adapt.py); `data` and `digest` are then those of the rows that
    it was adapted to."""

    @staticmethod
    def create(run: "Run", overwrite: bool = False) -> "Run":
        """Create the folder and write `config.json`. OutputError if it exists, unless `overwrite`."""
        if not overwrite and (run.folder / "config.json").is_file():
            remedy = "Add --resume to resume that run, --overwrite to replace it, or give another --out."
            raise OutputError(f"{run.folder} exists already", remedy)
        check_new_folder(run.folder, overwrite)
        shown = replace(run, config=from_run(run.config))
        card = {"seesay": version("seesay"), **to_dict(shown), "environment": environment()}
        del card["folder"], card["normalisers"]
        run.write("config.json", json.dumps(card, indent=2) + "\n")
        with writing(run.folder):
            (run.folder / "figures").mkdir()
        return run

    @staticmethod
    def open(folder: Path | str | None = None) -> "Run":
        """The run in this folder, or of a taught file (learn/taught.py); None: the one that comes with
        seesay. InputError if it is not a run or is damaged, or an encoder from a file is not the one of its
        training."""
        folder = PACKAGED if folder is None else Path(folder)
        load_installed()
        path = folder / "config.json"
        if folder.is_file() and folder.suffix == ".safetensors":
            from seesay.learn.taught import taught_run

            return taught_run(folder)
        if folder.is_file():
            remedy = "Give pictures with --image, recordings with --audio."
            raise InputError(f"{folder} is a file, expected the folder of a run", remedy)
        if not path.is_file():
            raise InputError(f"{folder} is not a run: it has no config.json", "Make one with seesay train.")
        card: Any = None
        try:
            card = json.loads(path.read_text())
            if "outputs" in card:
                problem = f"{folder} is an exported model, expected the run that it was made from"
                raise InputError(problem, "seesay serve takes exported models; its example.py predicts.")
            normalisers = {}
            if "contents" not in card["spec"]:
                card, normalisers = old_run(card)
            fields = {name: card[name] for name in ("data", "digest", "recipe", "threads")}
            config, spec = from_dict(Config, card["config"], "config"), from_dict(Spec, card["spec"], "spec")
            fields["plugins"], files = tuple(card.get("plugins", ())), dict(card.get("files", {}))
            fields["adapted_from"] = card.get("adapted_from", "")
        except ConfigError:
            if isinstance(card, dict):
                check_plugins(folder, card.get("plugins", ()), "parts of its model")
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not what seesay wrote ({error})", "Train again.") from None
        if files:
            check_files(folder, files)
            config = in_run(config, folder)
        return Run(folder, config, spec, **fields, files=files, normalisers=normalisers)

    def write(self, name: str, text: str) -> None:
        """Write a text file of the run, atomically."""
        with new_file(self.folder / name, encoding="utf-8") as file:
            file.write(text)

    def log(self, epoch: Epoch) -> None:
        """Save an epoch: its line in `epochs.jsonl`, its model if any and, if it is complete, the state."""
        if epoch.model is not None and (epoch.whole or not (self.folder / MODEL).is_file()):
            self.save_model(epoch.model)
        lines = self.epochs()[: epoch.number - 1]
        names = ("number", "loss", "scores", "remarks", "seconds", "whole", "last")
        line = {name: getattr(epoch, name) for name in names}
        self.write("epochs.jsonl", "".join(json.dumps(entry) + "\n" for entry in [*lines, line]))
        if epoch.last:
            (self.folder / STATE).unlink(missing_ok=True)
        elif epoch.whole:
            self._save_tensors(STATE, epoch.training.state())

    def log_pretraining(self, epoch: Reconstruction) -> None:
        """Save the epoch of an autoencoder: a line in `pretrain.jsonl` and, if it is complete, the state."""
        done = epoch.pretraining.done
        lines = self.pretraining_epochs()[: done - 1 if epoch.whole else done]
        names = ("modality", "number", "total", "mean", "seconds", "whole")
        line = {name: getattr(epoch, name) for name in names}
        self.write("pretrain.jsonl", "".join(json.dumps(entry) + "\n" for entry in [*lines, line]))
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
        """The saved state of pretraining, finished or not; None if no epoch was finished."""
        path = self.folder / PRETRAINING
        return _load_tensors(path) if path.is_file() else None

    def autoencoders(self) -> dict[Modality, Autoencoder]:
        """The trained autoencoders by modality. InputError if the run has none."""
        state = self.pretraining()
        if state is None:
            raise InputError(f"{self.folder} has no autoencoders", "Train one with --recipe report.")
        pretraining = Pretraining(build(self.config.model, self.spec), self.config)
        pretraining.restore(state)
        return {m: autoencoder.eval() for m, autoencoder in pretraining.autoencoders.items()}

    def state(self) -> dict[str, Tensor] | None:
        """The saved state of training; None if no epoch has finished, or all training has."""
        path = self.folder / STATE
        return _load_tensors(path) if path.is_file() else None

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        epochs = self.config.optim.epochs or 0
        ended = any(
            line["whole"] and (line.get("last") or line["number"] >= epochs) for line in self.epochs()
        )
        return ended and not (self.folder / STATE).is_file()

    def cross_fitted(self) -> dict[int, Evidence]:
        """The outputs on held-out rows by number of the fold; empty if there was no cross-fitting."""
        path = self.folder / CROSS_FIT
        return from_tensors(_load_tensors(path)) if path.is_file() else {}

    def log_cross_fit(self, done: Mapping[int, Evidence]) -> None:
        """Save the cross-fitted outputs."""
        self._save_tensors(CROSS_FIT, to_tensors(done))

    def save_model(self, model: Classifier) -> None:
        """Writes `model.safetensors`."""
        self._save_tensors(MODEL, {n: t.contiguous().cpu() for n, t in model.state_dict().items()})

    def model(self) -> Classifier:
        """The trained model, ready to predict."""
        path = self.folder / MODEL
        if not path.is_file():
            raise InputError(
                f"{path} does not exist: the run has not finished an epoch", "Train with --resume."
            )
        model = build(self.config.model, self.spec, published=False)
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


def digest(dataset: Dataset, rows: np.ndarray) -> str:
    """A hash of these rows, their labels and weights, and all contents."""
    weight = () if dataset.weight is None else (dataset.weight[rows],)
    return hashed(dataset.rows[rows], dataset.label[rows], rows, *weight, *dataset.contents.values())[:16]


def check_same(run: Run, config: Config, fingerprint: str) -> None:
    """Raise OutputError if a run to be resumed was started with another config or other data."""
    if run.digest != fingerprint:
        raise OutputError(f"{run.folder} was trained on other rows", "Give the same data, or another --out.")
    if run.config != config:
        changed = changes(to_dict(run.config), to_dict(config))
        raise OutputError(
            f"{run.folder} was started with another config: {changed}",
            "Give the same config, or another --out.",
        )


def environment() -> dict[str, str]:
    """The versions and hardware that results depend on."""
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
        raise InputError(f"{path} is damaged ({error})", "Train again, or copy the run again.") from None


def begin(
    data: Dataset,
    source: str,
    config: Config,
    recipe: str,
    folder: Path,
    overwrite: bool = False,
    resume: bool = False,
) -> tuple["Run", Dataset, Splits]:
    """Create a run folder; return the run, the data set with only the modalities used, and its splits.

    With `resume`, open the run in the folder if there is one; OutputError if it was started with other rows
    or another config. The splits do not depend on the modalities. InputError, and no folder, if there are no
    rows to train on.
    """
    run = Run.open(folder) if resume and (folder / "config.json").is_file() else None
    if run is not None and run.files:
        config = config.naming(data.spec.kinds, others=True)
        config = same_files(config, run.config, folder, run.files)
    used, splits, config = prepared(data, config)
    fingerprint = digest(data, splits.train)
    if run is not None:
        check_same(run, config, fingerprint)
        return run, used, splits
    threads, plugins = torch.get_num_threads(), plugins_of(config.parts())
    build(config.model, used.spec)  # an unfit part is refused before there is a folder
    files = files_of(config)  # read before the folder that they may be in is replaced
    config = in_run(config, folder) if files else config
    run = Run(folder, config, used.spec, source, fingerprint, recipe, threads, plugins, hashes(files))
    Run.create(run, overwrite)
    write_files(folder, files)
    return run, used, splits


def train(
    run: Run,
    data: Dataset,
    splits: Splits,
    watch: Watch = iter,
    device: str = "cpu",
    track: Track = untracked,
) -> Iterator[Reconstruction | Epoch]:
    """Train from the start or after the last finished epoch; yield each epoch once it is saved.

    The epochs of autoencoders come first, if configured. `track`: shows the progress of pretrained networks.
    """
    if run.finished:
        return
    done = Progress(run.pretraining(), run.cross_fitted(), run.state())
    held_out = dict(done.held_out)
    for step in learn(data, splits, run.config, done, watch, device, RawFeatures(data, track)):
        if isinstance(step, Reconstruction):
            run.log_pretraining(step)
        elif isinstance(step, HeldOutPart):
            held_out[step.number] = step.evidence
            run.log_cross_fit(held_out)
            continue
        else:
            run.log(step)
        yield step
