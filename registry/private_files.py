"""Files with secrets: made once, whole, and readable by their owner only."""

import contextlib
import os
import secrets
from pathlib import Path


def keep_first(path: Path, data: bytes) -> None:
    """Write `data` to `path` (mode 600), durably, unless there is a file already.

    Several processes may do so at once: the one that links its file first wins, and all read that.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(part)
    part.unlink()
