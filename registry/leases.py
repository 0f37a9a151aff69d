"""Leases: one process at a time does a piece of background work, over all servers.

A lease is a row with its holder and an end. The holder puts the end off while it works; one that
died is succeeded once the end has passed, and by a process of the same machine at once. Clocks
jump and processes stand still, so an end proves nothing: whoever works under a lease says so *in
each transaction* that it writes (`Lease.hold`), and one that was succeeded meanwhile writes nothing
(a fence).
"""

import json
import os
import secrets
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from registry.clock import Clock, moment, seconds
from registry.database import Database
from registry.errors import LeaseHeld, LeaseLost
from registry.schema import LeaseRow

LIFETIME = timedelta(seconds=10)
"""How long a lease outlives its holder's last sign: batches take milliseconds, a file's delete
seconds at worst.
"""


class Lease:
    """A lease that this process holds, until it lets go or is succeeded."""

    def __init__(self, database: Database, clock: Clock, name: str, holder: str) -> None:
        self._database = database
        self._clock = clock
        self.name = name
        self.holder = holder

    def hold(self, progress: Mapping[str, Any] | None = None) -> None:
        """Put the end off, in a transaction of the caller's, which is undone where this raises.

        Args:
            progress: what to keep for the next holder; None leaves what is kept.

        Raises:
            LeaseLost: another took it over.
        """
        values: dict[str, Any] = {"until": seconds(self._clock() + LIFETIME)}
        if progress is not None:
            values["progress"] = json.dumps(progress, sort_keys=True)
        mine = (LeaseRow.name == self.name) & (LeaseRow.holder == self.holder)
        if not LeaseRow.update(**values).where(mine).execute():
            raise LeaseLost(self.name)

    def release(self, progress: Mapping[str, Any] | None = None) -> None:
        """Let go, so that the next needn't wait for the end; no error where another has it."""
        values: dict[str, Any] = {"until": 0}
        if progress is not None:
            values["progress"] = json.dumps(progress, sort_keys=True)
        mine = (LeaseRow.name == self.name) & (LeaseRow.holder == self.holder)
        with self._database.write():
            LeaseRow.update(**values).where(mine).execute()


class Leases:
    """Hands out leases."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def take(self, name: str) -> Lease:
        """Take the lease `name`.

        Raises:
            LeaseHeld: another process holds it.
        """
        holder = f"{_machine()}/{os.getpid()}/{secrets.token_hex(8)}"
        now = self._clock()
        until = seconds(now + LIFETIME)
        with self._database.write():
            row = LeaseRow.get_or_none(LeaseRow.name == name)
            if row is None:
                LeaseRow.create(name=name, holder=holder, until=until, progress="{}")
            elif seconds(now) <= row.until <= until and not _has_died(row.holder):
                raise LeaseHeld(name, row.holder, moment(row.until))
            else:  # it has ended; or its holder has; or it ends later than it can: a clock jumped
                row.holder, row.until = holder, until
                row.save()
        return Lease(self._database, self._clock, name, holder)

    def progress(self, name: str) -> dict[str, Any]:
        """Return what the last holder kept; nothing before the first."""
        with self._database.session():
            row = LeaseRow.get_or_none(LeaseRow.name == name)
            kept: dict[str, Any] = {} if row is None else json.loads(row.progress)
            return kept

    def holder(self, name: str) -> tuple[str, datetime] | None:
        """Return who holds a lease and until when, or None."""
        with self._database.session():
            row = LeaseRow.get_or_none(LeaseRow.name == name)
            if row is None or row.until < seconds(self._clock()):
                return None
            return row.holder, moment(row.until)


def _machine() -> str:
    """Return what says which processes this one can see: the host, and its own numbers for them."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not on Linux
        numbers = ""
    return f"{socket.gethostname()}/{numbers}"


def _has_died(holder: str) -> bool:
    """Return whether a holder is a process of this machine that isn't there any more."""
    machine, _, rest = holder.rpartition("/")[0].rpartition("/")
    if machine != _machine():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    return False
