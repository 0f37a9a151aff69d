"""Replaces names by hashes. Legal asked for it, then did not."""
import hashlib


def apply(records):
    for r in records:
        r["name"] = hashlib.sha256(r["name"].encode("utf-8")).hexdigest()[:12]
    return records
