"""Moments of rest within work that holds a core: for who wakes up meanwhile, and has little to do.

A system lets what computes go on for some milliseconds before another's turn, which is longer than
a pull takes. Niceness changes little of that, and a lower class of scheduling would keep who holds
the database from ever giving it back where the cores are busy. Who sleeps for a moment is asked to
go on by nobody.
"""

import time
from collections.abc import Callable

_EVERY = 0.001
_PAUSE = 0.00005


class Breath:
    """Rests for a moment once a millisecond of what calls `take` often."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._since = clock()

    def take(self) -> None:
        """Rest, if the last time was a while ago."""
        if self._clock() - self._since > _EVERY:
            self._sleep(_PAUSE)
            self._since = self._clock()
