"""What can be wrong with what a registry keeps, in words.

Every problem is one that a test plants (tests/unit/registry/test_check.py): a new one needs a line
here, an examination in the module of its group, and a test.
"""

from dataclasses import dataclass
from enum import StrEnum


class Problem(StrEnum):
    """The kinds of corruption that are looked for."""

    # bytes: see blobs.py
    BYTES_MISSING = "bytes missing"
    BYTES_LENGTH = "bytes of another length"
    BYTES_DIGEST = "bytes of another digest"
    BYTES_ORPHANED = "bytes without a row"
    BYTES_SHARED = "two blobs in one place"
    BYTES_CONDEMNED = "needed bytes condemned"
    INLINE_MISSING = "bytes missing in the database"
    INLINE_DAMAGED = "bytes damaged in the database"
    INLINE_STRAY = "bytes kept twice"
    UPLOAD_ORPHANED = "upload without a row"
    NEVER_COLLECTED = "garbage that no sweep will see"
    # references: see manifests.py
    DANGLING = "row of something that is gone"
    NAME = "name in another namespace"
    VISIBILITY = "repository not as public as its namespace"
    MANIFEST_DIGEST = "manifest of another digest"
    MANIFEST_UNREADABLE = "manifest that is none"
    MANIFEST_ROW = "manifest said wrongly"
    PARTS = "parts said wrongly"
    BLOB_MISSING = "blob of a manifest missing"
    CHILD_MISSING = "manifest of an index missing"
    TAG_ELSEWHERE = "tag of another repository"
    COUNTER = "quota counted wrongly"
    # the index: see releases.py
    RELEASE_ELSEWHERE = "release of another repository"
    RELEASE_STAGED = "release hidden"
    RELEASE_METADATA = "release said wrongly"
    RELEASE_REQUIREMENTS = "requirements said wrongly"
    RELEASE_TAG = "version not tagged"
    RELEASE_RECEIPT = "receipt missing"
    RELEASE_WHEELS = "wheel set missing"
    INDEX_BEHIND = "index behind its releases"
    BUNDLE_ELSEWHERE = "bundle of another repository"
    BUNDLE_PARTS = "bundle said wrongly"
    CHANNEL_POINTER = "channel not where its history says"
    CHANNEL_TAG = "channel not tagged"
    PROMOTION_RECORD = "record of a promotion missing"
    PROMOTION_CHAIN = "history of a channel broken"


_PUSH = "push it again, or bring it back from a backup"
_FORGET = "bring the bytes back from a backup; or forget them (--repair), and push them again"
_RESTORE = "rows were changed behind the server's back: bring the database back from a backup"
_ADVICE = {
    Problem.BYTES_MISSING: _FORGET,
    Problem.BYTES_LENGTH: _FORGET,
    Problem.BYTES_DIGEST: _FORGET,
    Problem.INLINE_MISSING: _PUSH,
    Problem.INLINE_DAMAGED: _FORGET,
    Problem.BYTES_SHARED: _RESTORE,
    Problem.DANGLING: f"--repair removes what means nothing alone; else {_RESTORE}",
    Problem.NAME: _RESTORE,
    Problem.MANIFEST_DIGEST: _RESTORE,
    Problem.MANIFEST_UNREADABLE: _PUSH,
    Problem.BLOB_MISSING: f"--repair links what is still kept; else {_PUSH}",
    Problem.CHILD_MISSING: _PUSH,
    Problem.TAG_ELSEWHERE: "move the tag where it belongs",
    Problem.RELEASE_ELSEWHERE: _RESTORE,
    Problem.RELEASE_RECEIPT: _RESTORE,
    Problem.RELEASE_WHEELS: _PUSH,
    Problem.BUNDLE_ELSEWHERE: _RESTORE,
    Problem.BUNDLE_PARTS: _RESTORE,
    Problem.PROMOTION_RECORD: _RESTORE,
    Problem.PROMOTION_CHAIN: _RESTORE,
}


def advice(problem: Problem) -> str:
    """Return what an operator can do about a problem."""
    return _ADVICE.get(problem, "--repair mends it")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: what, where (`team/etl@sha256:...`), and what was expected and found.

    `row` is the id of the row that tells of it, `name` what identifies it in the store, and `table`
    and `column` where a reference dangles: what a repair needs.
    """

    problem: Problem
    where: str
    detail: str
    row: int = 0
    name: str = ""
    table: str = ""
    column: str = ""
