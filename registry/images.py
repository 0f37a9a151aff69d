"""The images that a bundle is to hold: read where they are, whole, with what signs them.

::

    team/etl/image@sha256:...    index ──┬── manifest, linux/amd64 ──> config, layers
                                         ├── manifest, linux/arm64 ──> config, layers
                                         └── attestations, as BuildKit adds them
    and, of the same repository, each referrer of one of these that signs it (cosign, Notation)

An image is taken as it is: by its digest, with every manifest and blob below it, none of which may
be missing. Its repository is only where it comes from, and what it is called by. One that a bundle
of the application holds already is read from there where its repository has it no more.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.images import is_image, platform_member, platform_text
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from artifacts.reference import PackageName, RepositoryName
from registry.access import ANONYMOUS, Access, Principal, Verb
from registry.batches import chunks
from registry.errors import InvalidBundle
from registry.oci.contents import Contents, find_blob, find_manifest
from registry.oci.repositories import Repositories
from registry.schema import (
    BlobRow,
    BundleImageRow,
    ManifestRow,
    RepositoryBlobRow,
    RepositoryRow,
)

MOST_IMAGES = 100
"""Images of a bundle at most."""

MOST_MANIFESTS = 500
"""Manifests that the images of a bundle consist of at most, with the signatures of these: each is
linked with its blobs in one transaction, which others wait for (1.5 s, of eight layers each).
"""

_MOST_TOLD = 10
_LARGEST_CONFIG = 4 << 20


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image, by its repository and digest."""

    repository: RepositoryName
    digest: Digest

    def __str__(self) -> str:
        """Return `team/etl/image@sha256:...`."""
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True, slots=True)
class BundledImage:
    """An image of a bundle: `size` is of all that it consists of, each once, in bytes.

    `platforms` are `os/architecture[/variant]`, those that are known, sorted.
    """

    repository: RepositoryName
    digest: Digest
    size: int
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that is whole: its own manifest, those below it, and what signs one of these.

    `runnable` are its images, each with what an index said of its platform.
    """

    repositories: tuple[RepositoryName, ...]
    row: ManifestRow
    below: tuple[ManifestRow, ...]
    signatures: tuple[ManifestRow, ...]
    size: int
    runnable: tuple[tuple[ImageManifest, Mapping[str, Any] | None], ...]

    @property
    def rows(self) -> dict[str, ManifestRow]:
        """Everything of it that an application is to hold, by digest."""
        return {each.digest: each for each in (*self.below, self.row, *self.signatures)}


class Images:
    """Finds images, in a session of the caller's."""

    def __init__(self, access: Access, contents: Contents, repositories: Repositories) -> None:
        self._access = access
        self._contents = contents
        self._repositories = repositories

    def find(
        self, principal: Principal, application: PackageName, wanted: Collection[ImageReference]
    ) -> list[FoundImage]:
        """Return each image once, in the order of its entry in a bundle of `application`.

        Raises:
            InvalidBundle: names each one that isn't there, is no image, isn't whole or is private,
                or says that there are too many.
        """
        asked = set(wanted)
        if len(asked) > MOST_IMAGES:
            said = f"{len(asked)} images were asked for, and a bundle holds {MOST_IMAGES} at most"
            raise InvalidBundle(str(application), [said])
        problems: list[str] = []
        roots: dict[str, dict[RepositoryName, ManifestRow]] = {}
        holder = self._repositories.find(application.repository)
        shows_all = self._access.allows(ANONYMOUS, Verb.PULL, application.namespace)
        for one in sorted(asked, key=str):
            row = self._find_row(principal, holder, one)
            if row is None:
                problems.append(f"the image {one} is not there")
                continue
            namespace = one.repository.namespace
            if shows_all and not self._access.allows(ANONYMOUS, Verb.PULL, namespace):
                said = f"{one.repository} is private, and {application} would show it to everybody"
                problems.append(said)
            roots.setdefault(row.digest, {})[one.repository] = row
        found: list[FoundImage] = []
        seen: set[str] = set()
        for held in roots.values():
            image = self._gather(held, problems)
            if image is None:
                continue
            found.append(image)
            seen.update(image.rows)
            if len(seen) > MOST_MANIFESTS:
                problems.append(
                    f"the images and their signatures are over {MOST_MANIFESTS} manifests"
                )
                break
        if problems:
            raise InvalidBundle(str(application), problems)
        return sorted(found, key=lambda each: (each.repositories[0].text, each.row.digest))

    def describe(self, image: FoundImage) -> tuple[Descriptor, tuple[BundledImage, ...]]:
        """Return the entry of an image, and what is to be known of it, for each repository.

        Raises:
            BlobMissing, StoreUnavailable: (storage) a configuration can't be read.
        """
        platforms = sorted(
            {
                text
                for manifest, said in image.runnable
                if (text := self._platform(image.row.repository, manifest, said)) is not None
            }
        )
        row = image.row
        digest = Digest.parse(row.digest)
        is_single = row.media_type in media.MANIFEST_TYPES and platforms
        names = ",".join(each.text for each in image.repositories)
        entry = Descriptor(
            row.media_type,
            digest,
            row.size,
            {media.IMAGE: names},
            platform=platform_member(platforms[0]) if is_single else None,
        )
        return entry, tuple(
            BundledImage(each, digest, image.size, tuple(platforms)) for each in image.repositories
        )

    def _find_row(
        self, principal: Principal, application: RepositoryRow | None, one: ImageReference
    ) -> ManifestRow | None:
        """Return an image's row; None also where the principal may not know that it is there."""
        name = one.repository
        if not self._access.allows(principal, Verb.PULL, name.namespace, name.text):
            return None
        repository = self._repositories.find(name)
        row = None if repository is None else find_manifest(repository, one.digest)
        if row is None and application is not None and _holds(application, one):
            row = find_manifest(application, one.digest)
        return None if row is None or row.is_staged else row

    def _gather(
        self, held: Mapping[RepositoryName, ManifestRow], problems: list[str]
    ) -> FoundImage | None:
        """Go through an image from its root; what is wrong with it is added to `problems`."""
        repositories = tuple(sorted(held))
        root = held[repositories[0]]
        name = f"{repositories[0]}@{root.digest}"
        walk = _Walk(self._contents, root)
        walk.go()
        if walk.fault is not None:
            problems.append(f"{name} is no image that a bundle holds, but {walk.fault}")
            return None
        signatures = self._signatures(held.values(), walk.rows)
        missing = walk.missing + walk.absent()
        for each in signatures:
            signing = _Walk(self._contents, each)
            signing.read(each)
            missing += signing.absent()
        if missing:
            problems.append(f"{name} isn't whole: it lacks {_told(missing)}")
            return None
        below = tuple(row for digest, row in walk.rows.items() if digest != root.digest)
        return FoundImage(repositories, root, below, signatures, walk.size, tuple(walk.runnable))

    @staticmethod
    def _signatures(held: Iterable[ManifestRow], rows: Collection[str]) -> tuple[ManifestRow, ...]:
        """Return what signs one of these manifests where the image is, by digest; no index."""
        found: dict[str, ManifestRow] = {}
        for root in held:
            for chunk in chunks(rows):
                query = ManifestRow.select().where(
                    (ManifestRow.repository == root.repository_id)
                    & ManifestRow.subject.in_(chunk)
                    & ManifestRow.kind.in_(media.IMAGE_SIGNATURE_TYPES)
                    & ManifestRow.media_type.in_(media.MANIFEST_TYPES)
                    & ~ManifestRow.is_staged
                )
                found |= {row.digest: row for row in query}
        return tuple(found[digest] for digest in sorted(found))

    def _platform(
        self,
        repository: RepositoryRow,
        manifest: ImageManifest,
        said: Mapping[str, Any] | None,
    ) -> str | None:
        """Return an image's platform: what the index says, or else its configuration."""
        if said is not None:
            return platform_text(said)
        blob = find_blob(repository, str(manifest.config.digest))
        if blob is None or blob.size > _LARGEST_CONFIG:
            return None
        try:
            return platform_text(json.loads(self._contents.read(blob)))
        except (ValueError, RecursionError):
            return None


class _Walk:
    """An image, gone through from its root, all within one repository.

    `missing` are manifests that aren't there; `fault` says what the root is, if no image.
    """

    def __init__(self, contents: Contents, root: ManifestRow) -> None:
        self._contents = contents
        self._root = root
        self._said: dict[str, Mapping[str, Any] | None] = {}
        self._blobs: dict[str, int] = {}
        self.rows = {root.digest: root}
        self.runnable: list[tuple[ImageManifest, Mapping[str, Any] | None]] = []
        self.missing: list[str] = []
        self.fault: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all manifests and blobs, each once."""
        return sum(row.size for row in self.rows.values()) + sum(self._blobs.values())

    def go(self) -> None:
        """Read all manifests, until it is clear that it is no image, or too large for one."""
        pending = [self._root]
        for row in pending:  # it grows
            manifest = self.read(row)
            if row is self._root and not is_image(manifest):
                self.fault = f"{manifest.kind}"
                return
            if isinstance(manifest, ImageManifest) and is_image(manifest):
                self.runnable.append((manifest, self._said.get(row.digest)))
            pending += self._children(manifest)
            if len(pending) > MOST_MANIFESTS:
                self.fault = f"an index with over {MOST_MANIFESTS} manifests below it"
                return
        if not self.runnable and not self.missing:
            self.fault = "an index that leads to none"

    def read(self, row: ManifestRow) -> ImageManifest | ImageIndex:
        """Read a manifest, and note which blobs it needs."""
        manifest = parse_manifest(self._contents.read(row.blob), row.media_type)
        self._blobs |= {str(blob.digest): blob.size for blob in manifest.blobs}
        return manifest

    def absent(self) -> list[str]:
        """Return the blobs that the repository lacks, or has with another size."""
        held: dict[str, int] = {}
        for chunk in chunks(self._blobs):
            query: Any = (
                BlobRow.select(BlobRow.digest, BlobRow.size)
                .join(RepositoryBlobRow)
                .where(
                    (RepositoryBlobRow.repository == self._root.repository_id)
                    & BlobRow.digest.in_(chunk)
                )
            )
            held.update(query.tuples())
        return [digest for digest, size in sorted(self._blobs.items()) if held.get(digest) != size]

    def _children(self, manifest: ImageManifest | ImageIndex) -> list[ManifestRow]:
        """Return the manifests that this one needs and that weren't seen yet."""
        fresh = {
            str(one.digest): one for one in manifest.children if str(one.digest) not in self.rows
        }
        found: dict[str, ManifestRow] = {}
        for chunk in chunks(fresh):
            query = ManifestRow.select().where(
                (ManifestRow.repository == self._root.repository_id)
                & ManifestRow.digest.in_(chunk)
                & ~ManifestRow.is_staged
            )
            found |= {row.digest: row for row in query}
        for digest, one in fresh.items():
            if digest not in found or found[digest].size != one.size:
                self.missing.append(digest)
            else:
                self._said[digest] = one.platform
        self.rows |= found
        return list(found.values())


def _holds(application: RepositoryRow, one: ImageReference) -> bool:
    """Return whether a bundle of an application holds, or held, an image of this repository."""
    rows = BundleImageRow.select().where(
        (BundleImageRow.application == application)
        & (BundleImageRow.repository == one.repository.text)
        & (BundleImageRow.digest == str(one.digest))
    )
    return bool(rows.exists())


def _told(missing: Sequence[str]) -> str:
    """Return what is missing, a few by digest."""
    told = ", ".join(missing[:_MOST_TOLD])
    more = len(missing) - _MOST_TOLD
    return f"{told} and {more} more" if more > 0 else told
