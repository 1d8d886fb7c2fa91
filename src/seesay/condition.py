"""A condition: the set of modalities that a score was measured with, written `image+audio`."""

from collections.abc import Iterable, Mapping
from typing import Any

JOINT = "+"
"""Separator between modalities."""


class Condition(str):
    """One modality alone or several together. It is a string, so a plain string finds it in a dictionary."""

    __slots__ = ()

    @staticmethod
    def of(modalities: Iterable[str]) -> "Condition":
        """The condition of these modalities, in this order."""
        return Condition(JOINT.join(modalities))

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities in it."""
        return tuple(self.split(JOINT))

    @property
    def slug(self) -> str:
        """Its name in file names: `image_audio`."""
        return self.replace(JOINT, "_")

    def has(self, present: Mapping[str, Any]) -> Any:
        """(n,) bool: the rows scored in this condition, given the presence mask of each modality, as arrays
        or tensors. One modality: the rows that have it; several: the rows that have at least two of them, so
        that there is something to fuse."""
        any_present, *others = (present[modality] for modality in self.modalities)
        if not others:
            return any_present
        two_present = any_present & ~any_present
        for mask in others:
            two_present, any_present = two_present | (any_present & mask), any_present | mask
        return two_present


def conditions(modalities: Iterable[str]) -> tuple[Condition, ...]:
    """Each modality alone and, if there are several, all together."""
    names = tuple(modalities)
    return tuple(dict.fromkeys([*map(Condition, names), Condition.of(names)]))
