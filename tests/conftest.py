"""What every suite shares: no sockets in unit tests, long forms, a count of missing parts."""

import os
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pytest_socket import enable_socket

from tests.tools.databases import Databases, PostgresDatabases, using
from tests.tools.parts import missing_part
from tests.tools.postgres import Cluster, running_postgres

DATABASES = ("sqlite", "postgresql")
HERE = Path(__file__).resolve().parent
SOCKETLESS = (HERE / "unit", HERE / "stories")
UNMEASURED = (HERE / "solving", HERE / "imports", HERE / "faults", HERE / "packing")
"""Suites that coverage doesn't watch: it makes them three times as slow, and their code is tested
piece by piece elsewhere."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="random tests try 1,000 examples each instead of 100"
    )
    parser.addoption(
        "--database",
        action="append",
        choices=DATABASES,
        help="run the registry's tests over this database; may be given twice (default: sqlite)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses a registry once for each database that was asked for."""
    if "database_kind" not in metafunc.fixturenames:
        return
    kinds = metafunc.config.getoption("--database") or ["sqlite"]
    if metafunc.definition.get_closest_marker("sqlite"):
        kinds = ["sqlite"]
    if kinds != ["sqlite"]:
        metafunc.parametrize("database_kind", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def database_kind(request: pytest.FixtureRequest) -> str:
    """Return what registries keep their rows in."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL, for all tests of this process that ask for it."""
    guarded = socket.socket
    enable_socket()  # to find a free port; libpq's own sockets aren't guarded
    try:
        starting = running_postgres()
        started = starting.__enter__()
    finally:
        socket.socket = guarded  # type: ignore[misc]
    try:
        yield started
    finally:
        starting.__exit__(None, None, None)


@pytest.fixture(scope="session")
def once() -> dict[object, Any]:
    """What was made for each database, kept while tests change between them."""
    return {}


@pytest.fixture(scope="session")
def kept_databases(
    database_kind: str, once: dict[object, Any], request: pytest.FixtureRequest
) -> Iterator[Databases]:
    """Have registries keep their rows in a database of the asked kind."""
    if database_kind not in once:
        is_sqlite = database_kind == "sqlite"
        cluster = None if is_sqlite else request.getfixturevalue("cluster")
        once[database_kind] = Databases() if is_sqlite else PostgresDatabases(cluster)
    with using(once[database_kind]):
        yield once[database_kind]


@pytest.fixture
def own_databases(kept_databases: Databases) -> Iterator[Databases]:
    """The same, where a test's own databases go with the test."""
    before = kept_databases.folders()
    yield kept_databases
    for data in kept_databases.folders() - before:
        kept_databases.drop(data)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: on a disk, a push waits for some 30 fsyncs."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="rbt-", dir=memory) as made:
        yield Path(made)


@pytest.fixture(autouse=True)
def on_sqlite(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep another test's database, whose fixtures outlive it, from one that asks for none."""
    if "database_kind" in request.fixturenames:
        yield
        return
    with using(Databases()):
        yield


@pytest.hookimpl(tryfirst=True)  # before pytest-socket reads its option
def pytest_configure(config: pytest.Config) -> None:
    config.option.allow_unix_socket = True
    _hear_what_ends_a_command()
    settings.register_profile("ordinary", deadline=None, derandomize=bool(os.environ.get("CI")))
    settings.register_profile("long", deadline=None, max_examples=1000)
    settings.load_profile("long" if config.getoption("--long") else "ordinary")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in UNMEASURED) or _is_repeated(item):
            item.add_marker("no_cover")
        is_socketless = any(item.path.is_relative_to(folder) for folder in SOCKETLESS)
        # said of every test: one that patches a guarded function leaves the guard to those after it
        item.add_marker("disable_socket" if is_socketless else "enable_socket")


def _hear_what_ends_a_command() -> None:
    """Undo what a shell's background job, or nohup, has us and all children ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _is_repeated(item: pytest.Item) -> bool:
    """Whether it is the same story that is told over SQLite, too."""
    callspec = getattr(item, "callspec", None)
    kind = None if callspec is None else callspec.params.get("database_kind")
    return kind == "postgresql" and item.path.is_relative_to(HERE / "stories")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    conformance = [
        said for report in passed for name, said in report.user_properties if name == "conformance"
    ]
    if conformance:
        terminalreporter.section("official conformance suite")
        for said in sorted(set(conformance)):
            terminalreporter.write_line(said)
    counts = Counter(
        part
        for report in terminalreporter.stats.get("skipped", [])
        if (part := missing_part(str(report.longrepr)))
    )
    if counts:
        terminalreporter.section("parts that are not here")
        for part, count in sorted(counts.items()):
            terminalreporter.write_line(f"{part}: {count} skipped (python -m tests.tools.install)")
