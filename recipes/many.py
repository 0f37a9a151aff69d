"""Packing a folder: which of its files are recipes, and all of them, each with its outcome.

Recipes that run others come after them, and are proved with what was packed before. One that can't
be packed stops none of the others.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recipes.cycles import find_cycle
from recipes.errors import InvalidProject, RecipeCycle, RecipeError
from recipes.filling import Values
from recipes.modules import NEVER
from recipes.pack import Packed, identify, pack, requires_of
from recipes.paths import open_plain
from recipes.project import find_project
from recipes.recipe import Recipe, read_recipe
from recipes.yaml_text import LARGEST

SUFFIXES: Final = (".yaml", ".yml")

_SKIPPED = NEVER | {"build", "dist"}
_TOP = re.compile(rb"""^\{?["']?(steps|tosca_definitions_version)["']?\s*:""", re.MULTILINE)
_STEP = re.compile(rb"""["']?\b(module|function|package|command|type|idx)["']?\s*:""")
_ABOUT = re.compile(rb"""^\{?["']?(test_meta|metadata|execution)["']?\s*:""", re.MULTILINE)
_NO_LIST = re.compile(rb"""^["']?steps["']?\s*:[ \t]*(\[\s*\]|\{\s*\}|null|~|!\S)""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one recipe: `packed`, or the `error` that it was refused for."""

    recipe: Path
    packed: Packed | None = None
    error: RecipeError | None = None


def find_recipes(folder: Path, *, skipped: Sequence[Path] = ()) -> list[Path]:
    """Return the files below `folder` that are recipes, or are meant to be, by their paths.

    A file is meant to be one if it has steps of the kinds that there are, or says that it is one
    and has none, is a TOSCA template, or names modules and functions; most YAML of a checkout is
    something else (`steps` of other programs have other words). Not looked into are folders that
    begin with a dot, those of builds and environments, packages that were packed, and `skipped`.
    """
    shut = {each.resolve() for each in skipped}
    found = []
    for place, folders, files in os.walk(folder):
        if "package.json" in files and Path(place).name == "metadata":
            continue
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".")
            and each not in _SKIPPED
            and not Path(place, each, "metadata", "package.json").exists()
            and Path(place, each).resolve() not in shut
        )
        found += [
            Path(place, name)
            for name in sorted(files)
            if name.endswith(SUFFIXES) and is_meant_as_one(Path(place, name))
        ]
    return found


def is_meant_as_one(path: Path) -> bool:
    """Whether a file looks like a recipe of any dialect, good or bad, by its text alone."""
    if not path.is_file():
        return False
    try:
        with open_plain(path) as file:
            data = file.read(LARGEST + 1)
    except OSError:
        return True  # nobody knows; reading it will say why
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.replace(b"\0", b"")
    if b"tosca_definitions_version" in data:
        return True
    words = {match[1] for match in _STEP.finditer(data)}
    if _TOP.search(data) and (words or b"{{" in data or _ABOUT.search(data)):
        return True
    return bool(_NO_LIST.search(data)) or {b"module", b"function"} <= words


def pack_all(
    folder: Path,
    out: Path,
    *,
    told: Callable[[Attempt], None],
    values: Values | None = None,
    version: str | None = None,
    required: Path | None = None,
    **options: Any,
) -> list[Attempt]:
    """Pack every recipe below `folder` into `out`; return what became of each, by its path.

    `told` is called after each; `options` are those of `pack`. Recipes that run each other in a
    circle are refused, and so is a second one of the same name and version.
    """
    batch = _Batch(version=version)
    attempts: dict[Path, Attempt] = {}

    def keep(attempt: Attempt) -> None:
        attempts[attempt.recipe] = attempt
        told(attempt)

    for path in find_recipes(folder, skipped=[out]):
        try:
            batch.add(path, read_recipe(path, values))
        except RecipeError as error:
            keep(Attempt(path, error=error))
    packed: dict[str, Packed] = {}
    for path in batch.in_order():
        try:
            batch.check(path)
            with _beside(batch.names_below(path), packed) as made:
                kept = pack(
                    path,
                    out,
                    values=values,
                    version=version,
                    required=required or made,
                    **options,
                )
        except RecipeError as error:
            keep(Attempt(path, error=error))
        else:
            packed[kept.metadata.name] = kept
            keep(Attempt(path, packed=kept))
    return [attempts[path] for path in sorted(attempts)]


@contextmanager
def _beside(names: Sequence[str], packed: Mapping[str, Packed]) -> Iterator[Path | None]:
    """Give a folder with links to the packages of these names; None where one is not there."""
    if not names or not all(name in packed for name in names):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="recipebox-beside-") as made:
        for name in names:
            metadata = packed[name].metadata
            link = Path(made, metadata.title)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(packed[name].path.resolve())
        yield Path(made)


@dataclass(slots=True)
class _Batch:
    """Recipes that were read, by their files: what they are called, and which they run."""

    version: str | None
    recipes: dict[Path, Recipe] = field(default_factory=dict)
    titles: dict[Path, str] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)
    requires: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: Path, recipe: Recipe) -> None:
        project = find_project(path)
        (name, version), _ = identify(recipe, project, None, self.version)
        self.requires.setdefault(name, []).extend(requires_of(recipe, project, name))
        self.recipes[path] = recipe
        self.names[path] = name
        self.titles[path] = f"{name}-{version}"

    def in_order(self) -> list[Path]:
        """Return the recipes, those that others run before these; by their paths otherwise."""
        done: dict[Path, None] = {}
        by_name = {name: path for path, name in reversed(self.names.items())}

        def visit(path: Path, above: tuple[Path, ...]) -> None:
            for name in self.requires[self.names[path]]:
                below = by_name.get(name)
                if below is not None and below not in done and below not in above:
                    visit(below, (*above, below))
            done[path] = None

        for path in self.recipes:
            if path not in done:
                visit(path, (path,))
        return list(done)

    def check(self, path: Path) -> None:
        """Refuse a recipe of a circle, and one that would take another's place."""
        cycle = find_cycle(self.names[path], self.requires)
        if cycle:
            raise RecipeCycle(path, cycle)
        first = next(each for each, title in self.titles.items() if title == self.titles[path])
        if first != path:
            raise InvalidProject(
                path,
                f"it would be {self.titles[path]}, as {first} is: rename a file, or pack one alone"
                " with --name",
            )

    def names_below(self, path: Path) -> list[str]:
        """Return the names of all packages that a recipe runs, and that these run."""
        found: dict[str, None] = {}
        pending = list(self.requires[self.names[path]])
        while pending:
            name = pending.pop()
            if name not in found:
                found[name] = None
                pending += self.requires.get(name, [])
        return list(found)
