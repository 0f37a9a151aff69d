"""The gates of a channel: pure decisions over facts, each with a sentence for every refusal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from resolver.acceptance import Acceptance, Part


@dataclass(frozen=True, slots=True)
class Facts:
    """What gates judge: who signed the bundle, its parts, and where it is or has been.

    `refusals` say why signatures that are there don't count; `acceptance` is what a bundle of the
    application may hold; `before` is the channel that comes before the one asked for (None: it is
    the first).
    """

    signers: tuple[str, ...]
    refusals: tuple[str, ...]
    parts: tuple[Part, ...]
    acceptance: Acceptance
    before: str | None
    been_in: frozenset[str]


def signed(facts: Facts) -> Sequence[str]:
    """Refuse a bundle that no trusted key of the application's namespace signed."""
    if facts.signers:
        return ()
    found = "; ".join(facts.refusals) or "it has no signature"
    expected = "a key of the application's namespace that may promote or release"
    return (f"the bundle must be signed by {expected}: {found}",)


def parts_hold(facts: Facts) -> Sequence[str]:
    """Refuse a bundle with a part that no new one would take: yanked since, or made private."""
    return [reason for part in facts.parts for reason in facts.acceptance.refusals(part)]


def in_order(facts: Facts) -> Sequence[str]:
    """Refuse a bundle that skips a channel."""
    if facts.before is None or facts.before in facts.been_in:
        return ()
    return (f"it is not, and never was, in {facts.before}; promote it there first",)


Gate: TypeAlias = Callable[[Facts], Sequence[str]]
GATES: tuple[Gate, ...] = (signed, parts_hold, in_order)
"""The gates of every channel, in the order in which their reasons are told."""


def judge(facts: Facts, gates: Sequence[Gate] = GATES) -> tuple[str, ...]:
    """Return why a promotion is refused; nothing when every gate is open."""
    return tuple(reason for gate in gates for reason in gate(facts))
