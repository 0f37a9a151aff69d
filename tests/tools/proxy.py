"""The shipped nginx configuration, in front of a server of a test's own.

::

    with running_nginx(tmp_path / "nginx", server.url, server.data / "blobs") as proxy:
        requests.get(f"{proxy.url}/healthz", verify=proxy.authority)

What is changed of the shipped file is where things are: ports, folders, the user. The server behind
must be told `trusted_proxies="127.0.0.1"` and `accel_prefix="/_blobs/"`.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.tools import parts
from tests.tools.certificates import make_authority
from tests.tools.server import LIMIT, ROOT, wait_until

SHIPPED = ROOT / "deploy" / "server" / "nginx.conf"
BEHIND = {"trusted_proxies": "127.0.0.1", "accel_prefix": "/_blobs/"}
"""What a server is told that stands behind it."""


class NginxFailed(AssertionError):
    """nginx refused its configuration, or ended; the text is what it said."""


@dataclass
class RunningProxy:
    """An nginx: where it answers, its certificate's authority, its folder and process."""

    port: int
    plain_port: int
    folder: Path
    authority: Path
    is_tls: bool
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Its URL, as the certificate has it."""
        return f"{'https' if self.is_tls else 'http'}://localhost:{self.port}"

    def log_text(self) -> str:
        """Return its access log."""
        return (self.folder / "access.log").read_text(encoding="utf-8")


def render(folder: Path, upstream: str, blobs: Path, ports: tuple[int, int], *, tls: bool) -> str:
    """Return the shipped configuration, with places of a test's own.

    Args:
        folder: for its files; `server.pem` and `server.key` are there already.
        upstream: the URL of the server behind it.
        blobs: the folder that X-Accel-Redirect sends from.
        ports: of the site, and of what redirects to it.
        tls: whether the site speaks TLS (a benchmark's client may not).
    """
    text = SHIPPED.read_text(encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""
    site = f"listen 127.0.0.1:{ports[0]}" + (" ssl http2;" if tls else ";")
    for shipped, ours in (
        ("user recipebox;", user),
        ("/run/nginx.pid", f"{folder}/nginx.pid"),
        ("/var/log/nginx/", f"{folder}/"),
        ("/var/lib/nginx/", f"{folder}/"),
        ("server 127.0.0.1:8080 ", f"server {urlsplit(upstream).netloc} "),
        ("listen 80;", f"listen 127.0.0.1:{ports[1]};"),
        ("listen 443 ssl http2;", site),
        ("/etc/recipebox/tls/", f"{folder}/"),
        ("/var/lib/recipebox/blobs/", f"{blobs}/"),
    ):
        if shipped not in text:
            raise NginxFailed(f"{SHIPPED} says {shipped!r} no more")
        text = text.replace(shipped, ours)
    return text


def check(file: Path) -> str:
    """Return what `nginx -t` says of a configuration.

    Raises:
        NginxFailed: it refuses it.
    """
    words = [str(parts.nginx()), "-t", "-e", "stderr", "-c", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NginxFailed(done.stderr)
    return done.stderr


@contextlib.contextmanager
def running_nginx(
    folder: Path, upstream: str, blobs: Path, *, tls: bool = True
) -> Iterator[RunningProxy]:
    """Start nginx with the shipped configuration, and stop it at the end.

    Raises:
        NginxFailed: it didn't start.
    """
    folder.mkdir(parents=True)
    authority = make_authority(folder)
    certificate, key = authority.issue("localhost")
    certificate.rename(folder / "server.pem")
    key.rename(folder / "server.key")
    ports = find_ports()
    file = folder / "nginx.conf"
    file.write_text(render(folder, upstream, blobs, ports, tls=tls), encoding="utf-8")
    check(file)
    words = [str(parts.nginx()), "-e", "stderr", "-c", str(file), "-g", "daemon off;"]
    log = folder / "nginx.out"
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out)
    proxy = RunningProxy(ports[0], ports[1], folder, authority.certificate, tls, process)
    try:
        wait_until(lambda: process.poll() is not None or _answers(ports[0]))
        if process.poll() is not None:
            raise NginxFailed(log.read_text(encoding="utf-8"))
        yield proxy
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(LIMIT)


def find_ports() -> tuple[int, int]:
    """Return two ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(2):
            opened = stack.enter_context(socket.socket())
            opened.bind(("127.0.0.1", 0))
            found.append(int(opened.getsockname()[1]))
        return found[0], found[1]


def setting(name: str) -> str:
    """Return what the shipped configuration says of a directive that it has once."""
    text = SHIPPED.read_text(encoding="utf-8")
    [value] = re.findall(rf"^\s*{name} ([^;]+);", text, re.MULTILINE)
    return str(value)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), LIMIT):
        return True
    return False
