"""A taught file: new heads for the encoders of a run, as the page writes it (how-to/teach-in-the-page.md).

It is a safetensors file of a few kilobytes. It holds the tensors in which the taught model differs from its
base, and in its metadata the classes and the fingerprint of the base's encoders. Opened, it is a run with
those encoders, one linear layer per modality and a posterior sum, in seesay's cache.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from seesay.config import SplitConfig
from seesay.data.dataset import NONE_NAME
from seesay.errors import InputError, OutputError
from seesay.files import cache_folder, new_folder
from seesay.learn.encoder_files import files_of, hashes, in_run, write_files
from seesay.learn.run import PACKAGED, Run
from seesay.model.classifier import Classifier
from seesay.model.fingerprint import fingerprint
from seesay.model.fusion import PosteriorSum, mlp
from seesay.spec import Modality

TAUGHT = "taught"
"""The entry of the metadata, as JSON."""

LARGEST = 2**26
"""Bytes of a file: heads of 1,000 classes on 1,000 numbers take 8 million."""

MOST_CLASSES = 1_000


@dataclass(frozen=True)
class Taught:
    """What a taught file holds."""

    classes: tuple[str, ...]
    heads: Mapping[Modality, tuple[torch.Tensor, torch.Tensor]]
    """The weight, (k, d), and the bias, (k,), of each modality's head; logits are calibrated."""
    weight: torch.Tensor
    """(modalities,): of the posterior sum."""
    encoders: str
    """Fingerprint of the encoders whose encodings the heads take (model/fingerprint.py)."""
    base: str
    """What the base was called, for people."""
    digest: str
    """Hash of the file."""


def read_taught(path: Path) -> Taught:
    """The contents of a taught file. Damaged, or made by another program: InputError."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {})[TAUGHT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _checked(metadata, tensors, hashlib.sha256(path.read_bytes()).hexdigest())
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        problem = f"{path} is not a file of taught classes as the page writes it ({reason[:200]})"
        raise InputError(problem, "Download it again, or give the folder of a run.") from None


def _checked(metadata: Any, tensors: dict[str, torch.Tensor], digest: str) -> Taught:
    """The contents in their types; ValueError if anything is not as expected."""
    classes, modalities = tuple(metadata["classes"]), tuple(metadata["modalities"])
    encoders, base = metadata["encoders"], metadata["base"]
    texts = (*classes, *modalities, encoders, base)
    if not all(isinstance(text, str) and len(text) <= 200 and text.isprintable() for text in texts):
        raise ValueError("a name is not a printable text of up to 200 characters")
    unfit = not all(classes) or len(set(classes)) < len(classes) or NONE_NAME in classes
    if unfit or not 2 <= len(classes) <= MOST_CLASSES:
        raise ValueError(f"expected 2 to {MOST_CLASSES:,} classes of different names")
    if not modalities or len(set(modalities)) < len(modalities):
        raise ValueError("expected one modality or more, each once")
    heads = {m: (tensors[f"heads.{m}.0.weight"], tensors[f"heads.{m}.0.bias"]) for m in modalities}
    weight = tensors["fusion.weight"]
    for head, bias in heads.values():
        if head.ndim != 2 or len(head) != len(classes) or bias.shape != head.shape[:1]:
            raise ValueError("a head does not fit its classes")
    if weight.shape != (len(modalities),) or not (weight >= 0).all():
        raise ValueError("the weights of the fusion do not fit")
    if len(tensors) != 2 * len(modalities) + 1:
        raise ValueError("it has other tensors than heads and the weights of the fusion")
    if not all(each.dtype == torch.float32 and each.isfinite().all() for each in tensors.values()):
        raise ValueError("expected finite numbers of 32 bits")
    return Taught(classes, heads, weight, encoders, base, digest)


def taught_run(path: Path) -> Run:
    """The run of a taught file. Its base is the model that comes with seesay, or the run in whose folder the
    file lies. Not a taught file, or its base is neither: InputError."""
    taught = read_taught(path)
    base, model = _base(taught, path)
    whose = f"{taught.digest}{base.folder.resolve()}{version('seesay')}"
    folder = cache_folder() / "taught" / hashlib.sha256(whose.encode()).hexdigest()[:32] / path.stem
    if not (folder / "config.json").is_file():
        try:
            with new_folder(folder) as temporary:
                _write(taught, base, model, temporary)
        except OutputError:
            if not (folder / "config.json").is_file():  # another process was quicker
                raise
    return Run.open(folder)


def _base(taught: Taught, path: Path) -> tuple[Run, Classifier]:
    """The run with the encoders that the heads were fitted to, and its model."""
    here = path.resolve().parent
    for folder in (PACKAGED, here) if (here / "config.json").is_file() else (PACKAGED,):
        run = Run.open(folder)
        model = run.model()
        if fingerprint(model) != taught.encoders:
            continue
        for modality, (weight, _) in taught.heads.items():
            if modality not in model.modalities or weight.shape[1] != run.config.model.dim:
                problem = f"{path} has a head that its base does not fit ({modality})"
                raise InputError(problem, "Download it again.")
        return run, model
    name = f"{taught.base!r}, " if taught.base else ""
    raise InputError(
        f"{path} was taught on another model ({name}encoders {taught.encoders[:12]}), which is not here",
        "Move it into the folder of that run; if that is the model of seesay, install the version it was.",
    )


def _write(taught: Taught, base: Run, model: Classifier, folder: Path) -> None:
    """Write the run's files."""
    config = replace(
        base.config,
        modalities=tuple(taught.heads),
        split=SplitConfig(),
        pretrain=replace(base.config.pretrain, epochs=0),
        model=replace(base.config.model, fusion="posterior-sum", head_layers=1),
    )
    files = files_of(base.config)
    run = replace(
        base,
        folder=folder,
        config=in_run(config, folder) if files else config,
        spec=replace(base.spec.only(tuple(taught.heads)), classes=taught.classes),
        data="taught in the page",
        digest=taught.digest[:16],
        files=hashes(files),
        normalisers={},
        adapted_from="the digits model of seesay" if base.folder == PACKAGED else str(base.folder),
    )
    Run.create(run)
    write_files(folder, files)
    run.save_model(with_heads(model, taught))


def with_heads(model: Classifier, taught: Taught) -> Classifier:
    """A classifier of the taught classes, with the model's own front ends and encoders."""
    modalities = [m for m in model.modalities if m in taught.heads]
    classes = len(taught.classes)
    prior = torch.full((classes,), -float(np.log(classes)))
    heads = {}
    for modality in modalities:
        weight, bias = taught.heads[modality]
        head = mlp(weight.shape[1], 1, classes, 1)
        head.load_state_dict({"0.weight": weight, "0.bias": bias})
        heads[modality] = head
    fusion = PosteriorSum(prior.clone(), len(modalities))
    order = list(taught.heads)
    fusion.weight.copy_(taught.weight[[order.index(m) for m in modalities]])
    front_ends = {m: model.front_ends[m] for m in modalities}
    encoders = {m: model.encoders[m] for m in modalities}
    return Classifier(front_ends, encoders, heads, fusion, prior).eval()
