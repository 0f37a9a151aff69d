"""Running a package: its own run_recipe.py, as it is in every package, in real children."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipes.errors import NotAPackage, OutdatedRunner
from recipes.package import PackageMetadata, read_tree
from recipes.run import FAILED, RunResult, _steps, clean_environment, run_package
from sandbox.process import ProcessSandbox
from sandbox.sandbox import Limits
from tests.checkouts import with_a_runner, write

RUN_RECIPE = Path(__file__).parents[2] / "recipes" / "templates" / "run_recipe.py"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def a_step(name: str = "one", **more: Any) -> dict[str, Any]:
    drawn = {"idx": 1, "name": name, "type": "python", "module": "steps", "function": "run"}
    return {**drawn, **more}


def a_package(
    out: Path,
    code: str = "def run(context, args):\n    context.set('x', args)\n    return 0\n",
    steps: list[dict[str, Any]] | None = None,
    files: dict[str, str] | None = None,
    **more: Any,
) -> Path:
    more = {"name": "team/etl", "version": "1.0.0", "entry": {"runner": "bundled"}, **more}
    metadata = PackageMetadata.model_validate(
        {"schema_version": 1, "steps": steps or [a_step()], **more}
    )
    tree = out / metadata.title
    write(tree, {"recipe/steps.py": code, **{f"recipe/{k}": v for k, v in (files or {}).items()}})
    (tree / "metadata").mkdir()
    (tree / "metadata" / "package.json").write_bytes(metadata.to_bytes())
    shutil.copyfile(RUN_RECIPE, tree / "recipe" / "run_recipe.py")
    return tree


def run(tree: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    more.setdefault("env", {"PATH": os.defpath})
    return subprocess.run(
        [sys.executable, str(tree / "recipe" / "run_recipe.py"), *words],
        capture_output=True, text=True, check=False, cwd="/", **more,
    )  # fmt: skip


def result_of(tree: Path, *words: str, code: int = 0) -> dict[str, Any]:
    made = run(tree, "--json", "-", *words)
    assert made.returncode == code, made.stderr
    return dict(json.loads(made.stdout))


class TestBundled:
    def test_steps_run_in_order_and_hand_the_context_on(self, tmp_path: Path) -> None:
        code = """
def first(context, args):
    context.set("a", args["n"])
    return 0
class Second:
    def run(self, context, args):
        assert context.who_set("a") == "one" and "a" in context
        assert context.history() == [{"key": "a", "who": "one"}]
        context.set("b", (context.get("a"), context.get("none", 5), context.keys()))
class Third:
    class Inner:
        def execute(self, context, args):
            print("printed")
            return None
"""
        tree = a_package(
            tmp_path,
            code,
            [
                a_step("one", function="first", args={"n": 3}, success={"ctx_has_keys": ["a"]}),
                a_step("two", idx=2, function="Second"),
                a_step("three", idx=3, function="Third.Inner"),
            ],
        )

        result = result_of(tree)

        assert result["context"] == {"a": 3, "b": [3, 5, ["a"]]}
        assert [(each["idx"], each["name"], each["exit_code"]) for each in result["steps"]] == [
            (1, "one", 0), (2, "two", 0), (3, "three", 0)
        ]  # fmt: skip
        assert all(each["seconds"] >= 0 for each in result["steps"])

    @pytest.mark.parametrize(
        ("body", "code", "said"),
        [
            ("return 7", 7, "ended with 7"),
            ("raise ValueError('broken')", 1, "ValueError: broken"),
            ("import sys; sys.exit(4)", 4, "ended with 4"),
            ("raise SystemExit('no')", 1, "no"),
            ("exit(5)", 5, "ended with 5"),
            ("return 'text'", 1, "returned 'text', which is no exit code"),
            ("import os; os.kill(os.getpid(), 9)", 137, ""),
        ],
    )
    def test_the_exit_code_is_the_steps(
        self, tmp_path: Path, body: str, code: int, said: str
    ) -> None:
        tree = a_package(
            tmp_path, f"def run(context, args):\n    {body}\n", [a_step(), a_step("two", idx=2)]
        )

        made = run(tree)

        assert made.returncode == code
        assert said in made.stderr
        assert "step two" not in made.stderr

    def test_a_promise_that_is_not_kept_is_a_failure(self, tmp_path: Path) -> None:
        tree = a_package(tmp_path, steps=[a_step(success={"ctx_has_keys": ["gone"]})])

        result = result_of(tree, code=1)
        assert result["steps"][0]["exit_code"] == 1

    def test_shell_steps_run_in_the_workspace(self, tmp_path: Path) -> None:
        tree = a_package(
            tmp_path,
            steps=[
                {"idx": 1, "name": "a", "type": "shell", "command": "cp in.txt out.txt; exit 0"},
                {"idx": 2, "name": "b", "type": "shell", "command": ["test", "-s", "out.txt"]},
                {"idx": 3, "name": "c", "type": "shell", "command": "kill -TERM $$"},
            ],
            files={"in.txt": "x"},
        )

        assert run(tree).returncode == 143
        assert not (tree / "recipe" / "out.txt").exists()

    def test_only_some_steps(self, tmp_path: Path) -> None:
        tree = a_package(tmp_path, steps=[a_step("a"), a_step("b", idx=2), a_step("c", idx=3)])

        assert [each["name"] for each in result_of(tree, "--only", "a, 3")["steps"]] == ["a", "c"]
        for wrong in ("d", ""):
            made = run(tree, "--only", wrong)
            assert made.returncode == FAILED
            assert "there are a, b, c" in made.stderr

    def test_settings_change_arguments(self, tmp_path: Path) -> None:
        steps = [a_step("a", args={"n": 1, "t": ""}), a_step("b", idx=2, args={"n": 1})]
        code = "def run(c, args):\n    c.set(c.who, args)\n"
        tree = a_package(tmp_path, code, steps)

        result = result_of(tree, "--set", "n=[2]", "--set", "t=text", "--set", "b.new=true")

        assert result["context"] == {"a": {"n": [2], "t": "text"}, "b": {"n": [2], "new": True}}
        for wrong, said in (("z=1", "there are n, t"), ("n", "expected ARG=VALUE")):
            made = run(tree, "--set", wrong)
            assert (made.returncode, said in made.stderr) == (FAILED, True)

    def test_context_goes_in_and_out_as_json(self, tmp_path: Path) -> None:
        code = "def run(c, args):\n    c.set('y', c.get('x') + 1)\n    c.set('z', object())\n"
        tree = a_package(tmp_path, code)
        (tmp_path / "in.json").write_text('{"x": 1}')
        target = tmp_path / "result.json"

        made = run(tree, "--context", str(tmp_path / "in.json"), "--json", str(target))

        assert json.loads(target.read_text())["context"] == {"x": 1, "y": 2}
        assert "the context's z is no JSON" in made.stderr
        (tmp_path / "in.json").write_text("[]")
        made = run(tree, "--context", str(tmp_path / "in.json"))
        assert (made.returncode, "holds no JSON object" in made.stderr) == (FAILED, True)
        made = run(tree, "--context", str(tmp_path / "gone.json"))
        assert (made.returncode, "can't be read" in made.stderr) == (FAILED, True)

    def test_it_sees_the_standard_library_the_wheels_and_its_own_files(
        self, tmp_path: Path
    ) -> None:
        code = """
import json, os, sys
def run(c, args):
    import lib_of_wheel, inner
    try:
        import pydantic
    except ImportError:
        pydantic = None
    c.set("found", [json.__name__, lib_of_wheel.x, inner.x, pydantic, os.path.isfile("data.txt")])
    c.set("path", [os.path.basename(p) for p in sys.path])
    c.set("env", sorted(k for k in os.environ if k.startswith("PYTHON")))
"""
        wheel = {"name": "w", "version": "1", "filename": "w-1-py3-none-any.whl",
                 "sha256": "0" * 64, "size": 1, "tags": ["py3-none-any"]}  # fmt: skip
        tree = a_package(
            tmp_path, code, wheels=[wheel],
            files={"src/inner.py": "x = 2", "data.txt": "", "queue.py": "x = 1"},
        )  # fmt: skip
        mark = {"python": MINOR, "platform": platform()}
        write(tree, {"env/.recipebox.json": json.dumps(mark), "env/lib_of_wheel.py": "x = 1"})
        env = {"PATH": os.defpath, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "x"}

        made = run(tree, "--json", "-", env=env)

        context = json.loads(made.stdout)["context"]
        assert context["found"] == ["json", 1, 2, None, True]
        assert context["path"][0] == "work"
        assert context["path"][-2:] == ["src", "env"]
        assert context["env"] == []

    def test_wheels_that_are_not_there_or_for_another_python_are_said(self, tmp_path: Path) -> None:
        wheel = {"name": "w", "version": "1", "filename": "w-1-py3-none-any.whl",
                 "sha256": "0" * 64, "size": 1, "tags": ["py3-none-any"]}  # fmt: skip
        tree = a_package(tmp_path, wheels=[wheel])

        made = run(tree)
        assert made.returncode == FAILED
        assert "needs 1 wheels; `recipebox fetch team/etl@1.0.0`" in made.stderr
        write(tree, {"env/.recipebox.json": '{"python": "3.2", "platform": "linux/vax"}'})
        made = run(tree)
        assert made.returncode == FAILED
        assert "is for linux/vax and Python 3.2; this is" in made.stderr

    def test_large_files_are_linked_into_the_workspace(self, tmp_path: Path) -> None:
        code = "import os\ndef run(c, a): c.set('l', [os.path.islink(n) for n in ('big', 'small')])"
        tree = a_package(tmp_path, code, files={"small": "x"})
        with (tree / "recipe" / "big").open("wb") as file:
            file.truncate(65 << 20)

        assert result_of(tree)["context"] == {"l": [True, False]}

    def test_a_read_only_tree_is_enough(self, tmp_path: Path) -> None:
        code = "def run(c, a):\n    open('here.txt', 'w').write('x')\n    open('steps.py', 'a')\n"
        tree = a_package(tmp_path, code)
        for path in [*tree.rglob("*"), tree]:
            path.chmod(0o555 if path.is_dir() else 0o444)

        assert run(tree).returncode == 0
        assert not list(tree.rglob("*.pyc"))

    def test_without_a_temporary_folder_it_is_said(self, tmp_path: Path) -> None:
        tree = a_package(tmp_path)
        text = (
            "import runpy, sys, tempfile\n"
            "def refuse(**k): raise PermissionError('read only')\n"
            "tempfile.mkdtemp = refuse\n"
            "sys.argv = ['run_recipe.py']\n"
            f"runpy.run_path({str(tree / 'recipe' / 'run_recipe.py')!r}, run_name='__main__')\n"
        )
        made = subprocess.run(
            [sys.executable, "-I", "-c", text], capture_output=True, text=True, check=False
        )

        assert made.returncode == FAILED
        assert "set TMPDIR" in made.stderr


def platform() -> str:
    machine = os.uname().machine
    return {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}.get(machine, machine)


class TestOwnRunner:
    def a_tree(self, tmp_path: Path, code: str | None = None) -> Path:
        runner = tmp_path / "runner"
        with_a_runner(runner)
        files = {str(p.relative_to(runner)): p.read_text() for p in runner.rglob("*.py")}
        step = {"name": "one", "idx": 1, "module": "steps", "function": "One", "args": {"n": 1}}
        files["recipe.yaml"] = json.dumps({"steps": [step, {**step, "name": "two", "idx": 2}]})
        code = code or "class One:\n  def run(self, c, a):\n    c.set('n', a['n'])\n    return 0\n"
        return a_package(
            tmp_path,
            code,
            [a_step("one", function="One", args={"n": 1}),
             a_step("two", idx=2, function="One", args={"n": 1})],
            files,
            entry={"runner": "checkout", "module": "orchestrator.runner"},
        )  # fmt: skip

    def test_it_runs_and_its_report_is_the_result(self, tmp_path: Path) -> None:
        tree = self.a_tree(tmp_path)

        assert run(tree).stdout == "the checkout's runner ran\n"
        made = run(tree, "--json", str(tmp_path / "r.json"), "--only", "two")
        assert made.stdout == "the checkout's runner ran\n"
        told = json.loads((tmp_path / "r.json").read_text())
        assert told.pop("attempts")[0]["exit_code"] == 0
        assert told == {
            "exit_code": 0, "steps": [{"idx": 2, "name": "two", "exit_code": 0}],
            "context": {"n": 1},
        }  # fmt: skip

    def test_its_exit_code_is_passed_on(self, tmp_path: Path) -> None:
        tree = self.a_tree(tmp_path, "class One:\n    def run(self, c, a): return 9\n")

        result = result_of(tree, code=9)
        assert result["exit_code"] == 9

    def test_with_a_context_the_bundled_one_runs(self, tmp_path: Path) -> None:
        tree = self.a_tree(tmp_path)
        (tmp_path / "in.json").write_text('{"x": 1}')

        result = result_of(tree, "--context", str(tmp_path / "in.json"))
        assert result["context"] == {"x": 1, "n": 1}

    def test_settings_need_yaml_in_the_package(self, tmp_path: Path) -> None:
        tree = self.a_tree(tmp_path)

        made = run(tree, "--set", "n=5")
        assert (made.returncode, "needs PyYAML" in made.stderr) == (FAILED, True)
        yaml = "import json\nsafe_load = json.load\ndef safe_dump(d, f, **k): json.dump(d, f)\n"
        (tree / "recipe" / "yaml.py").write_text(yaml)
        assert result_of(tree, "--set", "two.n=5")["context"] == {"n": 5}

    def test_one_that_reports_nothing_is_said(self, tmp_path: Path) -> None:
        tree = self.a_tree(tmp_path)
        (tree / "recipe" / "orchestrator" / "runner.py").write_text("print('{no json')\n")

        made = run(tree, "--json", "-")

        told = json.loads(made.stdout)
        assert (told["exit_code"], told["steps"], told["context"]) == (0, [], {})
        assert "reports no steps" in made.stderr
        made = run(tree, "--only", "one")
        assert (made.returncode, "has no --only" in made.stderr) == (FAILED, True)

    def test_what_it_prints_is_passed_on_but_for_the_report(self, tmp_path: Path) -> None:
        tree = self.a_tree(tmp_path)
        runner = tree / "recipe" / "orchestrator" / "runner.py"
        runner.write_text("'--json-output'\nprint('{a}')\nprint('b')\nprint('{c')\n")

        made = run(tree, "--json", str(tmp_path / "r.json"))
        assert made.stdout == "{a}\nb\n{c\n"


class TestRequired:
    def test_a_step_runs_another_package_with_its_own_code(self, tmp_path: Path) -> None:
        a_package(
            tmp_path,
            "def run(c, args):\n    c.set('clean', [c.get('raw'), args])\n",
            [a_step("tidy", args={"n": 0})],
            name="team/clean",
        )
        tree = self.a_caller(tmp_path, args={"n": 4})

        result = result_of(tree)

        assert result["context"] == {"raw": 1, "clean": [1, {"n": 4}]}
        assert [each["exit_code"] for each in result["steps"]] == [0, 0]

    def a_caller(self, out: Path, **more: Any) -> Path:
        step = {"idx": 2, "name": "clean", "type": "recipe", "package": "team/clean",
                "version": "^1", **more}  # fmt: skip
        code = "def run(c, args):\n    c.set('raw', 1)\n"
        return a_package(out, code, [a_step(), step], requires={"team/clean": "^1"})

    def test_its_failure_is_the_steps(self, tmp_path: Path) -> None:
        a_package(tmp_path, "def run(c, args):\n    return 6\n", name="team/clean")

        assert result_of(self.a_caller(tmp_path), code=6)["steps"][1]["exit_code"] == 6

    def test_one_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        made = run(self.a_caller(tmp_path))

        assert made.returncode == FAILED
        assert "team/clean is required, and it is not in" in made.stderr

    def test_of_several_the_lock_says_which(self, tmp_path: Path) -> None:
        for version in ("1.0.0", "1.1.0"):
            code = f"def run(c, args):\n    c.set('v', {version!r})\n"
            a_package(tmp_path, code, name="team/clean", version=version)
        a_package(tmp_path, name="team/clean-more")
        tree = self.a_caller(tmp_path)

        assert "several versions of it are in" in run(tree).stderr
        lock = '[[package]]\nname = "team/clean"\nversion = "1.0.0"\n'
        (tmp_path / "recipebox.lock").write_text(lock)
        assert result_of(tree)["context"]["v"] == "1.0.0"


class TestOutputs:
    CODE = """
import os, pathlib
def run(c, args):
    os.makedirs("made/deep")
    pathlib.Path("made/deep/a.csv").write_text("1,2")
    pathlib.Path("kept.txt").write_text("changed")
    os.symlink("kept.txt", "link")
    return args.get("code", 0)
"""

    def test_what_the_recipe_wrote_is_kept(self, tmp_path: Path) -> None:
        files = {"kept.txt": "as it was", "same.txt": "same"}
        tree = a_package(tmp_path, self.CODE, files=files)
        outputs = tmp_path / "new" / "outputs"

        assert run(tree, "--outputs", str(outputs), "--set", "one.code=3").returncode == 3

        found = {p.relative_to(outputs).as_posix(): p for p in outputs.rglob("*") if p.is_file()}
        assert {name: path.read_text() for name, path in found.items()} == {
            "made/deep/a.csv": "1,2",
            "kept.txt": "changed",
        }
        assert [path.name for path in outputs.parent.iterdir()] == ["outputs"]

    def test_what_packages_wrote_that_steps_ran_is_kept_below(self, tmp_path: Path) -> None:
        write_named = "def run(c, a):\n    open(a['name'], 'w').write('x')\n"
        step = {"idx": 1, "type": "recipe", "version": "*", "args": {}}
        a_package(tmp_path, write_named, [a_step(args={"name": "leaf.txt"})], name="team/leaf")
        a_package(tmp_path, name="team/quiet")
        a_package(
            tmp_path,
            write_named,
            [
                a_step(args={"name": "middle.txt"}),
                {**step, "idx": 2, "name": "go deep!", "package": "team/leaf"},
            ],
            name="team/middle",
        )
        tree = a_package(
            tmp_path,
            write_named,
            [
                {**step, "name": "first", "package": "team/middle"},
                {**step, "idx": 2, "name": "second", "package": "team/leaf"},
                {**step, "idx": 3, "name": "third", "package": "team/quiet"},
                a_step("own", idx=4, args={"name": "own.txt"}),
            ],
        )
        outputs = tmp_path / "outputs"

        made = run(tree, "--outputs", str(outputs))

        assert made.returncode == 0, made.stderr
        found = {p.relative_to(outputs).as_posix() for p in outputs.rglob("*") if p.is_file()}
        assert found == {
            "own.txt",
            "@steps/1-first/middle.txt",
            "@steps/1-first/@steps/2-go-deep-/leaf.txt",
            "@steps/2-second/leaf.txt",
        }

    def test_a_package_of_before_outputs_is_run_without_them(self, tmp_path: Path) -> None:
        old = a_package(tmp_path, name="team/old")
        script = old / "recipe" / "run_recipe.py"
        script.write_text(script.read_text().replace('"--outputs"', '"--output" "s"'))
        step = {"idx": 1, "name": "one", "type": "recipe", "version": "*", "package": "team/old"}
        tree = a_package(tmp_path, steps=[step])

        made = run(tree, "--outputs", str(tmp_path / "outputs"))

        assert made.returncode == 0
        assert "was packed before outputs were kept: left out" in made.stderr

    def test_a_folder_with_something_in_it_is_refused_before_anything_runs(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "file").write_text("")
        tree = a_package(tmp_path, "print('ran')\ndef run(c, args): pass\n")

        made = run(tree, "--outputs", str(tmp_path / "mine"))

        assert made.returncode == FAILED
        assert "new or empty" in made.stderr
        assert "ran" not in made.stdout

    def test_a_package_of_before_that_is_said(self, tmp_path: Path) -> None:
        tree = a_package(tmp_path)
        (tree / "recipe" / "run_recipe.py").write_text("an older one")

        with pytest.raises(OutdatedRunner, match="was packed by an older"):
            run_package(tree, outputs=tmp_path / "outputs")


class TestExecution:
    """`execution` of the recipe: how long an attempt may take, and how often it is made."""

    FAILS = """
import os, pathlib
def run(c, args):
    told = pathlib.Path(args["told"])
    count = len(told.read_text()) if told.exists() else 0
    told.write_text("x" * (count + 1))
    c.set("seen", [count, os.path.exists("left.txt"), c.get("seen")])
    open("left.txt", "w").write("of attempt %d" % count)
    return 0 if count >= args["good"] else 9
"""

    def a_failing(self, out: Path, good: int, **execution: Any) -> Path:
        args = {"told": str(out / "told"), "good": good}
        return a_package(out, self.FAILS, [a_step(args=args)], execution=execution or None)

    def codes(self, result: dict[str, Any]) -> list[int]:
        return [each["exit_code"] for each in result["attempts"]]

    def test_what_fails_is_tried_again_from_the_start(self, tmp_path: Path) -> None:
        tree = self.a_failing(tmp_path, 2, retry_attempts=3)
        outputs = tmp_path / "outputs"

        result = result_of(tree, "--outputs", str(outputs))

        assert self.codes(result) == [9, 9, 0]
        assert not any(each["timed_out"] for each in result["attempts"])
        assert result["context"] == {"seen": [2, False, None]}
        assert [each["exit_code"] for each in result["steps"]] == [0]
        assert (outputs / "left.txt").read_text() == "of attempt 2"

    def test_and_no_oftener_than_it_says(self, tmp_path: Path) -> None:
        tree = self.a_failing(tmp_path, 9, retry_attempts=2)

        result = result_of(tree, code=9)

        assert self.codes(result) == [9, 9, 9]

    def test_without_a_word_it_is_tried_once(self, tmp_path: Path) -> None:
        assert self.codes(result_of(self.a_failing(tmp_path, 1), code=9)) == [9]

    @pytest.mark.parametrize("how", ["option", "variable"])
    def test_who_runs_it_may_say_how_often(self, tmp_path: Path, how: str) -> None:
        tree = self.a_failing(tmp_path, 9, retry_attempts=5)
        words = ("--attempts", "2") if how == "option" else ()
        variables = {"RECIPEBOX_ATTEMPTS": "2"} if how == "variable" else {}

        made = run(tree, "--json", "-", *words, env={"PATH": os.defpath, **variables})

        assert self.codes(json.loads(made.stdout)) == [9, 9]
        assert "attempt 1 of 2 ended with 9: once more" in made.stderr
        assert run(tree, "--attempts", "0").returncode == 2

    def test_a_failure_that_is_not_the_recipes_is_none(self, tmp_path: Path) -> None:
        step = {"idx": 1, "name": "one", "type": "recipe", "version": "*", "package": "team/gone"}
        tree = a_package(tmp_path, steps=[step], execution={"retry_attempts": 3})

        assert self.codes(result_of(tree, code=FAILED)) == [FAILED]

    def test_a_package_that_a_step_runs_has_its_own(self, tmp_path: Path) -> None:
        args = {"told": str(tmp_path / "told"), "good": 2}
        inner = {"retry_attempts": 2}
        a_package(tmp_path, self.FAILS, [a_step(args=args)], name="team/inner", execution=inner)
        step = {"idx": 1, "name": "one", "type": "recipe", "version": "*", "package": "team/inner"}
        tree = a_package(tmp_path, steps=[step])

        result = result_of(tree, "--attempts", "1")

        assert self.codes(result) == [0]
        assert (tmp_path / "told").read_text() == "xxx"

    def test_a_checkouts_own_runner_heeds_it_itself(self, tmp_path: Path) -> None:
        tree = a_package(
            tmp_path,
            "",
            entry={"runner": "checkout", "module": "own"},
            execution={"retry_attempts": 3, "timeout_seconds": 0.01},
            files={"own.py": "import sys, time\ntime.sleep(0.1)\nsys.exit(3)\n"},
        )

        assert self.codes(result_of(tree, code=3)) == [3]

    STUCK = """
import os, pathlib, signal, subprocess, time
def first(c, args):
    c.set("done", 1)
def run(c, args):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    words = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
    ours = subprocess.Popen(words), subprocess.Popen(words, start_new_session=True)
    with open(args["pids"], "a") as file:
        file.write(" ".join(str(each.pid) for each in ours) + f" {os.getpid()} ")
    while True:
        time.sleep(1)
"""

    def test_what_takes_too_long_is_ended_with_all_of_it_though_it_does_not_listen(
        self, tmp_path: Path
    ) -> None:
        pids = tmp_path / "pids"
        steps = [a_step("quick", function="first"), a_step(idx=2, args={"pids": str(pids)})]
        execution = {"timeout_seconds": 4}
        tree = a_package(tmp_path, self.STUCK, steps, execution=execution)

        made = run(tree, "--json", "-")
        result = json.loads(made.stdout)

        assert made.returncode == result["exit_code"] == 124
        assert [each["timed_out"] for each in result["attempts"]] == [True]
        assert self.codes(result) == [124]
        assert [each["name"] for each in result["steps"]] == ["quick"]
        assert result["context"] == {"done": 1}
        assert "it was ended after 4 s, its timeout" in made.stderr
        started = [int(each) for each in pids.read_text().split()]
        assert len(started) == 3
        assert not any(_is_running(pid) for pid in started)

    def test_what_took_too_long_is_tried_again(self, tmp_path: Path) -> None:
        code = """
import os, time
def run(c, args):
    if not os.path.exists(args["told"]):
        open(args["told"], "w").close()
        time.sleep(300)
"""
        steps = [a_step(args={"told": str(tmp_path / "told")})]
        execution = {"timeout_seconds": 3, "retry_attempts": 1}

        result = result_of(a_package(tmp_path, code, steps, execution=execution))

        tried = [(each["exit_code"], each["timed_out"]) for each in result["attempts"]]
        assert tried == [(124, True), (0, False)]

    def test_an_interrupt_is_no_failure_to_try_again(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        steps = [a_step(args={"pids": str(pids)})]
        tree = a_package(tmp_path, self.STUCK, steps, execution={"retry_attempts": 5})
        words = ["--json", str(tmp_path / "result.json")]
        child = subprocess.Popen(
            [sys.executable, str(tree / "recipe" / "run_recipe.py"), *words],
            env={"PATH": os.defpath}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 3)

        child.terminate()

        assert child.wait(30) == 143
        assert self.codes(json.loads((tmp_path / "result.json").read_text())) == [143]


class TestNear:
    @pytest.mark.parametrize(
        ("words", "meant"),
        [
            (["--only", "extrct"], "did you mean extract?"),
            (["--set", "dya=1"], "did you mean day?"),
            (["--set", "extrct.day=1"], "did you mean extract.day?"),
        ],
    )
    def test_a_name_that_is_nearly_right(
        self, tmp_path: Path, words: list[str], meant: str
    ) -> None:
        tree = a_package(tmp_path, steps=[a_step("extract", args={"day": 1})])

        made = run(tree, *words)

        assert made.returncode == FAILED
        assert meant in made.stderr


class TestInterrupt:
    CODE = """
import os, pathlib, subprocess, time
def run(c, args):
    child = subprocess.Popen(["sleep", "300"])
    pathlib.Path(os.environ["PIDS"]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(300)
"""

    def wait_for(self, path: Path) -> list[int]:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if path.exists() and len(path.read_text().split()) == 2:
                return [int(each) for each in path.read_text().split()]
            time.sleep(0.02)
        raise AssertionError("the recipe did not start")

    def are_gone(self, pids: list[int]) -> bool:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if not any(_is_running(pid) for pid in pids):
                return True
            time.sleep(0.02)
        return False

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_ends_the_children_and_says_so(self, tmp_path: Path, number: int) -> None:
        tree = a_package(tmp_path, self.CODE)
        pids = tmp_path / "pids"
        child = subprocess.Popen(
            [sys.executable, str(tree / "recipe" / "run_recipe.py")],
            env={"PATH": os.defpath, "PIDS": str(pids), "TMPDIR": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )
        running = self.wait_for(pids)
        child.send_signal(number)

        assert child.wait(30) == 128 + number
        assert self.are_gone(running)
        assert not list(tmp_path.glob("recipebox-*"))

    def test_one_that_does_not_listen_is_killed(self, tmp_path: Path) -> None:
        code = "import signal\nsignal.signal(15, signal.SIG_IGN)\n" + self.CODE
        tree = a_package(tmp_path, code)
        pids = tmp_path / "pids"
        child = subprocess.Popen(
            [sys.executable, str(tree / "recipe" / "run_recipe.py")],
            env={"PATH": os.defpath, "PIDS": str(pids)}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running = self.wait_for(pids)
        child.terminate()

        assert child.wait(30) == 143
        assert self.are_gone(running)

    def test_run_package_passes_it_on(self, tmp_path: Path) -> None:
        tree = a_package(tmp_path, self.CODE)
        pids = tmp_path / "pids"

        def interrupt() -> None:
            self.wait_for(pids)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        result = run_package(tree, environment={"PIDS": str(pids)}, is_quiet=True)
        thread.join()

        assert (result.exit_code, result.steps, result.context) == (130, (), {})
        assert self.are_gone(self.wait_for(pids))


class TestTree:
    """Whatever a recipe started ends with it, in whatever session and below whatever parent."""

    DEEP = """
import os, pathlib, subprocess, sys, time
TREE = "import os, subprocess, sys, time; " \\
    "subprocess.Popen(['sleep', '300'], start_new_session=True); " \\
    "open(os.environ['PIDS'], 'a').write('x '); time.sleep(int(sys.argv[1]))"
def run(c, args):
    pathlib.Path(os.environ["PIDS"]).touch()
    subprocess.Popen([sys.executable, "-c", TREE, "300"], start_new_session=True)
    subprocess.Popen([sys.executable, "-c", TREE, "0"])  # leaves its own child behind
    while len(pathlib.Path(os.environ["PIDS"]).read_text().split()) < 2:
        time.sleep(0.02)
    pathlib.Path(os.environ["PIDS"] + ".all").write_text("")
    time.sleep(args["seconds"])
"""

    def below(self, mark: str) -> list[int]:
        """Return every process that was started with a variable of this value."""
        found = []
        for each in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark.encode() in each.read_bytes() and _is_running(int(each.parent.name)):
                    found.append(int(each.parent.name))
        return found

    def start(self, tmp_path: Path, tree: Path, seconds: int) -> "subprocess.Popen[bytes]":
        (tmp_path / "pids").write_text("")
        return subprocess.Popen(
            [sys.executable, str(tree / "recipe" / "run_recipe.py"), "--set", f"seconds={seconds}"],
            env={"PATH": os.defpath, "PIDS": str(tmp_path / "pids"), "TMPDIR": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )

    def a_deep_package(self, out: Path) -> Path:
        return a_package(out, self.DEEP, [a_step(args={"seconds": 0})])

    def test_all_of_it_ends_when_it_is_interrupted(self, tmp_path: Path) -> None:
        mark = f"PIDS={tmp_path / 'pids'}"
        child = self.start(tmp_path, self.a_deep_package(tmp_path), 300)
        _wait_until((tmp_path / "pids.all").exists)
        running = self.below(mark)

        child.send_signal(signal.SIGINT)

        assert child.wait(30) == 130
        assert len(running) >= 5
        assert self.below(mark) == []

    def test_all_of_it_ends_when_the_recipe_ends(self, tmp_path: Path) -> None:
        child = self.start(tmp_path, self.a_deep_package(tmp_path), 0)

        assert child.wait(30) == 0
        assert self.below(f"PIDS={tmp_path / 'pids'}") == []

    @pytest.mark.parametrize("which", ["first", "second", "recipe"])
    def test_all_of_it_ends_when_one_of_its_processes_is_killed(
        self, tmp_path: Path, which: str
    ) -> None:
        mark = f"PIDS={tmp_path / 'pids'}"
        child = self.start(tmp_path, self.a_deep_package(tmp_path), 300)
        _wait_until((tmp_path / "pids.all").exists)
        (second,) = _children_of(child.pid)
        (recipe,) = [each for each in _children_of(second) if "--child" in _words_of(each)]

        os.kill({"first": child.pid, "second": second, "recipe": recipe}[which], signal.SIGKILL)

        assert child.wait(30) == (-9 if which == "first" else 137)
        _wait_until(lambda: self.below(mark) == [])

    RUN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
from pathlib import Path
from recipes.run import run_package
from sandbox.process import ProcessSandbox
sandbox = ProcessSandbox() if sys.argv[2] == "sandbox" else None
given = {"PIDS": os.environ["PIDS"]}
sys.exit(run_package(Path(sys.argv[1]), environment=given, sandbox=sandbox).exit_code)
"""

    @pytest.mark.parametrize(
        "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
    )
    @pytest.mark.parametrize("where", ["here", "sandbox"])
    def test_all_of_it_ends_with_who_runs_it(self, tmp_path: Path, number: int, where: str) -> None:
        steps = [a_step(args={"seconds": 300})]
        tree = a_package(tmp_path, self.DEEP, steps)
        name = f"pids-{os.urandom(8).hex()}"  # below the workspace: nothing else can be written to
        mark = f"PIDS={name}"
        runner = subprocess.Popen(
            [sys.executable, "-c", self.RUN, str(tree), where],
            env={"PATH": os.defpath, "PIDS": name, "TMPDIR": str(tmp_path)},
            cwd=Path(__file__).parents[2],
            stderr=subprocess.DEVNULL,
        )
        _wait_until(lambda: any(tmp_path.rglob(f"{name}.all")))
        assert len(self.below(mark)) >= 6

        runner.send_signal(number)
        code = runner.wait(30)

        _wait_until(lambda: self.below(mark) == [])
        if where == "here" and number != signal.SIGKILL:
            assert code == 128 + number

    def test_it_does_not_begin_where_who_began_it_is_gone(self, tmp_path: Path) -> None:
        tree = a_package(tmp_path, "print('ran')\ndef run(c, args): pass\n")

        made = run(tree, env={"PATH": os.defpath, "RECIPEBOX_PARENT": "1"})

        assert (made.returncode, made.stdout) == (FAILED, "")
        assert "process 1, which began this, is gone" in made.stderr

    def test_so_does_what_a_step_of_another_package_started(self, tmp_path: Path) -> None:
        inner = a_package(tmp_path, self.DEEP, [a_step(args={"seconds": 300})], name="team/inner")
        step = {"idx": 1, "name": "one", "type": "recipe", "package": "team/inner"}
        outer = a_package(tmp_path, steps=[{**step, "version": "*", "args": {"seconds": 300}}])
        child = self.start(tmp_path, outer, 300)
        _wait_until((tmp_path / "pids.all").exists)

        child.terminate()

        assert child.wait(30) == 143
        assert inner.is_dir()
        assert self.below(f"PIDS={tmp_path / 'pids'}") == []


def _children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]


def _words_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class TestRunPackage:
    def test_it_gives_what_came_of_it(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        code = "def run(c, args):\n    print('printed')\n    c.set('a', args)\n    return 3\n"
        a_package(tmp_path, code, [a_step(args={"n": 1}), a_step("two", idx=2)])

        result = run_package(tmp_path, only=["one"], settings=["n=2"])

        assert result.exit_code == 3
        assert [each["name"] for each in result.steps] == ["one"]
        assert result.context == {"a": {"n": 2}}
        assert result.outcome is None
        assert capfd.readouterr().out == "printed\n"

    def test_in_a_sandbox_its_output_is_in_the_outcome(self, tmp_path: Path) -> None:
        a_package(tmp_path, "def run(c, args):\n    print('printed')\n    c.set('a', 1)\n")

        result = run_package(
            tmp_path, sandbox=ProcessSandbox(), limits=Limits(seconds=60), network=False
        )

        assert result.outcome is not None
        assert result.outcome.stdout == b"printed\n"
        assert result.context == {"a": 1}

    def test_in_a_sandbox_outputs_are_kept_where_they_are_wanted(self, tmp_path: Path) -> None:
        a_package(tmp_path / "package", "def run(c, args):\n    open('made', 'w').write('x')\n")
        kept = tmp_path / "new" / "kept"

        result = run_package(tmp_path / "package", sandbox=ProcessSandbox(), outputs=kept)

        assert result.exit_code == 0, result.outcome
        assert (kept / "made").read_text() == "x"

    def test_from_another_thread_too(self, tmp_path: Path) -> None:
        a_package(tmp_path)
        found: list[int] = []
        thread = threading.Thread(
            target=lambda: found.append(run_package(tmp_path, is_quiet=True).exit_code)
        )
        thread.start()
        thread.join()

        assert found == [0]

    def test_a_child_that_is_killed_is_known_by_its_code_alone(self, tmp_path: Path) -> None:
        tree = a_package(tmp_path)
        (tree / "recipe" / "run_recipe.py").write_text("import os; os.kill(os.getpid(), 9)\n")

        assert run_package(tmp_path) == RunResult(137)

    def test_where_there_is_no_package_it_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(NotAPackage):
            run_package(tmp_path)

    def test_a_release_of_before_runs_whatever_is_reserved_by_now(self, tmp_path: Path) -> None:
        code = "import os\ndef run(c, a): c.set('x', os.environ['HOME'])\n"
        tree = a_package(tmp_path, code)
        (tree / "metadata" / "deployment_config.yaml").write_text(
            "schema_version: 1\nkind: cronjob\nschedule: 0 1 * * *\ntime_zone: Mars/Olympus\n"
            "configuration: {HOME: {type: string, default: /x}}\n"
        )

        assert run_package(tree, is_quiet=True).context == {"x": "/x"}

    def test_the_environment_is_clean(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RECIPEBOX_TOKEN", "secret")
        monkeypatch.setenv("TMPDIR", "/elsewhere")

        found = clean_environment({"A": "1"})

        assert set(found) == {"PATH", "TMPDIR", "LANG", "A"}


def test_steps_that_a_runner_does_not_number_are_numbered_as_in_the_package(
    tmp_path: Path,
) -> None:
    steps = [a_step("a", idx=10), a_step("b", idx=20), a_step("a", idx=30)]
    tree = read_tree(a_package(tmp_path, steps=steps))
    told = [
        {"name": "a", "exit_code": 0, "idx": None},
        {"name": "a", "exit_code": 0},
        {"name": "b", "exit_code": 3, "idx": 7, "seconds": 0.1},
        {"name": "strange", "exit_code": 0},
        {"name": "b"},
        "not a step",
    ]

    found = _steps(told, tree)

    assert [(each["idx"], each["name"]) for each in found] == [
        (10, "a"), (30, "a"), (7, "b"), (4, "strange"),
    ]  # fmt: skip
