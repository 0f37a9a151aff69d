"""The server's own key: it signs receipts and promotions.

It is kept as one armoured file without a passphrase (mode 600), not as a GNUPGHOME: a home's path
must be short and it leaves an agent behind. Each signature is made in a throwaway home.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from registry.private_files import keep_first
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
        keep_first(self._made, secret.encode("ascii"))
