import re
import tomllib
from typing import Any

import pytest
import tomli_w

from artifacts.reference import PackageName
from resolver.candidate import Environment, utc
from resolver.errors import InvalidLock, UnsupportedSchema
from resolver.lock import Lock, LockedPackage, lock_schema
from resolver.solve import Solution, solve
from resolver.source import Reserved, ReservedSource
from resolver.version import Version
from tests.unit.resolver.builders import (
    LINUX,
    SIGNER,
    digest_of,
    name,
    requirements,
    source,
)

INDEX: dict[str, dict[str, Any]] = {
    "team/etl": {
        "1.0.0": ["team/clean ^1"],
        "1.1.0": {
            "requires": ["team/log[json] *", "team/clean ^1"],
            "platforms": ["linux/amd64", "linux/arm64"],
            "python": ">=3.13",
        },
        "1.1.1": {
            "requires": ["team/clean ^1.1", "team/log ^0.2"],
            "platforms": ["linux/amd64", "linux/arm64"],
        },
    },
    "team/clean": {"1.0.0": [], "1.1.0": ["team/etl *"]},
    "team/log": {"0.2.0": []},
}

EXPECTED = f"""\
# Made by recipebox: review and commit it, and change it by locking again.

schema_version = 1
revision = 7
python = "3.11"
platform = "linux/amd64"
requirements = [
    "team/etl ^1",
]

[[package]]
name = "team/clean"
version = "1.1.0"
digest = "{digest_of("team/clean 1.1.0")}"
size = 1234
signers = [
    "{SIGNER}",
]
requires = [
    "team/etl *",
]
required_by = [
    "team/etl",
]

[[package]]
name = "team/etl"
version = "1.1.1"
digest = "{digest_of("team/etl 1.1.1")}"
size = 1234
signers = [
    "{SIGNER}",
]
requires = [
    "team/clean ^1.1",
    "team/log ^0.2",
]
required_by = [
    "team/clean",
]

[package.wheel_sets]
"linux/amd64" = "{digest_of("team/etl 1.1.1 linux/amd64")}"

[[package]]
name = "team/log"
version = "0.2.0"
digest = "{digest_of("team/log 0.2.0")}"
size = 1234
signers = [
    "{SIGNER}",
]
requires = []
required_by = [
    "team/etl",
]
"""


def solution(**index: dict[str, Any]) -> Solution:
    changed = INDEX | {f"team/{package}": said for package, said in index.items()}
    return solve(requirements("team/etl ^1"), source(changed), LINUX)


def edited(**changes: Any) -> str:
    return tomli_w.dumps(tomllib.loads(EXPECTED) | changes)


def with_package(position: int, **changes: Any) -> str:
    drawn = tomllib.loads(EXPECTED)
    drawn["package"][position] |= changes
    return tomli_w.dumps(drawn)


def without(package: str) -> str:
    drawn = tomllib.loads(EXPECTED)
    drawn["package"] = [one for one in drawn["package"] if one["name"] != package]
    return tomli_w.dumps(drawn)


def with_another() -> str:
    drawn = tomllib.loads(EXPECTED)
    drawn["package"].append(drawn["package"][2] | {"name": "team/zoo", "required_by": []})
    return tomli_w.dumps(drawn)


def test_a_lock_is_written_for_review() -> None:
    assert Lock.from_solution(solution()).dumps() == EXPECTED


def test_a_lock_is_the_same_after_a_journey() -> None:
    lock = Lock.from_solution(solution())
    assert Lock.loads(EXPECTED) == lock
    assert Lock.loads(EXPECTED).dumps() == EXPECTED


def test_a_lock_edited_into_another_order_is_the_same_lock() -> None:
    drawn = tomllib.loads(EXPECTED)
    drawn["package"].reverse()
    drawn["package"][1]["requires"].reverse()
    assert Lock.loads(tomli_w.dumps(drawn)).dumps() == EXPECTED


def test_a_lock_of_nothing_is_a_lock() -> None:
    text = Lock.from_solution(solve([], source(INDEX), LINUX)).dumps()
    assert Lock.loads(text) == Lock((), LINUX, 7, ())


def test_a_lock_says_what_it_holds_and_why() -> None:
    lock = Lock.loads(EXPECTED)
    assert lock.roots == (name("team/etl"),)
    assert lock.required_by(name("team/log")) == (name("team/etl"),)
    assert lock.pins[name("team/log")] == (Version.parse("0.2.0"), digest_of("team/log 0.2.0"))
    found = lock.find_package(name("team/log"))
    assert found is not None
    assert found.size == 1234
    assert lock.find_package(name("team/other")) is None


def test_a_lock_keeps_a_release_that_was_yanked_since() -> None:
    yanked = source(INDEX | {"team/log": {"0.2.0": {"yanked": "lost rows"}}})
    lock = Lock.loads(EXPECTED)
    again = solve(lock.requirements, yanked, lock.environment, pins=lock.pins)
    assert lock.differences(again) == ()


def test_the_same_answer_at_a_later_revision_is_no_difference() -> None:
    later = solve(requirements("team/etl ^1"), source(INDEX, revision=99), LINUX)
    assert Lock.loads(EXPECTED).differences(later) == ()


def test_another_answer_is_told_package_by_package() -> None:
    other = solution(
        etl={"1.1.1": ["team/new *"]}, new={"1.0.0": ["team/clean *"]}, clean={"1.2.0": []}
    )
    assert [str(difference) for difference in Lock.loads(EXPECTED).differences(other)] == [
        "team/clean is locked as 1.1.0, and would now be 1.2.0",
        "team/etl 1.1.1 is locked with other bytes, signers or extras than it has",
        "team/log 0.2.0 is locked, and not needed any more",
        "team/new 1.0.0 is missing from the lock",
    ]


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("[", "the text", "not TOML"),
        ("a = " + "[" * 5_000, "the text", "not TOML"),
        ("a = " + "9" * 5_000, "the text", "not TOML"),
        ("", "schema_version", "it is missing"),
        (edited(python="3.11.4"), "python", "a python is MAJOR.MINOR"),
        (edited(platform="amd64"), "platform", "os/architecture"),
        (edited(revision="7"), "revision", "found '7'"),
        (edited(requirement=[]), "requirement", "did you mean requirements?"),
        (edited(requirements=["team/etl ==1"]), "requirements[0]", "not a range of versions"),
        (edited(requirements=["team/new"]), "requirements", "team/new * is required, and not in"),
        (edited(requirements=["team/etl ^2"]), "requirements", "and 1.1.1 is locked"),
        (edited(requirements=["team/log"]), "team/clean", "nothing in the lock requires it"),
        (with_package(0, digest="sha256:12"), "package[0].digest", "not a digest: 'sha256:12'"),
        (with_package(0, version="1"), "package[0].version", "not a version"),
        (with_package(0, signers=["me"]), "package[0].signers[0]", "not a fingerprint"),
        (with_package(0, name="../x"), "package[0].name", "not a package name"),
        (with_package(0, sizes=1), "package[0].sizes", "did you mean size?"),
        (with_package(0, version="1.0.0"), "team/etl: requires", "and 1.0.0 is locked"),
        (with_package(2, required_by=[]), "team/log: required_by", "team/etl requires it"),
        (with_package(2, name="team/etl"), "team/etl", "it is locked twice"),
        (
            with_package(2, requires=["team/gone *"]),
            "team/log: requires",
            "team/gone * is required, and not in the lock",
        ),
        (
            with_package(1, wheel_sets={"linux/arm64": str(digest_of("x"))}),
            "team/etl: wheel_sets",
            "the lock is for linux/amd64, and holds wheels of linux/arm64",
        ),
        (without("team/log"), "team/etl: requires", "team/log ^0.2 is required, and not in"),
        (with_another(), "team/zoo", "nothing in the lock requires it"),
    ],
)
def test_a_damaged_lock_is_refused_by_place(text: str, where: str, reason: str) -> None:
    with pytest.raises(InvalidLock) as caught:
        Lock.loads(text)
    assert caught.value.where == where
    assert reason in str(caught.value)


def test_a_root_that_claims_a_dependant_is_refused() -> None:
    text = edited(
        requirements=["team/log"],
        package=[tomllib.loads(EXPECTED)["package"][2] | {"required_by": ["team/etl"]}],
    )
    with pytest.raises(InvalidLock, match="by what they say, no package requires it"):
        Lock.loads(text)


@pytest.mark.parametrize("version", ["2", "0", "true", "1.0", "'1'"])
def test_another_schema_version_is_refused_with_the_one_that_is_understood(version: str) -> None:
    with pytest.raises(UnsupportedSchema, match=r"schema_version: .+ is not understood, only 1"):
        Lock.loads(f"schema_version = {version}\nnew = true\n")


def test_a_lock_is_held_to_what_it_says_when_it_is_made() -> None:
    one = LockedPackage(name("team/etl"), Version.parse("1.0.0"), digest_of("x"), 1)
    with pytest.raises(InvalidLock, match="nothing in the lock requires it"):
        Lock((), Environment("3.11", "linux/amd64"), 1, (one,))


def test_the_schema_names_the_keys_that_are_written() -> None:
    schema = lock_schema()
    drawn = tomllib.loads(EXPECTED)
    package = schema["$defs"]["LockedPackageDocument"]
    options = {
        "constraints",
        "overrides",
        "prereleases",
        "published_before",
        "prefer",
        "application",
    }
    assert set(schema["properties"]) == set(drawn) | options | {"sources"}
    assert set(schema["required"]) == set(drawn) - {"package"}
    optional = {"extras", "source", "wheel_sets"}
    assert set(package["properties"]) == set(drawn["package"][1]) | optional
    assert set(package["properties"]) - set(package["required"]) == optional
    pattern = package["properties"]["requires"]["items"]["pattern"]
    assert all(re.search(pattern, wanted) for wanted in drawn["package"][1]["requires"])
    assert PackageName.parse(drawn["package"][0]["name"]) == name("team/clean")


OPTIONS: dict[str, dict[str, Any]] = {
    "team/app": {"1.0.0": {"requires": ["team/base ^1"], "extras": {"mail": ["team/send *"]}}},
    "team/base": {"2.0.0": [], "1.0.0": []},
    "team/send": {"1.0.0": [], "1.1.0": []},
}


def lock_with_options() -> Lock:
    solution = solve(
        requirements("team/app[mail]"),
        source(OPTIONS),
        LINUX,
        constraints=requirements("team/send <1.1"),
        overrides=requirements("team/base ^2"),
        allow_prereleases=True,
        published_before=utc("2026-02-03T04:05:06Z"),
        prefer="lowest-direct",
        application=name("team/shop"),
        refused=lambda _: None,
    )
    return Lock.from_solution(solution)


def test_a_lock_says_with_which_options_it_was_solved_and_which_extras_are_on() -> None:
    lock = lock_with_options()
    drawn = tomllib.loads(lock.dumps())

    assert drawn["constraints"] == ["team/send <1.1"]
    assert drawn["overrides"] == ["team/base ^2"]
    assert drawn["prereleases"] is True
    assert drawn["published_before"] == "2026-02-03T04:05:06Z"
    assert drawn["prefer"] == "lowest-direct"
    assert drawn["application"] == "team/shop"
    app = drawn["package"][0]
    assert (app["extras"], app["requires"]) == (["mail"], ["team/base ^1", "team/send *"])
    assert Lock.loads(lock.dumps()) == lock
    said = lock.options.arguments()
    again = solve(lock.requirements, source(OPTIONS), LINUX, refused=lambda _: None, **said)
    assert lock.differences(again) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"team/base ^2"', '"team/base ^3"', "overridden with ^3, and 2.0.0 is locked"),
        ('overrides = [\n    "team/base ^2",\n]\n', "", "team/base ^1 is required, and 2.0.0"),
        ('"team/send <1.1"', '"team/send >1.1"', "team/send >1.1 is constrained, and 1.0.0"),
        ('"team/send <1.1"', '"team/send[x] <1.1"', r"constraints are about versions"),
        ('extras = [\n    "mail",\n]\n', "", "its extra mail is not on"),
        ('    "mail",\n', '    "mail",\n    "web",\n', "nothing in the lock asks for web"),
        ('prefer = "lowest-direct"', 'prefer = "oldest"', "prefer: "),
        ('application = "team/shop"', 'application = "shop"', "application: "),
        ("prereleases = true", 'prereleases = "yes"', "prereleases: "),
        ("prereleases = true", "prerelease = true", "did you mean prereleases?"),
        ('"2026-02-03T04:05:06Z"', '"yesterday"', "published_before: "),
        ('"team/app[mail] *"', '"team/app *"', "nothing in the lock asks for mail"),
    ],
)
def test_options_that_were_edited_by_hand_are_held_to_the_packages(
    old: str, new: str, said: str
) -> None:
    text = lock_with_options().dumps()
    assert old in text
    with pytest.raises(InvalidLock, match=re.escape(said)):
        Lock.loads(text.replace(old, new, 1))


OWN = "https://recipes.acme.example:8443"


def of_two_sources(prefix: str = "team/log", address: str = OWN) -> Solution:
    several = ReservedSource(source(INDEX), [Reserved(address, (prefix,), source(INDEX, 40))])
    return solve(requirements("team/etl ^1"), several, LINUX)


def test_a_lock_says_what_comes_from_another_registry_and_at_which_revision() -> None:
    lock = Lock.from_solution(of_two_sources())

    text = EXPECTED.replace(
        ''']

[[package]]
name = "team/clean"''',
        f''']

[sources]
"{OWN}" = 40

[[package]]
name = "team/clean"''',
    )
    assert lock.dumps() == text[: -len('"team/etl",\n]\n')] + f'"team/etl",\n]\nsource = "{OWN}"\n'
    assert Lock.loads(lock.dumps()) == lock
    assert [package.source for package in lock.packages] == [None, None, OWN]


def test_another_source_is_a_difference_and_its_revision_is_none() -> None:
    lock = Lock.from_solution(of_two_sources())

    assert lock.differences(of_two_sources()) == ()
    assert [str(each) for each in lock.differences(solution())] == [
        f"team/log is locked as 0.2.0 from {OWN}, and would now be 0.2.0 from the default registry"
    ]
    elsewhere = lock.differences(of_two_sources(address="https://other"))
    assert [each.sources for each in elsewhere] == [(OWN, "https://other")]


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"sources": {}}, "team/log: source", f"{OWN} is none of the lock's sources"),
        ({"sources": {OWN: 40, "https://x": 1}}, "sources", "no package comes from https://x"),
        ({"sources": {OWN: 40, "x/y": 1}}, 'sources["x/y"]', "not a registry's address: 'x/y'"),
        ({"sources": {OWN: -1}}, f'sources["{OWN}"]', "greater than or equal to 0"),
    ],
)
def test_sources_that_were_edited_by_hand_are_held_to_the_packages(
    changes: dict[str, Any], place: str, said: str
) -> None:
    drawn = tomllib.loads(Lock.from_solution(of_two_sources()).dumps()) | changes
    with pytest.raises(InvalidLock, match=re.escape(said)) as refused:
        Lock.loads(tomli_w.dumps(drawn))
    assert refused.value.where == place
