"""What one module asks for: modules, files, and what can't be said of either.

It is parsed, and read once, in order; what it asks for is said as data, and `recipes.closure` finds
it. What has to be computed (the paths of files, names of modules) is kept until all of the module
is read, since a name may be bound further down.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from recipes.modules import Checkout, Module, Source
from recipes.syntax import (
    BARE,
    BELOW,
    IMPORT_ERRORS,
    catches_import_error,
    gives_up,
    is_main,
    is_step_module,
    is_writing,
    known_test,
    name_of,
    narrowed,
)
from recipes.values import RESOURCES, UNDERSTOOD, Scope, dotted_of


@dataclass(frozen=True, slots=True)
class Import:
    """Code that imports `name` at `place` (file:line), in the Pythons 3.`minors` alone.

    `members` are what it takes from it (`from name import member`), `*` for what is public;
    `is_optional` where it goes on without; `is_listed` where only members that are modules count;
    `is_guess` where it is one of several names, in a `try`.
    """

    name: str
    place: str
    is_optional: bool
    minors: tuple[int, ...]
    members: tuple[str, ...] = ()
    is_listed: bool = False
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class ImportPrefix:
    """Code that imports a name of which only the beginning is known."""

    prefix: str
    place: str
    is_optional: bool


@dataclass(frozen=True, slots=True)
class ImportUnknown:
    """Code that imports a name that can't be computed; `of_step` where it is a step's module."""

    place: str
    of_step: bool


@dataclass(frozen=True, slots=True)
class ImportAbove:
    """A relative import (`name`, with its dots) that leads above the topmost package."""

    name: str
    place: str


@dataclass(frozen=True, slots=True)
class File:
    """Code that names a file by a path from the root: in one text, or (`is_built`) computed."""

    path: str
    place: str
    is_built: bool


@dataclass(frozen=True, slots=True)
class FilesBelow:
    """Code that names a file below a folder, by a path that can't be computed to its end."""

    folder: str
    place: str


@dataclass(frozen=True, slots=True)
class Installed:
    """Code that asks what is written down of an installed distribution, such as its version."""

    name: str
    place: str


Ask = Import | ImportPrefix | ImportUnknown | ImportAbove | File | FilesBelow | Installed


def read_module(module: Module, source: Source, checkout: Checkout, *, is_run: bool) -> list[Ask]:
    """Return what a module asks for; `is_run` where it is run as a program (`__main__`)."""
    reader = _Reader(module, source, checkout, is_run=is_run)
    return reader.read()


_JOINS = {"join", "joinpath", "with_name"}
_PATHS = {"join", "joinpath", "Path", "PurePath", "PosixPath"}
_PLACES = (b"__file__", b"cwd(", b"getcwd(", b"resources", b"get_data", b"files(")
_WRITES = {"write_text", "write_bytes", "mkdir", "touch", "unlink", "rmdir", "makedirs"}
_MAKES = {"mkdir", "makedirs", "unlink", "rmdir", "rmtree"}
_IMPORTERS = {"import_module", "__import__"}
_VERSIONS = (b"version_info", b"hexversion")
_FLAG = re.compile(rb"(?i)py_?(?:thon)?_?[23]")  # IS_PY3, PYTHON2, PY_3_14_PLUS
_DEEPEST_FLAG = 8
_REGISTERS = (b"importlib.metadata", b"importlib_metadata", b"pkg_resources", b"import metadata")
_REGISTER_MODULES = {"importlib.metadata", "importlib_metadata", "pkg_resources"}
_OF_INSTALLED = {"version", "metadata", "distribution", "requires", "files", "get_distribution"}
_TELLING = (b"import_module", b"__import__")


_Visit = Callable[["_Reader", Any], None]


@dataclass(frozen=True, slots=True)
class _Where:
    """How a piece of code is reached: is it tried, and in which Pythons."""

    is_optional: bool
    is_caught: bool
    minors: tuple[int, ...]


class _Reader:
    """Goes through a module's tree once, by a table of methods, past what has nothing below it."""

    def __init__(self, module: Module, source: Source, checkout: Checkout, *, is_run: bool) -> None:
        self._module = module
        self._source = source
        self._checkout = checkout
        self._is_run = is_run
        self._asks: list[Ask] = []
        self._optional = 0
        self._caught = 0
        self._functions = 0
        self._minors = checkout.minors
        self._scope = Scope(module, checkout)
        self._importers: dict[str, str] = {"__import__": "__import__"}
        self._written: set[int] = set()
        self._parts: set[int] = set()  # of paths that are looked at as a whole
        self._looks: list[tuple[Scope, ast.BinOp | ast.Call, bool]] = []
        self._by_name: list[tuple[Scope, ast.Call, _Where]] = []
        self._asks_of_installed = any(each in source.text for each in _REGISTERS)
        self._installed: list[tuple[Scope, ast.Call]] = []
        self._looks_for_data = any(each in source.text for each in _PLACES)
        self._folder = source.path.rpartition("/")[0]
        # a module that looks beside itself may join the name elsewhere
        self._beside = checkout.data_in(self._folder) if b"__file__" in source.text else ()
        self._imports_by_name = any(each in source.text for each in _TELLING)
        self._looks_at_version = (
            any(each in source.text for each in _VERSIONS) or _FLAG.search(source.text) is not None
        )

    def read(self) -> list[Ask]:
        self._below(self._source.tree)
        for scope, call, where in self._by_name:
            if (importer := self._importer_of(call)) is not None:
                self._asks += self._import_by_name(scope, call, importer, where)
        for scope, node, makes_path in self._looks:
            self._asks += self._look(scope, node, makes_path=makes_path)
        for scope, call in self._installed:
            self._asks += self._ask_of_installed(scope, call)
        return self._asks

    def visit(self, node: ast.AST) -> None:
        """Read a node, and what is below it."""
        method = self._methods[type(node)]
        if method is not None:
            method(self, node)

    def _below(self, node: ast.AST) -> None:
        """Read what is below a node, in order."""
        for member in BELOW[type(node)]:
            value: Any = getattr(node, member, None)
            kind = type(value)
            if kind is list:
                for each in value:
                    method = self._methods.get(type(each))
                    if method is not None:
                        method(self, each)
            else:
                method = self._methods.get(kind)
                if method is not None:
                    method(self, value)

    def _visit_all(self, body: Iterable[ast.AST], *, is_optional: bool = False) -> None:
        self._optional += is_optional
        for node in body:
            self.visit(node)
        self._optional -= is_optional

    def _place(self, node: ast.stmt | ast.expr) -> str:
        return f"{self._source.path}:{node.lineno}"

    # --- imports ---

    def _import(self, node: ast.Import) -> None:
        for each in node.names:
            self._ask(each.name, self._place(node))
            first = each.name.partition(".")[0]
            self._scope.imported[each.asname or first] = each.name if each.asname else first

    def _import_from(self, node: ast.ImportFrom) -> None:
        place = self._place(node)
        base = self._absolute(node.module or "", node.level, place)
        if base is None:
            return
        self._ask(base, place, tuple(each.name for each in node.names))
        for each in node.names:
            self._scope.imported[each.asname or each.name] = f"{base}.{each.name}"
            if base == "importlib" and each.name in _IMPORTERS:
                self._importers[each.asname or each.name] = each.name

    def _ask(self, name: str, place: str, members: tuple[str, ...] = ()) -> None:
        self._asks.append(Import(name, place, self._optional > 0, self._minors, members))

    def _absolute(self, name: str, level: int, place: str) -> str | None:
        """Return what a relative name stands for; None where it leads above the top."""
        if not level:
            return name
        parts = self._module.package.split(".") if self._module.package else []
        if level > len(parts):
            self._asks.append(ImportAbove("." * level + name, place))
            return None
        above = parts[: len(parts) - level + 1]
        return ".".join([*above, name] if name else above)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        catching = [each for each in node.handlers if catches_import_error(each)]
        is_optional = bool(catching) and not any(gives_up(each) for each in catching)
        self._caught += bool(catching)
        self._visit_all(node.body, is_optional=is_optional)
        self._caught -= bool(catching)
        for handler in node.handlers:
            self._visit_all(handler.body, is_optional=handler in catching)
        self._visit_all(node.orelse, is_optional=is_optional)
        self._visit_all(node.finalbody)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._below(item)
        suppresses = any(
            isinstance(item.context_expr, ast.Call)
            and name_of(item.context_expr.func) == "suppress"
            and any(name_of(each) in IMPORT_ERRORS for each in item.context_expr.args)
            for item in node.items
        )
        self._visit_all(node.body, is_optional=suppresses)

    # --- tests, and what hangs on them ---

    def _if(self, node: ast.If | ast.IfExp | ast.While) -> None:
        known = self._is_run if is_main(node.test) else self._known(node.test)
        self.visit(node.test)
        minors = self._minors
        for branch, when in ((node.body, True), (node.orelse, False)):
            if known is (not when):
                continue
            self._narrow(node.test, to=when)
            self._visit_all(branch if isinstance(branch, list) else [branch])
            self._minors = minors

    def _and_or(self, node: ast.BoolOp) -> None:
        """Read the operands, up to the one behind which none is looked at."""
        minors, goes_on = self._minors, isinstance(node.op, ast.And)
        for each in node.values:
            self.visit(each)
            if self._known(each) is (not goes_on):
                break
            self._narrow(each, to=goes_on)
        self._minors = minors

    def _known(self, test: ast.expr) -> bool | None:
        if not self._looks_at_version:
            return known_test(test, ())
        return known_test(self._plain(test), self._minors)

    def _narrow(self, test: ast.expr, *, to: bool) -> None:
        """Leave the Pythons in which a test may come out so."""
        if self._looks_at_version:
            self._minors = narrowed(self._plain(test), self._minors, to=to)

    def _plain(self, test: ast.expr, depth: int = 0) -> ast.expr:
        """Return a test with what its names stand for, such as `IS_PY3 = sys.version_info[0] > 2`.

        A name that is bound once may be the module's own, or another's that it is imported from.
        """
        match test:
            case ast.Name() | ast.Attribute(value=ast.Name()) if depth < _DEEPEST_FLAG:
                meant = self._flag(test)
                return test if meant is None else self._plain(meant, depth + 1)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return ast.UnaryOp(ast.Not(), self._plain(inner, depth))
            case ast.BoolOp(op=how, values=operands):
                return ast.BoolOp(how, [self._plain(each, depth) for each in operands])
            case _:
                return test

    def _flag(self, test: ast.Name | ast.Attribute) -> ast.expr | None:
        if isinstance(test, ast.Name):
            bound = self._scope.bound_once(test.id)
            if bound is not None:
                return bound[1]
        full = self._full_name(test)
        if full is None or _FLAG.search(full.rpartition(".")[2].encode()) is None:
            return None
        return self._checkout.bound_in(*full.rpartition(".")[::2])

    def _full_name(self, test: ast.Name | ast.Attribute) -> str | None:
        """Return what a name is imported as, with the module before it."""
        if isinstance(test, ast.Name):
            return self._scope.imported.get(test.id)
        above = (
            self._scope.imported.get(test.value.id) if isinstance(test.value, ast.Name) else None
        )
        return above and f"{above}.{test.attr}"

    # --- names ---

    def _defined(self, node: ast.FunctionDef) -> None:
        """Read a function; a module's own `__getattr__` is asked for what `__all__` names."""
        over: list[ast.expr] = []
        if node.name == "__getattr__" and not self._functions:
            bound = self._scope.bound_once("__all__")
            over = [] if bound is None or not any(_texts_in(bound[1])) else [bound[1]]
        self._function(node, over)

    def _function(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        over: Sequence[ast.expr] = (),
    ) -> None:
        """Read a function; `over` are what `map` calls it with, one after the other."""
        arguments = node.args
        self._visit_all([*getattr(node, "decorator_list", ()), *arguments.defaults])
        self._visit_all(each for each in arguments.kw_defaults if each is not None)
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        rest = [each for each in (arguments.vararg, arguments.kwarg) if each]
        noted = [each.annotation for each in [*names, *rest]]
        self._visit_all(each for each in [*noted, getattr(node, "returns", None)] if each)
        if self._imports_by_name:
            given = [*reversed(arguments.defaults)]
            for each, default in zip(reversed(arguments.args), given, strict=False):
                self._note_alias(each.arg, default)
        outer = self._scope
        given_by_map = [ast.Name(each.arg) for each, _ in zip(names, over, strict=False)]
        self._scope = outer.inside([each.arg for each in [*names[len(given_by_map) :], *rest]])
        for name, iterated in zip(given_by_map, over, strict=False):
            self._scope.bind_each(name, iterated)
        self._functions += 1
        self._visit_all(node.body if isinstance(node.body, list) else [node.body])
        self._functions -= 1
        self._scope = outer

    def _class(self, node: ast.ClassDef) -> None:
        self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
        outer, around = self._scope, self._functions
        self._scope, self._functions = outer.inside(), 0
        self._visit_all(node.body)
        self._scope, self._functions = outer, around

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._scope.bind(target, node.value)
            if self._imports_by_name:
                self._note_alias(name_of(target), node.value)
        self._below(node)

    def _note_alias(self, name: str, value: ast.expr) -> None:
        """Remember `load = importlib.import_module`, and `self.load = ...`."""
        importer = name_of(value)
        importer = self._importers.get(importer, importer)
        if name and importer in _IMPORTERS:
            self._importers[name] = importer

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._scope.bind(node.target, node.value)
            self.visit(node.value)
        if not self._functions:  # a local's is never evaluated
            self.visit(node.annotation)

    def _augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._scope.leave_open([node.target.id])
        self._below(node)

    def _named(self, node: ast.NamedExpr) -> None:
        self._scope.bind(node.target, node.value)
        self._below(node)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        self._scope.bind_each(node.target, node.iter)
        self._below(node)

    # --- imports by name, and data ---

    def _call(self, node: ast.Call) -> None:
        name = name_of(node.func)
        if self._imports_by_name and (node.args or node.keywords):
            where = _Where(self._optional > 0, self._caught > 0, self._minors)
            self._by_name.append((self._scope, node, where))
        if self._asks_of_installed and node.args:
            self._installed.append((self._scope, node))
        if name == "map" and len(node.args) > 1:
            self._map(node)
            return
        if name == "open" and is_writing(node):
            self._written.update(id(each) for each in ast.walk(node))
        elif name in _WRITES and isinstance(node.func, ast.Attribute):
            self._written.update(id(each) for each in ast.walk(node.func.value))
        if name in _MAKES:
            self._written.update(id(below) for each in node.args for below in ast.walk(each))
        makes_path = name in _PATHS
        if (makes_path or self._looks_for_data) and name in UNDERSTOOD:
            self._keep_look(node, makes_path=makes_path)
        self._below(node)

    def _map(self, node: ast.Call) -> None:
        """Read `map(function, iterated)`: a call for each of what is iterated."""
        function, *over = node.args
        if isinstance(function, ast.Lambda):
            self._function(function, over)
            self._visit_all(over)
        else:
            each = [ast.Starred(iterated, ast.Load()) for iterated in over]
            self._call(ast.copy_location(ast.Call(function, [*each], []), node))

    def _operator(self, node: ast.BinOp) -> None:
        if type(node.op) in _JOINING:
            self._keep_look(node, makes_path=True)
        self._below(node)

    def _keep_look(self, node: ast.BinOp | ast.Call, *, makes_path: bool) -> None:
        if id(node) not in self._written:
            self._looks.append((self._scope, node, makes_path))
        if makes_path and self._beside:
            inside = node.args if isinstance(node, ast.Call) else (node.left, node.right)
            self._parts.update(map(id, inside))

    def _constant(self, node: ast.Constant) -> None:
        text = node.value
        if type(text) is not str or id(node) in self._written:
            return
        if "/" not in text and text not in self._checkout.files_at_root:
            if text in self._beside and id(node) not in self._parts:
                path = f"{self._folder}/{text}" if self._folder else text
                self._asks.append(File(path, self._place(node), is_built=True))
            return
        if "\n" in text or text.startswith(("/", "..")) or text.endswith(("/", ".py")):
            return
        self._asks.append(File(text, self._place(node), is_built=False))

    def _look(self, scope: Scope, node: ast.BinOp | ast.Call, *, makes_path: bool) -> Iterator[Ask]:
        """Yield the files that an expression names: beside the module, or from the root."""
        name = name_of(node.func) if isinstance(node, ast.Call) else ""
        joins = isinstance(node, ast.BinOp) or name in _JOINS or name in RESOURCES
        for value in scope.values(node):
            if value.text == self._source.path or not (makes_path or value.is_place):
                continue
            if value.complete:
                yield File(value.text, self._place(node), is_built=True)
            elif not value.text and self._is_run:
                continue  # the runner's --recipe, below the working directory
            elif value.is_place and joins:
                yield FilesBelow(value.text, self._place(node))

    def _ask_of_installed(self, scope: Scope, node: ast.Call) -> Iterator[Ask]:
        """Yield the distributions that `importlib.metadata` and its like are asked for."""
        first, _, rest = dotted_of(node.func).partition(".")
        called = ".".join(filter(None, [scope.imported.get(first, first), rest]))
        module, _, function = called.rpartition(".")
        if module in _REGISTER_MODULES and function in _OF_INSTALLED:
            for value in scope.values(node.args[0]):
                if value.complete:
                    yield Installed(value.text, self._place(node))

    def _importer_of(self, node: ast.Call) -> str | None:
        """Return which function that imports by name is called, if one is."""
        name = name_of(node.func)
        if isinstance(node.func, ast.Attribute) and name in _IMPORTERS:
            return name
        return self._importers.get(name)

    def _import_by_name(
        self, scope: Scope, node: ast.Call, importer: str, where: _Where
    ) -> Iterator[Ask]:
        place = self._place(node)
        given: dict[str | None, ast.expr] = {each.arg: each.value for each in node.keywords}
        given.update(zip(_SIGNATURES[importer], node.args, strict=False))
        named = given.get("name")
        if named is None:
            return
        values = sorted(scope.values(named), key=lambda each: each.text)
        is_optional = where.is_optional or len(values) > 1  # one of several: who knows which
        members = tuple(_texts_in(given.get("fromlist")))
        level = given.get("level")
        for value in values:
            text = value.text
            if text.startswith("."):
                text = self._from_package(scope, text, given.get("package"))
            elif isinstance(level, ast.Constant) and isinstance(level.value, int) and level.value:
                text = self._absolute(text, level.value, place) or ""
            if not text.strip("."):
                yield ImportUnknown(place, of_step=is_step_module(named))
            elif value.complete:
                is_guess = len(values) > 1 and where.is_caught
                yield Import(text, place, is_optional, where.minors, members, True, is_guess)  # noqa: FBT003
            else:
                yield ImportPrefix(text, place, where.is_optional)

    def _from_package(self, scope: Scope, text: str, package: ast.expr | None) -> str:
        level = len(text) - len(text.lstrip("."))
        inside = next(iter(scope.values(package)))
        base = inside.text if package is not None and inside.complete else self._module.package
        parts = base.split(".")
        above = parts[: len(parts) - level + 1]
        return ".".join([*above, text[level:]]) if above else ""

    _methods: ClassVar[dict[type, _Visit | None]] = {
        **dict.fromkeys(BELOW, _below),
        **dict.fromkeys(BARE),
        ast.Import: _import,
        ast.ImportFrom: _import_from,
        ast.Try: _try,
        ast.TryStar: _try,
        ast.With: _with,
        ast.AsyncWith: _with,
        ast.If: _if,
        ast.IfExp: _if,
        ast.While: _if,
        ast.BoolOp: _and_or,
        ast.FunctionDef: _defined,
        ast.AsyncFunctionDef: _function,
        ast.Lambda: _function,
        ast.ClassDef: _class,
        ast.Assign: _assign,
        ast.AnnAssign: _annotated,
        ast.AugAssign: _augmented,
        ast.NamedExpr: _named,
        ast.For: _loop,
        ast.AsyncFor: _loop,
        ast.comprehension: _loop,
        ast.Call: _call,
        ast.BinOp: _operator,
        ast.Constant: _constant,
    }


def _texts_in(listed: ast.expr | None) -> Iterator[str]:
    for each in ast.walk(listed) if listed is not None else ():
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


_SIGNATURES: Final = {
    "import_module": ("name", "package"),
    "__import__": ("name", "globals", "locals", "fromlist", "level"),
}
_JOINING: Final = frozenset({ast.Div, ast.Add})
