"""Packing: the whole way, from a checkout to a tree that was proved to run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipes import pack as packing
from recipes.deployment import DeploymentConfig
from recipes.errors import (
    InvalidMetadata,
    InvalidOption,
    InvalidProject,
    MissingModules,
    NotAPackage,
    ProofFailed,
    RecipeError,
    UnsafePath,
)
from recipes.pack import pack
from recipes.package import Execution
from recipes.render.tree import default_config
from recipes.run import run_package
from sandbox.errors import CannotStart
from sandbox.sandbox import Command, Outcome
from tests.checkouts import (
    COUNT_RECIPE,
    PROJECT,
    a_counting_checkout,
    digest_of,
    snapshot,
    with_a_runner,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


class TestWhatIsPacked:
    def test_a_recipe_with_what_it_needs_and_a_proof(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        told: list[str] = []

        packed = pack(recipe, tmp_path / "out", progress=told.append)

        assert packed.path == tmp_path / "out" / "team" / "count-1.0.0"
        assert sorted(
            str(path.relative_to(packed.path))
            for path in packed.path.rglob("*")
            if path.is_file() and not path.is_relative_to(packed.path / "containers")
        ) == [
            "ci-cd/deployment_pipeline.py", "ci-cd/github-actions.yml", "ci-cd/gitlab-ci.yml",
            "metadata/deployment_config.yaml", "metadata/package.json",
            "monitoring/alerts.yaml", "monitoring/grafana_dashboard.json",
            "monitoring/prometheus.yml", "recipe/data/lines.txt",
            "recipe/recipe.yaml", "recipe/run_recipe.py", "recipe/steps/count.py",
        ]  # fmt: skip
        assert [str(path) for path in packed.reasons] == ["data/lines.txt", "steps/count.py"]
        metadata = packed.metadata
        assert (metadata.summary, metadata.authors) == ("Counts lines", ["ops"])
        assert metadata.entry.runner == "bundled"
        assert packed.proof.ran
        assert packed.proof.context == {"count.lines": 3}
        assert [each["name"] for each in packed.proof.steps] == ["count"]
        assert told[0].startswith("reading ")
        assert packed.wheel_lock is None

    def test_it_runs_with_the_checkout_gone(self, root: Path, tmp_path: Path) -> None:
        pack(a_counting_checkout(root), tmp_path / "out", prove=False)
        shutil.rmtree(root)

        result = run_package(tmp_path / "out", settings=["count.more=4"], is_quiet=True)
        assert result.context == {"count.lines": 7}

    def test_the_checkouts_own_runner_runs_it(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        with_a_runner(root)
        step = {"idx": 1, "name": "count", "type": "python", "module": "steps.count",
                "function": "Count", "args": {"src": "data/lines.txt"}}  # fmt: skip
        recipe.write_text(json.dumps({"steps": [step]}))

        packed = pack(recipe, tmp_path / "out")

        assert packed.metadata.entry.module == "orchestrator.runner"
        assert packed.proof.context == {"count.lines": 3}

    def test_the_checkout_stays_as_it_was(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        before = snapshot(root)

        pack(recipe, tmp_path / "out")

        assert snapshot(root) == before

    def test_folder_umask_locale_and_clock_make_no_difference(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = pack(a_counting_checkout(root), tmp_path / "out", prove=False)
        monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
        monkeypatch.setattr("time.time", lambda: 86_400.0)
        before = os.umask(0o077)
        try:
            recipe = a_counting_checkout(tmp_path / "elsewhere")
            second = pack(recipe, tmp_path / "out2", prove=False)
        finally:
            os.umask(before)

        assert digest_of(first, tmp_path / "b") == digest_of(second, tmp_path / "b")

    def test_packing_again_replaces_and_keeps_what_else_is_there(
        self, root: Path, tmp_path: Path
    ) -> None:
        recipe = a_counting_checkout(root)
        first = pack(recipe, tmp_path / "out", prove=False)
        (first.path / "left-over").write_text("")
        write(tmp_path / "out", {"team/other-1.0.0/x": "kept"})

        second = pack(recipe, tmp_path / "out", prove=False)

        assert not (second.path / "left-over").exists()
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["evidence", "team"]
        assert (tmp_path / "out" / "team" / "other-1.0.0" / "x").exists()

    def test_files_keep_whether_they_can_be_executed(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        (root / "data" / "lines.txt").chmod(0o755)

        packed = pack(recipe, tmp_path / "out", prove=False)

        assert (packed.path / "recipe/data/lines.txt").stat().st_mode & 0o777 == 0o755
        assert (packed.path / "recipe/recipe.yaml").stat().st_mode & 0o777 == 0o644

    def test_a_recipe_at_the_root_that_is_called_recipe_is_fine(
        self, root: Path, tmp_path: Path
    ) -> None:
        a_counting_checkout(root)
        text = COUNT_RECIPE.replace("data/lines.txt", "recipe.yaml")
        write(root, {"recipe.yaml": text})

        packed = pack(root / "recipe.yaml", tmp_path / "out")
        assert packed.metadata.name == "team/recipe"

    @pytest.mark.parametrize("name", ["recipe.yaml", "run_recipe.py"])
    def test_a_file_in_the_way_is_refused(self, root: Path, tmp_path: Path, name: str) -> None:
        recipe = a_counting_checkout(root)
        write(root, {name: ""})
        text = recipe.read_text().replace("data/lines.txt", name)
        recipe.write_text(text)

        with pytest.raises(UnsafePath, match="rename this one"):
            pack(recipe, tmp_path / "out")

    def test_names_that_differ_only_in_case_are_refused(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        write(root, {"steps/Count.py": "", "steps/count.py": "import steps.Count\nCount = 1\n"})

        with pytest.raises(UnsafePath, match="only in case"):
            pack(recipe, tmp_path / "out")

    def test_the_authors_deployment_config_wins_once_it_is_valid(
        self, root: Path, tmp_path: Path
    ) -> None:
        own = "# mine\nschema_version: 1\nkind: job\nnetwork: egress\n"
        recipe = a_counting_checkout(root, **{"deployment_config.yaml": own})

        packed = pack(recipe, tmp_path / "out")
        assert (packed.path / "metadata/deployment_config.yaml").read_text() == own
        assert "network" not in packed.proof.enforced

        write(root, {"deployment_config.yaml": "schema_version: 1\nkind: jobb\n"})
        with pytest.raises(
            InvalidMetadata, match=r"deployment_config\.yaml is not valid: 2:1: kind"
        ):
            pack(recipe, tmp_path / "out")


class TestDeployment:
    """What is generated, and what of the author's goes before it."""

    def test_what_the_recipe_says_of_its_execution_is_taken(
        self, root: Path, tmp_path: Path
    ) -> None:
        recipe = a_counting_checkout(root)
        execution = "execution: {timeout_seconds: 120, retry_attempts: 2}\n"
        recipe.write_text(execution + recipe.read_text())

        packed = pack(recipe, tmp_path / "out", prove=False)

        config = DeploymentConfig.from_bytes(
            (packed.path / "metadata/deployment_config.yaml").read_bytes()
        )
        assert (config.kind, config.timeout_seconds, config.retries) == ("job", 120, 2)
        job = yaml.safe_load((packed.path / "containers/k8s/job.yaml").read_bytes())
        assert job["spec"]["backoffLimit"] == 2
        assert packed.metadata.execution == Execution(timeout_seconds=120, retry_attempts=2)
        (container,) = job["spec"]["template"]["spec"]["containers"]
        once = {"name": "RECIPEBOX_ATTEMPTS", "value": "1"}  # the Job tries again, and not both
        assert once in container["env"]
        compose = yaml.safe_load((packed.path / "containers/docker-compose.yml").read_bytes())
        (service,) = compose["services"].values()
        assert service["environment"]["RECIPEBOX_ATTEMPTS"] == "1"

    def test_the_proof_is_one_run(self, root: Path, tmp_path: Path) -> None:
        code = "def Count(c, a):\n    print('begun')\n    return 3\n"
        recipe = a_counting_checkout(root, **{"steps/count.py": code})
        recipe.write_text("execution: {retry_attempts: 2}\n" + recipe.read_text())

        with pytest.raises(ProofFailed) as failed:
            pack(recipe, tmp_path / "out")

        assert str(failed.value).count("begun") == 1

    def test_what_no_deployment_can_have_is_left_to_the_runner(
        self, root: Path, tmp_path: Path
    ) -> None:
        recipe = a_counting_checkout(root)
        recipe.write_text("execution: {timeout_seconds: 0.5}\n" + recipe.read_text())

        packed = pack(recipe, tmp_path / "out", prove=False)
        written = (packed.path / "metadata/deployment_config.yaml").read_bytes()
        assert DeploymentConfig.from_bytes(written) == DeploymentConfig()

    def test_what_the_project_says_is_in_the_default(self) -> None:
        config = default_config({"retry_attempts": 1}, {"network": "egress", "secrets": ["A"]})
        assert (config.retries, config.network, config.secrets) == (1, "egress", ["A"])

    def test_an_authors_own_files_go_before_what_is_generated(
        self, root: Path, tmp_path: Path
    ) -> None:
        own = {
            "deployment_config.yaml": "schema_version: 1\n",
            "deployment/containers/Dockerfile": "FROM mine\n",
            "deployment/containers/k8s/job.yaml": "of: all\n",
            "deployment/containers/k8s/extra.yaml": "an: addition\n",
            "deployment/count/deployment_config.yaml": "schema_version: 1\nretries: 3\n",
            "deployment/count/containers/k8s/job.yaml": "of: count\n",
            "deployment/count/monitoring/prometheus.yml": "",
            "deployment/count/notes.txt": "no file of a package's",
            "deployment/other/containers/docker-compose.yml": "of: another recipe\n",
        }
        recipe = a_counting_checkout(root, **own)

        packed = pack(recipe, tmp_path / "out", prove=False)

        def text(path: str) -> str:
            return (packed.path / path).read_text()

        assert text("containers/Dockerfile") == "FROM mine\n"
        assert text("containers/k8s/job.yaml") == "of: count\n"
        assert text("containers/k8s/extra.yaml") == "an: addition\n"
        assert "retries: 3" in text("metadata/deployment_config.yaml")
        assert "localhost/team/count" in text("containers/docker-compose.yml")
        assert not (packed.path / "monitoring/prometheus.yml").exists()
        assert not (packed.path / "notes.txt").exists()

    def test_a_link_among_them_is_refused(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root, **{"deployment/containers/x": ""})
        (root / "deployment/containers/y").symlink_to("/etc/passwd")

        with pytest.raises(UnsafePath, match="a link may not be in a package"):
            pack(recipe, tmp_path / "out")

    def test_a_pipe_among_them_is_refused(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root, **{"deployment/containers/x": ""})
        os.mkfifo(root / "deployment/containers/y")

        with pytest.raises(UnsafePath, match="it is a named pipe, and not a file"):
            pack(recipe, tmp_path / "out")

    def test_the_run_has_what_the_configuration_gives(self, root: Path, tmp_path: Path) -> None:
        own = "schema_version: 1\nconfiguration: {MORE: {type: integer, default: 4}}\n"
        code = """
            import os
            class Count:
                def run(self, context, args):
                    context.set("count.lines", int(os.environ["MORE"]))
            """
        recipe = a_counting_checkout(
            root, **{"deployment_config.yaml": own, "steps/count.py": code}
        )

        packed = pack(recipe, tmp_path / "out")

        assert packed.proof.context == {"count.lines": 4}
        given = run_package(packed.path, environment={"MORE": "5"}, is_quiet=True)
        assert given.context == {"count.lines": 5}


class TestNaming:
    def identity(self, root: Path, tmp_path: Path, **more: Any) -> str:
        return pack(a_counting_checkout(root), tmp_path / "out", prove=False, **more).metadata.title

    def test_arguments_beat_the_project_which_beats_the_recipe(
        self, root: Path, tmp_path: Path
    ) -> None:
        assert self.identity(root, tmp_path) == "team/count-1.0.0"
        with_own = PROJECT + '[recipes.count]\nname = "other/lines"\nversion = "3.0.0"\n'
        a_counting_checkout(root)
        write(root, {"recipebox.toml": with_own})
        recipe = root / "jobs" / "count.yaml"
        assert pack(recipe, tmp_path / "o", prove=False).metadata.title == "other/lines-3.0.0"
        packed = pack(recipe, tmp_path / "o", name="x/y", version="4.0.0-rc.1", prove=False)
        assert packed.metadata.title == "x/y-4.0.0-rc.1"

    def test_without_a_project_the_recipe_has_its_own_version(
        self, root: Path, tmp_path: Path
    ) -> None:
        recipe = a_counting_checkout(root)
        (root / "recipebox.toml").unlink()

        packed = pack(recipe, tmp_path / "out", name="team/x", prove=False)
        assert packed.metadata.title == "team/x-1.0.0"
        recipe.write_text(recipe.read_text().replace('"1.0"', '"soon"'))
        guessed = pack(recipe, tmp_path / "guessed", name="team/x", prove=False)
        assert guessed.metadata.title == "team/x-0.1.0"
        assert "no version is named" in guessed.warnings[0]

    def test_without_a_namespace_it_is_a_local_one(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        (root / "recipebox.toml").unlink()

        packed = pack(recipe, tmp_path / "out", prove=False)
        assert packed.metadata.name == "local/count"
        assert "--name NAMESPACE/count" in packed.warnings[0]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"name": "../x"}, "--name: not a package name: '../x'"),
            ({"version": "../1"}, "--version: not a version: '../1'"),
            ({"platforms": ["windows/amd64"]}, "--platform: 'windows/amd64' is not one of linux/"),
        ],
    )
    def test_what_was_given_and_can_not_be_is_said(
        self, root: Path, tmp_path: Path, given: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(InvalidOption, match=said):
            pack(a_counting_checkout(root), tmp_path / "out", **given)
        assert not (tmp_path / "out").exists()

    def test_a_files_name_becomes_a_packages(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        renamed = recipe.rename(recipe.with_name("Count_The Lines__2.yaml"))

        assert pack(renamed, tmp_path / "out", prove=False).metadata.name == (
            "team/count-the-lines-2"
        )

    def test_the_readme_is_read(self, root: Path, tmp_path: Path) -> None:
        project = PROJECT + '[recipes.count]\nreadme = "docs/count.md"\nsummary = "a\\n b"\n'
        recipe = a_counting_checkout(
            root, **{"recipebox.toml": project, "docs/count.md": "# Counts\n"}
        )

        packed = pack(recipe, tmp_path / "out", prove=False)
        assert (packed.metadata.readme, packed.metadata.summary) == ("# Counts\n", "a b")
        (root / "docs" / "count.md").write_bytes(b"\xff")
        with pytest.raises(InvalidProject, match="is not UTF-8"):
            pack(recipe, tmp_path / "out")
        (root / "docs" / "count.md").unlink()
        with pytest.raises(InvalidProject, match="no readme is at"):
            pack(recipe, tmp_path / "out")


class TestProof:
    def test_a_result_that_does_not_run_is_refused_and_nothing_is_laid_out(
        self, root: Path, tmp_path: Path
    ) -> None:
        recipe = a_counting_checkout(root)
        write(root, {"steps/count.py": "def Count(c, a):\n    open('config/hidden.ini')\n",
                     "config/hidden.ini": ""})  # fmt: skip
        (root / "steps" / "count.py").write_text(
            "def Count(c, a):\n    open('config/%s.ini' % 'hidden')\n"
        )

        with pytest.raises(ProofFailed) as refused:
            pack(recipe, tmp_path / "deep" / "out")

        assert refused.value.exit_code == 1
        assert "hidden.ini" in str(refused.value)
        assert not (tmp_path / "deep").exists()

    def test_one_that_fails_is_told_with_what_packing_had_warned_of(
        self, root: Path, tmp_path: Path
    ) -> None:
        code = "def Count(c, a):\n    open('local/made.txt')\n"
        recipe = a_counting_checkout(
            root, **{"steps/count.py": code, "local/made.txt": "", ".gitignore": "local/\n"}
        )

        with pytest.raises(
            ProofFailed, match=r"Packing had warned:\n.*which \.gitignore leaves out"
        ):
            pack(recipe, tmp_path / "out")

    def test_it_can_be_skipped_and_that_is_told(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        write(root, {"steps/count.py": "def Count(c, a):\n    return 3\n"})

        packed = pack(recipe, tmp_path / "out", prove=False)
        assert not packed.proof.ran
        assert "--no-run" in packed.proof.reason

    def test_a_recipe_that_hangs_is_ended(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        write(root, {"steps/count.py": "import time\ndef Count(c, a):\n    time.sleep(300)\n"})

        with pytest.raises(ProofFailed, match="it was ended after 1 s"):
            pack(recipe, tmp_path / "out", timeout=1)

    @pytest.mark.parametrize("enforced", [("network",), ()])
    def test_one_that_had_no_network_is_told_how_to_get_it(
        self, root: Path, tmp_path: Path, enforced: tuple[str, ...]
    ) -> None:
        class Cut:
            def run(self, command: Command) -> Outcome:
                return Outcome(1, b"", command.argv[0].encode(), 0.1, None, enforced, {})

        with pytest.raises(ProofFailed) as refused:
            pack(a_counting_checkout(root), tmp_path / "out", sandbox=Cut())
        assert ("network: egress" in str(refused.value)) == bool(enforced)

    def test_a_sandbox_that_can_not_do_it_is_a_failure(self, root: Path, tmp_path: Path) -> None:
        class Broken:
            def run(self, command: Command) -> Outcome:
                raise CannotStart(command.argv[0], "no such kernel")

        with pytest.raises(ProofFailed, match="no such kernel"):
            pack(a_counting_checkout(root), tmp_path / "out", sandbox=Broken())

    def test_it_is_from_elsewhere_with_no_network_and_a_clean_environment(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET", "x")
        code = (
            "import os, pathlib\n"
            "def Count(c, a):\n"
            "    c.set('count.lines', [sorted(os.environ), os.getcwd()])\n"
        )
        packed = pack(a_counting_checkout(root, **{"steps/count.py": code}), tmp_path / "out")

        assert packed.proof.context is not None
        names, place = packed.proof.context["count.lines"]
        assert "SECRET" not in names
        assert not place.startswith(str(tmp_path))
        done = {*packed.proof.enforced, *(packed.proof.not_enforced or {})}
        assert {"network", "files", "processes", "RLIMIT_CORE", "RLIMIT_NPROC"} <= done

    def test_it_writes_to_nothing_but_its_workspace_and_sees_no_other_process(
        self, root: Path, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir(mode=0o777)
        outside.chmod(0o777)
        code = (
            "import os, pathlib, tempfile\n"
            "def attempt(folder):\n"
            "    try:\n"
            "        pathlib.Path(folder, 'made').write_text('x')\n"
            "    except OSError as error:\n"
            "        return error.strerror\n"
            "def Count(c, a):\n"
            f"    places = ['.', tempfile.gettempdir(), '/tmp', {str(outside)!r}, '/']\n"
            "    numbers = [each for each in os.listdir('/proc') if each.isdigit()]\n"
            "    c.set('count.lines', [list(map(attempt, places)), os.getuid(), len(numbers)])\n"
        )
        proof = pack(a_counting_checkout(root, **{"steps/count.py": code}), tmp_path / "out").proof
        missing = {"files", "processes", "user"} & (proof.not_enforced or {}).keys()
        if missing:
            pytest.skip(f"this machine can't: {missing}")

        assert proof.context is not None
        written, user, count = proof.context["count.lines"]
        assert written[:3] == [None, None, None]
        # under /tmp, what isn't needed isn't there
        assert set(written[3:]) <= {"Read-only file system", "No such file or directory"}
        assert user == (65534 if os.geteuid() == 0 else os.getuid())
        assert 4 <= count <= 5  # init, run_recipe.py's two, its child, and strace where that is
        assert list(outside.iterdir()) == []
        assert proof.compared is not None
        assert proof.compared.was_run

    def test_what_is_read_by_its_place_in_the_checkout_is_missing(
        self, root: Path, tmp_path: Path
    ) -> None:
        made = root / "made_by_hand.txt"
        code = f"def Count(c, a):\n    c.set('count.lines', len(open({str(made)!r}).read()))\n"
        recipe = a_counting_checkout(root, **{"steps/count.py": code, made.name: "x"})

        with pytest.raises(ProofFailed, match=r"No such file or directory.*made_by_hand\.txt"):
            pack(recipe, tmp_path / "out")

    @pytest.mark.parametrize("handles", ["", "        except OSError:\n            pass\n"])
    def test_a_recipe_that_forks_without_end_is_refused(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handles: str
    ) -> None:
        monkeypatch.setattr("recipes.proving._PROCESSES", 60)
        code = (
            "import os, time\n"
            "def Count(c, a):\n"
            "    while True:\n"
            "        try:\n"
            "            if os.fork() == 0:\n"
            "                time.sleep(300)\n"
            + (handles or "        finally:\n            pass\n")
        )
        recipe = a_counting_checkout(root, **{"steps/count.py": code})

        with pytest.raises(ProofFailed, match="it may have 60 processes and threads at once"):
            pack(recipe, tmp_path / "out")
        assert not (tmp_path / "out").exists()


class TestRequired:
    CALLER = """
steps:
  - {idx: 1, name: count, type: recipe, package: team/count, version: ^1.0}
"""

    def test_without_what_it_runs_there_is_no_proof(self, root: Path, tmp_path: Path) -> None:
        a_counting_checkout(root, **{"jobs/caller.yaml": self.CALLER})

        packed = pack(root / "jobs" / "caller.yaml", tmp_path / "out")

        assert packed.metadata.requires == {"team/count": "^1.0"}
        assert not packed.proof.ran
        assert "team/count" in packed.proof.reason
        assert "--required DIR" in packed.proof.reason

    def test_with_it_the_proof_runs_both(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root, **{"jobs/caller.yaml": self.CALLER})
        required = tmp_path / "required"
        pack(recipe, required, prove=False)
        (required / "recipebox.lock").write_text(
            '[[package]]\nname = "team/count"\nversion = "1.0.0"\n'
        )

        packed = pack(root / "jobs" / "caller.yaml", tmp_path / "out", required=required)

        assert packed.proof.context == {"count.lines": 3}
        with pytest.raises(NotAPackage, match="team/count is required, and is not here"):
            pack(root / "jobs" / "caller.yaml", tmp_path / "o2", required=tmp_path / "empty")

    def test_packing_beside_what_it_requires_works_too(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root, **{"jobs/caller.yaml": self.CALLER})
        out = tmp_path / "out"
        pack(recipe, out, prove=False)

        for _ in range(2):
            packed = pack(root / "jobs" / "caller.yaml", out, required=out)
            assert packed.proof.ran

    def test_step_and_project_must_say_the_same(self, root: Path, tmp_path: Path) -> None:
        project = PROJECT + '[recipes.caller]\nrequires = {"team/count" = "^2", "team/b" = "*"}\n'
        a_counting_checkout(root, **{"jobs/caller.yaml": self.CALLER, "recipebox.toml": project})

        with pytest.raises(InvalidProject, match=r"wants team/count \^1\.0, but \^2 is required"):
            pack(root / "jobs" / "caller.yaml", tmp_path / "out")
        write(root, {"recipebox.toml": project.replace("^2", "^1.0")})
        packed = pack(root / "jobs" / "caller.yaml", tmp_path / "out", prove=False)
        assert packed.metadata.requires == {"team/b": "*", "team/count": "^1.0"}

    def test_extras_are_packed_and_a_required_package_may_have_some_on(
        self, root: Path, tmp_path: Path
    ) -> None:
        project = PROJECT + (
            '[recipes.caller]\nrequires = {"team/count" = "[gpu] ^1.0"}\n'
            'extras = {mail = {"team/send" = "^2"}}\n'
        )
        a_counting_checkout(root, **{"jobs/caller.yaml": self.CALLER, "recipebox.toml": project})

        packed = pack(root / "jobs" / "caller.yaml", tmp_path / "out", prove=False)

        assert packed.metadata.requires == {"team/count": "[gpu] ^1.0"}
        assert packed.metadata.extras == {"mail": {"team/send": "^2"}}

    def test_a_recipe_may_not_run_itself(self, root: Path, tmp_path: Path) -> None:
        a_counting_checkout(root, **{"jobs/caller.yaml": self.CALLER})

        with pytest.raises(InvalidProject, match="runs its own package"):
            pack(root / "jobs" / "caller.yaml", tmp_path / "out", name="team/count")


class TestRefusals:
    def test_missing_modules_leave_nothing(self, root: Path, tmp_path: Path) -> None:
        recipe = a_counting_checkout(root)
        write(root, {"steps/count.py": "import steps.gone\n"})

        with pytest.raises(MissingModules):
            pack(recipe, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_an_out_that_can_not_be_written_is_said(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(UnsafePath, match="nothing can be written there"):
            pack(a_counting_checkout(root), tmp_path / "file" / "out")

    def test_a_file_that_goes_away_meanwhile_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UnsafePath, match="can't be read"):
            packing._copy(tmp_path / "gone", tmp_path / "there")

    def test_nothing_of_the_checkout_runs_in_this_process(self, root: Path, tmp_path: Path) -> None:
        code = "import os\nos.environ['RAN_HERE'] = '1'\ndef Count(c, a):\n"
        code += "    c.set('count.lines', 1)\n"
        pack(a_counting_checkout(root, **{"steps/count.py": code}), tmp_path / "out")

        assert "RAN_HERE" not in os.environ
        assert "steps" not in sys.modules

    def test_every_error_is_a_recipe_error(self) -> None:
        from recipes import errors

        raised = [each for each in vars(errors).values() if isinstance(each, type)]
        trees = [each for each in raised if issubclass(each, Exception)]
        assert all(issubclass(each, RecipeError) for each in trees)
        assert all(each.__name__ in str(errors.__doc__) for each in trees)


@pytest.mark.parametrize("minor", ["3.12", "3.13"])
def test_another_python_runs_what_this_one_packed(root: Path, tmp_path: Path, minor: str) -> None:
    found = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{minor}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {minor} is here")
    packed = pack(a_counting_checkout(root), tmp_path / "out", prove=False)

    made = subprocess.run(
        [found[-1], str(packed.path / "recipe" / "run_recipe.py"), "--json", "-"],
        capture_output=True, check=True, cwd="/",
    )  # fmt: skip
    assert json.loads(made.stdout)["context"] == {"count.lines": 3}
