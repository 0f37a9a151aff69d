"""The server's own key: it signs receipts and promotions."""

from pathlib import Path


class ServerKey:
    """A GPG key in `DATA/keys`, made at first start, or one given by configuration."""

    def __init__(self, folder: Path, given: Path | None = None) -> None:
        self._folder = folder
        self._given = given

    def prepare(self) -> str:
        """Make or import the key if it isn't there yet; return its fingerprint."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        """The key's primary fingerprint: 40 hex digits, upper case."""
        raise NotImplementedError

    def public_key(self) -> str:
        """Return the public key, armoured."""
        raise NotImplementedError

    def sign(self, data: bytes) -> str:
        """Return an armoured detached signature of `data`."""
        raise NotImplementedError
