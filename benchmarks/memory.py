"""What many large pushes at once take in memory: `python -m benchmarks.memory [--store minio]`.

A server with two workers of sixteen threads is sent 32 blobs of 100 MiB at once, first each in one
PUT, then each by a PATCH of which nobody says how long it is (as docker does it). Meanwhile the PSS
of the master and its workers is summed, from /proc/PID/smaps_rollup: memory that they share counts
once. Ends with 1 where the peak is over the goal.
"""

import argparse
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.clients import Address, Bodies, Body, Pusher, expect, request, working_folder
from tests.tools.server import running_server
from tests.tools.stores import STARTERS

MIB = 1024 * 1024
GOALS = {"folder": 300, "bucket": 450}
"""Peaks in MiB that 32 pushes of 100 MiB must stay under."""

BUCKET = "blobs"
_PIECE = 256 * 1024
_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class ChunkedPusher(Pusher):
    """Pushes by a PATCH in chunks of HTTP/1.1, and a PUT without a body."""

    def push(self, link: socket.socket, body: Body) -> None:
        """Push one blob."""
        place = self.start(link)
        more = {"Transfer-Encoding": "chunked", "Content-Type": "application/octet-stream"}
        link.sendall(request("PATCH", place, self.address, {**self.headers, **more}))
        for part in body.parts:
            with memoryview(part) as view:
                for at in range(0, len(view), _PIECE):
                    piece = view[at : at + _PIECE]
                    link.sendall(b"%x\r\n" % len(piece))
                    link.sendall(piece)
                    link.sendall(b"\r\n")
        link.sendall(b"0\r\n\r\n")
        expect(link, b"202")
        target = f"{place}{'&' if '?' in place else '?'}digest={body.digest}"
        more = {"Content-Length": "0"}
        link.sendall(request("PUT", target, self.address, {**self.headers, **more}))
        expect(link, b"201")


class Watch:
    """Sums the PSS of a process and its children, again and again; `peak` is in bytes."""

    def __init__(self, process: int) -> None:
        self.peak = 0
        self._process = process
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_EVERY):
            self.peak = max(self.peak, memory(self._process))


def memory(process: int) -> int:
    """Return the PSS in bytes of a process and all its descendants."""
    total = 0
    for each in family(process):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
            line = next(line for line in text.splitlines() if line.startswith("Pss:"))
            total += int(line.split()[1]) * 1024
    return total


def family(process: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield process
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def push_all(url: str, token: str, bodies: Bodies, count: int, *, is_chunked: bool) -> float:
    """Push `count` blobs at once; return how many seconds that took."""
    kind = ChunkedPusher if is_chunked else Pusher
    headers = {"Authorization": f"Bearer {token}"}
    pusher = kind(Address.of(url), "bench/blobs", headers)
    began = time.perf_counter()
    pusher.run(bodies, count, count)
    return time.perf_counter() - began


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=["folder", *STARTERS], default="folder")
    parser.add_argument("--sdk", choices=["s3", "minio"], default="s3")
    parser.add_argument("--server", choices=["gunicorn", "granian"], default="gunicorn")
    parser.add_argument("--pushes", type=int, default=32)
    parser.add_argument("--mebibytes", type=int, default=100, help="of each blob")
    parser.add_argument("--folder", type=Path, help="where all data goes, and stays")
    chosen = parser.parse_args()
    bodies = Bodies(chosen.mebibytes * MIB)
    goal = GOALS["folder" if chosen.store == "folder" else "bucket"]
    worst = 0
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(working_folder(chosen.folder))
        environ = {}
        if chosen.store != "folder":
            objects = stack.enter_context(STARTERS[chosen.store](folder / "objects"))
            objects.create_bucket(BUCKET)
            environ = objects.environ_of(BUCKET, chosen.sdk)
        server = stack.enter_context(
            running_server(
                folder / "data", environ=environ, workers=2, threads=16, server=chosen.server
            )
        )
        print(f"idle: {memory(server.process.pid) / MIB:.0f} MiB")
        for is_chunked in (False, True):
            with Watch(server.process.pid) as watch:
                seconds = push_all(
                    server.url, server.token, bodies, chosen.pushes, is_chunked=is_chunked
                )
            worst = max(worst, watch.peak)
            name = "PATCH in chunks" if is_chunked else "PUT at once"
            rate = chosen.pushes * chosen.mebibytes / seconds
            print(f"{name}: {watch.peak / MIB:.0f} MiB at most, {rate:.0f} MiB/s")
        print(f"afterwards: {memory(server.process.pid) / MIB:.0f} MiB")
    print(f"peak {worst / MIB:.0f} MiB; goal: under {goal} MiB")
    return int(worst >= goal * MIB)


if __name__ == "__main__":
    sys.exit(main())
