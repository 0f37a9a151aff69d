"""Copies of the database from before migrations, of which the last few are kept.

::

    DATA/backups/
    └── registry-20261104T093015Z-before-0002_collection.sqlite3    or .dump, for pg_restore
"""

import os
from datetime import datetime
from pathlib import Path

from registry.engine import CopyRefused, Engine
from registry.errors import CopyFailed

_FORM = "registry-*-before-*"


def copy_before(engine: Engine, folder: Path, migration: str, now: datetime, kept: int) -> Path:
    """Copy a database before `migration`; `kept` copies stay, this one among them.

    Raises:
        CopyFailed: it can't be; nothing was changed.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        made = engine.copy(folder, f"registry-{now:%Y%m%dT%H%M%SZ}-before-{migration}")
        _sync(folder)
        for old in sorted(folder.glob(_FORM))[:-kept]:
            if old != made:
                old.unlink()
    except CopyRefused as error:
        raise CopyFailed(engine.place, migration, str(error)) from error
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        raise CopyFailed(engine.place, migration, reason) from error
    return made


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
