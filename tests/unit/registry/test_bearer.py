"""Bearer tokens: what they say, what they are good for, and when they end."""

import base64
import hashlib
import hmac
import json
import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from registry.access import ANONYMOUS, Principal, Role, Verb
from registry.assembly import open_registry
from registry.bearer import LEEWAY, LIFETIME, TokenKey
from registry.errors import (
    BlobUnknown,
    Denied,
    ExpiredToken,
    InvalidToken,
    ManifestUnknown,
    NamespaceUnknown,
    OutOfScope,
    RepositoryUnknown,
    UnusableKey,
)
from registry.private_files import keep_first
from registry.scopes import parse_scopes
from registry.tokens import NewToken
from tests.builders import ADMIN, Given, Package

ETL = RepositoryName("team/etl")


def a_token(given: Given, role: Role = Role.PUBLISHER, **members: Any) -> NewToken:
    return given.registry.tokens.create("ci", role, members.pop("namespace", "team"), **members)


def issue(given: Given, made: NewToken | None, *asked: str) -> str:
    principal = ANONYMOUS if made is None else given.registry.access.authenticate(made.text)
    return given.registry.bearer.issue(principal, parse_scopes(asked)).text


def granted(given: Given, made: NewToken | None, *asked: str) -> list[str]:
    principal = ANONYMOUS if made is None else given.registry.access.authenticate(made.text)
    return [
        str(each) for each in given.registry.bearer.issue(principal, parse_scopes(asked)).scopes
    ]


def claims_of(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return claims


def forged(header: Mapping[str, str], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(part).encode() for part in (header, claims)] + [signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def pem(key: Any) -> bytes:
    data: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return data


class TestWhatATokenSays:
    def test_it_is_short_and_says_who_what_and_from_where(self, given: Given) -> None:
        made = a_token(given)
        now = int(given.clock().timestamp())

        text = issue(given, made, "repository:team/etl:pull,push", "registry:catalog:*")

        claims = claims_of(text)
        assert claims.pop("jti") != claims_of(issue(given, made))["jti"]
        assert claims == {
            "iss": "recipebox",
            "aud": "recipebox",
            "sub": "ci",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "token": made.token.id,
            "access": [
                {"type": "repository", "name": "team/etl", "actions": ["pull", "push"]},
                {"type": "registry", "name": "catalog", "actions": ["*"]},
            ],
        }
        header = jwt.get_unverified_header(text)
        assert header == {"alg": "EdDSA", "typ": "JWT", "kid": given.registry.token_key.id}

    def test_the_secret_of_the_api_token_is_not_in_it(self, given: Given) -> None:
        made = a_token(given)
        secret = made.text.rpartition("_")[2]

        text = issue(given, made, "repository:team/etl:pull")

        decoded = b"".join(base64.urlsafe_b64decode(part + "==") for part in text.split("."))
        assert secret not in text
        assert secret.encode() not in decoded
        assert bytes.fromhex(secret) not in decoded

    def test_it_never_outlives_the_token_that_it_came_from(self, given: Given) -> None:
        made = a_token(given, expires_in=timedelta(minutes=2))
        principal = given.registry.access.authenticate(made.text)

        assert given.registry.bearer.issue(principal, []).lifetime == timedelta(minutes=2)

    def test_that_of_nobody_names_nobody(self, given: Given) -> None:
        claims = claims_of(issue(given, None))

        assert claims["sub"] == ""
        assert "token" not in claims


class TestWhatItIsFor:
    @pytest.mark.parametrize(
        ("role", "asked", "given_"),
        [
            (Role.PUBLISHER, "repository:team/etl:pull,push", ["repository:team/etl:pull,push"]),
            (Role.PUBLISHER, "repository:team/etl:*", ["repository:team/etl:pull,push,delete"]),
            (Role.READER, "repository:team/etl:pull,push", ["repository:team/etl:pull"]),
            (Role.READER, "repository:team/etl:push,delete", []),
            (Role.READER, "repository:team/etl:", []),
            (Role.PUBLISHER, "repository:others/x:pull", []),
            (Role.PUBLISHER, "repository:no-such/x:pull", []),
            (Role.PUBLISHER, "repository:open/x:pull,push", ["repository:open/x:pull"]),
            (None, "repository:open/x:pull,push", ["repository:open/x:pull"]),
            (None, "repository:team/etl:pull", []),
            (None, "repository:no-such/x:pull", []),
            (None, "registry:catalog:*", ["registry:catalog:*"]),
        ],
    )
    def test_what_may_not_be_done_is_left_out(
        self, given: Given, role: Role | None, asked: str, given_: list[str]
    ) -> None:
        given.namespace("open", public=True, keys=())
        given.namespace("others", keys=())
        made = None if role is None else a_token(given, role)

        assert granted(given, made, asked) == given_

    def test_a_narrow_token_gets_no_more_than_it_has(self, given: Given) -> None:
        made = a_token(given, verbs=[Verb.PULL])

        assert granted(given, made, "repository:team/etl:*") == ["repository:team/etl:pull"]

    def test_a_promoter_pushes_statements_to_applications_alone(self, given: Given) -> None:
        made = a_token(given, Role.PROMOTER)

        assert granted(given, made, "repository:team/app:pull,push") == ["repository:team/app:pull"]

    def test_an_administrator_may_ask_for_what_is_not_there_yet(self, given: Given) -> None:
        made = a_token(given, Role.ADMIN, namespace=None)

        assert granted(given, made, "repository:new/x:push") == ["repository:new/x:push"]

    def test_it_stays_small_enough_for_a_header(self, given: Given) -> None:
        made = a_token(given)
        asked = [f"repository:team/{'x' * 100}{number}:pull,push" for number in range(150)]

        text = issue(given, made, *asked)

        assert len(text) < 8000
        assert 0 < len(claims_of(text)["access"]) < 150

    def test_it_is_good_for_its_scope_and_nothing_else(self, given: Given) -> None:
        bearer = given.registry.bearer
        access = given.registry.access
        principal = bearer.read(issue(given, a_token(given), "repository:team/etl:pull"))

        access.require(principal, Verb.PULL, "team", "team/etl")
        for verb, name in ((Verb.PUSH, "team/etl"), (Verb.PULL, "team/other"), (Verb.PULL, "team")):
            with pytest.raises(OutOfScope, match=f"isn't for {verb} on {name}"):
                access.require(principal, verb, "team", name)
        for verb in (Verb.ADMIT, Verb.OWN, Verb.YANK):
            with pytest.raises((OutOfScope, Denied)):
                access.require(principal, verb, "team", "team/etl")
        with pytest.raises(NamespaceUnknown):
            access.require(principal, Verb.PULL, "others", "others/x")
        with pytest.raises(OutOfScope):
            access.require_catalog(principal)

    def test_what_is_public_needs_no_scope(self, given: Given) -> None:
        given.namespace("open", public=True, keys=())
        principal = given.registry.bearer.read(issue(given, a_token(given)))

        given.registry.access.require(principal, Verb.PULL, "open", "open/x")

    def test_a_scope_for_one_segment_is_not_one_for_the_namespace(self, given: Given) -> None:
        principal = given.registry.bearer.read(
            issue(given, a_token(given), "repository:team/etl:pull")
        )

        with pytest.raises(OutOfScope):
            given.registry.access.require(principal, Verb.PULL, "team", "team")
        assert given.registry.access.allows(principal, Verb.SEE_STAGED, "team")

    def test_what_is_staged_is_seen_where_it_is_for_alone(
        self, given: Given, package: Package
    ) -> None:
        given.registry.namespaces.change(ADMIN, "team", {"public": True})
        digest = given.push(package)
        layer = Digest.of(package.layers[0])
        made, registry = a_token(given), given.registry
        narrow = registry.bearer.read(issue(given, made, "repository:team/other:pull,push"))
        wide = registry.bearer.read(issue(given, made, f"repository:{package.repository}:pull"))

        assert registry.manifests.stat(wide, package.repository, digest).staged
        assert registry.blobs.stat(wide, package.repository, layer).digest == layer
        with pytest.raises(ManifestUnknown):
            registry.manifests.stat(narrow, package.repository, digest)
        with pytest.raises(BlobUnknown):
            registry.blobs.stat(narrow, package.repository, layer)
        with pytest.raises(RepositoryUnknown):
            registry.tags.page(narrow, package.repository)
        assert b'"manifests":[]' in (
            registry.referrers.index(narrow, package.repository, digest).data
        )

    def test_the_catalog_has_a_scope_of_its_own(self, given: Given) -> None:
        principal = given.registry.bearer.read(issue(given, a_token(given), "registry:catalog:*"))

        given.registry.access.require_catalog(principal)

    def test_a_mount_needs_the_scope_of_its_source(self, given: Given) -> None:
        source = RepositoryName("team/source")
        digest = given.blob(source, b"bytes")
        given.artifact(source, b"bytes")
        made = a_token(given)
        narrow = given.registry.bearer.read(issue(given, made, "repository:team/etl:pull,push"))
        wide = given.registry.bearer.read(
            issue(given, made, "repository:team/etl:pull,push", "repository:team/source:pull")
        )

        with pytest.raises(OutOfScope):
            given.registry.uploads.mount(narrow, ETL, digest, source)
        mounted = given.registry.uploads.mount(wide, ETL, digest, source)

        assert getattr(mounted, "digest", None) == digest

    def test_it_pushes_and_pulls(self, given: Given) -> None:
        principal = given.registry.bearer.read(
            issue(given, a_token(given), "repository:team/etl:pull,push")
        )

        digest = given.artifact(ETL, b"bytes", by=principal)

        assert given.registry.manifests.stat(principal, ETL, Tag("v1")).digest == digest
        with pytest.raises(OutOfScope):
            given.registry.manifests.delete(principal, ETL, digest)


class TestWhenItEnds:
    def test_it_is_over_after_five_minutes_and_a_little(self, given: Given) -> None:
        text = issue(given, a_token(given))
        given.clock.advance(LIFETIME + LEEWAY - timedelta(seconds=1))
        assert given.registry.bearer.read(text).name == "ci"

        given.clock.advance(timedelta(seconds=1))

        with pytest.raises(ExpiredToken, match=r"it expired at .* \(token of 'ci'\)"):
            given.registry.bearer.read(text)

    def test_a_clock_that_is_a_little_behind_takes_it_and_one_far_behind_does_not(
        self, given: Given
    ) -> None:
        text = issue(given, a_token(given))
        given.clock.advance(-LEEWAY)
        assert given.registry.bearer.read(text).name == "ci"

        given.clock.advance(-timedelta(seconds=1))

        with pytest.raises(InvalidToken, match="is good from"):
            given.registry.bearer.read(text)

    def test_it_ends_with_the_token_that_it_came_from_at_once(self, given: Given) -> None:
        made = a_token(given)
        text = issue(given, made, "repository:team/etl:pull")
        assert given.registry.bearer.read(text).token_id == made.token.id

        given.registry.tokens.revoke(made.token.id)

        with pytest.raises(InvalidToken, match="no such token, or it is revoked"):
            given.registry.bearer.read(text)

    def test_it_ends_when_that_token_runs_out(self, given: Given) -> None:
        text = issue(given, a_token(given, expires_in=timedelta(minutes=1)))
        given.clock.advance(timedelta(minutes=1))

        with pytest.raises(ExpiredToken):
            given.registry.bearer.read(text)

    def test_it_says_when_it_ends_by_itself(self, given: Given) -> None:
        principal = given.registry.bearer.read(issue(given, a_token(given)))

        assert principal.expires == given.clock() + LIFETIME + LEEWAY

    def test_rights_are_read_again_each_time(self, given: Given) -> None:
        given.namespace("open", public=True, keys=())
        text = issue(given, a_token(given), "repository:open/x:pull")
        given.registry.namespaces.set_public(
            Principal("root", Role.ADMIN, None, "token"), "open", public=False
        )

        with pytest.raises(NamespaceUnknown):
            given.registry.access.require(
                given.registry.bearer.read(text), Verb.PULL, "open", "open/x"
            )


class TestWhatIsNoToken:
    @pytest.mark.parametrize("text", ["", "a", "a.b.c", "ü.ü.ü", "x" * 9000, "..", "e30.e30."])
    def test_nonsense_is_refused(self, given: Given, text: str) -> None:
        with pytest.raises(InvalidToken):
            given.registry.bearer.read(text)

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
    def test_one_without_a_signature_is_refused(self, given: Given, algorithm: str) -> None:
        claims = claims_of(issue(given, a_token(given), "repository:team/etl:pull"))

        with pytest.raises(InvalidToken):
            given.registry.bearer.read(forged({"alg": algorithm, "typ": "JWT"}, claims))

    @pytest.mark.parametrize("form", ["pem", "raw"])
    def test_the_public_key_is_not_taken_for_a_shared_secret(self, given: Given, form: str) -> None:
        claims = claims_of(issue(given, a_token(given), "repository:team/etl:pull"))
        public = given.registry.token_key.private.public_key()
        secret = (
            public.public_bytes_raw()
            if form == "raw"
            else public.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        unsigned = forged({"alg": "HS256", "typ": "JWT"}, claims).rpartition(".")[0]
        signature = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
        text = forged({"alg": "HS256", "typ": "JWT"}, claims, signature)

        with pytest.raises(InvalidToken):
            given.registry.bearer.read(text)

    def test_another_servers_is_refused(self, given: Given) -> None:
        claims = claims_of(issue(given, a_token(given), "repository:team/etl:pull"))
        other = ed25519.Ed25519PrivateKey.generate()

        with pytest.raises(InvalidToken, match="not a bearer token of this registry"):
            given.registry.bearer.read(jwt.encode(claims, other, algorithm="EdDSA"))

    def test_a_changed_claim_breaks_it(self, given: Given) -> None:
        header, _, signature = issue(given, a_token(given, Role.READER)).split(".")
        claims = claims_of(issue(given, a_token(given), "repository:team/etl:pull,push"))
        drawn = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()

        with pytest.raises(InvalidToken):
            given.registry.bearer.read(f"{header}.{drawn}.{signature}")

    @pytest.mark.parametrize(
        "change",
        [
            {"aud": "another"},
            {"iss": "another"},
            {"exp": None},
            {"nbf": None},
            {"sub": None},
            {"jti": None},
            {"access": None},
            {"access": "all"},
            {"access": [{"type": "repository"}]},
            {"exp": "soon"},
            {"exp": 1e300},
            {"token": "0" * 12},
        ],
        ids=str,
    )
    def test_one_that_lacks_something_is_refused_though_the_key_is_right(
        self, given: Given, change: dict[str, Any]
    ) -> None:
        claims = claims_of(issue(given, a_token(given), "repository:team/etl:pull")) | change
        kept = {name: value for name, value in claims.items() if value is not None}
        text = jwt.encode(kept, given.registry.token_key.private, algorithm="EdDSA")

        with pytest.raises(InvalidToken):
            given.registry.bearer.read(text)

    def test_an_api_token_is_none(self, given: Given) -> None:
        with pytest.raises(InvalidToken):
            given.registry.bearer.read(a_token(given).text)


class TestTheKey:
    def test_it_is_made_at_the_first_start_for_its_owner_only(self, given: Given) -> None:
        path = given.config.keys / "token.key.pem"

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_it_stays_the_same(self, given: Given) -> None:
        text = issue(given, a_token(given))
        again = open_registry(given.config, clock=given.clock)
        again.token_key.prepare()

        assert again.bearer.read(text).name == "ci"

    def test_two_starts_at_once_agree_on_one(self, tmp_path: Path) -> None:
        first, second = TokenKey(tmp_path), TokenKey(tmp_path)
        first.prepare()
        second.prepare()

        assert first.id == second.id
        assert [path.name for path in tmp_path.iterdir()] == ["token.key.pem"]

    def test_several_servers_share_one_that_is_given(self, tmp_path: Path) -> None:
        given = tmp_path / "shared.pem"
        given.write_bytes(pem(ed25519.Ed25519PrivateKey.generate()))
        keys = [TokenKey(tmp_path / name, given) for name in ("one", "two")]
        for key in keys:
            key.prepare()

        assert keys[0].id == keys[1].id
        assert not (tmp_path / "one").exists()

    @pytest.mark.parametrize(
        "data", [b"", b"nonsense", pem(ec.generate_private_key(ec.SECP256R1()))], ids=range(3)
    )
    def test_another_file_is_refused_and_named(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "wrong.pem"
        path.write_bytes(data)

        with pytest.raises(UnusableKey, match=r"wrong\.pem: expected an Ed25519 key"):
            TokenKey(tmp_path, path).prepare()

    def test_one_with_a_passphrase_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "locked.pem"
        path.write_bytes(
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )

        with pytest.raises(UnusableKey, match="without a passphrase"):
            TokenKey(tmp_path, path).prepare()

    def test_other_secrets_are_derived_from_it(self, tmp_path: Path) -> None:
        first, second = TokenKey(tmp_path / "a"), TokenKey(tmp_path / "b")
        first.prepare()
        second.prepare()

        assert first.derive("sessions") == TokenKey(tmp_path / "a").derive("sessions")
        others = {first.derive("others"), second.derive("sessions"), first.derive("sessions")}
        assert len(others) == 3
        assert {len(secret) for secret in others} == {32}

    def test_a_file_that_is_there_is_never_written_over(self, tmp_path: Path) -> None:
        keep_first(tmp_path / "keys" / "one", b"first")
        keep_first(tmp_path / "keys" / "one", b"second")

        assert (tmp_path / "keys" / "one").read_bytes() == b"first"
        assert [path.name for path in (tmp_path / "keys").iterdir()] == ["one"]
