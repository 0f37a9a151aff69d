"""The stored tree, drawn once: every path below a store's root comes from here.

::

    ROOT/
    ├── blobs/
    │   └── sha256/                           the digest's algorithm
    │       └── 2c/                           the first two of its hex digits: 256 folders
    │           └── 2cf24dba...9824           the bytes, read-only; `sha256/2c/2cf24dba...9824` is
    │                                         the location that the database keeps
    └── uploads/
        └── 0f3c...e1                         an upload: 32 hex digits; read-only once committed

A committed upload and its blob are two names of one file, until the upload is forgotten. Nothing in
an id or a location is trusted: what isn't of this form has no path.
"""

import re
from pathlib import Path

from artifacts.digest import Digest

_UPLOAD_FORM = re.compile(r"[0-9a-f]{32}")
_LOCATION_FORM = re.compile(r"(sha256|sha512)/([0-9a-f]{2})/(\2[0-9a-f]+)")


def uploads(root: Path) -> Path:
    """Return the folder of uploads."""
    return root / "uploads"


def upload(root: Path, upload_id: str) -> Path | None:
    """Return the file of an upload, or None when the id isn't one."""
    return uploads(root) / upload_id if _UPLOAD_FORM.fullmatch(upload_id) else None


def location(digest: Digest) -> str:
    """Return where a blob is kept, below `blobs/`."""
    return f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}"


def blob(root: Path, location: str) -> Path | None:
    """Return the file of a blob, or None when the location isn't one."""
    return root / "blobs" / location if _LOCATION_FORM.fullmatch(location) else None
