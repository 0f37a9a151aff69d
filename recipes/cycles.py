"""Circles among packages that run one another: such a recipe would never end."""

from collections.abc import Collection, Mapping


def find_cycle(name: str, requires: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the shortest way from `name` back to itself, both ends in it; nothing if none is.

    `requires` are the names that each package runs; one that it doesn't know runs none.
    """
    ways: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    for way in ways:
        for each in requires.get(way[-1], ()):
            if each == name:
                return (*way, name)
            if each not in seen:
                seen.add(each)
                ways.append((*way, each))
    return ()
