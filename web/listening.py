"""The socket that the server listens on, opened before anything else is done.

So a port that is taken is told before a first start has made keys and tokens, and port 0 has its
real number before the first line is printed.
"""

import contextlib
import errno
import socket
import sys
from typing import Any

BACKLOG = 2048
"""Connections that the kernel keeps until a worker takes them."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what the operator may have chosen


class CannotListen(OSError):
    """`address` can't be listened on; `reason` says why, and what to do."""

    def __init__(self, address: str, reason: str, hint: str) -> None:
        self.address = address
        self.reason = reason
        self.hint = hint
        super().__init__(f"can't listen on {address}: {reason}")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`; port 0 takes a free one.

    Raises:
        CannotListen: the port is taken or needs rights, or the host isn't one of this machine.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CannotListen(address, f"no such host ({error.strerror})", _OTHER_HOST) from error
    family, _, _, _, place = found[0]
    try:
        return _open(family, place, socket.SO_REUSEADDR)
    except OSError as error:
        raise _explain(address, error) from error


def spread(listening: socket.socket, count: int) -> list[socket.socket]:
    """Return `count` sockets in the place of `listening`, which is closed.

    The kernel shares out connections among them (SO_REUSEPORT, socket(7)). Of processes that accept
    from one socket, the one that wakes first takes all that come together. They aren't opened so to
    begin with, since a second server would then join them, instead of being told that the port is
    taken. Where the kernel doesn't share out (others than Linux), it is `listening` alone.

    Raises:
        CannotListen: another program took the port in between.
    """
    if count == 1 or sys.platform != "linux":
        return [listening]
    family, place = listening.family, listening.getsockname()
    listening.close()
    with contextlib.ExitStack() as opened:
        try:
            sockets = [
                opened.enter_context(_open(family, place, socket.SO_REUSEADDR, socket.SO_REUSEPORT))
                for _ in range(count)
            ]
        except OSError as error:
            raise _explain(f"{place[0]}:{place[1]}", error) from error
        opened.pop_all()
    return sockets


def _open(family: int, place: Any, *options: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            opened.setsockopt(socket.SOL_SOCKET, option, 1)
        opened.bind(place)
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def url_of(listening: socket.socket, scheme: str = "http") -> str:
    """Return the URL of a listening socket, for this machine."""
    host, port = listening.getsockname()[:2]
    host = _ANY.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


_OTHER_HOST = "give an address of this machine: --listen 127.0.0.1:8080, or 0.0.0.0:8080 for all"


def _explain(address: str, error: OSError) -> CannotListen:
    match error.errno:
        case errno.EADDRINUSE:
            hint = "stop what listens there, or choose another port with --listen (0: a free one)"
            return CannotListen(address, "the port is taken by another program", hint)
        case errno.EACCES:
            hint = "ports below 1024 need more rights: choose another, with a proxy in front"
            return CannotListen(address, "not allowed", hint)
        case _:
            return CannotListen(address, error.strerror or str(error), _OTHER_HOST)
