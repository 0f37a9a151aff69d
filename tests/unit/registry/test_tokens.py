"""Tokens: made, listed and revoked; what is kept of them is no secret."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from artifacts.errors import InvalidName
from registry.access import ANONYMOUS, Principal, Role, Verb
from registry.errors import (
    Denied,
    InvalidToken,
    InvalidValue,
    NamespaceUnknown,
    NotAuthenticated,
    TokenUnknown,
)
from registry.schema import MODELS, AuditRow
from tests.builders import Given


def audited(given: Given) -> list[tuple[str, str]]:
    with given.registry.database.session():
        return [(row.action, row.target) for row in AuditRow.select().order_by(AuditRow.id)]


def test_the_secret_is_not_in_the_database(given: Given) -> None:
    made = given.registry.tokens.create("ci", Role.ADMIN)
    secret = made.text.rpartition("_")[2]

    with given.registry.database.session():
        stored = str([list(model.select().tuples()) for model in MODELS])

    assert made.token.id in stored
    assert secret not in stored


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


def holder(given: Given, role: Role, namespace: str | None = "team", **more: Any) -> Principal:
    """Return who has a token of this role, as each request reads it."""
    made = given.registry.tokens.create("ann", role, namespace, **more)
    return given.registry.access.authenticate(made.text)


class TestVerbs:
    def test_a_token_is_as_narrow_as_it_was_made(self, given: Given) -> None:
        access = given.registry.access
        principal = holder(given, Role.PUBLISHER, verbs=[Verb.PULL])

        access.require(principal, Verb.PULL, "team", "team/etl")
        with pytest.raises(Denied, match="ann may not push on team/etl: the token is for pull"):
            access.require(principal, Verb.PUSH, "team", "team/etl")

    def test_who_pushes_sees_what_was_pushed_and_adds_statements(self, given: Given) -> None:
        made = given.registry.tokens.create("ci", Role.PUBLISHER, "team", verbs=[Verb.PUSH])

        assert made.token.verbs == (Verb.ATTACH, Verb.PUSH, Verb.SEE_STAGED)

    def test_one_that_only_pushes_reads_nothing_private(self, given: Given) -> None:
        given.namespace("open", public=True, keys=())
        principal = holder(given, Role.PUBLISHER, verbs=[Verb.PUSH])

        seen = given.registry.namespaces.visible(principal)

        assert [each.name for each in seen] == ["open"]

    def test_an_administrators_may_be_narrow_too(self, given: Given) -> None:
        access = given.registry.access
        principal = holder(given, Role.ADMIN, None, verbs=[Verb.PULL])

        access.require(principal, Verb.PULL, "team")
        with pytest.raises(Denied, match="the token is for pull only"):
            access.require(principal, Verb.PUSH, "team")
        with pytest.raises(NamespaceUnknown):
            access.require(principal, Verb.PUSH, "no-such")
        with pytest.raises(Denied, match="its token was made narrower than that"):
            given.registry.namespaces.create(principal, "new")

    @pytest.mark.parametrize(
        ("role", "verbs"),
        [(Role.READER, [Verb.PUSH]), (Role.PROMOTER, [Verb.PULL, Verb.ADMIT]), (Role.ADMIN, [])],
    )
    def test_only_what_the_role_has_can_be_chosen(
        self, given: Given, role: Role, verbs: list[Verb]
    ) -> None:
        with pytest.raises(InvalidValue, match=f"must be some of what a {role} may: "):
            given.registry.tokens.create("ci", role, verbs=verbs)


class TestTokensOfTokens:
    def test_a_holder_makes_a_narrower_one_of_its_own(self, given: Given) -> None:
        tokens = given.registry.tokens
        principal = holder(given, Role.PUBLISHER)

        made = tokens.create("ann", Role.READER, "team", timedelta(hours=1), by=principal)

        assert made.token.made_by == principal.token_id
        assert given.registry.access.authenticate(made.text).name == "ann"
        assert ("token.create", made.token.id) in audited(given)

    @pytest.mark.parametrize(
        ("members", "reason"),
        [
            ({"role": Role.PROMOTER}, "it would have bundle, promote"),
            ({"role": Role.ADMIN}, "it would have administer"),
            ({"namespace": "others"}, "this one is for team only"),
            ({"namespace": None}, "this one is for team only"),
            ({"name": "bob"}, "only an administrator makes tokens for others than ann"),
            ({"expires_in": timedelta(days=2)}, "it would outlive this one, which ends at 2"),
        ],
    )
    def test_it_is_never_wider(self, given: Given, members: dict[str, Any], reason: str) -> None:
        principal = holder(given, Role.PUBLISHER, expires_in=timedelta(days=1))
        asked: dict[str, Any] = {"name": "ann", "role": Role.READER, "namespace": "team"} | members

        with pytest.raises(Denied, match=reason):
            given.registry.tokens.create(**asked, by=principal)

    def test_it_ends_when_its_maker_ends_unless_told_sooner(self, given: Given) -> None:
        principal = holder(given, Role.PUBLISHER, expires_in=timedelta(days=1))

        made = given.registry.tokens.create("ann", Role.READER, "team", by=principal)

        assert made.token.expires == principal.expires

    def test_verbs_that_the_maker_lacks_are_not_given(self, given: Given) -> None:
        principal = holder(given, Role.PUBLISHER, verbs=[Verb.PULL])

        with pytest.raises(Denied, match="which this one has not"):
            given.registry.tokens.create("ann", Role.PUBLISHER, "team", by=principal)
        made = given.registry.tokens.create("ann", Role.READER, "team", by=principal)
        assert made.token.role is Role.READER

    def test_revoking_it_ends_those_that_were_made_with_it(self, given: Given) -> None:
        tokens, access = given.registry.tokens, given.registry.access
        first = holder(given, Role.PUBLISHER)
        second = tokens.create("ann", Role.READER, "team", by=first)
        third = tokens.create("ann", Role.READER, "team", by=access.authenticate(second.text))

        tokens.revoke(first.token_id or "")

        for made in (second, third):
            with pytest.raises(InvalidToken):
                access.authenticate(made.text)

    def test_what_an_administrator_made_for_others_stays(self, given: Given) -> None:
        tokens = given.registry.tokens
        admin = holder(given, Role.ADMIN, None)
        made = tokens.create("bob", Role.READER, "team", by=admin)

        tokens.revoke(admin.token_id or "")

        assert given.registry.access.authenticate(made.text).name == "bob"

    def test_an_administrator_of_a_namespace_keeps_to_it(self, given: Given) -> None:
        tokens = given.registry.tokens
        admin = holder(given, Role.ADMIN, "team")
        other = tokens.create("bob", Role.READER, "others")
        made = tokens.create("robot", Role.PUBLISHER, "team", by=admin)

        assert {each.id for each in tokens.all(admin)} == {admin.token_id, made.token.id}
        with pytest.raises(TokenUnknown):
            tokens.revoke(other.token.id, admin)
        assert tokens.revoke(made.token.id, admin).revoked is not None

    def test_others_know_their_own_and_what_was_made_with_it(self, given: Given) -> None:
        tokens = given.registry.tokens
        principal = holder(given, Role.PUBLISHER)
        same_name = holder(given, Role.PUBLISHER)
        made = tokens.create("ann", Role.READER, "team", by=principal)

        assert [each.id for each in tokens.all(principal)] == [principal.token_id, made.token.id]
        with pytest.raises(TokenUnknown):
            tokens.revoke(same_name.token_id or "", principal)
        tokens.revoke(made.token.id, principal)
        tokens.revoke(principal.token_id or "", principal)

    def test_nobody_makes_lists_or_revokes_any(self, given: Given) -> None:
        tokens = given.registry.tokens
        for act in (
            lambda: tokens.create("ann", Role.READER, by=ANONYMOUS),
            lambda: tokens.all(ANONYMOUS),
            lambda: tokens.revoke("0123", ANONYMOUS),
        ):
            with pytest.raises((NotAuthenticated, Denied)):
                act()
