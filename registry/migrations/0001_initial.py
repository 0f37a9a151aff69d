"""The first schema; the models are a copy, frozen: registry/schema.py goes on without it."""

import peewee
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:  # noqa: ARG001
    """Make every table."""

    class AuditRow(peewee.Model):
        at = peewee.BigIntegerField()
        actor = peewee.TextField()
        role = peewee.TextField()
        proof = peewee.TextField()
        action = peewee.TextField()
        target = peewee.TextField()
        detail = peewee.TextField()

        class Meta:
            database = db
            table_name = "audit_entry"

    db.create_tables([AuditRow])

    class BlobRow(peewee.Model):
        digest = peewee.TextField(unique=True)
        size = peewee.BigIntegerField()
        location = peewee.TextField()
        created = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "blob"

    db.create_tables([BlobRow])

    class NamespaceRow(peewee.Model):
        name = peewee.TextField(unique=True)
        is_public = peewee.BooleanField()
        owner = peewee.TextField()
        created = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "namespace"

    db.create_tables([NamespaceRow])

    class RepositoryRow(peewee.Model):
        namespace = peewee.ForeignKeyField(NamespaceRow)
        name = peewee.TextField(unique=True)
        kind = peewee.TextField()
        created = peewee.BigIntegerField()
        created_by = peewee.TextField()

        class Meta:
            database = db
            table_name = "repository"

    db.create_tables([RepositoryRow])

    class ManifestRow(peewee.Model):
        repository = peewee.ForeignKeyField(RepositoryRow)
        blob = peewee.ForeignKeyField(BlobRow)
        digest = peewee.TextField()
        media_type = peewee.TextField()
        artifact_type = peewee.TextField(null=True)
        kind = peewee.TextField(null=True)
        subject = peewee.TextField(null=True)
        size = peewee.BigIntegerField()
        annotations = peewee.TextField()
        is_staged = peewee.BooleanField()
        created = peewee.BigIntegerField()
        created_by = peewee.TextField()

        class Meta:
            database = db
            table_name = "manifest"
            indexes = ((("repository", "digest"), True), (("repository", "subject"), False))

    db.create_tables([ManifestRow])

    class BundleRow(peewee.Model):
        repository = peewee.ForeignKeyField(RepositoryRow)
        manifest = peewee.ForeignKeyField(ManifestRow, unique=True)
        packages = peewee.TextField()
        created = peewee.BigIntegerField()
        created_by = peewee.TextField()

        class Meta:
            database = db
            table_name = "bundle"

    db.create_tables([BundleRow])

    class ReleaseRow(peewee.Model):
        repository = peewee.ForeignKeyField(RepositoryRow)
        version = peewee.TextField()
        manifest = peewee.ForeignKeyField(ManifestRow, unique=True)
        revision = peewee.BigIntegerField(unique=True)
        summary = peewee.TextField()
        metadata = peewee.TextField()
        platforms = peewee.TextField()
        signers = peewee.TextField()
        receipt = peewee.TextField()
        published = peewee.BigIntegerField()
        published_by = peewee.TextField()

        class Meta:
            database = db
            table_name = "release"
            indexes = ((("repository", "version"), True),)

    db.create_tables([ReleaseRow])

    class BundleReleaseRow(peewee.Model):
        bundle = peewee.ForeignKeyField(BundleRow, on_delete="CASCADE")
        release = peewee.ForeignKeyField(ReleaseRow)

        class Meta:
            database = db
            table_name = "bundle_release"
            indexes = ((("bundle", "release"), True),)

    db.create_tables([BundleReleaseRow])

    class ChannelRow(peewee.Model):
        repository = peewee.ForeignKeyField(RepositoryRow)
        name = peewee.TextField()
        position = peewee.IntegerField()
        bundle = peewee.ForeignKeyField(BundleRow, null=True)

        class Meta:
            database = db
            table_name = "channel"
            indexes = ((("repository", "name"), True),)

    db.create_tables([ChannelRow])

    class EventRow(peewee.Model):
        kind = peewee.TextField()
        payload = peewee.TextField()
        at = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "event"

    db.create_tables([EventRow])

    class IndexState(peewee.Model):
        revision = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "index_state"

    db.create_tables([IndexState])

    class ManifestPartRow(peewee.Model):
        manifest = peewee.ForeignKeyField(ManifestRow, on_delete="CASCADE")
        digest = peewee.TextField(index=True)
        is_manifest = peewee.BooleanField()

        class Meta:
            database = db
            table_name = "manifest_part"

    db.create_tables([ManifestPartRow])

    class NamespaceKeyRow(peewee.Model):
        namespace = peewee.ForeignKeyField(NamespaceRow)
        fingerprint = peewee.TextField()
        armored = peewee.TextField()
        user_ids = peewee.TextField()
        roles = peewee.TextField()
        algorithm = peewee.TextField()
        created = peewee.BigIntegerField()
        expires = peewee.BigIntegerField(null=True)
        is_revoked = peewee.BooleanField()
        added = peewee.BigIntegerField()
        added_by = peewee.TextField()

        class Meta:
            database = db
            table_name = "namespace_key"
            indexes = ((("namespace", "fingerprint"), True),)

    db.create_tables([NamespaceKeyRow])

    class PromotionRow(peewee.Model):
        channel = peewee.ForeignKeyField(ChannelRow)
        bundle = peewee.ForeignKeyField(BundleRow)
        record = peewee.TextField()
        came_from = peewee.TextField(null=True)
        previous = peewee.TextField(null=True)
        previous_bundle = peewee.TextField(null=True)
        evidence = peewee.TextField()
        asked_by = peewee.TextField()
        role = peewee.TextField()
        proof = peewee.TextField()
        at = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "promotion"

    db.create_tables([PromotionRow])

    class RepositoryBlobRow(peewee.Model):
        repository = peewee.ForeignKeyField(RepositoryRow)
        blob = peewee.ForeignKeyField(BlobRow)

        class Meta:
            database = db
            table_name = "repository_blob"
            indexes = ((("repository", "blob"), True),)

    db.create_tables([RepositoryBlobRow])

    class TagRow(peewee.Model):
        repository = peewee.ForeignKeyField(RepositoryRow)
        name = peewee.TextField()
        manifest = peewee.ForeignKeyField(ManifestRow)
        is_server_owned = peewee.BooleanField()
        changed = peewee.BigIntegerField()

        class Meta:
            database = db
            table_name = "tag"
            indexes = ((("repository", "name"), True),)

    db.create_tables([TagRow])

    class TokenRow(peewee.Model):
        public_id = peewee.TextField(unique=True)
        secret_sha256 = peewee.TextField()
        name = peewee.TextField()
        role = peewee.TextField()
        namespace = peewee.TextField(null=True)
        created = peewee.BigIntegerField()
        expires = peewee.BigIntegerField(null=True)
        revoked = peewee.BigIntegerField(null=True)

        class Meta:
            database = db
            table_name = "token"

    db.create_tables([TokenRow])

    class UploadRow(peewee.Model):
        upload_id = peewee.TextField(unique=True)
        repository = peewee.ForeignKeyField(RepositoryRow)
        started = peewee.BigIntegerField()
        started_by = peewee.TextField()

        class Meta:
            database = db
            table_name = "upload"

    db.create_tables([UploadRow])

    class YankRow(peewee.Model):
        release = peewee.ForeignKeyField(ReleaseRow)
        revision = peewee.BigIntegerField(unique=True)
        is_yanked = peewee.BooleanField()
        reason = peewee.TextField()
        at = peewee.BigIntegerField()
        by = peewee.TextField()

        class Meta:
            database = db
            table_name = "yank"

    db.create_tables([YankRow])
