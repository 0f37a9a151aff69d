"""Wheels: which distributions the closure imports, solved once, locked by hash, and laid out.

The wheel lock, `recipebox.wheels.toml`, is beside the author's recipebox.toml; where there is none,
beside what was packed. It names no index: a hash says what a file is, wherever it comes from.

::

    schema_version = 1

    [recipes.etl_daily]
    python = ["3.11", "3.12", "3.13"]
    platforms = ["linux/amd64"]

    [recipes.etl_daily.imports]
    yaml = "PyYAML"

    [[recipes.etl_daily.wheels]]
    name = "pyyaml"
    version = "6.0.3"
    filename = "pyyaml-6.0.3-cp311-cp311-manylinux_2_17_x86_64.whl"
    sha256 = "..."
    size = 806638

pip solves, by the user's own settings (index, proxy, certificates). It evaluates environment
markers (`; python_version < "3.12"`) for the Python that it runs in, whatever it is asked to solve
for; so each answer is followed from its roots again, with the markers of the Python and platform
meant, and what lacks is asked for by name.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomli_w
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_wheel_filename,
)

from recipes.distributions import distribution_of, is_known
from recipes.errors import (
    InvalidProject,
    InvalidWheelLock,
    NoWheel,
    UnknownImports,
    UnsafePath,
    WheelConflict,
    WheelError,
    WheelMismatch,
)
from recipes.package import Wheel
from recipes.paths import read_plain

FILE_NAME: Final = "recipebox.wheels.toml"
MINORS: Final = ("3.11", "3.12", "3.13")
"""The Pythons that wheels are locked for, where the package's range has them."""

_MACHINES: Final = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_NEWEST_GLIBC: Final = 28  # Debian 10, RHEL 8, and all that is newer
_OLDEST_GLIBC: Final = {"linux/amd64": 5, "linux/arm64": 17}
_MOST_ROUNDS: Final = 20
_BUFFER: Final = 1 << 20

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WheelPlan:
    """What is to be locked: imports by distribution, and for which Pythons and platforms.

    `imports` are import -> distribution; `asked_by` distribution (canonical) -> who imports it;
    `pins` are constraints that hold where they can be had (requirements.txt, an earlier lock).
    """

    imports: Mapping[str, str]
    asked_by: Mapping[str, str]
    pythons: tuple[str, ...]
    platforms: tuple[str, ...]
    pins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WheelLock:
    """What was locked for one recipe."""

    imports: Mapping[str, str]
    pythons: tuple[str, ...]
    platforms: tuple[str, ...]
    wheels: tuple[Wheel, ...]

    def covers(self, plan: WheelPlan) -> bool:
        """Whether it answers this plan: then it is used as it is."""
        return (
            all(self.imports.get(name) == found for name, found in plan.imports.items())
            and set(plan.pythons) <= set(self.pythons)
            and set(plan.platforms) <= set(self.platforms)
        )


def minors_of(python: str, path: Path | None = None) -> tuple[str, ...]:
    """Return the Python minors of a range (`>=3.11,<3.13`) that wheels are locked for.

    Raises:
        InvalidProject: there are none.
    """
    found = tuple(each for each in MINORS if SpecifierSet(python).contains(f"{each}.99"))
    if not found:
        raise InvalidProject(
            path or Path("recipebox.toml"),
            f"{python!r} holds none of the Pythons that are supported ({', '.join(MINORS)})",
            key="package.python",
        )
    return found


def plan_wheels(
    imports: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]],
    *,
    own: Mapping[str, str],
    requirements: Mapping[str, str],
    pythons: tuple[str, ...],
    platforms: tuple[str, ...],
    project: Path | None = None,
    without: Collection[str] = (),
) -> tuple[WheelPlan, list[str]]:
    """Say which distributions are needed, and what was decided on the way, for people.

    What the author says the recipe does without, in `without` (modules), is left out.

    An optional import is packed where the author names its distribution, in `own` ([wheels]) or in
    `requirements` (requirements.txt: distribution -> specifier), and left out otherwise. `project`
    is the recipebox.toml, for the error.

    Raises:
        UnknownImports: imports that neither the author nor a table here knows: a guessed name may
            be anybody's.
    """
    unknown: dict[str, str] = {}
    decided: dict[str, str] = {}
    asked_by: dict[str, str] = {}
    notes: list[str] = []
    for module, places in imports.items():
        if any(module == each or module.startswith(f"{each}.") for each in without):
            notes.append(f"{places[0]} imports {module}: it is left out, as recipebox.toml says")
            continue
        key, name = distribution_of(module, own)
        decided[key] = name
        asked_by.setdefault(canonicalize_name(name), f"{places[0]}, import {module}")
        is_named = key in own or canonicalize_name(name) in requirements
        if not is_named and not is_known(module):
            unknown[module] = places[0]
    if unknown:
        raise UnknownImports(unknown, project)
    for module, places in optional.items():
        key, name = distribution_of(module, own)
        if key in decided:
            continue
        if key in own or canonicalize_name(name) in requirements:
            decided[key] = name
            asked_by.setdefault(canonicalize_name(name), f"{places[0]}, import {module}")
        else:
            notes.append(
                f"{places[0]} imports {module} only where it is there: {name} is left out; name it"
                " under [wheels] in recipebox.toml to have it in"
            )
    imported = {key: decided[key] for key in sorted(decided)}
    return WheelPlan(imported, asked_by, pythons, platforms, requirements), notes


def requirements_of(root: Path) -> dict[str, str]:
    """Return distribution (canonical) -> specifier that a checkout names, wherever it does.

    `[project] dependencies` of pyproject.toml count, and requirements.txt before them.

    Raises:
        UnsafePath: one of them is there, and can't be read.
    """
    try:
        drawn = tomllib.loads(_read_if_there(root / "pyproject.toml").decode())
        listed = drawn["project"]["dependencies"]
    except (ValueError, KeyError, TypeError):  # the packer asks for nothing of it
        listed = []
    lines = [str(each) for each in listed] if isinstance(listed, list) else []
    return {**_read_lines(lines), **read_requirements(root / "requirements.txt")}


def read_requirements(path: Path) -> dict[str, str]:
    """Return distribution (canonical) -> specifier of a requirements.txt; the rest is skipped.

    Raises:
        UnsafePath: it is there, and can't be read.
    """
    return _read_lines(_read_if_there(path).decode(errors="replace").splitlines())


def _read_if_there(path: Path) -> bytes:
    """Return a file's bytes; none where there is no such file."""
    try:
        return read_plain(path) if os.path.lexists(path) else b""
    except OSError as error:
        raise UnsafePath(str(path), f"it can't be read: {error.strerror}") from error


def _read_lines(lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        text = re.split(r"\s#|^#|\s--", line)[0].strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.url is None:
            found[canonicalize_name(requirement.name)] = str(requirement.specifier)
    return found


# --- the lock ---


def read_lock(path: Path) -> dict[str, WheelLock]:
    """Read a wheel lock: recipe's stem -> what is locked; nothing where there is no file.

    Raises:
        InvalidWheelLock: it isn't one, or of another schema version.
    """
    try:
        drawn = tomllib.loads(read_plain(path).decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidWheelLock(path, f"it can't be read: {error}") from error
    if drawn.get("schema_version") != 1:
        raise InvalidWheelLock(path, f"schema_version is {drawn.get('schema_version')!r}, not 1")
    try:
        return {stem: _read_entry(entry) for stem, entry in drawn.get("recipes", {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidWheelLock(path, f"it was damaged: {error!r}") from error


def _read_entry(entry: Mapping[str, Any]) -> WheelLock:
    return WheelLock(
        imports={str(key): str(value) for key, value in entry["imports"].items()},
        pythons=tuple(str(each) for each in entry["python"]),
        platforms=tuple(str(each) for each in entry["platforms"]),
        wheels=tuple(
            Wheel(
                name=each["name"],
                version=each["version"],
                filename=each["filename"],
                sha256=each["sha256"],
                size=each["size"],
                tags=tags_of(each["filename"]),
            )
            for each in entry.get("wheels", ())
        ),
    )


def write_lock(path: Path, locks: Mapping[str, WheelLock]) -> None:
    """Write a wheel lock, sorted, in one move."""
    drawn = {
        "schema_version": 1,
        "recipes": {
            stem: {
                "python": list(lock.pythons),
                "platforms": list(lock.platforms),
                "imports": dict(sorted(lock.imports.items())),
                "wheels": [
                    each.model_dump(include={"name", "version", "filename", "sha256", "size"})
                    for each in sorted(lock.wheels, key=lambda each: each.filename)
                ],
            }
            for stem, lock in sorted(locks.items())
        },
    }
    text = "# The wheels of each recipe, made by `recipebox pack`; kept so that packing again gives"
    text += " the same.\n" + tomli_w.dumps(drawn)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


# --- tags ---


def tags_of(filename: str) -> list[str]:
    """Return a wheel's tags (PEP 425), sorted.

    Raises:
        WheelError: it isn't the file name of a wheel.
    """
    try:
        return sorted(str(tag) for tag in parse_wheel_filename(filename)[3])
    except InvalidWheelFilename as error:
        raise WheelError(f"{filename!r} is not the file name of a wheel") from error


def wheels_for(platform: str, wheels: Iterable[Wheel]) -> list[Wheel]:
    """Return the wheels that belong to a platform (`linux/amd64`): pure ones belong to each."""
    machine = _MACHINES[platform]
    return [
        each for each in wheels if any(tag.endswith(("-any", f"_{machine}")) for tag in each.tags)
    ]


def platforms_of(wheels: Sequence[Wheel]) -> tuple[str, ...]:
    """Return the platforms for which every distribution of `wheels` has one."""
    names = {each.name for each in wheels}
    return tuple(
        platform
        for platform in _MACHINES
        if {each.name for each in wheels_for(platform, wheels)} == names
    )


def wheels_here(wheels: Sequence[Wheel], tags: Sequence[Tag] | None = None) -> list[Wheel]:
    """Return the best wheel of each distribution for this interpreter, by name.

    A distribution without one is one that this Python doesn't need: the lock is complete for each
    Python that it was made for.
    """
    order = {str(tag): place for place, tag in enumerate(tags or list(sys_tags()))}
    best: dict[str, tuple[int, Wheel]] = {}
    for each in wheels:
        rank = min((order[tag] for tag in each.tags if tag in order), default=None)
        if rank is not None and (each.name not in best or rank < best[each.name][0]):
            best[each.name] = (rank, each)
    return [best[name][1] for name in sorted(best)]


# --- solving ---


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    version: str
    filename: str
    sha256: str
    requires: tuple[str, ...]


def solve(
    plan: WheelPlan, cache: Path, *, progress: Progress | None = None
) -> tuple[WheelLock, list[str]]:
    """Solve a plan with pip, once for each Python and platform; also say which pins were dropped.

    The lowest Python is solved first; the others have to do with its versions. The wheels are in
    `cache` afterwards.

    Raises:
        NoWheel: a distribution has none that fits; says who asks for it.
        WheelConflict: no one version of each fits every Python.
        WheelError: pip can't be run, or can't reach its index.
    """
    unused: dict[str, str] = {}
    roots = sorted(set(plan.imports.values()), key=canonicalize_name)
    pins = {name: said for name, said in plan.pins.items() if said}
    while True:
        try:
            found = _solve_all(plan, roots, pins=pins, unused=unused, say=progress or _say_nothing)
            break
        except _PinsConflict as conflict:  # they hold for one Python, and not for another
            unused.update({name: pins.pop(name) for name in conflict.names})
    chosen: dict[str, str] = {}
    wheels: dict[str, Wheel] = {}
    for target, each in found:
        chosen.update({one.name: one.version for one in each})
        for wheel in _download(target, each, cache):
            wheels[wheel.filename] = wheel
    lock = WheelLock(
        plan.imports,
        plan.pythons,
        plan.platforms,
        tuple(wheels[name] for name in sorted(wheels)),
    )
    notes = [
        f"the pin {name}{said} can't be had for every Python ({', '.join(plan.pythons)}):"
        f" {name} {chosen[name]} is taken"
        for name, said in sorted(unused.items())
        if name in chosen
    ]
    return lock, notes


def _say_nothing(_: str) -> None:
    return


def _solve_all(
    plan: WheelPlan,
    roots: Sequence[str],
    *,
    pins: dict[str, str],
    unused: dict[str, str],
    say: Progress,
) -> "list[tuple[_Target, list[_Found]]]":
    """Solve for each platform and Python, with the versions that the first ones had."""
    chosen: dict[str, str] = {}
    solved = []
    for platform in plan.platforms if roots else ():
        for python in plan.pythons:
            say(f"solving wheels for Python {python} on {platform}")
            target = _Target(platform, python)
            found = _solve_for(target, roots, chosen, plan, pins=pins, unused=unused)
            chosen.update({each.name: each.version for each in found})
            solved.append((target, found))
    return solved


@dataclass(frozen=True, slots=True)
class _Target:
    platform: str
    python: str

    def options(self) -> list[str]:
        """Return pip's options for it: every manylinux that the baseline's glibc can load."""
        machine = _MACHINES[self.platform]
        names = [
            f"manylinux_2_{minor}_{machine}"
            for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC[self.platform] - 1, -1)
        ]
        names.append(f"manylinux2014_{machine}")
        if machine == "x86_64":
            names += [f"manylinux2010_{machine}", f"manylinux1_{machine}"]
        options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", self.python]
        for name in names:
            options += ["--platform", name]
        return options

    def environment(self) -> dict[str, str]:
        """Return the values of environment markers there (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": _MACHINES[self.platform],
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


class _PipRefused(Exception):
    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


class _PinsConflict(Exception):
    """What pins made the first Pythons take can't be had for a later one: `names` are to go."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(*names)


def _solve_for(
    target: _Target,
    roots: Sequence[str],
    chosen: Mapping[str, str],
    plan: WheelPlan,
    *,
    pins: dict[str, str],
    unused: dict[str, str],
) -> list[_Found]:
    """Solve for one target; pins that can't be had go from `pins` to `unused`."""
    while True:
        constraints = {**pins, **{name: f"=={version}" for name, version in chosen.items()}}
        try:
            return _close(target, roots, constraints)
        except _PipRefused as refused:
            names = _named(refused.said)
            loose = [name for name in pins if name not in chosen]
            dropped = [name for name in names if name in loose] or loose
            if dropped:
                unused.update({name: pins.pop(name) for name in dropped})
                continue
            pinned = [name for name in names if name in pins] or [*pins]
            if pinned:
                raise _PinsConflict(pinned) from refused
            raise _explained(target, refused.said, names, chosen, plan) from refused


def _explained(
    target: _Target,
    said: str,
    names: Sequence[str],
    chosen: Mapping[str, str],
    plan: WheelPlan,
) -> WheelError:
    shown = "\n".join(f"  {line}" for line in said.splitlines()[-6:])
    name = next(iter(names), None)
    if name is None:
        return WheelError(f"pip could not solve for Python {target.python}:\n{shown}")
    if name in chosen:
        pairs = [f"{each} {version}" for each, version in sorted(chosen.items())]
        return WheelConflict(target.python, target.platform, pairs, said=shown)
    return NoWheel(
        name,
        target.platform,
        target.python,
        asked_by=plan.asked_by.get(name, "another distribution"),
        said=shown,
    )


_NO_MATCH = re.compile(
    r"(?:No matching distribution found for|satisfies the requirement|requested \(constraint\))"
    r"\s+([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
)
_UNREACHABLE = re.compile(r"WARNING: Retrying|NewConnectionError|Failed to establish|timed out")


def _named(said: str) -> list[str]:
    """Return the distributions (canonical) that pip has nothing for, or whose pins conflict."""
    return list(dict.fromkeys(canonicalize_name(each) for each in _NO_MATCH.findall(said)))


def _close(target: _Target, roots: Sequence[str], constraints: Mapping[str, str]) -> list[_Found]:
    """Ask pip until its answer holds all that the markers of the target ask for, and only that."""
    asked = list(roots)
    for _ in range(_MOST_ROUNDS):
        found = {each.name: each for each in _ask(target, asked, constraints)}
        needed, lacking = _follow(target, roots, found)
        if not lacking:
            return [found[name] for name in sorted(needed)]
        asked += lacking
    raise WheelError(f"pip's answers for Python {target.python} don't come to an end")


def _follow(
    target: _Target, roots: Sequence[str], found: Mapping[str, _Found]
) -> tuple[set[str], list[str]]:
    """Follow requirements from the roots: what is needed, and the requirements that aren't met."""
    needed: set[str] = set()
    lacking: list[str] = []
    seen: set[tuple[str, str]] = set()
    pending = [Requirement(each) for each in roots]
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            lacking.append(_bare(requirement))
            continue
        needed.add(name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in found[name].requires:
                inner = Requirement(text)
                if _applies(inner.marker, target, extra):
                    pending.append(inner)
    return needed, sorted(set(lacking))


def _applies(marker: Marker | None, target: _Target, extra: str) -> bool:
    return marker is None or marker.evaluate({**target.environment(), "extra": extra})


def _bare(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _pip(words: Sequence[str], folder: Path) -> None:
    """Run pip with the user's settings, and none of this process's path."""
    made = subprocess.run(
        [sys.executable, "-I", "-m", "pip", *words, "--disable-pip-version-check",
         "--progress-bar", "off", "--no-input", "--no-color"],
        cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if made.returncode != 0:
        said = f"{made.stdout.strip()}\n{made.stderr.strip()}".strip()
        if _UNREACHABLE.search(said):
            shown = "\n".join(f"  {line}" for line in made.stderr.splitlines()[-3:])
            raise WheelError(f"pip can't reach its index:\n{shown}")
        raise _PipRefused(said)


def _ask(target: _Target, asked: Sequence[str], constraints: Mapping[str, str]) -> list[_Found]:
    with tempfile.TemporaryDirectory(prefix="recipebox-pip-") as scratch:
        folder = Path(scratch)
        listed = "".join(f"{name}{said}\n" for name, said in sorted(constraints.items()))
        (folder / "constraints.txt").write_text(listed)
        report = folder / "report.json"
        _pip(
            ["install", "--dry-run", "--ignore-installed", "--report", str(report),
             "--target", str(folder / "target"), "--constraint", str(folder / "constraints.txt"),
             *target.options(), *asked],
            folder,
        )  # fmt: skip
        drawn = json.loads(report.read_bytes())
    return [_read_item(each) for each in drawn["install"]]


def _read_item(item: Mapping[str, Any]) -> _Found:
    metadata, download = item["metadata"], item["download_info"]
    filename = download["url"].rpartition("/")[2].partition("#")[0].replace("%2B", "+")
    hashes = download.get("archive_info", {}).get("hashes", {})
    if "sha256" not in hashes:
        raise WheelError(f"pip knows no sha256 of {filename}: its index has to name one")
    return _Found(
        canonicalize_name(metadata["name"]),
        metadata["version"],
        filename,
        hashes["sha256"],
        tuple(metadata.get("requires_dist", ())),
    )


# --- downloading and laying out ---


def _download(target: _Target, found: Sequence[_Found], cache: Path) -> list[Wheel]:
    """Get these wheels into the cache, by pip, with their hashes checked by it and by us."""
    cache.mkdir(parents=True, exist_ok=True)
    lacking = [each for each in found if not (cache / each.sha256).is_file()]
    if lacking:
        with tempfile.TemporaryDirectory(prefix="recipebox-pip-") as scratch:
            folder = Path(scratch)
            lines = [
                f"{each.name}=={each.version} --hash=sha256:{each.sha256}\n" for each in lacking
            ]
            (folder / "wanted.txt").write_text("".join(lines))
            try:
                _pip(
                    ["download", "--no-deps", "--require-hashes", "--dest", str(folder / "got"),
                     "--requirement", str(folder / "wanted.txt"), *target.options()],
                    folder,
                )  # fmt: skip
            except _PipRefused as refused:
                names = ", ".join(f"{each.name} {each.version}" for each in lacking)
                raise WheelError(f"pip could not download {names}:\n{refused.said}") from refused
            for path in sorted((folder / "got").iterdir()):
                _keep(path, cache)
    return [
        Wheel(
            name=each.name,
            version=each.version,
            filename=each.filename,
            sha256=each.sha256,
            size=_checked(cache, each.sha256, each.filename).stat().st_size,
            tags=tags_of(each.filename),
        )
        for each in found
    ]


def _keep(path: Path, cache: Path) -> None:
    """Put a file into the cache under its hash, in one move."""
    temporary = cache / f".{path.name}.{os.getpid()}"
    try:
        shutil.copyfile(path, temporary)
        temporary.replace(cache / _sha256(path))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _checked(cache: Path, sha256: str, filename: str) -> Path:
    path = cache / sha256
    if not path.is_file():
        raise WheelError(f"the index gave another file than {filename} (sha256 {sha256})")
    found = _sha256(path)
    if found != sha256:
        path.unlink()
        raise WheelMismatch(filename, expected=sha256, found=found)
    os.utime(path)  # it was read: who cleans the cache goes by that
    return path


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_BUFFER):
            hasher.update(chunk)
    return hasher.hexdigest()


def get_wheels(
    lock: WheelLock, cache: Path, *, progress: Progress | None = None
) -> dict[str, Path]:
    """Return file name -> path in `cache` of every locked wheel; what isn't there is downloaded.

    Raises:
        WheelMismatch: a file has other bytes than were locked.
        WheelError: pip can't get one.
    """
    say = progress or (lambda _: None)
    lacking = [each for each in lock.wheels if not (cache / each.sha256).is_file()]
    for platform in lock.platforms if lacking else ():
        for python in lock.pythons:
            fitting = [
                _Found(each.name, each.version, each.filename, each.sha256, ())
                for each in wheels_for(platform, lacking)
                if _fits(each, python) and not (cache / each.sha256).is_file()
            ]
            if fitting:
                say(f"downloading {len(fitting)} wheels for Python {python} on {platform}")
                _download(_Target(platform, python), fitting, cache)
    return {each.filename: _checked(cache, each.sha256, each.filename) for each in lock.wheels}


def _fits(wheel: Wheel, python: str) -> bool:
    """Whether a wheel's tags name this Python: exactly, by the stable ABI, or any."""
    exact = f"cp{python.replace('.', '')}"
    return any(tag.startswith((f"{exact}-", "py")) or "-abi3-" in tag for tag in wheel.tags)
