"""What the buckets of both SDKs tell alike: that there is none, and how large an object is."""

import re

from storage.config import BucketConfig
from storage.errors import StoreUnavailable

_RANGE_FORM = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")


def missing_bucket(config: BucketConfig) -> StoreUnavailable:
    """Return the error for a bucket that isn't there."""
    return StoreUnavailable(
        config.place,
        f"there is no such bucket; make it (`aws s3 mb s3://{config.name}`, or `mc mb "
        f"SERVER/{config.name}`), or set s3_bucket to one that is there",
    )


def total_size(content_range: str | None, content_length: int) -> int:
    """Return an object's whole size from the headers of an answer (RFC 9110, section 14.4)."""
    matched = _RANGE_FORM.fullmatch(content_range or "")
    return int(matched[1]) if matched else content_length
