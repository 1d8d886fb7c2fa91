"""Join the graph of a model with those of its encoders from ONNX files.

torch cannot trace a network that ONNX Runtime runs, so the model is exported in parts: for each such modality
the steps before the network, with the network's input as output, and everything after, which takes the
network's output. `onnx.compose` joins them around the network's own graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from seesay.errors import OutputError, shortened
from seesay.extras import package
from seesay.model.classifier import Classifier
from seesay.signal.front_ends import steps_of
from seesay.signal.onnx_encoder import OnnxEncoder, whole_file
from seesay.spec import Modality


@dataclass(frozen=True)
class Divided:
    """A front end with a network from a file: what stands before and after it."""

    modality: Modality
    encoder: OnnxEncoder
    before: nn.Module
    """Contents → the network's input."""
    after: nn.Module
    """The network's output → features."""

    @property
    def name(self) -> str:
        """The name of the network's output where it is an input of the rest of the model."""
        return f"{self.modality}_network"

    def raw(self, contents: Tensor) -> Tensor:
        """The network's output for these contents."""
        return self.encoder.network(self.before(contents))

    @property
    def rows_axis(self) -> int:
        """The axis of the network's output that counts windows of contents."""
        return self.encoder.network.layout.index("N")


def divided(model: Classifier) -> dict[Modality, Divided]:
    """The front ends of a model that run an ONNX file, by modality. OutputError if a network takes one
    content at a time, which no graph for any number of rows can hold."""
    found = {}
    for modality, front_end in model.front_ends.items():
        steps = steps_of(front_end)
        place = next((i for i, step in enumerate(steps) if isinstance(step, OnnxEncoder)), None)
        if place is None:
            continue
        encoder = steps[place]
        assert isinstance(encoder, OnnxEncoder)
        if encoder.network.single or not encoder.card.batched:
            problem = (
                f"{encoder.network.path} takes one content at a time, so it has no place in a graph for any"
            )
            raise OutputError(f"{problem} number", "Export it with a dynamic first axis, and train again.")
        before = nn.Sequential(*steps[:place], encoder.before)
        after = nn.Sequential(encoder.after, *steps[place + 1 :])
        found[modality] = Divided(modality, encoder, before, after)
    return found


def joined(rest: Any, before: Mapping[Modality, Any], parts: Mapping[Modality, Divided]) -> Any:
    """One ONNX model of the rest of a classifier, the steps before each network, and the networks.
    OutputError if a network's graph cannot be joined."""
    onnx = package("onnx", "export")
    for module in ("compose", "inliner", "utils", "version_converter"):
        import_module(f"onnx.{module}")
    for modality, part in parts.items():
        path = part.encoder.network.path
        try:
            network = _network(onnx, part)
            models = _alike(onnx, [before[modality], network, rest])
            first, network, rest = models
            first = onnx.compose.add_prefix(
                first, f"{modality}_before/", rename_inputs=False, rename_outputs=False
            )
            network = onnx.compose.add_prefix(network, f"{modality}_network/")
            pairs = [(first.graph.output[0].name, network.graph.input[0].name)]
            first = onnx.compose.merge_models(first, network, pairs)
            pairs = [(network.graph.output[0].name, part.name)]
            rest = onnx.compose.merge_models(first, rest, pairs)
        except Exception as error:  # onnx and protobuf raise many types
            problem = f"the graph of {path} cannot be joined ({shortened(str(error), 300)})"
            raise OutputError(problem, "Export that file with another operator set (opset).") from None
    return rest


def in_this_order(model: Any, names: Sequence[str]) -> None:
    """Put the inputs of an ONNX model in the order of their names."""
    inputs = sorted(model.graph.input, key=lambda each: names.index(each.name))
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def _network(onnx: Any, part: Divided) -> Any:
    """The graph of a network, from its input to the output that is used."""
    network, card = part.encoder.network, part.encoder.card
    whole = onnx.inliner.inline_local_functions(onnx.load_model_from_string(whole_file(network.path)))
    return onnx.utils.Extractor(whole).extract_model([card.input], [card.output])


def _alike(onnx: Any, models: list[Any]) -> list[Any]:
    """The models in one version of ONNX: the highest operator set and file format of them."""
    sets = [{each.domain: each.version for each in model.opset_import} for model in models]
    highest = max(versions.get("", 0) for versions in sets)
    alike = []
    for model, versions in zip(models, sets, strict=True):
        if versions.get("", highest) != highest:
            model = onnx.version_converter.convert_version(model, highest)
        alike.append(model)
    for model in alike:
        model.ir_version = max(each.ir_version for each in alike)
    return alike
