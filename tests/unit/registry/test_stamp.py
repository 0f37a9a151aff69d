"""The stamp of a SQLite file: every commit changes it, and nothing else does."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from registry.stamp import SqliteStamp

_INSERT = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    connection.execute("INSERT INTO t VALUES (1)")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "a folder?#" / "x.sqlite3"
    made.parent.mkdir()
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
    return made


@pytest.fixture
def writer(file):
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


def test_it_stays_while_nothing_is_written(file, writer):
    stamp = SqliteStamp(file)

    assert stamp.read() == stamp.read()
    writer.execute("SELECT count(*) FROM t").fetchall()
    first = stamp.read()
    assert first == stamp.read()


def test_a_commit_of_this_process_changes_it_and_an_open_transaction_does_not(file, writer):
    stamp = SqliteStamp(file)
    before = stamp.read()

    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO t VALUES (1)")
    assert stamp.read() == before
    writer.execute("COMMIT")

    assert stamp.read() != before


def test_a_commit_of_another_process_changes_it(file):
    stamp = SqliteStamp(file)
    before = stamp.read()

    subprocess.run([sys.executable, "-c", _INSERT, str(file)], check=True)

    assert stamp.read() != before


def test_every_commit_gives_a_stamp_that_never_was(file, writer):
    stamp = SqliteStamp(file)
    seen = [stamp.read()]

    for _ in range(50):
        writer.execute("INSERT INTO t VALUES (1)")
        seen.append(stamp.read())
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    assert len(set(seen)) == 51


def test_opened_again_it_is_another_one(file):
    stamp = SqliteStamp(file)
    before = stamp.read()

    stamp.close()

    assert stamp.read() != before


def test_without_a_file_there_is_none_and_none_is_made(tmp_path):
    stamp = SqliteStamp(tmp_path / "none.sqlite3")

    assert stamp.read() is None
    assert not (tmp_path / "none.sqlite3").exists()


def test_once_the_file_is_there_it_is_read(tmp_path, file):
    missing = tmp_path / "later.sqlite3"
    stamp = SqliteStamp(missing)
    assert stamp.read() is None

    file.rename(missing)

    assert stamp.read() is not None
