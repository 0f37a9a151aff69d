"""Images (image-spec 1.1, manifest.md, image-index.md, config.md): what is one, and for what.

An image is a manifest with an image's configuration, or an index that leads to one; OCI's, or
Docker's of the same form. A chart, a bundle and a release are none: they say what else they are.
"""

from collections.abc import Mapping
from typing import Any

from artifacts import media
from artifacts.manifest import ImageIndex, ImageManifest

_UNKNOWN = "unknown"  # how BuildKit marks a manifest that isn't to be run, such as an attestation


def is_image(manifest: ImageManifest | ImageIndex) -> bool:
    """Return whether a manifest is an image's, or an index that may lead to one."""
    if manifest.artifact_type is not None:
        return False
    return isinstance(manifest, ImageIndex) or manifest.config.media_type in (
        media.IMAGE_CONFIG_TYPES
    )


def platform_text(platform: object) -> str | None:
    """Return `os/architecture[/variant]` of a descriptor's platform or an image's configuration.

    None where it says none, or only that it isn't for any.
    """
    if not isinstance(platform, Mapping):
        return None
    words = [platform.get("os"), platform.get("architecture"), platform.get("variant")]
    named: list[Any] = [word for word in words if word]
    is_whole = bool(words[0] and words[1]) and all(isinstance(word, str) for word in named)
    if not is_whole or _UNKNOWN in named[:2]:
        return None
    return "/".join(named)


def platform_member(text: str) -> dict[str, str]:
    """Return the platform member of a descriptor for what `platform_text` returned."""
    members = ("os", "architecture", "variant")
    return dict(zip(members, text.split("/", 2), strict=False))
