"""OpenPGP's armour and packets (RFC 4880), as far as they are checked before gpg sees them.

gpg takes more than one should trust: text around the armour, several blocks, comments, several
packets, an attached message where a detached signature is expected. So a signature is read here
first, strictly, and only its one packet goes on.

::

    -----BEGIN PGP SIGNATURE-----          no text before; no headers ("Version:", "Comment:")
                                           an empty line
    iHUEABYKAB0WIQRX6ZK/BZfkF1g9...        base64 of one packet, tag 2
    =cGlv                                  CRC-24 of it (may be missing; must be right)
    -----END PGP SIGNATURE-----            no text after, one line end at most
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

PUBLIC_KEY = "PGP PUBLIC KEY BLOCK"
PRIVATE_KEY = "PGP PRIVATE KEY BLOCK"
SIGNATURE = "PGP SIGNATURE"

TAG_SIGNATURE = 2
SECRET_TAGS = frozenset({5, 7})
"""A secret key's and a secret subkey's packets (RFC 4880, section 4.3)."""
KEY_TAGS = SECRET_TAGS | {2, 6, 13, 14, 17}
"""What an exported key is made of: keys, user IDs, user attributes and signatures. Compressed
packets, in which gpg would look for keys too, are not among them."""
BINARY_DOCUMENT = 0
_SIGNATURE_CREATION_TIME = 2

HASHES = {
    1: "MD5",
    2: "SHA-1",
    3: "RIPEMD-160",
    8: "SHA-256",
    9: "SHA-384",
    10: "SHA-512",
    11: "SHA-224",
}
"""RFC 4880, section 9.4."""

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ,/]+)-----")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*: ?.*")
_CRC_INIT = 0xB704CE
_CRC_POLYNOMIAL = 0x1864CFB
_CRC_TOP = 0x1000000
# How many numbers a signature ends with, by public key algorithm (RFC 4880, section 5.2.2;
# draft-koch-eddsa-for-openpgp-04, section 3).
_NUMBERS = {1: 1, 3: 1, 17: 2, 19: 2, 22: 2}


class NotOpenPgp(ValueError):
    """A text or bytes that break a rule of the format; each caller turns it into its own error."""


@dataclass(frozen=True, slots=True)
class Block:
    """One armoured block: its label (`PGP SIGNATURE`), header lines, and decoded bytes."""

    label: str
    headers: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its tag and its body."""

    tag: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SignatureHead:
    """What a version 4 signature packet says openly: its type, its algorithms' numbers, its time.

    `made` is in seconds since 1970, as its signer says.
    """

    kind: int
    public_key_algorithm: int
    hash_algorithm: int
    made: int

    @property
    def hash_name(self) -> str:
        """The hash's name, or its number where it has none here."""
        return HASHES.get(self.hash_algorithm, f"hash algorithm {self.hash_algorithm}")


def read_blocks(text: str) -> tuple[Block, ...]:
    """Read armoured blocks, with nothing but empty lines between and around them.

    Raises:
        NotOpenPgp: other text, base64 that isn't, a wrong checksum, a block that doesn't end.
    """
    lines = [line.rstrip(" \t\r") for line in text.split("\n")]
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        block, at = _read_block(lines, at)
        blocks.append(block)
    return tuple(blocks)


def read_packets(data: bytes) -> Iterator[Packet]:
    """Read packets until the end of `data` (RFC 4880, section 4.2); of known length only.

    Raises:
        NotOpenPgp: bytes that are no packet, or end within one.
    """
    at = 0
    while at < len(data):
        tag, length, body_at = _read_packet_head(data, at)
        if length is None or body_at + length > len(data):
            raise NotOpenPgp("a packet is cut short, or of unknown length")
        yield Packet(tag, data[body_at : body_at + length])
        at = body_at + length


def read_signature_head(body: bytes) -> SignatureHead:
    """Read a signature packet's body (RFC 4880, section 5.2.3), which must hold nothing more.

    Raises:
        NotOpenPgp: another version, no time, or bytes missing or left over.
    """
    if not body or body[0] != 4:  # noqa: PLR2004 - the version number
        version = body[0] if body else "missing"
        raise NotOpenPgp(f"its version is {version}, expected 4")
    try:
        kind, public_key_algorithm, hash_algorithm = body[1:4]
        hashed = body[6 : 6 + int.from_bytes(body[4:6], "big")]
        at = 4
        for _ in ("hashed", "unhashed"):
            at += 2 + int.from_bytes(body[at : at + 2], "big")
        at += 2  # the hash's first two bytes
        for _ in range(_NUMBERS[public_key_algorithm]):
            at += 2 + (int.from_bytes(body[at : at + 2], "big") + 7) // 8
    except (IndexError, ValueError) as error:
        raise NotOpenPgp("its packet is cut short") from error
    except KeyError as error:
        raise NotOpenPgp(f"public key algorithm {body[2]} makes no signatures here") from error
    if at != len(body):
        raise NotOpenPgp("its packet is cut short, or holds more than a signature")
    return SignatureHead(kind, public_key_algorithm, hash_algorithm, _read_made(hashed))


def _read_made(subpackets: bytes) -> int:
    """Return when a signature was made (RFC 4880, section 5.2.3.4), which is said exactly once."""
    found = []
    at = 0
    while at < len(subpackets):
        first, second = subpackets[at], subpackets[at + 1 : at + 2]
        if first < 192:  # noqa: PLR2004 - section 5.2.3.1's own numbers
            length, at = first, at + 1
        elif first < 255:  # noqa: PLR2004
            length, at = ((first - 192) << 8) + int.from_bytes(second, "big") + 192, at + 2
        else:
            length, at = int.from_bytes(subpackets[at + 1 : at + 5], "big"), at + 5
        body = subpackets[at : at + length]
        if body and body[0] & 0x7F == _SIGNATURE_CREATION_TIME:
            found.append(body[1:])
        at += length
    if len(found) != 1 or len(found[0]) != 4:  # noqa: PLR2004 - seconds, in four bytes
        raise NotOpenPgp("it doesn't say once when it was made")
    return int.from_bytes(found[0], "big")


def _read_block(lines: list[str], at: int) -> tuple[Block, int]:
    begun = _BEGIN.fullmatch(lines[at])
    if begun is None:
        raise NotOpenPgp(f"text outside of an armoured block: {lines[at][:60]!r}")
    label = begun[1]
    try:
        end = lines.index(f"-----END {label}-----", at)
    except ValueError as error:
        raise NotOpenPgp(f"the block '{label}' has no end") from error
    inner = lines[at + 1 : end]
    if "" not in inner:
        raise NotOpenPgp(f"the block '{label}' has no empty line before its content")
    gap = inner.index("")
    headers = tuple(inner[:gap])
    for header in headers:
        if not _HEADER.fullmatch(header):
            raise NotOpenPgp(f"not an armour header: {header[:60]!r}")
    return Block(label, headers, _decode(inner[gap + 1 :])), end + 1


def _decode(content: list[str]) -> bytes:
    checksum = None
    if content and content[-1].startswith("="):
        checksum = content.pop()[1:]
    try:
        data = base64.b64decode("".join(content), validate=True)
        expected = None if checksum is None else base64.b64decode(checksum, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotOpenPgp("its content is not base64") from error
    if not data:
        raise NotOpenPgp("the block is empty")
    if expected is not None and expected != _crc24(data).to_bytes(3, "big"):
        raise NotOpenPgp("its checksum is wrong: it was changed or cut short")
    return data


def _crc24(data: bytes) -> int:
    """Return the checksum of RFC 4880, section 6.1."""
    crc = _CRC_INIT
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFF) ^ _CRC_TABLE[(crc >> 16) ^ byte]
    return crc


def _crc24_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & _CRC_TOP:
                crc ^= _CRC_POLYNOMIAL
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc24_table()


def _read_packet_head(data: bytes, at: int) -> tuple[int, int | None, int]:
    """Return the tag, the body's length (None: not said), and where the body begins."""
    first = data[at]
    if not first & 0x80:
        raise NotOpenPgp("bytes that are not an OpenPGP packet")
    at += 1
    if first & 0x40:
        return first & 0x3F, *_read_new_length(data, at)
    sizes = (1, 2, 4, None)
    size = sizes[first & 0x03]
    tag = (first >> 2) & 0x0F
    if size is None or at + size > len(data):
        return tag, None, at
    return tag, int.from_bytes(data[at : at + size], "big"), at + size


def _read_new_length(data: bytes, at: int) -> tuple[int | None, int]:
    """Read a length of the new format (RFC 4880, section 4.2.2); partial ones are not taken."""
    head = data[at : at + 5]
    if len(head) >= 1 and head[0] < 192:  # noqa: PLR2004 - the section's own numbers
        return head[0], at + 1
    if len(head) >= 2 and head[0] < 224:  # noqa: PLR2004
        return ((head[0] - 192) << 8) + head[1] + 192, at + 2
    if len(head) == 5 and head[0] == 255:  # noqa: PLR2004
        return int.from_bytes(head[1:], "big"), at + 5
    return None, at
