"""The strict reading of armour and packets, beyond what whole signatures show."""

import pytest

from signing.openpgp import (
    Block,
    NotOpenPgp,
    Packet,
    SignatureHead,
    read_blocks,
    read_packets,
    read_signature_head,
)

BEGIN, END = "-----BEGIN PGP X-----", "-----END PGP X-----"


def test_blocks_are_read_with_their_headers_and_checksums() -> None:
    text = f"\n{BEGIN}\nVersion: 1\n\nYWJj\n=uh8m\n{END}\n\n{BEGIN}\n\nYWJj\n{END}"
    with pytest.raises(NotOpenPgp, match="checksum"):
        read_blocks(text)
    right = text.replace("=uh8m", "=uhx7")
    assert read_blocks(right) == (
        Block("PGP X", ("Version: 1",), b"abc"),
        Block("PGP X", (), b"abc"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", "text outside"),
        (BEGIN, "has no end"),
        (f"{BEGIN}\nYWJj\n{END}", "no empty line"),
        (f"{BEGIN}\nhello\n\nYWJj\n{END}", "not an armour header"),
        (f"{BEGIN}\n\n{END}", "is empty"),
        (f"{BEGIN}\n\n=uhx7\n{END}", "is empty"),
        (f"{BEGIN}\n\nYW Jj\n{END}", "not base64"),
        (f"{BEGIN}\n\nYWJ\n{END}", "not base64"),
        (f"{BEGIN}\n\nYWJj\n=u\n{END}", "not base64"),
        (f"{BEGIN}\n\nYWJj\N{SNOWMAN}\n{END}", "not base64"),
        (f"{BEGIN}\n\nYWJj\n-----END PGP Y-----", "has no end"),
    ],
)
def test_blocks_that_are_not_whole_are_refused(text: str, reason: str) -> None:
    with pytest.raises(NotOpenPgp, match=reason):
        read_blocks(text)


@pytest.mark.parametrize(
    ("data", "packets"),
    [
        (b"", []),
        (b"\x88\x02ab", [Packet(2, b"ab")]),
        (b"\x89\x00\x02ab", [Packet(2, b"ab")]),
        (b"\x8a\x00\x00\x00\x02ab", [Packet(2, b"ab")]),
        (b"\xc2\x02ab", [Packet(2, b"ab")]),
        (b"\xc2\xc0\x08" + b"a" * 200, [Packet(2, b"a" * 200)]),
        (b"\xc2\xff\x00\x00\x00\x02ab", [Packet(2, b"ab")]),
        (b"\x88\x01a\xc6\x01b", [Packet(2, b"a"), Packet(6, b"b")]),
    ],
)
def test_packets_of_either_format_are_read(data: bytes, packets: list[Packet]) -> None:
    assert list(read_packets(data)) == packets


@pytest.mark.parametrize(
    "data",
    [
        b"hello",  # no packet at all
        b"\x88",  # no length
        b"\x88\x03ab",  # cut short
        b"\x89\x00",
        b"\x8bab",  # of indeterminate length
        b"\xc2",
        b"\xc2\xc0",
        b"\xc2\xff\x00\x00",
        b"\xc2\xe1ab",  # the first part of a partial one
        b"\x88\x01a\x00",  # something after it
    ],
)
def test_packets_that_are_not_whole_are_refused(data: bytes) -> None:
    with pytest.raises(NotOpenPgp):
        list(read_packets(data))


HEAD = b"\x04\x00\x16\x0a"
EMPTY_AREAS = b"\0\0\0\0"
CHECK = b"ab"
NUMBERS = b"\0\x09\x01\x02" + b"\0\x01\x01"


MADE = b"\x05\x02\x00\x00\x01\x00"


@pytest.mark.parametrize(
    "before",
    [b"", b"\x03\x10xy", b"\xc0\x08\x10" + b"y" * 199, b"\xff\0\0\0\xc8\x10" + b"y" * 199],
    ids=["alone", "short", "two octets", "five octets"],
)
def test_a_signatures_head_is_read(before: bytes) -> None:
    hashed = before + MADE
    area = len(hashed).to_bytes(2, "big") + hashed
    head = read_signature_head(HEAD + area + b"\0\x01z" + CHECK + NUMBERS)
    assert head == SignatureHead(0, 22, 10, 256)
    assert head.hash_name == "SHA-512"
    assert SignatureHead(0, 22, 99, 0).hash_name == "hash algorithm 99"


@pytest.mark.parametrize(
    "hashed", [b"", MADE + MADE, MADE[:-1], b"\x04" + MADE[1:-1], b"\0", b"\xc0", b"\x09\x03"]
)
def test_a_signature_says_once_when_it_was_made(hashed: bytes) -> None:
    area = len(hashed).to_bytes(2, "big") + hashed
    with pytest.raises(NotOpenPgp, match="once when it was made"):
        read_signature_head(HEAD + area + b"\0\0" + CHECK + NUMBERS)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "version is missing"),
        (b"\x03" + HEAD, "version is 3, expected 4"),
        (b"\x04\x00", "cut short"),
        (HEAD, "cut short"),
        (HEAD + EMPTY_AREAS + CHECK, "cut short"),
        (HEAD + EMPTY_AREAS + CHECK + NUMBERS[:-1], "cut short"),
        (HEAD + EMPTY_AREAS + CHECK + NUMBERS + b"x", "more than a signature"),
        (HEAD + b"\xff\xff" + CHECK + NUMBERS, "cut short"),
        (b"\x04\x00\x10\x0a" + EMPTY_AREAS + CHECK + NUMBERS, "algorithm 16 makes no"),
    ],
)
def test_a_signature_that_is_cut_or_padded_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(NotOpenPgp, match=reason):
        read_signature_head(body)
