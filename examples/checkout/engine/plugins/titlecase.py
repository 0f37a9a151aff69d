"""Writes names as names."""

SMALL = {"van", "de", "der", "von", "la"}


def _name(text):
    words = []
    for i, word in enumerate(text.split()):
        low = word.lower()
        words.append(low if i and low in SMALL else low[:1].upper() + low[1:])
    return " ".join(words)


def apply(records):
    for r in records:
        r["name"] = _name(r["name"])
    return records
