"""The server's own key: it signs receipts and promotions.

It is kept as one armoured file without a passphrase (mode 600), not as a GNUPGHOME: a home's path
must be short and it leaves an agent behind. Each signature is made in a throwaway home.
"""

import contextlib
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from signing.keyring import Keyring
from signing.sign import sign_with_key

NAME = "Recipebox server"
EMAIL = "server@recipebox.invalid"


@dataclass(frozen=True, slots=True)
class _Key:
    fingerprint: str
    public: str
    secret: str


class ServerKey:
    """A GPG key in `DATA/keys`, made at first start, or one given by configuration."""

    def __init__(self, folder: Path, given: Path | None = None) -> None:
        self._made = folder / "server.secret.asc"
        self._given = given

    def prepare(self) -> str:
        """Make the key if there is none yet, read it, and return its fingerprint.

        Raises:
            SigningError: (signing) what is there, or was given, isn't one secret key.
            OSError: the file can't be read or written.
        """
        if self._given is None and not self._made.exists():
            self._make()
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """The key's primary fingerprint: 40 hex digits, upper case."""
        return self._key.fingerprint

    def public_key(self) -> str:
        """Return the public key, armoured."""
        return self._key.public

    def sign(self, data: bytes) -> str:
        """Return an armoured detached signature of `data`."""
        return sign_with_key(data, self._key.secret)

    @cached_property
    def _key(self) -> _Key:
        secret = (self._given or self._made).read_text("ascii")
        with Keyring.temporary() as keyring:
            fingerprint = keyring.import_keys(secret)[0].fingerprint
            keyring.get_key(fingerprint, secret=True)
            return _Key(fingerprint, keyring.export_public(fingerprint), secret)

    def _make(self) -> None:
        with Keyring.temporary() as keyring:
            made = keyring.create_key(NAME, EMAIL, passphrase=None)
            secret = keyring.export_secret(made.fingerprint)
        self._made.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._made.with_name(f"{self._made.name}.{secrets.token_hex(8)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            self._made.hardlink_to(part)
        part.unlink()
