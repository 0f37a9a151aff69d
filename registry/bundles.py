"""Bundles: an image index of a lock and all that it pins, in the application's repository.

::

    index  application/vnd.recipebox.bundle.v1
    ├── lock        application/vnd.recipebox.lock.v1, with the lock's TOML as its layer
    └── then, sorted by digest, for each package of the lock:
        ├── the release        application/vnd.recipebox.package.v1
        ├── its wheel sets     application/vnd.recipebox.wheelset.v1, for every platform
        └── its statements     application/vnd.recipebox.statement.v1: release and receipt

Every entry is linked into the application's repository by rows, with its blobs: whoever may read
the application may read them there. So its maker must be able to read each, and a public
application holds nothing private.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_index, image_manifest
from artifacts.reference import PackageName
from registry.acceptance import acceptance_of_parts, part_of
from registry.access import Access, Principal, Verb
from registry.audit import Audit
from registry.clock import Clock, moment, seconds
from registry.config import RegistryConfig
from registry.database import Database
from registry.errors import BundleUnknown, InvalidBundle
from registry.events import Outbox
from registry.oci.contents import Contents, KeptManifest, inline_manifest, referrers_of
from registry.oci.repositories import Repositories
from registry.releases import (
    find_release,
    platforms_of,
    requirements_of,
    signers_of,
)
from registry.schema import (
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
    """A bundle: its digest, the size of its index in bytes, and the versions it pins by name."""

    application: PackageName
    digest: Digest
    size: int
    packages: Mapping[str, str]
    created: datetime
    created_by: str


class Bundles:
    """Makes bundles from locks."""

    def __init__(
        self,
        *,
        config: RegistryConfig,
        database: Database,
        access: Access,
        contents: Contents,
        repositories: Repositories,
        outbox: Outbox,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._channels = config.channels
        self._database = database
        self._access = access
        self._contents = contents
        self._repositories = repositories
        self._outbox = outbox
        self._audit = audit
        self._clock = clock

    def create(self, principal: Principal, application: PackageName, lock_text: str) -> Bundle:
        """Make the bundle of a lock; the same lock gives the same bundle.

        That is so even where somebody hung another statement on a release since.

        The first creates the application. Its client signs the bundle afterwards, by a statement
        referrer of kind `bundle`.

        Raises:
            InvalidBundle: not a lock, or parts that are missing, yanked, unsigned or different.
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
            releases = self._releases(principal, application, lock)
            entries = [entry for release in releases for entry in _entries(release)]
            described = {row.digest: _descriptor(row) for row in entries}
        lock_manifest = self._keep_lock(lock)
        index = inline_manifest(
            image_index(
                artifact_type=media.BUNDLE,
                manifests=[
                    lock_manifest.descriptor,
                    *(described[digest] for digest in sorted(described)),
                ],
            )
        )
        with self._database.write():
            self._access.require(principal, Verb.BUNDLE, application.namespace, str(application))
            repository, is_new = self._repositories.open_application(principal, application)
            if is_new:
                self._add_channels(repository)
            found = _find_bundle_of(repository, lock_manifest.kept.digest)
            if found is not None:
                return draw_bundle(application, found)
            releases = self._releases(principal, application, lock)
            self._contents.add_manifest(principal, repository, lock_manifest, is_staged=False)
            for entry in entries:
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
            self._outbox.record(
                "bundle.created", {"application": str(application), "digest": row.digest}
            )
            self._audit.record(principal, "bundle.create", f"{application}@{row.digest}")
            drawn = draw_bundle(application, bundle)
            failpoint(Failpoint.BUNDLE_BEFORE_COMMIT)
        failpoint(Failpoint.BUNDLE_AFTER_COMMIT)
        return drawn

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


def _find_bundle_of(repository: RepositoryRow, lock: Digest) -> BundleRow | None:
    """Return an application's bundle of a lock, by its manifest's digest, or None."""
    found: BundleRow | None = (
        BundleRow.select()
        .join(ManifestRow)
        .join(ManifestPartRow)
        .where((BundleRow.repository == repository) & (ManifestPartRow.digest == str(lock)))
        .order_by(BundleRow.id)
        .first()
    )
    return found


def draw_bundle(application: PackageName, row: BundleRow) -> Bundle:
    """Return what a row says."""
    return Bundle(
        application=application,
        digest=Digest.parse(row.manifest.digest),
        size=row.manifest.size,
        packages=json.loads(row.packages),
        created=moment(row.created),
        created_by=row.created_by,
    )
