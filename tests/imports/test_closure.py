"""For random trees of modules, what Python imports is what is packed.

Never less: a file that some outcome imports is packed. And no more, which is *minimal*: what is
packed is what the outcomes import together. An outcome says of each test that the code doesn't
decide by itself how it comes out, of each guarded import whether it fails, and which Python of the
recipe's range runs it. Left out of the second rule are trees with constructs of which only running
them tells what they import (`#~` in module_trees.py), those that end with an error of their own,
and names that a package binds and that are modules in it, too.

And what is refused as missing can't be imported, and somebody needs it.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from recipes import reading
from recipes.closure import Closure, _Walk, find_closure
from recipes.errors import MissingModules
from recipes.modules import Checkout, Source
from recipes.project import Project
from recipes.reading import _Reader
from recipes.recipe import read_recipe
from recipes.values import Scope
from tests.checkouts import a_recipe, write
from tests.imports.module_trees import Tree, trees

HERE = Path(__file__).resolve().parent
MINORS = (11, 12, 13, 14)
CASES = HERE.parent / "cases" / "imports"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Importer:
    """The Python that really imports (importer.py)."""

    def __init__(self) -> None:
        words = [sys.executable, "-I", "-S", "-B", str(HERE / "importer.py")]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **asked: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def importer() -> Iterator[Importer]:
    started = Importer()
    yield started
    started.close()


class Difference(Exception):
    """What is packed is not what is imported."""


def close_over(root: Path, tree: Tree) -> Closure:
    write(root, {**tree.files, "etl.yaml": a_recipe(*tree.steps)})
    return find_closure(read_recipe(root / "etl.yaml"), Project(), root)


def check(tree: Tree, importer: Importer, counts: Counter[str], most: int) -> None:
    """Compare under at most so many outcomes; count what was tried.

    Raises:
        Difference: they differ.
    """
    counts["trees"] += 1
    with tempfile.TemporaryDirectory(prefix="tree-", dir=MEMORY) as folder:
        tells = any("version_info" in code for code in tree.files.values())
        minors = MINORS if tells else [sys.version_info.minor]
        try:
            closure = close_over(Path(folder), tree)
        except MissingModules as error:
            names = {each.module.partition(":")[0] for each in error.missing}
            said = importer.ask(root=folder, steps=tree.steps, minors=minors, most=most)
            named = sorted(each for each in names if each.strip("."))
            there = importer.ask(root=folder, names=named)
            counts["refused"] += 1
            check_refused(tree, sorted(names), said, there)
            return
        said = importer.ask(root=folder, steps=tree.steps, minors=minors, most=most)
    counts["outcomes"] += said["outcomes"]
    counts.update(tree.marks(":", said["imported"]))
    counts[check_packed(tree, closure, said)] += 1


def check_refused(tree: Tree, missing: list[str], said: Any, there: list[str]) -> None:
    if there:
        raise Difference(f"refused as missing, and importable: {there}")
    if said["all"] and not said["errors"] and not any(tree.marks("~", said["imported"])):
        raise Difference(f"refused for {missing}, and runs whatever comes")


def check_packed(tree: Tree, closure: Closure, said: Any) -> str:
    """Compare what is packed with what was imported; return what kind of a tree it is."""
    imported = set(said["imported"])
    packed = {each for each in closure.files if each.endswith(".py")}
    if imported - packed:
        raise Difference(f"imported, and not packed: {sorted(imported - packed)}")
    more = packed - imported
    if any(tree.marks("~", sorted(packed))):
        return "known when run"
    if said["errors"]:
        return "failing"
    if not said["all"]:
        return "with more outcomes"
    if any(name.replace(".", "/") in each for each in more for name in said["bound"]):
        return "bound otherwise"
    if more:
        raise Difference(f"packed, and never imported: {sorted(more)}")
    if demanded := sorted(wanted_outside(closure) - set(said["tried"])):
        raise Difference(f"demanded of elsewhere, and never imported: {demanded}")
    return "exact"


def wanted_outside(closure: Closure) -> set[str]:
    """Return what is asked for of no tree and no standard library, but by `outside`."""
    names = {*closure.imports, *closure.optional_imports}
    return {each for each in names if each.startswith("gone")}


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda each: each.stem)
def test_a_tree_that_once_differed_does_not(path: Path, importer: Importer) -> None:
    counts: Counter[str] = Counter()

    check(Tree.of_text(path.read_text()), importer, counts, most=64)

    assert counts["exact"] == 1


def test_what_python_imports_is_what_is_packed(
    importer: Importer, request: pytest.FixtureRequest
) -> None:
    is_long = request.config.getoption("--long")
    counts: Counter[str] = Counter()

    @settings(
        max_examples=400 if is_long else 100,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(trees().filter(lambda tree: bool(tree.steps)))
    def compare(tree: Tree) -> None:
        check(tree, importer, counts, most=12 if is_long else 8)

    for _ in range(10 if is_long else 1):  # what one run remembers takes its memory
        compare()

    code = (HERE / "module_trees.py").read_text()
    kinds = set(re.findall(r"#: (\w[^#\"'`{\\\n]*?)(?:  #|[\"'{\\\n])", code))
    lacking = {kind for kind in kinds if not counts[kind]}
    assert len(kinds) > 70
    assert len(lacking) <= (0 if is_long else len(kinds) // 4), lacking
    assert counts["exact"] > counts["trees"] / 5
    assert counts["refused"] < counts["trees"] / 4


def ignore_relative(patch: pytest.MonkeyPatch) -> None:
    plain = _Reader._import_from
    broken = lambda self, node: None if node.level else plain(self, node)  # noqa: E731
    patch.setitem(_Reader._methods, ast.ImportFrom, broken)


def ignore_functions(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(_Reader._methods, ast.FunctionDef, None)


def ignore_handlers(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(_Reader._methods, ast.Try, lambda self, node: self._visit_all(node.body))


def ignore_packages_above(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Walk, "_take_above", lambda *_: None)


def ignore_namespaces(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkout, "_namespace", lambda *_: None)


def ignore_src(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkout, "roots", ("",))


def ignore_public(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Source, "public", ())


def ignore_loops(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scope, "elements", lambda *_: None)


def read_what_never_runs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading, "known_test", lambda *_: None)


def take_one_branch(patch: pytest.MonkeyPatch) -> None:
    plain = reading.known_test
    patch.setattr(reading, "known_test", lambda *given: plain(*given) is not False)


def take_siblings(patch: pytest.MonkeyPatch) -> None:
    plain = _Walk.add_module

    def add_more(self: _Walk, name: str, asked_by: str, **given: Any) -> bool:
        above = self.checkout.find(name.rpartition(".")[0])
        for each in self.checkout.submodules(above) if above else ():
            self._take(each, asked_by, kind="module")
        return plain(self, name, asked_by, **given)

    patch.setattr(_Walk, "add_module", add_more)


BROKEN = (
    ignore_relative, ignore_packages_above, ignore_namespaces, ignore_src, take_one_branch,
)  # fmt: skip
BROKEN_LESS = (
    ignore_functions, ignore_handlers, ignore_public, ignore_loops, read_what_never_runs,
    take_siblings,
)  # fmt: skip


@pytest.mark.parametrize("break_it", BROKEN + BROKEN_LESS, ids=lambda each: each.__name__)
def test_a_closure_that_is_broken_is_told(
    break_it: Callable[[pytest.MonkeyPatch], None],
    importer: Importer,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if break_it in BROKEN_LESS and not request.config.getoption("--long"):
        pytest.skip("a long form: it takes more trees to tell (--long)")
    break_it(monkeypatch)

    def differs(tree: Tree) -> bool:
        try:
            check(tree, importer, Counter(), most=4)
        except Difference:
            return True
        return False

    found = find(
        trees().filter(lambda tree: bool(tree.steps)),
        differs,
        settings=settings(
            max_examples=1000, phases=[Phase.generate], derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip

    assert found.files
