"""What a piece of syntax says by itself: tests that always come out one way, guarded imports.

All are pure, and look at one node of `ast`.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

IMPORT_ERRORS: Final = frozenset(
    {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
)


def _kinds(*bases: type[ast.AST]) -> Iterator[type[ast.AST]]:
    for base in bases:
        yield base
        yield from _kinds(*base.__subclasses__())


_BARE: Final = frozenset(
    _kinds(
        ast.Name, ast.alias, ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
        ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal,
    )
)  # fmt: skip
"""What has no import, call or text below it."""

_BELOW: Final = {
    kind: tuple(
        each
        for each in kind._fields
        if each not in {"ctx", "op", "ops", "name", "id", "attr", "type_comment", "kind", "level"}
    )
    for kind in _kinds(ast.AST)
}
"""The members of each kind of node that may hold others which aren't bare."""


def children_of(node: ast.AST) -> list[ast.AST]:
    """Return the nodes right below one, in order, without those that have nothing to read.

    As `ast.iter_child_nodes`, but quicker: it is asked of every node of a checkout.
    """
    found: list[ast.AST] = []
    for member in _BELOW[type(node)]:
        value: Any = getattr(node, member, None)
        if type(value) is list:
            found += [each for each in value if type(each) in _BELOW and type(each) not in _BARE]
        elif type(value) in _BELOW and type(value) not in _BARE:
            found.append(value)
    return found


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


_LOWEST, _HIGHEST = (3, 11), (3, 14)


def known_test(test: ast.expr) -> bool | None:
    """Return how a test comes out in every Python that is packed for; None where it differs."""
    match test:
        case ast.Name(id="TYPE_CHECKING" | "PY2") | ast.Attribute(attr="TYPE_CHECKING" | "PY2"):
            return False
        case ast.Name(id="PY3") | ast.Attribute(attr="PY3"):
            return True
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            known = known_test(inner)
            return None if known is None else not known
        case ast.Compare(left=left, ops=[how], comparators=[right]):
            bound, compare = _version_of(left, right), _COMPARE.get(type(how))
            if bound is None or compare is None:
                return None
            answers = {compare(each[: len(bound)], bound) for each in (_LOWEST, _HIGHEST)}
            return answers.pop() if len(answers) == 1 else None
        case _:
            return None


def _version_of(left: ast.expr, right: ast.expr) -> tuple[int, ...] | None:
    """Return what `sys.version_info` (or its first part) is compared with."""
    is_first = isinstance(left, ast.Subscript)
    inner = left.value if isinstance(left, ast.Subscript) else left
    if name_of(inner) != "version_info":
        return None
    if is_first:
        at = left.slice if isinstance(left, ast.Subscript) else None
        if not (isinstance(at, ast.Constant) and at.value == 0):
            return None
        return (
            (right.value,)
            if isinstance(right, ast.Constant) and isinstance(right.value, int)
            else None
        )
    if not isinstance(right, ast.Tuple):
        return None
    parts = [each.value for each in right.elts if isinstance(each, ast.Constant)]
    return tuple(each for each in parts if isinstance(each, int))[:2] or None


_COMPARE: dict[type[ast.cmpop], Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
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


_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+(:[^\W\d]\w*)?|[^\W\d]\w*:[^\W\d]\w*")


def tables_of(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module's literal tables that look like `a.b`, `a.b.C` or `a.b:C`."""
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
