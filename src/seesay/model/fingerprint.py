"""Which encoders a model has: models with one fingerprint give the same encodings, whatever their heads."""

import hashlib

from torch import nn

from seesay.model.classifier import Classifier


def fingerprint(model: Classifier) -> str:
    """32 hexadecimal digits that depend on the weights of front ends and encoders alone."""
    parts: tuple[tuple[str, nn.ModuleDict], ...] = (
        ("front_ends", model.front_ends),
        ("encoders", model.encoders),
    )
    found = hashlib.sha256()
    for prefix, modules in parts:
        for name, values in sorted(modules.state_dict().items()):
            array = values.detach().cpu().contiguous().numpy()
            found.update(f"{prefix}.{name} {array.dtype} {array.shape}\n".encode())
            found.update(array.tobytes())
    return found.hexdigest()[:32]
