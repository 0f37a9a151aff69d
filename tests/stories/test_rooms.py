"""The client's own rooms: cache, credentials, pins, output, index source, layout."""

import base64
import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.errors
import pytest

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.client import Client
from recipebox.config import Credentials, Places, read_json, write_atomically
from recipebox.errors import (
    ClientError,
    Misuse,
    NotCached,
    UnknownSigner,
    Unreachable,
    Unsigned,
)
from recipebox.invocation import Invocation
from recipebox.output import Output, clean, human_size, human_time
from recipebox.source import CachedSource, RegistrySource
from recipebox.transport import Transport
from recipebox.trust import Decision, TrustStore, decide
from resolver.candidate import Candidate
from resolver.requirement import Requirement
from resolver.source import PackageIndex, encode_index
from resolver.version import Version
from tests.fakes import WsgiAdapter
from tests.stories.machines import URL, Machine

A, B = "A" * 40, "B" * 40
ETL = PackageName("team", "etl")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "config", tmp_path / "cache")


# The cache


def test_what_is_put_is_found_and_verified_at_each_read(places: Places) -> None:
    cache = Cache(places.cache)
    digest = cache.put(b"content")

    path = cache.find(digest)
    assert path is not None
    assert path.read_bytes() == cache.read(digest) == b"content"

    for read in (cache.find, cache.read):
        path.write_bytes(b"rotten!")
        assert read(digest) is None  # type: ignore[operator]
        assert not path.exists()
        assert read(digest) is None  # type: ignore[operator]
        cache.put(b"content")


def test_other_bytes_than_announced_never_appear(places: Places) -> None:
    cache = Cache(places.cache)

    with pytest.raises(DigestMismatch), cache.writing(Digest.of(b"a")) as file:
        file.write(b"b")

    assert cache.usage().files == 0


def test_index_answers_that_make_no_sense_are_no_answers(places: Places) -> None:
    cache = Cache(places.cache)
    assert cache.index_entry(URL, "team/etl") is None
    cache.keep_index_entry(URL, "team/etl", etag='"e"', as_of=3, body="x")
    kept = cache.index_entry(URL, "team/etl")
    assert kept is not None
    assert kept["as_of"] == 3

    (path,) = (places.cache / "index").iterdir()
    told: list[str] = []
    damaged = (
        "not json",
        "[]",
        "[" * 100_000,
        '{"schema_version": 2}',
        json.dumps(kept | {"as_of": 4}),
    )
    for text in damaged:
        path.write_text(text)
        assert cache.index_entry(URL, "team/etl", told.append) is None
    assert len(told) == len(damaged)
    assert "index of team/etl is damaged" in told[0]
    assert str(path) in told[0]
    path.write_text(json.dumps(kept | {"schema_version": 1}))
    assert cache.index_entry(URL, "team/etl", told.append) is None
    assert len(told) == len(damaged)  # of an earlier version: nothing is wrong


def test_prune_removes_what_was_not_read_for_long(places: Places) -> None:
    cache = Cache(places.cache)
    old, new = cache.put(b"old"), cache.put(b"newer")
    path = cache.find(old)
    assert path is not None
    os.utime(path, (0, 0))

    removed = cache.prune(60)

    assert (removed.files, removed.size) == (1, 3)
    assert cache.find(old) is None
    assert cache.find(new) is not None


# Configuration and credentials


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    path.mkdir()

    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"two")

    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert read_json(path) == {}
    for text, said in (("{", "not JSON"), ("[]", "is None"), ('{"schema_version": 9}', "is 9")):
        path.write_text(text)
        with pytest.raises(ClientError, match=said):
            read_json(path)


class MemoryRing(keyring.backend.KeyringBackend):
    """A system's keyring, in memory; it may be locked."""

    priority = 9.0  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def _open(self) -> None:
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring() -> Iterator[MemoryRing]:
    before = keyring.get_keyring()
    ring = MemoryRing()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def test_a_token_is_kept_in_the_systems_keyring_where_there_is_one(
    places: Places, ring: MemoryRing
) -> None:
    credentials = Credentials(places)

    assert credentials.keep(URL, "secret") == "the system's keyring"

    assert credentials.find_token(URL) == "secret"
    assert credentials.default_url() == URL
    assert "secret" not in credentials.path.read_text()
    assert credentials.forget(URL)
    assert ring.kept == {}
    assert credentials.default_url() is None


def test_a_locked_keyring_leaves_the_file(places: Places, ring: MemoryRing) -> None:
    ring.locked = True
    credentials = Credentials(places)

    assert credentials.keep(URL, "secret") == str(credentials.path)

    assert credentials.find_token(URL) == "secret"
    assert credentials.forget(URL)
    assert not credentials.forget("https://other.example")


def test_without_the_keyring_library_there_is_the_file(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    credentials = Credentials(places)

    assert credentials.keep(URL, "secret") == str(credentials.path)
    assert credentials.find_token(URL) == "secret"


def test_dockers_log_in_is_understood(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = Credentials(places)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert credentials.find_token("https://a.example") is None
    (tmp_path / ".docker").mkdir()
    auth = base64.b64encode(b"any:rbx_1_2").decode()
    auths = {"auths": {"a.example": {"auth": auth}}}
    (tmp_path / ".docker/config.json").write_text(json.dumps(auths))

    assert credentials.find_token("https://a.example") == "rbx_1_2"
    assert credentials.find_token("https://b.example") is None


# Pins


def test_the_decision_as_a_table() -> None:
    table: list[tuple[list[str], list[str], Decision | type[Exception]]] = [
        ([], [], Unsigned),
        ([A], [], Unsigned),
        ([], [A], Decision((A,), is_first_use=True)),
        ([], [B, A, A], Decision((A, B), is_first_use=True)),
        ([A], [A], Decision((A,), is_first_use=False)),
        ([A], [A, B], Decision((A,), is_first_use=False)),
        ([A], [B], UnknownSigner),
    ]
    for pinned, signers, expected in table:
        if isinstance(expected, Decision):
            assert decide("team", "x", pinned, signers) == expected
        else:
            with pytest.raises(expected):
                decide("team", "x", pinned, signers)


def test_pins_are_by_registry(places: Places) -> None:
    here, there = TrustStore(places, URL), TrustStore(places, "https://other.example")
    assert here.add("team", A, "command")
    assert here.add("team", B, "command")
    assert not here.add("team", A, "command")

    assert there.pins() == []
    assert here.fingerprints("team") == [A, B]
    here.remove("team", A)
    assert here.fingerprints("team") == [B]
    with pytest.raises(Misuse):
        here.add("team", "ABCD", "command")
    assert here.find_key(A) is None


# Output


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")]
)
def test_sizes_for_people(count: int, said: str) -> None:
    assert human_size(count) == said


def test_times_for_people() -> None:
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    table = {"seconds": "just now", "minutes": "3 minutes ago", "hours": "3 hours ago"}
    for unit, said in table.items():
        assert human_time((now - timedelta(**{unit: 3})).isoformat(), now) == said
    assert human_time("2026-01-01T12:00:00", now) == "1 day ago"
    assert human_time("soon") == "soon"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_only_on_a_terminal_and_never_against_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen, pipe = Screen(), io.StringIO()
    Output(stdout=screen).say("x", "good")
    Output(stdout=pipe).say("x", "good")
    assert screen.getvalue() == "\x1b[32mx\x1b[0m\n"
    assert pipe.getvalue() == "x\n"

    monkeypatch.setenv("NO_COLOR", "1")
    Output(stdout=(plain := Screen())).say("x", "good")
    Output(stdout=pipe, color="always").say("y", "bad")
    assert plain.getvalue() == "x\n"
    assert pipe.getvalue() == "x\n\x1b[31my\x1b[0m\n"


def test_control_codes_are_taken_out() -> None:
    assert clean("a\x1b[2Jb\u202ec\nd\te") == "a?[2Jb?c\nd\te"


def test_progress_is_a_bar_on_a_terminal_and_a_line_elsewhere() -> None:
    screen, pipe = Screen(), io.StringIO()
    for stream in (screen, pipe):
        with Output(stderr=stream).progress("fetched", 10) as advance:
            advance(10)
    with Output(stderr=pipe).progress("nothing", 0):
        pass

    assert "\x1b[" in screen.getvalue()
    assert pipe.getvalue().startswith("fetched: 10 B in ")
    assert pipe.getvalue().count("\n") == 1


def test_what_goes_on_is_a_line_that_is_rewritten_on_a_terminal_and_cleared() -> None:
    screen = Screen()
    with Output(stderr=screen).counting(
        "solving", iter([0.0, 0.9, 1.0, 1.0, 1.05]).__next__
    ) as tell:
        for place in range(3):
            tell(f"{place} rounds")
    assert screen.getvalue() == "\rsolving: 1 rounds\x1b[K\r\x1b[K"


def test_a_line_that_is_written_meanwhile_stands_by_itself() -> None:
    screen = Screen()
    output = Output(stderr=screen, color="never")
    with output.counting("solving", iter([0.0, 2.0, 2.0]).__next__) as tell:
        tell("1 rounds")
        output.warn("the cache was damaged")
    assert screen.getvalue() == "\rsolving: 1 rounds\x1b[K\r\x1b[Kthe cache was damaged\n"


def test_what_goes_on_is_a_line_each_ten_seconds_elsewhere() -> None:
    pipe = io.StringIO()
    clock = iter([0.0, 9.9, 10.0, 10.0, 19.9, 20.0, 20.0]).__next__
    with Output(stderr=pipe).counting("solving", clock) as tell:
        for place in range(4):
            tell(f"{place} rounds")
    assert pipe.getvalue() == "solving: 1 rounds\nsolving: 3 rounds\n"


def test_quiet_shows_nothing_of_what_goes_on() -> None:
    screen = Screen()
    with Output(stderr=screen, quiet=True).counting(
        "solving", iter([0.0, 99.0, 99.0]).__next__
    ) as tell:
        tell("1 rounds")
    assert screen.getvalue() == ""


def test_an_empty_table_is_nothing() -> None:
    output = Output(stdout=io.StringIO())
    output.table([])
    assert output.stdout.getvalue() == ""  # type: ignore[attr-defined]


# The index


def an_index(name: PackageName, revision: int, *versions: str) -> bytes:
    published = datetime(2026, 1, 1, tzinfo=UTC)
    releases = (
        Candidate(name, Version.parse(version), Digest.of(version.encode()), 1, published)
        for version in versions
    )
    return encode_index(PackageIndex(name, revision, tuple(releases)))


class IndexServer:
    """Answers with the indexes that it was given, by ETag."""

    def __init__(self, revision: object = 5) -> None:
        self.revision = revision
        self.bodies: dict[str, bytes] = {}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == "/index/revision.json":
            start("200 OK", [])
            return [json.dumps({"revision": self.revision}).encode()]
        body = self.bodies.get(path)
        if body is None:
            start("404 Not Found", [])
            return [b"{}"]
        etag = f'"{Digest.of(body).hex}"'
        if environ.get("HTTP_IF_NONE_MATCH") == etag:
            start("304 Not Modified", [("ETag", etag)])
            return []
        start("200 OK", [("ETag", etag)])
        return [body]


def a_source(server: IndexServer, places: Places) -> tuple[RegistrySource, WsgiAdapter]:
    transport = Transport(URL)
    adapter = WsgiAdapter(server)
    transport.mount(adapter)
    return RegistrySource(transport, Cache(places.cache)), adapter


def test_one_solve_is_of_one_revision_and_reads_each_package_once(places: Places) -> None:
    server = IndexServer()
    server.bodies["/index/team/etl.json"] = an_index(ETL, 3, "1.0.0")
    source, adapter = a_source(server, places)

    assert source.find_index(ETL) == source.find_index(ETL)
    server.revision = 6
    assert source.revision == 5
    assert source.find_index(PackageName("team", "none")) is None

    assert adapter.requests == [
        ("GET", "/index/revision.json"),
        ("GET", "/index/team/etl.json?as_of=5"),
        ("GET", "/index/team/none.json?as_of=5"),
    ]


def test_an_answer_travels_again_only_when_it_changed(places: Places) -> None:
    server = IndexServer()
    server.bodies["/index/team/etl.json"] = an_index(ETL, 3, "1.0.0")
    first = a_source(server, places)[0].find_index(ETL)

    server.revision = 6
    again = a_source(server, places)[0].find_index(ETL)
    server.bodies["/index/team/etl.json"] = an_index(ETL, 7, "1.0.0", "1.1.0")
    server.revision = 7
    newer = a_source(server, places)[0].find_index(ETL)

    assert first == again
    assert newer is not None
    assert len(newer.releases) == 2


@pytest.mark.parametrize("revision", [None, "5", -1, True])
def test_a_revision_that_is_none(revision: object, places: Places) -> None:
    with pytest.raises(Unreachable, match="not a number"):
        _ = a_source(IndexServer(revision), places)[0].revision


def test_offline_the_roots_say_which_revision_it_is(places: Places) -> None:
    cache = Cache(places.cache)
    clean_name = PackageName("team", "clean")

    def keep(name: PackageName, as_of: int, changed: int) -> None:
        body = an_index(name, changed, "1.0.0").decode()
        cache.keep_index_entry(URL, str(name), etag="", as_of=as_of, body=body)

    keep(ETL, as_of=10, changed=4)
    source = CachedSource(URL, cache, [ETL])
    assert source.revision == 10

    keep(clean_name, as_of=12, changed=7)  # read later, and not changed since 7: still so at 10
    assert source.find_index(clean_name) is not None
    for as_of, changed in ((9, 7), (12, 11)):  # not known at 10; changed after it
        keep(clean_name, as_of=as_of, changed=changed)
        with pytest.raises(NotCached, match="of revision 10"):
            CachedSource(URL, cache, [ETL]).find_index(clean_name)
    assert source.find_index(clean_name) is not None  # one solve reads each once
    with pytest.raises(NotCached, match="not in the cache"):
        source.find_index(PackageName("team", "none"))


# The Python API


def test_a_client_closes_what_it_opened(other: Machine) -> None:
    with other.client() as client:
        assert client.search("") == []
        assert client.transport is client.transport
    client.close()
    with other.client():
        pass


def test_offline_nothing_is_asked(other: Machine) -> None:
    with pytest.raises(NotCached):
        other.client(offline=True).whoami()


def test_a_solve_says_which_package_is_not_there(author: Machine) -> None:
    with pytest.raises(ClientError, match="there is no package team/none"):
        author.client().lock(["team/none"])
    assert Requirement.parse("team/none").package == PackageName("team", "none")


def test_a_client_of_the_platforms_own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x/config")
    client = Client(URL)

    assert client.places.config == Path("/x/config/recipebox")
    client.close()


def test_an_invocation_reads_and_writes_files_and_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("typed"))
    assert Invocation.read_text("-") == "typed"
    Invocation.write_text(str(tmp_path / "x"), "written")
    assert Invocation.read_text(str(tmp_path / "x")) == "written"
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644
    Invocation.write_text("-", "out")
    assert capfd.readouterr().out == "out"
