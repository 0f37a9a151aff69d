"""TLS by the server itself: from files, of clients that it knows, and with files that change."""

import contextlib
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from artifacts.digest import Digest
from tests.tools.certificates import Authority, make_authority
from tests.tools.server import RunningServer, ServerFailed, running_server, start_server, wait_until

pytestmark = pytest.mark.real

BLOB = bytes(range(256)) * 10_000
TIMEOUT = 30


@dataclass
class Files:
    """An authority, and the files that a server is told of."""

    authority: Authority
    certificate: Path
    key: Path

    @property
    def options(self) -> dict[str, str]:
        """For `running_server`."""
        return {"tls_certificate": str(self.certificate), "tls_key": str(self.key)}

    def renew(self) -> None:
        """Put a new certificate and its key where the old ones are."""
        certificate, key = self.authority.issue("localhost")
        certificate.replace(self.certificate)
        key.replace(self.key)

    def context(self, *client: Path) -> ssl.SSLContext:
        """Return a client's side, with or without a certificate of its own."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if client:
            context.load_cert_chain(*client)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    authority = make_authority(tmp_path / "tls")
    return Files(authority, *authority.issue("localhost"))


def shake_hands(server: RunningServer, context: ssl.SSLContext) -> tuple[str | None, int]:
    """Return the version that was agreed on and the serial number of the server's certificate."""
    place = urlsplit(server.url)
    with (
        socket.create_connection((place.hostname, place.port), timeout=TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert secure.recv(12) == b"HTTP/1.1 200"
        certificate = secure.getpeercert()
        assert certificate
        return secure.version(), int(str(certificate["serialNumber"]), 16)


def test_blobs_go_in_and_out(tmp_path, files, kind):
    with running_server(tmp_path / "data", server=kind, **files.options) as server:
        assert server.url.startswith("https://127.0.0.1:")
        digest = Digest.of(BLOB)
        path = f"{server.url}/v2/team/image/blobs"
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {server.token}"
            session.trust_env = False
            session.verify = str(files.authority.certificate)
            pushed = session.post(f"{path}/uploads/?digest={digest}", data=BLOB, timeout=TIMEOUT)
            whole = session.get(f"{path}/{digest}", timeout=TIMEOUT)
            part = session.get(f"{path}/{digest}", headers={"Range": "bytes=5-9"}, timeout=TIMEOUT)
            page = session.get(f"{server.url}/login", timeout=TIMEOUT)

        assert pushed.status_code == 201
        assert whole.content == BLOB
        assert part.content == BLOB[5:10]
        assert "; Secure" in page.headers["Set-Cookie"]


def test_what_is_older_than_tls_1_2_is_refused(tmp_path, files, kind):
    with running_server(tmp_path / "data", server=kind, **files.options) as server:
        oldest = files.context()
        oldest.maximum_version = ssl.TLSVersion.TLSv1_2
        assert shake_hands(server, oldest)[0] == "TLSv1.2"
        assert shake_hands(server, files.context())[0] == "TLSv1.3"

        place = urlsplit(server.url)
        older = files.context()
        older.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="deprecated"):
            older.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="deprecated"):
            older.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection((place.hostname, place.port), timeout=TIMEOUT) as plain,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            older.wrap_socket(plain, server_hostname="localhost")


def test_only_clients_with_a_certificate_come_in_where_an_authority_is_named(tmp_path, files, kind):
    clients = make_authority(tmp_path / "clients")
    strangers = make_authority(tmp_path / "strangers")
    options = files.options | {"tls_client_ca": str(clients.certificate)}
    with running_server(tmp_path / "data", server=kind, **options) as server:
        known = files.context(*clients.issue("builder"))
        assert shake_hands(server, known)[0] == "TLSv1.3"

        for context in (files.context(), files.context(*strangers.issue("builder"))):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                shake_hands(server, context)


def test_hup_reads_the_files_again(tmp_path, files, kind):
    with running_server(tmp_path / "data", server=kind, **files.options) as server:
        _, before = shake_hands(server, files.context())

        files.renew()
        server.process.send_signal(signal.SIGHUP)

        wait_until(lambda: serial_of(server, files) not in {before, None})


def test_files_that_went_bad_change_nothing(tmp_path, files, kind):
    with running_server(tmp_path / "data", server=kind, **files.options) as server:
        before = shake_hands(server, files.context())

        files.key.write_text("half a k")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration kept as it was: tls_key" in server.log_text())

        assert shake_hands(server, files.context()) == before


def test_bad_files_are_told_before_anything_is_made(tmp_path, files, kind):
    options = files.options | {"tls_key": str(files.certificate)}

    with pytest.raises(ServerFailed) as caught:
        start_server(tmp_path / "data", server=kind, **options)

    assert caught.value.exit_code == 2
    assert f"tls_key: {files.certificate}: no private key in PEM form" in caught.value.log
    assert "it begins with -----BEGIN PRIVATE KEY-----" in caught.value.log
    assert "Traceback" not in caught.value.log
    assert not (tmp_path / "data").exists()


def test_plain_http_to_a_tls_port_is_no_reason_to_stop(tmp_path, files, kind):
    with running_server(tmp_path / "data", server=kind, **files.options) as server:
        place = urlsplit(server.url)
        with socket.create_connection((place.hostname, place.port), timeout=TIMEOUT) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while plain.recv(4096):
                pass

        assert shake_hands(server, files.context())[0] == "TLSv1.3"


def serial_of(server: RunningServer, files: Files) -> int | None:
    """Return the serial number of the server's certificate, or None while it is busy."""
    with contextlib.suppress(OSError, AssertionError):
        return shake_hands(server, files.context())[1]
    return None
