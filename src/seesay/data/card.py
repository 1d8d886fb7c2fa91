"""The card of a data set, `dataset.json`: what it says, read with suspicion.

Version of the format, rows, class names, per modality the table's shape, type, hash, spec and groups, how
rows were paired, and where everything came from.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seesay.config import MODALITIES, AudioSpec, ImageSpec, Modality, Spec, from_dict
from seesay.errors import ConfigError, InputError

FORMAT = 1
"""Version of the folder format."""

FIELDS = {
    "format": int,
    "name": str,
    "rows": int,
    "classes": list,
    "modalities": dict,
    "pairing": str,
    "sources": list,
}
"""Of the card, and their types."""

MODALITY_FIELDS = {"contents": int, "shape": list, "dtype": str, "spec": dict, "groups": dict}
"""Of each modality in it."""

AGAIN = "Make the data set again."


def read_card(path: Path) -> dict[str, Any]:
    """The card with all its fields. Absent, no JSON, of another version, fields missing or of another type:
    InputError."""
    if not path.is_file():
        raise InputError(
            f"{path} is not there, so {path.parent} is not a data set", "Make one with seesay data import."
        )
    try:
        card = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error})", AGAIN) from None
    _check_fields(path, card, FIELDS)
    if card["format"] != FORMAT:
        raise InputError(f"{path} has format {card['format']}, this seesay reads {FORMAT}", AGAIN)
    unknown = set(card["modalities"]) - set(MODALITIES)
    if unknown:
        raise InputError(
            f"{path} has modalities that this seesay does not know: {', '.join(sorted(unknown))}"
        )
    for part in card["modalities"].values():
        _check_fields(path, part, MODALITY_FIELDS)
    try:
        card_spec(card)
    except ConfigError as error:
        raise InputError(f"{path}: {error}", AGAIN) from None
    return card


def card_spec(card: Mapping[str, Any]) -> Spec:
    """What the card says of classes and modalities."""
    kinds: dict[Modality, type] = {"image": ImageSpec, "audio": AudioSpec}
    parts = {m: from_dict(kinds[m], part["spec"], m) for m, part in card["modalities"].items()}
    return Spec(from_dict(tuple[str, ...], card["classes"], "classes"), **parts)


def check_card(
    path: Path, card: Mapping[str, Any], rows: int, contents: Mapping[Modality, np.ndarray]
) -> None:
    """InputError where the card describes other arrays than those that lie beside it."""
    found = {m: (len(table), list(table.shape[1:]), table.dtype.name) for m, table in contents.items()}
    said = {m: (p["contents"], p["shape"], p["dtype"]) for m, p in card["modalities"].items()}
    if (card["rows"], said) != (rows, found):
        raise InputError(
            f"{path} says {card['rows']} rows and {said}, beside it lie {rows} rows and {found}", AGAIN
        )


def _check_fields(path: Path, card: Any, fields: Mapping[str, type]) -> None:
    if not isinstance(card, dict):
        raise InputError(f"{path}: expected an object with fields, got {card!r}", AGAIN)
    for name, kind in fields.items():
        if name not in card:
            raise InputError(f"{path} lacks {name}", AGAIN)
        if not isinstance(card[name], kind):
            raise InputError(f"{path}: {name} must be of type {kind.__name__}, got {card[name]!r}", AGAIN)
