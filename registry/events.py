"""The outbox: what happened, written in the transaction that made it happen.

Hooks (notifications, rollouts) will read it in the order of its ids; nothing does yet.
"""

import json
from collections.abc import Mapping
from typing import Any

from registry.clock import Clock, seconds
from registry.schema import EventRow


class Outbox:
    """Writes events, within a transaction of the caller's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def record(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Note that something of `kind` (`release.listed`) happened; `payload` is its values."""
        EventRow.create(
            kind=kind,
            payload=json.dumps(payload, sort_keys=True),
            at=seconds(self._clock()),
        )
