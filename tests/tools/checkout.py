"""A copy of examples/checkout for one test, and its own runner, run in children only.

The children see the checkout's root and what its team has installed (PyYAML, MarkupSafe), and none
of our packages: folders there bear the same names. `-S` keeps our environment out, and the two
distributions are linked into a folder of their own, where their Python code serves every minor.
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.filling import read_values
from recipes.recipe import read_recipe

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "examples" / "checkout"
GOLDEN = ROOT / "tests" / "cases" / "examples"
INSTALLED = ("yaml", "markupsafe")
RUNNABLE = (
    "access_log",
    "checksum_ledger",
    "customer_cleanup",
    "exchange_rates",
    "inventory_diff",
    "sales_stats",
    "shift_plan",
    "stock_report",
    "vendor_import",
)  # with the checkout's own runner
COMPOSED = ("weekly_digest",)  # runs other packages: needs Recipebox's runner
FILLED = {"region_report": "values/region_north.toml"}  # templates, and what they are filled from
REFUSED = (
    "customer_template",
    "evening_round",
    "ftp_upload",
    "month_end",
    "morning_round",
    "quarterly_forecast",
    "rates_live",
    "smoke_checks",
    "tax_table",
    "webshop_tosca",
)
LIMIT = 120  # seconds; each takes less than one


@dataclass(frozen=True)
class Outcome:
    """What a child left: exit code, the two streams, and the JSON of its last line where asked."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The runner's result: recipe, exit_code, steps, context, history."""
        found: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return found

    @property
    def printed(self) -> str:
        """What the steps printed, without the runner's result."""
        return "".join(self.stdout.splitlines(keepends=True)[:-1])


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout in `root`, with `installed` on its import path."""

    root: Path
    installed: Path

    def recipe(self, stem: str) -> Path:
        """Return the path of the recipe's YAML."""
        return self.root / "orchestrator" / "Recipes" / f"{stem}.yaml"

    def values(self, stem: str) -> Path:
        """Return the path of what the template is filled from."""
        return self.recipe(stem).parent / FILLED[stem]

    def fill(self, stem: str) -> str:
        """Put a template's filled text beside it, as its team would by hand; return its stem."""
        filled = read_recipe(self.recipe(stem), read_values(self.values(stem)))
        self.recipe(f"{stem}_filled").write_bytes(filled.content)
        return f"{stem}_filled"

    def python(self, *arguments: str, python: str | Path = sys.executable) -> Outcome:
        """Run Python in the root, as the checkout's team would."""
        done = subprocess.run(
            [python, "-S", "-B", *arguments],
            cwd=self.root,
            env={
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": f"{self.root}:{self.installed}",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def run(self, stem: str, *arguments: str, python: str | Path = sys.executable) -> Outcome:
        """Run a recipe with the checkout's own runner, with `--json-output`."""
        recipe = str(self.recipe(stem).relative_to(self.root))
        module = ("-m", "orchestrator.runner", "--recipe", recipe, "--json-output")
        return self.python(*module, *arguments, python=python)

    def written(self) -> dict[str, str]:
        """Return sha256 by path of the files in out/, where recipes write."""
        return hashes(self.root / "out", self.root)


def copy_checkout(folder: Path) -> Checkout:
    """Copy examples/checkout, as committed, into `folder`, which must be there."""
    root = folder / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "out", "_last_log.json", "local.ini")
    shutil.copytree(SOURCE, root, ignore=ignored)
    installed = folder / "installed"
    installed.mkdir()
    for name in INSTALLED:
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        assert spec.submodule_search_locations, name
        (installed / name).symlink_to(spec.submodule_search_locations[0])
    return Checkout(root, installed)


def golden(stem: str) -> Mapping[str, Any]:
    """Return what a recipe gives: `result` by its runner, hashes of `printed`, `written`."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{stem}.json").read_text(encoding="utf-8"))
    return found


def hashes(folder: Path, base: Path) -> dict[str, str]:
    """Return sha256 by path relative to `base` of every file under `folder`."""
    return {
        path.relative_to(base).as_posix(): sha256(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def sha256(content: bytes) -> str:
    """Return the hex digest."""
    return hashlib.sha256(content).hexdigest()
