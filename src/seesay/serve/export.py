"""Export a trained model as one ONNX graph, which runs without seesay and torch.

Inputs, for any number of rows: `<modality>`, the contents or features of each modality, and
`has_<modality>`, a bool per row: false if the row lacks the modality, whose values are then ignored.
Outputs: `probabilities_<condition>`, (rows, classes), for each condition. A row that lacks all modalities of
a condition gets the class fractions of the training rows. And `known_<condition>`, (rows,), for each
condition in which the model can tell: 0 (none of its classes) to 1, NaN in a row that lacks all its
modalities. The metadata contain the `classes` and the `spec`, which describes the inputs, as JSON.
Encoders from ONNX files are part of the graph.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

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
from seesay.serve.joined_graphs import Divided, divided, in_this_order, joined
from seesay.signal.front_ends import fitting
from seesay.signal.onnx_encoder import package
from seesay.spec import Modality, PictureSpec, Spec

InputKind = Literal["contents", "features"]
"""What the graph takes. `contents`: as in a data set, pictures as uint8 and waveforms as int16, with the
front ends in the graph; `features`: the inputs of the encoders."""

TOLERANCE = 1e-4
"""Largest difference allowed between a probability of the graph and of torch."""

ROWS = 4096
"""Largest number of rows declared to the exporter; the graph takes more."""

OUTPUT = "probabilities_"
"""Prefix of the outputs of probabilities, before the condition."""

KNOWN = "known_"
"""Prefix of the outputs that say how known a row is."""

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class InputType:
    """Shape and type of one row of an input."""

    shape: tuple[int, ...]
    dtype: str

    def blank(self, rows: int) -> np.ndarray:
        """Zeros, (rows, *shape)."""
        return np.zeros((rows, *self.shape), self.dtype)


TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int16)": "int16"}
"""ONNX Runtime's names of input types."""


def input_types(model: Classifier, spec: Spec, kind: InputKind) -> dict[Modality, InputType]:
    """The input of the graph for each modality. Contents have the fixed size of the model: clips of its
    length and pictures already resized."""
    types = {}
    for modality, content in spec.contents.items():
        floats = isinstance(content, PictureSpec) and content.standardised
        fit, _ = fitting(model.front_ends[modality])
        with torch.no_grad():
            shape = content.shape if fit is None else tuple(fit(torch.zeros(1, *content.shape)).shape[1:])
        types[modality] = InputType(shape, "float32" if floats else content.integers or "float32")
        if kind == "features":
            with torch.no_grad():
                features = model.front_ends[modality](torch.from_numpy(types[modality].blank(1)))
            types[modality] = InputType(tuple(features.shape[1:]), "float32")
    return types


class OnnxWrapper(nn.Module):
    """The classifier with the graph's signature: tensors in, in the order of `names`, probabilities and how
    known the rows are out, in the order of `outputs`."""

    def __init__(self, model: Classifier, kind: InputKind, parts: Mapping[Modality, Divided]) -> None:
        """`parts`: front ends of which only what follows their network is in it: it takes its output."""
        super().__init__()
        self.model, self.kind = folded(model), kind
        for modality, part in parts.items():
            self.model.front_ends[modality] = part.after
        given = [parts[m].name if m in parts else m for m in model.modalities]
        self.names = [*given, *(f"has_{m}" for m in model.modalities)]
        self.knowing = model.knowing
        self.outputs = [*(OUTPUT + c for c in model.conditions), *(KNOWN + c for c in model.knowing)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        count = len(self.model.modalities)
        inputs = dict(zip(self.model.modalities, tensors[:count], strict=True))
        present = dict(zip(self.model.modalities, tensors[count:], strict=True))
        features = self.model.features(inputs) if self.kind == "contents" else inputs
        encodings = self.model.encode(features, present)
        by_condition = self.model.decide(encodings, present)
        known = self.model.known(encodings, present) if self.knowing else {}
        probabilities = (logits.softmax(1) for logits in by_condition.values())
        return (*probabilities, *(known[condition] for condition in self.knowing))


def export(
    run: Run | Path | str | None, path: Path | str, inputs: InputKind = "contents", overwrite: bool = False
) -> None:
    """Write the run's model as an ONNX file, after checking that ONNX Runtime and torch agree.

    `run` None: the model that comes with seesay. OutputError, and no file, if the
    file exists without `overwrite` or if the two differ by more than TOLERANCE. InputError if a package of
    the extra `onnx` is missing.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if Path(path).exists() and not overwrite:
        raise OutputError(f"{path} exists already", "Choose another name, or add --overwrite.")
    model = run.model()
    graph = to_onnx(model, run.spec, inputs)
    check_same(model, Graph(graph), path)
    with new_file(path, "wb") as file:
        file.write(graph)


def to_onnx(model: Classifier, spec: Spec, inputs: InputKind = "contents") -> bytes:
    """The ONNX file of a model as bytes, not checked."""
    onnx, *_ = [package(name, "export") for name in PACKAGES]
    parts = divided(model) if inputs == "contents" else {}
    wrapper = OnnxWrapper(model, inputs, parts)
    examples = dict(zip(wrapper.names, _examples(input_types(model, spec, inputs), 4), strict=True))
    rows, before = torch.export.Dim("rows", min=1, max=ROWS), {}
    axes = {name: {0: rows} for name in wrapper.names}
    for modality, part in parts.items():
        contents = examples[part.name]
        before[modality] = _traced(part.before, (contents,), ({0: rows},), [modality], [part.name])
        examples[part.name] = part.raw(contents)
        windows = examples[part.name].shape[part.rows_axis] // len(contents)
        axes[part.name] = {part.rows_axis: rows * windows if windows > 1 else rows}
    whole = _traced(
        wrapper, tuple(examples.values()), (tuple(axes.values()),), wrapper.names, wrapper.outputs
    )
    proto = joined(whole, before, parts)
    in_this_order(proto, [*model.modalities, *wrapper.names[len(model.modalities) :]])
    metadata = {"seesay": version("seesay"), "inputs": inputs, "classes": json.dumps(spec.classes)}
    onnx.helper.set_model_props(proto, metadata | {"spec": json.dumps(to_dict(spec))})
    return proto.SerializeToString()


def _traced(
    module: nn.Module, examples: tuple[Tensor, ...], axes: Any, inputs: list[str], outputs: list[str]
) -> Any:
    """The ONNX model of a module for these inputs, of which `axes` may have any size."""
    with _quiet():
        program = torch.onnx.export(
            torch.export.export(module.eval(), examples, dynamic_shapes=axes),
            input_names=inputs,
            output_names=outputs,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]  # source paths and lines of this machine
    return proto


class Graph:
    """An exported model, run by ONNX Runtime on the CPU."""

    def __init__(self, source: Path | str | bytes, threads: int = 1) -> None:
        """`source`: path or bytes of the file. No such file, or not written by seesay: InputError."""
        runtime = package("onnxruntime", "export")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        name = "the graph" if isinstance(source, bytes) else str(source)
        if not isinstance(source, bytes):
            check_file(Path(source))
        try:
            content = source if isinstance(source, bytes) else str(source)
            self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            metadata = self.session.get_modelmeta().custom_metadata_map
            self.inputs: InputKind = metadata["inputs"]
            self.spec: Spec = from_dict(Spec, json.loads(metadata["spec"]), "spec")
        except Exception as error:  # ONNX Runtime raises many types of its own
            raise InputError(f"{name} was not written by seesay export ({error})", "Export again.") from None
        self.types = {
            x.name: InputType(tuple(x.shape[1:]), TYPES[x.type])
            for x in self.session.get_inputs()
            if x.name in self.spec.modalities
        }
        names = [output.name for output in self.session.get_outputs()]
        self.conditions, self.knowing = (
            [Condition(name.removeprefix(prefix)) for name in names if name.startswith(prefix)]
            for prefix in (OUTPUT, KNOWN)
        )

    def __call__(
        self,
        inputs: Mapping[Modality, Num[np.ndarray, "b ..."]],
        present: Mapping[Modality, Bool[np.ndarray, " b"]] | None = None,
    ) -> dict[Condition, Float[np.ndarray, "b k"]]:
        """Probabilities by condition. Modalities not in `inputs` and rows not `present` count as missing."""
        return self.run(inputs, present)[0]

    def run(
        self,
        inputs: Mapping[Modality, Num[np.ndarray, "b ..."]],
        present: Mapping[Modality, Bool[np.ndarray, " b"]] | None = None,
    ) -> tuple[dict[Condition, Float[np.ndarray, "b k"]], dict[Condition, Float[np.ndarray, " b"]]]:
        """Probabilities, and how known each row is, by condition."""
        unknown = [name for name in inputs if name not in self.spec.modalities]
        if unknown or not inputs:
            expected, got = " and ".join(self.spec.modalities), " and ".join(unknown) or "nothing"
            raise InputError(f"the graph takes {expected}, got {got}")
        count = len(next(iter(inputs.values())))
        present = present or {}
        feed: dict[str, np.ndarray] = {}
        for modality in self.spec.modalities:
            given = modality in inputs
            feed[modality] = inputs[modality] if given else self.types[modality].blank(count)
            feed[f"has_{modality}"] = (
                present.get(modality, np.ones(count, bool)) if given else np.zeros(count, bool)
            )
        outputs = self.session.run(None, feed)
        count = len(self.conditions)
        return (
            dict(zip(self.conditions, outputs[:count], strict=True)),
            dict(zip(self.knowing, outputs[count:], strict=True)),
        )


def check_same(model: Classifier, graph: Graph, path: Path | str) -> None:
    """Raise OutputError if the graph and the model differ, for one or more rows and any missing modality."""
    modalities = graph.spec.modalities
    for rows in (1, 2, 3 * 2 ** len(modalities)):
        examples = _examples(graph.types, rows)
        inputs, present = (
            dict(zip(modalities, part, strict=True))
            for part in (examples[: len(modalities)], examples[len(modalities) :])
        )
        with torch.inference_mode():
            features = model.features(inputs) if graph.inputs == "contents" else inputs
            encodings = model.encode(features, present)
            expected = {c: logits.softmax(1) for c, logits in model.decide(encodings, present).items()}
            known = model.known(encodings, present)
        probabilities, graph_known = graph.run(
            {m: x.numpy() for m, x in inputs.items()}, {m: x.numpy() for m, x in present.items()}
        )
        pairs = [(f"the probabilities of {c}", probabilities[c], values) for c, values in expected.items()]
        pairs += [(f"known of {c}", values, known[c]) for c, values in graph_known.items()]
        for what, found, values in pairs:
            lacking = np.isnan(found) & np.isnan(values.numpy())  # rows without any modality
            difference = float(np.abs(np.where(lacking, 0, found - values.numpy())).max())
            if not difference <= TOLERANCE:  # also catches NaN
                problem = f"the graph and torch differ by {difference:.1e} in {what}"
                raise OutputError(
                    f"{path} was not written: {problem}",
                    "Try other versions of onnx, onnxscript and onnxruntime.",
                )


def _examples(types: Mapping[Modality, InputType], rows: int) -> tuple[Tensor, ...]:
    """Example inputs of the graph: noise, soft and loud, and in turn every subset of modalities present."""
    random = np.random.default_rng(rows)
    tensors = []
    for input_type in types.values():
        blank = input_type.blank(rows)
        loud = np.geomspace(1, 1 / 256, rows).reshape(-1, *[1] * (blank.ndim - 1))
        if blank.dtype.kind == "f":
            noise = random.normal(size=blank.shape)
        else:
            limits = np.iinfo(blank.dtype)
            noise = random.integers(limits.min, limits.max, blank.shape) * loud
        tensors.append(torch.from_numpy(noise.astype(blank.dtype)))
    present = np.arange(rows)[:, None] >> np.arange(len(types)) & 1 == 0
    return (*tensors, *(torch.from_numpy(mask.copy()) for mask in present.T))


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Silence the exporter's warnings about itself and about missing torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
