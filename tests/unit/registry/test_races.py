"""Two requests at once: one of them gets there, and the other is told."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.errors import UploadUnknown
from storage.filesystem import FilesystemStore
from tests.builders import PUBLISHER, Given

TOOLS = RepositoryName("team/tools")
HELLO = Digest.of(b"hello")


class Interrupted(FilesystemStore):
    """A store in which something else happens once, right after a commit."""

    meanwhile: Callable[[], object] | None = None

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Commit, then let the other request run."""
        location = super().commit(upload_id, digest)
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return location


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
