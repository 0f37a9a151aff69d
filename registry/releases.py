"""Listed releases as rows say it: their yanks, and all that pages and the index show of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.clock import moment
from registry.oci.repositories import Kind
from registry.schema import (
    IndexState,
    ReleaseRequirementRow,
    ReleaseRow,
    RepositoryRow,
    YankRow,
)
from resolver.candidate import WheelSet
from resolver.requirement import Requirement
from resolver.version import Version


@dataclass(frozen=True, slots=True)
class Yank:
    """Why and when a release was yanked, and by whom."""

    reason: str
    at: datetime
    by: str


def index_revision() -> int:
    """Return the revision of the whole index; 0 before its first change."""
    row = IndexState.get_or_none()
    return 0 if row is None else row.revision


def next_revision() -> int:
    """Take the next revision of the index, in a transaction of the caller's."""
    if not IndexState.update(revision=IndexState.revision + 1).execute():
        IndexState.create(revision=1)
    return index_revision()


def last_yank_row(release: ReleaseRow, as_of: int | None = None) -> YankRow | None:
    """Return the last change of a release's yank (at the revision `as_of`), or None."""
    query = YankRow.select().where(YankRow.release == release)
    if as_of is not None:
        query = query.where(YankRow.revision <= as_of)
    found: YankRow | None = query.order_by(YankRow.revision.desc()).first()
    return found


def yank_of(release: ReleaseRow) -> Yank | None:
    """Return why a release is yanked now, or None."""
    return read_yank(last_yank_row(release))


def read_yank(row: YankRow | None) -> Yank | None:
    """Return the yank that a row says, or None where it says that there is none."""
    return Yank(row.reason, moment(row.at), row.by) if row is not None and row.is_yanked else None


def find_release(package: PackageName, version: str) -> ReleaseRow | None:
    """Return a listed release, or None."""
    found: ReleaseRow | None = (
        ReleaseRow.select()
        .join(RepositoryRow)
        .where((RepositoryRow.name == str(package)) & (ReleaseRow.version == version))
        .first()
    )
    return found


def releases_of(package: PackageName) -> list[ReleaseRow]:
    """Return every listed release of a package, newest version first."""
    query = (
        ReleaseRow.select()
        .join(RepositoryRow)
        .where((RepositoryRow.name == str(package)) & (RepositoryRow.kind == Kind.PACKAGE))
    )
    return sorted(query, key=lambda row: Version.parse(row.version), reverse=True)


def successor_of(release: ReleaseRow) -> ReleaseRow | None:
    """Return the newest release after `release` that isn't yanked, or None."""
    version = Version.parse(release.version)
    for row in releases_of(PackageName.parse(release.repository.name)):
        if Version.parse(row.version) <= version:
            break
        if yank_of(row) is None:
            return row
    return None


def metadata_of(row: ReleaseRow) -> Mapping[str, Any]:
    """Return a release's package.json."""
    drawn: dict[str, Any] = json.loads(row.metadata)
    return drawn


def requirements_of(row: ReleaseRow, extras: Iterable[str] = ()) -> tuple[Requirement, ...]:
    """Return what a release requires, and what it does with these extras besides; sorted."""
    groups = extras_of(row)
    found = set(_read_requirements(metadata_of(row)["requires"]))
    return tuple(sorted(found.union(*(groups.get(extra, ()) for extra in extras)), key=str))


def extras_of(row: ReleaseRow) -> dict[str, tuple[Requirement, ...]]:
    """Return the groups of requirements that a release declares, by the extra that asks for one."""
    drawn: Mapping[str, Mapping[str, str]] = metadata_of(row).get("extras", {})
    return {extra: _read_requirements(group) for extra, group in drawn.items()}


def keep_requirements(row: ReleaseRow) -> None:
    """Have the rows of what a release requires say what its package.json says."""
    ReleaseRequirementRow.delete().where(ReleaseRequirementRow.release == row).execute()
    for package, wanted, extra in requirement_texts(row.metadata):
        ReleaseRequirementRow.create(
            release=row,
            dependent=row.repository.name,
            package=package,
            wanted=wanted,
            extra=extra,
        )


def requirement_texts(metadata: str) -> list[tuple[str, str, str]]:
    """Return the (package, what is wanted of it, extra) of a package.json; extra "" is always."""
    drawn: dict[str, Any] = json.loads(metadata)
    groups = {"": drawn["requires"], **drawn.get("extras", {})}
    return sorted(
        (package, wanted, extra)
        for extra, group in groups.items()
        for package, wanted in group.items()
    )


def _read_requirements(drawn: Mapping[str, str]) -> tuple[Requirement, ...]:
    return tuple(Requirement.of(name, said) for name, said in drawn.items())


def platforms_of(row: ReleaseRow) -> dict[str, WheelSet]:
    """Return a release's wheel sets by platform."""
    drawn: dict[str, dict[str, Any]] = json.loads(row.platforms)
    return {
        platform: WheelSet(Digest.parse(one["digest"]), one["size"])
        for platform, one in sorted(drawn.items())
    }


def evidence_of(row: ReleaseRow) -> Mapping[str, Any]:
    """Return the evidence that was verified: `{"proof": {...} or None, "documents": {...}}`.

    (The members are those of `registry.admission.Inspection.find_evidence`.)
    """
    drawn: dict[str, Any] = {"proof": None, "documents": {}} | json.loads(row.evidence)
    return drawn


def signers_of(row: ReleaseRow) -> tuple[str, ...]:
    """Return the primary fingerprints of those who signed a release, sorted."""
    return tuple(json.loads(row.signers))
