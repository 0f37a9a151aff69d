"""Wheels, solved once by real pip over a folder of tiny ones, locked, and downloaded again."""

import hashlib
import sys
from pathlib import Path

import pytest

from recipes import wheels
from recipes.errors import (
    InvalidWheelLock,
    NoWheel,
    WheelConflict,
    WheelError,
    WheelMismatch,
)
from recipes.package import Wheel
from recipes.wheels import (
    WheelLock,
    WheelPlan,
    get_wheels,
    platforms_of,
    read_lock,
    solve,
    tags_of,
    wheels_for,
    write_lock,
)
from tests.checkouts import a_wheel, write

A_WRONG_FILE_NAME = """
schema_version = 1
[recipes.a]
python = []
platforms = []
imports = {}
[[recipes.a.wheels]]
name = "a"
version = "1"
filename = "a.whl"
sha256 = "x"
size = 1
"""

AMD = "manylinux_2_17_x86_64"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def a_plan(
    *names: str,
    pythons: tuple[str, ...] = ("3.11",),
    platforms: tuple[str, ...] = ("linux/amd64",),
    **pins: str,
) -> WheelPlan:
    asked = {name: f"steps/a.py:1, import {name}" for name in names}
    return WheelPlan({name: name for name in names}, asked, pythons, platforms, pins)


def a_locked(name: str, tag: str = "py3-none-any") -> Wheel:
    filename = f"{name}-1.0-{tag}.whl"
    return Wheel(
        name=name, version="1.0", filename=filename, sha256="0" * 64, size=1, tags=tags_of(filename)
    )


class TestSolving:
    def test_the_newest_with_what_it_requires_for_every_python(
        self, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "top", "1.0")
        a_wheel(index, "top", "2.0", requires=["fast>=1", "extra-lib[more]"])
        a_wheel(index, "extra-lib", requires=["deep; extra == 'more'", "no; extra == 'other'"])
        a_wheel(index, "deep")
        for tag in ("cp311-cp311", "cp312-cp312"):
            a_wheel(index, "fast", "1.5", tag=f"{tag}-{AMD}")
        told: list[str] = []

        lock, notes = solve(
            a_plan("top", pythons=("3.11", "3.12")), tmp_path / "cache", progress=told.append
        )

        assert [each.filename for each in lock.wheels] == [
            "deep-1.0-py3-none-any.whl",
            "extra_lib-1.0-py3-none-any.whl",
            f"fast-1.5-cp311-cp311-{AMD}.whl",
            f"fast-1.5-cp312-cp312-{AMD}.whl",
            "top-2.0-py3-none-any.whl",
        ]
        for each in lock.wheels:
            data = (index / each.filename).read_bytes()
            assert (each.sha256, each.size) == (hashlib.sha256(data).hexdigest(), len(data))
            assert (tmp_path / "cache" / each.sha256).read_bytes() == data
        assert notes == []
        assert len(told) == 2

    def test_markers_are_those_of_the_python_that_is_meant(
        self, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(
            index, "top",
            requires=["old; python_version < '3.12'", "new; python_version >= '3.12'",
                      "win; sys_platform == 'win32'"],
        )  # fmt: skip
        a_wheel(index, "old")
        a_wheel(index, "new")

        found = {
            python: {
                each.name
                for each in solve(a_plan("top", pythons=(python,)), tmp_path / "c")[0].wheels
            }
            for python in ("3.11", "3.12")
        }

        assert found == {"3.11": {"top", "old"}, "3.12": {"top", "new"}}

    def test_a_pin_holds_where_it_can_be_had(self, tmp_path: Path, index: Path) -> None:
        for version in ("1.0", "1.1", "2.0"):
            a_wheel(index, "lib", version)
            a_wheel(index, "other", version)

        lock, notes = solve(
            a_plan("lib", "other", lib="==1.1", other="==9.9", unrelated="==1"), tmp_path / "c"
        )

        assert [(each.name, each.version) for each in lock.wheels] == [
            ("lib", "1.1"), ("other", "2.0"),
        ]  # fmt: skip
        assert notes == [
            "the pin other==9.9 can't be had for every Python (3.11): other 2.0 is taken"
        ]

    def test_a_pin_that_only_some_pythons_have_is_dropped_and_said(
        self, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "old", "1.0", tag=f"cp311-cp311-{AMD}")
        a_wheel(index, "old", "2.0")

        lock, notes = solve(a_plan("old", pythons=("3.11", "3.12"), old="==1.0"), tmp_path / "c")

        assert [each.version for each in lock.wheels] == ["2.0"]
        assert notes == [
            "the pin old==1.0 can't be had for every Python (3.11, 3.12): old 2.0 is taken"
        ]

    def test_one_version_for_all_pythons_or_a_word_about_it(
        self, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "lib", "2.0", tag=f"cp311-cp311-{AMD}")
        a_wheel(index, "lib", "1.0", tag=f"cp312-cp312-{AMD}")

        with pytest.raises(WheelConflict, match=r"Python 3\.12 on linux/amd64 .*lib 2\.0"):
            solve(a_plan("lib", pythons=("3.11", "3.12")), tmp_path / "c")

    def test_a_distribution_without_a_wheel_is_named_with_who_asks(
        self, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "there", requires=["gone"])

        with pytest.raises(NoWheel, match=r"lost has no wheel for Python 3\.11 .*steps/a\.py:1"):
            solve(a_plan("lost"), tmp_path / "c")
        with pytest.raises(NoWheel, match=r"gone has no wheel .* another distribution"):
            solve(a_plan("there"), tmp_path / "c")

    def test_both_platforms_have_their_own(self, tmp_path: Path, index: Path) -> None:
        for machine in ("x86_64", "aarch64"):
            a_wheel(index, "fast", tag=f"cp311-cp311-manylinux_2_17_{machine}")
        a_wheel(index, "fast", tag="cp311-cp311-manylinux_2_39_x86_64")
        plan = a_plan("fast", platforms=("linux/amd64", "linux/arm64"))

        lock, _ = solve(plan, tmp_path / "c")

        assert len(lock.wheels) == 2
        assert len(wheels_for("linux/arm64", lock.wheels)) == 1
        assert platforms_of(lock.wheels) == ("linux/amd64", "linux/arm64")

    def test_nothing_imported_is_nothing_solved(self, tmp_path: Path) -> None:
        lock, notes = solve(a_plan(), tmp_path / "c")

        assert (lock.wheels, notes) == ((), [])

    def test_an_index_that_is_away_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_RETRIES", "1")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

        with pytest.raises(WheelError, match="can't reach its index"):
            solve(a_plan("lib"), tmp_path / "c")

    def test_anything_else_that_pip_says_is_passed_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_TIMEOUT", "not a number")

        with pytest.raises(WheelError, match="pip could not solve"):
            solve(a_plan("lib"), tmp_path / "c")

    def test_answers_that_never_end_are_stopped(
        self, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wheels, "_MOST_ROUNDS", 1)
        a_wheel(index, "top", requires=["new; python_version >= '3.13'"])
        a_wheel(index, "new")
        if MINOR == "3.13":  # pragma: no cover - there pip's own answer is right at once
            pytest.skip("of a Python other than the one that is meant")

        with pytest.raises(WheelError, match="don't come to an end"):
            solve(a_plan("top", pythons=("3.13",)), tmp_path / "c")

    def test_an_index_without_hashes_is_refused(self) -> None:
        item = {"metadata": {"name": "a", "version": "1"}, "download_info": {"url": "x/a-1.whl"}}

        with pytest.raises(WheelError, match="knows no sha256"):
            wheels._read_item(item)


class TestLock:
    def test_it_comes_back_and_is_stable(self, tmp_path: Path) -> None:
        path = tmp_path / "recipebox.wheels.toml"
        lock = WheelLock(
            {"b": "b", "a": "a"}, ("3.11",), ("linux/amd64",), (a_locked("b"), a_locked("a"))
        )
        write_lock(path, {"z": lock, "a": lock})
        first = path.read_bytes()
        write_lock(path, dict(reversed(read_lock(path).items())))

        assert path.read_bytes() == first
        assert [each.name for each in read_lock(path)["z"].wheels] == ["a", "b"]
        assert b"http" not in first
        assert list(tmp_path.iterdir()) == [path]

    def test_no_lock_is_an_empty_one(self, tmp_path: Path) -> None:
        assert read_lock(tmp_path / "gone") == {}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a = ", "can't be read"),
            ("schema_version = 2", "schema_version is 2, not 1"),
            ("schema_version = 1\n[recipes.a]\n", "was damaged"),
            (
                "schema_version = 1\n[recipes.a]\nimports = 1\npython = []\nplatforms = []",
                "damaged",
            ),
            (A_WRONG_FILE_NAME, "not the file name of a wheel"),
        ],
    )
    def test_a_damaged_one_is_refused(self, tmp_path: Path, text: str, said: str) -> None:
        path = write(tmp_path, {"lock.toml": text}) / "lock.toml"

        with pytest.raises(WheelError, match=said):
            read_lock(path)
        if "file name" not in said:
            with pytest.raises(InvalidWheelLock):
                read_lock(path)

    def test_it_covers_a_plan_that_asks_for_no_more(self) -> None:
        lock = WheelLock({"a": "a", "b": "b"}, ("3.11", "3.12"), ("linux/amd64",), ())

        assert lock.covers(a_plan("a"))
        assert not lock.covers(a_plan("c"))
        assert not lock.covers(a_plan("a", pythons=("3.13",)))
        assert not lock.covers(a_plan("a", platforms=("linux/arm64",)))

    def test_what_is_locked_is_downloaded_again_and_checked(
        self, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "pure")
        a_wheel(index, "stable", tag=f"cp310-abi3-{AMD}")
        for minor in ("311", "312"):
            a_wheel(index, "fast", tag=f"cp{minor}-cp{minor}-{AMD}")
        plan = a_plan("pure", "stable", "fast", pythons=("3.11", "3.12"))
        lock, _ = solve(plan, tmp_path / "one")
        told: list[str] = []

        files = get_wheels(lock, tmp_path / "two", progress=told.append)

        assert set(files) == {each.filename for each in lock.wheels}
        assert len(told) == 2
        for path in index.iterdir():
            path.unlink()
        assert get_wheels(lock, tmp_path / "two") == files

    def test_a_changed_file_of_the_cache_is_refused_and_removed(
        self, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "lib")
        lock, _ = solve(a_plan("lib"), tmp_path / "c")
        stored = tmp_path / "c" / lock.wheels[0].sha256
        stored.write_bytes(b"changed")

        with pytest.raises(WheelMismatch, match=r"lib-1\.0.*expected sha256 .* found"):
            get_wheels(lock, tmp_path / "c")
        assert not stored.exists()
        assert get_wheels(lock, tmp_path / "c")

    def test_another_file_on_the_index_is_refused(self, tmp_path: Path, index: Path) -> None:
        a_wheel(index, "lib")
        lock, _ = solve(a_plan("lib"), tmp_path / "one")
        a_wheel(index, "lib", files={"lib.py": "evil = True\n"})

        with pytest.raises(WheelError, match=r"could not download lib 1\.0"):
            get_wheels(lock, tmp_path / "two")

    def test_a_wheel_of_no_locked_python_can_not_be_had(self, tmp_path: Path) -> None:
        lock = WheelLock({}, ("3.11",), ("linux/amd64",), (a_locked("a", f"cp39-cp39-{AMD}"),))

        with pytest.raises(WheelError, match="the index gave another file"):
            get_wheels(lock, tmp_path)
