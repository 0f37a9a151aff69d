"""Switches that an operator turns while servers run: now one, which makes the registry read-only.

While it is on, every write through `/v2/` and `/api/` is refused with the operator's reason, reads
go on, and nothing is swept or expired. It is a row, read for each write as it begins, and again in
its transaction (`Audit.record`), so it holds at once in every process; and it is turned in a
transaction of its own, which waits for the writes before it: after it there is none by a request.
Whoever works on the server's own machine (`recipebox admin`) can go on writing.
"""

from dataclasses import dataclass
from datetime import datetime

from registry import lookups
from registry.access import Principal
from registry.audit import OPERATOR, READ_ONLY, Audit
from registry.clock import Clock, moment, seconds
from registry.database import Database
from registry.errors import InvalidValue, ReadOnly
from registry.schema import SwitchRow

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class ReadOnlyMode:
    """That nothing can be written: why, and who said so when (None: the server's settings)."""

    reason: str
    since: datetime | None = None
    by: str | None = None


_FORCED = ReadOnlyMode("it was started so (setting read_only)")


class Switches:
    """Reads and turns switches."""

    def __init__(
        self, database: Database, audit: Audit, clock: Clock, *, is_read_only: bool = False
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._is_read_only = is_read_only

    def read_only(self) -> ReadOnlyMode | None:
        """Return why nothing can be written, or None where it can."""
        if self._is_read_only:
            return _FORCED
        with self._database.session():
            row = lookups.switch_on(READ_ONLY)
        if row is None:
            return None
        return ReadOnlyMode(row.reason, moment(row.changed), row.changed_by)

    def require_writable(self) -> None:
        """Refuse while nothing can be written.

        Raises:
            ReadOnly: so it is.
        """
        mode = self.read_only()
        if mode is not None:
            raise ReadOnly(mode.reason)

    def turn_read_only(self, reason: str | None, by: Principal = OPERATOR) -> None:
        """Let nothing be written any more, for `reason`; with None, let it be written again.

        Raises:
            InvalidValue: the reason is empty, over 500 characters, or has some that can't be shown.
        """
        said = (reason or "").strip()
        if reason is not None and not (0 < len(said) <= LONGEST_REASON and said.isprintable()):
            expected = f"one line of 1 to {LONGEST_REASON} printable characters"
            raise InvalidValue("reason", reason, expected)
        values = {
            "is_on": reason is not None,
            "reason": said,
            "changed": seconds(self._clock()),
            "changed_by": by.name,
        }
        with self._database.write():
            changed = SwitchRow.update(values).where(SwitchRow.name == READ_ONLY).execute()
            if not changed:
                SwitchRow.create(name=READ_ONLY, **values)
            state = "on" if reason is not None else "off"
            self._audit.record(by, f"switch.{state}", READ_ONLY, {"reason": said})
