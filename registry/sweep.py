"""The sweep: removes what nothing reaches, while the registry is used.

::

    due reviews ── one short exclusive transaction a batch ──> rows go, locations are condemned,
       ^           (each is decided anew within it)            what they held is queued
       └──────────────────────────────────────────────────────────────┘
    condemned locations ── no transaction ──> bytes go ──> then the condemned row

Rows go before their bytes, and no location ever comes twice: a reader finds a blob or doesn't, a
push of the same digest brings bytes of its own, and a sweeper that is killed anywhere leaves rows
that say what is still to do. A batch is as large as fits into `BUSY`, with a breath each
millisecond, and others have the database for `REST` times as long before the next.
docs/adr/0014-collection.md says why this is safe.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from peewee import Value, fn

from registry import quota
from registry.audit import SERVER, Audit
from registry.batches import among, chunks
from registry.breath import Breath
from registry.clock import Clock, moment, seconds
from registry.config import RegistryConfig
from registry.database import Database
from registry.leases import Lease, Leases
from registry.oci.companions import companions_of
from registry.oci.contents import Contents
from registry.oci.uploads import Uploads
from registry.reachability import Gone, closure_above, needed_blobs, roots_and_held
from registry.retention import longest_untagged, untagged_until
from registry.reviews import AT_ONCE, Kind, Reason, Reviews, review_key
from registry.schema import (
    INLINE,
    BlobRow,
    CondemnedRow,
    ManifestPartRow,
    ManifestRow,
    NamespaceRow,
    RepositoryBlobRow,
    RepositoryRow,
    ReviewRow,
    UploadRow,
)
from registry.switches import Switches
from storage.blobs import BlobStore
from storage.errors import StorageError
from storage.failpoints import Failpoint, failpoint

LEASE = "sweep"
"""The name of the work that one process at a time does."""

BUSY = 0.02
"""Seconds that a batch should hold the database: a push that waits for it isn't felt."""

SHARE = 4
LONGEST_BATCH = 0.1
"""Where it waited long for the database, it may hold it for a fourth of that, up to these seconds:
else a sweep of a registry that is written without a pause would never catch up.
"""

REST = 2.0
"""How much longer than a batch took the next one waits."""

LONGEST_REST = 1.0
"""Seconds, whatever a batch took: a lease must not run out meanwhile."""

_MOST_ABOVE = 32
"""Manifests above one that are gone through for it. What is kept by a longer way than any client
makes is looked at again a grace later; of garbage the uppermost goes first, however much it is.
"""

_HOUR = 3600
_LONGEST_WASTED = 30.0
_SMALLEST, _FIRST, _LARGEST = 16, 64, 1000
_UNTAGGED = (Reason.PUT, Reason.TAG_MOVED, Reason.TAG_DELETED, Reason.FOUND)
_KINDS = (Kind.MANIFEST, Kind.LINK, Kind.BLOB)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that a sweep would remove now.

    `kind` is `upload`, `manifest`, `link` (a repository's hold of a blob), `blob` or `bytes` (of
    the store, that no blob has); `name` is `team/etl/ID`, `team/etl@sha256:...`, a digest, or a
    location.
    """

    kind: str
    name: str
    size: int
    reason: str
    since: datetime


@dataclass(slots=True)
class Swept:
    """What a sweep did.

    `reviewed` were looked at, of which `kept` are needed; `bytes_freed` are the store's and the
    database's; `failed` are the locations whose bytes could not be deleted, by the error: the next
    sweep tries them again. For `busy` seconds it held the database or kept the store at work, for
    `longest_batch` at once. `is_done` is False where it was stopped, or reached its limit.
    """

    reviewed: int = 0
    kept: int = 0
    manifests: int = 0
    links: int = 0
    blobs: int = 0
    locations: int = 0
    bytes_freed: int = 0
    uploads: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    busy: float = 0.0
    longest_batch: float = 0.0
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a batch found out already, by id: which manifests are kept, and of which it is unclear.

    It holds within one transaction: the next may have lost the root.
    """

    kept: set[int] = field(default_factory=set)
    unclear: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much, how fast, and until when.

    Args:
        limit: reviews at most; None: all that are due.
        rate: reviews and deletions in a second at most, 1 or more; None: as fast as batches and
            rests let.
        rest: how much longer than a batch took the next one waits, `LONGEST_REST` at most.
        grace: seconds from the last touch, instead of what is set.
        wait: waits for so many seconds, or less where it is to stop.
        is_stopped: whether to stop before the next batch.
        told: hears of progress, after each batch.
    """

    limit: int | None = None
    rate: float | None = None
    rest: float = REST
    grace: int | None = None
    wait: Callable[[float], object] = time.sleep
    is_stopped: Callable[[], bool] = lambda: False
    told: Callable[[Swept], None] = lambda _: None


class Sweep:
    """Finds garbage, and removes it."""

    def __init__(
        self,
        *,
        config: RegistryConfig,
        database: Database,
        store: BlobStore,
        contents: Contents,
        uploads: Uploads,
        reviews: Reviews,
        leases: Leases,
        switches: Switches,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._config = config
        self._database = database
        self._store = store
        self._contents = contents
        self._uploads = uploads
        self._reviews = reviews
        self._leases = leases
        self._switches = switches
        self._audit = audit
        self._clock = clock

    def preview(self, grace: int | None = None) -> Iterator[Candidate]:
        """Yield what a sweep with this grace would remove now. Nothing is changed."""
        with self._database.read():
            yield from self._expired()
            yield from _Preview(self._reviews.grace, grace, seconds(self._clock())).run()

    def _expired(self) -> Iterator[Candidate]:
        limit = seconds(self._clock() - self._config.upload_lifetime)
        query = UploadRow.select(UploadRow, RepositoryRow).join(RepositoryRow)
        for row in query.where((UploadRow.touched < limit) | UploadRow.is_ending):
            reason = "no bytes came since"
            name = f"{row.repository.name}/{row.upload_id}"
            yield Candidate("upload", name, 0, reason, moment(row.touched))

    def run(self, pace: Pace | None = None) -> Swept:
        """End uploads that have expired, and sweep until nothing is due.

        Raises:
            LeaseHeld: another process sweeps.
            LeaseLost: another process took over, since this one stood still.
            ReadOnly: nothing may be written now.
        """
        pace = pace or Pace()
        self._switches.require_writable()
        lease = self._leases.take(LEASE)
        swept = Swept()
        try:
            self._bring_back()
            self._end_uploads(swept)
            self._sweep(lease, pace, swept)
        finally:
            lease.release({"last": seconds(self._clock()), "is_done": swept.is_done})
        return swept

    def _bring_back(self) -> None:
        """Have what was put off by a clock that was ahead wait no longer than all else.

        A review may be looked at too early: what is still needed stays, and waits again.
        """
        now = seconds(self._clock())
        with self._database.session():
            latest = now + max(2 * self._reviews.grace, longest_untagged()) + _HOUR
            reviews = ReviewRow.kind.in_([kind.value for kind in Kind]) & (ReviewRow.due > latest)
            uploads = UploadRow.touched > now + _HOUR
            is_any = ReviewRow.select().where(reviews).exists()
            if not (is_any or UploadRow.select().where(uploads).exists()):
                return
        with self._database.write():
            ReviewRow.update(due=now + self._reviews.grace, added=now).where(reviews).execute()
            UploadRow.update(touched=now).where(uploads).execute()

    def _end_uploads(self, swept: Swept) -> None:
        try:
            swept.uploads = self._uploads.expire(self._config.upload_lifetime)
        except StorageError as error:  # one that can't be ended must not keep the rest from going
            swept.failed["uploads/"] = str(error)

    def _sweep(self, lease: Lease, pace: Pace, swept: Swept) -> None:
        breath = Breath()
        leftovers = _Leftovers(self._database, self._store, lease, breath)
        batch = _Batches(
            database=self._database,
            contents=self._contents,
            reviews=self._reviews,
            leftovers=leftovers,
            breath=breath,
            lease=lease,
            audit=self._audit,
            clock=self._clock,
            pace=pace,
        )
        self._delete_bytes(leftovers, pace, swept)
        # one pass is enough: what is due at once is queued by its own kind, or one before it
        for kind in _KINDS:
            while swept.is_done and batch.is_any_due(kind):
                if self._is_over(pace, swept):
                    swept.is_done = False
                    break
                with _paced(pace, swept):
                    batch.run(kind, swept)
                if kind is not Kind.MANIFEST:
                    self._delete_bytes(leftovers, pace, swept)
                pace.told(swept)
        leftovers.forget()

    def _is_over(self, pace: Pace, swept: Swept) -> bool:
        is_full = pace.limit is not None and swept.reviewed >= pace.limit
        return is_full or pace.is_stopped() or self._switches.read_only() is not None

    def _delete_bytes(self, leftovers: "_Leftovers", pace: Pace, swept: Swept) -> None:
        """Delete the bytes of what is condemned, at the pace that is asked for."""
        most = _LARGEST if pace.rate is None else int(pace.rate)
        while not (pace.is_stopped() or self._switches.read_only() is not None):
            with _paced(pace, swept):
                found = leftovers.delete(most, swept)
            if not found:
                return


class _Leftovers:
    """Deletes condemned bytes without a lock; their rows go with the next batch's transaction."""

    def __init__(self, database: Database, store: BlobStore, lease: Lease, breath: Breath) -> None:
        self._database = database
        self._store = store
        self._breath = breath
        self._lease = lease
        self._last = 0
        self._stuck = 0
        self._wasted = 0.0
        self._gone: list[int] = []

    def delete(self, most: int, swept: Swept) -> bool:
        """Delete the next bytes; False where there are none. What can't be deleted stays.

        Where it took too long to hear that, the store is away: the rest is the next sweep's.
        """
        if self._wasted > _LONGEST_WASTED:
            return False
        with self._database.session():
            fresh = CondemnedRow.select().where(CondemnedRow.id > self._last)
            rows = list(fresh.order_by(CondemnedRow.id).limit(most))
        begun = signed = time.monotonic()
        for row in rows:
            self._last = row.id
            self._breath.take()
            asked = time.monotonic()
            try:
                self._store.delete(row.location)
            except StorageError as error:
                swept.failed[row.location] = str(error)
                self._stuck = row.id
                self._wasted += time.monotonic() - asked
                if self._wasted > _LONGEST_WASTED:
                    break
            else:
                self._gone.append(row.id)
                swept.locations += 1
                swept.bytes_freed += row.size
            if time.monotonic() - signed > 1:  # a store far away: give a sign of life
                with self._database.write():
                    self._lease.hold()
                signed = time.monotonic()
        swept.busy += time.monotonic() - begun
        return bool(rows)

    def forget(self) -> None:
        """Delete the rows of bytes that are gone, in a transaction of its own."""
        if self._gone:
            with self._database.write():
                self._lease.hold()
                self.forget_within()

    def forget_within(self) -> None:
        """Delete the rows of bytes that are gone, in a transaction of the caller's."""
        if self._gone:
            failpoint(Failpoint.SWEEP_AFTER_BYTES)
            CondemnedRow.delete().where(among(CondemnedRow.id, self._gone)).execute()
            self._gone = []
            self._last = self._stuck  # SQLite gives the ids of deleted rows out again


@contextmanager
def _paced(pace: Pace, swept: Swept) -> Iterator[None]:
    """Wait after what was done: as the rate asks for, and some times as long as it was busy."""
    before, busy = swept.reviewed + swept.locations, swept.busy
    begun = time.monotonic()
    yield
    done = swept.reviewed + swept.locations - before
    if done:
        took = time.monotonic() - begun
        slowest = 0.0 if pace.rate is None else done / pace.rate - took
        # not from its waiting for others: they had the database then
        pace.wait(max(min(pace.rest * (swept.busy - busy), LONGEST_REST), slowest))


class _Batches:
    """Decides reviews and deletes, a batch in one exclusive transaction."""

    def __init__(
        self,
        *,
        database: Database,
        contents: Contents,
        reviews: Reviews,
        leftovers: _Leftovers,
        breath: Breath,
        lease: Lease,
        audit: Audit,
        clock: Clock,
        pace: Pace,
    ) -> None:
        self._database = database
        self._contents = contents
        self._reviews = reviews
        self._leftovers = leftovers
        self._breath = breath
        self._lease = lease
        self._audit = audit
        self._clock = clock
        self._pace = pace
        self._sizes = dict.fromkeys(_KINDS, _FIRST)
        self._budget = BUSY
        self._begun = seconds(clock())

    def is_any_due(self, kind: Kind) -> bool:
        """Return whether a review waits that is to be looked at in this sweep."""
        with self._database.session():
            return bool(_due_ids(kind, self._due(), 1))

    def run(self, kind: Kind, swept: Swept) -> None:
        """Look at a batch of due reviews."""
        limit = self._sizes[kind]
        if self._pace.limit is not None:
            limit = min(limit, self._pace.limit - swept.reviewed)
        if self._pace.rate is not None:
            limit = min(limit, int(self._pace.rate))
        with self._database.session():
            ids = _due_ids(kind, self._due(), limit)  # found without the lock
        counted = Swept()
        asked = time.monotonic()
        with self._database.write(), self._database.easing(self._breath.take):
            self._lease.hold()
            begun = time.monotonic()
            self._budget = max(BUSY, min((begun - asked) / SHARE, LONGEST_BATCH))
            self._leftovers.forget_within()
            # read again: since they were found some were put off, and ids may be others' by now
            rows = list(_due(kind, self._due()).where(among(ReviewRow.id, ids)))
            decide = {
                Kind.MANIFEST: self._manifests,
                Kind.LINK: self._links,
                Kind.BLOB: self._blobs,
            }
            decide[kind](rows, counted)
            removed = counted.manifests + counted.links + counted.blobs
            if removed:
                self._audit.record(SERVER, f"sweep.{kind}", "registry", {"removed": removed})
            failpoint(Failpoint.SWEEP_BEFORE_COMMIT)
        took = time.monotonic() - begun
        failpoint(Failpoint.SWEEP_AFTER_COMMIT)
        _add(swept, counted)
        swept.busy += took
        swept.longest_batch = max(swept.longest_batch, took)
        fitting = int(max(counted.reviewed, 1) * self._budget / max(took, BUSY / 10))
        self._sizes[kind] = max(_SMALLEST, min(_LARGEST, fitting, 2 * self._sizes[kind]))

    def _due(self) -> int:
        """Return until which `due` a review is looked at: what comes later is the next sweep's.

        But for no grace at all, which also takes what this sweep itself queues.
        """
        now = seconds(self._clock()) if self._pace.grace == 0 else self._begun
        return _due_until(self._reviews.grace, self._pace.grace, now)

    def _manifests(self, rows: list[ReviewRow], counted: Swept) -> None:
        by_name = _manifests_of(rows)
        roots, held = roots_and_held(list(by_name.values()))
        patient = _patient(rows, seconds(self._clock()))
        done: list[int] = []
        doomed: dict[int, ManifestRow] = {}
        seen = _Seen()
        begun = time.monotonic()
        for row in rows:
            counted.reviewed += 1
            manifest = by_name.get((row.repository_id, row.digest))
            if manifest is None or manifest.id in roots or manifest.id in doomed:
                done.append(row.id)
            elif row.id in patient:
                self._put_off(row, patient[row.id])
            elif manifest.id not in held:
                done.append(row.id)
                doomed[manifest.id] = manifest
            elif time.monotonic() - begun < self._budget:
                # one by one: of two that keep each other, the one's review waits for the other's
                ring = self._find_ring(manifest, seen)
                if manifest.id in seen.unclear:
                    self._put_off(row, seconds(self._clock()) + self._reviews.grace)
                else:
                    ReviewRow.delete().where(ReviewRow.id == row.id).execute()
                doomed |= {each.id: each for each in ring}
            else:
                counted.reviewed -= 1  # the rest is for the next batch
        ReviewRow.delete().where(among(ReviewRow.id, done)).execute()
        dropped = self._contents.delete_manifests(list(doomed.values()))
        if dropped:
            detail = {"tags": dropped, "reason": "what they are about is gone"}
            self._audit.record(SERVER, "tag.delete", "registry", detail)
        counted.manifests = len(doomed)
        counted.kept = max(counted.reviewed - counted.manifests, 0)

    def _put_off(self, review: ReviewRow, until: int) -> None:
        """Have a review wait until then, and never be due again in this sweep."""
        # with another grace a sweep looks ahead, with none of it further and further
        looks_ahead = self._pace.grace is not None
        ahead = self._due() + self._reviews.grace + _HOUR if looks_ahead else self._begun + 1
        ReviewRow.update(due=max(until, ahead)).where(ReviewRow.id == review.id).execute()

    def _find_ring(self, manifest: ManifestRow, seen: "_Seen") -> list[ManifestRow]:
        """Return a manifest with what it is a ring with, where nothing else is above; or none."""
        ring, loose = _judge(manifest, Gone(), _any_waits, seen)
        # above it is what nothing keeps and no review waits for: it gets one, and this goes with it
        self._reviews.queue(
            Kind.MANIFEST, manifest.repository_id, [row.digest for row in loose], Reason.FOUND
        )
        return ring

    def _links(self, rows: list[ReviewRow], counted: Swept) -> None:
        ids = [row.id for row in rows]
        found = _unneeded(ids)
        RepositoryBlobRow.delete().where(
            among(RepositoryBlobRow.id, [link for link, _, _ in found])
        ).execute()
        quota.release({(namespace, blob) for _, namespace, blob in found})
        self._condemn([blob for _, _, blob in found], counted)
        ReviewRow.delete().where(among(ReviewRow.id, ids)).execute()
        counted.reviewed += len(rows)
        counted.links += len(found)
        counted.kept += len(rows) - len(found)

    def _blobs(self, rows: list[ReviewRow], counted: Swept) -> None:
        ids = [row.id for row in rows]
        query: Any = BlobRow.select(BlobRow.id).join(
            ReviewRow, on=(ReviewRow.digest == BlobRow.digest)
        )
        self._condemn([blob for (blob,) in query.where(among(ReviewRow.id, ids)).tuples()], counted)
        ReviewRow.delete().where(among(ReviewRow.id, ids)).execute()
        counted.reviewed += len(rows)
        counted.kept += max(len(rows) - counted.blobs, 0)

    def _condemn(self, candidates: list[int], counted: Swept) -> None:
        """Delete blobs that no repository holds, itself or as a manifest; their bytes go later."""
        links = RepositoryBlobRow.select().where(RepositoryBlobRow.blob == BlobRow.id)
        manifests = ManifestRow.select().where(ManifestRow.blob == BlobRow.id)
        query: Any = BlobRow.select(BlobRow.id, BlobRow.size, BlobRow.location).where(
            among(BlobRow.id, candidates) & ~fn.EXISTS(links) & ~fn.EXISTS(manifests)
        )
        found: list[tuple[int, int, str]] = list(query.tuples())
        stored = BlobRow.select(BlobRow.location, BlobRow.size, Value(seconds(self._clock())))
        dead = among(BlobRow.id, [blob for blob, _, _ in found])
        CondemnedRow.insert_from(
            stored.where(dead & (BlobRow.location != INLINE)),
            [CondemnedRow.location, CondemnedRow.size, CondemnedRow.since],
        ).on_conflict_ignore().execute()
        BlobRow.delete().where(dead).execute()
        counted.blobs += len(found)
        counted.bytes_freed += sum(size for _, size, location in found if location == INLINE)


class _Preview:
    """Decides as the sweep does, and deletes in its mind only."""

    def __init__(self, set_grace: int, grace: int | None, now: int) -> None:
        self._until = _due_until(set_grace, grace, now)
        self._now = now
        self._grace = set_grace
        self._gone = Gone()
        self._names: dict[int, str] = {}
        self._fresh: dict[str, ReviewRow] = {}
        self._decided: set[str] = set()
        self._put_off: set[str] = set()

    def run(self) -> Iterator[Candidate]:
        """Yield candidates, manifests first."""
        for kind in _KINDS:
            for review in _due(kind, self._until).iterator():
                yield from self._look(review)
        while self._fresh:
            _, review = self._fresh.popitem()
            yield from self._look(review)
        for row in CondemnedRow.select().order_by(CondemnedRow.id).iterator():
            reason = "no blob has these bytes"
            yield Candidate("bytes", row.location, row.size, reason, moment(row.since))

    def _look(self, review: ReviewRow) -> Iterator[Candidate]:
        if review.key in self._decided | self._put_off:
            return
        self._decided.add(review.key)
        self._fresh.pop(review.key, None)
        look = {Kind.MANIFEST: self._manifest, Kind.LINK: self._link, Kind.BLOB: self._blob}
        yield from look[Kind(review.kind)](review)

    def _manifest(self, review: ReviewRow) -> Iterator[Candidate]:
        manifest = _manifest_of(review)
        if manifest is None or manifest.id in self._gone.manifests:
            return
        if _held_until(review) > self._now:
            self._put_off.add(review.key)
            return
        doomed, _ = _judge(manifest, self._gone, self._any_waits, _Seen())
        for row in doomed:
            self._gone.manifests.add(row.id)
            yield self._draw(review, f"{self._name(row.repository_id)}@{row.digest}", row.size)
            parts: Any = ManifestPartRow.select().where(ManifestPartRow.manifest == row)
            for part in parts:
                kind = Kind.MANIFEST if part.is_manifest else Kind.LINK
                reason = Reason.INDEX_GONE if part.is_manifest else Reason.MANIFEST_GONE
                self._follow(kind, row.repository_id, part.digest, reason)
            for referrer in ManifestRow.select().where(
                (ManifestRow.repository == row.repository_id) & (ManifestRow.subject == row.digest)
            ):
                self._follow(
                    Kind.MANIFEST, row.repository_id, referrer.digest, Reason.SUBJECT_GONE, AT_ONCE
                )
            for tag in companions_of(row.repository_id, [row.digest]):
                self._gone.tags.add(tag.id)
                digest = tag.manifest.digest
                self._follow(Kind.MANIFEST, row.repository_id, digest, Reason.SUBJECT_GONE, AT_ONCE)
            self._follow(Kind.BLOB, None, row.digest, Reason.MANIFEST_GONE, AT_ONCE)

    def _any_waits(self, keys: set[str]) -> bool:
        if keys & (self._put_off | self._fresh.keys()):
            return True
        return _any_waits(keys - self._decided)

    def _link(self, review: ReviewRow) -> Iterator[Candidate]:
        link = (
            RepositoryBlobRow.select(RepositoryBlobRow, BlobRow)
            .join(BlobRow)
            .where(
                (RepositoryBlobRow.repository == review.repository_id)
                & (BlobRow.digest == review.digest)
            )
            .first()
        )
        repository = review.repository_id
        if link is None or repository is None or link.id in self._gone.links:
            return
        if not needed_blobs(repository, [review.digest], self._gone):
            self._gone.links.add(link.id)
            yield self._draw(review, f"{self._name(repository)}@{review.digest}", 0)
            self._follow(Kind.BLOB, None, review.digest, Reason.UNLINKED, AT_ONCE)

    def _blob(self, review: ReviewRow) -> Iterator[Candidate]:
        blob = BlobRow.get_or_none(BlobRow.digest == review.digest)
        if blob is None:
            return
        links: Any = RepositoryBlobRow.select(RepositoryBlobRow.id)
        manifests: Any = ManifestRow.select(ManifestRow.id)
        held = {each for (each,) in links.where(RepositoryBlobRow.blob == blob).tuples()}
        been = {each for (each,) in manifests.where(ManifestRow.blob == blob).tuples()}
        if held <= self._gone.links and been <= self._gone.manifests:
            yield self._draw(review, blob.digest, blob.size)

    def _follow(
        self,
        kind: Kind,
        repository: int | None,
        digest: str,
        reason: Reason,
        due: int | None = None,
    ) -> None:
        """Look at something as the sweep would that has queued it: now, or not in this run."""
        key = review_key(kind, repository, digest)
        due = self._now + self._grace if due is None else due
        if due > self._until:
            self._put_off.add(key)
            return
        self._decided.discard(key)
        self._fresh[key] = ReviewRow(
            key=key,
            kind=kind.value,
            repository=repository,
            digest=digest,
            due=due,
            reason=reason.value,
            added=self._now,
        )

    def _draw(self, review: ReviewRow, name: str, size: int) -> Candidate:
        return Candidate(review.kind, name, size, review.reason, moment(review.added))

    def _name(self, repository: int) -> str:
        if repository not in self._names:
            self._names[repository] = RepositoryRow.get_by_id(repository).name
        return self._names[repository]


def _due_until(set_grace: int, grace: int | None, now: int) -> int:
    """Return until which `due` a review is looked at; `grace` instead of the one that is set."""
    return now if grace is None else now + set_grace - grace


def _due(kind: Kind, until: int) -> Any:
    return (
        ReviewRow.select()
        .where((ReviewRow.kind == kind.value) & (ReviewRow.due <= until))
        .order_by(ReviewRow.due, ReviewRow.id)
    )


def _due_ids(kind: Kind, until: int, limit: int) -> list[int]:
    return [row.id for row in _due(kind, until).limit(limit)]


def _manifest_of(review: ReviewRow) -> ManifestRow | None:
    return ManifestRow.get_or_none(
        (ManifestRow.repository == review.repository_id) & (ManifestRow.digest == review.digest)
    )


def _manifests_of(reviews: Sequence[ReviewRow]) -> dict[tuple[int | None, str], ManifestRow]:
    """Return the manifests that reviews are about, by repository and digest."""
    wanted = {(review.repository_id, review.digest) for review in reviews}
    query = ManifestRow.select().where(
        ManifestRow.digest.in_([digest for _, digest in wanted])
        & among(ManifestRow.repository, {holder for holder, _ in wanted if holder is not None})
    )
    found = {(row.repository_id, row.digest): row for row in query}
    return {name: row for name, row in found.items() if name in wanted}


def _patient(reviews: Sequence[ReviewRow], now: int) -> dict[int, int]:
    """Return until when namespaces' rules keep untagged manifests, by the id of the review."""
    ruled: Any = (
        RepositoryRow.select(RepositoryRow.id)
        .join(NamespaceRow)
        .where(
            among(RepositoryRow.id, {row.repository_id for row in reviews if row.repository_id})
            & ~NamespaceRow.retention.is_null()
        )
    )
    holders = {holder for (holder,) in ruled.tuples()}
    found = {row.id: _held_until(row) for row in reviews if row.repository_id in holders}
    return {review_id: until for review_id, until in found.items() if until > now}


def _held_until(review: ReviewRow) -> int:
    """Return until when a namespace's rules keep a manifest that has no tag."""
    if review.reason not in _UNTAGGED or review.repository is None:
        return 0
    return untagged_until(review.repository.namespace, review.added)


def _judge(
    manifest: ManifestRow, gone: Gone, any_waits: Callable[[set[str]], bool], seen: _Seen
) -> tuple[list[ManifestRow], list[ManifestRow]]:
    """Return which manifests go now, and which above it no review waits for.

    A manifest goes alone, where nothing is above it; or with all that it is a ring with. It stays
    where a root is above it, or something whose own review is to come; and where so much is above
    it that others would have to wait: that is `seen` to be unclear.
    """
    count, is_kept, is_unclear = 1, False, False

    def stops(above: list[ManifestRow]) -> bool:
        nonlocal count, is_kept, is_unclear
        ids = {row.id for row in above}
        keys = {review_key(Kind.MANIFEST, row.repository_id, row.digest) for row in above}
        is_kept = not ids.isdisjoint(seen.kept)
        if is_kept or any_waits(keys):
            return True
        is_unclear = count > _MOST_ABOVE or not ids.isdisjoint(seen.unclear)
        count += len(above)
        return is_unclear

    closure = closure_above(manifest, gone, stops)
    if closure.root is not None or is_kept:
        seen.kept.add(manifest.id)
        return [], []
    if is_unclear or len(closure.manifests) > _MOST_ABOVE:
        seen.unclear.add(manifest.id)
        return [], []
    if not closure.is_whole:
        return [], []
    others = [row for row in closure.manifests.values() if row.id != manifest.id]
    loose = [row for row in others if manifest.id not in closure_above(row, gone).manifests]
    return ([], loose) if loose else ([manifest, *others], [])


def _any_waits(keys: set[str]) -> bool:
    """Return whether a review of one of these is to come."""
    return any(ReviewRow.select().where(ReviewRow.key.in_(some)).exists() for some in chunks(keys))


def _unneeded(reviews: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the links of reviews that no manifest needs: the ids of link, namespace and blob."""
    needing = (
        ManifestPartRow.select()
        .join(ManifestRow)
        .where(
            (ManifestPartRow.digest == ReviewRow.digest)
            & ~ManifestPartRow.is_manifest
            & (ManifestRow.repository == ReviewRow.repository)
        )
    )
    query: Any = (
        ReviewRow.select(RepositoryBlobRow.id, RepositoryRow.namespace, RepositoryBlobRow.blob)
        .join(BlobRow, on=(BlobRow.digest == ReviewRow.digest))
        .join(
            RepositoryBlobRow,
            on=(
                (RepositoryBlobRow.blob == BlobRow.id)
                & (RepositoryBlobRow.repository == ReviewRow.repository)
            ),
        )
        .join(RepositoryRow, on=(RepositoryRow.id == ReviewRow.repository))
        .where(among(ReviewRow.id, reviews) & ~fn.EXISTS(needing))
    )
    return list(query.tuples())


def _add(swept: Swept, counted: Swept) -> None:
    for name in ("reviewed", "kept", "manifests", "links", "blobs", "bytes_freed"):
        setattr(swept, name, getattr(swept, name) + getattr(counted, name))
