"""The rounds of one solve: counted, told of, limited, and ended where somebody asks for it."""

from collections.abc import Callable
from dataclasses import dataclass

from resolver.errors import SolveCancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a solve is: rounds so far, and packages that have a release at the moment."""

    rounds: int
    pinned: int

    def __str__(self) -> str:
        """Return it as a progress line says it."""
        return f"{self.rounds:,} rounds, {self.pinned:,} packages pinned"


class Watch:
    """Counts the rounds of all searches of one solve together, of which there are `limit`."""

    def __init__(
        self,
        limit: int,
        progress: Callable[[Progress], object] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.limit = limit
        self.rounds = 0
        self._progress = progress
        self._is_cancelled = is_cancelled

    @property
    def left(self) -> int:
        """How many rounds are left."""
        return max(0, self.limit - self.rounds)

    def another(self, limit: int) -> "Watch":
        """Return a watch for a search beside this solve: quiet, and cancelled with it."""
        return Watch(limit, None, self._is_cancelled)

    def count(self, pinned: int) -> None:
        """Count a round that ended with so many packages pinned.

        Raises:
            SolveCancelled: it was asked to end.
        """
        self.rounds += 1
        if self._progress is not None:
            self._progress(Progress(self.rounds, pinned))
        if self._is_cancelled is not None and self._is_cancelled():
            raise SolveCancelled(self.rounds)
