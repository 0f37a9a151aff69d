"""Access: the matrix of roles and verbs, and what each refusal lets out."""

from datetime import timedelta

import pytest

from registry.access import ANONYMOUS, Principal, Role, Verb
from registry.errors import (
    Denied,
    ExpiredToken,
    InvalidToken,
    NamespaceUnknown,
    NotAuthenticated,
)
from tests.builders import ADMIN, NOBODY, Given, a_principal

# Within a private namespace that the token is for, and that somebody else owns.
MATRIX = """
verb        admin  publisher  promoter  reader  anonymous
pull        yes    yes        yes       yes     no
see_staged  yes    yes        no        no      no
push        yes    yes        no        no      no
attach      yes    yes        yes       no      no
delete      yes    yes        no        no      no
admit       yes    yes        no        no      no
yank        yes    yes        no        no      no
own         yes    no         no        no      no
bundle      yes    no         yes       no      no
promote     yes    no         yes       no      no
administer  yes    no         no        no      no
"""
_HEAD, *_LINES = (line.split() for line in MATRIX.strip().splitlines())
CELLS = [
    (Verb(verb), None if role == "anonymous" else Role(role), cell == "yes")
    for verb, *cells in _LINES
    for role, cell in zip(_HEAD[1:], cells, strict=True)
]
SIGNED_IN = [Role.PUBLISHER, Role.PROMOTER, Role.READER]


def outcome(given: Given, principal: Principal, verb: Verb, namespace: str = "team") -> type | None:
    access = given.registry.access
    try:
        access.require(principal, verb, namespace)
    except (Denied, NamespaceUnknown, NotAuthenticated) as error:
        assert not access.allows(principal, verb, namespace)
        return type(error)
    assert access.allows(principal, verb, namespace)
    return None


def test_the_table_has_every_verb_and_every_role() -> None:
    assert {verb for verb, _, _ in CELLS} == set(Verb)
    assert {role for _, role, _ in CELLS} == {*Role, None}


@pytest.mark.parametrize("scope", ["team", None], ids=["of-the-namespace", "of-all"])
def test_what_each_role_may_do_in_its_own_namespace(given: Given, scope: str | None) -> None:
    for verb, role, is_allowed in CELLS:
        expected = None if is_allowed else Denied if role else NotAuthenticated
        found = outcome(given, a_principal(role, scope), verb)
        assert found is expected, f"{role} {verb}"


def test_a_public_namespace_may_be_pulled_from_by_anyone_and_no_more(given: Given) -> None:
    given.namespace("open", public=True)
    for role in (None, *SIGNED_IN):
        principal = a_principal(role, "team")
        assert outcome(given, principal, Verb.PULL, "open") is None
        for verb in set(Verb) - {Verb.PULL}:
            expected = Denied if role else NotAuthenticated
            assert outcome(given, principal, verb, "open") is expected, f"{role} {verb}"


@pytest.mark.parametrize("role", Role)
def test_a_private_namespace_of_others_is_as_one_that_is_not_there(
    given: Given, role: Role
) -> None:
    stranger = a_principal(role, "elsewhere")
    for verb in Verb:
        assert outcome(given, stranger, verb, "team") is NamespaceUnknown
        assert outcome(given, stranger, verb, "no-such") is NamespaceUnknown


def test_anonymous_requests_learn_nothing_of_what_is_there(given: Given) -> None:
    for verb in Verb:
        assert outcome(given, NOBODY, verb, "team") is NotAuthenticated
        assert outcome(given, NOBODY, verb, "no-such") is NotAuthenticated


def test_a_namespace_that_is_not_there_is_unknown_to_all_but_an_admin(given: Given) -> None:
    assert outcome(given, a_principal(Role.PUBLISHER), Verb.PUSH, "no-such") is NamespaceUnknown
    assert outcome(given, ADMIN, Verb.PUSH, "no-such") is None


def test_the_owner_may_own_and_other_publishers_may_not(given: Given) -> None:
    owner = a_principal(Role.PUBLISHER, "mine", name="ann")
    given.registry.namespaces.create(owner, "mine")

    assert outcome(given, owner, Verb.OWN, "mine") is None
    other = a_principal(Role.PUBLISHER, "mine", name="bob")
    with pytest.raises(Denied, match="bob may not own on mine: the owner is ann"):
        given.registry.access.require(other, Verb.OWN, "mine")


def test_a_refusal_names_who_what_and_why(given: Given) -> None:
    reader = a_principal(Role.READER, "team", name="eve")
    with pytest.raises(Denied, match="eve may not push on team/etl: its role is reader"):
        given.registry.access.require(reader, Verb.PUSH, "team", "team/etl")

    given.namespace("open", public=True)
    with pytest.raises(Denied, match="eve may not push on open: the token is for team only"):
        given.registry.access.require(reader, Verb.PUSH, "open")


class TestTokens:
    def test_a_token_says_whose_it_is(self, given: Given) -> None:
        made = given.registry.tokens.create("ci", Role.PUBLISHER, "team")
        assert given.registry.access.authenticate(made.text) == Principal(
            "ci", Role.PUBLISHER, "team", "token", made.token.id
        )

    @pytest.mark.parametrize(
        "text",
        ["", "rbx_", "secret", "rbx_0123456789ab_", f"rbx_0123456789ab_{'0' * 64} ", "ü" * 80],
    )
    def test_what_is_no_token_is_refused(self, given: Given, text: str) -> None:
        with pytest.raises(InvalidToken, match="expected rbx_ID_SECRET"):
            given.registry.access.authenticate(text)

    def test_another_secret_and_an_unknown_id_are_refused_alike(self, given: Given) -> None:
        made = given.registry.tokens.create("ci", Role.READER)
        refusals = []
        for text in (f"rbx_{made.token.id}_{'0' * 64}", f"rbx_{'0' * 12}_{'0' * 64}"):
            with pytest.raises(InvalidToken) as refused:
                given.registry.access.authenticate(text)
            refusals.append(str(refused.value))
        assert len(set(refusals)) == 1

    def test_a_token_is_good_until_its_end_and_then_says_when_that_was(self, given: Given) -> None:
        made = given.registry.tokens.create("ci", Role.READER, expires_in=timedelta(days=30))
        given.clock.advance(timedelta(days=30, seconds=-1))
        assert given.registry.access.authenticate(made.text).name == "ci"

        end = given.clock.advance(timedelta(seconds=1))

        with pytest.raises(ExpiredToken, match=f"it expired at {end:%Y-%m-%dT%H:%M:%SZ}") as over:
            given.registry.access.authenticate(made.text)
        assert over.value.expired == end

    def test_an_expired_token_with_another_secret_does_not_say_that_it_was_one(
        self, given: Given
    ) -> None:
        made = given.registry.tokens.create("ci", Role.READER, expires_in=timedelta(days=1))
        given.clock.advance(timedelta(days=2))
        with pytest.raises(InvalidToken) as refused:
            given.registry.access.authenticate(f"rbx_{made.token.id}_{'0' * 64}")
        assert not isinstance(refused.value, ExpiredToken)

    def test_a_revocation_counts_from_the_next_request_on(self, given: Given) -> None:
        made = given.registry.tokens.create("ci", Role.READER)
        assert given.registry.access.resume(made.token.id, "s").proof == "session"

        given.registry.tokens.revoke(made.token.id)

        for act in (
            lambda: given.registry.access.authenticate(made.text),
            lambda: given.registry.access.resume(made.token.id, "s"),
        ):
            with pytest.raises(InvalidToken, match="no such token, or it is revoked"):
                act()

    def test_a_session_ends_with_its_token(self, given: Given) -> None:
        made = given.registry.tokens.create("ann", Role.PROMOTER, expires_in=timedelta(hours=1))
        given.clock.advance(timedelta(hours=1))
        with pytest.raises(ExpiredToken):
            given.registry.access.resume(made.token.id, "s")

    def test_nobody_is_anonymous(self) -> None:
        assert ANONYMOUS.role is None
        assert ANONYMOUS.proof == "none"
