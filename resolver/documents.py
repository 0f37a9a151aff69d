"""The JSON of the sparse index and the TOML of a lock, as pydantic models, and their schemas.

Imported only where one is read or written, since pydantic takes its time to start. The formats are
drawn in `resolver/source.py`, `resolver/lock.py` and `resolver/acceptance.py`, which turn these
models into values.
"""

import difflib
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from artifacts.digest import Digest
from artifacts.reference import PackageName, check_namespace
from resolver.candidate import (
    PLATFORM_PATTERN,
    PYTHON_PATTERN,
    Environment,
    check_platform,
    check_python_range,
    utc,
    utc_text,
)
from resolver.errors import InvalidDocument
from resolver.requirement import (
    EXTRA_PATTERN,
    LONGEST_EXTRA,
    LONGEST_RANGE,
    Range,
    Requirement,
    check_extra,
)
from resolver.version import LONGEST, PATTERN, Version

_LARGEST = 2**53 - 1  # RFC 8785: the largest integer that every JSON reader keeps

_Value = TypeVar("_Value")
_Model = TypeVar("_Model", bound="Document")


def _text(read: Callable[[str], _Value]) -> PlainValidator:
    """Return a validator that reads a string into a value, and leaves a value as it is."""

    def validate(given: object) -> _Value:
        if not isinstance(given, str):
            raise ValueError("not a string")  # noqa: TRY004 (pydantic takes ValueErrors alone)
        return read(given)

    return PlainValidator(validate)


def _schema(pattern: str, description: str, longest: int | None = None) -> WithJsonSchema:
    drawn: dict[str, Any] = {
        "type": "string",
        "pattern": f"^(?:{pattern})$",
        "description": description,
    }
    return WithJsonSchema(drawn | ({"maxLength": longest} if longest else {}))


def _fingerprint(text: str) -> str:
    if len(text) not in {40, 64} or set(text) - set("0123456789ABCDEF"):
        raise ValueError(
            f"not a fingerprint: {text[:100]!r} (expected 40 or 64 upper-case hex digits)"
        )
    return text


def _source(text: str) -> str:
    if not _SOURCE.fullmatch(text):
        raise ValueError(f"not a registry's address: {text[:100]!r} (expected https://host[:port])")
    return text


def _python(text: str) -> str:
    return Environment(text, "linux/amd64").python


_SOURCE_PATTERN = r"https?://[A-Za-z0-9\[][A-Za-z0-9.:\[\]_-]*"
_SOURCE = re.compile(_SOURCE_PATTERN)
_SEGMENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*"
_NAME_PATTERN = f"{_SEGMENT}/{_SEGMENT}"

PackageNameText = Annotated[
    PackageName,
    _text(lru_cache(maxsize=16_384)(PackageName.parse)),  # an index names the same few again
    PlainSerializer(str),
    _schema(_NAME_PATTERN, "a package: its namespace and its name", 255),
]
NamespaceText = Annotated[
    str, _text(check_namespace), _schema(_SEGMENT, "the name of a namespace", 255)
]
RuleText = Annotated[
    str,
    Field(
        min_length=1,
        description="what a release must not be: yanked, unsigned, private; whoever reads one that "
        "it doesn't know can't solve for the application",
    ),
]
VersionText = Annotated[
    Version,
    _text(Version.parse),
    PlainSerializer(str),
    _schema(PATTERN, "SemVer 2.0.0 without build metadata", LONGEST),
]
RangeText = Annotated[
    Range,
    _text(Range.parse),
    PlainSerializer(str),
    _schema(".+", "a range of versions, as in ^1.2 || >=3,<4", LONGEST_RANGE),
]
RequirementText = Annotated[
    Requirement,
    _text(Requirement.parse),
    PlainSerializer(str),
    _schema(rf"{_NAME_PATTERN}(?:\[.+\])? .+", "a package and a range, as in team/etl ^1.2"),
]
DigestText = Annotated[
    Digest,
    _text(Digest.parse),
    PlainSerializer(str),
    _schema("sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}", "the digest of a manifest"),
]
TimeText = Annotated[
    datetime,
    _text(utc),
    PlainSerializer(utc_text),
    _schema(
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", "RFC 3339, UTC, whole seconds"
    ),
]
Fingerprint = Annotated[
    str,
    _text(_fingerprint),
    _schema("[0-9A-F]{40}|[0-9A-F]{64}", "the fingerprint of a primary key"),
]
PythonRange = Annotated[
    str,
    _text(check_python_range),
    _schema(".*", "a range of pythons, PEP 440: >=3.11; empty is any"),
]
Python = Annotated[
    str, _text(_python), _schema(PYTHON_PATTERN, "a minor version of python, as in 3.11")
]
Platform = Annotated[
    str, _text(check_platform), _schema(PLATFORM_PATTERN, "os/architecture, as in linux/amd64")
]
ExtraText = Annotated[
    str, _text(check_extra), _schema(EXTRA_PATTERN, "the name of an extra", LONGEST_EXTRA)
]
SourceText = Annotated[
    str,
    _text(_source),
    _schema(_SOURCE_PATTERN, "a registry's address: https://host or https://host:port"),
]
PreferenceText = Literal["newest", "lowest", "lowest-direct"]
Size = Annotated[int, Field(ge=0, le=_LARGEST, description="bytes")]
Revision = Annotated[int, Field(ge=0, le=_LARGEST, description="a revision of the whole index")]


class Document(BaseModel):
    """An object with exactly the members that it names, of exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RequirementDocument(Document):
    """What a release requires of one other package."""

    package: PackageNameText
    range: RangeText
    extras: list[str]


class WheelSetDocument(Document):
    """The manifest of the wheels for one platform."""

    digest: DigestText
    size: Size


class YankDocument(Document):
    """Why and when a release was yanked."""

    reason: str
    at: TimeText


class ReleaseDocument(Document):
    """A listed release; `digest` and `size` are its manifest's."""

    version: VersionText
    digest: DigestText
    size: Size
    requires: list[RequirementDocument]
    extras: dict[ExtraText, list[RequirementDocument]] = {}
    python: PythonRange
    platforms: dict[Platform, WheelSetDocument]
    yanked: YankDocument | None
    signers: list[Fingerprint]
    published: TimeText


class IndexDocument(Document):
    """Every listed release of a package, newest version first."""

    schema_version: Literal[1]
    name: PackageNameText
    revision: Revision
    releases: list[ReleaseDocument]


class AcceptanceDocument(Document):
    """What bundles of an application refuse, and which namespaces are private."""

    schema_version: Literal[1]
    application: PackageNameText
    exists: bool
    refuses: list[RuleText]
    private: list[NamespaceText]


class LockedPackageDocument(Document):
    """A release of the solved set, and who requires it."""

    name: PackageNameText
    version: VersionText
    digest: DigestText
    size: Size
    signers: list[Fingerprint]
    requires: list[RequirementText]
    required_by: list[PackageNameText]
    extras: list[ExtraText] = []
    wheel_sets: dict[Platform, DigestText] = {}
    source: SourceText | None = None


class LockDocument(Document):
    """A solved set of releases, and what it was solved for."""

    schema_version: Literal[1]
    revision: Revision
    python: Python
    platform: Platform
    requirements: list[RequirementText]
    constraints: list[RequirementText] = []
    overrides: list[RequirementText] = []
    prereleases: bool = False
    published_before: TimeText | None = None
    prefer: PreferenceText = "newest"
    application: PackageNameText | None = None
    sources: dict[SourceText, Revision] = {}
    package: list[LockedPackageDocument] = []


def read(model: type[_Model], drawn: object, error: type[InvalidDocument]) -> _Model:
    """Read plain data into a model; the first thing that is wrong is raised as `error`."""
    try:
        return model.model_validate(drawn)
    except ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        place = [part for part in first["loc"] if part != "[key]"]
        raise error(_where(place), _reason(first, place, model)) from refused


def schema(model: type[Document], title: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a document."""
    drawn = model.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | drawn | {"title": title}


def _where(place: list[int | str]) -> str:
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f'["{part[:80]}"]'
    return text or "the document"


def _reason(first: Any, place: list[int | str], model: type[Document]) -> str:
    match first["type"]:
        case "missing":
            return "it is missing"
        case "extra_forbidden":
            near = difflib.get_close_matches(str(place[-1]), _members(model), n=1)
            return "there is no such key" + (f"; did you mean {near[0]}?" if near else "")
        case "value_error":
            return str(first["ctx"]["error"])
        case _:
            return f"{first['msg']}, found {str(first['input'])[:80]!r}"


def _members(model: type[Document]) -> list[str]:
    drawn = model.model_json_schema()
    nested = [part.get("properties", {}) for part in drawn.get("$defs", {}).values()]
    return sorted({name for members in (drawn["properties"], *nested) for name in members})
