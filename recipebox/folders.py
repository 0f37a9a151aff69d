"""Folders in the cache: unpacked once, read by every run, and checked each time they are used.

::

    <cache>/envs/                   the wheels of a package, unpacked for one platform and Python
    <cache>/trees/                  the layers of a release, unpacked
    ├── .making-<key>               who makes <key> holds a lock on it (flock)
    ├── .part-<key>-x1y2/           what is being made, or what somebody left who was killed
    └── <key>/                      a hash of the content; who uses it holds a shared lock on it
        ├── tree/                   the folder itself: 0444 and 0555, whoever made it
        └── listing.json            {schema_version, at, folders, files, seen}

`files` has the sha256 of each file, and whether it may be executed. `seen` has what `stat` said of
it: where that is the same, the kernel says that nobody wrote to it since (a change of any kind
moves ctime, which no call can set), and it isn't read again. Whatever a recipe did to a folder, the
next user of it sees the content that was kept, or makes it again.
"""

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipebox.config import write_atomically

TREE = "tree"
_LISTING = "listing.json"
_MAKING = ".making-"
_PART = ".part-"
_SCHEMA_VERSION = 1
_SETTLED = 1_000_000_000  # ns: a file that is younger than this when it is seen may change unseen

Make = Callable[[Path], object]
"""Makes a folder at a path where nothing is yet."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is in a folder: `files` path -> stat, `folders`; `others` are links, devices, pipes."""

    files: Mapping[str, os.stat_result]
    folders: tuple[str, ...]
    others: tuple[str, ...]


class Folders:
    """Folders of one kind below `root`; safe to share between processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def has(self, key: str) -> bool:
        """Whether there is a folder `key`; whether it is as it was made is seen when it is used."""
        return (self.root / key / _LISTING).is_file()

    @contextmanager
    def using(
        self, key: str, make: Make, *, files: Mapping[str, str] | None = None
    ) -> Iterator[Path]:
        """Give the folder `key`, which nobody removes within the block.

        Where there is none, or it isn't any more what was made, `make` makes it; others who want it
        wait for that. `files` is what must be in it (path to sha256 in hex); None is what there was
        when it was made.

        Raises:
            OSError: the cache can't be written.
        """
        held = self._find(key, files)
        while held is None:
            with _locked(self.root / f"{_MAKING}{key}"):
                held = self._find(key, files)
                if held is None:
                    self._make(key, make)
                    held = self._find(key, files)
        try:
            yield self.root / key / TREE
        finally:
            os.close(held)

    def paths(self) -> list[Path]:
        """Return every file, of what is being made too."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def prune(self, limit: float) -> list[Path]:
        """Remove what was last used before `limit` (seconds since 1970), and what nobody makes.

        What is in use stays. Returns the folders that were moved aside, which the caller removes.
        """
        aside: list[Path] = []
        for path in self._inside():
            if path.name.startswith(_MAKING):
                continue
            key = path.name.removeprefix(_PART).rpartition("-")[0]
            if path.name.startswith(_PART):
                with suppress(BlockingIOError), _locked(self.root / f"{_MAKING}{key}", wait=False):
                    aside.append(path)
            elif _last_use(path) < limit:
                aside.extend(self._set_aside(path))
        return aside

    def _inside(self) -> list[Path]:
        return sorted(self.root.iterdir()) if self.root.is_dir() else []

    def _set_aside(self, path: Path) -> Iterator[Path]:
        handle = _hold(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if handle is None:
            return
        try:
            gone = self.root / f"{_PART}{path.name}-old{os.getpid()}"
            path.rename(gone)
            yield gone
        finally:
            os.close(handle)

    def _find(self, key: str, files: Mapping[str, str] | None) -> int | None:
        """Return a descriptor that holds the folder, where it is what it should be."""
        place = self.root / key
        handle = _hold(place, fcntl.LOCK_SH)
        if handle is None:
            return None
        if _is_right(place, files):
            return handle
        os.close(handle)
        return None

    def _make(self, key: str, make: Make) -> None:
        """Make the folder aside, and put it in its place; the lock of `key` is held."""
        for old in self.root.glob(f"{_PART}{key}-*"):  # of somebody who was killed
            remove(old)
        part = Path(tempfile.mkdtemp(dir=self.root, prefix=f"{_PART}{key}-"))
        try:
            part.chmod(0o755)
            make(part / TREE)
            _seal(part / TREE)
            _write_listing(part, _list(part / TREE))
            place = self.root / key
            if place.exists():  # it was changed: who runs over it finds the right one there
                place.rename(self.root / f"{_PART}{key}-changed{os.getpid()}")
            part.rename(place)
        except BaseException:
            remove(part)
            raise
        for old in self.root.glob(f"{_PART}{key}-*"):
            remove(old)


def remove(path: Path) -> None:
    """Remove a folder, though nothing in it may be written to."""
    for above, _, _ in os.walk(path):
        with suppress(OSError):
            Path(above).chmod(0o755)
    shutil.rmtree(path, ignore_errors=True)


def clone_folder(source: Path, target: Path) -> None:
    """Copy a folder, with its files' permission to be executed; blocks are shared where they can.

    The copy may be written to: nothing of it is the source's (on btrfs and XFS its blocks are,
    until they are written to).
    """
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            to = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                clone_folder(Path(entry.path), to)
            else:
                _clone(Path(entry.path), to)
                to.chmod(0o755 if entry.stat(follow_symlinks=False).st_mode & 0o100 else 0o644)


_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)


def _clone(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("xb") as writing:
        try:
            fcntl.ioctl(writing, _FICLONE, reading.fileno())
        except OSError:  # another file system, or one that shares no blocks
            shutil.copyfileobj(reading, writing, 1 << 20)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a file that stands for something; it is gone afterwards.

    Raises:
        BlockingIOError: somebody else holds it, and not `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(path, handle):  # who held it before removed it
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
        finally:
            os.close(handle)


def _hold(place: Path, how: int) -> int | None:
    """Lock a folder; None where there is none, or somebody else's lock forbids it."""
    while True:
        try:
            handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, how)
        except BlockingIOError:
            os.close(handle)
            return None
        if _is_at(place, handle):
            return handle
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(handle))


def _last_use(place: Path) -> float:
    try:
        return (place / _LISTING).stat().st_mtime
    except OSError:
        return 0.0


def _look(tree: Path) -> _Found:
    files: dict[str, os.stat_result] = {}
    folders: list[str] = []
    others: list[str] = []
    pending = [""]
    while pending:
        inside = pending.pop()
        with os.scandir(tree / inside) as entries:
            for entry in entries:
                path = f"{inside}/{entry.name}" if inside else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                    pending.append(path)
                elif entry.is_file(follow_symlinks=False):
                    files[path] = entry.stat(follow_symlinks=False)
                else:
                    others.append(path)
    return _Found(files, tuple(sorted(folders)), tuple(sorted(others)))


def _seal(tree: Path) -> None:
    """Let everybody read, and nobody write, whatever the umask was."""
    for above, _, names in os.walk(tree, topdown=False):
        for name in names:
            path = Path(above, name)
            if not path.is_symlink():
                path.chmod(0o555 if path.stat().st_mode & stat.S_IXUSR else 0o444)
        Path(above).chmod(0o555)


def _draw(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _content(tree: Path, path: str, status: os.stat_result) -> list[Any]:
    with (tree / path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return [found, bool(status.st_mode & stat.S_IXUSR)]


def _list(tree: Path) -> dict[str, Any]:
    at = time.time_ns()
    found = _look(tree)
    return {
        "schema_version": _SCHEMA_VERSION,
        "at": at,
        "folders": list(found.folders),
        "files": {path: _content(tree, path, status) for path, status in found.files.items()},
        "seen": {path: _draw(status) for path, status in found.files.items()},
    }


def _write_listing(place: Path, listing: Mapping[str, Any]) -> None:
    write_atomically(place / _LISTING, json.dumps(listing).encode(), 0o644)


def _is_right(place: Path, files: Mapping[str, str] | None) -> bool:
    """Whether a folder is what its listing says, and what was asked for."""
    try:
        listing = json.loads((place / _LISTING).read_bytes())
        if listing["schema_version"] != _SCHEMA_VERSION:
            return False
        if files is not None and {k: v[0] for k, v in listing["files"].items()} != dict(files):
            return False
        return _is_unchanged(place, listing)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False


def _is_unchanged(place: Path, listing: dict[str, Any]) -> bool:
    tree = place / TREE
    at = time.time_ns()
    found = _look(tree)
    if found.others or list(found.folders) != listing["folders"]:
        return False
    if found.files.keys() != listing["files"].keys():
        return False
    settled = listing["at"] - _SETTLED
    doubtful = [
        path
        for path, status in found.files.items()
        if listing["seen"].get(path) != _draw(status) or status.st_ctime_ns > settled
    ]
    if any(_content(tree, p, found.files[p]) != listing["files"][p] for p in doubtful):
        return False
    if doubtful:
        seen = {path: _draw(status) for path, status in found.files.items()}
        _write_listing(place, listing | {"at": at, "seen": seen})
    else:
        os.utime(place / _LISTING)
    return True
