"""A blob of 50 MB whose transfer breaks off: the rest is sent, or asked for; nothing is lost."""

import hashlib
import os
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.oci.conftest import Registry

pytestmark = pytest.mark.real

MEBIBYTE = 1024 * 1024
SIZE = 50 * MEBIBYTE
CUT = 20 * MEBIBYTE + 7
DEADLINE = 20  # seconds


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(MEBIBYTE) * 50


@pytest.fixture(scope="module")
def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def start(registry: Registry, path: str) -> str:
    answer = registry.request("POST", f"/v2/{path}/blobs/uploads/")
    assert answer.status_code == 202
    return following(answer)


def following(answer: requests.Response) -> str:
    """Return the path to go on at: each answer's Location, absolute or not, is the next one's."""
    return urlsplit(answer.headers["Location"])._replace(scheme="", netloc="").geturl()


def finish(registry: Registry, location: str, digest: str) -> requests.Response:
    joint = "&" if "?" in location else "?"
    return registry.request("PUT", f"{location}{joint}digest={digest}")


def go_on(registry: Registry, location: str, content: bytes) -> requests.Response:
    """Ask how much is there and send the rest, as a client does, until the server takes it.

    It may refuse while the broken request is still being read.
    """
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        told = registry.request("GET", location)
        end = int(told.headers["Range"].partition("-")[2])
        held = end + 1 if end else 0
        assert held <= CUT
        rest = {"Content-Range": f"{held}-{SIZE - 1}"}
        answer = registry.request("PATCH", following(told), data=content[held:], headers=rest)
        if answer.status_code == 202:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"the upload can't go on: {answer.status_code} {answer.text}")


def test_an_upload_goes_on_where_it_stopped(
    registry: Registry, content: bytes, digest: str
) -> None:
    path = registry.path(registry.name("large"))
    location = start(registry, path)
    first = registry.request(
        "PATCH", location, data=content[:CUT], headers={"Content-Range": f"0-{CUT - 1}"}
    )
    assert first.status_code == 202
    told = registry.request("GET", following(first))
    assert told.status_code == 204
    assert told.headers["Range"] == f"0-{CUT - 1}"
    rest = {"Content-Range": f"{CUT}-{SIZE - 1}"}
    second = registry.request("PATCH", following(told), data=content[CUT:], headers=rest)
    assert second.status_code == 202
    assert finish(registry, following(second), digest).status_code == 201
    kept = registry.request("HEAD", f"/v2/{path}/blobs/{digest}")
    assert kept.headers["Content-Length"] == str(SIZE)


def test_a_connection_lost_within_a_chunk_leaves_an_upload_that_can_go_on(
    registry: Registry, content: bytes, digest: str
) -> None:
    path = registry.path(registry.name("large"))
    location = start(registry, path)
    with socket.create_connection(registry.address) as connection:
        head = (
            f"PATCH {location} HTTP/1.1\r\nHost: {registry.host}\r\n"
            f"Authorization: Bearer {registry.admin}\r\nContent-Length: {SIZE}\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        connection.sendall(head.encode() + content[:CUT])
    answer = go_on(registry, location, content)
    assert finish(registry, following(answer), digest).status_code == 201


def test_a_gap_is_refused_and_says_where_to_go_on(registry: Registry, content: bytes) -> None:
    path = registry.path(registry.name("large"))
    location = start(registry, path)
    first = registry.request("PATCH", location, data=content[:10], headers={"Content-Range": "0-9"})
    gap = registry.request(
        "PATCH", following(first), data=content[20:30], headers={"Content-Range": "20-29"}
    )
    assert gap.status_code == 416
    assert gap.headers["Range"] == "0-9"


def test_what_does_not_have_its_digest_is_no_blob(
    registry: Registry, content: bytes, digest: str
) -> None:
    path = registry.path(registry.name("large"))
    location = start(registry, path)
    first = registry.request("PATCH", location, data=content[:CUT])
    refused = finish(registry, following(first), digest)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "DIGEST_INVALID"
    assert registry.request("HEAD", f"/v2/{path}/blobs/{digest}").status_code == 404


def test_a_download_goes_on_where_it_stopped(
    registry: Registry, content: bytes, digest: str, tmp_path: Path
) -> None:
    path = registry.path(registry.name("large"))
    pushed = registry.request("POST", f"/v2/{path}/blobs/uploads/?digest={digest}", data=content)
    assert pushed.status_code == 201
    partial = tmp_path / "partial"
    partial.write_bytes(content[:CUT])
    answer = registry.request(
        "GET", f"/v2/{path}/blobs/{digest}", headers={"Range": f"bytes={CUT}-"}
    )
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {CUT}-{SIZE - 1}/{SIZE}"
    with partial.open("ab") as file:
        file.write(answer.content)
    assert partial.read_bytes() == content
    beyond = registry.request(
        "GET", f"/v2/{path}/blobs/{digest}", headers={"Range": f"bytes={SIZE}-"}
    )
    assert beyond.status_code == 416
