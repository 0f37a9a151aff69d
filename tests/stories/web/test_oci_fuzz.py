"""Random requests to `/v2/`: whatever comes, no defect, an OCI error, and a HEAD like its GET."""

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from artifacts import media
from artifacts.digest import Digest

BLOB = b"0123456789"
DIGEST = str(Digest.of(BLOB))
NAME = "team/tools"
OCI_CODES = {
    *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID"),
    *("MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID"),
    *("NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"),
}  # distribution-spec 1.1, "Error Codes"
VARYING = {"x-request-id", "date"}

# What requests are made of: what is there, what nearly is, and anything.
bytes_of_paths = st.binary(max_size=12).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw))
texts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#?"))
segments = st.sampled_from(
    [
        *(NAME, "team", "Team", "blobs", "manifests", "uploads", "tags", "list", "referrers", "v1"),
        *(
            DIGEST,
            "sha512:" + "0" * 128,
            "_catalog",
            "token",
            "..",
            "%2e%2e",
            "%2F",
            "%00",
            "",
            "x",
        ),
    ]
)
paths = st.lists(segments | bytes_of_paths | texts, max_size=6).map("/".join)
known_paths = st.sampled_from(
    [
        *(f"{NAME}/manifests/v1", f"{NAME}/manifests/{DIGEST}", f"{NAME}/blobs/{DIGEST}"),
        *(f"{NAME}/blobs/uploads/", f"{NAME}/blobs/uploads/{'0' * 32}", f"{NAME}/tags/list"),
        *(f"{NAME}/referrers/{DIGEST}", "_catalog", "", "token"),
    ]
)
parameters = st.dictionaries(
    st.sampled_from(
        [
            *("n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm"),
            *("scope", "service", "ns", "x"),
        ]
    ),
    st.sampled_from(["", "0", "-1", "1" * 30, "v1", DIGEST, NAME, "%00", "%ff", "%F0%9F%90%8D"])
    | bytes_of_paths,
    max_size=4,
)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
headers = st.dictionaries(
    st.sampled_from(
        [
            *("Range", "Content-Range", "Content-Type", "Accept", "If-None-Match", "If-Match"),
            *("Transfer-Encoding", "Content-Encoding", "Expect", "X-Request-Id", "Host", "Origin"),
        ]
    ),
    st.sampled_from(
        ["bytes=0-4", "0-4", "bytes=9-", media.MANIFEST, media.INDEX, "*/*", "", '"', "*"]
    )
    | values,
    max_size=4,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(DIGEST),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("schemaVersion", "mediaType", "config", "layers", "manifests", "subject"),
                    *("size", "digest", "annotations", "artifactType", "urls", "data", "platform"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
bodies = st.none() | st.binary(max_size=40) | json_values
methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE"])


@pytest.fixture(scope="module")
def admin(shared_site):
    author = shared_site.author()
    author.push_blob(NAME, BLOB)
    author.push_image(NAME, "v1")
    return author


def check(reply, method):
    assert reply.status < 500, (reply.status, reply.body)
    if reply.status >= 400 and method != "HEAD":
        assert reply.headers["content-type"] == "application/json"
        for error in reply.json["errors"]:
            assert error["code"] in OCI_CODES
            assert error["message"]
    if method == "HEAD" or reply.status in {204, 304}:
        assert reply.body == b""
    for value in reply.headers.values():
        assert not re.search(r"[\r\n\0]", value)


requests = st.tuples(methods, known_paths | paths, parameters, headers, bodies)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=requests)
@example(("PUT", f"{NAME}/manifests/v1", {}, {"Content-Type": media.MANIFEST}, {"a": 2}))
@example(("PUT", f"{NAME}/manifests/v1", {}, {"Content-Encoding": "gzip"}, b"\x1f\x8b"))
@example(("GET", f"{NAME}/tags/list", {"last": "%00"}, {}, None))
@example(("GET", f"{NAME}/referrers/{DIGEST}", {"artifactType": "%00"}, {}, None))
@example(("POST", f"{NAME}/blobs/uploads/", {"mount": DIGEST, "from": "%00"}, {}, None))
@example(("POST", "token", {}, {}, b"grant_type=password&password=%00"))
@example(("GET", "token", {"scope": "repository:%00:pull"}, {}, None))
def test_whatever_is_asked_has_an_answer(admin, asked):
    method, path, query, sent, body = asked
    text = "&".join(f"{name}={value}" for name, value in query.items())
    own = {name.replace("-", "_"): value for name, value in sent.items()}

    reply = admin.ask(method, f"/v2/{path}?{text}", body, **own)

    check(reply, method)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=known_paths | paths, query=parameters, sent=headers)
def test_a_head_is_its_get_without_the_body(admin, path, query, sent):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    own = {name.replace("-", "_"): value for name, value in sent.items() if name != "Range"}

    whole = admin.ask("GET", f"/v2/{path}?{text}", **own)
    head = admin.ask("HEAD", f"/v2/{path}?{text}", **own)

    check(head, "HEAD")
    assert head.status == whole.status
    if whole.status == 200 and not path.endswith("token"):
        told = {name: value for name, value in head.headers.items() if name not in VARYING}
        assert told == {k: v for k, v in whole.headers.items() if k not in VARYING}
    if whole.status == 200 and "content-length" in head.headers:
        assert int(head.headers["content-length"]) == len(whole.body)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(token=values, path=known_paths)
@example(token="\x80", path="")
def test_no_login_breaks_it(shared_site, admin, token, path):
    for scheme in ("Bearer", "Basic", "bearer", ""):
        reply = shared_site.ask("GET", f"/v2/{path}", Authorization=f"{scheme} {token}")

        check(reply, "GET")
        assert reply.status in {200, 204, 400, 401, 404, 405}
