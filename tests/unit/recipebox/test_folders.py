"""Folders that the cache keeps: made once, checked at each use, removed when nobody uses them."""

import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from recipebox.cache import Cache
from recipebox.folders import Folders, clone_folder, remove

KEY = "ab" * 32


class Maker:
    """Makes a folder with a module and a program in it, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, into: Path) -> None:
        self.times += 1
        (into / "lib").mkdir(parents=True)
        (into / "lib" / "module.py").write_text("x = 1\n")
        (into / "program").write_text("#!/bin/sh\n")
        (into / "program").chmod(0o700)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "kept")


@pytest.fixture
def make() -> Maker:
    return Maker()


def use(folders: Folders, make: Callable[[Path], object]) -> Path:
    with folders.using(KEY, make) as path:
        assert (path / "lib" / "module.py").read_text() == "x = 1\n"
        return path


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def writable(path: Path) -> Path:
    path.parent.chmod(0o755)
    path.chmod(0o644)
    return path


def test_it_is_made_once_and_nobody_may_write_there(folders: Folders, make: Maker) -> None:
    first = use(folders, make)
    again = use(folders, make)

    assert first == again
    assert make.times == 1
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (first, *first.rglob("*"))}
    assert modes == {"tree": 0o555, "lib": 0o555, "module.py": 0o444, "program": 0o555}


def _rewrite_unseen(tree: Path) -> None:
    """Write other bytes of the same length, and put the file's time back."""
    path = writable(tree / "lib" / "module.py")
    before = path.stat()
    path.write_text("x = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _link(tree: Path) -> None:
    writable(tree / "lib" / "module.py").unlink()
    (tree / "lib" / "module.py").symlink_to("/etc/hostname")


def _drop_listing(tree: Path) -> None:
    (tree.parent / "listing.json").write_text("{}")


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten": _rewrite_unseen,
    "added": lambda tree: writable(tree / "lib" / "module.py").with_name("b.py").write_text(""),
    "removed": lambda tree: writable(tree / "lib" / "module.py").unlink(),
    "a link": _link,
    "a folder": lambda tree: writable(tree / "program").parent.joinpath("os").mkdir(),
    "a mode": lambda tree: (tree / "program").chmod(0o444),
    "no listing": _drop_listing,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("is_settled", [False, True])
def test_what_was_changed_is_made_again(
    folders: Folders, make: Maker, change: Callable[[Path], object], *, is_settled: bool
) -> None:
    tree = use(folders, make)
    if is_settled:  # the listing was written well after the files: their times are believed
        listing = tree.parent / "listing.json"
        text = listing.read_text()
        at = int(text.partition('"at": ')[2].partition(",")[0])
        listing.write_text(text.replace(str(at), str(at + 10**10)))
    change(tree)

    use(folders, make)

    assert make.times == 2
    assert [path.name for path in folders.root.iterdir()] == [KEY]


def test_a_copy_with_other_times_is_read_again_and_believed(folders: Folders, make: Maker) -> None:
    tree = use(folders, make)
    age(tree / "program", 1000)

    use(folders, make)

    assert make.times == 1


def test_other_files_than_were_asked_for_are_made_again(folders: Folders, make: Maker) -> None:
    use(folders, make)

    with pytest.raises(ZeroDivisionError), folders.using(KEY, lambda _: 1 / 0, files={"a": "00"}):
        pass

    use(folders, make)
    assert make.times == 1


def test_one_that_fails_leaves_nothing(folders: Folders, make: Maker) -> None:
    def fail(into: Path) -> None:
        make(into)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), folders.using(KEY, fail):
        pass

    assert list(folders.root.iterdir()) == []


def test_those_who_want_it_at_once_wait_for_the_one_who_makes_it(
    folders: Folders, make: Maker
) -> None:
    seen: list[Path] = []
    begun = threading.Barrier(4)

    def want() -> None:
        begun.wait(30)
        seen.append(use(folders, make))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(seen) == 4
    assert make.times == 1


def test_what_a_killed_one_left_is_removed_by_the_next(folders: Folders, make: Maker) -> None:
    child = os.fork()
    if child == 0:  # dies in the middle, as by kill -9
        with suppress(BaseException), folders.using(KEY, lambda into: (make(into), os._exit(9))):
            pass
        os._exit(1)
    os.waitpid(child, 0)
    assert not folders.has(KEY)
    assert [path.name[:6] for path in folders.root.iterdir() if path.is_dir()] == [".part-"]

    use(folders, make)

    assert [path.name for path in folders.root.iterdir()] == [KEY]


def test_the_cache_counts_and_prunes_them_but_what_is_in_use(tmp_path: Path, make: Maker) -> None:
    cache = Cache(tmp_path)
    tree = use(cache.envs, make)
    (cache.trees.root / f".part-{KEY}-x1").mkdir(parents=True)
    (cache.trees.root / f".part-{KEY}-x1" / "half").write_text("half")
    age(tree.parent / "listing.json", 1000)
    before = cache.usage()

    with cache.envs.using(KEY, make):
        age(tree.parent / "listing.json", 1000)
        first = cache.prune(500)
        assert tree.is_dir()
    second = cache.prune(500)

    assert before.files == 4
    assert (first.files, second.files) == (1, 3)
    assert cache.usage().files == 0
    assert not list(cache.trees.root.iterdir())


def test_a_clone_is_its_own(folders: Folders, make: Maker, tmp_path: Path) -> None:
    tree = use(folders, make)
    clone_folder(tree, tmp_path / "mine")

    (tmp_path / "mine" / "lib" / "module.py").write_text("mine\n")

    use(folders, make)
    assert make.times == 1
    assert (tmp_path / "mine" / "program").stat().st_mode & 0o777 == 0o755
    remove(tree)
    assert (tmp_path / "mine" / "lib" / "module.py").read_text() == "mine\n"
