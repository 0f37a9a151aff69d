"""The clients that load a registry: wrk for GET, two small ones of our own for HEAD and pushes.

The same client asks every registry. wrk waits for the body of an answer to HEAD, which never comes,
so HEAD has a client of one thread and an epoll; pushes have a thread for each client, which sends
bodies that share all bytes but their last sixteen, so that every blob is new and its digest cheap.
"""

import contextlib
import hashlib
import json
import os
import selectors
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MEGABYTE = 1_000_000
_SUFFIX = 16
_END = b"\r\n\r\n"
_TIMEOUT = 600.0

_REPORT = """
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
  failed = failed + summary.errors.write + summary.errors.timeout
  io.stderr:write(string.format(
    '{"seconds": %.6f, "requests": %d, "bytes": %d, "failed": %d}',
    summary.duration / 1e6, summary.requests, summary.bytes, failed))
end
"""


class BenchmarkFailed(Exception):
    """A registry answered something else than it should; says what."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a registry answers."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Return the address of a URL."""
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise BenchmarkFailed(f"no host and port in {url}")
        return cls(parts.hostname, parts.port)

    @property
    def url(self) -> str:
        """The URL without a path."""
        return f"http://{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        """Return a connected socket that sends small requests at once."""
        made = socket.create_connection((self.host, self.port), _TIMEOUT)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


@dataclass(frozen=True, slots=True)
class Load:
    """What was done: answers and bytes of bodies, in how many seconds."""

    requests: int
    bytes: int
    seconds: float

    @property
    def a_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    @property
    def megabytes_a_second(self) -> float:
        """Bytes of bodies in MB (10^6) a second."""
        return self.bytes / self.seconds / MEGABYTE


def run_wrk(url: str, clients: int, seconds: float, headers: Mapping[str, str]) -> Load:
    """GET `url` from `clients` connections for `seconds`.

    Raises:
        BenchmarkFailed: wrk saw an error or a status that isn't 2xx or 3xx.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_REPORT)
        script.flush()
        words = ["wrk", f"-t{min(clients, 2)}", f"-c{clients}", f"-d{max(round(seconds), 1)}s"]
        words += ["--timeout", "60s", "-s", script.name]
        for name, value in headers.items():
            words += ["-H", f"{name}: {value}"]
        done = subprocess.run([*words, url], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkFailed(f"wrk {url}: {done.stderr or done.stdout}")
    found = json.loads(done.stderr[done.stderr.rindex("{") :])
    if found["failed"] or not found["bytes"]:
        raise BenchmarkFailed(f"wrk {url}: {found}")
    return Load(found["requests"], found["bytes"], found["seconds"])


def run_head(url: str, clients: int, seconds: float, headers: Mapping[str, str]) -> Load:
    """HEAD `url` from `clients` connections for `seconds`.

    Raises:
        BenchmarkFailed: an answer that isn't 200.
    """
    address, path = Address.of(url), urlsplit(url).path
    asked = request("HEAD", path, address, headers)
    with selectors.DefaultSelector() as poller, contextlib.ExitStack() as stack:
        for _ in range(clients):
            link = stack.enter_context(contextlib.closing(address.connect()))
            poller.register(link, selectors.EVENT_READ)
            link.sendall(asked)
        answered, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for key, _ in poller.select(1.0):
                link = key.fileobj  # type: ignore[assignment]
                answer = b""
                with contextlib.suppress(ConnectionResetError):
                    answer = link.recv(65536)
                if not answer:  # nginx ends a connection after 1,000 requests; wrk connects again
                    poller.unregister(link)
                    link.close()
                    link = stack.enter_context(contextlib.closing(address.connect()))
                    poller.register(link, selectors.EVENT_READ)
                    link.sendall(asked)
                    continue
                if not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(_END)):
                    raise BenchmarkFailed(f"HEAD {url}: {answer[:200]!r}")
                answered += 1
                link.sendall(asked)
        return Load(answered, 0, time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes to push, in parts, and their digest."""

    digest: str
    parts: tuple[bytes, ...]

    @classmethod
    def of(cls, data: bytes) -> "Body":
        """Return the body of `data`."""
        return cls(f"sha256:{hashlib.sha256(data).hexdigest()}", (data,))

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return sum(map(len, self.parts))


class Bodies:
    """Makes bodies of `size` bytes, each a new one."""

    def __init__(self, size: int) -> None:
        self.size = size
        random = os.urandom(min(size - _SUFFIX, MEGABYTE))
        whole, rest = divmod(size - _SUFFIX, len(random))
        self._common = random * whole + random[:rest]
        self._hash = hashlib.sha256(self._common)

    def make(self) -> Body:
        """Return a body that no other is like."""
        suffix = os.urandom(_SUFFIX)
        hasher = self._hash.copy()
        hasher.update(suffix)
        return Body(f"sha256:{hasher.hexdigest()}", (self._common, suffix))


@dataclass(frozen=True, slots=True)
class Pusher:
    """Pushes to a repository at `address`, with `headers`: POST, then PUT of the whole body."""

    address: Address
    repository: str
    headers: Mapping[str, str]

    def run(self, bodies: Bodies, clients: int, count: int) -> Load:
        """Push `count` new blobs over `clients` connections.

        Raises:
            BenchmarkFailed: a push wasn't answered with 201.
        """
        left = iter(range(count))
        lock = threading.Lock()
        failures: list[Exception] = []

        def work() -> None:
            try:
                with contextlib.closing(self.address.connect()) as link:
                    while True:
                        with lock:
                            if next(left, None) is None:
                                return
                        self.push(link, bodies.make())
            except (OSError, BenchmarkFailed) as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(clients)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - began
        if failures:
            raise BenchmarkFailed(f"push to {self.address.url}: {failures[0]!r}")
        return Load(count, count * bodies.size, taken)

    def push(self, link: socket.socket, body: Body) -> None:
        """Push one blob.

        Raises:
            BenchmarkFailed: it wasn't answered with 201.
        """
        place = self.start(link)
        target = f"{place}{'&' if '?' in place else '?'}digest={body.digest}"
        self._put(link, target, body, "application/octet-stream")

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        """PUT a manifest.

        Raises:
            BenchmarkFailed: it wasn't answered with 201.
        """
        target = f"/v2/{self.repository}/manifests/{reference}"
        with contextlib.closing(self.address.connect()) as link:
            self._put(link, target, Body.of(data), media_type)

    def start(self, link: socket.socket) -> str:
        """Begin an upload; return where it goes on.

        Raises:
            BenchmarkFailed: it wasn't answered with 202.
        """
        path = f"/v2/{self.repository}/blobs/uploads/"
        more = {"Content-Length": "0"}
        link.sendall(request("POST", path, self.address, {**self.headers, **more}))
        for line in expect(link, b"202").split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"location":
                parts = urlsplit(value.strip().decode())
                return f"{parts.path}?{parts.query}" if parts.query else parts.path
        raise BenchmarkFailed(f"no Location from {self.address.url}")

    def _put(self, link: socket.socket, target: str, body: Body, media_type: str) -> None:
        more = {"Content-Length": str(body.size), "Content-Type": media_type}
        link.sendall(request("PUT", target, self.address, {**self.headers, **more}))
        for part in body.parts:
            link.sendall(part)
        expect(link, b"201")


def expect(link: socket.socket, status: bytes) -> bytes:
    """Read one answer, body and all, and return its head.

    Raises:
        BenchmarkFailed: another status, or the connection was closed.
    """
    read = b""
    while _END not in read:
        more = link.recv(65536)
        if not more:
            raise BenchmarkFailed(f"closed after {read!r}")
        read += more
    head, _, body = read.partition(_END)
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            left = int(value) - len(body)
            while left > 0:
                left -= len(link.recv(left))
    if head.split(b" ", 2)[1] != status:
        raise BenchmarkFailed(f"expected {status.decode()}: {read!r}")
    return head


def request(method: str, path: str, address: Address, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address.host}:{address.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


@contextlib.contextmanager
def working_folder(keep: Path | None) -> Iterator[Path]:
    """Give a folder for the data of a run: `keep`, or one that goes at its end."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="recipebox-benchmark-") as folder:
        yield Path(folder)
