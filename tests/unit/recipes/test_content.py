"""What is looked at before anything is packed: secrets, and modules that are in two places."""

import os
import socket
import stat
import tracemalloc
from pathlib import Path

import pytest

from recipes.errors import AmbiguousModules, SecretsFound, UnsafePath
from recipes.layers import build_release
from recipes.pack import Packed, pack
from tests.checkouts import PROJECT, a_counting_checkout, write

LEAK = "password = 'hunter2'\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    a_counting_checkout(tmp_path / "checkout")
    return tmp_path / "checkout"


def packed(root: Path) -> Packed:
    return pack(root / "jobs" / "count.yaml", root.parent / "out", prove=False)


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"steps/conf.py": LEAK, "steps/count.py": "import steps.conf\nCount = 1\n"},
         "steps/conf.py:1"),
        ({"data/lines.txt": f"a\n{LEAK}"}, "data/lines.txt:2"),
        ({"deployment_config.yaml": "schema_version: 1\nkind: job  # db_password: hunter2\n"},
         "deployment_config.yaml:2"),
        ({"deployment/count/containers/k8s/job.yaml": "x: 1\ndb_password: hunter2\n"},
         "deployment/count/containers/k8s/job.yaml:2"),
        ({"docs/count.md": "see ftp://ada:hunter2@example.org\n",
          "recipebox.toml": PROJECT + '[recipes.count]\nreadme = "docs/count.md"\n'},
         "docs/count.md:1"),
        ({"jobs/count.yaml": "steps: [{module: steps.count, function: Count,\n"
          "  args: {db_password: hunter2, src: data/lines.txt}}]\n"}, "jobs/count.yaml:2"),
    ],
)  # fmt: skip
def test_a_secret_anywhere_stops_it_before_anything_is_written(
    root: Path, files: dict[str, str], place: str
) -> None:
    write(root, files)

    with pytest.raises(SecretsFound) as refused:
        packed(root)
    assert f"  {place}: " in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert not (root.parent / "out").exists()


INGRESS = "ingress: {host: etl.example.com, path: /, class_name: nginx, tls_secret: etl-tls}\n"
SERVICE = "schema_version: 1\nkind: service\n"


@pytest.mark.parametrize("folder", ["", "deployment/", "deployment/count/"])
def test_the_name_of_a_secret_in_our_own_document_is_none(root: Path, folder: str) -> None:
    write(root, {f"{folder}deployment_config.yaml": SERVICE + INGRESS})

    drawn = packed(root).path
    assert (drawn / "metadata" / "deployment_config.yaml").read_text() == SERVICE + INGRESS


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("configuration: {DB_PASSWORD: {type: string, default: hunter2}}\n", 4),
        ("configuration:\n  DB_PASSWORD:\n    type: string\n    default: 'hunter2'\n", 7),
        ("configuration: {N: {type: string, default: x}, PASSWORD: {default: hunter2}}\n", 4),
        ("# db_password: hunter2\n", 4),
        ("configuration: {tls_secret: {type: string, default: hunter2}}\n", 4),
    ],
)
def test_a_secret_beside_the_name_of_one_is_found(root: Path, more: str, line: int) -> None:
    write(root, {"deployment_config.yaml": SERVICE + INGRESS + more})

    with pytest.raises(SecretsFound) as refused:
        packed(root)
    assert [each.line for each in refused.value.findings] == [line]


@pytest.mark.parametrize(
    "setting",
    [
        "DB_PASSWORD: {type: string, default: hunter2}  # pragma: allowlist secret",
        "# pragma: allowlist nextline secret\n  DB_PASSWORD: {type: string, default: hunter2}",
        "PASSWORD_LENGTH: {type: integer, default: 12}",
        "DB_PASSWORD: {type: string}",
    ],
)
def test_a_default_that_is_none_or_allowed_is_no_finding(root: Path, setting: str) -> None:
    write(root, {"deployment_config.yaml": f"{SERVICE}configuration:\n  {setting}\n"})

    assert packed(root).path.exists()


def test_a_document_of_ours_that_is_none_is_searched_as_it_is(root: Path) -> None:
    for data in (b"db_password: hunter2: [\n", b"db_password: hunter2 # \xf6\n"):
        (root / "deployment_config.yaml").write_bytes(data)
        with pytest.raises(SecretsFound):
            packed(root)


def test_what_is_not_packed_is_not_looked_at(root: Path) -> None:
    write(root, {"unrelated.py": LEAK})

    assert packed(root).path.exists()


def test_an_author_allows_it_for_one_recipe_or_for_all(root: Path) -> None:
    allowed = '[[{}allowed]]\nfile = "data/lines.txt"\nkind = "Secret Keyword"\nreason = "x"\n'
    write(root, {"data/lines.txt": LEAK})

    for table in ("recipes.count.", ""):
        write(root, {"recipebox.toml": PROJECT + allowed.format(table)})
        assert packed(root).path.exists()
    write(root, {"recipebox.toml": PROJECT + allowed.format("recipes.other.")})
    with pytest.raises(SecretsFound):
        packed(root)


class TestTwins:
    @pytest.fixture
    def twins(self, root: Path) -> Path:
        code = "import common\nclass Count:\n    def run(self, context, args):\n        return 0\n"
        return write(
            root, {"steps/count.py": code, "common.py": "x = 1\n", "src/common.py": "x = 2\n"}
        )

    def test_a_module_in_two_places_is_refused_with_both_and_who_asks(self, twins: Path) -> None:
        with pytest.raises(AmbiguousModules) as refused:
            packed(twins)
        assert "  common is common.py and src/common.py, asked for by steps/count.py:1\n" in str(
            refused.value
        )

    def test_one_with_the_same_content_is_no_question(self, twins: Path) -> None:
        write(twins, {"src/common.py": "x = 1\n"})

        assert "src/common.py" not in packed(twins).reasons

    def test_naming_the_other_packs_both(self, twins: Path) -> None:
        write(twins, {"recipebox.toml": PROJECT + '[recipes.count]\nentry = ["src/common.py"]\n'})

        assert {"common.py", "src/common.py"} <= packed(twins).reasons.keys()

    def test_src_is_another_root_only_where_it_may_be_one(self, twins: Path) -> None:
        write(twins, {"src/__init__.py": ""})
        assert packed(twins).path.exists()

        write(twins, {"common.py": "import sys\nsys.path.insert(0, 'src')\n"})
        with pytest.raises(AmbiguousModules):
            packed(twins)

    def test_a_module_beside_a_package_of_its_name_is_told(self, root: Path) -> None:
        write(root, {"steps/count/__init__.py": "class Count:\n    pass\n"})

        assert "steps/count.py is never imported: the package steps/count/ has its name" in (
            packed(root).warnings
        )


def test_entries_are_followed_as_steps_are(root: Path) -> None:
    write(
        root,
        {
            "recipebox.toml": PROJECT + '[recipes.count]\nentry = ["late", "tools/run.py"]\n',
            "late.py": "import later\n",
            "later.py": "",
            "tools/run.py": "import latest\n",
            "latest.py": "",
        },
    )

    found = packed(root).reasons

    assert {"late.py", "later.py", "tools/run.py", "latest.py"} <= found.keys()
    assert "entry of [recipes.count]" in str(found["late.py"][0])


@pytest.mark.parametrize(
    ("entry", "said"),
    [("gone", "gone, asked for by entry of"), ("gone.py", "recipes.count.entry: no file is at")],
)
def test_entries_that_are_not_there_are_said(root: Path, entry: str, said: str) -> None:
    write(root, {"recipebox.toml": PROJECT + f'[recipes.count]\nentry = ["{entry}"]\n'})

    with pytest.raises(Exception, match=said):
        packed(root)


def test_what_a_deployment_needs_is_set_in_the_project(root: Path) -> None:
    settings = '[recipes.count]\nnetwork = "egress"\nsecrets = ["A"]\nresources = {cpu = "2"}\n'
    write(root, {"recipebox.toml": PROJECT + settings})

    drawn = (packed(root).path / "metadata" / "deployment_config.yaml").read_text()

    assert "network: egress" in drawn
    assert "cpu: '2'" in drawn
    assert "- A" in drawn

    write(root, {"deployment_config.yaml": "schema_version: 1\nkind: job\n"})
    found = packed(root)
    assert (
        "resources, network, secrets of [recipes.count] is not used: deployment_config.yaml is"
        in (str(found.warnings))
    )
    assert "egress" not in (found.path / "metadata" / "deployment_config.yaml").read_text()


class TestData:
    """What may stand among data that a step's arguments name, and is none."""

    @pytest.fixture
    def drop(self, root: Path) -> Path:
        recipe = root / "jobs" / "count.yaml"
        recipe.write_text(recipe.read_text().replace("data/lines.txt", "data/drop"))
        write(root, {"data/drop/a.txt": "x\n"})
        return root / "data" / "drop"

    def refusal(self, root: Path) -> str:
        with pytest.raises(UnsafePath) as refused:
            packed(root)
        assert "(asked for by step 1 'count' (count.yaml:4), args.src)" in str(refused.value)
        assert not (root.parent / "out").exists()
        return str(refused.value)

    def test_a_pipe(self, root: Path, drop: Path) -> None:
        os.mkfifo(drop / "pipe")
        assert "'data/drop/pipe': it is a named pipe: neither a file" in self.refusal(root)

    def test_a_socket(self, root: Path, drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(drop)  # a socket's path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("s.sock")
        assert "'data/drop/s.sock': it is a socket: neither a file" in self.refusal(root)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
    def test_a_device(self, root: Path, drop: Path) -> None:
        try:
            os.mknod(drop / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("not even root may make a device here")
        assert "'data/drop/null': it is a device: neither a file" in self.refusal(root)

    def test_a_link_out_of_the_checkout(self, root: Path, drop: Path) -> None:
        (root.parent / "outside.txt").write_text("x")
        (drop / "out").symlink_to(root.parent / "outside.txt")
        assert "'data/drop/out': a link leads out of the checkout, to " in self.refusal(root)

    def test_a_link_to_a_folder_outside(self, root: Path, drop: Path) -> None:
        (drop / "etc").symlink_to("/etc")
        assert "'data/drop/etc': a link leads out of the checkout, to /etc" in self.refusal(root)

    def test_a_link_in_a_circle(self, root: Path, drop: Path) -> None:
        for name in ("a", "b", "c"):
            (drop / name).symlink_to("..")
        assert "a link leads back to a folder that it is in, " in self.refusal(root)

    def test_a_link_to_nothing(self, root: Path, drop: Path) -> None:
        (drop / "gone").symlink_to("nowhere")
        assert "'data/drop/gone': it can't be read: No such file" in self.refusal(root)

    def test_a_link_inside_is_packed_as_what_it_leads_to(self, root: Path, drop: Path) -> None:
        (drop / "same").symlink_to("a.txt")
        path = packed(root).path / "recipe/data/drop/same"
        assert not path.is_symlink()
        assert path.read_text() == "x\n"

    def test_names_that_differ_only_in_case(self, root: Path, drop: Path) -> None:
        write(drop, {"A.txt": "y\n"})
        assert "it differs from 'data/drop/A.txt' only in case" in self.refusal(root)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_only_others_may_read(self, root: Path, drop: Path) -> None:
        (drop / "a.txt").chmod(0)
        with pytest.raises(UnsafePath, match=r"'data/drop/a\.txt': it can't be read: Permission"):
            packed(root)

    def test_a_large_file_goes_through_in_pieces(
        self, root: Path, drop: Path, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        size = 1 << 30 if request.config.getoption("--long") else 64 << 20
        with (drop / "large.csv").open("wb") as file:
            file.write(b"some,cells\n")
            file.truncate(size)  # a hole: nothing is written for it
        tracemalloc.start()
        try:
            build_release(packed(root).path, tmp_path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 16 << 20


def test_a_pipe_for_a_gitignore_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / ".gitignore")

    assert packed(root).path.exists()
