"""Recipebox behind the shipped nginx: what clients do, and what they may not."""

import contextlib
import hashlib
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from artifacts.digest import Digest
from tests.tools import parts
from tests.tools.proxy import running_nginx
from tests.tools.server import wait_until

pytestmark = pytest.mark.real

MEGABYTE = 1_000_000
LARGE = 128 * 1024 * 1024


@pytest.fixture(scope="module")
def blob() -> bytes:
    return os.urandom(3 * MEGABYTE)


@pytest.fixture(scope="module")
def pushed(site, blob) -> str:
    """The path of a blob that was pushed through the proxy."""
    repository = site.repository()
    digest = Digest.of(blob)
    answer = site.push(repository, blob, digest)
    assert answer.status_code == 201, answer.text
    return f"/v2/{repository}/blobs/{digest}"


def log_lines(site) -> list[dict[str, object]]:
    return [json.loads(line) for line in site.server.log_text().splitlines()]


def line_of(site, request_id: str) -> dict[str, object]:
    """Return the server's line of a request, which is written when its answer has left."""
    return wait_until(
        lambda: next(
            (line for line in log_lines(site) if line.get("request_id") == request_id), None
        )
    )


class TestBlobs:
    def test_nginx_sends_them(self, site, pushed, blob):
        answer = site.ask("GET", pushed)

        digest = pushed.rpartition("/")[2]
        assert answer.content == blob
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Length"] == str(len(blob))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "X-Accel-Redirect" not in answer.headers
        assert "Last-Modified" not in answer.headers
        assert line_of(site, answer.headers["X-Request-Id"])["bytes"] == 0  # Python sent none

    @pytest.mark.parametrize(
        ("asked", "part"),
        [
            ("bytes=0-0", (0, 1)),
            ("bytes=1000-1999", (1000, 2000)),
            ("bytes=2999000-", (2_999_000, 3_000_000)),
            ("bytes=-17", (2_999_983, 3_000_000)),
            ("bytes=1500000-9999999999", (1_500_000, 3_000_000)),
        ],
    )
    def test_ranges_are_the_blobs_byte_for_byte(self, site, pushed, blob, asked, part):
        start, end = part
        answer = site.ask("GET", pushed, headers={"Range": asked})

        assert answer.status_code == 206
        assert answer.content == blob[start:end]
        assert answer.headers["Content-Length"] == str(end - start)
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(blob)}"
        assert answer.headers["Docker-Content-Digest"] == pushed.rpartition("/")[2]

    def test_a_range_of_what_the_client_has_by_its_tag(self, site, pushed, blob):
        tag = site.ask("HEAD", pushed).headers["ETag"]
        headers = {"Range": "bytes=5-9", "If-Range": tag}

        assert site.ask("GET", pushed, headers=headers).content == blob[5:10]

    @pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=1-2"])
    def test_other_ranges_are_ignored_as_the_server_does(self, site, pushed, blob, asked):
        answer = site.ask("GET", pushed, headers={"Range": asked})

        assert (answer.status_code, answer.content) == (200, blob)

    def test_a_range_past_the_end(self, site, pushed, blob):
        answer = site.ask("GET", pushed, headers={"Range": "bytes=3000000-"})

        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(blob)}"
        assert answer.json()["errors"][0]["code"] == "SIZE_INVALID"

    def test_head_and_not_modified(self, site, pushed, blob):
        head = site.ask("HEAD", pushed)
        again = site.ask("GET", pushed, headers={"If-None-Match": head.headers["ETag"]})

        assert head.headers["Content-Length"] == str(len(blob))
        assert (again.status_code, again.content) == (304, b"")

    def test_nobody_reads_files_past_the_server(self, site, pushed):
        [digest] = pushed.rpartition(":")[2:]
        for path in ("/_blobs/", f"/_blobs/sha256/{digest[:2]}/{digest}", "/_blobs/../keys/"):
            assert site.ask("GET", path).status_code == 404

    def test_without_a_token_nothing_is_told(self, site, pushed):
        answer = site.ask("GET", pushed, headers={"Authorization": ""})

        assert answer.status_code in {401, 404}
        assert not answer.content.startswith(b"\0")


class TestForwarding:
    SPOOFED = (
        {"X-Forwarded-For": "6.6.6.6"},
        {"X-Forwarded-For": "6.6.6.6, 127.0.0.1"},
        {"X_Forwarded_For": "6.6.6.6"},
        {"X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6"},
    )

    @pytest.mark.parametrize("headers", SPOOFED)
    def test_what_a_client_says_of_itself_is_ignored(self, site, headers):
        answer = site.ask("GET", "/healthz", headers=headers)

        assert line_of(site, answer.headers["X-Request-Id"])["remote"] == "127.0.0.1"

    def test_the_address_that_nginx_saw_is_the_one_that_is_logged(self, site):
        context = ssl.create_default_context(cafile=str(site.proxy.authority))
        with (
            socket.create_connection(
                ("127.0.0.1", site.proxy.port), source_address=("127.0.9.9", 0)
            ) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: from-127-0-9-9\r\n"
                b"X-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
            )
            assert secure.recv(12) == b"HTTP/1.1 200"

        assert line_of(site, "from-127-0-9-9")["remote"] == "127.0.9.9"

    def test_the_server_alone_would_believe_it_of_this_machine(self, site):
        """Who may connect past nginx from a trusted address may say anything: see the README."""
        headers = {"X-Forwarded-For": "6.6.6.6"}
        answer = site.ask("GET", "/healthz", headers=headers, direct=True)

        assert line_of(site, answer.headers["X-Request-Id"])["remote"] == "6.6.6.6"

    def test_links_are_of_the_host_that_was_asked(self, site):
        repository = site.repository()

        answer = site.ask("POST", f"/v2/{repository}/blobs/uploads/")

        parts_of = urlsplit(answer.headers["Location"])
        assert parts_of.netloc in {"", f"localhost:{site.proxy.port}"}
        assert parts_of.scheme in {"", "https"}

    def test_cookies_are_for_tls_only_where_the_client_has_tls(self, site):
        secure = site.ask("GET", "/login").headers.get("Set-Cookie", "")
        plain = site.ask("GET", "/login", direct=True).headers.get("Set-Cookie", "")

        assert "; Secure" in secure
        assert plain
        assert "; Secure" not in plain

    def test_plain_http_is_sent_to_tls(self, site):
        url = f"http://localhost:{site.proxy.plain_port}/v2/"

        answer = requests.get(url, allow_redirects=False, timeout=30)

        assert answer.status_code == 308
        assert answer.headers["Location"] == "https://localhost/v2/"

    def test_http_2_is_spoken(self, site):
        context = ssl.create_default_context(cafile=str(site.proxy.authority))
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", site.proxy.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.selected_alpn_protocol() == "h2"
            assert secure.version() in {"TLSv1.2", "TLSv1.3"}


class TestPushing:
    def test_a_blob_of_more_than_100_mib(self, site):
        repository = site.repository()
        digest = hashlib.sha256()
        for block in blocks():
            digest.update(block)

        answer = site.push(repository, Sized(LARGE), Digest("sha256", digest.hexdigest()))

        assert answer.status_code == 201, answer.text
        path = f"/v2/{repository}/blobs/sha256:{digest.hexdigest()}"
        got = hashlib.sha256(site.ask("GET", path).content)
        assert got.digest() == digest.digest()

    def test_in_chunks_without_a_length(self, site, blob):
        repository = site.repository()
        location = site.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        location = urlsplit(location).path

        halves = (blob[:MEGABYTE], blob[MEGABYTE:])
        for half in halves:  # a generator has no length: the client sends chunks
            answer = site.ask("PATCH", location, data=(part for part in [half]))
            assert answer.status_code == 202, answer.text
        digest = Digest.of(blob)
        done = site.ask("PUT", f"{location}?digest={digest}")

        assert done.status_code == 201, done.text
        assert site.ask("GET", f"/v2/{repository}/blobs/{digest}").content == blob

    def test_only_who_sends_a_body_is_asked_first(self, site):
        def asked() -> int:
            return site.server.log_text().count("/v2/_may_upload")

        repository = site.repository()
        before = asked()
        begun = site.ask("POST", f"/v2/{repository}/blobs/uploads/")
        location = urlsplit(begun.headers["Location"]).path
        held = site.ask("GET", location)
        assert (begun.status_code, held.status_code) == (202, 204)
        assert line_of(site, held.headers["X-Request-Id"])
        assert asked() == before

        sent = site.ask("PATCH", location, data=b"x" * 1000)
        done = site.ask("PUT", f"{location}?digest={Digest.of(b'x' * 1000)}")

        assert (sent.status_code, done.status_code) == (202, 201)
        assert line_of(site, done.headers["X-Request-Id"])
        assert asked() == before + 1

    def test_http_2_brings_a_body_that_no_header_tells_of(self, site, tmp_path):
        blob = os.urandom(MEGABYTE)
        (tmp_path / "blob").write_bytes(blob)
        begun = site.ask("POST", f"/v2/{site.repository()}/blobs/uploads/")
        location = urlsplit(begun.headers["Location"]).path
        options = ("--http2", "--silent", "--cacert", str(site.proxy.authority), "--oauth2-bearer")
        said = ("--output", os.devnull, "--write-out", "%{http_version} %{http_code}")
        url = f"{site.proxy.url}{location}?digest={Digest.of(blob)}"

        with (tmp_path / "blob").open("rb") as body:  # as from a pipe: curl doesn't know its length
            done = subprocess.run(
                [parts.curl(), *options, site.server.token, *said, "--upload-file", "-", url],
                stdin=body,
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "no_proxy": "*"},
                capture_output=True,
                text=True,
                check=True,
            )

        assert done.stdout == "2 201"

    def test_a_real_client_pushes_and_pulls(self, site, tmp_path):
        oras = str(parts.oras())
        repository = site.repository()
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "file.txt").write_text("hello through nginx")
        name = f"localhost:{site.proxy.port}/{repository}:v1"
        words = ("--plain-http=false", "--ca-file", str(site.proxy.authority), "--username", "x")
        words += ("--password", site.server.token)
        environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}

        for command in (
            (oras, "push", *words, name, "file.txt:text/plain"),
            (oras, "pull", *words, "-o", str(tmp_path / "out"), name),
        ):
            subprocess.run(
                command, cwd=tmp_path / "in", env=environ, check=True, capture_output=True
            )

        assert (tmp_path / "out" / "file.txt").read_text() == "hello through nginx"


class TestStrangers:
    """nginx takes in a body before it passes it on: never one of who may not push."""

    @pytest.mark.parametrize(
        "login", [b"", b"Authorization: Bearer rbx_000000000000_" + b"0" * 64 + b"\r\n"]
    )
    @pytest.mark.parametrize(
        "body", [b"Content-Length: 1000000000000", b"Transfer-Encoding: chunked"]
    )
    def test_an_endless_blob_is_refused_at_once(self, site, login, body):
        path = f"/v2/{site.repository()}/blobs/uploads/?digest=sha256:{'0' * 64}".encode()

        with connected(site) as secure:
            secure.sendall(
                b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b%b\r\n\r\n" % (path, login, body)
            )
            answer = secure.recv(65536)

        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nwww-authenticate: bearer realm=" in answer.lower()
        assert b'"code":"UNAUTHORIZED"' in answer

    def test_who_may_not_push_there_reads_why(self, site):
        answer = site.ask("POST", "/v2/Team/blobs/uploads/", data=b"x" * MEGABYTE)

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "NAME_INVALID"

    def test_only_blobs_are_large(self, site):
        path = f"/v2/{site.repository()}/manifests/v1"

        for size in (
            5 * MEGABYTE,
            9 * MEGABYTE,
        ):  # the first is refused by Recipebox, with its limit
            answer = site.ask("PUT", path, data=b"x" * size)
            assert answer.status_code == 413
            assert answer.json()["errors"][0]["code"] == "SIZE_INVALID"

    def test_nobody_asks_in_the_name_of_the_proxy(self, site):
        headers = {"X-Original-URI": f"/v2/{site.repository()}/blobs/uploads/"}

        assert site.ask("GET", "/v2/_may_upload", headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v2/", None),
        ("POST", "/v2/team/app/blobs/uploads/", None),
        ("PUT", "/v2/team/app/blobs/uploads/1?digest=x", b""),
        ("PATCH", "/v2/team/app/blobs/uploads/1", b"bytes"),
    ],
)
def test_a_registry_that_is_away_is_told_to_be(away, method, path, body):
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, f"{away}{path}", data=body, timeout=30)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"


@pytest.fixture(scope="module")
def away(tmp_path_factory) -> Iterator[str]:
    """The URL of a proxy behind which nobody is."""
    folder = tmp_path_factory.mktemp("away")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and doesn't listen
        upstream = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with running_nginx(folder / "nginx", upstream, folder, tls=False) as proxy:
            yield proxy.url


@contextlib.contextmanager
def connected(site) -> Iterator[ssl.SSLSocket]:
    """Connect to the proxy, without a client that knows HTTP."""
    context = ssl.create_default_context(cafile=str(site.proxy.authority))
    with (
        socket.create_connection(("127.0.0.1", site.proxy.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        yield secure


class Sized:
    """A body of `size` bytes, made as it is sent."""

    def __init__(self, size: int) -> None:
        self._blocks = blocks()
        self._size = size

    def __len__(self) -> int:
        return self._size

    def read(self, _size: int = -1) -> bytes:
        return next(self._blocks, b"")


def blocks() -> Iterator[bytes]:
    block = bytes(range(256)) * 4096
    for _ in range(LARGE // len(block)):
        yield block
