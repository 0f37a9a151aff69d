"""Referrers: the manifests that have a digest as their subject (distribution-spec 1.1).

Anybody who may push may hang anything on a manifest, with annotations as long as a manifest may be,
and every client that verifies something asks for all of it. So an answer is bounded, and the next
one is linked; and what wouldn't fit into an answer alone isn't taken in.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from peewee import fn

from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import InvalidManifest
from artifacts.manifest import image_index
from artifacts.reference import RepositoryName
from registry.access import Access, Principal, Verb
from registry.database import Database
from registry.oci.contents import KeptManifest
from registry.oci.repositories import Repositories
from registry.schema import ManifestRow

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer at most: what clients are asked to take of a manifest, which it is."""

_AROUND = 400
"""Bytes at most of an entry without its annotations and artifact type, or of an empty index."""

MOST_ENTRIES = 5_000
"""Entries of an answer at most: some 1.5 MiB, without annotations."""


@dataclass(frozen=True, slots=True)
class ReferrersIndex:
    """An image index as bytes; `filtered` when the artifact type was applied.

    `last` is where the next begins, None where this is the last.
    """

    data: bytes
    filtered: bool
    last: int | None = None


def check_listable(kept: KeptManifest) -> None:
    """Refuse a manifest with a subject that no answer about that could tell of.

    Raises:
        InvalidManifest: (artifacts) its annotations are too large.
    """
    if kept.manifest.subject is None:
        return
    entry = replace(kept.descriptor, annotations=kept.manifest.annotations)
    size = len(image_index(artifact_type=None, manifests=[entry]))
    if size > LARGEST_ANSWER:
        raise InvalidManifest(
            f"as a referrer it takes {size} bytes of an index that may have {LARGEST_ANSWER}: its "
            "annotations are too large"
        )


class Referrers:
    """Lists referrers."""

    def __init__(self, database: Database, access: Access, repositories: Repositories) -> None:
        self._database = database
        self._access = access
        self._repositories = repositories

    def index(
        self,
        principal: Principal,
        repository: RepositoryName,
        subject: Digest,
        artifact_type: str | None = None,
        last: int = 0,
    ) -> ReferrersIndex:
        """Return referrers of `subject` that the principal may see, oldest first, after `last`.

        None at all is an empty index.

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            self._access.require(principal, Verb.PULL, repository.namespace, repository.text)
            row = self._repositories.find(repository)
            entries: list[Descriptor] = []
            following = None
            if row is not None and (artifact_type is None or artifact_type.isprintable()):
                wanted = (
                    (ManifestRow.repository == row)
                    & (ManifestRow.subject == str(subject))
                    & (ManifestRow.id > last)
                )
                if not self._repositories.sees_staged(principal, repository):
                    wanted &= ~ManifestRow.is_staged
                if artifact_type is not None:
                    wanted &= ManifestRow.kind == artifact_type
                entries, following = _page(wanted)
        data = image_index(artifact_type=None, manifests=entries)
        return ReferrersIndex(data, artifact_type is not None, following)


def _page(wanted: Any) -> tuple[list[Descriptor], int | None]:
    """Return the entries that fit into an answer, at least one, and the last where more follow.

    How long each is at most is asked first: all of them together may not fit into memory.
    """
    size = (
        fn.LENGTH(ManifestRow.annotations)  # ASCII, and escaped: never shorter than it is told
        + fn.LENGTH(fn.COALESCE(ManifestRow.kind, ""))
        + _AROUND
    )
    sizes: Any = ManifestRow.select(ManifestRow.id, size).where(wanted).order_by(ManifestRow.id)
    found: list[tuple[int, int]] = list(sizes.limit(MOST_ENTRIES + 1).tuples())
    last = None
    room = LARGEST_ANSWER - _AROUND
    shown = 0
    for number, length in found[:MOST_ENTRIES]:
        room -= length
        if shown and room < 0:
            break
        last = number
        shown += 1
    rows = ManifestRow.select().where(wanted & (ManifestRow.id <= last)).order_by(ManifestRow.id)
    entries = [] if last is None else [_descriptor(row) for row in rows]
    return entries, last if shown < len(found) else None


def _descriptor(row: ManifestRow) -> Descriptor:
    return Descriptor(
        row.media_type,
        Digest.parse(row.digest),
        row.size,
        json.loads(row.annotations),
        row.kind,
    )
