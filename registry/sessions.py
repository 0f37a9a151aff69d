"""Sessions of browsers that were ended before their cookies ran out (`Access.resume` asks)."""

from datetime import datetime

from registry.access import Principal
from registry.audit import Audit
from registry.clock import Clock, seconds
from registry.database import Database
from registry.schema import EndedSessionRow


class Sessions:
    """Ends sessions for good: each has an id of its own, so that others of its token go on."""

    def __init__(self, database: Database, audit: Audit, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def end(self, principal: Principal, session_id: str, until: datetime) -> None:
        """End a session of `principal`; it is noted until its cookie would run out, at `until`."""
        with self._database.write():
            EndedSessionRow.delete().where(EndedSessionRow.until < seconds(self._clock())).execute()
            EndedSessionRow.insert(
                session_id=session_id, until=seconds(until)
            ).on_conflict_ignore().execute()
            self._audit.record(principal, "session.end", session_id[:8])
