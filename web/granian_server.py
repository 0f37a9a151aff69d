"""granian in this process: a master that holds the socket, and workers of Rust with our threads.

An option: it answers small requests quicker than gunicorn. It knows no `wsgi.file_wrapper`, so
blobs are read in fixed buffers, and it waits for a body for ever, so that slow senders hold their
threads: it belongs behind a proxy that buffers requests (deploy/server/nginx.conf). A request that
is cut short just ends, as under gunicorn; a chunked one too, and then nothing tells but the digest.
"""

import logging
import multiprocessing
import socket
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer, WorkerProcess

from settings.errors import SettingsError
from web.config import ServerConfig
from web.lines import LoggedRequests, RequestLines, set_up_logging
from web.listening import BACKLOG, spread
from web.proxies import Application
from web.serving import build_application, write_whole
from web.tls import TlsFiles, check_tls

_HEAD_TIMEOUT = 15_000
"""Milliseconds for the head of a request, and for which an idle connection stays open."""

_CONNECTIONS = 1024
"""Connections of a process, idle ones too; more wait in the kernel."""

_TELL_AGAIN_SECONDS = 1.0

_RESPAWN_SECONDS = 1.0
"""How long a new worker has to start before the one that it replaces is stopped."""

_LOGGING: dict[str, Any] = {
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": False}},
}
"""granian's lines go where all others go."""


def stop_insistently(process: BaseProcess, worker: WorkerProcess) -> None:
    """Tell a worker to stop, and again every second until it has.

    granian 2.8.7 loses the signal now and then, where it comes while a connection is taken: the
    worker then goes on as if nothing were. Telling it twice does no harm.
    """
    worker.interrupt_by_parent = True

    def insist() -> None:
        while process.is_alive():
            process.terminate()
            process.join(_TELL_AGAIN_SECONDS)

    process.terminate()
    threading.Thread(target=insist, daemon=True).start()


class GranianServer(MPServer):
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
        self._listening = listening
        self._url = url
        super().__init__(
            "web",
            address=config.host,
            port=config.port,
            interface=Interfaces.WSGI,
            workers=config.workers,
            blocking_threads=config.threads,
            backpressure=_CONNECTIONS,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=_HEAD_TIMEOUT),
            websockets=False,
            log_level=LogLevels.error,
            log_dictconfig=_LOGGING,
            respawn_failed_workers=True,
            respawn_interval=_RESPAWN_SECONDS,
            workers_kill_timeout=config.graceful_timeout,
        )
        self._use_tls(config.tls)
        self.on_startup(self._tell_address)

    def run(self) -> None:
        """Serve until a signal ends it."""
        set_up_logging(self._config.log_format)
        multiprocessing.set_start_method("fork", force=True)  # workers have the socket from us
        self.serve(target_loader=self._load, wrap_loader=False)

    def _load(self) -> Application:
        """Build the application, which also writes its requests' lines; in a worker."""
        lines = RequestLines(self._config.log_format)
        return LoggedRequests(build_application(self._config), lines)

    def _spawn_worker(self, idx: int, *given: Any, **named: Any) -> WorkerProcess:
        """Return a worker with a socket of its own, that is told to stop until it does."""
        self._use(idx)
        worker: WorkerProcess = super()._spawn_worker(idx, *given, **named)
        worker.terminate = partial(stop_insistently, worker.inner, worker)  # type: ignore[method-assign]
        return worker

    def _init_shared_socket(self) -> None:
        """Have workers accept where the socket was opened before all else.

        This process keeps all sockets: what comes to one whose worker ended waits for the next.
        """
        self._ssp = None
        self._sockets = spread(self._listening, self.workers)
        for each in self._sockets:
            each.settimeout(0.0)
        is_unix = False
        make_holder: Any = SocketHolder  # whose stub says nothing of what it takes
        self._holders = [make_holder(each.fileno(), is_unix, BACKLOG) for each in self._sockets]
        self._use(0)

    def _use(self, idx: int) -> None:
        """Have the worker that is started next, the one at place `idx`, accept from its socket."""
        place = idx % len(self._sockets)
        self._sso: socket.socket | None = self._sockets[place]
        self._sfd: Any = self._sockets[place].fileno()
        self._shd: Any = self._holders[place]

    def _drop_shared_socket(self) -> None:
        """Let go of all sockets."""
        for each in self._sockets:
            each.close()
        self._sso = None

    def _reload(self, spawn_target: Any, target_loader: Any) -> Any:
        """Read the configuration anew; one that can't be read is told, and changes nothing."""
        try:
            config = self._read()
            self._use_tls(config.tls)
        except (SettingsError, OSError) as error:
            logging.getLogger("web").warning("configuration kept as it was: %s", error)
            self.reload_signal = False
            self.main_loop_interrupt.clear()
            return None
        self._config = config
        self.blocking_threads = config.threads
        self.workers_kill_timeout = config.graceful_timeout
        return super()._reload(spawn_target, target_loader)  # type: ignore[no-untyped-call]

    def _use_tls(self, files: TlsFiles | None) -> None:
        """Have workers that start from now on read these files; they are tried here first.

        Raises:
            UnusableTls: one of them can't be used.
        """
        check_tls(files)
        self.build_ssl_context(
            None if files is None else files.certificate,
            None if files is None else files.key,
            password=None,
            proto=SSLProtocols.tls12,
            ca=None if files is None else files.client_ca,
            crl=[],
            client_verify=files is not None and files.client_ca is not None,
        )

    def _tell_address(self) -> None:
        if self._config.address_file is not None:
            write_whole(self._config.address_file, self._url + "\n")
