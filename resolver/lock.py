"""A lock: a solved set of releases, frozen; TOML, sorted, made to be reviewed and committed.

::

    # Made by recipebox: review and commit it, and change it by locking again.

    schema_version = 1
    revision = 12                          of the index that was solved
    python = "3.11"
    platform = "linux/amd64"
    requirements = ["team/etl ^1"]         what was asked for
    constraints = ["team/log <3"]          these six only where they were given, see
    overrides = ["team/clean ^1.2"]        resolver/options.py
    prereleases = true
    published_before = "2026-01-02T03:04:05Z"
    prefer = "lowest"
    application = "team/shop"

    [sources]                              where packages come from another registry than the
    "https://recipes.example.org" = 40     reader's own: its address, and its index's revision

    [[package]]                            sorted by name
    name = "team/clean"
    version = "1.2.0"
    digest = "sha256:…"                    of the release's manifest
    size = 1234                            of the manifest, in bytes
    signers = ["ABCD…"]                    fingerprints of primary keys
    requires = []                          with those of the extras that are on
    required_by = ["team/etl"]             why it is here; the requirements above say the rest
    source = "https://recipes.example.org" where it isn't the reader's own: one of the sources above
    extras = ["gpu"]                       which are on, where any is

    [package.wheel_sets]                   where it needs wheels: those of the platform above
    "linux/amd64" = "sha256:…"

Arrays stand on several lines, so that a change of one entry is a change of one line. The reader's
own registry isn't in it: where most bytes come from is the reader's business, the digests say
which. A name that is reserved for another registry says which one that is, since nobody may take
it from anywhere else.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from artifacts.digest import Digest
from artifacts.reference import PackageName
from resolver.candidate import Environment, utc_text
from resolver.errors import InvalidLock, InvalidRequirement, UnsupportedSchema
from resolver.options import Options
from resolver.requirement import Requirement
from resolver.solve import Solution
from resolver.version import Version

SCHEMA_VERSION: Final = 1
"""The version of the lock's format that is written and understood."""

_HEADER = "# Made by recipebox: review and commit it, and change it by locking again.\n\n"


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A release of the solved set; `wheel_sets` holds the digest for the lock's platform, if any.

    `size` is the manifest's, in bytes; `extras` are those that are on, and `requires` has theirs.
    `source` is the address of the registry that it comes from; None: the reader's own.
    """

    name: PackageName
    version: Version
    digest: Digest
    size: int
    signers: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    wheel_sets: Mapping[str, Digest] = field(default_factory=dict, hash=False)
    extras: tuple[str, ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A package for which a lock and a solution differ; None where it is only in the other.

    `sources` are those of both, where the package is in both; None is the reader's own registry.
    """

    name: PackageName
    locked: Version | None
    solved: Version | None
    sources: tuple[str | None, str | None] = (None, None)

    def __str__(self) -> str:
        """Return the sentence."""
        if self.locked is None:
            return f"{self.name} {self.solved} is missing from the lock"
        if self.solved is None:
            return f"{self.name} {self.locked} is locked, and not needed any more"
        before, after = (each or "the default registry" for each in self.sources)
        if before != after:
            return (
                f"{self.name} is locked as {self.locked} from {before}, and would now be "
                f"{self.solved} from {after}"
            )
        if self.locked == self.solved:
            other = "other bytes, signers or extras than it has"
            return f"{self.name} {self.locked} is locked with {other}"
        return f"{self.name} is locked as {self.locked}, and would now be {self.solved}"


@dataclass(frozen=True, slots=True)
class Lock:
    """A solved set: what was asked for, what for, at which index revision, and the releases.

    `sources` has the address of every registry that a package says it comes from, and the revision
    of its index; `revision` is that of the reader's own.

    Raises:
        InvalidLock: a package stands twice, something required is not there or of a version that
            doesn't satisfy, or a package, extra or source is there that nothing requires.
    """

    requirements: tuple[Requirement, ...]
    environment: Environment
    revision: int
    packages: tuple[LockedPackage, ...]
    options: Options = field(default_factory=Options)
    sources: Mapping[str, int] = field(default_factory=dict, hash=False)
    _requirers: Mapping[PackageName, tuple[PackageName, ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Sort everything, and hold the lock to what it says."""
        object.__setattr__(self, "requirements", tuple(sorted(set(self.requirements), key=str)))
        object.__setattr__(
            self, "packages", tuple(sorted(self.packages, key=lambda package: package.name))
        )
        requirers: dict[PackageName, dict[PackageName, None]] = {}
        for package in self.packages:
            for requirement in package.requires:
                requirers.setdefault(requirement.package, {})[package.name] = None
        found = {name: tuple(by) for name, by in requirers.items()}
        object.__setattr__(self, "_requirers", found)
        self._check()

    @classmethod
    def from_solution(cls, solution: Solution) -> "Lock":
        """Freeze a solution."""
        platform = solution.environment.platform
        return cls(
            solution.requirements,
            solution.environment,
            solution.revision,
            tuple(
                LockedPackage(
                    one.name,
                    one.version,
                    one.digest,
                    one.size,
                    one.signers,
                    solution.requires(one.name),
                    {platform: one.platforms[platform].digest} if one.platforms else {},
                    solution.extras.get(one.name, ()),
                    solution.origins[one.name].address if one.name in solution.origins else None,
                )
                for one in solution.candidates.values()
            ),
            solution.options,
            {each.address: each.revision for each in solution.origins.values()},
        )

    @classmethod
    def loads(cls, text: str) -> "Lock":
        """Read a lock.

        Raises:
            UnsupportedSchema: it has another schema version.
            InvalidLock: it isn't TOML, a key is missing, unknown or wrong, or it contradicts
                itself; names the place.
        """
        import tomllib

        from resolver import documents

        try:
            drawn = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidLock("the text", f"not TOML: {error}") from error
        found = drawn.get("schema_version", SCHEMA_VERSION)
        if type(found) is not int or found != SCHEMA_VERSION:
            raise UnsupportedSchema("lock", found=found, understood=SCHEMA_VERSION)
        document = documents.read(documents.LockDocument, drawn, InvalidLock)
        lock = cls(
            tuple(document.requirements),
            Environment(document.python, document.platform),
            document.revision,
            tuple(
                LockedPackage(
                    one.name,
                    one.version,
                    one.digest,
                    one.size,
                    tuple(sorted(one.signers)),
                    tuple(sorted(one.requires, key=str)),
                    one.wheel_sets,
                    tuple(sorted(one.extras)),
                    one.source,
                )
                for one in document.package
            ),
            _options(document),
            document.sources,
        )
        for package in document.package:
            expected = lock.required_by(package.name)
            if tuple(sorted(package.required_by)) != expected:
                said = ", ".join(str(name) for name in expected) or "no package"
                raise InvalidLock(
                    f"{package.name}: required_by", f"by what they say, {said} requires it"
                )
        return lock

    def dumps(self) -> str:
        """Return the text of the lock: one lock, one text."""
        import tomli_w

        drawn: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "revision": self.revision,
            "python": self.environment.python,
            "platform": self.environment.platform,
            "requirements": [str(requirement) for requirement in self.requirements],
            **_drawn_options(self.options),
            **({"sources": dict(sorted(self.sources.items()))} if self.sources else {}),
            "package": [self._drawn(package) for package in self.packages],
        }
        if not self.packages:
            del drawn["package"]
        return _HEADER + tomli_w.dumps(drawn)

    @property
    def roots(self) -> tuple[PackageName, ...]:
        """The packages that were asked for, sorted by name."""
        return tuple(sorted({requirement.package for requirement in self.requirements}))

    @property
    def pins(self) -> dict[PackageName, tuple[Version, Digest]]:
        """What the lock holds, as `solve` takes it."""
        return {package.name: (package.version, package.digest) for package in self.packages}

    def find_package(self, name: PackageName) -> LockedPackage | None:
        """Return the release of a package, or None where the lock has none."""
        return next((package for package in self.packages if package.name == name), None)

    def required_by(self, name: PackageName) -> tuple[PackageName, ...]:
        """Return the packages of the lock that require a package, sorted by name."""
        return self._requirers.get(name, ())

    def differences(self, solution: Solution) -> tuple[Difference, ...]:
        """Return where a solution is another answer, sorted by name; empty where it is the same.

        Versions, bytes (release and wheels), signers and sources count; the index's revision does
        not, so that a lock stays right while other packages move. The caller compares requirements
        and environment, which it chose itself.
        """
        solved = {package.name: package for package in Lock.from_solution(solution).packages}
        locked = {package.name: package for package in self.packages}
        return tuple(
            Difference(
                name,
                before.version if before else None,
                after.version if after else None,
                (before.source, after.source) if before and after else (None, None),
            )
            for name in sorted(locked.keys() | solved.keys())
            if _bytes_of(before := locked.get(name)) != _bytes_of(after := solved.get(name))
        )

    def _drawn(self, package: LockedPackage) -> dict[str, Any]:
        drawn: dict[str, Any] = {
            "name": str(package.name),
            "version": str(package.version),
            "digest": str(package.digest),
            "size": package.size,
            "signers": list(package.signers),
            "requires": [str(requirement) for requirement in package.requires],
            "required_by": [str(name) for name in self.required_by(package.name)],
        }
        if package.source is not None:
            drawn["source"] = package.source
        if package.extras:
            drawn["extras"] = list(package.extras)
        if package.wheel_sets:
            drawn["wheel_sets"] = {
                platform: str(digest) for platform, digest in sorted(package.wheel_sets.items())
            }
        return drawn

    def _check(self) -> None:
        locked = {package.name: package for package in self.packages}
        for one, following in itertools.pairwise(self.packages):
            if one.name == following.name:
                raise InvalidLock(str(one.name), "it is locked twice")
        for package in self.packages:
            if set(package.wheel_sets) - {self.environment.platform}:
                raise InvalidLock(
                    f"{package.name}: wheel_sets",
                    f"the lock is for {self.environment.platform}, and holds wheels of "
                    f"{', '.join(sorted(package.wheel_sets))}",
                )
            if package.source is not None and package.source not in self.sources:
                raise InvalidLock(
                    f"{package.name}: source", f"{package.source} is none of the lock's sources"
                )
        needless = sorted(self.sources.keys() - {package.source for package in self.packages})
        if needless:
            raise InvalidLock("sources", f"no package comes from {needless[0]}")
        self._check_needs(locked)

    def _check_needs(self, locked: Mapping[PackageName, LockedPackage]) -> None:
        asked: dict[PackageName, set[str]] = {}
        pending = [("requirements", requirement) for requirement in self.requirements]
        while pending:
            where, requirement = pending.pop(0)
            found = self._satisfying(where, requirement, locked)
            if found.name not in asked:
                asked[found.name] = set()
                pending.extend((f"{found.name}: requires", one) for one in found.requires)
            asked[found.name].update(requirement.extras)
        superfluous = sorted(locked.keys() - asked.keys())
        if superfluous:
            raise InvalidLock(str(superfluous[0]), "nothing in the lock requires it")
        for package in self.packages:
            needless = sorted(set(package.extras) - asked[package.name])
            if needless:
                raise InvalidLock(
                    f"{package.name}: extras", f"nothing in the lock asks for {needless[0]}"
                )
        for constraint in self.options.constraints:
            bound = locked.get(constraint.package)
            if bound and not constraint.range.contains(bound.version, allow_prereleases=True):
                raise InvalidLock(
                    "constraints", f"{constraint} is constrained, and {bound.version} is locked"
                )

    def _satisfying(
        self, where: str, requirement: Requirement, locked: Mapping[PackageName, LockedPackage]
    ) -> LockedPackage:
        """Return the package that satisfies a requirement, as it may be overridden."""
        found = locked.get(requirement.package)
        if found is None:
            raise InvalidLock(where, f"{requirement} is required, and not in the lock")
        said, wanted = f"{requirement} is required", requirement.range
        for override in self.options.overrides:
            if override.package == found.name:
                said, wanted = f"{said}, and overridden with {override.range}", override.range
        if not wanted.contains(found.version, allow_prereleases=True):
            raise InvalidLock(where, f"{said}, and {found.version} is locked")
        lacking = sorted(set(requirement.extras) - set(found.extras))
        if lacking:
            raise InvalidLock(where, f"{said}, and its extra {lacking[0]} is not on")
        return found


def _options(document: Any) -> Options:
    try:
        return Options(
            tuple(document.constraints),
            tuple(document.overrides),
            document.prereleases,
            document.published_before,
            document.prefer,
            document.application,
        )
    except InvalidRequirement as error:
        raise InvalidLock("constraints and overrides", str(error)) from error


def _drawn_options(options: Options) -> dict[str, Any]:
    """Return what differs from an ordinary solve."""
    drawn: dict[str, Any] = {}
    if options.constraints:
        drawn["constraints"] = [str(one) for one in options.constraints]
    if options.overrides:
        drawn["overrides"] = [str(one) for one in options.overrides]
    if options.allow_prereleases:
        drawn["prereleases"] = True
    if options.published_before is not None:
        drawn["published_before"] = utc_text(options.published_before)
    if options.prefer != "newest":
        drawn["prefer"] = options.prefer
    if options.application is not None:
        drawn["application"] = str(options.application)
    return drawn


def _bytes_of(package: LockedPackage | None) -> object:
    if package is None:
        return None
    return (
        *(package.version, package.digest, package.size, package.signers),
        *(package.wheel_sets, package.extras, package.source),
    )


def lock_schema() -> dict[str, Any]:
    """Return the JSON Schema of a lock, read as TOML (`/schemas/lock.json`)."""
    from resolver import documents

    return documents.schema(documents.LockDocument, "Lock")
