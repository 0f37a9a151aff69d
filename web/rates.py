"""Rate limits: how many requests a minute a principal, or an address without one, may send.

A window is a minute, and begins with its first request. Counters are each process's own (so that
with two workers up to twice as many pass: what is promised is never cut short), or all processes'
together in Redis (`rate_storage`). Where Redis is away, nothing is limited and the log says so: a
registry that answers too much is better than one that answers nothing.

Failed log-ins have a limit of their own, by address. A token that holds is never refused for what
others at its address do: behind one address may be a whole cluster, with one job whose token was
revoked. (A secret has 256 bits: a limit is not what keeps it from being guessed.)
"""

import ipaddress
import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from registry.access import Principal
from registry.clock import Clock, system_clock
from web.errors import TooManyRequests

REDIS_SCHEMES = ("redis://", "rediss://", "redis+unix://")
"""What `rate_storage` may begin with."""

_WINDOW = 60
_MOST_COUNTERS = 100_000
_REDIS_PATIENCE = 0.5
_AWAY = timedelta(seconds=5)
_SHARED_BITS = 64
_LOG = logging.getLogger("web.rates")


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests a minute; 0 is no limit. `storage` is Redis's URL, None each process's memory."""

    principal: int = 0
    anonymous: int = 0
    failures: int = 0
    storage: str | None = None


class Memory(Storage):
    """Counters of this process, of which there are never more than can be afforded.

    limits' own starts a thread for its expiry, every 10 ms under load, which looks at every key.
    Here all windows are of one length, so the oldest key is the first to run out.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock, most: int = _MOST_COUNTERS) -> None:
        super().__init__()
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._counters: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counters)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What may go wrong: nothing."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter, which begins anew `expiry` seconds after its first."""
        now = self._now()
        with self._lock:
            ends, count = self._counters.get(key, (0.0, 0))
            if _is_over(ends, now):
                self._counters.pop(key, None)
                self._make_room(now)
                ends, count = now + expiry, 0
            self._counters[key] = (ends, count + amount)
            return count + amount

    def get(self, key: str) -> int:
        """Return a counter."""
        ends, count = self._counters.get(key, (0.0, 0))
        return 0 if _is_over(ends, self._now()) else count

    def get_expiry(self, key: str) -> float:
        """Return when a counter begins anew, in seconds since 1970."""
        return self._counters.get(key, (self._now(), 0))[0]

    def check(self) -> bool:
        """Return True: it is there."""
        return True

    def reset(self) -> int:
        """Forget every counter; return how many there were."""
        with self._lock:
            count = len(self._counters)
            self._counters.clear()
            return count

    def clear(self, key: str) -> None:
        """Forget a counter."""
        with self._lock:
            self._counters.pop(key, None)

    def _now(self) -> float:
        return self._clock().timestamp()

    def _make_room(self, now: float) -> None:
        """Forget counters that have run out, and the oldest where there are too many."""
        while self._counters:
            key, (ends, _) = next(iter(self._counters.items()))
            if not _is_over(ends, now) and len(self._counters) < self._most:
                return
            del self._counters[key]


class Rates:
    """Counts requests, and refuses those that are too many."""

    def __init__(
        self,
        limits: RateLimits | None = None,
        clock: Clock = system_clock,
        storage: Storage | None = None,
    ) -> None:
        self._limits = limits or RateLimits()
        self._clock = clock
        self._strategy = FixedWindowRateLimiter(
            _open(self._limits, clock) if storage is None else storage
        )
        self._away_until: datetime | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything is limited."""
        return any((self._limits.principal, self._limits.anonymous, self._limits.failures))

    def allows(self, environ: Mapping[str, Any], principal: Principal) -> bool:
        """Count a request; return whether it may pass."""
        try:
            self.check(environ, principal)
        except TooManyRequests:
            return False
        return True

    def check(self, environ: Mapping[str, Any], principal: Principal) -> None:
        """Count a request of a principal, or of an address where it is nobody's.

        Raises:
            TooManyRequests: it is one too many.
        """
        if principal.role is None:
            self._hit(self._limits.anonymous, "address", read_address(environ))
        else:
            self._hit(self._limits.principal, "principal", principal.name)

    def fail(self, environ: Mapping[str, Any]) -> None:
        """Count a log-in that was refused.

        Raises:
            TooManyRequests: its address has had too many of them.
        """
        self._hit(self._limits.failures, "failures", read_address(environ))

    def _hit(self, limit: int, kind: str, who: str) -> None:
        if not limit:
            return
        now = self._clock()
        if self._away_until is not None and now < self._away_until <= now + _AWAY:
            return
        item = RateLimitItemPerMinute(limit, namespace="recipebox")
        try:
            passes = self._strategy.hit(item, kind, who)
            ends = 0.0 if passes else self._strategy.get_window_stats(item, kind, who).reset_time
        except StorageError as error:
            self._away_until = now + _AWAY
            _LOG.error("requests aren't limited: the storage of rates is away: %s", error)
            return
        if self._away_until is not None:
            self._away_until = None
            _LOG.warning("requests are limited again: the storage of rates is back")
        if not passes:
            wait = min(max(1, math.ceil(ends - now.timestamp())), _WINDOW)
            raise TooManyRequests(kind, limit=limit, retry_after=wait)


def _is_over(ends: float, now: float) -> bool:
    """Return whether a window has ended, or ends later than any can: the clock was put back."""
    return not now < ends <= now + _WINDOW


def read_address(environ: Mapping[str, Any]) -> str:
    """Return whose address a request is counted under: of IPv6, the network that one site has."""
    text = str(environ.get("REMOTE_ADDR", ""))
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _SHARED_BITS), strict=False))
    return str(address)


def _open(limits: RateLimits, clock: Clock) -> Storage:
    if limits.storage is None:
        return Memory(clock)
    opened: Any = storage_from_string(
        limits.storage,
        wrap_exceptions=True,
        socket_timeout=_REDIS_PATIENCE,
        socket_connect_timeout=_REDIS_PATIENCE,
    )
    storage: Storage = opened
    return storage
