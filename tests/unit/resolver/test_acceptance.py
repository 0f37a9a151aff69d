"""What a bundle may hold: decisions as a table, and the JSON that carries them."""

import json
import re
from typing import Any

import pytest

from resolver.acceptance import RULES, Acceptance, Part, acceptance_schema, parse_acceptance
from resolver.candidate import Candidate
from resolver.errors import InvalidAcceptance, ResolutionImpossible, UnsupportedSchema
from resolver.solve import solve
from tests.unit.resolver.builders import LINUX, SIGNER, name, release, requirements, source

PUBLIC = Acceptance.of(name("open/shop"), exists=True, is_public=True, private=["team", "acme"])
PRIVATE = Acceptance.of(name("team/shop"), exists=True, is_public=False, private=["team", "acme"])
GOOD = Part("open/etl", "1.0.0", (SIGNER,), None)


@pytest.mark.parametrize(
    ("acceptance", "part", "said"),
    [
        (PUBLIC, GOOD, []),
        (PUBLIC, Part("open/etl", "1.0.0", (), None), ["open/etl 1.0.0 is unsigned"]),
        (PUBLIC, Part("open/etl", "1.0.0", (SIGNER,), "bad"), ["open/etl 1.0.0 was yanked: bad"]),
        (
            PUBLIC,
            Part("team/etl", "1.0.0", (SIGNER,), None),
            ["team/etl is private, and open/shop would show it to everybody"],
        ),
        (
            PUBLIC,
            Part("team/etl", "1.0.0", (), "bad"),
            [
                "team/etl 1.0.0 was yanked: bad",
                "team/etl 1.0.0 is unsigned",
                "team/etl is private, and open/shop would show it to everybody",
            ],
        ),
        (PRIVATE, Part("team/etl", "1.0.0", (SIGNER,), None), []),
        (PRIVATE, Part("acme/etl", "1.0.0", (), None), ["acme/etl 1.0.0 is unsigned"]),
        (PUBLIC, Part("teams/etl", "1.0.0", (SIGNER,), None), []),
    ],
)
def test_every_broken_rule_has_its_sentence(
    acceptance: Acceptance, part: Part, said: list[str]
) -> None:
    assert list(acceptance.refusals(part)) == said


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (release("open/etl", "1.0.0"), None),
        (
            release("open/etl", "1.0.0", unsigned=True),
            "it is unsigned; a bundle of open/shop holds nothing unsigned",
        ),
        (
            release("open/etl", "1.0.0", yanked="bad"),
            "it was yanked (bad); a bundle of open/shop holds nothing yanked",
        ),
        (
            release("team/etl", "1.0.0"),
            "it is private, and open/shop would show it to everybody",
        ),
    ],
)
def test_a_solve_is_told_the_first_reason(one: Candidate, said: str | None) -> None:
    assert PUBLIC.why_not(one) == said


def test_a_solve_refuses_just_what_a_bundle_does() -> None:
    for acceptance in (PUBLIC, PRIVATE):
        for package in ("open/etl", "team/etl", "acme/etl"):
            for yanked in (None, "bad"):
                for unsigned in (False, True):
                    one = release(package, "1.0.0", yanked=yanked, unsigned=unsigned)
                    part = Part(package, "1.0.0", one.signers, yanked)
                    assert (acceptance.why_not(one) is None) == (not acceptance.refusals(part))


def test_what_is_refused_is_told_to_machines_too() -> None:
    index = source({"team/etl": {"1.0.0": [], "1.1.0": []}})
    with pytest.raises(ResolutionImpossible) as caught:
        solve(
            requirements("team/etl"),
            index,
            LINUX,
            application=PUBLIC.application,
            refused=PUBLIC.why_not,
        )
    drawn = caught.value.explanation.to_json()
    assert drawn["application"] == "open/shop"
    reason = "it is private, and open/shop would show it to everybody"
    assert drawn["refused"] == [
        {
            "package": "team/etl",
            "versions": ["1.1.0", "1.0.0"],
            "reason": reason,
            "sentence": f"team/etl 1.1.0 and 1.0.0 can't be used, each because {reason}.",
        }
    ]
    assert drawn["hint"]["changes"] == [{"kind": "application", "from": "open/shop", "to": None}]


def test_an_application_without_its_rules_is_not_solved_for() -> None:
    with pytest.raises(ValueError, match="open/shop needs to be told what its bundles refuse"):
        solve(requirements("team/etl"), source({}), LINUX, application=PUBLIC.application)


@pytest.mark.parametrize("acceptance", [PUBLIC, PRIVATE])
def test_it_is_the_same_after_a_journey(acceptance: Acceptance) -> None:
    assert parse_acceptance(acceptance.encode()) == acceptance


def test_it_is_drawn_as_the_format_says() -> None:
    assert PUBLIC.encode() == (
        b'{"application":"open/shop","exists":true,"private":["acme","team"],'
        b'"refuses":["private","unsigned","yanked"],"schema_version":1}'
    )
    assert json.loads(PRIVATE.encode()) == {
        "schema_version": 1,
        "application": "team/shop",
        "exists": True,
        "refuses": ["unsigned", "yanked"],
        "private": [],
    }
    schema = acceptance_schema()
    assert set(schema["properties"]) == set(schema["required"]) == set(json.loads(PUBLIC.encode()))
    for rule in RULES:
        assert rule in schema["properties"]["refuses"]["items"]["description"]


def with_members(**members: Any) -> bytes:
    return json.dumps(json.loads(PUBLIC.encode()) | members).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "the document"),
        (with_members(private=["Team"]), "private[0]: not a namespace"),
        (with_members(application="shop"), "application: "),
        (with_members(exists="yes"), "exists: "),
        (with_members(secret=[]), "secret: there is no such key"),
        (with_members(refuses=["yanked", "embargoed"]), "has the rule 'embargoed', which this"),
    ],
)
def test_what_can_not_be_kept_to_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidAcceptance, match=re.escape(said)):
        parse_acceptance(data)


@pytest.mark.parametrize("found", [2, None, "1", True])
def test_another_schema_version_is_refused(found: object) -> None:
    with pytest.raises(UnsupportedSchema, match="only 1 is"):
        parse_acceptance(with_members(schema_version=found))
