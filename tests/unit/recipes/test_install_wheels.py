"""install_wheels.py, as a Dockerfile runs it: packages laid out with what they require."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.pack import pack
from tests.checkouts import a_counting_checkout

CALLER = """
steps:
  - {idx: 1, name: count, type: recipe, package: team/count, version: ^1.0}
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder as `fetch` makes it, with a package that runs another one."""
    root, out = tmp_path / "checkout", tmp_path / "out"
    recipe = a_counting_checkout(root, **{"jobs/caller.yaml": CALLER})
    pack(recipe, out, prove=False)
    pack(root / "jobs" / "caller.yaml", out, prove=False)
    return out


def install(out: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    program = out / "team" / "caller-1.0.0" / "containers" / "install_wheels.py"
    return subprocess.run(
        [sys.executable, "-B", program, *words],
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_required_is_laid_out_and_run(out: Path, tmp_path: Path) -> None:
    target = tmp_path / "image"
    (out / "recipebox.lock").write_text('[[package]]\nname = "team/count"\nversion = "1.0.0"\n')
    done = install(out, "team/caller-1.0.0", str(target))
    assert done.returncode == 0, done.stderr

    program = target / "team" / "caller-1.0.0" / "recipe" / "run_recipe.py"
    told = subprocess.check_output([sys.executable, program, "--json", "-"], text=True)
    assert json.loads(told)["context"] == {"count.lines": 3}
    assert sorted(path.name for path in (target / "team" / "count-1.0.0").iterdir()) == [
        "containers", "metadata", "recipe",
    ]  # fmt: skip


@pytest.mark.parametrize("is_on", [True, False])
def test_what_an_extra_requires_is_laid_out_where_the_lock_has_it_on(
    out: Path, tmp_path: Path, *, is_on: bool
) -> None:
    path = out / "team" / "caller-1.0.0" / "metadata" / "package.json"
    package = json.loads(path.read_bytes())
    path.write_text(json.dumps({**package, "requires": {}, "extras": {"all": package["requires"]}}))
    extras = 'extras = ["all"]\n' if is_on else ""
    (out / "recipebox.lock").write_text(f'[[package]]\nname = "team/caller"\n{extras}')

    done = install(out, "team/caller-1.0.0", str(tmp_path / "image"))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "image" / "team" / "count-1.0.0").is_dir() == is_on


def test_what_is_required_and_is_not_there_is_said(out: Path, tmp_path: Path) -> None:
    (out / "team" / "count-1.0.0").rename(tmp_path / "elsewhere")
    done = install(out, "team/caller-1.0.0", str(tmp_path / "image"))
    assert done.returncode == 1
    assert "team/count is required, and 0 versions of it are in" in done.stderr


def test_a_wheel_for_another_machine_alone_is_said(out: Path, tmp_path: Path) -> None:
    path = out / "team" / "caller-1.0.0" / "metadata" / "package.json"
    package = json.loads(path.read_bytes())
    wheel = {"name": "x", "version": "1", "filename": "x.whl", "sha256": "0" * 64, "size": 1}
    package["wheels"] = [{**wheel, "tags": ["cp39-cp39-win_amd64"]}]
    path.write_text(json.dumps(package))
    done = install(out, "team/caller-1.0.0", str(tmp_path / "image"))
    assert done.returncode == 1
    assert "x of team/caller has no wheel for Python" in done.stderr


def test_it_says_what_it_wants(out: Path) -> None:
    assert "usage: install_wheels.py TREE TARGET" in install(out).stderr
