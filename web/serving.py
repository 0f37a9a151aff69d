"""The application as a server runs it, and what both servers do alike.

::

    BehindProxies         address, scheme and host as trusted proxies tell them
    └── create_app        Flask

Built in a worker, after the fork: each opens the database itself.
"""

import ctypes
import gc
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from settings.errors import SettingsError
from web.app import create_app
from web.config import ServerConfig
from web.proxies import Application, BehindProxies
from web.services import build_services

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT_FREE = 128 * 1024
"""glibc's names (malloc.h), and what it begins with before it adapts: bytes."""


def build_application(config: ServerConfig) -> Application:
    """Return the WSGI application of a prepared data folder; maintenance begins beside it."""
    services = build_services(config)
    app = create_app(services, config)
    services.registry.maintenance.start()
    return BehindProxies(app, config.trusted_proxies)


class Server(Protocol):
    """What both servers are: made with the socket in hand, and run until a signal ends them."""

    def run(self) -> None:
        """Serve until a signal ends it."""
        ...


class ServerMissing(SettingsError):
    """The server `name` isn't installed."""

    def __init__(self, name: str, extra: str) -> None:
        self.name = name
        self.hint = f"pip install {extra}"
        super().__init__(f"server: {name} is not installed")


MakeServer: TypeAlias = Callable[
    [Callable[[], ServerConfig], ServerConfig, socket.socket, str], Server
]


def choose_server(name: str) -> MakeServer:
    """Return what makes the server `name`.

    It takes how to read the configuration anew, the configuration, the socket and its URL.

    Raises:
        ServerMissing: it isn't installed.
    """
    if name == "gunicorn":
        from web.server import GunicornServer

        return GunicornServer
    try:
        from web.granian_server import GranianServer
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "granian":
            raise
        raise ServerMissing("granian", "recipebox[granian]") from error
    return GranianServer


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it, or none."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def raise_file_limit() -> None:
    """Let this process and its children open as many files as the system lets them.

    A connection is a file; the usual soft limit of 1,024 is there for programs that use select().
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def spare_memory() -> None:
    """Let workers share what was made before the fork, and give back what they no longer use.

    A collection writes to every object it looks at, and so gives each worker a copy of its page:
    what is there now is looked at no more. And glibc keeps the more of freed memory the larger the
    pieces that were ever freed, in each thread's arena, unless its thresholds are set.
    """
    gc.collect()
    gc.freeze()
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have none, and no need of it
        for threshold in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(threshold, _KEPT_FREE)
