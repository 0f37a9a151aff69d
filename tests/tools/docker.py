"""A Docker engine of one's own: its data, socket and containers in a temporary folder.

::

    with running_docker() as engine:
        engine.run("import", str(base_image(tmp_path / "base.tar")), "base:1")
        engine.run("build", "-t", "app:1", str(folder))

It knows of no other engine on this machine, and touches neither the machine's networks nor its
packet filter: containers have no network at all. Registries on the loopback interface need no TLS,
as with every Docker. No image can be pulled from anywhere, so that all begin with `base_image`: a
busybox, and nothing else. The folder's path is short, since a socket's may have 107 bytes only.
"""

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.tools import parts
from tests.tools.server import LIMIT, wait_until

SETTINGS = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
APPLETS = ("sh", "cat", "echo", "ls", "id", "sleep", "true")


class DockerFailed(AssertionError):
    """The engine did not start, or a command ended with another code than 0; says what it said."""


@dataclass(frozen=True)
class Engine:
    """An engine: its folder, its process, and the command line that goes with it."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    program: Path

    @property
    def host(self) -> str:
        """What DOCKER_HOST has to be."""
        return f"unix://{self.folder / 'socket'}"

    def environ(self, home: Path) -> Mapping[str, str]:
        """Return the variables for a user whose login is kept in `home`."""
        return {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "DOCKER_CONFIG": str(home),
            "DOCKER_HOST": self.host,
            "DOCKER_BUILDKIT": "0",  # Debian brings no buildx
        }

    def run(self, *arguments: str, home: Path | None = None, given: bytes = b"") -> str:
        """Run `docker` with `arguments`; return its standard output.

        Raises:
            DockerFailed: it said no.
        """
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environ(home or self.folder),
            input=given,
            capture_output=True,
            check=False,
            timeout=LIMIT * 2,
        )
        out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        if done.returncode != 0:
            raise DockerFailed(f"docker {' '.join(arguments)}: {out}{err}")
        return out

    def log_text(self) -> str:
        """Return what the engine logged so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def running_docker() -> Iterator[Engine]:
    """Start a new engine, and remove it at the end; skip where Docker isn't here.

    Raises:
        DockerFailed: it didn't start.
    """
    dockerd = parts.dockerd()
    own = dockerd.parent.parent / "bin" / "docker"  # of the same version, rather than PATH's
    program = own if own.exists() else parts.docker()
    folder = Path(tempfile.mkdtemp(prefix="recipebox-docker-"))
    words = [str(dockerd), "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")]
    words += ["--pidfile", str(folder / "pid"), "--host", f"unix://{folder / 'socket'}"]
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*words, *SETTINGS], cwd=folder, stdout=log, stderr=log)
        engine = Engine(folder, process, program)
        try:
            wait_until(lambda: process.poll() is not None or _answers(engine))
            if process.poll() is not None:
                raise DockerFailed(engine.log_text())
            yield engine
        finally:
            process.terminate()  # it ends its containers, and its containerd
            process.wait(LIMIT)
    finally:
        shutil.rmtree(folder)


def base_image(path: Path) -> Path:
    """Write the tar of a root of busybox alone, as `docker import` reads it; return its path."""
    program = parts.busybox().read_bytes()
    with tarfile.open(path, "w") as tar:
        busybox = tarfile.TarInfo("bin/busybox")
        busybox.mode, busybox.size = 0o755, len(program)
        tar.addfile(busybox, BytesIO(program))
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return path


def _answers(engine: Engine) -> bool:
    if not (engine.folder / "socket").exists():
        return False
    with contextlib.suppress(DockerFailed):
        return bool(engine.run("version", "--format", "{{.Server.Version}}"))
    return False
