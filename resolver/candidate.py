"""A candidate: a release as the index lists it; and the environment that is solved for."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from artifacts.digest import Digest
from artifacts.reference import PackageName
from resolver.errors import InvalidEnvironment, SelfRequirement
from resolver.requirement import Requirement, check_extra
from resolver.version import Version

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

PYTHON_PATTERN: Final = r"[1-9][0-9]?\.(?:0|[1-9][0-9]?)"
PLATFORM_PATTERN: Final = "[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?"

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_PYTHON = re.compile(PYTHON_PATTERN)
_PLATFORM = re.compile(PLATFORM_PATTERN)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a set of releases must run on: a python minor, `3.11`, and a platform, `linux/amd64`.

    Platforms are written as image-spec 1.1 has them: os/architecture, perhaps with a variant.
    """

    python: str
    platform: str

    def __post_init__(self) -> None:
        """Refuse what isn't an environment.

        Raises:
            InvalidEnvironment: the python is no minor version, or the platform no os/architecture.
        """
        if not _PYTHON.fullmatch(self.python):
            raise InvalidEnvironment(self.python, "a python is MAJOR.MINOR, as in 3.11")
        check_platform(self.platform)

    def __str__(self) -> str:
        """Return it as one reads it: `python 3.11, linux/amd64`."""
        return f"python {self.python}, {self.platform}"


def check_platform(text: str) -> str:
    """Return `text` if it is a platform.

    Raises:
        InvalidEnvironment: it isn't.
    """
    if not _PLATFORM.fullmatch(text):
        raise InvalidEnvironment(text, "a platform is os/architecture, as in linux/amd64")
    return text


def check_python_range(text: str) -> str:
    """Return `text` if it is a range of pythons: PEP 440's, as in `>=3.11,<4`; empty is any.

    Raises:
        InvalidEnvironment: it isn't.
    """
    _python_range(text)
    return text


@lru_cache(maxsize=1024)
def _python_range(text: str) -> "SpecifierSet":
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise InvalidEnvironment(
            text, "a range of pythons is PEP 440's, as in '>=3.11,<4'"
        ) from error


@dataclass(frozen=True, order=True, slots=True)
class WheelSet:
    """The manifest of a release's wheels for one platform; `size` is the manifest's, in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Yank:
    """Why a release should not be chosen any more, and since when (UTC)."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release that could satisfy a requirement: all that a solver needs to know of it.

    `size` is its manifest's, in bytes; `python` a range as PEP 440 has it; `platforms` the wheel
    set of each platform, and empty where it needs no wheels; `signers` the fingerprints of the
    primary keys that signed it (sorted); `requires` is sorted by package, each once; `extras` holds
    the groups of requirements that it has only where somebody asks for them by name.
    """

    name: PackageName
    version: Version
    digest: Digest
    size: int
    published: datetime
    requires: tuple[Requirement, ...] = ()
    python: str = ""
    platforms: Mapping[str, WheelSet] = field(default_factory=dict, hash=False)
    yanked: Yank | None = None
    signers: tuple[str, ...] = ()
    extras: Mapping[str, tuple[Requirement, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Sort what has no order of its own.

        Raises:
            SelfRequirement: it requires its own package.
            InvalidRequirement: an extra's name is outside of its grammar.
        """
        groups = {check_extra(extra): group for extra, group in self.extras.items()}
        for group in (self.requires, *groups.values()):
            if any(requirement.package == self.name for requirement in group):
                raise SelfRequirement(self.name, self.version)
        object.__setattr__(self, "requires", tuple(sorted(self.requires, key=str)))
        object.__setattr__(
            self,
            "extras",
            {extra: tuple(sorted(groups[extra], key=str)) for extra in sorted(groups)},
        )
        object.__setattr__(self, "signers", tuple(sorted(self.signers)))

    def __str__(self) -> str:
        """Return `team/etl 1.2.3`."""
        return f"{self.name} {self.version}"

    def requirements(self, extras: Collection[str] = ()) -> tuple[Requirement, ...]:
        """Return what it requires with these extras on, sorted; one that it lacks adds nothing."""
        found = set(self.requires).union(*(self.extras.get(extra, ()) for extra in extras))
        return tuple(sorted(found, key=str))

    def runs_on_python(self, python: str) -> bool:
        """Whether a minor version such as `3.11` is in its range; the minor counts as its first.

        So `>=3.11` and `<3.12` take 3.11, and `>=3.11.4` does not.

        Raises:
            InvalidEnvironment: its own range can't be read.
        """
        return _python_range(self.python).contains(python)

    def runs_on_platform(self, platform: str) -> bool:
        """Whether it needs no wheels, or has those for the platform."""
        return not self.platforms or platform in self.platforms


def utc(text: str) -> datetime:
    """Read a time as the index has it: RFC 3339, UTC, whole seconds, `2026-01-02T03:04:05Z`.

    Raises:
        ValueError: it is written in another way, or no such time exists.
    """
    refused = f"not a time: {text[:40]!r} (expected all digits, as in 2026-01-02T03:04:05Z)"
    try:
        time = datetime.fromisoformat(text)  # many times as fast as strptime
    except ValueError as error:
        raise ValueError(refused) from error
    if time.tzinfo is None or utc_text(time) != text:
        raise ValueError(refused)
    return time


def utc_text(time: datetime) -> str:
    """Write a time as `utc` reads it; an aware time of another zone is converted."""
    return time.astimezone(UTC).strftime(_TIME)
