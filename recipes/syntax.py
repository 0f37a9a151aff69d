"""What a piece of syntax says by itself: tests that always come out one way, guarded imports.

All are pure, and look at one node of `ast`.
"""

import ast
import operator
import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any, Final

IMPORT_ERRORS: Final = frozenset(
    {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
)


def _kinds(*bases: type[ast.AST]) -> Iterator[type[ast.AST]]:
    for base in bases:
        yield base
        yield from _kinds(*base.__subclasses__())


BARE: Final = frozenset(
    _kinds(
        ast.Name, ast.alias, ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
        ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal, ast.type_ignore,
    )
)  # fmt: skip
"""The kinds of nodes that have no import, call or text below them."""

BELOW: Final = {
    kind: tuple(
        each
        for each in kind._fields
        if each not in {"ctx", "op", "ops", "name", "id", "attr", "type_comment", "kind", "level"}
    )
    for kind in _kinds(ast.AST)
}
"""The members of each kind of node that may hold others which aren't bare."""


def name_of(node: ast.expr) -> str:
    """Return the last part of a name or an attribute; nothing of anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def catches_import_error(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes a failed import."""
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(name_of(each) in IMPORT_ERRORS for each in types)


def gives_up(handler: ast.ExceptHandler) -> bool:
    """Whether a handler always raises or exits: then what it guards is needed after all."""
    return any(
        isinstance(each, ast.Raise)
        or (
            isinstance(each, ast.Expr)
            and isinstance(each.value, ast.Call)
            and name_of(each.value.func) in {"exit", "_exit", "abort"}
        )
        for each in handler.body
    )


def is_main(test: ast.expr) -> bool:
    """Whether a test is `__name__ == "__main__"`."""
    match test:
        case ast.Compare(
            left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value=name)]
        ):
            return bool(name == "__main__")
        case _:
            return False


def known_test(test: ast.expr, minors: Collection[int]) -> bool | None:
    """Return how a test comes out in every one of the Pythons 3.`minors`; None where it differs.

    Or where it can't be said: known are constants, `TYPE_CHECKING`, six's `PY2` and `PY3`, and what
    is compared with `sys.version_info` or `sys.hexversion`, in part or whole; and the system, which
    is Linux. No `minors` are for code that is known to look at neither version.
    """
    answers = set()
    for version in _releases(tuple(minors)) if minors else _ANY_RELEASE:
        value = _evaluate(test, version)
        if value is _UNKNOWN:
            return None
        answers.add(bool(value))
    return answers.pop() if len(answers) == 1 else None


def narrowed(test: ast.expr, minors: tuple[int, ...], *, to: bool) -> tuple[int, ...]:
    """Return those of the Pythons in which a test may come out as `to`."""
    return tuple(each for each in minors if known_test(test, (each,)) is not (not to))


_Version = tuple[int, int, int, str, int]
_UNKNOWN: Final = object()
_ANY_RELEASE: Final[tuple[_Version, ...]] = ((3, 11, 0, "final", 0),)
_MOST_MICRO = 30  # 3.9 came to 25


@cache
def _releases(minors: tuple[int, ...]) -> tuple[_Version, ...]:
    return tuple(
        (3, minor, micro, "final", 0) for minor in minors for micro in range(_MOST_MICRO + 1)
    )


_NAMES: Final = {"TYPE_CHECKING": False, "PY2": False, "PY3": True}
_PARTS: Final = ("major", "minor", "micro", "releaselevel", "serial")


def _evaluate(  # noqa: C901, PLR0911, PLR0912 - one case a kind of expression
    node: ast.expr, version: _Version
) -> Any:
    """Return what an expression is in a Python; `_UNKNOWN` where that can't be said."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _NAMES:
            return _NAMES[name]
        case ast.Name(id="version_info") | ast.Attribute(attr="version_info"):
            return version
        case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
            return "linux"  # as all that is packed is for
        case ast.Attribute(value=ast.Name(id="os"), attr="name"):
            return "posix"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="platform"), attr="system"), args=[]):
            return "Linux"
        case ast.Call(func=ast.Attribute(value=inner, attr="startswith"), args=[given]):
            text, begins = _evaluate(inner, version), _evaluate(given, version)
            return text.startswith(begins) if _are_texts(text, begins) else _UNKNOWN
        case ast.Name(id="hexversion") | ast.Attribute(attr="hexversion"):
            return version[0] << 24 | version[1] << 16 | version[2] << 8 | 0xF0
        case ast.Attribute(value=inner, attr=part) if part in _PARTS:
            found = _evaluate(inner, version)
            return found[_PARTS.index(part)] if found is version else _UNKNOWN
        case ast.Subscript(value=inner, slice=index):
            found = _evaluate(inner, version)
            is_known = found is version or isinstance(found, str)
            return found[at] if is_known and (at := _index(index)) is not None else _UNKNOWN
        case ast.Tuple(elts=elements):
            parts = [_evaluate(each, version) for each in elements]
            return _UNKNOWN if _UNKNOWN in parts else tuple(parts)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            found = _evaluate(inner, version)
            return _UNKNOWN if found is _UNKNOWN else not found
        case ast.BoolOp(op=how, values=operands):
            return _evaluate_all(operands, version, stops=isinstance(how, ast.Or))
        case ast.Compare(left=left, ops=ways, comparators=rest):
            return _compare([left, *rest], ways, version)
        case _:
            return _UNKNOWN


def _are_texts(text: Any, begins: Any) -> bool:
    among = begins if isinstance(begins, tuple) else (begins,)
    return isinstance(text, str) and all(isinstance(each, str) for each in among)


def _evaluate_all(operands: list[ast.expr], version: _Version, *, stops: bool) -> Any:
    """Return what `and` (`stops` at a falsehood) or `or` (at a truth) come to."""
    found: Any = _UNKNOWN
    is_known = True
    for each in operands:
        found = _evaluate(each, version)
        if found is _UNKNOWN:
            is_known = False
        elif bool(found) is stops:
            return found  # whatever those before are, as far as being true goes
    return found if is_known else _UNKNOWN


def _compare(operands: list[ast.expr], ways: list[ast.cmpop], version: _Version) -> Any:
    values = [_evaluate(each, version) for each in operands]
    if any(each is _UNKNOWN for each in values):
        return _UNKNOWN
    for left, how, right in zip(values, ways, values[1:], strict=False):
        compare = _COMPARE.get(type(how))
        try:
            if compare is None:
                return _UNKNOWN
            if not compare(left, right):
                return False
        except TypeError:  # a version and a number: Python itself refuses it
            return _UNKNOWN
    return True


def _index(node: ast.expr) -> int | slice | None:
    """Return a constant index or slice; None of anything else, or one that a version has not."""
    if isinstance(node, ast.Slice):
        ends = [each for each in (node.lower, node.upper) if each is not None]
        plain = [each.value for each in ends if isinstance(each, ast.Constant)]
        if node.step is not None or len(plain) != len(ends):
            return None
        lower = node.lower.value if isinstance(node.lower, ast.Constant) else None
        upper = node.upper.value if isinstance(node.upper, ast.Constant) else None
        return slice(lower, upper) if all(isinstance(each, int) for each in plain) else None
    at = node.value if isinstance(node, ast.Constant) else None
    return at if isinstance(at, int) and at < len(_PARTS) else None


_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, among: value in among,
    ast.NotIn: lambda value, among: value not in among,
}


def is_writing(node: ast.Call) -> bool:
    """Whether a call of `open` has a mode that writes."""
    modes = [each.value for each in node.keywords if each.arg == "mode"]
    at = 1 if isinstance(node.func, ast.Name) or len(node.args) > 1 else 0
    modes += node.args[at : at + 1]
    return any(
        isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value[:1] in "wax"
        for each in modes
    )


_DOTTED = re.compile(
    r"[^\W\d]\w*(\.[^\W\d]\w*)+(:[^\W\d]\w*)?|[^\W\d]\w*:[^\W\d]\w*|([^\W\d]\w*\.)+"
)


def tables_of(tree: ast.Module) -> Iterator[str]:
    """Yield what a module's literal tables have like `a.b`, `a.b.C`, `a.b:C` or `a.b.`."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef):
            pending.extend(node.body)
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        if isinstance(node.value, ast.Dict | ast.List | ast.Tuple | ast.Set):
            for each in ast.walk(node.value):
                if (
                    isinstance(each, ast.Constant)
                    and isinstance(each.value, str)
                    and _DOTTED.fullmatch(each.value)
                ):
                    yield each.value


def is_step_module(node: ast.expr) -> bool:
    """Whether it is a step's own `module`, which is packed anyway: `step["module"]`."""
    match node:
        case ast.Subscript(slice=ast.Constant(value="module")):
            return True
        case ast.Attribute(attr="module"):
            return True
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value="module"), *_]):
            return True
        case _:
            return False
