"""Features of frozen pretrained networks on disk: each content goes through a network once.

`features/` in the user's cache folder has a folder per network, named after its weights and settings, and in
it blocks of features with the hashes of their contents. Blocks appear whole, so an interrupted extraction
goes on where it was and several processes may share a folder. It may be deleted at any time.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seesay.config import FeaturesConfig
from seesay.data.ragged import ContentTable
from seesay.errors import OutputError
from seesay.files import cache_folder, new_file
from seesay.plain import to_dict
from seesay.spec import ContentSpec, content_to_dict

VERSION = 1
"""Changes when the same weights and settings give other features."""

BLOCK = 256
"""Contents per block: with the speech embedding, two seconds of work and 1.6 MB."""

Track = Callable[[Iterable[Any], str], Iterable[Any]]
"""Passes items through and shows the progress under a description."""


def untracked(items: Iterable[Any], description: str) -> Iterable[Any]:
    """The items, without progress."""
    return items


@dataclass(frozen=True)
class FeatureCache:
    """The features that one network makes of contents of one spec."""

    folder: Path

    @staticmethod
    def of(network: nn.Module, settings: FeaturesConfig, spec: ContentSpec) -> "FeatureCache":
        """The cache of this network (a front end without its normaliser) with these settings. A module whose
        weights are not torch's says what they are by an attribute `fingerprint`."""
        # A file may have been moved since: only what kind of front end it is counts.
        used = to_dict(settings) | {"kind": str(settings.kind).partition(":")[0]}
        described = {"version": VERSION, "settings": used, "spec": content_to_dict(spec)}
        digest = hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=8)
        for name, module in network.named_modules():
            digest.update(f"{name} {type(module).__name__} {getattr(module, 'fingerprint', '')}".encode())
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return FeatureCache(cache_folder() / "features" / digest.hexdigest())

    def features(
        self, contents: ContentTable, make: Callable[[ContentTable], Tensor], track: Track = untracked
    ) -> Tensor:
        """(contents, ...): their features, as float32: those that are here, and those that `make` makes of
        the others, which are then here too, unless the folder cannot be written."""
        if not len(contents):
            return make(contents)
        keys = [key_of(content) for content in contents]
        known, missing = self._known(), []
        for position, key in enumerate(keys):
            if key not in known:
                missing.append(position)
                known[key] = ("", 0)  # another content of the same key is not made again
        starts = range(0, len(missing), BLOCK)
        made: dict[bytes, np.ndarray] = {}
        for start in track(starts, "encoding") if len(starts) > 1 else starts:
            block = missing[start : start + BLOCK]
            values = make(contents[np.array(block)]).float().cpu().numpy()
            names = [keys[position] for position in block]
            made |= zip(names, values, strict=True)
            with contextlib.suppress(OutputError):
                self._write(names, values)
        return torch.from_numpy(np.stack([*self._rows(keys, known, made)]))

    def _rows(
        self, keys: list[bytes], known: dict[bytes, tuple[str, int]], made: dict[bytes, np.ndarray]
    ) -> Iterator[np.ndarray]:
        blocks: dict[str, np.ndarray] = {}
        for key in keys:
            if key in made:
                yield made[key]
                continue
            name, row = known[key]
            if name not in blocks:
                blocks[name] = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            yield blocks[name][row]

    def _known(self) -> dict[bytes, tuple[str, int]]:
        """Block and row of each content whose features are here. A damaged block counts as absent."""
        known = {}
        for path in sorted(self.folder.glob("*.keys")):
            keys, values = path.read_bytes(), path.with_suffix(".npy")
            with contextlib.suppress(OSError, ValueError):
                rows = len(np.load(values, mmap_mode="r", allow_pickle=False))
                if rows * SIZE == len(keys):
                    known |= {keys[i * SIZE : (i + 1) * SIZE]: (path.stem, i) for i in range(rows)}
        return known

    def _write(self, keys: list[bytes], values: np.ndarray) -> None:
        name = hashlib.blake2b(b"".join(keys), digest_size=8).hexdigest()
        with new_file(self.folder / f"{name}.npy", "wb") as file:
            np.save(file, values, allow_pickle=False)
        with new_file(self.folder / f"{name}.keys", "wb") as file:  # last: a block counts from now on
            file.write(b"".join(keys))


SIZE = 16
"""Bytes of a content's hash."""


def key_of(content: np.ndarray) -> bytes:
    """The hash of a content: its type, shape and bytes."""
    digest = hashlib.blake2b(f"{content.dtype.str} {content.shape}".encode(), digest_size=SIZE)
    digest.update(np.ascontiguousarray(content).data)
    return digest.digest()
