"""The seam to the network: retries, resumed and verified downloads, uploads, errors by status."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import image_index
from artifacts.reference import RepositoryName
from recipebox.errors import (
    ClientError,
    Conflicting,
    Denied,
    InsecureURL,
    Interrupted,
    Missing,
    Misuse,
    Tampered,
    Unreachable,
)
from recipebox.transport import Transport
from tests.fakes import WsgiAdapter

URL = "http://127.0.0.1:5000"
REPOSITORY = RepositoryName("team/etl")
CONTENT = bytes(range(256)) * 4096
PART = 1 << 16
BLOB = Descriptor.of(CONTENT, media.WHEEL)

Step = Callable[[dict[str, Any], Callable[..., Any]], Iterator[bytes] | list[bytes]]


class Script:
    """A server that answers request after request by a list; `seen` keeps their environs."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.seen: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        self.seen.append(environ)
        self.bodies.append(environ["wsgi.input"].read())
        return self.steps.pop(0)(environ, start)


def answer(status: str, body: bytes = b"", **headers: str) -> Step:
    def step(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start(status, [(name.replace("_", "-"), value) for name, value in headers.items()])
        return [body]

    return step


def problem(status: str, **members: Any) -> Step:
    return answer(status, json.dumps(members).encode(), Content_Type="application/problem+json")


def drop(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    raise ConnectionResetError("reset by peer")


def cut(body: bytes, after: int, status: str = "200 OK", **headers: str) -> Step:
    def step(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        told = [(name.replace("_", "-"), value) for name, value in headers.items()]
        start(status, [("Content-Length", str(len(body))), *told])
        yield body[:after]
        raise ConnectionResetError("reset by peer")

    return step


def transport_over(script: Script, **options: Any) -> tuple[Transport, list[float]]:
    pauses: list[float] = []
    transport = Transport(URL, "rbx_1_secret", sleep=pauses.append, **options)
    transport.mount(WsgiAdapter(script))
    return transport, pauses


def pull(transport: Transport, descriptor: Descriptor = BLOB) -> bytes:
    file = io.BytesIO()
    transport.pull_blob(REPOSITORY, descriptor, file)
    return file.getvalue()


def test_a_blob_is_downloaded_and_its_token_sent_once_as_a_password() -> None:
    script = Script(answer("200 OK", CONTENT))
    transport, _ = transport_over(script)

    assert pull(transport) == CONTENT

    assert script.seen[0]["HTTP_AUTHORIZATION"].startswith("Basic ")
    assert script.seen[0]["PATH_INFO"] == f"/v2/team/etl/blobs/{BLOB.digest}"


def test_a_broken_download_goes_on_where_it_stopped() -> None:
    rest = CONTENT[PART:]
    told = f"bytes {PART}-{len(CONTENT) - 1}/{len(CONTENT)}"
    script = Script(cut(CONTENT, PART), answer("206 Partial Content", rest, Content_Range=told))
    transport, pauses = transport_over(script)

    assert pull(transport) == CONTENT

    assert script.seen[1]["HTTP_RANGE"] == f"bytes={PART}-"
    assert len(pauses) == 1


def test_a_server_without_ranges_sends_it_all_again() -> None:
    script = Script(cut(CONTENT, PART), answer("200 OK", CONTENT))
    transport, _ = transport_over(script)
    moved: list[int] = []
    file = io.BytesIO()

    transport.pull_blob(REPOSITORY, BLOB, file, moved.append)

    assert file.getvalue() == CONTENT
    assert sum(moved) == len(CONTENT)


def test_a_download_that_keeps_breaking_off_says_how_far_it_came() -> None:
    script = Script(*[cut(CONTENT, PART)] * 3)
    transport, _ = transport_over(script, retries=1)

    with pytest.raises(Interrupted, match=rf"broke off after {PART} of {len(CONTENT)} bytes"):
        pull(transport)


def test_a_body_that_just_ends_is_not_taken_for_the_whole() -> None:
    script = Script(answer("200 OK", CONTENT[:-1]))
    transport, _ = transport_over(script, retries=0)

    with pytest.raises(Interrupted):
        pull(transport)


def test_a_wrong_range_is_refused() -> None:
    told = f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"
    script = Script(cut(CONTENT, PART), answer("206 Partial Content", CONTENT, Content_Range=told))
    transport, _ = transport_over(script)

    with pytest.raises(Unreachable, match="unexpected answer 206"):
        pull(transport)


def test_tampered_bytes_are_refused_naming_both_digests() -> None:
    changed = CONTENT[:-1] + b"!"
    transport, _ = transport_over(Script(answer("200 OK", changed)))

    with pytest.raises(Tampered) as caught:
        pull(transport)

    assert caught.value.values["expected"] == str(BLOB.digest)
    assert caught.value.values["found"] == str(Digest.of(changed))


def test_more_bytes_than_announced_are_refused_before_they_are_all_read() -> None:
    transport, _ = transport_over(Script(answer("200 OK", CONTENT * 3)))

    with pytest.raises(Tampered, match="bytes or more"):
        pull(transport)


def test_a_missing_blob_is_missing() -> None:
    script = Script(
        answer("404 Not Found", b'{"errors":[{"code":"BLOB_UNKNOWN","message":"no such blob"}]}')
    )
    transport, _ = transport_over(script)

    with pytest.raises(Missing, match="no such blob"):
        pull(transport)


@pytest.mark.parametrize("status", ["429 Busy", "502 Bad", "503 Unavailable", "504 Timeout"])
def test_a_busy_server_is_asked_again_after_what_it_asks_for(status: str) -> None:
    script = Script(answer(status, Retry_After="7"), answer("200 OK", b"{}"))
    transport, pauses = transport_over(script)

    assert transport.api("GET", "/api/v1/whoami") == {}

    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("stamp", "least", "most"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00", 0, 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 60, 60),
        ("100000", 60, 60),
        ("soon", 0.1, 0.3),
    ],
)
def test_retry_after_may_be_a_date_and_is_bounded(stamp: str, least: float, most: float) -> None:
    script = Script(answer("503 Busy", Retry_After=stamp), answer("200 OK", b"{}"))
    transport, pauses = transport_over(script)

    transport.api("GET", "/")

    assert least <= pauses[0] <= most


def test_pauses_grow() -> None:
    transport, pauses = transport_over(Script(*[drop] * 5))

    with pytest.raises(Unreachable, match=r"connection reset \(5 tries\)"):
        transport.api("GET", "/")

    assert len(pauses) == 4
    assert pauses[3] > pauses[0]


def test_a_post_that_may_have_been_heard_is_not_sent_twice() -> None:
    script = Script(drop)
    transport, _ = transport_over(script)

    with pytest.raises(Unreachable):
        transport.api("POST", "/api/v1/namespaces", body={"name": "team"})

    assert len(script.seen) == 1


def test_a_post_that_was_refused_unread_is_sent_again() -> None:
    transport, _ = transport_over(Script(answer("503 Busy"), answer("200 OK", b"{}")))

    assert transport.api("POST", "/") == {}


def test_a_post_answered_by_a_broken_gateway_is_not_sent_twice() -> None:
    transport, _ = transport_over(Script(answer("502 Bad Gateway")))

    with pytest.raises(Unreachable):
        transport.api("POST", "/")


class Adapter(requests.adapters.BaseAdapter):
    """Fails every request with one error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def send(self, *_args: Any, **_kwargs: Any) -> requests.Response:
        raise self.error

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.exceptions.SSLError("certificate verify failed"), "SSL_CERT_FILE"),
        (requests.exceptions.ConnectTimeout("timed out"), "timed out"),
        (requests.exceptions.InvalidHeader("odd"), "odd"),
        (requests.exceptions.ConnectionError("Name or service not known"), "no such host"),
    ],
)
def test_no_answer_says_why(error: Exception, said: str) -> None:
    transport = Transport(URL, sleep=lambda _: None)
    transport.mount(Adapter(error))

    with pytest.raises(Unreachable) as caught:
        transport.api("POST", "/")

    assert said in str(caught.value)
    transport.close()


def test_an_upload_streams_and_stays_on_the_host_that_was_asked() -> None:
    script = Script(
        answer("404 Not Found"),
        answer("202 Accepted", Location="http://elsewhere.example/v2/up/1?state=x"),
        answer("201 Created"),
    )
    transport, _ = transport_over(script)
    moved: list[int] = []

    assert transport.push_blob(REPOSITORY, BLOB, lambda: io.BytesIO(CONTENT), moved.append)

    assert script.bodies[2] == CONTENT
    assert script.seen[2]["SERVER_NAME"] == "127.0.0.1"
    assert script.seen[2]["QUERY_STRING"].startswith("state=x&digest=sha256%3A")
    assert sum(moved) == len(CONTENT)


def test_a_relative_upload_address_without_query() -> None:
    script = Script(
        answer("404 Not Found"), answer("202 OK", Location="/v2/up/1"), answer("201 Created")
    )
    transport, _ = transport_over(script)
    empty = Descriptor.of(b"", media.WHEEL)

    assert transport.push_blob(REPOSITORY, empty, lambda: io.BytesIO(b""))

    assert script.seen[2]["PATH_INFO"] == "/v2/up/1"


def test_a_blob_that_is_there_is_not_uploaded() -> None:
    script = Script(answer("200 OK"))
    transport, _ = transport_over(script)

    assert not transport.push_blob(REPOSITORY, BLOB, lambda: io.BytesIO(CONTENT))


def test_an_upload_that_breaks_off_starts_again() -> None:
    begun = answer("202 Accepted", Location="/v2/up/1")
    script = Script(
        answer("404 Not Found"), begun, drop, begun, answer("503 Busy", Retry_After="2"), begun,
        answer("201 Created"),
    )  # fmt: skip
    transport, pauses = transport_over(script)
    moved: list[int] = []

    assert transport.push_blob(REPOSITORY, BLOB, lambda: io.BytesIO(CONTENT), moved.append)

    assert sum(moved) == len(CONTENT)
    assert pauses[1] == 2.0


@pytest.mark.parametrize("failing", [drop, answer("500 Oops")])
def test_an_upload_that_keeps_failing_is_given_up(failing: Step) -> None:
    script = Script(answer("404 No"), answer("202 Accepted", Location="/v2/up/1"), failing)
    transport, _ = transport_over(script, retries=0)

    with pytest.raises(Unreachable):
        transport.push_blob(REPOSITORY, BLOB, lambda: io.BytesIO(CONTENT))


def test_an_upload_that_may_not_begin_is_denied() -> None:
    script = Script(
        answer("404 No"),
        answer("403 Forbidden", b'{"errors":[{"code":"DENIED","message":"role reader"}]}'),
    )
    transport, _ = transport_over(script)

    with pytest.raises(Denied, match="role reader"):
        transport.push_blob(REPOSITORY, BLOB, lambda: io.BytesIO(CONTENT))


def test_an_upload_without_an_address_is_a_fault_of_the_server() -> None:
    transport, _ = transport_over(Script(answer("404 No"), answer("202 Accepted")), retries=0)

    with pytest.raises(Unreachable, match="no Location"):
        transport.push_blob(REPOSITORY, BLOB, lambda: io.BytesIO(CONTENT))


def test_asking_for_a_blob_may_be_refused() -> None:
    transport, _ = transport_over(Script(answer("401 Unauthorized")))

    with pytest.raises(Denied, match="wrong, expired or revoked"):
        transport.has_blob(REPOSITORY, BLOB.digest)


def test_a_manifest_is_checked_against_its_digest() -> None:
    data = b'{"schemaVersion":2}'
    transport, _ = transport_over(Script(answer("200 OK", data), answer("200 OK", b"{}")))

    assert transport.pull_manifest(REPOSITORY, Digest.of(data)) == data
    with pytest.raises(Tampered):
        transport.pull_manifest(REPOSITORY, Digest.of(data))


def test_a_manifest_that_breaks_off_or_never_ends_is_refused() -> None:
    endless = answer("200 OK", b"x" * (17 << 20))
    transport, _ = transport_over(Script(cut(b"{}", 1), endless, answer("404 Not Found")))

    with pytest.raises(Interrupted):
        transport.pull_manifest(REPOSITORY, BLOB.digest)
    with pytest.raises(Tampered, match="at most"):
        transport.pull_manifest(REPOSITORY, BLOB.digest)
    with pytest.raises(Missing):
        transport.text("/keys/team.asc")


def test_a_manifest_is_put_by_its_digest() -> None:
    script = Script(answer("201 Created"), answer("400 Bad", b"[]"))
    transport, _ = transport_over(script)

    assert transport.push_manifest(REPOSITORY, b"{}", media.MANIFEST) == Digest.of(b"{}")
    with pytest.raises(ClientError) as caught:
        transport.push_manifest(REPOSITORY, b"{}", media.MANIFEST)
    assert caught.value.exit_code == 1
    assert script.seen[0]["PATH_INFO"].endswith(str(Digest.of(b"{}")))


def test_referrers_are_filtered_here_too_and_read_over_pages() -> None:
    ours = Descriptor(media.MANIFEST, BLOB.digest, 3, artifact_type=media.STATEMENT)
    other = Descriptor(media.MANIFEST, Digest.of(b"x"), 1, artifact_type="application/x")
    page = image_index(artifact_type=None, manifests=[ours, other])
    link = '<http://other.example/v2/team/etl/referrers/next?n=2>; rel="next"'
    script = Script(answer("200 OK", page, Link=link), answer("200 OK", page))
    transport, _ = transport_over(script)

    found = transport.referrers(REPOSITORY, BLOB.digest, media.STATEMENT)

    assert found == [ours, ours]
    assert script.seen[1]["SERVER_NAME"] == "127.0.0.1"


def test_all_referrers_and_what_is_no_list_of_them() -> None:
    other = Descriptor(media.MANIFEST, Digest.of(b"x"), 1, artifact_type="application/x")
    page = image_index(artifact_type=None, manifests=[other])
    script = Script(answer("200 OK", page), answer("200 OK", b"[]"), answer("404 Not Found"))
    transport, _ = transport_over(script)

    assert transport.referrers(REPOSITORY, BLOB.digest) == [other]
    with pytest.raises(Tampered, match="image index"):
        transport.referrers(REPOSITORY, BLOB.digest)
    with pytest.raises(Missing):
        transport.referrers(REPOSITORY, BLOB.digest)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("401 Unauthorized", "expired_token", Denied),
        ("403 Forbidden", "denied", Denied),
        ("404 Not Found", "package_unknown", Missing),
        ("409 Conflict", "release_exists", Conflicting),
        ("409 Conflict", "gate_closed", Denied),
        ("422 Unprocessable", "invalid_release", ClientError),
        ("500 Oops", "internal_error", Unreachable),
    ],
)
def test_a_problem_becomes_the_error_that_it_means(
    status: str, code: str, kind: type[ClientError]
) -> None:
    refused = problem(
        status, code=code, detail="what happened", hint="do this", request_id="r-1", listed="a"
    )
    transport, _ = transport_over(Script(refused))

    with pytest.raises(kind) as caught:
        transport.api("GET", "/x")

    assert type(caught.value) is kind
    assert str(caught.value) == "what happened\n  do this"
    assert caught.value.values["request_id"] == "r-1"
    assert caught.value.values["server_code"] == code
    assert caught.value.values["listed"] == "a"
    assert caught.value.values["asked"] == "GET /x"


def test_without_a_token_the_hint_is_to_log_in() -> None:
    transport = Transport(URL)
    script = Script(answer("401 Unauthorized", b"no json", X_Request_ID="r-2"))
    transport.mount(WsgiAdapter(script))

    with pytest.raises(Denied, match="recipebox login") as caught:
        transport.api("GET", "/x")

    assert caught.value.values["request_id"] == "r-2"
    assert "HTTP_AUTHORIZATION" not in script.seen[0]


def test_an_answer_that_is_no_json_object_asks_if_it_is_a_registry() -> None:
    transport, _ = transport_over(Script(answer("200 OK", b"<html>"), answer("200 OK", b"[]")))

    for _ in range(2):
        with pytest.raises(Unreachable, match="a Recipebox registry"):
            transport.api("GET", "/x")


def test_a_conditional_read_says_when_nothing_changed() -> None:
    script = Script(
        answer("200 OK", b'{"a":1}', ETag='"e"'),
        answer("304 Not Modified"),
        answer("304 Not Modified"),
    )
    transport, _ = transport_over(script)

    assert transport.conditional("/i", None, {"as_of": 3}) == (b'{"a":1}', '"e"')
    assert transport.conditional("/i", '"e"') is None
    with pytest.raises(Unreachable):
        transport.conditional("/i", None)
    assert script.seen[0]["QUERY_STRING"] == "as_of=3"
    assert script.seen[1]["HTTP_IF_NONE_MATCH"] == '"e"'


def test_the_servers_clock() -> None:
    script = Script(
        answer("200 OK", Date="Wed, 21 Oct 2015 07:28:00 GMT"),
        answer("200 OK"),
        answer("404 Not Found"),
    )
    transport, _ = transport_over(script)

    stamp = transport.server_time()
    assert stamp is not None
    assert stamp.year == 2015
    assert transport.server_time() is None
    with pytest.raises(Missing):
        transport.server_time()


def test_a_dot_in_a_namespace_does_not_make_it_a_host() -> None:
    transport = Transport(URL)

    container = transport.get_container("my.team/etl")

    assert container.manifest_url("1") == "127.0.0.1:5000/v2/my.team/etl/manifests/1"
    assert transport.get_container(container) is container
    assert transport.get_container("plain").upload_blob_url().endswith("/v2/plain/blobs/uploads/")


@pytest.mark.parametrize("url", ["http://registry.example", "http://10.0.0.1:80"])
def test_plain_http_to_another_machine_needs_insecure(url: str) -> None:
    with pytest.raises(InsecureURL, match="--insecure"):
        Transport(url)

    assert Transport(url, insecure=True).url == url


@pytest.mark.parametrize("url", ["ftp://x", "https://", "https://x/path", "https://u:p@x"])
def test_what_is_no_registry_url(url: str) -> None:
    with pytest.raises(Misuse):
        Transport(url)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("recipes.example", "https://recipes.example"),
        ("http://localhost:1/", "http://localhost:1"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_what_is_one(url: str, meant: str) -> None:
    assert Transport(url).url == meant
