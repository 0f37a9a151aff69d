"""Scopes of bearer tokens: read, put in order, and left out where there is no such thing."""

import pytest

from registry.scopes import CATALOG, of_repository, parse_scopes


@pytest.mark.parametrize(
    ("texts", "read"),
    [
        ([], []),
        ([""], []),
        (["repository:team/etl:pull"], ["repository:team/etl:pull"]),
        (["repository:team/etl:push,pull"], ["repository:team/etl:pull,push"]),
        (["repository:team/etl:*"], ["repository:team/etl:pull,push,delete"]),
        (["repository:a:pull", "repository:b:push"], ["repository:a:pull", "repository:b:push"]),
        (["repository:a:pull repository:b:push"], ["repository:a:pull", "repository:b:push"]),
        (["repository:a:pull", "repository:a:push"], ["repository:a:pull,push"]),
        (["repository(plugin):a/b:pull"], ["repository:a/b:pull"]),
        (["registry:catalog:*"], ["registry:catalog:*"]),
        (["registry:catalog:* registry:catalog:*"], ["registry:catalog:*"]),
        (["registry:catalog:pull", "registry:other:*", "signer:x:pull"], []),
        (["repository:a:fly"], ["repository:a:"]),
        (["repository:a:"], ["repository:a:"]),
        (["repository:Not/A/Name:pull", "repository:../x:pull", "repository::pull"], []),
        (["repository:host:5000/a:pull"], []),
        (["nonsense", "::", "repository:a", ":a:pull", "repository:a:PULL"], []),
    ],
)
def test_what_is_read_of_a_request(texts: list[str], read: list[str]) -> None:
    assert [str(scope) for scope in parse_scopes(texts)] == read


def test_no_more_are_read_than_a_request_can_sensibly_have() -> None:
    asked = [f"repository:a{number}:pull" for number in range(1000)]

    assert len(parse_scopes(asked)) == 200


def test_they_are_drawn_as_a_token_has_them() -> None:
    assert of_repository("team/etl", "push", "pull").draw() == {
        "type": "repository",
        "name": "team/etl",
        "actions": ["pull", "push"],
    }
    assert CATALOG.draw() == {"type": "registry", "name": "catalog", "actions": ["*"]}
