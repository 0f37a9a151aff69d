"""Ranges of versions, and requirements on packages.

::

    team/etl[gpu] ^1.2, !=1.4.0 || >=3, <4
    └──┬───┘└─┬─┘ └─────┬─────┘    └──┬──┘
    package extras      a conjunction: all of its comparators must hold
                        alternatives, joined by ||: one of them must hold

============  ======================  =====================================================
comparator    means                   rule
============  ======================  =====================================================
`*`           any                     also `x` and `X`
`1.2.3`       `=1.2.3`                npm's: a bare version is that version
`1.2`         `>=1.2.0,<1.3.0`        also `1.2.*`, `1.2.x`, `=1.2`; `1` is `>=1.0.0,<2.0.0`
`^1.2.3`      `>=1.2.3,<2.0.0`        the first number that isn't 0 stays
`^0.2.3`      `>=0.2.3,<0.3.0`
`^0.0.3`      `>=0.0.3,<0.0.4`
`^0.0`        `>=0.0.0,<0.1.0`
`~1.2.3`      `>=1.2.3,<1.3.0`        also `~1.2`; `~1` is `>=1.0.0,<2.0.0`
`>1.2`        `>=1.3.0`               after all of 1.2
`<=1.2`       `<1.3.0`                to the end of 1.2
`!=1.2`       none of 1.2.*           `!=1.2.3` is all but that one
============  ======================  =====================================================

**Prereleases** are npm's and cargo's rule: 1.3.0-rc.1 is in a range only where an alternative that
it satisfies names a prerelease of the same 1.3.0 (`>=1.3.0-beta`; `!=` doesn't count), or where
prereleases are allowed for all. Each requirement is judged alone: one that names a prerelease
does not speak for another. An upper bound that is no prerelease keeps those of its own out, with
prereleases allowed too: neither `^1` nor `<2.0.0` takes 2.0.0-rc.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

from artifacts.errors import InvalidName
from artifacts.reference import PackageName
from resolver.errors import InvalidRange, InvalidRequirement, InvalidVersion
from resolver.version import LONGEST, NUMBER, PRERELEASE, Key, Version, prerelease_key

LONGEST_RANGE: Final = 512
"""Characters that a range may have."""

LONGEST_EXTRA: Final = 64
"""Characters that an extra's name may have."""

EXTRA_PATTERN: Final = "[a-z0-9]+(?:[._-][a-z0-9]+)*"

_Bound: TypeAlias = Key | None
"""A place in the order of versions; None is before or after all."""

_COMPARATOR = re.compile(
    rf"(?P<operator>\^|~|>=|<=|!=|>|<|=|)\s*(?P<version>(?:[xX*]|{NUMBER})(?:\.(?:[xX*]|{NUMBER}))*"
    rf"(?:-(?P<prerelease>{PRERELEASE}))?)(?=[\s,^~<>=!|]|$)"
)
_SEPARATOR = re.compile(r"\s*,\s*|\s+|(?=[\^~<>=!])")
_REQUIREMENT = re.compile(
    r"(?P<package>[^\s@\[\]^~<>=!*|,]+)(?:\[(?P<extras>[^\]]*)\])?(?P<at>\s*@\s*|\s*)(?P<range>.*)",
    re.DOTALL,
)
_EXTRA = re.compile(EXTRA_PATTERN)
_WILD = ("x", "X", "*")
_PARTS = 3
_HINTS = {
    "==": "write '=1.2.3' for one version",
    "~>": "write '~1.2.3'",
    "~=": "write '~1.2.3' or '^1.2.3'",
    "=>": "write '>='",
    "=<": "write '<='",
    " - ": "write '>=1.2,<=1.4' for both ends",
    "+": "build metadata is not allowed",
}
_ORDER = ("", "^", "~", "=", ">=", ">", "<", "<=", "!=")


@dataclass(frozen=True, slots=True)
class Comparator:
    """An operator and a version that may lack its last parts.

    `numbers` has three, two, one or (for `*`) no parts; `prerelease` only stands beside three. It
    holds for the versions from `lowest` to before `highest`, and for all others with `!=`.
    """

    operator: str
    numbers: tuple[int, ...]
    prerelease: str | None = None
    lowest: _Bound = field(init=False, repr=False, compare=False)
    highest: _Bound = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out where it begins and ends."""
        lowest, highest = self._bounds()
        object.__setattr__(self, "lowest", lowest)
        object.__setattr__(self, "highest", highest)

    def __str__(self) -> str:
        """Return it in its one written form: `=1.2.3`, `1.2.*`, `^1.2`, `*`."""
        text = ".".join(str(number) for number in self.numbers)
        if not self.numbers:
            return "*"
        if self.operator == "=" and len(self.numbers) < _PARTS:
            return f"{text}.*"
        return f"{self.operator}{text}" + (f"-{self.prerelease}" if self.prerelease else "")

    def holds(self, version: Version) -> bool:
        """Whether it holds for a version, by order alone."""
        within = (self.lowest is None or self.lowest <= version.key) and (
            self.highest is None or version.key < self.highest
        )
        return within != (self.operator == "!=")

    def names(self, version: Version) -> bool:
        """Whether it names a prerelease of the same major, minor and patch."""
        return (
            self.prerelease is not None
            and self.operator != "!="
            and self.numbers == version.release
        )

    def _bounds(self) -> tuple[_Bound, _Bound]:
        if not self.numbers:
            return None, None
        first, end = self._first(), self._end()
        lowest: _Bound = first
        highest: _Bound = end
        match self.operator:
            case "^":
                significant = next((i for i, number in enumerate(self.numbers, 1) if number), None)
                highest = _before_next(self.numbers[:significant])
            case "~":
                highest = _before_next(self.numbers[:2])
            case ">=":
                highest = None
            case ">":
                lowest = end if len(self.numbers) == _PARTS else (*end[:3], (1,))
                highest = None
            case "<":
                lowest = None
                highest = first if self.prerelease else (*first[:3], (0,))
            case "<=":
                lowest = None
        return lowest, highest

    def _first(self) -> Key:
        major, minor, patch = (*self.numbers, 0, 0)[:_PARTS]
        return major, minor, patch, prerelease_key(self.prerelease)

    def _end(self) -> Key:
        """Return where what it names is over: prereleases of what follows are not in it."""
        if len(self.numbers) < _PARTS:
            return _before_next(self.numbers)
        major, minor, patch, tail = self._first()
        return (
            (major, minor, patch, (0, *tail[1:], (-1, 0, "")))
            if self.prerelease
            else (major, minor, patch, (2,))
        )


def _before_next(numbers: tuple[int, ...]) -> Key:
    """Return the place before the first prerelease of the next: (1, 2) gives that of 1.3.0."""
    major, minor, patch = (*numbers[:-1], numbers[-1] + 1, 0, 0)[:_PARTS]
    return major, minor, patch, (0,)


@dataclass(frozen=True, slots=True)
class Range:
    """Alternatives, of which one must hold; each is comparators, which must all hold.

    `str()` gives one text for one meaning as far as order and spaces go: `>=3,<4 || ^1.2`
    and `^1.2||<4 >=3` are the same range.
    """

    alternatives: tuple[tuple[Comparator, ...], ...]
    is_exact: bool = field(init=False, repr=False, compare=False)
    """Whether it names one version."""
    is_upper_bounded: bool = field(init=False, repr=False, compare=False)
    """Whether no version however high is in it."""
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what a search asks for all the time: ranges are few."""
        texts = (",".join(map(str, alternative)) for alternative in self.alternatives)
        object.__setattr__(self, "_text", " || ".join(texts))
        is_exact = len(self.alternatives) == 1 and any(
            comparator.operator == "=" and len(comparator.numbers) == _PARTS
            for comparator in self.alternatives[0]
        )
        is_bounded = all(
            any(
                comparator.highest is not None and comparator.operator != "!="
                for comparator in alternative
            )
            for alternative in self.alternatives
        )
        object.__setattr__(self, "is_exact", is_exact)
        object.__setattr__(self, "is_upper_bounded", is_bounded)

    def __str__(self) -> str:
        """Return the canonical text, such as `^1.2 || >=3,<4`."""
        return self._text

    @classmethod
    def parse(cls, text: str) -> "Range":
        """Read a range.

        Raises:
            InvalidRange: it isn't one, or has over 512 characters.
        """
        return _parse_range(text)

    def contains(self, version: Version, *, allow_prereleases: bool = False) -> bool:
        """Whether a version is in the range; see the module for prereleases."""
        return any(
            all(comparator.holds(version) for comparator in alternative)
            and (
                allow_prereleases
                or not version.is_prerelease
                or any(comparator.names(version) for comparator in alternative)
            )
            for alternative in self.alternatives
        )


@lru_cache(maxsize=8192)
def _parse_range(text: str) -> Range:
    if len(text) > LONGEST_RANGE:
        raise InvalidRange(text, f"{len(text)} characters; at most {LONGEST_RANGE} are allowed")
    alternatives = {
        tuple(sorted(set(_read_conjunction(text, part.strip())), key=_comparator_order))
        for part in text.split("||")
    }
    found = Range(
        tuple(sorted(alternatives, key=lambda one: [_comparator_order(part) for part in one]))
    )
    if len(str(found)) > LONGEST_RANGE:
        raise InvalidRange(text, f"over {LONGEST_RANGE} characters when written out in full")
    return found


def _comparator_order(comparator: Comparator) -> tuple[tuple[int, ...], int, str]:
    return comparator.numbers, _ORDER.index(comparator.operator), comparator.prerelease or ""


def _read_conjunction(text: str, part: str) -> Iterator[Comparator]:
    if not part:
        raise InvalidRange(
            text, "an alternative is empty" if text.strip() else "it is empty; write * for any"
        )
    place = 0
    while place < len(part):
        matched = _COMPARATOR.match(part, place)
        if matched is None:
            raise InvalidRange(text, _why_not(part, place))
        yield _read_comparator(text, matched)
        place = matched.end()
        if place < len(part):
            separator = _SEPARATOR.match(part, place)
            place = separator.end() if separator else place
            if place == len(part):
                raise InvalidRange(text, "it ends in a comma")


def _why_not(part: str, place: int) -> str:
    hint = next((f"; {hint}" for sign, hint in _HINTS.items() if sign in part), "")
    return f"can't read {part[place:][:40]!r}{hint}"


def _read_comparator(text: str, matched: re.Match[str]) -> Comparator:
    written = matched["version"]
    prerelease = matched["prerelease"]
    if len(written) > LONGEST:
        raise InvalidRange(text, f"a version has {len(written)} characters; at most {LONGEST}")
    parts = written.removesuffix(f"-{prerelease}").split(".")
    wild = next((i for i, part in enumerate(parts) if part in _WILD), None)
    if len(parts) > _PARTS or (wild is not None and set(parts[wild:]) - set(_WILD)):
        raise InvalidRange(text, f"{written!r} is not MAJOR, MAJOR.MINOR or MAJOR.MINOR.PATCH")
    numbers = tuple(int(part) for part in parts[:wild])
    if prerelease is not None and len(numbers) < _PARTS:
        raise InvalidRange(text, f"{written!r}: a prerelease needs all of MAJOR.MINOR.PATCH")
    operator = matched["operator"] or "="
    if not numbers and operator != "=":
        raise InvalidRange(text, f"{matched[0]!r}: {operator} needs a number")
    return Comparator(operator, numbers, prerelease)


ANY: Final = Range.parse("*")
"""The range that holds every version that is no prerelease."""


def check_extra(text: str) -> str:
    """Return `text` if it is the name of an extra.

    Raises:
        InvalidRequirement: it isn't, or has over 64 characters.
    """
    if len(text) > LONGEST_EXTRA or not _EXTRA.fullmatch(text):
        raise InvalidRequirement(
            text,
            "an extra is lower-case letters and digits, joined by '.', '_' or '-', and at most "
            f"{LONGEST_EXTRA} characters",
        )
    return text


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package, a range of its versions, and extras of it (sorted)."""

    package: PackageName
    range: Range = ANY
    extras: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Sort the extras.

        Raises:
            InvalidRequirement: an extra's name is outside of its grammar.
        """
        for extra in self.extras:
            check_extra(extra)
        object.__setattr__(self, "extras", tuple(sorted(set(self.extras))))

    def __str__(self) -> str:
        """Return the canonical text, such as `team/etl[gpu] ^1.2`."""
        return f"{self.name_with_extras} {self.range}"

    @property
    def name_with_extras(self) -> str:
        """The package with its extras, such as `team/etl[gpu]`."""
        return f"{self.package}[{','.join(self.extras)}]" if self.extras else str(self.package)

    @classmethod
    def of(cls, package: str, said: str) -> "Requirement":
        """Read what a package.json says of another package: `^1.2`, or `[gpu] ^1.2` with extras.

        Raises:
            InvalidRequirement: it isn't that; an error names the whole of it.
        """
        return cls.parse(f"{package}{said}" if said.startswith("[") else f"{package} {said}")

    @property
    def said(self) -> str:
        """All of it but the package, as `of` reads it."""
        return f"[{','.join(self.extras)}] {self.range}" if self.extras else str(self.range)

    @classmethod
    def parse(cls, text: str) -> "Requirement":
        """Read `team/etl`, `team/etl ^1.2`, `team/etl@^1.2` or `team/etl[gpu] ^1.2`.

        Raises:
            InvalidRequirement: it isn't one; says whether the name or the range is wrong.
        """
        matched = _REQUIREMENT.fullmatch(text.strip())
        if matched is None:
            raise InvalidRequirement(text, "expected NAMESPACE/NAME and perhaps a range")
        if "@" in matched["at"] and not matched["range"]:
            raise InvalidRequirement(text, "there is no range after the '@'")
        extras = matched["extras"]
        try:
            return cls(
                PackageName.parse(matched["package"]),
                Range.parse(matched["range"]) if matched["range"] else ANY,
                () if extras is None else tuple(part.strip() for part in extras.split(",")),
            )
        except (InvalidName, InvalidRange, InvalidVersion, InvalidRequirement) as error:
            raise InvalidRequirement(text, str(error)) from error
