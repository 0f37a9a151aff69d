"""The stamp of a SQLite file: every commit changes it, and nothing else does."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from registry import stamp as stamps
from registry.stamp import SqliteStamp

_INSERT = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    connection.execute("INSERT INTO t VALUES (1)")
"""


@pytest.fixture(autouse=True, params=["looked at", "asked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How it is read: in the index of the log, or by asking SQLite, where that isn't known."""
    if request.param == "asked":
        monkeypatch.setattr(stamps, "_VERSION", b"")
    return str(request.param)


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


def test_it_is_looked_at_where_that_can_be(file, way):
    stamp = SqliteStamp(file)
    stamp.read()
    stamp._opened.connection.close()  # which then can't be asked

    assert (stamp.read() is not None) is (way == "looked at")


def test_a_header_that_is_half_written_is_left_to_sqlite(file, writer):
    stamp = SqliteStamp(file)
    stamp.read()
    before = stamp.read()
    index = Path(f"{file}-shm")
    with index.open("r+b") as shared:  # as one leaves it that is killed there
        shared.seek(48)
        shared.write(b"\xff" * 4)

    said = stamp.read()  # which has SQLite mend it
    assert said not in {None, before}
    writer.execute("INSERT INTO t VALUES (1)")
    assert stamp.read() not in {None, before, said}


def test_a_child_opens_its_own(file, writer):
    stamp = SqliteStamp(file)
    stamp.read()
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover - the child
        first = stamp.read()
        writing = sqlite3.connect(file, isolation_level=None)
        writing.execute("INSERT INTO t VALUES (1)")
        is_well = first is not None and stamp.read() not in {None, first}
        os.write(write_end, b"y" if is_well else b"n")
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read_end, 1) == b"y"
    os.close(read_end)
    os.close(write_end)


def test_locks_of_this_process_stay_while_it_is_read(file, writer):
    writer.execute("BEGIN")
    writer.execute("SELECT count(*) FROM t").fetchall()  # an old state, which is kept for it
    stamp = SqliteStamp(file)
    stamp.read()
    stamp._forget()
    stamp.read()

    restart = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0)"
    restart += "; c.execute('INSERT INTO t VALUES (1)'); c.commit()"
    restart += "; print(c.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()[0])"
    words = [sys.executable, "-c", restart, str(file)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "1"  # busy: somebody still reads
    writer.execute("COMMIT")
