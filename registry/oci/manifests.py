"""Manifests: put, get, delete; which are staged, and which are the server's."""

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class ManifestInfo:
    """A manifest without its bytes; `staged` is hidden from all but who may publish there.

    `warning` is a sentence for a client to show (a yanked release), or None.
    """

    repository: RepositoryName
    digest: Digest
    media_type: str
    size: int
    artifact_type: str | None
    subject: Digest | None
    staged: bool
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest and its bytes, as they came."""

    info: ManifestInfo
    data: bytes


@dataclass(frozen=True, slots=True)
class PutManifest:
    """What a put did; `created` is False when the repository had it."""

    info: ManifestInfo
    created: bool
    tags: tuple[Tag, ...]


class Manifests:
    """Keeps manifests: bytes in the store, what they need and are in rows."""

    def put(
        self,
        principal: Principal,
        repository: RepositoryName,
        reference: Tag | Digest,
        data: bytes,
        media_type: str | None,
        *,
        tags: Sequence[Tag] = (),
    ) -> PutManifest:
        """Take in a manifest, under a digest or a tag, and under further `tags`.

        Raises:
            ManifestTooLarge: over the limit.
            InvalidManifest: (artifacts) not a manifest.
            DigestMismatch: (artifacts) not the digest that it was put under.
            ManifestBlobUnknown: blobs or manifests that it needs aren't in the repository.
            WrongKind: the name is something else.
            ServerOwned: the tag is the server's.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not push there.
        """
        raise NotImplementedError

    def find(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> ManifestInfo | None:
        """Return a manifest that the principal may see, or None.

        Raises:
            NotAuthenticated, NamespaceUnknown: it may not read there.
        """
        raise NotImplementedError

    def stat(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> ManifestInfo:
        """Return a manifest that the principal may see, without its bytes.

        Raises:
            ManifestUnknown: not there, or staged and the principal may not publish there.
            NotAuthenticated, NamespaceUnknown: it may not read there.
        """
        raise NotImplementedError

    def get(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> StoredManifest:
        """Return a manifest that the principal may see, with its bytes.

        Raises:
            ManifestUnknown, NotAuthenticated, NamespaceUnknown: as `stat`.
        """
        raise NotImplementedError

    def delete(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> None:
        """Delete a tag, or a manifest with its tags.

        Raises:
            ManifestUnknown: not there.
            ServerOwned: a tag of the server's.
            InUse: a listed release or what belongs to it, a bundle, or a child of an index.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not delete.
        """
        raise NotImplementedError
