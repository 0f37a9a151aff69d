"""YAML as people write it, read within bounds, with a line and a column in every error.

What is read here may come from anybody: aliases that expand without end (a bomb), merges of a
mapping with itself, nesting, tags, keys that stand twice, other encodings, pipes and devices are
all refused before they cost anything. Dates stay the text that they are.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from recipes.errors import InvalidRecipe
from recipes.paths import open_plain

LARGEST: Final = 512 * 1024
"""Bytes of a recipe's file; the largest that was seen has 40 kB."""

MOST_VALUES: Final = 50_000
"""Values in a document, aliases expanded: what stops a YAML bomb."""

MOST_CHARACTERS: Final = 8 * LARGEST
"""Characters of all texts, aliases expanded: what stops a bomb of one long text."""

DEEPEST: Final = 50

_HALF = re.compile("[\ud800-\udfff]")
_HALF_SAID = "it has half of a surrogate pair (as \\ud800), which is no character"
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}


def read_bytes(path: Path) -> bytes:
    """Read a file of no more than `LARGEST` bytes.

    Raises:
        InvalidRecipe: it is no plain file, can't be read, or is too large.
    """
    try:
        with open_plain(path) as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InvalidRecipe(path, f"it can't be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise InvalidRecipe(path, f"it is larger than {LARGEST} bytes: too large for a recipe")
    return data


def decode(path: Path, data: bytes) -> str:
    """Return bytes of a file as text: UTF-8, with or without a byte order mark.

    Raises:
        InvalidRecipe: they are not UTF-8.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidRecipe(path, "it is UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        raise InvalidRecipe(
            path,
            f"the byte 0x{data[error.start]:02x} is not UTF-8 (perhaps Latin-1); save it as UTF-8",
            line=before.count(b"\n") + 1,
            column=error.start - before.rfind(b"\n"),
        ) from error


def compose(path: Path, text: str) -> yaml.Node | None:
    """Parse the one document of a text; None where it is empty.

    Raises:
        InvalidRecipe: it isn't YAML, or several documents.
    """
    try:
        node: yaml.Node | None = yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "not YAML"
        if "'\\t'" in reason:
            reason = "a tab stands where YAML wants blanks; indent with blanks"
        elif "but found another document" in reason:
            reason = "several documents in one file; a recipe is one"
        raise InvalidRecipe(
            path,
            reason,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        raise InvalidRecipe(
            path,
            f"the character U+{ord(text[error.position]):04X} may not stand in YAML",
            line=before.count("\n") + 1,
            column=error.position - before.rfind("\n"),
        ) from error
    except RecursionError as error:
        raise InvalidRecipe(path, "it is nested too deeply") from error
    return node


class Reader:
    """Turns YAML nodes into plain values, within bounds, and with their places in errors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = 0
        self._characters = 0
        self._constructor = yaml.constructor.SafeConstructor()

    def wrong(self, node: yaml.Node, reason: str) -> InvalidRecipe:
        """Return the error that says `reason` of the place of `node`."""
        mark = node.start_mark
        return InvalidRecipe(self._path, reason, line=mark.line + 1, column=mark.column + 1)

    def members(self, node: yaml.MappingNode, depth: int = 0) -> dict[str, yaml.Node]:
        """Return a mapping's members; `<<` takes what another has, as YAML 1.1 does.

        Raises:
            InvalidRecipe: a key that is no text or stands twice; a merge of what is no mapping, or
                of a mapping with itself.
        """
        if depth > DEEPEST:
            raise self.wrong(node, f"it is merged ('<<') more than {DEEPEST} deep")
        found: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise self.wrong(value, "'<<' needs a mapping")
                    self._count(source)
                    merged = self.members(source, depth + 1) | merged
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise self.wrong(key, f"the key {str(key.value)[:40]!r} is not a text; quote it")
            if _HALF.search(key.value):
                raise self.wrong(key, _HALF_SAID)
            if key.value in found:
                raise self.wrong(key, f"the key {key.value!r} stands twice")
            found[key.value] = value
        return {**merged, **found}

    def plain(self, node: yaml.Node, depth: int = 0) -> Any:
        """Return what a node says: dicts, lists, texts, numbers, booleans and None.

        Raises:
            InvalidRecipe: it says more than that, or too much.
        """
        self._count(node)
        if depth > DEEPEST:
            raise self.wrong(node, f"it is nested more than {DEEPEST} deep")
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            members = self.members(node)
            return {key: self.plain(value, depth + 1) for key, value in members.items()}
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.plain(value, depth + 1) for value in node.value]
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        if node.tag not in _PLAIN_TAGS:
            raise self.wrong(node, f"the tag {node.tag!r} may not be in a recipe")
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = self._constructor.construct_object(node)
        except (ValueError, LookupError, yaml.YAMLError) as error:
            raise self.wrong(node, f"{str(node.value)[:40]!r} can't be read: {error}") from error
        problem = unfit_number(value)
        if problem:
            raise self.wrong(node, f"{str(node.value)[:40]} {problem}")
        if isinstance(value, str) and any("\ud800" <= each <= "\udfff" for each in value):
            raise self.wrong(
                node, "it has half of a surrogate pair (\\ud800), which is no character"
            )
        return value

    def _count(self, node: yaml.Node) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise self.wrong(node, f"its aliases expand to more than {MOST_VALUES} values")
        if isinstance(node, yaml.ScalarNode):
            self._characters += len(node.value)
            if self._characters > MOST_CHARACTERS:
                raise self.wrong(node, f"its aliases expand to more than {MOST_CHARACTERS} letters")


def unfit_number(value: object) -> str | None:
    """Say why a number can't be kept in JSON; None where it can, or where it is no number."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is no number of JSON"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
        return "is larger than JSON keeps exactly; quote it"
    return None


def read_mapping(path: Path, text: str) -> Mapping[str, Any]:
    """Read a YAML text that is one mapping; an empty one is an empty mapping.

    Raises:
        InvalidRecipe: it isn't, with line and column.
    """
    node = compose(path, text)
    if node is None:
        return {}
    reader = Reader(path)
    value = reader.plain(node)
    if not isinstance(value, dict):
        raise reader.wrong(node, "it is not a mapping of names to values")
    return value
