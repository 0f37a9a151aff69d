"""Packing what needs wheels, by real pip over a folder of tiny ones."""

import os
from pathlib import Path

import pytest

from recipebox.cache import Cache, Usage
from recipes.errors import (
    ProofFailed,
    UnknownImports,
)
from recipes.pack import pack
from tests.checkouts import (
    PROJECT,
    a_counting_checkout,
    a_wheel,
    digest_of,
    snapshot,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


class TestWheels:
    CODE = (
        "import lib_one\nfrom lib_one import VERSION\n"
        "def Count(c, a):\n    c.set('count.lines', VERSION)\n"
    )

    def test_they_are_locked_kept_and_laid_out(
        self, root: Path, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "lib-one", "1.0")
        project = PROJECT + 'python = "==3.11.*"\n[wheels]\nlib_one = "lib-one"\n'
        recipe = a_counting_checkout(
            root, **{"steps/count.py": self.CODE, "recipebox.toml": project}
        )

        packed = pack(recipe, tmp_path / "out", cache=tmp_path / "cache")

        assert packed.proof.context == {"count.lines": "1.0"}
        assert packed.wheel_lock == root / "recipebox.wheels.toml"
        assert [each.filename for each in packed.metadata.wheels] == [
            "lib_one-1.0-py3-none-any.whl"
        ]
        assert (tmp_path / "out/wheels/lib_one-1.0-py3-none-any.whl").is_file()
        assert (packed.path / "env" / "lib_one.py").is_file()

        # a month later the index has more; the lock decides, and the cache is enough
        before = snapshot(root)
        for path in index.iterdir():
            path.unlink()
        again = pack(recipe, tmp_path / "out2", cache=tmp_path / "cache")
        assert digest_of(again, tmp_path / "b") == digest_of(packed, tmp_path / "b")
        assert snapshot(root) == before

    def test_what_the_cache_keeps_of_them_is_counted_pruned_and_cleared(
        self, root: Path, tmp_path: Path, index: Path
    ) -> None:
        wheels = [a_wheel(index, name) for name in ("lib-one", "lib-two")]
        code = self.CODE.replace("import lib_one\n", "import lib_one, lib_two\n")
        project = PROJECT + 'python = "==3.11.*"\n[wheels]\nlib_one = "lib-one"\n'
        recipe = a_counting_checkout(
            root, **{"steps/count.py": code, "recipebox.toml": project + 'lib_two = "lib-two"\n'}
        )
        cache = Cache(tmp_path / "cache")
        pack(recipe, tmp_path / "out", cache=cache.wheels, prove=False)
        size = sum(path.stat().st_size for path in wheels)
        assert cache.usage() == Usage(2, size)

        for path in cache.wheels.iterdir():
            os.utime(path, (0, 0))
        pack(recipe, tmp_path / "out", cache=cache.wheels, prove=False)
        assert cache.prune(60) == Usage(0, 0)  # they were read

        one, other = sorted(cache.wheels.iterdir())
        left = cache.wheels / ".lib_one-1.0-py3-none-any.whl.99"  # of somebody who was killed
        left.write_bytes(b"half")
        lost = Usage(2, one.stat().st_size + 4)
        for path in (one, left):
            os.utime(path, (0, 0))
        assert cache.prune(60) == lost
        assert list(cache.wheels.iterdir()) == [other]
        assert cache.clear().files == 1
        pack(recipe, tmp_path / "out", cache=cache.wheels, prove=False)
        assert cache.usage() == Usage(2, size)

    def test_one_import_more_keeps_the_versions_of_the_others(
        self, root: Path, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "lib-one", "1.0")
        project = PROJECT + 'python = "==3.11.*"\n[wheels]\nlib_one = "lib-one"\ntwo = "two"\n'
        recipe = a_counting_checkout(
            root, **{"steps/count.py": self.CODE, "recipebox.toml": project}
        )
        pack(recipe, tmp_path / "out", prove=False)
        a_wheel(index, "lib-one", "2.0")
        a_wheel(index, "two")
        write(root, {"steps/count.py": "import two\n" + self.CODE})

        packed = pack(recipe, tmp_path / "out", prove=False)

        assert [(each.name, each.version) for each in packed.metadata.wheels] == [
            ("lib-one", "1.0"), ("two", "1.0"),
        ]  # fmt: skip

    def test_without_a_project_the_lock_is_beside_the_output(
        self, root: Path, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "lib-one", "1.0")
        recipe = a_counting_checkout(
            root, **{"steps/count.py": self.CODE, "requirements.txt": "lib-one\n"}
        )
        (root / "recipebox.toml").unlink()
        before = snapshot(root)

        packed = pack(recipe, tmp_path / "out", name="team/x", platforms=["linux/amd64"])

        assert packed.wheel_lock == tmp_path / "out" / "recipebox.wheels.toml"
        assert packed.wheel_lock.is_file()
        assert snapshot(root) == before

    def test_an_import_that_nobody_names_is_refused_before_an_index_is_asked(
        self, root: Path, tmp_path: Path, index: Path
    ) -> None:
        a_wheel(index, "lib-one", "1.0")  # somebody registered the name
        recipe = a_counting_checkout(root, **{"steps/count.py": self.CODE})

        with pytest.raises(UnknownImports, match=r"lib_one, imported by steps/count\.py:1"):
            pack(recipe, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_failed_proof_keeps_no_lock(self, root: Path, tmp_path: Path, index: Path) -> None:
        a_wheel(index, "lib-one", "1.0")
        code = "import lib_one\ndef Count(c, a):\n    return 3\n"
        project = PROJECT + 'python = "==3.11.*"\n[wheels]\nlib_one = "lib-one"\n'
        recipe = a_counting_checkout(root, **{"steps/count.py": code, "recipebox.toml": project})

        with pytest.raises(ProofFailed):
            pack(recipe, tmp_path / "out")
        assert not (root / "recipebox.wheels.toml").exists()
        assert not (tmp_path / "out").exists()
