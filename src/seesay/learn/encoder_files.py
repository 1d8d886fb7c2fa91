"""Encoders from files in a run folder: copies of the ONNX file and its card lie in `encoders/`, named after
their modality, and the run's config refers to the copies, so that a run is complete wherever it goes.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

from seesay.config import Config, EncoderConfig
from seesay.errors import InputError
from seesay.files import new_file
from seesay.signal.onnx_card import ONNX, card_path, file_of
from seesay.signal.onnx_encoder import whole_file
from seesay.spec import Modality

FOLDER = "encoders"
"""Of the copies, in a run folder."""

Files = Mapping[str, bytes]
"""Contents of the copies by their path in the run folder."""


def files_of(config: Config) -> dict[str, bytes]:
    """The files that a run of this config needs, by their path in its folder."""
    files = {}
    for modality, path in copies(config).items():
        files |= _pair(modality, path)
    return files


def copies(config: Config) -> dict[Modality, Path]:
    """The ONNX files by modality, without those that have none."""
    found = {modality: _file(encoder) for modality, encoder in config.model.named.items()}
    return {modality: path for modality, path in found.items() if path is not None}


def write_files(folder: Path, files: Files) -> None:
    """Write the copies into a run folder."""
    for name, content in files.items():
        with new_file(folder / name, "wb") as file:
            file.write(content)


def hashes(files: Files) -> dict[str, str]:
    """The SHA-256 of each copy, by its path in the run folder."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def check_files(folder: Path, expected: Mapping[str, str]) -> None:
    """InputError if a copy in a run folder is missing or is not what it was in training."""
    for name, wanted in expected.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing: the run needs this encoder", "Copy the run again, whole.")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                raise InputError(f"{path} was changed after training (SHA-256)", "Copy the run again.")


def in_run(config: Config, folder: Path) -> Config:
    """The config with each encoder from a file referring to its copy in this run folder."""
    return _renamed(config, {m: folder / _place(m) for m in config.model.named})


def from_run(config: Config) -> Config:
    """The config as it stands in `config.json`: copies are named by their path in the run folder."""
    return _renamed(config, {m: Path(_place(m)) for m in config.model.named})


def same_files(config: Config, run: Config, folder: Path, expected: Mapping[str, str]) -> Config:
    """The config, with each encoder from a file that this run has a copy of referring to the copy. A file
    that does not exist any more counts as the same; another one stays as it is."""
    copies = {}
    for modality, encoder in run.model.named.items():
        given = config.model.named.get(modality)
        path = None if given is None else _file(given)
        if path is None or _file(encoder) is None:
            continue
        if not path.is_file() or hashes(_pair(modality, path)).items() <= expected.items():
            copies[modality] = folder / _place(modality)
    return _renamed(config, copies)


def _file(encoder: EncoderConfig) -> Path | None:
    """The ONNX file of an encoder or of its front end; None if it has none."""
    for name in (encoder.kind, encoder.features.kind or ""):
        if name.startswith(ONNX):
            return file_of(name)
    return None


def _place(modality: Modality) -> str:
    return f"{FOLDER}/{modality}.onnx"


def _pair(modality: Modality, path: Path) -> dict[str, bytes]:
    """The ONNX file and its card, by the paths of their copies."""
    place = _place(modality)
    return {place: whole_file(path), f"{place}.json": card_path(path).read_bytes()}


def _renamed(config: Config, files: Mapping[Modality, Path]) -> Config:
    """The config with other files."""
    named = dict(config.model.named)
    for modality in files.keys() & named.keys():
        encoder, name = named[modality], f"{ONNX}{files[modality]}"
        kind = name if encoder.kind.startswith(ONNX) else encoder.kind
        before = encoder.features.kind
        front_end = name if before is not None and before.startswith(ONNX) else before
        features = dataclasses.replace(encoder.features, kind=front_end)
        named[modality] = dataclasses.replace(encoder, kind=kind, features=features)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, named=named))
