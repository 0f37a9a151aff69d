"""Publishing: a staged manifest becomes a listed release; yank and unyank.

::

    admit    look (registry/admission.py, no transaction)
             countersign for the revision to come
             one transaction: take the revision, list, tag, show what was staged, event, audit

gpg takes its time, so the receipt is signed before the transaction; only where another publish took
the revision in between is it signed again, inside.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName, Tag
from registry.access import Access, Principal, Verb
from registry.admission import Inspected, Inspection, Keys, Referrer
from registry.audit import Audit
from registry.clock import Clock, moment, seconds
from registry.countersign import Countersigning
from registry.database import Database
from registry.errors import (
    InvalidRelease,
    InvalidValue,
    ManifestUnknown,
    ReleaseExists,
    ReleaseUnknown,
    StagedChanged,
    WrongKind,
)
from registry.events import Outbox
from registry.namespaces import key_rows
from registry.oci.contents import (
    Contents,
    KeptManifest,
    find_manifest,
    referrers_of,
    unstage,
)
from registry.oci.repositories import Kind, Repositories
from registry.releases import (
    Yank,
    evidence_of,
    find_release,
    index_revision,
    keep_requirements,
    last_yank_row,
    next_revision,
    read_yank,
)
from registry.schema import (
    ManifestRow,
    NamespaceRow,
    ReleaseRow,
    RepositoryRow,
    YankRow,
)
from signing.statement import receipt_statement
from signing.trust import TrustedKey, TrustPolicy
from storage.failpoints import Failpoint, failpoint

__all__ = ["Admission", "Publishing", "Yank", "trusted_keys"]

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Admission:
    """A listed release; `created` is False when these bytes were listed already."""

    name: PackageName
    version: str
    digest: Digest
    receipt: Digest
    revision: int
    created: bool


@dataclass(frozen=True, slots=True)
class _Staged:
    """A staged release as rows say it: what an inspection needs."""

    manifest: Descriptor
    data: bytes
    referrers: tuple[Referrer, ...]
    blobs: "_Locations"
    keys: Keys


@dataclass(frozen=True, slots=True)
class _Locations:
    """Blobs of one repository, each by its location, which was read once.

    Every blob that its manifests need is there: they were put after it, and hold it.
    """

    contents: Contents
    locations: Mapping[str, str]

    def open_blob(self, digest: Digest) -> BinaryIO:
        """Open a blob (see `registry.admission.Bytes`)."""
        return self.contents.open(str(digest), self.locations[str(digest)])


class Publishing:
    """Admits releases to the index."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        contents: Contents,
        repositories: Repositories,
        countersigning: Countersigning,
        outbox: Outbox,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._access = access
        self._contents = contents
        self._repositories = repositories
        self._countersigning = countersigning
        self._outbox = outbox
        self._audit = audit
        self._clock = clock

    def admit(self, principal: Principal, package: PackageName, digest: Digest) -> Admission:
        """Check everything about a staged release and list it, with a receipt.

        Of one that is listed, evidence that came since is taken in.

        Raises:
            ManifestUnknown: it was not pushed.
            InvalidRelease: it isn't what a release must be.
            Untrusted: no good signature by a key of the namespace with the role `release`.
            ReleaseExists: the version is listed with other bytes.
            StagedChanged: something of it was deleted meanwhile.
            WrongKind: the name is an application or a plain repository.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not admit there.
        """
        with self._database.read():
            self._access.require(principal, Verb.ADMIT, package.namespace, str(package))
            repository, row = self._get_manifest(package, digest)
            listed = ReleaseRow.get_or_none(ReleaseRow.manifest == row)
            admission = None if listed is None else _admission(package, listed, created=False)
            staged = self._staged(repository, row)
        now = self._clock()
        if listed is not None and admission is not None:
            self._see_evidence(principal, package, listed, staged)
            return admission
        found = Inspection(package, digest, staged.blobs, now).run(
            staged.data, staged.referrers, staged.keys
        )
        with self._database.session():
            self._refuse_other(package, found.metadata.version, digest)
            revision = index_revision() + 1
        receipt = self._countersign(package, staged.manifest, found, now, revision)
        with self._database.write():
            self._access.require(principal, Verb.ADMIT, package.namespace, str(package))
            repository, row = self._get_manifest(package, digest)
            listed = ReleaseRow.get_or_none(ReleaseRow.manifest == row)
            if listed is not None:
                return _admission(package, listed, created=False)
            self._refuse_other(package, found.metadata.version, digest)
            self._refuse_changed(package, staged, repository, row)
            taken = next_revision()
            if taken != revision:
                receipt = self._countersign(package, staged.manifest, found, now, taken)
            release = self._list(principal, row, found, receipt=receipt, revision=taken, now=now)
            admission = _admission(package, release, created=True)
            failpoint(Failpoint.ADMIT_BEFORE_COMMIT)
        failpoint(Failpoint.ADMIT_AFTER_COMMIT)
        return admission

    def _see_evidence(
        self, principal: Principal, package: PackageName, listed: ReleaseRow, staged: _Staged
    ) -> None:
        """Keep what a listed release's referrers say of it by now; what was seen before stays."""
        digest = staged.manifest.digest
        found = Inspection(package, digest, staged.blobs, self._clock()).find_evidence(
            listed.version, staged.referrers, staged.keys
        )
        known = evidence_of(listed)
        seen = {
            "proof": known["proof"] or found["proof"],
            "documents": found["documents"] | known["documents"],
        }
        if seen != known:
            with self._database.write():
                self._access.require(principal, Verb.ADMIT, package.namespace, str(package))
                drawn = json.dumps(seen, sort_keys=True)
                ReleaseRow.update(evidence=drawn).where(ReleaseRow.id == listed.id).execute()
                self._audit.record(
                    principal,
                    "release.evidence",
                    f"{package}@{listed.version}",
                    {"digest": str(digest), "proof": bool(seen["proof"])},
                )

    def yank(self, principal: Principal, package: PackageName, version: str, reason: str) -> Yank:
        """Take a release out of what a solver may choose; locks that pin it still work.

        Raises:
            ReleaseUnknown: not listed.
            InvalidValue: the reason is empty, over 500 characters, or has some that can't be shown.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        reason = reason.strip()
        if not 1 <= len(reason) <= LONGEST_REASON or not reason.isprintable():
            expected = f"one line of 1 to {LONGEST_REASON} printable characters"
            raise InvalidValue("reason", reason, expected)
        with self._database.write():
            release = self._get_release(principal, package, version)
            yank = read_yank(last_yank_row(release))
            if yank is not None and yank.reason == reason:
                return yank
            self._change_yank(principal, package, release, reason)
            return Yank(reason, moment(seconds(self._clock())), principal.name)

    def unyank(self, principal: Principal, package: PackageName, version: str) -> None:
        """Take a yank back; one that isn't yanked is no error.

        Raises:
            ReleaseUnknown: not listed.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        with self._database.write():
            release = self._get_release(principal, package, version)
            if read_yank(last_yank_row(release)) is not None:
                self._change_yank(principal, package, release, None)

    def _get_manifest(
        self, package: PackageName, digest: Digest
    ) -> tuple[RepositoryRow, ManifestRow]:
        repository = self._repositories.find(package.repository)
        if repository is not None and repository.kind not in {Kind.NEW, Kind.PACKAGE}:
            raise WrongKind(str(package), found=repository.kind, wanted="release")
        row = None if repository is None else find_manifest(repository, digest)
        if repository is None or row is None:
            raise ManifestUnknown(f"{package}@{digest}")
        return repository, row

    def _staged(self, repository: RepositoryRow, row: ManifestRow) -> _Staged:
        digest = Digest.parse(row.digest)
        if repository.kind != Kind.PACKAGE:
            reason = "it is not a release: no manifest of one was pushed here"
            raise InvalidRelease(repository.name, row.digest, "manifest", reason)
        referrers = referrers_of(repository, row.digest)
        locations = self._locations(repository, row, referrers)
        return _Staged(
            manifest=Descriptor(row.media_type, digest, row.size),
            data=self._contents.read(row.blob),
            referrers=tuple(
                Referrer(Digest.parse(each.digest), self._contents.read(each.blob))
                for each in referrers
            ),
            blobs=_Locations(self._contents, locations),
            keys=trusted_keys(repository.namespace),
        )

    def _locations(
        self, repository: RepositoryRow, row: ManifestRow, referrers: Iterable[ManifestRow]
    ) -> dict[str, str]:
        return {
            blob.digest: blob.location
            for manifest in (row, *referrers)
            for blob in self._contents.parts(repository, manifest)
        }

    def _refuse_changed(
        self, package: PackageName, staged: _Staged, repository: RepositoryRow, row: ManifestRow
    ) -> None:
        """Refuse what lost something since it was looked at, to a delete or a sweep.

        Raises:
            StagedChanged: names it.
        """
        referrers = referrers_of(repository, row.digest)
        there = {each.digest for each in referrers}
        there |= set(self._locations(repository, row, referrers))
        seen = {str(each.digest) for each in staged.referrers} | set(staged.blobs.locations)
        if seen - there:
            raise StagedChanged(f"{package}@{row.digest}", sorted(seen - there))

    def _countersign(
        self,
        package: PackageName,
        manifest: Descriptor,
        found: Inspected,
        now: datetime,
        revision: int,
    ) -> KeptManifest:
        failpoint(Failpoint.ADMIT_BEFORE_RECEIPT)
        statement = receipt_statement(
            package,
            found.metadata.version,
            manifest.digest,
            statement=found.statement,
            signers=found.signers,
            admitted=now,
            revision=revision,
        )
        return self._countersigning.sign(manifest, statement)

    def _refuse_other(self, package: PackageName, version: str, digest: Digest) -> None:
        other = find_release(package, version)
        if other is not None:
            raise ReleaseExists(
                str(package), version, listed=other.manifest.digest, offered=str(digest)
            )

    def _list(
        self,
        principal: Principal,
        row: ManifestRow,
        found: Inspected,
        *,
        receipt: KeptManifest,
        revision: int,
        now: datetime,
    ) -> ReleaseRow:
        repository = row.repository
        version = found.metadata.version
        release = ReleaseRow.create(
            repository=repository,
            version=version,
            manifest=row,
            revision=revision,
            summary=found.metadata.summary,
            metadata=found.config.decode(),
            platforms=json.dumps(
                {
                    platform: {"digest": str(one.digest), "size": one.size}
                    for platform, one in found.platforms.items()
                },
                sort_keys=True,
            ),
            signers=json.dumps(found.signers),
            receipt=str(receipt.kept.digest),
            evidence=json.dumps(found.evidence, sort_keys=True),
            published=seconds(now),
            published_by=principal.name,
        )
        keep_requirements(release)
        self._contents.add_manifest(principal, repository, receipt, is_staged=False)
        unstage(row)
        self._contents.set_tag(repository, Tag(version), row, is_server_owned=True)
        values = {"package": repository.name, "version": version, "digest": row.digest}
        self._outbox.record("release.listed", values | {"revision": revision})
        self._audit.record(
            principal,
            "release.admit",
            f"{repository.name}@{version}",
            {"digest": row.digest, "revision": revision, "signers": list(found.signers)},
        )
        return release

    def _get_release(self, principal: Principal, package: PackageName, version: str) -> ReleaseRow:
        self._access.require(principal, Verb.YANK, package.namespace, str(package))
        release = find_release(package, version)
        if release is None:
            raise ReleaseUnknown(f"{package}@{version}")
        return release

    def _change_yank(
        self, principal: Principal, package: PackageName, release: ReleaseRow, reason: str | None
    ) -> None:
        revision = next_revision()
        YankRow.create(
            release=release,
            revision=revision,
            is_yanked=reason is not None,
            reason=reason or "",
            at=seconds(self._clock()),
            by=principal.name,
        )
        verb = "unyank" if reason is None else "yank"
        values = {"package": str(package), "version": release.version, "revision": revision}
        self._outbox.record(f"release.{verb}ed", values)
        self._audit.record(
            principal, f"release.{verb}", f"{package}@{release.version}", {"reason": reason}
        )


def trusted_keys(namespace: NamespaceRow) -> Keys:
    """Return the keys of a namespace, and what each is trusted for."""
    rows = key_rows(namespace)
    policy = TrustPolicy(
        tuple(TrustedKey(row.fingerprint, frozenset(json.loads(row.roles))) for row in rows)
    )
    return Keys(tuple(row.armored for row in rows), policy)


def _admission(package: PackageName, row: ReleaseRow, *, created: bool) -> Admission:
    return Admission(
        name=package,
        version=row.version,
        digest=Digest.parse(row.manifest.digest),
        receipt=Digest.parse(row.receipt),
        revision=row.revision,
        created=created,
    )
