"""Leases: one holder at a time; who was succeeded writes nothing."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from registry.clock import seconds
from registry.database import Database
from registry.errors import LeaseHeld, LeaseLost
from registry.leases import LIFETIME, Leases
from registry.schema import EventRow, LeaseRow
from tests.builders import SetClock, a_config


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(a_config(tmp_path))
    database.migrate()
    return database


@pytest.fixture
def leases(database: Database, clock: SetClock) -> Leases:
    return Leases(database, clock)


def test_a_second_is_told_who_has_it_and_until_when(leases: Leases, clock: SetClock) -> None:
    mine = leases.take("sweep")
    with pytest.raises(LeaseHeld) as caught:
        leases.take("sweep")
    assert caught.value.holder == mine.holder
    assert caught.value.until == clock.now + LIFETIME
    assert leases.holder("sweep") == (mine.holder, clock.now + LIFETIME)
    leases.take("retention")  # another piece of work


def test_it_may_be_taken_once_it_is_let_go(leases: Leases) -> None:
    leases.take("sweep").release({"last": 7})
    assert leases.holder("sweep") is None
    leases.take("sweep")
    assert leases.progress("sweep") == {"last": 7}
    assert leases.progress("retention") == {}
    assert leases.holder("retention") is None


def test_who_works_puts_the_end_off(leases: Leases, clock: SetClock, database: Database) -> None:
    mine = leases.take("sweep")
    for step in range(3):
        clock.advance(LIFETIME - timedelta(seconds=1))
        with database.write():
            mine.hold({"step": step})
    with pytest.raises(LeaseHeld):
        leases.take("sweep")
    with database.write():
        mine.hold()
    assert leases.progress("sweep") == {"step": 2}


def test_who_died_is_succeeded_and_one_that_only_slept_writes_nothing(
    leases: Leases, clock: SetClock, database: Database
) -> None:
    slept = leases.take("sweep")
    clock.advance(LIFETIME + timedelta(seconds=1))
    mine = leases.take("sweep")

    def go_on() -> None:
        with database.write():
            EventRow.create(kind="x", payload="{}", at=0)
            slept.hold()

    with pytest.raises(LeaseLost, match="took the sweep over"):
        go_on()
    with database.write():
        assert EventRow.select().count() == 0
        mine.hold()
    slept.release({"last": 1})  # lets go of nothing
    with pytest.raises(LeaseHeld):
        leases.take("sweep")


def test_one_that_died_on_this_machine_is_succeeded_at_once(
    leases: Leases, database: Database, clock: SetClock
) -> None:
    child = os.fork()
    if child == 0:
        Leases(database, clock).take("sweep")
        os._exit(0)
    os.waitpid(child, 0)
    assert leases.holder("sweep") is not None
    leases.take("sweep")


@pytest.mark.parametrize("pid", ["1", "999999999"])
def test_one_of_another_machine_or_user_is_waited_for(
    leases: Leases, database: Database, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = leases.take("sweep")
    elsewhere = mine.holder.replace(f"/{os.getpid()}/", f"/{pid}/")
    if pid == "1":  # which is not ours to signal, for who isn't root
        monkeypatch.setattr("os.kill", _refuse)
    else:
        elsewhere = f"elsewhere-{elsewhere}"
    with database.write():
        LeaseRow.update(holder=elsewhere).execute()
    with pytest.raises(LeaseHeld):
        leases.take("sweep")


def test_where_processes_have_no_names_a_host_is_enough(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readlink(_: Path) -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "readlink", readlink)
    leases.take("sweep")
    with pytest.raises(LeaseHeld):
        leases.take("sweep")


def _refuse(_pid: int, _signal: int) -> None:
    raise PermissionError


def test_a_clock_that_was_set_back_keeps_nobody_waiting_for_years(
    leases: Leases, clock: SetClock, database: Database
) -> None:
    leases.take("sweep")
    with database.write():
        LeaseRow.update(until=seconds(clock.now + timedelta(days=400))).execute()
    leases.take("sweep")
