"""What can be wrong with a recipe, its closure, its wheels, or a package.

::

    RecipeError
    ├── InvalidRecipe           the YAML can't be read as a recipe: file, line, column
    │   ├── UnsupportedRecipe   it is something else: a template, TOSCA, steps under another key
    │   └── InvalidValues       the file that a template is to be filled from
    ├── InvalidProject          recipebox.toml
    ├── InvalidOption           what was asked for besides it: a name, version or platform
    ├── RecipeCycle             packages that run one another in a circle
    ├── MissingModules          code that is asked for and isn't there, and who asks
    ├── SecretsFound            what looks like a secret, in what would be packed
    ├── AmbiguousModules        modules that are in two places, and who asks
    ├── InvalidModule           code of the closure that can't be read
    ├── UnsafePath              a path that leaves its folder, or can't be laid out everywhere
    ├── InvalidMetadata         package.json or deployment_config.yaml
    │   └── InvalidDeploymentConfig    the latter: line and column of each problem
    ├── InvalidLayer            a layer that says something else than it holds, or that climbs out
    ├── WheelError
    │   ├── UnknownImports      imports of which nobody said what distribution they are
    │   ├── NoWheel             a distribution without a wheel for a platform and Python
    │   ├── WheelConflict       no one version of a distribution for every Python minor
    │   ├── InvalidWheelLock    recipebox.wheels.toml
    │   ├── WheelMismatch       a wheel that isn't the one that was locked
    │   └── ChangedEnvironment  an env/ that isn't what its wheels unpack to
    ├── ProofFailed             the packed result does not run, or runs otherwise than the checkout
    ├── InvalidEvidence         a file of OUT/evidence that isn't what its statement says
    ├── OutdatedRunner          a package whose run_recipe.py lacks an option that is asked for
    └── NotAPackage             a folder that isn't a package's tree
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class RecipeError(Exception):
    """Base of everything that `recipes` raises; `values`, where there are any, are for machines."""


class InvalidRecipe(RecipeError):
    """A file that is not a recipe: `path`, `line` and `column` (from 1, or None), `reason`."""

    def __init__(
        self, path: Path, reason: str, *, line: int | None = None, column: int | None = None
    ) -> None:
        self.path = path
        self.reason = reason
        self.line = line
        self.column = column
        place = str(path)
        if line is not None:
            place += f":{line}"
        if column is not None:
            place += f":{column}"
        self.values = {"path": str(path), "line": line, "column": column, "reason": reason}
        super().__init__(f"{place}: {reason}")


class UnsupportedRecipe(InvalidRecipe):
    """A file that is recognised, and is something else than a recipe: `kind` names it."""

    def __init__(
        self,
        path: Path,
        kind: str,
        reason: str,
        *,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.kind = kind
        super().__init__(path, reason, line=line, column=column)


class InvalidValues(InvalidRecipe):
    """A file of values that can't be used: `path`, `line` and `column` (or None), `reason`."""


class InvalidProject(RecipeError):
    """A `recipebox.toml` that can't be used: `path`, `key` (dotted, or None), `reason`.

    `line` and `column` (from 1) are None where they aren't known.
    """

    def __init__(
        self,
        path: Path,
        reason: str,
        *,
        key: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.path = path
        self.key = key
        self.reason = reason
        self.line = line
        self.column = column
        self.values = {"path": str(path), "key": key, "line": line, "column": column}
        place = ":".join(str(each) for each in (path, line, column) if each is not None)
        super().__init__(f"{place}: {f'{key}: ' if key else ''}{reason}")


class InvalidOption(RecipeError):
    """A name, version or platform that was given, and can't be: `option`, `reason`."""

    def __init__(self, option: str, reason: str) -> None:
        self.option = option
        self.reason = reason
        super().__init__(f"--{option}: {reason}")


class RecipeCycle(RecipeError):
    """A recipe that would run itself through others: `path`, and the `names` on the way."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.names = tuple(names)
        way = " runs ".join(self.names)
        super().__init__(f"{path}: a circle without an end: {way}; take one step of it out")


@dataclass(frozen=True, order=True, slots=True)
class Missing:
    """A dotted module name that isn't there, and who asks for it (a step, or file:line)."""

    module: str
    asked_by: str


class MissingModules(RecipeError):
    """Modules that the recipe needs and the checkout lacks: `missing`, and where it was looked."""

    def __init__(self, missing: Sequence[Missing], root: Path) -> None:
        self.missing = tuple(sorted(missing))
        self.root = root
        self.values = {
            "missing": [{"module": each.module, "asked_by": each.asked_by} for each in self.missing]
        }
        lines = "\n".join(f"  {each.module}, asked for by {each.asked_by}" for each in self.missing)
        count = len({each.module for each in self.missing})
        what = "modules or functions are" if count > 1 else "module or function is"
        super().__init__(
            f"{count} {what} missing in {root}:\n{lines}\n"
            "Add what is missing or mend who asks for it; nothing was packed."
        )


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """What looks like a secret: where, of which kind, and its hash as detect-secrets has it."""

    file: str
    line: int
    kind: str
    hash: str


class SecretsFound(RecipeError):
    """Secrets in what would be packed: `findings`; `values` are for machines."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        self.values = {
            "findings": [
                {"file": each.file, "line": each.line, "kind": each.kind, "hash": each.hash}
                for each in self.findings
            ]
        }
        count = len(self.findings)
        lines = "\n".join(f"  {each.file}:{each.line}: {each.kind}" for each in self.findings)
        super().__init__(
            f"{count} {'lines look' if count > 1 else 'line looks'} like a secret:\n{lines}\n"
            "Nothing was packed. Take it out, and let the deployment give it (secrets in"
            " recipebox.toml); where it is none, write `pragma: allowlist secret` behind it, or"
            " allow it by [[allowed]] in recipebox.toml, with a reason."
        )


@dataclass(frozen=True, order=True, slots=True)
class Twin:
    """A dotted module name with two files: `taken` by Python's rule, `other`, and who asks."""

    module: str
    taken: str
    other: str
    asked_by: str


class AmbiguousModules(RecipeError):
    """Modules that are in two places with two contents: `twins`."""

    def __init__(self, twins: Sequence[Twin]) -> None:
        self.twins = tuple(sorted(twins))
        lines = "\n".join(
            f"  {each.module} is {each.taken} and {each.other}, asked for by {each.asked_by}"
            for each in self.twins
        )
        super().__init__(
            f"which of two files is meant depends on sys.path:\n{lines}\n"
            "Nothing was packed. Rename one; or name the other under `entry` in recipebox.toml:"
            " then both are packed, and sys.path decides as it does in the checkout."
        )


class InvalidModule(RecipeError):
    """A module of the closure that can't be read as Python: `path`, `line`, `reason`."""

    def __init__(self, path: str, line: int | None, reason: str, asked_by: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        self.asked_by = asked_by
        place = path if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {reason} (asked for by {asked_by})")


class UnsafePath(RecipeError):
    """A path that may not be in a package: `path`, `reason`, and who asks for it, if known."""

    def __init__(self, path: str, reason: str, asked_by: str | None = None) -> None:
        self.path = path
        self.reason = reason
        self.asked_by = asked_by
        super().__init__(f"{path!r}: {reason}{f' (asked for by {asked_by})' if asked_by else ''}")


class InvalidMetadata(RecipeError):
    """A package.json or deployment_config.yaml outside of its schema: `what`, `problems`."""

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        self.what = what
        self.problems = tuple(problems)
        super().__init__(f"{what} is not valid: {'; '.join(self.problems)}")


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """What is wrong with a deployment_config.yaml: `key` is dotted, places count from 1."""

    key: str
    reason: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Say it for people: `3:1: kind: ...`."""
        place = "" if self.line is None else f"{self.line}:{self.column}: "
        return f"{place}{f'{self.key}: ' if self.key else ''}{self.reason}"


class InvalidDeploymentConfig(InvalidMetadata):
    """A deployment_config.yaml that can't be used: `what` names it, `found` what is wrong."""

    def __init__(self, what: str, found: Sequence[ConfigProblem]) -> None:
        self.found = tuple(found)
        super().__init__(what, [str(each) for each in found])


class InvalidLayer(RecipeError):
    """A layer that is refused: `title` names it, `entry` the entry of its tar (or None)."""

    def __init__(self, title: str, reason: str, *, entry: str | None = None) -> None:
        self.title = title
        self.entry = entry
        self.reason = reason
        where = f"layer {title!r}" if entry is None else f"layer {title!r}, entry {entry!r}"
        super().__init__(f"{where}: {reason}; nothing of it may be used")


class WheelError(RecipeError):
    """Base of what can go wrong with wheels: `reason`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UnknownImports(WheelError):
    """Imports of which nobody said what distribution they are: `imports` -> who imports each."""

    def __init__(self, imports: Mapping[str, str], project: Path | None = None) -> None:
        self.imports = dict(imports)
        self.project = project
        listed = "\n".join(f"  {name}, imported by {who}" for name, who in self.imports.items())
        lines = "\n".join(
            f'  {name} = "{name.replace("_", "-")}"'
            for name in sorted({each.partition(".")[0] for each in self.imports})
        )
        super().__init__(
            f"It isn't known which distributions hold these imports:\n{listed}\n"
            "They aren't looked up by their own names, which anybody may register on an index."
            " Where one is the checkout's own module, it isn't there: add it. Else name its"
            f" distribution in requirements.txt, or in {project or 'recipebox.toml'}, such as:\n"
            f"  [wheels]\n{lines}\n"
            "Where the recipe does without one of them, write false for its distribution."
        )


class NoWheel(WheelError):
    """A distribution without a wheel that fits: `distribution`, `platform`, `python`."""

    def __init__(
        self, distribution: str, platform: str, python: str, *, asked_by: str, said: str
    ) -> None:
        self.distribution = distribution
        self.platform = platform
        self.python = python
        self.asked_by = asked_by
        super().__init__(
            f"{distribution} has no wheel for Python {python} on {platform}"
            f" (asked for by {asked_by}). pip said:\n{said}\n"
            "Where it is the checkout's own module: it isn't there, so add it. Else build a wheel"
            " and name its folder in PIP_FIND_LINKS, name another distribution under"
            " [wheels] in recipebox.toml, or narrow [package] python or platforms there."
        )


class WheelConflict(WheelError):
    """No one version of each distribution fits every Python minor: `python` is where it failed."""

    def __init__(self, python: str, platform: str, chosen: Sequence[str], *, said: str) -> None:
        self.python = python
        self.platform = platform
        self.chosen = tuple(chosen)
        super().__init__(
            f"Python {python} on {platform} has no wheels of the versions that the lowest Python"
            f" needs ({', '.join(chosen)}). pip said:\n{said}\n"
            "Narrow [package] python in recipebox.toml, or pin a version in requirements.txt that"
            " has wheels for all of them."
        )


class InvalidWheelLock(WheelError):
    """A `recipebox.wheels.toml` that can't be used: `path`."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}; delete it to have it made again")


class WheelMismatch(WheelError):
    """A wheel with other bytes than were locked: `filename`, `expected`, `found` (sha256 hex)."""

    def __init__(self, filename: str, *, expected: str, found: str) -> None:
        self.filename = filename
        self.expected = expected
        self.found = found
        super().__init__(
            f"{filename}: expected sha256 {expected}, found {found}; the index or the cache gave"
            " another file than the one that was locked"
        )


class ChangedEnvironment(WheelError):
    """A file of env/ that isn't what was unpacked: `path`, `expected`, `found` (None: no file)."""

    def __init__(self, path: str, *, expected: str | None, found: str | None) -> None:
        self.path = path
        self.expected = expected or "no such file"
        self.found = found or "no such file"
        super().__init__(f"{path}: expected {self.expected}, found {self.found}")


class ProofFailed(RecipeError):
    """The packed result did not run: `exit_code`, the end of what it printed, and a `note`.

    `differs` is True where it ran, and did otherwise than the checkout: `output` says how.
    `warnings` are what packing wondered about before, which may be the reason.
    """

    def __init__(
        self,
        package: str,
        exit_code: int,
        output: str,
        note: str = "",
        *,
        differs: bool = False,
        warnings: Sequence[str] = (),
    ) -> None:
        self.package = package
        self.exit_code = exit_code
        self.output = output
        self.note = note
        self.differs = differs
        self.warnings = tuple(warnings)
        what = (
            f"{package} was packed, and then did otherwise than the checkout does:\n{output}\n"
            if differs
            else f"{package} was packed, and then did not run from a clean folder: exit code"
            f" {exit_code}. It printed last:\n{output}\n"
        )
        wondered = "".join(f"  {each}\n" for each in warnings)
        wondered = f"Packing had warned:\n{wondered}" if warnings else ""
        super().__init__(
            f"{what}{note}{wondered}Nothing was"
            " laid out. What it lacks can be named under data in recipebox.toml; --no-run packs"
            " without this proof."
        )

    def with_warnings(self, warnings: Sequence[str]) -> "ProofFailed":
        """Return it with what packing wondered about."""
        return ProofFailed(
            self.package,
            self.exit_code,
            self.output,
            self.note,
            differs=self.differs,
            warnings=warnings,
        )


class InvalidEvidence(RecipeError):
    """A file of a release's evidence that can't be used: `path`, `reason`."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}; pack or fetch it again, to have it made anew")


class OutdatedRunner(RecipeError):
    """A package whose own run_recipe.py is of before an `option`: `package` names it."""

    def __init__(self, package: str, option: str) -> None:
        self.package = package
        self.option = option
        super().__init__(
            f"{package} was packed by an older Recipebox, and its run_recipe.py has no {option};"
            " pack it again to have that, or run it without"
        )


class NotAPackage(RecipeError):
    """A folder without what a package has: `path`, `reason`."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")
