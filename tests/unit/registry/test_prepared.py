"""Prepared queries give what the same queries give that are drawn anew."""

import peewee
import pytest

from registry import changes
from registry.prepared import Prepared, PreparedWrite
from registry.schema import (
    AuditRow,
    BlobRow,
    NamespaceRow,
    RepositoryBlobRow,
    RepositoryRow,
    ReviewRow,
    UploadRow,
)

BY_NAME = Prepared[NamespaceRow](
    lambda name: NamespaceRow.select().where(NamespaceRow.name == name), ""
)
PUBLIC_ONE = Prepared[NamespaceRow](
    lambda name: NamespaceRow.select().where((NamespaceRow.name == name) & NamespaceRow.is_public),
    "",
)
IN_NAMESPACE = Prepared[RepositoryRow](
    lambda number, name: (
        RepositoryRow.select()
        .join(NamespaceRow)
        .where((NamespaceRow.id == number) & (RepositoryRow.name == name))
    ),
    0,
    "",
)


@pytest.fixture
def database(given):
    given.namespace("other")
    return given.registry.database


def test_it_finds_the_row_of_each_value(database):
    with database.session():
        for name in ("team", "other", "team"):
            found = BY_NAME.first(name)
            plain = NamespaceRow.get(NamespaceRow.name == name)
            assert found is not None
            assert found.__data__ == plain.__data__
            assert not found.is_dirty()


def test_what_is_not_there_is_none(database):
    with database.session():
        assert BY_NAME.first("nobody") is None
        assert BY_NAME.exists("team")
        assert not BY_NAME.exists("nobody")


def test_a_value_of_an_attacker_is_a_value(database):
    with database.session():
        assert BY_NAME.first("' OR 1=1 --") is None
        assert BY_NAME.first("example 0 of a prepared value") is None


def test_constants_of_the_query_stay(database):
    with database.session():
        NamespaceRow.update(is_public=False).where(NamespaceRow.name == "team").execute()
        assert PUBLIC_ONE.first("team") is None
        NamespaceRow.update(is_public=True).where(NamespaceRow.name == "team").execute()
        assert PUBLIC_ONE.exists("team")


def test_numbers_joins_and_several_values(database):
    with database.session():
        team = NamespaceRow.get(NamespaceRow.name == "team")
        made = RepositoryRow.create(
            namespace=team, name="team/x", kind="new", created=1, created_by="a"
        )

        found = IN_NAMESPACE.first(team.id, "team/x")

        assert found == made
        assert found.namespace == team
        assert IN_NAMESPACE.first(team.id + 1, "team/x") is None


def test_a_row_may_be_changed_and_saved(database):
    with database.write():
        found = BY_NAME.first("team")
        found.owner = "somebody else"
        found.save()

        assert BY_NAME.first("team").owner == "somebody else"


def test_outside_of_a_session_it_can_not_be_asked(database):
    with pytest.raises(peewee.InterfaceError, match="outside of a session"):
        BY_NAME.first("team")


def test_a_value_that_is_not_used_is_a_mistake(database):
    forgetful = Prepared[NamespaceRow](lambda _name: NamespaceRow.select(), "")

    with database.session(), pytest.raises(ValueError, match="each of its values"):
        forgetful.first("team")


def test_one_that_must_be_there(database):
    with database.session():
        assert BY_NAME.one("team").name == "team"
        with pytest.raises(peewee.DoesNotExist, match="nobody"):
            BY_NAME.one("nobody")


RENAME = PreparedWrite(
    lambda owner, name: NamespaceRow.update(owner=owner).where(NamespaceRow.name == name), "", ""
)


def test_a_write_says_how_many_rows_it_changed(database):
    with database.write():
        assert RENAME.run("somebody", "team") == 1
        assert RENAME.run("somebody", "nobody") == 0

        assert BY_NAME.one("team").owner == "somebody"
        assert BY_NAME.one("other").owner != "somebody"


def test_each_prepared_change_does_what_a_drawn_one_does(database):
    """And once more the same does nothing, or is written over."""
    with database.write():
        team = NamespaceRow.get(NamespaceRow.name == "team")
        team.quota_bytes = 100
        team.save()
        holder = RepositoryRow.create(
            namespace=team, name="team/x", kind="new", created=1, created_by="a"
        )
        assert [changes.add_blob("sha256:1", 60, "here", 5) for _ in range(2)] == [1, 0]
        blob = BlobRow.get(BlobRow.digest == "sha256:1")
        assert (blob.size, blob.location, blob.created) == (60, "here", 5)

        assert [changes.count_bytes(60, team.id) for _ in range(2)] == [1, 0]
        assert NamespaceRow.get_by_id(team.id).used_bytes == 60

        assert [changes.hold_blob(holder.id, blob.id) for _ in range(2)] == [1, 0]
        assert RepositoryBlobRow.get(RepositoryBlobRow.blob == blob).repository == holder

        assert changes.add_upload("u1", holder.id, "me", 7) == 1
        upload = UploadRow.get(UploadRow.upload_id == "u1")
        assert (upload.repository, upload.started, upload.started_by) == (holder, 7, "me")
        assert (upload.touched, upload.is_ending) == (7, False)
        assert [changes.drop_upload("u1") for _ in range(2)] == [1, 0]
        UploadRow.insert(
            upload_id="u2", repository=holder, started=1, started_by="me", is_ending=True
        ).execute()
        assert changes.drop_upload("u2") == 0

        for due, reason in ((10, "why"), (20, "other")):
            assert changes.queue_review("k", "blob", None, "sha256:1", due, reason, due) == 1
        review = ReviewRow.get(ReviewRow.key == "k")
        assert (review.kind, review.repository, review.digest) == ("blob", None, "sha256:1")
        assert (review.due, review.reason, review.added) == (20, "other", 20)

        assert changes.add_audit_entry(1, "me", "admin", "token", "a.b", "x", "{}") == 1
        entry = AuditRow.select().order_by(AuditRow.id.desc()).get()
        said = (entry.at, entry.actor, entry.role, entry.proof, entry.action, entry.target)
        assert (*said, entry.detail) == (1, "me", "admin", "token", "a.b", "x", "{}")
