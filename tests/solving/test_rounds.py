"""How many rounds of search hard shapes take; rounds are the same on every machine."""

from collections.abc import Callable

import pytest

from resolver.errors import ResolutionImpossible
from resolver.solve import Solution, solve
from resolver.watch import Progress
from tests.unit.resolver.builders import LINUX, name
from tests.unit.resolver.shapes import (
    SHAPES,
    Shape,
    chain_with_a_conflict_at_its_end,
    diamonds_in_a_row,
    large_index,
    only_the_oldest_fits,
)

MOST = 1_000


def solved(shape: Shape) -> tuple[Solution | None, int]:
    """Return the solution, if there is one, and the rounds that the search for it took."""
    source, asked = shape
    told: list[Progress] = []
    try:
        solution = solve(asked, source, LINUX, progress=told.append)
    except ResolutionImpossible:
        solution = None
    assert set(source.asked.values()) == {1}, "a name was asked for twice"
    assert [one.rounds for one in told] == list(range(1, len(told) + 1))
    return solution, told[-1].rounds


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hard_shape_takes_under_a_thousand_rounds(shape: Callable[[], Shape]) -> None:
    _, rounds = solved(shape())
    assert rounds < MOST


def test_what_the_hard_shapes_come_to() -> None:
    assert solved(chain_with_a_conflict_at_its_end())[0] is None
    diamonds, _ = solved(diamonds_in_a_row())
    assert diamonds is not None
    assert str(diamonds.candidates[name("t/d15")].version) == "1.0.0"
    oldest, _ = solved(only_the_oldest_fits())
    assert oldest is not None
    assert str(oldest.candidates[name("t/a")].version) == "1.0.0"


@pytest.mark.parametrize("cluster", [0, 3, 17])
def test_200_of_10_000_packages_take_under_a_thousand_rounds(cluster: int) -> None:
    solution, rounds = solved(large_index(cluster=cluster))
    assert solution is not None
    assert len(solution.candidates) > 190
    assert solution.rounds == rounds < MOST
