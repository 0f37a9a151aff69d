"""The stored tree, drawn once: every path below a store's root, or key in a bucket, is from here.

::

    ROOT/ (or the bucket's prefix)
    ├── blobs/
    │   ├── 0f/                           the first two digits of an id: 256 folders
    │   │   └── 0f3c...e1                 the bytes, read-only; `0f/0f3c...e1` is the location that
    │   │                                 the database keeps; the 32 hex digits are the upload's id
    │   └── sha256/2c/2cf24dba...9824     as version 0.1.0 kept it: by digest; read and deleted, and
    │                                     nothing new is put there
    └── uploads/
        └── 0f3c...e1                     an upload's bytes; in a bucket `0f3c...e1/state`, see
                                          storage/states.py

Nothing in an id or a location is trusted: what isn't of this form has no path.
"""

import re
from pathlib import Path

from storage.errors import UploadUnknown

_ID = r"[0-9a-f]{32}"
_UPLOAD_FORM = re.compile(_ID)
_NEW_FORM = re.compile(rf"([0-9a-f]{{2}})/((?=\1){_ID})")
_OLD_FORM = re.compile(r"(sha256|sha512)/([0-9a-f]{2})/(\2[0-9a-f]+)")


def uploads(root: Path) -> Path:
    """Return the folder of uploads."""
    return root / "uploads"


def upload(root: Path, upload_id: str) -> Path | None:
    """Return the file of an upload, or None when the id isn't one."""
    return uploads(root) / upload_id if is_upload(upload_id) else None


def is_upload(upload_id: str) -> bool:
    """Return whether an id is of an upload's form."""
    return _UPLOAD_FORM.fullmatch(upload_id) is not None


def location(upload_id: str) -> str:
    """Return where the blob of an upload is kept, below `blobs/`."""
    return f"{upload_id[:2]}/{upload_id}"


def is_location(location: str) -> bool:
    """Return whether a location is of one of the two forms."""
    return any(form.fullmatch(location) for form in (_NEW_FORM, _OLD_FORM))


def blobs(root: Path) -> Path:
    """Return the folder of blobs."""
    return root / "blobs"


def blob(root: Path, location: str) -> Path | None:
    """Return the file of a blob, or None when the location isn't one."""
    return blobs(root) / location if is_location(location) else None


def state_key(prefix: str, upload_id: str) -> str:
    """Return the key of an upload's state.

    Raises:
        UploadUnknown: the id isn't one.
    """
    if not is_upload(upload_id):
        raise UploadUnknown(upload_id)
    return f"{prefix}uploads/{upload_id}/state"


def blob_key(prefix: str, location: str) -> str | None:
    """Return the key of a blob, or None when the location isn't one."""
    return f"{prefix}blobs/{location}" if is_location(location) else None
