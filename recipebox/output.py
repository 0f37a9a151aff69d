"""What a person or a program sees: results on stdout, everything else on stderr.

With `--json`, stdout holds exactly one JSON document and nothing else. Text that came from a server
or a package is stripped of control codes before it reaches a terminal.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_STYLES = {"good": "32", "bad": "31", "warn": "33", "strong": "1", "dim": "2"}
_STEP = 1024
_QUIET_SECONDS = 1.0
"""What is over by then shows nothing."""
_REDRAWN, _NOTED = 0.1, 10.0
"""Seconds between two lines of what goes on: in a terminal, and elsewhere."""

_CLEAR_REST = "\x1b[K"

Advance = Callable[[int], None]


def clean(text: str) -> str:
    """Return `text` with control codes and bidirectional overrides shown as `?`."""
    return _CONTROL.sub("?", text)


def _escaped(found: re.Match[str]) -> str:
    """Return a control code as JSON may have it: json leaves DEL and all above as they are."""
    return f"\\u{ord(found[0]):04x}"


def human_size(count: int) -> str:
    """Return a number of bytes for people: `1.5 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} GiB"


def human_time(stamp: str, now: datetime | None = None) -> str:
    """Return an RFC 3339 time relative to `now` (`3 hours ago`); anything else as it is."""
    try:
        then = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


@dataclass
class Output:
    """Where lines go, and how many of them: `quiet`, `verbose` (a count), `json`, `color`."""

    quiet: bool = False
    verbose: int = 0
    json: bool = False
    color: str = "auto"
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    _is_live_line: bool = field(default=False, init=False)

    def say(self, text: str, style: str | None = None) -> None:
        """Write a line of the result, for people."""
        if not self.json:
            self._write(self.stdout, text, style)

    def note(self, text: str, style: str | None = None) -> None:
        """Write a line about what is going on."""
        if not self.quiet:
            self._write(self.stderr, text, style)

    def detail(self, text: str) -> None:
        """Write a line that only `-v` shows."""
        if self.verbose:
            self._write(self.stderr, text, "dim")

    def warn(self, text: str) -> None:
        """Write a line that even `-q` shows."""
        self._write(self.stderr, text, "warn")

    def error(self, drawn: Mapping[str, Any]) -> None:
        """Write what went wrong (`errors.describe`) on stderr; with `--json` on stdout too."""
        self._write(self.stderr, f"error: {drawn['message']}", "bad")
        if drawn.get("hint"):
            self._write(self.stderr, f"  {drawn['hint']}", None)
        if drawn.get("request_id"):
            self._write(self.stderr, f"  request: {drawn['request_id']}", "dim")
        if self.json:
            self.result({"error": dict(drawn)})

    def result(self, data: Mapping[str, Any]) -> None:
        """Write the one JSON document, with `--json`."""
        if self.json:
            text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
            self.stdout.write(_CONTROL.sub(_escaped, text) + "\n")
            self.stdout.flush()

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Write rows in columns as wide as their widest cell."""
        if not rows:
            return
        widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.say("  ".join(cells).rstrip())

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        """Show `total` bytes go by: a bar on a terminal, one line at the end elsewhere."""
        if self.json or self.quiet or not self.stderr.isatty():
            started = time.monotonic()
            moved = [0]

            def count(size: int) -> None:
                moved[0] += size

            yield count
            if moved[0]:
                seconds = time.monotonic() - started
                self.note(f"{label}: {human_size(moved[0])} in {seconds:.1f} s")
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        console = Console(file=self.stderr, no_color=not self._colored(self.stderr))
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(clean(label), total=total)
            yield lambda size: bar.advance(task, size)

    @contextmanager
    def counting(
        self, label: str, timer: Callable[[], float] = time.monotonic
    ) -> Iterator[Callable[[object], None]]:
        """Show how far something is whose end isn't known: as text, told as often as one likes.

        Any thread may tell. Nothing shows in the first second; then on a terminal one line, which
        is rewritten, and gone at the end; elsewhere a line every ten seconds, so that a log shows
        that it goes on.
        """
        is_live = self.stderr.isatty() and not self.quiet
        due = timer() + (_QUIET_SECONDS if is_live else _NOTED)
        turn = threading.Lock()

        def tell(state: object) -> None:
            nonlocal due
            with turn:
                if timer() < due:
                    return
                due = timer() + (_REDRAWN if is_live else _NOTED)
                if is_live:
                    self.stderr.write(f"\r{clean(f'{label}: {state}')}{_CLEAR_REST}")
                    self.stderr.flush()
                    self._is_live_line = True
                else:
                    self.note(f"{label}: {state}")

        try:
            yield tell
        finally:
            self._clear_live_line()
            self.stderr.flush()

    def _clear_live_line(self) -> None:
        if self._is_live_line:
            self.stderr.write(f"\r{_CLEAR_REST}")
            self._is_live_line = False

    def _colored(self, stream: TextIO) -> bool:
        if self.color != "auto":
            return self.color == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR")

    def _write(self, stream: TextIO, text: str, style: str | None) -> None:
        line = clean(text)
        if style and self._colored(stream):
            line = f"\x1b[{_STYLES[style]}m{line}\x1b[0m"
        self._clear_live_line()
        stream.write(line + "\n")
        stream.flush()
