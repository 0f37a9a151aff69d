"""Referrers: an index of what refers to a digest, filtered by type and by who asks."""

import json
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Principal
from registry.errors import NamespaceUnknown, NotAuthenticated
from tests.builders import (
    ADMIN,
    NOBODY,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_manifest,
)
from tests.keys import SIGNER

TOOLS = RepositoryName("team/tools")


LARGEST = 4 * 1024 * 1024


def pages(given: Given, subject: Digest, kind: str | None = None) -> list[list[str]]:
    """The digests of every page, each of which fits into what clients take."""
    found, last = [], 0
    while True:
        answer = given.registry.referrers.index(READER, TOOLS, subject, kind, last)
        assert len(answer.data) <= LARGEST
        found.append([one["digest"] for one in json.loads(answer.data)["manifests"]])
        if answer.last is None:
            return found
        assert answer.last > last
        last = answer.last


def entries(
    given: Given, who: Principal, repository: RepositoryName, subject: Digest, kind: str = ""
) -> list[dict[str, Any]]:
    answer = given.registry.referrers.index(who, repository, subject, kind or None)
    assert answer.filtered is bool(kind)
    drawn = json.loads(answer.data)
    assert drawn["mediaType"] == media.INDEX
    assert drawn["schemaVersion"] == 2
    found: list[dict[str, Any]] = drawn["manifests"]
    return found


def test_each_is_described_as_the_specification_says(given: Given) -> None:
    subject = given.artifact(TOOLS, b"hello")
    about = a_manifest(
        subject=Descriptor(media.MANIFEST, subject, len(a_manifest(b"hello"))),
        artifact_type="application/vnd.example.sbom",
        annotations={"made.by": "a scanner"},
    )
    digest = given.manifest(TOOLS, about)

    assert entries(given, READER, TOOLS, subject) == [
        {
            "mediaType": media.MANIFEST,
            "digest": str(digest),
            "size": len(about),
            "artifactType": "application/vnd.example.sbom",
            "annotations": {"made.by": "a scanner"},
        }
    ]


def test_a_filter_keeps_one_type(released: Given, package: Package) -> None:
    found = entries(released, READER, package.repository, package.digest)
    assert [one["artifactType"] for one in found].count(media.WHEEL_SET) == 1
    statements = entries(released, READER, package.repository, package.digest, media.STATEMENT)
    assert {one["annotations"][media.STATEMENT_KIND] for one in statements} == {
        "release",
        "receipt",
    }
    assert entries(released, READER, package.repository, package.digest, "text/plain") == []


@pytest.mark.parametrize("name", ["team/tools", "team/none"])
def test_of_what_is_not_there_it_is_empty(given: Given, name: str) -> None:
    given.artifact(TOOLS, b"hello")
    assert entries(given, READER, RepositoryName(name), Digest.of(b"none")) == []


def test_those_of_a_staged_release_are_hidden(given: Given, package: Package) -> None:
    given.push(package)
    given.registry.namespaces.set_public(ADMIN, "team", public=True)

    assert len(entries(given, PUBLISHER, package.repository, package.digest)) == 2
    for principal in (READER, STRANGER, NOBODY):
        assert entries(given, principal, package.repository, package.digest) == []

    given.registry.publishing.admit(PUBLISHER, package.name, package.digest)

    for principal in (READER, STRANGER, NOBODY):
        digests = {
            one["digest"] for one in entries(given, principal, package.repository, package.digest)
        }
        assert str(package.signed_by(SIGNER).digest) in digests
        assert len(digests) == 3


def test_in_a_private_namespace_others_learn_nothing(released: Given, package: Package) -> None:
    with pytest.raises(NamespaceUnknown):
        entries(released, STRANGER, package.repository, package.digest)
    with pytest.raises(NotAuthenticated):
        entries(released, NOBODY, package.repository, package.digest)


class TestPages:
    """However much refers to a digest, an answer is bounded."""

    SUBJECT = Descriptor.of(b"later", media.MANIFEST)

    def refer(self, given: Given, text: str, kind: str = "a/b") -> str:
        about = a_manifest(subject=self.SUBJECT, artifact_type=kind, annotations={"a": text})
        return str(given.manifest(TOOLS, about, media.EMPTY_JSON))

    def test_annotations_of_megabytes_come_in_pages_oldest_first(self, given: Given) -> None:
        texts = ["small", "x" * 3_000_000, "y" * 2_000_000, "\u2603" * 500_000, '"' * 1_000_000]
        made = [self.refer(given, text) for text in texts]

        found = pages(given, self.SUBJECT.digest)

        assert [digest for page in found for digest in page] == made
        assert len(found) > 1
        assert all(found)

    def test_one_alone_that_is_as_large_as_a_manifest_may_be_is_told(self, given: Given) -> None:
        small = self.refer(given, "x")
        large = self.refer(given, "x" * (LARGEST - 1000))
        assert pages(given, self.SUBJECT.digest) == [[small], [large]]

    def test_thousands_come_in_pages(self, given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("registry.oci.referrers.MOST_ENTRIES", 3)
        made = [self.refer(given, f"{number}") for number in range(7)]
        assert pages(given, self.SUBJECT.digest) == [made[:3], made[3:6], made[6:]]

    def test_a_filter_goes_on_over_pages(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("registry.oci.referrers.MOST_ENTRIES", 2)
        kinds = ["a/b", "c/d"] * 3
        made = [self.refer(given, f"{at}", kind) for at, kind in enumerate(kinds)]
        assert pages(given, self.SUBJECT.digest, "c/d") == [[made[1], made[3]], [made[5]]]

    def test_one_that_went_in_between_skips_nothing(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("registry.oci.referrers.MOST_ENTRIES", 2)
        made = [self.refer(given, f"{number}") for number in range(4)]
        first = given.registry.referrers.index(READER, TOOLS, self.SUBJECT.digest)
        assert first.last is not None
        given.registry.manifests.delete(PUBLISHER, TOOLS, Digest.parse(made[1]))
        second = given.registry.referrers.index(READER, TOOLS, self.SUBJECT.digest, last=first.last)
        assert [one["digest"] for one in json.loads(second.data)["manifests"]] == made[2:]

    @pytest.mark.parametrize("kind", ["\0", "a/b\0", "\n", "x" * 10_000])
    def test_a_filter_that_is_no_type_finds_nothing(self, given: Given, kind: str) -> None:
        self.refer(given, "x")
        assert pages(given, self.SUBJECT.digest, kind) == [[]]

    def test_nothing_is_after_a_number_beyond_all(self, given: Given) -> None:
        self.refer(given, "x")
        answer = given.registry.referrers.index(
            READER, TOOLS, self.SUBJECT.digest, last=(1 << 63) - 1
        )
        assert json.loads(answer.data)["manifests"] == []
        assert answer.last is None
