"""Gates as a table: facts in, reasons out."""

from dataclasses import replace

import pytest

from artifacts.reference import PackageName
from registry.gates import Facts, judge
from resolver.acceptance import Acceptance, Part

APP = PackageName("open", "app")
PUBLIC = Acceptance.of(APP, exists=True, is_public=True, private=["team"])
PRIVATE = Acceptance.of(APP, exists=True, is_public=False, private=["team"])
GOOD = Facts(
    signers=("A" * 40,),
    refusals=(),
    parts=(Part("team/etl", "1.0.0", ("A" * 40,), None),),
    acceptance=PRIVATE,
    before="dev",
    been_in=frozenset({"dev"}),
)


@pytest.mark.parametrize(
    "facts",
    [
        GOOD,
        replace(GOOD, before=None, been_in=frozenset()),
        replace(GOOD, been_in=frozenset({"dev", "production"})),
        replace(GOOD, refusals=("another signature is bad",)),
    ],
    ids=["next", "first-channel", "back-again", "one-good-signature"],
)
def test_what_holds_passes(facts: Facts) -> None:
    assert judge(facts) == ()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(GOOD, signers=()), "it has no signature"),
        (replace(GOOD, signers=(), refusals=("revoked",)), "revoked"),
        (
            replace(GOOD, parts=(Part("team/etl", "1.0.0", ("A" * 40,), "it loses rows"),)),
            "team/etl 1.0.0 was yanked: it loses rows",
        ),
        (replace(GOOD, parts=(Part("team/etl", "1.0.0", (), None),)), "team/etl 1.0.0 is unsigned"),
        (replace(GOOD, acceptance=PUBLIC), "team/etl is private, and open/app would show it"),
        (replace(GOOD, been_in=frozenset({"production"})), "never was, in dev"),
    ],
    ids=["unsigned", "refused", "yanked", "unsigned-part", "private-part", "skips-a-channel"],
)
def test_what_does_not_hold_is_said(facts: Facts, said: str) -> None:
    (reason,) = judge(facts)
    assert said in reason


def test_every_reason_is_told_at_once() -> None:
    facts = Facts((), (), (Part("team/etl", "1.0.0", (), "bad"),), PUBLIC, "dev", frozenset())
    assert len(judge(facts)) == 5
