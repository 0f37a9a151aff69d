"""Wheels: planned from imports, solved once by pip over a folder of tiny ones, locked, laid out."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.tags import Tag

from recipes import environment, wheels
from recipes.distributions import distribution_of
from recipes.environment import lay_out_env, platform_here
from recipes.errors import (
    InvalidProject,
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
    minors_of,
    plan_wheels,
    platforms_of,
    read_lock,
    read_requirements,
    solve,
    tags_of,
    wheels_for,
    wheels_here,
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


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, and nothing else, is what pip sees."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)  # pip is not what is measured
    return folder


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


class TestPlanning:
    def test_imports_become_distributions_by_the_table_and_the_authors_own(self) -> None:
        assert distribution_of("yaml.nodes", {}) == ("yaml", "PyYAML")
        assert distribution_of("google.cloud.storage.blob", {})[1] == "google-cloud-storage"
        assert distribution_of("numpy.linalg", {}) == ("numpy", "numpy")
        assert distribution_of("yaml", {"yaml": "ruamel.yaml"}) == ("yaml", "ruamel.yaml")

    def test_what_is_decided_is_told(self) -> None:
        plan, notes = plan_wheels(
            {"yaml": ["a.py:1"], "odd.one": ["a.py:2"], "numpy": ["a.py:3"], "own": ["a.py:4"]},
            {"yaml.x": ["b.py:1"], "psutil": ["b.py:2"], "orjson": ["b.py:3"], "fast": ["b.py:4"]},
            own={"own": "own", "fast": "fast-lib"},
            requirements={"numpy": "==1.0", "orjson": ""},
            pythons=("3.11",),
            platforms=("linux/amd64",),
        )

        assert plan.imports == {
            "fast": "fast-lib", "numpy": "numpy", "odd": "odd", "orjson": "orjson", "own": "own",
            "yaml": "PyYAML",
        }  # fmt: skip
        assert plan.asked_by["pyyaml"] == "a.py:1, import yaml"
        assert len(notes) == 2
        assert "imports odd.one: the distribution of the same name is taken" in notes[0]
        assert "psutil is left out; name it under [wheels]" in notes[1]

    def test_a_range_of_pythons_is_its_minors(self) -> None:
        assert minors_of(">=3.11") == ("3.11", "3.12", "3.13")
        assert minors_of(">=3.11.4,<3.13") == ("3.11", "3.12")
        with pytest.raises(InvalidProject, match="none of the Pythons"):
            minors_of("<3.11")

    def test_requirements_are_read_and_the_rest_is_skipped(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            {
                "requirements.txt": """\
                    # pins
                    PyYAML==6.0  # why
                    Some_Lib>=1,<2 --hash=sha256:00
                    plain
                    -r other.txt
                    -e .
                    git+https://example.org/x
                    x @ https://example.org/x.whl
                    """
            },
        )

        assert read_requirements(tmp_path / "requirements.txt") == {
            "pyyaml": "==6.0", "some-lib": "<2,>=1", "plain": "",
        }  # fmt: skip
        assert read_requirements(tmp_path / "gone.txt") == {}


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
        assert notes == ["the pin other==9.9 can't be had: other 2.0 is taken"]

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


class TestEnvironment:
    def lay_out(self, tmp_path: Path, *paths: Path) -> list[Wheel]:
        locked = [
            Wheel(
                name=path.name.partition("-")[0], version="1.0", filename=path.name,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                size=path.stat().st_size, tags=tags_of(path.name),
            )
            for path in paths
        ]  # fmt: skip
        return lay_out_env(locked, {path.name: path for path in paths}, tmp_path / "env")

    def test_wheels_are_unpacked_like_pips_target(self, tmp_path: Path) -> None:
        files = {
            "lib/__init__.py": "",
            "lib-1.0.data/scripts/tool": "#!python\n",
            "lib-1.0.data/purelib/more.py": "",
            "lib-1.0.dist-info/entry_points.txt": "[console_scripts]\nrun = lib:run\n",
        }
        chosen = self.lay_out(tmp_path, a_wheel(tmp_path, "lib", files=files))

        env = tmp_path / "env"
        assert [each.name for each in chosen] == ["lib"]
        assert (env / "lib" / "__init__.py").is_file()
        assert (env / "more.py").is_file()
        assert (env / "bin" / "run").is_file()
        assert json.loads((env / ".recipebox.json").read_text()) == {
            "platform": platform_here(), "python": MINOR,
            "wheels": {each.filename: each.sha256 for each in chosen},
        }  # fmt: skip
        assert not list(env.rglob("*.pyc"))

    def test_the_best_wheel_is_taken(self) -> None:
        tags = [Tag("cp311", "cp311", "linux_x86_64"), Tag("py3", "none", "any")]
        listed = [a_locked("a"), a_locked("a", "cp311-cp311-linux_x86_64"),
                  a_locked("b", "cp312-cp312-linux_x86_64"), a_locked("a")]  # fmt: skip

        assert [each.filename for each in wheels_here(listed, tags)] == [
            "a-1.0-cp311-cp311-linux_x86_64.whl"
        ]

    def test_what_this_python_does_not_need_is_left_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(environment, "platform_here", lambda: "linux/amd64")
        old = a_wheel(tmp_path, "old", tag=f"cp39-cp39-{AMD}")

        assert self.lay_out(tmp_path, old, a_wheel(tmp_path, "new"))[0].name == "new"

    @pytest.mark.parametrize("here", ["linux/riscv64", "linux/arm64"])
    def test_a_platform_without_wheels_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str
    ) -> None:
        monkeypatch.setattr(environment, "platform_here", lambda: here)
        path = a_wheel(tmp_path, "fast", tag=f"cp39-cp39-{AMD}")

        with pytest.raises(WheelError, match=f"fast has no wheel for Python {MINOR} on {here}"):
            self.lay_out(tmp_path, path)
        assert not (tmp_path / "env").exists()

    def test_an_unknown_machine_keeps_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.machine", lambda: "s390x")

        assert platform_here() == "s390x"

    @pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py"])
    def test_a_wheel_that_climbs_out_is_refused(self, tmp_path: Path, name: str) -> None:
        path = a_wheel(tmp_path, "evil", files={name: "evil = True\n"})

        with pytest.raises(WheelError, match=r"evil-1\.0.* can't be unpacked"):
            self.lay_out(tmp_path, path)
        assert not (tmp_path / "evil.py").exists()

    def test_a_broken_wheel_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "lib-1.0-py3-none-any.whl"
        path.write_bytes(b"not a zip")

        with pytest.raises(WheelError, match="can't be unpacked"):
            self.lay_out(tmp_path, path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("lib.py", "")
        (tmp_path / "env").rename(tmp_path / "before")
        with pytest.raises(WheelError, match="can't be unpacked"):
            self.lay_out(tmp_path, path)

    def test_a_wheel_too_large_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(environment, "_LARGEST", 10)

        with pytest.raises(WheelError, match="more than 10 bytes"):
            self.lay_out(tmp_path, a_wheel(tmp_path, "lib"))
