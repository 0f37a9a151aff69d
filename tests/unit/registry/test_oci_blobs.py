"""Blobs: who may read which, and which may be deleted."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from artifacts import media
from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.errors import BlobUnknown, Denied, InUse, NamespaceUnknown, NotAuthenticated
from storage.errors import BlobDamaged, BlobMissing
from storage.memory import MemoryStore
from tests.builders import (
    ADMIN,
    NOBODY,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
)
from tests.keys import SIGNER

TOOLS = RepositoryName("team/tools")
HELLO = Digest.of(b"hello")
SHORT = timedelta(minutes=1)


def test_a_blob_of_a_plain_repository_is_read_by_who_may_pull(given: Given) -> None:
    given.artifact(TOOLS, b"hello")
    for principal in (ADMIN, PUBLISHER, PROMOTER, READER):
        info = given.registry.blobs.stat(principal, TOOLS, HELLO)
        assert (info.digest, info.size) == (HELLO, 5)


def test_it_is_read_from_any_byte_and_from_a_file(given: Given) -> None:
    given.artifact(TOOLS, b"hello")
    info = given.registry.blobs.stat(READER, TOOLS, HELLO)
    with given.registry.blobs.open(info, 3) as opened:
        assert opened.read() == b"lo"
    path = given.registry.blobs.link(info, SHORT)
    assert isinstance(path, Path)
    assert path.read_bytes() == b"hello"


def test_a_file_that_was_cut_short_or_removed_is_not_handed_out(given: Given) -> None:
    given.artifact(TOOLS, b"hello")
    info = given.registry.blobs.stat(READER, TOOLS, HELLO)
    path = given.registry.blobs.link(info, SHORT)
    assert isinstance(path, Path)
    path.chmod(0o600)
    path.write_bytes(b"hell")
    with pytest.raises(BlobDamaged, match="4 bytes are stored at"):
        given.registry.blobs.link(info, SHORT)
    path.unlink()
    with pytest.raises(BlobMissing):
        given.registry.blobs.link(info, SHORT)


def test_a_stream_of_another_length_is_not_handed_out(tmp_path) -> None:
    store = MemoryStore()
    given = Given(tmp_path / "data", store)
    given.artifact(TOOLS, b"hello")
    info = given.registry.blobs.stat(ADMIN, TOOLS, HELLO)
    with given.registry.blobs.open(info, 3) as opened:
        assert opened.read() == b"lo"
    with pytest.raises(BlobDamaged, match="where 6 were kept"):
        given.registry.blobs.open(replace(info, size=6))


def test_a_store_without_files_has_no_paths(tmp_path) -> None:
    given = Given(tmp_path / "data", MemoryStore())
    given.artifact(TOOLS, b"hello")
    info = given.registry.blobs.stat(ADMIN, TOOLS, HELLO)
    assert given.registry.blobs.link(info, SHORT) is None


def test_in_a_private_namespace_others_find_nothing(given: Given) -> None:
    given.artifact(TOOLS, b"hello")
    with pytest.raises(NamespaceUnknown):
        given.registry.blobs.stat(STRANGER, TOOLS, HELLO)
    with pytest.raises(NotAuthenticated):
        given.registry.blobs.stat(NOBODY, TOOLS, HELLO)


def test_a_digest_is_of_its_repository_only(given: Given) -> None:
    given.artifact(TOOLS, b"hello")
    for name in ("team/other", "team/none"):
        with pytest.raises(BlobUnknown, match=f"no blob {name}@{HELLO}"):
            given.registry.blobs.stat(ADMIN, RepositoryName(name), HELLO)


def test_a_blob_that_no_manifest_names_is_hidden_from_readers(given: Given) -> None:
    given.blob(TOOLS, b"hello")
    assert given.registry.blobs.stat(PUBLISHER, TOOLS, HELLO).size == 5
    with pytest.raises(BlobUnknown):
        given.registry.blobs.stat(READER, TOOLS, HELLO)


def blobs_of(package: Package) -> list[Digest]:
    referrer = package.signed_by(SIGNER)
    datas = (package.config, *package.layers, *package.wheels, *referrer.blobs)
    return [Digest.of(data) for data in datas]


def test_blobs_of_a_staged_release_are_hidden_and_those_of_a_listed_one_are_not(
    given: Given, package: Package
) -> None:
    given.push(package)
    given.registry.namespaces.set_public(ADMIN, "team", public=True)
    for digest in blobs_of(package):
        assert given.registry.blobs.stat(PUBLISHER, package.repository, digest)
        for principal in (NOBODY, STRANGER, READER, PROMOTER):
            with pytest.raises(BlobUnknown):
                given.registry.blobs.stat(principal, package.repository, digest)

    given.registry.publishing.admit(PUBLISHER, package.name, package.digest)

    for digest in blobs_of(package):
        for principal in (NOBODY, STRANGER, READER, PROMOTER):
            assert given.registry.blobs.stat(principal, package.repository, digest)


def test_a_row_whose_bytes_are_gone_says_so(given: Given) -> None:
    given.artifact(TOOLS, b"hello")
    info = given.registry.blobs.stat(READER, TOOLS, HELLO)
    path = given.registry.blobs.link(info, SHORT)
    assert isinstance(path, Path)
    path.unlink()
    with pytest.raises(BlobMissing, match="though they should be"):
        given.registry.blobs.open(info)


class TestDelete:
    def test_a_blob_that_nothing_needs_is_unlinked(self, given: Given) -> None:
        given.blob(TOOLS, b"hello")
        given.registry.blobs.delete(PUBLISHER, TOOLS, HELLO)
        for act in (given.registry.blobs.stat, given.registry.blobs.delete):
            with pytest.raises(BlobUnknown):
                act(PUBLISHER, TOOLS, HELLO)

    def test_only_from_its_own_repository(self, given: Given) -> None:
        other = RepositoryName("team/other")
        given.blob(TOOLS, b"hello")
        given.blob(other, b"hello")
        given.registry.blobs.delete(PUBLISHER, TOOLS, HELLO)
        assert given.registry.blobs.stat(PUBLISHER, other, HELLO)

    def test_one_that_a_manifest_needs_stays_and_the_manifest_is_named(self, given: Given) -> None:
        manifest = given.artifact(TOOLS, b"hello")
        for digest in (HELLO, Digest.of(media.EMPTY_JSON)):
            with pytest.raises(InUse, match=str(manifest)):
                given.registry.blobs.delete(ADMIN, TOOLS, digest)

    @pytest.mark.parametrize(
        ("principal", "refusal"),
        [
            (READER, Denied),
            (PROMOTER, Denied),
            (STRANGER, NamespaceUnknown),
            (NOBODY, NotAuthenticated),
        ],
    )
    def test_only_publishers_delete(self, given: Given, principal, refusal) -> None:
        given.blob(TOOLS, b"hello")
        with pytest.raises(refusal):
            given.registry.blobs.delete(principal, TOOLS, HELLO)
