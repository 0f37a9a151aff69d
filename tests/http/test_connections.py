"""What a slow client costs: sockets and connections, without a server around them."""

import contextlib
import errno
import io
import queue
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import ThreadWorker

from web import connections
from web.connections import Connection, PatientSocket
from web.server import Worker

BIG = b"\0" * 8_000_000  # more than a pair of sockets holds


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's socket, and the one that a server would have accepted."""
    with contextlib.ExitStack() as stack:
        client, accepted = socket.socketpair()
        stack.callback(client.close)
        stack.callback(accepted.close)
        yield client, accepted


@pytest.fixture
def client(pair) -> socket.socket:
    return pair[0]


@pytest.fixture
def connection(pair) -> Iterator[Connection]:
    """A connection that is patient for a tenth of a second."""
    made = Connection(SimpleNamespace(is_ssl=False), pair[1], "client", "server", 0.1)
    yield made
    made.close()


@pytest.fixture
def patient(connection) -> PatientSocket:
    return connection.sock


class TestReceiving:
    def test_what_comes_is_received(self, client, patient):
        patient.begin_body()
        client.sendall(b"abc")

        assert patient.recv(10) == b"abc"
        assert not patient.has_stalled

    def test_a_head_that_stalls_is_answered_and_ended(self, client, patient):
        patient.begin()
        patient.setblocking(flag=True)

        assert patient.recv(10) == b""
        assert patient.has_stalled
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")

    def test_a_body_that_stalls_ends_early_and_the_application_answers(self, client, patient):
        patient.begin_body()

        assert patient.recv(10) == b""
        client.sendall(b"too late")
        assert patient.recv(10) == b""  # it belongs to no request
        client.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            client.recv(1000)

    def test_a_client_that_drips_is_given_up_though_it_never_stalls(
        self, client, patient, monkeypatch
    ):
        clock = iter(range(0, 1000, 1))  # each wait takes a second, and brings a byte
        monkeypatch.setattr(connections.time, "monotonic", lambda: next(clock))
        patient.patience = 3.0
        patient.begin_body()
        taken = 0

        while True:
            client.sendall(b"x")
            if not patient.recv(10):
                break
            taken += 1

        assert taken == 3
        assert patient.has_stalled

    def test_the_next_request_has_a_new_budget(self, client, patient):
        patient.begin_body()
        patient._waited = 99.0
        patient.begin()
        client.sendall(b"abc")

        assert patient.recv(10) == b"abc"


class TestSending:
    def test_everything_is_sent_to_who_reads(self, client, patient):
        patient.begin_body()
        got = bytearray()
        reader = threading.Thread(target=lambda: read_all(client, got))
        reader.start()

        patient.sendall(BIG)
        patient.shutdown(socket.SHUT_WR)
        reader.join()

        assert bytes(got) == BIG

    def test_who_reads_nothing_is_reset(self, patient):
        patient.begin_body()

        with pytest.raises(ConnectionResetError) as caught:
            patient.sendall(BIG)
        assert caught.value.errno == errno.ECONNRESET
        assert patient.has_stalled

    def test_who_reads_nothing_of_a_file_is_reset(self, patient, tmp_path: Path):
        file = tmp_path / "big"
        file.write_bytes(BIG)
        patient.begin_body()

        with file.open("rb") as opened, pytest.raises(ConnectionResetError):
            patient.sendfile(opened, 0, len(BIG))


class TestConnection:
    def test_it_knows_whether_something_came(self, client, connection):
        connection.sock.setblocking(flag=False)

        assert not connection.has_data()
        client.sendall(b"x")
        assert connection.has_data()
        assert connection.sock.recv(10) == b"x"
        client.close()
        assert connection.has_data()  # the end is something too
        connection.close()
        connection.close()
        assert connection.has_data()

    def test_a_handshake_that_stalls_is_a_client_gone(self, connection, monkeypatch):
        def stall(_connection):
            raise TimeoutError("handshake")

        monkeypatch.setattr("gunicorn.workers.gthread.TConn.init", stall)

        with pytest.raises(ConnectionResetError):
            connection.init()

    def test_patience_outlives_the_change_to_tls(self, connection, monkeypatch):
        def wrap(conn):
            conn.sock = SimpleNamespace(close=conn.sock.close)

        monkeypatch.setattr("gunicorn.workers.gthread.TConn.init", wrap)

        connection.init()

        assert connection.sock.patience == 0.1

    def test_what_is_left_of_a_body_is_read_before_the_end(self, client, connection):
        connection.sock.begin_body()
        connection.parser = parser_of(connection.sock.recv)
        sender = threading.Thread(target=lambda: (client.sendall(BIG), client.shutdown(1)))
        sender.start()

        connection.end()
        sender.join()

        assert connection.sock.fileno() == -1

    def test_a_body_without_end_is_read_up_to_a_bound(self, client, connection):
        taken = []

        def read(size):
            taken.append(size)
            return b"x" * size

        connection.sock.begin_body()
        connection.parser = parser_of(read)
        client.close()

        connection.end()

        assert sum(taken) == 64 * 1024 * 1024

    def test_a_body_that_drips_is_read_no_longer_than_that(self, client, connection, monkeypatch):
        monkeypatch.setattr(connections, "_DRAIN_SECONDS", 0.2)
        connection.sock.begin_body()
        body = Body(LengthReader(SocketUnreader(connection.sock), len(BIG)))
        connection.parser = parser_of(body.read)
        closing = threading.Thread(target=connection.end)
        closing.start()

        with contextlib.suppress(OSError):
            for _ in range(1000):  # ten seconds, and never so slow that it would be a stall
                client.sendall(b"x" * 100)
                closing.join(0.01)

        assert not closing.is_alive()
        assert connection.sock.has_stalled

    def test_a_body_that_is_none_is_left_alone(self, connection):
        def fail(_size):
            raise NoMoreData

        connection.sock.begin_body()
        connection.parser = parser_of(fail)

        connection.end()

        assert connection.sock.fileno() == -1

    def test_what_was_no_request_is_read_until_the_client_ends_too(self, client, connection):
        connection.sock.begin()
        client.sendall(b"nonsense")
        closing = threading.Thread(target=connection.end)
        closing.start()

        assert client.recv(10) == b""  # the server says that nothing more comes
        client.sendall(b"more nonsense")
        client.close()
        closing.join()

        assert connection.sock.fileno() == -1

    @pytest.mark.parametrize("begin", ["begin", "begin_body"])
    def test_nobody_waits_for_a_client_that_has_stalled(self, connection, begin):
        getattr(connection.sock, begin)()
        connection.sock.has_stalled = True

        connection.end()

        assert connection.sock.fileno() == -1


class Listener:
    """A listening socket that gives what it was told, or refuses."""

    def __init__(self, given: socket.socket | OSError) -> None:
        self.given = given

    def accept(self) -> tuple[socket.socket, str]:
        if isinstance(self.given, OSError):
            raise self.given
        return self.given, "client"

    def getsockname(self) -> str:
        return "server"


class TestWorker:
    @pytest.fixture
    def worker(self) -> Worker:
        """A worker as it is in its loop, without the loop."""
        worker = Worker.__new__(Worker)
        worker.cfg = SimpleNamespace(is_ssl=False, keepalive=15)
        worker.app = SimpleNamespace(client_timeout=0.1)
        worker.alive = False  # which it is while it stops: then no thread waits for a next request
        worker.nr_conns = 0
        worker.pending_conns = deque()
        worker.poller = selectors.DefaultSelector()
        worker.begun = []
        worker.enqueue_req = worker.begun.append
        yield worker
        worker.poller.close()

    def test_a_connection_with_a_request_gets_a_thread(self, pair, worker):
        pair[0].sendall(b"GET")

        worker.accept(Listener(pair[1]))

        [conn] = worker.begun
        assert worker.nr_conns == 1
        assert conn.sock.recv(10) == b"GET"
        conn.close()

    def test_a_silent_one_waits_without_a_thread(self, pair, worker):
        worker.accept(Listener(pair[1]))

        [conn] = worker.pending_conns
        assert worker.begun == []
        pair[0].sendall(b"GET")
        [(key, _)] = worker.poller.select(1)
        key.data(key.fileobj)
        assert worker.begun == [conn]
        assert not worker.pending_conns
        conn.close()

    @pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE, errno.ECONNABORTED])
    def test_one_that_can_not_be_taken_ends_nothing(self, worker, number):
        worker.accept(Listener(OSError(number, "no")))

        assert worker.nr_conns == 0

    def test_another_error_is_told(self, worker):
        with pytest.raises(OSError, match="no"):
            worker.accept(Listener(OSError(errno.EINVAL, "no")))

    @pytest.mark.parametrize(
        ("ended", "kept"),
        [((True, False), True), ((False, False), False), ((True, True), False)],
    )
    def test_a_connection_is_kept_only_where_the_next_request_is_sure_to_begin(
        self, worker, connection, monkeypatch, ended, kept
    ):
        answered, stalled = ended

        def handle(_worker, conn):
            conn.sock.has_stalled = stalled
            return answered

        monkeypatch.setattr(ThreadWorker, "handle", handle)
        connection.sock.shutdown(socket.SHUT_RD)

        assert worker.handle(connection) is kept
        assert (connection.sock.fileno() == -1) is not kept

    def test_requests_that_follow_at_once_are_answered_by_the_same_thread(
        self, worker, client, connection, monkeypatch
    ):
        worker.alive = True
        worker.tpool = SimpleNamespace(_work_queue=queue.SimpleQueue())
        read_ahead = io.BytesIO(b"the next one's beginning")
        connection.parser = SimpleNamespace(unreader=SimpleNamespace(buf=read_ahead))
        answered = []

        def handle(_worker, conn):
            conn.parser.unreader.buf = io.BytesIO() if answered else read_ahead
            answered.append(conn.sock.recv(1))
            if answered[-1] == b"c":
                worker.tpool._work_queue.put("somebody who has no thread")
            return True

        monkeypatch.setattr(ThreadWorker, "handle", handle)
        client.sendall(b"abcd")

        assert worker.handle(connection) is True

        assert answered == [b"a", b"b", b"c"]
        assert not worker._waiting.locked()

    def test_a_client_that_asks_for_nothing_more_goes_back_to_the_poller(
        self, worker, connection, monkeypatch
    ):
        worker.alive = True
        worker.tpool = SimpleNamespace(_work_queue=queue.SimpleQueue())
        connection.parser = SimpleNamespace(unreader=SimpleNamespace(buf=io.BytesIO()))
        answered = []
        monkeypatch.setattr(
            ThreadWorker, "handle", lambda _worker, conn: answered.append(conn) or True
        )

        assert worker.handle(connection) is True

        assert answered == [connection]

    def test_the_head_has_come_before_the_request_is_answered(
        self, worker, connection, monkeypatch
    ):
        seen = []
        monkeypatch.setattr(
            ThreadWorker,
            "handle_request",
            lambda _worker, _req, conn: seen.append(conn.sock.is_answering) or True,
        )

        assert worker.handle_request(None, connection) is True
        assert seen == [True]

    def test_stopping_for_good_leaves_the_port_and_the_silent(self, pair, worker, monkeypatch):
        closed = []
        worker.sockets = [SimpleNamespace(close=lambda: closed.append(True))]
        worker.accept(Listener(pair[1]))
        [conn] = worker.pending_conns
        before = conn.timeout
        monkeypatch.setattr(ThreadWorker, "set_accept_enabled", lambda *_given: None)
        worker.alive = False

        worker.set_accept_enabled(enabled=False)

        assert closed == [True]
        assert conn.timeout < before
        conn.close()


def parser_of(read: Callable[[int], bytes]) -> SimpleNamespace:
    return SimpleNamespace(mesg=SimpleNamespace(body=SimpleNamespace(read=read)))


def read_all(sock: socket.socket, into: bytearray) -> None:
    while block := sock.recv(1 << 16):
        into += block
