"""A condition: the set of modalities that a number was measured with, written `image+audio`."""

from collections.abc import Iterable, Mapping
from typing import Any

JOINT = "+"
"""Between the names of modalities."""


class Condition(str):
    """A modality by itself, or several together. It is its own text, so a plain string finds it in a
    dictionary."""

    __slots__ = ()

    @staticmethod
    def of(modalities: Iterable[str]) -> "Condition":
        """The condition of these modalities, in this order."""
        return Condition(JOINT.join(modalities))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that it is made of."""
        return tuple(self.split(JOINT))

    @property
    def slug(self) -> str:
        """Its name as part of a file's name: `image_audio`."""
        return self.replace(JOINT, "_")

    def has(self, present: Mapping[str, Any]) -> Any:
        """(n,) bool: the rows that are measured in this condition, from which rows have each modality, as
        arrays or tensors. A modality by itself: those that have it; several together: those that have two of
        them or more, since there is something to fuse."""
        seen, *others = (present[modality] for modality in self.modalities)
        if not others:
            return seen
        fused = seen & ~seen
        for there in others:
            fused, seen = fused | (seen & there), seen | there
        return fused


def conditions(modalities: Iterable[str]) -> tuple[Condition, ...]:
    """Each of these modalities by itself and, if there are several, all together."""
    names = tuple(modalities)
    return tuple(dict.fromkeys([*map(Condition, names), Condition.of(names)]))
