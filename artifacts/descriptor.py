"""A descriptor: what is stored, where and how large (image-spec 1.1, descriptor.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from artifacts.digest import Digest
from artifacts.errors import InvalidDigest, InvalidManifest


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
            InvalidManifest: a member is missing, or of another type.
        """
        if not isinstance(drawn, dict):
            raise InvalidManifest(f"{where} is not an object")
        media_type = drawn.get("mediaType")
        size = drawn.get("size")
        digest = drawn.get("digest")
        annotations = drawn.get("annotations") or {}
        artifact_type = drawn.get("artifactType")
        platform = drawn.get("platform")
        if not isinstance(media_type, str) or not media_type:
            raise InvalidManifest(f"{where}.mediaType is missing or not a string")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise InvalidManifest(f"{where}.size is missing or not a count of bytes")
        if not isinstance(digest, str):
            raise InvalidManifest(f"{where}.digest is missing or not a string")
        if artifact_type is not None and not isinstance(artifact_type, str):
            raise InvalidManifest(f"{where}.artifactType is not a string")
        if platform is not None and not isinstance(platform, dict):
            raise InvalidManifest(f"{where}.platform is not an object")
        try:
            parsed = Digest.parse(digest)
        except InvalidDigest as error:
            raise InvalidManifest(f"{where}.digest: {error}") from error
        return cls(
            media_type,
            parsed,
            size,
            read_annotations(annotations, where),
            artifact_type,
            platform,
        )


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
