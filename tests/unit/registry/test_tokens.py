"""Tokens: made, listed and revoked; what is kept of them is no secret."""

from datetime import timedelta
from pathlib import Path

import pytest

from artifacts.errors import InvalidName
from registry.access import Role
from registry.errors import InvalidValue, TokenUnknown
from registry.schema import AuditRow
from tests.builders import Given


def audited(given: Given) -> list[tuple[str, str]]:
    with given.registry.database.session():
        return [(row.action, row.target) for row in AuditRow.select().order_by(AuditRow.id)]


def test_the_secret_is_not_in_the_database(given: Given) -> None:
    made = given.registry.tokens.create("ci", Role.ADMIN)
    secret = made.text.rpartition("_")[2]

    stored = b"".join(
        path.read_bytes() for path in Path(given.data).glob("registry.sqlite3*") if path.is_file()
    )

    assert made.token.id.encode() in stored
    assert secret.encode() not in stored


def test_a_token_is_listed_with_what_it_may(given: Given) -> None:
    made = given.registry.tokens.create("ci", Role.READER, "team", timedelta(days=1))

    listed = given.registry.tokens.all()[-1]

    assert listed == made.token
    assert (listed.name, listed.role, listed.namespace) == ("ci", Role.READER, "team")
    assert listed.created == given.clock()
    assert listed.expires == given.clock() + timedelta(days=1)
    assert listed.revoked is None
    assert ("token.create", made.token.id) in audited(given)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_name_must_be_readable(given: Given, name: str) -> None:
    with pytest.raises(InvalidValue, match="name is"):
        given.registry.tokens.create(name, Role.READER)


@pytest.mark.parametrize("namespace", ["..", "a/b", "Team", ""])
def test_a_namespace_must_be_one(given: Given, namespace: str) -> None:
    with pytest.raises(InvalidName):
        given.registry.tokens.create("ci", Role.READER, namespace)


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(seconds=-1)])
def test_an_end_must_be_ahead(given: Given, ahead: timedelta) -> None:
    with pytest.raises(InvalidValue, match=r"expires is .* but must be ahead"):
        given.registry.tokens.create("ci", Role.READER, expires_in=ahead)


def test_an_operators_other_tokens_do_not_stand_in_for_the_first_administrators(
    tmp_path: Path,
) -> None:
    given = Given(tmp_path / "data", is_first_start=False)
    given.data.mkdir()
    given.registry.database.migrate()
    given.registry.tokens.create("ci", Role.PUBLISHER)

    assert given.registry.prepare() is not None
    assert given.registry.prepare() is None


def test_the_first_start_makes_an_administrator_and_no_later_one_does(
    tmp_path: Path,
) -> None:
    first = Given(tmp_path / "data")
    assert first.first_token is not None
    principal = first.registry.access.authenticate(first.first_token.text)
    assert (principal.role, principal.namespace) == (Role.ADMIN, None)

    first.registry.tokens.revoke(first.first_token.token.id)
    again = Given(tmp_path / "data")

    assert again.first_token is None
    assert again.registry.tokens.create_first() is None


def test_a_token_is_revoked_once(given: Given) -> None:
    made = given.registry.tokens.create("ci", Role.READER)
    revoked = given.registry.tokens.revoke(made.token.id)
    given.clock.advance(timedelta(hours=1))

    again = given.registry.tokens.revoke(made.token.id)

    assert again.revoked == revoked.revoked
    assert audited(given).count(("token.revoke", made.token.id)) == 1


def test_an_unknown_token_cannot_be_revoked(given: Given) -> None:
    with pytest.raises(TokenUnknown, match="no token 0123, or it is private"):
        given.registry.tokens.revoke("0123")
