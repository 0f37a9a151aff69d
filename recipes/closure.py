"""The static closure: every file of a checkout that the steps need, and why each is in.

Nothing is imported or run: modules are parsed, and followed from the steps (and from the checkout's
own runner, where it has one and it can run the recipe).

Followed are imports at every depth and inside functions, relative ones, the `__init__` of every
package on the way, and `import_module` and `__import__` of names that can be computed; where only
the beginning is known (`"engine.plugins." + name`), every module that begins so; and where nothing
is (`import_module(entry["module"])`), the modules that tables in the code name. Not followed are
branches that never run (`TYPE_CHECKING`, `__main__` of a module that isn't run, Pythons that are
out of the recipe's range). What stands in `try ... except ImportError` is optional: packed where it
is there, and said where not. So is what only guesses lead to (`_Need`).

So nothing that some run imports is left out, and no more is in than what all ways to come out of
the code's tests and tried imports, in all Pythons of the range, import together: see
tests/imports/test_closure.py, which tries that on random trees.

Data files are those that the steps' arguments name, that code names by a path from the root (in one
text, or joined), or that are opened beside a module by `__file__` or by its package's name: all of
a folder where the end of the path is made when it runs. What .gitignore names is local, and stays
out; but not what is written down of the checkout as a distribution, where its own code asks for it.
"""

import ast
import contextlib
import gc
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, Literal

from packaging.utils import canonicalize_name

from recipes.distributions import is_known
from recipes.errors import InvalidModule, InvalidProject, Missing, MissingModules, UnsafePath
from recipes.ignored import Ignored
from recipes.installed import find_installed, own_name
from recipes.modules import NEVER, Checkout, Module, Source, normalise, read_source
from recipes.package import PythonStep, RecipeStep, ShellStep, Step
from recipes.paths import special_kind
from recipes.project import Project
from recipes.reading import (
    Ask,
    File,
    FilesBelow,
    Import,
    ImportAbove,
    ImportPrefix,
    ImportUnknown,
    Installed,
    read_module,
)
from recipes.recipe import Recipe
from recipes.stdlib import PYTHON_2, STDLIB, is_standard, minors_in
from recipes.syntax import is_main, tables_of

RUNNER_OPTION: Final = "--recipe"

_RUNS: Final = "the checkout's runner, which runs the recipe"
_LONGEST_PATH: Final = 1000
_DEEPEST: Final = 20_000  # frames: two for each level of a tree of code

Kind = Literal["module", "package", "data", "given", "imported", "opened"]


@dataclass(frozen=True, order=True, slots=True)
class Reason:
    """Why a file is in: its kind, and who asked for it, for people."""

    kind: Kind
    asked_by: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.asked_by}"


@dataclass(frozen=True, slots=True)
class Closure:
    """What the recipe needs of its checkout.

    `files` are paths from the root, with why each is in. `imports` are the modules that are neither
    the checkout's nor the standard library's, by their dotted names, with who imports each;
    `optional_imports` those that the code can do without.
    """

    root: Path
    files: Mapping[str, tuple[Reason, ...]]
    imports: Mapping[str, tuple[str, ...]]
    optional_imports: Mapping[str, tuple[str, ...]]
    runner: str | None
    warnings: tuple[str, ...]


def find_root(recipe: Recipe, project: Project) -> Path:
    """Return the checkout's root.

    It is the folder of recipebox.toml; else that folder above the recipe from which most of the
    steps' modules are found: git's root before others, and the nearest before those further up.
    """
    if project.path is not None:
        return project.path.parent
    folders = list(recipe.path.resolve().parents)
    git = next((each for each in folders if (each / ".git").exists()), None)
    if git is not None:
        folders = [git, *folders[: folders.index(git)]]
    names = [step.module for step in recipe.steps if step.type == "python"]
    paths = [path for step in recipe.steps for path in _paths_in(step)]
    # a root that is the whole disk or a home would be listed in full: it is never meant
    folders = [each for each in folders if each not in {Path("/"), Path.home()}] or folders[:1]
    return max(folders, key=lambda each: _resolving(each, names, paths))


def _resolving(folder: Path, names: Iterable[str], paths: Iterable[str]) -> tuple[int, int]:
    """Return how many of the modules, and then of the files, are there as from a root."""
    checkout = Checkout(folder)
    return (
        sum(checkout.find(name) is not None for name in names),
        sum(os.path.isfile(folder / path) for path in paths),  # noqa: PTH113 - it may be too long
    )


def _paths_in(step: Step) -> Iterator[str]:
    """Yield what may be paths from the root, among a step's words and arguments."""
    if isinstance(step, ShellStep):
        command = step.command if isinstance(step.command, list) else step.command.split()
        yield from (word.strip("<>|;&()\"'") for word in command if "/" in word)
    if not isinstance(step, RecipeStep):
        yield from (
            each
            for each in step.args.values()
            if isinstance(each, str) and "/" in each and len(each) < _LONGEST_PATH
        )


def find_runners(checkout: Checkout) -> list[str]:
    """Return the modules that run a recipe: `*/runner.py` with a `--recipe` and a `__main__`.

    Or a package `*/runner` with a `__main__.py`, of which some module has the `--recipe`.
    """
    found = []
    for path in sorted([*checkout.root.glob("*/runner.py"), *checkout.root.glob("runner.py")]):
        name = path.relative_to(checkout.root).as_posix()
        dotted = name.removesuffix(".py").replace("/", ".")
        module = checkout.find(dotted)
        if module is None or module.path != name:
            continue
        try:
            source = read_source(checkout, name, "looking for a runner")
        except (InvalidModule, UnsafePath):
            continue
        if _is_runner(source.tree):
            found.append(dotted)
    return found + [
        ".".join(path.relative_to(checkout.root).parts[:-1])
        for path in sorted(checkout.root.glob("*/runner/__main__.py"))
        if any(_takes_recipe(each) for each in _trees_in(checkout, path.parent))
    ]


def _trees_in(checkout: Checkout, folder: Path) -> Iterator[ast.Module]:
    for path in sorted(folder.glob("*.py")):
        name = path.relative_to(checkout.root).as_posix()
        with contextlib.suppress(InvalidModule, UnsafePath):
            yield read_source(checkout, name, "looking for a runner").tree


def _takes_recipe(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
        and any(
            isinstance(each, ast.Constant) and each.value == RUNNER_OPTION for each in node.args
        )
        for node in ast.walk(tree)
    )


def _is_runner(tree: ast.Module) -> bool:
    guarded = any(isinstance(node, ast.If) and is_main(node.test) for node in tree.body)
    return guarded and _takes_recipe(tree)


def find_closure(
    recipe: Recipe,
    project: Project,
    root: Path | None = None,
    *,
    seen: Mapping[str, Reason] | None = None,
) -> Closure:
    """Work out what the recipe needs of the checkout at `root` (found where it is None).

    `seen` are files that a run read, from the root: each is taken, and code is followed.

    Raises:
        MissingModules: modules or functions that aren't there, with everyone who asks.
        InvalidModule: code that the recipe needs and that is no Python 3.
        UnsafePath: a file that is outside of the checkout, or a link out of it.
        InvalidProject: data or readme of recipebox.toml that isn't there.
    """
    with _reading_deeply():
        return _find_closure(recipe, project, root, seen or {})


@contextmanager
def _reading_deeply() -> Iterator[None]:
    """Let Python go deep, and keep it from looking for garbage.

    A sum of a thousand terms is a tree of a thousand levels, and is read by functions in Python
    alone, which need no stack of C's. Trees of code have no cycles, and the collector would read
    them all, each time anew, as they become more: 2,000 modules were parsed in 17 s instead of 3.
    """
    was_on, depth = gc.isenabled(), sys.getrecursionlimit()
    gc.disable()
    sys.setrecursionlimit(max(depth, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(depth)
        if was_on:
            gc.enable()


def _find_closure(
    recipe: Recipe, project: Project, root: Path | None, seen: Mapping[str, Reason]
) -> Closure:
    checkout = Checkout(
        root if root is not None else find_root(recipe, project), minors_in(project.python)
    )
    walk = _Walk(checkout, project)
    runner = None
    if all(step.type != "recipe" for step in recipe.steps):
        runner = _add_runner(walk)
    if runner is None:
        for place in recipe.unread:
            walk.warn(f"{recipe.path.name}: {place} is not read by the bundled runner")
    for index, step in enumerate(recipe.steps):
        walk.add(step, recipe.where(index))
    for entry in project.of(recipe.name).entry:
        walk.add_chosen(entry, recipe.name)
    for pattern in project.of(recipe.name).data:
        walk.add_given(pattern, recipe.name)
    for path, reason in sorted(seen.items()):
        walk.add_seen(path, reason)
    return walk.finish(runner)


_FOLDER_KEYS = re.compile(r"(?i)dir|path|folder|root|src|source|input|data")


_TRIED = "it is tried, and what only it needs is optional"


def _add_runner(walk: "_Walk") -> str | None:
    """Take the checkout's own runner, if it has one, and return its name."""
    runners = find_runners(walk.checkout)
    if not runners:
        return None
    runner = runners[0]
    walk.add_entry(runner, _RUNS, is_main=True)
    if walk.checkout.find(f"{runner}.__main__") is not None:
        walk.add_entry(f"{runner}.__main__", _RUNS, is_main=True)
    if len(runners) > 1:
        walk.warn(f"several runners are here ({', '.join(runners)}); {runner} is taken")
    return runner


class _Need(IntEnum):
    """How sure it is that a file is imported by another.

    What only guesses lead to (one of several, whichever begins so, a table) lacks nothing that
    stops the pack, but has the wheels that are known; what is also tried has not even these.
    """

    SURE = 0
    GUESSED = 1
    TRIED = 2


@dataclass(frozen=True, slots=True)
class _Outside:
    """An import of what isn't in the checkout, in the file `by`."""

    name: str
    place: str
    is_optional: bool
    by: str | None


@dataclass(slots=True)
class _Walk:
    checkout: Checkout
    project: Project
    files: dict[str, set[Reason]] = field(default_factory=dict)
    outside: set["_Outside"] = field(default_factory=set)
    missing: set[tuple[Missing, str | None]] = field(default_factory=set)
    warnings: dict[str, None] = field(default_factory=dict)
    mains: set[str] = field(default_factory=set)
    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    free_imports: list[str] = field(default_factory=list)
    _followed: set[str] = field(default_factory=set)
    _parsed: dict[str, Source] = field(default_factory=dict)
    _pending: list[tuple[Module, str, bool]] = field(default_factory=list)
    _ignored: "Ignored | None" = None
    _script_folders: dict[str, None] = field(default_factory=dict)
    _reading: str | None = None  # the file that asks; None is the recipe
    _needs: dict[str | None, dict[str, _Need]] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        self.warnings[text] = None

    def finish(self, runner: str | None) -> Closure:
        sure, guessed = self._reached(_Need.SURE), self._reached(_Need.GUESSED)
        lacking = [missing for missing, by in self.missing if by in sure]
        if lacking:
            raise MissingModules(lacking, self.checkout.root)
        for missing, _ in sorted(self.missing, key=lambda each: each[0]):
            self.warn(
                f"{missing.asked_by} imports {missing.module}, which is not here; it is not sure"
                f" that {missing.asked_by.rpartition(':')[0]} is imported"
            )
        imports: dict[str, set[str]] = {}
        optional: dict[str, set[str]] = {}
        for each in self.outside:
            has_wheel = each.by in sure or (each.by in guessed and is_known(each.name))
            kept = imports if has_wheel and not each.is_optional else optional
            kept.setdefault(each.name, set()).add(each.place)
        return Closure(
            self.checkout.root,
            {path: tuple(sorted(self.files[path])) for path in sorted(self.files)},
            {name: tuple(sorted(imports[name])) for name in sorted(imports)},
            {name: tuple(sorted(optional[name])) for name in sorted(optional)},
            runner,
            tuple(self.warnings),
        )

    def _reached(self, most: _Need) -> set[str | None]:
        """Return the files that the recipe (None, one of them) comes to, no less surely."""
        reached: set[str | None] = {None}
        pending: list[str | None] = [None]
        while pending:
            needs = self._needs.get(pending.pop(), {})
            found = {path for path, need in needs.items() if need <= most} - reached
            reached |= found
            pending += found
        return reached

    def _lack(self, name: str, asked_by: str) -> None:
        self.missing.add((Missing(name, asked_by), self._reading))

    def add(self, step: Step, where: str) -> None:
        match step:
            case PythonStep():
                self.add_step(step.module, step.function, where)
                self.add_arguments(step.args, where)
            case ShellStep():
                self.add_command(step.command, where)
                self.add_arguments(step.args, where)

    # --- code ---

    def add_entry(self, name: str, asked_by: str, *, is_main: bool = False) -> None:
        if is_main:
            self.mains.add(name)
        self.add_module(name, asked_by)
        self._follow()

    def add_step(self, name: str, function: str, where: str) -> None:
        module = self.checkout.find(name)
        top = name.partition(".")[0]
        if module is None and self.checkout.find(top) is None and self._is_known_outside(top):
            self._take_outside(name, where, is_optional=False, minors=self.checkout.minors)
            return
        self.add_entry(name, where)
        if module is None or module.path not in self._followed:
            return
        first = function.partition(".")[0]
        if not self.read(module.path, where).may_define(first):
            self._lack(f"{name}:{function}", where)

    def add_chosen(self, entry: str, stem: str) -> None:
        """Take what `entry` of recipebox.toml names: a module, or a file."""
        where = f"entry of [recipes.{stem}]"
        if "/" not in entry and not entry.endswith(".py"):
            self.add_entry(entry, where)
        elif (path := self.checkout.file(entry)) and (self.checkout.root / path).is_file():
            self.add_script(path, where)
            self._add_path(path, Reason("given", where))
            self._follow()
        else:
            said_in = self.project.path or self.checkout.root
            key = f"recipes.{stem}.entry"
            raise InvalidProject(said_in, f"no file is at {entry!r}", key=key)

    def add_seen(self, path: str, reason: Reason) -> None:
        """Take a file that a run read: code with what it imports, and anything else as it is."""
        if path in self.files:
            return
        module = self._module_at(path)
        if module is None:
            self._add_path(path, reason)
            return
        self._take_above(module.name)
        need = _Need.SURE if reason.kind == "imported" else _Need.GUESSED
        self._take(module, reason.asked_by, kind=reason.kind, need=need)
        self._follow()

    def _module_at(self, path: str) -> Module | None:
        for root in self.checkout.roots:
            inside = path.removeprefix(f"{root}/") if root else path
            dotted = inside.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            module = self.checkout.find(dotted) if inside.endswith(".py") else None
            if module is not None and module.path == path:
                return module
        return None

    def _is_known_outside(self, top: str) -> bool:
        return top in STDLIB or top in self.project.wheels

    def add_module(
        self, name: str, asked_by: str, *, is_optional: bool = False, need: _Need = _Need.SURE
    ) -> bool:
        """Take a module with the packages above it; say whether it is there."""
        module = self.checkout.find(name)
        self._take_above(name)  # is run, even where what is below isn't there
        if module is None:
            if not is_optional:
                self._lack(name, asked_by)
            return False
        self._take(module, asked_by, kind="module", need=need)
        return True

    def _take_above(self, name: str) -> None:
        above = name.rpartition(".")[0]
        while above:
            package = self.checkout.find(above)
            if package is not None:
                self._take(package, f"package of {name}", kind="package")
            above = above.rpartition(".")[0]

    def _take(
        self,
        module: Module,
        asked_by: str,
        *,
        kind: Kind,
        need: _Need = _Need.SURE,
    ) -> None:
        """Take a module's file; one that isn't surely needed may be no Python."""
        if module.path is None:
            return
        needs = self._needs.setdefault(self._reading, {})
        needs[module.path] = min(need, needs.get(module.path, need))
        self.checkout.check_inside(module.path)
        known = module.path in self.files
        self.files.setdefault(module.path, set()).add(Reason(kind, asked_by))
        if known:
            return
        if module.is_source:
            self._pending.append((module, asked_by, need is _Need.SURE))
        else:
            self.warn(f"{module.path} is compiled: the package runs only where it does")

    def _follow(self) -> None:
        while self._pending or self._take_from_tables():
            if not self._pending:
                continue
            module, asked_by, is_needed = self._pending.pop()
            if module.path is None or module.path in self._followed:
                continue
            try:
                source = self.read(module.path, asked_by)
            except InvalidModule as error:
                if is_needed:
                    raise
                self.warn(f"{error}: packed as it is, and not followed")
                continue
            self._followed.add(module.path)
            if texts := tuple(dict.fromkeys(tables_of(source.tree))):
                self.tables[module.path] = texts
            is_run = module.name in self.mains
            self._reading = module.path
            for ask in self._asks_of(module, source, asked_by):
                self._answer(ask, is_run=is_run)
            self._reading = None
            if not module.is_package:
                self._parsed.pop(module.path)  # nobody asks again, and thousands take the memory

    def _asks_of(self, module: Module, source: Source, asked_by: str) -> list[Ask]:
        try:
            return read_module(module, source, self.checkout, is_run=module.name in self.mains)
        except RecursionError as error:
            raise InvalidModule(source.path, None, "it is nested too deeply", asked_by) from error

    def _answer(self, ask: Ask, *, is_run: bool) -> None:
        """Take what a module asks for."""
        match ask:
            case Import():
                self._take_import(ask)
            case ImportPrefix(prefix, place, is_optional):
                self.request_prefix(prefix, place, is_optional=is_optional)
            case ImportUnknown(place, of_step):
                if not (of_step and is_run):
                    self.free_imports.append(place)
                if not of_step:
                    self.warn(f"{place} imports a module whose name can't be computed")
            case ImportAbove(name, place):
                self._lack(name, place)
            case File(path, place, is_built):
                self._add_named(path, place, is_built=is_built)
            case FilesBelow(folder, place):
                self._add_below(folder, place)
            case Installed(name, place):
                self._add_installed(name, place)

    def _take_import(self, ask: Import) -> None:
        need = self._need_of(ask)
        self.request(ask.name, ask.place, is_optional=ask.is_optional, minors=ask.minors, need=need)
        module = self.checkout.find(ask.name) if ask.members else None
        if module is None:
            return
        for name in ask.members:
            if name == "*":
                self._take_public(module, ask.place)
            elif ask.is_listed:
                self.add_module(f"{module.name}.{name}", ask.place, is_optional=True)
            else:
                self.request_member(module, name, ask)

    @staticmethod
    def _need_of(ask: Import) -> _Need:
        """What a tried import finds may fail within, and that is caught, too."""
        if ask.is_guess:
            return _Need.GUESSED
        return _Need.TRIED if ask.is_optional and not ask.is_listed else _Need.SURE

    def _take_public(self, module: Module, place: str) -> None:
        """`from package import *` imports the submodules that `__all__` names."""
        if module.is_package and module.path is not None:
            for name in self.read(module.path, place).public:
                self.add_module(f"{module.name}.{name}", place, is_optional=True)

    def read(self, path: str, asked_by: str) -> Source:
        """Return a module's code, read and parsed once as far as it is a package's."""
        source = self._parsed.get(path)
        if source is None:
            source = self._parsed[path] = read_source(self.checkout, path, asked_by)
        return source

    def _take_from_tables(self) -> bool:
        """Take what tables of the code name, where some code imports by a name that isn't known.

        Entries are `a.b`, `a.b:Function` or `a.b.Function`; or `a.b.`, for all that begins so. Says
        whether there was any.
        """
        if not self.free_imports:
            return False
        importer = self.free_imports[0]
        taken = False
        for path, texts in self.tables.items():
            named = [module for text in texts for module in self._named(text)]
            for module in named:
                self._take_above(module.name)
                self._take(module, f"a table in {path}, imported by name at {importer}",
                           kind="module", need=_Need.GUESSED)  # fmt: skip
            if named:
                taken = True
                self.warn(
                    f"{importer} imports by a name that can't be computed: all {len(named)}"
                    f" modules that {path} names in tables are packed"
                )
        self.tables.clear()
        return taken

    def _named(self, text: str) -> list[Module]:
        dotted, _, attribute = text.partition(":")
        if dotted.endswith("."):
            package = self.checkout.find(dotted[:-1])
            return list(self.checkout.submodules(package)) if package is not None else []
        module = self.checkout.find(dotted)
        if module is None and not attribute:
            module = self.checkout.find(dotted.rpartition(".")[0])
            module = None if module is not None and module.is_package else module
        return [module] if module is not None and module.is_source else []

    def request(
        self,
        name: str,
        place: str,
        *,
        is_optional: bool,
        minors: tuple[int, ...] | None = None,
        need: _Need = _Need.SURE,
    ) -> None:
        """Take what `import name` needs, in some Pythons: of the checkout, or of a distribution."""
        top = name.partition(".")[0]
        beside = None if self.checkout.find(top) is not None else self._beside_a_script(top)
        if beside is not None:
            self.add_module(f"{beside}.{name}", place, is_optional=is_optional, need=need)
        elif self.checkout.find(top) is None:
            pythons = minors or self.checkout.minors
            self._take_outside(name, place, is_optional=is_optional, minors=pythons)
        elif not self.add_module(name, place, is_optional=is_optional, need=need) and is_optional:
            self.warn(f"{place} imports {name} only where it is there; it is not here")

    def _beside_a_script(self, top: str) -> str | None:
        """Return the folder, dotted, of a script that is run and has a module of this name by it.

        `python tools/gen.py` has `tools` first on its path.
        """
        for folder in self._script_folders:
            if self.checkout.find(f"{folder}.{top}") is not None:
                return folder
        return None

    def _take_outside(
        self, name: str, place: str, *, is_optional: bool, minors: tuple[int, ...]
    ) -> None:
        top = name.partition(".")[0]
        lacking = [minor for minor in minors if not is_standard(top, minor)]
        if not lacking:
            return
        if top in PYTHON_2:
            self.warn(f"{place} imports {name}, a module of Python 2: it is not packed")
        elif len(lacking) == len(minors) or top in self.project.wheels:
            self.outside.add(_Outside(name, place, is_optional, self._reading))
        elif not is_optional:
            pythons = ", ".join(f"3.{minor}" for minor in lacking)
            self.warn(
                f"{place} imports {name}, which Python {pythons} has not: say so in python of"
                " recipebox.toml, or name what has it there under [wheels]"
            )

    def request_member(self, package: Module, name: str, ask: Import) -> None:
        """Take what `from package import name` needs: a submodule, or what its code binds."""
        full = f"{package.name}.{name}"
        if self.checkout.find(full) is not None:
            self.add_module(full, ask.place, need=self._need_of(ask))
            return
        if not package.is_package:
            return
        if package.path is not None and self.read(package.path, ask.place).may_define(name):
            return
        self.request(full, ask.place, is_optional=ask.is_optional, minors=ask.minors)

    def request_prefix(self, prefix: str, place: str, *, is_optional: bool) -> None:
        """Take every module whose dotted name begins with `prefix`, and say so.

        Where that `is_optional` (tried), so is all that only they need.
        """
        above, _, _ = prefix.rpartition(".")
        if above:
            package = self.checkout.find(above)
            if package is None:
                self.request(above, place, is_optional=is_optional)
                return
            self.add_module(above, place)
            found = list(self.checkout.submodules(package))
        else:
            found = [
                each for each in map(self.checkout.find, self.checkout.tops()) if each is not None
            ]
        matching = [each for each in found if each.name.startswith(prefix)]
        for module in matching:
            self._take(module, f"{place}, by a name that begins with {prefix!r}", kind="module",
                       need=_Need.TRIED if is_optional else _Need.GUESSED)  # fmt: skip
        self.warn(
            f"{place} imports a name that begins with {prefix!r}: all {len(matching)} modules that"
            f" do are packed{'; ' + _TRIED if is_optional else ''}"
        )

    # --- data ---

    def add_given(self, pattern: str, stem: str) -> None:
        """Take what `data` of recipebox.toml names."""
        key = f"recipes.{stem}.data"
        path = self.project.path or self.checkout.root
        plain = pattern.rstrip("/")
        if plain.startswith("/") or ".." in plain.split("/") or not plain:
            raise InvalidProject(path, f"{pattern!r} is not a path inside of the checkout", key=key)
        found = [
            each.relative_to(self.checkout.root).as_posix()
            for each in sorted(self.checkout.root.glob(plain))
        ]
        if not found:
            raise InvalidProject(path, f"nothing is at {pattern!r}", key=key)
        for each in found:
            self._add_path(each, Reason("given", f"data of [recipes.{stem}] in {path.name}"))

    def add_arguments(self, value: Any, where: str, key: str = "args") -> None:
        """Take the files and folders that the arguments of a step name."""
        if isinstance(value, dict):
            for name, inner in value.items():
                self.add_arguments(inner, where, f"{key}.{name}")
        elif isinstance(value, list):
            for inner in value:
                self.add_arguments(inner, where, key)
        elif isinstance(value, str) and "\n" not in value:
            self._add_argument(value, where, key)

    def _add_argument(self, text: str, where: str, key: str) -> None:
        if text.startswith(("/", "~")):
            if Path(text).is_file():
                self.warn(f"{where}: {key} is {text!r}, outside of the checkout: not packed")
            return
        try:
            path = self.checkout.file(text)
        except UnsafePath as error:
            raise UnsafePath(text, error.reason, f"{where}, {key}") from error
        if path is None:
            return
        if (self.checkout.root / path).is_dir():
            last = key.rpartition(".")[2]
            if not path or ("/" not in text and not _FOLDER_KEYS.search(last)):
                named = path or "the whole checkout"
                self.warn(
                    f"{where}: {key} is {text!r}, which is also a folder ({named}): not packed;"
                    " name it under data in recipebox.toml if it is read"
                )
                return
        self._add_local(path, f"{where}, {key}")

    def add_command(self, command: str | list[str], where: str) -> None:
        """Take the files that the words of a command name, and the modules after `-m`."""
        try:
            words = shlex.split(command, comments=True) if isinstance(command, str) else command
        except ValueError:
            words = command.split() if isinstance(command, str) else command
        for before, word in zip(["", *words], words, strict=False):
            plain = word.strip("<>|;&()\"'")
            if before == "-m" and self.checkout.find(plain.partition(".")[0]) is not None:
                is_package = self.checkout.find(f"{plain}.__main__") is not None
                self.add_entry(f"{plain}.__main__" if is_package else plain, where, is_main=True)
            if not plain or plain.startswith(("/", "-", "~", "..")):
                continue
            path = self.checkout.file(plain)
            if path and (self.checkout.root / path).is_file():
                self.add_script(path, where)

    def add_script(self, path: str, where: str) -> None:
        dotted = path.removesuffix(".py").replace("/", ".")
        module = self.checkout.find(dotted) if path.endswith(".py") else None
        if module is not None and module.path == path:
            if "." in dotted:
                self._script_folders[dotted.rpartition(".")[0]] = None
            self.add_entry(dotted, where, is_main=True)
        else:
            self._add_local(path, where)

    def _add_local(self, path: str, asked_by: str) -> bool:
        """Take a file or folder that something names, unless .gitignore says that it is local.

        Says whether it was taken.
        """
        if self._ignored is None:
            self._ignored = Ignored.of(self.checkout.root)
        if self._ignored.holds(path):
            self.warn(f"{asked_by} names {path}, which .gitignore leaves out: not packed")
            return False
        self._add_path(path, Reason("data", asked_by))
        return True

    def _add_path(self, path: str, reason: Reason, above: tuple[Path, ...] = ()) -> None:
        """Take a file, or all of a folder; `above` are the real folders that it is in."""
        try:
            self.checkout.check_inside(path)
            kind = special_kind((self.checkout.root / path).stat().st_mode)
        except UnsafePath as error:
            raise UnsafePath(path, error.reason, reason.asked_by) from error
        except OSError as error:
            said = f"it can't be read: {error.strerror}"
            raise UnsafePath(path, said, reason.asked_by) from error
        target = self.checkout.root / path
        if kind is None:
            self.files.setdefault(path, set()).add(reason)
            return
        if not target.is_dir():
            raise UnsafePath(path, f"it is {kind}: neither a file nor a folder", reason.asked_by)
        real = target.resolve()
        if real in above:
            said = f"a link leads back to a folder that it is in, {real.name}/"
            raise UnsafePath(path, said, reason.asked_by)
        for each in sorted(target.iterdir()):
            if each.name not in NEVER and each.suffix != ".pyc":
                self._add_path(f"{path}/{each.name}", reason, (*above, real))

    def _add_named(self, text: str, place: str, *, is_built: bool) -> None:
        """Take a file that code names, from the root; one of its modules if it is in one text."""
        path = self.checkout.file((normalise(text) or "") if is_built else text)
        if not path or (is_built and path.endswith(".py")):
            return
        if (self.checkout.root / path).is_file():
            self._add_local(path, place)

    def _add_below(self, folder: str, place: str) -> None:
        """Take a folder of data in which code names a file that can't be computed."""
        plain = self.checkout.file(folder)
        own = place.rpartition(":")[0]
        is_data = (
            plain and (self.checkout.root / plain).is_dir() and not own.startswith(f"{plain}/")
        )
        if not plain or not is_data or self.checkout.holds_code(plain):
            self.warn(
                f"{place} names a file below {folder or 'the root'!r} that can't be computed: name"
                " it under data in recipebox.toml if it is read"
            )
        elif self._add_local(plain, place):
            self.warn(
                f"{place} names a file in {plain}/ by a name that is made when it runs: all that is"
                " in there is packed"
            )

    def _add_installed(self, name: str, place: str) -> None:
        """Take what is written down of a distribution that the checkout itself holds.

        Git nearly always leaves it out, since it is made from the checkout, and it is no secret:
        .gitignore doesn't count.
        """
        found = find_installed(self.checkout.root, self.checkout.roots, name)
        for path in found:
            self._add_path(path, Reason("data", place))
        if not found and canonicalize_name(name) == own_name(self.checkout.root):
            self.warn(
                f"{place} asks what is installed as {name!r}, which is this checkout, and nothing"
                f" is written down of it: make {name}.egg-info (pip install --editable .)"
            )
