"""Maintenance: sweeps when its time has come, and lets nothing that goes wrong end it."""

import logging
import threading
from datetime import timedelta

import pytest

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.errors import BlobUnknown, DatabaseUnavailable, LeaseLost
from registry.maintenance import Maintenance
from registry.sweep import LEASE, Pace, Swept
from storage.errors import StoreUnavailable
from tests.builders import PUBLISHER, Given

ONE = RepositoryName("team/one")
HOUR = timedelta(hours=1)


def maintained(given: Given, every: timedelta = HOUR) -> Maintenance:
    return Maintenance(
        sweep=given.registry.sweep,
        retentions=given.registry.retentions,
        leases=given.registry.leases,
        every=every,
        clock=given.clock,
    )


def is_there(given: Given, digest: Digest) -> bool:
    try:
        given.registry.blobs.stat(PUBLISHER, ONE, digest)
    except BlobUnknown:
        return False
    return True


def test_it_sweeps_when_its_time_has_come_and_ends_when_told(given: Given) -> None:
    digest = given.blob(ONE, b"alone")
    given.clock.advance(given.config.sweep_grace)
    swept = threading.Event()
    maintenance = maintained(given)
    turn = maintenance.turn

    def turn_and_tell() -> None:
        turn()
        swept.set()

    maintenance.turn = turn_and_tell  # type: ignore[method-assign]
    maintenance.pause = lambda: 3600.0 if swept.is_set() else 0.0  # type: ignore[method-assign]
    maintenance.start()
    assert swept.wait(30)
    maintenance.stop()
    assert not is_there(given, digest)
    assert maintenance._thread is not None
    assert not maintenance._thread.is_alive()


def test_with_no_interval_nothing_begins(given: Given) -> None:
    maintenance = maintained(given, timedelta())
    maintenance.start()
    assert maintenance._thread is None
    maintenance.stop()


def test_the_next_is_an_interval_after_the_last_of_any_process(given: Given) -> None:
    maintenance = maintained(given)
    assert 0 < maintenance.pause() <= 60  # never swept: soon, but not all at once
    maintenance.turn()
    assert 3600 < maintenance.pause() <= 3660
    given.clock.advance(timedelta(minutes=50))
    assert 600 < maintenance.pause() <= 660
    given.clock.advance(timedelta(days=-3))  # a clock that was set back
    assert maintenance.pause() == 3600


def test_a_database_that_is_away_is_asked_again_later(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    def progress(_: str) -> None:
        raise DatabaseUnavailable("here", "it is away")

    monkeypatch.setattr(given.registry.leases, "progress", progress)
    assert maintained(given).pause() == 3600


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LeaseLost("sweep"), ""),
        (StoreUnavailable("the folder", "it is full"), "it is full"),
        (ZeroDivisionError("a defect"), "goes on with the next"),
    ],
)
def test_what_goes_wrong_is_logged_and_the_next_turn_comes(
    given: Given,
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def run(_: Pace) -> Swept:
        raise error

    monkeypatch.setattr(given.registry.sweep, "run", run)
    maintained(given).turn()
    assert said in caplog.text
    assert bool(caplog.records) == bool(said)


def test_while_another_process_sweeps_it_does_nothing(
    given: Given, caplog: pytest.LogCaptureFixture
) -> None:
    given.registry.leases.take(LEASE)
    maintained(given).turn()
    assert caplog.records == []


def test_while_nothing_may_be_written_it_waits(
    given: Given, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    given.registry.switches.turn_read_only("a backup")
    maintained(given).turn()
    assert "no sweep now" in caplog.text


def test_bytes_that_could_not_go_are_named(
    given: Given, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def run(_: Pace) -> Swept:
        return Swept(failed={"0f/0f": "it is stubborn"})

    monkeypatch.setattr(given.registry.sweep, "run", run)
    maintained(given).turn()
    assert "0f/0f could not be deleted yet: it is stubborn" in caplog.text
