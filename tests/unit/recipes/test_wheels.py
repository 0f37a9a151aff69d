"""Wheels: planned from imports, solved once by pip over a folder of tiny ones, locked, laid out."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.tags import Tag

from recipes import environment
from recipes.distributions import distribution_of
from recipes.environment import lay_out_env, platform_here
from recipes.errors import (
    InvalidProject,
    UnknownImports,
    WheelError,
)
from recipes.package import Wheel
from recipes.wheels import (
    minors_of,
    plan_wheels,
    read_requirements,
    requirements_of,
    tags_of,
    wheels_here,
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
            requirements={"numpy": "==1.0", "odd": "", "orjson": ""},
            pythons=("3.11",),
            platforms=("linux/amd64",),
        )

        assert plan.imports == {
            "fast": "fast-lib", "numpy": "numpy", "odd": "odd", "orjson": "orjson", "own": "own",
            "yaml": "PyYAML",
        }  # fmt: skip
        assert plan.asked_by["pyyaml"] == "a.py:1, import yaml"
        assert len(notes) == 1
        assert "psutil is left out; name it under [wheels]" in notes[0]

    def test_a_name_that_nobody_knows_is_asked_for_and_not_guessed(self) -> None:
        with pytest.raises(UnknownImports) as refused:
            plan_wheels(
                {"acme_core.db": ["a.py:1"], "acme_x": ["b.py:2"], "yaml": ["a.py:3"]},
                {},
                own={},
                requirements={},
                pythons=("3.11",),
                platforms=("linux/amd64",),
                project=Path("x/recipebox.toml"),
            )

        assert refused.value.imports == {"acme_core.db": "a.py:1", "acme_x": "b.py:2"}
        said = str(refused.value)
        assert "acme_core.db, imported by a.py:1" in said
        assert 'x/recipebox.toml, such as:\n  [wheels]\n  acme_core = "acme-core"' in said

    def test_what_the_author_does_without_is_left_out_and_said(self) -> None:
        plan, notes = plan_wheels(
            {"IPython.display": ["a.py:1"], "IPythons": ["b.py:2"], "yaml": ["a.py:3"]},
            {},
            own={"IPythons": "other"},
            requirements={},
            pythons=("3.11",),
            platforms=("linux/amd64",),
            without=["IPython"],
        )

        assert set(plan.imports) == {"IPythons", "yaml"}
        assert notes == ["a.py:1 imports IPython.display: it is left out, as recipebox.toml says"]

    def test_what_a_checkout_names_is_known(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            {
                "pyproject.toml": '[project]\ndependencies = ["acme-core>=1", "Six"]\n',
                "requirements.txt": "acme_core==1.5\n",
            },
        )

        assert requirements_of(tmp_path) == {"acme-core": "==1.5", "six": ""}
        write(tmp_path, {"pyproject.toml": "[project]\ndependencies = 3\n"})
        assert requirements_of(tmp_path) == {"acme-core": "==1.5"}
        write(tmp_path, {"pyproject.toml": "not toml"})
        assert requirements_of(tmp_path) == {"acme-core": "==1.5"}

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
