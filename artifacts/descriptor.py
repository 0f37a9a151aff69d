"""A descriptor: what is stored, where and how large (image-spec 1.1, descriptor.md)."""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch, InvalidDigest, InvalidManifest

LARGEST_SIZE = (1 << 63) - 1
"""The size in bytes that no blob is over: what Go's clients read is an int64."""

# RFC 6838, section 4.2, allows less; parameters (`text/plain; charset=utf-8`) are in use as well.
_MEDIA_TYPE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A media type, a digest and a size in bytes, with what may stand beside them."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    platform: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls, data: bytes, media_type: str, annotations: Mapping[str, str] | None = None
    ) -> "Descriptor":
        """Return the descriptor of `data` (sha256)."""
        return cls(media_type, Digest.of(data), len(data), annotations or {})

    def to_json(self) -> dict[str, Any]:
        """Return the descriptor as the JSON object that the specification draws."""
        drawn: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            drawn["annotations"] = dict(self.annotations)
        if self.artifact_type:
            drawn["artifactType"] = self.artifact_type
        if self.platform is not None:
            drawn["platform"] = dict(self.platform)
        return drawn

    @classmethod
    def from_json(cls, drawn: object, where: str) -> "Descriptor":
        """Read a descriptor; `where` names its place in errors, such as `layers[2]`.

        Raises:
            InvalidManifest: a member is missing, or of another type; `data` isn't what the digest
                and size say.
        """
        if not isinstance(drawn, dict):
            raise InvalidManifest(f"{where} is not an object")
        media_type = read_media_type(drawn.get("mediaType"), f"{where}.mediaType")
        if media_type is None:
            raise InvalidManifest(f"{where}.mediaType is missing or not a string")
        size = drawn.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST_SIZE:
            raise InvalidManifest(f"{where}.size is missing or not a count of bytes")
        platform = drawn.get("platform")
        if platform is not None and not isinstance(platform, dict):
            raise InvalidManifest(f"{where}.platform is not an object")
        urls = drawn.get("urls") or []
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise InvalidManifest(f"{where}.urls is not a list of strings")
        digest = _read_digest(drawn.get("digest"), where)
        _check_data(drawn.get("data"), digest, size, where)
        return cls(
            media_type,
            digest,
            size,
            read_annotations(drawn.get("annotations") or {}, where),
            read_media_type(drawn.get("artifactType"), f"{where}.artifactType"),
            platform,
        )


def read_media_type(drawn: object, where: str) -> str | None:
    """Read a media type or artifact type; None or an empty one is none.

    Raises:
        InvalidManifest: not a string, over 255 characters, or with some that are not visible ASCII.
    """
    if drawn is None or drawn == "":
        return None
    if not isinstance(drawn, str):
        raise InvalidManifest(f"{where} is not a string")
    if not _MEDIA_TYPE.fullmatch(drawn):
        raise InvalidManifest(f"{where} is {drawn[:80]!r}, not up to 255 visible ASCII characters")
    return drawn


def _read_digest(drawn: object, where: str) -> Digest:
    if not isinstance(drawn, str):
        raise InvalidManifest(f"{where}.digest is missing or not a string")
    try:
        return Digest.parse(drawn)
    except InvalidDigest as error:
        raise InvalidManifest(f"{where}.digest: {error}") from error


def _check_data(drawn: object, digest: Digest, size: int, where: str) -> None:
    """Refuse embedded content that isn't what the descriptor describes."""
    if drawn is None:
        return
    try:
        data = b64decode(drawn if isinstance(drawn, str) else "?", validate=True)
    except ValueError as error:
        raise InvalidManifest(f"{where}.data is not base64") from error
    if len(data) != size:
        raise InvalidManifest(f"{where}.data has {len(data)} bytes, and size says {size}")
    try:
        digest.check(f"{where}.data", data)
    except DigestMismatch as error:
        raise InvalidManifest(str(error)) from error


def read_annotations(drawn: object, where: str) -> dict[str, str]:
    """Read a map of strings to strings (image-spec 1.1, annotations.md).

    Raises:
        InvalidManifest: it is something else.
    """
    if not isinstance(drawn, dict):
        raise InvalidManifest(f"{where}.annotations is not an object")
    for key, value in drawn.items():
        if not isinstance(value, str):
            raise InvalidManifest(f"{where}.annotations[{key!r}] is not a string")
    return dict(drawn)
