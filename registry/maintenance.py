"""Maintenance: what a server does by itself, between requests: it applies rules, and sweeps.

A thread in each process that serves tries for the work when its time has come; the lease lets one
of them have it. The time of the last sweep is kept with the lease, so that restarts neither repeat
it nor put it off for ever. Namespaces' rules of retention are applied once a day, before a sweep.
The thread is a daemon: whatever it is in the middle of, the process may
end, since a sweep may be killed anywhere.
"""

import atexit
import logging
import random
import threading
from datetime import timedelta

from registry.audit import SERVER
from registry.clock import Clock, seconds
from registry.errors import LeaseHeld, LeaseLost, ReadOnly, RegistryError
from registry.leases import Leases
from registry.retention import Retentions
from registry.sweep import LEASE, Pace, Sweep
from storage.errors import StorageError

_LOG = logging.getLogger("registry.maintenance")
_DAY = 86_400
_RULES = "retention"
_REST = 5.0
"""More than an operator's sweep rests: each batch makes this process answer pulls anew that it had
in memory, and shares its interpreter.
"""

_RANDOM = random.SystemRandom()  # not the global one: others may have set its seed
_LONGEST_JITTER = 60.0
_LONGEST_STOP = 5.0


class Maintenance:
    """Sweeps `every` so often, in a thread of its own."""

    def __init__(
        self,
        *,
        sweep: Sweep,
        retentions: Retentions,
        leases: Leases,
        every: timedelta,
        clock: Clock,
    ) -> None:
        self._sweep = sweep
        self._retentions = retentions
        self._leases = leases
        self._every = every.total_seconds()
        self._clock = clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of this process; to be called after a fork, never before one.

        Nothing begins where the interval is none at all.
        """
        if not self._every:
            return
        self._thread = threading.Thread(target=self.run, name="maintenance", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """End after the batch that is under way."""
        atexit.unregister(self.stop)
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_LONGEST_STOP)

    def run(self) -> None:
        """Sweep every so often until it is stopped."""
        pause = self.pause()
        while not self._stopping.wait(pause):
            self.turn()
            pause = self.pause()

    def pause(self) -> float:
        """Return seconds until the next turn: what is left of the interval, and not all at once."""
        # it keeps processes from asking all at once
        jitter = _RANDOM.uniform(0.1, 1) * min(self._every / 10, _LONGEST_JITTER)
        try:
            last = self._leases.progress(LEASE).get("last", 0)
        except RegistryError:  # the database is away: it was logged by whoever is asked for more
            return self._every
        ago = seconds(self._clock()) - last
        return max(self._every - ago, 0.0) + jitter if ago >= 0 else self._every

    def turn(self) -> None:
        """Sweep now, unless another process does, or nothing may be written."""
        try:
            self._apply_rules()
            done = self._sweep.run(
                Pace(rest=_REST, wait=self._stopping.wait, is_stopped=self._stopping.is_set)
            )
        except (LeaseHeld, LeaseLost):
            return
        except ReadOnly as error:
            _LOG.info("no sweep now: %s", error)
        except (RegistryError, StorageError) as error:
            _LOG.warning("the sweep ended early, and goes on with the next: %s", error)
        except Exception:  # noqa: BLE001 - a defect must not end what nobody misses for weeks
            _LOG.exception("the sweep ended early, and goes on with the next")
        else:
            for location, reason in done.failed.items():
                _LOG.warning("the bytes at %s could not be deleted yet: %s", location, reason)
            _LOG.info(
                "swept: %d manifests, %d links, %d blobs, %d bytes; %d uploads ended",
                *(done.manifests, done.links, done.blobs, done.bytes_freed, done.uploads),
            )

    def _apply_rules(self) -> None:
        """Apply the rules of all namespaces, if that was not done in the last 24 hours."""
        if self._was_applied():
            return
        try:
            lease = self._leases.take(_RULES)
        except LeaseHeld:
            return
        if self._was_applied():  # by who had the lease before
            lease.release()
            return
        last: int = self._leases.progress(_RULES).get("last", 0)
        try:
            for namespace in self._retentions.due():
                self._retentions.apply(SERVER, namespace, lease=lease)
            last = seconds(self._clock())
        finally:
            lease.release({"last": last})

    def _was_applied(self) -> bool:
        last = self._leases.progress(_RULES).get("last", 0)
        return bool(0 <= seconds(self._clock()) - last < _DAY)
