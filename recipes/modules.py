"""Which file a module is in, found as Python would find it, without importing anything.

A checkout's root stands first on sys.path, as with `python -m` run there; then the standard
library; then the checkout's `src`, where it has one. A folder without `__init__.py` is a namespace
package, and counts only after every regular module of its name (importlib, "PathFinder").
"""

import ast
import errno
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from recipes.errors import InvalidModule, UnsafePath
from recipes.paths import read_plain
from recipes.stdlib import MINORS, is_standard

NEVER: Final = frozenset({"__pycache__", ".git", ".hg", ".svn", ".venv", "venv", "node_modules"})
"""Folders of which nothing is ever packed."""

_EXTENSIONS = (".abi3.so", ".so")
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP}


@dataclass(frozen=True, slots=True)
class Module:
    """A module of a checkout: `path` is from the root, or None for a namespace package.

    `folders` are where its submodules are looked for: none for a plain module.
    """

    name: str
    path: str | None
    folders: tuple[str, ...] = ()

    @property
    def is_package(self) -> bool:
        """Whether it can hold submodules."""
        return bool(self.folders)

    @property
    def is_source(self) -> bool:
        """Whether it has code that can be read."""
        return self.path is not None and self.path.endswith(".py")

    @property
    def package(self) -> str:
        """What relative imports in it are relative to."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(slots=True)
class Checkout:
    """A checkout's folder, read only; `paths` in and out of it are from the root, with `/`.

    `minors` are those of Python 3 that it is for. Folders are listed once.
    """

    root: Path
    minors: tuple[int, ...] = MINORS
    _found: dict[str, Module | None] = field(default_factory=dict)
    _holds_code: dict[str, bool] = field(default_factory=dict)
    _data: dict[str, frozenset[str]] = field(default_factory=dict)
    _real: str | None = None
    _real_folders: dict[str, str] = field(default_factory=dict)
    _listings: dict[str, "_Listing"] = field(default_factory=dict)
    _known_files: dict[str, str | None] = field(default_factory=dict)
    _bound: dict[str, dict[str, ast.expr]] = field(default_factory=dict)

    @property
    def files_at_root(self) -> frozenset[str]:
        """The files right at the root that a plain word in code may mean."""
        return self.data_in("")

    def data_in(self, folder: str) -> frozenset[str]:
        """Return the files right in a folder that a plain word may mean: those with a suffix."""
        if folder not in self._data:
            self._data[folder] = frozenset(
                name for name in self._list(folder).files if Path(name).suffix not in {"", ".py"}
            )
        return self._data[folder]

    @property
    def roots(self) -> tuple[str, ...]:
        """Where top-level modules are: the root, and `src` where it is there."""
        return ("", "src") if "src" in self._list("").folders else ("",)

    def find(self, name: str) -> Module | None:
        """Return the module of this dotted name, or None where the checkout has none."""
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def bound_in(self, name: str, attribute: str) -> ast.expr | None:
        """Return what a module's top level binds a name to, if it does so once and plainly."""
        module = self.find(name)
        if module is None or not module.is_source or module.path is None:
            return None
        if name not in self._bound:
            try:
                source = read_source(self, module.path, name)
            except (InvalidModule, UnsafePath):
                return None  # whoever imports it says so
            self._bound[name] = _plainly_bound(source.tree)
        return self._bound[name].get(attribute)

    def submodules(self, package: Module) -> Iterator[Module]:
        """Yield every module below a package, at all depths, by name."""
        names: set[str] = set()
        for folder in package.folders:
            names.update(self._named_in(folder))
        for name in sorted(names):
            module = self.find(f"{package.name}.{name}")
            if module is not None:
                yield module
                if module.is_package:
                    yield from self.submodules(module)

    def tops(self) -> list[str]:
        """Return the names of all top-level modules and packages, sorted."""
        names = {name for root in self.roots for name in self._named_in(root)}
        return sorted(name for name in names if self.find(name) is not None)

    def _named_in(self, folder: str) -> Iterator[str]:
        """Yield the names that modules and packages right in a folder would have."""
        listing = self._list(folder)
        for name in listing.files:
            if (
                name.endswith(".py")
                and name != "__init__.py"
                and _can_be_named(name.removesuffix(".py"))
            ):
                yield name.removesuffix(".py")
        for name in listing.folders:
            if name not in NEVER and _can_be_named(name) and self.holds_code(_below(folder, name)):
                yield name

    def file(self, path: str) -> str | None:
        """Return `path` (from the root) in its plain form if it is a file or folder inside.

        Raises:
            UnsafePath: it is one, but outside, or reached by a link that leaves the checkout.
        """
        if path not in self._known_files:
            self._known_files[path] = self._look_for(path)
        return self._known_files[path]

    def _look_for(self, path: str) -> str | None:
        if not path or "\0" in path or len(path) > 1000:  # noqa: PLR2004 - no path, for sure
            return None
        plain = normalise(path)
        try:
            if not (self.root / path).exists():
                return None
        except OSError:
            return None
        if plain is None:
            raise UnsafePath(path, "it is outside of the checkout; nothing from there is packed")
        self.check_inside(plain)
        return plain

    def check_inside(self, path: str) -> None:
        """Raise where a link on the way to `path` (from the root) leaves the checkout.

        Raises:
            UnsafePath: it does.
        """
        folder, _, name = path.rpartition("/")
        above = self._real_folders.get(folder)
        if above is None:
            above = self._real_folders[folder] = os.path.realpath(self.root / folder)
        real = f"{above}/{name}"
        if name in {"", ".", ".."} or os.path.islink(real):  # noqa: PTH114 - asked of every file
            real = os.path.realpath(real)
        if real != self._real_root and not real.startswith(f"{self._real_root}/"):
            raise UnsafePath(path, f"a link leads out of the checkout, to {real}")

    @property
    def _real_root(self) -> str:
        if self._real is None:
            self._real = str(self.root.resolve())
        return self._real

    def _search(self, name: str) -> Module | None:
        parent, _, last = name.rpartition(".")
        if not _can_be_named(last):
            return None
        if not parent:
            return self._search_top(name)
        above = self.find(parent)
        if above is None:
            return None
        return self._regular(name, above.folders) or self._namespace(name, above.folders)

    def _search_top(self, name: str) -> Module | None:
        found = self._regular(name, ("",))
        if found is None and all(is_standard(name, minor) for minor in self.minors):
            return None
        return found or self._regular(name, self.roots[1:]) or self._namespace(name, self.roots)

    def _regular(self, name: str, folders: tuple[str, ...]) -> Module | None:
        last = name.rpartition(".")[2]
        for folder in folders:
            below, listing = _below(folder, last), self._list(folder)
            if last in listing.folders and "__init__.py" in self._list(below).files:
                return Module(name, f"{below}/__init__.py", (below,))
            if f"{last}.py" in listing.files:
                return Module(name, f"{below}.py")
            for built in listing.built:
                if built.startswith(f"{last}."):
                    return Module(name, _below(folder, built))
        return None

    def _namespace(self, name: str, folders: tuple[str, ...]) -> Module | None:
        last = name.rpartition(".")[2]
        found = tuple(
            _below(folder, last)
            for folder in folders
            if last not in NEVER
            and last in self._list(folder).folders
            and self.holds_code(_below(folder, last))
        )
        return Module(name, None, found) if found else None

    def holds_code(self, folder: str) -> bool:
        """Whether there is a module in a folder at any depth: else it is no package, but data."""
        if folder not in self._holds_code:
            listing = self._list(folder)
            self._holds_code[folder] = any(
                name.endswith((".py", ".so")) for name in listing.files
            ) or any(
                _can_be_named(name) and name not in NEVER and self.holds_code(_below(folder, name))
                for name in listing.folders - listing.links
            )
        return self._holds_code[folder]

    def _list(self, folder: str) -> "_Listing":
        listing = self._listings.get(folder)
        if listing is None:
            listing = self._listings[folder] = _Listing.of(self.root / folder)
        return listing


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is right in a folder; nothing of one that isn't there, or that may not be read.

    `built` are its files that hold compiled modules, sorted; `links` folders that are links.
    """

    files: frozenset[str]
    folders: frozenset[str]
    links: frozenset[str]
    built: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path) -> "_Listing":
        files, folders, links = set(), set(), set()
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            found = []
        for each in found:
            try:
                is_folder, is_file = each.is_dir(), each.is_file()
            except OSError:  # a link that leads to itself: nothing is there
                continue
            if is_folder:
                folders.add(each.name)
                links.update([each.name] if each.is_symlink() else [])
            elif is_file:
                files.add(each.name)
        built = sorted(each for each in files if each.endswith(_EXTENSIONS))
        return cls(frozenset(files), frozenset(folders), frozenset(links), tuple(built))


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _can_be_named(name: str) -> bool:
    """Whether importing by name may find it: a statement wants an identifier, and this doesn't."""
    return name.isidentifier() or _NAMED.fullmatch(name) is not None


_NAMED = re.compile(r"[\w-]+")


def _plainly_bound(tree: ast.Module) -> dict[str, ast.expr]:
    """Return what `name = value` binds, right at the top and nowhere else in the module."""
    bound: dict[str, ast.expr] = {}
    stored = Counter(
        each.id
        for each in ast.walk(tree)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if stored[name] == 1:
                bound[name] = value
    return bound


def normalise(path: str) -> str | None:
    """Return a relative path without `.` and `..`; None where it is absolute or leaves its root."""
    if PurePosixPath(path).is_absolute():
        return None
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


@dataclass(slots=True)
class Source:
    """A module's code, as text and tree; what it defines is worked out when it is asked for."""

    path: str
    text: bytes
    tree: ast.Module
    _defined: frozenset[str] | None = None
    _public: tuple[str, ...] | None = None

    @property
    def public(self) -> tuple[str, ...]:
        """The names that its `__all__` may have, as far as they stand in the code."""
        if self._public is None:
            self._public = tuple(dict.fromkeys(_public(self.tree)))
        return self._public

    def may_define(self, name: str) -> bool:
        """Whether importing the module may give it an attribute `name`; when in doubt, it may."""
        return self.is_dynamic or name in self.defined

    @property
    def is_dynamic(self) -> bool:
        """Whether it makes names in ways that can't be seen, such as `import *` or `globals()`."""
        return "*" in self.defined

    @property
    def defined(self) -> frozenset[str]:
        """The names that its top level binds, in any branch; `*` where others may be."""
        if self._defined is None:
            self._defined = frozenset(_defined(self.tree))
        return self._defined


def _public(tree: ast.Module) -> Iterator[str]:
    """Yield what is assigned to `__all__`, added, appended, and what names in there stand for."""
    wanted, seen = ["__all__"], {"__all__"}
    while wanted:
        wanted_name = wanted.pop()
        for value in _given(tree, wanted_name):
            for each in ast.walk(value):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value
                elif isinstance(each, ast.Name) and each.id not in seen:
                    seen.add(each.id)
                    wanted.append(each.id)


def _given(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    """Yield what a module binds a name to, or adds to what it is bound to."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                    yield value
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value):
                if found == name:
                    yield value
            case ast.AugAssign(target=ast.Name(id=found), value=value):
                if found == name:
                    yield value
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=found), attr="append" | "extend" | "insert"),
                args=given,
            ):
                if found == name:
                    yield from given


_DYNAMIC = {"globals", "vars", "locals", "setattr", "exec", "__getattr__"}


def _defined(tree: ast.Module) -> Iterator[str]:
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield "*" if name == "__getattr__" else name
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Global):
                        yield from inner.names
                continue
            case ast.ClassDef(name=name):
                yield name
                continue
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Name(id=name) if name in _DYNAMIC:
                yield "*"
            case ast.Attribute(attr="modules", value=ast.Name(id="sys")):
                yield "*"
        pending.extend(ast.iter_child_nodes(node))


def read_source(checkout: Checkout, path: str, asked_by: str) -> Source:
    """Read and parse a file of the checkout.

    Raises:
        InvalidModule: it can't be read, or isn't Python 3.
        UnsafePath: a link leads out of the checkout.
    """
    checkout.check_inside(path)
    try:
        text = read_plain(checkout.root / path)
    except OSError as error:
        reason = f"it can't be read: {error.strerror}"
        raise InvalidModule(path, None, reason, asked_by) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Source(path, text, ast.parse(text, filename=path))
    except SyntaxError as error:
        raise InvalidModule(path, error.lineno, f"not Python 3: {error.msg}", asked_by) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidModule(path, None, f"not Python: {error}", asked_by) from error
