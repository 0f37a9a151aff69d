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
