"""A trained model as one ONNX graph, which runs without seesay and without torch.

Inputs, with any number of rows: for every modality its contents, or its features, under its name, and under
`has_` and its name which rows have it, bool; what stands in a row that has it not does not matter. Outputs:
under `probabilities_` and the name of each condition, those of the classes, `(rows, classes)`; a row without
the modality gets the shares that the classes had in training. The graph's metadata hold the `classes` and the
`spec`, what is taken and how that is made, as JSON.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from seesay.condition import Condition
from seesay.errors import InputError, OutputError
from seesay.files import check_file, new_file
from seesay.learn.run import Run
from seesay.model.classifier import Classifier
from seesay.model.folding import folded
from seesay.plain import from_dict, to_dict
from seesay.signal.front_ends import fitting
from seesay.spec import Modality, PictureSpec, Spec

Kind = Literal["contents", "features"]
"""`contents`: what a data set holds, pictures as uint8 and waveforms as int16, the front ends in the graph;
`features`: what the encoders are given."""

TOLERANCE = 1e-4
"""The most by which a probability of the graph may differ from torch's."""

ROWS = 4096
"""Rows that the exporter is told to expect at most; the graph takes more."""

SAYS = "probabilities_"
"""Before a condition, the name of an output; inputs have the modalities' own."""

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Place:
    """What the graph takes for a row of one modality."""

    shape: tuple[int, ...]
    dtype: str

    def blank(self, rows: int) -> np.ndarray:
        """Zeros, (rows, *shape)."""
        return np.zeros((rows, *self.shape), self.dtype)


TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int16)": "int16"}
"""ONNX Runtime's names of what a graph takes."""


def places_of(model: Classifier, spec: Spec, kind: Kind) -> dict[Modality, Place]:
    """By modality what the graph of a model takes: features, or contents that have the model's size, since a
    graph's inputs have: clips, and pictures that were made to fit."""
    places = {}
    for modality, own in spec.contents.items():
        floats = isinstance(own, PictureSpec) and own.standardised
        fit, _ = fitting(model.front_ends[modality])
        with torch.no_grad():
            shape = own.shape if fit is None else tuple(fit(torch.zeros(1, *own.shape)).shape[1:])
        place = Place(shape, "float32" if floats else own.integers or "float32")
        if kind == "features":
            with torch.no_grad():
                features = model.front_ends[modality](torch.from_numpy(place.blank(1)))
            place = Place(tuple(features.shape[1:]), "float32")
        places[modality] = place
    return places


class Doors(nn.Module):
    """A classifier as the graph has it: tensors in, in the order of `names`, and probabilities out."""

    def __init__(self, model: Classifier, kind: Kind) -> None:
        super().__init__()
        self.model, self.kind = folded(model), kind
        self.names = [*model.modalities, *(f"has_{m}" for m in model.modalities)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        count = len(self.model.modalities)
        inputs = dict(zip(self.model.modalities, tensors[:count], strict=True))
        present = dict(zip(self.model.modalities, tensors[count:], strict=True))
        features = self.model.features(inputs) if self.kind == "contents" else inputs
        said = self.model.classify(features, present)
        return tuple(logits.softmax(1) for logits in said.values())


def export(
    run: Run | Path | str | None, path: Path | str, inputs: Kind = "contents", overwrite: bool = False
) -> None:
    """Writes the run's model as an ONNX file, after it has said in ONNX Runtime what it says in torch.
    No run: the model that comes with seesay.

    It exists and `overwrite` is false, or the two differ by more than TOLERANCE: OutputError, and no file.
    The packages of the extra `onnx` are not there: InputError.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if Path(path).exists() and not overwrite:
        raise OutputError(f"{path} exists already", "Choose another name, or add --overwrite.")
    model = run.model()
    graph = to_onnx(model, run.spec, inputs)
    check_same(model, Graph(graph), path)
    with new_file(path, "wb") as file:
        file.write(graph)


def to_onnx(model: Classifier, spec: Spec, inputs: Kind = "contents") -> bytes:
    """The ONNX file of a model, not yet checked against it."""
    onnx, *_ = [_package(name) for name in PACKAGES]
    doors = Doors(model, inputs)
    rows = torch.export.Dim("rows", min=1, max=ROWS)
    with _quiet():
        program = torch.onnx.export(
            torch.export.export(
                doors,
                _examples(places_of(model, spec, inputs), 4),
                dynamic_shapes=(({0: rows},) * len(doors.names),),
            ),
            input_names=doors.names,
            output_names=[f"{SAYS}{name}" for name in model.conditions],
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]  # which line of which file of this machine made it
    about = {"seesay": version("seesay"), "inputs": inputs, "classes": json.dumps(spec.classes)}
    onnx.helper.set_model_props(proto, about | {"spec": json.dumps(to_dict(spec))})
    return proto.SerializeToString()


class Graph:
    """An exported model in ONNX Runtime, on this machine's processor."""

    def __init__(self, source: Path | str | bytes, threads: int = 1) -> None:
        """`source`: the file's path or bytes. No such file, or none of seesay's: InputError."""
        runtime = _package("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        name = "the graph" if isinstance(source, bytes) else str(source)
        if not isinstance(source, bytes):
            check_file(Path(source))
        try:
            content = source if isinstance(source, bytes) else str(source)
            self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            about = self.session.get_modelmeta().custom_metadata_map
            self.inputs: Kind = about["inputs"]
            self.spec: Spec = from_dict(Spec, json.loads(about["spec"]), "spec")
        except Exception as error:  # ONNX Runtime has an exception of its own for everything
            raise InputError(f"{name} is not what seesay export wrote ({error})", "Export again.") from None
        self.places = {
            given.name: Place(tuple(given.shape[1:]), TYPES[given.type])
            for given in self.session.get_inputs()
            if given.name in self.spec.modalities
        }
        self.conditions: list[Condition] = [
            Condition(output.name.removeprefix(SAYS)) for output in self.session.get_outputs()
        ]

    def __call__(
        self,
        inputs: Mapping[Modality, Num[np.ndarray, "b ..."]],
        present: Mapping[Modality, Bool[np.ndarray, " b"]] | None = None,
    ) -> dict[Condition, Float[np.ndarray, "b k"]]:
        """Probabilities by condition. A key that is absent from `inputs`, or a row that is not `present`, is
        missing."""
        unknown = [name for name in inputs if name not in self.spec.modalities]
        if unknown or not inputs:
            known, came = " and ".join(self.spec.modalities), " and ".join(unknown) or "nothing"
            raise InputError(f"the graph takes {known}, got {came}")
        count = len(next(iter(inputs.values())))
        present = present or {}
        fed: dict[str, np.ndarray] = {}
        for modality in self.spec.modalities:
            there = modality in inputs
            fed[modality] = inputs[modality] if there else self.places[modality].blank(count)
            fed[f"has_{modality}"] = (
                present.get(modality, np.ones(count, bool)) if there else np.zeros(count, bool)
            )
        return dict(zip(self.conditions, self.session.run(None, fed), strict=True))


def check_same(model: Classifier, graph: Graph, path: Path | str) -> None:
    """OutputError where the graph says anything else than the model: one row or more, whatever is missing."""
    modalities = graph.spec.modalities
    for rows in (1, 2, 3 * 2 ** len(modalities)):
        examples = _examples(graph.places, rows)
        inputs, there = (
            dict(zip(modalities, part, strict=True))
            for part in (examples[: len(modalities)], examples[len(modalities) :])
        )
        with torch.inference_mode():
            said = model.classify(model.features(inputs) if graph.inputs == "contents" else inputs, there)
        found = graph({m: x.numpy() for m, x in inputs.items()}, {m: x.numpy() for m, x in there.items()})
        for name, logits in said.items():
            off = float(np.abs(found[name] - logits.softmax(1).numpy()).max())
            if not off <= TOLERANCE:  # nor is NaN
                problem = f"the graph and torch differ by {off:.1e} in the probabilities of {name}"
                raise OutputError(
                    f"{path} is not written: {problem}",
                    "Try other versions of onnx, onnxscript and onnxruntime.",
                )


def _examples(places: Mapping[Modality, Place], rows: int) -> tuple[Tensor, ...]:
    """What the graph is given for some rows: noise, soft and loud, and in turn every way of being there."""
    random = np.random.default_rng(rows)
    tensors = []
    for place in places.values():
        blank = place.blank(rows)
        loud = np.geomspace(1, 1 / 256, rows).reshape(-1, *[1] * (blank.ndim - 1))
        if blank.dtype.kind == "f":
            noise = random.normal(size=blank.shape)
        else:
            reach = np.iinfo(blank.dtype)
            noise = random.integers(reach.min, reach.max, blank.shape) * loud
        tensors.append(torch.from_numpy(noise.astype(blank.dtype)))
    ways = np.arange(rows)[:, None] >> np.arange(len(places)) & 1 == 0
    return (*tensors, *(torch.from_numpy(way.copy()) for way in ways.T))


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Without the exporter's warnings of its own parts, and that torchvision is not there."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise InputError(
            f"export needs the package {name}, which is not there", "Run `pip install 'seesay[onnx]'`."
        ) from None
