"""The audit log: who did what, in the transaction that does it, so that neither is without other.

Entries have an order (their id) and are never changed; chaining them by hashes is a later batch's
work, so that writers don't queue on the chain's head.
"""

import json
from collections.abc import Mapping
from typing import Any

from registry.access import Principal, Role
from registry.clock import Clock, seconds
from registry.schema import AuditRow

OPERATOR = Principal("operator", Role.ADMIN, None, "none")
"""Who works on the server's own machine, with its files: may do all, and needs no token."""


class Audit:
    """Writes entries, within a transaction of the caller's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def record(
        self,
        principal: Principal,
        action: str,
        target: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that `principal` did `action` (`release.admit`) to `target` (`team/etl@1.2.3`)."""
        AuditRow.create(
            at=seconds(self._clock()),
            actor=principal.name,
            role=principal.role or "",
            proof=principal.proof,
            action=action,
            target=target,
            detail=json.dumps(detail or {}, sort_keys=True),
        )
