"""The registries that are compared, each started on a folder of its own and stopped by its pid."""

import contextlib
import functools
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from benchmarks.clients import Address, BenchmarkFailed, Pusher
from tests.tools.parts import REGISTRY
from tests.tools.proxy import BEHIND, running_nginx
from tests.tools.server import RunningServer, running_server

NAMESPACE = "bench"
_START = 30.0

# config-example.yml of distribution's repository, with another folder and address.
_CONFIG = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {folder}
http:
  addr: {host}:{port}
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""


@dataclass(frozen=True)
class Side:
    """A registry that answers: where, what a push must say, and how it is set up in words."""

    name: str
    address: Address
    setup: str
    folder: Path
    push_headers: dict[str, str] = field(default_factory=dict)

    def pusher(self, repository: str) -> Pusher:
        """Return what pushes to a repository here."""
        return Pusher(self.address, repository, self.push_headers)

    def forget(self, size: int, since: float) -> None:
        """Remove the bytes of blobs of `size` that were pushed since then: they fill the disk.

        It isn't told of it, and nobody asks for them again.
        """
        for path in self.folder.rglob("*"):
            if path.is_file():
                found = path.stat()
                if found.st_size == size and found.st_mtime >= since:
                    path.unlink()


@contextlib.contextmanager
def distribution(folder: Path) -> Iterator[Side]:
    """Start distribution on a folder, with its example configuration.

    Raises:
        BenchmarkFailed: the program isn't there, or didn't listen.
    """
    program = find_distribution()
    place = Address("127.0.0.1", free_port())
    config = folder / "distribution.yml"
    config.write_text(
        _CONFIG.format(folder=folder / "distribution", host=place.host, port=place.port), "ascii"
    )
    with (folder / "distribution.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=log)
    try:
        wait_listening(place, process)
        yield Side(
            "distribution",
            place,
            f"distribution {REGISTRY.version}, config-example.yml: a folder, blob descriptors "
            "cached in memory, no accounts, access log and application log on (to a file)",
            folder / "distribution",
        )
    finally:
        process.terminate()
        process.wait(_START)


@contextlib.contextmanager
def recipebox(folder: Path, server: str, workers: int | None = None) -> Iterator[Side]:
    """Start Recipebox on a folder under `server`, as it is shipped; namespace `bench` is public."""
    options: dict[str, Any] = {"workers": workers or 2}
    if server != "gunicorn":
        options["server"] = server
    (folder / server).mkdir(exist_ok=True)
    with running_server(folder / server / "data", **options) as running:
        make_public(running)
        yield Side(
            server,
            Address.of(running.url),
            f"Recipebox under {server}: a folder and SQLite, {workers or 2} workers, pulls by "
            "anybody, pushes by a token, access log on (to a file)",
            running.data / "blobs",
            {"Authorization": f"Bearer {running.token}"},
        )


@contextlib.contextmanager
def behind_nginx(folder: Path) -> Iterator[Side]:
    """Start Recipebox under granian behind the shipped nginx, which sends the blobs' bytes."""
    (folder / "nginx").mkdir(exist_ok=True)
    options: dict[str, Any] = {"workers": 2, "server": "granian", **BEHIND}
    with running_server(folder / "nginx" / "data", **options) as running:
        make_public(running)
        blobs = running.data / "blobs"
        with running_nginx(folder / "nginx" / "proxy", running.url, blobs, tls=False) as proxy:
            yield Side(
                "nginx",
                Address("127.0.0.1", proxy.port),
                "Recipebox under granian as above, behind deploy/server/nginx.conf without TLS: "
                "X-Accel-Redirect, requests buffered, both logs on",
                blobs,
                {"Authorization": f"Bearer {running.token}"},
            )


def make_public(running: RunningServer) -> None:
    """Make the public namespace that is measured.

    Raises:
        BenchmarkFailed: it can't be made.
    """
    answer = requests.post(
        f"{running.url}/api/v1/namespaces",
        json={"name": NAMESPACE, "public": True},
        headers={"Authorization": f"Bearer {running.token}"},
        timeout=_START,
    )
    if answer.status_code != 201:
        raise BenchmarkFailed(f"no namespace: {answer.status_code} {answer.text}")


def find_distribution() -> Path:
    """Return the program `registry`: the pinned build of the tests, or one on PATH.

    Raises:
        BenchmarkFailed: there is none; says how to get it.
    """
    found = REGISTRY.path if REGISTRY.path.exists() else shutil.which(REGISTRY.name)
    if found is None:
        raise BenchmarkFailed(f"no distribution here; get it with: {REGISTRY.advice}")
    return Path(found)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def wait_listening(place: Address, process: "subprocess.Popen[bytes]") -> None:
    """Wait until somebody listens.

    Raises:
        BenchmarkFailed: the process ended, or time is up.
    """
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            place.connect().close()
            return
        time.sleep(0.05)
    raise BenchmarkFailed(f"nobody listens at {place.url} (exit code {process.poll()})")


STARTERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Side]]] = {
    "gunicorn": functools.partial(recipebox, server="gunicorn"),
    "granian": functools.partial(recipebox, server="granian"),
    "nginx": behind_nginx,
}
"""Ours, by name."""
