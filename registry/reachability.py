"""What keeps a manifest: the roots, and the edges that lead to them. It only reads.

::

    roots   a tag · a listed release · a bundle · a record of a channel's history
    edges   index ──> the manifests that it holds          (by parts, within a repository)
            subject ──> what refers to it                  (signatures, wheel sets, receipts)

A tag whose name says that it is about a manifest (registry/oci/companions.py) is a root for as long
as that manifest is there, and goes with it.

A manifest is kept while a root reaches it. So the question goes upwards, from a manifest to the
indexes that hold it and to its subject, and ends at the first root. A referrer doesn't keep its
subject, and one whose subject isn't there has no edge: it waits for the grace of its own review.
An index may refer to a manifest that it holds: the two are a ring, which keeps itself from nothing.

A blob in a repository is kept by every manifest of the repository that needs it, and a blob's bytes
by every repository that holds it, and every manifest that they are.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from registry.batches import among, chunks
from registry.schema import (
    BundleRow,
    ChannelRow,
    ManifestPartRow,
    ManifestRow,
    PromotionRow,
    ReleaseRow,
    TagRow,
)


@dataclass(slots=True)
class Gone:
    """What a dry run has taken away in its mind: ids of rows that count as deleted."""

    manifests: set[int] = field(default_factory=set)
    tags: set[int] = field(default_factory=set)
    links: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Closure:
    """A manifest and what is above it, by id; `root` says what keeps one of them, None: nothing.

    `is_whole` is False where there may be more above.
    """

    manifests: dict[int, ManifestRow]
    root: str | None
    is_whole: bool = True


def closure_above(
    manifest: ManifestRow,
    gone: Gone,
    stops: Callable[[list[ManifestRow]], bool] = lambda _: False,
) -> Closure:
    """Go upwards from a manifest until a root is found, or all above it is, or it `stops` at some.

    `stops` is asked once for all that is a step further up, before these are looked at.
    """
    found = {manifest.id: manifest}
    fresh = [manifest]
    while fresh:
        root = _root(fresh, gone)
        if root is not None:
            return Closure(found, root)
        above = _above(fresh, gone)
        fresh = [row for row in above if row.id not in found]
        found |= {row.id: row for row in fresh}
        if fresh and stops(fresh):
            return Closure(found, None, is_whole=False)
    return Closure(found, None)


def roots_and_held(manifests: Collection[ManifestRow]) -> tuple[set[int], set[int]]:
    """Return the ids of those manifests that are roots, and of those that have something above.

    Few statements for many manifests, also of several repositories: most garbage is neither.
    """
    roots: set[int] = set()
    held: set[tuple[int, str]] = set()
    roots |= _rooted([row.id for row in manifests])
    for chunk in chunks(manifests):
        held |= _pairs_held(chunk)
    recorded = _recorded([row.digest for row in manifests])
    named = {row.id: (row.repository_id, row.digest) for row in manifests}
    roots |= {row_id for row_id, name in named.items() if name in recorded}
    subjects = _present(manifests)
    above = {row_id for row_id, name in named.items() if name in held}
    above |= {row.id for row in manifests if (row.repository_id, row.subject) in subjects}
    return roots, above


def _rooted(ids: Collection[int]) -> set[int]:
    """Return those of these ids that a tag, a release or a bundle points to."""
    found: set[int] = set()
    for model in (TagRow, ReleaseRow, BundleRow):
        query: Any = model.select(model.manifest).where(among(model.manifest, ids))
        found |= {manifest_id for (manifest_id,) in query.tuples()}
    return found


def _recorded(digests: Collection[str]) -> set[tuple[int, str]]:
    """Return the repositories and digests of those that are records of promotions."""
    found: set[tuple[int, str]] = set()
    for chunk in chunks(digests):
        query: Any = (
            PromotionRow.select(ChannelRow.repository, PromotionRow.record)
            .join(ChannelRow)
            .where(PromotionRow.record.in_(chunk))
        )
        found |= set(query.tuples())
    return found


def _pairs_held(manifests: Collection[ManifestRow]) -> set[tuple[int, str]]:
    """Return the repositories and digests of those that an index of the repository holds."""
    query: Any = (
        ManifestPartRow.select(ManifestRow.repository, ManifestPartRow.digest)
        .join(ManifestRow)
        .where(
            ManifestPartRow.digest.in_([row.digest for row in manifests])
            & ManifestPartRow.is_manifest
            & among(ManifestRow.repository, {row.repository_id for row in manifests})
        )
    )
    return set(query.tuples())


def _present(manifests: Collection[ManifestRow]) -> set[tuple[int, str]]:
    """Return the repositories and digests of the subjects that are there."""
    found: set[tuple[int, str]] = set()
    for chunk in chunks(row for row in manifests if row.subject is not None):
        query: Any = ManifestRow.select(ManifestRow.repository, ManifestRow.digest).where(
            ManifestRow.digest.in_([row.subject for row in chunk])
            & among(ManifestRow.repository, {row.repository_id for row in chunk})
        )
        found |= set(query.tuples())
    return found


def needed_blobs(repository: int, digests: Collection[str], gone: Gone) -> dict[str, int]:
    """Return which blobs manifests of a repository need, each with the id of one of those."""
    found: dict[str, int] = {}
    for chunk in chunks(digests):
        query: Any = (
            ManifestPartRow.select(ManifestPartRow.digest, ManifestRow.id)
            .join(ManifestRow)
            .where(
                ManifestPartRow.digest.in_(chunk)
                & ~ManifestPartRow.is_manifest
                & (ManifestRow.repository == repository)
            )
        )
        found |= {digest: row for digest, row in query.tuples() if row not in gone.manifests}
    return found


def _above(rows: Collection[ManifestRow], gone: Gone) -> list[ManifestRow]:
    """Return the indexes that hold some of these manifests of one repository, and subjects."""
    repository = next(iter(rows)).repository_id
    found: list[ManifestRow] = []
    for chunk in chunks({row.digest for row in rows}):
        holders = (
            ManifestRow.select()
            .join(ManifestPartRow)
            .where(
                ManifestPartRow.digest.in_(chunk)
                & ManifestPartRow.is_manifest
                & (ManifestRow.repository == repository)
            )
        )
        found.extend(holders)
    for chunk in chunks({row.subject for row in rows if row.subject is not None}):
        subjects = ManifestRow.select().where(
            (ManifestRow.repository == repository) & ManifestRow.digest.in_(chunk)
        )
        found.extend(subjects)
    return [row for row in found if row.id not in gone.manifests]


def _root(rows: Collection[ManifestRow], gone: Gone) -> str | None:
    """Return what keeps one of these manifests of one repository by itself, or None."""
    for chunk in chunks({row.id for row in rows}):
        named = TagRow.manifest.in_(chunk)
        tag = TagRow.get_or_none(named & ~among(TagRow.id, gone.tags) if gone.tags else named)
        if tag is not None:
            return f"the tag {tag.name}"
        release = ReleaseRow.get_or_none(ReleaseRow.manifest.in_(chunk))
        if release is not None:
            return f"the release {release.version}"
        if BundleRow.select().where(BundleRow.manifest.in_(chunk)).exists():
            return "a bundle"
    repository = next(iter(rows)).repository_id
    for names in chunks({row.digest for row in rows}):
        records = (
            PromotionRow.select()
            .join(ChannelRow)
            .where((ChannelRow.repository == repository) & PromotionRow.record.in_(names))
        )
        if records.exists():
            return "the history of a channel"
    return None
