"""Keyrings: the user's own, one in a given folder, or one that is thrown away.

A secret key never leaves its keyring but by `export_secret`. `read_keys` looks at public keys
without any keyring being touched; it is what a server calls with what people upload.
"""

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from signing import openpgp
from signing.errors import (
    AmbiguousKey,
    GpgFailed,
    InvalidKey,
    InvalidKeyRequest,
    KeyNotFound,
    PrivateKeyRefused,
)
from signing.gpg import Gpg, check_home, throwaway_home
from signing.key import KeyInfo, SubkeyInfo

__all__ = ["KeyInfo", "Keyring", "SubkeyInfo", "check_public", "read_keys"]

LARGEST_KEYS = 1 << 20
"""Bytes of armoured keys that are read at once: some hundreds of keys, if nobody padded them."""

_ALGORITHMS = {
    "ed25519": "Key-Type: EDDSA\nKey-Curve: ed25519\n",
    "rsa3072": "Key-Type: RSA\nKey-Length: 3072\n",
    "rsa4096": "Key-Type: RSA\nKey-Length: 4096\n",
}
_ADDRESS = re.compile(r"[^\s<>@()]+@[^\s<>@()]+")
_HEX = re.compile(r"(?:0x)?[0-9A-Fa-f]{8,40}")


class Keyring:
    """The keys in one GNUPGHOME; None is the user's own, as gpg finds it.

    A given folder is made (mode 0700) where it isn't there. Only in the user's own keyring may
    gpg's agent ask for a passphrase; elsewhere one that is needed and not given is an error.
    """

    def __init__(self, home: Path | None = None) -> None:
        """Open the keyring.

        Raises:
            HomeTooLong: the folder's path leaves no room for the agent's socket.
            GpgMissing: gpg isn't there.
            GpgFailed: gpg doesn't start.
        """
        if home is not None:
            check_home(home)
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home = home
        self.gpg = Gpg(home)

    @classmethod
    @contextlib.contextmanager
    def temporary(cls) -> Iterator["Keyring"]:
        """Open a keyring in a throwaway folder; its agent and files are gone afterwards.

        Raises:
            GpgMissing: gpg isn't there.
        """
        with throwaway_home() as home:
            yield cls(home)

    def create_key(
        self,
        name: str,
        email: str,
        *,
        passphrase: str | None,
        algorithm: str = "ed25519",
        expires: datetime | None = None,
    ) -> KeyInfo:
        """Make a key that certifies and signs.

        `algorithm` is `ed25519`, `rsa3072` or `rsa4096`; `passphrase` None or empty leaves the
        secret key unprotected; `expires` None means never.

        Raises:
            InvalidKeyRequest: one of these is not what gpg could take unchanged.
            GpgFailed: gpg made none.
        """
        drawn = _ALGORITHMS.get(algorithm)
        if drawn is None:
            raise InvalidKeyRequest("algorithm", algorithm, f"one of {', '.join(_ALGORITHMS)}")
        if not name.isprintable() or name != name.strip() or not name or set("<>") & set(name):
            raise InvalidKeyRequest(
                "name", name, "printable text, without '<', '>' and outer space"
            )
        if not email.isprintable() or not _ADDRESS.fullmatch(email):
            raise InvalidKeyRequest("email", email, "an address, as 'ada@example.org'")
        report = self.gpg.generate(
            f"{drawn}Key-Usage: sign\nName-Real: {name}\nName-Email: {email}\n"
            f"Expire-Date: {_expiry(expires)}\n{_protection(passphrase)}\n%commit\n"
        )
        created = report.all("KEY_CREATED")
        if not created:
            raise GpgFailed("make a key", report.detail)
        return self.get_key(created[0].split()[1])

    def list_keys(self, *, secret: bool = False) -> tuple[KeyInfo, ...]:
        """List the keys, or only those whose `secret` half is here.

        Raises:
            GpgFailed: gpg can't read the keyring.
        """
        listed = self.gpg.list_keys(with_secret=True)
        return tuple(key for key in listed if key.secret or not secret)

    def find_key(self, text: str, *, secret: bool = False) -> KeyInfo | None:
        """Find the one key with this fingerprint (or its end), or this text in a user ID.

        Raises:
            AmbiguousKey: there are several.
        """
        found = tuple(key for key in self.list_keys(secret=secret) if _matches(key, text))
        if len(found) > 1:
            raise AmbiguousKey(text, tuple(key.fingerprint for key in found))
        return found[0] if found else None

    def get_key(self, text: str, *, secret: bool = False) -> KeyInfo:
        """Return the one key with this fingerprint (or its end), or this text in a user ID.

        Raises:
            KeyNotFound: there is none.
            AmbiguousKey: there are several.
        """
        found = self.find_key(text, secret=secret)
        if found is None:
            raise KeyNotFound(text, self.home)
        return found

    def export_public(self, text: str) -> str:
        """Return the armoured public key.

        Raises:
            KeyNotFound: there is none.
            AmbiguousKey: there are several.
        """
        return self.gpg.export_public(self.get_key(text).fingerprint)

    def export_secret(self, text: str, passphrase: str | None = None) -> str:
        """Return the armoured secret key, still under its passphrase.

        Raises:
            KeyNotFound: there is none.
            AmbiguousKey: there are several.
            BadPassphrase: it is wrong, or needed and not given.
            GpgFailed: gpg gave nothing out.
        """
        fingerprint = self.get_key(text, secret=True).fingerprint
        report = self.gpg.export_secret(fingerprint, check_passphrase_text(passphrase))
        report.check_passphrase(fingerprint, given=bool(passphrase))
        if not report.output:
            raise GpgFailed("export a secret key", report.detail)
        return report.output.decode("ascii")

    def import_keys(self, armored: str) -> tuple[KeyInfo, ...]:
        """Import public or secret keys; returns each that is now here, in the given order.

        Raises:
            InvalidKey: the text isn't armoured keys, or gpg takes none of them.
        """
        report = self.gpg.import_keys(_read_material(armored, private=True))
        fingerprints = dict.fromkeys(rest.split()[-1] for rest in report.all("IMPORT_OK"))
        if not fingerprints:
            raise InvalidKey(_why_none(report.detail))
        listed = {key.fingerprint: key for key in self.list_keys()}
        return tuple(listed[fingerprint] for fingerprint in fingerprints)

    def delete(self, text: str) -> KeyInfo:
        """Delete a key with its secret half, for good; returns what it was.

        Raises:
            KeyNotFound: there is none.
            AmbiguousKey: there are several.
            GpgFailed: gpg didn't delete it.
        """
        key = self.get_key(text)
        for secret in (True, False) if key.secret else (False,):
            report = self.gpg.delete(key.fingerprint, secret=secret)
            if report.code != 0:
                raise GpgFailed("delete a key", report.detail)
        return key


def read_keys(armored: str) -> tuple[KeyInfo, ...]:
    """Read public keys, in the given order, without any keyring being touched.

    Expired, revoked and weak keys are read as well, and say so.

    Raises:
        PrivateKeyRefused: there is private key material in it, however it is labelled.
        InvalidKey: it isn't armoured keys, or gpg takes none of them.
    """
    material = check_public(armored)
    with throwaway_home() as home:
        gpg = Gpg(home, "--no-autostart", "--no-auto-check-trustdb")
        report = gpg.import_keys(material)
        fingerprints = dict.fromkeys(rest.split()[-1] for rest in report.all("IMPORT_OK"))
        if not fingerprints:
            raise InvalidKey(_why_none(report.detail))
        listed = {key.fingerprint: key for key in gpg.list_keys(with_secret=False)}
        return tuple(listed[found] for found in fingerprints)


def check_public(armored: str) -> bytes:
    """Return the binary form of armoured public keys, of which gpg has seen nothing yet.

    Raises:
        PrivateKeyRefused: there is private key material in it, however it is labelled.
        InvalidKey: it isn't armoured keys.
    """
    return _read_material(armored, private=False)


def check_passphrase_text(passphrase: str | None) -> str | None:
    """Return `passphrase` if it can be handed to gpg: one line.

    Raises:
        InvalidKeyRequest: it holds a line end or a NUL.
    """
    if passphrase and set("\n\r\0") & set(passphrase):
        raise InvalidKeyRequest("passphrase", "(not shown)", "one line, without NUL")
    return passphrase


def _read_material(armored: str, *, private: bool) -> bytes:
    if len(armored) > LARGEST_KEYS:
        raise InvalidKey(f"{len(armored)} characters, over the limit of {LARGEST_KEYS}")
    try:
        blocks = openpgp.read_blocks(armored)
        packets = [packet for block in blocks for packet in openpgp.read_packets(block.data)]
    except openpgp.NotOpenPgp as error:
        if not private and openpgp.PRIVATE_KEY in armored:
            raise PrivateKeyRefused from error
        raise InvalidKey(str(error)) from error
    if not blocks:
        raise InvalidKey(f"there is no '-----BEGIN {openpgp.PUBLIC_KEY}-----' in it")
    if not private and (
        any(packet.tag in openpgp.SECRET_TAGS for packet in packets)
        or any(block.label == openpgp.PRIVATE_KEY for block in blocks)
    ):
        raise PrivateKeyRefused
    for packet in packets:
        if packet.tag not in openpgp.KEY_TAGS:
            raise InvalidKey(f"it holds a packet of type {packet.tag}, which no key is made of")
    for block in blocks:
        if block.label not in {openpgp.PUBLIC_KEY, openpgp.PRIVATE_KEY}:
            raise InvalidKey(f"it holds a '{block.label}', which is no key")
    return b"".join(block.data for block in blocks)


def _why_none(detail: str) -> str:
    return f"gpg found no key in it that it could take ({detail or 'it gave no reason'})"


def _matches(key: KeyInfo, text: str) -> bool:
    folded = text.replace(" ", "").upper()
    if _HEX.fullmatch(folded.replace("0X", "0x")):
        wanted = folded.removeprefix("0X")
        if any(part.fingerprint.endswith(wanted) for part in key.parts):
            return True
    return bool(text) and any(text.casefold() in name.casefold() for name in key.user_ids)


def _expiry(expires: datetime | None) -> str:
    if expires is None:
        return "0"
    if expires.tzinfo is None or expires <= datetime.now(UTC):
        raise InvalidKeyRequest("expires", str(expires), "a time to come, with its time zone")
    return expires.astimezone(UTC).strftime("%Y%m%dT%H%M%S")


def _protection(passphrase: str | None) -> str:
    if not passphrase:
        return "%no-protection"
    if check_passphrase_text(passphrase) != passphrase.strip():
        raise InvalidKeyRequest("passphrase", "(not shown)", "no space at its beginning or end")
    return f"Passphrase: {passphrase}"
