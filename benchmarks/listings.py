"""Pages of a registry with very many names: `python benchmarks/listings.py [--repositories N]`.

Fills SQLite, and PostgreSQL where it is, with 100,000 repositories and 1,000,000 tags:

::

    mono/            half of the repositories, private; mono/image-0 has half of the tags
    team-0 ...       a quarter of them, 100 in each; one team of ten is public
    one-0 ...        a quarter of them, one in each; one of ten is public
    tiny/            five repositories, private

Every page is asked of the WSGI application, with a token, and `last` at random: what the network
and the HTTP server take comes on top, and is the same for any answer.
"""

import argparse
import contextlib
import io
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import peewee

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not benchmarks/, where a file would hide the package `registry`

from registry.access import Role  # noqa: E402 - the path comes first
from registry.assembly import Registry  # noqa: E402
from registry.schema import CURRENT  # noqa: E402
from web.app import create_app  # noqa: E402
from web.config import ServerConfig  # noqa: E402
from web.preparing import prepare  # noqa: E402
from web.services import build_services  # noqa: E402

LIMIT = 50.0
"""Milliseconds that 99 of 100 pages may take at most."""

REPOSITORIES = 100_000
TAGS_EACH = 10
IN_A_TEAM = 100
BIG = "mono/image-0"

_NUMBERS = (
    "WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < {})"
)


def fill(registry: Registry, repositories: int = REPOSITORIES, public: int = 10) -> None:
    """Fill an empty registry, by rows alone: there are no bytes below them.

    Of the namespaces `team-*` and `one-*`, one of `public` is public.
    """
    mono, quarter = repositories // 2, repositories // 4
    teams = max(quarter // IN_A_TEAM, 1)
    with registry.database.write():
        run: Any = CURRENT.obj.execute_sql

        def each(count: int, statement: str) -> None:
            run(f"{_NUMBERS.format(count - 1)} {statement}")

        namespace = "INSERT INTO namespace (name, is_public, owner, created) "
        for name in ("mono", "tiny"):
            run(f"{namespace} VALUES ('{name}', FALSE, 'admin', 0)")
        for prefix, count in (("team", teams), ("one", quarter)):
            shown = f"CASE WHEN i - i / {public} * {public} = 0 THEN TRUE ELSE FALSE END"
            each(count, f"{namespace} SELECT '{prefix}-' || i, {shown}, 'admin', 0 FROM numbers")
        repository = (
            "INSERT INTO repository (namespace_id, name, kind, created, created_by, is_public) "
            "SELECT namespace.id, namespace.name || '/image-' || {number}, 'plain repository', 0, "
            "'admin', namespace.is_public FROM numbers JOIN namespace ON namespace.name = {owner}"
        )
        each(mono, repository.format(number="i", owner="'mono'"))
        each(5, repository.format(number="i", owner="'tiny'"))
        each(
            quarter, repository.format(number="i", owner=f"'team-' || (i - i / {teams} * {teams})")
        )
        each(quarter, repository.format(number="0", owner="'one-' || i"))
        run(
            "INSERT INTO blob (digest, size, location, created) "
            f"SELECT {_digest('id')}, 500, 'inline', 0 FROM repository"
        )
        run(
            "INSERT INTO manifest (repository_id, blob_id, digest, media_type, size, annotations, "
            "is_staged, created, created_by) SELECT repository.id, blob.id, blob.digest, "
            "'application/vnd.oci.image.manifest.v1+json', 500, '{}', FALSE, 0, 'admin' "
            f"FROM repository JOIN blob ON blob.digest = {_digest('repository.id')}"
        )
        tag = (
            "INSERT INTO tag (repository_id, name, manifest_id, is_server_owned, changed) "
            "SELECT manifest.repository_id, 'v' || numbers.i, manifest.id, FALSE, 0 FROM "
        )
        big = f"(SELECT id FROM repository WHERE name = '{BIG}')"
        others = TAGS_EACH * repositories // 2 // (repositories - 1)
        each(max(others, 1), f"{tag} manifest, numbers WHERE manifest.repository_id <> {big}")
        each(
            TAGS_EACH * repositories // 2,
            f"{tag} manifest, numbers WHERE manifest.repository_id = {big}",
        )


def settle(registry: Registry) -> None:
    """Have the database look at what it holds, as it does by itself within minutes."""
    with registry.database.session():
        is_postgresql = isinstance(CURRENT.obj, peewee.PostgresqlDatabase)
        for statement in ("VACUUM ANALYZE", "CHECKPOINT") if is_postgresql else ("ANALYZE",):
            CURRENT.obj.execute_sql(statement)


def _digest(number: str) -> str:
    """Return an expression for a digest of a number, in both databases' SQL."""
    return f"'sha256:' || SUBSTR(CAST(10000000 + {number} AS TEXT) || '{'0' * 64}', 1, 64)"


def pages(repositories: int) -> list[tuple[str, str, list[str]]]:
    """Return what is asked: whose token, what it is called, and the paths of its pages."""
    mono, tags = repositories // 2, TAGS_EACH * repositories // 2
    asked = []
    for size in (100, 1000):
        names = [f"mono/image-{random.randrange(mono)}" for _ in range(50)]
        names += [f"one-{random.randrange(repositories // 4)}/image-0" for _ in range(50)]
        for who in ("admin", "tiny", "stranger"):
            first = [f"/v2/_catalog?n={size}"] * 10
            after = [f"/v2/_catalog?n={size}&last={quote(name)}" for name in names]
            asked.append((who, f"catalog of {size}, {who}", first + after))
        after = [f"/v2/{BIG}/tags/list?n={size}&last=v{random.randrange(tags)}" for _ in range(100)]
        asked.append(("admin", f"tags of {size}, of {tags:,}", after))
    small = [f"/v2/mono/image-{random.randrange(1, mono)}/tags/list" for _ in range(100)]
    asked.append(("admin", "tags of a small repository", small))
    return asked


def get(app: Any, path: str, token: str) -> tuple[int, bytes]:
    """Ask the application; return the status and the body."""
    route, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": route,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    statuses: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None) -> None:
        statuses.append(status)

    body = app(environ, start)
    try:
        data = b"".join(body)
    finally:
        body.close()
    return int(statuses[0].split()[0]), data


def measure(
    data: Path, url: str | None, repositories: int, rounds: int, public: int
) -> list[dict[str, Any]]:
    """Fill a database and time its pages, in milliseconds."""
    config = ServerConfig(data=data, database=url)
    prepare(config)
    services = build_services(config)
    registry = services.registry
    began = time.perf_counter()
    fill(registry, repositories, public)
    settle(registry)
    print(f"{registry.database.place}: filled in {time.perf_counter() - began:.0f} s")
    tokens = {
        "admin": registry.tokens.create("admin", Role.ADMIN).text,
        "tiny": registry.tokens.create("tiny", Role.READER, "tiny").text,
        "stranger": registry.tokens.create("stranger", Role.READER, "elsewhere").text,
    }
    app = create_app(services, config)
    results = []
    for who, name, paths in pages(repositories):
        times = []
        names = 0
        for path in paths * rounds:
            start = time.perf_counter()
            status, body = get(app, path, tokens[who])
            times.append((time.perf_counter() - start) * 1000)
            if status != 200:
                raise SystemExit(f"{path}: {status} {body.decode()}")
            drawn = json.loads(body)
            names += len(drawn.get("repositories", drawn.get("tags")))
        p99 = statistics.quantiles(times, n=100)[98]
        results.append({"name": name, "p50": statistics.median(times), "p99": p99})
        verdict = "" if p99 < LIMIT else f"   over {LIMIT:.0f}"
        shown = f"{names // len(times):5} names   p50 {statistics.median(times):6.1f} ms"
        print(f"  {name:34} {shown}   p99 {p99:6.1f} ms{verdict}")
    registry.database.close()
    return results


@contextlib.contextmanager
def databases(wanted: str) -> Iterator[list[tuple[str, str | None]]]:
    """Give the URL of each database that was asked for; None is SQLite."""
    with contextlib.ExitStack() as stack:
        found: list[tuple[str, str | None]] = []
        if wanted in {"sqlite", "both"}:
            found.append(("sqlite", None))
        if wanted in {"postgresql", "both"}:
            from tests.tools.postgres import running_postgres

            cluster = stack.enter_context(running_postgres())
            found.append(("postgresql", cluster.create().url))
        yield found


def main() -> None:
    """Measure what the command line asks for; end with 1 where a page takes too long."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repositories", type=int, default=REPOSITORIES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--public", type=int, default=10, help="one namespace of so many is")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = parser.parse_args()
    random.seed(4)
    slow = 0
    with databases(given.database) as found, tempfile.TemporaryDirectory() as folder:
        for name, url in found:
            results = measure(
                Path(folder) / name, url, given.repositories, given.rounds, given.public
            )
            slow += sum(1 for result in results if result["p99"] >= LIMIT)
    raise SystemExit(1 if slow else 0)


if __name__ == "__main__":
    main()
