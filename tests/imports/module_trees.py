"""Random trees of modules, as checkouts have them: each its own text, and nothing beside it.

Comments in the code say the rest, so that a tree that failed can be kept as text:

- `#: relative` names the construct of a line, to count what was tried;
- `#! ImportError` may fail so (see importer.py), as `outside.choose()` may be either;
- `#~ prefix` is a construct of which only running it says what it imports: more may be packed.

Names are few, so that they collide: modules beside packages of their name, in the root and in
`src`, in the standard library, or differing in case alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from hypothesis import strategies as st

NAMES = ("a", "b", "c", "d", "B", "colorsys", "quopri", "x-1")
"""`colorsys` and `quopri` are the standard library's, too, and `x-1` is imported by name alone."""

SHADOWED = {"colorsys", "quopri"}

Draw = Callable[[st.SearchStrategy], object]


@dataclass(frozen=True)
class Tree:
    """A checkout's code, by its paths from the root, and the modules of the recipe's steps."""

    files: Mapping[str, str]
    steps: tuple[str, ...]

    def marks(self, sign: str, paths: Sequence[str]) -> Iterator[str]:
        """Yield what `#:` or `#~` say in some of the files."""
        for path in paths:
            for line in self.files.get(path, "").split("\n"):
                for comment in line.split("#")[1:]:
                    if comment.startswith(sign):
                        yield comment[1:].strip()

    @classmethod
    def of_text(cls, text: str) -> "Tree":
        """Read what `str` gives."""
        head, *files = text.split("\n--- ")
        parted = [each.partition("\n") for each in files]
        steps = head.removeprefix("steps: ").split(", ")
        return cls({path: code for path, _, code in parted}, tuple(steps))

    def __str__(self) -> str:
        files = [f"\n--- {path}\n{code.rstrip()}" for path, code in sorted(self.files.items())]
        return f"steps: {', '.join(self.steps)}{''.join(files)}"

    def __repr__(self) -> str:
        return f"Tree.of_text({self!s})"


@dataclass(frozen=True)
class Name:
    """A module that can be imported: where it is, None where it is a namespace package."""

    dotted: str
    path: str | None

    @property
    def is_package(self) -> bool:
        return self.path is None or self.path.endswith("__init__.py")

    @property
    def package(self) -> str:
        return self.dotted if self.is_package else self.dotted.rpartition(".")[0]

    @property
    def parent(self) -> str:
        return self.dotted.rpartition(".")[0]

    @property
    def last(self) -> str:
        return self.dotted.rpartition(".")[2]

    @property
    def is_plain(self) -> bool:
        """Whether a statement can name it."""
        return "-" not in self.dotted


def resolve(paths: set[str], dotted: str) -> Name | None:
    """Find a module among a tree's files, as Python does: written anew, to tell ours from it."""
    folders, name = ["", "src/"], None
    for part in dotted.split("."):
        name, portions = None, []
        is_top = folders == ["", "src/"] and part == dotted.split(".", maxsplit=1)[0]
        for folder in folders:
            if is_top and folder == "src/" and part in SHADOWED:
                return None  # the standard library comes before, and has no submodules
            if f"{folder}{part}/__init__.py" in paths:
                name = f"{folder}{part}/__init__.py"
                portions = [f"{folder}{part}/"]
                break
            if f"{folder}{part}.py" in paths:
                name, portions = f"{folder}{part}.py", []
                break
            if any(each.startswith(f"{folder}{part}/") for each in paths):
                portions.append(f"{folder}{part}/")
        if name is None and (not portions or (is_top and part in SHADOWED)):
            return None
        folders = portions
    return Name(dotted, name)


_TRIED = (
    "try:\nBODY\nexcept ImportError:  #: fallback\nBLOCK",
    "try:\nBODY\nexcept (ValueError, ModuleNotFoundError, ImportError):  #: tried\n    pass",
    "try:\nBODY\nexcept Exception:  #: tried\nBLOCK",
    "try:\nBODY\nexcept ImportError:\n    pass\nelse:  #: else\nBLOCK",
    "try:\nBODY\nexcept ImportError:\n    pass\nfinally:  #: finally\nBLOCK",
    "try:\nBODY\nexcept ImportError:  #: gives up\n    raise SystemExit('install it')",
    "try:\nINNER\n    import outside  #! ImportError\nexcept ImportError:  #: nested\nBLOCK",
    "try:\nBODY\nexcept* ImportError:  #: group\nBLOCK",
    "try:\n    import outside  #! KeyError\nexcept KeyError:  #: other error\nBLOCK",
)
_TESTED = (
    """\
from typing import TYPE_CHECKING
if TYPE_CHECKING:  #: TYPE_CHECKING
NEVER
else:
ALWAYS""",
    "import typing\nif typing.TYPE_CHECKING:  #: TYPE_CHECKING\nNEVER",
    """\
from typing import TYPE_CHECKING
if not TYPE_CHECKING:  #: not TYPE_CHECKING
ALWAYS
else:
NEVER""",
    "import sys\nif sys.version_info >= (3, 8):  #: version\nALWAYS\nelse:\nNEVER",
    "import sys\nif sys.version_info < (3, 9, 2):  #: version\nNEVER\nelse:\nALWAYS",
    "import sys\nif sys.version_info[0] >= 3:  #: version[0]\nALWAYS\nelse:\nNEVER",
    "import sys\nif sys.version_info[:2] <= (3, 7):  #: version[:2]\nNEVER\nelse:\nALWAYS",
    "import sys\nif (3, 8) <= sys.version_info:  #: version reversed\nALWAYS\nelse:\nNEVER",
    "if __name__ == '__main__':  #: main\nNEVER",
    "if 0:  #: false\nNEVER\nelif True:\nALWAYS\nelse:\nNEVER",
    "while False:  #: while False\nNEVER",
    """\
import sys
from outside import choose
if choose() and sys.version_info[0] == 2:  #: and
NEVER
else:
ALWAYS""",
    """\
import sys
from outside import choose
if sys.version_info.major > 2 or choose():  #: or
ALWAYS
else:
NEVER""",
)


def _filled(form: str, **blocks: list[str]) -> list[str]:
    """Return the lines of a form, with blocks for the words that stand for them."""
    return [line for each in form.split("\n") for line in blocks.get(each, [each])]


@dataclass
class _Writer:
    """Writes the code of one module: `draw` says what."""

    draw: Callable[..., object]
    paths: set[str]
    own: Name
    names: Sequence[Name]
    number: Callable[[], int]

    def pick(self, *options: object) -> object:
        return self.draw(st.sampled_from(options))

    def target(self, *, plain: bool = True, code: bool = False) -> Name:
        fitting = [
            each for each in self.names if (each.is_plain or not plain) and (each.path or not code)
        ]
        return self.draw(st.sampled_from(fitting or [self.own]))

    def fresh(self) -> str:
        return f"n{self.number()}"

    # --- one import: its lines, and what it is called ---

    def simple(self, *, at_top: bool = False) -> list[str]:
        kinds = [
            self.plain,
            self.member,
            self.relative,
            self.relative,
            self.by_name,
            self.by_dunder,
            self.expression,
            self.scoped,
            self.walked,
            self.repeated,
            self.aliased,
        ]
        if at_top:
            kinds += [self.star, self.star]
        return self.draw(st.sampled_from(kinds))()

    def plain(self) -> list[str]:
        name = self.target()
        if not name.is_plain:
            return ["pass"]
        if self.draw(st.booleans()):
            return [f"import {name.dotted}  #: import"]
        return [f"import {name.dotted} as {self.fresh()}  #: import as"]

    def member(self) -> list[str]:
        name = self.target()
        if not name.is_plain:
            return ["pass"]
        if name.parent and (name.path is None or self.draw(st.booleans())):
            return [f"from {name.parent} import {name.last} as {self.fresh()}  #: from package"]
        if name.path is None:
            return [f"import {name.dotted}  #: import"]
        return [f"from {name.dotted} import value as {self.fresh()}  #: from module"]

    def relative(self) -> list[str]:
        package = self.own.package.split(".") if self.own.package else []
        near = [
            each
            for each in self.names
            if each.is_plain and package and each.dotted.split(".")[0] == package[0]
        ]
        if not near:
            return self.plain()
        name = self.draw(st.sampled_from(near))
        parts = name.dotted.split(".")
        shared = 0
        while shared < min(len(package), len(parts)) and package[shared] == parts[shared]:
            shared += 1
        dots, rest = "." * (len(package) - shared + 1), parts[shared:]
        label = f"relative {min(len(dots), 3)}"
        if self.own.is_package and self.own.path and len(dots) == 1:
            label += " in __init__"
        if rest and (name.path is None or self.draw(st.booleans())):
            above = ".".join(rest[:-1])
            return [f"from {dots}{above} import {rest[-1]} as {self.fresh()}  #: {label}"]
        if name.path is None:
            return self.plain()
        return [f"from {dots}{'.'.join(rest)} import value as {self.fresh()}  #: {label}"]

    def star(self) -> list[str]:
        parents = {each.parent for each in self.names}
        packages = [each for each in self.names if each.path and each.dotted in parents]
        name = self.target(code=True)
        if packages and self.draw(st.booleans()):
            name = self.draw(st.sampled_from(packages))
        if not name.is_plain or not name.path:
            return ["pass"]
        if self.own.package and name.parent == self.own.package:
            return [f"from .{name.last} import *  #: relative star"]
        if name.is_package:
            return [f"from {name.dotted} import *  #: star of a package"]
        return [f"from {name.dotted} import *  #: star of a module"]

    def text_of(self, dotted: str) -> tuple[list[str], str]:
        """Return lines before, and an expression, for a dotted name."""
        before, _, after = dotted.rpartition(".")
        variable = self.fresh()
        kind = self.pick("constant", "sum", "f-string", "variable", "percent", "join")
        if kind == "constant" or not before:
            return [], repr(dotted)
        if kind == "sum":
            return [], f"{before + '.'!r} + {after!r}"
        if kind == "f-string":
            return [f"{variable} = {after!r}"], f"f'{before}.{{{variable}}}'"
        if kind == "variable":
            lines = [f"{variable} = {before!r}", f"{variable}x = {variable} + {'.' + after!r}"]
            return lines, f"{variable}x"
        if kind == "percent":
            return [f"{variable} = {after!r}"], f"'{before}.%s' % {variable}"
        return [f"{variable} = {after!r}"], f"'{before}.{{}}'.format({variable})"

    def by_name(self) -> list[str]:
        name = self.target(plain=False)
        lines, text = self.text_of(name.dotted)
        importer = self.pick("importlib.import_module", "load", "il.import_module")
        before = {
            "importlib.import_module": "import importlib",
            "load": "from importlib import import_module as load",
            "il.import_module": "import importlib as il",
        }[importer]
        loose = "  #~ prefix" if any("%" in each or ".format" in each for each in [text]) else ""
        package = self.own.package
        parts, within = name.dotted.split("."), package.split(".")
        if package and len(parts) > len(within) and parts[: len(within)] == within:
            rest = ".".join(parts[len(within) :])
            given = self.pick(repr(package), "__package__", "__name__")
            if given == "__name__" and not self.own.is_package:
                given = "__package__"
            how = self.pick(f"package={given}", given)
            return [before, f"{importer}({'.' + rest!r}, {how})  #: import_module relative"]
        if name.parent and self.draw(st.booleans()):
            return [
                before,
                f"{importer}({'.' + name.last!r}, package={name.parent!r})  #: import_module of",
            ]
        return [before, *lines, f"{importer}({text})  #: import_module{loose}"]

    def by_dunder(self) -> list[str]:
        name = self.target(plain=False)
        lines, text = self.text_of(name.dotted)
        loose = "  #~ prefix" if "%" in text or ".format" in text else ""
        kind = self.pick("plain", "fromlist", "positional", "level")
        if not name.parent or kind == "plain":
            return [*lines, f"__import__({text})  #: __import__{loose}"]
        if kind == "fromlist":
            return [
                f"__import__({name.parent!r}, fromlist=[{name.last!r}])  #: __import__ fromlist"
            ]
        if kind == "level" and self.own.package and self.own.package == name.parent:
            return [
                f"__import__({name.last!r}, globals(), None, ['value'], 1)  #: __import__ level"
            ]
        return [
            f"__import__({name.parent!r}, None, None, ({name.last!r},))  #: __import__ fromlist"
        ]

    def repeated(self) -> list[str]:  # noqa: PLR0911 - a form each
        """A loop over names."""
        by_parent: dict[str, list[Name]] = {}
        for each in self.names:
            by_parent.setdefault(each.parent, []).append(each)
        parent = self.draw(st.sampled_from(sorted(by_parent)))
        inside = by_parent[parent]
        chosen = [
            each.last
            for each in self.draw(
                st.lists(st.sampled_from(inside), min_size=1, max_size=3, unique=True)
            )
        ]
        variable, other = self.fresh(), self.fresh()
        whole = f"{parent + '.'!r} + {variable}" if parent else variable
        kind = self.pick(
            "for",
            "comprehension",
            "table",
            "items",
            "values",
            "constant",
            "pairs",
            "map",
            "by name",
        )
        call = f"importlib.import_module({whole})"
        listed = tuple(chosen)
        before = ["import importlib"]
        table = {f"k{at}": each for at, each in enumerate(chosen)}
        if kind == "for":
            return [*before, f"for {variable} in {listed!r}:", f"    {call}  #: loop"]
        if kind == "comprehension":
            return [*before, f"[{call} for {variable} in sorted({listed!r})]  #: comprehension"]
        if kind == "constant":
            return [
                *before,
                f"{other} = {listed!r}",
                f"for {variable} in {other}:",
                f"    {call}  #: loop over a constant",
            ]
        if kind == "table":
            return [
                *before,
                f"{other} = {table!r}",
                f"for {variable}k in {other}:",
                f"    {variable} = {other}[{variable}k]",
                f"    {call}  #: loop over a table",
            ]
        if kind == "items":
            return [
                *before,
                f"{other} = {table!r}",
                f"for {variable}k, {variable} in {other}.items():",
                f"    {call}  #: items",
            ]
        if kind == "values":
            return [*before, f"for {variable} in {table!r}.values():", f"    {call}  #: values"]
        if kind == "pairs":
            pairs = [(each, at) for at, each in enumerate(chosen)]
            return [*before, f"for {variable}, {variable}k in {pairs!r}:", f"    {call}  #: pairs"]
        if kind == "by name" and not parent:
            return [*before, f"list(map(importlib.import_module, {listed!r}))  #: map by name"]
        return [*before, f"list(map(lambda {variable}: {call}, {listed!r}))  #: map"]

    def expression(self) -> list[str]:
        """An import by name somewhere in an expression."""
        called = f"__import__({self.target(plain=False).dotted!r})"
        variable = self.fresh()
        return [
            self.pick(
                f"def {variable}(x={called}): pass  #: default argument",
                f"{variable} = f'{{{called.replace(chr(39), chr(34))}}}'  #: in an f-string",
                f"assert {called}  #: assert",
                f"{variable}: {called} = 1  #: annotation  #~ later in 3.14",
                f"def {variable}(x: {called}): pass  #: noted argument  #~ later in 3.14",
                f"{variable} = {{'a': [*[{called}]]}}  #: in a literal",
                f"({variable} := {called})  #: named expression",
                f"(lambda: {called})()  #: lambda",
                f"{variable} = [x for x in (1,) if {called}]  #: condition of a comprehension",
                f"class {variable}(metaclass=type if {called} else type): pass  #: metaclass",
            )
        ]

    def scoped(self) -> list[str]:
        """A name that is bound somewhere around, or further down."""
        name = self.target(plain=False)
        before = f"{name.parent}." if name.parent else ""
        variable, other = self.fresh(), self.fresh()
        kind = self.pick("nested", "later", "class", "default", "member")
        if kind == "nested":
            return [
                f"def {variable}():",
                f"    {other} = {name.last!r}",
                "    def inner():",
                f"        __import__({before!r} + {other})  #: name of the function around",
                "    inner()",
                f"{variable}()",
            ]
        if kind == "later":
            return [
                f"def {variable}(): __import__({before!r} + {other})  #: name bound further down",
                f"{other} = {name.last!r}",
                f"{variable}()",
            ]
        if kind == "class":
            return [
                f"class {variable}:",
                f"    {other} = {name.last!r}",
                f"    __import__({before!r} + {other})  #: name of a class",
            ]
        if kind == "default":
            return [
                "import importlib",
                f"def {variable}(load=importlib.import_module):",
                f"    load({name.dotted!r})  #: alias as a default",
                f"{variable}()",
            ]
        return [
            "import importlib",
            f"class {variable}:",
            "    def __init__(self):",
            "        self.load = importlib.import_module",
            f"        self.load({name.dotted!r})  #: alias as a member",
            f"{variable}()",
        ]

    def walked(self) -> list[str]:
        """Every module of a package, as pkgutil finds them."""
        packages = [each for each in self.names if each.is_package and each.path and each.is_plain]
        if not packages:
            return self.plain()
        name, variable = self.draw(st.sampled_from(packages)), self.fresh()
        walk = f"pkgutil.iter_modules({variable}.__path__, {name.dotted + '.'!r})"
        head = ["import importlib, pkgutil", f"import {name.dotted} as {variable}"]
        if self.draw(st.booleans()):
            return [
                *head,
                f"for _, {variable}n, _ in {walk}:",
                f"    importlib.import_module({variable}n)  #: iter_modules  #~ iter_modules",
            ]
        return [
            *head,
            f"for {variable}m in {walk}:",
            f"    importlib.import_module({variable}m.name)  #: iter_modules  #~ iter_modules",
        ]

    def aliased(self) -> list[str]:
        name = self.target(plain=False)
        variable = self.fresh()
        kind = self.pick("assigned", "dunder", "builtins", "in a function")
        if kind == "assigned":
            return [
                "import importlib",
                f"{variable} = importlib.import_module",
                f"{variable}({name.dotted!r})  #: alias",
            ]
        if kind == "dunder":
            return [
                f"{variable} = __import__",
                f"{variable}({name.dotted!r})  #: alias of __import__",
            ]
        if kind == "builtins":
            return [
                "import builtins",
                f"builtins.__import__({name.dotted!r})  #: builtins.__import__",
            ]
        return [
            f"def {variable}(m):",
            "    from importlib import import_module as load",
            f"    return load({name.dotted!r})",
            f"{variable}(0)  #: alias in a function",
        ]

    # --- what stands around ---

    def block(self, depth: int) -> list[str]:
        lines = [line for _ in range(self.pick(1, 1, 2)) for line in self.statement(depth + 1)]
        return [f"    {line}" for line in lines]

    def statement(self, depth: int = 0) -> list[str]:
        if depth > 2 or self.draw(st.integers(0, 9)) < (5 if depth else 4):
            return self.simple(at_top=not depth)
        kinds = [
            self.function,
            self.function,
            self.class_body,
            self.tried,
            self.tried,
            self.tested,
            self.either,
            self.suppressed,
            self.repeated_body,
        ]
        return self.draw(st.sampled_from(kinds))(depth)

    def function(self, depth: int) -> list[str]:
        name = self.fresh()
        kind = self.pick("def", "async", "method", "decorated", "generator", "uncalled")
        body = self.block(depth)
        if kind == "def":
            return [f"def {name}(x=None):", *body, f"{name}()  #: function"]
        if kind == "async":
            return [
                f"async def {name}():",
                *body,
                "try:",
                f"    {name}().send(None)  #: async function",
                "except StopIteration:",
                "    pass",
            ]
        if kind == "method":
            return [
                f"class {name}:",
                "    def run(self):",
                *[f"    {line}" for line in body],
                f"{name}().run()  #: method",
            ]
        if kind == "decorated":
            return ["@(lambda f: f())", f"def {name}():", *body, "pass  #: decorated function"]
        if kind == "generator":
            return [f"def {name}():", *body, "    yield 1", f"list({name}())  #: generator"]
        return [f"def {name}():  #: uncalled function  #~ uncalled", *body]

    def class_body(self, depth: int) -> list[str]:
        return [f"class {self.fresh()}:  #: class body", *self.block(depth)]

    def guarded(self) -> list[str]:
        """An import that may fail, and be caught; of the tree, of elsewhere, or of nothing."""
        kind = self.pick("tree", "tree", "tree", "outside", "gone")
        if kind == "gone":
            return [f"    import {self.pick('a', 'b')}.gone{self.number()}  #: tried and missing"]
        if kind == "outside":
            return ["    import outside  #: tried elsewhere  #! ImportError"]
        lines = self.simple()
        at = next(at for at, line in enumerate(lines) if "#:" in line or line == "pass")
        if "#: alias in a function" in lines[at]:
            at -= 1
        lines[at] += "  #! ImportError"
        return [f"    {line}" for line in lines]

    def tried(self, depth: int) -> list[str]:
        form = self.pick(*_TRIED)
        body = self.guarded()
        if ("else" in form or "SystemExit" in form) and "tried and missing" in body[-1]:
            body = ["    import outside  #! ImportError"]
        inner = [f"    {line}" for line in self.tried(3)] if "INNER" in form else []
        return _filled(form, BODY=body, BLOCK=self.block(depth), INNER=inner)

    def suppressed(self, _: int) -> list[str]:
        return [
            "import contextlib",
            "with contextlib.suppress(ImportError):  #: suppress",
            *self.guarded(),
        ]

    def dead(self, depth: int) -> list[str]:
        """What never runs: of the tree, or of nothing."""
        return (
            self.block(depth) if self.draw(st.booleans()) else [f"    import gone{self.number()}"]
        )

    def tested(self, depth: int) -> list[str]:
        """A test that always comes out one way."""
        if not self.draw(st.integers(0, 9)):
            called = f"__import__({self.target(plain=False).dotted!r})"
            return [
                "0 and __import__('gone')  #: short circuit",
                f"{called} if 1 else __import__('gone')  #: ternary",
            ]
        form = self.pick(*_TESTED)
        return _filled(form, NEVER=self.dead(depth), ALWAYS=self.block(depth))

    def either(self, depth: int) -> list[str]:
        """A test that comes out as it does."""
        kind = self.pick("if", "elif", "minor", "minor below", "bool", "match")
        one, two = self.block(depth), self.block(depth)
        if kind == "if":
            return ["from outside import choose", "if choose():  #: if", *one, "else:", *two]
        if kind == "elif":
            return [
                "from outside import choose",
                "if choose():  #: elif",
                *one,
                "elif choose():",
                *two,
            ]
        if kind == "minor":
            return ["import sys", "if sys.version_info >= (3, 12):  #: minor", *one, "else:", *two]
        if kind == "minor below":
            return [
                "import sys",
                "if sys.version_info[1] < 13:  #: version[1]",
                *one,
                "else:",
                *two,
            ]
        if kind == "bool":
            name = self.target(plain=False)
            return [
                "from outside import choose",
                f"choose() and __import__({name.dotted!r})  #: and import",
            ]
        return [
            "from outside import choose",
            "match choose():  #: match",
            "    case True:",
            *[f"    {line}" for line in one],
            "    case _:",
            *[f"    {line}" for line in two],
        ]

    def repeated_body(self, depth: int) -> list[str]:
        kind = self.pick("for", "while", "with")
        body = self.block(depth)
        if kind == "for":
            return [f"for {self.fresh()} in (1, 2):  #: for", *body]
        if kind == "while":
            return ["while True:  #: while", *body, "    break"]
        return ["import contextlib", "with contextlib.nullcontext():  #: with", *body]

    # --- modules ---

    def public(self) -> list[str]:
        """The `__all__` of a package."""
        below = [
            each.last for each in self.names if each.parent == self.own.dotted and each.is_plain
        ]
        if not self.own.is_package or not below or not self.draw(st.integers(0, 2)):
            return []
        chosen = [self.draw(st.sampled_from(below))]
        kind = self.pick(
            "list", "tuple", "annotated", "augmented", "append", "extend", "sum", "constant"
        )
        return {
            "list": [f"__all__ = {['value', *chosen]!r}  #: __all__"],
            "tuple": [f"__all__ = {('value', *chosen)!r}  #: __all__"],
            "annotated": [f"__all__: list[str] = {chosen!r}  #: __all__ annotated"],
            "augmented": ["__all__ = ['value']", f"__all__ += {chosen!r}  #: __all__ augmented"],
            "append": ["__all__ = []", f"__all__.append({chosen[0]!r})  #: __all__ append"],
            "extend": ["__all__ = []", f"__all__.extend({chosen!r})  #: __all__ extend"],
            "sum": [f"__all__ = ['value'] + {chosen!r}  #: __all__ sum"],
            "constant": [f"_public = {chosen!r}", "__all__ = _public  #: __all__ of a name"],
        }[kind]

    def lazy(self) -> list[str]:
        """A package that imports what it is asked for."""
        if not self.own.is_package or not self.own.dotted or self.draw(st.integers(0, 5)):
            return []
        below = [each.last for each in self.names if each.parent == self.own.dotted]
        if below and self.draw(st.booleans()):
            return [
                "import importlib",
                f"_lazy = {below!r}",
                "def __getattr__(name):",
                "    if name in _lazy:",
                "        return importlib.import_module('.' + name, __name__)",
                "    raise AttributeError(name)  #: __getattr__  #~ __getattr__",
            ]
        return [
            "def __getattr__(name):  #: __getattr__ of values  #~ __getattr__",
            "    if name.startswith('__'):",
            "        raise AttributeError(name)",
            "    return 1",
        ]

    def module(self) -> str:
        head = ["value = 1", "def run(context, args): return 0", *self.public()]
        if self.draw(st.integers(0, 3)) == 0:
            body = []
        else:
            body = [line for _ in range(self.draw(st.integers(1, 2))) for line in self.statement()]
        lines = [*head, *self.lazy(), *body]
        if self.draw(st.integers(0, 40)) == 23:
            lines = [*body, *head, "pass  #: late definitions  #~ late"]
        return "\n".join(lines) + "\n"


@st.composite
def trees(draw: Callable[..., object]) -> Tree:
    """Draw a tree: first where its modules are, then what each of them imports."""
    paths: set[str] = set()
    spots = st.tuples(
        st.sampled_from(("", "", "", "src/")),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    )
    for root, parts in draw(st.lists(spots, min_size=5, max_size=12)):
        paths.add(root + "/".join(parts) + ".py")
    folders = {
        each.rsplit("/", depth)[0] for each in paths for depth in range(1, each.count("/") + 1)
    } - {"src"}
    for folder in sorted(folders):
        if draw(st.integers(0, 2)):
            paths.add(f"{folder}/__init__.py")
    dotted = sorted(
        {
            each.removesuffix(".py")
            .removesuffix("/__init__")
            .removeprefix("src/")
            .replace("/", ".")
            for each in paths
        }
        | {each.removeprefix("src/").replace("/", ".") for each in folders}
    )
    names = [found for each in dotted if (found := resolve(paths, each)) is not None]
    names += [
        found
        for each in ("src." + each.dotted for each in names)
        if (found := resolve(paths, each)) is not None and draw(st.booleans())
    ]
    ways = {each.path: each for each in reversed(names) if each.path}
    numbers = count()
    files = {}
    for path in sorted(paths):
        own = ways.get(path)
        if own is None:
            files[path] = f"import gone{next(numbers)}\n"
        else:
            files[path] = _Writer(draw, paths, own, names, lambda: next(numbers)).module()
    runnable = [each.dotted for each in names if each.path and each.is_plain]
    steps = (
        draw(st.lists(st.sampled_from(runnable), min_size=1, max_size=3, unique=True))
        if runnable
        else []
    )
    return Tree(files, tuple(steps))
