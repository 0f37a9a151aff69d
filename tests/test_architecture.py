"""The layers and the names, held where import-linter can't see them."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = set(PROJECT["tool"]["importlinter"]["root_packages"])


def test_import_linter_keeps_the_layers():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_of_the_checkout_is_in_the_wheel_the_layers_and_the_coverage():
    tool = PROJECT["tool"]
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"}
    assert folders == OURS
    assert set(tool["coverage"]["run"]["source_pkgs"]) == OURS
    assert {name.rstrip("*") for name in tool["setuptools"]["packages"]["find"]["include"]} == OURS
    assert set(tool["ruff"]["lint"]["isort"]["known-first-party"]) == OURS | {"tests"}


def test_no_top_level_name_of_ours_is_a_dependencys():
    for name, distributions in metadata.packages_distributions().items():
        if name in OURS:
            assert set(distributions) == {"recipebox"}, name


def test_every_package_is_typed():
    assert all((ROOT / name / "py.typed").exists() for name in OURS)


def test_the_client_pulls_in_neither_flask_nor_peewee():
    code = (
        "import sys; sys.modules.update(flask=None, peewee=None, gunicorn=None);"
        "import recipebox.client, recipebox.cli, recipebox.commands.publish"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
