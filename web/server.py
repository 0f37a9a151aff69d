"""gunicorn in this process: a master that holds the socket, and workers with threads.

Nothing of the application is built before the fork: each worker opens the database itself.
"""

import logging
import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from settings.errors import SettingsError
from web.access_log import describe, describe_event, format_line
from web.app import create_app
from web.config import ServerConfig
from web.services import build_services

_WORKER_TIMEOUT = 120
"""Seconds without a heartbeat of a worker's main loop, which no transfer can delay."""

_KEEPALIVE = 15
"""Seconds that an idle connection stays open."""

_LONGEST_REQUEST_LINE = 8190


class LineFormatter(logging.Formatter):
    """Writes a record as `access_log` writes its lines; a traceback follows, or is a member."""

    def __init__(self, log_format: str) -> None:
        super().__init__()
        self._log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        now = datetime.fromtimestamp(record.created, UTC)
        values: dict[str, Any] = {"logger": record.name, "process": record.process}
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if trace and self._log_format == "json":
            values["traceback"] = trace
        members = describe_event(record.levelname.lower(), record.getMessage(), now, **values)
        line = format_line(members, self._log_format)
        return f"{line}\n{trace}" if trace and self._log_format != "json" else line


def log_class(log_format: str, stream: TextIO | None = None) -> type[Logger]:
    """Return gunicorn's logger, made to write our lines to `stream` (None: stderr)."""

    class ServerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
        """Writes every line in one form, and one for each request once its last byte has left."""

        def setup(self, cfg: Any) -> None:
            """Set the form of the lines."""
            super().setup(cfg)
            for handler in self.error_log.handlers:
                handler.setFormatter(LineFormatter(log_format))

        def access(
            self, resp: Any, _req: Any, environ: dict[str, Any], request_time: timedelta
        ) -> None:
            """Write a request's line."""
            members = describe(
                environ,
                int(resp.status_code),
                _count_sent(resp, environ),
                request_time.total_seconds(),
                datetime.now(UTC),
            )
            out = stream or sys.stderr
            out.write(format_line(members, log_format) + "\n")
            out.flush()

    return ServerLog


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threads, which leave the port as soon as they are told to stop.

    gunicorn's own only stop accepting: until the last transfer ends, a new client connects to a
    port where nobody answers, and a new server can't have it.
    """

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Begin or stop accepting; stopping for good closes this process's listening sockets."""
        super().set_accept_enabled(enabled)
        if not enabled and not (self.alive and self.is_parent_alive()):
            for listener in self.sockets:
                listener.close()


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The server: `run()` returns when it has stopped.

    `read` reads the configuration anew, for SIGHUP; `listening` is where it listens.
    """

    def __init__(
        self,
        read: Callable[[], ServerConfig],
        config: ServerConfig,
        listening: socket.socket,
        url: str,
    ) -> None:
        self._read = read
        self._config = config
        self._url = url
        self._bind = f"fd://{listening.detach()}"
        super().__init__()

    def reload(self) -> None:
        """Read the configuration anew; one that can't be read is told, and changes nothing."""
        try:
            self._config = self._read()
        except (SettingsError, OSError) as error:
            logging.getLogger("web").warning("configuration kept as it was: %s", error)
        super().reload()

    def load_config(self) -> None:
        """Tell gunicorn what the configuration says."""
        config = self._config
        options = {
            "bind": self._bind,
            "workers": config.workers,
            "threads": config.threads,
            "worker_class": DrainingWorker,
            "timeout": _WORKER_TIMEOUT,
            "graceful_timeout": config.graceful_timeout,
            "keepalive": _KEEPALIVE,
            "limit_request_line": _LONGEST_REQUEST_LINE,
            "control_socket_disable": True,
            "loglevel": "warning",
            "logger_class": log_class(config.log_format),
            "proc_name": "recipebox",
            "when_ready": self._tell_address,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the application, in a worker."""
        return create_app(build_services(self._config), self._config)

    def run(self) -> None:
        """Serve until a signal ends it."""
        handler = logging.StreamHandler()
        handler.setFormatter(LineFormatter(self._config.log_format))
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(logging.WARNING)
        super().run()

    def _tell_address(self, _arbiter: object) -> None:
        if self._config.address_file is not None:
            write_whole(self._config.address_file, self._url + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it, or none."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _count_sent(resp: Any, environ: dict[str, Any]) -> int:
    """Return how many bytes of the body were sent; sendfile's aren't counted by gunicorn."""
    sent = int(resp.sent)
    if sent == 0 and environ.get("REQUEST_METHOD") != "HEAD":
        return int(resp.response_length or 0)
    return sent
