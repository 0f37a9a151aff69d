"""What `/readyz` says of lately, so that nobody makes the store work by asking."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.health import Check
from web import health
from web.health import Lately

WELL = (Check("store", None),)
FAILED = (Check("store", "it is away"),)
LIMIT = 10


def test_what_was_well_is_not_looked_at_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([WELL, FAILED])
    lately = Lately(lambda: next(looks))
    assert [lately.find() for _ in range(5)] == [WELL] * 5

    monkeypatch.setattr(health.time, "monotonic", lambda: float("inf"))
    assert lately.find() == FAILED


def test_what_failed_is_looked_at_again() -> None:
    looks = iter([FAILED, FAILED, WELL])
    lately = Lately(lambda: next(looks))
    assert [lately.find() for _ in range(4)] == [FAILED, FAILED, WELL, WELL]


def test_while_one_looks_others_hear_what_was_found_before() -> None:
    is_looking, may_end = threading.Event(), threading.Event()
    looks = iter([FAILED])

    def look() -> tuple[Check, ...]:
        found = next(looks, None)
        if found is not None:
            return found
        is_looking.set()
        assert may_end.wait(LIMIT)
        return WELL

    lately = Lately(look)
    assert lately.find() == FAILED
    with ThreadPoolExecutor() as pool:
        looking = pool.submit(lately.find)
        assert is_looking.wait(LIMIT)
        assert lately.find() == FAILED
        may_end.set()
        assert looking.result(LIMIT) == WELL
    assert lately.find() == WELL
