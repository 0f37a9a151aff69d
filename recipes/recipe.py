"""Reading a recipe: the dialects of YAML in which lists of steps are written.

::

    test_meta: {test_id: ID-1, tester: ops, description: Demo}      dialect "test_meta"
    metadata: {name: etl, version: "1.0", description: Demo, ...}   dialect "metadata"
    execution: {timeout_seconds: 60, retry_attempts: 0}             (beside either)
    steps:                                                          alone: dialect "steps"
      - {idx: 1, name: compute, type: python, module: a.b, function: C, args: {}, success: {}}
      - {idx: 2, name: count, type: shell, command: "wc -l < out.txt"}
      - {idx: 3, name: clean, type: recipe, package: team/clean, version: ^1.2, args: {}}

A step without `type` is a python step where it names a module; one without `idx` has its place's.
Steps run in the order of `idx`. What is something else (a template, TOSCA, steps under another key)
is recognised and refused by name. Dates stay the text that they are, since package.json is JSON.
"""

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import ValidationError

from recipes.errors import InvalidRecipe, UnsupportedRecipe
from recipes.package import PythonStep, RecipeStep, ShellStep, Step

LARGEST: Final = 512 * 1024
"""Bytes of a recipe's file; the largest that was seen has 40 kB."""

MOST_VALUES: Final = 50_000
"""Values in a recipe, aliases expanded: what stops a YAML bomb."""

DEEPEST: Final = 50

Dialect = Literal["test_meta", "metadata", "steps"]

_PLACEHOLDER = re.compile(r"\{\{\s*(.*?)\s*\}\}|\{%\s*(.*?)\s*%\}")
_COMMON = {"idx", "name", "type", "args", "success", "description"}
_KEYS = {
    "python": _COMMON | {"module", "function"},
    "shell": _COMMON | {"command"},
    "recipe": _COMMON | {"package", "version"},
}
_MODELS: dict[str, type[PythonStep | ShellStep | RecipeStep]] = {
    "python": PythonStep,
    "shell": ShellStep,
    "recipe": RecipeStep,
}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as it was read.

    `steps` are in the order in which they run, `lines` the line of each. `unread` are the places of
    what only a runner of the checkout's own may understand (`execution`, `steps[2].retries`).
    """

    path: Path
    name: str
    dialect: Dialect
    metadata: Mapping[str, Any]
    steps: tuple[Step, ...]
    lines: tuple[int, ...]
    unread: tuple[str, ...] = field(default=())

    def where(self, index: int) -> str:
        """Say which step is meant, for people: `step 2 'compute' (etl.yaml:14)`."""
        step = self.steps[index]
        return f"step {step.idx} {step.name!r} ({self.path.name}:{self.lines[index]})"


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        InvalidRecipe: it can't be read, or isn't YAML, with line and column; a key twice; steps
            that lack what they need.
        UnsupportedRecipe: it is a template, TOSCA, or has its steps under another key.
    """
    text = _read_text(path)
    placeholders = list(_placeholders(text))
    if placeholders:
        names = ", ".join(dict.fromkeys(name for name, _ in placeholders))
        raise UnsupportedRecipe(
            path,
            "template",
            f"a template, with these placeholders unfilled: {names}; fill them in, and pack that",
            line=placeholders[0][1],
        )
    reader = _Reader(path)
    top = _compose(path, text)
    if isinstance(top, yaml.SequenceNode):
        raise UnsupportedRecipe(
            path,
            "list",
            "a list stands at its top; the steps belong under 'steps'",
            line=_line(top),
        )
    if not isinstance(top, yaml.MappingNode):
        raise InvalidRecipe(path, "it is empty, or a single value; a recipe has 'steps'")
    members = reader.members(top)
    if "tosca_definitions_version" in members:
        raise UnsupportedRecipe(
            path, "tosca", "a TOSCA service template, not a recipe of steps", line=_line(top)
        )
    reader.plain(top)
    if "steps" not in members:
        raise _steps_elsewhere(path, reader, members)
    return _read(path, reader, members)


def _read(path: Path, reader: "_Reader", members: "dict[str, yaml.Node]") -> Recipe:
    dialect: Dialect = "steps"
    metadata: dict[str, Any] = {}
    for key in ("test_meta", "metadata"):
        if key in members:
            value = reader.plain(members[key])
            if not isinstance(value, dict):
                raise reader.wrong(members[key], f"{key} is not a mapping")
            dialect, metadata = ("test_meta" if key == "test_meta" else "metadata"), value
    listed = members["steps"]
    if not isinstance(listed, yaml.SequenceNode):
        raise reader.wrong(listed, "'steps' is not a list")
    if not listed.value:
        raise reader.wrong(listed, "it has no steps")
    unread = [key for key in members if key not in {"test_meta", "metadata", "steps"}]
    read: list[tuple[Step, int]] = []
    for place, node in enumerate(listed.value):
        step, keys = _read_step(reader, node, place)
        unread += [f"steps[{place}].{key}" for key in keys]
        read.append((step, _line(node)))
    read.sort(key=lambda each: each[0].idx)
    return Recipe(
        path,
        path.stem,
        dialect,
        metadata,
        tuple(step for step, _ in read),
        tuple(line for _, line in read),
        tuple(unread),
    )


def _read_step(reader: "_Reader", node: yaml.Node, place: int) -> tuple[Step, list[str]]:
    if not isinstance(node, yaml.MappingNode):
        raise reader.wrong(node, f"step {place + 1} is not a mapping")
    members = reader.members(node)
    values = {key: reader.plain(value) for key, value in members.items()}
    said = values.setdefault("type", "python" if "module" in values else None)
    if said not in _KEYS:
        near = difflib.get_close_matches(str(said), _KEYS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        found = "no 'type' and no 'module'" if said is None else f"the unknown type {said!r}"
        raise reader.wrong(
            members.get("type", node),
            f"step {place + 1} has {found} (expected python, shell or recipe){hint}",
        )
    kind = str(said)
    values.setdefault("idx", place + 1)
    for key in ("args", "success"):
        values[key] = values.get(key) or {}
    if kind == "shell" and "command" not in values and isinstance(values["args"], dict):
        values["command"] = values["args"].get("command")
    _need(reader, node, place, kind, values)
    if "name" not in values:
        values["name"] = _named(kind, values, place)
    unread = [key for key in values if key not in _KEYS[kind]]
    try:
        step = _MODELS[kind].model_validate(
            {key: value for key, value in values.items() if key in _KEYS[kind] - {"description"}}
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = str(problem["loc"][0]) if problem["loc"] else ""
        said = problem["msg"]
        if problem["type"] == "string_pattern_mismatch":
            said = f"{values.get(key)!r} is not a dotted name, as in engine.steps.load"
        raise reader.wrong(members.get(key, node), f"step {place + 1}, {key}: {said}") from error
    return step, unread


def _need(
    reader: "_Reader", node: yaml.Node, place: int, kind: str, values: dict[str, Any]
) -> None:
    wanted = {
        "python": ("module", "function"),
        "shell": ("command",),
        "recipe": ("package", "version"),
    }[kind]
    for key in wanted:
        if not values.get(key):
            name = f" {values['name']!r}" if values.get("name") else ""
            raise reader.wrong(node, f"step {place + 1}{name} is a {kind} step without {key!r}")


def _named(kind: str, values: dict[str, Any], place: int) -> str:
    named = {"python": values.get("function"), "recipe": values.get("package")}.get(kind)
    return str(named or f"step_{place + 1}")


def _steps_elsewhere(
    path: Path, reader: "_Reader", members: "dict[str, yaml.Node]"
) -> InvalidRecipe:
    for key, node in members.items():
        inner = reader.members(node) if isinstance(node, yaml.MappingNode) else {}
        for name, listed in ((key, node), *((f"{key}.{each}", inner[each]) for each in inner)):
            if not isinstance(listed, yaml.SequenceNode) or not listed.value:
                continue
            first = listed.value[0]
            if isinstance(first, yaml.MappingNode):
                return UnsupportedRecipe(
                    path,
                    "other",
                    f"its list of steps stands under {name!r}; a recipe has it under 'steps'",
                    line=_line(listed),
                )
    near = difflib.get_close_matches("steps", members, 1)
    hint = f"; did you mean 'steps' by {near[0]!r}?" if near else ""
    return InvalidRecipe(path, f"it has no 'steps'{hint}")


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InvalidRecipe(path, f"it can't be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise InvalidRecipe(path, f"it is larger than {LARGEST} bytes: too large for a recipe")
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


def _placeholders(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            for found in _PLACEHOLDER.finditer(line):
                yield found[1] if found[1] is not None else found[2], number


def _compose(path: Path, text: str) -> yaml.Node | None:
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


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Turns YAML nodes into plain values, within bounds, and with their places in errors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = 0
        self._constructor = yaml.constructor.SafeConstructor()

    def wrong(self, node: yaml.Node, reason: str) -> InvalidRecipe:
        mark = node.start_mark
        return InvalidRecipe(self._path, reason, line=mark.line + 1, column=mark.column + 1)

    def members(self, node: yaml.MappingNode) -> "dict[str, yaml.Node]":
        """Return a mapping's members; `<<` takes what another has, as YAML 1.1 does."""
        found: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise self.wrong(value, "'<<' needs a mapping")
                    self._count(source)
                    merged = self.members(source) | merged
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise self.wrong(key, f"the key {str(key.value)[:40]!r} is not a text; quote it")
            if key.value in found:
                raise self.wrong(key, f"the key {key.value!r} stands twice")
            found[key.value] = value
        return {**merged, **found}

    def plain(self, node: yaml.Node, depth: int = 0) -> Any:
        """Return what a node says: dicts, lists, texts, numbers, booleans and None."""
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
        except (ValueError, KeyError, yaml.YAMLError) as error:
            raise self.wrong(node, f"{str(node.value)[:40]!r} can't be read: {error}") from error
        if isinstance(value, float) and not math.isfinite(value):
            raise self.wrong(node, f"{node.value} is no number of JSON")
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
            raise self.wrong(node, f"{node.value} is larger than JSON keeps exactly; quote it")
        return value

    def _count(self, node: yaml.Node) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise self.wrong(node, f"its aliases expand to more than {MOST_VALUES} values")
