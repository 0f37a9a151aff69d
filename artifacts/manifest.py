"""Manifests and indexes (image-spec 1.1, manifest.md and image-index.md).

A manifest is what a tag or digest names: bytes, which are kept as they came, since their digest is
their name. Reading one gives an `ImageManifest` (a config and layers) or an `ImageIndex` (other
manifests); either may have a `subject`, which makes it a referrer of that.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from artifacts import media
from artifacts.descriptor import Descriptor, read_annotations, read_media_type
from artifacts.errors import InvalidManifest

_DEEPEST = 32
_SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """A config, layers, and perhaps a subject; `artifact_type` says what it is."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What the referrers list calls it: its artifact type, else its config's media type."""
        return self.artifact_type or self.config.media_type

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Every blob that it needs: the config, then the layers."""
        return (self.config, *self.layers)

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """Every manifest that it needs: none."""
        return ()


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """A list of manifests, and perhaps a subject."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        """What the referrers list calls it: its artifact type."""
        return self.artifact_type

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Every blob that it needs: entries that are no manifests, as in BuildKit's caches."""
        return tuple(entry for entry in self.manifests if not _is_manifest(entry))

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """Every manifest that it needs."""
        return tuple(entry for entry in self.manifests if _is_manifest(entry))


def _is_manifest(entry: Descriptor) -> bool:
    return entry.media_type in media.MANIFEST_TYPES | media.INDEX_TYPES


def parse_manifest(data: bytes, media_type: str | None = None) -> ImageManifest | ImageIndex:
    """Read a manifest or index; `media_type` is what the sender called it.

    Raises:
        InvalidManifest: not JSON, duplicate or missing members, or another type than it says.
    """
    drawn = _read_object(data)
    said = drawn.get("mediaType")
    if said is not None and not isinstance(said, str):
        raise InvalidManifest("mediaType is not a string")
    if said and media_type and said != media_type:
        raise InvalidManifest(f"mediaType is {said!r}, but it was sent as {media_type!r}")
    effective = said or media_type or (media.INDEX if "manifests" in drawn else media.MANIFEST)
    if drawn.get("schemaVersion") != _SCHEMA_VERSION or isinstance(
        drawn.get("schemaVersion"), float
    ):
        raise InvalidManifest(f"schemaVersion is {drawn.get('schemaVersion')!r}, expected 2")
    if effective in media.MANIFEST_TYPES:
        return _read_image(drawn, effective)
    if effective in media.INDEX_TYPES:
        return _read_index(drawn, effective)
    raise InvalidManifest(
        f"mediaType {effective!r} is not supported (expected {media.MANIFEST} or {media.INDEX})"
    )


def encode(drawn: Mapping[str, Any]) -> bytes:
    """Return RFC 8785 bytes of a JSON object: one content, one digest."""
    return rfc8785.dumps(dict(drawn))


def image_manifest(
    *,
    artifact_type: str,
    config: Descriptor,
    layers: Sequence[Descriptor],
    subject: Descriptor | None = None,
    annotations: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of an image manifest, in RFC 8785 form."""
    drawn: dict[str, Any] = {
        "schemaVersion": _SCHEMA_VERSION,
        "mediaType": media.MANIFEST,
        "artifactType": artifact_type,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    if subject is not None:
        drawn["subject"] = subject.to_json()
    if annotations:
        drawn["annotations"] = dict(annotations)
    return encode(drawn)


def image_index(
    *,
    artifact_type: str | None,
    manifests: Sequence[Descriptor],
    annotations: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of an image index, in RFC 8785 form."""
    drawn: dict[str, Any] = {
        "schemaVersion": _SCHEMA_VERSION,
        "mediaType": media.INDEX,
        "manifests": [entry.to_json() for entry in manifests],
    }
    if artifact_type is not None:
        drawn["artifactType"] = artifact_type
    if annotations:
        drawn["annotations"] = dict(annotations)
    return encode(drawn)


EMPTY_CONFIG = Descriptor.of(media.EMPTY_JSON, media.EMPTY)
"""The config of an artifact that has none: the two bytes `{}`."""


def _read_object(data: bytes) -> dict[str, Any]:
    try:
        # bytes would be taken as UTF-16 and with a byte order mark, too: RFC 8259 has only UTF-8
        drawn = json.loads(
            data.decode(), object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant
        )
        json.dumps(drawn, ensure_ascii=False).encode()
    except InvalidManifest:
        raise
    except UnicodeDecodeError as error:
        raise InvalidManifest("not JSON: its text is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise InvalidManifest("a string holds half of a surrogate pair") from error
    except RecursionError as error:
        raise InvalidManifest("nested too deeply") from error
    except ValueError as error:
        raise InvalidManifest(f"not JSON: {error}") from error
    if not isinstance(drawn, dict):
        raise InvalidManifest("not a JSON object")
    if _depth(drawn) > _DEEPEST:
        raise InvalidManifest(f"nested more than {_DEEPEST} deep")
    return drawn


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidManifest("a member stands twice in one object")
    return members


def _refuse_constant(name: str) -> float:
    raise InvalidManifest(f"not JSON: {name} is no number")


def _depth(value: object) -> int:
    deepest = 0
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        deepest = max(deepest, depth)
        if depth > _DEEPEST:
            break
        if isinstance(item, dict):
            pending.extend((child, depth + 1) for child in item.values())
        elif isinstance(item, list):
            pending.extend((child, depth + 1) for child in item)
    return deepest


def _read_list(drawn: dict[str, Any], member: str) -> tuple[Descriptor, ...]:
    entries = drawn.get(member)
    if entries is None and member in drawn:
        entries = []  # how Go writes a list that was never filled
    if not isinstance(entries, list):
        raise InvalidManifest(f"{member} is missing or not a list")
    return tuple(
        Descriptor.from_json(entry, f"{member}[{index}]") for index, entry in enumerate(entries)
    )


def _read_shared(drawn: dict[str, Any]) -> tuple[str | None, Descriptor | None, dict[str, str]]:
    subject = drawn.get("subject")
    return (
        read_media_type(drawn.get("artifactType"), "artifactType"),
        None if subject is None else Descriptor.from_json(subject, "subject"),
        read_annotations(drawn.get("annotations") or {}, "manifest"),
    )


def _read_image(drawn: dict[str, Any], media_type: str) -> ImageManifest:
    if "manifests" in drawn:
        raise InvalidManifest("an image manifest has 'config' and 'layers', not 'manifests'")
    artifact_type, subject, annotations = _read_shared(drawn)
    config = Descriptor.from_json(drawn.get("config"), "config")
    if media_type == media.MANIFEST and config.media_type == media.EMPTY and not artifact_type:
        raise InvalidManifest("artifactType is missing, and the config is the empty one")
    return ImageManifest(
        media_type, config, _read_list(drawn, "layers"), artifact_type, subject, annotations
    )


def _read_index(drawn: dict[str, Any], media_type: str) -> ImageIndex:
    if "layers" in drawn or "config" in drawn:
        raise InvalidManifest("an index has 'manifests', not 'config' or 'layers'")
    artifact_type, subject, annotations = _read_shared(drawn)
    return ImageIndex(
        media_type, _read_list(drawn, "manifests"), artifact_type, subject, annotations
    )
