"""Bundles: an image index of a lock and all that it pins, in the application's repository.

::

    index  application/vnd.recipebox.bundle.v1
    ├── lock        application/vnd.recipebox.lock.v1, with the lock's TOML as its layer
    ├── then, sorted by digest, for each package of the lock:
    │   ├── the release        application/vnd.recipebox.package.v1
    │   ├── its wheel sets     application/vnd.recipebox.wheelset.v1, for every platform
    │   └── its statements     application/vnd.recipebox.statement.v1: release and receipt
    ├── then, sorted by repository and digest, each image, with the annotation
    │                          io.recipebox.image: the repositories that it is of
    └── then, sorted by digest, what signs an image or a manifest below it (registry/images.py)

Every entry is linked into the application's repository by rows, with its blobs and, of an image,
all manifests below it: whoever may read the application may read them there. So its maker must be
able to read each, and a public application holds nothing private. A bundle is known by its lock and
its images: who asks for these again gets the one that there is.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_index, image_manifest
from artifacts.reference import PackageName, RepositoryName
from registry.acceptance import acceptance_of_parts, part_of
from registry.access import Access, Principal, Verb
from registry.audit import Audit
from registry.clock import Clock, moment, seconds
from registry.config import RegistryConfig
from registry.database import Database
from registry.errors import BundleUnknown, InvalidBundle
from registry.events import Outbox
from registry.images import BundledImage, ImageReference, Images
from registry.oci.contents import Contents, KeptManifest, inline_manifest, referrers_of
from registry.oci.repositories import Repositories
from registry.releases import (
    find_release,
    platforms_of,
    requirements_of,
    signers_of,
)
from registry.schema import (
    BundleImageRow,
    BundleReleaseRow,
    BundleRow,
    ChannelRow,
    ManifestPartRow,
    ManifestRow,
    ReleaseRow,
    RepositoryRow,
)
from resolver.errors import ResolverError
from resolver.lock import Lock, LockedPackage
from storage.failpoints import Failpoint, failpoint

_STATEMENTS = ("release", "receipt")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle: its digest, the size of its index in bytes, and the versions it pins by name.

    `images` are in the order of their entries.
    """

    application: PackageName
    digest: Digest
    size: int
    packages: Mapping[str, str]
    created: datetime
    created_by: str
    images: tuple[BundledImage, ...] = ()


class Bundles:
    """Makes bundles from locks and images."""

    def __init__(
        self,
        *,
        config: RegistryConfig,
        database: Database,
        access: Access,
        contents: Contents,
        repositories: Repositories,
        images: Images,
        outbox: Outbox,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._channels = config.channels
        self._database = database
        self._access = access
        self._contents = contents
        self._repositories = repositories
        self._images = images
        self._outbox = outbox
        self._audit = audit
        self._clock = clock

    def create(
        self,
        principal: Principal,
        application: PackageName,
        lock_text: str,
        images: Collection[ImageReference] = (),
    ) -> Bundle:
        """Make the bundle of a lock and images; the same ones, in any order, give the same bundle.

        That is so even where somebody hung another statement on a release since, or a signature on
        an image.

        The first creates the application. Its client signs the bundle afterwards, by a statement
        referrer of kind `bundle`.

        Raises:
            InvalidBundle: not a lock, or parts that are missing, yanked, unsigned or different;
                images that aren't there, are none, or lack something; or too many.
            WrongKind: the name is a package or a plain repository.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        self._access.require(principal, Verb.BUNDLE, application.namespace, str(application))
        try:
            lock = Lock.loads(lock_text)
        except ResolverError as error:
            raise InvalidBundle(str(application), [str(error)]) from error
        if not lock.packages:
            raise InvalidBundle(str(application), ["the lock holds no package"])
        with self._database.read():
            planned = self._plan(principal, application, lock, images)
        lock_manifest = self._keep_lock(lock)
        index = inline_manifest(
            image_index(
                artifact_type=media.BUNDLE,
                manifests=[lock_manifest.descriptor, *planned.entries],
            )
        )
        with self._database.write():
            self._access.require(principal, Verb.BUNDLE, application.namespace, str(application))
            repository, is_new = self._repositories.open_application(principal, application)
            if is_new:
                self._add_channels(repository)
            found = _find_bundle_of(repository, lock_manifest.kept.digest, planned.images)
            if found is not None:
                return draw_bundle(application, found)
            releases = self._releases(principal, application, lock)
            rows = self._rows_again(principal, application, planned)
            self._contents.add_manifest(principal, repository, lock_manifest, is_staged=False)
            for entry in rows:
                self._contents.link_manifest(principal, entry, repository)
            row, _ = self._contents.add_manifest(principal, repository, index, is_staged=False)
            bundle = BundleRow.create(
                repository=repository,
                manifest=row,
                packages=json.dumps(
                    {str(one.name): str(one.version) for one in lock.packages}, sort_keys=True
                ),
                created=seconds(self._clock()),
                created_by=principal.name,
            )
            for release in releases:
                BundleReleaseRow.create(bundle=bundle, release=release)
            for image in planned.images:
                BundleImageRow.create(
                    application=repository,
                    bundle=bundle,
                    repository=image.repository.text,
                    digest=str(image.digest),
                    size=image.size,
                    platforms=json.dumps(image.platforms),
                )
            self._outbox.record(
                "bundle.created", {"application": str(application), "digest": row.digest}
            )
            self._audit.record(principal, "bundle.create", f"{application}@{row.digest}")
            drawn = draw_bundle(application, bundle)
            failpoint(Failpoint.BUNDLE_BEFORE_COMMIT)
        failpoint(Failpoint.BUNDLE_AFTER_COMMIT)
        return drawn

    def _plan(
        self,
        principal: Principal,
        application: PackageName,
        lock: Lock,
        wanted: Collection[ImageReference],
    ) -> "_Plan":
        """Return what a bundle is to hold beside its lock.

        Raises:
            InvalidBundle: a part doesn't hold.
        """
        releases = self._releases(principal, application, lock)
        parts = {row.digest: row for release in releases for row in _entries(release)}
        found = self._images.find(principal, application, wanted)
        described = [self._images.describe(each) for each in found]
        signatures = {row.digest: row for each in found for row in each.signatures}
        return _Plan(
            entries=(
                *(_descriptor(parts[digest]) for digest in sorted(parts)),
                *(entry for entry, _ in described),
                *(_descriptor(signatures[digest]) for digest in sorted(signatures)),
            ),
            parts=tuple(parts.values()),
            images=tuple(image for _, images in described for image in images),
            of_images=frozenset(digest for each in found for digest in each.rows),
        )

    def _rows_again(
        self, principal: Principal, application: PackageName, planned: "_Plan"
    ) -> list[ManifestRow]:
        """Return the rows of what was planned, as they are within the transaction that links them.

        Raises:
            InvalidBundle: something of an image went away meanwhile.
        """
        wanted = [ImageReference(image.repository, image.digest) for image in planned.images]
        again: dict[str, ManifestRow] = {}
        for found in self._images.find(principal, application, wanted):
            again |= found.rows
        gone = sorted(planned.of_images - again.keys())
        if gone:
            raise InvalidBundle(
                str(application), [f"{each} of an image went away meanwhile" for each in gone]
            )
        return [*planned.parts, *(again[digest] for digest in sorted(planned.of_images))]

    def get(self, principal: Principal, application: PackageName, digest: Digest) -> Bundle:
        """Return one.

        Raises:
            BundleUnknown: there is none.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.session():
            self._access.require(principal, Verb.PULL, application.namespace, str(application))
            repository = self._repositories.find(application.repository)
            row = None if repository is None else find_bundle(repository, digest)
            if row is None:
                raise BundleUnknown(f"{application}@{digest}")
            return draw_bundle(application, row)

    def _releases(
        self, principal: Principal, application: PackageName, lock: Lock
    ) -> list[ReleaseRow]:
        """Return the rows of a lock's packages, each as the lock says.

        Raises:
            InvalidBundle: names every part that is something else.
        """
        found: list[tuple[LockedPackage, ReleaseRow | None]] = []
        for package in lock.packages:
            release = None
            if self._access.allows(principal, Verb.PULL, package.name.namespace):
                release = find_release(package.name, str(package.version))
            found.append((package, release))
        releases = [release for _, release in found if release is not None]
        parts = {release.id: part_of(release) for release in releases}
        accepted = acceptance_of_parts(self._access, application, parts.values(), exists=True)
        problems: list[str] = []
        for package, release in found:
            if release is None:
                problems.append(f"{package.name} {package.version} is not listed")
                continue
            problems += _differences(package, release)
            problems += accepted.refusals(parts[release.id])
        if problems:
            raise InvalidBundle(str(application), problems)
        return releases

    def _keep_lock(self, lock: Lock) -> KeptManifest:
        text = lock.dumps().encode()
        data = image_manifest(
            artifact_type=media.LOCK,
            config=EMPTY_CONFIG,
            layers=[Descriptor.of(text, media.LOCK_TOML, {media.TITLE: "recipebox.lock"})],
        )
        return inline_manifest(data, (media.EMPTY_JSON, text))

    def _add_channels(self, repository: RepositoryRow) -> None:
        # Tags that were there before are no channels: only a promotion makes those.
        self._contents.delete_tags(repository, self._channels)
        for position, name in enumerate(self._channels):
            ChannelRow.create(repository=repository, name=name, position=position, bundle=None)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a bundle is to hold: its entries after the lock, and the rows that they are of.

    `of_images` are the digests of every manifest of an image, and of what signs these.
    """

    entries: tuple[Descriptor, ...]
    parts: tuple[ManifestRow, ...]
    images: tuple[BundledImage, ...]
    of_images: frozenset[str]


def _differences(package: LockedPackage, release: ReleaseRow) -> list[str]:
    """Return what the index says otherwise than a lock does of a package."""
    name = f"{package.name} {package.version}"
    problems = []
    if release.manifest.digest != str(package.digest):
        # The rest would only say the same again.
        return [f"{name} is listed as {release.manifest.digest}, and locked as {package.digest}"]
    signers = signers_of(release)
    if package.signers != signers:
        problems.append(f"{name} is signed by {_words(signers)}, not {_words(package.signers)}")
    if package.size != release.manifest.size:
        problems.append(f"{name} has {release.manifest.size} bytes, not {package.size}")
    requires = requirements_of(release, package.extras)
    if package.requires != requires:
        listed, locked = _words(map(str, requires)), _words(map(str, package.requires))
        problems.append(f"{name} requires {listed}, not {locked}")
    wheels = platforms_of(release)
    for platform, digest in package.wheel_sets.items():
        if platform not in wheels or wheels[platform].digest != digest:
            problems.append(f"{name} has no wheel set {digest} for {platform}")
    return problems


def _words(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "nothing"


def _entries(release: ReleaseRow) -> list[ManifestRow]:
    """Return a release, its wheel sets, and the statements and receipt of it."""
    wheel_sets = {str(one.digest) for one in platforms_of(release).values()}
    entries = [release.manifest]
    for row in referrers_of(release.repository, release.manifest.digest):
        kind = json.loads(row.annotations).get(media.STATEMENT_KIND)
        is_statement = row.artifact_type == media.STATEMENT and kind in _STATEMENTS
        if row.digest in wheel_sets or is_statement:
            entries.append(row)
    return entries


def _descriptor(row: ManifestRow) -> Descriptor:
    return Descriptor(
        row.media_type, Digest.parse(row.digest), row.size, artifact_type=row.artifact_type
    )


def find_bundle(repository: RepositoryRow, digest: Digest) -> BundleRow | None:
    """Return a bundle of an application, or None."""
    found: BundleRow | None = (
        BundleRow.select()
        .join(ManifestRow)
        .where((BundleRow.repository == repository) & (ManifestRow.digest == str(digest)))
        .first()
    )
    return found


def _find_bundle_of(
    repository: RepositoryRow, lock: Digest, images: Iterable[BundledImage]
) -> BundleRow | None:
    """Return an application's bundle of a lock, by its manifest's digest, and images, or None."""
    query = (
        BundleRow.select()
        .join(ManifestRow)
        .join(ManifestPartRow)
        .where((BundleRow.repository == repository) & (ManifestPartRow.digest == str(lock)))
        .order_by(BundleRow.id)
    )
    wanted = {(each.repository, each.digest) for each in images}
    for found in query:
        if {(each.repository, each.digest) for each in images_of(found)} == wanted:
            row: BundleRow = found
            return row
    return None


def images_of(bundle: BundleRow) -> tuple[BundledImage, ...]:
    """Return the images that a bundle holds, in the order of their entries."""
    rows = BundleImageRow.select().where(BundleImageRow.bundle == bundle)
    return tuple(
        BundledImage(
            RepositoryName(row.repository),
            Digest.parse(row.digest),
            row.size,
            tuple(json.loads(row.platforms)),
        )
        for row in rows.order_by(BundleImageRow.id)
    )


def draw_bundle(application: PackageName, row: BundleRow) -> Bundle:
    """Return what a row says."""
    return Bundle(
        application=application,
        digest=Digest.parse(row.manifest.digest),
        size=row.manifest.size,
        packages=json.loads(row.packages),
        created=moment(row.created),
        created_by=row.created_by,
        images=images_of(row),
    )
