"""What only a folder can do wrong: modes, other processes, disks that refuse."""

import io
import os
import resource
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import paths
from storage.errors import BlobMissing, StoreUnavailable, UploadClosed, UploadUnknown
from storage.filesystem import FilesystemStore

HELLO = Digest.of(b"hello")


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path)


def started(store: FilesystemStore, data: bytes = b"hello") -> str:
    upload_id = store.start_upload()
    store.append(upload_id, 0, io.BytesIO(data), len(data))
    return upload_id


def test_a_blob_lies_where_the_tree_is_drawn(store: FilesystemStore, tmp_path: Path) -> None:
    location = store.commit(started(store), HELLO)
    assert location == f"sha256/2c/{HELLO.hex}"
    assert (tmp_path / "blobs" / location).read_bytes() == b"hello"


def test_nothing_is_copied(store: FilesystemStore, tmp_path: Path) -> None:
    upload_id = started(store)
    before = (tmp_path / "uploads" / upload_id).stat().st_ino
    file = store.path(store.commit(upload_id, HELLO))
    assert file is not None
    assert file.stat().st_ino == before


def test_a_blob_is_read_only_and_its_owners(store: FilesystemStore) -> None:
    file = store.path(store.commit(started(store), HELLO))
    assert file is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o400


def test_another_process_finishes_what_this_one_began(
    store: FilesystemStore, tmp_path: Path
) -> None:
    upload_id = started(store, b"hel")
    other = FilesystemStore(tmp_path)
    other.append(upload_id, 3, io.BytesIO(b"lo"), 2)
    assert store.commit(upload_id, HELLO) == paths.location(HELLO)


def test_bytes_changed_behind_the_hash_of_another_length_are_seen(
    store: FilesystemStore, tmp_path: Path
) -> None:
    upload_id = started(store)
    with (tmp_path / "uploads" / upload_id).open("ab") as file:
        file.write(b"!")
    with pytest.raises(DigestMismatch) as refused:
        store.commit(upload_id, HELLO)
    assert refused.value.found == str(Digest.of(b"hello!"))


def test_a_data_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match=r"EEXIST|ENOTDIR") as refused:
        FilesystemStore(tmp_path / "data").start_upload()
    assert refused.value.place == str(tmp_path / "data")


def test_a_disk_that_takes_no_more_is_said_and_what_came_is_kept(store: FilesystemStore) -> None:
    upload_id = store.start_upload()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match="EFBIG"):
            store.append(upload_id, 0, io.BytesIO(b"hello"), 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.upload_size(upload_id) == 3
    store.append(upload_id, 3, io.BytesIO(b"lo"), 2)
    assert store.commit(upload_id, HELLO) == paths.location(HELLO)


class AbortedMeanwhile(FilesystemStore):
    """A store whose upload is cancelled by another request between the check and the link."""

    def _make_folder(self, folder: Path) -> None:
        super()._make_folder(folder)
        for file in paths.uploads(self._root).iterdir():
            file.unlink()


def test_an_upload_cancelled_while_it_is_committed_is_unknown(tmp_path: Path) -> None:
    store = AbortedMeanwhile(tmp_path)
    upload_id = started(store)
    with pytest.raises(UploadUnknown):
        store.commit(upload_id, HELLO)
    with pytest.raises(BlobMissing):
        store.open(paths.location(HELLO))


@contextmanager
def as_nobody() -> Iterator[Path]:
    """Give a folder to work in as somebody who isn't root, whom modes bind."""
    with tempfile.TemporaryDirectory(prefix="rbt-", dir="/tmp") as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_for_who_is_not_root_a_committed_upload_is_closed_by_its_mode() -> None:
    with as_nobody() as folder:
        store = FilesystemStore(folder)
        upload_id = started(store)
        store.commit(upload_id, HELLO)
        with pytest.raises(UploadClosed):
            store.append(upload_id, 5, io.BytesIO(b"!"), 1)


def test_a_folder_that_may_not_be_written_is_said() -> None:
    with as_nobody() as folder:
        folder.chmod(0o500)
        try:
            with pytest.raises(StoreUnavailable, match="EACCES"):
                FilesystemStore(folder).start_upload()
        finally:
            folder.chmod(0o700)


class ForkingStream(io.BytesIO):
    """Starts a child while it is read, as a thread beside it may; the child lives until told."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._ending, self._told = os.pipe()
        self._child = 0

    def read(self, size: int | None = -1) -> bytes:
        if not self._child:
            self._child = os.fork()
            if not self._child:  # pragma: no cover - the child
                os.close(self._told)
                os.read(self._ending, 1)
                os._exit(0)
        return super().read(size)

    def end_child(self) -> None:
        os.close(self._told)
        os.close(self._ending)
        os.waitpid(self._child, 0)


def test_a_child_that_starts_meanwhile_does_not_keep_the_upload_locked(
    store: FilesystemStore,
) -> None:
    upload_id = store.start_upload()
    stream = ForkingStream(b"hello")
    try:
        store.append(upload_id, 0, stream, 5)
        assert store.commit(upload_id, HELLO) == f"sha256/2c/{HELLO.hex}"
    finally:
        stream.end_child()
