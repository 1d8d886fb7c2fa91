"""Seeds that are made of several numbers."""

import numpy as np


def seed_of(*parts: int) -> int:
    """A seed that depends on all of these numbers: numpy's hash of them."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
