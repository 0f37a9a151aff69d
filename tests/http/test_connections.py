"""What a slow client costs: sockets and connections, without a server around them."""

import contextlib
import errno
import io
import itertools
import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import ThreadWorker

import web.server
from web import connections
from web.connections import Connection, PatientSocket, StraightBody
from web.gathering import Gathered, is_small
from web.server import _GATHERED, Worker
from web.shares import Shares

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

    def test_into_memory_of_the_reader_s_own(self, client, patient):
        memory = bytearray(10)
        patient.begin_body()
        client.sendall(b"abc")

        assert patient.recv_into(memoryview(memory)) == 3
        assert memory == b"abc" + b"\0" * 7
        assert patient.recv_into(memoryview(memory)) == 0  # a tenth of a second later
        assert patient.has_stalled
        client.sendall(b"too late")
        assert patient.recv_into(memoryview(memory)) == 0

    def test_the_next_request_has_a_new_budget(self, client, patient):
        patient.begin_body()
        patient._waited = 99.0
        patient.begin()
        client.sendall(b"abc")

        assert patient.recv(10) == b"abc"


class TestStraightBody:
    """A body that is received into its reader's memory is the same body."""

    DATA = bytes(range(256)) * 1000

    @pytest.fixture
    def make(self, client, connection):
        def make(held: int, length: int | None = None) -> StraightBody:
            """A body of which some bytes came with the head."""
            unreader = SocketUnreader(connection.sock)
            unreader.max_body_chunk = 1 << 16
            unreader.unread(self.DATA[:held])

            def send() -> None:
                with contextlib.suppress(OSError):  # who breaks it off is what some tests are about
                    client.sendall(self.DATA[held:] + b"NEXT")

            threading.Thread(target=send).start()
            connection.sock.begin_body()
            connection.sock.settimeout(10)
            return StraightBody(LengthReader(unreader, length or len(self.DATA)))

        return make

    @pytest.mark.parametrize("held", [0, 1, 700, 8000])
    @pytest.mark.parametrize("size", [1000, 5000, 65536, 1 << 20])
    def test_it_comes_whole_and_in_order_and_no_further(self, make, connection, held, size):
        body, got, memory = make(held), bytearray(), memoryview(bytearray(size))

        while count := body.readinto(memory):
            got += memory[:count]

        assert got == self.DATA
        assert body.readinto(memory) == 0
        assert connection.sock.recv(10) == b"NEXT"

    def test_it_may_be_read_both_ways_by_turns(self, make):
        body, got, memory = make(700), bytearray(), memoryview(bytearray(3000))

        for size in itertools.cycle([10, 2000, 70_000]):
            got += body.read(size)
            count = body.readinto(memory)
            got += memory[:count]
            if not count:
                break

        assert got == self.DATA

    def test_it_ends_early_where_the_sender_does(self, client, make):
        body, got, memory = make(0, 10**6), 0, memoryview(bytearray(1 << 16))
        while got < len(self.DATA) + 4:
            got += body.readinto(memory)
        client.close()

        assert body.readinto(memory) == 0
        assert got < 10**6

    def test_a_connection_that_breaks_is_not_used_again(self, make, connection, monkeypatch):
        body = make(0)
        monkeypatch.setattr(
            type(connection.sock), "recv_into", lambda *_: (_ for _ in ()).throw(OSError("broken"))
        )

        with pytest.raises(OSError, match="broken"):
            body.readinto(memoryview(bytearray(10)))
        assert body.failed

    def test_one_of_unknown_length_stays_gunicorn_s(self, connection):
        known, chunked = Body(LengthReader(None, 5)), Body(object())
        for body, kind in ((known, StraightBody), (chunked, Body)):
            connection.parser = SimpleNamespace(mesg=SimpleNamespace(body=body))
            connection.straighten()
            assert type(connection.parser.mesg.body) is kind


class TestSending:
    def test_everything_is_sent_to_who_reads(self, client, patient):
        patient.patience = 30
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
        worker.age = 1
        worker._shares = Shares()
        worker.nr_conns = 0
        worker.pending_conns = deque()
        worker.poller = selectors.DefaultSelector()
        worker.begun = []
        worker.enqueue_req = worker.begun.append
        worker._gathered = None
        yield worker
        worker.poller.close()

    def test_others_with_fewer_connections_take_the_next_first(self, worker, monkeypatch):
        slept = []
        monkeypatch.setattr("web.server.time.sleep", slept.append)
        worker.nr_conns = 10
        for others in (9, 2):
            worker._shares.tell(2, others)
            worker.accept(Listener(BlockingIOError(errno.EAGAIN, "another took it")))

        assert slept == [web.server._OTHERS_FIRST]
        assert worker.nr_conns == 10

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

    def test_the_head_has_come_before_the_request_is_answered(
        self, worker, connection, monkeypatch
    ):
        seen = []
        connection.parser = SimpleNamespace(mesg=SimpleNamespace(body=Body(object())))
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


HEAD = b"HEAD /v2/team/image/manifests/v1 HTTP/1.1\r\nHost: here\r\n\r\n"
BLOB = b"GET /v2/team/image/blobs/sha256:00 HTTP/1.1\r\nHost: here\r\n\r\n"


class Main:
    """The queue of what the main thread is to do: a worker's `method_queue`."""

    def __init__(self) -> None:
        self.told = []

    def defer(self, do, conn) -> None:
        self.told.append((do.__name__, conn))


class TestGathering:
    """A thread that answers what comes at once over the connections that threads have answered."""

    @pytest.fixture
    def worker(self, monkeypatch: pytest.MonkeyPatch) -> Worker:
        worker = Worker.__new__(Worker)
        worker.cfg = SimpleNamespace(is_ssl=False, keepalive=15)
        worker.alive = True
        worker.tpool = SimpleNamespace(_work_queue=queue.SimpleQueue())
        worker.method_queue = Main()
        worker.poller = selectors.DefaultSelector()
        worker.keepalived_conns = deque()
        worker.age = 1
        worker._shares = Shares()
        worker.nr_conns = 1
        worker._gathered = Gathered()
        worker._gathering = threading.Lock()
        worker._answering_since = None
        worker.answered = []
        worker.then = {}  # what happens after so many answers

        def handle(worker, conn):
            conn.sock.recv(4096)
            worker.answered.append(conn)
            do = worker.then.get(len(worker.answered))
            return True if do is None else do() is not False

        monkeypatch.setattr(ThreadWorker, "handle", handle)
        yield worker
        worker.poller.close()

    @pytest.fixture
    def connect(self) -> Iterator[Callable[[], tuple[socket.socket, Connection]]]:
        with contextlib.ExitStack() as stack:

            def connect() -> tuple[socket.socket, Connection]:
                ours, theirs = socket.socketpair()
                stack.callback(ours.close)
                config = SimpleNamespace(is_ssl=False, keepalive=15)
                made = Connection(config, theirs, "client", "server", 0.1)
                stack.callback(made.close)
                unreader = SimpleNamespace(buf=io.BytesIO())
                made.parser = SimpleNamespace(unreader=unreader)
                return ours, made

            yield connect

    def test_what_a_client_asks_at_once_is_answered_by_the_same_thread(self, worker, connect):
        client, conn = connect()
        client.sendall(HEAD)
        worker.then = {1: lambda: client.sendall(HEAD), 2: lambda: client.sendall(HEAD)}

        assert worker.handle(conn) is _GATHERED

        assert worker.answered == [conn] * 3
        assert worker.method_queue.told == [("_keep", conn)]
        worker._keep(conn)
        assert list(worker.keepalived_conns) == [conn]
        assert conn.sock.fileno() in worker.poller.get_map()
        assert not worker._gathering.locked()

    def test_what_other_threads_answered_is_gathered_too(self, worker, connect):
        first, one = connect()
        second, two = connect()
        first.sendall(HEAD)

        def join():
            worker._gathered.add(two)
            second.sendall(HEAD)

        worker.then = {1: join, 2: lambda: first.sendall(HEAD)}
        assert worker.handle(one) is _GATHERED
        assert worker.answered == [one, two, one]
        assert {conn for _, conn in worker.method_queue.told} == {one, two}

    def test_who_comes_while_another_gathers_leaves_it_to_that_one(self, worker, connect):
        client, conn = connect()
        client.sendall(HEAD)
        with worker._gathering:
            assert worker.handle(conn) is _GATHERED
        assert len(worker._gathered) == 1
        assert worker.answered == [conn]

    def test_a_large_answer_is_anothers_while_somebody_waits(self, worker, connect):
        first, one = connect()
        _, two = connect()
        first.sendall(HEAD)
        worker._gathered.add(two)
        worker.then = {1: lambda: first.sendall(BLOB)}

        worker.handle(one)

        assert worker.answered == [one]
        assert ("enqueue_req", one) in worker.method_queue.told

    def test_and_this_threads_own_where_nobody_does(self, worker, connect):
        client, conn = connect()
        client.sendall(HEAD)
        free = []

        def look():
            free.append(not worker._gathering.locked())

        worker.then = {1: lambda: client.sendall(BLOB), 2: look}
        worker.handle(conn)
        assert worker.answered == [conn] * 2
        assert free == [True]

    def test_one_that_ends_is_counted_out(self, worker, connect):
        client, conn = connect()
        client.sendall(HEAD)
        worker.then = {1: lambda: client.sendall(HEAD), 2: lambda: False}
        worker.handle(conn)
        assert worker.method_queue.told == [("_forget", conn)]
        worker._forget(conn)
        assert worker.nr_conns == 0

    def test_one_whose_next_request_has_begun_gets_a_thread(self, worker, connect):
        client, conn = connect()
        client.sendall(HEAD)

        def read_ahead():
            conn.parser.unreader.buf = io.BytesIO(b"GET")

        worker.then = {1: lambda: client.sendall(HEAD), 2: read_ahead}
        worker.handle(conn)
        assert worker.method_queue.told == [("enqueue_req", conn)]
        worker.then = {3: read_ahead}
        client.sendall(HEAD)
        assert worker.handle(conn) is True

    def test_after_a_slow_answer_all_go_back(self, worker, connect, monkeypatch):
        monkeypatch.setattr(web.server, "_QUICK", -1.0)
        first, one = connect()
        _, two = connect()
        worker._gathered.add(two)
        first.sendall(HEAD)
        worker.then = {1: lambda: first.sendall(HEAD), 2: lambda: first.sendall(HEAD)}
        worker.handle(one)
        assert worker.answered == [one] * 2
        assert {conn for _, conn in worker.method_queue.told} == {one, two}

    def test_nothing_is_gathered_while_a_request_waits_for_a_thread(self, worker, connect):
        client, conn = connect()
        client.sendall(HEAD)
        worker.tpool._work_queue.put("somebody")
        worker.then = {1: lambda: client.sendall(HEAD)}
        worker.handle(conn)
        assert worker.answered == [conn]
        assert worker.method_queue.told == [("_keep", conn)]

    def test_the_idle_go_back_while_others_ask(self, worker, connect, monkeypatch):
        monkeypatch.setattr(web.server, "_IDLE", 0.0)
        first, one = connect()
        _, two = connect()
        worker._gathered.add(two)
        first.sendall(HEAD)
        worker.then = {1: lambda: first.sendall(HEAD), 2: lambda: first.sendall(HEAD)}
        worker.handle(one)
        assert ("_keep", two) in worker.method_queue.told

    def test_while_one_client_holds_up_the_others_the_main_thread_takes_them(
        self, worker, connect, monkeypatch
    ):
        monkeypatch.setattr(ThreadWorker, "notify", lambda _worker: None)
        _, conn = connect()
        worker._gathered.add(conn)
        worker._answering_since = time.monotonic()
        worker.notify()
        assert len(worker._gathered) == 1
        worker._answering_since -= 1
        worker.notify()
        assert len(worker._gathered) == 0
        assert list(worker.keepalived_conns) == [conn]

    def test_and_what_is_answered_meanwhile_goes_gunicorns_way(self, worker, connect):
        client, conn = connect()
        client.sendall(HEAD)
        worker._answering_since = time.monotonic() - 1
        assert worker.handle(conn) is True
        assert len(worker._gathered) == 0

    def test_a_stopping_worker_keeps_them_for_a_moment(self, worker, connect):
        _, conn = connect()
        worker.alive = False
        worker._keep(conn)
        assert conn.timeout < time.monotonic() + 14

    def test_what_is_gathered_is_not_taken_back_from_the_thread(self, worker, connect):
        _, conn = connect()
        done = futures.Future()
        done.set_result(_GATHERED)
        worker.finish_request(conn, done)
        assert not worker.keepalived_conns
        ended = futures.Future()
        ended.set_result(False)
        worker.finish_request(conn, ended)
        assert worker.nr_conns == 0

    @pytest.mark.parametrize(
        ("said", "is_one"),
        [
            (HEAD, True),
            (b"GET /v2/a/manifests/v1 HTTP/1.1\r\n\r\n", True),
            (b"HEAD /v2/a/blobs/x HTTP/1.1\r\n\r\n", True),
            (BLOB, False),
            (b"GET /v2/a/manifests/v1 HTTP/1.1\r\n", False),
            (b"PUT /v2/a/manifests/v1 HTTP/1.1\r\n\r\n", False),
            (b"GET /v2/a HTTP/1.1\r\nReferer: /manifests/\r\n\r\n", False),
            (b"", False),
        ],
    )
    def test_small_is_a_whole_request_for_a_manifest_or_a_head(self, connect, said, is_one):
        client, conn = connect()
        client.sendall(said)
        assert is_small(conn) is is_one

    def test_what_comes_under_tls_is_not_looked_into(self, connect):
        _, conn = connect()
        conn.sock = SimpleNamespace(close=conn.sock.close)
        assert not is_small(conn)


def parser_of(read: Callable[[int], bytes]) -> SimpleNamespace:
    return SimpleNamespace(mesg=SimpleNamespace(body=SimpleNamespace(read=read)))


def read_all(sock: socket.socket, into: bytearray) -> None:
    while block := sock.recv(1 << 16):
        into += block
