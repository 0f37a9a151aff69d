"""How a blob leaves: by the proxy, from the store, as a file, or as a stream."""

import hashlib
import io
from datetime import timedelta
from pathlib import Path

import pytest

from artifacts.digest import Digest
from registry.oci.blobs import BlobInfo
from web.errors import RangeNotSatisfiable
from web.leaving import Asked, Ways, leave

BYTES = b"0123456789"
DIGEST = Digest("sha256", hashlib.sha256(BYTES).hexdigest())
INFO = BlobInfo(DIGEST, len(BYTES), "blobs/ab/abc def")


class Store:
    """What `Blobs` offers to a way out: a link, or the bytes."""

    def __init__(self, link: Path | str | None = None) -> None:
        self._link = link
        self.lifetimes: list[timedelta] = []
        self.opened: list[io.BytesIO] = []

    def link(self, info: BlobInfo, lifetime: timedelta) -> Path | str | None:
        assert info is INFO
        self.lifetimes.append(lifetime)
        return self._link

    def open(self, info: BlobInfo, start: int = 0) -> io.BytesIO:
        assert info is INFO
        stream = io.BytesIO(BYTES)
        stream.seek(start)
        self.opened.append(stream)
        return stream


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "blobs" / "ab" / "abc def"
    file.parent.mkdir(parents=True)
    file.write_bytes(BYTES)
    return file


def read(leaving, environ=None) -> bytes:
    return b"".join(leaving.body(environ or {}))


class TestWhatIsAnsweredFromTheRow:
    def test_a_client_that_has_it_gets_no_bytes(self):
        store = Store()

        leaving = leave(store, INFO, Asked("GET", none_match=f'W/"{DIGEST}"'), Ways())

        assert leaving.status == 304
        assert dict(leaving.headers)["ETag"] == f'"{DIGEST}"'
        assert read(leaving) == b""
        assert store.lifetimes == []

    @pytest.mark.parametrize("link", [None, "https://s3.example/x?signed", Path("/nowhere")])
    def test_head_asks_no_store(self, link):
        store = Store(link)

        leaving = leave(store, INFO, Asked("HEAD", range="bytes=0-1"), Ways())

        assert (leaving.status, dict(leaving.headers)["Content-Length"]) == (200, "10")
        assert dict(leaving.headers)["Docker-Content-Digest"] == str(DIGEST)
        assert store.lifetimes == []

    @pytest.mark.parametrize("link", [None, "https://s3.example/x", Path("/nowhere")])
    def test_a_range_past_the_end_opens_nothing(self, link):
        store = Store(link)

        with pytest.raises(RangeNotSatisfiable):
            leave(store, INFO, Asked("GET", range="bytes=10-"), Ways())

        assert store.opened == []


class TestBytes:
    @pytest.mark.parametrize(
        ("asked", "status", "found"),
        [(None, 200, BYTES), ("bytes=2-4", 206, b"234"), ("bytes=-2", 206, b"89")],
    )
    def test_a_file_and_a_stream_give_the_same(self, file, asked, status, found):
        for store in (Store(file), Store()):
            leaving = leave(store, INFO, Asked("GET", range=asked), Ways())

            headers = dict(leaving.headers)
            assert leaving.status == status
            assert headers["Content-Length"] == str(len(found))
            assert headers["Accept-Ranges"] == "bytes"
            assert read(leaving) == found
            assert ("Content-Range" in headers) == (status == 206)

    def test_the_server_is_given_the_file_where_it_can_send_files(self, file):
        class Wrapper(list):
            def __init__(self, part, _size):
                super().__init__([part])

        leaving = leave(Store(file), INFO, Asked("GET", range="bytes=2-4"), Ways())

        [part] = leaving.body({"wsgi.file_wrapper": Wrapper})

        assert part.fileno() > 0
        assert part.tell() == 2  # where sendfile begins
        part.close()


class TestRedirects:
    def test_a_get_is_sent_to_the_store(self):
        store = Store("https://s3.example/x?signed")

        leaving = leave(store, INFO, Asked("GET", range="bytes=2-4"), Ways())

        assert leaving.status == 307
        assert dict(leaving.headers)["Location"] == "https://s3.example/x?signed"
        assert store.lifetimes == [timedelta(minutes=20)]
        assert read(leaving) == b""

    def test_where_the_operator_has_none_the_bytes_are_streamed(self):
        store = Store("https://s3.example/x?signed")

        leaving = leave(store, INFO, Asked("GET"), Ways(is_redirecting=False))

        assert (leaving.status, read(leaving)) == (200, BYTES)

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("s3.example", 200),
            ("example", 200),  # s3.example is below it
            ("example.org", 307),
            ("3.example", 307),
            (None, 307),
        ],
    )
    def test_nobody_is_sent_where_their_login_would_go_along(self, host, status):
        store = Store("https://s3.example:9000/x?signed")

        leaving = leave(store, INFO, Asked("GET", login_host=host), Ways())

        assert leaving.status == status
        assert read(leaving) == (BYTES if status == 200 else b"")


class TestAccel:
    def ways(self, file: Path) -> Ways:
        return Ways(accel_prefix="/_blobs/", files=file.parents[1])

    def test_the_proxy_is_told_which_file(self, file):
        asked = Asked("GET", range="bytes=2-4", is_proxied=True)

        leaving = leave(Store(file), INFO, asked, self.ways(file))

        headers = dict(leaving.headers)
        assert leaving.status == 200
        assert headers["X-Accel-Redirect"] == "/_blobs/ab/abc%20def"
        assert headers["Docker-Content-Digest"] == str(DIGEST)
        assert headers["ETag"] == f'"{DIGEST}"'
        assert headers["Content-Type"] == "application/octet-stream"
        assert read(leaving) == b""

    def test_who_is_no_trusted_proxy_gets_the_bytes(self, file):
        leaving = leave(Store(file), INFO, Asked("GET"), self.ways(file))

        assert read(leaving) == BYTES
        assert "X-Accel-Redirect" not in dict(leaving.headers)

    def test_no_file_outside_the_folder_is_ever_named(self, file, tmp_path):
        outside = tmp_path / "keys"
        outside.write_bytes(BYTES)
        asked = Asked("GET", is_proxied=True)

        for link in (outside, file.parents[1] / ".." / "keys"):
            leaving = leave(Store(link), INFO, asked, self.ways(file))

            assert "X-Accel-Redirect" not in dict(leaving.headers)
            assert read(leaving) == BYTES

    def test_without_a_prefix_there_is_none(self, file):
        leaving = leave(Store(file), INFO, Asked("GET", is_proxied=True), Ways())

        assert read(leaving) == BYTES


def test_a_request_is_read_from_its_environment():
    environ = {
        "REQUEST_METHOD": "GET",
        "HTTP_RANGE": "bytes=0-1",
        "HTTP_IF_NONE_MATCH": '"x"',
        "recipebox.proxied": True,
    }

    assert Asked.read(environ) == Asked("GET", "bytes=0-1", '"x"', is_proxied=True)
    assert Asked.read({"REQUEST_METHOD": "HEAD"}) == Asked("HEAD")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.org:8080", "example.org"),
        ("[::1]:80", "::1"),
        ("[::1", None),
        ("", None),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_who_logs_in_is_known_by_the_host_they_asked(host, name):
    environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": host}

    assert Asked.read(environ).login_host is None
    assert Asked.read(environ | {"HTTP_AUTHORIZATION": "Bearer x"}).login_host == name
