"""Encoders: features of one modality in, encodings `(b, d)` out, for contents of any size.

They work at low resolution: the first convolution of a picture already halves it, because normalisation and
ReLU at full resolution cost more than the convolutions themselves (docs/log.md).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seesay.config import EncoderConfig
from seesay.errors import ConfigError
from seesay.model.blocks import convolution_block, time_convolution
from seesay.model.recording_cnn import ResidualRecordingCnn, SpectralRecordingCnn, with_deltas
from seesay.model.report_cnn import ReportCnn
from seesay.model.transformer import Transformer
from seesay.registry import find, names
from seesay.signal.efficientnet import SIZE as PHOTO
from seesay.signal.efficientnet import averaged
from seesay.signal.registered import build_part, try_part
from seesay.signal.speech import GENERAL, SpeechEmbedding
from seesay.signal.speech import SIZE as EMBEDDING
from seesay.signal.timm_network import TimmNetwork

Shape = tuple[int, ...]
"""Shape of one content's features: (channels, height, width), (frames, columns) or (size,)."""


class PictureCnn(nn.Module):
    """Convolutions over height and width: a 5x5 of stride 2, then 3x3 ones with 2x2 maximum pooling after
    every `depth`, and the maxima of the last maps' four quarters projected to `dim`."""

    def __init__(
        self, shape: tuple[int, int, int], dim: int, widths: Sequence[int], depth: int, dropout: float
    ) -> None:
        """`shape`: (channels, height, width) of the features; `widths`: channels of the stem and of each
        block."""
        super().__init__()
        channels, *sides = shape
        self.stem = convolution_block(nn.Conv2d(channels, widths[0], 5, stride=2, padding=2, bias=False))
        self.blocks = nn.Sequential()
        for before, after in pairwise(widths):
            for i in range(depth):
                pool = [nn.MaxPool2d(2, ceil_mode=True)] if i == depth - 1 else []
                kernels = nn.Conv2d(after if i else before, after, 3, padding=1, bias=False)
                self.blocks.append(convolution_block(kernels, *pool))
        reduced = [math.ceil(side / 2 ** len(widths)) for side in sides]
        quarter = [math.ceil(side / 2) for side in reduced]
        self.pool = nn.MaxPool2d((quarter[0], quarter[1]), ceil_mode=True)
        positions = math.ceil(reduced[0] / quarter[0]) * math.ceil(reduced[1] / quarter[1])
        self.project = _projection(positions * widths[-1], dim, dropout)

    def forward(self, picture: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.project(self.pool(self.blocks(self.stem(picture))).flatten(1))


class RecordingCnn(nn.Module):
    """Convolutions over time, with the columns of the feature matrix and their deltas as channels; the mean
    and the maximum over time projected to `dim`. Cepstral columns have no spatial order: a 2-D network on the
    same matrix is worse on new speakers (0.90 against 0.97 on open-wsd)."""

    def __init__(self, columns: int, dim: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.stem = convolution_block(time_convolution(2 * columns, width, 5))
        widths = [width] + [2 * width] * (layers - 1)
        self.blocks = nn.Sequential()
        for before, after in pairwise(widths):
            self.blocks.append(convolution_block(time_convolution(before, after, 3, stride=2)))
        self.project = _projection(2 * widths[-1], dim, dropout)

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b d"]:
        maps = self.blocks(self.stem(with_deltas(features)))
        return self.project(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))


def _projection(size: int, dim: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(size, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(inplace=True), nn.Dropout(dropout)
    )


class VectorMlp(nn.Module):
    """A linear map from a vector to an encoding, plus what hidden layers add to it. Embeddings of other
    networks are often nearly linear in the class, so the linear path carries most (docs/log.md)."""

    def __init__(self, size: int, dim: int, width: int, layers: int, dropout: float) -> None:
        """`layers`: number of hidden layers, each `width` wide."""
        super().__init__()
        self.linear = nn.Linear(size, dim, bias=False)
        self.layers = nn.Sequential()
        for before, after in pairwise([size, *[width] * layers]):
            self.layers.append(
                nn.Sequential(
                    nn.Linear(before, after, bias=False),
                    nn.BatchNorm1d(after),
                    nn.ReLU(inplace=True),
                    nn.Dropout(dropout),
                )
            )
        self.project = nn.Linear(width, dim, bias=False)
        self.normalise = nn.BatchNorm1d(dim)

    def forward(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b d"]:
        return self.normalise(self.linear(features) + self.project(self.layers(features)))


def cnn(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """Convolutions over height and width of a picture, over time of a matrix."""
    if len(shape) == 3:
        widths = [config.width * 2**i for i in range(config.layers)]
        return PictureCnn((shape[0], shape[1], shape[2]), dim, widths, depth=1, dropout=config.dropout)
    return RecordingCnn(shape[1], **_sizes(config, dim))


def deep_cnn(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """Two convolutions per block for a picture; residual blocks over time for a matrix, after 2-D
    convolutions if its columns are ordered by frequency."""
    if len(shape) == 3:
        widths = [config.width * (i + 1) for i in range(config.layers)]
        return PictureCnn((shape[0], shape[1], shape[2]), dim, widths, depth=2, dropout=config.dropout)
    residual = SpectralRecordingCnn if config.features.kind == "log-mel" else ResidualRecordingCnn
    return residual(shape[1], **_sizes(config, dim))


def report_cnn(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """The report's network."""
    kernel, stride = config.kernel, config.stride
    return ReportCnn(shape, kernel=kernel, stride=stride, activation=config.activation, **_sizes(config, dim))


def transformer(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """Attention over patches of a picture, frames of a matrix."""
    return Transformer(shape, **_sizes(config, dim))


class Pretrained(nn.Sequential):
    """A network whose weights come from elsewhere; those that require gradients are trained further, at their
    own rate (`EncoderConfig.finetune`)."""


def efficientnet_lite0(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """EfficientNet-Lite0: frozen in the front end of the same name, or trained further after `pixels`."""
    if not config.finetune:
        return frozen(config, dim, shape)
    return EmbeddingEncoder(Pretrained(averaged()), PHOTO, dim, config.dropout)


def timm_network(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """A network of timm: frozen in the front end of the same name, or trained further after `pixels`."""
    if not config.finetune:
        return frozen(config, dim, shape)
    network = TimmNetwork(config.kind.partition(":")[2])
    return EmbeddingEncoder(Pretrained(network), network.size, dim, config.dropout)


class EmbeddingEncoder(nn.Module):
    """Embeddings of a pretrained network projected to `dim`: one, or the mean and maximum of several over
    time. `network`: makes them of the features first, if these are not embeddings already."""

    def __init__(self, network: nn.Module, size: int, dim: int, dropout: float) -> None:
        """`size`: of what is projected: an embedding, or twice that for several."""
        super().__init__()
        self.network = network
        self.project = _projection(size, dim, dropout)

    def forward(self, features: Float[Tensor, "b *shape"]) -> Float[Tensor, "b d"]:
        embeddings = self.network(features)
        if embeddings.dim() == 3:
            # A product, since ONNX Runtime's mean of one row differs from that of many in the last bits.
            each = embeddings.new_full((embeddings.shape[1], 1), 1 / embeddings.shape[1])
            mean = (embeddings.transpose(1, 2) @ each).squeeze(2)
            embeddings = torch.cat([mean, embeddings.amax(1)], 1)
        return self.project(embeddings)


def speech(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """Google's speech embedding, pooled over time: frozen in the front end `speech`, or trained further after
    the front end `speech-maps`, which has its first, general convolutions."""
    if not config.finetune:
        return frozen(config, dim, shape)
    return EmbeddingEncoder(Pretrained(SpeechEmbedding(GENERAL)), 2 * EMBEDDING, dim, config.dropout)


def frozen(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """Embeddings that a network in the front end makes, projected."""
    return EmbeddingEncoder(nn.Identity(), len(shape) * shape[-1], dim, config.dropout)


def mlp(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """Linear layers over a vector."""
    return VectorMlp(shape[0], **_sizes(config, dim))


def undecided(config: EncoderConfig, dim: int, shape: Shape) -> nn.Module:
    """Raises ConfigError: training puts a network in place of `auto` (learn/defaults.py)."""
    raise ConfigError("the encoder auto stands for one that training chooses", "Name one to build a model.")


def _sizes(config: EncoderConfig, dim: int) -> dict[str, Any]:
    return {"dim": dim, "width": config.width, "layers": config.layers, "dropout": config.dropout}


def encoder(config: EncoderConfig, dim: int, shape: Shape, kind: str) -> nn.Module:
    """The configured network, from features `(b, *shape)` of contents of this kind to encodings `(b, dim)`.
    ConfigError if it is not for this kind."""
    part = find("encoder", config.kind)
    if part.kinds and kind not in part.kinds:
        fitting = ", ".join(names("encoder", kind))
        remedy = f"Choose one of: {fitting}." if fitting else f'Register one with kinds=["{kind}"].'
        raise ConfigError(f"the encoder {config.kind} is not for the kind {kind}", remedy)
    module = build_part("encoder", config.kind, part, config, dim, shape)
    if part.module:
        try_part("encoder", config.kind, module, [torch.zeros(2, *shape)], "encodings", (dim,))
    return module
