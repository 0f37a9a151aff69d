"""A real server process for a test: on a free port, in its folder, stopped by its own pid.

::

    with running_server(tmp_path / "data") as server:
        requests.get(f"{server.url}/readyz")

Options are the flags of `recipebox serve`: `running_server(data, workers=1, log_format="json")`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = 60.0
"""Seconds until a server that doesn't start or stop is a failure."""

_SERVE = "from web.commands.serve import command; command(prog_name='recipebox serve')"
_ADMIN = "from web.commands.admin import command; command(prog_name='recipebox admin')"
_Value = TypeVar("_Value")


@dataclass
class RunningServer:
    """A server: where it answers, its administrator's token, its process, folder and log."""

    url: str
    token: str
    process: "subprocess.Popen[bytes]"
    data: Path
    log: Path
    output: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LIMIT)

    def log_text(self) -> str:
        """Return what was logged so far."""
        return self.log.read_text(encoding="utf-8")


class ServerFailed(AssertionError):
    """The server ended before it listened; `exit_code` and `log` say how and why."""

    def __init__(self, exit_code: int | None, log: str) -> None:
        self.exit_code = exit_code
        self.log = log
        super().__init__(f"the server did not start (exit code {exit_code}):\n{log}")


@contextlib.contextmanager
def running_server(
    data: Path,
    *,
    token: str | None = None,
    environ: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    **options: object,
) -> Iterator[RunningServer]:
    """Start a server over `data`, and stop it at the end.

    Args:
        data: its folder; its log and address stand beside it.
        token: an administrator's, for a folder that isn't new; else one is made.
        environ: variables beside this process's own (of which no `RECIPEBOX_*` is passed on).
        prefix: words that start the program, such as `setpriv ...`.
        options: flags of `recipebox serve`.

    Raises:
        ServerFailed: it ended, or didn't listen in time.
    """
    server = start_server(data, token=token, environ=environ, prefix=prefix, **options)
    try:
        yield server
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.stop()
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(LIMIT)


def start_server(
    data: Path,
    *,
    token: str | None = None,
    environ: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    **options: object,
) -> RunningServer:
    """Start a server that the caller stops; see `running_server`."""
    number = sum(1 for _ in data.parent.glob(f"{data.name}.*.log"))
    log, output, address = (
        data.parent / f"{data.name}.{number}.{kind}" for kind in ("log", "out", "url")
    )
    flags = {"listen": "127.0.0.1:0", "workers": 1} | options
    words = [*prefix, sys.executable, "-c", _SERVE, "--json", "--data", str(data)]
    words += ["--address-file", str(address)]
    for name, value in flags.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    with log.open("wb") as errors, output.open("wb") as out:
        process = subprocess.Popen(
            words, cwd=ROOT, env=clean_environ(environ), stdout=out, stderr=errors
        )
    try:
        wait_until(lambda: address.exists() or process.poll() is not None)
    except AssertionError:
        process.kill()
        process.wait(LIMIT)
    if not address.exists():
        raise ServerFailed(process.poll(), log.read_text(encoding="utf-8"))
    first = json.loads(output.read_text(encoding="utf-8"))["first_token"]
    return RunningServer(
        url=address.read_text(encoding="utf-8").strip(),
        token=token or first or make_token(data, "admin"),
        process=process,
        data=data,
        log=log,
        output=output,
        environ=environ or {},
    )


def make_token(data: Path, role: str, *options: str) -> str:
    """Have a token made, as the operator would."""
    words = ["token", "create", "--data", str(data), "--name", role, "--role", role, *options]
    return admin(*words).stdout.strip()


def admin(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run `recipebox admin` with `words`."""
    return subprocess.run(
        [sys.executable, "-c", _ADMIN, *words],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=True,
    )


def clean_environ(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without any `RECIPEBOX_*`, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECIPEBOX_")}
    return kept | dict(more or {})


def wait_until(condition: Callable[[], _Value], limit: float = LIMIT) -> _Value:
    """Return the condition's value once it is true.

    Raises:
        AssertionError: it wasn't, in `limit` seconds.
    """
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {limit} seconds: {condition}")
        time.sleep(0.02)
