"""Encodings of files, each read as `seesay predict` reads a single one, whatever the others are."""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seesay.data.ragged import as_table
from seesay.errors import InputError, SeesayError
from seesay.formats.arrays import image_table
from seesay.formats.cells import Embedded, File, Member, source_of
from seesay.formats.ready_made import array_reader
from seesay.serve.encodings import encode, size_of
from seesay.serve.predict import Predictor
from seesay.spec import ContentSpec, Modality, PictureSpec, part_of

Fault = tuple[str, str]
"""The name of a file that cannot be read, and the reason."""


class Reader(threading.local):
    """Reads a file as content; each thread keeps an open `.npz` of its own."""

    def __init__(self) -> None:
        self.array = array_reader()

    def __call__(self, file: File, spec: ContentSpec) -> np.ndarray:
        """The content of a file. Unreadable: InputError."""
        if not _is_array(file):
            return part_of(spec, "read")(source_of(file), spec)
        array = self.array(file)
        if isinstance(spec, PictureSpec) and not spec.standardised:
            return _picture(array, spec, str(file))
        return part_of(spec, "read")(array.astype(np.float32) if array.dtype == bool else array, spec)


def _is_array(file: File) -> bool:
    if isinstance(file, Embedded):
        return isinstance(file.source, np.ndarray)
    return isinstance(file, Member) or file.suffix.lower() == ".npy"


def _picture(array: np.ndarray, spec: PictureSpec, name: str) -> np.ndarray:
    """The content of a picture given as an array, in 0 to 1 or 0 to 255, as an import makes it."""
    if array.ndim == 1:
        raise InputError(f"{name} is a vector, expected a picture")
    table = image_table({name: array[None]})
    if any(getattr(table.spec, field) != getattr(spec, field) for field in spec.fixed):
        raise InputError(f"{name} holds {table.spec}, the model was trained on {spec}")
    return table.contents[0]


def encode_files(
    predictor: Predictor, modality: Modality, files: Sequence[File], read: Reader
) -> tuple[Float[Tensor, "n d"], dict[int, Fault]]:
    """The encodings of files, as one batch, and by place the faults of those that cannot be read."""
    contents: dict[int, np.ndarray] = {}
    faults: dict[int, Fault] = {}
    for place, file in enumerate(files):
        try:
            contents[place] = read(file, predictor.spec[modality])
        except SeesayError as error:
            faults[place] = (str(file), str(error).rstrip("."))
    encodings = torch.zeros(len(files), size_of(predictor.model, modality))
    if contents:
        table = as_table(_of_one_type(contents.values()))
        encodings[torch.tensor(list(contents))] = encode(predictor.model, modality, table)
    return encodings, faults


def _of_one_type(contents: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Contents of one dtype: arrays of pictures may be bytes in one row and fractions in another."""
    contents = list(contents)
    if len({content.dtype for content in contents}) == 1:
        return contents
    return [c.astype(np.float32) / np.float32(1 if c.dtype.kind == "f" else 255) for c in contents]
