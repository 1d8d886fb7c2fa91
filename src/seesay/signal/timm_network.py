"""Any network of the library timm (PyTorch image models), by its name there: `timm:resnet18`.

timm is no dependency of seesay: whoever names one of its networks has it. It is asked for the published
weights before training; a run holds the weights itself, and needs timm for the architecture alone.
"""

from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seesay.config import FeaturesConfig
from seesay.errors import ConfigError
from seesay.signal.efficientnet import pixels
from seesay.signal.published import Published
from seesay.spec import ContentSpec, PictureSpec


class TimmNetwork(Published):
    """Pictures `(b, c, h, w)` in 0 to 1, grey or RGB → the network's pooled features `(b, size)`.

    ConfigError if timm cannot be imported, or has no network of this name.
    """

    mean: Float[Tensor, "3 1 1"]
    scale: Float[Tensor, "3 1 1"]

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.network = created(name, pretrained=False)
        settings = settings_of(self.network)
        for place, key in (("mean", "mean"), ("scale", "std")):
            self.register_buffer(place, torch.tensor(settings[key], dtype=torch.float32)[:, None, None])
        self.size = int(self.network.num_features)
        self.eval()

    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b size"]:
        return self.network(((pictures - self.mean) / self.scale).expand(-1, 3, -1, -1))

    def load_published(self) -> None:
        """Set the weights to those that timm downloads or has kept. ConfigError if that fails."""
        self.network.load_state_dict(created(self.name, pretrained=True).state_dict())


def created(name: str, pretrained: bool) -> Any:
    """timm's module of this name, without a classifier. ConfigError as in `TimmNetwork`."""
    timm = _timm(name)
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # whatever a network's own code or a download raises
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"timm cannot make the network {name} ({reason})", "Choose another.") from error


def settings_of(network: nn.Module) -> dict[str, Any]:
    """What its pictures were like in training: `mean`, `std`, `input_size`."""
    return import_module("timm.data").resolve_model_data_config(network)


def input_size(kind: str, spec: ContentSpec) -> dict[str, int]:
    """The height and width of pictures that the network of a front end `timm:NAME` was trained on."""
    name = kind.partition(":")[2]
    _, height, width = settings_of(created(name, pretrained=False))["input_size"]
    return {"height": int(height), "width": int(width)}


def timm_network(features: FeaturesConfig, spec: PictureSpec) -> nn.Module:
    """The module from pictures to a network's pooled features, with frozen weights."""
    assert features.kind is not None
    network = TimmNetwork(features.kind.partition(":")[2])
    return nn.Sequential(pixels(features, spec), network).requires_grad_(False)


def _timm(name: str) -> Any:
    try:
        return import_module("timm")
    except Exception as error:  # a torchvision that does not fit raises RuntimeError
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"timm:{name} needs the package timm, which cannot be imported ({reason})",
            "Run `pip install timm`.",
        ) from None
