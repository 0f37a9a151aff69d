"""Where things stand in a TOML file: tomllib reads values and forgets their places."""

import re
from collections.abc import Iterator, Sequence

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HEADER = re.compile(r"\s*(?P<opening>\[\[?)(?P<name>[^\[\]]+)\]\]?\s*(?:#.*)?$")
_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"\s*(?P<key>{_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_PART = re.compile(r"""[\w-]+|"([^"]*)"|'([^']*)'""")


def place_of(error: Exception) -> tuple[int | None, int | None, str]:
    """Return line and column (from 1) of what tomllib refused, and what it said without them."""
    said = str(error)
    found = _AT.search(said)
    if found is None:
        return None, None, said
    line, column = found.groups()
    return (
        int(line) if line else None,
        int(column) if column else None,
        said[: found.start()] if line else said,
    )


def find_key(text: str, parts: Sequence[str]) -> tuple[int, int] | None:
    """Return line and column (from 1) of a key, or of the nearest above it that has a place.

    What stands in an inline table has the place of the table's own key. None where nothing of it
    is there, as with a key that is missing. Of an array of tables (`[[a.b]]`) the parts are
    `a`, `b` and the number of the table, from "0".
    """
    best: tuple[int, int] | None = None
    deepest = 0
    for path, place in _keys(text):
        if len(path) > deepest and list(path) == list(parts[: len(path)]):
            best, deepest = place, len(path)
    return best


def _keys(text: str) -> Iterator[tuple[tuple[str, ...], tuple[int, int]]]:
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    closing: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if closing is not None:  # inside of a text of several lines
            closing = None if closing in line else closing
            continue
        header, key = _HEADER.match(line), _KEY.match(line)
        indent = len(line) - len(line.lstrip()) + 1
        if header is not None and key is None:
            table = _parts(header["name"])
            if header["opening"] == "[[":
                number_of = counts[table] = counts.get(table, -1) + 1
                table = (*table, str(number_of))
            yield table, (number, indent)
        elif key is not None:
            yield (*table, *_parts(key["key"])), (number, indent)
            value = line[key.end() :].lstrip()
            mark = value[:3]
            if mark in {'"""', "'''"} and mark not in value[3:]:
                closing = mark


def _parts(dotted: str) -> tuple[str, ...]:
    found = _PART.finditer(dotted)
    return tuple(
        next((each for each in part.groups() if each is not None), part[0]) for part in found
    )
