"""What a command did while it ran: what it opened, ran, started, and whom it tried to reach.

Two witnesses tell it, each in a named pipe that is read while the command runs:

::

    hooks    a Python that heeds the variable RECIPEBOX_TRACE and installs an audit hook (PEP 578);
             the bundled run_recipe.py does. A line of JSON for each thing, once a process:
               ["work", FOLDER, PACKAGE]   the workspace of a package that begins to run
               ["ran", FILE]               a module's code was run, or a compiled one loaded
               ["read", FILE]  ["wrote", FILE]
               ["program", NAME]           something was started
               ["host", NAME, PORT]        a name was looked up, or connected to
               ["absent", MODULE]          a module was looked for, and is nowhere
    strace   the system calls of the command and of all that it started, where strace(1) is
             there and may be used: compiled code and programs of a shell have no hooks

Neither is believed more than it can be: what runs may write anything into a pipe, or keep its calls
from a hook. It is an account for people and for finding what to pack, and no defence.
"""

import contextlib
import ipaddress
import json
import os
import re
import selectors
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sandbox.sandbox import Command, Outcome, Sandbox

VARIABLE: Final = "RECIPEBOX_TRACE"
"""The variable that names the pipe in which hooks tell."""

MOST: Final = 50_000
"""Things of one kind that are kept; a trace with more is cut, and says so."""

_CHUNK: Final = 1 << 16
_LONGEST: Final = 1 << 16  # bytes of a line
_TICK: Final = 0.1  # seconds
_PROBE_SECONDS: Final = 20.0
_OPTIONS: Final = (
    *("-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", "signal=none"),
    *("-e", "trace=?open,openat,?openat2,execve,?execveat,connect"),
)
_WORDS: Final = {"ran": 1, "read": 1, "wrote": 1, "program": 1, "absent": 1, "work": 2, "host": 2}


@dataclass(frozen=True, slots=True)
class Trace:
    """What was seen.

    Files and folders are absolute paths: `ran` had a module's code that was run, `read` and `wrote`
    were opened for that; `told` are those of `wrote` that a hook knows of, and so none that were
    written before the command's own code began. `programs` are as they were started, `hosts` are
    `NAME:PORT`, `[IPV6]:PORT` or `unix:PATH`, `absent` are modules that are nowhere. `works` are
    the workspaces of packages, by folder. `witnesses` told it; `silent` are those that didn't, with
    the reason.
    `is_cut` where there was more than is kept.
    """

    ran: frozenset[str]
    read: frozenset[str]
    wrote: frozenset[str]
    told: frozenset[str]
    programs: frozenset[str]
    hosts: frozenset[str]
    absent: frozenset[str]
    works: Mapping[str, str]
    witnesses: tuple[str, ...]
    silent: Mapping[str, str]
    is_cut: bool


@dataclass(slots=True)
class Account:
    """Gathers what the witnesses tell, line by line."""

    kept: dict[str, set[str]] = field(
        default_factory=lambda: {
            name: set() for name in ("ran", "read", "wrote", "told", "programs", "hosts", "absent")
        }
    )
    works: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    _begun: dict[bytes, bytes] = field(default_factory=dict)

    def keep(self, what: str, value: str) -> None:
        """Keep one thing, once, up to a limit."""
        known = self.kept[what]
        if value in known:
            return
        if len(known) >= MOST or "\0" in value:
            self.is_cut = True
        else:
            known.add(value)

    def hear(self, line: bytes) -> None:
        """Take a line of a hook; what isn't one is left out, and the account is cut."""
        try:
            what, *values = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            self.is_cut = True
            return
        if not isinstance(what, str) or _WORDS.get(what) != len(values):
            self.is_cut = True
        elif what == "host":
            self.keep("hosts", _host(str(values[0]), values[1]))
        elif not all(isinstance(each, str) for each in values):
            self.is_cut = True
        elif what == "work":
            if len(self.works) < MOST:
                self.works[values[0]] = values[1]
        else:
            self.keep("programs" if what == "program" else what, values[0])
            if what == "wrote":
                self.keep("told", values[0])

    def see(self, line: bytes) -> None:
        """Take a line of strace; calls that another process interrupted come in two."""
        pid, _, call = line.partition(b" ")
        call = call.lstrip()
        if call.endswith(b" <unfinished ...>"):
            if len(self._begun) < MOST:
                self._begun[pid] = call.removesuffix(b" <unfinished ...>")
            return
        resumed = _RESUMED.match(call)
        if resumed:
            call = self._begun.pop(pid, b"") + resumed[1]
        if found := _OPEN.match(call):
            self._opened(found)
        elif found := _EXECUTED.match(call):
            self.keep("programs", _text(found[1]))
        elif found := _CONNECT.match(call):
            self._connected(found[1])

    def _opened(self, found: re.Match[bytes]) -> None:
        flags = found["flags"].split(b"|")
        if {b"O_DIRECTORY", b"O_PATH"} & set(flags):
            return
        path = os.path.normpath(os.path.join(_text(found["at"] or b"/"), _text(found["path"])))  # noqa: PTH118 - text
        if flags[0] in {b"O_RDONLY", b"O_RDWR"}:
            self.keep("read", path)
        if flags[0] in {b"O_WRONLY", b"O_RDWR"}:
            self.keep("wrote", path)

    def _connected(self, address: bytes) -> None:
        if found := _UNIX.search(address):
            self.keep("hosts", f"unix:{_text(found[1])}")
        elif (found := _INET.search(address)) or (found := _INET6.search(address)):
            self.keep("hosts", _host(_text(found["host"]), int(found["port"])))

    def trace(self, witnesses: tuple[str, ...], silent: Mapping[str, str]) -> Trace:
        """Return all that was kept."""
        return Trace(
            **{name: frozenset(values) for name, values in self.kept.items()},
            works=dict(self.works),
            witnesses=witnesses,
            silent=dict(silent),
            is_cut=self.is_cut,
        )


_QUOTED = rb'"((?:[^"\\]|\\.)*)"(?:\.\.\.)?'
_RESUMED = re.compile(rb"<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_OPEN = re.compile(
    rb"open(?:at2?)?\((?:(?:AT_FDCWD|\d+)(?:<(?P<at>(?:[^>\\]|\\.)*)>)?, )?"
    rb'"(?P<path>(?:[^"\\]|\\.)*)", (?:\{flags=)?(?P<flags>[A-Z0-9_|x]+)[^"]*'
    rb"\) += \d"
)
_EXECUTED = re.compile(rb"execve(?:at)?\((?:[^\"]*, )?" + _QUOTED + rb", \[.*\) += 0$", re.DOTALL)
_CONNECT = re.compile(rb"connect\(\d+(?:<(?:[^>\\]|\\.)*>)?, (\{.*\}), \d+\)", re.DOTALL)
_UNIX = re.compile(rb"sun_path=" + _QUOTED)
_INET = re.compile(rb'sin_port=htons\((?P<port>\d+)\), sin_addr=inet_addr\("(?P<host>[^"]*)"\)')
_INET6 = re.compile(rb'sin6_port=htons\((?P<port>\d+)\).*inet_pton\(AF_INET6, "(?P<host>[^"]*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"f": b"\f", b"v": b"\v"}


def _text(quoted: bytes) -> str:
    """Undo strace's escapes, which are C's."""

    def plain(found: re.Match[bytes]) -> bytes:
        code = found[1]
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        if code.isdigit():
            return bytes([int(code, 8) & 0xFF])
        return _LETTERS.get(code, code)

    return os.fsdecode(_ESCAPE.sub(plain, quoted))


def _host(name: str, port: Any) -> str:
    """Return a host and its port; a port that isn't known is left out."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(name).version == 6:  # noqa: PLR2004 - IPv6
            name = f"[{name}]"
    return name if port in {None, 0, ""} or name.startswith("unix:") else f"{name}:{port}"


class TracingSandbox:
    """A sandbox that also watches: it runs commands in `inner`, and keeps a trace of each.

    `strace` is the program, or None where there is none; whether it works is tried once, with the
    command `probe` within the bounds of the first. `traces` grows by one with each command.
    """

    def __init__(
        self, inner: Sandbox, strace: str | None, probe: tuple[str, ...] = ("/bin/true",)
    ) -> None:
        self._inner = inner
        self._strace = strace
        self._probe = probe
        self._refusal: str | None = None if strace else "there is no strace on this machine"
        self._is_tried = strace is None
        self.traces: list[Trace] = []

    def run(self, command: Command) -> Outcome:
        """Run a command to its end; see `sandbox.Sandbox`, which this is.

        Raises:
            CannotStart: there is no such program, or no such folder.
            NotEnforced: it is strict, and something can't be enforced here.
        """
        account = Account()
        with tempfile.TemporaryDirectory(prefix="recipebox-trace-") as scratch:
            folder = Path(scratch)
            folder.chmod(0o755)
            words, silent = self._watched(command, folder)
            with (
                _pipe(folder / "hooks") as hooks,
                _pipe(folder / "calls") as calls,
                _reading({hooks: account.hear, calls: account.see}, account),
            ):
                outcome = self._inner.run(
                    replace(
                        command,
                        argv=words,
                        env={**command.env, VARIABLE: str(folder / "hooks")},
                        readable=(*command.readable, folder),
                    )
                )
        if not account.works:
            silent["hooks"] = f"what ran doesn't heed {VARIABLE}"
        witnesses = tuple(each for each in ("hooks", "strace") if each not in silent)
        self.traces.append(account.trace(witnesses, silent))
        return outcome

    def _watched(self, command: Command, folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the command's words under strace, if it works here; else as they are, and why."""
        if not self._is_tried:
            self._refusal = self._try_strace(command, folder)
            self._is_tried = True
        if self._refusal is not None:
            return command.argv, {"strace": self._refusal}
        return (*self._words(folder / "calls"), *command.argv), {}

    def _words(self, pipe: Path) -> tuple[str, ...]:
        return (str(self._strace), *_OPTIONS, "-o", str(pipe), "--")

    def _try_strace(self, command: Command, folder: Path) -> str | None:
        """Return why strace can't be used in such bounds; None where it can."""
        pipe = folder / "probe"
        with _pipe(pipe) as probe, _reading({probe: lambda _: None}, Account()):
            tried = self._inner.run(
                replace(
                    command,
                    argv=(*self._words(pipe), *self._probe),
                    readable=(*command.readable, folder),
                    limits=replace(command.limits, seconds=_PROBE_SECONDS),
                )
            )
        if tried.exit_code == 0:
            return None
        said = tried.stderr.decode(errors="replace").strip().splitlines()
        return said[-1] if said else "it doesn't work here"


@contextlib.contextmanager
def _pipe(path: Path) -> Iterator[int]:
    """Make a named pipe that anybody may write into, and open it to read."""
    os.mkfifo(path)
    path.chmod(0o622)
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # both: it has no end while it is open
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def _reading(pipes: Mapping[int, Any], account: Account) -> Iterator[None]:
    """Read pipes in a thread; at the end, what is left in them."""
    reader = _Reader(pipes, account)
    thread = threading.Thread(target=reader.until_stopped, name="trace", daemon=True)
    thread.start()
    try:
        yield
    finally:
        reader.stopped.set()
        thread.join()


class _Reader:
    def __init__(self, pipes: Mapping[int, Any], account: Account) -> None:
        self._pipes = pipes
        self._account = account
        self._held = dict.fromkeys(pipes, b"")
        self.stopped = threading.Event()

    def until_stopped(self) -> None:
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while True:
                was_stopped = self.stopped.is_set()  # before reading: then nothing more can come
                ready = selector.select(0 if was_stopped else _TICK)
                for key, _ in ready:
                    self._read(key.fd)
                if was_stopped and not ready:
                    return

    def _read(self, pipe: int) -> None:
        data = self._held[pipe] + os.read(pipe, _CHUNK)
        *lines, rest = data.split(b"\n")
        if len(rest) > _LONGEST:
            self._account.is_cut = True
            rest = b""
        self._held[pipe] = rest
        for line in lines:
            self._pipes[pipe](line)
