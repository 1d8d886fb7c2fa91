"""Read labels (kept as written, compared in one Unicode form) and the classes they form."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from seesay.data.dataset import MISSING, NONE, NONE_NAME, SPLITS
from seesay.errors import InputError, listed
from seesay.formats.cells import composed

WHOLE = re.compile(r"[+-]?\d{1,18}")
"""An integer in text."""


def label_names(labels: Sequence[Any] | np.ndarray, where: str) -> np.ndarray:
    """(rows,) text: names as written, numbers of a numeric dtype as integers (`7` for 7.0), "" for unknown.

    Fractions, `nan`, or anything else: InputError with the row.
    """
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise InputError(
            f"{where}: labels must be one integer or name per row, got {values.dtype} {values.shape}"
        )
    if values.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(values) | (values != np.rint(values)))
        if bad.size:
            raise InputError(
                f"{where}: the label of row {bad[0] + 1} is {values[bad[0]]}, neither an integer nor a name",
                "Labels are classes: give each an integer or a name.",
            )
        return np.array([str(int(value)) for value in values.tolist()], str)
    names = text_of(values, where)
    bad = np.flatnonzero(np.char.lower(names) == "nan")
    if bad.size:
        raise InputError(
            f"{where}: the label of row {bad[0] + 1} is {str(names[bad[0]])!r}, "
            "which programs write for a missing value",
            "Leave the cell empty, or give the class another name.",
        )
    return names


def text_of(values: Sequence[Any] | np.ndarray, where: str = "a column") -> np.ndarray:
    """(rows,) text in NFC, the Unicode form in which texts are compared. Of a file name that is no text, the
    bytes that are none are written as in `caf\\udce9`."""
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
    written = (str(name).encode("utf-8", "backslashreplace").decode() for name in different)
    return np.array([composed(name) for name in written], str)[which]


def alike(what: str, names: Iterable[str]) -> Iterator[str]:
    """A note on names that differ only in letter case, spaces, leading zeros or form of letters, if any."""
    by_folded: dict[str, list[str]] = {}
    for name in sorted(set(map(str, names)) - {""}):
        by_folded.setdefault(_folded(name), []).append(name)
    same = [" and ".join(map(repr, group)) for group in by_folded.values() if len(group) > 1]
    if same:
        yield (
            f"{what} that differ only in letter case, spaces, leading zeros or the form of letters are kept "
            f"apart: {listed(same)}."
        )


def _folded(name: str) -> str:
    """The form of a name in which look-alikes are equal."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    plain = " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())
    return str(int(plain)) if WHOLE.fullmatch(plain) else plain


def check_known(names: np.ndarray, split: np.ndarray, where: str) -> None:
    """InputError where a row outside test has no label."""
    unknown = np.flatnonzero((names == "") & (split != SPLITS.index("test")))
    if unknown.size:
        raise InputError(
            f"{where}: {unknown.size} rows have no label: {listed(f'row {i + 1}' for i in unknown)}",
            "Only rows of the split 'test' may lack one.",
        )


def classes_of(names: np.ndarray) -> tuple[str, ...]:
    """The distinct names without `_none_`, sorted by value if all are integers (`2` before `10`), else
    alphabetically."""
    classes = sorted({str(name) for name in np.unique(names)} - {"", NONE_NAME})
    return tuple(sorted(classes, key=int) if all(map(WHOLE.fullmatch, classes)) else classes)


def label_index(names: np.ndarray, classes: Sequence[str], by_number: bool, where: str) -> np.ndarray:
    """(rows,) int64: index of each name in `classes`, or, with `by_number`, the number it is; MISSING for ""
    and NONE for `_none_`."""
    choices = [str(i) for i in range(len(classes))] if by_number else list(classes)
    index = {name: i for i, name in enumerate(choices)} | {"": MISSING, NONE_NAME: NONE}
    different, which = np.unique(names, return_inverse=True)
    for name in different:
        if name not in index:
            raise InputError(
                f"{where}: label {str(name)!r} is not in 0 to {len(classes) - 1}", "Check `classes`."
            )
    return np.array([index[str(name)] for name in different], np.int64)[which]


def check_classes(label: np.ndarray, classes: Sequence[str], where: str) -> None:
    """InputError for fewer than two classes, or a class with a single row, too few to train and test."""
    counts = np.bincount(label[label >= 0], minlength=len(classes))
    if np.count_nonzero(counts) < 2:
        raise InputError(
            f"{where} has {np.count_nonzero(counts)} class, expected two or more: {listed(classes)}",
            "Check the labels, or give the folder that holds the classes.",
        )
    single = [
        f"{classes[i]!r} (row {np.flatnonzero(label == i)[0] + 1})"
        for i in np.flatnonzero(counts == 1).tolist()
    ]
    if single:
        raise InputError(
            f"{where}: a class needs two rows or more, and these have one: {listed(single)}",
            "Add rows, or remove the class.",
        )
