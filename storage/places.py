"""What both SDKs' buckets say alike: where they are, and how large an object is."""

import re

from storage.config import S3Config
from storage.errors import StoreUnavailable

_RANGE_FORM = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")


def place_of(config: S3Config) -> str:
    """Return what errors call a bucket."""
    return f"bucket {config.bucket!r} at {config.endpoint or f'AWS, {config.region}'}"


def missing_bucket(place: str, name: str) -> StoreUnavailable:
    """Return the error for a bucket that isn't there."""
    return StoreUnavailable(
        place,
        f"there is no such bucket; make it (aws s3 mb s3://{name}, or mc mb SERVER/{name}), or set "
        "s3_bucket to one that is there",
    )


def total_size(content_range: str | None, content_length: int) -> int:
    """Return an object's whole size from the headers of an answer (RFC 9110, section 14.4)."""
    matched = _RANGE_FORM.fullmatch(content_range or "")
    return int(matched[1]) if matched else content_length
