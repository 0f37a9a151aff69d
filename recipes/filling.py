"""Filling in a template: `{{ placeholders }}` of a recipe, from a file of values.

::

    src: {{ source }}                    a whole value: it keeps its type; lists and mappings too
    src: "Data/{{ customer.id }}.csv"    inside of a text: texts, numbers and booleans; a text
    top: {{ top | default(5) }}          what it is where the values don't say

What is filled in is quoted, so a value can't end the text that it stands in, nor add a key or a
step: the template has the structure, the values have none of it. Lines stay where they were.
Nothing is evaluated: whatever is more than a name and a default (`{% if %}`, filters, sums) is
refused by its text. Comments stay as they are.
"""

import ast
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import yaml

from recipes.errors import InvalidRecipe, InvalidValues, UnsupportedRecipe
from recipes.toml_text import place_of
from recipes.yaml_text import LARGEST, decode, read_mapping, unfit_number

_PLACEHOLDER = re.compile(r"\{\{(?P<value>.*?)\}\}|\{%(?P<program>.*?)%\}")
_EXPRESSION = re.compile(
    r"(?P<name>[A-Za-z_]\w*(?:\.\w+)*)(?:\s*\|\s*(?:default|d)\(\s*(?P<default>.*?)\s*\))?",
    re.ASCII,
)
_WORDS: Final[Mapping[str, Any]] = {
    "true": True, "True": True, "false": False, "False": False,
    "none": None, "None": None, "null": None,
}  # fmt: skip
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Values:
    """What a template is filled from: `path` of the file, its `sha256` (hex), and what it says."""

    path: Path
    sha256: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filled:
    """A template's text, filled in: the dotted names that it took, and those that nothing took."""

    text: str
    taken: tuple[str, ...]
    defaults: tuple[str, ...]
    unused: tuple[str, ...]

    def notes(self, values: Values) -> list[str]:
        """Say for people what was filled in, and from where; never the values themselves."""
        source = f"{values.path.name} (sha256 {values.sha256[:12]})"
        said = [f"filled in from {source}: {', '.join(self.taken) or 'nothing'}"]
        if self.defaults:
            said.append(f"filled in by the template's own defaults: {', '.join(self.defaults)}")
        for name in self.unused:
            near = difflib.get_close_matches(name, [*self.taken, *self.defaults], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            said.append(f"{values.path.name} gives {name!r}, which nothing asks for{hint}")
        return said


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A `{{ ... }}` or `{% ... %}` of a text, by its place (from 0) and its line and column."""

    start: int
    end: int
    said: str
    line: int
    column: int
    is_program: bool


# --- values ---


def read_values(path: Path) -> Values:
    """Read a file of values, by its ending: .yaml, .yml, .toml or .json.

    Raises:
        InvalidValues: another ending; it can't be read; it isn't one mapping of names.
    """
    readers = {".yaml": read_mapping, ".yml": read_mapping, ".toml": _toml, ".json": _json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidValues(path, f"its ending is none of {', '.join(readers)}")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InvalidValues(path, f"it can't be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise InvalidValues(path, f"it is larger than {LARGEST} bytes: too large for values")
    try:
        found = reader(path, decode(path, data))
    except InvalidRecipe as error:
        raise InvalidValues(path, error.reason, line=error.line, column=error.column) from error
    return Values(path, hashlib.sha256(data).hexdigest(), found)


def _toml(path: Path, text: str) -> Mapping[str, Any]:
    try:
        drawn = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line, column, reason = place_of(error)
        raise InvalidRecipe(path, f"not TOML: {reason}", line=line, column=column) from error
    return dict(_checked(path, drawn))


def _json(path: Path, text: str) -> Mapping[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidRecipe(path, f"the key {twice!r} stands twice")
        return dict(pairs)

    try:
        drawn = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise InvalidRecipe(path, error.msg, line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise InvalidRecipe(path, "it is nested too deeply") from error
    if not isinstance(drawn, dict):
        raise InvalidRecipe(path, "it is not an object of names and values")
    return dict(_checked(path, drawn))


def _checked(path: Path, value: Any, name: str = "") -> Any:
    """Return what TOML or JSON gave, as a recipe may hold it: dates as the text that they are."""
    if isinstance(value, dict):
        return {key: _checked(path, each, f"{name}.{key}" if name else key)
                for key, each in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_checked(path, each, name) for each in value]
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    problem = unfit_number(value)
    if problem:
        raise InvalidRecipe(path, f"{name}: {value} {problem}")
    return value


# --- templates ---


def find_placeholders(text: str) -> list[Placeholder]:
    """Return the placeholders of a text, in order; those on lines of comment are none."""
    found = []
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.lstrip().startswith("#"):
            found += [
                Placeholder(
                    start + each.start(),
                    start + each.end(),
                    (each["program"] if each["value"] is None else each["value"]).strip(),
                    number,
                    each.start() + 1,
                    each["value"] is None,
                )
                for each in _PLACEHOLDER.finditer(line)
            ]
        start += len(line) + 1
    return found


def fill(path: Path, text: str, values: Values | None) -> Filled | None:
    """Fill in a template; return None where the text has no placeholder.

    Raises:
        UnsupportedRecipe: it is a template, and a placeholder has no value, or is more than a name.
    """
    found = find_placeholders(text)
    if not found:
        return None
    masked = _Masked.of(text, found)
    scalars = list(masked.scalars())
    used = [each for scalar in scalars for each in scalar.marks.values()]
    programs = [each for each in found if each.is_program]
    if masked.is_yaml and not used and not programs:
        return None  # all of them stand behind the # of a comment
    lookup = _Lookup(values.data if values is not None else {})
    unfilled = [each for each in used or found if values is None or not lookup.has(each)]
    if values is None or unfilled or programs:
        raise _refusal(path, values, [*unfilled, *programs])
    edits = [(each.start, each.end, _fill_scalar(path, each, lookup)) for each in scalars]
    return Filled(
        masked.edited(edits),
        tuple(sorted(lookup.taken)),
        tuple(sorted(lookup.defaults)),
        tuple(each for each in _leaves(values.data) if not lookup.covers(each)),
    )


def _refusal(path: Path, values: Values | None, unfilled: list[Placeholder]) -> UnsupportedRecipe:
    ordered = sorted(unfilled, key=lambda each: each.start)
    names = ", ".join(dict.fromkeys(_name_of(each) for each in ordered))
    strange = [each for each in ordered if each.is_program or not _EXPRESSION.fullmatch(each.said)]
    if strange:
        hint = (
            f"{strange[0].said!r} is more than a name and a default: render it by its own tool,"
            " and pack what that gives"
        )
    elif values is None:
        hint = "give --values FILE, or fill them in, and pack that"
    else:
        hint = f"{values.path.name} does not name them"
    return UnsupportedRecipe(
        path,
        "template",
        f"a template, with these placeholders unfilled: {names}; {hint}",
        line=ordered[0].line,
        column=ordered[0].column,
    )


def _name_of(placeholder: Placeholder) -> str:
    matched = _EXPRESSION.fullmatch(placeholder.said)
    return matched["name"] if matched and not placeholder.is_program else placeholder.said


class _Lookup:
    """Finds what placeholders stand for, and remembers which names were asked for."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.taken: set[str] = set()
        self.defaults: set[str] = set()

    def has(self, placeholder: Placeholder) -> bool:
        return self._find(placeholder) is not _NOTHING

    def get(self, placeholder: Placeholder) -> Any:
        return self._find(placeholder)

    def covers(self, leaf: str) -> bool:
        """Whether a name of the values, or one above it, was asked for."""
        return any(leaf == each or leaf.startswith(f"{each}.") for each in self.taken)

    def _find(self, placeholder: Placeholder) -> Any:
        matched = _EXPRESSION.fullmatch(placeholder.said)
        if matched is None or placeholder.is_program:
            return _NOTHING
        value: Any = self._data
        for part in matched["name"].split("."):
            value = value.get(part, _NOTHING) if isinstance(value, Mapping) else _NOTHING
        if value is not _NOTHING:
            self.taken.add(matched["name"])
            return value
        default = _NOTHING if matched["default"] is None else _literal(matched["default"])
        if default is not _NOTHING:
            self.defaults.add(matched["name"])
        return default


def _literal(text: str) -> Any:
    """Return what a default says: a quoted text, a number, or true, false, none."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _NOTHING
    if isinstance(value, str | int | float) and unfit_number(value) is None:
        return value
    return _NOTHING


def _leaves(data: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in data.items():
        full = f"{above}.{name}" if above else name
        if isinstance(value, dict) and value:
            yield from _leaves(value, full)
        else:
            yield full


# --- the text ---


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A text or value of the template that has placeholders; `text` has `marks` in their places."""

    start: int
    end: int
    text: str
    is_plain: bool
    marks: Mapping[str, Placeholder]


@dataclass(slots=True)
class _Masked:
    """A template with a word in the place of each placeholder, so that YAML can be parsed."""

    text: str
    pattern: re.Pattern[str]
    marks: Mapping[str, Placeholder]
    original: str
    is_yaml: bool = True

    @classmethod
    def of(cls, text: str, found: list[Placeholder]) -> "_Masked":
        word = "placeholder"
        while word in text:
            word += "x"
        marks: dict[str, Placeholder] = {}
        parts, at = [], 0
        for number, each in enumerate(found):
            mark = f"{word}{number}z"
            marks[mark] = each
            parts += [text[at : each.start], mark]
            at = each.end
        masked = "".join([*parts, text[at:]])
        return cls(masked, re.compile(rf"{word}\d+z"), marks, text)

    def scalars(self) -> Iterator[_Scalar]:
        """Yield what has placeholders; nothing where the text is not YAML even without them."""
        try:
            tokens = list(yaml.scan(self.text, Loader=yaml.SafeLoader))
        except (yaml.YAMLError, RecursionError):
            self.is_yaml = False
            return
        for token in tokens:
            if isinstance(token, yaml.ScalarToken):
                inside = {mark: self.marks[mark] for mark in self.pattern.findall(token.value)}
                if inside:
                    start, end = token.start_mark.index, token.end_mark.index
                    yield _Scalar(start, end, token.value, bool(token.plain), inside)

    def edited(self, edits: list[tuple[int, int, str]]) -> str:
        """Put texts in the places of scalars, and as many line ends after each as it took away."""
        parts, at = [], 0
        for start, end, put in edits:
            lines = "\n" * self.text.count("\n", start, end)
            parts += [self._as_it_was(self.text[at:start]), put, lines]
            at = end
        return "".join([*parts, self._as_it_was(self.text[at:])])

    def _as_it_was(self, text: str) -> str:
        """Give back what stood in comments."""

        def original(match: re.Match[str]) -> str:
            place = self.marks[match[0]]
            return self.original[place.start : place.end]

        return self.pattern.sub(original, text)


def _fill_scalar(path: Path, scalar: _Scalar, lookup: _Lookup) -> str:
    """Return what stands in the place of a scalar, as YAML."""
    whole = scalar.marks.get(scalar.text)
    if whole is not None and scalar.is_plain:
        return _draw(lookup.get(whole))

    def text_of(match: re.Match[str]) -> str:
        place = scalar.marks[match[0]]
        value = lookup.get(place)
        if value is None or isinstance(value, list | Mapping):
            kinds = {list: "a list", type(None): "nothing (null)"}
            raise UnsupportedRecipe(
                path,
                "template",
                f"{_name_of(place)!r} is {kinds.get(type(value), 'a mapping')}, which can't stand"
                " inside of a text",
                line=place.line,
                column=place.column,
            )
        return value if isinstance(value, str) else _draw(value)

    return _draw(re.sub("|".join(map(re.escape, scalar.marks)), text_of, scalar.text))


def _draw(value: Any) -> str:
    """Return a value as one line of flow-style YAML, with every text quoted."""
    if isinstance(value, list):
        return f"[{', '.join(_draw(each) for each in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_draw(key)}: {_draw(each)}' for key, each in value.items())}}}"
    style = '"' if isinstance(value, str) else None
    drawn: str = yaml.safe_dump(value, default_style=style, width=float("inf"), allow_unicode=True)
    return drawn.removesuffix("...\n").rstrip("\n")
