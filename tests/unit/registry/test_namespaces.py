"""Namespaces: created, owned, public or not; and the keys that sign in them."""

import json
from datetime import timedelta
from typing import Any

import pytest

from artifacts.errors import InvalidName
from artifacts.reference import RepositoryName
from registry.access import Role
from registry.errors import (
    Denied,
    InvalidKey,
    InvalidValue,
    NamespaceExists,
    NamespaceUnknown,
    NotAuthenticated,
)
from registry.namespaces import NamespaceSettings
from registry.schema import AuditRow, NamespaceRow
from tests.builders import (
    ADMIN,
    NOBODY,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    a_principal,
)
from tests.keys import OTHER, SIGNER, gnupg, make_key


def test_an_administrator_creates_any(given: Given) -> None:
    made = given.registry.namespaces.create(ADMIN, "new")
    assert (made.name, made.public, made.owner) == ("new", False, "admin")
    assert made.created == given.clock()
    assert given.registry.namespaces.get(ADMIN, "new") == made


def test_a_publisher_creates_that_of_its_token_and_owns_it(given: Given) -> None:
    made = given.registry.namespaces.create(STRANGER, "others", public=True)
    assert (made.owner, made.public) == ("stranger", True)


@pytest.mark.parametrize(
    ("principal", "refusal", "reason"),
    [
        (PUBLISHER, Denied, "the token is for team only"),
        (a_principal(Role.ADMIN, "team"), Denied, "the token is for team only"),
        (a_principal(Role.PROMOTER), Denied, "its role is promoter"),
        (a_principal(Role.READER), Denied, "its role is reader"),
        (NOBODY, NotAuthenticated, "needs a log-in"),
    ],
)
def test_others_create_none(given: Given, principal, refusal, reason: str) -> None:
    with pytest.raises(refusal, match=reason):
        given.registry.namespaces.create(principal, "new")
    assert "new" not in [each.name for each in given.registry.namespaces.visible(ADMIN)]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../team", "Team", "", "a b", "x" * 300, "_x"])
def test_a_name_that_climbs_or_is_none_is_refused(given: Given, name: str) -> None:
    with pytest.raises(InvalidName):
        given.registry.namespaces.create(ADMIN, name)


def test_a_name_is_taken_once(given: Given) -> None:
    with pytest.raises(NamespaceExists, match="the namespace team is taken"):
        given.registry.namespaces.create(ADMIN, "team")


def test_each_sees_its_own_and_the_public_ones(given: Given) -> None:
    given.namespace("open", public=True)
    given.namespace("others")

    def names(principal) -> list[str]:
        return [each.name for each in given.registry.namespaces.visible(principal)]

    assert names(ADMIN) == ["open", "others", "team"]
    assert names(a_principal(Role.READER)) == ["open", "others", "team"]
    assert names(READER) == ["open", "team"]
    assert names(STRANGER) == ["open", "others"]
    assert names(NOBODY) == ["open"]


def test_a_private_one_is_not_there_for_others(given: Given) -> None:
    namespaces = given.registry.namespaces
    for act in (
        lambda who: namespaces.get(who, "team"),
        lambda who: namespaces.keys(who, "team"),
        lambda who: namespaces.keyring(who, "team"),
        lambda who: namespaces.set_public(who, "team", public=True),
        lambda who: namespaces.add_key(who, "team", OTHER.public),
    ):
        with pytest.raises(NamespaceUnknown):
            act(STRANGER)
        with pytest.raises(NotAuthenticated):
            act(NOBODY)


def test_one_that_is_missing_is_unknown_to_an_administrator_too(given: Given) -> None:
    with pytest.raises(NamespaceUnknown, match="no namespace no-such"):
        given.registry.namespaces.get(ADMIN, "no-such")


def test_the_catalog_shows_what_was_there_before_it_became_public(given: Given) -> None:
    registry = given.registry
    for name in ("team/one", "team/two"):
        given.artifact(RepositoryName(name), b"bytes")
    assert registry.repositories.page(NOBODY).names == ()

    registry.namespaces.set_public(ADMIN, "team", public=True)

    assert registry.repositories.page(NOBODY).names == ("team/one", "team/two")
    assert list(registry.checker.run(lambda _stage, _seen: None)) == []

    registry.namespaces.set_public(ADMIN, "team", public=False)

    assert registry.repositories.page(NOBODY).names == ()
    assert list(registry.checker.run(lambda _stage, _seen: None)) == []


def test_its_owner_makes_it_public_and_others_do_not(given: Given) -> None:
    given.registry.namespaces.create(STRANGER, "others")
    other = a_principal(Role.PUBLISHER, "others", name="bob")
    with pytest.raises(Denied, match="the owner is stranger"):
        given.registry.namespaces.set_public(other, "others", public=True)

    assert given.registry.namespaces.set_public(STRANGER, "others", public=True).public
    assert given.registry.namespaces.get(NOBODY, "others").public

    given.registry.namespaces.set_public(ADMIN, "others", public=False)
    with pytest.raises(NotAuthenticated):
        given.registry.namespaces.get(NOBODY, "others")


class TestSettings:
    def test_a_new_one_has_no_quota_and_no_rules(self, given: Given) -> None:
        assert given.registry.namespaces.get(ADMIN, "team").settings == NamespaceSettings(
            quota=None, used=0, sparse=False, immutable_tags=()
        )

    def test_what_is_not_named_stays_as_it_is(self, given: Given) -> None:
        namespaces = given.registry.namespaces
        namespaces.change(ADMIN, "team", {"quota": 1000, "immutable_tags": ["v*", "v*", "1.*"]})

        changed = namespaces.change(ADMIN, "team", {"sparse": True})

        assert not changed.public
        assert changed.settings == NamespaceSettings(
            quota=1000, used=0, sparse=True, immutable_tags=("v*", "1.*")
        )
        assert namespaces.change(ADMIN, "team", {"quota": None}).settings.quota is None

    def test_its_owner_sets_all_but_the_quota(self, given: Given) -> None:
        namespaces = given.registry.namespaces
        namespaces.create(STRANGER, "others")
        namespaces.change(STRANGER, "others", {"sparse": True, "immutable_tags": ["*"]})

        with pytest.raises(Denied, match="may not administer on others"):
            namespaces.change(STRANGER, "others", {"quota": 1 << 40})

    def test_who_only_works_there_sets_nothing(self, given: Given) -> None:
        with pytest.raises(Denied, match="the owner is admin"):
            given.registry.namespaces.change(PUBLISHER, "team", {"sparse": True})

    def test_they_are_shown_to_members_and_not_to_passers_by(self, given: Given) -> None:
        given.namespace("open", public=True, keys=())
        namespaces = given.registry.namespaces

        assert namespaces.get(a_principal(Role.READER, "open"), "open").settings is not None
        assert namespaces.get(READER, "open").settings is None
        assert namespaces.get(NOBODY, "open").settings is None
        assert [each.settings is None for each in namespaces.visible(READER)] == [True, False]

    def test_what_is_used_is_shown(self, given: Given) -> None:
        given.blob(RepositoryName("team/x"), b"x" * 100)

        assert given.registry.namespaces.get(READER, "team").settings.used == 100

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, "settings is 'nothing'"),
            ({"quota": -1}, "quota is '-1'"),
            ({"quota": 1 << 61}, "quota is"),
            ({"immutable_tags": ["not a tag"]}, "immutable_tags is 'not a tag'"),
            ({"immutable_tags": [""]}, "immutable_tags is ''"),
        ],
    )
    def test_what_can_not_be_is_refused(
        self, given: Given, changes: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(InvalidValue, match=said):
            given.registry.namespaces.change(ADMIN, "team", changes)

    def test_the_audit_has_what_it_was_and_what_it_is(self, given: Given) -> None:
        given.registry.namespaces.change(ADMIN, "team", {"quota": 1000})

        with given.registry.database.session():
            last = AuditRow.select().order_by(AuditRow.id.desc()).get()
        assert (last.action, last.target) == ("namespace.set", "team")
        assert json.loads(last.detail) == {"quota_bytes": {"from": None, "to": 1000}}


class TestKeys:
    def test_a_key_is_read_for_what_it_is(self, given: Given) -> None:
        added = given.registry.namespaces.add_key(ADMIN, "team", OTHER.public, ["release"])
        assert added.fingerprint == OTHER.fingerprint
        assert added.roles == ("release",)
        assert added.algorithm == "ed25519"
        assert added.expires is None
        assert added.added_by == "admin"
        assert added.added == given.clock()
        assert given.registry.namespaces.keys(READER, "team")[-1] == added

    def test_the_keyring_is_every_key_oldest_first(self, given: Given) -> None:
        given.registry.namespaces.add_key(ADMIN, "team", OTHER.public)
        keyring = given.registry.namespaces.keyring(READER, "team")
        assert keyring == SIGNER.public.strip() + "\n" + OTHER.public.strip() + "\n"

    def test_a_namespace_without_keys_has_an_empty_keyring(self, given: Given) -> None:
        given.namespace("bare", keys=())
        assert given.registry.namespaces.keyring(ADMIN, "bare") == ""
        assert given.registry.namespaces.keys(ADMIN, "bare") == []

    def test_the_same_key_again_changes_its_roles(self, given: Given) -> None:
        (before,) = given.registry.namespaces.keys(ADMIN, "team")
        (before,) = given.registry.namespaces.keys(ADMIN, "team")
        given.clock.advance(timedelta(days=1))
        given.registry.namespaces.add_key(ADMIN, "team", SIGNER.public, ["promote", "promote"])
        (kept,) = given.registry.namespaces.keys(ADMIN, "team")
        assert (before.roles, kept.roles) == (("promote", "release"), ("promote",))
        assert kept.added == before.added

    @pytest.mark.parametrize("roles", [[], ["admin"], ["release", "x"]])
    def test_a_role_that_is_none_is_refused(self, given: Given, roles: list[str]) -> None:
        with pytest.raises(InvalidValue, match="some of release, promote"):
            given.registry.namespaces.add_key(ADMIN, "team", OTHER.public, roles)

    @pytest.mark.parametrize("principal", [PUBLISHER, PROMOTER, READER])
    def test_only_the_owner_and_administrators_add_keys(self, given: Given, principal) -> None:
        with pytest.raises(Denied):
            given.registry.namespaces.add_key(principal, "team", OTHER.public)
        assert len(given.registry.namespaces.keys(ADMIN, "team")) == 1

    @pytest.mark.parametrize(
        ("armored", "reason"),
        [
            ("nonsense", "text outside of an armoured block"),
            ("", "BEGIN PGP PUBLIC KEY BLOCK"),
            (OTHER.secret, "private key"),
            (OTHER.public + make_key().public, "expected one key, found 2"),
        ],
        ids=["nonsense", "nothing", "a private key", "two keys"],
    )
    def test_what_is_not_one_public_key_is_refused(
        self, given: Given, armored: str, reason: str
    ) -> None:
        with pytest.raises(InvalidKey, match=reason):
            given.registry.namespaces.add_key(ADMIN, "team", armored)

    def test_a_weak_key_is_refused(self, given: Given) -> None:
        weak = make_key("weak@example.org", algorithm="rsa1024")
        with pytest.raises(InvalidKey, match="rsa1024 is too weak; expected"):
            given.registry.namespaces.add_key(ADMIN, "team", weak.public)

    def test_an_expired_key_cannot_be_new(self, given: Given) -> None:
        key = make_key("old@example.org", lifetime="30d")
        given.clock.advance(timedelta(days=31))
        with pytest.raises(InvalidKey, match=f"{key.fingerprint} is expired"):
            given.registry.namespaces.add_key(ADMIN, "team", key.public)

    def test_a_key_that_expires_says_when(self, given: Given) -> None:
        key = make_key("month@example.org", lifetime="30d")
        added = given.registry.namespaces.add_key(ADMIN, "team", key.public)
        assert added.expires is not None
        assert timedelta(days=29) < added.expires - given.clock() < timedelta(days=31)

    def test_a_revocation_is_taken_and_never_taken_back(self, given: Given) -> None:
        with gnupg() as gpg:
            fingerprint = gpg.make("gone@example.org")
            before = gpg.public(fingerprint)
            gpg.revoke(fingerprint)
            after = gpg.public(fingerprint)
        namespaces = given.registry.namespaces
        with pytest.raises(InvalidKey, match=f"{fingerprint} is revoked"):
            namespaces.add_key(ADMIN, "team", after)
        namespaces.add_key(ADMIN, "team", before)

        namespaces.add_key(ADMIN, "team", after)

        with pytest.raises(InvalidKey, match=f"{fingerprint} was revoked, and stays so"):
            namespaces.add_key(ADMIN, "team", before)
        assert after.strip() in namespaces.keyring(ADMIN, "team")

    def test_a_key_for_a_namespace_that_is_not_there_is_refused(self, given: Given) -> None:
        with pytest.raises(NamespaceUnknown):
            given.registry.namespaces.add_key(ADMIN, "no-such", OTHER.public)


def test_what_changes_a_namespace_is_audited_with_who_asked(given: Given) -> None:
    given.registry.namespaces.create(STRANGER, "others")
    given.registry.namespaces.set_public(STRANGER, "others", public=True)
    given.registry.namespaces.add_key(STRANGER, "others", OTHER.public)
    with given.registry.database.session():
        rows = AuditRow.select().where(AuditRow.target == "others").order_by(AuditRow.id)
        assert [(row.action, row.actor, row.role, row.proof) for row in rows] == [
            ("namespace.create", "stranger", "publisher", "token"),
            ("namespace.set", "stranger", "publisher", "token"),
            ("namespace.add_key", "stranger", "publisher", "token"),
        ]


def test_what_fails_leaves_no_entry_in_the_audit(given: Given) -> None:
    with given.registry.database.session():
        before = AuditRow.select().count()
    with pytest.raises(NamespaceExists):
        given.registry.namespaces.create(ADMIN, "team")
    with given.registry.database.session():
        assert AuditRow.select().count() == before
        assert NamespaceRow.select().where(NamespaceRow.name == "team").count() == 1
