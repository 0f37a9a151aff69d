"""Every command, tried in a checkout with PYTHONPATH=. whose root is full of modules like ours.

The copy of the example checkout has, beside its own `storage`, `recipes`, `web` and `deploy`, a
module of the name of nearly everything that Recipebox imports: of the standard library and of every
distribution in its environment. Each tells who imported it. Nobody may, but the recipes' own
children; and those must have the checkout's.
"""

import ast
import contextlib
import importlib.metadata
import importlib.util
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.support import BIN, LIMIT, ROOT, Machine, end_agent
from tests.tools.checkout import SOURCE, golden
from tests.tools.server import wait_until

pytestmark = pytest.mark.real

MUST_BE_THERE = {"click", "flask", "json", "logging", "oras", "peewee", "requests", "rich", "yaml"}
SIBLINGS = {"storage", "recipes", "web", "deploy"}
TELL = """\
import sys as _sys
try:
    with open({folder!r} + "/" + __name__, "a") as _file:
        _file.write(repr(_sys.orig_argv) + "\\n")
except OSError:
    pass
"""


@dataclass
class Hostile:
    """The checkout, the machine that works in it, and where each import is told."""

    root: Path
    told: Path
    machine: Machine
    names: frozenset[str]
    tried: set[str]

    def run(self, *words: str | Path, **more: str) -> str:
        """Run a command in the checkout, with PYTHONPATH=. and nothing but success."""
        self.tried.add(str(words[0]))
        return self.machine.run(*words, cwd=self.root, **more).out

    def imported_by(self) -> dict[str, list[list[str]]]:
        """Return the command lines that imported each module."""
        return {
            path.name: [ast.literal_eval(line) for line in path.read_text().splitlines()]
            for path in self.told.iterdir()
        }


def imported_at_start(environ: dict[str, str]) -> set[str]:
    """Return what is imported before the command line can clean its path: as little as can be."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import recipebox.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def imported_in(checkout: Path) -> set[str]:
    """Return the top-level names that the checkout's own code imports."""
    found = set()
    for path in checkout.rglob("*.py"):
        with contextlib.suppress(SyntaxError):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found


def is_a_recipes_child(words: list[str]) -> bool:
    return any(word.endswith("run_recipe.py") for word in words)


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    root = tmp_path / "checkout"
    shutil.copytree(SOURCE, root, ignore=shutil.ignore_patterns("__pycache__", "out"))
    told = tmp_path / "told"
    told.mkdir(mode=0o777)
    machine = Machine(tmp_path / "ada")
    early = imported_at_start(machine.environ)
    ours = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    ours = {name for name in ours if importlib.util.find_spec(name)}  # not Windows's
    ours |= {
        name
        for name in importlib.metadata.packages_distributions()
        if name.isidentifier() and not name.startswith("_")
    }
    kept = imported_in(root)
    names = ours - early - kept - {path.stem for path in root.iterdir()}
    for name in names:
        (root / f"{name}.py").write_text(TELL.format(folder=str(told)))
    for name in SIBLINGS:
        init = root / name / "__init__.py"
        if init.exists():
            with init.open("a") as file:
                file.write(TELL.format(folder=str(told)))
    machine = replace(machine, variables={"PYTHONPATH": ".", "RECIPEBOX_SIGNING_KEY": ""})
    yield Hostile(root, told, machine, frozenset(names), set())
    end_agent(machine.home)


@contextlib.contextmanager
def served(hostile: Hostile, folder: Path) -> Iterator[None]:
    """`recipebox serve` from within the checkout, too."""
    address = folder / "url"
    flags = ("--data", folder / "data", "--listen", "127.0.0.1:0", "--workers", "1")
    with (folder / "serve.out").open("wb") as out:
        process = subprocess.Popen(
            [BIN / "recipebox", "serve", *flags, "--address-file", address],
            cwd=hostile.root,
            env=hostile.machine.environ,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    hostile.tried.add("serve")
    try:
        wait_until(lambda: address.exists() or process.poll() is not None)
        said = (folder / "serve.out").read_text()
        assert address.exists(), said
        hostile.machine = replace(hostile.machine, url=address.read_text().strip())
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT)


def work_with_a_bundle(hostile: Hostile) -> None:
    words = ("bundle", "create", "demo/monday", "--lock", "recipebox.lock", "--json")
    reference = json.loads(hostile.run(*words))["reference"]
    hostile.run("bundle", "show", reference)
    hostile.run("bundle", "copy", reference, "../layout")
    hostile.run("bundle", "verify", "../layout")
    hostile.run("bundle", "diff", reference, "../layout", "--exit-code")
    hostile.run("fetch", "--bundle", "demo/monday:dev", "--out", "../of-a-bundle")


def test_nothing_of_a_checkout_is_imported_by_us(hostile: Hostile, tmp_path: Path) -> None:
    recipe = "orchestrator/Recipes/checksum_ledger.yaml"
    name = "demo/checksum-ledger"
    jobs = tmp_path / "jobs"
    with served(hostile, tmp_path):
        data = tmp_path / "data"
        token = hostile.run(
            *("admin", "token", "create", "--data", data, "--name", "ada", "--role", "admin")
        ).strip()
        hostile.run("login", "--token-stdin", given=token)
        hostile.run("key", "new", "Ada <ada@example.org>", "--no-passphrase")
        hostile.run("key", "list")
        fingerprint = json.loads(hostile.run("key", "export", "-o", "ada.asc", "--json"))
        hostile.run("namespace", "create", "demo")
        hostile.run("namespace", "key", "add", "demo", "ada.asc")
        hostile.run("namespace", "key", "list", "demo")
        hostile.run("namespace", "list")
        hostile.run("trust", "add", "demo", fingerprint["fingerprint"])
        hostile.run("trust", "list")
        hostile.run("init", "--dry-run", "--namespace", "demo")
        packed = hostile.run("pack", recipe, "--out", "../built", "--json")
        hostile.run("sign", "../built")
        hostile.run("publish", "../built")
        hostile.run("search", "ledger")
        hostile.run("info", name)
        hostile.run("diff", name, "../built", "--patch")
        hostile.run("lock", name)
        for words in ("lock --check", f"why {name}", f"why-not {name}@9.9.9", "tree", "outdated"):
            hostile.run(*words.split())
        hostile.run("fetch", "--frozen", "recipebox.lock", "--out", jobs)
        hostile.run("verify", jobs)
        ran = [json.loads(hostile.run("run", jobs, "--json"))]
        ran.append(json.loads(hostile.run("run", name, "--json")))
        hostile.run("export", "--lock", "recipebox.lock", "-o", "../ledger.tar")
        hostile.run("import", "../ledger.tar", "--to", "../carried")
        hostile.run("promote", "demo/monday", "--lock", "recipebox.lock", "--to", "dev")
        work_with_a_bundle(hostile)
        hostile.run("yank", f"{name}@1.0.0", "--reason", "a test", "--yes")
        hostile.run("unyank", f"{name}@1.0.0")
        hostile.run("doctor")
        hostile.run("cache", "info")
        hostile.run("completion", "bash")
        hostile.run("logout")
        hostile.run("--help")
        hostile.run("--version")

    expected = golden("checksum_ledger")["result"]
    for result in ran:
        assert (result["exit_code"], result["context"]) == (0, expected["context"])
    assert json.loads(packed)["proof"]["exit_code"] == 0
    imports = hostile.imported_by()
    wrong = {
        module: [words for words in lines if not is_a_recipes_child(words)]
        for module, lines in imports.items()
    }
    assert {module: lines for module, lines in wrong.items() if lines} == {}
    files = (ROOT / "recipebox" / "commands").glob("[!_]*.py")
    commands = {path.stem.replace("_", "-") for path in files}
    assert commands | {"serve", "admin"} <= hostile.tried


def test_recipes_have_the_modules_of_their_checkout(hostile: Hostile, tmp_path: Path) -> None:
    recipe = "orchestrator/Recipes/customer_cleanup.yaml"

    hostile.run("pack", recipe, "--out", "../built", "--no-run")
    done = json.loads(hostile.run("run", "../built", "--json"))

    assert done["context"] == golden("customer_cleanup")["result"]["context"]
    imports = hostile.imported_by()
    assert "recipes" in imports
    assert all(is_a_recipes_child(words) for lines in imports.values() for words in lines)


def test_the_trap_is_one(hostile: Hostile) -> None:
    """A program that isn't careful falls into it: else the tests above would say nothing."""
    assert MUST_BE_THERE - imported_in(SOURCE) <= hostile.names
    assert len(hostile.names) > 200
    subprocess.run(
        [sys.executable, "-c", "import click, storage"],
        cwd=hostile.root,
        env=hostile.machine.environ,
        check=True,
        timeout=LIMIT,
    )
    assert {"click", "storage"} <= hostile.imported_by().keys()
