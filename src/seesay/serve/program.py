"""Export a trained model as a program of torch.export: the graph of serve/export.py, run by torch.

    program = torch.export.load("model.pt2").module(check_guards=False)
    outputs = program(pictures, waveforms, has_picture, has_waveform)

Guards are what tracing saw of its example, such as more than one row; that the program holds without them is
checked before it is written. The file `seesay.json` in it names inputs and outputs, in order.
"""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seesay.errors import InputError, OutputError
from seesay.files import new_file
from seesay.learn.run import Run
from seesay.model.classifier import Classifier
from seesay.serve.export import OnnxWrapper, check_same, input_types, metadata_of, quiet, traced_inputs
from seesay.serve.graph import Graph
from seesay.serve.joined_graphs import divided
from seesay.spec import Spec

DESCRIBED = "seesay.json"
"""The file in the program that says what it is."""


class Program(Graph):
    """A program that was exported, run by torch."""

    def __init__(self, source: Path | str | bytes) -> None:
        """`source`: the file or its bytes. Not written by `write_program`: InputError."""
        files = {DESCRIBED: ""}
        name = "the program" if isinstance(source, bytes) else str(source)
        try:
            content = BytesIO(source if isinstance(source, bytes) else Path(source).read_bytes())
            self._module: Any = torch.export.load(content, extra_files=files).module(check_guards=False)
            described = json.loads(files[DESCRIBED])
            self._given = list(described["inputs"])
            self._describe(described["metadata"], described["inputs"], described["outputs"])
        except Exception as error:  # torch raises many types of its own
            raise InputError(f"{name} was not written by seesay export ({error})", "Export again.") from None

    @torch.inference_mode()
    def _compute(self, names: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        given = (torch.from_numpy(feed[name]) for name in self._given)
        found = dict(zip(self.names, self._module(*given), strict=True))
        return [found[name].numpy() for name in names]


def write_program(run: Run | Path | str | None, path: Path | str, overwrite: bool = False) -> None:
    """Write the run's model as a program of torch.export, after checking that it gives what the model gives.

    `run` None: the model that comes with seesay. OutputError, and no file, if the file exists without
    `overwrite` or if the two differ. InputError if an encoder is from an ONNX file, which is not torch's.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if Path(path).exists() and not overwrite:
        raise OutputError(f"{path} exists already", "Choose another name, or add --overwrite.")
    model = run.model()
    if parts := divided(model):
        names = " and ".join(parts)
        raise InputError(f"the encoder of {names} is from an ONNX file, not torch's", "Give --out x.onnx.")
    written = to_program(model, run.spec)
    check_same(model, Program(written), path)
    with new_file(path, "wb") as file:
        file.write(written)


def to_program(model: Classifier, spec: Spec) -> bytes:
    """The file of a model's program as bytes, not checked."""
    wrapper = OnnxWrapper(model, "contents", {}).eval()
    examples, axes = traced_inputs(model, spec, wrapper, {})
    types = {m: each.dtype for m, each in input_types(model, spec, "contents").items()}
    inputs = {name: types.get(name, "bool") for name in wrapper.names}
    metadata = metadata_of(model, spec, "contents")
    described = {"metadata": metadata, "inputs": inputs, "outputs": wrapper.outputs}
    written = BytesIO()
    with quiet():
        program = torch.export.export(
            wrapper, tuple(examples.values()), dynamic_shapes=(tuple(axes.values()),)
        )
        torch.export.save(program, written, extra_files={DESCRIBED: json.dumps(described)})
    return written.getvalue()
