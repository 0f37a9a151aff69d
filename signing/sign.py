"""Signing: a detached armoured signature over exactly the given bytes."""

from datetime import UTC, datetime

from signing.errors import InvalidKey, KeyUnusable
from signing.keyring import Keyring, check_passphrase_text
from signing.verify import verify

_ARGUMENTS = ("--digest-algo", "SHA512", "--no-comments", "--no-emit-version")


def sign(data: bytes, keyring: Keyring, fingerprint: str, passphrase: str | None = None) -> str:
    """Sign `data` (SHA-512) and return the armoured signature, which was verified.

    Without a passphrase, gpg's agent must know it, or the key have none.

    Raises:
        KeyNotFound: the keyring has no such key.
        AmbiguousKey: it has several that match.
        KeyUnusable: the key is expired, revoked, disabled, or only its public half is here.
        BadPassphrase: it is wrong, or needed and not given.
        VerificationFailed: what gpg made would be refused, such as one by a weak key.
    """
    key = keyring.get_key(fingerprint)
    reasons = {
        "only its public half is here": not key.secret,
        "its owner revoked it": key.revoked,
        f"it expired at {key.expires}": key.has_expired(datetime.now(UTC)),
        "it is disabled in this keyring": key.disabled,
    }
    for reason, holds in reasons.items():
        if holds:
            raise KeyUnusable(key.fingerprint, reason)
    report = keyring.gpg.sign(data, key.fingerprint, check_passphrase_text(passphrase), *_ARGUMENTS)
    report.check_passphrase(key.fingerprint, given=bool(passphrase))
    if not report.has("SIG_CREATED"):
        raise KeyUnusable(key.fingerprint, f"gpg says: {report.detail}")
    signature = report.output.decode("ascii")
    verify(data, signature, [keyring.export_public(key.fingerprint)])
    return signature


def sign_with_key(data: bytes, armored_secret_key: str, passphrase: str | None = None) -> str:
    """Sign with a key that is in no keyring, such as one from an environment variable in CI.

    It is imported into a throwaway keyring, which is gone when this returns.

    Raises:
        InvalidKey: the text isn't exactly one armoured secret key.
        KeyUnusable: the key is expired or revoked.
        BadPassphrase: it is wrong, or needed and not given.
        VerificationFailed: what gpg made would be refused, such as one by a weak key.
    """
    with Keyring.temporary() as keyring:
        secret = [key for key in keyring.import_keys(armored_secret_key) if key.secret]
        if len(secret) != 1:
            raise InvalidKey(f"expected exactly one secret key to sign with, found {len(secret)}")
        return sign(data, keyring, secret[0].fingerprint, passphrase)
