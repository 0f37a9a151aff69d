"""What each release requires, as rows: so that who requires a package is an index's range.

Until then it was in each release's package.json alone. Those are read once, here.
"""

import json
from typing import Any

import peewee
from playhouse.migrate import SchemaMigrator

_BATCH = 200
"""Releases that are read at once: a package.json has up to 1 MiB."""


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:  # noqa: ARG001
    """Add the table, and fill it from what is listed."""
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    run: Any = db.execute_sql

    class RepositoryRow(peewee.Model):
        id = peewee.BigAutoField()
        name = peewee.TextField()

        class Meta:
            database = db
            table_name = "repository"

    class ReleaseRow(peewee.Model):
        id = peewee.BigAutoField()
        repository = peewee.ForeignKeyField(RepositoryRow)
        metadata = peewee.TextField()

        class Meta:
            database = db
            table_name = "release"

    class ReleaseRequirementRow(peewee.Model):
        id = peewee.BigAutoField()
        release = peewee.ForeignKeyField(ReleaseRow, on_delete="CASCADE")
        dependent = peewee.TextField()
        package = peewee.TextField()
        wanted = peewee.TextField()
        extra = peewee.TextField(default="")

        class Meta:
            database = db
            table_name = "release_requirement"
            indexes = (
                (("package", "release", "extra"), True),
                (("package", "dependent"), False),
            )

    db.create_tables([ReleaseRequirementRow])
    if is_postgresql:
        for column in ("dependent", "package", "wanted", "extra"):
            run(f'ALTER TABLE release_requirement ALTER COLUMN {column} TYPE TEXT COLLATE "C"')
    last = 0
    while True:
        batch = list(
            ReleaseRow.select(ReleaseRow, RepositoryRow)
            .join(RepositoryRow)
            .where(ReleaseRow.id > last)
            .order_by(ReleaseRow.id)
            .limit(_BATCH)
        )
        if not batch:
            return
        last = batch[-1].id
        rows = [
            {
                "release": release.id,
                "dependent": release.repository.name,
                "package": package,
                "wanted": text,
                "extra": extra,
            }
            for release in batch
            for extra, group in _groups(json.loads(release.metadata))
            for package, text in sorted(group.items())
        ]
        for start in range(0, len(rows), _BATCH):
            ReleaseRequirementRow.insert_many(rows[start : start + _BATCH]).execute()


def _groups(metadata: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    return [("", metadata["requires"]), *sorted(metadata.get("extras", {}).items())]
