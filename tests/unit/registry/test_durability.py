"""What waits for the disk, and what doesn't need to."""

import io
from datetime import timedelta

import pytest

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Role
from registry.errors import DatabaseAway
from registry.schema import UploadRow
from tests.builders import a_principal

REPOSITORY = RepositoryName("team/image")
PUBLISHER = a_principal(Role.PUBLISHER, "team")
HASTY, DURABLE = "hasty", "durable"
pytestmark = pytest.mark.sqlite


@pytest.fixture
def levels(given, monkeypatch):
    """For each transaction that writes, whether the log was on the disk when it was over."""
    engine = given.registry.database._engine
    seen = []
    count, wait = engine.count, engine._log.wait

    def note(namespace):
        seen.append(HASTY)
        count(namespace)

    def note_sync():
        wait()
        seen[-1] = DURABLE

    monkeypatch.setattr(engine, "count", note)
    monkeypatch.setattr(engine._log, "wait", note_sync)
    return seen


def test_a_write_is_on_the_disk_unless_it_needs_not_be(given, levels):
    database = given.registry.database

    for is_durable in (True, False, True):
        with database.write(is_durable=is_durable):
            pass

    assert levels == [DURABLE, HASTY, DURABLE]


def test_within_another_write_that_one_decides(given, levels):
    database = given.registry.database

    with database.write(), database.write(is_durable=False):
        pass

    assert levels == [DURABLE]


def test_a_push_waits_for_the_disk_once(given, levels):
    uploads = given.registry.uploads
    levels.clear()

    upload = uploads.start(PUBLISHER, REPOSITORY)
    data = b"a blob"
    uploads.finish(PUBLISHER, REPOSITORY, upload.id, Digest.of(data), io.BytesIO(data))

    assert levels == [HASTY, DURABLE]


def test_an_upload_in_use_is_noted_once_in_a_while(given, levels):
    uploads = given.registry.uploads
    upload = uploads.start(PUBLISHER, REPOSITORY)
    levels.clear()

    for _ in range(3):
        uploads.append(PUBLISHER, REPOSITORY, upload.id, io.BytesIO(b"x"))
    assert levels == []
    later = given.clock.advance(timedelta(minutes=2))
    uploads.append(PUBLISHER, REPOSITORY, upload.id, io.BytesIO(b"x"))

    assert levels == [HASTY]
    with given.registry.database.session():
        row = UploadRow.get(UploadRow.upload_id == upload.id)
    assert row.touched == int(later.timestamp())


def test_a_disk_that_fails_is_told_to_the_writer(given, monkeypatch):
    database = given.registry.database

    def fail(_descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(database._engine._log, "_sync", fail)

    with pytest.raises(DatabaseAway, match="Input/output error"), database.write():
        pass
    with database.write(is_durable=False):
        pass


def test_what_fails_waits_for_nothing(given, levels):
    with pytest.raises(ValueError, match="oops"), given.registry.database.write():
        raise ValueError("oops")

    assert levels == []
