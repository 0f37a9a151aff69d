"""Collection, quotas, settings of namespaces, switches and leases; bytes kept in the database.

The models are a copy, frozen. Columns are added by ALTER TABLE alone, which both databases do
without building a table anew (to drop a table is to delete its children's rows, by cascade).
"""

import time
from typing import Any

import peewee
from playhouse.migrate import SchemaMigrator

_USED = """
    UPDATE namespace SET used_bytes = COALESCE((
        SELECT SUM(size) FROM blob WHERE id IN (
            SELECT repository_blob.blob_id FROM repository_blob
            JOIN repository ON repository.id = repository_blob.repository_id
            WHERE repository.namespace_id = namespace.id
            UNION
            SELECT manifest.blob_id FROM manifest
            JOIN repository ON repository.id = manifest.repository_id
            WHERE repository.namespace_id = namespace.id
        )
    ), 0)
"""

_OLD = (
    *("audit_entry", "blob", "namespace", "repository", "manifest", "bundle", "release"),
    *("bundle_release", "channel", "event", "index_state", "manifest_part", "namespace_key"),
    *("promotion", "repository_blob", "tag", "token", "upload", "yank"),
)
"""The tables that were there before."""

_NEW = ("registry_state", "blob_data", "ended_session", "condemned", "review", "switch", "lease")

_GRACE = 86_400
_REASON = "it was there before reviews were"
_REVIEWS = (
    """
    INSERT INTO review (key, kind, repository_id, digest, due, reason, added)
    SELECT 'manifest:' || repository_id || ':' || digest, 'manifest', repository_id, digest,
        {due}, '{reason}', {added}
    FROM manifest
    WHERE NOT EXISTS (SELECT 1 FROM tag WHERE tag.manifest_id = manifest.id)
        AND NOT EXISTS (SELECT 1 FROM release WHERE release.manifest_id = manifest.id)
        AND NOT EXISTS (SELECT 1 FROM bundle WHERE bundle.manifest_id = manifest.id)
    """,
    """
    INSERT INTO review (key, kind, repository_id, digest, due, reason, added)
    SELECT 'link:' || repository_blob.repository_id || ':' || blob.digest, 'link',
        repository_blob.repository_id, blob.digest, {due}, '{reason}', {added}
    FROM repository_blob JOIN blob ON blob.id = repository_blob.blob_id
    WHERE NOT EXISTS (
        SELECT 1 FROM manifest_part JOIN manifest ON manifest.id = manifest_part.manifest_id
        WHERE manifest_part.digest = blob.digest AND manifest_part.is_manifest = {false}
            AND manifest.repository_id = repository_blob.repository_id
    )
    """,
    """
    INSERT INTO review (key, kind, repository_id, digest, due, reason, added)
    SELECT 'blob::' || digest, 'blob', NULL, digest, {due}, '{reason}', {added}
    FROM blob
    WHERE NOT EXISTS (SELECT 1 FROM repository_blob WHERE repository_blob.blob_id = blob.id)
        AND NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.blob_id = blob.id)
    """,
)
"""What was garbage before: a manifest that nothing points to (the sweep asks what holds it), a blob
that no manifest of its repository needs, and bytes that nobody links.
"""


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:  # noqa: ARG001
    """Add the tables and columns; count what namespaces use."""
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    whole, boolean, false = (
        ("BIGINT", "BOOLEAN", "FALSE") if is_postgresql else ("INTEGER", "INTEGER", "0")
    )
    run: Any = db.execute_sql
    for table, column in (
        ("namespace", f"quota_bytes {whole}"),
        ("namespace", f"used_bytes {whole} NOT NULL DEFAULT 0"),
        ("namespace", f"is_sparse {boolean} NOT NULL DEFAULT {false}"),
        ("namespace", "immutable_tags TEXT NOT NULL DEFAULT '[]'"),
        ("namespace", "retention TEXT"),
        ("namespace", f"changes {whole} NOT NULL DEFAULT 0"),
        ("token", "verbs TEXT"),
        ("token", "made_by TEXT"),
        ("repository", f"is_public {boolean} NOT NULL DEFAULT {false}"),
        ("upload", f"touched {whole} NOT NULL DEFAULT 0"),
        ("upload", f"is_ending {boolean} NOT NULL DEFAULT {false}"),
    ):
        run(f"ALTER TABLE {table} ADD COLUMN {column}")
    run("UPDATE upload SET touched = started")
    run(
        "UPDATE repository SET is_public = (SELECT is_public FROM namespace "
        "WHERE namespace.id = repository.namespace_id)"
    )
    run("CREATE UNIQUE INDEX repository_namespace_id_name ON repository (namespace_id, name)")
    run("CREATE INDEX repository_is_public_name ON repository (is_public, name)")
    run(_USED)

    class BlobRow(peewee.Model):
        class Meta:
            database = db
            table_name = "blob"

    class RepositoryRow(peewee.Model):
        class Meta:
            database = db
            table_name = "repository"

    class RegistryStateRow(peewee.Model):
        changes = peewee.BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "registry_state"

    class BlobDataRow(peewee.Model):
        blob = peewee.ForeignKeyField(BlobRow, unique=True, on_delete="CASCADE")
        data = peewee.BlobField()

        class Meta:
            database = db
            table_name = "blob_data"

    class EndedSessionRow(peewee.Model):
        session_id = peewee.TextField(unique=True)
        until = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "ended_session"

    class CondemnedRow(peewee.Model):
        location = peewee.TextField(unique=True)
        size = peewee.BigIntegerField()
        since = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "condemned"

    class ReviewRow(peewee.Model):
        key = peewee.TextField(unique=True)
        kind = peewee.TextField()
        repository = peewee.ForeignKeyField(RepositoryRow, null=True, on_delete="CASCADE")
        digest = peewee.TextField(index=True)
        due = peewee.BigIntegerField()
        reason = peewee.TextField()
        added = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "review"
            indexes = ((("kind", "due"), False),)

    class SwitchRow(peewee.Model):
        name = peewee.TextField(unique=True)
        is_on = peewee.BooleanField()
        reason = peewee.TextField()
        changed = peewee.BigIntegerField()
        changed_by = peewee.TextField()

        class Meta:
            database = db
            table_name = "switch"

    class LeaseRow(peewee.Model):
        name = peewee.TextField(unique=True)
        holder = peewee.TextField()
        until = peewee.BigIntegerField()
        progress = peewee.TextField()

        class Meta:
            database = db
            table_name = "lease"

    db.create_tables(
        [
            RegistryStateRow,
            BlobDataRow,
            EndedSessionRow,
            CondemnedRow,
            ReviewRow,
            SwitchRow,
            LeaseRow,
        ]
    )
    RegistryStateRow.create(changes=0)
    added = int(time.time())
    for statement in _REVIEWS:
        run(statement.format(due=added + _GRACE, added=added, reason=_REASON, false=false))
    if is_postgresql:
        _change_types(run, [*_OLD, *_NEW])


def _change_types(run: Any, tables: list[str]) -> None:
    """Give ids 64 bits, and have texts compare by their bytes, whatever the database's language.

    On SQLite both are so from the beginning.
    """
    columns = run(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
    ).fetchall()
    for table in tables:
        changes = [
            f'ALTER COLUMN {column} TYPE TEXT COLLATE "C"'
            if kind == "text"
            else f"ALTER COLUMN {column} TYPE BIGINT"
            for owner, column, kind in columns
            if owner == table
            and (kind == "text" or (kind == "integer" and (column == "id" or column[-3:] == "_id")))
        ]
        run(f"ALTER TABLE {table} {', '.join(changes)}")
        run(f"ALTER SEQUENCE {table}_id_seq AS BIGINT")
