"""Bad input over HTTP: tokens, versions, tampered disks, the server's tags, names that climb."""

import contextlib
import json
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from artifacts.digest import Digest
from registry.schema import INLINE
from tests.checkouts import a_counting_checkout
from tests.e2e.support import (
    APPLICATION,
    FIRST,
    PACKAGE,
    SECOND,
    TIMEOUT,
    Machine,
    Stage,
    add_namespace,
    ask,
    build,
    make_stage,
)
from tests.tools.server import RunningServer, make_token, running_server

pytestmark = pytest.mark.real

FAILED, USAGE, UNTRUSTED, CONFLICT, NETWORK = 1, 2, 4, 5, 6


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return make_stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def server(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One for the tests that change nothing that others look at.

    It keeps no answers in memory: there they are as they were before its disk was tampered with.
    """
    data = stage.copy(tmp_path_factory.mktemp("server"))
    environ = {"RECIPEBOX_CACHE_MEMORY": "0"}
    with running_server(data, token=stage.token, environ=environ) as running:
        yield running


@pytest.fixture
def served(server: RunningServer, stage: Stage) -> tuple[RunningServer, Stage]:
    return server, stage


@pytest.fixture
def bob(server: RunningServer, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "bob", server.url, server.token)


class TestTokens:
    @pytest.mark.parametrize("words", [("publish",), ("fetch", PACKAGE, "--out", "jobs")])
    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("none", "RECIPEBOX_TOKEN"),
            ("wrong", "token"),
            ("expired", "expired"),
            ("revoked", "token"),
        ],
    )
    def test_one_that_is_not_good_is_refused_and_says_why(
        self,
        words: tuple[str, ...],
        kind: str,
        said: str,
        bob: Machine,
        served: tuple[RunningServer, Stage],
    ) -> None:
        server, stage = served
        token = {
            "none": "",
            "wrong": "rbx_000000000000_" + "0" * 64,
            "expired": make_token(server.data, "admin", "--expires", "30d"),
            "revoked": make_token(server.data, "admin"),
        }[kind]
        if kind in {"expired", "revoked"}:
            with contextlib.closing(sqlite3.connect(server.data / "registry.sqlite3")) as database:
                change = f"update token set {kind.replace('expired', 'expires')} = 1"
                database.execute(f"{change} where public_id = ?", [token.split("_")[1]])
                database.commit()
        stranger = replace(bob, token=token)
        if words == ("publish",):
            words = ("publish", str(stage.second))

        done = stranger.run(*words, expected=UNTRUSTED)

        assert said in done.err
        assert not token or token not in done.err
        assert not (stranger.home / "jobs").exists()
        assert ask(server, f"/api/v1/packages/{PACKAGE}", token).status_code == 401

    def test_a_reader_may_not_publish(
        self, server: RunningServer, bob: Machine, stage: Stage
    ) -> None:
        reader = replace(bob, token=make_token(server.data, "reader"))

        done = reader.run("publish", stage.second, expected=UNTRUSTED)

        assert "reader" in done.err
        listed = ask(server, f"/index/{PACKAGE}.json", server.token).json()["releases"]
        assert [each["version"] for each in listed] == [FIRST]

    def test_a_publisher_of_another_namespace_sees_nothing(
        self, server: RunningServer, bob: Machine, stage: Stage
    ) -> None:
        add_namespace(bob, "others")
        token = make_token(server.data, "publisher", "--namespace", "others")
        stranger = replace(bob, token=token)

        assert stranger.run("publish", stage.second, expected=None).exit_code in {3, UNTRUSTED}
        assert stranger.run("info", PACKAGE, expected=3).exit_code == 3
        assert ask(server, f"/index/{PACKAGE}.json", token).status_code == 404


class TestVersions:
    def test_the_same_bytes_again_are_a_success(
        self, server: RunningServer, bob: Machine, stage: Stage
    ) -> None:
        before = ask(server, "/index/revision.json", server.token).json()
        done = bob.run("publish", stage.first, "--json").json
        assert (done["version"], done["sent_blobs"]) == (FIRST, 0)
        assert ask(server, "/index/revision.json", server.token).json() == before

    def test_other_bytes_are_a_conflict_that_names_both_digests(
        self, server: RunningServer, bob: Machine, tmp_path: Path
    ) -> None:
        recipe = a_counting_checkout(tmp_path / "checkout", **{"data/lines.txt": "other\n"})
        out = build(bob, recipe, tmp_path / "built", "--name", PACKAGE, "--version", FIRST)
        listed = ask(server, f"/index/{PACKAGE}.json", server.token).json()["releases"][0]

        offered = bob.run("publish", out, "--dry-run", "--json").json["digest"]
        done = bob.run("publish", out, expected=CONFLICT)

        assert listed["digest"] in done.err
        assert offered in done.err
        assert offered != listed["digest"]
        answer = ask(
            server,
            f"/api/v1/packages/{PACKAGE}/releases",
            server.token,
            "POST",
            json={"digest": offered},
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "release_exists")
        assert (answer.json()["listed"], answer.json()["offered"]) == (listed["digest"], offered)


class TestTampering:
    """Somebody changed what is on the server's disk; the client believes nothing of it."""

    @pytest.mark.parametrize(
        "what", ["layer", "config", "manifest", "statement", "signature", "referrer"]
    )
    @pytest.mark.parametrize("how", ["changed", "cut short", "removed"])
    def test_it_is_refused_and_nothing_is_laid_out(
        self, what: str, how: str, server: RunningServer, bob: Machine
    ) -> None:
        digest = parts_of(server.data)[what]
        kept = Kept(server.data, digest)
        good = kept.read()
        bad = flipped(good) if how == "changed" else good[:-7]
        kept.write(None if how == "removed" else bad)

        done = bob.run("fetch", PACKAGE, "--out", "jobs", "--retries", "0", expected=None)
        kept.write(good)

        assert not (bob.home / "jobs").exists()
        assert f"sha256:{digest}" in done.err
        if how == "changed" or (how == "cut short" and what in {"manifest", "referrer"}):
            assert done.exit_code == UNTRUSTED
            assert "expected" in done.err
            assert str(Digest.of(bad)) in done.err
        else:  # the server notices it itself, and its log says which file it is
            assert done.exit_code == NETWORK
            assert digest in server.log_text()
        bob.run("fetch", PACKAGE, "--out", "jobs")

    def test_what_was_fetched_and_then_changed_is_found_by_verify(
        self, bob: Machine, tmp_path: Path
    ) -> None:
        bob.run("fetch", PACKAGE, "--out", "jobs")
        tree = bob.home / "jobs" / f"{PACKAGE}-{FIRST}"
        for name in ("recipe/data/lines.txt", "metadata/release.json", "metadata/signature.asc"):
            copy = tmp_path / name.replace("/", "-")
            shutil.copytree(bob.home / "jobs", copy)
            path = copy / f"{PACKAGE}-{FIRST}" / name
            path.write_bytes(flipped(path.read_bytes()))
            if name.endswith("signature.asc"):  # it is a copy of one in signatures/
                (only,) = (path.parent / "signatures").iterdir()
                only.write_bytes(path.read_bytes())
            bob.run("verify", copy, expected=UNTRUSTED)
        assert tree.is_dir()
        bob.run("verify", "jobs")


class Kept:
    """A blob's bytes where the server keeps them: a file, or a row of the database."""

    def __init__(self, data: Path, digest: str) -> None:
        self._database = data / "registry.sqlite3"
        [(self._id, location)] = self._ask(
            "select id, location from blob where digest = ?", f"sha256:{digest}"
        )
        self._file = None if location == INLINE else data / "blobs" / location

    def read(self) -> bytes:
        """Return them."""
        if self._file is not None:
            return self._file.read_bytes()
        [(kept,)] = self._ask("select data from blob_data where blob_id = ?", self._id)
        return bytes(kept)

    def write(self, data: bytes | None) -> None:
        """Replace them, or remove them."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            if data is not None:
                self._file.write_bytes(data)
            return
        self._ask("delete from blob_data where blob_id = ?", self._id)
        if data is not None:
            self._ask("insert into blob_data (blob_id, data) values (?, ?)", self._id, data)

    def _ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self._database)) as database, database:
            return database.execute(sql, values).fetchall()


def parts_of(data: Path) -> dict[str, str]:
    """Return the hex digests of the parts of what is listed, read from the server's folder."""
    with contextlib.closing(sqlite3.connect(data / "registry.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute(
            "select manifest.* from manifest join repository on repository_id = repository.id"
            " where repository.name = ?",
            [PACKAGE],
        ).fetchall()
    release = next(row["digest"] for row in rows if row["subject"] is None)
    referrers = {
        json.loads(row["annotations"]).get("io.recipebox.statement"): row["digest"]
        for row in rows
        if row["subject"] == release
    }

    def read(digest: str) -> dict[str, list[dict[str, str]]]:
        drawn: dict[str, list[dict[str, str]]] = json.loads(
            Kept(data, digest.partition(":")[2]).read()
        )
        return drawn

    drawn, signed = read(release), read(referrers["release"])
    largest = max(drawn["layers"], key=lambda layer: int(layer["size"]))
    digests = {
        "layer": largest["digest"],
        "config": drawn["config"]["digest"],  # type: ignore[call-overload]
        "manifest": release,
        "statement": signed["layers"][0]["digest"],
        "signature": signed["layers"][1]["digest"],
        "referrer": referrers["release"],
    }
    return {name: str(digest).partition(":")[2] for name, digest in digests.items()}


def flipped(data: bytes) -> bytes:
    """Return the data with one bit in its middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


class TestTagsOfTheServer:
    @pytest.mark.parametrize(("name", "tag"), [(PACKAGE, FIRST), (APPLICATION, "dev")])
    def test_they_are_neither_pushed_nor_deleted_through_v2(
        self, name: str, tag: str, server: RunningServer
    ) -> None:
        path = f"/v2/{name}/manifests"
        accept = {"Accept": "*/*"}
        held = ask(server, f"{path}/{tag}", server.token, headers=accept)
        digest = held.headers["Docker-Content-Digest"]
        kind = {"Content-Type": held.headers["Content-Type"]}

        tries = [
            ask(server, f"{path}/{tag}", server.token, "DELETE"),
            ask(server, f"{path}/{digest}", server.token, "DELETE"),
        ]
        if name == PACKAGE:
            other = held.content[:-1] + b" }"
            tries.append(
                ask(server, f"{path}/{tag}", server.token, "PUT", data=other, headers=kind)
            )

        for answer in tries:
            assert answer.status_code == 403, answer.text
            (error,) = answer.json()["errors"]
            assert error["code"] == "DENIED"
            assert len(error["message"]) > len("denied")
        again = ask(server, f"{path}/{tag}", server.token, headers=accept)
        assert again.content == held.content


CLIMBING = [
    "/v2/../../../../etc/passwd",
    "/v2/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/v2/team/../../registry.sqlite3/manifests/x",
    "/v2/team/%2e%2e/%2e%2e/manifests/x",
    "/v2/team%2f..%2f..%2fx/manifests/x",
    "/v2/team/count/manifests/..%2f..%2f..%2fregistry.sqlite3",
    "/v2/team/count/manifests/%2e%2e",
    "/v2/team/count/blobs/sha256:../../registry.sqlite3",
    "/v2/team/count/blobs/sha256:..%2f..%2f..%2fregistry.sqlite3",
    "/v2/team/count/blobs/sha256:%2e%2e%2f" + "0" * 61,
    "/v2/team/count/blobs/uploads/../../../registry.sqlite3",
    "/v2/team/count/blobs/uploads/..%2f..%2fregistry.sqlite3",
    "/v2/team/count/blobs/uploads/%2e%2e",
    "/v2/team/count/referrers/sha256:..%2f..%2fx",
    "/v2/team%5c..%5c..%5cx/tags/list",
    "/v2/team/co%00unt/tags/list",
    "/v2/team/%c0%ae%c0%ae/tags/list",
    "/v2/team/%252e%252e/tags/list",
    "/index/../../registry.sqlite3",
    "/index/team/..%2f..%2fregistry.sqlite3",
    "/index/team/..%2fcount.json",
    "/index/%2e%2e/%2e%2e.json",
    "/index/team/%00.json",
    "/keys/../registry.sqlite3",
    "/keys/..%2fserver_key.asc",
    "/keys/%2e%2e.asc",
    "/keys/team%2f..%2f_server.asc",
    "/schemas/..%2f..%2f..%2fpyproject.json",
    "/schemas/%2e%2e%2findex.json",
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
    "/static/%2e%2e/app.py",
    "/static//etc/passwd",
    "/api/v1/packages/team/..%2f..",
    "/api/v1/packages/../packages/team%2f..%2fx",
    "/api/v1/packages/team/count/releases/..%2f1.0.0/yank",
    "/api/v1/applications/team/..%2f../channels",
    "/packages/team/..%2f..%2fx",
    "/packages/..%2fteam/count",
]


class TestNamesThatClimb:
    @pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE"])
    def test_a_path_that_climbs_is_refused(self, method: str, server: RunningServer) -> None:
        before, logged = kept_files(server), len(server.log_text())
        for path in CLIMBING:
            status, answer = raw(server, method, path)
            assert 400 <= status < 500, (method, path, status, answer[:500])
            for secret in (b"root:", b"SQLite format", b"PRIVATE KEY", b"import "):
                assert secret not in answer, (method, path)
        assert kept_files(server) == before
        assert "Traceback" not in server.log_text()[logged:]
        assert ask(server, "/readyz").status_code == 200

    @pytest.mark.parametrize(
        "name",
        ["..", "../x", "a/b", "/etc", ".hidden", "a/../b", "A", "a b", "a\u0000b", "", "a%2fb"],
    )
    def test_a_namespace_that_climbs_is_not_made(self, name: str, server: RunningServer) -> None:
        body = {"name": name, "public": True}
        answer = ask(server, "/api/v1/namespaces", server.token, "POST", json=body)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.json()["code"]
        assert answer.json()["detail"]

    @pytest.mark.parametrize(
        "words",
        [
            ("--name", "../../count", "--version", "1.0.0"),
            ("--name", "team/../count", "--version", "1.0.0"),
            ("--name", "/team/count", "--version", "1.0.0"),
            ("--name", "team/count", "--version", "../../1.0.0"),
            ("--name", "team/count", "--version", "1.0.0/../.."),
            ("--name", "team/count", "--version", "1.0.0+build"),
        ],
    )
    def test_packing_under_such_a_name_writes_nothing(
        self, words: tuple[str, ...], bob: Machine, tmp_path: Path
    ) -> None:
        recipe = a_counting_checkout(tmp_path / "checkout")
        before = sorted(tmp_path.rglob("*"))

        done = bob.run("pack", recipe, "--out", tmp_path / "built", *words, expected=None)

        assert done.exit_code in {FAILED, USAGE}
        assert "error: " in done.err
        after = {path for path in tmp_path.rglob("*") if bob.home not in (path, *path.parents)}
        assert sorted(after) == before

    @pytest.mark.parametrize("name", ["../x", "team/../x", "team/..", "/etc/passwd", "team/x/y"])
    def test_fetching_such_a_name_is_misuse(self, name: str, bob: Machine) -> None:
        done = bob.run("fetch", name, "--out", "jobs", expected=USAGE)
        assert name in done.err
        assert not (bob.home / "jobs").exists()

    def test_a_package_whose_metadata_was_made_to_climb_is_not_published(
        self, bob: Machine, stage: Stage, tmp_path: Path
    ) -> None:
        out = tmp_path / "climbing"
        shutil.copytree(stage.second, out)
        path = out / f"{PACKAGE}-{SECOND}" / "metadata" / "package.json"
        drawn = json.loads(path.read_bytes()) | {"name": "../../etc"}
        path.write_text(json.dumps(drawn, sort_keys=True, separators=(",", ":")))

        for command in ("sign", "publish"):
            done = bob.run(command, out, expected=None)
            assert done.exit_code in {FAILED, USAGE, UNTRUSTED}
            assert "../../etc" in done.err


def kept_files(server: RunningServer) -> list[str]:
    """Return what is in the server's folder and beside it, but for the database's own files."""
    return sorted(
        path.as_posix()
        for path in server.data.parent.rglob("*")
        if not path.name.startswith("registry.sqlite3")
    )


def raw(server: RunningServer, method: str, path: str) -> tuple[int, bytes]:
    """Send a path as it stands, which no client library would; return status and answer."""
    place = urlsplit(server.url)
    body = b"{}" if method != "GET" else b""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), timeout=TIMEOUT) as connection:
        connection.sendall(head.encode("latin-1") + body)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                answer += data
    return int(answer.split(b" ", 2)[1]), answer


def test_the_server_is_gone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    bob = Machine(tmp_path / "bob", url, "rbx_x_y")
    done = bob.run("fetch", PACKAGE, "--out", "jobs", "--retries", "1", expected=6)
    assert "connection refused" in done.err
    assert url in done.err
    assert not (bob.home / "jobs").exists()
