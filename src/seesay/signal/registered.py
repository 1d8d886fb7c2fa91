"""Build parts that users registered and try them on blank inputs, so that a mistake in one is a single clear
error before anything is trained."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seesay.errors import ConfigError
from seesay.registry import Part, find, resolved
from seesay.spec import ContentSpec, part_of


def build_part(family: str, name: str, part: Part, *arguments: Any) -> nn.Module:
    """The module that a part makes of these arguments. ConfigError if a registered part fails or makes
    anything else."""
    if not part.module:
        return part.load()(*arguments)
    try:
        module = part.load()(*arguments)
    except Exception as error:  # whatever a user's class raises
        raise failed(family, name, "cannot be built", error) from error
    if not isinstance(module, nn.Module):
        raise ConfigError(f"the {family} {name} must be a torch.nn.Module, got {type(module).__name__}")
    return module


@torch.no_grad()
def try_part(
    family: str, name: str, module: nn.Module, inputs: Sequence[Tensor], expected: str, sizes: Sequence[Any]
) -> Tensor:
    """The output of a registered part for two blank rows. ConfigError if it fails, or if its shape is not
    (2, *sizes), in which a string stands for any size, or if it is not finite."""
    training = module.training
    try:
        output = module.eval()(*inputs)
    except Exception as error:  # whatever a user's class raises
        raise failed(family, name, "fails on two blank rows", error) from error
    module.train(training)
    got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    wanted = (2, *sizes)
    fits = isinstance(output, Tensor) and len(got) == len(wanted)
    if not fits or any(isinstance(w, int) and w != g for w, g in zip(wanted, got, strict=True)):
        shape = f"({', '.join(map(str, wanted))})"
        raise ConfigError(
            f"the {family} {name} returns {got} for 2 rows", f"It must return {expected} {shape}."
        )
    if not torch.isfinite(output.float()).all():
        raise ConfigError(
            f"the {family} {name} returns NaN or infinite values for blank inputs",
            "Inputs may be silent, black or missing: guard divisions and logarithms.",
        )
    return output


def augmentation(spec: ContentSpec, front_end: str | None) -> Any:
    """`(features, AugmentConfig, generator)` → the batch augmented: the function of this front end, or of the
    kind of content."""
    own = find("front-end", front_end).augment if front_end else ""
    return resolved(own) if own else part_of(spec, "augment")


def failed(family: str, name: str, how: str, error: Exception) -> ConfigError:
    """The error to raise where a registered part raised `error`."""
    return ConfigError(f"the {family} {name} {how} ({type(error).__name__}: {error})", "Fix the plug-in.")
