"""INTERIM by the lead so that others can import; the helper who writes the picture door replaces this file."""

import io

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from seesay.config import ImageSpec
from seesay.signal.ink import lay_out


class Picture(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return pictures if pictures.is_floating_point() else pictures.to(torch.float32) / 255


def read_image(source, spec: ImageSpec):
    if isinstance(source, np.ndarray):
        grey = source.astype(np.float32) / (255 if source.dtype == np.uint8 else 1)
    else:
        opened = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        grey = np.asarray(ImageOps.exif_transpose(opened).convert("L"), np.float32) / 255
    return lay_out(grey, spec.height, spec.width)[None]


def as_content(picture):
    return np.rint(picture * 255).astype(np.uint8)
