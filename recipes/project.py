"""recipebox.toml: what an author says about the recipes of a checkout; and where its root is.

::

    schema_version = 1

    [package]                       # for all recipes
    namespace = "team"
    version = "1.0.0"
    python = ">=3.11"               # a range of minors
    license = "MIT"                 # SPDX
    authors = ["Ops <ops@example.com>"]
    platforms = ["linux/amd64", "linux/arm64"]    # that wheels are locked for: the default

    [recipes.etl_daily]             # the recipe's file without .yaml
    name = "etl-daily"              # or "team/etl-daily"
    version = "1.2.3"
    summary = "Loads the day"
    requires = { "team/clean" = "^1.2", "team/sum" = "[gpu] ^1" }    # [gpu] is an extra of it
    extras.mail = { "team/send" = "^2" }    # what team/etl-daily[mail] requires besides
    entry = ["plugins.late"]        # modules or files to begin from, besides the steps
    data = ["rules/*.json"]         # files, folders or patterns, from the root
    readme = "docs/etl.md"
    resources = { cpu = "1", memory = "512Mi" }    # these three are defaults of its
    network = "egress"                             # deployment_config.yaml
    secrets = ["SMTP_PASSWORD"]     # by name; the deployment gives them

    [[recipes.etl_daily.allowed]]   # what looks like a secret, and isn't; or [[allowed]] for all
    file = "rules/example.pem"
    kind = "Private Key"            # or hash = "..."
    reason = "made for the tests"

    [wheels]                        # import -> distribution
    yaml = "PyYAML"

An unknown key stops the pack and names the nearest.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import ValidationError

from artifacts.errors import ArtifactError
from artifacts.reference import PackageName, check_namespace
from recipes.deployment import DeploymentConfig
from recipes.errors import Finding, InvalidProject
from recipes.paths import read_plain
from recipes.toml_text import find_key, place_of
from resolver.errors import ResolverError
from resolver.requirement import Requirement, check_extra
from resolver.version import Version

FILE_NAME: Final = "recipebox.toml"
PLATFORMS: Final = ("linux/amd64", "linux/arm64")
DEFAULT_PLATFORMS: Final = PLATFORMS
DEFAULT_PYTHON: Final = ">=3.11"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What looks like a secret and is none, as the author says: by file and kind, or by hash.

    `of_recipe` is False where it is said for the whole checkout.
    """

    reason: str
    file: str | None = None
    kind: str | None = None
    hash: str | None = None
    of_recipe: bool = True

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this finding: all that it says holds of it."""
        said = (self.file, self.kind, self.hash)
        found = (finding.file, finding.kind, finding.hash)
        return all(each in {None, there} for each, there in zip(said, found, strict=True))

    def __str__(self) -> str:
        said = (self.file, self.kind, self.hash)
        return ", ".join(each for each in said if each is not None)


@dataclass(frozen=True, slots=True)
class RecipeSettings:
    """What `[recipes.<stem>]` says; None where it says nothing.

    `resources`, `network` and `secrets` are as in deployment_config.yaml.
    """

    name: str | None = None
    version: str | None = None
    summary: str | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    entry: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    readme: str | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    network: Any = None
    secrets: tuple[str, ...] = ()
    allowed: tuple[Allowed, ...] = ()

    @property
    def deployment(self) -> dict[str, Any]:
        """What it says of deployment_config.yaml, as the members of that document."""
        said = {
            "resources": dict(self.resources),
            "network": self.network,
            "secrets": list(self.secrets),
        }
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class Project:
    """A recipebox.toml; `path` is None where there is none, and all else its default.

    `wheels` are imports with their distributions, `without` those that are left out.
    """

    path: Path | None = None
    namespace: str | None = None
    version: str | None = None
    python: str = DEFAULT_PYTHON
    license: str | None = None
    authors: tuple[str, ...] = ()
    platforms: tuple[str, ...] = DEFAULT_PLATFORMS
    recipes: Mapping[str, RecipeSettings] = field(default_factory=dict)
    wheels: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[Allowed, ...] = ()
    without: frozenset[str] = frozenset()

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
        if os.path.lexists(path):  # whatever it is: the author meant something by it
            return read_project(path)
    return Project()


def read_project(path: Path) -> Project:
    """Read a recipebox.toml.

    Raises:
        InvalidProject: not TOML, of another schema version, an unknown key, or a value of the wrong
            kind.
    """
    try:
        text = read_plain(path).decode()
        drawn = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise InvalidProject(path, f"not TOML: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line, column, reason = place_of(error)
        raise InvalidProject(path, f"not TOML: {reason}", line=line, column=column) from error
    except OSError as error:
        raise InvalidProject(path, f"it can't be read: {error.strerror}") from error
    known = ("schema_version", "package", "recipes", "wheels", "allowed")
    top = _Table(path, text, (), drawn, known)
    if drawn.get("schema_version") != 1 or isinstance(drawn.get("schema_version"), bool):
        raise top.wrong(
            "schema_version",
            f"{drawn.get('schema_version')!r} is not understood; write schema_version = 1",
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
        recipes={stem: _read_settings(recipes.table(stem, _RECIPE_KEYS)) for stem in recipes.drawn},
        wheels={
            name: wheels.text(name) or ""
            for name, said in wheels.drawn.items()
            if said is not False
        },
        without=frozenset(name for name, said in wheels.drawn.items() if said is False),
        allowed=_read_allowed(top, of_recipe=False),
    )


def _read_settings(table: "_Table") -> RecipeSettings:
    extras = table.table("extras", None)
    for name in extras.drawn:
        extras.check(name, name, check_extra)
    return RecipeSettings(
        name=table.text("name", _check_name),
        version=table.text("version", Version.parse),
        summary=table.text("summary"),
        requires=_read_requires(table.table("requires", None)),
        extras={name: _read_requires(extras.table(name, None)) for name in extras.drawn},
        entry=table.texts("entry", _check_entry),
        data=table.texts("data"),
        readme=table.text("readme"),
        resources=table.deployed("resources", {}),
        network=table.deployed("network", None),
        secrets=tuple(table.deployed("secrets", [])),
        allowed=_read_allowed(table, of_recipe=True),
    )


def _read_requires(table: "_Table") -> dict[str, str]:
    found: dict[str, str] = {}
    for name in table.drawn:
        table.check(name, name, PackageName.parse)
        found[name] = table.text(name, partial(Requirement.of, name)) or "*"
    return found


_RECIPE_KEYS: Final = (
    "name", "version", "summary", "requires", "extras", "entry", "data", "readme", "resources",
    "network", "secrets", "allowed",
)  # fmt: skip


def _read_allowed(table: "_Table", *, of_recipe: bool) -> tuple[Allowed, ...]:
    found = []
    for each in table.tables("allowed", ("file", "kind", "hash", "reason")):
        reason = each.text("reason")
        said = Allowed(
            reason or "", each.text("file"), each.text("kind"), each.text("hash"), of_recipe
        )
        if reason is None:
            raise each.wrong("reason", "why it is no secret has to be said")
        if said.hash is None and (said.file is None or said.kind is None):
            raise each.wrong("", "name `file` and `kind`, or `hash`: each alone allows too much")
        found.append(said)
    return tuple(found)


def _check_entry(text: str) -> None:
    is_path = "/" in text or text.endswith(".py")
    if text.startswith(("/", "~")) or ".." in text.split("/"):
        raise ValueError(f"{text!r} is not inside of the checkout")
    if not is_path and not all(part.isidentifier() for part in text.split(".")):
        raise ValueError(f"{text!r} is neither a module (plugins.late) nor a file (plugins/x.py)")


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
        self,
        path: Path,
        source: str,
        parts: tuple[str, ...],
        drawn: dict[str, Any],
        known: Sequence[str] | None,
    ) -> None:
        self._path = path
        self._source = source
        self._parts = parts
        self.drawn = drawn
        for name in drawn if known is not None else ():
            if name not in (known or ()):
                near = difflib.get_close_matches(name, known or (), 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                allowed = ", ".join(known or ())
                raise self.wrong(name, f"unknown key (known are {allowed}){hint}")

    def table(self, name: str, known: Sequence[str] | None) -> "_Table":
        value = self.drawn.get(name, {})
        if not isinstance(value, dict):
            raise self.wrong(name, "expected a table")
        return _Table(self._path, self._source, (*self._parts, name), value, known)

    def tables(self, name: str, known: Sequence[str]) -> "list[_Table]":
        value = self.drawn.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong(name, f"expected tables, each under [[{self._dotted(name)}]]")
        return [
            _Table(self._path, self._source, (*self._parts, name, str(number)), each, known)
            for number, each in enumerate(value)
        ]

    def deployed(self, name: str, default: Any) -> Any:
        """Return a value that is a member of deployment_config.yaml too, by that one's schema."""
        value = self.drawn.get(name)
        if value is None:
            return default
        try:
            DeploymentConfig.model_validate({name: value})
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, each['loc'])) or name}: {each['msg']}"
                for each in error.errors(include_url=False, include_input=False)
            ]
            raise self.wrong(name, "; ".join(problems)) from error
        return value

    def text(self, name: str, check: Callable[[str], object] | None = None) -> str | None:
        value = self.drawn.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise self.wrong(name, "expected a text")
        return self.check(name, value, check)

    def texts(self, name: str, check: Callable[[str], object] | None = None) -> tuple[str, ...]:
        value = self.drawn.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(name, "expected a list of texts")
        return tuple(self.check(name, each, check) for each in value)

    def check(self, name: str, value: str, check: Callable[[str], object] | None) -> str:
        if check is not None:
            try:
                check(value)
            except (ValueError, ArtifactError, ResolverError) as error:
                raise self.wrong(name, str(error)) from error
        return value

    def _dotted(self, name: str) -> str:
        shown = ""
        for part in (*self._parts, name):
            if part.isdigit():
                shown += f"[{part}]"
            elif part:
                shown += f".{part}" if shown else part
        return shown

    def wrong(self, name: str, reason: str) -> InvalidProject:
        line, column = find_key(self._source, (*self._parts, name)) or (None, None)
        return InvalidProject(self._path, reason, key=self._dotted(name), line=line, column=column)
