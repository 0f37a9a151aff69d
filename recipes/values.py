"""Which texts and paths an expression may have, as far as can be said without running it.

It knows constants, concatenations, f-strings, names that are bound to such (in the function or the
module), loops over literal lists, entries of literal dicts, `x.split(":")[0]`, and paths that are
built by os.path or pathlib from `__file__`, from the working directory (the checkout's root), or
from the name of a package (`importlib.resources`, `pkgutil`). What it can't know it says so: a
value is *complete*, or the known beginning of one.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from recipes.modules import Checkout, Module, normalise
from recipes.syntax import name_of

_MOST = 400
_DEEPEST = 40
_SAME: Final = {
    "abspath", "realpath", "normpath", "expanduser", "fspath", "str", "Path", "PurePath",
    "PosixPath", "resolve", "absolute", "as_posix", "strip", "__str__",
}  # fmt: skip
_CUTS: Final = {"split", "rsplit", "partition", "rpartition"}
_WALKS: Final = {"walk_packages", "iter_modules"}
_OS: Final = {"pardir": "..", "curdir": ".", "sep": "/"}
RESOURCES: Final = {
    "get_data", "open_text", "read_text", "open_binary", "read_binary", "path",
    "resource_filename", "resource_string", "resource_stream",
}  # fmt: skip
"""Functions that are asked for a file by a package and its name in there."""


UNDERSTOOD: Final = frozenset(
    {
        "dirname", "get", "format", "getcwd", "cwd", "files", "join", "joinpath", "Path",
        "PurePath", "with_name", *_SAME, *RESOURCES,
    }
)  # fmt: skip
"""Functions whose value may be known: no other call needs a look."""


@dataclass(frozen=True, slots=True)
class Value:
    """A text, or (`is_place`) a path from the checkout's root, built from a known place in it."""

    text: str
    complete: bool = True
    is_place: bool = False


UNKNOWN: Final = frozenset({Value("", complete=False)})
Values = frozenset[Value]


@dataclass(slots=True)
class Scope:
    """What names are bound to: in a module, in a class, or in a function in them.

    Who reads the code says so, `bind` by `bind`, and asks for values when all of it is read.

    `imported` are the modules of the checkout that names stand for. `known` are the values of names
    that were asked for: each is worked out once, and within that (`text = text.strip()`) it is
    unknown, or long functions would take for ever.
    """

    module: Module
    checkout: Checkout
    parent: "Scope | None" = None
    imported: dict[str, str] = field(default_factory=dict)
    known: dict[str, "Values"] = field(default_factory=dict)
    bound: dict[str, list[ast.expr | None]] = field(default_factory=dict)

    def inside(self, arguments: Iterable[str] = ()) -> "Scope":
        """Return the scope of a function (or a class) in this one.

        `arguments` are names of its own, whose values are unknown.
        """
        scope = Scope(self.module, self.checkout, self, self.imported)
        scope.leave_open(arguments)
        return scope

    def bind(self, target: ast.expr, value: ast.expr) -> None:
        """Have a name, or each of several (`a, b = ...`), stand for a value too."""
        if isinstance(target, ast.Name):
            self.bound.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            for place, each in enumerate(target.elts):
                index = ast.Subscript(value, ast.Constant(place), ast.Load())
                self.bind(each, index)

    def bind_each(self, target: ast.expr, iterated: ast.expr) -> None:
        """Have a name, or each of several, stand for what is in a literal, a value after another.

        It may be one that a name is bound to: once that is known, when it is asked for.
        """
        self.bind(target, ast.Starred(iterated, ast.Load()))

    def leave_open(self, names: Iterable[str]) -> None:
        """Have names stand for what can't be known."""
        for name in names:
            self.bound.setdefault(name, []).append(None)

    def lookup(self, name: str) -> "tuple[Scope, list[ast.expr | None]] | None":
        """Return where a name is bound and to what, or None."""
        if name in self.bound:
            return self, self.bound[name]
        return self.parent.lookup(name) if self.parent else None

    def values(self, node: ast.expr | None, depth: int = 0) -> Values:
        """Return what an expression may be; never empty."""
        if node is None or depth > _DEEPEST:
            return UNKNOWN
        found = frozenset(self._evaluate(node, depth + 1))
        return found if 0 < len(found) <= _MOST else UNKNOWN

    def _evaluate(  # noqa: C901, PLR0911, PLR0912 - one case a kind of expression
        self, node: ast.expr, depth: int
    ) -> Iterable[Value]:
        match node:
            case ast.Constant(value=str() as text):
                return [Value(text)]
            case ast.Name(id=name):
                return self._name(name, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _added(self.values(left, depth), self.values(right, depth))
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return _joined([self.values(left, depth), self.values(right, depth)])
            case ast.BinOp(left=left, op=ast.Mod()):
                return [_until(value, "%") for value in self.values(left, depth)]
            case ast.JoinedStr(values=parts):
                return self._f_string(parts, depth)
            case ast.IfExp(body=body, orelse=orelse):
                return self.values(body, depth) | self.values(orelse, depth)
            case ast.BoolOp(values=options):
                return [value for each in options for value in self.values(each, depth)]
            case ast.Attribute(value=ast.Name(), attr=("pardir" | "curdir" | "sep") as name):
                return [Value(_OS[name])]
            case ast.Starred(value=iterated):
                return self._each(iterated, depth)
            case ast.Attribute(value=ast.Name(id=name), attr="name") if (
                once := self.bound_once(name)
            ) and isinstance(once[1], ast.Starred):
                return once[0]._found(once[1].value, depth)  # noqa: SLF001 - one of us
            case ast.Attribute(value=inner, attr="parent"):
                return [_above(value) for value in self.values(inner, depth)]
            case ast.Subscript(value=inner, slice=index):
                return self._subscript(inner, index, depth)
            case ast.Call():
                return self._call(node, depth)
            case _:
                return UNKNOWN

    def _name(self, name: str, depth: int) -> Iterable[Value]:
        known = {
            "__file__": Value(self.module.path or "", is_place=True),
            "__name__": Value(self.module.name),
            "__package__": Value(self.module.package),
        }
        if name in known:
            return [known[name]]
        found = self.lookup(name)
        if found is None:
            return [Value(_OS[name])] if name in _OS else UNKNOWN
        scope, bound = found
        if name not in scope.known:
            scope.known[name] = UNKNOWN
            values = frozenset(value for each in bound for value in scope.values(each, depth))
            scope.known[name] = values if 0 < len(values) <= _MOST else UNKNOWN
        return scope.known[name]

    def _f_string(self, parts: list[ast.expr], depth: int) -> Iterable[Value]:
        made: Values = frozenset({Value("")})
        for part in parts:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            plain = not isinstance(part, ast.FormattedValue) or part.format_spec is None
            made = frozenset(_added(made, self.values(inner, depth) if plain else UNKNOWN))
        return made

    def _each(self, iterated: ast.expr, depth: int) -> Iterable[Value]:
        """Return what a loop's variable may be."""
        elements = self.elements(iterated, depth)
        if elements is None:
            return UNKNOWN
        return [value for each in elements for value in self.values(each, depth)]

    def _found(self, walked: ast.expr, depth: int) -> Iterable[Value]:
        """Return the names that `pkgutil.walk_packages(path, prefix)` finds: they begin so."""
        if not isinstance(walked, ast.Call) or name_of(walked.func) not in _WALKS:
            return UNKNOWN
        named = [each.value for each in walked.keywords if each.arg == "prefix"]
        prefix = next(iter([*walked.args[1:2], *named]), None)
        return [replace(value, complete=False) for value in self.values(prefix, depth)]

    def elements(  # noqa: PLR0911 - one case a kind of expression
        self, node: ast.expr, depth: int
    ) -> list[ast.expr] | None:
        """Return the elements of a literal, or of what a name stands for; None where unknown."""
        if depth > _DEEPEST:
            return None
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return None if any(isinstance(each, ast.Starred) for each in elements) else elements
            case ast.Call(
                func=ast.Name(id="sorted" | "list" | "tuple" | "set" | "reversed" | "iter"),
                args=[inner, *_],
            ):
                return self.elements(inner, depth + 1)
            case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]):
                found = self.elements(inner, depth + 1)
                return found and [
                    ast.Tuple([ast.Constant(at), each], ast.Load()) for at, each in enumerate(found)
                ]
            case ast.Dict(keys=keys):
                return None if None in keys else [key for key in keys if key is not None]
            case ast.Call(
                func=ast.Attribute(value=inner, attr=("keys" | "values" | "items") as which),
                args=[],
            ):
                table = self.literal(inner, depth + 1)
                return _parts_of(table, which) if isinstance(table, ast.Dict) else None
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                first, rest = self.elements(left, depth + 1), self.elements(right, depth + 1)
                return None if first is None or rest is None else [*first, *rest]
            case ast.Name():
                found_at = self.bound_once(node.id)
                return found_at and found_at[0].elements(found_at[1], depth + 1)
            case _:
                return None

    def literal(self, node: ast.expr, depth: int) -> ast.expr | None:
        """Return an expression, or what the name that it is stands for; None where unknown."""
        if not isinstance(node, ast.Name):
            return node
        found = self.bound_once(node.id) if depth <= _DEEPEST else None
        return found and found[0].literal(found[1], depth + 1)

    def bound_once(self, name: str) -> "tuple[Scope, ast.expr] | None":
        """Return what a name is bound to, and where, if there is one such thing and it is known."""
        found = self.lookup(name)
        if found is None or len(found[1]) != 1 or found[1][0] is None:
            return None
        return found[0], found[1][0]

    def _subscript(self, inner: ast.expr, index: ast.expr, depth: int) -> Iterable[Value]:
        at = _constant(index)
        match inner:
            case ast.Starred(value=iterated):  # `for a, b in ...`: the part of each
                elements = self.elements(iterated, depth)
                if elements is None:
                    return self._found(iterated, depth) if at == 1 else UNKNOWN
                return [
                    value for each in elements for value in self._subscript(each, index, depth + 1)
                ]
            case ast.Attribute(value=place, attr="parents") if isinstance(at, int):
                found = self.values(place, depth)
                for _ in range(at + 1):
                    found = frozenset(_above(value) for value in found)
                return found
            case ast.Call(func=ast.Attribute(value=text, attr=cut), args=args) if cut in _CUTS:
                return [
                    piece
                    for value in self.values(text, depth)
                    for piece in _cut(value, cut, args, at)
                ]
        entries = self.entries(inner, index, depth)
        return UNKNOWN if entries is None else entries

    def entries(self, inner: ast.expr, index: ast.expr | None, depth: int) -> list[Value] | None:
        """Return what a literal dict, list or tuple may give for an index."""
        if isinstance(inner, ast.Name):
            found = self.bound_once(inner.id)
            if found is None or depth > _DEEPEST:
                return None
            return found[0].entries(found[1], index, depth + 1)
        at = _constant(index)
        if isinstance(inner, ast.Dict):
            options = [
                value
                for key, value in zip(inner.keys, inner.values, strict=True)
                if at is None or not isinstance(key, ast.Constant) or key.value == at
            ]
        elif isinstance(inner, ast.List | ast.Tuple):
            exact = isinstance(at, int) and -len(inner.elts) <= at < len(inner.elts)
            options = [inner.elts[at]] if exact and isinstance(at, int) else inner.elts
        else:
            return None
        return [value for each in options for value in self.values(each, depth)]

    def _call(  # noqa: C901, PLR0911 - one case a function that is understood
        self, node: ast.Call, depth: int
    ) -> Iterable[Value]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Name):
            name = node.func.id
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
        first = node.args[0] if node.args else receiver
        if name == "dirname" and node.args:
            return [_above(value) for value in self.values(first, depth)]
        if name == "get" and receiver is not None and node.args:
            entries = self.entries(receiver, node.args[0], depth)
            default = self.values(node.args[1], depth) if node.args[1:] else frozenset()
            return UNKNOWN if entries is None else [*entries, *default]
        if name == "format" and receiver is not None:
            return [_until(value, "{") for value in self.values(receiver, depth)]
        if name in {"getcwd", "cwd"} and not node.args:
            return [Value("", is_place=True)]
        if name == "files" and node.args:
            return self._package_folder(node.args[0], depth)
        if name in RESOURCES and len(node.args) > 1:
            folder = frozenset(self._package_folder(node.args[0], depth))
            return _joined([folder, self.values(node.args[1], depth)])
        if name in {"join", "joinpath", "Path", "PurePath"} and (node.args or receiver):
            parts = [self.values(each, depth) for each in node.args]
            if name == "joinpath":
                parts.insert(0, self.values(receiver, depth))
            if name == "join" and isinstance(receiver, ast.Constant):
                return UNKNOWN
            return _joined(parts)
        if name == "with_name" and node.args:
            above = frozenset(_above(value) for value in self.values(receiver, depth))
            return _joined([above, self.values(node.args[0], depth)])
        if name in _SAME and first is not None:
            return self.values(first, depth)
        return UNKNOWN

    def _package_folder(self, named: ast.expr, depth: int) -> Iterable[Value]:
        """Return the folder of a package of the checkout, by its name or as it was imported."""
        if isinstance(named, ast.Name | ast.Attribute) and (known := dotted_of(named)):
            first, _, rest = known.partition(".")
            if first in self.imported:
                known = ".".join(filter(None, [self.imported[first], rest]))
                return self._folder_of(known)
        found = [self._folder_of(each.text) for each in self.values(named, depth) if each.complete]
        return [value for each in found for value in each] or UNKNOWN

    def _folder_of(self, name: str) -> Iterable[Value]:
        module = self.module if name == self.module.name else self.checkout.find(name)
        if module is None:
            return UNKNOWN
        if module.path is None:
            return [Value(each, is_place=True) for each in module.folders]
        return [_above(Value(module.path, is_place=True))]


def dotted_of(node: ast.expr) -> str:
    """Return `a.b.c` of a name and its attributes; nothing of anything else."""
    if isinstance(node, ast.Attribute):
        inner = dotted_of(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _constant(node: ast.expr | None) -> object:
    """Return what a literal index says (`-1` is an operator and a constant), or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _constant(node.operand)
        return -inner if isinstance(inner, int) else None
    return node.value if isinstance(node, ast.Constant) else None


def _parts_of(table: ast.Dict, which: str) -> list[ast.expr] | None:
    """Return the keys, values or items of a literal dict; None where another is unpacked in it."""
    keys = [each for each in table.keys if each is not None]
    if len(keys) != len(table.keys):
        return None
    if which == "items":
        pairs = zip(keys, table.values, strict=True)
        return [ast.Tuple([key, value], ast.Load()) for key, value in pairs]
    return keys if which == "keys" else table.values


def _added(left: Values, right: Values) -> Iterator[Value]:
    for first in left:
        if not first.complete:
            yield first
            continue
        for second in right:
            if second.is_place and not first.text:
                yield second
            else:
                text = first.text + second.text
                plain = normalise(text) if first.is_place else text
                yield (
                    replace(first, text=plain, complete=second.complete)
                    if plain is not None
                    else Value("", complete=False)
                )


def _joined(parts: list[Values]) -> Iterable[Value]:
    made = parts[0] if parts else UNKNOWN
    for part in parts[1:]:
        joined: set[Value] = set()
        for left in made:
            for right in part:
                joined.add(_with(left, right))
        made = frozenset(joined)
        if len(made) > _MOST:
            return UNKNOWN
    return made


def _with(left: Value, right: Value) -> Value:
    if right.is_place:
        return right
    if not left.complete:
        return left
    if right.text.startswith("/"):
        return Value(right.text, right.complete)
    text = f"{left.text}/{right.text}" if left.text else right.text
    if not left.is_place:
        return Value(text, right.complete)
    plain = normalise(text)
    if plain is None:
        return Value("", complete=False)
    return Value(plain, right.complete, is_place=True)


def _above(value: Value) -> Value:
    if not value.complete or (value.is_place and not value.text):
        return Value("", complete=False)
    return replace(value, text=value.text.rpartition("/")[0])


def _until(value: Value, mark: str) -> Value:
    before, found, _ = value.text.partition(mark)
    return replace(value, text=before, complete=value.complete and not found)


def _cut(value: Value, cut: str, args: list[ast.expr], at: object) -> Iterator[Value]:
    plain = [each.value for each in args if isinstance(each, ast.Constant)]
    if not value.complete or len(plain) != len(args) or not isinstance(at, int):
        yield Value("", complete=False)
        return
    try:
        yield Value(getattr(value.text, cut)(*plain)[at])
    except (TypeError, ValueError, IndexError):
        yield Value("", complete=False)
