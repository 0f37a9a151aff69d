"""Which paths may be in a package: the one rule, for packing, for layers and for unpacking.

And the one way to open a file of a checkout, which may hold anything under any name.
"""

import errno
import os
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from recipes.errors import UnsafePath

_LONGEST_NAME = 255  # bytes; ext4, xfs, APFS and NTFS agree on it
_LONGEST_PATH = 1024


_SPECIAL: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


def special_kind(mode: int) -> str | None:
    """Say what a file is that is no plain one, by its `st_mode`; None where it is one."""
    return None if stat.S_ISREG(mode) else _SPECIAL.get(stat.S_IFMT(mode), "no plain file")


def open_plain(path: Path) -> BinaryIO:
    """Open a file to read it, without waiting for anybody, whatever is there under its name.

    Raises:
        OSError: it isn't there, may not be read, or is a folder, pipe, socket or device; its
            `strerror` says which.
    """
    _refuse_special(path, path.stat().st_mode)  # to open a device may do something
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        _refuse_special(path, os.fstat(file.fileno()).st_mode)  # it may be another one by now
    except OSError:
        file.close()
        raise
    return file


def read_plain(path: Path) -> bytes:
    """Read a file as `open_plain` opens it.

    Raises:
        OSError: as `open_plain` does.
    """
    with open_plain(path) as file:
        return file.read()


def _refuse_special(path: Path, mode: int) -> None:
    kind = special_kind(mode)
    if kind is not None:
        raise OSError(errno.EINVAL, f"it is {kind}, and not a file", str(path))


def check_path(path: str) -> str:
    """Return `path` if it is relative, `/`-separated and means the same on every system.

    Raises:
        UnsafePath: it is empty, absolute, has `..`, `.` or an empty segment, a backslash, control
            characters, or is too long; or it isn't UTF-8.
    """
    if not path or path.startswith("/"):
        raise UnsafePath(path, "an absolute or empty path may not be in a package")
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise UnsafePath(path, "its name is not UTF-8; rename it") from error
    if "\\" in path or any(unicodedata.category(each) in {"Cc", "Zl", "Zp"} for each in path):
        raise UnsafePath(path, "it has a backslash or a control character; rename it")
    if len(encoded) > _LONGEST_PATH:
        raise UnsafePath(path, f"it is longer than {_LONGEST_PATH} bytes")
    for segment in path.split("/"):
        if segment in {"", ".", ".."}:
            raise UnsafePath(path, f"the segment {segment!r} may not be in a path")
        if len(segment.encode()) > _LONGEST_NAME:
            raise UnsafePath(path, f"a segment is longer than {_LONGEST_NAME} bytes")
    return path


def fold(path: str) -> str:
    """Return the form under which two paths are one on a file system that ignores case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def check_paths(paths: Iterable[str]) -> None:
    """Check every path, and that no two name one file where case or normal form don't count.

    Raises:
        UnsafePath: a path breaks `check_path`, or collides with another.
    """
    seen: dict[str, str] = {}
    for path in paths:
        check_path(path)
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            prefix = "/".join(parts[:length])
            other = seen.setdefault(fold(prefix), prefix)
            if other != prefix:
                raise UnsafePath(
                    path, f"it differs from {other!r} only in case or normal form; rename one"
                )
