"""The whole path once, for real: what `make demo` shows.

A recipe is taken out of an old checkout, signed, published to a running registry, resolved and fetched
on another machine (another home, no checkout), verified, run, promoted, and shown on a page. Each line
that begins with `$` was run as it stands; what follows it is what it printed. Everything stays in
`.demo/`, which each run begins by emptying; downloaded wheels alone are kept.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
BIN = Path(sys.executable).parent
START_LIMIT = 30
BOLD, DIM, END = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class DemoFailed(Exception):
    """A command of the story didn't do what it should."""


class Machine:
    """Somebody's machine: a home of its own, a folder to work in, and nothing else in common."""

    def __init__(self, name: str, work: Path, **variables: str) -> None:
        self.home = DEMO / name
        self.work = work
        self.home.mkdir(parents=True, exist_ok=True)
        self.variables = variables

    @property
    def environ(self) -> dict[str, str]:
        """The whole environment of its commands."""
        return {
            "HOME": str(self.home),
            "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            **{key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")},
            **{key: value for key, value in os.environ.items() if key.startswith("PIP_")},
            **self.variables,
        }

    def run(self, command: str, *, expected: int = 0, shown: int = 12, quiet: bool = False) -> str:
        """Run a line of shell words here, show it with what it prints, and return its output.

        Raises:
            DemoFailed: it ended with another exit code than `expected`.
        """
        print(f"{BOLD}$ {command}{END}", flush=True)
        done = subprocess.run(
            shlex.split(command),
            cwd=self.work,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        lines = done.stdout.rstrip().splitlines()
        if done.returncode != expected:
            show(lines)
            raise DemoFailed(f"exit code {done.returncode}, expected {expected}: {command}")
        if not quiet:
            show(lines[:shown])
            if len(lines) > shown:
                show([f"... {len(lines) - shown} more lines"])
        return done.stdout


def show(lines: list[str]) -> None:
    """Print what a command printed, set off from what we say."""
    for line in lines:
        print(f"  {DIM}{line}{END}")


def say(text: str) -> None:
    """Print a heading of the story."""
    print(f"\n{BOLD}{text}{END}", flush=True)


def wait_for(path: Path, server: subprocess.Popen[bytes], log: Path) -> str:
    """Return the text of `path` once the server has written it.

    Raises:
        DemoFailed: the server ended, or wrote nothing in time; says what its log says.
    """
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text().strip()):
            return text
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise DemoFailed(f"the server did not start:\n{log.read_text()}")


def start_server(environ: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], str, str]:
    """Start a registry on a free port; return its process, URL and first administrator's token."""
    log = DEMO / "server.log"
    address = DEMO / "server.url"
    command = f"recipebox serve --data {DEMO / 'data'} --listen 127.0.0.1:0 --address-file {address}"
    print(f"{BOLD}$ recipebox serve --data .demo/data --listen 127.0.0.1:0 &{END}", flush=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            shlex.split(command), env=dict(environ), stdout=output, stderr=output, cwd=DEMO
        )
    url = wait_for(address, server, log)
    token = next(word for word in log.read_text().split() if word.startswith("rbx_"))
    show([f"listening on {url}", "an administrator's token was printed, once: rbx_..."])
    return server, url, token


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server as an operator would, and wait for it."""
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=START_LIMIT)
