"""What is known of a release beside its signatures: a proof that it runs, its documents."""

from typing import Any

import peewee
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:  # noqa: ARG001
    """Add the column; of what is listed already nothing is known until it is published again."""
    run: Any = db.execute_sql
    collation = ' COLLATE "C"' if isinstance(db, peewee.PostgresqlDatabase) else ""
    run(f"ALTER TABLE release ADD COLUMN evidence TEXT{collation} NOT NULL DEFAULT '{{}}'")
