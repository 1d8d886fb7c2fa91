"""What this machine is, and how many multiplications a second it can do at most."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from seesay.learn.hardware import BFLOAT16_UNITS


def cpu_seconds(call: Callable[[], object], runs: int = 5) -> float:
    """The fewest CPU seconds (user + system, of this process) of several runs: what others do on a shared
    machine only ever adds to them."""
    seconds = []
    for _ in range(runs):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return min(seconds)


def matrix_peak(dtype: torch.dtype, side: int = 1024) -> float:
    """Operations a second (a multiplication and an addition are two) of a product of two square matrices
    that fit into the cache, with as many threads as torch has."""
    one, other = (torch.randn(side, side).to(dtype) for _ in range(2))
    torch.mm(one, other)
    return 2 * side**3 / cpu_seconds(lambda: torch.mm(one, other), runs=20)


def machine() -> dict[str, str]:
    """Processor, cores, versions."""
    names = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    units = [unit for unit, there in torch.cpu.get_capabilities().items() if there and unit in BFLOAT16_UNITS]
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "bfloat16 units": ", ".join(units) or "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
