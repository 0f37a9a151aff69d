"""What a child does to itself before it becomes the command.

It is run alone, as `python -I -S confine.py IN OUT`. It reads one JSON object from the file
descriptor IN, {"argv", "env", "network", "user", "strict", "limits": {rlimit's name: number}};
writes another to OUT, {"enforced": [], "not_enforced": {what: why}} or {"failed": why}; and
replaces itself.
"""

import ctypes
import errno
import fcntl
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

_NEW_USER = 0x10000000  # CLONE_NEWUSER, unshare(2)
_NEW_NET = 0x40000000  # CLONE_NEWNET
_SET_FLAGS = 0x8914  # SIOCSIFFLAGS, netdevice(7)
_UP = 0x1  # IFF_UP


class System(Protocol):
    """The calls of the operating system that change what this process may do."""

    def unshare(self, flags: int) -> None:
        """Leave namespaces (unshare(2))."""

    def write(self, path: str, text: str) -> None:
        """Write to a file of /proc."""

    def bring_up_loopback(self) -> None:
        """Set lo up, in a network namespace where it is down."""

    def set_limit(self, name: str, value: int) -> None:
        """Set a limit, soft and hard (setrlimit(2))."""

    def become(self, user: int) -> None:
        """Take another gid and uid, and drop all other groups."""

    def may_execute(self, program: str) -> bool:
        """Whether a user who owns nothing can reach and run a program."""

    def ids(self) -> tuple[int, int]:
        """Return the effective uid and gid."""


class Linux:
    """The real calls."""

    def unshare(self, flags: int) -> None:
        """Leave namespaces; os.unshare is only there since 3.12."""
        library = ctypes.CDLL(None, use_errno=True)
        if library.unshare(flags) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def write(self, path: str, text: str) -> None:
        """Write to a file of /proc."""
        with open(path, "w") as file:  # noqa: PTH123 - pathlib would double the time to start
            file.write(text)

    def bring_up_loopback(self) -> None:
        """Set lo up (netdevice(7))."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            fcntl.ioctl(handle, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP))

    def set_limit(self, name: str, value: int) -> None:
        """Set a limit, never above the hard limit that is there."""
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(number, (value, value))

    def become(self, user: int) -> None:
        """Drop groups, gid and uid, in that order: after the last the others are not allowed."""
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)

    def may_execute(self, program: str) -> bool:
        """Look at the mode of each folder on the way."""
        path = os.path.realpath(program)
        parts = path.split("/")
        return all(
            os.stat("/".join(parts[:length]) or "/").st_mode & 0o001  # noqa: PTH116 - see write
            for length in range(1, len(parts) + 1)
        )

    def ids(self) -> tuple[int, int]:
        """Return the effective uid and gid."""
        return os.geteuid(), os.getegid()


@dataclass(slots=True)
class Confinement:
    """Applies what was asked, and keeps account."""

    system: System
    enforced: list[str]
    not_enforced: dict[str, str]

    def apply(self, asked: Mapping[str, Any]) -> None:
        """Apply all that was asked; the user comes last, since the rest may need root."""
        if not asked["network"]:
            self._try("network", self._no_network)
        for name, value in sorted(asked["limits"].items()):
            self._try(name, partial(self.system.set_limit, name, value))
        if asked["user"] is not None:
            self._try("user", partial(self._user, asked["argv"], asked["user"]))

    def _try(self, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except (OSError, ValueError) as error:
            self.not_enforced[what] = str(error)
        else:
            self.enforced.append(what)

    def _no_network(self) -> None:
        """Go into an empty network namespace: plainly as root, else in a user namespace of ours."""
        uid, gid = self.system.ids()
        try:
            self.system.unshare(_NEW_NET)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            self.system.unshare(_NEW_USER | _NEW_NET)
            self.system.write("/proc/self/setgroups", "deny")
            self.system.write("/proc/self/uid_map", f"{uid} {uid} 1")
            self.system.write("/proc/self/gid_map", f"{gid} {gid} 1")
        self.system.bring_up_loopback()

    def _user(self, argv: Sequence[str], user: int) -> None:
        if not self.system.may_execute(argv[0]):
            raise PermissionError(f"uid {user} can't reach {os.path.realpath(argv[0])}")
        self.system.become(user)


def main(argv: Sequence[str]) -> None:  # pragma: no cover - runs in a child that becomes another
    """Confine this process, say what was done, and become the command."""
    source, target = int(argv[1]), int(argv[2])
    with os.fdopen(source, "rb") as file:
        asked = json.loads(file.read())
    confinement = Confinement(Linux(), [], {})
    answer: dict[str, Any] = {}
    try:
        confinement.apply(asked)
        answer = {
            "enforced": confinement.enforced, "not_enforced": confinement.not_enforced
        }  # fmt: skip
        if not (asked["strict"] and confinement.not_enforced):
            os.set_inheritable(target, False)  # noqa: FBT003 - os has no keyword for it
            os.write(target, json.dumps(answer).encode() + b"\n")
            os.execve(asked["argv"][0], asked["argv"], asked["env"])  # noqa: S606 - that is the point
    except OSError as error:
        answer = {"failed": str(error)}
    os.write(target, json.dumps(answer).encode() + b"\n")
    os._exit(125)


if __name__ == "__main__":  # pragma: no cover - see main
    main(sys.argv)
