"""Split paths into parts that may carry meaning: folder levels, and the pieces of file names."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

WORDS = {
    word: str(digit)
    for digit, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    )
}
"""Digits by their English words, as in Speech Commands."""

DIGITS = frozenset("0123456789")

SEPARATORS = re.compile(r"[_\-\s.,()\[\]+]+")
SINGLE = tuple(re.compile(re.escape(character)) for character in "_- .")
"""Single separators to try where all of them together give differing numbers of parts: `0_eve-marie_3`."""
DATE = re.compile(
    r"(?<!\d)(19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d([T_\-. ]*([01]\d|2[0-4])([-_.:h]?\d\d){1,2})?(?!\d)"
)
"""A date, or a date and time, as in file names of recorders and cameras."""
UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
HEX = re.compile(r"[0-9a-f]{6,}", re.IGNORECASE)
PERSON = re.compile(
    r"(p|s|id|spk|spkr|speaker|person|subj|subject|sub|actor|user|writer|author|voice|participant)"
    r"[_\- ]?\d+",
    re.IGNORECASE,
)
CLASS = re.compile(
    r"(class|label|digit|word|letter|phrase|sentence|command|emotion|gesture|category)[_\- ]?\d+",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"(\D+)(\d+)")

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


@dataclass(frozen=True)
class Part:
    """A folder level or a piece of the file name, with its value in every path."""

    place: str
    values: tuple[str, ...]
    level: int | None = None
    """Depth of a folder, 0 the outermost; None: part of the name."""
    first: bool = False
    last: bool = False
    uneven: bool = False
    """Whether it is one of several readings of names with differing numbers of parts."""

    @cached_property
    def different(self) -> list[str]:
        return list(dict.fromkeys(self.values))

    @property
    def repeats(self) -> bool:
        return len(self.different) < len(self.values)

    @property
    def few(self) -> bool:
        """Whether values repeat: at least two files per value on average."""
        return 2 * len(self.different) <= len(self.values)

    @property
    def counts(self) -> bool:
        """Whether all values are numbers or single letters."""
        return all(v.isdigit() or len(v) == 1 for v in self.different)

    @property
    def gaps(self) -> float:
        """Fraction of missing numbers between the smallest and the largest; 0 if not all are numbers."""
        if not all(map(str.isdecimal, self.different)):
            return 0.0
        numbers = set(map(int, self.different))
        return 1 - len(numbers) / (max(numbers) - min(numbers) + 1)

    @property
    def digits(self) -> bool:
        """Whether the values are exactly the ten digits."""
        return set(self.different) == DIGITS

    @cached_property
    def ids(self) -> bool:
        """Whether values look like ids, not classes: hexadecimal, `p225`, long and sparse numbers."""
        values = self.different
        if all(map(PERSON.fullmatch, values)):
            return True
        if all(map(HEX.fullmatch, values)) and any(not v.isdigit() and not v.isalpha() for v in values):
            return True
        if not all(map(str.isdecimal, values)):
            return False
        long = sum(len(v) > 2 for v in values) >= 0.9 * len(values)
        return long and max(map(int, values)) > 2 * len(values) + 1

    @cached_property
    def labels(self) -> bool:
        """Whether values are evidently labels: leading digits, their English words, `class3`."""
        digits_first = self.digits and (self.level is not None or (self.first and not self.last))
        words = {value.lower() for value in self.different} <= set(WORDS)
        return digits_first or words or all(map(CLASS.fullmatch, self.different))

    def named_in(self, known: Collection[str]) -> bool:
        """Whether at least half of its values are known labels, or at least half of those occur."""
        values, known = set(self.different), set(known)
        return bool(known) and 2 * len(values & known) >= min(len(values), len(known))

    def within(self, other: "Part") -> bool:
        """Whether each value goes with one value of `other`: this part is finer or equivalent."""
        return len(set(zip(self.values, other.values, strict=True))) == len(self.different)

    def crosses(self, other: "Part") -> bool:
        """Whether at least half of its values go with several values of `other`."""
        pairs = Counter(value for value, _ in set(zip(self.values, other.values, strict=True)))
        return 2 * sum(count > 1 for count in pairs.values()) >= len(pairs)

    def finer(self, other: "Part") -> bool:
        return self.within(other) and not other.within(self)

    def __str__(self) -> str:
        values = self.different
        return f"{self.place} ({', '.join(values[:3])}{', ...' if len(values) > 3 else ''})"


def parts_of(stems: Sequence[str]) -> list[Part]:
    """The folder levels that all paths have, then the parts of their names or, where names have differing
    numbers of parts, several readings."""
    folders = [stem.split("/")[:-1] for stem in stems]
    depth = min(map(len, folders))
    levels = [Part(_ordinal(i, "folder"), tuple(f[i] for f in folders), level=i) for i in range(depth)]
    names = [(stem.rsplit("/", 1)[-1], parents) for stem, parents in zip(stems, folders, strict=True)]
    readings = ([tokens(*name, separators) for name in names] for separators in (SEPARATORS, *SINGLE))
    even = next(
        (reading for reading in readings if len(set(map(len, reading))) == 1 and len(reading[0]) > 1), None
    )
    if even is None:
        every = [tokens(*name) for name in names]
        if len(set(map(len, every))) > 1:
            return [*levels, *_uneven(every)]
        even = every
    columns = [tuple(column) for column in zip(*even, strict=True)]
    if columns and all(map(NUMBERED.fullmatch, columns[-1])):
        columns[-1:] = _numbered(columns[-1])
    last = len(columns) - 1
    named = (
        Part(_ordinal(i, "part of the name"), column, first=i == 0, last=i == last)
        for i, column in enumerate(columns)
    )
    return [*levels, *named]


def _ordinal(i: int, what: str) -> str:
    return f"{ORDINALS[i] if i < len(ORDINALS) else f'{i + 1}th'} {what}"


def tokens(name: str, folders: Sequence[str], separators: re.Pattern[str] = SEPARATORS) -> list[str]:
    """The parts of a file name. A folder's name in it is one part, whatever its separators; dates are
    dropped."""
    name = UUID.sub(lambda parts: parts[0].replace("-", ""), name)
    parts = [token for token in separators.split(DATE.sub("_", name)) if token]
    for folder in folders:
        folder_parts = [token for token in separators.split(folder.lower()) if token]
        for i in range(len(parts) - len(folder_parts) + 1):
            if folder_parts and [token.lower() for token in parts[i : i + len(folder_parts)]] == folder_parts:
                parts[i : i + len(folder_parts)] = [folder]
                break
    return parts


def _numbered(column: Sequence[str]) -> list[tuple[str, ...]]:
    """A column such as `dog12` split into `dog` and `12`, unless it names persons or classes."""
    if all(map(PERSON.fullmatch, column)) or all(map(CLASS.fullmatch, column)):
        return [tuple(column)]
    matches = [match for value in column if (match := NUMBERED.fullmatch(value))]
    return [tuple(match[i] for match in matches) for i in (1, 2)]


def _uneven(names: Sequence[Sequence[str]]) -> list[Part]:
    """Readings of names of differing lengths: all but the counter, and recurring first and last parts."""
    bare = [_without_counter(name) for name in names]
    whole = Part("name without its counter", tuple("_".join(name) for name in bare), uneven=True)
    ends = (
        Part(f"{place} part of the name", tuple(name[i] if name else "" for name in bare), uneven=True)
        for place, i in (("first", 0), ("last", -1))
    )
    return [*(end for end in ends if not end.within(whole) and end.few), whole]


def _without_counter(name: Sequence[str]) -> list[str]:
    """The parts without trailing numbers and single letters, including numbers after letters: `dog12`."""
    name = list(name)
    while name and (name[-1].isdigit() or len(name[-1]) == 1):
        name.pop()
    if name and (match := NUMBERED.fullmatch(name[-1])) and not PERSON.fullmatch(name[-1]):
        name[-1] = match[1]
    return name
