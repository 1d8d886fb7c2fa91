"""An encoder from an ONNX file as a front end: contents are brought to the size and rate that its card names,
ONNX Runtime makes embeddings of them, and their axes are put in order.

What stands before and after the network is torch and exports with the model; the network itself is joined
to it in ONNX (serve/joined_graphs.py). Its weights stay as they are.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Num, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from seesay.config import FeaturesConfig
from seesay.errors import ConfigError, listed, nearest, shortened
from seesay.extras import package
from seesay.signal.feature_settings import analysis_of
from seesay.signal.front_ends import as_float
from seesay.signal.onnx_card import OUTPUT_LAYOUTS, Card, card_for, card_path, file_of, window_starts
from seesay.signal.resampling import Resample
from seesay.spec import ContentSpec, PictureSpec, WaveformSpec

TYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
    "tensor(int16)": torch.int16,
    "tensor(int32)": torch.int32,
}
"""ONNX Runtime's names of the types that an input may have."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey picture (ITU-R BT.601, as Pillow has them)."""


class BeforeNetwork(nn.Module):
    """Contents → the network's input: pictures `(b, c, h, w)` or clips `(b, samples)` of one length with the
    card's channels, rate, range and layout, and of the input's type. Windows of a clip stand one after
    another, as contents of their own."""

    def __init__(self, card: Card, spec: ContentSpec, samples: int, dtype: torch.dtype) -> None:
        """`samples`: of a clip, at the rate of the spec; 0 for pictures."""
        super().__init__()
        self.card, self.dtype = card, dtype
        shape = (-1, 1, 1) if card.picture else (-1, 1)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(card, name)).view(shape), persistent=False)
        self.resample: nn.Module = nn.Identity()
        self.starts: tuple[int, ...] = (0,)
        self.window = 0
        if isinstance(spec, WaveformSpec):
            assert card.rate is not None
            self.resample = Resample(spec.rate, card.rate) if spec.rate != card.rate else nn.Identity()
            self.length = math.ceil(samples * card.rate / spec.rate)
            self.window = card.samples or self.length
            self.starts = window_starts(self.length, self.window)

    def forward(self, contents: Num[Tensor, "b *shape"]) -> Num[Tensor, "windows *axes"]:
        values = self._picture(contents) if self.card.picture else self._windows(contents)
        values = (values * self.card.scale - self.get_buffer("mean")) / self.get_buffer("std")
        if not self.dtype.is_floating_point:
            limits = torch.iinfo(self.dtype)
            values = values.round().clamp(limits.min, limits.max)
        axes = "NCHW" if self.card.picture else "NCT"
        layout = self.card.layout if self.card.batched else f"N{self.card.layout}"
        if "C" not in layout:
            values, axes = values.squeeze(1), axes.replace("C", "")
        return values.permute([axes.index(axis) for axis in layout]).contiguous().to(self.dtype)

    def _picture(self, pictures: Num[Tensor, "b c h w"]) -> Float[Tensor, "b channels h w"]:
        values = pictures.float() if pictures.is_floating_point() else pictures.float() / 255
        if values.shape[1] == 3 and self.card.depth == 1:
            weights = torch.tensor(LUMA, device=values.device)
            return (values * weights.view(-1, 1, 1)).sum(1, keepdim=True)
        return values if values.shape[1] == self.card.depth else values.repeat(1, self.card.depth, 1, 1)

    def _windows(self, clips: Num[Tensor, "b samples"]) -> Float[Tensor, "windows channels t"]:
        samples = self.resample(as_float(clips))
        missing = max(0, self.window - samples.shape[1])
        samples = F.pad(samples, (missing // 2, missing - missing // 2))
        windows = [samples[:, start : start + self.window] for start in self.starts]
        whole = windows[0] if len(windows) == 1 else torch.stack(windows, 1).flatten(0, 1)
        return whole[:, None].repeat(1, self.card.depth, 1)


class AfterNetwork(nn.Module):
    """The network's output → embeddings, float32: `(b, d)`, or `(b, t, d)` where it gives several or a clip
    has several windows."""

    def __init__(self, card: Card, layout: str, windows: int) -> None:
        """`layout`: the axes of the output, N among them."""
        super().__init__()
        self.card, self.layout, self.windows = card, layout, windows

    def forward(self, output: Shaped[Tensor, "windows *axes"]) -> Float[Tensor, "b *shape"]:
        values, layout = output.float(), self.layout
        if self.card.pool == "mean":
            over = [place for place, axis in enumerate(layout) if axis not in "ND"]
            values = values.mean(over) if over else values
            layout = "".join(axis for axis in layout if axis in "ND")
        [*between] = (axis for axis in layout if axis not in "ND")
        values = values.permute([layout.index(axis) for axis in ("N", *between, "D")])
        if self.windows > 1:
            values = values if between else values[:, None]
            return values.reshape(-1, self.windows * values.shape[1], values.shape[2])
        return values


class Network(nn.Module):
    """An ONNX file, run by ONNX Runtime on the CPU with torch's number of threads. It has no weights of
    torch's, and copies of it are itself."""

    def __init__(self, path: Path, card: Card) -> None:
        """A card that does not fit the file: ConfigError that names the field."""
        super().__init__()
        self.path, self.card = path, card
        self.session = session(path, path.stat().st_mtime_ns, torch.get_num_threads())
        self.dtype, self.single = _check_input(self.session.get_inputs(), path, card)
        self.layout = _check_output(self.session.get_outputs(), path, card)

    def __deepcopy__(self, _: Any) -> "Network":
        return self

    @property
    def fingerprint(self) -> str:
        """Tells this file and card from others, wherever they lie (model/feature_cache.py)."""
        with self.path.open("rb") as file:
            return f"{hashlib.file_digest(file, 'sha256').hexdigest()} {self.card}"

    def forward(self, values: Num[Tensor, "windows *axes"]) -> Shaped[Tensor, "windows *axes2"]:
        """ConfigError where the network fails, or gives NaN or infinite numbers."""
        given = values.detach().cpu().numpy()
        if not self.card.batched:
            output = np.stack([self._run(each) for each in given])
        elif self.single:
            parts = [self._run(given[i : i + 1]) for i in range(len(given))]
            output = np.concatenate(parts, axis=self.layout.index("N"))
        else:
            output = self._run(given)
        if output.shape[self.layout.index("N")] != len(given):
            raise ConfigError(
                f"{self.path}: the output {self.card.output} is {output.shape} for {len(given)} contents",
                "Correct layout or output_layout in its JSON file.",
            )
        if not np.isfinite(output).all():
            raise ConfigError(
                f"{self.path}: the output {self.card.output} is NaN or infinite",
                "Check scale, mean and std in its JSON file; in float16 use a file in float32.",
            )
        return torch.from_numpy(output).to(values.device)

    def _run(self, given: np.ndarray) -> np.ndarray:
        try:
            [output] = self.session.run([self.card.output], {self.card.input: given})
        except Exception as error:  # ONNX Runtime raises many types of its own
            problem = f"{self.path} fails on an input of {given.shape} ({_short(error)})"
            raise ConfigError(problem, "Correct the sizes in its JSON file, or the file.") from None
        return output


class OnnxEncoder(nn.Module):
    """Contents → embeddings `(b, d)` or `(b, t, d)` by a network from an ONNX file."""

    def __init__(self, before: BeforeNetwork, network: Network, after: AfterNetwork) -> None:
        super().__init__()
        self.before, self.network, self.after = before, network, after

    @property
    def card(self) -> Card:
        """What the file takes and gives."""
        return self.network.card

    def forward(self, contents: Num[Tensor, "b *shape"]) -> Float[Tensor, "b *embeddings"]:
        return self.after(self.network(self.before(contents)))


def onnx_file(features: FeaturesConfig, spec: ContentSpec) -> OnnxEncoder:
    """The module from pictures of one size, or clips, to embeddings by the file in `features.kind`.
    ConfigError if file, card and contents do not fit."""
    assert features.kind is not None
    path, card = file_of(features.kind), card_for(features.kind, spec)
    network, samples = Network(path, card), 0
    if isinstance(spec, WaveformSpec):
        samples = analysis_of(features, spec).samples
    elif isinstance(spec, PictureSpec):
        _check_picture(features, spec, path, card)
    before = BeforeNetwork(card, spec, samples, network.dtype)
    return OnnxEncoder(before, network, AfterNetwork(card, network.layout, len(before.starts)))


@lru_cache(maxsize=4)
def session(path: Path, _: int, threads: int) -> Any:
    """An ONNX Runtime session of a file, on the CPU. InputError without onnxruntime; ConfigError if the file
    cannot be opened."""
    runtime = package("onnxruntime", str(path))
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors alone, which are raised too
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises many types of its own
        if missing := [name for name in _external(path) if not (path.parent / name).is_file()]:
            problem = f"{path} keeps its weights in {listed(missing)}, which is not beside it"
            raise ConfigError(problem, "Copy that file too.") from None
        problem = f"{path} cannot be opened as an ONNX file ({_short(error)})"
        raise ConfigError(problem, "Export or copy it again.") from None


def whole_file(path: Path) -> bytes:
    """An ONNX file with weights that it keeps in other files. Missing ones, or more than 2 GB in all, which
    one ONNX file cannot hold: ConfigError."""
    if not _external(path):
        return path.read_bytes()
    onnx = package("onnx", str(path))
    try:
        return onnx.load(path).SerializeToString()
    except Exception as error:  # onnx and protobuf raise many types
        problem = f"{path} and the files with its weights do not fit one file ({_short(error)})"
        raise ConfigError(problem, "Use a network below 2 GB.") from None


def _external(path: Path) -> list[str]:
    """The names of other files in which an ONNX file keeps weights; none if it is no ONNX file."""
    onnx = package("onnx", str(path))
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception:  # protobuf's own errors: no ONNX file
        return []
    entries = (entry for tensor in graph.initializer for entry in tensor.external_data)
    return list(dict.fromkeys(entry.value for entry in entries if entry.key == "location"))


def _check_input(inputs: Sequence[Any], path: Path, card: Card) -> tuple[torch.dtype, bool]:
    """The type of the input, and whether it has room for one content at a time only. ConfigError if it does
    not fit the card."""
    place, names = card_path(path), [each.name for each in inputs]
    if card.input not in names:
        raise ConfigError(f"{place}: {path.name} has no input {card.input!r}", nearest(card.input, names))
    if len(names) > 1:
        raise ConfigError(f"{path} has the inputs {listed(names)}", "Export a graph with one input.")
    [given] = inputs
    if given.type not in TYPES:
        raise ConfigError(f"{path}: the input {given.name} is {given.type}", f"Use one of {listed(TYPES)}.")
    if len(given.shape) != len(card.layout):
        problem = f"{place}: layout is {card.layout}, and the input {given.name} is {_shape(given.shape)}"
        raise ConfigError(problem, "Give one letter for each axis.")
    sizes = {"C": card.depth, "H": card.height, "W": card.width, "T": card.samples}
    fields = {"C": "channels", "H": "height", "W": "width", "T": "seconds"}
    for axis, size in zip(card.layout, given.shape, strict=True):
        if axis == "N" or not isinstance(size, int) or size == sizes[axis]:
            continue
        wanted = f"{size / (card.rate or 1):g} (times rate: {size} samples)" if axis == "T" else size
        said = getattr(card, fields[axis]) if axis != "C" else card.depth
        problem = f"{place}: {fields[axis]} is {'null' if said is None else said}, and the input {given.name}"
        raise ConfigError(f"{problem} of {path.name} is {_shape(given.shape)}", f"Give {wanted}.")
    batch = given.shape[card.layout.index("N")] if card.batched else None
    if isinstance(batch, int) and batch != 1:
        raise ConfigError(f"{path} takes exactly {batch} contents", "Export it with a dynamic first axis.")
    return TYPES[given.type], batch == 1


def _check_output(outputs: Sequence[Any], path: Path, card: Card) -> str:
    """The axes of the output, N first where contents are run one at a time. ConfigError if it does not fit
    the card."""
    place, names = card_path(path), [each.name for each in outputs]
    if card.output not in names:
        raise ConfigError(f"{place}: {path.name} has no output {card.output!r}", nearest(card.output, names))
    shape = outputs[names.index(card.output)].shape
    usual = OUTPUT_LAYOUTS.get(len(shape) + (not card.batched), "")
    layout = card.output_layout or (usual if card.batched else usual.replace("N", ""))
    if not layout or len(layout) != len(shape):
        problem = f"{place}: output_layout is {layout or 'missing'}, and the output {card.output}"
        raise ConfigError(f"{problem} is {_shape(shape)}", "Give one letter for each axis, as in NTD.")
    others = [axis for axis in layout if axis not in "ND"]
    if len(others) > 1 and card.pool is None:
        problem = f"{place}: the output {card.output} has the axes {layout} {_shape(shape)}, and pool is null"
        raise ConfigError(problem, 'Give "pool": "mean", or name an output with one vector or a sequence.')
    return layout if card.batched else f"N{layout}"


def _check_picture(features: FeaturesConfig, spec: PictureSpec, path: Path, card: Card) -> None:
    """ConfigError if pictures of this size or number of channels do not fit the card."""
    for name in ("height", "width"):
        wanted, given = getattr(card, name), getattr(features, name)
        if wanted is not None and given != wanted:
            raise ConfigError(f"{path} takes a {name} of {wanted}, got {given}", f"Remove features.{name}.")
    if spec.channels not in (1, card.depth) and card.depth != 1:
        problem = f"{path} takes {card.depth} channels, pictures have {spec.channels}"
        raise ConfigError(problem, "Give another file.")
    if card.depth == 1 and spec.channels not in (1, 3):
        raise ConfigError(f"{path} takes grey pictures, got {spec.channels} channels", "Give another file.")


def _shape(shape: Sequence[Any]) -> str:
    """`(n, 3, 224, 224)`, with the names of the axes of any size."""
    return f"({', '.join(str(size or '?') for size in shape)})"


def _short(error: Exception) -> str:
    """The first line of an error of a library."""
    return shortened(str(error).strip().partition("\n")[0], 200) or type(error).__name__
