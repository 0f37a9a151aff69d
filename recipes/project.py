"""recipebox.toml: what an author says about the recipes of a checkout; and where its root is.

::

    schema_version = 1

    [package]                       # for all recipes
    namespace = "team"
    version = "1.0.0"
    python = ">=3.11"               # a range of minors
    license = "MIT"                 # SPDX
    authors = ["Ops <ops@example.com>"]
    platforms = ["linux/amd64"]     # that wheels are locked for

    [recipes.etl_daily]             # the recipe's file without .yaml
    name = "etl-daily"              # or "team/etl-daily"
    version = "1.2.3"
    summary = "Loads the day"
    requires = { "team/clean" = "^1.2" }
    data = ["rules/*.json"]         # files, folders or patterns, from the root
    readme = "docs/etl.md"

    [wheels]                        # import -> distribution
    yaml = "PyYAML"

An unknown key stops the pack and names the nearest.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from artifacts.errors import ArtifactError
from artifacts.reference import PackageName, check_namespace
from recipes.errors import InvalidProject
from resolver.errors import ResolverError
from resolver.requirement import Range
from resolver.version import Version

FILE_NAME: Final = "recipebox.toml"
PLATFORMS: Final = ("linux/amd64", "linux/arm64")
DEFAULT_PLATFORMS: Final = ("linux/amd64",)
DEFAULT_PYTHON: Final = ">=3.11"


@dataclass(frozen=True, slots=True)
class RecipeSettings:
    """What `[recipes.<stem>]` says; None where it says nothing."""

    name: str | None = None
    version: str | None = None
    summary: str | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    readme: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A recipebox.toml; `path` is None where there is none, and all else its default."""

    path: Path | None = None
    namespace: str | None = None
    version: str | None = None
    python: str = DEFAULT_PYTHON
    license: str | None = None
    authors: tuple[str, ...] = ()
    platforms: tuple[str, ...] = DEFAULT_PLATFORMS
    recipes: Mapping[str, RecipeSettings] = field(default_factory=dict)
    wheels: Mapping[str, str] = field(default_factory=dict)

    def of(self, stem: str) -> RecipeSettings:
        """Return what it says of the recipe whose file is `<stem>.yaml`."""
        return self.recipes.get(stem, RecipeSettings())


def find_project(recipe: Path) -> Project:
    """Read the nearest recipebox.toml in the folders above `recipe`; a default where none is.

    Raises:
        InvalidProject: it can't be used.
    """
    for folder in recipe.resolve().parents:
        path = folder / FILE_NAME
        if path.is_file():
            return read_project(path)
    return Project()


def read_project(path: Path) -> Project:
    """Read a recipebox.toml.

    Raises:
        InvalidProject: not TOML, of another schema version, an unknown key, or a value of the wrong
            kind.
    """
    try:
        drawn = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidProject(path, f"not TOML: {error}") from error
    except OSError as error:
        raise InvalidProject(path, f"it can't be read: {error.strerror}") from error
    top = _Table(path, "", drawn, ("schema_version", "package", "recipes", "wheels"))
    if drawn.get("schema_version") != 1 or isinstance(drawn.get("schema_version"), bool):
        raise InvalidProject(
            path,
            f"{drawn.get('schema_version')!r} is not understood; write schema_version = 1",
            key="schema_version",
        )
    package = top.table(
        "package", ("namespace", "version", "python", "license", "authors", "platforms")
    )
    recipes = top.table("recipes", None)
    wheels = top.table("wheels", None)
    return Project(
        path=path,
        namespace=package.text("namespace", check_namespace),
        version=package.text("version", Version.parse),
        python=package.text("python", _check_python) or DEFAULT_PYTHON,
        license=package.text("license"),
        authors=package.texts("authors"),
        platforms=package.texts("platforms", _check_platform) or DEFAULT_PLATFORMS,
        recipes={
            stem: _read_settings(
                recipes.table(stem, ("name", "version", "summary", "requires", "data", "readme"))
            )
            for stem in recipes.drawn
        },
        wheels={name: wheels.text(name) or "" for name in wheels.drawn},
    )


def _read_settings(table: "_Table") -> RecipeSettings:
    requires = table.table("requires", None)
    for name in requires.drawn:
        requires.check(name, name, PackageName.parse)
    return RecipeSettings(
        name=table.text("name", _check_name),
        version=table.text("version", Version.parse),
        summary=table.text("summary"),
        requires={name: requires.text(name, Range.parse) or "*" for name in requires.drawn},
        data=table.texts("data"),
        readme=table.text("readme"),
    )


def _check_name(text: str) -> None:
    PackageName.parse(text if "/" in text else f"any/{text}")


def _check_python(text: str) -> None:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f"{text!r} is not a range of Python versions, such as >=3.11") from error


def _check_platform(text: str) -> None:
    if text not in PLATFORMS:
        raise ValueError(f"{text!r} is not a platform that is known: {', '.join(PLATFORMS)}")


class _Table:
    """A table of the file, whose values are checked as they are read."""

    def __init__(
        self, path: Path, key: str, drawn: dict[str, Any], known: Sequence[str] | None
    ) -> None:
        self._path = path
        self._key = key
        self.drawn = drawn
        for name in drawn if known is not None else ():
            if name not in (known or ()):
                near = difflib.get_close_matches(name, known or (), 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                allowed = ", ".join(known or ())
                raise self._wrong(name, f"unknown key (known are {allowed}){hint}")

    def table(self, name: str, known: Sequence[str] | None) -> "_Table":
        value = self.drawn.get(name, {})
        if not isinstance(value, dict):
            raise self._wrong(name, "expected a table")
        return _Table(self._path, self._dotted(name), value, known)

    def text(self, name: str, check: Callable[[str], object] | None = None) -> str | None:
        value = self.drawn.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise self._wrong(name, "expected a text")
        return self.check(name, value, check)

    def texts(self, name: str, check: Callable[[str], object] | None = None) -> tuple[str, ...]:
        value = self.drawn.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._wrong(name, "expected a list of texts")
        return tuple(self.check(name, each, check) for each in value)

    def check(self, name: str, value: str, check: Callable[[str], object] | None) -> str:
        if check is not None:
            try:
                check(value)
            except (ValueError, ArtifactError, ResolverError) as error:
                raise self._wrong(name, str(error)) from error
        return value

    def _dotted(self, name: str) -> str:
        return f"{self._key}.{name}" if self._key else name

    def _wrong(self, name: str, reason: str) -> InvalidProject:
        return InvalidProject(self._path, reason, key=self._dotted(name))
