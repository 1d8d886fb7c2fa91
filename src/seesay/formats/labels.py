"""Labels as people write them: names, compared in one Unicode form and else kept as they are, and the classes
that they make."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from seesay.data.dataset import MISSING, SPLITS
from seesay.errors import InputError, listed
from seesay.formats.cells import composed

WHOLE = re.compile(r"[+-]?\d{1,18}")
"""A whole number as it is written."""


def label_names(labels: Sequence[Any] | np.ndarray, where: str) -> np.ndarray:
    """(rows,) text: names as they are written, numbers of a numeric type as whole ones (`7` for 7.0), "" for
    unknown.

    Numbers that are not whole, `nan`, anything else: InputError with the row.
    """
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise InputError(
            f"{where}: labels must be a whole number or name per row, got {values.dtype} {values.shape}"
        )
    if values.dtype.kind == "f":
        odd = np.flatnonzero(~np.isfinite(values) | (values != np.rint(values)))
        if odd.size:
            raise InputError(
                f"{where}: the label of row {odd[0] + 1} is {values[odd[0]]}, "
                "neither a whole number nor a name",
                "Labels are classes: give each a whole number or a name.",
            )
        return np.array([str(int(value)) for value in values.tolist()], str)
    names = text_of(values, where)
    odd = np.flatnonzero(np.char.lower(names) == "nan")
    if odd.size:
        raise InputError(
            f"{where}: the label of row {odd[0] + 1} is {str(names[odd[0]])!r}, "
            "which programs write for no value",
            "Leave the cell empty, or give the class another name.",
        )
    return names


def text_of(values: Sequence[Any] | np.ndarray, where: str = "a column") -> np.ndarray:
    """(rows,) text in the one Unicode form in which all is compared."""
    values = np.asarray(values)
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{where}: names must be text in UTF-8 ({error})", "Save them as text."
            ) from None
    text = values.astype(np.int64 if values.dtype.kind == "b" else values.dtype).astype(str)
    different, which = np.unique(text, return_inverse=True)
    return np.array([composed(str(name)) for name in different], str)[which]


def alike(what: str, names: Iterable[str]) -> Iterator[str]:
    """A sentence about names that differ only in letter case, spaces, leading zeros or form of their
    letters."""
    found: dict[str, list[str]] = {}
    for name in sorted(set(map(str, names)) - {""}):
        found.setdefault(_folded(name), []).append(name)
    same = [" and ".join(map(repr, each)) for each in found.values() if len(each) > 1]
    if same:
        yield (
            f"{what} that differ only in letter case, spaces, leading zeros or the form of letters are kept "
            f"apart: {listed(same)}."
        )


def _folded(name: str) -> str:
    """What names that look alike have in common."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    plain = " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())
    return str(int(plain)) if WHOLE.fullmatch(plain) else plain


def check_known(names: np.ndarray, split: np.ndarray, where: str) -> None:
    """InputError where a row outside the test split has no label."""
    unknown = np.flatnonzero((names == "") & (split != SPLITS.index("test")))
    if unknown.size:
        raise InputError(
            f"{where}: {unknown.size} rows have no label: {listed(f'row {i + 1}' for i in unknown)}",
            "Only rows of the split 'test' may have none.",
        )


def classes_of(names: np.ndarray) -> tuple[str, ...]:
    """The different names: by value where all are whole numbers, `2` before `10`, else by the alphabet."""
    found = sorted({str(name) for name in np.unique(names)} - {""})
    return tuple(sorted(found, key=int) if all(map(WHOLE.fullmatch, found)) else found)


def label_index(names: np.ndarray, classes: Sequence[str], by_number: bool, where: str) -> np.ndarray:
    """(rows,) int64: where each name stands in `classes`, or, `by_number`, that number; -1 where the name is
    ""."""
    choices = [str(i) for i in range(len(classes))] if by_number else list(classes)
    index = {name: i for i, name in enumerate(choices)} | {"": MISSING}
    different, which = np.unique(names, return_inverse=True)
    for name in different:
        if name not in index:
            raise InputError(
                f"{where}: label {str(name)!r} is none of 0 to {len(classes) - 1}", "Check `classes`."
            )
    return np.array([index[str(name)] for name in different], np.int64)[which]


def check_classes(label: np.ndarray, classes: Sequence[str], where: str) -> None:
    """InputError where there is nothing to tell apart, or a class that cannot be learned and tested."""
    counts = np.bincount(label[label != MISSING], minlength=len(classes))
    if np.count_nonzero(counts) < 2:
        raise InputError(
            f"{where} has {np.count_nonzero(counts)} class, expected two or more: {listed(classes)}",
            "Check the labels, or name the folder that holds the classes.",
        )
    single = [
        f"{classes[i]!r} (row {np.flatnonzero(label == i)[0] + 1})"
        for i in np.flatnonzero(counts == 1).tolist()
    ]
    if single:
        raise InputError(
            f"{where}: a class needs two rows or more, and these have a single one: {listed(single)}",
            "Add rows or leave the class out.",
        )
