"""What the end-to-end tests are told with: machines, registries that may die, lines that may break.

A `Machine` is somebody's home folder and the real command line, each command a child process. A
`Stage` is a registry's data folder with two releases ready to be published over it; tests work on
copies. A `Line` is a TCP relay whose address stays the same while its server is killed and is
started again; it stands still after as many bytes as a test says.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.checkouts import a_counting_checkout
from tests.keys import SIGNER
from tests.tools.server import LIMIT, RunningServer, running_server

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 60
SETSID = ("setsid",)  # a process group of its own, so that all of it can be killed at once
_PASSED_ON = re.compile(r"PIP_.*|COV_.*|COVERAGE_.*|.*_PROXY|SSL_CERT_FILE", re.IGNORECASE)


@dataclass(frozen=True)
class Done:
    """A command that ended: its exit code and its streams."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """What `--json` told of a failure."""
        found: dict[str, Any] = json.loads(self.out or self.err)
        return dict(found.get("error", found))


@dataclass(frozen=True)
class Machine:
    """A home folder, and the words that start `recipebox` there."""

    home: Path
    url: str = ""
    token: str = ""
    program: tuple[str, ...] = (str(BIN / "recipebox"),)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The whole environment of its commands; an empty variable is left out."""
        kept = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        own = {
            "HOME": str(self.home),
            "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR") or str(pip_cache()),
            "RECIPEBOX_SIGNING_KEY": SIGNER.secret,
        }
        known = {"RECIPEBOX_URL": self.url, "RECIPEBOX_TOKEN": self.token}
        found = kept | own | known | dict(self.variables)
        return {name: value for name, value in found.items() if value}

    def start(self, *words: str | Path, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """Start a command and return its process."""
        self.home.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [*self.program, *map(str, words)],
            cwd=cwd or self.home,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *words: str | Path,
        expected: int | None = 0,
        given: str = "",
        cwd: Path | None = None,
        limit: float = 4 * LIMIT,
    ) -> Done:
        """Run a command to its end; any exit code will do where `expected` is None."""
        self.home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [*self.program, *map(str, words)],
            cwd=cwd or self.home,
            env=self.environ,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
        )
        said = f"{words}: exit code {done.returncode}\n{done.stderr}\n{done.stdout}"
        assert expected is None or done.returncode == expected, said
        assert "Traceback" not in done.stderr, said
        return Done(done.returncode, done.stdout, done.stderr)


_NO_SOURCE = (".*", "tests", "examples", "docs", "build", "*.egg-info", "__pycache__", ".coverage*")


def install_client(folder: Path, python: str | Path = sys.executable) -> Path:
    """`pip install .` of a copy of the source, with no extra; return the environment's bin/."""
    source = shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*_NO_SOURCE))
    environ = Machine(folder).environ
    for words in (
        [python, "-m", "venv", folder / "venv"],
        [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", source],
    ):
        subprocess.run(words, env=environ, check=True, cwd=folder, timeout=4 * LIMIT)
    return folder / "venv" / "bin"


def end_agent(home: Path) -> None:
    """End the agent that gpg may have started for a home's keyring."""
    if (home / ".gnupg").is_dir():
        words = ["gpgconf", "--homedir", str(home / ".gnupg"), "--kill", "all"]
        subprocess.run(words, check=True, capture_output=True, timeout=LIMIT)


def pip_cache() -> Path:
    """Return the folder in which pip keeps what it downloaded, for every home alike."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pip"


def ask(
    server: RunningServer | str, path: str, token: str = "", method: str = "GET", **rest: Any
) -> requests.Response:
    """Ask a server something, with a token where one is given."""
    url = server if isinstance(server, str) else server.url
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= rest.pop("headers", {})
    return requests.request(method, url + path, headers=headers, timeout=TIMEOUT, **rest)


# Servers that die


def kill_group(server: RunningServer) -> None:
    """SIGKILL the whole group of a server that was started with `SETSID`, and wait for its end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(LIMIT)


@contextlib.contextmanager
def killable(data: Path, token: str, failpoint: str = "") -> Iterator[RunningServer]:
    """A server over `data` in a group of its own, killed at the end; it may die at `failpoint`."""
    environ = {"RECIPEBOX_FAILPOINT": failpoint} if failpoint else {}
    with running_server(data, token=token, environ=environ, prefix=SETSID) as server:
        try:
            yield server
        finally:
            kill_group(server)


def check_data(data: Path) -> None:
    """The database of a server that isn't running is sound, and each blob's bytes are its digest's.

    What lies in the folder and is no blob's belongs to an upload, or is condemned.
    """
    with contextlib.closing(sqlite3.connect(data / "registry.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        blobs = dict(
            database.execute("select location, digest from blob where location != 'inline'")
        )
        known = {location.rpartition("/")[2] for location in blobs}
        known |= {upload_id for (upload_id,) in database.execute("select upload_id from upload")}
        condemned = database.execute("select location from condemned")
        known |= {location.rpartition("/")[2] for (location,) in condemned}
    for location, digest in blobs.items():
        found = hashlib.sha256((data / "blobs" / location).read_bytes()).hexdigest()
        assert digest == f"sha256:{found}"
    for folder in (data / "blobs", data / "uploads"):
        assert {path.name for path in folder.rglob("*") if path.is_file()} <= known


# A registry to begin with

PACKAGE = "team/count"
APPLICATION = "team/app"
FIRST, SECOND = "1.0.0", "1.1.0"


@dataclass(frozen=True)
class Stage:
    """A data folder with the namespace `team` and its key; version 1.0.0 listed and in `dev`.

    Version 1.1.0 is built and signed in `second`. `lock` locks what is listed.
    """

    data: Path
    token: str
    first: Path
    second: Path
    lock: str
    bundle: str

    def copy(self, folder: Path) -> Path:
        """Return a copy of the data folder, below `folder`."""
        return Path(shutil.copytree(self.data, folder / "data"))


def build(machine: Machine, recipe: Path, out: Path, *words: str) -> Path:
    """Pack and sign a recipe; return `out`."""
    machine.run("pack", recipe, "--out", out, *words, cwd=recipe.parent)
    machine.run("sign", out)
    return out


def add_namespace(machine: Machine, name: str = "team", *words: str) -> None:
    """Create a namespace, and add the key that signs there."""
    machine.run("namespace", "create", name, *words)
    machine.run("namespace", "key", "add", name, "-", given=SIGNER.public)


def make_stage(folder: Path) -> Stage:
    """Make a stage in `folder`."""
    data = folder / "data"
    with running_server(data) as server:
        ada = Machine(folder / "ada", server.url, server.token)
        add_namespace(ada)
        recipe = a_counting_checkout(folder / "checkout")
        named = ("--name", PACKAGE, "--version")
        first = build(ada, recipe, folder / "first", *named, FIRST)
        second = build(ada, recipe, folder / "second", *named, SECOND)
        ada.run("publish", first)
        ada.run("lock", PACKAGE, "-o", folder / "first.lock")
        done = ada.run(
            *("promote", APPLICATION, "--lock", folder / "first.lock", "--to", "dev", "--json")
        )
    return Stage(
        data,
        server.token,
        first,
        second,
        (folder / "first.lock").read_text(),
        str(done.json["bundle"]),
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file under `folder`, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Lines that break


class Line:
    """A relay on a loopback port to the server at `target`, which may be another one later.

    After as many bytes as `hold_after` says it passes no more that way, and sets `held`; `cut`
    closes every connection; `mend` lets all bytes pass again.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.held = threading.Event()
        self._left: dict[str, int | None] = {"up": None, "down": None}
        self._open = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._run(self._accept)

    def hold_after(self, *, up: int | None = None, down: int | None = None) -> None:
        """Stand still after so many bytes to the server, or from it."""
        self._left = {"up": up, "down": down}

    def cut(self) -> None:
        """Close every connection."""
        self._open.set()
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self, target: str | None = None) -> None:
        """Let all bytes pass from now on, to another server where one is named.

        What was held is lost, with its connection.
        """
        self.target = target or self.target
        self._left = {"up": None, "down": None}
        self._open.set()

    def close(self) -> None:
        """Close the port and every connection, and wait for the relay's threads."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(LIMIT)  # so that no connection comes after the cut
        self.cut()
        for thread in self._threads:
            thread.join(LIMIT)
        self._listening.close()

    def _run(self, act: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            place = urlsplit(self.target)
            try:
                far = socket.create_connection((place.hostname, place.port), timeout=TIMEOUT)
            except OSError:  # no server there: as if the port were closed
                near.close()
                continue
            with self._lock:
                self._sockets += [near, far]
            both = threading.Barrier(2)
            self._run(self._pass, near, far, "up", both)
            self._run(self._pass, far, near, "down", both)

    def _pass(
        self, source: socket.socket, sink: socket.socket, way: str, both: threading.Barrier
    ) -> None:
        self._copy(source, sink, way)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        both.wait(LIMIT)  # closed under the other's feet, its number might be another's already
        source.close()

    def _copy(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                left = self._left[way]
                if left is not None:
                    data, rest = data[:left], data[left:]
                    self._left[way] = left - len(data)
                    sink.sendall(data)
                    if rest:
                        self.held.set()
                        self._open.wait(LIMIT)
                        return
                else:
                    sink.sendall(data)


@contextlib.contextmanager
def line(target: str) -> Iterator[Line]:
    """A relay for the length of a test."""
    relay = Line(target)
    try:
        yield relay
    finally:
        relay.close()
