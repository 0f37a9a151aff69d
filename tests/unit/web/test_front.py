"""The front path's parts: what a pull's answer depends on, and the shelf that it is kept on."""

import pytest

from registry.access import ANONYMOUS
from web.front import Kept, Shelf, find_key

MANIFEST = "/v2/team/image/manifests/latest"
BLOB = "/v2/team/image/blobs/sha256:" + "a" * 64


def environ(path=MANIFEST, method="GET", **more):
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "wsgi.url_scheme": "http",
        **more,
    }


def an_answer(body=b"", stamp=1):
    return Kept(stamp, ANONYMOUS, {}, "200 OK", [], None, body, lambda _principal: True)


class TestWhatIsLookedUp:
    @pytest.mark.parametrize("path", [MANIFEST, BLOB])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_plain_pull(self, path, method):
        assert find_key(environ(path, method)) is not None

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH", "OPTIONS", "get"])
    def test_no_other_method(self, method):
        assert find_key(environ(method=method)) is None

    @pytest.mark.parametrize("path", ["/", "", "/v2/", "/v2/team/image/tags/list", "/v3" + BLOB])
    def test_nothing_else(self, path):
        assert find_key(environ(path)) is None

    @pytest.mark.parametrize(
        "unusual",
        [
            {"QUERY_STRING": "ns=x"},
            {"SCRIPT_NAME": "/registry"},
            {"CONTENT_LENGTH": "2"},
            {"HTTP_TRANSFER_ENCODING": "chunked"},
            {"HTTP_IF_NONE_MATCH": '"x"'},
            {"HTTP_IF_RANGE": '"x"'},
            {"HTTP_COOKIE": "a=b"},
            {"HTTP_EXPECT": "100-continue"},
            {"HTTP_ACCEPT": "x" * 5000},
        ],
    )
    def test_nothing_unusual(self, unusual):
        assert find_key(environ(**unusual)) is None

    @pytest.mark.parametrize(
        "other",
        [
            {"path": MANIFEST + "x"},
            {"method": "HEAD"},
            {"HTTP_ACCEPT": "*/*"},
            {"HTTP_AUTHORIZATION": "Bearer x"},
            {"HTTP_AUTHORIZATION": ""},
            {"wsgi.url_scheme": "https"},
        ],
    )
    def test_what_an_answer_depends_on_tells_them_apart(self, other):
        assert find_key(environ(**other)) != find_key(environ())

    def test_what_it_does_not_depend_on_does_not(self):
        plain = find_key(environ())

        assert find_key(environ(REMOTE_ADDR="10.0.0.1", HTTP_X_REQUEST_ID="abcdefgh")) == plain
        assert find_key(environ(CONTENT_LENGTH="0", HTTP_USER_AGENT="oras")) == plain

    def test_no_secret_is_kept(self):
        key = find_key(environ(HTTP_AUTHORIZATION="Bearer rbx_secret"))

        assert "secret" not in repr(key)


class TestShelf:
    def test_what_was_put_is_found_and_replaced(self):
        shelf = Shelf(1 << 20)

        shelf.put("a", an_answer(b"1"))
        size = shelf.size
        shelf.put("a", an_answer(b"2"))

        assert shelf.find("a").body == b"2"
        assert shelf.find("b") is None
        assert (len(shelf), shelf.size) == (1, size)

    def test_it_never_takes_more_than_its_limit_and_the_oldest_goes(self):
        shelf = Shelf(256 << 10)

        for number in range(100):
            shelf.put(number, an_answer(b"x" * 4096))
            assert shelf.size <= 256 << 10

        assert shelf.find(0) is None
        assert shelf.find(99) is not None
        assert len(shelf) == (256 << 10) // an_answer(b"x" * 4096).size

    def test_what_is_a_large_part_of_all_is_not_kept(self):
        shelf = Shelf(256 << 10)

        shelf.put("large", an_answer(b"x" * (32 << 10)))

        assert shelf.find("large") is None
        assert shelf.size == 0

    def test_without_memory_nothing_is_kept(self):
        shelf = Shelf(0)

        shelf.put("a", an_answer())

        assert len(shelf) == 0
