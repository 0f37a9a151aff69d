"""granian, as far as no socket is needed; tests/http has the rest."""

import builtins
import logging
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from granian.constants import HTTPModes, Interfaces
from werkzeug.test import Client

from settings.errors import UnknownSetting
from tests.tools.certificates import make_authority
from web.config import ServerConfig
from web.granian_server import GranianServer, stop_insistently
from web.preparing import prepare
from web.server import GunicornServer
from web.serving import ServerMissing, choose_server, raise_file_limit
from web.tls import TlsFiles, UnusableTls


class Socket:
    """A listening socket, as far as a server asks before it runs."""

    def __init__(self) -> None:
        self.timeout: float | None = None

    def fileno(self) -> int:
        return 7

    def settimeout(self, timeout: float) -> None:
        self.timeout = timeout


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    config = ServerConfig(data=tmp_path / "data", threads=3, workers=1, graceful_timeout=9)
    prepare(config)
    return config


@pytest.fixture
def tls(tmp_path: Path) -> TlsFiles:
    authority = make_authority(tmp_path / "tls")
    return TlsFiles(*authority.issue("localhost"), authority.certificate)


def make(config: ServerConfig, read=None) -> GranianServer:
    return GranianServer(read or (lambda: config), config, Socket(), "http://127.0.0.1:80")


class TestChoice:
    def test_each_name_has_a_server(self):
        assert choose_server("gunicorn") is GunicornServer
        assert choose_server("granian") is GranianServer

    def test_one_that_is_not_installed_says_how_to_get_it(self, monkeypatch):
        real = builtins.__import__

        def refuse(name, *rest):
            if name == "web.granian_server":
                raise ModuleNotFoundError("No module named 'granian'", name="granian")
            return real(name, *rest)

        monkeypatch.delitem(sys.modules, "web.granian_server")
        monkeypatch.setattr(builtins, "__import__", refuse)

        with pytest.raises(ServerMissing, match="granian is not installed") as caught:
            choose_server("granian")
        assert caught.value.hint == "pip install recipebox[granian]"

    def test_another_module_that_is_missing_is_a_defect(self, monkeypatch):
        real = builtins.__import__

        def refuse(name, *rest):
            if name == "web.granian_server":
                raise ModuleNotFoundError("No module named 'flask'", name="flask")
            return real(name, *rest)

        monkeypatch.delitem(sys.modules, "web.granian_server")
        monkeypatch.setattr(builtins, "__import__", refuse)

        with pytest.raises(ModuleNotFoundError, match="flask"):
            choose_server("granian")


class TestServer:
    def test_it_is_told_what_the_configuration_says(self, config):
        server = make(config)

        assert server.interface == Interfaces.WSGI
        assert server.http == HTTPModes.http1
        assert (server.workers, server.blocking_threads) == (1, 3)
        assert server.workers_kill_timeout == 9
        assert server.respawn_failed_workers is True
        assert server.ssl_ctx[0] is False

    def test_a_worker_builds_the_application_and_writes_its_lines(self, config, capsys):
        answer = Client(make(config)._load()).get("/healthz")

        assert answer.json["status"] == "ok"
        answer.close()
        assert "path=/healthz status=200" in capsys.readouterr().err

    def test_workers_accept_from_the_socket_that_was_opened(self, config):
        server = make(config)

        server._init_shared_socket()

        assert server._shd.get_fd() == 7
        assert server._ssp is None
        assert server._sso.timeout == 0.0

    def test_the_address_is_written_where_it_is_wanted(self, config, tmp_path):
        make(config)._tell_address()
        make(replace(config, address_file=tmp_path / "url"))._tell_address()

        assert (tmp_path / "url").read_text() == "http://127.0.0.1:80\n"

    def test_tls_is_tried_before_workers_read_it(self, config, tls):
        server = make(replace(config, tls=tls))

        is_on, certificate, key, _, oldest, authority, _, is_asking = server.ssl_ctx
        assert (is_on, oldest, is_asking) == (True, "tls1.2", True)
        assert Path(certificate) == tls.certificate.resolve()
        assert Path(key) == tls.key.resolve()
        assert Path(authority) == tls.client_ca.resolve()
        with pytest.raises(UnusableTls):
            make(replace(config, tls=replace(tls, key=tls.certificate)))


class Process:
    """A worker's process that heeds only so many signals."""

    def __init__(self, heeds: int) -> None:
        self.left = heeds
        self.told = 0
        self.ended = threading.Event()

    def terminate(self) -> None:
        self.told += 1
        self.left -= 1

    def is_alive(self) -> bool:
        if self.left > 0:
            return True
        self.ended.set()
        return False

    def join(self, timeout: float) -> None:
        assert timeout > 0


class TestStopping:
    def test_a_worker_that_loses_a_signal_is_told_again(self):
        process = Process(3)
        worker = SimpleNamespace(interrupt_by_parent=False)

        stop_insistently(process, worker)

        assert process.ended.wait(10)
        assert process.told == 3
        assert worker.interrupt_by_parent  # so its end is no surprise

    def test_every_worker_is_stopped_so(self, config, monkeypatch):
        stopped = []
        monkeypatch.setattr(
            "web.granian_server.stop_insistently", lambda *given: stopped.append(given)
        )
        server = make(config)
        server._init_shared_socket()
        server._start_ipc()

        worker = server._spawn_worker(0, target=None, callback_loader=None)
        worker.terminate()

        assert stopped == [(worker.inner, worker)]


class TestReload:
    @pytest.fixture(autouse=True)
    def respawned(self, monkeypatch):
        """The workers that would be started anew."""
        respawned = []

        def respawn(_server, workers, *_rest, **_named):
            respawned.append(workers)

        monkeypatch.setattr(GranianServer, "_respawn_workers", respawn)
        return respawned

    def test_a_hangup_reads_the_configuration_again(self, config, respawned):
        server = make(config, lambda: replace(config, threads=5, graceful_timeout=4))

        server._reload(None, None)

        assert (server.blocking_threads, server.workers_kill_timeout) == (5, 4)
        assert respawned == [[0]]

    def test_one_that_can_not_be_read_changes_nothing(self, config, respawned, caplog):
        def fail():
            raise UnknownSetting("workrs", "recipebox.toml", "workers")

        server = make(config, fail)
        server.reload_signal = True
        server.main_loop_interrupt.set()

        server._reload(None, None)

        assert server.blocking_threads == 3
        assert respawned == []
        assert not server.reload_signal
        assert not server.main_loop_interrupt.is_set()
        assert "did you mean workers?" in caplog.text

    def test_bad_tls_files_are_told_and_the_old_ones_kept(self, config, tls, respawned, caplog):
        server = make(replace(config, tls=tls))
        before = server.ssl_ctx
        tls.key.write_text("half a k")

        server._read = lambda: replace(config, tls=tls)
        server._reload(None, None)

        assert server.ssl_ctx == before
        assert respawned == []
        assert "no private key in PEM form" in caplog.text


def test_running_sets_the_form_of_every_line(config, monkeypatch, capfd):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr("multiprocessing.set_start_method", lambda *_given, **_named: None)
    monkeypatch.setattr(GranianServer, "serve", lambda *_given, **_named: None)

    make(config).run()
    logging.getLogger("anything").warning("hello")

    assert " warning hello logger=anything" in capfd.readouterr().err


def test_as_many_files_as_the_system_lets(monkeypatch):
    told = []
    monkeypatch.setattr("resource.getrlimit", lambda _what: (1024, 4096))
    monkeypatch.setattr("resource.setrlimit", lambda _what, limits: told.append(limits))

    raise_file_limit()

    assert told == [(4096, 4096)]
