"""What nearly every push changes, a row each; prepared, in a transaction of the caller's.

Each returns how many rows it made, changed or deleted: none or one.
"""

from registry.prepared import PreparedWrite
from registry.schema import (
    AuditRow,
    BlobRow,
    NamespaceRow,
    RepositoryBlobRow,
    ReviewRow,
    UploadRow,
)

add_upload = PreparedWrite(
    lambda upload_id, repository, principal, now: UploadRow.insert(
        upload_id=upload_id,
        repository=repository,
        started=now,
        started_by=principal,
        touched=now,
    ),
    "",
    0,
    "",
    0,
).run
"""Begin an upload: its id, its repository (the row's id), whose it is, and when."""

drop_upload = PreparedWrite(
    lambda upload_id: UploadRow.delete().where(
        (UploadRow.upload_id == upload_id) & ~UploadRow.is_ending
    ),
    "",
).run
"""Delete the open upload with an id."""

add_blob = PreparedWrite(
    lambda digest, size, location, now: BlobRow.insert(
        digest=digest, size=size, location=location, created=now
    ).on_conflict_ignore(),
    "",
    0,
    "",
    0,
).run
"""Add a blob, unless there is one with the digest: its size, its location, and when."""

hold_blob = PreparedWrite(
    lambda holder, blob: RepositoryBlobRow.insert(
        repository=holder, blob=blob
    ).on_conflict_ignore(),
    0,
    0,
).run
"""Let a repository hold a blob (their rows' ids), unless it does."""

count_bytes = PreparedWrite(
    lambda size, namespace: NamespaceRow.update(used_bytes=NamespaceRow.used_bytes + size).where(
        (NamespaceRow.id == namespace)
        & (
            NamespaceRow.quota_bytes.is_null()
            | (NamespaceRow.used_bytes + size <= NamespaceRow.quota_bytes)
        )
    ),
    0,
    0,
).run
"""Count bytes that a namespace (its row's id) is about to use, if they fit into its quota."""

queue_review = PreparedWrite(
    lambda key, kind, repository, digest, due, reason, now: ReviewRow.insert(
        key=key,
        kind=kind,
        repository=repository,
        digest=digest,
        due=due,
        reason=reason,
        added=now,
    ).on_conflict(
        conflict_target=[ReviewRow.key],
        preserve=[ReviewRow.due, ReviewRow.reason, ReviewRow.added],
    ),
    "",
    "",
    0,
    "",
    0,
    "",
    0,
).run
"""Queue a review, over the one that waits already: the columns of its row, in their order."""

add_audit_entry = PreparedWrite(
    lambda at, actor, role, proof, action, target, detail: AuditRow.insert(
        at=at,
        actor=actor,
        role=role,
        proof=proof,
        action=action,
        target=target,
        detail=detail,
    ),
    0,
    "",
    "",
    "",
    "",
    "",
    "",
).run
"""Add an audit entry: the columns of its row, in their order."""
