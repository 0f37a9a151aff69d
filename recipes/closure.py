"""The static closure: every file of a checkout that the steps need, and why each is in.

Nothing is imported or run: modules are parsed, and followed from the steps (and from the checkout's
own runner, where it has one and it can run the recipe).

Followed are imports at every depth and inside functions, relative ones, the `__init__` of every
package on the way, and `import_module` and `__import__` of names that can be computed; where only
the beginning is known (`"engine.plugins." + name`), every module that begins so; and where nothing
is (`import_module(entry["module"])`), the modules that tables in the code name. Not followed are
branches that never run (`TYPE_CHECKING`, Python 2, `__main__` of a module that isn't run). What
stands in `try ... except ImportError` is optional: packed where it is there, and said where not.

Data files are those that the steps' arguments name, that code names by a path from the root (in one
text, or joined), or that are opened beside a module by `__file__` or by its package's name; what
.gitignore names is local, and stays out.
"""

import ast
import gc
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from recipes.errors import InvalidModule, InvalidProject, Missing, MissingModules, UnsafePath
from recipes.ignored import Ignored
from recipes.modules import NEVER, Checkout, Module, Source, normalise, read_source
from recipes.package import PythonStep, ShellStep, Step
from recipes.paths import special_kind
from recipes.project import Project
from recipes.recipe import Recipe
from recipes.stdlib import PYTHON_2, STDLIB
from recipes.syntax import (
    IMPORT_ERRORS,
    catches_import_error,
    children_of,
    gives_up,
    is_main,
    is_step_module,
    is_writing,
    known_test,
    name_of,
    tables_of,
)
from recipes.values import RESOURCES, Scope, Value, is_understood

RUNNER_OPTION: Final = "--recipe"

Kind = Literal["module", "package", "data", "given", "run"]


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
    # a root that is the whole disk or a home would be listed in full: it is never meant
    folders = [each for each in folders if each not in {Path("/"), Path.home()}] or folders[:1]
    return max(folders, key=lambda each: _resolving(each, names))


def _resolving(folder: Path, names: Iterable[str]) -> int:
    checkout = Checkout(folder)
    return sum(checkout.find(name) is not None for name in names)


def find_runners(checkout: Checkout) -> list[str]:
    """Return the modules that run a recipe: `*/runner.py` with a `--recipe` and a `__main__`."""
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
    return found


def _is_runner(tree: ast.Module) -> bool:
    takes = any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
        and any(
            isinstance(each, ast.Constant) and each.value == RUNNER_OPTION for each in node.args
        )
        for node in ast.walk(tree)
    )
    return takes and any(isinstance(node, ast.If) and is_main(node.test) for node in tree.body)


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
    with _collecting_nothing():
        return _find_closure(recipe, project, root, seen or {})


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Keep Python from looking for garbage: trees of code have no cycles, and it reads them all.

    Each time anew, as they become more: 2,000 modules were parsed in 17 s instead of in 3.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _find_closure(
    recipe: Recipe, project: Project, root: Path | None, seen: Mapping[str, Reason]
) -> Closure:
    checkout = Checkout(root if root is not None else find_root(recipe, project))
    walk = _Walk(checkout, project)
    runner = None
    if all(step.type != "recipe" for step in recipe.steps):
        runners = find_runners(checkout)
        if runners:
            runner = runners[0]
            walk.add_entry(runner, "the checkout's runner, which runs the recipe", is_main=True)
        if len(runners) > 1:
            walk.warn(f"several runners are here ({', '.join(runners)}); {runner} is taken")
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


@dataclass(slots=True)
class _Walk:
    checkout: Checkout
    project: Project
    files: dict[str, set[Reason]] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=dict)
    optional: dict[str, set[str]] = field(default_factory=dict)
    missing: set[Missing] = field(default_factory=set)
    warnings: dict[str, None] = field(default_factory=dict)
    mains: set[str] = field(default_factory=set)
    tables: dict[str, ast.Module] = field(default_factory=dict)
    free_imports: list[str] = field(default_factory=list)
    _sources: dict[str, Source] = field(default_factory=dict)
    _parsed: dict[str, Source] = field(default_factory=dict)
    _pending: list[tuple[Module, str, bool]] = field(default_factory=list)
    _ignored: "Ignored | None" = None

    def warn(self, text: str) -> None:
        self.warnings[text] = None

    def finish(self, runner: str | None) -> Closure:
        if self.missing:
            raise MissingModules(list(self.missing), self.checkout.root)
        return Closure(
            self.checkout.root,
            {path: tuple(sorted(self.files[path])) for path in sorted(self.files)},
            {name: tuple(sorted(self.imports[name])) for name in sorted(self.imports)},
            {name: tuple(sorted(self.optional[name])) for name in sorted(self.optional)},
            runner,
            tuple(self.warnings),
        )

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
            self._outside(name, where, is_optional=False)
            return
        self.add_entry(name, where)
        if module is None or not module.is_source or module.path not in self._sources:
            return
        first = function.partition(".")[0]
        if not self._sources[module.path].may_define(first):
            self.missing.add(Missing(f"{name}:{function}", where))

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
        self._take(module, reason.asked_by, kind=reason.kind, is_needed=False)
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

    def add_module(self, name: str, asked_by: str, *, is_optional: bool = False) -> bool:
        """Take a module with the packages above it; say whether it is there."""
        module = self.checkout.find(name)
        if module is None:
            if not is_optional:
                self.missing.add(Missing(name, asked_by))
            return False
        self._take_above(name)
        self._take(module, asked_by, kind="module")
        return True

    def _take_above(self, name: str) -> None:
        above = name.rpartition(".")[0]
        while above:
            package = self.checkout.find(above)
            if package is not None:
                self._take(package, f"package of {name}", kind="package")
            above = above.rpartition(".")[0]

    def _take(self, module: Module, asked_by: str, *, kind: Kind, is_needed: bool = True) -> None:
        if module.path is None:
            return
        self.checkout.check_inside(module.path)
        known = module.path in self.files
        self.files.setdefault(module.path, set()).add(Reason(kind, asked_by))
        if known:
            return
        if module.is_source:
            self._pending.append((module, asked_by, is_needed))
        else:
            self.warn(f"{module.path} is compiled: the package runs only where it does")

    def _follow(self) -> None:
        while self._pending or self._take_from_tables():
            if not self._pending:
                continue
            module, asked_by, is_needed = self._pending.pop()
            if module.path is None or module.path in self._sources:
                continue
            try:
                source = self.read(module.path, asked_by)
            except InvalidModule as error:
                if is_needed:
                    raise
                self.warn(f"{error}: packed as it is, and not followed")
                continue
            self._sources[module.path] = source
            _Reader(self, module, source).read()

    def read(self, path: str, asked_by: str) -> Source:
        """Return a module's code, read and parsed once."""
        source = self._parsed.get(path)
        if source is None:
            source = self._parsed[path] = read_source(self.checkout, path, asked_by)
        return source

    def _take_from_tables(self) -> bool:
        """Take what tables of the code name, where some code imports by a name that isn't known.

        Entries are `a.b`, `a.b:Function` or `a.b.Function`. Says whether there was any.
        """
        if not self.free_imports:
            return False
        importer = self.free_imports[0]
        taken = False
        for path, tree in self.tables.items():
            texts = dict.fromkeys(tables_of(tree))
            named = [module for text in texts if (module := self._named(text)) is not None]
            for module in named:
                self._take_above(module.name)
                self._take(module, f"a table in {path}, imported by name at {importer}",
                           kind="module", is_needed=False)  # fmt: skip
            if named:
                taken = True
                self.warn(
                    f"{importer} imports by a name that can't be computed: all {len(named)}"
                    f" modules that {path} names in tables are packed"
                )
        self.tables.clear()
        return taken

    def _named(self, text: str) -> Module | None:
        dotted, _, attribute = text.partition(":")
        module = self.checkout.find(dotted)
        if module is None and not attribute:
            module = self.checkout.find(dotted.rpartition(".")[0])
            module = None if module is not None and module.is_package else module
        return module if module is not None and module.is_source else None

    def request(self, name: str, place: str, *, is_optional: bool) -> None:
        """Take what `import name` needs: of the checkout, or of a distribution."""
        top = name.partition(".")[0]
        if self.checkout.find(top) is None:
            self._outside(name, place, is_optional=is_optional)
        elif not self.add_module(name, place, is_optional=is_optional) and is_optional:
            self.warn(f"{place} imports {name} only where it is there; it is not here")

    def _outside(self, name: str, place: str, *, is_optional: bool) -> None:
        top = name.partition(".")[0]
        if top in STDLIB:
            return
        if top in PYTHON_2:
            self.warn(f"{place} imports {name}, a module of Python 2: it is not packed")
            return
        kept = self.optional if is_optional else self.imports
        kept.setdefault(name, set()).add(place)

    def request_member(self, package: Module, name: str, place: str, *, is_optional: bool) -> None:
        """Take what `from package import name` needs: a submodule, or what its code binds."""
        full = f"{package.name}.{name}"
        if self.checkout.find(full) is not None:
            self.add_module(full, place)
            return
        if not package.is_package:
            return
        if package.path is not None and self.read(package.path, place).may_define(name):
            return
        self.request(full, place, is_optional=is_optional)

    def request_prefix(self, prefix: str, place: str) -> None:
        """Take every module whose dotted name begins with `prefix`, and say so."""
        above, _, _ = prefix.rpartition(".")
        if above:
            package = self.checkout.find(above)
            if package is None:
                if self.checkout.find(prefix.partition(".")[0]) is not None:
                    self.missing.add(Missing(above, place))
                else:
                    self._outside(above, place, is_optional=False)
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
                       is_needed=False)  # fmt: skip
        self.warn(
            f"{place} imports a name that begins with {prefix!r}: all {len(matching)} modules that"
            " do are packed"
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
                self.add_entry(plain, where, is_main=True)
            if not plain or plain.startswith(("/", "-", "~", "..")):
                continue
            path = self.checkout.file(plain)
            if path and (self.checkout.root / path).is_file():
                self.add_script(path, where)

    def add_script(self, path: str, where: str) -> None:
        dotted = path.removesuffix(".py").replace("/", ".")
        module = self.checkout.find(dotted) if path.endswith(".py") else None
        if module is not None and module.path == path:
            self.add_entry(dotted, where, is_main=True)
        else:
            self._add_local(path, where)

    def _add_local(self, path: str, asked_by: str) -> None:
        """Take a file or folder that something names, unless .gitignore says that it is local."""
        if self._ignored is None:
            self._ignored = Ignored.of(self.checkout.root)
        if self._ignored.holds(path):
            self.warn(f"{asked_by} names {path}, which .gitignore leaves out: not packed")
            return
        self._add_path(path, Reason("data", asked_by))

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

    def add_found(self, value: Value, place: str) -> None:
        """Take a file that code builds the path of, from `__file__` or from the root."""
        path = self.checkout.file(normalise(value.text) or "")
        if path and not path.endswith(".py") and (self.checkout.root / path).is_file():
            self._add_local(path, place)


_JOINS = {"join", "joinpath", "with_name"}
_PATHS = {"join", "joinpath", "Path", "PurePath", "PosixPath"}
_PLACES = (b"__file__", b"cwd(", b"getcwd(", b"resources", b"get_data", b"files(")
_WRITES = {"write_text", "write_bytes", "mkdir", "touch", "unlink", "rmdir", "makedirs"}


_Visit = Callable[["_Reader", Any], None]


class _Reader(ast.NodeVisitor):
    """Reads one module: what it imports, and which files it names.

    It goes through the tree as `ast.NodeVisitor` does, in a third of the time: by a table of
    methods, and past what has nothing below it.
    """

    _methods: ClassVar[dict[type[ast.AST], _Visit | None]] = {}

    def __init__(self, walk: _Walk, module: Module, source: Source) -> None:
        self._walk = walk
        self._module = module
        self._source = source
        self._optional = 0
        self._scope = Scope.of(module, source.tree.body, walk.checkout)
        self._importers: dict[str, str] = {"__import__": "__import__"}
        self._written: set[int] = set()
        self._looks_for_data = any(each in source.text for each in _PLACES)

    def read(self) -> None:
        for node in ast.walk(self._source.tree) if b"importlib" in self._source.text else ():
            if isinstance(node, ast.ImportFrom) and node.module == "importlib":
                for each in node.names:
                    if each.name in {"import_module", "__import__"}:
                        self._importers[each.asname or each.name] = each.name
        self._walk.tables[self._source.path] = self._source.tree
        self.visit(self._source.tree)

    def visit(self, node: ast.AST) -> None:
        """Read a node, and what is below it."""
        kind = type(node)
        try:
            method = self._methods[kind]
        except KeyError:
            method = self._methods[kind] = getattr(type(self), f"visit_{kind.__name__}", None)
        if method is not None:
            method(self, node)
        else:
            self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        """Read what is below a node."""
        for below in children_of(node):
            self.visit(below)

    def _place(self, node: ast.stmt | ast.expr) -> str:
        return f"{self._source.path}:{node.lineno}"

    # --- imports ---

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            self._walk.request(each.name, self._place(node), is_optional=self._optional > 0)
            first = each.name.partition(".")[0]
            self._scope.imported[each.asname or first] = each.name if each.asname else first

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        place, is_optional = self._place(node), self._optional > 0
        base = node.module or ""
        if node.level:
            parts = self._module.package.split(".") if self._module.package else []
            if node.level > len(parts):
                self._walk.missing.add(Missing("." * node.level + base, place))
                return
            above = parts[: len(parts) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        self._walk.request(base, place, is_optional=is_optional)
        module = self._walk.checkout.find(base)
        if module is None:
            return
        for each in node.names:
            if each.name == "*":
                self._take_all(module, place)
            else:
                self._scope.imported[each.asname or each.name] = f"{base}.{each.name}"
                self._walk.request_member(module, each.name, place, is_optional=is_optional)

    def _take_all(self, module: Module, place: str) -> None:
        """`from package import *` imports the submodules that `__all__` names."""
        if not module.is_package or module.path is None:
            return
        tree = self._walk.read(module.path, place).tree
        for node in tree.body:
            if isinstance(node, ast.Assign) and any(
                isinstance(each, ast.Name) and each.id == "__all__" for each in node.targets
            ):
                for each in ast.walk(node.value):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        name = f"{module.name}.{each.value}"
                        self._walk.add_module(name, place, is_optional=True)

    def visit_Try(self, node: ast.Try) -> None:
        catching = [each for each in node.handlers if catches_import_error(each)]
        is_optional = bool(catching) and not any(gives_up(each) for each in catching)
        self._visit_all(node.body, is_optional=is_optional)
        for handler in node.handlers:
            self._visit_all(handler.body, is_optional=handler in catching)
        self._visit_all(node.orelse, is_optional=is_optional)
        self._visit_all(node.finalbody, is_optional=False)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self.visit_Try(ast.Try(node.body, node.handlers, node.orelse, node.finalbody))

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            self.visit(item)
        suppresses = any(
            isinstance(item.context_expr, ast.Call)
            and name_of(item.context_expr.func) == "suppress"
            and any(name_of(each) in IMPORT_ERRORS for each in item.context_expr.args)
            for item in node.items
        )
        self._visit_all(node.body, is_optional=suppresses)

    def visit_If(self, node: ast.If) -> None:
        known = known_test(node.test)
        if is_main(node.test):
            known = True if self._module.name in self._walk.mains else False  # noqa: SIM210
        self.visit(node.test)
        if known is not False:
            self._visit_all(node.body, is_optional=False)
        if known is not True:
            self._visit_all(node.orelse, is_optional=False)

    def _visit_all(self, body: Iterable[ast.AST], *, is_optional: bool) -> None:
        self._optional += is_optional
        for node in body:
            self.visit(node)
        self._optional -= is_optional

    # --- names in functions ---

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer = self._scope
        arguments = node.args
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        rest = [each for each in (arguments.vararg, arguments.kwarg) if each]
        self._scope = Scope.of(
            self._module, node.body, outer, [each.arg for each in [*names, *rest]]
        )
        self.generic_visit(node)
        self._scope = outer

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    # --- imports by name, and data ---

    def visit_Call(self, node: ast.Call) -> None:
        name = name_of(node.func)
        if isinstance(node.func, ast.Name):
            importer = self._importers.get(name)
        else:
            importer = name if name in {"import_module", "__import__"} else None
        if importer is not None and (node.args or node.keywords):
            self._import_by_name(node, importer)
        if name == "open" and is_writing(node):
            self._written.update(id(each) for each in ast.walk(node))
        elif name in _WRITES and isinstance(node.func, ast.Attribute):
            self._written.update(id(each) for each in ast.walk(node.func.value))
        self._look(node)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._look(node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        text = node.value
        if id(node) in self._written or not isinstance(text, str):
            return
        if "/" not in text and text not in self._walk.checkout.files_at_root:
            return
        if "\n" in text or text.startswith(("/", "..")) or text.endswith(("/", ".py")):
            return
        path = self._walk.checkout.file(text)
        if path and (self._walk.checkout.root / path).is_file():
            self._walk._add_local(path, self._place(node))  # noqa: SLF001 - one mechanism

    def _look(self, node: ast.BinOp | ast.Call) -> None:
        """Take the files that an expression names: beside the module, or from the root."""
        name = name_of(node.func) if isinstance(node, ast.Call) else ""
        makes_path = name in _PATHS or (
            isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add)
        )
        if id(node) in self._written or not (makes_path or self._looks_for_data):
            return
        if isinstance(node, ast.Call) and not is_understood(node):
            return
        for value in self._scope.values(node):
            if value.text == self._source.path or not (makes_path or value.is_place):
                continue
            if value.complete:
                self._walk.add_found(value, self._place(node))
            elif not value.text and self._module.name in self._walk.mains:
                continue  # the runner's --recipe, below the working directory
            elif value.is_place and (
                isinstance(node, ast.BinOp) or name in _JOINS or name in RESOURCES
            ):
                self._walk.warn(
                    f"{self._place(node)} names a file below {value.text or 'the root'!r} that"
                    " can't be computed: name it under data in recipebox.toml if it is read"
                )

    def _import_by_name(self, node: ast.Call, importer: str) -> None:
        place = self._place(node)
        named = node.args[0] if node.args else node.keywords[0].value
        package = next((each.value for each in node.keywords if each.arg == "package"), None)
        if package is None and importer == "import_module" and len(node.args) > 1:
            package = node.args[1]
        values = sorted(self._scope.values(named), key=lambda each: each.text)
        is_optional = self._optional > 0 or len(values) > 1  # one of several: who knows which
        for value in values:
            text = value.text
            if text.startswith("."):
                text = self._absolute(text, package)
            if not text.strip("."):
                of_step = is_step_module(named)
                if not (of_step and self._module.name in self._walk.mains):
                    self._walk.free_imports.append(place)
                if not of_step:
                    self._walk.warn(f"{place} imports a module whose name can't be computed")
            elif value.complete:
                self._walk.request(text, place, is_optional=is_optional)
                self._take_from_list(node, text, place)
            else:
                self._walk.request_prefix(text, place)

    def _absolute(self, text: str, package: ast.expr | None) -> str:
        level = len(text) - len(text.lstrip("."))
        inside = next(iter(self._scope.values(package)))
        base = inside.text if package is not None and inside.complete else self._module.package
        parts = base.split(".")
        above = parts[: len(parts) - level + 1]
        return ".".join([*above, text[level:]]) if above else ""

    def _take_from_list(self, node: ast.Call, name: str, place: str) -> None:
        """`__import__("a", fromlist=["b"])` imports a.b where it is a module."""
        listed = next((each.value for each in node.keywords if each.arg == "fromlist"), None)
        for each in ast.walk(listed) if listed is not None else ():
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                self._walk.add_module(f"{name}.{each.value}", place, is_optional=True)
