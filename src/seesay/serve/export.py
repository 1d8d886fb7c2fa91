"""Export a trained model as one ONNX graph, which runs without seesay and torch.

Inputs, for any number of rows: `<modality>`, the contents or features of each modality, and
`has_<modality>`, a bool per row: false if the row lacks the modality, whose values are then ignored.
Outputs: `probabilities_<condition>`, (rows, classes), for each condition. A row that lacks all modalities of
a condition gets the class fractions of the training rows. `known_<condition>`, (rows,), for each
condition in which the model can tell: 0 (none of its classes) to 1, NaN in a row that lacks all its
modalities. `agreement`, (rows,): how much the modalities agree, 0 to 1. `encoding_<modality>`, (rows, dim):
what the heads take, zeros where it is missing. Recordings and photos may have any
size; `fitted_<modality>` is what the model sees of them, and `voiced_<modality>`, (rows,), how much voiced
sound that holds. The metadata contain the `classes`, the `spec`, which describes the inputs, and the `shapes`
that contents are fitted to, as JSON. Encoders from ONNX files are part of the graph.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Generator, Mapping
from dataclasses import replace
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seesay.condition import Condition
from seesay.errors import OutputError
from seesay.extras import package
from seesay.files import new_file
from seesay.learn.run import Run
from seesay.model.classifier import Classifier
from seesay.model.fingerprint import fingerprint
from seesay.model.folding import folded
from seesay.plain import to_dict
from seesay.serve.answer import agreement_of
from seesay.serve.graph import (
    AGREEMENT,
    ENCODING,
    FITTED,
    KNOWN,
    PROBABILITIES,
    VOICED,
    Graph,
    InputKind,
    InputType,
)
from seesay.serve.joined_graphs import Divided, divided, in_this_order, joined
from seesay.signal.clip import Clip
from seesay.signal.front_ends import fitting
from seesay.signal.resize import Fit
from seesay.spec import Modality, PictureSpec, Spec

TOLERANCE = 1e-4
"""Largest difference allowed between a probability of the graph and of torch."""

ROWS = 4096
"""Largest number of rows declared to the exporter; the graph takes more."""

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def input_types(model: Classifier, spec: Spec, kind: InputKind) -> dict[Modality, InputType]:
    """The input of the graph for each modality, with the size that its contents are fitted to."""
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


class Fitted(nn.Module):
    """Contents → what the model sees of them and, of recordings, how much voiced sound that holds; in a form
    that exports for contents of any size."""

    def __init__(self, modality: Modality, fit: nn.Module | None) -> None:
        super().__init__()
        self.fit = fit
        self.outputs = [] if fit is None else [FITTED + modality]
        if isinstance(fit, Clip):
            self.outputs.append(VOICED + modality)

    def forward(self, contents: Tensor) -> tuple[Tensor, ...]:
        """The fitted contents and then, as far as `outputs` has them, the outputs of the graph."""
        if self.fit is None:
            return (contents,)
        if not isinstance(self.fit, Clip):
            return (self.fit(contents),) * 2
        missing: Any = torch.sym_max(self.fit.samples - contents.shape[1], 0)
        values = contents.float()  # ONNX Runtime pads no 16-bit integers
        padded = functional.pad(values, (missing // 2, missing - missing // 2)).to(contents.dtype)
        clip = self.fit.cut(padded)
        return clip, clip, self.fit.weight(clip).float()


class Before(nn.Module):
    """Contents → the input of a network from a file, and the outputs of `Fitted`."""

    def __init__(self, modality: Modality, part: Divided) -> None:
        super().__init__()
        fit, self.rest = fitting(part.before)
        self.fitted = Fitted(modality, fit)

    def forward(self, contents: Tensor) -> tuple[Tensor, ...]:
        fitted, *outputs = self.fitted(contents)
        return (self.rest(fitted), *outputs)


class OnnxWrapper(nn.Module):
    """The classifier with the graph's signature: tensors in, in the order of `names`; out come probabilities,
    how known the rows are, agreement, and what was seen of contents, in the order of `outputs`."""

    def __init__(self, model: Classifier, kind: InputKind, parts: Mapping[Modality, Divided]) -> None:
        """`parts`: front ends of which only what follows their network is in it: it takes its output."""
        super().__init__()
        self.model = folded(model)
        self.kind: InputKind = kind
        self.fitted = nn.ModuleDict()
        for modality in model.modalities:
            if modality in parts:
                self.model.front_ends[modality] = parts[modality].after
            elif kind == "contents":
                fit, self.model.front_ends[modality] = fitting(self.model.front_ends[modality])
                self.fitted[modality] = Fitted(modality, fit)
        given = [parts[m].name if m in parts else m for m in model.modalities]
        self.names = [*given, *(f"has_{m}" for m in model.modalities)]
        self.knowing = model.knowing
        seen = [name for each in self.fitted.values() for name in cast(Fitted, each).outputs]
        self.outputs = [*(PROBABILITIES + c for c in model.conditions), *(KNOWN + c for c in model.knowing)]
        self.outputs += [AGREEMENT, *(ENCODING + m for m in model.modalities), *seen]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        count = len(self.model.modalities)
        inputs = dict(zip(self.model.modalities, tensors[:count], strict=True))
        present = dict(zip(self.model.modalities, tensors[count:], strict=True))
        seen: list[Tensor] = []
        for modality, fitted in self.fitted.items():
            inputs[modality], *outputs = fitted(inputs[modality])
            seen += outputs
        features = self.model.features(inputs) if self.kind == "contents" else inputs
        encodings = self.model.encode(features, present)
        probabilities = {name: x.softmax(1) for name, x in self.model.decide(encodings, present).items()}
        known = self.model.known(encodings, present) if self.knowing else {}
        said = (known[condition] for condition in self.knowing)
        agreement = self._agreement(probabilities, present)
        return (*probabilities.values(), *said, agreement, *encodings.values(), *seen)

    def _agreement(
        self, probabilities: Mapping[Condition, Tensor], present: Mapping[Modality, Tensor]
    ) -> Tensor:
        """As `agreement_of`: of the two modalities of a row that agree least; NaN where there are no two."""
        least = torch.full_like(next(iter(probabilities.values()))[:, 0], torch.inf)
        for one, other in combinations(self.model.modalities, 2):
            same = (probabilities[self.model.names[one,]] * probabilities[self.model.names[other,]]).sum(1)
            least = torch.where(present[one] & present[other], torch.minimum(least, same), least)
        return torch.where(least.isinf(), torch.nan, least)


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
    written, _ = checked_graph(run, path, inputs)
    with new_file(path, "wb") as file:
        file.write(written)


def checked_graph(run: Run, path: Path | str, inputs: InputKind = "contents") -> tuple[bytes, Graph]:
    """The ONNX file of a run's model as bytes, and opened. OutputError, naming `path`, if it differs from the
    model in torch by more than TOLERANCE."""
    model = run.model()
    written = to_onnx(model, run.spec, inputs)
    graph = Graph(written)
    check_same(model, graph, path)
    return written, graph


def to_onnx(model: Classifier, spec: Spec, inputs: InputKind = "contents") -> bytes:
    """The ONNX file of a model as bytes, not checked."""
    onnx, *_ = [package(name, "export") for name in PACKAGES]
    parts = divided(model) if inputs == "contents" else {}
    wrapper = OnnxWrapper(model, inputs, parts)
    examples, axes = traced_inputs(model, spec, wrapper, parts)
    before: dict[str, Any] = {}
    for modality, part in parts.items():
        contents, module = examples[part.name], Before(modality, part)
        outputs = [f"{modality}_network_input", *module.fitted.outputs]
        before[modality] = _traced(module, (contents,), (axes[part.name],), [modality], outputs)
        examples[part.name] = part.raw(contents)
        windows = examples[part.name].shape[part.rows_axis] // len(contents)
        rows: Any = axes[part.name][0]
        axes[part.name] = {part.rows_axis: rows * windows if windows > 1 else rows}
    whole = _traced(
        wrapper, tuple(examples.values()), (tuple(axes.values()),), wrapper.names, wrapper.outputs
    )
    proto = joined(whole, before, parts)
    in_this_order(proto, [*model.modalities, *wrapper.names[len(model.modalities) :]])
    onnx.helper.set_model_props(proto, metadata_of(model, spec, inputs))
    return proto.SerializeToString()


def metadata_of(model: Classifier, spec: Spec, inputs: InputKind) -> dict[str, str]:
    """What a graph says of itself."""
    shapes = {modality: each.shape for modality, each in input_types(model, spec, inputs).items()}
    written = {"inputs": inputs, "classes": spec.classes, "spec": to_dict(spec), "shapes": shapes}
    written |= {"encoders": fingerprint(model), "seesay": version("seesay")}
    return {name: x if isinstance(x, str) else json.dumps(x) for name, x in written.items()}


def traced_inputs(
    model: Classifier, spec: Spec, wrapper: OnnxWrapper, parts: Mapping[Modality, Divided]
) -> tuple[dict[str, Tensor], dict[str, dict[int, Any]]]:
    """What a graph is traced with: an example of each input, and which of its axes may have any size."""
    types, contents = input_types(model, spec, wrapper.kind), wrapper.kind == "contents"
    free = {m: _free_axes(model, m) if contents else () for m in model.modalities}
    sizes = {m: _other_size(each, free[m]) for m, each in types.items()}
    rows = torch.export.Dim("rows", min=1, max=ROWS)
    axes: dict[str, dict[int, Any]] = {name: {0: rows} for name in wrapper.names}
    for modality, each in free.items():
        name = parts[modality].name if modality in parts else modality
        axes[name] |= dict.fromkeys(each, torch.export.Dim.AUTO)
    return dict(zip(wrapper.names, _examples(sizes, 4), strict=True)), axes


def _free_axes(model: Classifier, modality: Modality) -> tuple[int, ...]:
    """The axes of a modality's contents, with rows as the first, that may have any size."""
    fit, _ = fitting(model.front_ends[modality])
    return (1,) if isinstance(fit, Clip) else (2, 3) if isinstance(fit, Fit) else ()


def _other_size(each: InputType, free: tuple[int, ...], factor: float = 1.25) -> InputType:
    """An input with other sizes along its free axes."""
    shape = tuple(round(size * factor) if i + 1 in free else size for i, size in enumerate(each.shape))
    return replace(each, shape=shape)


def _traced(
    module: nn.Module, examples: tuple[Tensor, ...], axes: Any, inputs: list[str], outputs: list[str]
) -> Any:
    """The ONNX model of a module for these inputs, of which `axes` may have any size."""
    with quiet():
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


def check_same(model: Classifier, graph: Graph, path: Path | str) -> None:
    """Raise OutputError if the graph and the model differ, for one or more rows, any missing modality, and
    contents as long as a clip, shorter and longer."""
    modalities = graph.spec.modalities
    free = {m: _free_axes(model, m) if graph.inputs == "contents" else () for m in modalities}
    for rows, factor in ((1, 1.0), (2, 0.7), (2, 1.4), (3 * 2 ** len(modalities), 1.0)):
        types = {m: _other_size(graph.types[m], free[m], factor) for m in modalities}
        examples = _examples(types, rows)
        inputs, present = (
            dict(zip(modalities, part, strict=True))
            for part in (examples[: len(modalities)], examples[len(modalities) :])
        )
        with torch.inference_mode():
            features = model.features(inputs) if graph.inputs == "contents" else inputs
            encodings = model.encode(features, present)
            expected = {
                c: logits.softmax(1).numpy() for c, logits in model.decide(encodings, present).items()
            }
            known = {c: each.numpy() for c, each in model.known(encodings, present).items()}
        outputs = graph.run(
            {m: x.numpy() for m, x in inputs.items()}, {m: x.numpy() for m, x in present.items()}
        )
        pairs = [
            (f"the probabilities of {c}", outputs.probabilities[c], each) for c, each in expected.items()
        ]
        pairs += [(f"known of {c}", each, known[c]) for c, each in outputs.known.items()]
        for m, found in outputs.encodings.items():  # which are of any size, unlike probabilities
            size = max(1.0, float(encodings[m].abs().max()))
            pairs.append((f"the encodings of {m}", found / size, encodings[m].numpy() / size))
        if len(modalities) == 2:
            both = present[modalities[0]].numpy() & present[modalities[1]].numpy()
            agreement = np.where(both, agreement_of([expected[Condition(m)] for m in modalities]), np.nan)
            pairs.append((AGREEMENT, outputs.agreement, agreement))
        for what, found, values in pairs:
            lacking = np.isnan(found) & np.isnan(values)  # rows without any modality
            difference = float(np.abs(np.where(lacking, 0, found - values)).max())
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
def quiet() -> Generator[None]:
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
