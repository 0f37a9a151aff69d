"""What waits for the disk, and what doesn't need to."""

import io
from datetime import timedelta

import pytest

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Role
from registry.schema import CURRENT, UploadRow
from tests.builders import a_principal

REPOSITORY = RepositoryName("team/image")
PUBLISHER = a_principal(Role.PUBLISHER, "team")
NORMAL, FULL = 1, 2  # as `PRAGMA synchronous` says them
pytestmark = pytest.mark.sqlite


@pytest.fixture
def levels(given, monkeypatch):
    """The level of durability of each transaction that writes, as SQLite has it within."""
    database = given.registry.database
    seen = []
    count = database._engine.count

    def note(namespace):
        seen.append(CURRENT.execute_sql("PRAGMA synchronous").fetchone()[0])
        count(namespace)

    monkeypatch.setattr(database._engine, "count", note)
    return seen


def test_a_write_is_on_the_disk_unless_it_needs_not_be(given, levels):
    database = given.registry.database

    for is_durable in (True, False, True):
        with database.write(is_durable=is_durable):
            pass

    assert levels == [FULL, NORMAL, FULL]


def test_within_another_write_that_one_decides(given, levels):
    database = given.registry.database

    with database.write(), database.write(is_durable=False):
        pass

    assert levels == [FULL]


def test_a_push_waits_for_the_disk_once(given, levels):
    uploads = given.registry.uploads
    levels.clear()

    upload = uploads.start(PUBLISHER, REPOSITORY)
    data = b"a blob"
    uploads.finish(PUBLISHER, REPOSITORY, upload.id, Digest.of(data), io.BytesIO(data))

    assert levels == [NORMAL, FULL]


def test_an_upload_in_use_is_noted_once_in_a_while(given, levels):
    uploads = given.registry.uploads
    upload = uploads.start(PUBLISHER, REPOSITORY)
    levels.clear()

    for _ in range(3):
        uploads.append(PUBLISHER, REPOSITORY, upload.id, io.BytesIO(b"x"))
    assert levels == []
    later = given.clock.advance(timedelta(minutes=2))
    uploads.append(PUBLISHER, REPOSITORY, upload.id, io.BytesIO(b"x"))

    assert levels == [NORMAL]
    with given.registry.database.session():
        row = UploadRow.get(UploadRow.upload_id == upload.id)
    assert row.touched == int(later.timestamp())
