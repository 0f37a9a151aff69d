"""Promotions: gates are read, the pointer is compared and swapped, the record is appended.

The record is signed before the transaction, since gpg takes its time; within it the pointer and
every gate that can have changed are read again. A channel's records are a chain: each names the one
before it, and the pointer is its last.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.acceptance import acceptance_of_parts, part_of
from registry.access import Access, Principal, Verb
from registry.admission import Keys
from registry.audit import Audit
from registry.bundles import find_bundle
from registry.channel_tags import ChannelTags
from registry.channels import channel_rows, get_application, last_promotion
from registry.clock import Clock, moment, seconds
from registry.countersign import Countersigning
from registry.database import Database
from registry.errors import BundleUnknown, ChannelUnknown, GateClosed, PointerMoved
from registry.events import Outbox
from registry.gates import Facts, judge
from registry.oci.contents import Contents, KeptManifest, referrers_of
from registry.oci.repositories import Repositories
from registry.publish import trusted_keys
from registry.schema import (
    BundleReleaseRow,
    BundleRow,
    ChannelRow,
    PromotionRow,
    RepositoryRow,
)
from resolver.acceptance import Acceptance, Part
from signing.errors import InvalidStatement, SigningError, WrongRole
from signing.statement import (
    AskedBy,
    BundleStatement,
    Kind,
    Statement,
    promotion_statement,
    read_statement_manifest,
)
from signing.trust import evaluate
from signing.verify import VerifiedSignature, verify
from storage.failpoints import Failpoint, failpoint


@dataclass(frozen=True, slots=True)
class Promotion:
    """A move of a channel's pointer; `record` is the digest of the record's referrer manifest."""

    record: Digest
    application: PackageName
    channel: str
    from_channel: str | None
    bundle: Digest
    previous: Digest | None
    previous_bundle: Digest | None
    evidence: tuple[Digest, ...]
    asked_by: str
    role: str
    proof: str
    at: datetime


class Promotions:
    """Moves channels."""

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
        self._tags = ChannelTags(contents)
        self._countersigning = countersigning
        self._outbox = outbox
        self._audit = audit
        self._clock = clock

    def promote(
        self,
        principal: Principal,
        application: PackageName,
        channel: str,
        bundle: Digest,
        expected_previous: Digest | None,
    ) -> Promotion:
        """Point `channel` at `bundle`, if it points at the bundle `expected_previous` (None: none).

        The channel holding `bundle` already is no error: its last promotion is returned.

        Raises:
            ApplicationUnknown, ChannelUnknown, BundleUnknown: there is none.
            GateClosed: a gate refuses; every reason is named.
            PointerMoved: the channel points elsewhere.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        with self._database.read():
            found = self._find(principal, application, channel, bundle)
            if found.pointer == str(bundle) and found.last is not None:
                return _promotion(application, found.last)
            _compare(application, channel, expected_previous, found)
            carried = self._carried(found)
        now = self._clock()
        signatures = _judge_signatures(application, bundle, found, carried, now)
        _refuse(application, channel, bundle, _facts(found, signatures))
        record = self._sign(principal, application, found, signatures, now)
        with self._database.write():
            again = self._find(principal, application, channel, bundle)
            if again.pointer == str(bundle) and again.last is not None:
                return _promotion(application, again.last)
            _compare(application, channel, expected_previous, again)
            if again.previous != found.previous:
                # There and back: the pointer is where it was, but the record names its past.
                raise PointerMoved(
                    str(application), channel, expected=found.pointer, found=again.pointer
                )
            _refuse(application, channel, bundle, _facts(again, signatures))
            row = self._move(principal, again, record, signatures, now)
            promotion = _promotion(application, row)
            failpoint(Failpoint.PROMOTE_BEFORE_COMMIT)
        failpoint(Failpoint.PROMOTE_AFTER_COMMIT)
        return promotion

    def history(
        self, principal: Principal, application: PackageName, channel: str
    ) -> Sequence[Promotion]:
        """Return the channel's promotions, newest first.

        Raises:
            ApplicationUnknown, ChannelUnknown: there is none.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            self._access.require(principal, Verb.PULL, application.namespace, str(application))
            row = get_application(self._repositories, application)
            query = PromotionRow.select().where(
                PromotionRow.channel == _get_channel(application, row, channel)
            )
            ordered = query.order_by(PromotionRow.id.desc())
            return tuple(_promotion(application, each) for each in ordered)

    def _find(
        self, principal: Principal, application: PackageName, channel: str, bundle: Digest
    ) -> "_Found":
        self._access.require(principal, Verb.PROMOTE, application.namespace, str(application))
        repository = get_application(self._repositories, application)
        row = _get_channel(application, repository, channel)
        wanted = find_bundle(repository, bundle)
        if wanted is None:
            raise BundleUnknown(f"{application}@{bundle}")
        parts = tuple(
            part_of(each.release)
            for each in BundleReleaseRow.select()
            .where(BundleReleaseRow.bundle == wanted)
            .order_by(BundleReleaseRow.id)
        )
        return _Found(
            repository=repository,
            channel=row,
            bundle=wanted,
            last=last_promotion(row),
            before=next(
                (
                    each.name
                    for each in channel_rows(repository)
                    if each.position == row.position - 1
                ),
                None,
            ),
            been_in=frozenset(
                each.channel.name
                for each in PromotionRow.select().where(PromotionRow.bundle == wanted)
            ),
            parts=parts,
            acceptance=acceptance_of_parts(self._access, application, parts, exists=True),
            keys=trusted_keys(repository.namespace),
        )

    def _carried(self, found: "_Found") -> list["_Carried"]:
        """Read the statements that sign the bundle."""
        carried = []
        for row in referrers_of(found.repository, found.bundle.manifest.digest):
            kind = json.loads(row.annotations).get(media.STATEMENT_KIND)
            if row.artifact_type != media.STATEMENT or kind != Kind.BUNDLE:
                continue
            parts = {blob.digest: blob for blob in self._contents.parts(found.repository, row)}
            try:
                referrer = read_statement_manifest(self._contents.read(row.blob))
            except InvalidStatement as error:
                carried.append(_Carried(Digest.parse(row.digest), None, str(error)))
                continue
            signed = [parts[str(part.digest)] for part in (referrer.statement, referrer.signature)]
            statement, signature = (self._contents.read(blob) for blob in signed)
            carried.append(_Carried(Digest.parse(row.digest), (statement, signature), ""))
        return carried

    def _sign(
        self,
        principal: Principal,
        application: PackageName,
        found: "_Found",
        signatures: "_Signatures",
        now: datetime,
    ) -> KeptManifest:
        failpoint(Failpoint.PROMOTE_BEFORE_RECORD)
        manifest = found.bundle.manifest
        bundle = Digest.parse(manifest.digest)
        statement = promotion_statement(
            application,
            found.channel.name,
            bundle,
            came_from=found.before,
            previous=found.previous,
            previous_bundle=None if found.pointer is None else Digest.parse(found.pointer),
            evidence=signatures.evidence,
            asked_by=AskedBy(principal.name, str(principal.role), principal.proof),
            time=now,
        )
        subject = Descriptor(manifest.media_type, bundle, manifest.size)
        return self._countersigning.sign(subject, statement)

    def _move(
        self,
        principal: Principal,
        found: "_Found",
        record: KeptManifest,
        signatures: "_Signatures",
        now: datetime,
    ) -> PromotionRow:
        self._contents.add_manifest(principal, found.repository, record, is_staged=False)
        row = PromotionRow.create(
            channel=found.channel,
            bundle=found.bundle,
            record=str(record.kept.digest),
            came_from=found.before,
            previous=None if found.previous is None else str(found.previous),
            previous_bundle=found.pointer,
            evidence=json.dumps([str(digest) for digest in signatures.evidence]),
            asked_by=principal.name,
            role=str(principal.role),
            proof=principal.proof,
            at=seconds(now),
        )
        found.channel.bundle = found.bundle
        found.channel.save()
        manifest = found.bundle.manifest
        self._tags.set(principal, found.bundle, found.channel.name)
        values = {
            "application": found.repository.name,
            "channel": found.channel.name,
            "bundle": manifest.digest,
            "previous_bundle": found.pointer,
        }
        self._outbox.record("channel.promoted", values | {"record": row.record})
        target = f"{found.repository.name}:{found.channel.name}"
        self._audit.record(principal, "channel.promote", target, values)
        return row


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a promotion starts from, as rows say it."""

    repository: RepositoryRow
    channel: ChannelRow
    bundle: BundleRow
    last: PromotionRow | None
    before: str | None
    been_in: frozenset[str]
    parts: tuple[Part, ...]
    acceptance: Acceptance
    keys: Keys

    @property
    def pointer(self) -> str | None:
        """The digest of the bundle that the channel holds."""
        return None if self.last is None else self.last.bundle.manifest.digest

    @property
    def previous(self) -> Digest | None:
        """The digest of the channel's last record."""
        return None if self.last is None else Digest.parse(self.last.record)


@dataclass(frozen=True, slots=True)
class _Carried:
    """A statement's referrer: its digest, and the statement and signature, or why they can't be."""

    digest: Digest
    signed: tuple[bytes, bytes] | None
    problem: str


@dataclass(frozen=True, slots=True)
class _Signatures:
    """Who signed a bundle, by which referrers, and why others don't count."""

    signers: tuple[str, ...]
    evidence: tuple[Digest, ...]
    refusals: tuple[str, ...]


def _judge_signatures(
    application: PackageName,
    bundle: Digest,
    found: _Found,
    carried: Sequence[_Carried],
    now: datetime,
) -> _Signatures:
    signers: list[str] = []
    evidence: list[Digest] = []
    refusals: list[str] = []
    packages: dict[str, str] = json.loads(found.bundle.packages)
    for each in carried:
        if each.signed is None:
            refusals.append(each.problem)
            continue
        statement, signature = each.signed
        try:
            verified = verify(statement, signature, found.keys.armored, at=now)
            said = BundleStatement.read(Statement.parse(statement))
            _evaluate(found.keys, verified, now)
        except SigningError as error:
            refusals.append(str(error))
            continue
        if (said.application, said.bundle, dict(said.packages)) != (application, bundle, packages):
            refusals.append(f"the statement {each.digest} is about another bundle")
            continue
        signers.append(verified.fingerprint)
        evidence.append(each.digest)
    return _Signatures(tuple(sorted(set(signers))), tuple(sorted(evidence)), tuple(refusals))


def _evaluate(keys: Keys, verified: VerifiedSignature, now: datetime) -> None:
    """Take a signature by a key with either role."""
    try:
        evaluate(keys.policy, [verified], role="promote", now=now)
    except WrongRole:
        evaluate(keys.policy, [verified], role="release", now=now)


def _facts(found: _Found, signatures: _Signatures) -> Facts:
    return Facts(
        signers=signatures.signers,
        refusals=signatures.refusals,
        parts=found.parts,
        acceptance=found.acceptance,
        before=found.before,
        been_in=found.been_in,
    )


def _refuse(application: PackageName, channel: str, bundle: Digest, facts: Facts) -> None:
    reasons = judge(facts)
    if reasons:
        raise GateClosed(str(application), channel, str(bundle), reasons)


def _compare(
    application: PackageName, channel: str, expected: Digest | None, found: _Found
) -> None:
    wanted = None if expected is None else str(expected)
    if found.pointer != wanted:
        raise PointerMoved(str(application), channel, expected=wanted, found=found.pointer)


def _get_channel(application: PackageName, repository: RepositoryRow, name: str) -> ChannelRow:
    rows = channel_rows(repository)
    for row in rows:
        if row.name == name:
            return row
    raise ChannelUnknown(f"{application}/{name}", [row.name for row in rows])


def _promotion(application: PackageName, row: PromotionRow) -> Promotion:
    return Promotion(
        record=Digest.parse(row.record),
        application=application,
        channel=row.channel.name,
        from_channel=row.came_from,
        bundle=Digest.parse(row.bundle.manifest.digest),
        previous=None if row.previous is None else Digest.parse(row.previous),
        previous_bundle=None if row.previous_bundle is None else Digest.parse(row.previous_bundle),
        evidence=tuple(Digest.parse(digest) for digest in json.loads(row.evidence)),
        asked_by=row.asked_by,
        role=row.role,
        proof=row.proof,
        at=moment(row.at),
    )
