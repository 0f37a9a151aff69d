"""Solving over rows: of one revision, within limits, of what may be read."""

import threading
from collections.abc import Iterator

import pytest

from artifacts.reference import PackageName
from registry.access import Principal
from registry.errors import SolveEnded, SolverBusy, Unsolvable
from registry.solving import Solving, Timer
from resolver.candidate import Environment
from resolver.requirement import Requirement
from tests.builders import ADMIN, NOBODY, READER, STRANGER, Given, a_config, a_package

HERE = Environment("3.11", "linux/amd64")
LIMIT = 30


def solving(given: Given, timer: Timer = lambda: 0.0, **options: object) -> Solving:
    config = a_config(given.config.data, **options)
    registry = given.registry
    return Solving(config, registry.database, registry.index, registry.acceptances, timer)


def wanted(*texts: str) -> list[Requirement]:
    return [Requirement.parse(text) for text in texts]


def versions(solver: Solving, *texts: str, who: Principal = READER) -> dict[str, str]:
    found = solver.solve(who, wanted(*texts), HERE)
    return {str(name): str(one.version) for name, one in found.candidates.items()}


@pytest.fixture
def chain(given: Given) -> Given:
    """team/top requires open/base, of which the team has an older one than the public knows of."""
    given.namespace("open", public=True)
    for version in ("1.0.0", "1.1.0"):
        given.publish(a_package("open/base", version), by=ADMIN)
    given.publish(a_package("team/top", requires={"open/base": "^1"}))
    return given


def test_the_newest_that_fits(chain: Given) -> None:
    assert versions(solving(chain), "team/top") == {"open/base": "1.1.0", "team/top": "1.0.0"}
    assert versions(solving(chain), "open/base <1.1", who=NOBODY) == {"open/base": "1.0.0"}


def test_what_changes_meanwhile_is_no_part_of_it(chain: Given) -> None:
    """The index moves after the solve has begun: it goes on with the revision that it began at."""
    calls: Iterator[int] = iter(range(1_000_000))

    def timer() -> float:
        if next(calls) == 2:  # at the first package's reading
            chain.publish(a_package("open/base", "1.2.0"), by=ADMIN)
            chain.registry.publishing.yank(ADMIN, PackageName("open", "base"), "1.1.0", "wrong")
        return 0.0

    found = solving(chain, timer).solve(READER, wanted("team/top"), HERE)

    assert chain.registry.index.revision() == found.revision + 2
    assert str(found.candidates[PackageName("open", "base")].version) == "1.1.0"
    assert versions(solving(chain), "team/top")["open/base"] == "1.2.0"


@pytest.mark.parametrize("calls_in_time", [1, 2, 3, 4])
def test_it_ends_at_its_deadline(chain: Given, calls_in_time: int) -> None:
    calls = iter(range(1_000_000))

    def timer() -> float:
        return 0.0 if next(calls) < calls_in_time else 10.0

    with pytest.raises(SolveEnded, match="no answer after 10 seconds") as ended:
        solving(chain, timer, solve_deadline=10.0).solve(READER, wanted("team/top"), HERE)
    assert (ended.value.seconds, ended.value.rounds) == (10.0, None)


def test_it_ends_after_its_rounds(chain: Given) -> None:
    with pytest.raises(SolveEnded, match="no answer after 1 rounds of search") as ended:
        solving(chain, solve_rounds=1).solve(READER, wanted("team/top"), HERE)
    assert (ended.value.seconds, ended.value.rounds) == (None, 1)


def test_one_more_than_may_run_is_told_to_come_again(chain: Given) -> None:
    began, may_end = threading.Event(), threading.Event()

    def timer() -> float:
        if threading.current_thread() is not threading.main_thread():
            began.set()
            assert may_end.wait(LIMIT)
        return 0.0

    solver = solving(chain, timer)
    found: list[dict[str, str]] = []
    first = threading.Thread(target=lambda: found.append(versions(solver, "team/top")))
    first.start()
    assert began.wait(LIMIT)
    try:
        with pytest.raises(SolverBusy, match="1 at once") as busy:
            versions(solver, "team/top")
    finally:
        may_end.set()
        first.join(LIMIT)
    assert (busy.value.limit, busy.value.retry_after) == (1, 1)
    assert found == [versions(solver, "team/top")]  # and it is free again


def test_a_failed_solve_frees_its_place(chain: Given) -> None:
    solver = solving(chain)
    for _ in range(3):
        with pytest.raises(Unsolvable):
            versions(solver, "open/base ^9")
    with pytest.raises(SolverBusy, match="switched off"):
        versions(solving(chain, solves_at_once=0), "open/base")


def test_why_nothing_fits(chain: Given) -> None:
    with pytest.raises(Unsolvable) as refused:
        versions(solving(chain), "team/top", "open/base ^9")
    assert "You require open/base ^9." in refused.value.sentences
    assert refused.value.explanation["facts"]


@pytest.mark.parametrize("who", [NOBODY, STRANGER])
def test_what_is_private_is_not_there(chain: Given, who: Principal) -> None:
    told = []
    for name in ("team/top", "team/nop"):
        with pytest.raises(Unsolvable) as refused:
            versions(solving(chain), name, who=who)
        told.append(str(refused.value).replace(name, "IT"))
    assert told[0] == told[1]
    assert "may not be read" in told[0]
    assert "did you mean" not in told[0]


def test_a_misspelt_name_gets_the_nearest_of_what_may_be_read(chain: Given) -> None:
    with pytest.raises(Unsolvable, match="did you mean team/top"):
        versions(solving(chain), "team/topp")
    with pytest.raises(Unsolvable, match="did you mean open/base"):
        versions(solving(chain), "open/bse", who=NOBODY)
