"""The parts of a path that can mean something: folder levels, and what separators set apart in a name."""

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
"""The digit that a word of Speech Commands names."""

DIGITS = frozenset("0123456789")

SEPARATORS = re.compile(r"[_\-\s.,()\[\]+]+")
SINGLE = tuple(re.compile(re.escape(character)) for character in "_- .")
"""What names may be parted at where all of them give different numbers of parts: `0_eve-marie_3`."""
DATE = re.compile(
    r"(?<!\d)(19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d([T_\-. ]*([01]\d|2[0-4])([-_.:h]?\d\d){1,2})?(?!\d)"
)
"""A day, or a day and a time, as recorders and cameras name files."""
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
    """A folder level or a part of the name, with its value in every path."""

    place: str
    values: tuple[str, ...]
    level: int | None = None
    """Of a folder, 0 the outermost."""
    first: bool = False
    last: bool = False
    uneven: bool = False
    """One of several ways to read names that have different numbers of parts."""

    @cached_property
    def different(self) -> list[str]:
        return list(dict.fromkeys(self.values))

    @property
    def repeats(self) -> bool:
        return len(self.different) < len(self.values)

    @property
    def few(self) -> bool:
        """Few values with several files each."""
        return 2 * len(self.different) <= len(self.values)

    @property
    def counts(self) -> bool:
        """Numbers or single letters."""
        return all(v.isdigit() or len(v) == 1 for v in self.different)

    @property
    def gaps(self) -> float:
        """Fraction of the numbers from the first to the last that are not there; 0 where not all are
        numbers."""
        if not all(map(str.isdecimal, self.different)):
            return 0.0
        numbers = set(map(int, self.different))
        return 1 - len(numbers) / (max(numbers) - min(numbers) + 1)

    @property
    def digits(self) -> bool:
        """All ten of them."""
        return set(self.different) == DIGITS

    @cached_property
    def ids(self) -> bool:
        """Values that people do not give to classes: hexadecimal, `p225`, long and sparse numbers."""
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
        """Whether its values are labels by themselves: the digits where they come first, words for them,
        `class3`."""
        digits_first = self.digits and (self.level is not None or (self.first and not self.last))
        words = {value.lower() for value in self.different} <= set(WORDS)
        return digits_first or words or all(map(CLASS.fullmatch, self.different))

    def named_in(self, known: Collection[str]) -> bool:
        """Whether at least half of its values are known labels, or half of those are values of it."""
        values, known = set(self.different), set(known)
        return bool(known) and 2 * len(values & known) >= min(len(values), len(known))

    def within(self, other: "Part") -> bool:
        """Whether each value goes with one value of the other: it is finer, or says the same."""
        return len(set(zip(self.values, other.values, strict=True))) == len(self.different)

    def crosses(self, other: "Part") -> bool:
        """Whether at least half of its values go with several values of the other."""
        pairs = Counter(value for value, _ in set(zip(self.values, other.values, strict=True)))
        return 2 * sum(count > 1 for count in pairs.values()) >= len(pairs)

    def finer(self, other: "Part") -> bool:
        return self.within(other) and not other.within(self)

    def __str__(self) -> str:
        values = self.different
        return f"{self.place} ({', '.join(values[:3])}{', ...' if len(values) > 3 else ''})"


def parts_of(stems: Sequence[str]) -> list[Part]:
    """The folder levels that all paths have, then the parts of their names; where names have different
    numbers of them, the ways to read those."""
    folders = [stem.split("/")[:-1] for stem in stems]
    depth = min(map(len, folders))
    levels = [Part(_ordinal(i, "folder"), tuple(f[i] for f in folders), level=i) for i in range(depth)]
    names = [(stem.rsplit("/", 1)[-1], own) for stem, own in zip(stems, folders, strict=True)]
    ways = ([tokens(*name, separators) for name in names] for separators in (SEPARATORS, *SINGLE))
    even = next((way for way in ways if len(set(map(len, way))) == 1 and len(way[0]) > 1), None)
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
    """The parts of a name. What a folder is called is one part, whatever separators it has; dates are
    none."""
    name = UUID.sub(lambda found: found[0].replace("-", ""), name)
    found = [token for token in separators.split(DATE.sub("_", name)) if token]
    for folder in folders:
        own = [token for token in separators.split(folder.lower()) if token]
        for i in range(len(found) - len(own) + 1):
            if own and [token.lower() for token in found[i : i + len(own)]] == own:
                found[i : i + len(own)] = [folder]
                break
    return found


def _numbered(column: Sequence[str]) -> list[tuple[str, ...]]:
    """`dog12` as `dog` and `12`; as it is where it names a person or a class."""
    if all(map(PERSON.fullmatch, column)) or all(map(CLASS.fullmatch, column)):
        return [tuple(column)]
    found = [match for value in column if (match := NUMBERED.fullmatch(value))]
    return [tuple(match[i] for match in found) for i in (1, 2)]


def _uneven(names: Sequence[Sequence[str]]) -> list[Part]:
    """All but the counter, and where beginnings or ends recur, those too, since any of them may be what the
    name says."""
    bare = [_without_counter(name) for name in names]
    whole = Part("name without its counter", tuple("_".join(name) for name in bare), uneven=True)
    ends = (
        Part(f"{place} part of the name", tuple(name[i] if name else "" for name in bare), uneven=True)
        for place, i in (("first", 0), ("last", -1))
    )
    return [*(end for end in ends if not end.within(whole) and end.few), whole]


def _without_counter(name: Sequence[str]) -> list[str]:
    """Without numbers and single letters at its end, also those that follow letters: `dog12`."""
    name = list(name)
    while name and (name[-1].isdigit() or len(name[-1]) == 1):
        name.pop()
    if name and (match := NUMBERED.fullmatch(name[-1])) and not PERSON.fullmatch(name[-1]):
        name[-1] = match[1]
    return name
