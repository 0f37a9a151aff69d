"""A thousand slow clients before the shipped nginx, and one that isn't slow."""

import asyncio
import contextlib
import os
import resource
import selectors
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from artifacts.digest import Digest
from tests.tools.slow_clients import KINDS, Target, slow_clients

pytestmark = pytest.mark.real

CLIENTS = 1000
BIG = 32 * 1024 * 1024  # more than all buffers between nginx and a reader hold


@pytest.fixture(autouse=True)
def many_files():
    """A thousand connections are a thousand files of this process, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def target(site) -> Target:
    repository = site.repository()
    data = os.urandom(BIG)
    digest = Digest.of(data)
    assert site.push(repository, data, digest).status_code == 201
    started = site.ask("POST", f"/v2/{repository}/blobs/uploads/")
    return Target(
        port=site.proxy.port,
        authority=site.proxy.authority,
        token=site.server.token,
        upload=urlsplit(started.headers["Location"]).path,
        blob=f"/v2/{repository}/blobs/{digest}",
    )


def test_a_pull_is_answered_while_a_thousand_are_slow(site, target):
    async def visit() -> None:
        async with slow_clients(target, CLIENTS) as crowd:
            assert not crowd.refused
            answer = await asyncio.to_thread(
                site.ask, "GET", target.blob, headers={"Range": "bytes=0-999999"}
            )
            health = await asyncio.to_thread(site.ask, "GET", "/readyz")
            still = dict(crowd.connected)

            assert len(answer.content) == 1_000_000
            assert health.json()["status"] == "ok"
            assert sum(still.values()) > 0.9 * CLIENTS
            assert set(still) == set(KINDS)

    # in a thread of its own: the browser's tests leave a loop running in this one
    with ThreadPoolExecutor(1) as alone:
        alone.submit(asyncio.run, visit()).result()


def first_answer(waiting: list[ssl.SSLSocket]) -> bytes:
    """Return what the first of some connections is answered, within a minute."""
    end = time.monotonic() + 60
    with selectors.DefaultSelector() as selector:  # not select(): there may be too many files
        for each in waiting:
            selector.register(each, selectors.EVENT_READ)
        while time.monotonic() < end:
            for key, _ in selector.select(1):
                with contextlib.suppress(ssl.SSLWantReadError):
                    return key.fileobj.recv(4096)
    raise AssertionError("nobody was answered")


def test_an_address_with_too_many_connections_is_told_to_wait(site, target):
    context = ssl.create_default_context(cafile=str(target.authority))
    request = (
        f"PATCH {target.upload} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        f"Authorization: Bearer {target.token}\r\n\r\n"
    ).encode()
    with contextlib.ExitStack() as stack:
        waiting = []
        for _ in range(600):
            plain = socket.create_connection(
                ("127.0.0.1", target.port), source_address=("127.0.8.8", 0)
            )
            secure = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            secure.sendall(request)
            secure.settimeout(0.0)
            waiting.append(secure)
        refused = first_answer(waiting)
        elsewhere = site.ask("GET", "/healthz")

    head, _, body = refused.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 ")
    assert b"Retry-After: 5" in head
    assert b"TOOMANYREQUESTS" in body
    assert elsewhere.status_code == 200
