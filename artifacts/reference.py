"""Names: repositories, tags, packages (distribution-spec 1.1, "Pulling manifests").

::

    team/etl-daily:1.2.3          a repository and a tag
    team/etl-daily@sha256:...     a repository and a digest
    └┬─┘ └───┬───┘
     │       name
     namespace: the first segment
"""

import re
from dataclasses import dataclass

from artifacts.digest import Digest
from artifacts.errors import InvalidName

_SEGMENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_SEGMENT_FORM = re.compile(_SEGMENT)
_REPOSITORY_FORM = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_TAG_FORM = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_LONGEST = 255
_WORDS = "lower-case letters and digits, joined by '.', '_', '__' or '-'"


def check_namespace(text: str) -> str:
    """Return `text` if it is a namespace: one segment of a repository's name.

    Raises:
        InvalidName: it isn't.
    """
    if len(text) > _LONGEST or not _SEGMENT_FORM.fullmatch(text):
        raise InvalidName("namespace", text, _WORDS)
    return text


@dataclass(frozen=True, order=True, slots=True)
class RepositoryName:
    """A repository's name, as one text of segments joined by `/`."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what the grammar does not allow.

        Raises:
            InvalidName: another character, an empty segment, or over 255 characters.
        """
        if len(self.text) > _LONGEST or not _REPOSITORY_FORM.fullmatch(self.text):
            raise InvalidName("repository name", self.text, f"segments of {_WORDS}, joined by '/'")

    def __str__(self) -> str:
        """Return the name."""
        return self.text

    @property
    def namespace(self) -> str:
        """The first segment."""
        return self.text.partition("/")[0]


@dataclass(frozen=True, order=True, slots=True)
class PackageName:
    """A package's or application's name: a namespace and one segment, `team/etl-daily`."""

    namespace: str
    name: str

    def __post_init__(self) -> None:
        """Refuse what the grammar does not allow.

        Raises:
            InvalidName: another character, an empty part, or over 255 characters.
        """
        text = f"{self.namespace}/{self.name}"
        parts = (self.namespace, self.name)
        if len(text) > _LONGEST or not all(_SEGMENT_FORM.fullmatch(part) for part in parts):
            raise InvalidName("package name", text, f"'namespace/name', each of {_WORDS}")

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def repository(self) -> RepositoryName:
        """The repository that holds its releases: the same name."""
        return RepositoryName(str(self))

    @classmethod
    def parse(cls, text: str) -> "PackageName":
        """Read `namespace/name`.

        Raises:
            InvalidName: it isn't one.
        """
        namespace, separator, name = text.partition("/")
        if not separator:
            raise InvalidName("package name", text, f"'namespace/name', each of {_WORDS}")
        return cls(namespace, name)


@dataclass(frozen=True, order=True, slots=True)
class Tag:
    """A tag of a repository: at most 128 of letters, digits, `_`, `.`, `-`."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what the grammar does not allow.

        Raises:
            InvalidName: another character, a leading `.` or `-`, or over 128 characters.
        """
        if not _TAG_FORM.fullmatch(self.text):
            raise InvalidName(
                "tag", self.text, "up to 128 letters, digits, '_', '.', '-', not first '.' or '-'"
            )

    def __str__(self) -> str:
        """Return the tag."""
        return self.text


def parse_reference(text: str) -> Tag | Digest:
    """Read what `/v2/<name>/manifests/<reference>` takes: a digest where it has `:`, else a tag.

    Raises:
        InvalidDigest: it has a `:` but is no digest.
        InvalidName: it is neither.
    """
    return Digest.parse(text) if ":" in text else Tag(text)
