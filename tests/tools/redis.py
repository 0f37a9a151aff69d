"""A Redis of a test's own, on a Unix socket in a folder of the test's, which keeps nothing.

::

    with running_redis() as redis:
        running_server(data, environ={"RECIPEBOX_RATE_STORAGE": redis.url})
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tools import parts
from tests.tools.server import LIMIT, wait_until


@dataclass
class Redis:
    """A running Redis: the file of its socket, and its process."""

    socket: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """How to reach it."""
        return f"redis+unix://{self.socket}"

    def stop(self) -> None:
        """End it; what it held is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT)


@contextlib.contextmanager
def running_redis() -> Iterator[Redis]:
    """Start a Redis, and stop it at the end."""
    # not below the test's folder: the path of a socket has some 100 characters at most
    with tempfile.TemporaryDirectory(prefix="rbr-") as folder:
        socket = Path(folder) / "redis.sock"
        words = [str(parts.redis()), "--port", "0", "--unixsocket", str(socket), "--save", ""]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
        redis = Redis(socket, process)
        try:
            wait_until(lambda: socket.exists() or process.poll() is not None)
            assert socket.exists(), (Path(folder) / "log").read_text()
            yield redis
        finally:
            redis.stop()
