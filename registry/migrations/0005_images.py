"""The images that bundles hold, as rows: where each came from."""

from typing import Any

import peewee
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:  # noqa: ARG001
    """Add the table; no bundle had images before."""

    class RepositoryRow(peewee.Model):
        id = peewee.BigAutoField()

        class Meta:
            database = db
            table_name = "repository"

    class BundleRow(peewee.Model):
        id = peewee.BigAutoField()

        class Meta:
            database = db
            table_name = "bundle"

    class BundleImageRow(peewee.Model):
        id = peewee.BigAutoField()
        application = peewee.ForeignKeyField(RepositoryRow)
        bundle = peewee.ForeignKeyField(BundleRow, null=True, on_delete="SET NULL")
        repository = peewee.TextField()
        digest = peewee.TextField()
        size = peewee.BigIntegerField()
        platforms = peewee.TextField()

        class Meta:
            database = db
            table_name = "bundle_image"
            indexes = (
                (("bundle", "repository", "digest"), True),
                (("application", "digest"), False),
            )

    db.create_tables([BundleImageRow])
    if isinstance(db, peewee.PostgresqlDatabase):
        run: Any = db.execute_sql
        for column in ("repository", "digest", "platforms"):
            run(f'ALTER TABLE bundle_image ALTER COLUMN {column} TYPE TEXT COLLATE "C"')
