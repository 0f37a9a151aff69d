"""Builders of small indexes: what a test doesn't say is made up, and the same each time."""

from collections.abc import Mapping, Sequence
from typing import Any

from artifacts.digest import Digest
from artifacts.reference import PackageName
from resolver.candidate import Candidate, Environment, WheelSet, Yank, utc
from resolver.requirement import Requirement
from resolver.source import MemorySource, PackageIndex
from resolver.version import Version

PUBLISHED = utc("2026-01-02T03:04:05Z")
SIGNER = "0123456789ABCDEF0123456789ABCDEF01234567"
LINUX = Environment("3.11", "linux/amd64")


def name(text: str) -> PackageName:
    return PackageName.parse(text)


def requirement(text: str) -> Requirement:
    return Requirement.parse(text)


def requirements(*texts: str) -> list[Requirement]:
    return [requirement(text) for text in texts]


def digest_of(text: str) -> Digest:
    return Digest.of(text.encode())


def release(
    package: str,
    version: str,
    requires: Sequence[str] = (),
    *,
    python: str = "",
    platforms: Sequence[str] = (),
    yanked: str | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
    published: str | None = None,
    unsigned: bool = False,
) -> Candidate:
    return Candidate(
        name=name(package),
        version=Version.parse(version),
        digest=digest_of(f"{package} {version}"),
        size=1234,
        published=PUBLISHED if published is None else utc(published),
        requires=tuple(requirements(*requires)),
        python=python,
        platforms={
            platform: WheelSet(digest_of(f"{package} {version} {platform}"), 567)
            for platform in platforms
        },
        yanked=None if yanked is None else Yank(yanked, PUBLISHED),
        signers=() if unsigned else (SIGNER,),
        extras={extra: tuple(requirements(*group)) for extra, group in (extras or {}).items()},
    )


def source(drawn: Mapping[str, Mapping[str, Any]], revision: int = 7) -> MemorySource:
    """Return an index from {package: {version: [requires] or what `release` takes}}."""
    return MemorySource(
        [
            PackageIndex(
                name(package),
                revision,
                tuple(
                    release(
                        package, version, **(said if isinstance(said, dict) else {"requires": said})
                    )
                    for version, said in releases.items()
                ),
            )
            for package, releases in drawn.items()
        ],
        revision,
    )
