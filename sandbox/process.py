"""A sandbox of plain processes: a clean environment, limits, namespaces, another user.

It keeps honest code honest and stops what runs away; it is not a wall against an attacker. Where a
command has processes of its own, the kernel ends all of them with the first. Else everything of it
has a token in its environment, by which what left the process group is found and ended too, as far
as it kept that.
"""

import contextlib
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox import confine
from sandbox.errors import CannotStart, NotEnforced
from sandbox.sandbox import Command, Outcome

TOKEN: Final = "RECIPEBOX_SANDBOX"  # noqa: S105 - a name
"""The variable that marks what belongs to a sandbox."""

_GRACE = 4.0  # seconds between SIGTERM and SIGKILL
_ENDING = 10.0  # seconds for a keeper to end what it keeps
_ROUNDS = 100
_CHUNK = 1 << 16
_TICK = 0.1


class ProcessSandbox:
    """Runs commands as child processes of this one; see `sandbox.Sandbox`."""

    def run(self, command: Command) -> Outcome:
        """Run a command to its end; nothing of it is left running.

        Raises:
            CannotStart: there is no such program, or no such folder.
            NotEnforced: it is strict, and something can't be enforced here.
        """
        program = _find(command)
        if not command.cwd.is_dir():
            raise CannotStart(program, f"the folder {command.cwd} is not there")
        given_up: dict[str, str] = {}
        while True:
            outcome = self._run(command, program, given_up)
            if outcome is not None:
                return outcome

    def _run(self, command: Command, program: str, given_up: dict[str, str]) -> Outcome | None:
        """Run it once; None where it has to be started anew, with more `given_up`."""
        token = secrets.token_hex(8)
        began = time.monotonic()
        child, answer = _start(command, _asked(command, program, token, given_up))
        watch = _Watch(child, command, began)
        said: dict[str, Any] = {}
        try:
            watch.until_end()
        finally:
            _end_child(child, is_kept=not command.processes)
            said = answer.read()
            if "processes" not in said.get("enforced", ()):
                _end_marked(token)
        if "again" in said:
            given_up.update(said["again"])
            return None
        if "failed" in said:
            raise CannotStart(program, said["failed"])
        if command.strict and said.get("not_enforced"):
            raise NotEnforced(said["not_enforced"])
        code = child.returncode
        return Outcome(
            exit_code=128 - code if code < 0 else code,
            stdout=watch.stdout.kept(),
            stderr=watch.stderr.kept(),
            seconds=time.monotonic() - began,
            ended=watch.ended or said.get("ended"),
            enforced=tuple(said.get("enforced", ())),
            not_enforced=said.get("not_enforced", {}),
        )


def _asked(
    command: Command, program: str, token: str, given_up: Mapping[str, str]
) -> dict[str, Any]:
    """Return what confine.py is told."""
    limits = command.limits
    numbers = {
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NPROC": limits.processes,
    }
    files = None
    if command.writable is not None:
        files = {
            "writable": [str(each.absolute()) for each in command.writable],
            "readable": [str(each.absolute()) for each in command.readable],
            "hidden": [str(each.absolute()) for each in command.hidden],
        }
    return {
        "argv": [program, *command.argv[1:]],
        "cwd": str(command.cwd.absolute()),
        "env": {**command.env, TOKEN: token},
        "network": command.network,
        "processes": command.processes,
        "files": files,
        "user": command.user,
        "strict": command.strict,
        "limits": {name: value for name, value in numbers.items() if value is not None},
        "given_up": given_up,
    }


def _find(command: Command) -> str:
    program = command.argv[0]
    if "/" in program:
        return str(command.cwd / program)
    for folder in command.env.get("PATH", os.defpath).split(":"):
        path = Path(folder) / program
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise CannotStart(program, "it is not on the command's PATH")


@dataclass(slots=True)
class _Answer:
    handle: int

    def read(self) -> dict[str, Any]:
        """Return its lines as one: a second says that it could not be run, or had to end."""
        with os.fdopen(self.handle, "rb") as file:
            lines = file.read().splitlines()
        return {key: value for line in lines for key, value in json.loads(line).items()}


def _start(command: Command, asked: dict[str, Any]) -> "tuple[subprocess.Popen[bytes], _Answer]":
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    words = [sys.executable, "-I", "-S", "-B", confine.__file__, str(in_read), str(out_write)]
    try:
        child = subprocess.Popen(
            words,
            cwd=command.cwd,
            env={TOKEN: asked["env"][TOKEN]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(in_read, out_write),
        )
    except OSError as error:
        os.close(in_write)
        os.close(out_read)
        raise CannotStart(command.argv[0], str(error)) from error
    finally:
        os.close(in_read)
        os.close(out_write)
    with contextlib.suppress(BrokenPipeError), os.fdopen(in_write, "wb") as file:
        file.write(json.dumps(asked).encode())
    return child, _Answer(out_read)


class _Kept:
    """The last bytes of a stream, within a limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        while self._size - len(self._chunks[0]) >= self._most:
            self._size -= len(self._chunks.popleft())

    def kept(self) -> bytes:
        return b"".join(self._chunks)[-self._most :]


class _Watch:
    """Reads what a child prints until it ends, runs out of time, or floods."""

    def __init__(self, child: "subprocess.Popen[bytes]", command: Command, began: float) -> None:
        self._child = child
        self._limits = command.limits
        self._deadline = None if self._limits.seconds is None else began + self._limits.seconds
        self._total = 0
        self.stdout = _Kept(self._limits.output_bytes)
        self.stderr = _Kept(self._limits.output_bytes)
        self.ended: str | None = None

    def until_end(self) -> None:
        with selectors.DefaultSelector() as selector:
            for stream, kept in (
                (self._child.stdout, self.stdout), (self._child.stderr, self.stderr)
            ):  # fmt: skip
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, kept)
            while self._goes_on(selector) and self.ended is None:
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self.ended = "time"
            if self.ended is not None:
                _signal_group(self._child.pid, signal.SIGTERM)
                until = time.monotonic() + _GRACE
                while self._goes_on(selector) and time.monotonic() < until:
                    pass

    def _goes_on(self, selector: selectors.BaseSelector) -> bool:
        """Read for a moment; return whether it runs still, or has left something to read."""
        if selector.get_map():
            self._read(selector)
        else:  # it closed both, and goes on
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_TICK)
        return self._child.poll() is None or self._drain(selector)

    def _drain(self, selector: selectors.BaseSelector) -> bool:
        """Read what a child that ended left; a grandchild may hold the pipes open for ever."""
        return any(self._take(selector, key) for key, _ in selector.select(0))

    def _read(self, selector: selectors.BaseSelector) -> None:
        for key, _ in selector.select(_TICK):
            self._take(selector, key)

    def _take(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> bool:
        data = os.read(key.fd, _CHUNK)
        if not data:
            selector.unregister(key.fileobj)
            return False
        key.data.add(data)
        self._total += len(data)
        if self._total > self._limits.flood_bytes and self.ended is None:
            self.ended = "flood"
        return True


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_child(child: "subprocess.Popen[bytes]", *, is_kept: bool) -> None:
    """End the child and its group; what keeps a command ends all that came of that first."""
    if is_kept and child.poll() is None:
        child.send_signal(confine.END)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_ENDING)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def _end_marked(token: str) -> None:
    """End what carries the token: stop all first, so that none makes another meanwhile."""
    mark = f"{TOKEN}={token}".encode()
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        found = {pid for pid in _processes() if mark in _environment(pid).split(b"\0")}
        if not found:
            return
        is_all = found <= stopped
        for pid in found if is_all else found - stopped:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL if is_all else signal.SIGSTOP)
        stopped = set() if is_all else stopped | found
        if is_all:
            time.sleep(_TICK / 10)


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
