"""A registry that isn't ours: distribution, on a loopback port, with its blobs in a folder.

::

    with running_distribution(folder) as host:
        crane.copy("…", f"{host}/mirror/shop:1")
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.tools import parts
from tests.tools.server import LIMIT, wait_until

_CONFIG = """\
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: {folder}
http:
  addr: 127.0.0.1:0
"""
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:[1-9][0-9]*)")


@contextlib.contextmanager
def running_distribution(folder: Path) -> Iterator[str]:
    """Start distribution; give its `HOST:PORT`, and stop it at the end."""
    config, log = folder / "config.yml", folder / "log"
    config.write_text(_CONFIG.format(folder=folder / "data"))
    with log.open("wb") as out:
        process = subprocess.Popen(
            [parts.registry(), "serve", config], cwd=folder, stdout=out, stderr=out
        )
    try:
        wait_until(lambda: _LISTENING.search(log.read_text()) or process.poll() is not None)
        found = _LISTENING.search(log.read_text())
        assert found, log.read_text()
        yield found[1]
    finally:
        process.kill()
        process.wait(LIMIT)
