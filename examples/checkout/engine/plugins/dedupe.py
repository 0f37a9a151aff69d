"""Drops records whose e-mail was seen before."""
from engine.plugins._keys import key_of


def apply(records):
    seen = set()
    kept = []
    for r in records:
        k = key_of(r)
        if k in seen:
            continue
        seen.add(k)
        kept.append(r)
    return kept
