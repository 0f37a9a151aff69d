"""gunicorn in this process: a master that holds the socket, and workers with threads.

Nothing of the application is built before the fork: each worker opens the database itself.
"""

import errno
import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any, TextIO

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from settings.errors import SettingsError
from web.config import ServerConfig
from web.connections import Connection, PatientTlsSocket
from web.gathering import Gathered, is_small
from web.lines import LineFormatter, RequestLines, set_up_logging
from web.proxies import Application
from web.serving import build_application, write_whole
from web.shares import Shares
from web.tls import open_tls

_WORKER_TIMEOUT = 120
"""Seconds without a heartbeat of a worker's main loop, which no transfer can delay."""

_KEEPALIVE = 15
"""Seconds that an idle connection stays open."""

_LONGEST_REQUEST_LINE = 8190

_NEXT_MILLISECONDS = 2
"""How long a thread waits for its clients' next requests; a client nearby asks within one."""

_QUICK = 0.01
"""Seconds that an answer may take for others to wait for it: a database far away takes longer."""

_IDLE = 0.1
"""Seconds after which a connection is waited for in the poller, and no longer by a thread."""

_HELD_UP = 0.1
"""Seconds after which what waits for one answer is given to others."""

_OTHERS_FIRST = 0.0005
"""Seconds that a worker with more than its share leaves a new connection to the others."""

_GATHERED = object()
"""What `Worker.handle` returns where the connection is had by the thread that gathers them."""

_NOT_ACCEPTED = frozenset(
    {errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE}
)
"""What accept() says where another worker was quicker, the client has gone, or files are short:
the last mends itself as connections end, and is no reason to end all the others."""


def log_class(log_format: str, stream: TextIO | None = None) -> type[Logger]:
    """Return gunicorn's logger, made to write our lines to `stream` (None: stderr)."""
    lines = RequestLines(log_format, stream)

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
            sent = _count_sent(resp, environ)
            status = int(resp.status.partition(" ")[0])  # which gunicorn's own answers have too
            lines.write(environ, status, sent, request_time.total_seconds())

    return ServerLog


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threads, with bounds on what a client may cost them.

    It leaves the port as soon as it is told to stop. gunicorn's own only stops accepting: until
    the last transfer ends, a new client connects to a port where nobody answers, and a new server
    can't have it.
    """

    _shares = Shares()

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._gathering = threading.Lock()
        self._gathered: Gathered | None = None
        self._answering_since: float | None = None

    def init_process(self) -> None:
        """Begin, in the process that was forked."""
        self._gathered = Gathered()
        super().init_process()

    def notify(self) -> None:
        """Say that the main loop goes on; it comes here at least once a second.

        Where the thread that gathers connections is held up by one client, the others go back.
        """
        super().notify()
        self._shares.tell(self.age, self.nr_conns)
        if self._is_held_up(_HELD_UP):
            for conn in self._gathered.idle(0) if self._gathered is not None else ():
                self._keep(conn)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Begin or stop accepting; stopping for good closes this process's listening sockets."""
        super().set_accept_enabled(enabled)
        if not enabled and not (self.alive and self.is_parent_alive()):
            for listener in self.sockets:
                listener.close()
            soon = time.monotonic() + STOP_KEEPALIVE_LINGER
            for conn in self.pending_conns:  # connections without a request keep nobody waiting
                conn.timeout = min(conn.timeout, soon)

    def accept(self, listener: Any) -> None:
        """Take a connection; it gets a thread once something came over it, and not before."""
        if self._shares.is_over(self.age, self.nr_conns):
            time.sleep(_OTHERS_FIRST)
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno not in _NOT_ACCEPTED:
                raise
            return
        self.nr_conns += 1
        patience = self.app.client_timeout
        conn = Connection(self.cfg, accepted, client, listener.getsockname(), patience)
        if conn.has_data():
            self.enqueue_req(conn)
            return
        conn.set_timeout()
        self.pending_conns.append(conn)
        waiting = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, waiting)

    def handle(self, conn: Connection) -> object:
        """Answer a request; return whether its connection is kept, or `_GATHERED`."""
        is_kept = self._answer(conn)
        if not is_kept or self._gathered is None or conn.has_more() or self._is_held_up(_QUICK):
            return is_kept
        self._gathered.add(conn)
        # asked again after each end: what came in between was left to who was just ending
        while len(self._gathered) and self._gathering.acquire(blocking=False):
            try:
                alone = self._answer_gathered(self._gathered)
            finally:
                self._gathering.release()
            if alone is not None:
                self._settle(alone, self._gathered, is_kept=self._answer(alone))
        return _GATHERED

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Take a connection back from a thread, unless another has it."""
        if fs.cancelled() or fs.exception() is not None or fs.result() is not _GATHERED:
            super().finish_request(conn, fs)

    def _answer_gathered(self, gathered: Gathered) -> Connection | None:
        """Answer what is small, one request after another, as long as they come at once.

        Returns a connection with another request, where nothing else waits: to be answered by
        this thread, when it doesn't gather any more.
        """
        looked = time.monotonic()
        goes_on = True
        try:
            while goes_on and self._is_calm():
                goes_on = False
                for conn in gathered.ready(_NEXT_MILLISECONDS):
                    if is_small(conn):
                        goes_on = self._answer_small(conn, gathered)
                    elif len(gathered):
                        goes_on = True
                        self.method_queue.defer(self.enqueue_req, conn)
                    else:
                        return conn
                if looked + _IDLE < time.monotonic():
                    looked = time.monotonic()
                    self._give_back(gathered.idle(_IDLE))
        finally:
            self._give_back(gathered.idle(0))
        return None

    def _answer_small(self, conn: Connection, gathered: Gathered) -> bool:
        """Answer a request; return whether that was quick."""
        begun = self._answering_since = time.monotonic()
        try:
            self._settle(conn, gathered, is_kept=self._answer(conn))
        finally:
            self._answering_since = None
        return time.monotonic() - begun < _QUICK

    def _settle(self, conn: Connection, gathered: Gathered, *, is_kept: bool) -> None:
        """Wait for a connection's next request, or see to its end."""
        if not is_kept:
            self.method_queue.defer(self._forget, conn)
        elif conn.has_more():
            self.method_queue.defer(self.enqueue_req, conn)
        else:
            gathered.add(conn)

    def _give_back(self, conns: Iterable[Connection]) -> None:
        for conn in conns:
            self.method_queue.defer(self._keep, conn)

    def _is_held_up(self, seconds: float) -> bool:
        """Return whether one answer has kept the thread that gathers for longer."""
        since = self._answering_since
        return since is not None and time.monotonic() - since > seconds

    def _is_calm(self) -> bool:
        """Return whether no request waits for a thread."""
        return bool(self.alive and self.tpool._work_queue.empty())  # noqa: SLF001 - it has no other

    def _keep(self, conn: Connection) -> None:
        """Wait for a connection's next request in the poller; in the main thread."""
        conn.sock.setblocking(flag=False)
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self.keepalived_conns.append(conn)
        waiting = partial(self.on_client_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, waiting)

    def _forget(self, conn: Connection) -> None:
        """Count a connection out that has ended; in the main thread."""
        self.nr_conns -= 1
        conn.close()

    def _answer(self, conn: Connection) -> bool:
        conn.sock.begin()
        is_kept = bool(super().handle(conn)) and not conn.sock.has_stalled
        if not is_kept:
            conn.end()
        return is_kept

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Answer a request whose head has come."""
        conn.sock.begin_body()
        conn.straighten()
        conn.announce_end()
        return bool(super().handle_request(req, conn))


class GunicornServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
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
        self._tls = None if config.tls is None else open_tls(config.tls)
        self._url = url
        self._bind = f"fd://{listening.detach()}"
        super().__init__()

    def reload(self) -> None:
        """Read the configuration anew; one that can't be read is told, and changes nothing."""
        try:
            config = self._read()
            tls = None if config.tls is None else open_tls(config.tls)
        except (SettingsError, OSError) as error:
            logging.getLogger("web").warning("configuration kept as it was: %s", error)
        else:
            self._config, self._tls = config, tls
        super().reload()

    def load_config(self) -> None:
        """Tell gunicorn what the configuration says."""
        config = self._config
        options = {
            "bind": self._bind,
            "workers": config.workers,
            "threads": config.threads,
            "worker_class": Worker,
            "timeout": _WORKER_TIMEOUT,
            "graceful_timeout": config.graceful_timeout,
            "keepalive": _KEEPALIVE,
            "limit_request_line": _LONGEST_REQUEST_LINE,
            "control_socket_disable": True,
            "loglevel": "warning",
            "logger_class": log_class(config.log_format),
            "proc_name": "recipebox",
            "forwarded_allow_ips": "",  # web/proxies.py alone says who is believed
            "when_ready": self._tell_address,
        }
        if config.tls is not None:
            options["certfile"] = str(config.tls.certificate)
            options["keyfile"] = str(config.tls.key)
            options["ssl_context"] = self._give_tls
        for name, value in options.items():
            self.cfg.set(name, value)

    @property
    def client_timeout(self) -> float:
        """Seconds that a client may stall; workers ask."""
        return self._config.client_timeout

    def load(self) -> Application:
        """Build the application, in a worker."""
        return build_application(self._config)

    def run(self) -> None:
        """Serve until a signal ends it."""
        set_up_logging(self._config.log_format)
        super().run()

    def _give_tls(self, _config: Any, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return the context that the master read: a worker never meets a half-written file."""
        if self._tls is None:
            raise RuntimeError("gunicorn asks for TLS that it was not told of")
        self._tls.sslsocket_class = PatientTlsSocket
        return self._tls

    def _tell_address(self, _arbiter: object) -> None:
        if self._config.address_file is not None:
            write_whole(self._config.address_file, self._url + "\n")


def _count_sent(resp: Any, environ: dict[str, Any]) -> int:
    """Return how many bytes of the body were sent; sendfile's aren't counted by gunicorn."""
    sent = int(resp.sent)
    if sent == 0 and environ.get("REQUEST_METHOD") != "HEAD":
        return int(resp.response_length or 0)
    return sent
