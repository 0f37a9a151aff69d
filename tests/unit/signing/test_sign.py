"""A signature is made over exactly the given bytes, or the reason why not is named."""

import subprocess

import pytest

from signing.errors import (
    BadPassphrase,
    InvalidKey,
    InvalidKeyRequest,
    KeyNotFound,
    KeyUnusable,
    WeakKey,
)
from signing.keyring import Keyring
from signing.sign import sign, sign_with_key
from signing.verify import verify
from tests.keys import OTHER, SIGNER, Gnupg, gnupg, make_key

DATA = b"\xff\x00 bytes\r\nand lines\n"


def test_a_signature_verifies_and_is_over_sha512() -> None:
    with Keyring.temporary() as keyring:
        keyring.import_keys(SIGNER.secret)
        signature = sign(DATA, keyring, SIGNER.fingerprint)
    verified = verify(DATA, signature, [SIGNER.public])
    assert (verified.fingerprint, verified.hash_algorithm) == (SIGNER.fingerprint, "SHA-512")


def test_plain_gpg_verifies_it_too(gpg: Gnupg) -> None:
    gpg("--import", data=SIGNER.public.encode())
    (gpg.home / "release.json").write_bytes(DATA)
    (gpg.home / "signature.asc").write_text(sign_with_key(DATA, SIGNER.secret))
    gpg("--verify", str(gpg.home / "signature.asc"), str(gpg.home / "release.json"))


@pytest.mark.parametrize("passphrase", ["right", "  pässwörd \N{KEY}  "])
def test_a_passphrase_opens_the_key(passphrase: str) -> None:
    key = make_key(passphrase=passphrase)
    signature = sign_with_key(DATA, key.secret, passphrase)
    assert verify(DATA, signature, [key.public]).fingerprint == key.fingerprint


def test_an_empty_passphrase_is_none_and_eats_no_data() -> None:
    signature = sign_with_key(DATA, SIGNER.secret, "")
    verify(DATA, signature, [SIGNER.public])


@pytest.mark.parametrize(
    ("passphrase", "given", "message"),
    [("wrong", True, "is wrong"), (None, False, "none was given"), ("", False, "none was given")],
)
def test_a_wrong_or_missing_passphrase_says_so(
    passphrase: str | None, *, given: bool, message: str
) -> None:
    key = make_key(passphrase="right")
    with pytest.raises(BadPassphrase, match=message) as refused:
        sign_with_key(DATA, key.secret, passphrase)
    assert (refused.value.fingerprint, refused.value.given) == (key.fingerprint, given)


def test_the_users_own_agent_with_nobody_to_ask_says_that_a_passphrase_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = make_key(passphrase="right")
    with gnupg() as own:
        own("--import", data=key.secret.encode())
        (own.home / "gpg-agent.conf").write_text("pinentry-program /nonexistent\n")
        subprocess.run(["gpgconf", "--homedir", str(own.home), "--kill", "gpg-agent"], check=True)
        monkeypatch.setenv("GNUPGHOME", str(own.home))
        with pytest.raises(BadPassphrase, match="none was given"):
            sign(DATA, Keyring(), key.fingerprint)


def test_a_passphrase_of_two_lines_is_refused_unshown() -> None:
    with pytest.raises(InvalidKeyRequest) as refused:
        sign_with_key(DATA, SIGNER.secret, "one\ntwo")
    assert "two" not in str(refused.value)


def test_an_unknown_key_is_not_found() -> None:
    with Keyring.temporary() as keyring, pytest.raises(KeyNotFound) as refused:
        sign(DATA, keyring, SIGNER.fingerprint)
    assert refused.value.text == SIGNER.fingerprint


def test_a_public_half_can_not_sign() -> None:
    with Keyring.temporary() as keyring:
        keyring.import_keys(SIGNER.public)
        with pytest.raises(KeyUnusable, match="only its public half"):
            sign(DATA, keyring, SIGNER.fingerprint)


def test_an_expired_key_can_not_sign() -> None:
    key = make_key(lifetime="1d", at="20200101T000000")
    with pytest.raises(KeyUnusable, match="expired at 2020-01-02"):
        sign_with_key(DATA, key.secret)


def test_a_revoked_key_can_not_sign(gpg: Gnupg) -> None:
    made = gpg.make("sign-revoked@example.org")
    gpg.revoke(made)
    with pytest.raises(KeyUnusable, match="revoked"):
        sign_with_key(DATA, gpg.secret(made))


def test_a_disabled_key_can_not_sign() -> None:
    with Keyring.temporary() as keyring:
        keyring.import_keys(SIGNER.secret)
        assert keyring.home is not None
        Gnupg(keyring.home).edit(SIGNER.fingerprint, "disable", "quit")
        with pytest.raises(KeyUnusable, match="disabled"):
            sign(DATA, keyring, SIGNER.fingerprint)


def test_a_key_that_only_certifies_can_not_sign(gpg: Gnupg) -> None:
    made = gpg.make("certifies@example.org", usage="cert")
    with pytest.raises(KeyUnusable, match=r"gpg says: .") as refused:
        sign_with_key(DATA, gpg.secret(made))
    assert refused.value.fingerprint == made


def test_a_subkey_signs_where_the_primary_halfs_secret_is_elsewhere(gpg: Gnupg) -> None:
    made = gpg.make("offline@example.org", usage="cert")
    gpg("--quick-add-key", made, "ed25519", "sign", "0")
    subkeys = gpg("--armor", "--export-secret-subkeys", made).decode()
    verified = verify(DATA, sign_with_key(DATA, subkeys), [gpg.public(made)])
    assert [verified.fingerprint, verified.signed_by] == gpg.fingerprints(made)


def test_a_weak_key_can_not_sign() -> None:
    weak = make_key(algorithm="rsa1024")
    with pytest.raises(WeakKey):
        sign_with_key(DATA, weak.secret)


def test_signing_with_a_key_takes_exactly_one() -> None:
    for text, found in ((SIGNER.public, 0), (SIGNER.secret + OTHER.secret, 2)):
        with pytest.raises(InvalidKey, match=f"found {found}"):
            sign_with_key(DATA, text)
    assert sign_with_key(DATA, SIGNER.secret + OTHER.public)
