"""Which file a module is in, found as Python would find it, without importing anything.

A checkout's root stands first on sys.path, as with `python -m` run there; then the standard
library; then the checkout's `src`, where it has one. A folder without `__init__.py` is a namespace
package, and counts only after every regular module of its name (importlib, "PathFinder").
"""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from recipes.errors import InvalidModule, UnsafePath
from recipes.paths import read_plain
from recipes.stdlib import STDLIB

NEVER: Final = frozenset({"__pycache__", ".git", ".hg", ".svn", ".venv", "venv", "node_modules"})
"""Folders of which nothing is ever packed."""

_EXTENSIONS = (".abi3.so", ".so")


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
    """A checkout's folder, read only; `paths` in and out of it are from the root, with `/`."""

    root: Path
    _found: dict[str, Module | None] = field(default_factory=dict)
    _holds_code: dict[str, bool] = field(default_factory=dict)
    _files_at_root: frozenset[str] | None = None
    _real: Path | None = None
    _real_folders: dict[str, Path] = field(default_factory=dict)

    @property
    def files_at_root(self) -> frozenset[str]:
        """The files right at the root that a plain word in code may mean: those with a suffix."""
        if self._files_at_root is None:
            self._files_at_root = frozenset(
                each.name
                for each in self.root.iterdir()
                if each.suffix not in {"", ".py"} and each.is_file()
            )
        return self._files_at_root

    @property
    def roots(self) -> tuple[str, ...]:
        """Where top-level modules are: the root, and `src` where it is there."""
        return ("", "src") if (self.root / "src").is_dir() else ("",)

    def find(self, name: str) -> Module | None:
        """Return the module of this dotted name, or None where the checkout has none."""
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def submodules(self, package: Module) -> Iterator[Module]:
        """Yield every module below a package, at all depths, by name."""
        names: set[str] = set()
        for folder in package.folders:
            for path in (self.root / folder).iterdir():
                if path.name in NEVER or path.name == "__init__.py":
                    continue
                if path.is_dir() and path.name.isidentifier() and self._has_code(path):
                    names.add(path.name)
                elif path.suffix == ".py" and path.stem.isidentifier():
                    names.add(path.stem)
        for name in sorted(names):
            module = self.find(f"{package.name}.{name}")
            if module is not None:
                yield module
                if module.is_package:
                    yield from self.submodules(module)

    def tops(self) -> list[str]:
        """Return the names of all top-level modules and packages, sorted."""
        names: set[str] = set()
        for root in self.roots:
            for path in (self.root / root).iterdir():
                stem = path.name.removesuffix(".py")
                if stem.isidentifier() and self.find(stem) is not None:
                    names.add(stem)
        return sorted(names)

    def file(self, path: str) -> str | None:
        """Return `path` (from the root) in its plain form if it is a file or folder inside.

        Raises:
            UnsafePath: it is one, but outside, or reached by a link that leaves the checkout.
        """
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
            above = self._real_folders[folder] = (self.root / folder).resolve()
        real = above / name
        if real.is_symlink() or name in {"", ".", ".."}:
            real = real.resolve()
        if not real.is_relative_to(self._real_root):
            raise UnsafePath(path, f"a link leads out of the checkout, to {real}")

    @property
    def _real_root(self) -> Path:
        if self._real is None:
            self._real = self.root.resolve()
        return self._real

    def _search(self, name: str) -> Module | None:
        parent, _, last = name.rpartition(".")
        if not last.isidentifier():
            return None
        if not parent:
            return self._search_top(name)
        above = self.find(parent)
        if above is None:
            return None
        return self._regular(name, above.folders) or self._namespace(name, above.folders)

    def _search_top(self, name: str) -> Module | None:
        found = self._regular(name, ("",))
        if found is None and name in STDLIB:
            return None
        return found or self._regular(name, self.roots[1:]) or self._namespace(name, self.roots)

    def _regular(self, name: str, folders: tuple[str, ...]) -> Module | None:
        last = name.rpartition(".")[2]
        for folder in folders:
            below = f"{folder}/{last}" if folder else last
            package = f"{below}/__init__.py"
            if (self.root / package).is_file():
                return Module(name, package, (below,))
            if (self.root / f"{below}.py").is_file():
                return Module(name, f"{below}.py")
            for built in sorted((self.root / folder).glob(f"{last}.*so")):
                if built.name.endswith(_EXTENSIONS):
                    return Module(name, f"{folder}/{built.name}" if folder else built.name)
        return None

    def _namespace(self, name: str, folders: tuple[str, ...]) -> Module | None:
        last = name.rpartition(".")[2]
        found = tuple(
            f"{folder}/{last}" if folder else last
            for folder in folders
            if last not in NEVER and self._has_code(self.root / folder / last)
        )
        return Module(name, None, found) if found else None

    def _has_code(self, folder: Path) -> bool:
        """Whether there is a module in it at any depth: else it is no package, but data."""
        key = str(folder)
        if key not in self._holds_code:
            self._holds_code[key] = folder.is_dir() and any(
                each.suffix in {".py", ".so"}
                or (
                    each.is_dir()
                    and each.name.isidentifier()
                    and not each.is_symlink()
                    and self._has_code(each)
                )
                for each in folder.iterdir()
                if each.name not in NEVER
            )
        return self._holds_code[key]


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
