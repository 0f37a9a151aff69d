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
Steps run in the order of `idx`. A template is filled in where there are values for it (filling.py).
What is something else (TOSCA, steps under another key) is recognised and refused by name.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from recipes.errors import InvalidRecipe, UnsupportedRecipe
from recipes.filling import Values, fill
from recipes.package import Execution, PythonStep, RecipeStep, ShellStep, Step
from recipes.yaml_text import Reader, compose, decode, read_bytes

Dialect = Literal["test_meta", "metadata", "steps"]

_COMMON = {"idx", "name", "type", "args", "success", "description"}
_KEYS = {
    "python": _COMMON | {"module", "function"},
    "shell": _COMMON | {"command"},
    "recipe": _COMMON | {"package", "version"},
}
_SINGLE = {"name", "test_id", "version", "description", "author", "tester"}
_HEADS = {"test_meta", "metadata", "execution", "steps"}
_EXECUTION = {"timeout_seconds": "a number of seconds", "retry_attempts": "a whole number"}
_MODELS: dict[str, type[PythonStep | ShellStep | RecipeStep]] = {
    "python": PythonStep,
    "shell": ShellStep,
    "recipe": RecipeStep,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as it was read.

    `steps` are in the order in which they run, `lines` the line of each. `unread` are the places of
    what only a runner of the checkout's own may understand (`defaults`, `steps[2].retries`).
    `execution` is None where it says nothing.
    `content` is what is packed as recipe.yaml: the file's bytes, or the text of a template once it
    is filled in, of which `notes` tell people.
    """

    path: Path
    name: str
    dialect: Dialect
    metadata: Mapping[str, Any]
    steps: tuple[Step, ...]
    lines: tuple[int, ...]
    unread: tuple[str, ...] = ()
    content: bytes = b""
    notes: tuple[str, ...] = ()
    execution: Execution | None = None

    def where(self, index: int) -> str:
        """Say which step is meant, for people: `step 2 'compute' (etl.yaml:14)`."""
        step = self.steps[index]
        return f"step {step.idx} {step.name!r} ({self.path.name}:{self.lines[index]})"


def read_recipe(path: Path, values: Values | None = None) -> Recipe:
    """Read a recipe; a template is filled in from `values`.

    Raises:
        InvalidRecipe: it can't be read, or isn't YAML, with line and column; a key twice; steps
            that lack what they need.
        UnsupportedRecipe: it is a template and not all of it can be filled in; it is TOSCA, or has
            its steps under another key.
    """
    data = read_bytes(path)
    text = decode(path, data)
    filled = fill(path, text, values)
    if filled is None or values is None:
        notes = [f"{values.path.name} fills in nothing: it is no template"] if values else []
        return replace(_read_filled(path, text), content=data, notes=tuple(notes))
    return replace(
        _read_filled(path, filled.text),
        content=filled.text.encode(),
        notes=tuple(filled.notes(values)),
    )


def _read_filled(path: Path, text: str) -> Recipe:
    reader = Reader(path)
    top = compose(path, text)
    if isinstance(top, yaml.SequenceNode):
        raise UnsupportedRecipe(
            path,
            "list",
            "a list stands at its top; the steps belong under 'steps'",
            line=_line(top),
            column=_column(top),
        )
    if not isinstance(top, yaml.MappingNode):
        raise InvalidRecipe(path, "it is empty, or a single value; a recipe has 'steps'")
    members = reader.members(top)
    if "tosca_definitions_version" in members:
        raise UnsupportedRecipe(
            path,
            "tosca",
            "a TOSCA service template, not a recipe of steps",
            line=_line(members["tosca_definitions_version"]),
            column=_column(members["tosca_definitions_version"]),
        )
    reader.plain(top)
    if "steps" not in members:
        raise _steps_elsewhere(path, reader, members)
    return _read(path, reader, members)


def _read(path: Path, reader: Reader, members: dict[str, yaml.Node]) -> Recipe:
    dialect: Dialect = "steps"
    metadata: dict[str, Any] = {}
    for key in ("test_meta", "metadata"):
        if key in members:
            _check_metadata(reader, key, members[key])
            dialect = "test_meta" if key == "test_meta" else "metadata"
            metadata |= reader.plain(members[key])
    execution: dict[str, Any] = {}
    if "execution" in members:
        _check_execution(reader, members["execution"])
        execution = reader.plain(members["execution"])
    listed = members["steps"]
    if not isinstance(listed, yaml.SequenceNode):
        raise reader.wrong(listed, "'steps' is not a list")
    if not listed.value:
        raise reader.wrong(listed, "it has no steps")
    unread = [key for key in members if key not in _HEADS]
    unread += [f"execution.{key}" for key in execution if key not in _EXECUTION]
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
        execution=_execution(execution),
    )


def _check_metadata(reader: Reader, key: str, node: yaml.Node) -> None:
    """Refuse what is no value where one is expected, such as a list of authors under `author`."""
    if not isinstance(node, yaml.MappingNode):
        raise reader.wrong(node, f"{key} is not a mapping")
    for name, value in reader.members(node).items():
        if name in _SINGLE and not isinstance(value, yaml.ScalarNode):
            raise reader.wrong(value, f"{key}.{name} is not a single value")
        if name == "tags" and not (
            isinstance(value, yaml.SequenceNode)
            and all(isinstance(each, yaml.ScalarNode) for each in value.value)
        ):
            raise reader.wrong(value, f"{key}.tags is not a list of texts")


def _check_execution(reader: Reader, node: yaml.Node) -> None:
    if not isinstance(node, yaml.MappingNode):
        raise reader.wrong(node, "execution is not a mapping")
    members = reader.members(node)
    for name, expected in _EXECUTION.items():
        if name not in members:
            continue
        value = reader.plain(members[name])
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_fit = is_number and value >= 0 and (expected != "a whole number" or value == int(value))
        if not is_fit:
            raise reader.wrong(members[name], f"execution.{name} is {value!r}, not {expected}")


def _execution(said: Mapping[str, Any]) -> Execution | None:
    """Return what a valid `execution` says; a timeout of 0 is none."""
    timeout, retries = said.get("timeout_seconds") or None, int(said.get("retry_attempts") or 0)
    if timeout is None and not retries:
        return None
    return Execution(timeout_seconds=timeout, retry_attempts=retries)


def _read_step(reader: Reader, node: yaml.Node, place: int) -> tuple[Step, list[str]]:
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
    _check_success(reader, members, place)
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


def _check_success(reader: Reader, members: dict[str, yaml.Node], place: int) -> None:
    node = members.get("success")
    promised = reader.members(node) if isinstance(node, yaml.MappingNode) else {}
    wanted = promised.get("ctx_has_keys")
    if wanted is not None and not (
        isinstance(wanted, yaml.SequenceNode)
        and all(isinstance(each, yaml.ScalarNode) for each in wanted.value)
    ):
        raise reader.wrong(wanted, f"step {place + 1}, success.ctx_has_keys is not a list of texts")


def _need(reader: Reader, node: yaml.Node, place: int, kind: str, values: dict[str, Any]) -> None:
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


def _steps_elsewhere(path: Path, reader: Reader, members: dict[str, yaml.Node]) -> InvalidRecipe:
    for key, node in members.items():
        inner = reader.members(node) if isinstance(node, yaml.MappingNode) else {}
        for name, listed in ((key, node), *((f"{key}.{each}", inner[each]) for each in inner)):
            if not isinstance(listed, yaml.SequenceNode) or not listed.value:
                continue
            first = listed.value[0]
            if isinstance(first, yaml.MappingNode) and _is_like_a_step(reader.members(first)):
                return UnsupportedRecipe(
                    path,
                    "other",
                    f"its list of steps stands under {name!r}; a recipe has it under 'steps'",
                    line=_line(listed),
                    column=_column(listed),
                )
    near = difflib.get_close_matches("steps", members, 1)
    hint = f"; did you mean 'steps' by {near[0]!r}?" if near else ""
    return InvalidRecipe(path, f"it has no 'steps'{hint}")


def _is_like_a_step(members: dict[str, yaml.Node]) -> bool:
    """Whether a mapping of a list looks like a step: most lists of a checkout's YAML are others."""
    if "module" in members or "function" in members:
        return True
    kind = members.get("type")
    return isinstance(kind, yaml.ScalarNode) and kind.value in _KEYS


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _column(node: yaml.Node) -> int:
    return int(node.start_mark.column) + 1
