"""Goes through everything once, while the registry runs.

::

    references ─> namespaces ─> repositories ─> blobs ─> stored bytes ─> uploads
               ─> links ─> manifests ─> tags ─> releases ─> index ─> bundles ─> channels

Each row is looked at in a short session, so that nothing waits for the check. What seems wrong then
is looked at again in a snapshot of its own, and must still be there afterwards: what a push or a
sweep was just changing is no finding.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from registry.check.blobs import BlobExaminer, examine_stored, examine_upload
from registry.check.findings import Finding
from registry.check.manifests import (
    ManifestExaminer,
    examine_link,
    examine_namespace,
    examine_references,
    examine_repository,
    examine_tag,
)
from registry.check.releases import (
    ReleaseExaminer,
    examine_bundle,
    examine_channel,
    examine_index,
)
from registry.database import Database
from registry.oci.contents import Contents
from registry.schema import (
    BlobRow,
    BundleRow,
    ChannelRow,
    ManifestRow,
    NamespaceRow,
    ReleaseRow,
    RepositoryBlobRow,
    RepositoryRow,
    Row,
    TagRow,
)
from storage.blobs import ListedStore
from storage.errors import BlobMissing

_BATCH = 200

_Row = TypeVar("_Row", bound=Row)
_Item = TypeVar("_Item")
Progress = Callable[[str, int], None]
"""Told the name of a stage, and how many of its rows or files were looked at."""


class Checker:
    """Looks for everything that `registry.check.findings.Problem` names."""

    def __init__(self, database: Database, store: ListedStore, contents: Contents) -> None:
        self._database = database
        self._store = store
        self._contents = contents

    def run(self, progress: Progress, *, reads_bytes: bool = True) -> Iterator[Finding]:
        """Yield what is wrong; `reads_bytes` False takes the digest of stored bytes on trust.

        Raises:
            StoreUnavailable: (storage) the store can't be read.
            peewee.DatabaseError: the database can't.
        """
        blobs = BlobExaminer(self._contents, reads_bytes=reads_bytes)
        manifests = ManifestExaminer(self._contents)
        releases = ReleaseExaminer(self._contents)
        yield from self._once("references", examine_references, progress)
        yield from self._walk("namespaces", NamespaceRow, examine_namespace, progress)
        yield from self._walk("repositories", RepositoryRow, examine_repository, progress)
        yield from self._walk("blobs", BlobRow, blobs.examine, progress)
        yield from self._stored(progress)
        yield from self._uploads(progress)
        yield from self._walk("links", RepositoryBlobRow, examine_link, progress)
        yield from self._walk("manifests", ManifestRow, manifests.examine, progress)
        yield from self._walk("tags", TagRow, examine_tag, progress)
        yield from self._walk("releases", ReleaseRow, releases.examine, progress)
        yield from self._once("index", examine_index, progress)
        yield from self._walk("bundles", BundleRow, examine_bundle, progress)
        yield from self._walk("channels", ChannelRow, examine_channel, progress)

    def _once(
        self, stage: str, examine: Callable[[], Iterator[Finding]], progress: Progress
    ) -> Iterator[Finding]:
        with self._database.read():
            findings = list(examine())
        progress(stage, 1)
        yield from findings

    def _walk(
        self,
        stage: str,
        model: type[_Row],
        examine: Callable[[_Row], Iterator[Finding]],
        progress: Progress,
    ) -> Iterator[Finding]:
        last, seen = 0, 0
        while True:
            with self._database.session():
                query = model.select().where(model.id > last).order_by(model.id).limit(_BATCH)
                rows: list[_Row] = list(query)
                suspected = [row.id for row in rows if any(True for _ in examine(row))]
            seen += len(rows)
            progress(stage, seen)
            if not rows:
                return
            last = rows[-1].id
            for row_id in suspected:
                yield from self._look_again(model, row_id, examine)

    def _look_again(
        self, model: type[_Row], row_id: int, examine: Callable[[_Row], Iterator[Finding]]
    ) -> list[Finding]:
        with self._database.read():
            row = model.get_or_none(model.id == row_id)
            findings = [] if row is None else list(examine(row))
        with self._database.session():
            is_there = model.select().where(model.id == row_id).exists()
        return findings if is_there else []

    def _stored(self, progress: Progress) -> Iterator[Finding]:
        seen = 0
        for batch in _batches(self._store.blobs()):
            with self._database.session():
                suspected = [one for one in batch if any(True for _ in examine_stored(one))]
            seen += len(batch)
            progress("stored bytes", seen)
            for one in suspected:
                with self._database.read():
                    findings = list(examine_stored(one))
                if findings and self._is_stored(one.location):
                    yield from findings

    def _uploads(self, progress: Progress) -> Iterator[Finding]:
        suspected = self._orphans(progress)
        if suspected:
            # an upload that has just ended was in the list, and its row was not: it is gone by now
            again = self._orphans(progress)
            yield from (again[upload_id] for upload_id in suspected if upload_id in again)

    def _orphans(self, progress: Progress) -> dict[str, Finding]:
        found: dict[str, Finding] = {}
        seen = 0
        for batch in _batches(self._store.uploads()):
            with self._database.session():
                found |= {one.id: each for one in batch for each in examine_upload(one)}
            seen += len(batch)
        progress("uploads", seen)
        return found

    def _is_stored(self, location: str) -> bool:
        try:
            self._store.open(location).close()
        except BlobMissing:
            return False
        return True


def _batches(everything: Iterable[_Item]) -> Iterator[list[_Item]]:
    rest = iter(everything)
    while batch := list(islice(rest, _BATCH)):
        yield batch
