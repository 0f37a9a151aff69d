"""Request bodies: read in buffers, bounded, and never taken for whole when they aren't."""

import io

import pytest

from tests.fakes import Stream
from web.bodies import (
    BUFFER,
    LARGEST_FORM,
    first_value,
    open_body,
    parse_json,
    read_bounded,
    read_form,
)
from web.errors import BodyTooLarge, BodyTruncated, LengthRequired, NotJson


def environ(data: bytes, **more: str) -> dict[str, object]:
    return {"wsgi.input": io.BytesIO(data), "CONTENT_LENGTH": str(len(data)), **more}


class Broken(Stream):
    """A connection that breaks after its first bytes."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, _size: int = -1) -> bytes:
        self.reads += 1
        if self.reads > 1:
            raise ConnectionResetError
        return b"abc"


def test_a_body_is_read_up_to_its_length_and_no_byte_further():
    body = open_body({"wsgi.input": io.BytesIO(b"abcdefNEXT REQUEST"), "CONTENT_LENGTH": "6"})

    assert body.read(4) == b"abcd"
    assert body.read() == b"ef"
    assert body.read() == b""
    assert body.taken == 6


def test_no_read_is_larger_than_the_buffer():
    body = open_body(environ(b"x" * (BUFFER + 5)))

    assert len(body.read()) == BUFFER
    assert len(body.read(BUFFER * 2)) == 5


def test_a_body_can_be_read_as_a_file():
    body = open_body(environ(b"abcdef"))

    assert body.readable()
    assert io.BufferedReader(body).read(3) == b"abc"
    assert open_body(environ(b"abc")).readall() == b"abc"


def test_a_chunked_body_has_no_length_and_ends_where_the_stream_does():
    body = open_body(environ(b"abcdef", HTTP_TRANSFER_ENCODING="chunked"))

    assert body.length is None
    assert read_bounded(body, 100, "a test") == b"abcdef"


def test_a_form_is_read_as_browsers_send_it():
    form = read_form(environ(b"token=rbx_1&next=%2Fa%3Fb%3Dc&scope=x&scope=y&empty="))

    assert form == {"token": ["rbx_1"], "next": ["/a?b=c"], "scope": ["x", "y"]}
    assert first_value(form, "scope") == "x"
    assert first_value(form, "empty") == ""


def test_a_form_without_end_is_read_up_to_its_bound():
    class Endless(Stream):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b"x" * size

    stream = Endless()

    with pytest.raises(BodyTooLarge):
        read_form({"wsgi.input": stream, "HTTP_TRANSFER_ENCODING": "chunked"})

    assert LARGEST_FORM < stream.taken <= LARGEST_FORM + BUFFER


def test_a_request_without_body_has_an_empty_one():
    assert open_body({"wsgi.input": io.BytesIO(b"x")}).read() == b""


@pytest.mark.parametrize("declared", ["-1", "1e3", "two", "²"])
def test_a_length_that_is_no_number_is_refused(declared):
    with pytest.raises(LengthRequired) as caught:
        open_body({"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": declared})

    assert caught.value.declared == declared


def test_a_body_that_ends_early_is_not_taken_for_whole():
    body = open_body({"wsgi.input": io.BytesIO(b"abc"), "CONTENT_LENGTH": "10"})

    with pytest.raises(BodyTruncated) as caught:
        read_bounded(body, 100, "a test")

    assert (caught.value.expected, caught.value.found) == (10, 3)


def test_a_connection_that_breaks_is_a_truncated_body():
    body = open_body({"wsgi.input": Broken(), "HTTP_TRANSFER_ENCODING": "chunked"})

    with pytest.raises(BodyTruncated, match="after 3 bytes"):
        read_bounded(body, 100, "a test")


def test_a_body_that_is_declared_too_large_is_not_read():
    body = open_body(environ(b"x" * 11))

    with pytest.raises(BodyTooLarge) as caught:
        read_bounded(body, 10, "a test")

    assert (caught.value.limit, caught.value.found) == (10, 11)
    assert body.taken == 0


def test_an_endless_chunked_body_is_cut_at_the_limit():
    body = open_body(environ(b"x" * 3 * BUFFER, HTTP_TRANSFER_ENCODING="chunked"))

    with pytest.raises(BodyTooLarge):
        read_bounded(body, BUFFER, "a test")

    assert body.taken == 2 * BUFFER


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "Expecting"),
        (b"\xff", "decode"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[" * 100_000, "deeply"),
        (b"[1" + b"0" * 5000 + b"]", "digits"),
        (b'{"a": ["\\ud800"]}', "surrogate"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(data, reason):
    with pytest.raises(NotJson, match=reason):
        parse_json(data)


def test_json_is_read():
    assert parse_json(b'{"a": [1, "\xc3\xbc"]}') == {"a": [1, "ü"]}


class Straight(io.BytesIO):
    """A stream that counts how often it is read into memory, and may break."""

    def __init__(self, data: bytes, breaks_after: int = 99) -> None:
        super().__init__(data)
        self.left = breaks_after

    def readinto(self, buffer) -> int:
        self.left -= 1
        if self.left < 0:
            raise ConnectionResetError
        return super().readinto(buffer)


def test_a_body_is_read_into_memory_up_to_its_length():
    body = open_body({"wsgi.input": Straight(b"abcdefNEXT REQUEST"), "CONTENT_LENGTH": "6"})
    memory = bytearray(4)

    assert (body.readinto(memory), memory) == (4, b"abcd")
    assert (body.readinto(memory), memory) == (2, b"efcd")
    assert body.readinto(memory) == 0
    assert body.taken == 6


def test_a_body_without_a_length_is_read_into_memory_to_its_end():
    body = open_body({"wsgi.input": Straight(b"abc"), "HTTP_TRANSFER_ENCODING": "chunked"})
    memory = bytearray(10)

    assert [body.readinto(memory), body.readinto(memory)] == [3, 0]


def test_a_body_that_breaks_while_it_is_read_into_memory():
    body = open_body({"wsgi.input": Straight(b"abcdef", 1), "CONTENT_LENGTH": "6"})
    memory = bytearray(3)
    assert body.readinto(memory) == 3

    with pytest.raises(BodyTruncated):
        body.readinto(memory)


def test_a_server_that_only_reads_is_asked_for_less_at_once():
    asked = []

    class Reads:
        def read(self, size: int) -> bytes:
            asked.append(size)
            return b"x" * size

    body = open_body({"wsgi.input": Reads(), "CONTENT_LENGTH": str(1 << 20)})

    assert body.readinto(bytearray(1 << 18)) == 1 << 16
    assert asked == [1 << 16]
