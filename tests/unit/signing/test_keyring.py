"""Keys are made, listed, found, exported, imported, deleted; and read without being kept."""

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signing.errors import (
    AmbiguousKey,
    BadPassphrase,
    GpgFailed,
    HomeTooLong,
    InvalidKey,
    InvalidKeyRequest,
    KeyNotFound,
    PrivateKeyRefused,
)
from signing.gpg import stop_agent
from signing.keyring import LARGEST_KEYS, Keyring, read_keys
from signing.sign import sign
from tests.keys import OTHER, SIGNER, Gnupg


def test_a_key_is_made_and_lists_as_it_was_asked_for() -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    with Keyring.temporary() as keyring:
        made = keyring.create_key("Åse Ņ", "ase@example.org", passphrase=None, expires=soon)
        assert made.user_ids == ("Åse Ņ <ase@example.org>",)
        assert (made.algorithm, made.curve, made.bits) == ("ed25519", "ed25519", 255)
        assert made.expires == soon
        assert made.secret
        assert made.weakness is None
        assert not made.revoked
        assert not made.disabled
        assert not made.has_expired(datetime.now(UTC))
        assert made.has_expired(soon)
        assert abs(made.created - datetime.now(UTC)) < timedelta(minutes=1)
        assert keyring.list_keys() == keyring.list_keys(secret=True) == (made,)


def test_an_rsa_key_may_be_asked_for() -> None:
    with Keyring.temporary() as keyring:
        made = keyring.create_key("R", "r@example.org", passphrase=None, algorithm="rsa3072")
        assert (made.algorithm, made.curve, made.expires) == ("rsa3072", None, None)


@pytest.mark.parametrize(
    ("member", "changed"),
    [
        ("algorithm", {"algorithm": "dsa1024"}),
        ("name", {"name": ""}),
        ("name", {"name": "Ada\nKey-Type: DSA"}),
        ("name", {"name": "Ada <ada@example.org>"}),
        ("name", {"name": " Ada"}),
        ("email", {"email": "ada"}),
        ("email", {"email": "ada@example.org\n%no-protection"}),
        ("expires", {"expires": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("expires", {"expires": datetime(2999, 1, 1)}),  # noqa: DTZ001 - what is refused
        ("passphrase", {"passphrase": "two\nlines"}),
        ("passphrase", {"passphrase": " space "}),
    ],
)
def test_what_gpg_would_take_for_something_else_is_refused(
    member: str, changed: dict[str, object]
) -> None:
    asked: dict[str, object] = {"name": "Ada", "email": "ada@example.org", "passphrase": None}
    with Keyring.temporary() as keyring:
        with pytest.raises(InvalidKeyRequest) as refused:
            keyring.create_key(**(asked | changed))  # type: ignore[arg-type]
        assert refused.value.member == member
        assert "two" not in str(refused.value)
        assert keyring.list_keys() == ()


def test_a_key_that_gpg_does_not_make_says_why(tmp_path: Path) -> None:
    with Keyring.temporary() as keyring:
        assert keyring.home is not None
        (keyring.home / "private-keys-v1.d").write_text("in the way")
        with pytest.raises(GpgFailed, match=r"could not make a key: ."):
            keyring.create_key("Ada", "ada@example.org", passphrase=None)


def test_a_key_is_found_by_fingerprint_its_end_a_subkeys_or_a_name(gpg: Gnupg) -> None:
    primary = gpg.make("finder@example.org", usage="cert")
    gpg("--quick-add-key", primary, "ed25519", "sign", "0")
    subkey = gpg.fingerprints(primary)[1]
    spaced = " ".join(primary[at : at + 4] for at in range(0, 40, 4))
    with Keyring.temporary() as keyring:
        keyring.import_keys(SIGNER.public + gpg.public(primary))
        for text in (primary, primary.lower(), f"0x{primary[-16:]}", spaced, subkey, "FINDER@"):
            assert keyring.get_key(text).fingerprint == primary
        assert keyring.find_key("nobody") is None
        assert keyring.find_key("") is None
        assert keyring.find_key(primary, secret=True) is None
        with pytest.raises(KeyNotFound, match="no key matches 'nobody'"):
            keyring.get_key("nobody")
        with pytest.raises(AmbiguousKey) as refused:
            keyring.get_key("example.org")
        assert set(refused.value.fingerprints) == {primary, SIGNER.fingerprint}


def test_keys_travel_from_one_keyring_to_another() -> None:
    with Keyring.temporary() as one, Keyring.temporary() as other:
        made = one.create_key("Ada", "ada@example.org", passphrase="pässwörd \N{KEY}")
        public = one.export_public(made.fingerprint)
        (received,) = other.import_keys(public)
        assert received.fingerprint == made.fingerprint
        assert not received.secret
        with pytest.raises(KeyNotFound):
            other.export_secret(made.fingerprint)
        (received,) = other.import_keys(one.export_secret("ada@", "pässwörd \N{KEY}"))
        assert received.secret
        assert sign(b"data", other, made.fingerprint, "pässwörd \N{KEY}")


@pytest.mark.parametrize(("passphrase", "given"), [("wrong", True), (None, False), ("", False)])
def test_a_secret_key_is_not_exported_without_its_passphrase(
    gpg: Gnupg, passphrase: str | None, *, given: bool
) -> None:
    made = gpg.make(f"guarded-{passphrase}@example.org", passphrase="right")
    secret = gpg.secret(made, "right")
    with Keyring.temporary() as keyring:
        keyring.import_keys(secret)
        with pytest.raises(BadPassphrase) as refused:
            keyring.export_secret(made, passphrase)
        assert (refused.value.fingerprint, refused.value.given) == (made, given)


def test_a_secret_key_whose_file_is_gone_is_not_exported() -> None:
    with Keyring.temporary() as keyring:
        keyring.import_keys(SIGNER.secret)
        assert keyring.home is not None
        for file in (keyring.home / "private-keys-v1.d").iterdir():
            file.write_text("not a key")
        with pytest.raises(KeyNotFound):
            keyring.export_secret(SIGNER.fingerprint)


def test_importing_again_changes_nothing() -> None:
    with Keyring.temporary() as keyring:
        first = keyring.import_keys(OTHER.public + SIGNER.secret)
        assert [key.fingerprint for key in first] == [OTHER.fingerprint, SIGNER.fingerprint]
        assert [key.secret for key in first] == [False, True]
        assert keyring.import_keys(OTHER.public + SIGNER.secret) == first


def test_a_deleted_key_is_gone_with_its_secret_half() -> None:
    with Keyring.temporary() as keyring:
        keyring.import_keys(SIGNER.secret + OTHER.public)
        assert keyring.delete(SIGNER.fingerprint).fingerprint == SIGNER.fingerprint
        assert keyring.delete("other@").fingerprint == OTHER.fingerprint
        assert keyring.list_keys() == ()
        with pytest.raises(KeyNotFound):
            keyring.delete(SIGNER.fingerprint)


def test_a_key_that_can_not_be_deleted_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with Keyring.temporary() as keyring:
        keyring.import_keys(SIGNER.public)
        key = keyring.get_key(SIGNER.fingerprint)
        keyring.delete(SIGNER.fingerprint)
        monkeypatch.setattr(keyring, "get_key", lambda _: key)  # it went away meanwhile
        with pytest.raises(GpgFailed, match=r"delete.*[Nn]ot found"):
            keyring.delete(SIGNER.fingerprint)


# Homes


def test_a_given_home_is_made_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    home = tmp_path.joinpath("k")
    if len(os.fsencode(home)) > 80:
        pytest.skip("the temporary folder's path is too long for a key folder")
    keyring = Keyring(home)
    made = keyring.create_key("Ada", "ada@example.org", passphrase=None)
    assert home.stat().st_mode & 0o777 == 0o700
    assert Keyring(home).list_keys() == (made,)
    stop_agent(home)


def test_the_users_own_keyring_is_where_gpg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with Keyring.temporary() as keyring:
        monkeypatch.setenv("GNUPGHOME", str(keyring.home))
        keyring.import_keys(SIGNER.secret)
        own = Keyring()
        assert own.home is None
        assert own.get_key("signer@").fingerprint == SIGNER.fingerprint
        assert sign(b"data", own, SIGNER.fingerprint)
        with pytest.raises(KeyNotFound, match="your GnuPG keyring"):
            own.get_key("nobody")


def test_a_home_with_too_long_a_path_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100)
    with pytest.raises(HomeTooLong, match="shorter path") as refused:
        Keyring(home)
    assert refused.value.limit == 107
    assert refused.value.length == len(os.fsencode(home / "S.gpg-agent.browser"))
    assert not home.exists()


def test_a_temporary_keyring_is_gone_afterwards_after_an_error_too() -> None:
    with Keyring.temporary() as keyring:
        assert keyring.home is not None
        assert keyring.home.stat().st_mode & 0o777 == 0o700
        keyring.create_key("Ada", "ada@example.org", passphrase=None)
    assert not keyring.home.exists()
    with pytest.raises(ZeroDivisionError), Keyring.temporary() as keyring:
        _ = 1 // 0
    assert keyring.home is not None
    assert not keyring.home.exists()


# Reading without keeping


def test_keys_are_read_in_order_and_no_keyring_knows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Keyring.temporary() as keyring:
        monkeypatch.setenv("GNUPGHOME", str(keyring.home))
        read = read_keys(SIGNER.public + "\n" + OTHER.public)
        assert [key.fingerprint for key in read] == [SIGNER.fingerprint, OTHER.fingerprint]
        assert not any(key.secret for key in read)
        assert Keyring().list_keys() == ()


def test_headers_of_other_programs_are_no_hindrance() -> None:
    headed = SIGNER.public.replace("\n\n", "\nVersion: X 1\nComment: hello\n\n", 1)
    assert read_keys(headed)[0].fingerprint == SIGNER.fingerprint


def test_expired_revoked_and_weak_keys_are_read_and_say_so(gpg: Gnupg) -> None:
    expired = gpg.make("read-expired@example.org", lifetime="1d", at="20200101T000000")
    revoked = gpg.make("read-revoked@example.org")
    gpg.revoke(revoked)
    weak = gpg.make("read-weak@example.org", algorithm="rsa1024")
    keys = {key.fingerprint: key for key in read_keys(gpg.public(expired, revoked, weak))}
    assert keys[expired].expires == datetime(2020, 1, 2, tzinfo=UTC)
    assert keys[expired].has_expired(datetime.now(UTC))
    assert keys[revoked].revoked
    assert keys[revoked].user_ids == ("Test <read-revoked@example.org>",)
    assert keys[weak].weakness == "rsa1024"


def test_what_would_steer_a_terminal_is_not_in_a_name(gpg: Gnupg) -> None:
    gpg("--quick-generate-key", "red \x9b31m \u202e <esc@example.org>", "ed25519", "sign", "0")
    (read,) = read_keys(gpg.public("esc@example.org"))
    assert read.user_ids == ("red \ufffd31m \ufffd <esc@example.org>",)


def test_revoked_names_are_not_names_any_more(gpg: Gnupg) -> None:
    made = gpg.make("married@example.org")
    gpg("--quick-add-uid", made, "Test <born@example.org>")
    gpg("--quick-revoke-uid", made, "Test <born@example.org>")
    assert read_keys(gpg.public(made))[0].user_ids == ("Test <married@example.org>",)


def armored(data: bytes, label: str = "PGP PUBLIC KEY BLOCK") -> str:
    content = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n\n{content}-----END {label}-----\n"


def test_private_keys_are_refused_under_any_label(gpg: Gnupg) -> None:
    gpg("--import", data=SIGNER.secret.encode())
    secret = gpg("--export-secret-keys", SIGNER.fingerprint)
    for text in (
        SIGNER.secret,
        SIGNER.public + SIGNER.secret,
        armored(secret),
        armored(gpg("--export", SIGNER.fingerprint), "PGP PRIVATE KEY BLOCK"),
        f"my key:\n{SIGNER.secret}",
    ):
        with pytest.raises(PrivateKeyRefused, match="must stay with its owner"):
            read_keys(text)


NOT_KEYS = {
    "nothing": ("", "there is no '-----BEGIN PGP PUBLIC KEY BLOCK-----' in it"),
    "text": ("hello", "text outside"),
    "text around": (f"hello\n{SIGNER.public}", "text outside"),
    "a cut": (SIGNER.public[:200], "has no end"),
    "too much": ("\n" * (LARGEST_KEYS + 1), "over the limit"),
    "a message's label": (armored(b"\x88\x00", "PGP MESSAGE"), "which is no key"),
    "a compressed packet": (armored(b"\xa0\x01\x00"), "packet of type 8"),
    "a lone signature": (armored(b"\x88\x01\x04"), "gpg found no key"),
}


@pytest.mark.parametrize(("text", "reason"), NOT_KEYS.values(), ids=NOT_KEYS.keys())
def test_what_is_not_keys_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidKey, match=reason):
        read_keys(text)
    with Keyring.temporary() as keyring, pytest.raises(InvalidKey, match=reason):
        keyring.import_keys(text)
