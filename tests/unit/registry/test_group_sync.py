"""One sync of the log serves all who committed before it began, and nobody who came later."""

import threading

import pytest

from registry.group_sync import GroupSync


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "log"
    made.write_bytes(b"frames")
    return made


class Disk:
    """Syncs when it is let; counts."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.count = 0

    def sync(self, _descriptor):
        self.count += 1
        self.begun.release()
        assert self.may_end.acquire(timeout=30)


def test_each_wait_alone_is_a_sync(file):
    synced = []
    log = GroupSync(file, synced.append)

    log.wait()
    log.wait()

    assert len(synced) == 2


def test_those_who_come_during_a_sync_share_the_next(file):
    disk = Disk()
    log = GroupSync(file, disk.sync)
    ended = []

    def wait(name):
        log.wait()
        ended.append(name)

    first = threading.Thread(target=wait, args=("first",))
    first.start()
    assert disk.begun.acquire(timeout=30)
    others = [threading.Thread(target=wait, args=("other",)) for _ in range(5)]
    for thread in others:
        thread.start()
    asked = threading.Event()
    while log._asked < 6:  # until all of them are counted
        asked.wait(0.001)
    assert ended == []

    disk.may_end.release()
    first.join(30)
    assert disk.begun.acquire(timeout=30)
    assert ended == ["first"]  # what came later isn't covered by what had begun
    disk.may_end.release()
    for thread in others:
        thread.join(30)

    assert ended == ["first"] + ["other"] * 5
    assert disk.count == 2


def test_an_error_is_told_and_the_next_one_tries_again(file):
    outcomes = [OSError(5, "failed"), None]

    def sync(_descriptor):
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    log = GroupSync(file, sync)

    with pytest.raises(OSError, match="failed"):
        log.wait()
    log.wait()

    assert outcomes == []


def test_a_log_that_is_gone_was_copied_into_the_database(tmp_path):
    GroupSync(tmp_path / "none").wait()


def test_the_real_one_syncs_a_file(file):
    GroupSync(file).wait()
