"""Examines what the index and the channels say: releases, bundles, promotions."""

import json
from collections.abc import Iterator
from typing import Any

from peewee import fn

from registry.channel_tags import image_tags, tagged_images
from registry.check.findings import Finding, Problem
from registry.oci.contents import Contents
from registry.releases import index_revision, requirement_texts
from registry.schema import (
    BlobRow,
    BundleImageRow,
    BundleReleaseRow,
    BundleRow,
    ChannelRow,
    ManifestPartRow,
    ManifestRow,
    PromotionRow,
    ReleaseRequirementRow,
    ReleaseRow,
    RepositoryBlobRow,
    RepositoryRow,
    TagRow,
    YankRow,
)
from storage.errors import StorageError


class ReleaseExaminer:
    """Looks at one release."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def read_metadata(self, row: ReleaseRow) -> str | None:
        """Return the package.json that a release's manifest needs, or None if it can't be read."""
        query = (
            BlobRow.select()
            .join(RepositoryBlobRow)
            .switch(BlobRow)
            .join(ManifestPartRow, on=(ManifestPartRow.digest == BlobRow.digest))
            .where(
                (RepositoryBlobRow.repository == row.repository_id)
                & (ManifestPartRow.manifest == row.manifest_id)
            )
            .order_by(ManifestPartRow.id)  # the configuration is the first that a manifest needs
        )
        blob = query.first()
        try:
            return None if blob is None else self._contents.read(blob).decode()
        except (StorageError, UnicodeDecodeError):
            return None  # said of the blob

    def examine(self, row: ReleaseRow) -> Iterator[Finding]:
        """Yield what is wrong with a release."""
        repository = RepositoryRow.get_or_none(RepositoryRow.id == row.repository_id)
        manifest = ManifestRow.get_or_none(ManifestRow.id == row.manifest_id)
        if repository is None or manifest is None:
            return  # said of the reference
        where = f"{repository.name} {row.version}"

        def finding(problem: Problem, detail: str) -> Finding:
            return Finding(problem, where, detail, row=row.id)

        if manifest.repository_id != repository.id:
            detail = f"its manifest {manifest.digest} is another repository's"
            yield finding(Problem.RELEASE_ELSEWHERE, detail)
        if manifest.is_staged:
            yield finding(Problem.RELEASE_STAGED, "it is listed, and its manifest is still staged")
        yield from self._examine_metadata(row, repository, where)
        tag = TagRow.get_or_none((TagRow.repository == repository) & (TagRow.name == row.version))
        if tag is None or tag.manifest_id != manifest.id or not tag.is_server_owned:
            detail = f"the tag {row.version} is not the server's, for {manifest.digest}"
            yield finding(Problem.RELEASE_TAG, detail)
        if not _refers(repository, row.receipt, manifest.digest):
            yield finding(Problem.RELEASE_RECEIPT, f"its receipt {row.receipt} is not there")
        for platform, entry in sorted(json.loads(row.platforms).items()):
            if not _refers(repository, entry["digest"], manifest.digest):
                detail = f"the wheels for {platform}, {entry['digest']}, are not there"
                yield finding(Problem.RELEASE_WHEELS, detail)

    def _examine_metadata(
        self, row: ReleaseRow, repository: RepositoryRow, where: str
    ) -> Iterator[Finding]:
        metadata = self.read_metadata(row)
        if metadata is None:
            return
        if metadata != row.metadata:
            detail = "the index has another package.json"
            yield Finding(Problem.RELEASE_METADATA, where, detail, row=row.id)
            return
        wrong = _wrong_requirements(repository, row, metadata)
        if wrong:
            detail = f"{wrong} rows of what it requires are too many or missing"
            yield Finding(Problem.RELEASE_REQUIREMENTS, where, detail, row=row.id)


def examine_index() -> Iterator[Finding]:
    """Yield what is wrong with the index's revision."""
    last = max(
        ReleaseRow.select(fn.MAX(ReleaseRow.revision)).scalar() or 0,
        YankRow.select(fn.MAX(YankRow.revision)).scalar() or 0,
    )
    if index_revision() < last:
        detail = f"its revision is {index_revision()}, and a release has {last}"
        yield Finding(Problem.INDEX_BEHIND, "the index", detail, row=last)


def examine_bundle(row: BundleRow) -> Iterator[Finding]:
    """Yield what is wrong with a bundle."""
    repository = RepositoryRow.get_or_none(RepositoryRow.id == row.repository_id)
    manifest = ManifestRow.get_or_none(ManifestRow.id == row.manifest_id)
    if repository is None or manifest is None:
        return  # said of the reference
    where = f"{repository.name}@{manifest.digest}"
    if manifest.repository_id != repository.id:
        detail = "its manifest is another repository's"
        yield Finding(Problem.BUNDLE_ELSEWHERE, where, detail, row=row.id)
    held = {
        each.release.repository.name: each.release.version
        for each in BundleReleaseRow.select(BundleReleaseRow, ReleaseRow, RepositoryRow)
        .join(ReleaseRow)
        .join(RepositoryRow)
        .where(BundleReleaseRow.bundle == row)
    }
    if held != json.loads(row.packages):
        detail = f"it holds {_draw(held)}, and says {_draw(json.loads(row.packages))}"
        yield Finding(Problem.BUNDLE_PARTS, where, detail, row=row.id)
    parts: Any = ManifestPartRow.select(ManifestPartRow.digest)
    named = {digest for (digest,) in parts.where(ManifestPartRow.manifest == manifest).tuples()}
    images = BundleImageRow.select().where(BundleImageRow.bundle == row)
    for image in images.order_by(BundleImageRow.id):
        if image.digest not in named:
            detail = f"it says that it holds {image.repository}@{image.digest}, and doesn't"
            yield Finding(Problem.BUNDLE_PARTS, where, detail, row=row.id)


def examine_channel(row: ChannelRow) -> Iterator[Finding]:
    """Yield what is wrong with a channel, its pointer, its tag and its history."""
    repository = RepositoryRow.get_or_none(RepositoryRow.id == row.repository_id)
    if repository is None:
        return  # said of the reference
    where = f"{repository.name}:{row.name}"
    history = list(
        PromotionRow.select().where(PromotionRow.channel == row).order_by(PromotionRow.id)
    )
    wanted = history[-1].bundle_id if history else None
    if row.bundle_id != wanted:
        detail = f"it points to bundle {row.bundle_id}, its last promotion to {wanted}"
        yield Finding(Problem.CHANNEL_POINTER, where, detail, row=row.id)
    bundle = BundleRow.get_or_none(BundleRow.id == wanted)
    tag = TagRow.get_or_none((TagRow.repository == repository) & (TagRow.name == row.name))
    expected = None if bundle is None else bundle.manifest_id
    found = None if tag is None or not tag.is_server_owned else tag.manifest_id
    if expected is not None and found != expected:
        detail = "its tag is not the server's, for the bundle that it holds"
        yield Finding(Problem.CHANNEL_TAG, where, detail, row=row.id)
    expected_images = {} if bundle is None else dict(tagged_images(bundle))
    found_images = {
        each.repository.name: each.manifest.digest for each in image_tags(repository, row.name)
    }
    if found_images != expected_images:
        wrong = sorted(dict(found_images.items() ^ expected_images.items()))
        detail = f"its tags are not those of the images that it holds, on {', '.join(wrong)}"
        yield Finding(Problem.CHANNEL_TAG, where, detail, row=row.id)
    before: PromotionRow | None = None
    for promotion in history:
        if (
            not ManifestRow.select()
            .where(
                (ManifestRow.repository == repository) & (ManifestRow.digest == promotion.record)
            )
            .exists()
        ):
            detail = f"its record {promotion.record} is not there"
            yield Finding(Problem.PROMOTION_RECORD, where, detail, row=promotion.id)
        if promotion.previous != (None if before is None else before.record):
            detail = f"the promotion {promotion.record} does not follow the one before it"
            yield Finding(Problem.PROMOTION_CHAIN, where, detail, row=promotion.id)
        before = promotion


def _wrong_requirements(repository: RepositoryRow, row: ReleaseRow, metadata: str) -> int:
    """Return how many rows of what a release requires are too many, or missing."""
    rows = ReleaseRequirementRow.select().where(ReleaseRequirementRow.release == row)
    found = {(each.dependent, each.package, each.wanted, each.extra) for each in rows}
    return len(found ^ {(repository.name, *each) for each in requirement_texts(metadata)})


def _refers(repository: RepositoryRow, digest: str, subject: str) -> bool:
    query = ManifestRow.select().where(
        (ManifestRow.repository == repository)
        & (ManifestRow.digest == digest)
        & (ManifestRow.subject == subject)
    )
    return bool(query.exists())


def _draw(packages: dict[str, str]) -> str:
    shown = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
    return shown or "nothing"
