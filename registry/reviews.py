"""The review queue: what may have lost its last reference, and when the sweep looks at it.

::

    manifest  put without a tag; its tag moved or went; its index or its subject went
    link      a blob in a repository: uploaded, mounted; its manifest went
    blob      nobody links it any more: its bytes may go

A row is written in the transaction that takes the reference away, so that nothing is lost sight of,
and says nothing but "look": the sweep decides anew. It is due a grace later, and a touch puts it
off: whoever asks if something is there and may push will rely on the answer for a while (a client
that finds a blob doesn't send it again). A row that is there already is always written over, never
left as it was: the sweep may be about to drop it for a reference that is gone by then.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from registry import changes, lookups
from registry.batches import among, chunks
from registry.clock import Clock, seconds
from registry.database import Database
from registry.schema import ManifestPartRow, ManifestRow, RepositoryRow, ReviewRow

AT_ONCE = 0
"""The `due` of what no client can rely on any more: it needs no grace."""


class Kind(StrEnum):
    """What a review is about."""

    MANIFEST = "manifest"
    LINK = "link"
    BLOB = "blob"


class Reason(StrEnum):
    """Why something is reviewed: what happened to it last."""

    PUT = "it was put without a tag"
    TAG_MOVED = "its tag moved to another manifest"
    TAG_DELETED = "its tag was deleted"
    INDEX_GONE = "an index that held it is gone"
    SUBJECT_GONE = "what it refers to is gone"
    UPLOADED = "it was uploaded"
    MOUNTED = "it was mounted"
    MANIFEST_GONE = "a manifest that needed it is gone"
    UNLINKED = "a repository let go of it"
    FOUND = "it was there before reviews were"


def review_key(kind: Kind, repository: int | None, digest: str) -> str:
    """Return what a review is known by; `repository` is its row's id, None for a blob's bytes."""
    return f"{kind}:{'' if repository is None else repository}:{digest}"


class Reviews:
    """Queues reviews, within a transaction of the caller's, and puts them off."""

    def __init__(self, database: Database, clock: Clock, grace: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._grace = int(grace.total_seconds())

    @property
    def grace(self) -> int:
        """Seconds from the last touch until something is looked at."""
        return self._grace

    def queue(
        self,
        kind: Kind,
        repository: RepositoryRow | int | None,
        digests: str | Iterable[str],
        reason: Reason,
        due: int | None = None,
    ) -> None:
        """Have digests looked at when it is `due` (None: after the grace), waiting or not."""
        holder = repository.id if isinstance(repository, RepositoryRow) else repository
        named = [digests] if isinstance(digests, str) else digests
        self._queue(kind, [(holder, digest) for digest in named], reason, due)

    def queue_parts(self, manifests: Sequence[ManifestRow]) -> None:
        """Have all looked at that manifests, which are about to be deleted, were references to.

        What refers to them goes with them, without a grace.
        """
        ids = [manifest.id for manifest in manifests]
        children: list[tuple[int | None, str]] = []
        blobs: list[tuple[int | None, str]] = []
        parts: Any = (
            ManifestPartRow.select(
                ManifestRow.repository, ManifestPartRow.digest, ManifestPartRow.is_manifest
            )
            .join(ManifestRow)
            .where(among(ManifestPartRow.manifest, ids))
        )
        for holder, digest, is_manifest in parts.tuples():
            (children if is_manifest else blobs).append((holder, digest))
        self._queue(Kind.MANIFEST, children, Reason.INDEX_GONE)
        self._queue(Kind.LINK, blobs, Reason.MANIFEST_GONE)
        self._queue(Kind.MANIFEST, _referrers(ids), Reason.SUBJECT_GONE, AT_ONCE)
        own = [(None, manifest.digest) for manifest in manifests]
        self._queue(Kind.BLOB, own, Reason.MANIFEST_GONE, AT_ONCE)

    def awaits(self, kind: Kind, repository: RepositoryRow, digest: str) -> bool:
        """Return whether a digest waits for a review."""
        key = review_key(kind, repository.id, digest)
        return lookups.review(key) is not None

    def renew(self, kind: Kind, repository: RepositoryRow, digest: str) -> bool:
        """Put a review off for whoever relies on the digest; False where a sweep came first.

        Called in a session, outside of a transaction. It is a question and nothing more where
        three quarters of the grace are still ahead.
        """
        key = review_key(kind, repository.id, digest)
        now = seconds(self._clock())
        found = lookups.review(key)
        if found is None:
            return False
        if found.due >= now + self._grace - self._grace // 4:
            return True
        with self._database.write(repository.namespace.name):
            due = now + self._grace
            return bool(ReviewRow.update(due=due).where(ReviewRow.key == key).execute())

    def _queue(
        self,
        kind: Kind,
        named: Iterable[tuple[int | None, str]],
        reason: Reason,
        due: int | None = None,
    ) -> None:
        now = seconds(self._clock())
        asked = list(dict.fromkeys(named))
        if len(asked) == 1:
            [(holder, digest)] = asked
            key = review_key(kind, holder, digest)
            when = now + self._grace if due is None else due
            changes.queue_review(key, kind.value, holder, digest, when, reason.value, now)
            return
        rows = [
            {
                "key": review_key(kind, holder, digest),
                "kind": kind.value,
                "repository": holder,
                "digest": digest,
                "due": now + self._grace if due is None else due,
                "reason": reason.value,
                "added": now,
            }
            for holder, digest in asked
        ]
        for chunk in chunks(rows):
            ReviewRow.insert_many(chunk).on_conflict(
                conflict_target=[ReviewRow.key],
                preserve=[ReviewRow.due, ReviewRow.reason, ReviewRow.added],
            ).execute()


def _referrers(manifests: Sequence[int]) -> list[tuple[int | None, str]]:
    """Return what refers to manifests, of whose ids these are, without themselves."""
    referrer, subject = ManifestRow.alias(), ManifestRow.alias()
    query: Any = (
        referrer.select(referrer.repository, referrer.digest)
        .join(
            subject,
            on=((referrer.repository == subject.repository) & (referrer.subject == subject.digest)),
        )
        .where(among(subject.id, manifests) & (referrer.id != subject.id))
    )
    return list(query.tuples())
