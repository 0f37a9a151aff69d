"""Packing: a recipe out of its checkout, with what it needs, proved by running it.

::

    read_recipe ─ find_project ─ find_closure ─ wheel lock ─ draw the tree ─ run it ─ lay it out
                                   ▲                        (aside, in OUT)  (copies,  (rename)
                                   │                                          elsewhere)
                                   └── what the run in the checkout read, and nothing asked for

What came of the run, and what the package is made of, is its evidence, beside it in OUT.

The checkout is read and never written, the wheel lock beside an author's own recipebox.toml apart.
Nothing of it runs but in a child. On any failure OUT is as it was.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from artifacts.errors import InvalidName
from artifacts.reference import PackageName
from recipes.closure import Closure, Reason, find_closure
from recipes.compared import Comparison
from recipes.content import check_content
from recipes.environment import lay_out_env
from recipes.errors import (
    InvalidOption,
    InvalidProject,
    ProofFailed,
    UnsafePath,
)
from recipes.evidence import Evidence, draw_evidence, folder_of, write_evidence
from recipes.filling import Values
from recipes.layers import build_release
from recipes.licences import read_facts
from recipes.package import RECIPE, RUN_RECIPE, Entry, PackageMetadata, Wheel
from recipes.paths import check_paths, open_plain, read_plain
from recipes.project import FILE_NAME as PROJECT_FILE
from recipes.project import PLATFORMS, Project, find_project
from recipes.proof import draw_proof
from recipes.proving import Bench, CheckoutRun, Proof, open_bench
from recipes.recipe import Recipe, read_recipe
from recipes.render.tree import write_deployment
from recipes.sbom import FILE_NAME as SBOM_FILE
from recipes.sbom import draw_sbom
from recipes.traced import FILE_NAME as TRACE_FILE
from recipes.traced import TraceDocument, asked_by_the_run, draw_trace
from recipes.wheels import FILE_NAME as LOCK_FILE
from recipes.wheels import (
    Progress,
    WheelLock,
    WheelPlan,
    get_wheels,
    minors_of,
    plan_wheels,
    read_lock,
    requirements_of,
    solve,
    write_lock,
)
from resolver.errors import InvalidVersion
from resolver.requirement import Range, Requirement
from resolver.version import Version
from sandbox.process import ProcessSandbox
from sandbox.sandbox import Sandbox

_BUFFER: Final = 1 << 20  # bytes

LOCAL: Final = "local"
"""The namespace of what nobody gave one: good for trying, and for no registry but one's own."""

FIRST_VERSION: Final = "0.1.0"
"""The version of what nobody gave one."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed: `path` is the package's folder, `out` the one that it was asked for.

    `reasons` are why each file of `recipe/` is in, by its path in the checkout; `wheel_lock` is
    where the wheel lock is kept, None where there are no wheels. `trace` is what its runs did,
    None where it wasn't run.
    """

    path: Path
    out: Path
    metadata: PackageMetadata
    reasons: Mapping[str, tuple[Reason, ...]]
    warnings: tuple[str, ...]
    proof: Proof
    wheel_lock: Path | None
    trace: TraceDocument | None = None


def pack(
    recipe: Path,
    out: Path,
    *,
    name: str | None = None,
    version: str | None = None,
    platforms: Sequence[str] | None = None,
    cache: Path | None = None,
    values: Values | None = None,
    prove: bool = True,
    required: Path | None = None,
    sandbox: Sandbox | None = None,
    timeout: float = 600.0,
    progress: Progress | None = None,
) -> Packed:
    """Pack the recipe in the file `recipe` into the folder `out`.

    `name` (`team/etl`) and `version` beat recipebox.toml and the recipe; `cache` is a folder that
    keeps wheels by their hash; `values` fill in a template; `prove` False skips the run; `required`
    is a folder that `fetch` made, with the packages that the recipe's steps run; `timeout` in
    seconds is for the run. `progress` is told what is being done.

    Raises:
        RecipeError: any of `recipes.errors`.
    """
    say = progress or (lambda _: None)
    say(f"reading {recipe}")
    read = read_recipe(recipe, values)
    project = find_project(recipe)
    for each in platforms or ():
        if each not in PLATFORMS:
            raise InvalidOption("platform", f"{each!r} is not one of {', '.join(PLATFORMS)}")
    identity, guesses = identify(read, project, name, version)
    closure = find_closure(read, project)
    say(f"found {len(closure.files)} files that it needs")
    with _aside(out) as scratch:
        stores = cache if cache is not None else scratch / "cache"

        def draft(closure: Closure) -> _Draft:
            return _draft(read, project, closure, identity, scratch,
                          out=out, platforms=platforms, cache=stores, progress=say)  # fmt: skip

        def draft_again(seen: Mapping[str, Reason]) -> _Draft:
            return draft(find_closure(read, project, seen=seen))

        drafted = draft(closure)
        proof = Proof(ran=False, reason=_why_not_run(drafted.metadata, required, prove=prove))
        trace = None
        if not proof.reason:
            with (
                _warning_where_it_fails(closure),
                open_bench(
                    drafted.metadata,
                    root=closure.root,
                    aside=out,
                    required=required,
                    sandbox=sandbox or ProcessSandbox(),
                    timeout=timeout,
                ) as bench,
            ):
                drafted, checkout, added = _try_out(drafted, bench, draft_again, say)
                say("running it once from a clean folder")
                proof = bench.prove(drafted.tree, checkout)
            if proof.account is not None:
                trace = draw_trace(
                    drafted.metadata, drafted.closure, added, proof.account, checkout.account
                )
        evidence = _find_out(drafted, proof, trace)
        write_evidence(scratch / "evidence", evidence)
        if drafted.lock is not None and drafted.lock_path is not None:
            _keep_lock(drafted.lock_path, read.name, drafted.lock)
        path = _lay_out(drafted.tree, out, drafted.metadata, drafted.files)
        _lay_evidence(scratch / "evidence", out, drafted.metadata)
    return Packed(
        path,
        out,
        drafted.metadata,
        drafted.closure.files,
        (*read.notes, *guesses, *drafted.closure.warnings, *drafted.notes),
        proof,
        drafted.lock_path if drafted.lock else None,
        trace,
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A package that is drawn, aside, of one closure: `files` are its wheels, by their names."""

    closure: Closure
    tree: Path
    metadata: PackageMetadata
    lock: WheelLock | None
    lock_path: Path | None
    files: Mapping[str, Path]
    notes: tuple[str, ...]


def _draft(
    read: Recipe,
    project: Project,
    closure: Closure,
    identity: tuple[str, str],
    scratch: Path,
    *,
    out: Path,
    platforms: Sequence[str] | None,
    cache: Path,
    progress: Progress,
) -> _Draft:
    looked = check_content(read, project, closure)
    lock, lock_path, notes = _lock_wheels(
        read, project, closure, out, platforms=platforms, cache=cache, progress=progress
    )
    files = get_wheels(lock, cache, progress=progress) if lock else {}
    wheels = lock.wheels if lock else ()
    metadata = _describe(read, project, closure, identity, wheels)
    tree = scratch / metadata.title
    if tree.exists():
        shutil.rmtree(tree)
    _draw(tree, read, project, closure, metadata)
    if wheels:
        lay_out_env(wheels, files, tree / "env")
    return _Draft(closure, tree, metadata, lock, lock_path, files, (*looked, *notes))


def _why_not_run(metadata: PackageMetadata, required: Path | None, *, prove: bool) -> str:
    """Return why there will be no run; nothing where there will."""
    if not prove:
        return "the run was skipped, as asked (--no-run)"
    if metadata.requires and required is None:
        names = ", ".join(metadata.requires)
        return (
            f"it runs other packages ({names}), which are not here: fetch them into a"
            " folder, and name it (--required DIR)"
        )
    return ""


@contextmanager
def _warning_where_it_fails(closure: Closure) -> Iterator[None]:
    """Say with a proof that failed what the closure warned of: it may be the reason."""
    try:
        yield
    except ProofFailed as error:
        raise error.with_warnings(closure.warnings) from error.__cause__


def _try_out(
    drafted: _Draft,
    bench: Bench,
    draft_again: Callable[[Mapping[str, Reason]], _Draft],
    say: Progress,
) -> tuple[_Draft, CheckoutRun, dict[str, Reason]]:
    """Run the recipe in a copy of its checkout, and draw it anew with what that asked for.

    Where that needs other wheels as well, the next run with them may ask for more.
    """
    added: dict[str, Reason] = {}
    while True:
        say("running it in a copy of the checkout, to see what it reads")
        checkout = bench.run_checkout(drafted.tree)
        told = checkout.is_told_by
        found = asked_by_the_run(told, drafted.closure) if told is not None else {}
        if not found:
            return drafted, checkout, added
        added |= found
        say(f"found {len(found)} files more that the run reads")
        before, drafted = drafted, draft_again(added)
        if drafted.lock == before.lock:
            return drafted, checkout, added


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """Give a folder beside what will be laid out, and take it away; on a failure `out` too."""
    made = [each for each in (out, *out.parents) if not each.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".packing-", dir=out))
    except OSError as error:
        raise UnsafePath(str(out), f"nothing can be written there: {error.strerror}") from error
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch)
        for each in made:
            if not any(each.iterdir()):
                each.rmdir()
        raise
    shutil.rmtree(scratch)


# --- what it is called ---


def identify(
    recipe: Recipe, project: Project, name: str | None, version: str | None
) -> tuple[tuple[str, str], list[str]]:
    """Return the package's name and version, and what had to be guessed, for people.

    Raises:
        InvalidOption: `name` or `version`, or what the file is called, can't be one.
        InvalidProject: those of recipebox.toml can't.
    """
    settings = project.of(recipe.name)
    where = project.path or recipe.path.parent / PROJECT_FILE
    guesses = []
    said = name or settings.name or _as_name(recipe.name)
    if "/" not in said:
        namespace = project.namespace or LOCAL
        if project.namespace is None:
            guesses.append(
                f"no namespace is named: this is {LOCAL}/{said}; give --name NAMESPACE/{said},"
                " or name one in recipebox.toml"
            )
        said = f"{namespace}/{said}"
    try:
        package = PackageName.parse(said)
    except InvalidName as error:
        if name is not None or settings.name is None:
            raise InvalidOption("name", str(error)) from error
        raise InvalidProject(where, str(error), key=f"recipes.{recipe.name}.name") from error
    numbered = version or settings.version or project.version or _own_version(recipe)
    if numbered is None:
        numbered = FIRST_VERSION
        guesses.append(
            f"no version is named: this is {FIRST_VERSION}; give --version, or name one in"
            " recipebox.toml"
        )
    try:
        return (str(package), str(Version.parse(numbered))), guesses
    except InvalidVersion as error:
        if version is not None:
            raise InvalidOption("version", str(error)) from error
        raise InvalidProject(where, str(error), key=f"recipes.{recipe.name}.version") from error


def _as_name(stem: str) -> str:
    """Return a file's stem as a name: lower case, and single separators."""
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")


def _own_version(recipe: Recipe) -> str | None:
    """Return the version that the recipe's own metadata has; `1.0` becomes 1.0.0."""
    said = str(recipe.metadata.get("version", ""))
    padded = said + ".0" * max(0, 2 - said.count("."))
    try:
        return str(Version.parse(padded))
    except InvalidVersion:
        return None


# --- wheels ---


def _lock_wheels(
    recipe: Recipe,
    project: Project,
    closure: Closure,
    out: Path,
    *,
    platforms: Sequence[str] | None,
    cache: Path,
    progress: Progress,
) -> tuple[WheelLock | None, Path | None, list[str]]:
    """Return the lock that is there if it covers what is imported, else a new one."""
    requirements = requirements_of(closure.root)
    plan, notes = plan_wheels(
        closure.imports,
        closure.optional_imports,
        own=project.wheels,
        requirements=requirements,
        pythons=minors_of(project.python, project.path),
        platforms=tuple(platforms) if platforms is not None else project.platforms,
        project=project.path,
        without=project.without,
    )
    folder = project.path.parent if project.path is not None else out
    path = folder / LOCK_FILE
    if not plan.imports:
        return None, None, notes
    known = read_lock(path).get(recipe.name)
    if known is not None and known.covers(plan):
        return known, path, notes
    lock, dropped = solve(_preferring(plan, known), cache, progress=progress)
    return lock, path, [*notes, *dropped]


def _preferring(plan: WheelPlan, known: WheelLock | None) -> WheelPlan:
    """Prefer what an earlier lock had, so that one import more changes nothing else."""
    pins = dict(plan.pins)
    for each in known.wheels if known is not None else ():
        pins[canonicalize_name(each.name)] = f"=={each.version}"
    return WheelPlan(plan.imports, plan.asked_by, plan.pythons, plan.platforms, pins)


def _keep_lock(path: Path, stem: str, lock: WheelLock) -> None:
    locks = read_lock(path)
    if locks.get(stem) != lock:
        write_lock(path, {**locks, stem: lock})


# --- drawing the tree ---


def _describe(
    recipe: Recipe,
    project: Project,
    closure: Closure,
    identity: tuple[str, str],
    wheels: Sequence[Wheel],
) -> PackageMetadata:
    settings = project.of(recipe.name)
    summary = settings.summary or str(recipe.metadata.get("description") or "")
    author = recipe.metadata.get("author")
    authors = project.authors or ((author,) if isinstance(author, str) else ())
    return PackageMetadata(
        name=identity[0],
        version=identity[1],
        summary=" ".join(summary.split()),
        license=project.license,
        authors=list(authors),
        readme=_readme(settings.readme, closure.root, project),
        requires=requires_of(recipe, project, identity[0]),
        extras={
            extra: dict(sorted(group.items())) for extra, group in sorted(settings.extras.items())
        },
        python=project.python,
        wheels=sorted(wheels, key=lambda each: each.filename),
        entry=Entry(runner="checkout" if closure.runner else "bundled", module=closure.runner),
        execution=recipe.execution,
        steps=list(recipe.steps),
    )


def _readme(path: str | None, root: Path, project: Project) -> str | None:
    if path is None:
        return None
    place = (root / path).resolve()
    if not place.is_relative_to(root.resolve()) or not place.is_file():
        raise InvalidProject(project.path or root, f"no readme is at {path!r}", key="readme")
    try:
        text = read_plain(place).decode()
    except OSError as error:
        raise UnsafePath(path, f"it can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidProject(project.path or root, f"{path} is not UTF-8", key="readme") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def requires_of(recipe: Recipe, project: Project, own: str) -> dict[str, str]:
    """Return what recipebox.toml requires, and what steps run; both must say the same of one.

    Raises:
        InvalidProject: they don't, or the recipe runs its own package, `own`.
    """
    requires = dict(project.of(recipe.name).requires)
    for index, step in enumerate(recipe.steps):
        if step.type != "recipe":
            continue
        where = recipe.where(index)
        if step.package == own:
            raise InvalidProject(recipe.path, f"{where} runs its own package, {own}")
        said = requires.setdefault(step.package, step.version)
        if Requirement.of(step.package, said).range != Range.parse(step.version):
            raise InvalidProject(
                project.path or recipe.path,
                f"{where} wants {step.package} {step.version}, but {said} is required there",
                key=f"recipes.{recipe.name}.requires",
            )
    return dict(sorted(requires.items()))


def _draw(
    tree: Path, recipe: Recipe, project: Project, closure: Closure, metadata: PackageMetadata
) -> None:
    """Write the package's folders, all but env/."""
    inside = tree / "recipe"
    own = recipe.path.resolve()
    copied = [
        path
        for path in closure.files
        if not (path == RECIPE and (closure.root / path).resolve() == own)
    ]
    for reserved in (RECIPE, RUN_RECIPE):
        if reserved in copied:
            raise UnsafePath(reserved, "the package's own file has this name; rename this one")
    check_paths([*copied, RECIPE, RUN_RECIPE])
    inside.mkdir(parents=True)
    (tree / "metadata").mkdir()
    for path in copied:
        _copy(closure.root / path, inside / path)
    _write(inside / RECIPE, recipe.content)
    bundled = resources.files("recipes").joinpath("templates", RUN_RECIPE)
    _write(inside / RUN_RECIPE, bundled.read_bytes())
    _write(tree / "metadata" / "package.json", metadata.to_bytes())
    write_deployment(tree, project, recipe.name, metadata)


def _copy(source: Path, target: Path) -> None:
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open_plain(source) as reading, target.open("wb") as writing:
            shutil.copyfileobj(reading, writing, _BUFFER)
        is_executable = source.stat().st_mode & 0o100
    except OSError as error:
        raise UnsafePath(str(source), f"it can't be read: {error.strerror}") from error
    target.chmod(0o755 if is_executable else 0o644)


def _write(target: Path, data: bytes) -> None:
    target.write_bytes(data)
    target.chmod(0o644)


# --- the evidence ---


def _find_out(drafted: _Draft, proof: Proof, trace: TraceDocument | None) -> Evidence:
    """Return what was found out about a package, which is as it will be signed."""
    tree, metadata, lock = drafted.tree, drafted.metadata, drafted.lock
    with tempfile.TemporaryDirectory(prefix=".layers-", dir=tree.parent) as into:
        manifest = build_release(tree, Path(into)).descriptor.digest
    facts = {name: read_facts(path, name) for name, path in drafted.files.items()}
    imported = lock.imports.values() if lock is not None else ()
    documents = {SBOM_FILE: draw_sbom(metadata, manifest, facts, imported)}
    if trace is not None:
        documents[TRACE_FILE] = trace.to_bytes()
    statement = None
    if proof.ran:
        statement = draw_proof(
            metadata,
            manifest,
            exit_code=proof.exit_code or 0,
            seconds=proof.seconds or 0.0,
            steps=proof.steps,
            context=proof.context or {},
            enforced=proof.enforced,
            not_enforced=proof.not_enforced or {},
            compared=proof.compared or Comparison(was_run=False, reason="it was not run there"),
        )
    return draw_evidence(metadata, manifest, proof=statement, documents=documents)


def _lay_evidence(folder: Path, out: Path, metadata: PackageMetadata) -> None:
    """Move the evidence to its place in `out`; an earlier one of its name goes."""
    target = folder_of(out, metadata.title)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(folder.with_name("replaced-evidence"))
    folder.rename(target)


# --- laying out ---


def _lay_out(tree: Path, out: Path, metadata: PackageMetadata, files: Mapping[str, Path]) -> Path:
    """Move the package to its place in `out`, in one rename; an earlier one of its name goes."""
    if files:
        wheels = out / "wheels"
        wheels.mkdir(exist_ok=True)
        for name, path in files.items():
            _put(path, wheels / name)
    target = out / metadata.title
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        target.rename(tree.parent.parent / "replaced")
    tree.rename(target)
    return target


def _put(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, temporary)
    temporary.replace(target)
