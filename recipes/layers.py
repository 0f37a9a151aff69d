"""Layers and manifests: a package's tree as the OCI artifact that is pushed, and back.

::

    manifest  artifactType application/vnd.recipebox.package.v1
    ├── config   package.json                  application/vnd.recipebox.package.config.v1+json
    └── layers   one a folder, in the order of package.FOLDERS
                 title team/etl-1.2.3/recipe   application/vnd.oci.image.layer.v1.tar+gzip

    wheel set application/vnd.recipebox.wheelset.v1, of one platform; its subject is the release
    └── layers   one a wheel, by file name     application/vnd.recipebox.wheel.v1+zip

The annotation `io.deis.oras.content.unpack` makes plain `oras pull` lay the same tree out.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_manifest
from recipes.encoding import Sink, write_folder
from recipes.errors import NotAPackage
from recipes.package import FOLDERS, METADATA_FILES, PackageMetadata, Wheel
from recipes.unpacking import unpack_layer

__all__ = [
    "Layer",
    "ReleaseArtifact",
    "build_release",
    "files_of_layers",
    "unpack_layer",
    "wheel_set_manifest",
    "write_layer",
]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's blob in a file: `title`, its descriptor, and the sha256 (hex) of each file in it.

    The keys of `files` are paths below the package's folder, such as `recipe/recipe.yaml`.
    """

    title: str
    descriptor: Descriptor
    path: Path
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class ReleaseArtifact:
    """Everything of a release that is pushed but its wheels and signature."""

    metadata: PackageMetadata
    manifest: bytes
    descriptor: Descriptor
    config: bytes
    config_descriptor: Descriptor
    layers: tuple[Layer, ...]

    @property
    def files(self) -> dict[str, str]:
        """The sha256 (hex) of every file of every layer: what the release statement lists."""
        return {path: digest for layer in self.layers for path, digest in layer.files.items()}


def build_release(tree: Path, into: Path) -> ReleaseArtifact:
    """Draw the release of the package at `tree` (`OUT/team/etl-1.2.3`).

    Layers' blobs are written into the folder `into`, named by their digest's hex; memory stays
    small whatever the files' sizes.

    Raises:
        NotAPackage: a file or folder is missing, or one too many.
        InvalidMetadata: package.json is not valid.
        UnsafePath: a link, a device, or a name that can't be laid out everywhere.
    """
    config = _read(tree, "metadata/package.json")
    metadata = PackageMetadata.from_bytes(config)
    _read(tree, "recipe/run_recipe.py")
    layers = [
        write_layer(
            tree / folder,
            f"{metadata.title}/{folder}",
            into,
            only=METADATA_FILES if folder == "metadata" else None,
        )
        for folder in FOLDERS
        if os.path.lexists(tree / folder)
    ]
    for wanted in METADATA_FILES:
        _read(tree, f"metadata/{wanted}")
    config_descriptor = Descriptor.of(config, media.PACKAGE_CONFIG)
    annotations = {media.TITLE: metadata.name, media.VERSION: metadata.version}
    if metadata.summary:
        annotations[media.DESCRIPTION] = metadata.summary
    if metadata.license:
        annotations[media.LICENSES] = metadata.license
    manifest = image_manifest(
        artifact_type=media.PACKAGE,
        config=config_descriptor,
        layers=[layer.descriptor for layer in layers],
        annotations=annotations,
    )
    return ReleaseArtifact(
        metadata,
        manifest,
        Descriptor.of(manifest, media.MANIFEST),
        config,
        config_descriptor,
        tuple(layers),
    )


def _read(tree: Path, name: str) -> bytes:
    path = tree / name
    if not path.is_file():
        raise NotAPackage(tree, f"{name} is missing; pack it again")
    return path.read_bytes()


def write_layer(
    folder: Path, title: str, into: Path, *, only: Sequence[str] | None = None
) -> Layer:
    """Write the layer of `folder` into the folder `into`, under its digest's hex.

    `only` limits it to these files at the folder's top.

    Raises:
        UnsafePath: a link, a device, or a name that can't be laid out everywhere.
    """
    handle, name = tempfile.mkstemp(prefix="layer-", dir=into)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            sink = _Counting(file)
            files = write_folder(folder, title, sink, only=only)
        digest = Digest("sha256", sink.hash.hexdigest())
        path = into / digest.hex
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    annotations = {media.TITLE: title, media.UNPACK: "true"}
    descriptor = Descriptor(media.LAYER_TAR_GZIP, digest, sink.size, annotations)
    return Layer(title, descriptor, path, files)


class _Counting:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.hash.update(data)
        self.size += len(data)
        self._sink.write(data)


def wheel_set_manifest(release: Descriptor, platform: str, wheels: Iterable[Wheel]) -> bytes:
    """Return the manifest of the wheel set of `release` for `platform` (`linux/amd64`).

    Its layers are the wheels themselves, sorted by file name; which of a release's wheels belong to
    a platform is said by `recipes.wheels.wheels_for`.
    """
    layers = [
        Descriptor(
            media.WHEEL, Digest("sha256", each.sha256), each.size, {media.TITLE: each.filename}
        )
        for each in sorted(wheels, key=lambda each: each.filename)
    ]
    subject = Descriptor(release.media_type, release.digest, release.size)
    return image_manifest(
        artifact_type=media.WHEEL_SET,
        config=EMPTY_CONFIG,
        layers=layers,
        subject=subject,
        annotations={media.PLATFORM: platform},
    )


def files_of_layers(layers: Iterable[Layer]) -> dict[str, str]:
    """Return the sha256 (hex) of every file of these layers, by its path below the package."""
    return {path: digest for layer in layers for path, digest in layer.files.items()}
