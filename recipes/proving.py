"""Proving a package: it is run from a clean folder, elsewhere, and in a copy of its checkout.

::

    place/                      a new temporary folder
    ├── team/etl-1.2.3/         a copy of the package; for the checkout's run, all of the checkout
    │                           is in recipe/
    └── ...                     the packages that its steps run, and their lock

Both runs are watched (sandbox/trace.py). The checkout's comes first, since it shows what the code
didn't: what it reads and the closure lacks is packed too. Then the package is run, and must do the
same.
"""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from recipes.compared import Comparison, compare, copy_checkout
from recipes.cycles import find_cycle
from recipes.deployment import FILE_NAME as CONFIG_FILE
from recipes.deployment import DeploymentConfig
from recipes.errors import NotAPackage, ProofFailed, RecipeCycle, RecipeError
from recipes.package import RECIPE, RUN_RECIPE, PackageMetadata, read_tree
from recipes.run import RunResult, run_package
from recipes.traced import RunAccount, account_of
from sandbox.errors import SandboxError
from sandbox.sandbox import NOBODY, Limits, Sandbox
from sandbox.trace import TracingSandbox

_SHOWN: Final = 2000  # characters of a failed run's output
_NO_NETWORK: Final = (
    'It had no network: where it needs one, write `network = "egress"` under its name in'
    f" recipebox.toml, or `network: egress` into a {CONFIG_FILE} beside that.\n"
)
_FAILS_THERE: Final = (
    "It ends with {code} in a copy of its checkout, too: the recipe itself fails, by itself.\n"
)
_PROCESSES: Final = max(512, 64 * (os.cpu_count() or 1))
"""How many processes and threads a proof may have at once: pools of both, of each for each CPU."""

_MANY: Final = "it may have {processes} processes and threads at once"
_ENDED: Final = {
    "time": "it was ended after {seconds:g} s",
    "flood": "it printed without end",
    "processes": f"it was ended when it had more: {_MANY}",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """That the packed result was run once, from a clean folder.

    `ran` is False where it wasn't, and `reason` says why. `enforced` names what the sandbox did;
    `not_enforced` what it could not, with the reasons. `compared` says whether the checkout gave
    the same; `account` what the run did.
    """

    ran: bool
    reason: str
    exit_code: int | None = None
    seconds: float | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    context: Mapping[str, Any] | None = None
    enforced: tuple[str, ...] = ()
    not_enforced: Mapping[str, str] | None = None
    compared: Comparison | None = None
    account: RunAccount | None = None


@dataclass(frozen=True, slots=True)
class CheckoutRun:
    """What came of running the recipe in a copy of its checkout, or the `reason` why it wasn't."""

    result: RunResult | None = None
    account: RunAccount | None = None
    reason: str = ""

    @property
    def is_told_by(self) -> RunAccount | None:
        """What a run that went well asked for; one that failed shows nothing of a good one."""
        went_well = self.result is not None and self.result.exit_code == 0
        return self.account if went_well else None


@contextmanager
def open_bench(
    metadata: PackageMetadata,
    *,
    root: Path,
    aside: Path,
    required: Path | None,
    sandbox: Sandbox,
    timeout: float,
) -> Iterator["Bench"]:
    """Give a bench for a package out of the checkout at `root`, of which `aside` stays behind.

    `required` is a folder that `fetch` made, with the packages that its steps run; `timeout` is in
    seconds, for each run.

    Raises:
        NotAPackage: one of these isn't there.
        RecipeCycle: they run each other in a circle.
    """
    with tempfile.TemporaryDirectory(prefix="recipebox-proof-") as clean:
        place = Path(clean)
        place.chmod(0o755)
        if required is not None:
            _lay_beside(required, place, metadata)
        watched = TracingSandbox(
            sandbox, shutil.which("strace"), probe=(sys.executable, "-I", "-S", "-V")
        )
        yield Bench(place, metadata, root, aside, watched, timeout)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a package is run; see `open_bench`."""

    place: Path
    metadata: PackageMetadata
    root: Path
    aside: Path
    sandbox: TracingSandbox
    timeout: float

    def run_checkout(self, tree: Path) -> CheckoutRun:
        """Run a copy of the checkout, in the place of the recipe/ of the package at `tree`.

        Raises:
            ProofFailed: it has no end, or no sandbox can be had.
        """
        config = DeploymentConfig.from_bytes((tree / "metadata" / CONFIG_FILE).read_bytes())
        if config.network == "egress":
            said = "it has a network, and what it does there would be done again"
            return CheckoutRun(reason=said)
        own = [name for name in (RECIPE, RUN_RECIPE) if (self.root / name).exists()]
        if own:
            said = f"the checkout has a file {own[0]} of its own, where the package has its own"
            return CheckoutRun(reason=said)
        copy = self._lay(tree)
        inside, packed = copy / "recipe", copy.with_name(f".{copy.name}.packed")
        inside.rename(packed)
        problem = copy_checkout(self.root, inside, without=[self.aside])
        if problem is not None:
            return CheckoutRun(reason=problem)
        shutil.copytree(packed, inside, dirs_exist_ok=True)  # and what is local, and packed
        shutil.rmtree(packed)
        _open_to_all(self.place)
        result, account = self._run(copy)
        outcome = result.outcome
        if outcome is not None and outcome.ended is not None:
            said = f"{self._told(_ENDED[outcome.ended])}, in a copy of its checkout"
            raise ProofFailed(self.metadata.title, outcome.exit_code, _said(result, said))
        return CheckoutRun(result, account)

    def prove(self, tree: Path, checkout: CheckoutRun) -> Proof:
        """Run a copy of the package at `tree`, and compare what it does with the checkout's run.

        Raises:
            ProofFailed: it ends with anything but 0, or otherwise than in the checkout.
        """
        again = self._keep_checkout() if checkout.result is not None else None
        copy = self._lay(tree)
        _open_to_all(self.place)
        result, account = self._run(copy)
        proof = self._judge(result, account, checkout)
        if checkout.result is None or again is None:
            return proof
        compared = compare(result, checkout.result, lambda: self._run_again(copy, again))
        if compared.differences:
            said = "\n".join(compared.differences)
            raise ProofFailed(self.metadata.title, 0, said, differs=True)
        return replace(proof, compared=compared)

    def _lay(self, tree: Path) -> Path:
        copy = self.place / self.metadata.title
        if copy.exists():
            shutil.rmtree(copy)
        shutil.copytree(tree, copy)
        return copy

    def _keep_checkout(self) -> Path:
        """Put the checkout's copy aside, in case it has to be run again."""
        kept = self.place / ".checkout"
        (self.place / self.metadata.title / "recipe").rename(kept)
        return kept

    def _run_again(self, copy: Path, kept: Path) -> RunResult:
        shutil.rmtree(copy / "recipe")
        kept.rename(copy / "recipe")
        return self._run(copy)[0]

    def _run(self, tree: Path) -> tuple[RunResult, RunAccount]:
        config = DeploymentConfig.from_bytes((tree / "metadata" / CONFIG_FILE).read_bytes())
        try:
            result = run_package(
                tree,
                sandbox=self.sandbox,
                limits=Limits(seconds=self.timeout, processes=_PROCESSES),
                attempts=1,
                network=config.needs_network,
                user=NOBODY if os.geteuid() == 0 else None,
                hidden=(self.root, self.aside),
            )
        except SandboxError as error:
            raise ProofFailed(self.metadata.title, 125, str(error)) from error
        return result, account_of(self.sandbox.traces[-1], self.metadata, tree)

    def _told(self, text: str) -> str:
        return text.format(seconds=self.timeout, processes=_PROCESSES)

    def _judge(self, result: RunResult, account: RunAccount, checkout: CheckoutRun) -> Proof:
        outcome = result.outcome
        if outcome is None:  # pragma: no cover - a sandbox was given
            raise RecipeError("the run had no sandbox")
        if outcome.exit_code != 0:
            note = self._told(_ENDED[outcome.ended]) if outcome.ended else ""
            if not note and os.strerror(errno.EAGAIN) in _said(result, ""):  # fork(2) ends with it
                note = self._told(_MANY)
            hint = _NO_NETWORK if "network" in outcome.enforced else ""
            if checkout.result is not None and checkout.result.exit_code == outcome.exit_code:
                hint = _FAILS_THERE.format(code=outcome.exit_code) + hint
            raise ProofFailed(self.metadata.title, outcome.exit_code, _said(result, note), hint)
        return Proof(
            ran=True,
            reason="it ran from a clean folder and ended with 0",
            exit_code=0,
            seconds=outcome.seconds,
            steps=result.steps,
            context=result.context,
            enforced=outcome.enforced,
            not_enforced=outcome.not_enforced,
            compared=Comparison(was_run=False, reason=checkout.reason),
            account=account,
        )


def _said(result: RunResult, note: str) -> str:
    """Return the end of what a run printed, and a note."""
    outcome = result.outcome
    printed = b"" if outcome is None else outcome.stdout + outcome.stderr
    return "\n".join(filter(None, [printed.decode(errors="replace")[-_SHOWN:], note]))


def _lay_beside(required: Path, place: Path, metadata: PackageMetadata) -> None:
    """Lay the packages of an OUT of `fetch` (and its lock) beside the copy that is run."""
    trees = [
        read_tree(each.parent.parent) for each in sorted(required.glob("*/*/metadata/package.json"))
    ]
    lacking = sorted(set(metadata.requires) - {each.metadata.name for each in trees})
    if lacking:
        raise NotAPackage(required, f"{', '.join(lacking)} is required, and is not here")
    requires = {each.metadata.name: each.metadata.requires for each in trees}
    cycle = find_cycle(metadata.name, {**requires, metadata.name: metadata.requires})
    if cycle:
        raise RecipeCycle(required, cycle)
    lock = required / "recipebox.lock"
    if lock.is_file():
        shutil.copyfile(lock, place / lock.name)
    for each in sorted(required.glob("*/*/metadata/package.json")):
        tree = each.parent.parent
        target = place / tree.parent.name / tree.name
        if not target.exists():
            shutil.copytree(tree, target)


def _open_to_all(place: Path) -> None:
    """Let every user read what is run: a umask of the packer's own must not decide the proof."""
    for folder, _, names in os.walk(place):
        Path(folder).chmod(0o755)
        for each in names:
            path = Path(folder) / each
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
