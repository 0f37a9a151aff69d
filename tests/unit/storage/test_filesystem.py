"""What only a folder can do wrong: modes, other processes, disks that refuse."""

import io
import os
import resource
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import paths
from storage.errors import BlobMissing, StoreUnavailable, UploadClosed, UploadUnknown
from storage.filesystem import FilesystemStore
from storage.uploads import new_upload_id

HELLO = Digest.of(b"hello")
SHORT = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path)


def begun(store: FilesystemStore) -> str:
    upload_id = new_upload_id()
    store.start_upload(upload_id)
    return upload_id


def started(store: FilesystemStore, data: bytes = b"hello") -> str:
    upload_id = begun(store)
    store.append(upload_id, 0, io.BytesIO(data), len(data))
    return upload_id


def file_of(store: FilesystemStore, location: str) -> Path:
    file = store.link(location, SHORT)
    assert file is not None
    return file


def test_a_blob_lies_where_the_tree_is_drawn(store: FilesystemStore, tmp_path: Path) -> None:
    upload_id = started(store)
    location = store.commit(upload_id, HELLO)
    assert location == f"{upload_id[:2]}/{upload_id}"
    assert (tmp_path / "blobs" / location).read_bytes() == b"hello"


def test_nothing_is_copied(store: FilesystemStore, tmp_path: Path) -> None:
    upload_id = started(store)
    before = (tmp_path / "uploads" / upload_id).stat().st_ino
    file = file_of(store, store.commit(upload_id, HELLO))
    assert file.stat().st_ino == before
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_blob_is_read_only_and_its_owners(store: FilesystemStore) -> None:
    file = file_of(store, store.commit(started(store), HELLO))
    assert stat.S_IMODE(file.stat().st_mode) == 0o400


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_an_older_version_kept_by_digest_is_read_and_removed(
    store: FilesystemStore, tmp_path: Path, algorithm: str
) -> None:
    digest = Digest.of(b"hello", algorithm)
    location = f"{algorithm}/{digest.hex[:2]}/{digest.hex}"
    file = tmp_path / "blobs" / location
    file.parent.mkdir(parents=True)
    file.write_bytes(b"hello")
    with store.open(location, 1) as stream:
        assert stream.read() == b"ello"
    assert store.link(location, SHORT) == file
    assert [blob.location for blob in store.blobs()] == [location]
    store.delete(location)
    assert not file.exists()


def test_what_is_no_blob_and_no_upload_is_left_alone(
    store: FilesystemStore, tmp_path: Path
) -> None:
    store.commit(started(store), HELLO)
    for name in ("blobs/lost+found", "blobs/0f/readme", "uploads/.nfs01"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("something else")
    assert len(list(store.blobs())) == 1
    assert list(store.uploads()) == []


def test_a_file_that_goes_while_all_are_listed_is_left_out(
    store: FilesystemStore, tmp_path: Path
) -> None:
    for _ in range(2):
        started(store)
    listed = store.uploads()
    next(listed)
    for file in (tmp_path / "uploads").iterdir():
        file.unlink()
    assert list(listed) == []


def test_a_folder_that_cannot_be_listed_is_said(store: FilesystemStore, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="ENOTDIR"):
        list(store.blobs())


def test_an_id_is_begun_once(store: FilesystemStore) -> None:
    upload_id = started(store)
    with pytest.raises(StoreUnavailable, match="EEXIST"):
        store.start_upload(upload_id)
    assert store.upload_size(upload_id) == 5


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
        begun(FilesystemStore(tmp_path / "data"))
    assert refused.value.place == str(tmp_path / "data")


def test_a_disk_that_takes_no_more_is_said_and_gets_back_what_came(store: FilesystemStore) -> None:
    upload_id = begun(store)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match="EFBIG"):
            store.append(upload_id, 0, io.BytesIO(b"hello"), 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.upload_size(upload_id) == 0
    store.append(upload_id, 0, io.BytesIO(b"hello"), 5)
    assert store.commit(upload_id, HELLO) == paths.location(upload_id)


class Interrupted(FilesystemStore):
    """A store in which another request comes between the check and the rename of a commit."""

    meanwhile: Callable[[FilesystemStore], object]

    def _make_folder(self, folder: Path) -> None:
        super()._make_folder(folder)
        self.meanwhile(FilesystemStore(self._root))


def test_an_upload_cancelled_while_it_is_committed_is_unknown(tmp_path: Path) -> None:
    store = Interrupted(tmp_path)
    upload_id = started(store)
    store.meanwhile = lambda other: other.abort(upload_id)
    with pytest.raises(UploadUnknown):
        store.commit(upload_id, HELLO)
    with pytest.raises(BlobMissing):
        store.open(paths.location(upload_id))


class LateToLock(FilesystemStore):
    """A store whose commit gets the lock just after another's commit was done with it."""

    def _check(self, upload_id: str, descriptor: int, digest: Digest) -> None:
        super()._check(upload_id, descriptor, digest)
        final = self._committed(upload_id)
        final.parent.mkdir(parents=True, exist_ok=True)
        self._upload(upload_id).rename(final)


def test_an_upload_that_another_has_just_committed_is_committed(tmp_path: Path) -> None:
    store = LateToLock(tmp_path)
    upload_id = started(store)
    location = store.commit(upload_id, HELLO)
    with store.open(location) as stream:
        assert stream.read() == b"hello"


def test_an_upload_that_was_cancelled_after_its_commit_is_unknown(
    store: FilesystemStore,
) -> None:
    upload_id = started(store)
    file = file_of(store, store.commit(upload_id, HELLO))
    file.unlink()
    with pytest.raises(UploadUnknown):
        store.commit(upload_id, HELLO)


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


def test_for_who_is_not_root_an_upload_is_closed_by_its_mode_while_it_is_committed() -> None:
    with as_nobody() as folder:
        store = FilesystemStore(folder)
        upload_id = started(store)
        (folder / "uploads" / upload_id).chmod(0o400)  # killed between the mode and the rename
        with pytest.raises(UploadClosed):
            store.append(upload_id, 5, io.BytesIO(b"!"), 1)
        with store.open(store.commit(upload_id, HELLO)) as stream:
            assert stream.read() == b"hello"


def test_a_blob_that_may_not_be_read_is_said() -> None:
    with as_nobody() as folder:
        store = FilesystemStore(folder)
        upload_id = started(store)
        (folder / "uploads" / upload_id).chmod(0o000)
        with pytest.raises(StoreUnavailable, match="EACCES"):
            store.commit(upload_id, HELLO)
        (folder / "uploads" / upload_id).chmod(0o600)
        location = store.commit(upload_id, HELLO)
        file_of(store, location).chmod(0o000)
        with pytest.raises(StoreUnavailable, match="EACCES"):
            store.open(location)


def test_a_folder_that_may_not_be_written_is_said() -> None:
    with as_nobody() as folder:
        folder.chmod(0o500)
        try:
            with pytest.raises(StoreUnavailable, match="EACCES"):
                begun(FilesystemStore(folder))
        finally:
            folder.chmod(0o700)


class ForkingStream(io.BytesIO):
    """Starts a child while it is read, as a thread beside it may; the child lives until told."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._ending, self._told = os.pipe()
        self._child = 0

    def readinto(self, buffer: Any, /) -> int:
        if not self._child:
            self._child = os.fork()
            if not self._child:  # pragma: no cover - the child
                os.close(self._told)
                os.read(self._ending, 1)
                os._exit(0)
        return super().readinto(buffer)

    def end_child(self) -> None:
        os.close(self._told)
        os.close(self._ending)
        os.waitpid(self._child, 0)


def test_a_child_that_starts_meanwhile_does_not_keep_the_upload_locked(
    store: FilesystemStore,
) -> None:
    upload_id = begun(store)
    stream = ForkingStream(b"hello")
    try:
        store.append(upload_id, 0, stream, 5)
        assert store.commit(upload_id, HELLO) == paths.location(upload_id)
    finally:
        stream.end_child()
