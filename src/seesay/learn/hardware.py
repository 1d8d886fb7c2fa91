"""The number format and memory layout that are fastest on this processor."""

from typing import Any

import torch
from torch import nn

BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16")
"""x86 instruction sets with bfloat16 arithmetic. Elsewhere torch emulates it, several times slower than
float32."""


def bfloat16_is_quick(device: torch.device) -> bool:
    """Whether matrix products are faster in bfloat16 than in float32 on this device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(unit, False) for unit in BFLOAT16_UNITS)


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether a config's `optim.precision` means bfloat16 on this device."""
    return precision == "bfloat16" or (precision == "auto" and bfloat16_is_quick(device))


def channels_last(model: nn.Module) -> Any:
    """The module with its kernels laid out channels last, which is the fastest for convolutions."""
    layout: Any = {"memory_format": torch.channels_last}  # which torch's own types leave out
    return model.to(**layout)
