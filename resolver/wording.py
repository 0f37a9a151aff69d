"""Words for ranges and lists of releases: what an explanation's sentences are made of.

A range stands in a sentence as it is written, but for what it leaves out: `!=1` is told as `any
version but 1.*`, and `>=1,!=1.2` as `>=1 but not 1.2.*`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from resolver.candidate import Candidate
from resolver.requirement import ANY, Range, Requirement

_SHOWN: Final = 4
_PAIR: Final = 2


def wanted(requirement: Requirement) -> str:
    """Return what follows `requires`: `team/base ^1`, or `any version of team/base but 1.*`."""
    name = requirement.name_with_extras
    inside, but = _split(requirement.range)
    if not inside:
        return f"any version of {name}{f' but {joined(but)}' if but else ''}"
    return f"{name} {_told(inside, but)}"


def bounded(requirement: Requirement) -> str:
    """Return what follows `constrain`: `team/base to ^1`."""
    inside, but = _split(requirement.range)
    told = _told(inside, but) if inside else f"any version{f' but {joined(but)}' if but else ''}"
    return f"{requirement.package} to {told}"


def within(ranges: Iterable[Range], than: str = "other than") -> str:
    """Return what follows `release`: ` in both ^1 and <3 other than 1.2.*`; empty for any."""
    inside: dict[str, None] = {}
    but: dict[str, None] = {}
    for one in ranges:
        some, others = _split(one)
        inside |= dict.fromkeys([some] if some else [])
        but |= dict.fromkeys(others)
    many = "" if len(inside) < _PAIR else "both " if len(inside) == _PAIR else "all of "
    told = f" in {many}{joined(inside)}" if inside else ""
    return f"{told} {than} {joined(but)}" if but else told


def versions(candidates: Sequence[Candidate]) -> str:
    """Return the versions of releases, the first few of many."""
    shown = [str(candidate.version) for candidate in candidates]
    if len(shown) <= _SHOWN + 1:
        return joined(shown)
    return f"{', '.join(shown[:_SHOWN])} and {len(shown) - _SHOWN} more down to {shown[-1]}"


def either(candidates: Sequence[Candidate]) -> str:
    """Return the versions of releases as alternatives, the first few of many."""
    shown = [str(candidate.version) for candidate in candidates]
    if len(shown) <= _SHOWN + 1:
        return " or ".join(shown)
    return f"{' or '.join(shown[:_SHOWN])} or {len(shown) - _SHOWN} more down to {shown[-1]}"


def joined(parts: Iterable[str]) -> str:
    """Return `a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _split(said: Range) -> tuple[str, list[str]]:
    """Return a range without what it leaves out, as text (empty for any), and what that is."""
    if said == ANY:
        return "", []
    if len(said.alternatives) > 1:
        return str(said), []
    (comparators,) = said.alternatives
    inside = [one for one in comparators if one.operator != "!="]
    out = [one for one in comparators if one.operator == "!="]
    kept = Range((tuple(inside),)) if inside else ANY
    but = [str(replace(one, operator="=")).removeprefix("=") for one in out]
    return "" if kept == ANY else str(kept), but


def _told(inside: str, but: Sequence[str]) -> str:
    return f"{inside} but not {joined(but)}" if but else inside
