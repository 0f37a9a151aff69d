"""A thousand clients that are slow on purpose, in one process: `async with slow_clients(...)`.

::

    heads      send the head of a request, a few bytes now and then
    bodies     send the body of an upload so
    readers    ask for a large blob and take a few bytes now and then

Each is one connection at a time, over TLS, and they come from 250 addresses of the loopback
network, as slow clients of the world come from many.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("heads", "bodies", "readers")
_ADDRESSES = 250
_PAUSE = 1.0
"""Seconds between two signs of life: less than any timeout of the proxy."""

_AT_ONCE = 50
_SMALL_BUFFER = 4096


@dataclass(frozen=True)
class Target:
    """Where slow clients go: a TLS port of this machine, what they upload to and what they read."""

    port: int
    authority: Path
    token: str
    upload: str
    """The path of an upload that is under way."""

    blob: str
    """The path of a large blob."""


@dataclass
class Crowd:
    """The slow clients: how many of each kind are connected, and why the others are not."""

    connected: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        """How many are connected, and still waited for."""
        return self.connected.total()


@contextlib.asynccontextmanager
async def slow_clients(target: Target, count: int) -> AsyncIterator[Crowd]:
    """Connect `count` slow clients, and go on while the block runs; all are gone after it.

    A few may be between two connections: the proxy waits only so long for a request's head.
    """
    crowd = Crowd()
    context = ssl.create_default_context(cafile=str(target.authority))
    gate = asyncio.Semaphore(_AT_ONCE)
    begun = [asyncio.Event() for _ in range(count)]

    async def live(number: int, event: asyncio.Event) -> None:
        kind = KINDS[number % len(KINDS)]
        try:
            while True:  # who is sent away, for being too slow, comes again
                async with gate:
                    reader, writer = await _begin(target, context, kind, number)
                crowd.connected[kind] += 1
                event.set()
                try:
                    await _go_on(kind, reader, writer)
                finally:
                    crowd.connected[kind] -= 1
                    writer.transport.abort()
        except (OSError, EOFError) as error:
            crowd.refused[f"{kind}: {error}"] += 1
        finally:
            event.set()

    tasks = [asyncio.create_task(live(*each)) for each in enumerate(begun)]
    try:
        for event in begun:
            await event.wait()
        yield crowd
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _begin(
    target: Target, context: ssl.SSLContext, kind: str, number: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await _connect(target, context, number)
    writer.write(_first_words(target, kind))
    await writer.drain()
    if kind == "readers":
        await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _go_on(kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Go on, slowly, until the other side has had enough."""
    answer = asyncio.create_task(reader.read(1)) if kind != "readers" else None
    try:
        while answer is None or not answer.done():
            await asyncio.sleep(_PAUSE)
            if answer is None:
                if not await reader.read(16):
                    return
            else:
                writer.write(b"X-Slow: 1\r\n" if kind == "heads" else b"x")
                await writer.drain()
    finally:
        if answer is not None:
            answer.cancel()


async def _connect(
    target: Target, context: ssl.SSLContext, number: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    opened = socket.socket()
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        opened.bind((f"127.0.1.{1 + number % _ADDRESSES}", 0))
        opened.settimeout(0.0)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(opened, ("127.0.0.1", target.port))
        return await asyncio.open_connection(
            sock=opened, ssl=context, server_hostname="localhost", limit=_SMALL_BUFFER
        )
    except BaseException:
        opened.close()
        raise


def _first_words(target: Target, kind: str) -> bytes:
    method, path = {
        "heads": ("GET", "/healthz"),
        "bodies": ("PATCH", target.upload),
        "readers": ("GET", target.blob),
    }[kind]
    words = f"{method} {path} HTTP/1.1\r\nHost: localhost:{target.port}\r\n"
    if kind == "heads":
        return words.encode()
    words += f"Authorization: Bearer {target.token}\r\n"
    if kind == "bodies":
        words += "Content-Length: 1000000\r\n"
    return f"{words}\r\n".encode()
