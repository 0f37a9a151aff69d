"""Connections that stay open: one a thread, made when it first asks, none carried through a fork.

::

    a session begins        what broke meanwhile is let go
    the first statement     connects, where there is no connection
    a session ends          nothing is left half done; the connection stays
    the thread ends         its connection is closed, as all are at the process's end
    before a fork           the forking thread's is closed

A child of a fork never uses, or closes, what its parent opened: SQLite's locks belong to a process,
and PostgreSQL's server would end the parent's session (sqlite.org/howtocorrupt.html, 2.6).
"""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import peewee

from registry.errors import InvalidValue

_KEPT: "weakref.WeakSet[KeptConnections]" = weakref.WeakSet()
_INHERITED: list[Any] = []
"""Connections of a parent process: kept, so that nothing ever closes them."""


class _Held:
    """The connection of one thread, closed when the thread ends, since it is the thread's own."""

    def __init__(self, raw: Any, open_ones: "set[_Held]") -> None:
        self.raw = raw
        self.process = os.getpid()
        self.is_closed = False
        self._open_ones = open_ones
        open_ones.add(self)

    def close(self) -> None:
        """Close it, unless it is a parent process's."""
        if self.is_closed:
            return
        self.is_closed = True
        self._open_ones.discard(self)
        if self.process != os.getpid():
            _INHERITED.append(self.raw)
            return
        with contextlib.suppress(Exception):  # broken is as good as closed
            self.raw.close()


class _Guard:
    """Dies with its thread's local values, and closes what it guards."""

    def __init__(self, held: _Held) -> None:
        self.held = held

    def __del__(self) -> None:
        """Close it."""
        self.held.close()


class _Thread(threading.local):
    """What a thread has: a connection, how deep its sessions are nested, and a doubt about it."""

    guard: _Guard | None = None
    depth: int = 0
    is_doubtful: bool = False


class KeptConnections(peewee.Database):
    """Mixed into one of peewee's databases: keeps the connection of each thread."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._thread = _Thread()
        self._open_ones: set[_Held] = set()
        super().__init__(*args, **options)
        # peewee connects under a lock: with a server that doesn't answer, each thread would wait
        # for all before it. A connection is its thread's own, so that there is nothing to guard.
        self._lock = contextlib.nullcontext()
        _KEPT.add(self)
        weakref.finalize(self, _close_all, self._open_ones)

    def enter(self) -> None:
        """Begin a session of this thread; they nest."""
        thread = self._thread
        if thread.depth == 0:
            held = None if thread.guard is None else thread.guard.held
            if held is not None and not self._is_good(held):
                self.forget()
        thread.depth += 1

    def leave(self) -> None:
        """End a session; the outermost leaves nothing open but the connection."""
        thread = self._thread
        thread.depth -= 1
        if thread.depth > 0 or thread.guard is None:
            return
        if thread.is_doubtful or not self._settle(thread.guard.held.raw):
            self.forget()

    def doubt(self) -> None:
        """Have the connection made anew after this session: it failed."""
        self._thread.is_doubtful = True

    def forget(self) -> None:
        """Close this thread's connection; the next statement makes another."""
        thread = self._thread
        guard, thread.guard, thread.is_doubtful = thread.guard, None, False
        self.dispose()
        if guard is not None:
            guard.held.close()

    def close_all(self) -> None:
        """Close the connections of every thread; those that go on get new ones."""
        self.forget()
        _close_all(self._open_ones)

    def close_idle(self) -> None:
        """Close this thread's connection unless a session uses it."""
        if self._thread.depth == 0:
            self.forget()

    @property
    def raw(self) -> Any:
        """The driver's connection of this thread, or None."""
        guard = self._thread.guard
        return None if guard is None else guard.held.raw

    def cursor(self, named_cursor: Any = None) -> Any:
        """Return a cursor of this thread's connection, made if there is none."""
        guard = self._thread.guard
        if guard is not None and guard.held.process != os.getpid():
            self.forget()
        made: Any = super().cursor(named_cursor)  # type: ignore[no-untyped-call]
        return made

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        r"""Run a statement.

        Raises:
            InvalidValue: a text with a NUL, which PostgreSQL can't hold; SQLite shall be no wider.
        """
        for value in params or ():
            if isinstance(value, str) and "\0" in value:
                raise InvalidValue("text", value, "without NUL characters")
        done: Any = super().execute_sql(sql, params)  # type: ignore[no-untyped-call]
        return done

    def _connect(self) -> Any:
        raw = super()._connect()  # type: ignore[misc]  # each kind of database has its own
        self._thread.guard = _Guard(_Held(raw, self._open_ones))
        return raw

    def _is_good(self, held: _Held) -> bool:
        return not held.is_closed and held.process == os.getpid() and self._is_alive(held.raw)

    def _is_alive(self, raw: Any) -> bool:
        """Return whether an idle connection may be used."""
        raise NotImplementedError

    def _settle(self, raw: Any) -> bool:
        """End what a session left behind; return whether the connection may stay."""
        raise NotImplementedError


def _close_all(open_ones: set[_Held]) -> None:
    for held in list(open_ones):
        held.close()


def _before_fork() -> None:
    for kept in list(_KEPT):
        kept.close_idle()


_register: Callable[..., None] = os.register_at_fork
_register(before=_before_fork)
