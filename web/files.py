"""Bytes on their way out: a file, or a part of one, that the WSGI server may hand to sendfile."""

import io
import re
from typing import BinaryIO

from werkzeug.http import parse_range_header

from web.errors import RangeNotSatisfiable

BUFFER = 1 << 18
"""Bytes that are read at once. Where there is no sendfile (granian), a quarter of a MiB moves a
third more a second than a whole one: it stays in the processor's cache while it is copied on."""

_BYTES = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{1,18})")


class FilePart(io.RawIOBase):
    """`length` bytes of an open file, from where it stands.

    gunicorn takes its descriptor (`fileno`) and the answer's Content-Length and lets the kernel
    copy; anything else reads it, and gets no byte past the part.
    """

    def __init__(self, file: BinaryIO, length: int) -> None:
        super().__init__()
        self._file = file
        self._left = length

    def readable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file's descriptor.

        Raises:
            io.UnsupportedOperation: the file has none.
        """
        return self._file.fileno()

    def tell(self) -> int:
        """Return the position in the file."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move in the file, as socket.sendfile does for a part."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, up to the end of the part: none of them is copied again."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def readinto(self, buffer: memoryview | bytearray, /) -> int:  # type: ignore[override]
        """Read into `buffer`, up to the end of the part."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def choose_range(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return start and end (past the last byte) of the one range that was asked, or None for all.

    A header of another unit, one with several ranges, or one that isn't a range at all is ignored
    (RFC 9110, section 14.2); one that ends before it begins, or is a suffix of nothing, is refused,
    as that section allows and the conformance suite of distribution-spec asks for.

    Raises:
        RangeNotSatisfiable: the range has no byte of the `size` that there are.
    """
    if asked is None:
        return None
    numbers = _BYTES.fullmatch(asked.strip())
    if numbers is not None and int(numbers[1] or 1) > int(numbers[2]):
        raise RangeNotSatisfiable(asked, size)
    parsed = parse_range_header(asked, make_inclusive=False)
    if parsed is None or parsed.units != "bytes" or len(parsed.ranges) != 1:
        return None
    start, _ = parsed.ranges[0]
    if start < -size < 0:  # a suffix longer than all there is: all of it
        return 0, size
    found = parsed.range_for_length(size)
    if found is None:
        raise RangeNotSatisfiable(str(asked), size)
    return found
