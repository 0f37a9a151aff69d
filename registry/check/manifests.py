"""Examines manifests, what they need, tags, and that every row's references are there."""

import json
from collections.abc import Iterator
from typing import Any

import peewee
from peewee import fn

from artifacts.errors import ArtifactError
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from registry.check.findings import Finding, Problem
from registry.oci.contents import Contents
from registry.oci.manifests import is_elsewhere, may_be_sparse
from registry.oci.repositories import Kind
from registry.reachability import roots_and_held
from registry.reviews import Kind as ReviewKind
from registry.reviews import review_key
from registry.schema import (
    MODELS,
    BlobRow,
    ManifestPartRow,
    ManifestRow,
    NamespaceRow,
    RepositoryBlobRow,
    RepositoryRow,
    ReviewRow,
    Row,
    TagRow,
)
from storage.errors import StorageError

Manifest = ImageManifest | ImageIndex


class ManifestExaminer:
    """Looks at one manifest's row, bytes and parts."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def read(self, row: ManifestRow) -> Manifest | None:
        """Return what a manifest's bytes say, or None where they can't be read."""
        blob = BlobRow.get_or_none(BlobRow.id == row.blob_id)
        try:
            return None if blob is None else parse_manifest(self._contents.read(blob))
        except (ArtifactError, StorageError):
            return None

    def examine(self, row: ManifestRow) -> Iterator[Finding]:
        """Yield what is wrong with a manifest."""
        blob = BlobRow.get_or_none(BlobRow.id == row.blob_id)
        repository = RepositoryRow.get_or_none(RepositoryRow.id == row.repository_id)
        if blob is None or repository is None:
            return  # said of the reference
        if blob.digest != row.digest:
            detail = f"its bytes are those of {blob.digest}"
            yield _finding(Problem.MANIFEST_DIGEST, row, detail)
            return
        manifest = self.read(row)
        if manifest is None:
            detail = f"its {row.size} bytes can't be read as {row.media_type}"
            yield _finding(Problem.MANIFEST_UNREADABLE, row, detail)
            return
        differing = [
            name for name, expected in said_of(manifest).items() if getattr(row, name) != expected
        ]
        if row.size != blob.size:
            differing.append("size")
        if differing:
            detail = f"its row has another {', '.join(differing)} than its bytes"
            yield _finding(Problem.MANIFEST_ROW, row, detail)
        if (found := _parts_in_rows(row)) != (expected := parts_of(manifest)):
            shown = ", ".join(sorted(digest for digest, _ in found ^ expected))
            yield _finding(Problem.PARTS, row, f"its rows and its bytes differ in {shown}")
        yield from self._examine_needs(row, repository, manifest)
        if not _is_reached(row) and not _awaits(ReviewKind.MANIFEST, repository, row.digest):
            detail = "nothing reaches it, and no review waits for it"
            yield _finding(Problem.NEVER_COLLECTED, row, detail, table="manifest")

    def _examine_needs(
        self, row: ManifestRow, repository: RepositoryRow, manifest: Manifest
    ) -> Iterator[Finding]:
        if may_be_sparse(repository, Kind(repository.kind), manifest):
            return
        for part in manifest.blobs:
            if not is_elsewhere(part) and not _holds(repository, str(part.digest)):
                detail = f"the repository does not hold {part.digest}"
                yield _finding(Problem.BLOB_MISSING, row, detail, str(part.digest))
        for child in manifest.children:
            held = ManifestRow.select().where(
                (ManifestRow.repository == repository) & (ManifestRow.digest == str(child.digest))
            )
            if not held.exists():
                detail = f"the repository does not hold {child.digest}"
                yield _finding(Problem.CHILD_MISSING, row, detail, str(child.digest))


def said_of(manifest: Manifest) -> dict[str, str | None]:
    """Return what a manifest's row says of its bytes, by column."""
    return {
        "media_type": manifest.media_type,
        "artifact_type": manifest.artifact_type,
        "kind": manifest.kind,
        "subject": None if manifest.subject is None else str(manifest.subject.digest),
        "annotations": json.dumps(dict(manifest.annotations), sort_keys=True),
    }


def parts_of(manifest: Manifest) -> set[tuple[str, bool]]:
    """Return the digests that a manifest needs, and whether each is a manifest's."""
    return {(str(part.digest), False) for part in manifest.blobs} | {
        (str(child.digest), True) for child in manifest.children
    }


def examine_link(row: RepositoryBlobRow) -> Iterator[Finding]:
    """Yield what is wrong with a repository's hold of a blob."""
    needing = (
        ManifestPartRow.select()
        .join(ManifestRow)
        .join(BlobRow, on=(BlobRow.digest == ManifestPartRow.digest))
        .where(
            (BlobRow.id == row.blob_id)
            & (ManifestRow.repository == row.repository_id)
            & ~ManifestPartRow.is_manifest
        )
    )
    if needing.exists():
        return
    blob = BlobRow.get_or_none(BlobRow.id == row.blob_id)
    repository = RepositoryRow.get_or_none(RepositoryRow.id == row.repository_id)
    if blob is None or repository is None:
        return  # said of the reference
    if not _awaits(ReviewKind.LINK, repository, blob.digest):
        detail = "no manifest of the repository needs it, and no review waits for it"
        where = f"{repository.name}@{blob.digest}"
        table = "repository_blob"
        yield Finding(Problem.NEVER_COLLECTED, where, detail, row=row.id, table=table)


def examine_tag(row: TagRow) -> Iterator[Finding]:
    """Yield what is wrong with a tag."""
    manifest = ManifestRow.get_or_none(ManifestRow.id == row.manifest_id)
    if manifest is not None and manifest.repository_id != row.repository_id:
        where = _where(row.repository_id, f":{row.name}")
        detail = f"it points into {_where(manifest.repository_id)}"
        yield Finding(Problem.TAG_ELSEWHERE, where, detail, row=row.id)


def examine_repository(row: RepositoryRow) -> Iterator[Finding]:
    """Yield what is wrong with a repository's name, and with who may see it."""
    namespace = NamespaceRow.get_or_none(NamespaceRow.id == row.namespace_id)
    if namespace is None:
        return  # said of the reference
    if bool(row.is_public) != bool(namespace.is_public):
        detail = f"it says {_public(row)}, and its namespace says {_public(namespace)}"
        yield Finding(Problem.VISIBILITY, row.name, detail, row=row.id)
    if row.name.split("/")[0] != namespace.name:
        detail = f"its row is in the namespace {namespace.name}"
        yield Finding(Problem.NAME, row.name, detail, row=row.id)


def _public(row: RepositoryRow | NamespaceRow) -> str:
    return "public" if row.is_public else "private"


def examine_namespace(row: NamespaceRow) -> Iterator[Finding]:
    """Yield what is wrong with a namespace's count of bytes."""
    used = used_bytes(row)
    if used != row.used_bytes:
        detail = f"it is said to use {row.used_bytes} bytes, and uses {used}"
        yield Finding(Problem.COUNTER, row.name, detail, row=row.id)


def used_bytes(namespace: NamespaceRow) -> int:
    """Return the bytes of the distinct blobs and manifests of a namespace, counted."""
    inside = RepositoryRow.select(RepositoryRow.id).where(RepositoryRow.namespace == namespace)
    linked = RepositoryBlobRow.select(RepositoryBlobRow.blob).where(
        RepositoryBlobRow.repository.in_(inside)
    )
    own = ManifestRow.select(ManifestRow.blob).where(ManifestRow.repository.in_(inside))
    query = BlobRow.select(fn.COALESCE(fn.SUM(BlobRow.size), 0)).where(
        BlobRow.id.in_(linked) | BlobRow.id.in_(own)
    )
    return int(query.scalar())


def examine_references() -> Iterator[Finding]:
    """Yield every row that refers to a row which isn't there.

    The databases hold foreign keys themselves; a file that was repaired by hand, or a restore that
    switched them off, may still break them.
    """
    for model in MODELS:
        for field in model._meta.refs:  # noqa: SLF001 - peewee's documented way to its fields
            yield from _dangling(model, field)


def _dangling(model: type[Row], field: peewee.ForeignKeyField) -> Iterator[Finding]:
    parent = field.rel_model.alias()
    there = parent.select(peewee.SQL("1")).where(parent.id == field)
    there_is_none = field.is_null(is_null=False) & ~fn.EXISTS(there)
    table = model._meta.table_name  # noqa: SLF001 - as above
    query: Any = model.select(model.id, field).where(there_is_none).order_by(model.id).tuples()
    for row_id, target in query:
        detail = f"{field.column_name} is {target}, which is not there"
        yield Finding(
            Problem.DANGLING,
            f"{table} {row_id}",
            detail,
            row=row_id,
            table=table,
            column=field.column_name,
        )


def _parts_in_rows(row: ManifestRow) -> set[tuple[str, bool]]:
    query = ManifestPartRow.select().where(ManifestPartRow.manifest == row)
    return {(part.digest, bool(part.is_manifest)) for part in query}


def _holds(repository: RepositoryRow, digest: str) -> bool:
    query = (
        RepositoryBlobRow.select()
        .join(BlobRow)
        .where((RepositoryBlobRow.repository == repository) & (BlobRow.digest == digest))
    )
    return bool(query.exists())


def _where(repository_id: int, rest: str = "") -> str:
    repository = RepositoryRow.get_or_none(RepositoryRow.id == repository_id)
    name = f"repository {repository_id}" if repository is None else repository.name
    return f"{name}{rest}"


def _is_reached(row: ManifestRow) -> bool:
    """Return whether a manifest is a root, or has something above it, whose own turn it is."""
    if TagRow.select().where(TagRow.manifest == row).exists():
        return True
    roots, held = roots_and_held([row])
    return bool(roots or held)


def _awaits(kind: ReviewKind, repository: RepositoryRow, digest: str) -> bool:
    key = review_key(kind, repository.id, digest)
    return bool(ReviewRow.select().where(ReviewRow.key == key).exists())


def _finding(
    problem: Problem, row: ManifestRow, detail: str, name: str = "", table: str = ""
) -> Finding:
    where = _where(row.repository_id, f"@{row.digest}")
    return Finding(problem, where, detail, row=row.id, name=name, table=table)
