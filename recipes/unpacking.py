"""Unpacking a layer: strict, since it was written by somebody else.

The tar is read by a parser of our own, of ustar and two pax records: `tarfile` takes a broken
header for the end, expands sparse files and follows links; what it skipped would be in no list.
"""

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from recipes.encoding import BLOCK, FILE, FOLDER, PAX
from recipes.errors import InvalidLayer, UnsafePath
from recipes.paths import check_path, fold

_BUFFER = 1 << 20
_LONGEST_PAX = 1 << 16


@dataclass(slots=True)
class _Unzipped:
    """Reads a gzip stream of one member, and at most `most` bytes of it."""

    stream: BinaryIO
    title: str
    most: int
    _engine: "zlib._Decompress" = field(default_factory=lambda: zlib.decompressobj(31))
    _read: int = 0

    def exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            chunk = self._some(min(size, _BUFFER))
            if not chunk:
                raise InvalidLayer(self.title, "it ends in the middle")
            parts.append(chunk)
            size -= len(chunk)
        return b"".join(parts)

    def pieces(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self.exactly(min(size, _BUFFER))
            size -= len(chunk)
            yield chunk

    def end(self) -> None:
        """Read what is left: zeros up to the record's end, and nothing after the member."""
        while chunk := self._some(_BUFFER):
            if chunk.strip(b"\0"):
                raise InvalidLayer(self.title, "something comes after the tar's end")
        if not self._engine.eof:
            raise InvalidLayer(self.title, "it ends in the middle")
        if self._engine.unused_data or self.stream.read(1):
            raise InvalidLayer(self.title, "something comes after the gzip member")

    def _some(self, most: int) -> bytes:
        while not self._engine.eof:
            data = self._engine.unconsumed_tail or self.stream.read(_BUFFER)
            try:
                chunk = self._engine.decompress(data, most)
            except zlib.error as error:
                raise InvalidLayer(self.title, f"not gzip: {error}") from error
            if not data and not chunk and not self._engine.eof:
                raise InvalidLayer(self.title, "it ends in the middle")
            self._read += len(chunk)
            if self._read > self.most:
                raise InvalidLayer(
                    self.title, f"it unpacks to more than {self.most} bytes: far more than its size"
                )
            if chunk:
                return chunk
        return b""


_UNPACKS_TO = 64  # times the blob's size: text gzips to a tenth, a bomb to a thousandth
_ROOM = 1 << 20
_MOST_ENTRIES = 100_000


def unpack_layer(
    stream: BinaryIO,
    title: str,
    into: Path,
    *,
    size: int,
    wanted: Callable[[str], bool] | None = None,
) -> dict[str, str]:
    """Lay a layer's files out below `into`, and return the sha256 (hex) of each.

    `title` (`team/etl-1.2.3/recipe`) is where everything in it must be; `size` is the blob's, from
    its descriptor. The keys of the answer are paths below the package's folder, such as
    `recipe/recipe.yaml`. `into` must be a folder that only the caller writes to; on an error what
    was laid out is left to the caller, who throws the whole away. `wanted`, where given, is asked
    for each key before it is written.

    Raises:
        InvalidLayer: links, devices, or anything but folders and files; a name that is absolute,
            has `..`, is outside of the title or stands twice; a missing folder entry; a broken,
            cut or swollen stream.
    """
    check_path(title)
    unzipped = _Unzipped(stream, title, size * _UNPACKS_TO + _ROOM)
    folder, _, top = title.rpartition("/")
    base = into / folder if folder else into
    _make_parents(into, folder)
    made: dict[str, bool] = {}
    files: dict[str, str] = {}
    for name, kind, mode, length in _read_entries(unzipped, title):
        parent, _, _ = name.rpartition("/")
        if fold(name) in made:
            raise InvalidLayer(title, "it stands twice, or differs only in case", entry=name)
        if name != title and not made.get(fold(parent), False):
            raise InvalidLayer(title, "its folder has no entry before it", entry=name)
        made[fold(name)] = kind == FOLDER
        below = name[len(folder) + 1 :] if folder else name
        if kind == FOLDER:
            (base / below).mkdir(mode=0o755)
            (base / below).chmod(0o755)
            continue
        if name == title:
            raise InvalidLayer(title, f"{top!r} is a file, not a folder", entry=name)
        if wanted is not None and not wanted(below):
            raise InvalidLayer(title, "it is not one of the files that were asked for", entry=name)
        files[below] = _lay(base / below, mode, unzipped.pieces(length))
        unzipped.exactly(-length % BLOCK)
    unzipped.end()
    if not made:
        raise InvalidLayer(title, "it is empty: the folder has no entry")
    return files


def _make_parents(into: Path, folder: str) -> None:
    path = into
    for part in folder.split("/") if folder else ():
        path /= part
        path.mkdir(exist_ok=True)
        if path.is_symlink():
            raise UnsafePath(str(path), "it is a link where a folder was to be made")


def _lay(path: Path, mode: int, pieces: Iterator[bytes]) -> str:
    hasher = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        for piece in pieces:
            hasher.update(piece)
            file.write(piece)
        os.fchmod(file.fileno(), 0o755 if mode & stat.S_IXUSR else 0o644)
    return hasher.hexdigest()


def _read_entries(unzipped: _Unzipped, title: str) -> Iterator[tuple[str, bytes, int, int]]:
    """Yield name (no slash at its end), kind, mode and size; the caller reads the content."""
    records: dict[str, str] = {}
    for _ in range(_MOST_ENTRIES):
        header = unzipped.exactly(BLOCK)
        if not header.strip(b"\0"):
            if records or unzipped.exactly(BLOCK).strip(b"\0"):
                raise InvalidLayer(title, "its tar does not end in two blocks of zeros")
            return
        name, kind, mode, size = _parse(header, title)
        if kind == PAX:
            if records or size > _LONGEST_PAX:
                raise InvalidLayer(title, "two pax headers, or one too large", entry=name)
            body = unzipped.exactly(size)
            unzipped.exactly(-size % BLOCK)
            records = _parse_records(body, title)
            continue
        name = records.get("path", name)
        if "size" in records:
            size = _number(records["size"].encode(), 10, title)
        records = {}
        yield _checked(name, kind, size, title), kind, mode, size
    raise InvalidLayer(title, f"it has more than {_MOST_ENTRIES} entries")


_REFUSED = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe"
}  # fmt: skip


def _checked(name: str, kind: bytes, size: int, title: str) -> str:
    if kind not in {FOLDER, FILE}:
        what = _REFUSED.get(kind, f"of the type {kind!r}")
        raise InvalidLayer(title, f"it is {what}; only folders and files may be here", entry=name)
    plain = name[:-1] if kind == FOLDER and name.endswith("/") else name
    try:
        check_path(plain)
    except UnsafePath as error:
        raise InvalidLayer(title, error.reason, entry=name) from error
    if plain != title and not plain.startswith(f"{title}/"):
        raise InvalidLayer(title, "it is outside of the layer's title", entry=name)
    if kind == FOLDER and size:
        raise InvalidLayer(title, "it is a folder with content", entry=name)
    return plain


def _parse(header: bytes, title: str) -> tuple[str, bytes, int, int]:
    said = _number(header[148:156], 8, title)
    if said != sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
        raise InvalidLayer(title, "a header's checksum is wrong")
    if header[257:262] != b"ustar":
        raise InvalidLayer(title, "a header is not ustar (IEEE 1003.1)")
    prefix = header[345:500].split(b"\0")[0] if header[262:263] == b"\0" else b""
    name = header[:100].split(b"\0")[0]
    kind = header[156:157]
    return (
        _text(prefix + b"/" + name if prefix else name, title),
        FILE if kind == b"\0" else kind,
        _number(header[100:108], 8, title),
        _number(header[124:136], 8, title),
    )


def _number(data: bytes, base: int, title: str) -> int:
    digits = data.strip(b"\0 ")
    if not re.fullmatch(rb"[0-7]*" if base == 8 else rb"[0-9]{1,18}", digits):  # noqa: PLR2004
        raise InvalidLayer(title, f"a header holds {data!r} where a number belongs")
    return int(digits or b"0", base)


def _text(data: bytes, title: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidLayer(title, f"a name is not UTF-8: {data!r}") from error


def _parse_records(body: bytes, title: str) -> dict[str, str]:
    """Read pax records; of the rest, what would change what is laid out is refused."""
    records: dict[str, str] = {}
    while body:
        matched = re.match(rb"([0-9]{1,6}) ([^=\n]+)=", body)
        length = int(matched[1]) if matched else 0
        if matched is None or length <= matched.end() or body[length - 1 : length] != b"\n":
            raise InvalidLayer(title, "a pax record is broken")
        key = _text(matched[2], title)
        if key.startswith("GNU.sparse") or key in {"linkpath", "hdrcharset"} or key in records:
            raise InvalidLayer(title, f"the pax record {key!r} may not be here")
        records[key] = _text(body[matched.end() : length - 1], title)
        body = body[length:]
    return records
