"""`recipebox serve`, as far as no socket is needed; tests/http has the rest."""

import errno
import json
import logging
import socket
import stat
import sys
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

from settings.errors import UnknownSetting
from settings.load import load_settings
from tests.tools.certificates import make_authority
from web import listening
from web.access_log import start_notes
from web.app import find_version
from web.commands.serve import command
from web.config import ServerConfig, read_config
from web.connections import PatientTlsSocket
from web.lines import LineFormatter
from web.preparing import prepare
from web.server import GunicornServer, Worker, log_class
from web.serving import write_whole
from web.tls import TlsFiles


class Socket:
    """What a listening socket tells; it never was one."""

    def __init__(self, *name: object) -> None:
        self.name = name

    def getsockname(self) -> tuple[object, ...]:
        return self.name

    def detach(self) -> int:
        return 7


class TestConfiguration:
    def test_settings_become_a_configuration(self, tmp_path):
        settings = load_settings(
            {"listen": "[::1]:0", "threads": "3"}, {"RECIPEBOX_LOG_FORMAT": "json"}
        )

        config = read_config(settings, tmp_path)

        assert (config.host, config.port, config.threads) == ("::1", 0, 3)
        assert (config.log_format, config.workers) == ("json", 2)
        assert config.registry.data == tmp_path

    def test_the_file_in_the_data_folder_counts(self, tmp_path):
        (tmp_path / "recipebox.toml").write_text("workrs = 3\n")

        wrong = CliRunner().invoke(command, ["--data", str(tmp_path)])

        assert wrong.exit_code == 2
        assert "did you mean workers?" in wrong.output

    def test_help_names_every_variable(self):
        page = CliRunner().invoke(command, ["--help"]).output

        for name in ("DATA", "LISTEN", "WORKERS", "THREADS", "GRACEFUL_TIMEOUT", "SERVER_KEY"):
            assert f"RECIPEBOX_{name}]" in page.replace("\n", "").replace(" ", "")


class TestCommand:
    @pytest.fixture
    def serving(self, monkeypatch):
        """The command up to where it would listen and serve."""
        monkeypatch.setattr(listening, "listen", lambda _host, port: Socket("127.0.0.1", port))
        served = []

        def serve(server):
            served.append(server)

        monkeypatch.setattr(GunicornServer, "run", serve)
        return served

    def test_the_first_start_tells_how_to_go_on(self, tmp_path, serving):
        words = ["--data", str(tmp_path / "data"), "--listen", "127.0.0.1:9000"]

        first = CliRunner().invoke(command, words)
        second = CliRunner().invoke(command, words)

        [token] = [word for word in first.output.split() if word.startswith("rbx_")]
        assert f"export RECIPEBOX_TOKEN={token}" in first.output
        assert "export RECIPEBOX_URL=http://127.0.0.1:9000" in first.output
        assert "http://127.0.0.1:9000/login" in first.output
        assert "rbx_" not in second.output
        assert f"serves {tmp_path / 'data'} at http://127.0.0.1:9000" in second.output
        assert len(serving) == 2

    def test_programs_get_json(self, tmp_path, serving):
        words = ["--data", str(tmp_path), "--json", "--public-url", "https://recipes.example.org"]

        drawn = json.loads(CliRunner().invoke(command, words).output)

        assert drawn["url"] == "https://recipes.example.org"
        assert drawn["data"] == str(tmp_path)
        assert drawn["first_token"].startswith("rbx_")
        assert len(serving) == 1

    def test_a_port_that_is_taken_is_told_before_anything_is_made(self, tmp_path, monkeypatch):
        def refuse(host, port):
            raise listening.CannotListen(f"{host}:{port}", "the port is taken", "choose another")

        monkeypatch.setattr(listening, "listen", refuse)

        wrong = CliRunner().invoke(command, ["--data", str(tmp_path / "data")])

        assert wrong.exit_code == 1
        assert "error: can't listen on 127.0.0.1:8080: the port is taken" in wrong.output
        assert "choose another" in wrong.output
        assert not (tmp_path / "data").exists()


class TestListening:
    @pytest.mark.parametrize(
        ("name", "url"),
        [
            (("127.0.0.1", 80), "http://127.0.0.1:80"),
            (("0.0.0.0", 81), "http://127.0.0.1:81"),
            (("::", 82, 0, 0), "http://[::1]:82"),
            (("fe80::1", 83, 0, 0), "http://[fe80::1]:83"),
        ],
    )
    def test_the_url_is_one_that_works_here(self, name, url):
        assert listening.url_of(Socket(*name)) == url

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            (errno.EADDRINUSE, "the port is taken"),
            (errno.EACCES, "not allowed"),
            (errno.EADDRNOTAVAIL, "Cannot assign requested address"),
        ],
    )
    def test_what_is_in_the_way_is_told_with_what_to_do(self, monkeypatch, number, said):
        closed = []

        class Refusing(Socket):
            def setsockopt(self, *_option: object) -> None:
                pass

            def bind(self, _place: object) -> None:
                import os

                raise OSError(number, os.strerror(number))

            def close(self) -> None:
                closed.append(self)

        place = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_more: [place])
        monkeypatch.setattr(socket, "socket", Refusing)

        with pytest.raises(listening.CannotListen, match=said) as caught:
            listening.listen("127.0.0.1", 80)

        assert caught.value.address == "127.0.0.1:80"
        assert caught.value.hint
        assert len(closed) == 1

    def test_a_host_that_is_none(self, monkeypatch):
        def find_nothing(*_given, **_more):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", find_nothing)

        with pytest.raises(listening.CannotListen, match=r"\[no::such\]:80: no such host"):
            listening.listen("no::such", 80)


class TestPreparing:
    def test_the_folder_and_its_secrets_are_for_their_owner_only(self, tmp_path):
        config = ServerConfig(data=tmp_path / "new" / "data")

        token = prepare(config)

        assert token is not None
        assert stat.S_IMODE(config.data.stat().st_mode) == 0o700
        secrets = sorted((config.data / "keys").iterdir())
        assert [path.name for path in secrets] == ["server.secret.asc", "token.key.pem"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
        assert prepare(config) is None


class TestServer:
    @pytest.fixture
    def config(self, tmp_path):
        config = ServerConfig(data=tmp_path / "data", threads=3, address_file=tmp_path / "url")
        prepare(config)
        return config

    def test_gunicorn_is_told_what_the_configuration_says(self, config):
        server = GunicornServer(lambda: config, config, Socket(), "http://127.0.0.1:80")

        assert server.cfg.threads == 3
        assert server.cfg.worker_class is Worker
        assert server.cfg.address == [7]
        assert server.cfg.graceful_timeout == 120
        assert server.cfg.control_socket_disable is True

    def test_a_worker_builds_the_application(self, config):
        server = GunicornServer(lambda: config, config, Socket(), "")

        answer = Client(server.wsgi()).get("/healthz")

        assert answer.json == {"status": "ok", "version": find_version()}

    def test_the_address_is_written_once_it_listens(self, config):
        server = GunicornServer(lambda: config, config, Socket(), "http://127.0.0.1:80")

        server.cfg.when_ready(None)

        assert config.address_file.read_text() == "http://127.0.0.1:80\n"
        assert sorted(file.name for file in config.address_file.parent.iterdir()) == ["data", "url"]

    def test_where_nobody_wants_the_address_none_is_written(self, config):
        server = GunicornServer(
            lambda: config, replace(config, address_file=None), Socket(), "http://x"
        )

        server.cfg.when_ready(None)

        assert not config.address_file.exists()

    def test_tls_is_read_by_the_master_and_given_to_workers(self, config, tmp_path, caplog):
        tls = TlsFiles(*make_authority(tmp_path).issue("localhost"))
        secure = replace(config, tls=tls, client_timeout=7)
        server = GunicornServer(lambda: secure, secure, Socket(), "")

        context = server.cfg.ssl_context(server.cfg, None)
        assert server.cfg.is_ssl
        assert context.sslsocket_class is PatientTlsSocket
        assert server.client_timeout == 7

        tls.key.write_text("half a k")
        server.reload()
        assert server.cfg.ssl_context(server.cfg, None) is context
        assert "no private key in PEM form" in caplog.text

    def test_without_tls_there_is_none_to_give(self, config):
        server = GunicornServer(lambda: config, config, Socket(), "")

        assert not server.cfg.is_ssl
        assert server.cfg.forwarded_allow_ips == []
        with pytest.raises(RuntimeError):
            server._give_tls(server.cfg, None)

    def test_a_hangup_reads_the_configuration_again(self, config):
        server = GunicornServer(lambda: replace(config, threads=9), config, Socket(), "")

        server.reload()

        assert server.cfg.threads == 9

    def test_one_that_can_not_be_read_changes_nothing(self, config, caplog):
        def fail():
            raise UnknownSetting("workrs", "recipebox.toml", "workers")

        server = GunicornServer(fail, config, Socket(), "")

        server.reload()

        assert server.cfg.threads == 3
        assert "did you mean workers?" in caplog.text

    def test_running_sets_the_form_of_every_line(self, config, monkeypatch, capfd):
        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [])
        monkeypatch.setattr("gunicorn.app.base.BaseApplication.run", lambda _server: None)
        level = root.level

        GunicornServer(lambda: config, config, Socket(), "").run()
        try:
            logging.getLogger("anything").warning("hello")
        finally:
            root.setLevel(level)

        assert " warning hello logger=anything" in capfd.readouterr().err


class TestLog:
    def access(self, log_format, environ, capsys, **answer):
        config = SimpleNamespace(
            loglevel="warning",
            errorlog="-",
            accesslog=None,
            capture_output=False,
            logconfig=None,
            logconfig_dict=None,
            logconfig_json=None,
            syslog=False,
            disable_redirect_access_to_syslog=False,
        )
        logger = log_class(log_format)(config)
        resp = SimpleNamespace(status="200 OK", sent=0, response_length=None, **answer)
        logger.access(resp, None, environ, timedelta(seconds=1.5))
        logger.error("something is wrong")
        return capsys.readouterr().err

    def test_a_request_is_a_line(self, capsys):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x", "HTTP_X_REQUEST_ID": "12345678"}
        start_notes(environ)

        line = json.loads(self.access("json", environ, capsys).splitlines()[0])

        assert (line["duration_ms"], line["request_id"]) == (1500.0, "12345678")

    @pytest.mark.parametrize(
        ("method", "sent", "length", "counted"),
        [("GET", 0, 100, 100), ("GET", 5, 100, 5), ("HEAD", 0, 100, 0), ("GET", 0, None, 0)],
    )
    def test_bytes_are_counted_also_where_the_kernel_sent_them(
        self, capsys, method, sent, length, counted
    ):
        logger = log_class("json", sys.stderr)
        access = logger.access
        resp = SimpleNamespace(status="200 OK", sent=sent, response_length=length)

        access(None, resp, None, {"REQUEST_METHOD": method}, timedelta())

        assert json.loads(capsys.readouterr().err)["bytes"] == counted

    def test_gunicorns_own_lines_have_the_same_form(self, capsys):
        lines = self.access("json", {}, capsys).splitlines()

        assert json.loads(lines[1])["message"] == "something is wrong"

    def test_a_traceback_is_a_member_in_json_and_follows_in_text(self):
        try:
            int("here")
        except ValueError:
            record = logging.LogRecord("web", 40, "f", 1, "failed: %s", ("x",), sys.exc_info())

        drawn = json.loads(LineFormatter("json").format(record))
        text = LineFormatter("text").format(record)

        assert drawn["message"] == "failed: x"
        assert "ValueError: invalid literal" in drawn["traceback"]
        assert "error failed: x logger=web" in text.splitlines()[0]
        assert text.splitlines()[-1].startswith("ValueError: invalid literal")

    def test_a_file_is_written_whole(self, tmp_path):
        (tmp_path / "url").write_text("old")

        write_whole(tmp_path / "url", "new")

        assert (tmp_path / "url").read_text() == "new"
        assert len(list(tmp_path.iterdir())) == 1


def test_a_version_is_known_or_said_not_to_be(monkeypatch):
    from importlib import metadata

    assert find_version()

    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", unknown)
    assert find_version() == "0+source"
