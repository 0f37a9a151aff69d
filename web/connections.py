"""Connections whose clients may be slow, but not for ever.

A client holds a thread while it sends its request and takes its answer. So the time that is spent
on waiting for it is bounded: `patience` seconds for any single wait, and altogether, in one
request, those and a second more for every 500 bytes that came. (Such a rule is Apache's
mod_reqtimeout; a single wait alone lets one byte a minute live on.) The server's own work counts
for nothing.

::

    nothing comes          a new connection waits in the poller, without a thread
    the head stalls        408, closed
    the body stalls        it ends early: what came of an upload is kept; 408, closed
    the answer isn't read  closed
"""

import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn

_HEAD_PATIENCE = 10.0
"""Seconds for the head of a request: it comes in one packet, or in two."""

_SLOWEST = 500
"""Bytes a second below which a client is stalling."""

_SEND_BLOCK = 1 << 16
"""Bytes that are handed to a socket at once: each block must be taken within the patience."""

_RECEIVE_BLOCK = 1 << 16
"""Bytes of a body that are received at once: as many as stores read. gunicorn's own, a megabyte,
is copied whole for each smaller read (measured: 206 MB/s of a body instead of 3,400)."""

_DRAIN_SECONDS = 10.0
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_BLOCK = 1 << 20
"""What is still read of a request that was refused, so that its sender comes to read the answer:
a connection that is closed with bytes unread is reset, and the answer with it."""

_LARGEST_SKIPPED = 1 << 15
"""Bytes of a refused body up to which its connection is kept. gunicorn reads twice as many away,
and closes on more though it has said that it keeps the connection: what a client sends there next
is lost."""

_LINGER_SECONDS = 2.0
"""The same for what was no request at all."""

_TIMEOUT_ANSWER = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Patience:
    """Bounds a socket's waits; mixed into a plain socket and into one with TLS."""

    patience = 60.0
    """Seconds that a body, and an answer, is waited for."""

    has_stalled = False
    """Whether the client was given up: whatever it still sends belongs to no request."""

    is_answering = False
    """Whether the head has come whole."""

    _limit = _HEAD_PATIENCE
    _waited = 0.0
    _received = 0
    _deadline: float | None = None

    def begin(self) -> None:
        """Wait for the head of a request."""
        self.is_answering = False
        self._limit = min(self.patience, _HEAD_PATIENCE)
        self._waited = 0.0
        self._received = 0

    def begin_body(self) -> None:
        """Wait for the body, and send the answer."""
        self.is_answering = True
        self._limit = self.patience
        self._waited = 0.0
        self._received = 0
        self.setblocking(flag=True)

    def begin_draining(self, seconds: float) -> None:
        """Read what is left of the body for so long and no longer, however much of it comes."""
        self._deadline = time.monotonic() + seconds

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the socket's own signature
        """Wait for a bounded time, where gunicorn would wait for ever."""
        self.settimeout(self._limit if flag else 0.0)  # type: ignore[attr-defined]

    def recv(self, *args: Any) -> bytes:
        """Receive; a client that stalls has ended."""
        data: bytes = b""

        def receive() -> int:
            nonlocal data
            data = super(Patience, self).recv(*args)  # type: ignore[misc]
            return len(data)

        return data if self._wait_for(receive) else b""

    def recv_into(self, buffer: Any, *args: Any, **named: Any) -> int:
        """Receive into memory; a client that stalls has ended."""
        return self._wait_for(lambda: super(Patience, self).recv_into(buffer, *args, **named))  # type: ignore[misc]

    def _wait_for(self, receive: Callable[[], int]) -> int:
        """Return how many bytes came; 0: none will."""
        if self.has_stalled:
            return 0
        begun = time.monotonic()
        if self._deadline is not None:
            if begun >= self._deadline:
                return self._give_up()
            self.settimeout(self._deadline - begun)  # type: ignore[attr-defined]
        try:
            received = receive()
        except TimeoutError:
            return self._give_up()
        self._waited += time.monotonic() - begun
        self._received += received
        if self._waited > self._limit + self._received / _SLOWEST:
            return self._give_up()
        return received

    def sendall(self, data: Any, *args: Any) -> None:
        """Send in blocks, each of which must be taken within the patience.

        Raises:
            ConnectionResetError: one wasn't.
        """
        left = memoryview(data)
        with self._resetting():
            while len(left) > _SEND_BLOCK:
                super().sendall(left[:_SEND_BLOCK], *args)  # type: ignore[misc]
                left = left[_SEND_BLOCK:]
            super().sendall(left, *args)  # type: ignore[misc]

    def sendfile(self, *args: Any, **named: Any) -> int:
        """Let the kernel send a file; the client must go on taking it.

        Raises:
            ConnectionResetError: it took nothing within the patience.
        """
        with self._resetting():
            return super().sendfile(*args, **named)  # type: ignore[misc, no-any-return]

    @contextlib.contextmanager
    def _resetting(self) -> Iterator[None]:
        """Turn a stall into a reset: gunicorn takes that for what it is, a client gone."""
        try:
            yield
        except TimeoutError:
            self.has_stalled = True
            raise ConnectionResetError(errno.ECONNRESET, "the client reads nothing") from None

    def _give_up(self) -> int:
        self.has_stalled = True
        if not self.is_answering:
            with contextlib.suppress(OSError):
                super().sendall(_TIMEOUT_ANSWER)  # type: ignore[misc]
        return 0


class PatientSocket(Patience, socket.socket):
    """A client's socket."""


class PatientTlsSocket(Patience, ssl.SSLSocket):
    """A client's socket under TLS."""


class StraightBody(Body):  # type: ignore[misc]  # gunicorn has no types
    """A body of known length that may be received into its reader's own memory.

    gunicorn's own gives new memory for each read, through two buffers.
    """

    def readinto(self, into: memoryview) -> int:
        """Receive what comes next; 0 at the end, or where the sender has ended."""
        unreader, left = self.reader.unreader, self.reader.length
        # what came with the head, and no more: it would be read ahead into the buffers
        if held := self.buf.tell():
            return _fill(into, self.read(min(len(into), held)))
        if held := unreader.buf.getbuffer().nbytes:
            return _fill(into, self.reader.read(min(len(into), held)))
        try:
            received: int = unreader.sock.recv_into(into[:left]) if left else 0
        except Exception:
            self.failed = True
            raise
        self.reader.length = left - received
        return received


def _is_left(body: Any) -> bool:
    """Return whether more of a body is still to be read than is read away."""
    reader = body.reader
    if isinstance(reader, LengthReader):
        return bool(reader.length > _LARGEST_SKIPPED)
    return isinstance(reader, ChunkedReader) and reader.parser is not None


def _fill(into: memoryview, data: bytes) -> int:
    into[: len(data)] = data
    return len(data)


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client's connection, which ends in the thread that served it.

    gunicorn closes in the one loop that also accepts, and waits there for up to two seconds for
    the client to close too: a few such clients would keep all others out.
    """

    def __init__(
        self, config: Any, accepted: socket.socket, client: Any, server: Any, patience: float
    ) -> None:
        made = PatientSocket(accepted.family, accepted.type, accepted.proto, accepted.detach())
        made.patience = patience
        super().__init__(config, made, client, server)
        self.data_ready = True  # it waits in the poller, and not in a thread

    def has_data(self) -> bool:
        """Return whether something came already (or the end, or an error)."""
        try:
            socket.socket.recv(self.sock, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def has_more(self) -> bool:
        """Return whether the next request's beginning came with the one before."""
        return bool(self.parser.unreader.buf.getbuffer().nbytes)

    def init(self) -> None:
        """Begin TLS, if it is spoken, and HTTP.

        Raises:
            ConnectionResetError: the client stalled in its handshake.
        """
        patience = self.sock.patience
        try:
            super().init()
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "no TLS handshake") from None
        self.sock.patience = patience
        if self.parser is not None:
            self.parser.unreader.max_body_chunk = _RECEIVE_BLOCK

    def straighten(self) -> None:
        """Have the body of the request that has just begun be one that needs no detours."""
        body = self.parser.mesg.body
        if isinstance(body.reader, LengthReader):
            self.parser.mesg.body = StraightBody(body.reader)

    def announce_end(self) -> None:
        """Have the answer to the request that has just begun say so where the connection ends."""
        request = self.parser.mesg
        if _is_left(request.body):
            request.should_close = partial(self._should_close, request, request.should_close)

    def _should_close(self, request: Any, asked: Callable[[], bool]) -> bool:
        if self.sock.has_stalled or _is_left(request.body):
            request.force_close()
        return asked()

    def end(self) -> None:
        """Close it so that the client can read the answer, though it still sends."""
        with contextlib.suppress(OSError, ParseException):
            if self.sock.is_answering:
                self._drain()
            elif not self.sock.has_stalled:
                self._linger()
        self.close()

    def close(self, graceful: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - gunicorn's
        """Close it at once; it may be closed already."""
        with contextlib.suppress(OSError):
            self.sock.close()

    def _drain(self) -> None:
        """Read what is left of the body that this request declared, within bounds."""
        if self.sock.has_stalled:
            return
        self.sock.begin_draining(_DRAIN_SECONDS)
        drained = 0
        while drained < _DRAIN_BYTES:
            block = self.parser.mesg.body.read(_DRAIN_BLOCK)
            if not block:
                return
            drained += len(block)
        self._linger()

    def _linger(self) -> None:
        """Say that nothing more comes, and read what does until the client says so too."""
        deadline = time.monotonic() + _LINGER_SECONDS
        self.sock.shutdown(socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            if not socket.socket.recv(self.sock, _SEND_BLOCK):
                return
