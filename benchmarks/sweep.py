"""Pulls while a sweep removes very many blobs: `python benchmarks/sweep.py [--blobs N]`.

Fills a registry with 100,000 dead blobs, each with a row, a file and a review that is due, and one
living image. Four clients pull it by turns (a manifest by its tag, a blob of 100 kB), each so many
times a second, and take the time of each answer: before the sweep, while it runs, and after it.

::

    admin    `recipebox admin sweep` in a process of its own
    server   the server's own maintenance, in one of its workers

To hold: half of the pulls, and 99 of 100, take at most twice as long while a sweep runs.
"""

import argparse
import hashlib
import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not benchmarks/, where a file would hide the package `registry`

from registry.assembly import open_registry  # noqa: E402 - the path comes first
from registry.config import RegistryConfig  # noqa: E402
from registry.schema import CURRENT  # noqa: E402
from tests.tools.server import clean_environ, running_server  # noqa: E402

BLOBS = 100_000
CLIENTS = 4
PULLS = 25
"""A second, of each client: a registry that is used, on cores that are not all busy."""

LIMIT = 2.0
SIZE = 100_000
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_NUMBERS = (
    "WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < {})"
)
_DIGEST = f"'sha256:' || SUBSTR(CAST(10000000 + i AS TEXT) || '{'0' * 64}', 1, 64)"
_LOCATION = f"SUBSTR(CAST(10000000 + i AS TEXT) || '{'0' * 32}', 1, 32)"


def fill(data: Path, url: str | None, blobs: int) -> None:
    """Add dead blobs to a registry in which the repository `team/dead` is."""
    registry = open_registry(RegistryConfig(data, database_url=url))
    with registry.database.write():
        run: Any = CURRENT.obj.execute_sql
        numbers = _NUMBERS.format(blobs - 1)
        dead = "(SELECT id FROM repository WHERE name = 'team/dead')"
        run(
            f"{numbers} INSERT INTO blob (digest, size, location, created) "
            f"SELECT {_DIGEST}, 4, SUBSTR({_LOCATION}, 1, 2) || '/' || {_LOCATION}, 0 FROM numbers"
        )
        run(
            "INSERT INTO repository_blob (repository_id, blob_id) "
            f"SELECT {dead}, id FROM blob WHERE created = 0"
        )
        run(
            "INSERT INTO review (key, kind, repository_id, digest, due, reason, added) "
            f"SELECT 'link:' || {dead} || ':' || digest, 'link', {dead}, digest, 1, "
            "'it was uploaded', 1 FROM blob WHERE created = 0"
        )
        run(f"UPDATE namespace SET used_bytes = used_bytes + {4 * blobs} WHERE name = 'team'")
    registry.database.close()
    for number in range(blobs):
        name = f"{10_000_000 + number}".ljust(32, "0")
        file = data / "blobs" / name[:2] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"dead")


class Client:
    """A connection with a token."""

    def __init__(self, url: str, token: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port or 80)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": MANIFEST}

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """Return the status of an answer that was read whole."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body or None, self._headers | named)
        with self._connection.getresponse() as answer:
            answer.read()
            return answer.status


def push(client: Client, repository: str, blob: bytes) -> str:
    """Push an image of one blob as `v1`; return the blob's digest."""
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    part = {"mediaType": "application/octet-stream", "digest": digest, "size": len(blob)}
    image = {"schemaVersion": 2, "mediaType": MANIFEST, "config": part, "layers": [part]}
    path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
    statuses = [
        client.ask("POST", path, blob, Content_Type="application/octet-stream"),
        client.ask(
            "PUT",
            f"/v2/{repository}/manifests/v1",
            json.dumps(image).encode(),
            Content_Type=MANIFEST,
        ),
    ]
    assert statuses == [201, 201], statuses
    return digest


def pull(url: str, token: str, digest: str, over: Event, into: Any) -> None:
    """Pull by turns until it is over; send back when each began and how long it took."""
    client = Client(url, token)
    paths = ("/v2/team/live/manifests/v1", f"/v2/team/live/blobs/{digest}")
    taken: list[tuple[float, int, float]] = []
    turn = 0
    begun = time.monotonic()
    while not over.is_set():
        began = time.monotonic()
        status = client.ask("GET", paths[turn % 2])
        taken.append((began, turn % 2, time.monotonic() - began))
        assert status == 200, status
        turn += 1
        time.sleep(max(begun + turn / PULLS - time.monotonic(), 0))
    into.put(taken)


def measure(
    data: Path, environ: Mapping[str, str], way: str, blobs: int, calm: float
) -> dict[str, Any]:
    """Return the latencies of pulls, in ms, before, in and after a sweep."""
    over = multiprocessing.Event()
    into: Any = multiprocessing.Queue()
    settings = dict(environ) | {"RECIPEBOX_SWEEP_EVERY": "0"}
    with running_server(data, environ=settings, workers=2) as server:
        client = Client(server.url, server.token)
        digest = push(client, "team/live", os.urandom(SIZE))
        push(client, "team/dead", b"of a repository")
    fill(data, environ.get("RECIPEBOX_DATABASE"), blobs)
    # the server's own begins some seconds after the start, which are calm
    settings["RECIPEBOX_SWEEP_EVERY"] = str(int(10 * calm)) if way == "server" else "0"
    with running_server(data, environ=settings, token=server.token, workers=2) as server:
        pullers = [
            multiprocessing.Process(
                target=pull, args=(server.url, server.token, digest, over, into)
            )
            for _ in range(CLIENTS)
        ]
        for puller in pullers:
            puller.start()
        before = time.monotonic()
        if way == "admin":
            time.sleep(calm)
        begun, told = sweep(data, environ, way, blobs)
        ended = time.monotonic()
        time.sleep(calm)
        over.set()
        taken = sorted(each for _ in pullers for each in into.get())
        for puller in pullers:
            puller.join()
    warm = before + 1  # what is asked first is made for all that follow
    parts = {
        "before": [each for each in taken if warm < each[0] < begun],
        "during": [each for each in taken if begun < each[0] < ended],
        "after": [each for each in taken if each[0] > ended],
    }
    drawn: dict[str, Any] = {"way": way, "seconds": round(ended - begun, 1), "sweep": told}
    for name, number in (("manifest", 0), ("blob", 1)):
        drawn[name] = {
            part: percentiles([took for _, kind, took in found if kind == number])
            for part, found in parts.items()
        }
    return drawn


def sweep(data: Path, environ: Mapping[str, str], way: str, blobs: int) -> tuple[float, Any]:
    """Have all dead blobs removed; return when it began, and what was said."""
    folder = data / "blobs"
    if way == "admin":
        begun = time.monotonic()
        words = "from web.commands.admin import command; command()"
        done = subprocess.run(
            [sys.executable, "-c", words, "sweep", "--json", "--data", str(data)],
            cwd=ROOT,
            env=clean_environ(environ),
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(done.stdout)
        assert told["blobs"] == blobs, told
        return begun, told
    while (left := sum(1 for _ in folder.glob("10/*"))) >= blobs:
        time.sleep(0.05)
    begun = time.monotonic()
    while (left := sum(1 for _ in folder.glob("10/*"))) > 0:
        time.sleep(0.5)
    return begun, {"left": left}


def percentiles(taken: Sequence[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the longest, in ms, and how many there were."""
    if len(taken) < 2:
        return {"count": len(taken)}
    hundredths = statistics.quantiles(taken, n=100)
    return {
        "p50": round(1000 * statistics.median(taken), 2),
        "p99": round(1000 * hundredths[98], 2),
        "longest": round(1000 * max(taken), 2),
        "count": len(taken),
    }


def main() -> None:
    """Measure, print, and end with 1 where a pull took more than twice as long."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--blobs", type=int, default=BLOBS)
    parser.add_argument("--calm", type=float, default=10, help="seconds before and after")
    parser.add_argument("--way", choices=("admin", "server"), action="append")
    parser.add_argument("--postgresql", action="store_true", help="over PostgreSQL")
    asked = parser.parse_args()
    is_good = True
    with ExitStack() as stack:
        environ: dict[str, str] = {}
        if asked.postgresql:
            from tests.tools.postgres import running_postgres

            cluster = stack.enter_context(running_postgres())
        for way in asked.way or ("admin", "server"):
            if asked.postgresql:
                environ = {"RECIPEBOX_DATABASE": cluster.create().url}
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rbt-"))
            drawn = measure(Path(folder) / "data", environ, way, asked.blobs, asked.calm)
            print(json.dumps(drawn, indent=2))
            for name in ("manifest", "blob"):
                for part in ("p50", "p99"):
                    ratio = drawn[name]["during"][part] / drawn[name]["before"][part]
                    is_good &= ratio <= LIMIT
                    print(f"{way}: {name} {part} {ratio:.2f}x")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
