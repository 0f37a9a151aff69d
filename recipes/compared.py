"""Whether the packed result does what the checkout does: both are run, and compared.

The checkout is run in a scratch copy, by the same runner, with the same wheels, sandbox and
settings: the copy takes the place of the package's recipe/ and holds the whole checkout. So what
differs comes from what was left out. A key of the context whose value differs is looked at again:
the copy is run once more, and where it differs from itself (a time, a path, a random number) there
is nothing to compare.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recipes.ignored import Ignored
from recipes.run import RunResult

_LARGEST: Final = 512 << 20  # bytes of a checkout that is copied
_MOST: Final = 50_000  # files of it
_LEFT_OUT: Final = frozenset({
    *(".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules"),
    *(".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether the checkout was run as well (`was_run`), and what came of comparing the two.

    `reason` says with which result, or why it was not run; `varying` are keys of the context that
    differ from run to run in the checkout; `differences` are sentences, none where both agree.
    """

    was_run: bool
    reason: str
    varying: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


def copy_checkout(root: Path, target: Path, *, without: Sequence[Path]) -> str | None:
    """Copy a checkout into the new folder `target`; return why not, where it isn't done.

    What is local (.gitignore, caches, environments), `without` and links out of it stay behind.
    """
    files = []
    size = 0
    for path in _files_of(root, {each.resolve() for each in without}):
        size += path.stat().st_size
        files.append(path)
        if size > _LARGEST or len(files) > _MOST:
            return f"the checkout has more than {_MOST} files or {_LARGEST >> 20} MiB to copy"
    for path in files:
        to = target / path.relative_to(root)
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, to)
        except OSError as error:
            return f"{path.relative_to(root)} of the checkout can't be copied: {error.strerror}"
        to.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    return None


def _files_of(root: Path, without: set[Path]) -> Iterator[Path]:
    """Yield the files that are copied; a link to a folder inside stands for what is in that."""
    ignored = Ignored.of(root)
    base = root.resolve()

    def below(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
        real = folder.resolve()
        if real in above or real in without or not real.is_relative_to(base):
            return
        try:
            found = sorted(folder.iterdir())
        except OSError:
            return  # nobody may read it, and so no run could
        for path in found:
            if ignored.holds(path.relative_to(root).as_posix()):
                continue
            if path.is_dir():
                if path.name not in _LEFT_OUT:
                    yield from below(path, (*above, real))
            elif path.is_file() and path.resolve().is_relative_to(base):
                yield path

    yield from below(root, ())


def compare(packed: RunResult, first: RunResult, again: Callable[[], RunResult]) -> Comparison:
    """Compare the run of the package with the `first` in the checkout; `again` makes another."""
    if first.exit_code and not first.steps and packed.steps and not packed.exit_code:
        return Comparison(  # a module there hides one that the runner needs, for instance
            was_run=False,
            reason=f"no step begins in a copy of the checkout: exit code {first.exit_code}",
        )
    differences = _endings(packed, first)
    ours, theirs = digests_of(packed.context), digests_of(first.context)
    differing = [key for key in sorted(ours.keys() & theirs.keys()) if ours[key] != theirs[key]]
    lacking = sorted(theirs.keys() - ours.keys())
    added = sorted(ours.keys() - theirs.keys())
    varying: tuple[str, ...] = ()
    if not differences and (differing or lacking or added):
        second = digests_of(again().context)
        unsteady = {
            key for key in theirs.keys() | second.keys() if theirs.get(key) != second.get(key)
        }
        varying = tuple(sorted(unsteady))
        differences += [f"the output {key} is another" for key in differing if key not in unsteady]
        differences += [f"the output {key} is missing" for key in lacking if key not in unsteady]
        differences += [
            f"the output {key} is there, and isn't in the checkout"
            for key in added
            if key not in unsteady
        ]
    reason = (
        "it was run in a copy of the checkout too, and gave something else"
        if differences
        else "it was run in a copy of the checkout too, and gave the same"
    )
    return Comparison(was_run=True, reason=reason, varying=varying, differences=tuple(differences))


def _endings(packed: RunResult, checkout: RunResult) -> list[str]:
    if packed.exit_code != checkout.exit_code:
        return [f"the exit code is {packed.exit_code}, and {checkout.exit_code} in the checkout"]
    ours, theirs = _steps(packed.steps), _steps(checkout.steps)
    if ours != theirs:
        return [f"the steps ended as {_said(ours)}, and as {_said(theirs)} in the checkout"]
    return []


def _steps(steps: Sequence[Mapping[str, Any]]) -> list[tuple[Any, Any, Any]]:
    return [(step.get("idx"), step.get("name"), step.get("exit_code")) for step in steps]


def _said(steps: Sequence[tuple[Any, Any, Any]]) -> str:
    return ", ".join(f"{name}: {code}" for _, name, code in steps) or "nothing"


def digests_of(context: Mapping[str, Any]) -> dict[str, str]:
    """Return the sha256 (hex) of each value's JSON: sorted keys, no spaces, ASCII."""
    return {
        key: hashlib.sha256(
            json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()
        for key, value in context.items()
    }
