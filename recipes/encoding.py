"""A layer's bytes: one folder as one blob, whose digest is a function of the content alone.

::

    blob  = gzip container, one member, stored blocks         (RFC 1952, RFC 1951 3.2.4)
            └── tar, POSIX ustar with pax records where a header is too small    (IEEE 1003.1)
    tar   = team/etl-1.2.3/recipe/            0755   an entry for the folder and for each below it
            team/etl-1.2.3/recipe/steps/      0755
            team/etl-1.2.3/recipe/steps/a.py  0644   (0755 where its owner may execute it)
            sorted by the bytes of their names; uid and gid 0; no user names; one time
            two blocks of zeros, and more up to a multiple of 10,240 bytes

zlib's output differs between its versions, and tarfile's headers have differed between Pythons; so
both are written here. What is compressed in transit is the transport's affair. Nothing is imported
here but the standard library, so that any Python can be asked for its bytes.
"""

import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from artifacts.digest import copy_exactly
from recipes.errors import UnsafePath
from recipes.paths import check_paths

TIME: Final = 315619200
"""1980-01-02T00:00:00Z, the time of every entry: the first day that a zip can hold anywhere."""

BLOCK: Final = 512
FOLDER: Final = b"5"
FILE: Final = b"0"
PAX: Final = b"x"

_RECORD = 20 * BLOCK  # POSIX pax: "the default blocksize", to which a tar is padded
_STORED = 0xFFFF  # RFC 1951 3.2.4: LEN is 16 bits
_LARGEST_OCTAL = 0o77777777777  # 11 digits: 8 GiB - 1


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take in more bytes."""


class StoredGzip:
    """Writes one gzip member of stored blocks: 5 bytes in each 65,535, and 23 more."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._crc = 0
        self._size = 0
        self._waiting = bytearray()
        # no name, no time, no flags, compressor 0, system 255 (unknown): RFC 1952 2.3
        sink.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")

    def write(self, data: bytes) -> None:
        """Take in more bytes; what is written doesn't depend on how they were cut."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._waiting += data
        while len(self._waiting) >= _STORED:
            self._block(bytes(self._waiting[:_STORED]), last=False)
            del self._waiting[:_STORED]

    def close(self) -> None:
        """Write the last block and the trailer; the sink stays open."""
        self._block(bytes(self._waiting), last=True)
        self._sink.write(struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))

    def _block(self, data: bytes, *, last: bool) -> None:
        self._sink.write(struct.pack("<BHH", last, len(data), len(data) ^ _STORED))
        self._sink.write(data)


def write_folder(
    folder: Path, title: str, sink: Sink, *, only: Sequence[str] | None = None
) -> dict[str, str]:
    """Write the blob of `folder` to `sink`, and return the sha256 (hex) of each file in it.

    Every name in it begins with `title`; `only` limits it to these files at the folder's top.

    Raises:
        UnsafePath: a link, a device, or a name that can't be laid out everywhere.
    """
    entries = _entries(folder, only)
    check_paths(f"{title}/{each}" for each in sorted(entries) if each)
    gzip = StoredGzip(sink)
    files = _write_tar(folder, title, entries, gzip)
    gzip.close()
    return files


def _entries(folder: Path, only: Sequence[str] | None) -> dict[str, os.stat_result]:
    """Return what is in `folder`, by its path below it; the folder itself is ''."""
    found: dict[str, os.stat_result] = {}
    pending = [""]
    while pending:
        name = pending.pop()
        path = folder / name if name else folder
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
            raise UnsafePath(str(path), "only folders and plain files may be in a package")
        found[name] = status
        if stat.S_ISDIR(status.st_mode):
            inside = os.listdir(path)  # noqa: PTH208 - names are wanted, not paths
            if only is not None:
                inside = [each for each in inside if not name and each in only]
            pending += [f"{name}/{each}" if name else each for each in inside]
    return found


def _write_tar(
    folder: Path, title: str, entries: dict[str, os.stat_result], sink: Sink
) -> dict[str, str]:
    files: dict[str, str] = {}
    size = 0
    top = title.rpartition("/")[2]
    for name in sorted(entries, key=str.encode):
        status = entries[name]
        full = f"{title}/{name}" if name else title
        if stat.S_ISDIR(status.st_mode):
            drawn = entry_headers(f"{full}/", 0o755, 0, FOLDER)
            sink.write(drawn)
            size += len(drawn)
            continue
        mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        drawn = entry_headers(full, mode, status.st_size, FILE)
        sink.write(drawn)
        files[f"{top}/{name}"] = _copy(folder / name, status.st_size, sink)
        padding = -status.st_size % BLOCK
        sink.write(bytes(padding))
        size += len(drawn) + status.st_size + padding
    end = size + 2 * BLOCK
    sink.write(bytes(2 * BLOCK + -end % _RECORD))
    return files


def _copy(path: Path, size: int, sink: Sink) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        left = copy_exactly(file, size, hasher.update, sink.write)
    if left:
        raise UnsafePath(str(path), "it changed while it was read; pack again")
    return hasher.hexdigest()


def entry_headers(name: str, mode: int, size: int, kind: bytes) -> bytes:
    """Return an entry's header, after one of pax records where ustar has no room for it."""
    records: dict[str, str] = {}
    prefix, short = _split(name)
    if short is None:
        records["path"] = name
        prefix, short = b"", name.encode("ascii", "replace")[:100]
    if size > _LARGEST_OCTAL:
        records["size"] = str(size)
    drawn = ustar_header(prefix, short, mode, 0 if "size" in records else size, kind)
    if not records:
        return drawn
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    padding = bytes(-len(body) % BLOCK)
    return ustar_header(b"", b"././@PaxHeader", 0o644, len(body), PAX) + body + padding + drawn


def _split(name: str) -> tuple[bytes, bytes | None]:
    """Cut a name into ustar's prefix (155 bytes) and name (100), or say that it has no room."""
    if not name.isascii():
        return b"", None
    encoded = name.encode()
    if len(encoded) <= 100:  # noqa: PLR2004 - ustar's own
        return b"", encoded
    cut = encoded.rfind(b"/", 0, min(156, len(encoded) - 1))
    tail = encoded[cut + 1 :]
    return (encoded[:cut], tail) if cut > 0 and 0 < len(tail) <= 100 else (b"", None)  # noqa: PLR2004


def _record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


def ustar_header(prefix: bytes, name: bytes, mode: int, size: int, kind: bytes) -> bytes:
    """Return a ustar header of 512 bytes (IEEE 1003.1, pax, "ustar Header Block")."""
    fields = struct.pack(
        "100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x",
        name,
        b"%07o\0" % mode,
        b"0000000\0",
        b"0000000\0",
        b"%011o\0" % size,
        b"%011o\0" % TIME,
        b" " * 8,
        kind,
        b"",
        b"ustar\0",
        b"00",
        b"",
        b"",
        b"0000000\0",
        b"0000000\0",
        prefix,
    )
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]
