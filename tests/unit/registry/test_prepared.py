"""Prepared queries give what the same queries give that are drawn anew."""

import peewee
import pytest

from registry.prepared import Prepared
from registry.schema import NamespaceRow, RepositoryRow

BY_NAME = Prepared[NamespaceRow](
    lambda name: NamespaceRow.select().where(NamespaceRow.name == name), ""
)
PUBLIC_ONE = Prepared[NamespaceRow](
    lambda name: NamespaceRow.select().where((NamespaceRow.name == name) & NamespaceRow.is_public),
    "",
)
IN_NAMESPACE = Prepared[RepositoryRow](
    lambda number, name: (
        RepositoryRow.select()
        .join(NamespaceRow)
        .where((NamespaceRow.id == number) & (RepositoryRow.name == name))
    ),
    0,
    "",
)


@pytest.fixture
def database(given):
    given.namespace("other")
    return given.registry.database


def test_it_finds_the_row_of_each_value(database):
    with database.session():
        for name in ("team", "other", "team"):
            found = BY_NAME.first(name)
            plain = NamespaceRow.get(NamespaceRow.name == name)
            assert found is not None
            assert found.__data__ == plain.__data__
            assert not found.is_dirty()


def test_what_is_not_there_is_none(database):
    with database.session():
        assert BY_NAME.first("nobody") is None
        assert BY_NAME.exists("team")
        assert not BY_NAME.exists("nobody")


def test_a_value_of_an_attacker_is_a_value(database):
    with database.session():
        assert BY_NAME.first("' OR 1=1 --") is None
        assert BY_NAME.first("example 0 of a prepared value") is None


def test_constants_of_the_query_stay(database):
    with database.session():
        NamespaceRow.update(is_public=False).where(NamespaceRow.name == "team").execute()
        assert PUBLIC_ONE.first("team") is None
        NamespaceRow.update(is_public=True).where(NamespaceRow.name == "team").execute()
        assert PUBLIC_ONE.exists("team")


def test_numbers_joins_and_several_values(database):
    with database.session():
        team = NamespaceRow.get(NamespaceRow.name == "team")
        made = RepositoryRow.create(
            namespace=team, name="team/x", kind="new", created=1, created_by="a"
        )

        found = IN_NAMESPACE.first(team.id, "team/x")

        assert found == made
        assert found.namespace == team
        assert IN_NAMESPACE.first(team.id + 1, "team/x") is None


def test_a_row_may_be_changed_and_saved(database):
    with database.write():
        found = BY_NAME.first("team")
        found.owner = "somebody else"
        found.save()

        assert BY_NAME.first("team").owner == "somebody else"


def test_outside_of_a_session_it_can_not_be_asked(database):
    with pytest.raises(peewee.InterfaceError, match="outside of a session"):
        BY_NAME.first("team")


def test_a_value_that_is_not_used_is_a_mistake(database):
    forgetful = Prepared[NamespaceRow](lambda _name: NamespaceRow.select(), "")

    with database.session(), pytest.raises(ValueError, match="each of its values"):
        forgetful.first("team")
