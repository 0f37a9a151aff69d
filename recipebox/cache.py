"""The client's cache: blobs by digest, and answers of the sparse index with their ETags.

::

    <cache>/
    ├── blobs/sha256/ab/abcd…       verified as they were written, and again at each read
    ├── envs/  trees/               unpacked wheels and releases (recipebox/folders.py)
    ├── wheels/<sha256>             what `pack` had pip download (recipes/wheels.py)
    ├── staging/                    what `import` reads, until all of it is verified
    └── index/<sha256 of registry and name>.json
                                    {schema_version, registry, name, etag, as_of, body, sha256}

Files appear by a rename, so a reader never sees half of one. Reading one touches it; `prune`
removes what nobody has touched for a while.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from recipebox.config import write_atomically
from recipebox.folders import Folders, remove

_SCHEMA_VERSION = 2
_PLAIN = ("blobs", "index", "wheels", "staging")
"""Folders of files that stand for themselves."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a cache holds, or lost: `files`, and their `size` in bytes."""

    files: int
    size: int


class Cache:
    """A folder of verified bytes; safe to share between processes, and to delete at any time.

    `tell` is told of a blob that was found damaged.
    """

    def __init__(self, root: Path, tell: Callable[[str], object] | None = None) -> None:
        self.root = root
        self._tell = tell
        self.envs = Folders(root / "envs")
        self.trees = Folders(root / "trees")

    @property
    def wheels(self) -> Path:
        """Where `pack` keeps wheels, by their hash, for the next time."""
        return self.root / "wheels"

    def find(self, digest: Digest) -> Path | None:
        """Return the file of a blob, verified now; None where it isn't, or isn't any more."""
        path = self._blob(digest)
        try:
            with path.open("rb") as file:
                found = Digest.of_stream(file, digest.algorithm)
        except FileNotFoundError:
            return None
        if found != digest:
            self._forget(path, digest)
            return None
        os.utime(path)
        return path

    def has(self, digest: Digest) -> bool:
        """Whether there is a file of a blob; whether it is right is seen when it is read."""
        return self._blob(digest).is_file()

    def read(self, digest: Digest) -> bytes | None:
        """Return a blob's bytes; None where the cache hasn't got it."""
        path = self._blob(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        if Digest.of(data, digest.algorithm) != digest:
            self._forget(path, digest)
            return None
        os.utime(path)
        return data

    def _forget(self, path: Path, digest: Digest) -> None:
        path.unlink(missing_ok=True)
        if self._tell is not None:
            self._tell(f"the cache's {digest} was damaged ({path}); it is gone, and not used")

    @contextmanager
    def writing(self, digest: Digest) -> Iterator[BinaryIO]:
        """Give a file to write a blob to; it appears when the block ends well, else vanishes.

        Raises:
            DigestMismatch: what was written has another digest.
        """
        path = self._blob(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "w+b") as file:
                yield file
                file.flush()
                file.seek(0)
                found = Digest.of_stream(file, digest.algorithm)
            _check(digest, found)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def put(self, data: bytes) -> Digest:
        """Keep bytes; return their digest."""
        digest = Digest.of(data)
        with self.writing(digest) as file:
            file.write(data)
        return digest

    def index_entry(
        self, registry: str, name: str, tell: Callable[[str], object] | None = None
    ) -> dict[str, Any] | None:
        """Return the kept answer {etag, as_of, body} for `name`; None where there is none.

        One that isn't as it was written is none, and `tell` is told; of an earlier version of
        Recipebox there is none either. `body` is None where the registry had none of that name.
        """
        path = self._entry(registry, name)
        try:
            drawn = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            drawn = None
        if isinstance(drawn, dict) and drawn.get("schema_version") == 1:
            return None
        if not isinstance(drawn, dict) or drawn.get("sha256") != _checksum(drawn):
            if tell is not None:
                tell(f"the cache's index of {name} is damaged ({path}); it is not used")
            return None
        return drawn

    def keep_index_entry(
        self, registry: str, name: str, *, etag: str, as_of: int, body: object
    ) -> None:
        """Keep an answer of the index, and the revision as of which it was asked."""
        drawn = {
            "schema_version": _SCHEMA_VERSION,
            "registry": registry,
            "name": name,
            "etag": etag,
            "as_of": as_of,
            "body": body,
        }
        drawn["sha256"] = _checksum(drawn)
        # nothing is forced to the disk: what a crash damages is seen, and read again
        write_atomically(self._entry(registry, name), json.dumps(drawn).encode(), is_durable=False)

    @contextmanager
    def staging(self) -> Iterator["Cache"]:
        """Give an empty cache beside this one's blobs; it is gone afterwards."""
        above = self.root / "staging"
        above.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=above) as folder:
            yield Cache(Path(folder))

    def adopt(self, other: "Cache", *, with_index: bool = False) -> None:
        """Take over the blobs of a cache on the same file system, each by a rename.

        Answers that are kept by name come along only `with_index`.
        """
        kept = sorted((other.root / "index").glob("*.json")) if with_index else []
        for path in [*sorted((other.root / "blobs").glob("*/*/*")), *kept]:
            target = self.root / path.relative_to(other.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)

    def usage(self) -> Usage:
        """Count what is there."""
        return self._count(self._files())

    def prune(self, older_than: float, now: float | None = None) -> Usage:
        """Remove what was not read for `older_than` seconds, and what writers left behind.

        Folders that a run uses now stay, however old they are.
        """
        limit = (time.time() if now is None else now) - older_than
        old = [path for path in self._plain_files() if path.stat().st_mtime < limit]
        aside = [path for folders in (self.envs, self.trees) for path in folders.prune(limit)]
        removed = self._count([*old, *(each for path in aside for each in _files_below(path))])
        for path in old:
            path.unlink(missing_ok=True)
        for path in aside:
            remove(path)
        return removed

    def clear(self) -> Usage:
        """Remove everything that is Recipebox's in the folder."""
        removed = self.usage()
        for folder in (*_PLAIN, "envs", "trees"):
            remove(self.root / folder)
        return removed

    def _files(self) -> list[Path]:
        return [*self._plain_files(), *self.envs.paths(), *self.trees.paths()]

    def _plain_files(self) -> list[Path]:
        return [path for name in _PLAIN for path in _files_below(self.root / name)]

    @staticmethod
    def _count(paths: list[Path]) -> Usage:
        return Usage(len(paths), sum(path.stat().st_size for path in paths))

    def _blob(self, digest: Digest) -> Path:
        return self.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex

    def _entry(self, registry: str, name: str) -> Path:
        key = hashlib.sha256(f"{registry}\n{name}".encode()).hexdigest()
        return self.root / "index" / f"{key}.json"


def _checksum(drawn: dict[str, Any]) -> str:
    members = {key: value for key, value in drawn.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _check(expected: Digest, found: Digest) -> None:
    if found != expected:
        raise DigestMismatch("cached blob", expected=expected, found=found)
