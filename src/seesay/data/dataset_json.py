"""Read and check `dataset.json`, the card of a data set.

It holds the format version, the number of rows, class names, per modality the table's shape, type, hash, spec
and groups, how rows were paired, and where the data came from.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesay.compatibility import old_content
from seesay.data.ragged import ContentTable, Ragged
from seesay.errors import ConfigError, InputError
from seesay.plain import from_dict
from seesay.registry import check_plugins
from seesay.spec import Modality, Spec, content_from_dict

FORMAT = 2
"""Version of the folder format. 2: tables may be ragged, and a spec names its kind."""

READS = (1, 2)
"""Versions that can be read."""

FIELDS = {
    "format": int,
    "name": str,
    "rows": int,
    "classes": list,
    "modalities": dict,
    "pairing": str,
    "sources": list,
    "plugins": list,
}
"""Fields of the card and their types."""

MODALITY_FIELDS = {"contents": int, "shape": list, "dtype": str, "spec": dict, "groups": dict}
"""Fields of each modality in the card."""

AGAIN = "Make the data set again."


def read_card(path: Path) -> dict[str, Any]:
    """The card, checked. Missing, not JSON, of another version, with missing fields or wrong types:
    InputError."""
    if not path.is_file():
        raise InputError(
            f"{path} does not exist, so {path.parent} is not a data set", "Make one with seesay data import."
        )
    try:
        card = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error})", AGAIN) from None
    if isinstance(card, dict):
        card.setdefault("plugins", [])  # older data sets lack it
    _check_fields(path, card, FIELDS)
    if card["format"] not in READS:
        readable = " and ".join(map(str, READS))
        raise InputError(f"{path} has format {card['format']}, this seesay reads {readable}", AGAIN)
    for part in card["modalities"].values():
        _check_fields(path, part, MODALITY_FIELDS)
    try:
        card_spec(card)
    except ConfigError as error:
        check_plugins(path.parent, card["plugins"], "a kind of its contents")
        raise InputError(f"{path}: {error}", AGAIN) from None
    return card


def card_spec(card: Mapping[str, Any]) -> Spec:
    """The spec (classes and modalities) in the card."""
    contents = {}
    for modality, part in card["modalities"].items():
        where = f"modalities.{modality}.spec"
        has_kind = "kind" in part["spec"]
        contents[modality] = (
            content_from_dict(part["spec"], where)
            if has_kind
            else old_content(modality, part["spec"], where).spec
        )
    return Spec(from_dict(tuple[str, ...], card["classes"], "classes"), contents)


def check_card(
    path: Path, card: Mapping[str, Any], rows: int, contents: Mapping[Modality, ContentTable]
) -> None:
    """InputError where the card does not match the arrays beside it."""
    actual = {m: (len(table), shape_of(table), table.dtype.name) for m, table in contents.items()}
    declared = {m: (p["contents"], p["shape"], p["dtype"]) for m, p in card["modalities"].items()}
    if (card["rows"], declared) != (rows, actual):
        raise InputError(
            f"{path} declares {card['rows']} rows and {declared}, the files hold {rows} rows and {actual}",
            AGAIN,
        )


def shape_of(table: ContentTable) -> list[int | None]:
    """Shape of one content; None where contents differ."""
    if isinstance(table, Ragged):
        return [None] * table.dimensions
    return list(table.shape[1:])


def _check_fields(path: Path, card: Any, fields: Mapping[str, type]) -> None:
    if not isinstance(card, dict):
        raise InputError(f"{path}: expected an object with fields, got {card!r}", AGAIN)
    for name, kind in fields.items():
        if name not in card:
            raise InputError(f"{path} lacks {name}", AGAIN)
        if not isinstance(card[name], kind):
            raise InputError(f"{path}: {name} must be of type {kind.__name__}, got {card[name]!r}", AGAIN)
