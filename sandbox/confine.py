"""What a child does to itself before it becomes the command.

It is run alone, as `python -I -S confine.py IN OUT`. It reads one JSON object from the file
descriptor IN, writes lines of JSON to OUT, and replaces itself::

    IN    {"argv", "cwd", "env", "network", "processes", "user", "strict",
           "files": null or {"writable": [], "readable": [], "hidden": []},
           "limits": {rlimit's name: number}, "given_up": {what: why}}
    OUT   {"enforced": [], "not_enforced": {what: why}}
          {"failed": why} or {"ended": why}      perhaps, after it
          {"again": {what: why}}                 alone

Namespaces can't be left again: where one fails half way, this is to be started anew, and told to
give that up.

What has its processes to itself is kept by this one, which stays outside::

    this process      signals, and the exit code
    └── init          of a namespace of processes: when it ends, the kernel ends all that are in it
        └── command   with its limits, as its user, in a session of its own

Where such a namespace can't be had, init's part is this process's: orphans come to it
(PR_SET_CHILD_SUBREAPER), and it ends them one by one.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import resource
import signal
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

END = signal.SIGUSR1
"""Sent to the process that keeps a command, it ends the command and all that came of it."""

PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - they are hidden, not used
"""Folders of which a command with files of its own has its own: empty, in memory, writable."""

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS, unshare(2)
_NEW_USER = 0x10000000  # CLONE_NEWUSER
_NEW_PROCESSES = 0x20000000  # CLONE_NEWPID
_NEW_NET = 0x40000000  # CLONE_NEWNET
_SET_FLAGS = 0x8914  # SIOCSIFFLAGS, netdevice(7)
_UP = 0x1  # IFF_UP

_READ_ONLY = 1  # MS_RDONLY, mount(2)
_NO_SUID, _NO_DEVICES, _NO_EXEC = 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
_FLAGS = {
    "nosuid": _NO_SUID,
    "nodev": _NO_DEVICES,
    "noexec": _NO_EXEC,
    "noatime": 0x400,
    "nodiratime": 0x800,
    "relatime": 0x200000,
}  # what a remount must repeat: in a namespace of users the kernel lets none of it go
_SET_ATTRIBUTES = 442  # mount_setattr(2), since Linux 5.12
_HERE, _ALL_BELOW = -100, 0x8000  # AT_FDCWD, AT_RECURSIVE

_SET_DEATH_SIGNAL, _SET_SUBREAPER, _SET_NO_NEW_PRIVILEGES = 1, 36, 38  # prctl(2)

_LINKS = 40  # as many as the kernel follows
_MARGIN = 64  # processes between the limit that is watched and the one that the kernel keeps
_TICK = 0.25
_KEPT = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, END})


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
        """Take another gid and uid, drop all other groups, and never gain anything again."""

    def reaches(self, user: int, path: str) -> bool:
        """Whether a user may read a folder, or run a program."""

    def tasks(self, user: int) -> int:
        """Count the processes and threads that a user has."""

    def ids(self) -> tuple[int, int]:
        """Return the effective uid and gid."""


class Mounts(Protocol):
    """The calls that change what this process sees of the file system."""

    def look(self, path: str) -> "Seen | None":
        """Return what is at a path, not following a last link; None for nothing."""

    def pin(self, path: str) -> str:
        """Return a name by which what is at a path stays reachable when something covers it."""

    def flags(self, path: str) -> int:
        """Return the flags (mount(2)) of the mount that a path is on."""

    def points(self) -> "list[tuple[str, int]]":
        """Return every mount point and its flags, in the order of mounting."""

    def mount(
        self, source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
    ) -> None:
        """Mount (mount(2))."""

    def make_all_read_only(self) -> None:
        """Make all mounts read-only at once (mount_setattr(2)); ENOSYS before Linux 5.12."""

    def make(self, path: str, seen: "Seen") -> None:
        """Make a folder, a link, or an empty file to mount something on, and the folders above."""

    def enter(self, folder: str) -> None:
        """Work in a folder (chdir(2))."""


class Seen(NamedTuple):
    """What is at a path: a link's `target`, or a file or folder, and if others may enter it."""

    is_folder: bool
    is_open: bool
    target: str | None = None


class Linux:
    """The real calls of `System`."""

    def unshare(self, flags: int) -> None:
        """Leave namespaces; os.unshare is only there since 3.12."""
        _check(_library().unshare(flags))

    def write(self, path: str, text: str) -> None:
        """Write to a file of /proc."""
        with open(path, "w") as file:  # noqa: PTH123 - pathlib would double the time to start
            file.write(text)

    def bring_up_loopback(self) -> None:
        """Set lo up (netdevice(7))."""
        import socket

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
        _set_process(_SET_NO_NEW_PRIVILEGES, 1)

    def reaches(self, user: int, path: str) -> bool:
        """Ask the kernel, as that user."""
        groups, (uid, gid) = os.getgroups(), self.ids()
        os.setgroups([])
        os.setegid(user)
        os.seteuid(user)
        try:
            folder = os.path.isdir(path)  # noqa: PTH112 - see write
            return os.access(path, os.X_OK | (os.R_OK if folder else 0), effective_ids=True)
        finally:
            os.seteuid(uid)
            os.setegid(gid)
            os.setgroups(groups)

    def tasks(self, user: int) -> int:
        """Look at the owners in /proc, which are the effective users."""
        return sum(_tasks_of(pid) for pid in _processes() if _owner_of(pid) == user)

    def ids(self) -> tuple[int, int]:
        """Return the effective uid and gid."""
        return os.geteuid(), os.getegid()


class LinuxMounts:
    """The real calls of `Mounts`."""

    def look(self, path: str) -> Seen | None:
        """Look at the mode: whoever owns nothing is among the others."""
        try:
            mode = os.lstat(path).st_mode
            target = os.readlink(path) if stat.S_ISLNK(mode) else None  # noqa: PTH115 - see write
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        return Seen(stat.S_ISDIR(mode), bool(mode & 0o001), target)

    def pin(self, path: str) -> str:
        """Open it, for its place only; the command doesn't inherit that."""
        return f"/proc/self/fd/{os.open(path, os.O_PATH | os.O_CLOEXEC)}"

    def flags(self, path: str) -> int:
        """Ask statvfs(3), whose numbers are those of mount(2) but for one."""
        found = os.statvfs(path).f_flag
        kept = _READ_ONLY | sum(_FLAGS.values()) - _FLAGS["relatime"]
        return found & kept | (_FLAGS["relatime"] if found & 0x1000 else 0)

    def points(self) -> list[tuple[str, int]]:
        """Read /proc/self/mountinfo (proc_pid_mountinfo(5))."""
        with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123 - see Linux.write
            lines = [line.split() for line in file.read().splitlines()]
        return [
            (
                os.fsdecode(words[4].decode("unicode_escape").encode("latin-1")),
                sum(_FLAGS.get(each, 0) for each in words[5].decode().split(",")),
            )
            for words in lines
        ]

    def mount(
        self, source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
    ) -> None:
        """Mount."""
        first, second, third, last = (
            None if each is None else os.fsencode(each) for each in (source, target, kind, data)
        )
        _check(_library().mount(first, second, third, ctypes.c_ulong(flags), last), target)

    def make_all_read_only(self) -> None:
        """Set the attribute MOUNT_ATTR_RDONLY on the root and all below."""
        attributes = struct.pack("QQQQ", 1, 0, 0, 0)
        _check(
            _library().syscall(
                ctypes.c_long(_SET_ATTRIBUTES), ctypes.c_int(_HERE), b"/",
                ctypes.c_uint(_ALL_BELOW), attributes, ctypes.c_size_t(len(attributes)),
            ),
            "/",
        )  # fmt: skip

    def make(self, path: str, seen: Seen) -> None:
        """Make it; what is there stays."""
        above = os.path.dirname(path)  # noqa: PTH120 - see Linux.write
        os.makedirs(above, 0o755, exist_ok=True)  # noqa: PTH103
        with contextlib.suppress(FileExistsError):
            if seen.target is not None:
                os.symlink(seen.target, path)  # noqa: PTH211
            elif seen.is_folder:
                os.mkdir(path, 0o755)  # noqa: PTH102
            else:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))

    def enter(self, folder: str) -> None:
        """Change the working directory."""
        os.chdir(folder)


def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, path: str | None = None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def _set_process(option: int, value: int) -> None:
    _check(_library().prctl(option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3))


def _processes() -> list[int]:
    return [int(each) for each in os.listdir("/proc") if each.isdigit()]  # noqa: PTH208


def _tasks_of(pid: int) -> int:
    """Return how many threads a process has: the links of its folder `task` but two."""
    try:
        return max(os.stat(f"/proc/{pid}/task").st_nlink - 2, 0)  # noqa: PTH116
    except OSError:
        return 0


def _owner_of(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
    except OSError:
        return None


# --- what is seen of the file system ---


class View(NamedTuple):
    """A folder that an empty one covers, in which only `shown` and `links` (path -> target) are."""

    path: str
    is_private: bool
    shown: tuple[str, ...]
    links: Mapping[str, str]


def plan_views(
    needed: Iterable[str],
    private: Iterable[str],
    hidden: Iterable[str],
    look: Callable[[str], Seen | None],
    *,
    opens: bool,
) -> list[View]:
    """Return which folders to cover, the outer first, so that what is `needed` stays where it is.

    Those are the `private` and the `hidden` ones and, where it `opens` the way for a user who owns
    nothing, each folder on the way to something needed that others may not enter. What isn't there
    isn't needed.
    """
    closed: set[str] = set()
    links: dict[str, str] = {}
    real = {_follow(path, look, closed, links) for path in needed} - {None, "/"}
    kept = sorted(path for path in real if path is not None)
    own = {_follow(path, look, set(), {}) for path in private} - {None, *kept}
    shut = {_follow(path, look, set(), {}) for path in hidden} - {None, "/", *kept}
    shut |= closed if opens else set()
    views: list[View] = []
    for place in sorted(each for each in own | shut if each is not None):
        above = [view for view in views if _is_below(place, view.path)]
        if above and not any(place == path or _is_below(place, path) for path in above[-1].shown):
            continue  # it is drawn anew with what covers it
        inside = [path for path in kept if _is_below(path, place)]
        shown = [path for path in inside if not any(_is_below(path, other) for other in inside)]
        around = {
            path: target
            for path, target in links.items()
            if _is_below(path, place) and not any(_is_below(path, other) for other in shown)
        }
        views.append(View(place, place in own, tuple(shown), around))
    return views


def _follow(
    path: str, look: Callable[[str], Seen | None], closed: set[str], links: dict[str, str]
) -> str | None:
    """Return where a path leads; add the links on the way, and the folders that are closed."""
    here = "/"
    left = path.split("/")[::-1]
    followed = 0
    while left:
        name = left.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            here = here.rpartition("/")[0] or "/"
            continue
        above, here = here, f"{here.rstrip('/')}/{name}"
        seen = look(here)
        if seen is None or followed > _LINKS:
            return None
        folder = look(above)
        if folder is not None and not folder.is_open:
            closed.add(above)
        if seen.target is not None:
            followed += 1
            links[here] = seen.target
            left += seen.target.split("/")[::-1]
            here = "/" if seen.target.startswith("/") else above
    return here


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/") and path != folder


# --- what is asked ---


class CanNotBe(Exception):
    """Something that failed half way: to be started anew without it."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        self.why = why
        super().__init__(f"{what}: {why}")


class Confinement:
    """Applies what was asked, and keeps account."""

    def __init__(
        self,
        system: System,
        mounts: Mounts,
        enforced: list[str],
        not_enforced: dict[str, str],
    ) -> None:
        self.system = system
        self.mounts = mounts
        self.enforced = enforced
        self.not_enforced = not_enforced
        self._is_in_users = False
        self._has_mounts = False

    def leave(self, asked: Mapping[str, Any]) -> None:
        """Leave the namespaces: the first part, after which a new process may be init.

        Raises:
            CanNotBe: one of them can't be left, or not be made fit.
        """
        if not asked["network"]:
            self._try_anew("network", asked, self._no_network)
        if asked["files"] is not None:
            self._try_anew("files", asked, partial(self._files, asked))
        if not asked["processes"] and "processes" not in asked["given_up"]:
            self._try_anew("processes", asked, partial(self._space, _NEW_PROCESSES))
        self.not_enforced.update(asked["given_up"])

    def start_processes(self) -> None:
        """Mount a /proc that fits the new namespace: by its first process.

        Raises:
            CanNotBe: the kernel lets it not; so it is where parts of the old one are covered.
        """
        try:
            if not self._has_mounts:
                self._own_mounts()
            self.mounts.mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_EXEC)
        except OSError as error:
            raise CanNotBe("processes", f"a new /proc can't be mounted: {error}") from error

    def settle(self, asked: Mapping[str, Any], tasks: int) -> None:
        """Set the limits, and become the user: the last part, by what becomes the command.

        The user comes after all that may need root; `tasks` are those that the user has already.
        """
        limits = dict(asked["limits"])
        processes = limits.pop("RLIMIT_NPROC", None)
        for name, value in sorted(limits.items()):
            self._try(name, partial(self.system.set_limit, name, value))
        if asked["user"] is not None:
            self._try("user", partial(self._user, asked, asked["user"]))
        if processes is not None:
            self._try("RLIMIT_NPROC", partial(self._limit_processes, processes + tasks, asked))

    def _try(self, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except (OSError, ValueError) as error:
            self.not_enforced[what] = str(error)
        else:
            self.enforced.append(what)

    def _try_anew(self, what: str, asked: Mapping[str, Any], call: Callable[[], None]) -> None:
        if what in asked["given_up"]:
            return
        try:
            call()
        except OSError as error:
            raise CanNotBe(what, str(error)) from error
        self.enforced.append(what)

    def _space(self, flag: int) -> None:
        """Go into a namespace: plainly as root, else from a namespace of users of our own."""
        uid, gid = self.system.ids()
        try:
            self.system.unshare(flag)
        except OSError as error:
            if error.errno != errno.EPERM or self._is_in_users:
                raise
            self.system.unshare(_NEW_USER | flag)
            self._is_in_users = True
            self.system.write("/proc/self/setgroups", "deny")
            self.system.write("/proc/self/uid_map", f"{uid} {uid} 1")
            self.system.write("/proc/self/gid_map", f"{gid} {gid} 1")

    def _no_network(self) -> None:
        self._space(_NEW_NET)
        self.system.bring_up_loopback()

    def _own_mounts(self) -> None:
        self._space(_NEW_MOUNTS)
        self._has_mounts = True
        self.mounts.mount(None, "/", None, _RECURSIVE | _PRIVATE)  # nothing of ours gets out

    def _files(self, asked: Mapping[str, Any]) -> None:
        """Make everything read-only, cover what is closed or private, and open what is writable."""
        mounts, cwd = self.mounts, asked["cwd"]
        self._own_mounts()
        writable = asked["files"]["writable"]
        needed = [asked["argv"][0], cwd, *asked["files"]["readable"], *writable]
        views = plan_views(
            needed, PRIVATE, asked["files"]["hidden"], mounts.look, opens=asked["user"] is not None
        )
        links: dict[str, str] = {}
        writable = [_follow(path, mounts.look, set(), links) or path for path in writable]
        shown = {path for view in views for path in view.shown}
        pins = {path: mounts.pin(path) for path in {*shown, *writable}}
        seen = {path: mounts.look(path) for path in shown}
        flags = {path: mounts.flags(path) for path in {*writable, "/proc"}}
        self._make_all_read_only()
        for view in views:
            mode = "mode=1777" if view.is_private else "mode=755"
            mounts.mount("tmpfs", view.path, "tmpfs", _NO_SUID | _NO_DEVICES, mode)
            for path, target in sorted(view.links.items()):
                mounts.make(path, Seen(is_folder=False, is_open=True, target=target))
            for path in view.shown:
                mounts.make(path, seen[path] or Seen(is_folder=True, is_open=True))
                mounts.mount(pins[path], path, None, _BIND | _RECURSIVE)
        for path in writable:
            if path not in shown:
                mounts.mount(pins[path], path, None, _BIND | _RECURSIVE)
        for path in (*writable, "/proc"):  # which has rights of its own, and is written to
            mounts.mount(None, path, None, _REMOUNT | _BIND | flags[path])
        for view in views:
            if not view.is_private:
                mounts.mount(
                    None, view.path, None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES
                )
        mounts.enter(cwd)  # by its path: what it was may be covered now

    def _make_all_read_only(self) -> None:
        try:
            self.mounts.make_all_read_only()
        except OSError as error:
            if error.errno not in {errno.ENOSYS, errno.EPERM}:  # EPERM: a seccomp filter's no
                raise
        else:
            return
        for path, flags in dict(self.mounts.points()).items():  # the last of a place is on top
            try:
                self.mounts.mount(None, path, None, _REMOUNT | _BIND | _READ_ONLY | flags)
            except OSError as error:
                if error.errno not in {errno.EINVAL, errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
                    raise  # those say that another mount covers it, or that we can't get there

    def _user(self, asked: Mapping[str, Any], user: int) -> None:
        needed = [asked["argv"][0], *(asked["files"] or {"readable": ()})["readable"]]
        for path in needed:
            if self.mounts.look(path) is not None and not self.system.reaches(user, path):
                raise PermissionError(f"uid {user} can't reach {path}")
        self.system.become(user)

    def _limit_processes(self, value: int, asked: Mapping[str, Any]) -> None:
        self.system.set_limit("RLIMIT_NPROC", value + _MARGIN)
        if self.system.ids()[0] == 0 and asked["processes"]:
            raise OSError(errno.EPERM, "the kernel holds root to no number of processes")


# --- what runs in a child, and can't be measured there ---


def main(argv: Sequence[str]) -> None:  # pragma: no cover
    """Confine this process, say what was done, and become the command."""
    source, target = int(argv[1]), int(argv[2])
    with os.fdopen(source, "rb") as file:
        asked = json.loads(file.read())
    os.set_inheritable(target, False)  # noqa: FBT003 - os has no keyword for it
    system = Linux()
    confinement = Confinement(system, LinuxMounts(), [], {})
    try:
        tasks = 0
        if "RLIMIT_NPROC" in asked["limits"]:
            tasks = system.tasks(system.ids()[0] if asked["user"] is None else asked["user"])
        confinement.leave(asked)
        if not asked["processes"]:
            _start_kept(confinement, asked["limits"].get("RLIMIT_NPROC"), target)
        _become(confinement, asked, tasks, target)
    except CanNotBe as error:
        _tell(target, {"again": {error.what: error.why}})
    except OSError as error:
        _tell(target, {"failed": str(error)})
    os._exit(125)


def _become(
    confinement: Confinement, asked: Mapping[str, Any], tasks: int, target: int
) -> None:  # pragma: no cover
    confinement.settle(asked, tasks)
    _tell(target, {"enforced": confinement.enforced, "not_enforced": confinement.not_enforced})
    if asked["strict"] and confinement.not_enforced:
        return
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and a command inherits
        signal.signal(number, signal.SIG_DFL)
    os.execve(asked["argv"][0], asked["argv"], asked["env"])  # noqa: S606 - that is the point


def _tell(target: int, what: Mapping[str, Any]) -> None:  # pragma: no cover
    os.write(target, json.dumps(what).encode() + b"\n")


def _start_kept(confinement: Confinement, most: int | None, tell: int) -> None:  # pragma: no cover
    """Return in a new process, which is the command's; the others keep it, and end here.

    Raises:
        CanNotBe: in init, where the kernel doesn't let it mount its /proc.
    """
    _set_process(_SET_DEATH_SIGNAL, signal.SIGKILL)  # after `leave`, which may take it back
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _KEPT)
    has_own = "processes" in confinement.enforced
    if has_own:
        init = os.fork()
        if init:
            os._exit(_wait_outside(init))
        _set_process(_SET_DEATH_SIGNAL, signal.SIGKILL)
        confinement.start_processes()
    else:
        _set_process(_SET_SUBREAPER, 1)
    child = os.fork()
    if child:
        code = _keep(child, most, _others if has_own else _descendants, tell)
        if not has_own:
            _end_descendants()
        os._exit(code)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_outside(init: int) -> int:  # pragma: no cover
    """Wait for the init of a namespace; it has ended when all that was in it has."""
    while True:
        number = signal.sigwait(_KEPT)
        if number == END:
            _send(init, signal.SIGKILL)
        found, status = os.waitpid(init, os.WNOHANG)
        if found:
            return _exit_code(status)


def _keep(
    child: int, most: int | None, count: Callable[[], Sequence[int]], tell: int
) -> int:  # pragma: no cover
    """Stay by a child until it ends, or has to; return 128 and the number where a signal did it."""
    due = time.monotonic() + _TICK
    while True:
        found = child
        while found:
            found, status = os.waitpid(-1, os.WNOHANG)
            if found == child:
                return _exit_code(status)
        said = signal.sigtimedwait(_KEPT, _TICK)
        number = 0 if said is None else said.si_signo
        if number == END:
            return 128 + signal.SIGKILL
        if number not in {0, signal.SIGCHLD}:
            _send(-child, number)
        if most is not None and time.monotonic() >= due:
            if sum(map(_tasks_of, count())) >= most:
                _tell(tell, {"ended": "processes"})
                return 128 + signal.SIGKILL
            due = time.monotonic() + _TICK


def _others() -> list[int]:  # pragma: no cover
    """Return all processes of this namespace but init."""
    return [pid for pid in _processes() if pid != 1]


def _descendants() -> list[int]:  # pragma: no cover
    """Return the processes that came of this one and are there."""
    parents = {pid: _parent_of(pid) for pid in _processes()}
    found = [os.getpid()]
    for pid in found:  # which grows
        found += [each for each, parent in parents.items() if parent == pid]
    return found[1:]


def _parent_of(pid: int) -> int:  # pragma: no cover
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - see Linux.write
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _end_descendants() -> None:  # pragma: no cover
    """Stop all first, so that none makes another meanwhile; then end them, till there are none."""
    stopped: set[int] = set()
    while found := set(_descendants()):
        for pid in found - stopped:
            _send(pid, signal.SIGSTOP)
        if found <= stopped:
            for pid in found:
                _send(pid, signal.SIGKILL)
            stopped = set()
        else:
            stopped |= found
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _send(pid: int, number: int) -> None:  # pragma: no cover
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _exit_code(status: int) -> int:  # pragma: no cover
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


if __name__ == "__main__":  # pragma: no cover - see main
    main(sys.argv)
