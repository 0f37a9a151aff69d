"""Slow and stubborn clients, without a proxy in front."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from http.client import parse_headers
from urllib.parse import urlsplit

import pytest
import requests

from artifacts.digest import Digest
from tests.tools.server import RunningServer, running_server, wait_until

pytestmark = pytest.mark.real

THREADS = 4
BIG = 40_000_000
TIMEOUT = 60


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with few threads, which waits for a second."""
    data = tmp_path_factory.mktemp("impatient") / "data"
    options = {"threads": THREADS, "client_timeout": 1, "log_format": "json"}
    with running_server(data, **options) as server:
        yield server


@pytest.fixture
def upload(impatient) -> str:
    return start(impatient)


def start(server: RunningServer) -> str:
    url = f"{server.url}/v2/team/image/blobs/uploads/"
    answer = requests.post(url, headers=login(server), timeout=TIMEOUT)
    return str(answer.headers["Location"])


def login(server: RunningServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def connect(server: RunningServer) -> socket.socket:
    place = urlsplit(server.url)
    assert place.port
    return socket.create_connection((place.hostname, place.port), timeout=TIMEOUT)


def head(server: RunningServer, method: str, path: str, length: int) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def read_all(sock: socket.socket) -> bytes:
    answer = b""
    while data := sock.recv(65536):
        answer += data
    return answer


def test_an_upload_that_stalls_is_ended_and_can_be_gone_on_with(impatient, upload):
    with connect(impatient) as sock:
        sock.sendall(head(impatient, "PATCH", upload, 100) + b"x" * 60)
        answer = read_all(sock)
    url = impatient.url + upload
    status = requests.get(url, headers=login(impatient), timeout=TIMEOUT)
    done = requests.put(
        f"{url}?digest={Digest.of(b'x' * 100)}",
        data=b"x" * 40,
        headers=login(impatient),
        timeout=TIMEOUT,
    )

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]["code"] == "SIZE_INVALID"
    assert status.headers["Range"] == "0-59"
    assert done.status_code == 201


def test_what_a_client_sends_after_it_was_given_up_is_no_request(impatient, upload):
    with connect(impatient) as sock:
        sock.sendall(head(impatient, "PATCH", upload, 100) + b"x")
        assert sock.recv(12) == b"HTTP/1.1 408"
        with contextlib.suppress(OSError):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP/1.1 200" not in read_all(sock)


def test_a_head_that_stalls_is_ended(impatient):
    with connect(impatient) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_more_stalled_uploads_than_threads_starve_nobody_for_long(impatient):
    with contextlib.ExitStack() as stack:
        for _ in range(3 * THREADS):
            sock = stack.enter_context(connect(impatient))
            sock.sendall(head(impatient, "PATCH", start(impatient), 1000) + b"x")

        answer = requests.get(f"{impatient.url}/healthz", timeout=TIMEOUT)

        assert answer.status_code == 200


def test_silent_connections_take_no_thread(impatient):
    with contextlib.ExitStack() as stack:
        for _ in range(20 * THREADS):
            stack.enter_context(connect(impatient))

        answer = requests.get(f"{impatient.url}/healthz", timeout=TIMEOUT)

        assert answer.status_code == 200


def test_a_reader_that_takes_nothing_is_ended(impatient):
    data = os.urandom(BIG)
    digest = Digest.of(data)
    path = f"/v2/team/image/blobs/{digest}"
    url = f"{impatient.url}/v2/team/image/blobs/uploads/?digest={digest}"
    pushed = requests.post(url, data=data, headers=login(impatient), timeout=TIMEOUT)
    assert pushed.status_code == 201

    with connect(impatient) as sock:
        sock.sendall(head(impatient, "GET", path, 0))
        line = wait_until(
            lambda: next((line for line in lines(impatient) if line["path"] == path), None)
        )

    assert line["status"] == 200
    assert "Traceback" not in impatient.log_text()


@pytest.mark.parametrize(
    ("body", "is_kept"),
    [
        (b"Content-Length: 0\r\n\r\n", True),
        (b"Content-Length: 5000\r\n\r\n" + bytes(5000), True),
        (b"Content-Length: 500000\r\n\r\n" + bytes(500_000), False),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", False),
    ],
    ids=["none", "little", "much", "chunked"],
)
def test_a_refused_body_that_ends_the_connection_is_told_so(impatient, body, is_kept):
    asked = f"PATCH /v2/team/image/blobs/uploads/{'0' * 32} HTTP/1.1\r\nHost: localhost\r\n"
    login = f"Authorization: Bearer {impatient.token}\r\n"
    with connect(impatient) as sock, sock.makefile("rb") as answers:
        for _ in range(2 if is_kept else 1):
            sock.sendall((asked + login).encode() + body)
            assert answers.readline().startswith(b"HTTP/1.1 404 ")
            headers = parse_headers(answers)
            answers.read(int(headers["Content-Length"]))
            assert headers["Connection"] == ("keep-alive" if is_kept else "close")
        if not is_kept:
            assert answers.read() == b""


def test_an_upload_that_is_read_keeps_the_connection(impatient, upload):
    with connect(impatient) as sock, sock.makefile("rb") as answers:
        for size in (500_000, 10):
            sock.sendall(head(impatient, "PATCH", upload, size) + bytes(size))
            assert answers.readline().startswith(b"HTTP/1.1 202 ")
            assert parse_headers(answers)["Connection"] == "keep-alive"


def lines(server: RunningServer) -> list[dict[str, object]]:
    return [json.loads(line) for line in server.log_text().splitlines()]


@pytest.mark.parametrize(
    ("asked", "token", "status"),
    [
        (("PUT", "/manifests/v1"), True, 413),
        (("POST", f"/blobs/uploads/?digest=sha256:{'0' * 64}"), False, 401),
        (("PATCH", "/blobs/uploads/00"), True, 404),
    ],
)
def test_who_sends_all_of_a_refused_body_comes_to_read_the_answer(impatient, asked, token, status):
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    if token:
        headers |= login(impatient)
    method, path = asked
    url = f"{impatient.url}/v2/team/image{path}"

    answer = requests.request(method, url, data=bytes(BIG), headers=headers, timeout=TIMEOUT)

    assert answer.status_code == status
    assert answer.json()["errors"]
