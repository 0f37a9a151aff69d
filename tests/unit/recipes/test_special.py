"""Pipes, sockets, devices, folders under names that packing reads: refused, not waited for."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recipes.errors import MissingModules, RecipeError
from recipes.many import find_recipes
from recipes.pack import pack
from recipes.paths import open_plain, read_plain
from recipes.recipe import read_recipe
from tests.checkouts import PROJECT, a_counting_checkout

Make = Callable[[Path], object]

KINDS: dict[str, tuple[Make, str]] = {
    "pipe": (os.mkfifo, "it is a named pipe, and not a file"),
    "socket": (lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), "it is a socket, and not"),
    "folder": (Path.mkdir, "it is a folder, and not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, and not a file"),
    "link to nothing": (lambda path: path.symlink_to("gone"), "No such file or directory"),
}
NAMES = (
    "requirements.txt",
    "pyproject.toml",
    "recipebox.toml",
    "recipebox.wheels.toml",
    "deployment_config.yaml",
    "deployment/count/deployment_config.yaml",
)


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Whoever waits for a pipe's other end waits for ever: that is a failure after a minute."""

    def give_up(_number: int, _frame: object) -> None:
        raise AssertionError("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def a_checkout(root: Path) -> Path:
    """A recipe that imports a distribution, so that what pins it and locks it is read."""
    code = "import numpy\ndef Count(c, a):\n    c.set('count.lines', 1)\n"
    return a_counting_checkout(root, **{"steps/count.py": code})


def put(root: Path, name: str, make: Make) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)


GONE = "link to nothing"
PAIRS = [
    (name, kind)
    for name in NAMES
    for kind in KINDS
    if (name, kind) != ("recipebox.wheels.toml", GONE)  # a lock is made where the link leads
]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_what_packing_reads_must_be_a_file(tmp_path: Path, name: str, kind: str) -> None:
    make, said = KINDS[kind]
    recipe = a_checkout(tmp_path / "checkout")
    if name.startswith("deployment"):  # these are read last, after wheels are solved
        recipe = a_counting_checkout(tmp_path / "plain")
    root = recipe.parent.parent
    put(root, name, make)

    with pytest.raises(RecipeError) as refused:
        pack(recipe, tmp_path / "out", prove=False)

    assert name.rpartition("/")[2] in str(refused.value)
    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_must_be_a_file(tmp_path: Path, kind: str) -> None:
    make, said = KINDS[kind]
    recipe = a_checkout(tmp_path)
    put(tmp_path, "jobs/count.yaml", make)

    with pytest.raises(RecipeError, match=said):
        read_recipe(recipe)
    assert find_recipes(tmp_path) == []


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_data_must_be_files(tmp_path: Path, kind: str) -> None:
    make, _ = KINDS[kind]
    recipe = a_counting_checkout(tmp_path / "checkout")
    put(tmp_path / "checkout", "data/lines.txt", make)

    with pytest.raises(RecipeError, match=r"data/lines\.txt"):
        pack(recipe, tmp_path / "out", prove=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_that_is_no_file_is_none(tmp_path: Path, kind: str) -> None:
    make, _ = KINDS[kind]
    recipe = a_counting_checkout(tmp_path / "checkout")
    put(tmp_path / "checkout", "steps/count.py", make)

    with pytest.raises(MissingModules, match=r"steps\.count"):
        pack(recipe, tmp_path / "out", prove=False)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
def test_a_readme_must_be_a_file(tmp_path: Path, kind: str) -> None:
    make, _ = KINDS[kind]
    project = PROJECT + '[recipes.count]\nreadme = "README.md"\n'
    recipe = a_counting_checkout(tmp_path / "checkout", **{"recipebox.toml": project})
    put(tmp_path / "checkout", "README.md", make)

    with pytest.raises(RecipeError, match=r"no readme is at 'README\.md'"):
        pack(recipe, tmp_path / "out", prove=False)


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
def test_a_readme_has_the_newlines_that_it_always_had(tmp_path: Path, newline: str) -> None:
    project = PROJECT + '[recipes.count]\nreadme = "README.md"\n'
    recipe = a_counting_checkout(tmp_path / "checkout", **{"recipebox.toml": project})
    (tmp_path / "checkout/README.md").write_bytes(f"a{newline}b".encode())

    assert pack(recipe, tmp_path / "out", prove=False).metadata.readme == "a\nb"


def test_a_file_that_becomes_a_pipe_meanwhile_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    was = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda _path, **_options: was)

    with pytest.raises(OSError, match="it is a named pipe, and not a file"):
        open_plain(tmp_path / "pipe")
    assert read_plain(tmp_path / "file") == b"x"
