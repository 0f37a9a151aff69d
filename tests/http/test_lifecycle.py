"""How a server starts, refuses to start, and stops."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from artifacts.digest import Digest
from tests.tools.server import (
    ServerFailed,
    admin,
    make_token,
    running_server,
    start_server,
    wait_until,
)

pytestmark = pytest.mark.real

BIG = b"\0" * 60_000_000  # more than the sockets' buffers hold
TIMEOUT = 60


def log_in(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def whoami(url: str, token: str) -> requests.Response:
    return requests.get(f"{url}/api/v1/whoami", headers=log_in(token), timeout=TIMEOUT)


class TestStarting:
    def test_the_first_start_prints_a_token_and_later_ones_none(self, tmp_path):
        with running_server(tmp_path / "data") as server:
            first = json.loads(server.output.read_text())
            assert whoami(server.url, first["first_token"]).json()["role"] == "admin"
            assert first["url"] == server.url
            key = requests.get(f"{server.url}/keys/_server.asc", timeout=TIMEOUT).text

        with running_server(tmp_path / "data", token=server.token) as again:
            assert json.loads(again.output.read_text())["first_token"] is None
            assert whoami(again.url, server.token).status_code == 200
            assert requests.get(f"{again.url}/keys/_server.asc", timeout=TIMEOUT).text == key

    def test_tokens_are_made_before_the_first_start_and_while_it_runs(self, tmp_path):
        data = tmp_path / "data"
        early = make_token(data, "publisher")

        with running_server(data) as server:
            late = make_token(data, "reader", "--expires", "30d")

            assert json.loads(server.output.read_text())["first_token"] is not None
            assert whoami(server.url, early).json()["role"] == "publisher"
            assert whoami(server.url, late).json()["role"] == "reader"
            admin("token", "revoke", late.split("_")[1], "--data", str(data))
            assert whoami(server.url, late).status_code == 401

    def test_a_port_that_is_taken(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"

            with pytest.raises(ServerFailed) as caught:
                start_server(tmp_path / "data", listen=address)

        assert caught.value.exit_code == 1
        assert f"can't listen on {address}: the port is taken" in caught.value.log
        assert "Traceback" not in caught.value.log
        assert not (tmp_path / "data").exists()  # no token was made that nobody saw

    def test_a_folder_that_can_not_be_written(self, tmp_path):
        data = tmp_path / "data"
        data.mkdir()
        data.chmod(0o500)
        powerless: tuple[str, ...] = ()
        if os.getuid() == 0:  # root may write everywhere, unless it may not
            setpriv = shutil.which("setpriv")
            assert setpriv
            powerless = (setpriv, "--bounding-set", "-dac_override")

        with pytest.raises(ServerFailed) as caught:
            start_server(data, prefix=powerless)

        assert caught.value.exit_code == 1
        assert f"{data} can't be used: Permission denied" in caught.value.log
        assert "make the folder writable" in caught.value.log
        assert "Traceback" not in caught.value.log

    def test_a_folder_of_a_newer_version(self, tmp_path):
        data = tmp_path / "data"
        make_token(data, "admin")
        with sqlite3.connect(data / "registry.sqlite3") as database:
            database.execute(
                "insert into schema_migration (name, applied) select ?, applied "
                "from schema_migration limit 1",
                ["9999_of_the_future"],
            )

        with pytest.raises(ServerFailed) as caught:
            start_server(data)

        assert caught.value.exit_code == 1
        assert "9999_of_the_future" in caught.value.log
        assert "start the version of Recipebox that wrote it" in caught.value.log
        assert "Traceback" not in caught.value.log

    def test_an_unknown_variable_stops_the_start(self, tmp_path):
        with pytest.raises(ServerFailed) as caught:
            start_server(tmp_path / "data", environ={"RECIPEBOX_WORKRS": "3"})

        assert caught.value.exit_code == 2
        assert "did you mean RECIPEBOX_WORKERS?" in caught.value.log

    def test_several_may_start_at_once(self, tmp_path):
        data = tmp_path / "data"
        servers = []
        failures = []

        def start(number: int) -> None:
            folder = tmp_path / str(number)
            folder.mkdir()
            link = folder / "data"
            link.symlink_to(data)
            try:
                servers.append(start_server(link, token="none"))
            except AssertionError as error:
                failures.append(error)

        threads = [threading.Thread(target=start, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        try:
            assert not failures
            keys = {
                requests.get(f"{server.url}/keys/_server.asc", timeout=TIMEOUT).text
                for server in servers
            }
            tokens = [json.loads(server.output.read_text())["first_token"] for server in servers]
            assert len(keys) == 1
            assert len([token for token in tokens if token]) == 1
        finally:
            for server in servers:
                server.stop()


class TestStopping:
    def test_a_download_in_flight_is_finished(self, tmp_path, kind):
        digest = Digest.of(BIG)
        with running_server(tmp_path / "data", server=kind) as server:
            path = f"{server.url}/v2/team/image/blobs"
            headers = log_in(server.token)
            pushed = requests.post(
                f"{path}/uploads/?digest={digest}", data=BIG, headers=headers, timeout=TIMEOUT
            )
            assert pushed.status_code == 201
            answer = requests.get(f"{path}/{digest}", headers=headers, stream=True, timeout=TIMEOUT)
            began = answer.raw.read(1000)

            server.process.send_signal(signal.SIGTERM)
            place = urlsplit(server.url)
            wait_until(lambda: not _answers(place.hostname, place.port))
            rest = answer.raw.read()

            assert len(began) + len(rest) == len(BIG)
            assert server.process.wait(TIMEOUT) == 0

    def test_an_upload_in_flight_is_finished(self, tmp_path, kind):
        data = b"first half, second half"
        with running_server(tmp_path / "data", server=kind) as server:
            place = urlsplit(server.url)
            with socket.create_connection((place.hostname, place.port), timeout=TIMEOUT) as sock:
                head = (
                    f"POST /v2/team/image/blobs/uploads/?digest={Digest.of(data)} HTTP/1.1\r\n"
                    f"Host: localhost\r\nAuthorization: Bearer {server.token}\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n"
                )
                sock.sendall(head.encode() + data[:10])
                wait_until(lambda: list((server.data / "uploads").glob("*")))
                server.process.send_signal(signal.SIGTERM)
                wait_until(lambda: _is_free(place.port))  # for the server that comes after
                sock.sendall(data[10:])

                assert sock.recv(12) == b"HTTP/1.1 201"
            assert server.process.wait(TIMEOUT) == 0

    def test_hup_replaces_the_workers_and_goes_on(self, tmp_path, kind):
        with running_server(tmp_path / "data", server=kind) as server:
            before = _children(server.process.pid)

            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: _children(server.process.pid).isdisjoint(before))

            assert whoami(server.url, server.token).status_code == 200

    def test_a_configuration_that_breaks_while_it_runs_changes_nothing(self, tmp_path, kind):
        with running_server(tmp_path / "data", server=kind) as server:
            (server.data / "recipebox.toml").write_text("nonsense = 1\n")

            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "configuration kept as it was" in server.log_text())

            assert whoami(server.url, server.token).status_code == 200

    def test_a_worker_that_dies_is_replaced(self, tmp_path, kind):
        with running_server(tmp_path / "data", server=kind) as server:
            [before] = wait_until(lambda: _children(server.process.pid))

            os.kill(before, signal.SIGKILL)
            wait_until(lambda: _children(server.process.pid) - {before})

            assert whoami(server.url, server.token).status_code == 200


def test_clients_that_come_together_are_shared_out(tmp_path):
    """To who is quickest to wake up they would go all, now and then: to one core of two."""
    with running_server(tmp_path / "data", workers=2) as server:
        workers = wait_until(lambda: len(found := _children(server.process.pid)) == 2 and found)
        place = urlsplit(server.url)
        before = {worker: _sockets(worker) for worker in workers}

        shares = []
        for _ in range(7):
            with contextlib.ExitStack() as stack:
                clients = [
                    stack.enter_context(socket.create_connection((place.hostname, place.port)))
                    for _ in range(64)
                ]
                for client in clients:
                    client.sendall(b"HEAD /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
                for client in clients:
                    assert client.recv(4096).startswith(b"HTTP/1.1 401")

                held = [_sockets(worker) - before[worker] for worker in workers]
                assert sum(held) >= 64
                shares.append(min(held))
            wait_until(lambda: all(_sockets(worker) <= before[worker] for worker in workers))
        # a worker whose core others have gets few: that isn't so each time
        assert sorted(shares)[3] >= 8, shares


def _sockets(pid: int) -> int:
    """Return how many sockets a process has open."""
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(file.readlink()).startswith("socket:")
    return found


def _is_free(port: int) -> bool:
    """Return whether another server could listen there."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
        except OSError:
            return False
    return True


def _answers(host: str | None, port: int | None) -> bool:
    """Whether a new request is answered."""
    try:
        requests.get(f"http://{host}:{port}/healthz", timeout=1)
    except requests.RequestException:
        return False
    return True


def _children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(word) for word in text.split()}
