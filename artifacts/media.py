"""Media types, artifact types and annotation keys: the OCI's, and Recipebox's own."""

from typing import Final

# image-spec 1.1, media-types.md
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
LAYER_TAR: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_TAR_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
IMAGE_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY_JSON: Final = b"{}"

# Docker's older names of the same things (image-spec, "Compatibility Matrix")
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_IMAGE_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
MANIFEST_TYPES: Final = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEX_TYPES: Final = frozenset({INDEX, DOCKER_INDEX})
IMAGE_CONFIG_TYPES: Final = frozenset({IMAGE_CONFIG, DOCKER_IMAGE_CONFIG})

# What signs an image as a referrer of it
SIGSTORE_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
COSIGN_SIGNATURE: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
NOTATION_SIGNATURE: Final = "application/vnd.cncf.notary.signature"
IMAGE_SIGNATURE_TYPES: Final = frozenset({SIGSTORE_BUNDLE, COSIGN_SIGNATURE, NOTATION_SIGNATURE})

# Artifact types of our own
PACKAGE: Final = "application/vnd.recipebox.package.v1"
WHEEL_SET: Final = "application/vnd.recipebox.wheelset.v1"
STATEMENT: Final = "application/vnd.recipebox.statement.v1"
LOCK: Final = "application/vnd.recipebox.lock.v1"
BUNDLE: Final = "application/vnd.recipebox.bundle.v1"
EXPORT: Final = "application/vnd.recipebox.export.v1"
KEYS: Final = "application/vnd.recipebox.keys.v1"

# Blobs of our own
PACKAGE_CONFIG: Final = "application/vnd.recipebox.package.config.v1+json"
WHEEL: Final = "application/vnd.recipebox.wheel.v1+zip"
LOCK_TOML: Final = "application/vnd.recipebox.lock.v1+toml"
IN_TOTO: Final = "application/vnd.in-toto+json"
PGP_SIGNATURE: Final = "application/pgp-signature"
PGP_KEYS: Final = "application/pgp-keys"

# Evidence: documents about a release, each the layer and the artifact type of a referrer of its own
CYCLONEDX: Final = "application/vnd.cyclonedx+json"
TRACE: Final = "application/vnd.recipebox.trace.v1+json"

# Annotations
TITLE: Final = "org.opencontainers.image.title"
VERSION: Final = "org.opencontainers.image.version"
DESCRIPTION: Final = "org.opencontainers.image.description"
LICENSES: Final = "org.opencontainers.image.licenses"
UNPACK: Final = "io.deis.oras.content.unpack"
STATEMENT_KIND: Final = "io.recipebox.statement"
PLATFORM: Final = "io.recipebox.platform"
IMAGE: Final = "io.recipebox.image"
"""Of a bundle's entry: the repositories that an image is of, by name, joined by commas."""
REGISTRY: Final = "io.recipebox.registry"
REF_NAME: Final = "org.opencontainers.image.ref.name"
