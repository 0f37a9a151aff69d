"""Two requests at once: one of them gets there, and the other is told."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.errors import StagedChanged, UploadUnknown
from storage.filesystem import FilesystemStore
from tests.builders import PLATFORM, PUBLISHER, Given, a_package

TOOLS = RepositoryName("team/tools")
HELLO = Digest.of(b"hello")


class Interrupted(FilesystemStore):
    """A store in which something else happens once, right after a commit or before a read."""

    meanwhile: Callable[[], object] | None = None
    while_read: Callable[[], object] | None = None

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Commit, then let the other request run."""
        location = super().commit(upload_id, digest)
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return location

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob, once the other request has run."""
        act, self.while_read = self.while_read, None
        if act is not None:
            act()
        return super().open(location, start)


@pytest.mark.parametrize("other", ["finish", "cancel"])
def test_an_upload_is_ended_once(tmp_path: Path, other: str) -> None:
    store = Interrupted(tmp_path / "data")
    given = Given(tmp_path / "data", store)
    given.namespace()
    uploads = given.registry.uploads
    upload = uploads.start(PUBLISHER, TOOLS)
    uploads.append(PUBLISHER, TOOLS, upload.id, io.BytesIO(b"hello"))
    ends: dict[str, Callable[[], object]] = {
        "finish": lambda: uploads.finish(PUBLISHER, TOOLS, upload.id, HELLO),
        "cancel": lambda: uploads.cancel(PUBLISHER, TOOLS, upload.id),
    }
    store.meanwhile = ends[other]
    with pytest.raises(UploadUnknown):
        uploads.finish(PUBLISHER, TOOLS, upload.id, HELLO)
    if other == "finish":
        assert given.registry.blobs.stat(PUBLISHER, TOOLS, HELLO).size == 5
    with given.registry.database.session(), pytest.raises(UploadUnknown):
        uploads.status(PUBLISHER, TOOLS, upload.id)


def test_a_release_that_loses_a_part_while_it_is_looked_at_is_not_listed(tmp_path: Path) -> None:
    store = Interrupted(tmp_path / "data")
    given = Given(tmp_path / "data", store)
    given.namespace()
    package = a_package("team/etl", "1.0.0", wheels={PLATFORM: [b"a wheel for linux"]})
    given.push(package)
    wheels = Digest.of(package.wheel_sets[PLATFORM])
    store.while_read = lambda: given.registry.manifests.delete(
        PUBLISHER, package.repository, wheels
    )

    with pytest.raises(StagedChanged) as refused:
        given.registry.publishing.admit(PUBLISHER, package.name, package.digest)

    assert str(wheels) in refused.value.gone
    given.manifest(package.repository, package.wheel_sets[PLATFORM], by=PUBLISHER)
    assert given.registry.publishing.admit(PUBLISHER, package.name, package.digest).created


class Late(FilesystemStore):
    """A store in which more bytes come just before a commit."""

    more: tuple[int, bytes] | None = None

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Add what comes, then commit."""
        if self.more is not None:
            offset, data = self.more
            self.append(upload_id, offset, io.BytesIO(data), len(data))
        return super().commit(upload_id, digest)


def test_a_row_has_the_size_of_the_bytes_that_were_committed(tmp_path: Path) -> None:
    store = Late(tmp_path / "data")
    given = Given(tmp_path / "data", store)
    given.namespace()
    uploads = given.registry.uploads
    upload = uploads.start(PUBLISHER, TOOLS)
    uploads.append(PUBLISHER, TOOLS, upload.id, io.BytesIO(b"hel"))
    store.more = (3, b"lo")
    assert uploads.finish(PUBLISHER, TOOLS, upload.id, HELLO).size == 5
