"""Keys and verified signatures as values, and gpg's colon listing read into them.

A key is a primary key, which names it (its fingerprint, 40 upper-case hex digits), user IDs, and
perhaps subkeys. What is weak is decided here, once:

::

    accepted   Ed25519, Ed448     RSA of 3072 bits or more     ECDSA over 256 bits or more
    refused    DSA, ElGamal       shorter RSA                  everything else

The listing is that of `gpg --with-colons` (GnuPG's doc/DETAILS, "Format of the colon listings").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

ACCEPTED_KEYS = "Ed25519, RSA of 3072 bits or more, or ECDSA over a curve of 256 bits or more"
_SHORTEST_RSA = 3072
_SHORTEST_ECDSA = 256
_EDDSA_CURVES = frozenset({"ed25519", "ed448"})
_FAMILIES = {
    1: "rsa",
    2: "rsa",
    3: "rsa",
    16: "elgamal",
    17: "dsa",
    18: "ecdh",
    19: "ecdsa",
    22: "eddsa",
}
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_FIELDS = 17


def is_fingerprint(text: str) -> bool:
    """Say whether `text` is a fingerprint as we write them: 40 upper-case hex digits."""
    return _FINGERPRINT.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class SubkeyInfo:
    """A primary key or subkey, without names: its material, times and rights.

    `family` is the algorithm (`eddsa`, `rsa`, `ecdsa`, `dsa`, ...), `curve` gpg's name of the
    curve where it has one, `bits` the size as gpg counts it (255 for Ed25519).
    """

    fingerprint: str
    family: str
    bits: int
    curve: str | None
    created: datetime
    expires: datetime | None
    revoked: bool
    can_sign: bool

    @property
    def algorithm(self) -> str:
        """Gpg's short name: `ed25519`, `nistp256`, `rsa3072`, `dsa1024`."""
        return self.curve or f"{self.family}{self.bits}"

    @property
    def weakness(self) -> str | None:
        """What it is, when that is weaker than `ACCEPTED_KEYS`; else None."""
        strong = (
            (self.family == "rsa" and self.bits >= _SHORTEST_RSA)
            or (self.family == "eddsa" and self.curve in _EDDSA_CURVES)
            or (self.family == "ecdsa" and self.bits >= _SHORTEST_ECDSA)
        )
        return None if strong else self.algorithm

    def has_expired(self, now: datetime) -> bool:
        """Say whether its end is at or before `now`."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key: its primary part, names, subkeys, and whether its private half is in the keyring."""

    primary: SubkeyInfo
    user_ids: tuple[str, ...] = ()
    subkeys: tuple[SubkeyInfo, ...] = ()
    disabled: bool = False
    secret: bool = False

    @property
    def fingerprint(self) -> str:
        """The primary key's fingerprint: the key's name in policies."""
        return self.primary.fingerprint

    @property
    def algorithm(self) -> str:
        """The primary key's, as `ed25519` or `rsa3072`."""
        return self.primary.algorithm

    @property
    def bits(self) -> int:
        """The primary key's size."""
        return self.primary.bits

    @property
    def curve(self) -> str | None:
        """The primary key's curve, where it has one."""
        return self.primary.curve

    @property
    def created(self) -> datetime:
        """When the primary key says that it was made (UTC)."""
        return self.primary.created

    @property
    def expires(self) -> datetime | None:
        """When the primary key ends (UTC), if it does."""
        return self.primary.expires

    @property
    def revoked(self) -> bool:
        """Whether its owner revoked it."""
        return self.primary.revoked

    @property
    def weakness(self) -> str | None:
        """What the primary key is, when that is weaker than `ACCEPTED_KEYS`; else None."""
        return self.primary.weakness

    @property
    def parts(self) -> tuple[SubkeyInfo, ...]:
        """The primary key, then the subkeys."""
        return (self.primary, *self.subkeys)

    def has_expired(self, now: datetime) -> bool:
        """Say whether the primary key's end is at or before `now`."""
        return self.primary.has_expired(now)


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """What a good signature proves.

    `fingerprint` is the primary key's, to compare with a policy; `signed_by` the fingerprint of
    the part that signed (the same, or a subkey's); `signed_at` the signer's own claim, in UTC.
    """

    fingerprint: str
    signed_by: str
    signed_at: datetime
    key: KeyInfo
    hash_algorithm: str


def read_listing(output: bytes) -> tuple[KeyInfo, ...]:
    """Read `gpg --with-colons --list-keys` (`--with-secret` tells which have a private half)."""
    return tuple(_read_key(records) for records in _groups(output))


def _groups(output: bytes) -> Iterator[list[list[bytes]]]:
    records: list[list[bytes]] = []
    # Only \n ends a line: a user ID may hold what str.splitlines() takes for one.
    for line in output.split(b"\n"):
        fields = line.split(b":")
        if fields[0] in {b"pub", b"sec"}:
            if records:
                yield records
            records = []
        if fields[0] in {b"pub", b"sec", b"sub", b"ssb", b"fpr", b"uid"}:
            records.append(fields)
    if records:
        yield records


def _read_key(records: list[list[bytes]]) -> KeyInfo:
    parts: list[SubkeyInfo] = []
    names: list[tuple[str, str]] = []
    for fields in records:
        if fields[0] == b"fpr":
            parts[-1] = replace(parts[-1], fingerprint=fields[9].decode("ascii"))
        elif fields[0] == b"uid":
            names.append((fields[1].decode("ascii"), _read_name(fields[9])))
        else:
            parts.append(_read_part(fields))
    primary = parts[0]
    return KeyInfo(
        primary,
        tuple(name for validity, name in names if validity != "r" or primary.revoked),
        tuple(parts[1:]),
        disabled=b"D" in records[0][11],
        secret=any(
            # '+': it is here; a serial number: on a card; '#': only its place is known.
            fields[14] not in {b"", b"#"}
            for fields in records
            if fields[0] not in {b"fpr", b"uid"}
        ),
    )


def _read_part(fields: list[bytes]) -> SubkeyInfo:
    texts = [field.decode("ascii") for field in fields[:_FIELDS]]
    return SubkeyInfo(
        fingerprint="",
        family=_FAMILIES.get(int(texts[3]), f"algorithm-{texts[3]}-"),
        bits=int(texts[2]),
        curve=texts[16] or None if int(texts[3]) in {18, 19, 22} else None,
        created=datetime.fromtimestamp(int(texts[5]), UTC),
        expires=datetime.fromtimestamp(int(texts[6]), UTC) if texts[6] else None,
        revoked=texts[1] == "r",
        can_sign="s" in texts[11],
    )


def _read_name(field: bytes) -> str:
    raw = _ESCAPE.sub(lambda matched: bytes.fromhex(matched[1].decode("ascii")), field)
    text = raw.decode("utf-8", "replace")
    # Names are shown on terminals and pages: what would steer these is replaced.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
