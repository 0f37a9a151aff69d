"""Real S3 servers and disks: kills, races, servers that go away and come back, disks that fill."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from artifacts.digest import Digest
from storage.blobs import ListedStore
from storage.config import Sdk
from storage.errors import BodyCutShort, StoreUnavailable, UploadUnknown
from storage.failpoints import VARIABLE, ObjectFailpoint
from storage.filesystem import FilesystemStore
from storage.states import part_size
from storage.uploads import new_upload_id
from tests.contracts.blob_store import random_bytes, read, started, stored, upload_of
from tests.fakes import Stream
from tests.storage.conftest import Place, new_place
from tests.tools.server import clean_environ, wait_until
from tests.tools.stores import STARTERS

pytestmark = pytest.mark.real

MIB = 1024 * 1024
ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120.0
APPENDING = ("after_begin", "after_claim", "after_part", "after_save")
COMMITTING = ("after_seal", "after_tail", "after_blob")
ABORTING = ("after_forget", "after_cancel")


def child(place: Place, verb: str, upload_id: str, failpoint: str = "", **told: Any):
    """Start a process that does one thing; it may die at a failpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.child"],
        cwd=ROOT,
        env=clean_environ({VARIABLE: failpoint} if failpoint else {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    whole = {"verb": verb, "upload_id": upload_id, "config": asdict(place.config), **told}
    json.dump(whole, process.stdin)
    process.stdin.close()
    return process


def ended(process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any]]:
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    return process.wait(LIMIT), json.loads(said) if said else {}


def test_each_failpoint_of_a_bucket_is_tried_here() -> None:
    names = {f"object.{name}" for name in (*APPENDING, *COMMITTING, *ABORTING)}
    assert {point.value for point in ObjectFailpoint} == names


@pytest.mark.parametrize("point", APPENDING)
def test_killed_within_an_append_another_goes_on(place: Place, tmp_path: Path, point: str) -> None:
    data = random_bytes(12 * MIB)
    (tmp_path / "body").write_bytes(data[100:])
    store = place.store()
    upload_id = upload_of(store, data[:100])

    died = child(
        place, "append", upload_id, f"object.{point}", offset=100, file=str(tmp_path / "body")
    )

    assert ended(died)[0] == -signal.SIGKILL
    size = store.upload_size(upload_id)
    assert size >= 100
    store.append(upload_id, size, io.BytesIO(data[size:]), len(data) - size)
    assert read(store, store.commit(upload_id, Digest.of(data))) == data
    check_nothing_left(place, store, upload_id)


@pytest.mark.parametrize("point", COMMITTING)
def test_killed_within_a_commit_another_commits(place: Place, point: str) -> None:
    data = random_bytes(6 * MIB)
    store = place.store()
    upload_id = upload_of(store, data)
    digest = Digest.of(data)

    died = child(place, "commit", upload_id, f"object.{point}", digest=str(digest))

    assert ended(died)[0] == -signal.SIGKILL
    assert read(store, store.commit(upload_id, digest)) == data
    check_nothing_left(place, store, upload_id)


@pytest.mark.parametrize("point", ABORTING)
def test_killed_within_an_abort_another_aborts(place: Place, point: str) -> None:
    store = place.store()
    upload_id = upload_of(store, random_bytes(6 * MIB))
    assert ended(child(place, "abort", upload_id, f"object.{point}"))[0] == -signal.SIGKILL
    store.abort(upload_id)
    assert place.keys() == []
    assert place.begun(upload_id) == []


def check_nothing_left(place: Place, store: ListedStore, upload_id: str) -> None:
    """Of a committed upload there is its blob, and nothing else."""
    assert place.keys() == [f"{place.config.prefix}blobs/{upload_id[:2]}/{upload_id}"]
    assert place.begun(upload_id) == []
    assert list(store.uploads()) == []


def test_an_abandoned_upload_leaves_nothing(place: Place) -> None:
    store = place.store()
    upload_id = upload_of(store, random_bytes(12 * MIB))
    assert place.begun(upload_id) != []
    place.store().abort(upload_id)
    assert place.keys() == []
    assert place.begun(upload_id) == []


def test_of_processes_that_write_at_once_one_has_its_bytes(place: Place, tmp_path: Path) -> None:
    bodies = [random_bytes(6 * MIB, str(number)) for number in range(3)]
    for number, body in enumerate(bodies):
        (tmp_path / str(number)).write_bytes(body)
    store = place.store()
    upload_id = started(store)
    running = [
        child(place, "append", upload_id, offset=0, file=str(tmp_path / str(number)))
        for number in range(len(bodies))
    ]
    said = [ended(each)[1] for each in running]
    (winner,) = (body for body, each in zip(bodies, said, strict=True) if "value" in each)
    refusals = {each["error"] for each in said if "error" in each}
    assert refusals <= {"UploadBusy", "OffsetMismatch"}
    assert read(store, store.commit(upload_id, Digest.of(winner))) == winner


def test_a_cut_body_goes_on_in_another_process(place: Place) -> None:
    data = random_bytes(12 * MIB)
    upload_id = started(place.store())
    with pytest.raises(BodyCutShort) as cut:
        place.store().append(upload_id, 0, io.BytesIO(data[: 7 * MIB]), len(data))
    assert cut.value.size == 7 * MIB
    other = place.store()
    other.append(upload_id, 7 * MIB, io.BytesIO(data[7 * MIB :]), 5 * MIB)
    assert read(other, other.commit(upload_id, Digest.of(data))) == data


def test_anybody_may_get_a_blob_by_its_link_and_nothing_else(place: Place) -> None:
    store = place.store()
    data = random_bytes(1 * MIB)
    link = store.link(stored(store, data), timedelta(minutes=5))
    assert isinstance(link, str)
    assert requests.get(link, timeout=30).content == data
    part = requests.get(link, headers={"Range": "bytes=10-19"}, timeout=30)
    assert (part.status_code, part.content) == (206, data[10:20])
    assert requests.put(link, data=b"x", timeout=30).status_code == 403
    assert requests.get(link.partition("?")[0], timeout=30).status_code == 403


def test_a_bucket_that_is_not_there_is_said(place: Place) -> None:
    with pytest.raises(StoreUnavailable, match="there is no such bucket; make it"):
        place.store(name="no-such-bucket").start_upload(new_upload_id())


def test_a_key_that_is_wrong_is_said(place: Place) -> None:
    with pytest.raises(StoreUnavailable):
        place.store(secret_key="not-the-secret").start_upload(new_upload_id())


class Stopping(Stream):
    """A body in whose middle something happens."""

    def __init__(self, data: bytes, at: int, act: Any) -> None:
        super().__init__()
        self._data, self._at, self._act, self._position = io.BytesIO(data), at, act, 0

    def read(self, size: int = -1) -> bytes:
        data = self._data.read(size)
        if self._position <= self._at < self._position + len(data):
            self._act()
        self._position += len(data)
        return data


@pytest.mark.parametrize("name", STARTERS)
def test_a_server_that_goes_away_in_mid_upload_is_said_and_the_upload_goes_on(
    name: str, tmp_path: Path
) -> None:
    data = random_bytes(60 * MIB)
    with STARTERS[name](tmp_path / name) as server:
        place = new_place(server, Sdk.BOTO3)
        store = place.store(attempts=2, connect_timeout=2.0, read_timeout=5.0)
        upload_id = upload_of(store, data[:100])
        body: Any = Stopping(data[100:], 50 * MIB, server.stop)
        with pytest.raises(StoreUnavailable):
            store.append(upload_id, 100, body, len(data) - 100)
        with pytest.raises(StoreUnavailable):
            store.upload_size(upload_id)

        server.start()

        size = wait_until(lambda: size_of(store, upload_id))  # SeaweedFS listens, and is not ready
        assert 100 < size < len(data)
        store.append(upload_id, size, io.BytesIO(data[size:]), len(data) - size)
        assert read(store, store.commit(upload_id, Digest.of(data))) == data


def size_of(store: Any, upload_id: str) -> int | None:
    """Return an upload's size, or None while its store is away."""
    try:
        return int(store.upload_size(upload_id))
    except StoreUnavailable:
        return None


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        place = tmp_path / "small"
        place.mkdir()
        mounted = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
        if subprocess.run(mounted, check=False, capture_output=True).returncode == 0:
            try:
                check_full(FilesystemStore(place), 3 * MIB, "ENOSPC")
            finally:
                subprocess.run(["umount", str(place)], check=True)
            return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, limits[1]))
    try:
        check_full(FilesystemStore(tmp_path / "data"), 3 * MIB, "EFBIG")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def check_full(store: FilesystemStore, size: int, reason: str) -> None:
    """Fill what there is; what was kept before stays, and room makes the upload go on."""
    kept = stored(store, b"kept before")
    data = random_bytes(size)
    upload_id = upload_of(store, data)
    with pytest.raises(StoreUnavailable, match=reason):
        store.append(upload_id, size, io.BytesIO(bytes(4 * MIB)), 4 * MIB)
    assert read(store, kept) == b"kept before"
    assert store.upload_size(upload_id) == size  # so that others have room to end it
    assert stored(store, b"another")
    assert read(store, store.commit(upload_id, Digest.of(data))) == data
    store.abort(upload_id)
    with pytest.raises(UploadUnknown):
        store.upload_size(upload_id)
    assert read(store, stored(store, data)) == data


class Repeating(Stream):
    """A MiB of bytes again and again, `size` of them, however they are read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0
        self._block = random_bytes(MIB)

    def read(self, size: int = -1) -> bytes:
        at = self._position % MIB
        data = self._block[at : at + min(size, self._size - self._position)]
        self._position += len(data)
        return data


def test_ten_gibibytes(place: Place, request: pytest.FixtureRequest) -> None:
    """Long: beyond the first 1,000 parts, where they begin to grow. Else only past part one."""
    size = 10 * 1024 * MIB if request.config.getoption("--long") else 3 * part_size(1) + 1
    digest = Digest.of_stream(Repeating(size))  # type: ignore[arg-type]
    store = place.store()
    upload_id = started(store)
    body: Any = Repeating(size)
    assert store.append(upload_id, 0, body, size) == size
    location = store.commit(upload_id, digest)
    assert store.upload_size(upload_id) == size
    with store.open(location, size - 10) as stream:
        assert len(stream.read()) == 10
    store.delete(location)
