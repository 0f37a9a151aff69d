"""Running a package: its own run_recipe.py, in a child with a clean environment.

None of Recipebox's modules are on the child's path: `python -I` takes none, and the recipe's own
child has the standard library, the wheels and the workspace only.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from recipes.deployment import FILE_NAME, DeploymentConfig
from recipes.errors import OutdatedRunner
from recipes.package import PackageTree, read_tree
from sandbox.interpreter import interpreter_folders
from sandbox.sandbox import Command, Limits, Outcome, Sandbox

FAILED: Final = 125
"""The exit code of a failure that is not the recipe's (a missing env, an unknown step)."""

ATTEMPTS: Final = "RECIPEBOX_ATTEMPTS"
PARENT: Final = "RECIPEBOX_PARENT"
"""Variables of run_recipe.py, which says what they mean."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run.

    `steps` are {idx, name, exit_code, seconds?} in the order in which they ran; `context` is what
    they left in it; both are those of the last of `attempts`, which are {exit_code, seconds,
    timed_out}, and none where that isn't known. `outcome` is the sandbox's account, where the run
    was in one.
    """

    exit_code: int
    steps: tuple[Mapping[str, Any], ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a recipe may see of the environment: PATH, TMPDIR, and `more`."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LANG": "C.UTF-8", **(more or {})}


def run_package(
    directory: Path,
    *,
    only: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    sandbox: Sandbox | None = None,
    limits: Limits | None = None,
    network: bool = True,
    user: int | None = None,
    cwd: Path | None = None,
    is_quiet: bool = False,
    outputs: Path | None = None,
    hidden: Sequence[Path] = (),
    attempts: int | None = None,
) -> RunResult:
    """Run the package at `directory` (`OUT` or `OUT/team/etl-1.2.3`) to its end.

    `only` are names of steps; `settings` are `[STEP.]ARG=VALUE`; `environment` is added to the
    clean one, where deployment_config.yaml's defaults are. Without a `sandbox` its stdout and
    stderr are this process's (`is_quiet` sends its stdout to stderr), and an interrupt ends it: the
    exit code is then 130. With one, `limits`, `network` and `user` are asked of it, and always
    processes of its own and a file system of which only its temporary folder is writable, and
    nothing in the folders `hidden` is seen; the output is in the result's `outcome`. What the
    recipe wrote in its workspace is kept in the folder `outputs`, which must be new or empty.
    `attempts` is how often it is tried at most; None is as the recipe says. It ends when this
    process does, however that ends.

    Raises:
        OutdatedRunner: the package's own run_recipe.py keeps no outputs.
        NotAPackage: there is none there.
        InvalidMetadata: its package.json or deployment_config.yaml is not valid.
        sandbox.errors.SandboxError: the sandbox can't do what is asked.
    """
    tree = read_tree(directory)
    with tempfile.TemporaryDirectory(prefix="recipebox-run-") as scratch:
        place = Path(scratch)
        result = place / "result.json"
        words = _words(tree, only, settings, result)
        if outputs is not None:
            words += ["--outputs", str(outputs.absolute())]
            _require_option(tree, "--outputs")
        env = clean_environment({**_defaults(tree), **(environment or {})})
        if attempts is not None:
            env[ATTEMPTS] = str(attempts)
        # in a sandbox, this process may be known by another number
        env[PARENT] = str(os.getpid()) if sandbox is None else "any"
        if sandbox is None:
            code = _run_here(words, cwd or Path.cwd(), env, is_quiet=is_quiet)
            return _read_result(code, result, None, tree)
        place.chmod(0o777 if user is not None else 0o700)
        writable = [place]
        if outputs is not None:
            outputs.absolute().parent.mkdir(parents=True, exist_ok=True)
            writable.append(outputs.absolute().parent)
        outcome = sandbox.run(
            Command(
                tuple(words),
                cwd or place,
                {**env, "TMPDIR": scratch},
                limits or Limits(),
                network=network,
                processes=False,
                writable=tuple(writable),
                readable=(*interpreter_folders(), *_folders_of(tree)),
                hidden=hidden,
                user=user,
            )
        )
        return _read_result(outcome.exit_code, result, outcome, tree)


def _folders_of(tree: PackageTree) -> list[Path]:
    """Return the package's folder; where it runs others, the one in which they are beside it."""
    return [tree.out if tree.metadata.may_require else tree.path]


def _defaults(tree: PackageTree) -> dict[str, str]:
    path = tree.path / "metadata" / FILE_NAME
    if not path.is_file():
        return {}
    config = DeploymentConfig.from_bytes(path.read_bytes(), str(path), is_of_release=True)
    return config.environment


def _words(
    tree: PackageTree, only: Sequence[str] | None, settings: Sequence[str], result: Path
) -> list[str]:
    script = tree.path / "recipe" / "run_recipe.py"
    words = [sys.executable, "-I", "-B", str(script), "--json", str(result)]
    if only is not None:
        words += ["--only", ",".join(only)]
    for each in settings:
        words += ["--set", each]
    return words


def _require_option(tree: PackageTree, option: str) -> None:
    script = tree.path / "recipe" / "run_recipe.py"
    if f'"{option}"' not in script.read_text(encoding="utf-8"):
        raise OutdatedRunner(tree.metadata.title, option)


def _run_here(words: list[str], cwd: Path, env: dict[str, str], *, is_quiet: bool) -> int:
    """Run with this process's output; what ends this process ends the child first."""
    with (
        subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if is_quiet else None,
            process_group=0,
        ) as child,
        _passing_signals(child),
    ):
        code = child.wait()
    return 128 - code if code < 0 else code


@contextmanager
def _passing_signals(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Pass SIGINT, SIGTERM and SIGHUP on to the child, which ends its own and says so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _read_result(code: int, path: Path, outcome: Outcome | None, tree: PackageTree) -> RunResult:
    """Read what run_recipe.py wrote; where it was ended before, only the exit code is known."""
    try:
        drawn = json.loads(path.read_bytes())
        tried = tuple(drawn.get("attempts", ()))
        return RunResult(code, _steps(drawn["steps"], tree), drawn["context"], outcome, tried)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return RunResult(code, (), {}, outcome)


def _steps(told: Sequence[Any], tree: PackageTree) -> tuple[Mapping[str, Any], ...]:
    """Return the steps that ran, with the `idx` of the package where a runner tells none.

    A checkout's own runner tells what the recipe says, which need not number its steps; what isn't
    told as a step with a name and an exit code is left out.
    """
    steps = [
        each
        for each in told
        if isinstance(each, dict)
        and isinstance(each.get("name"), str)
        and isinstance(each.get("exit_code"), int)
    ]
    places: dict[str, list[int]] = {}
    for step in tree.metadata.steps:
        places.setdefault(step.name, []).append(step.idx)
    made = []
    for number, each in enumerate(steps, 1):
        known = places.get(each["name"], [])
        place = known.pop(0) if known else number
        made.append(each if isinstance(each.get("idx"), int) else {**each, "idx": place})
    return tuple(made)
