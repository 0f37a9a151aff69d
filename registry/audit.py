"""The audit log: who did what, in the transaction that does it, so that neither is without other.

Entries have an order (their id) and are never changed; chaining them by hashes is a later batch's
work, so that writers don't queue on the chain's head.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from registry import changes, lookups
from registry.access import Principal, Role
from registry.clock import Clock, moment, seconds
from registry.errors import ReadOnly
from registry.schema import AuditRow

READ_ONLY = "read_only"
"""The name of the switch that lets requests change nothing (registry/switches.py)."""

_ALLOWED_READ_ONLY = frozenset({"session.end", "switch.on", "switch.off"})

OPERATOR = Principal("operator", Role.ADMIN, None, "none")
"""Who works on the server's own machine, with its files: may do all, and needs no token."""

SERVER = Principal("server", Role.ADMIN, None, "none")
"""The server itself: what it ends, sweeps or retires when the time has come."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who (`role` is empty for nobody's, `proof` how they showed it) did what to what, and when."""

    at: datetime
    actor: str
    role: str
    proof: str
    action: str
    target: str
    detail: Mapping[str, Any]


class Audit:
    """Writes entries, within a transaction of the caller's, and reads them, within a session."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def record(
        self,
        principal: Principal,
        action: str,
        target: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that `principal` did `action` (`release.admit`) to `target` (`team/etl@1.2.3`).

        Every change that a request makes is noted, in its transaction: so here it is refused while
        the registry is read-only, although the request may have begun before it was.

        Raises:
            ReadOnly: nothing can be changed by requests now.
        """
        if principal.proof != "none" and action not in _ALLOWED_READ_ONLY:
            row = lookups.switch_on(READ_ONLY)
            if row is not None:
                raise ReadOnly(row.reason)
        changes.add_audit_entry(
            seconds(self._clock()),
            principal.name,
            principal.role or "",
            principal.proof,
            action,
            target,
            json.dumps(detail or {}, sort_keys=True),
        )

    def entries(
        self,
        *,
        since: timedelta | None = None,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return the last `limit` entries that match, oldest first.

        An `action` that ends with a dot is all that begins so; a `target` is that name, and what is
        in it (`team` is also team/etl, team/etl:v1 and team/etl@sha256:...).
        """
        query = AuditRow.select().order_by(AuditRow.id.desc()).limit(limit)
        if since is not None:
            query = query.where(AuditRow.at >= seconds(self._clock() - since))
        if actor is not None:
            query = query.where(AuditRow.actor == actor)
        if action is not None:
            is_group = action.endswith(".")
            query = query.where(
                fn.SUBSTR(AuditRow.action, 1, len(action)) == action
                if is_group
                else AuditRow.action == action
            )
        if target is not None:
            begins = fn.SUBSTR(AuditRow.target, 1, len(target) + 1)
            within = [f"{target}{separator}" for separator in "/:@"]
            query = query.where((AuditRow.target == target) | begins.in_(within))
        return [_entry(row) for row in reversed(list(query))]


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        at=moment(row.at),
        actor=row.actor,
        role=row.role,
        proof=row.proof,
        action=row.action,
        target=row.target,
        detail=json.loads(row.detail),
    )
