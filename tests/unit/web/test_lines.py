"""A request's line where the server tells nobody that it has ended."""

import errno
import io
import json

import pytest

from web.lines import LoggedRequests, RequestLines
from web.proxies import PROXIED

ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x", "REMOTE_ADDR": "1.2.3.4"}


class Body:
    """A body in parts, which knows whether it was closed."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.closed = 0

    def __iter__(self):
        return iter(self.parts)

    def close(self):
        self.closed += 1


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def answer(body, stream, headers=(("X-A", "b"),), method="GET"):
    """Return what the server gets for a request that is answered with `body`."""

    def application(_environ, start_response):
        start_response("206 PARTIAL CONTENT", list(headers))
        return body

    started = []
    logged = LoggedRequests(application, RequestLines("json", stream))
    got = logged({**ENVIRON, "REQUEST_METHOD": method}, lambda *given: started.append(given))
    assert started == [("206 PARTIAL CONTENT", list(headers))]
    return got


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_list_is_passed_on_as_one_and_logged_at_once(stream):
    parts = [b"ab", b"c"]

    assert answer(parts, stream) is parts

    [line] = lines(stream)
    assert (line["status"], line["bytes"], line["remote"]) == (206, 3, "1.2.3.4")
    assert line["duration_ms"] >= 0


@pytest.mark.parametrize(
    ("status", "is_proxied", "left"),
    [("403 FORBIDDEN", True, b""), ("403 FORBIDDEN", False, b"x"), ("200 OK", True, b"x")],
)
def test_what_a_proxy_sends_of_a_refused_body_is_read(stream, status, is_proxied, left):
    body = io.BytesIO(b"x" * 3_000_000)

    def application(_environ, start_response):
        start_response(status, [])
        return [b"no"]

    logged = LoggedRequests(application, RequestLines("json", stream))
    environ = {**ENVIRON, "wsgi.input": body, PROXIED: is_proxied}
    assert logged(environ, lambda *_given: None) == [b"no"]

    assert body.read(1) == left


def test_a_body_that_breaks_meanwhile_is_left_alone(stream):
    class Broken:
        def read(self, _size: int) -> bytes:
            raise ConnectionResetError

    def application(_environ, start_response):
        start_response("400 BAD REQUEST", [])
        return [b"no"]

    logged = LoggedRequests(application, RequestLines("json", stream))
    environ = {**ENVIRON, "wsgi.input": Broken(), PROXIED: True}

    assert logged(environ, lambda *_given: None) == [b"no"]


def test_a_log_that_can_not_be_written_fails_no_answer():
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    assert answer([b"abc"], Full()) == [b"abc"]


def test_a_small_body_is_made_one_list_so_that_it_leaves_with_its_head(stream):
    body = Body(b"ab", b"c")

    assert answer(body, stream, [("content-length", "3")]) == [b"abc"]

    assert body.closed == 1
    assert lines(stream)[0]["bytes"] == 3
    assert answer(iter([b"a"]), stream, [("Content-Length", "1")]) == [b"a"]


def test_so_is_the_body_that_an_answer_to_head_lacks(stream):
    assert answer(Body(), stream, [("Content-Length", "5000000")], "HEAD") == [b""]


def test_a_large_body_stays_a_stream(stream):
    got = answer(Body(b"ab"), stream, [("Content-Length", "5000000")])

    assert list(got) == [b"ab"]
    got.close()


def test_a_stream_is_logged_when_it_is_closed(stream):
    body = Body(b"ab", b"c")

    got = answer(body, stream)
    assert list(got) == [b"ab", b"c"]
    assert lines(stream) == []

    got.close()
    got.close()
    assert body.closed == 2
    assert [line["bytes"] for line in lines(stream)] == [3]


def test_what_was_sent_of_a_stream_that_is_cut_is_counted(stream):
    got = answer(Body(b"ab", b"c"), stream)

    next(iter(got))
    got.close()

    assert lines(stream)[0]["bytes"] == 2


def test_a_body_without_a_close(stream):
    got = answer(iter([b"a"]), stream)

    assert list(got) == [b"a"]
    got.close()

    assert lines(stream)[0]["bytes"] == 1


def test_an_error_in_the_close_is_the_servers_to_tell_and_the_line_is_written(stream):
    class Failing(Body):
        def close(self):
            raise OSError("gone")

    got = answer(Failing(b"a"), stream)

    with pytest.raises(OSError, match="gone"):
        got.close()
    assert len(lines(stream)) == 1


def test_the_line_goes_to_stderr_where_nothing_else_is_said(capsys):
    RequestLines("text").write(dict(ENVIRON), 200, 5, 0.0012)

    assert "status=200 bytes=5 duration_ms=1.2 remote=1.2.3.4" in capsys.readouterr().err
