"""Who has more connections than the others lets these accept first."""

import os

import pytest

from web.shares import Shares


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shares(clock):
    return Shares(clock)


@pytest.mark.parametrize(
    ("mine", "others", "is_over"),
    [
        (0, [0], False),
        (1, [0], False),
        (2, [0], True),
        (9, [7], False),
        (9, [6], True),
        (64, [60], False),
        (64, [54], True),
        (10, [30, 8], False),
        (10, [30, 7], True),
        (50, [], False),
    ],
)
def test_over_is_clearly_more_than_the_one_with_the_fewest(shares, mine, others, is_over):
    for number, count in enumerate(others, start=8):
        shares.tell(number, count)
    shares.tell(7, mine)

    assert shares.is_over(7, mine) is is_over


def test_who_says_nothing_for_seconds_does_not_count(shares, clock):
    shares.tell(1, 0)
    assert shares.is_over(2, 10)

    clock.now += 3.5

    assert not shares.is_over(2, 10)


def test_a_worker_that_replaces_another_after_very_many_has_its_place(shares):
    shares.tell(1, 0)
    shares.tell(65, 10)

    assert not shares.is_over(2, 10)


def test_processes_see_what_others_say(shares):
    child = os.fork()
    if child == 0:
        shares.tell(1, 0)
        os._exit(0)
    os.waitpid(child, 0)

    assert shares.is_over(2, 2)
