"""Manifests: put, get, delete; which are staged, and which are the server's.

Staged is a release until its admission, and what refers to it; in a repository that isn't anything
yet, what could belong to a release. Tags that are versions of a package, or channels of an
application, are the server's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import InvalidManifest
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from artifacts.reference import RepositoryName, Tag
from registry import lookups
from registry.access import Access, Principal, Verb
from registry.audit import Audit
from registry.batches import among
from registry.config import RegistryConfig
from registry.database import Database
from registry.errors import (
    Denied,
    InUse,
    ManifestBlobUnknown,
    ManifestTooLarge,
    ManifestUnknown,
    ServerOwned,
)
from registry.oci import immutable
from registry.oci.contents import (
    Contents,
    KeptManifest,
    find_manifest,
    inline,
)
from registry.oci.referrers import check_listable
from registry.oci.repositories import STAGING_TYPES, Kind, Repositories, decide_kind
from registry.releases import successor_of, yank_of
from registry.reviews import Kind as ReviewKind
from registry.reviews import Reason
from registry.schema import (
    BlobRow,
    BundleRow,
    ChannelRow,
    ManifestPartRow,
    ManifestRow,
    PromotionRow,
    ReleaseRow,
    RepositoryBlobRow,
    RepositoryRow,
    TagRow,
)
from resolver.errors import InvalidVersion
from resolver.version import Version
from storage.failpoints import Failpoint, failpoint

# Layers that image-spec lets a registry not have (layer.md, "Non-Distributable Layers").
_ELSEWHERE = (".nondistributable.", ".foreign.")

_MOST_NAMED = 10
"""Indexes that a refused deletion names at most."""

_CHUNK = 500
"""Digests that one query asks for: SQLite bounds its variables."""


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

    def __init__(
        self,
        *,
        config: RegistryConfig,
        database: Database,
        access: Access,
        contents: Contents,
        repositories: Repositories,
        audit: Audit,
    ) -> None:
        self._limit = config.manifest_limit
        self._channels = config.channels
        self._database = database
        self._access = access
        self._contents = contents
        self._repositories = repositories
        self._audit = audit

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
            InvalidManifest: (artifacts) not a manifest, or a part has another size than it says.
            DigestMismatch: (artifacts) not the digest that it was put under.
            ManifestBlobUnknown: blobs or manifests that it needs aren't in the repository.
            WrongKind: the name is something else.
            ServerOwned: the tag is the server's.
            TagImmutable: the tag names another manifest, and the namespace holds it.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not push there.
        """
        if len(data) > self._limit:
            raise ManifestTooLarge(len(data), self._limit)
        with self._database.session():
            self._repositories.check_push(principal, repository)
        manifest = parse_manifest(data, media_type)
        wanted = list(tags)
        algorithm = "sha256"
        if isinstance(reference, Digest):
            reference.check(f"manifest of {repository}", data)
            algorithm = reference.algorithm
        else:
            wanted.insert(0, reference)
        kept = KeptManifest(inline(data, algorithm), manifest)
        check_listable(kept)
        with self._database.write(repository.namespace):
            row = self._repositories.open_for_push(principal, repository)
            self._check_tags(row, Kind(row.kind), wanted, kept.kept.digest)
            self._check_attach(principal, row, manifest, wanted)
            kind = Kind(row.kind)
            if find_manifest(row, kept.kept.digest) is None:  # else it only gets another tag
                kind = decide_kind(kind, repository, manifest)
            _check_parts(row, manifest, is_sparse=may_be_sparse(row, kind, manifest))
            self._check_tags(row, kind, wanted, kept.kept.digest)
            if kind != row.kind:
                self._repositories.become(row, kind)
                if kind is Kind.PACKAGE:
                    self._drop_version_tags(row)
            added, created = self._contents.add_manifest(
                principal, row, kept, is_staged=_is_staged(row, kind, manifest)
            )
            tags_before = {
                tag.text: self._contents.set_tag(row, tag, added) for tag in dict.fromkeys(wanted)
            }
            if not wanted:
                self._contents.reviews.queue(ReviewKind.MANIFEST, row, added.digest, Reason.PUT)
            self._audit.record(
                principal,
                "manifest.put",
                f"{repository}@{added.digest}",
                {"created": created, "tags": list(tags_before)},
            )
            for text, before in tags_before.items():
                if before != added.digest:
                    moved = {"from": before, "to": added.digest}
                    self._audit.record(principal, "tag.set", f"{repository}:{text}", moved)
            info = _info(repository, added)
            failpoint(Failpoint.MANIFEST_BEFORE_COMMIT)
        failpoint(Failpoint.MANIFEST_AFTER_COMMIT)
        return PutManifest(info, created, tuple(wanted))

    def find(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> ManifestInfo | None:
        """Return a manifest that the principal may see, or None.

        Raises:
            NotAuthenticated, NamespaceUnknown: it may not read there.
        """
        with self._database.session():
            row = self._find(principal, repository, reference)
            return None if row is None else _info(repository, row)

    def stat(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> ManifestInfo:
        """Return a manifest that the principal may see, without its bytes.

        Raises:
            ManifestUnknown: not there, or staged and the principal may not publish there.
            NotAuthenticated, NamespaceUnknown: it may not read there.
        """
        with self._database.session():
            return _info(repository, self._get(principal, repository, reference))

    def touch(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> tuple[ManifestInfo, bool]:
        """Return the same for a client that may rely on it: who may push has it kept for a grace.

        Also return whether it is to ask again: what waits for a review, asked for by who may push.

        Raises:
            ManifestUnknown, NotAuthenticated, NamespaceUnknown: as `stat`.
        """
        while True:
            with self._database.session():
                row = self._get(principal, repository, reference)
                info, holder = _info(repository, row), row.repository
                reviews = self._contents.reviews
                if not reviews.awaits(ReviewKind.MANIFEST, holder, row.digest):
                    return info, False
                if not self._repositories.may_rely(principal, repository):
                    return info, False
                if reviews.renew(ReviewKind.MANIFEST, holder, row.digest):
                    return info, True

    def get(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> StoredManifest:
        """Return a manifest that the principal may see, with its bytes.

        Raises:
            ManifestUnknown, NotAuthenticated, NamespaceUnknown: as `stat`.
        """
        with self._database.read():  # its row and its bytes as one: a sweep may come between
            row = self._get(principal, repository, reference)
            return StoredManifest(_info(repository, row), self._contents.read(row.blob))

    def delete(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> None:
        """Delete a tag, or a manifest with its tags.

        Raises:
            ManifestUnknown: not there.
            ServerOwned: a tag of the server's.
            TagImmutable: the namespace holds the tag, or one of the manifest's.
            InUse: a listed release or what belongs to it, a part of a bundle or of another index
                (which a sparse namespace lets go), a bundle that is or was in a channel, or a
                statement about one.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not delete.
        """
        with self._database.write(repository.namespace):
            self._access.require(principal, Verb.DELETE, repository.namespace, repository.text)
            row = self._get(principal, repository, reference)
            holder = row.repository
            if isinstance(reference, Tag):
                self._check_tag(holder, Kind(holder.kind), reference)
                immutable.refuse_change(holder, reference, None)
                self._contents.delete_tags(holder, [reference.text])
                detail = {"digest": row.digest}
                self._audit.record(principal, "tag.delete", f"{repository}:{reference}", detail)
                return
            name = f"{repository}@{reference}"
            needed_by = list(dict.fromkeys(_needed_by(holder, row)))
            if needed_by:
                raise InUse(name, needed_by)
            tags = list(TagRow.select().where(TagRow.manifest == row).order_by(TagRow.name))
            immutable.refuse_deletion(holder, tags)
            BundleRow.delete().where(BundleRow.manifest == row).execute()
            TagRow.delete().where(TagRow.manifest == row).execute()
            dropped = self._contents.delete_manifests([row])
            lost = {"tags": [*(tag.name for tag in tags), *dropped]}
            self._audit.record(principal, "manifest.delete", name, lost)
            failpoint(Failpoint.DELETE_BEFORE_COMMIT)
        failpoint(Failpoint.DELETE_AFTER_COMMIT)

    def _get(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> ManifestRow:
        row = self._find(principal, repository, reference)
        if row is None:
            separator = ":" if isinstance(reference, Tag) else "@"
            raise ManifestUnknown(f"{repository}{separator}{reference}")
        return row

    def _find(
        self, principal: Principal, repository: RepositoryName, reference: Tag | Digest
    ) -> ManifestRow | None:
        self._access.require(principal, Verb.PULL, repository.namespace, repository.text)
        holder = self._repositories.find(repository)
        row = None if holder is None else find_manifest(holder, reference)
        if row is None or not row.is_staged:
            return row
        return row if self._repositories.sees_staged(principal, repository) else None

    def _drop_version_tags(self, repository: RepositoryRow) -> None:
        """Take away the tags that are the server's from now on: what they named wasn't admitted."""
        tags = TagRow.select().where(TagRow.repository == repository)
        dropped = [row for row in tags if _is_version(row.name)]
        immutable.refuse_deletion(repository, dropped)
        self._contents.delete_tags(repository, [row.name for row in dropped])

    def _check_attach(
        self,
        principal: Principal,
        repository: RepositoryRow,
        manifest: ImageManifest | ImageIndex,
        tags: Sequence[Tag],
    ) -> None:
        """Refuse all but statements, without a tag, of who may only attach to an application."""
        name = RepositoryName(repository.name)
        if self._access.allows(principal, Verb.PUSH, name.namespace, name.text):
            return
        if tags or manifest.artifact_type != media.STATEMENT or manifest.subject is None:
            reason = f"its role is {principal.role}, which adds statements and nothing else"
            raise Denied(principal.name, Verb.PUSH, name.text, reason)

    def _check_tags(
        self, repository: RepositoryRow, kind: Kind, tags: Sequence[Tag], digest: Digest
    ) -> None:
        """Refuse tags that aren't the client's to give to `digest`, in a repository of `kind`."""
        for tag in tags:
            self._check_tag(repository, kind, tag)
            immutable.refuse_change(repository, tag, str(digest))

    def _check_tag(self, repository: RepositoryRow, kind: Kind, tag: Tag) -> None:
        """Refuse a tag that is, or will be, the server's."""
        reason = None
        if kind is Kind.PACKAGE and _is_version(tag.text):
            reason = "the tags that are versions of a package are made by its admission"
        elif kind is Kind.APPLICATION and (
            tag.text in self._channels
            or ChannelRow.select()
            .where((ChannelRow.repository == repository) & (ChannelRow.name == tag.text))
            .exists()
        ):
            reason = "it is a channel, which only a promotion moves"
        elif kind is Kind.PLAIN:
            found = lookups.tag(repository.id, tag.text)
            if found is not None and found.is_server_owned:
                reason = f"{_channel_of(repository, tag.text)} moves only with a promotion"
        if reason is not None:
            raise ServerOwned(repository.name, tag.text, reason)


def _is_version(text: str) -> bool:
    try:
        Version.parse(text)
    except InvalidVersion:
        return False
    return True


def is_elsewhere(part: Descriptor) -> bool:
    """Return whether a registry needn't have a part, since it is fetched from somewhere else."""
    return any(word in part.media_type for word in _ELSEWHERE)


def may_be_sparse(
    repository: RepositoryRow, kind: Kind, manifest: ImageManifest | ImageIndex
) -> bool:
    """Return whether a manifest may lack parts: never what a release or bundle is made of."""
    is_plain = kind in {Kind.NEW, Kind.PLAIN} and manifest.artifact_type not in STAGING_TYPES
    return is_plain and bool(repository.namespace.is_sparse)


def _check_parts(
    repository: RepositoryRow, manifest: ImageManifest | ImageIndex, *, is_sparse: bool
) -> None:
    """Refuse a manifest with parts that aren't in the repository, or not of the size it says."""
    blobs = [part for part in manifest.blobs if not is_elsewhere(part)]
    held = _sizes_of(
        blobs,
        BlobRow.select(BlobRow.digest, BlobRow.size)
        .join(RepositoryBlobRow)
        .where(RepositoryBlobRow.repository == repository),
        BlobRow.digest,
    )
    missing = _compare(blobs, held)
    held = _sizes_of(
        manifest.children,
        ManifestRow.select(ManifestRow.digest, ManifestRow.size).where(
            ManifestRow.repository == repository
        ),
        ManifestRow.digest,
    )
    missing += _compare(manifest.children, held)
    if missing and not is_sparse:
        raise ManifestBlobUnknown(repository.name, tuple(dict.fromkeys(missing)))


def _sizes_of(parts: Sequence[Descriptor], query: Any, column: Any) -> dict[str, int]:
    """Return the sizes of those of `parts` that `query` finds; some 40,000 fit into a manifest."""
    digests = list(dict.fromkeys(str(part.digest) for part in parts))
    sizes: dict[str, int] = {}
    for start in range(0, len(digests), _CHUNK):
        sizes.update(query.where(column.in_(digests[start : start + _CHUNK])).tuples())
    return sizes


def _compare(parts: Sequence[Descriptor], sizes: Mapping[str, int]) -> list[str]:
    """Return the digests of the parts that are missing.

    Raises:
        InvalidManifest: (artifacts) one has another size than the manifest says.
    """
    missing = []
    for part in parts:
        found = sizes.get(str(part.digest))
        if found is None:
            missing.append(str(part.digest))
        elif found != part.size:
            reason = f"it says that {part.digest} has {part.size} bytes, and that has {found}"
            raise InvalidManifest(reason)
    return missing


def _is_staged(repository: RepositoryRow, kind: Kind, manifest: ImageManifest | ImageIndex) -> bool:
    if kind is Kind.NEW:
        return manifest.artifact_type in STAGING_TYPES
    if kind is not Kind.PACKAGE:
        return False
    if manifest.subject is None:
        return True
    subject = find_manifest(repository, manifest.subject.digest)
    return subject is None or subject.is_staged


def _needed_by(repository: RepositoryRow, row: ManifestRow) -> Iterable[str]:
    """Yield what a manifest can't be deleted for: releases, and what channels hold or held."""
    releases = ReleaseRow.select().where(ReleaseRow.repository == repository)
    for release in releases.order_by(ReleaseRow.id):
        if row.digest == release.manifest.digest or (
            row.artifact_type in STAGING_TYPES and row.subject == release.manifest.digest
        ):
            yield f"the release {repository.name} {release.version}"
    bundles = (
        BundleRow.select(BundleRow, ManifestRow)
        .join(ManifestRow)
        .where(BundleRow.repository == repository)
        .order_by(BundleRow.id)
    )
    for bundle in bundles:
        digest = bundle.manifest.digest
        promoted = PromotionRow.select().where(PromotionRow.bundle == bundle)
        if digest in {row.digest, row.subject} and promoted.exists():
            yield f"the bundle {digest}, which is or was in a channel"
    yield from _server_needs(repository, row)
    if not repository.namespace.is_sparse:
        yield from _indexes_of(repository, row)


def _indexes_of(repository: RepositoryRow, row: ManifestRow) -> Iterable[str]:
    """Yield the indexes that would lack a manifest, but for bundles."""
    bundles = BundleRow.select(BundleRow.manifest).where(BundleRow.repository == repository)
    query: Any = (
        ManifestRow.select(ManifestRow.digest)
        .join(ManifestPartRow)
        .where(
            (ManifestRow.repository == repository)
            & (ManifestPartRow.digest == row.digest)
            & ManifestPartRow.is_manifest
            & ManifestRow.id.not_in(bundles)
        )
        .order_by(ManifestRow.id)
        .limit(_MOST_NAMED)
    )
    for (digest,) in query.tuples():
        yield f"the index {digest}"


def _server_needs(repository: RepositoryRow, row: ManifestRow) -> Iterable[str]:
    """Yield the bundles that hold a manifest, also by an image that does, and channels that tag it.

    That the namespace is sparse lets neither lose anything.
    """
    above: dict[str, ManifestRow] = {}
    fresh = [row.digest]
    while fresh:
        query = (
            ManifestRow.select()
            .join(ManifestPartRow)
            .where(
                (ManifestRow.repository == repository)
                & ManifestPartRow.digest.in_(fresh[:_CHUNK])
                & ManifestPartRow.is_manifest
            )
        )
        found = {each.digest: each for each in query if each.digest not in above}
        above |= found
        fresh = [*fresh[_CHUNK:], *found]
    ids = [each.id for each in above.values()]
    bundles = BundleRow.select(BundleRow, ManifestRow).join(ManifestRow)
    for bundle in bundles.where(among(BundleRow.manifest, ids)).order_by(BundleRow.id):
        yield f"the bundle {bundle.manifest.digest}"
    if repository.kind == Kind.PLAIN:
        tags = TagRow.select().where(
            among(TagRow.manifest, [row.id, *ids]) & TagRow.is_server_owned
        )
        for tag in tags.order_by(TagRow.name):
            yield _channel_of(repository, tag.name)


def _channel_of(image: RepositoryRow, tag: str) -> str:
    """Return what a tag of the server's on an image's repository is."""
    application = "/".join(image.name.split("/", 2)[:2])
    return f"the channel {tag} of {application}"


def _info(repository: RepositoryName, row: ManifestRow) -> ManifestInfo:
    return ManifestInfo(
        repository=repository,
        digest=Digest.parse(row.digest),
        media_type=row.media_type,
        size=row.size,
        artifact_type=row.artifact_type,
        subject=None if row.subject is None else Digest.parse(row.subject),
        staged=row.is_staged,
        warning=_warning(repository, row),
    )


def _warning(repository: RepositoryName, row: ManifestRow) -> str | None:
    """Return what is to be said of a yanked release, and what to take instead.

    That a later version has come is no reason to warn: what is locked is meant to stay.
    """
    release = lookups.release(row.id)
    yank = None if release is None else yank_of(release)
    if release is None or yank is None:
        return None
    later = successor_of(release)
    said = "" if later is None else f"; {later.version} is the newest that is not"
    return f"{repository} {release.version} was yanked: {yank.reason}{said}"
