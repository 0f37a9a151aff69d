"""The index as the client reads it: ahead, several names at once, each once, from a cache."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.config import Places
from recipebox.errors import NotCached, Unreachable
from recipebox.source import CachedSource, RegistrySource
from recipebox.transport import Transport
from resolver.candidate import Candidate, Environment, Yank
from resolver.errors import IndexMoved, ResolutionImpossible
from resolver.requirement import Requirement
from resolver.solve import solve
from resolver.source import PackageIndex, encode_index, index_document
from resolver.version import Version
from tests.fakes import WsgiAdapter
from tests.stories.machines import URL, Machine
from tests.tools.server import wait_until

HERE = Environment("3.11", "linux/amd64")
MADE = datetime(2026, 1, 1, tzinfo=UTC)
REVISION = 5
LIMIT = 30


def name_of(text: str) -> PackageName:
    return PackageName.parse(text)


def wanted(*texts: str) -> list[Requirement]:
    return [Requirement.parse(text) for text in texts]


class Server:
    """An index of packages, each {version: requirements}; counts who is asked for, and at once.

    Each answer waits in `gate`, once the revision was asked for.
    """

    def __init__(self, packages: Mapping[str, Mapping[str, Iterable[str]]]) -> None:
        self.indexes = {name: self.an_index(name, one) for name, one in packages.items()}
        self.asked: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.revision = REVISION
        self.gate: Callable[[], object] = lambda: None
        self.most = self._inside = 0
        self._lock = threading.Lock()

    @staticmethod
    def an_index(
        name: str, releases: Mapping[str, Iterable[str]], revision: int = 1, yanked: str = ""
    ) -> PackageIndex:
        package = name_of(name)
        return PackageIndex(
            package,
            revision,
            tuple(
                Candidate(
                    package,
                    Version.parse(version),
                    Digest.of(f"{name} {version}".encode()),
                    1,
                    MADE,
                    tuple(wanted(*requires)),
                    yanked=Yank("it drops rows", MADE) if version == yanked else None,
                )
                for version, requires in releases.items()
            ),
        )

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == "/index/revision.json":
            start("200 OK", [])
            return [json.dumps({"revision": self.revision}).encode()]
        name = path.removeprefix("/index/").removesuffix(".json")
        with self._lock:
            self.asked[name] += 1
            self._inside += 1
            self.most = max(self.most, self._inside)
        try:
            self.gate()
            return self._answer(name, environ.get("HTTP_IF_NONE_MATCH"), start)
        finally:
            with self._lock:
                self._inside -= 1

    def _answer(self, name: str, etag: str | None, start: Callable[..., Any]) -> list[bytes]:
        index = self.indexes.get(name)
        body = b"{}" if index is None else encode_index(index)
        found = f'"{Digest.of(body).hex}"'
        status = "404 Not Found" if index is None else "200 OK"
        if index is not None and etag == found:
            status, body = "304 Not Modified", b""
        self.statuses[status[:3]] += 1
        start(status, [("ETag", found)])
        return [body]


CHAIN = {
    "team/a": {"2.0.0": ["team/b ^1"], "1.0.0": ["team/old *"]},
    "team/b": {"2.0.0": ["team/far *"], "1.1.0": ["team/c *", "team/d *"]},
    "team/c": {"1.0.0": ["team/e *"]},
    "team/d": {"1.0.0": ["team/e *"]},
    "team/e": {"1.0.0": []},
    "team/far": {"1.0.0": []},
    "team/old": {"1.0.0": []},
}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(Places(tmp_path / "config", tmp_path / "cache").cache)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def shown() -> list[object]:
    """What a progress line was told."""
    return []


@pytest.fixture
def opened(cache: Cache, told: list[str], shown: list[object]) -> Callable[..., Any]:
    @contextmanager
    def open_it(server: Server, jobs: int = 4) -> Iterator[RegistrySource]:
        transport = Transport(URL, retries=0)
        transport.mount(WsgiAdapter(server))
        with RegistrySource(
            transport, cache, jobs=jobs, tell=told.append, progress=shown.append
        ) as source:
            yield source

    return open_it


def test_what_will_be_needed_is_read_before_anybody_asks(opened: Callable[..., Any]) -> None:
    server = Server(CHAIN)
    with opened(server) as source:
        source.expect(wanted("team/a"))
        wait_until(lambda: server.asked["team/e"] == 1)

        # of each the newest release in the range: nothing of team/far and team/old
        assert set(server.asked) == {"team/a", "team/b", "team/c", "team/d", "team/e"}


def test_a_solve_asks_for_each_name_once(opened: Callable[..., Any]) -> None:
    server = Server(CHAIN)
    with opened(server) as source:
        source.expect(wanted("team/a", "team/d"))
        solution = solve(wanted("team/a", "team/d"), source, HERE)

    assert [str(one) for one in solution.candidates.values()] == [
        "team/a 2.0.0",
        "team/b 1.1.0",
        "team/c 1.0.0",
        "team/d 1.0.0",
        "team/e 1.0.0",
    ]
    assert set(server.asked.values()) == {1}


def test_it_is_told_how_many_were_read(opened: Callable[..., Any], shown: list[object]) -> None:
    with opened(Server(CHAIN)) as source:
        source.expect(wanted("team/a"))
        solve(wanted("team/a"), source, HERE)

    assert {str(each) for each in shown} == {f"{count} packages read" for count in range(1, 6)}


def test_a_yanked_release_leads_nowhere(opened: Callable[..., Any]) -> None:
    server = Server(CHAIN)
    server.indexes["team/a"] = Server.an_index("team/a", CHAIN["team/a"], yanked="2.0.0")
    with opened(server) as source:
        source.expect(wanted("team/a"))
        wait_until(lambda: server.asked["team/old"] == 1)

    assert set(server.asked) == {"team/a", "team/old"}


@pytest.mark.parametrize("jobs", [1, 3])
def test_as_many_are_read_at_once_as_jobs_says(jobs: int, opened: Callable[..., Any]) -> None:
    names = [f"team/p{number}" for number in range(2 * jobs)]
    server = Server({name: {"1.0.0": []} for name in names})
    server.gate = threading.Barrier(jobs, timeout=LIMIT).wait  # opens for so many together
    with opened(server, jobs) as source:
        source.read_ahead([name_of(name) for name in names])
        for name in names:
            assert source.find_index(name_of(name)) is not None

    assert server.most == jobs
    assert sum(server.asked.values()) == len(names)


def test_a_second_solve_has_unchanged_names_confirmed_where_the_index_moved(
    opened: Callable[..., Any],
) -> None:
    server = Server(CHAIN)
    for server.revision in (REVISION, REVISION, REVISION + 1):
        with opened(server) as source:
            source.expect(wanted("team/a"))
            solve(wanted("team/a"), source, HERE)

    assert server.statuses == {"200": 5, "304": 5}


def test_that_a_package_is_not_there_is_asked_anew(opened: Callable[..., Any]) -> None:
    """It may only have been hidden from another token."""
    server = Server({})
    with opened(server) as source:
        assert source.find_index(name_of("team/a")) is None
    server.indexes["team/a"] = Server.an_index("team/a", {"1.0.0": []})
    with opened(server) as source:
        assert source.find_index(name_of("team/a")) is not None


def test_a_failure_is_told_to_whoever_asks_and_to_nobody_else(opened: Callable[..., Any]) -> None:
    server = Server({"team/a": {"1.0.0": []}, "team/b": {"1.0.0": []}})
    with opened(server) as source:
        assert source.revision == REVISION

        def broken() -> None:
            raise ConnectionError("reset")

        server.gate = broken
        source.expect(wanted("team/b"))
        with pytest.raises(Unreachable):
            source.find_index(name_of("team/b"))
        server.gate = lambda: None
        assert source.find_index(name_of("team/a")) is not None


def test_a_closed_source_reads_nothing_more(opened: Callable[..., Any]) -> None:
    server = Server(CHAIN)
    with opened(server) as source:
        source.find_index(name_of("team/a"))
    source.expect(wanted("team/b"))
    with pytest.raises(ValueError, match="closed"):
        source.find_index(name_of("team/b"))

    assert set(server.asked) == {"team/a"}


def test_an_index_that_changed_between_two_reads_is_an_error(opened: Callable[..., Any]) -> None:
    server = Server(CHAIN)
    newer = Server.an_index("team/b", CHAIN["team/b"], revision=REVISION + 1)
    server.indexes["team/b"] = newer
    with opened(server) as source, pytest.raises(IndexMoved, match="team/b changed at revision 6"):
        solve(wanted("team/a"), source, HERE)


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_cache_is_said_and_read_again(
    damage: str, opened: Callable[..., Any], cache: Cache, told: list[str]
) -> None:
    server = Server({"team/a": {"1.0.0": []}})
    with opened(server) as source:
        first = source.find_index(name_of("team/a"))
    (path,) = (cache.root / "index").iterdir()
    text = path.read_text()
    changed = {"cut": text[:-20], "changed": text.replace("1.0.0", "9.0.0"), "emptied": ""}
    assert changed[damage] != text
    path.write_text(changed[damage])

    with opened(server) as source:
        assert source.find_index(name_of("team/a")) == first

    assert len(told) == 1
    assert "the cache's index of team/a is damaged" in told[0]
    assert server.statuses == {"200": 2}
    assert path.read_text() == text


def test_what_the_cache_can_not_read_is_read_again(
    opened: Callable[..., Any], cache: Cache, told: list[str]
) -> None:
    server = Server({"team/a": {"1.0.0": []}})
    later = index_document(server.indexes["team/a"]) | {"schema_version": 99}
    cache.keep_index_entry(URL, "team/a", etag='"x"', as_of=1, body=json.dumps(later))

    with opened(server) as source:
        assert source.find_index(name_of("team/a")) is not None

    assert len(told) == 1
    assert "99 is not understood" in told[0]


def test_offline_gives_the_same_answer(opened: Callable[..., Any], cache: Cache) -> None:
    packages = CHAIN | {"team/b": {"2.0.0": ["team/gone *"], "1.1.0": ["team/e *"]}}
    server = Server(packages | {"team/a": {"1.0.0": ["team/b *"]}})
    with opened(server) as source:
        online = solve(wanted("team/a"), source, HERE)
    assert server.statuses["404"] == 1  # team/gone, which is known not to be there

    offline = solve(wanted("team/a"), CachedSource(URL, cache, [name_of("team/a")]), HERE)

    assert offline == online


def test_offline_a_name_that_is_not_cached_is_named(
    opened: Callable[..., Any], cache: Cache, told: list[str]
) -> None:
    with opened(Server(CHAIN)) as source:
        for name in ("team/a", "team/b"):
            source.find_index(name_of(name))
    cached = CachedSource(URL, cache, [name_of("team/a")], told.append)

    with pytest.raises(NotCached, match="team/c: not in the cache") as raised:
        solve(wanted("team/a"), cached, HERE)
    assert raised.value.values["package"] == "team/c"
    for path in (cache.root / "index").iterdir():
        path.write_text("{")
    with pytest.raises(NotCached, match="team/a: not in the cache"):
        CachedSource(URL, cache, [name_of("team/a")], told.append).find_index(name_of("team/a"))

    assert [line for line in told if "team/a is damaged" in line]


def test_the_command_line_reads_ahead_and_says_what_was_damaged(
    publish: Callable[..., Path], other: Machine, tmp_path: Path
) -> None:
    publish("team/clean", "1.0.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    lock = tmp_path / "recipebox.lock"
    other.adapter.requests.clear()

    other.rb("lock", "team/etl", "-o", lock)

    asked = [path for _, path in other.adapter.requests if path.startswith("/index/team")]
    assert sorted(path.partition("?")[0] for path in asked) == [
        "/index/team/clean.json",
        "/index/team/etl.json",
    ]
    for path in (other.cache.root / "index").iterdir():
        path.write_text("half of i")
    said = other.rb("lock", "team/etl", "-o", lock)
    assert "index of team/clean is damaged" in said.err
    assert "index of team/etl is damaged" in said.err
    other.rb("--offline", "lock", "team/etl", "-o", lock)


def test_an_explanation_needs_no_more_than_the_index(opened: Callable[..., Any]) -> None:
    server = Server(CHAIN)
    with opened(server) as source, pytest.raises(ResolutionImpossible, match="You require team/b"):
        solve(wanted("team/a ^2", "team/b ^2"), source, HERE)

    assert set(server.asked.values()) == {1}
