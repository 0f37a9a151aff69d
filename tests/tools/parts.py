"""Where the real parts are that tests run against: each function gives a path, or skips the test.

A part that isn't on this machine skips what needs it, with the reason; the summary counts these by
part (tests/conftest.py). With `CI=true` it is a failure instead, since there `make test` installs
all of them (tests/tools/install.py). The one exception is a second Python: no registry has one.

Pinned Go tools live in a cache folder of their own, outside the checkout:

    ${XDG_CACHE_HOME:-~/.cache}/recipebox-test-tools/
    ├── oras-v1.3.3/oras        a folder for each version, so that a new pin is a new build
    ├── crane-v0.21.9/crane
    └── go-1.27.3/go/bin/go     from PyPI, only where there is no recent Go
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SECOND_PYTHONS = ("3.13", "3.12", "3.14", "3.11")
_MISSING = re.compile(r"part '([^']+)' is not here")


@dataclass(frozen=True)
class GoTool:
    """A client built from source: `go install MODULE@VERSION`."""

    name: str
    module: str
    version: str

    @property
    def path(self) -> Path:
        """Where our own build of exactly this version is kept."""
        return cache() / f"{self.name}-{self.version}" / self.name

    @property
    def advice(self) -> str:
        """How to get it by hand."""
        return f"CGO_ENABLED=0 go install {self.module}@{self.version}"


@dataclass(frozen=True)
class SystemPart:
    """A program of the distribution's: any of `programs` serves."""

    package: str
    programs: tuple[str, ...]

    @property
    def path(self) -> Path | None:
        """Where it is on PATH, if it is."""
        found = next(filter(None, map(shutil.which, self.programs)), None)
        return Path(found) if found else None

    @property
    def advice(self) -> str:
        """How to get it by hand."""
        return f"sudo apt-get install {self.package} (or the same from your system's packages)"


ORAS = GoTool("oras", "oras.land/oras/cmd/oras", "v1.3.3")
CRANE = GoTool("crane", "github.com/google/go-containerregistry/cmd/crane", "v0.21.9")
SKOPEO = SystemPart("skopeo", ("skopeo",))
CHROMIUM = SystemPart("chromium", ("chromium", "chromium-browser", "google-chrome"))
GNUPG = SystemPart("gnupg", ("gpg",))
STRACE = SystemPart("strace", ("strace",))
UNSHARE = SystemPart("util-linux", ("unshare",))

GO_TOOLS = (ORAS, CRANE)
SYSTEM_PARTS = (GNUPG, SKOPEO, CHROMIUM, STRACE, UNSHARE)


def cache() -> Path:
    """Return the folder in which built tools are kept between runs and checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "recipebox-test-tools"


def oras() -> Path:
    """Return the pinned oras, or one on PATH; else skip."""
    return _go_tool(ORAS)


def crane() -> Path:
    """Return the pinned crane, or one on PATH; else skip."""
    return _go_tool(CRANE)


def skopeo() -> Path:
    """Return skopeo; else skip."""
    return _system_part(SKOPEO)


def chromium() -> Path:
    """Return a Chromium that playwright can drive by its executable_path; else skip."""
    return _system_part(CHROMIUM)


def strace() -> Path:
    """Return strace; else skip."""
    return _system_part(STRACE)


def unshare() -> Path:
    """Return unshare, which starts a child without a network; else skip."""
    return _system_part(UNSHARE)


def second_python() -> Path:
    """Return an interpreter of another minor version (3.11 or newer); else skip, in CI too."""
    for path in _other_pythons():
        if _works(path):
            return path
    reason = "no second Python 3.11 or newer on PATH or under ~/.pyenv/versions"
    pytest.skip(_sentence("second python", reason), allow_module_level=True)


def missing_part(reason: str) -> str | None:
    """Return which part a skip's reason says is missing, if it says so."""
    found = _MISSING.search(reason)
    return found.group(1) if found else None


def in_ci() -> bool:
    """Return whether a missing part is a failure here."""
    return os.environ.get("CI", "").lower() in {"true", "1"}


def _go_tool(tool: GoTool) -> Path:
    if tool.path.exists():
        return tool.path
    found = shutil.which(tool.name)
    return Path(found) if found else _absent(tool.name, tool.advice)


def _system_part(part: SystemPart) -> Path:
    return part.path or _absent(part.programs[0], part.advice)


def _absent(name: str, advice: str) -> Path:
    sentence = _sentence(name, f"get it with: {advice}")
    if in_ci():
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence, allow_module_level=True)


def _sentence(name: str, rest: str) -> str:
    return f"part '{name}' is not here: {rest}"


def _other_pythons() -> Iterator[Path]:
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    for minor in SECOND_PYTHONS:
        if minor == running:
            continue
        installed = Path.home() / ".pyenv" / "versions"
        yield from sorted(installed.glob(f"{minor}.*/bin/python{minor}"), reverse=True)
        if found := shutil.which(f"python{minor}"):
            yield Path(found)


def _works(python: Path) -> bool:
    """Whether it runs: a shim of pyenv exists also for versions that aren't switched on."""
    code = "import ssl, sys, venv, zlib; sys.exit(sys.version_info < (3, 11))"
    done = subprocess.run([python, "-c", code], capture_output=True, check=False)
    return done.returncode == 0
