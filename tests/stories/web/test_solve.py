"""`POST /api/v1/solve`: a lock or why not, for anybody, of what they may read."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.stories.web.authors import Author, Reply
from tests.stories.web.conftest import Site

ASKED = {"requirements": ["open/etl ^1"], "python": "3.11", "platform": "linux/amd64"}


@pytest.fixture
def etl(admin: Author) -> Author:
    admin.own("open", public=True)
    admin.own("team")
    admin.publish("open/clean", "1.0.0")
    admin.publish("open/clean", "2.0.0")
    admin.publish("open/etl", "1.0.0", requires={"open/clean": "^1"})
    admin.publish("open/etl", "2.0.0", requires={"team/secret": "*"})
    admin.publish("team/secret", "1.0.0")
    return admin


def solve(who: Author, **members: Any) -> Reply:
    return who.ask("POST", "/api/v1/solve", ASKED | members)


def test_it_gives_the_lock_that_the_client_would_write(etl: Author) -> None:
    reply = solve(etl)

    assert reply.status == 200
    drawn = reply.json
    assert drawn["lock"] == etl.lock("open/etl ^1")
    assert [(one["name"], one["version"]) for one in drawn["packages"]] == [
        ("open/clean", "1.0.0"),
        ("open/etl", "1.0.0"),
    ]
    assert drawn["packages"][0]["required_by"] == ["open/etl"]
    assert (drawn["python"], drawn["platform"]) == ("3.11", "linux/amd64")
    assert drawn["revision"] == etl.must("GET", "/index/revision.json").json["revision"]


def test_it_takes_what_the_command_line_takes(etl: Author) -> None:
    clean = {"requirements": ["open/clean"]}
    for members, version in (
        ({}, "2.0.0"),
        ({"constraints": ["open/clean <2"]}, "1.0.0"),
        ({"overrides": ["open/clean =1.0.0"]}, "1.0.0"),
        ({"prefer": "lowest"}, "1.0.0"),
        ({"prereleases": True}, "2.0.0"),
        ({"published_before": None}, "2.0.0"),
    ):
        (one,) = solve(etl, **clean, **members).json["packages"]
        assert one["version"] == version, members
    early = solve(etl, **clean, published_before="2001-01-01T00:00:00Z")
    assert (early.status, early.json["code"]) == (422, "unsolvable")


def test_it_says_why_nothing_fits(etl: Author) -> None:
    reply = solve(etl, requirements=["open/etl ^1", "open/clean ^2"])

    assert reply.status == 422
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json
    assert problem["code"] == "unsolvable"
    assert "You require open/clean ^2." in problem["sentences"]
    assert "open/etl 1.0.0, the only release in ^1, requires open/clean ^1." in problem["sentences"]
    assert problem["explanation"]["facts"]
    assert problem["detail"].startswith("No set of releases fits all requirements")


def test_anybody_may_ask_of_what_is_public(site: Site, etl: Author) -> None:
    assert etl.ask("GET", "/healthz").status == 200
    headers = {"Content_Type": "application/json"}
    body = b'{"requirements":["open/etl ^1"],"python":"3.11","platform":"linux/amd64"}'
    reply = site.ask("POST", "/api/v1/solve", body, **headers)
    assert reply.status == 200
    assert reply.json["lock"] == solve(etl).json["lock"]


def test_what_is_private_is_not_there_for_others(site: Site, etl: Author) -> None:
    assert solve(etl, requirements=["open/etl ^2"]).status == 200
    stranger = site.stranger()
    hidden = solve(stranger, requirements=["open/etl ^2"])
    assert (hidden.status, hidden.json["code"]) == (422, "unsolvable")
    assert "team/secret is not in the index, or may not be read" in hidden.json["detail"]
    told = []
    for name in ("team/secret", "team/sacret"):
        problem = solve(stranger, requirements=[name]).json
        told.append(problem["detail"].replace(name, "IT"))
    assert told[0] == told[1]


def test_a_read_only_registry_solves(etl: Author, site: Site) -> None:
    site.registry.switches.turn_read_only("the disk is moved")
    assert solve(etl).status == 200
    assert etl.ask("POST", "/api/v1/namespaces", {"name": "more"}).status == 405


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"requirements": []}, "requirements"),
        ({"requirements": ["open/etl", "not one"]}, "requirements.1"),
        ({"constraints": ["open/etl ^^"]}, "constraints.0"),
        ({"constraints": ["open/base", "open/etl[gpu] ^1"]}, "constraints.1"),
        ({"overrides": ["open/etl ^1", "open/etl ^2"]}, "overrides"),
        ({"python": "snake"}, "python"),
        ({"platform": "here"}, "platform"),
        ({"published_before": "yesterday"}, "published_before"),
        ({"prefer": "oldest"}, "prefer"),
        ({"application": "shop"}, "application"),
        ({"requirement": ["open/etl"]}, "requirement"),
    ],
)
def test_what_it_does_not_take(etl: Author, members: dict[str, Any], where: str) -> None:
    reply = solve(etl, **members)
    assert (reply.status, reply.json["code"]) == (422, "invalid_fields"), reply.body
    assert reply.json["fields"][0]["where"] == where


def test_all_that_it_does_not_take_is_told_at_once(etl: Author) -> None:
    reply = solve(etl, requirements=["open/etl", "x", "open/etl =="], python="3", platform="here")
    told = {fault["where"]: fault["message"] for fault in reply.json["fields"]}
    assert list(told) == ["requirements.1", "requirements.2", "python", "platform"]
    assert told["requirements.1"].startswith("'x': not a package name")
    assert told["python"] == "'3': a python is MAJOR.MINOR, as in 3.11"


def test_a_query_gets_what_a_request_gets(etl: Author) -> None:
    asked = {
        "requirements": "open/etl ^1 # the old one\n\n",
        "constraints": "open/clean <2",
        "python": "3.11",
        "platform": "linux/amd64",
        "published_before": "2999-01-01",
    }
    reply = etl.ask("GET", f"/api/v1/solve?{urlencode(asked)}")
    posted = solve(etl, constraints=["open/clean <2"], published_before="2999-01-01T00:00:00Z")
    assert (reply.status, reply.json) == (200, posted.json)
    assert reply.headers["x-robots-tag"] == "noindex"

    impossible = etl.ask(
        "GET", "/api/v1/solve?requirements=open/etl+%5E1&requirements=open/clean+%5E2"
    )
    assert (impossible.status, impossible.json["code"]) == (422, "unsolvable")
    assert impossible.json["explanation"]["derivation"][-1]["sentence"] == "So nothing fits."
    assert impossible.json["explanation"]["lost"] == ["open/clean"]
    nothing = etl.ask("GET", "/api/v1/solve")
    assert nothing.json["fields"][0]["where"] == "requirements"
    long = etl.ask("GET", f"/api/v1/solve?requirements={'a' * 8_001}")
    assert "may have 8,000 characters" in long.json["detail"]


def test_its_limits(make_site: Callable[..., Site]) -> None:
    site = make_site(solve_rounds=1, solve_bytes=300)
    admin = site.author()
    admin.own("open", public=True)
    admin.publish("open/clean", "1.0.0")
    admin.publish("open/etl", "1.0.0", requires={"open/clean": "^1"})

    ended = solve(admin)
    assert (ended.status, ended.json["code"], ended.json["rounds"]) == (422, "solve_ended", 1)
    assert "recipebox lock" in ended.json["hint"]
    large = solve(admin, requirements=["open/etl ^1"] * 100)
    assert (large.status, large.json["code"]) == (413, "body_too_large")


def test_one_more_than_may_run_comes_again(make_site: Callable[..., Site]) -> None:
    reply = solve(make_site(solves_at_once=0).author())
    assert (reply.status, reply.json["code"]) == (503, "solver_busy")
    assert reply.headers["retry-after"] == "1"
    assert "switched off" in reply.json["detail"]


def test_for_an_application_it_takes_what_its_bundle_may_hold(site: Site, etl: Author) -> None:
    newest = solve(etl, requirements=["open/etl"])
    assert [one["version"] for one in newest.json["packages"]] == ["2.0.0", "1.0.0"]
    refused = etl.ask(
        "POST", "/api/v1/applications/open/shop/bundles", {"lock": newest.json["lock"]}
    )
    assert (refused.status, refused.json["code"]) == (422, "invalid_bundle")

    reply = solve(etl, requirements=["open/etl"], application="open/shop")

    assert reply.status == 200
    assert [(one["name"], one["version"]) for one in reply.json["packages"]] == [
        ("open/clean", "1.0.0"),
        ("open/etl", "1.0.0"),
    ]
    lock = reply.json["lock"]
    assert 'application = "open/shop"' in lock
    made = etl.ask("POST", "/api/v1/applications/open/shop/bundles", {"lock": lock})
    assert made.status == 201
    inside = solve(etl, requirements=["open/etl"], application="team/shop")
    assert [one["version"] for one in inside.json["packages"]] == ["2.0.0", "1.0.0"]


def test_what_the_application_refuses_is_in_the_explanation(etl: Author) -> None:
    reply = solve(etl, requirements=["open/etl ^2"], application="open/shop")

    said = "it is private, and open/shop would show it to everybody"
    assert reply.status == 422
    assert f"team/secret 1.0.0 can't be used, because {said}." in reply.json["sentences"]
    explanation = reply.json["explanation"]
    assert explanation["application"] == "open/shop"
    [refused] = explanation["refused"]
    assert (refused["package"], refused["versions"]) == ("team/secret", ["1.0.0"])
    assert refused["reason"] == said


def test_an_application_that_may_not_be_read_is_not_there(site: Site, etl: Author) -> None:
    told = []
    for namespace in ("team", "nope"):
        reply = solve(site.stranger(), application=f"{namespace}/shop")
        assert (reply.status, reply.json["code"]) == (404, "namespace_unknown")
        told.append(reply.json["detail"].replace(namespace, "IT"))
    assert told[0] == told[1]
    assert solve(etl, application="open/etl").json["code"] == "wrong_kind"
