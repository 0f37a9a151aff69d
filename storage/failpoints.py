"""Failpoints: named places in the write path where a test may kill the server.

The process whose environment has `RECIPEBOX_FAILPOINT=<name>` sends itself SIGKILL when it reaches
that place, which is what a power cut or the out-of-memory killer does. Every point is listed here,
storage's and the registry's, and stands exactly once in the code (a unit test counts), so that the
end-to-end test that kills a server at each can't forget one. Those of stores that speak S3 have a
list of their own (`ObjectFailpoint`), since a server over a folder never passes them.
"""

import os
import signal
from enum import StrEnum

VARIABLE = "RECIPEBOX_FAILPOINT"


class Failpoint(StrEnum):
    """Where a server may be killed, in the order in which a publish and a promotion pass them."""

    UPLOAD_AFTER_ROW = "upload.after_row"
    UPLOAD_AFTER_START = "upload.after_start"
    UPLOAD_AFTER_APPEND = "upload.after_append"
    BLOB_AFTER_WRITE = "blob.after_write"
    BLOB_AFTER_RENAME = "blob.after_rename"
    UPLOAD_BEFORE_COMMIT = "upload.before_commit"
    UPLOAD_AFTER_COMMIT = "upload.after_commit"
    MOUNT_BEFORE_COMMIT = "mount.before_commit"
    MOUNT_AFTER_COMMIT = "mount.after_commit"
    MANIFEST_BEFORE_COMMIT = "manifest.before_commit"
    MANIFEST_AFTER_COMMIT = "manifest.after_commit"
    DELETE_BEFORE_COMMIT = "delete.before_commit"
    DELETE_AFTER_COMMIT = "delete.after_commit"
    SWEEP_BEFORE_COMMIT = "sweep.before_commit"
    SWEEP_AFTER_COMMIT = "sweep.after_commit"
    SWEEP_AFTER_BYTES = "sweep.after_bytes"
    ADMIT_BEFORE_RECEIPT = "admit.before_receipt"
    ADMIT_BEFORE_COMMIT = "admit.before_commit"
    ADMIT_AFTER_COMMIT = "admit.after_commit"
    BUNDLE_BEFORE_COMMIT = "bundle.before_commit"
    BUNDLE_AFTER_COMMIT = "bundle.after_commit"
    PROMOTE_BEFORE_RECORD = "promote.before_record"
    PROMOTE_BEFORE_COMMIT = "promote.before_commit"
    PROMOTE_AFTER_COMMIT = "promote.after_commit"


class ObjectFailpoint(StrEnum):
    """Where a server whose store speaks S3 may be killed, in the order of an upload."""

    AFTER_BEGIN = "object.after_begin"
    AFTER_CLAIM = "object.after_claim"
    AFTER_PART = "object.after_part"
    AFTER_SAVE = "object.after_save"
    AFTER_SEAL = "object.after_seal"
    AFTER_TAIL = "object.after_tail"
    AFTER_BLOB = "object.after_blob"
    AFTER_FORGET = "object.after_forget"
    AFTER_CANCEL = "object.after_cancel"


def failpoint(point: Failpoint | ObjectFailpoint) -> None:
    """Kill this process with SIGKILL if the environment asks for it at `point`."""
    if os.environ.get(VARIABLE) == point.value:
        os.kill(os.getpid(), signal.SIGKILL)
