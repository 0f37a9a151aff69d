"""How many connections each worker of a server has, so that none takes most of them.

Workers accept from one socket, and the quickest to wake up gets the next connection: of 64 that
come together, one worker may take all, and answers them on one core. So each says in memory that
all share how many it has, and one that has clearly more than another lets others accept first.
"""

import mmap
import struct
import time
from collections.abc import Callable

_ENTRY = struct.Struct("=dq")
_PLACES = 64
"""Workers that there may be at once; with more, two would share an entry, which does no harm."""

_FRESH = 3.0
"""Seconds after which a worker that said nothing is dead, or stuck: they say so each second."""


class Shares:
    """The entries of all workers; made before they are forked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = mmap.mmap(-1, _ENTRY.size * _PLACES)
        self._clock = clock

    def tell(self, worker: int, count: int) -> None:
        """Say how many connections a worker has, which is known by its number."""
        _ENTRY.pack_into(self._entries, _place(worker), self._clock(), count)

    def is_over(self, worker: int, count: int) -> bool:
        """Return whether another worker that lives has clearly fewer connections than `count`."""
        own = _place(worker) // _ENTRY.size
        oldest = self._clock() - _FRESH
        most = count - 2 - count // 8
        return any(
            told > oldest and held <= most
            for place, (told, held) in enumerate(_ENTRY.iter_unpack(self._entries))
            if told and place != own
        )


def _place(worker: int) -> int:
    return worker % _PLACES * _ENTRY.size
