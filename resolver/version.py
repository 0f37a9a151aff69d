"""Versions: SemVer 2.0.0 (https://semver.org/spec/v2.0.0.html), without build metadata.

::

    1.4.0-rc.2
    │ │ │ └┬─┘
    │ │ │ prerelease: identifiers joined by dots; before the release in order
    │ │ patch
    │ minor
    major

A version is also a tag, and a tag can't hold a `+`: so there is no build metadata (which never
orders anyway), and at most 64 characters.
"""

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from resolver.errors import InvalidVersion

LONGEST: Final = 64
"""Characters that a version may have."""

NUMBER: Final = r"(?:0|[1-9][0-9]*)"
PRERELEASE: Final = (
    rf"(?:{NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:{NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*"
)
PATTERN: Final = rf"{NUMBER}\.{NUMBER}\.{NUMBER}(?:-{PRERELEASE})?"
"""A version as a regular expression, without the limit of its length."""

_FORM = re.compile(rf"({NUMBER})\.({NUMBER})\.({NUMBER})(?:-({PRERELEASE}))?")

Key: TypeAlias = tuple[int, int, int, tuple[int, *tuple[tuple[int, int, str], ...]]]
"""What orders versions: major, minor, patch, and then 0 with the prerelease's parts, or 1.

The fourth may also be `(0,)`, before every prerelease, or `(2,)`, after the release: bounds of
ranges, which no version has.
"""


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A version; ordered by SemVer's precedence (section 11), which is total without build."""

    text: str = field(compare=False)
    key: Key = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what isn't a version.

        Raises:
            InvalidVersion: another form, build metadata, or over 64 characters.
        """
        if len(self.text) > LONGEST:
            reason = f"{len(self.text)} characters; at most {LONGEST} are allowed"
            raise InvalidVersion(self.text, reason)
        matched = _FORM.fullmatch(self.text)
        if matched is None:
            raise InvalidVersion(
                self.text,
                "build metadata ('+...') is not allowed, since a version is also a tag"
                if "+" in self.text
                else "expected MAJOR.MINOR.PATCH or MAJOR.MINOR.PATCH-PRERELEASE, as in 1.2.3 or "
                "1.2.3-rc.1, without leading zeros",
            )
        major, minor, patch, prerelease = matched.groups()
        object.__setattr__(
            self, "key", (int(major), int(minor), int(patch), prerelease_key(prerelease))
        )

    def __str__(self) -> str:
        """Return the version as it was written; there is one way to write it."""
        return self.text

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read a version.

        Raises:
            InvalidVersion: it isn't one.
        """
        return cls(text)

    @property
    def is_prerelease(self) -> bool:
        """Whether it has a prerelease part."""
        return self.key[3][0] == 0

    @property
    def release(self) -> tuple[int, int, int]:
        """Major, minor and patch."""
        return self.key[:3]


def prerelease_key(text: str | None) -> tuple[int, *tuple[tuple[int, int, str], ...]]:
    """Return what orders a prerelease: numbers as numbers, and before words (section 11.4)."""
    if text is None:
        return (1,)
    return (
        0,
        *((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split(".")),
    )
