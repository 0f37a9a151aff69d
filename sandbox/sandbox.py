"""What a sandbox is asked, and what it answers.

A sandbox runs one command to its end. What it was asked and what this machine could enforce are two
things, and the outcome has both; a *strict* command is refused where they differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

NOBODY: Final = 65534
"""The user and group that own nothing, on Debian, Alpine and in images."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a command may use; None is no limit.

    `seconds` of wall clock; `output_bytes` of stdout and of stderr each that are kept, and
    `flood_bytes` of both together after which it is ended; `memory_bytes` of address space,
    `file_bytes` of the largest file, by rlimits; `processes` and threads at once, beside those that
    its user has already, by an rlimit too, which doesn't bind root: without `Command.processes` it
    is also counted.
    """

    seconds: float | None = 600.0
    output_bytes: int = 1 << 20
    flood_bytes: int = 1 << 30
    memory_bytes: int | None = None
    file_bytes: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where, and within what.

    The environment is exactly `env`. `network` False asks for no network but loopback, `processes`
    False for none but its own, which all end with it. `user` asks for another uid and gid. `strict`
    refuses to run where something asked for can't be enforced.

    `writable` asks for a file system on which only these folders can be written to, and a /tmp,
    /var/tmp and /dev/shm of its own, empty and in memory. Of what is in those, in folders that are
    `hidden`, and in such as `user` may not enter, it sees `argv[0]`, `cwd`, and what is `readable`
    and `writable`: at its own path, and nothing else.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    network: bool = True
    processes: bool = True
    writable: Sequence[Path] | None = None
    readable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()
    user: int | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    `exit_code` is 128 and the signal's number where it was ended by one. `stdout` and `stderr` hold
    their last bytes, within the limit. `ended` says why the sandbox ended it: "time", "flood"
    or "processes". `enforced` names what was asked for and done; `not_enforced` what was not, with
    the reason.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    ended: str | None
    enforced: tuple[str, ...]
    not_enforced: Mapping[str, str]


class Sandbox(Protocol):
    """Runs commands."""

    def run(self, command: Command) -> Outcome:
        """Run a command to its end; nothing of it is left running.

        Raises:
            CannotStart: there is no such program, or no such folder.
            NotEnforced: it is strict, and something can't be enforced here.
        """
