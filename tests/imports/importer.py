"""A Python that really imports: it stays, and gives each tree of modules children of its own.

Read from stdin, a line a tree: `{"root", "steps", "minors", "most"}`; written to stdout, a line a
tree, see `import_tree`. A line of a tree's code that ends with `#! Error` may fail with that error,
and `outside.choose()` may say either: these are the tree's *decisions*. A child imports the steps
under one outcome of them, and there is one for each outcome, as far as `most` go.

What is in a child before: the standard library's modules that this file imports, and `outside`.
"""

import builtins
import collections
import contextlib  # noqa: F401 - as the two below: so that no child has to import it
import importlib
import json
import os
import pkgutil  # noqa: F401
import sys
import traceback
import types
import typing  # noqa: F401
from importlib.machinery import SourceFileLoader
from pathlib import Path

MARK = "#! "
"""What stands before the name of the error with which a line may fail."""

Version = collections.namedtuple("Version", "major minor micro releaselevel serial")  # noqa: PYI024


class Injected:
    """What a decision raises is one of these, too: else it is the tree's own failure."""


class Outcome:
    """One way in which a tree's decisions come out; those beyond `known` come out as False."""

    def __init__(self, root, known):
        self.root = root
        self.known = known
        self.answers = {}
        self.executed = []
        self.errors = []
        self.tried = []
        self._lines = {}

    def decide(self, place):
        """Say how the decision at a place, (file, line), comes out: each time the same."""
        if place not in self.answers:
            at = len(self.answers)
            self.answers[place] = self.known[at] if at < len(self.known) else False
        return self.answers[place]

    def fail_if_so(self, frame):
        """Raise what the line of a frame is marked with, where that was decided."""
        name = frame.f_code.co_filename
        if not name.startswith(self.root):
            return
        if name not in self._lines:
            self._lines[name] = Path(name).read_text(encoding="utf-8").split("\n")
        error = self._lines[name][frame.f_lineno - 1].partition(MARK)[2].strip()
        if error and self.decide((name, frame.f_lineno)):
            kind = getattr(builtins, error)
            raise type(error, (kind, Injected), {})("as decided")


def import_steps(outcome, steps, minor):
    """Import each step, as a recipe's run would; what it raises ends that step alone."""
    root = Path(outcome.root)
    sources = [str(each) for each in (root / "src",) if each.is_dir()]
    sys.path[:] = [str(root), *sys.path, *sources]
    sys.version_info = Version(3, minor, 0, "final", 0)
    plain_import, plain_by_name = builtins.__import__, importlib.import_module
    plain_exec = SourceFileLoader.exec_module

    def patched_import(name, globals=None, locals=None, fromlist=(), level=0):  # noqa: A002
        outcome.fail_if_so(sys._getframe(1))
        outcome.tried.append(name)
        return plain_import(name, globals, locals, fromlist, level)

    def patched_by_name(name, package=None):
        outcome.fail_if_so(sys._getframe(1))
        return plain_by_name(name, package)

    def patched_exec(self, module):
        if self.path.startswith(outcome.root):
            outcome.executed.append(self.path[len(outcome.root) :])
        return plain_exec(self, module)

    def choose():
        frame = sys._getframe(1)
        return outcome.decide((frame.f_code.co_filename, frame.f_lineno))

    outside = types.ModuleType("outside")
    outside.choose = choose
    sys.modules["outside"] = outside
    builtins.__import__, importlib.import_module = patched_import, patched_by_name
    SourceFileLoader.exec_module = patched_exec
    for step in steps:
        try:
            plain_by_name(step)
        except BaseException as error:  # noqa: BLE001 - whatever a tree's code raises
            if not isinstance(error, (Injected, SystemExit)):
                outcome.errors.append(f"{step}: {type(error).__name__}: {error}")


def folders_of(module):
    """Return where a package is; one without __init__.py would look for a parent that is gone."""
    path = getattr(module, "__path__", None)
    return getattr(path, "_path", path) or ()


def bound_otherwise(root):
    """Return `p.x` for each package p that has an attribute x which isn't its module p.x."""
    return sorted(
        f"{module.__name__}.{name}"
        for module in list(sys.modules.values())
        if any(each.startswith(root) for each in folders_of(module))
        for name, value in list(vars(module).items())
        if not name.startswith("__")
        and value is not sys.modules.get(f"{module.__name__}.{name}", ())
    )


def in_a_child(work):
    """Return what `work()` returns, from a child; the parent is as it was."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        try:
            with os.fdopen(sending, "w") as pipe:
                json.dump(work(), pipe)
        except BaseException:  # noqa: BLE001 - a child never goes on as its parent
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said)


def one_run(tree, minor, known):
    """Import under one outcome; return what came of it."""
    outcome = Outcome(tree["root"] + "/", known)
    import_steps(outcome, tree["steps"], minor)
    inside = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    files = {each[len(outcome.root) :] for each in inside if each.startswith(outcome.root)}
    return {
        "imported": sorted(files | set(outcome.executed)),
        "answers": list(outcome.answers.values()),
        "errors": outcome.errors,
        "tried": [each for each in outcome.tried if each.startswith("gone")],
        "bound": bound_otherwise(outcome.root),
    }


def import_tree(tree):
    """Import a tree under each outcome.

    Returns `imported`, the files of all; `errors`, what failed without being decided; `bound`,
    names in packages that are no submodules; `tried`, names that begin with `gone`; `outcomes`, how
    many there were; `all`, whether these are all there are.
    """
    found = {"imported": set(), "errors": set(), "bound": set(), "tried": set()}
    pending = [(minor, []) for minor in tree["minors"]]
    outcomes = 0
    while pending and outcomes < tree["most"]:
        minor, known = pending.pop()
        outcomes += 1
        run = in_a_child(lambda minor=minor, known=known: one_run(tree, minor, known))
        for name, kept in found.items():
            kept.update(run[name])
        answers = run["answers"]
        pending += [(minor, [*answers[:at], True]) for at in range(len(known), len(answers))]
    return {**{name: sorted(kept) for name, kept in found.items()}, "outcomes": outcomes,
            "all": not pending}  # fmt: skip


def importable(root, names):
    """Return those of the names that can be imported, each in a child of its own."""

    def work(name):
        outcome = Outcome(root + "/", [])
        import_steps(outcome, [name], sys.version_info.minor)
        return not outcome.errors

    return [name for name in names if in_a_child(lambda: work(name))]  # noqa: B023


def main():
    """Answer one line after the other."""
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        asked = json.loads(line)
        if "names" in asked:
            answer = importable(asked["root"], asked["names"])
        else:
            answer = import_tree(asked)
        print(json.dumps(answer), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
