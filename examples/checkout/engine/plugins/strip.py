"""Strips blanks from each value."""


def apply(records):
    return [dict((k, (v or "").strip()) for k, v in r.items()) for r in records]
