"""Pages of a registry with many names: in one order on both databases, each read from an index."""

import json
from collections.abc import Iterator
from typing import Any

import peewee
import pytest

from artifacts.reference import RepositoryName
from benchmarks.listings import BIG, IN_A_TEAM, fill, settle
from registry.access import Role
from registry.oci.tags import Page
from registry.schema import CURRENT, RepositoryRow
from tests.builders import ADMIN, Given, a_principal

COUNT = 4_000
PUBLIC = 2
TINY = a_principal(Role.READER, "tiny")
STRANGER = a_principal(Role.READER, "elsewhere")


@pytest.fixture(scope="module")
def filled(kept_databases: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    """A registry with thousands of repositories and tags: see benchmarks/listings.py."""
    del kept_databases
    given = Given(tmp_path_factory.mktemp("listings") / "data")
    fill(given.registry, COUNT, public=PUBLIC)
    settle(given.registry)
    yield given
    given.registry.database.close()


@pytest.fixture(autouse=True)
def first_of_all(filled: Given) -> None:
    """Make it before a test's own databases are noted, which go with the test."""


def walk(filled: Given, principal: Any, size: int) -> list[str]:
    """Return what all pages list, one after another."""
    names: list[str] = []
    last = None
    while True:
        page: Page = filled.registry.repositories.page(principal, size, last)
        names += page.names
        assert len(page.names) == size or page.last is None
        if page.last is None:
            return names
        last = page.last


class TestOrder:
    def test_every_page_goes_on_where_the_last_ended(self, filled: Given) -> None:
        with filled.registry.database.session():
            rows = list(RepositoryRow.select())
        everything = sorted(row.name for row in rows)
        assert len(everything) == COUNT + 5
        assert walk(filled, ADMIN, 1000) == everything
        assert walk(filled, ADMIN, 337) == everything

    def test_who_reads_little_gets_that_and_what_is_public(self, filled: Given) -> None:
        with filled.registry.database.session():
            public = sorted(row.name for row in RepositoryRow.select() if row.is_public)
        teams = COUNT // 4 // IN_A_TEAM
        expected = COUNT // 4 // PUBLIC + IN_A_TEAM * len(range(0, teams, PUBLIC))
        assert len(public) == expected
        own = [f"tiny/image-{number}" for number in range(5)]
        assert walk(filled, STRANGER, 100) == public
        assert walk(filled, TINY, 100) == sorted(public + own)

    def test_tags_are_in_the_order_of_their_bytes(self, filled: Given) -> None:
        tags = sorted(f"v{number}" for number in range(COUNT * 5))
        first = filled.registry.tags.page(ADMIN, RepositoryName(BIG), 1000)
        assert list(first.names) == tags[:1000]
        later = filled.registry.tags.page(ADMIN, RepositoryName(BIG), 10, "v1999")
        assert list(later.names) == tags[tags.index("v1999") + 1 :][:10]


class TestPlans:
    """A page reads its part of an index: no table from its beginning, and nothing to be sorted."""

    @pytest.mark.parametrize("principal", [ADMIN, TINY, STRANGER], ids=["admin", "tiny", "none"])
    @pytest.mark.parametrize("last", [None, "mono/image-5"])
    def test_of_the_catalog(self, filled: Given, principal: Any, last: str | None) -> None:
        check_plans(filled, lambda: filled.registry.repositories.page(principal, 100, last))

    @pytest.mark.parametrize("principal", [ADMIN, a_principal(Role.READER, "mono")])
    def test_of_tags(self, filled: Given, principal: Any) -> None:
        name = RepositoryName(BIG)
        check_plans(filled, lambda: filled.registry.tags.page(principal, name, 100, "v5"))


def check_plans(filled: Given, ask: Any) -> None:
    seen: list[peewee.QueryEvent] = []
    connection = filled.registry.database._connection
    connection.query_hooks.append(seen.append)
    try:
        ask()
    finally:
        connection.query_hooks.clear()
    pages = [event for event in seen if "ORDER BY" in event.sql]
    assert pages
    with filled.registry.database.session():
        for event in pages:
            plan = explain(event)
            assert is_of_an_index(plan), plan


def explain(event: peewee.QueryEvent) -> str:
    is_sqlite = isinstance(CURRENT.obj, peewee.SqliteDatabase)
    words = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN (ANALYZE, FORMAT JSON)"
    rows = CURRENT.obj.execute_sql(f"{words} {event.sql}", event.params).fetchall()
    return "\n".join(row[3] if is_sqlite else json.dumps(row[0]) for row in rows)


def is_of_an_index(plan: str) -> bool:
    if "Plan" not in plan:
        lines = plan.splitlines()
        scans = [line for line in lines if line.startswith("SCAN") and "INDEX" not in line]
        return not scans and "USE TEMP B-TREE" not in plan
    ((top,),) = (json.loads(line) for line in plan.splitlines())
    most = max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(top["Plan"]))
    return most < COUNT // 8


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)
