"""A blob store in a bucket: parts go straight to the blob's key, and nothing is ever copied.

What is stored of an upload is its state (storage/states.py), an object that is only ever written
over the version that was read. So a chunk may land on any process, and nothing of an upload is on
a local disk; of two who write at once, one is told. Whoever is about to write parts first takes
eight numbers for them by writing the state: no two writers ever write a part of one number, and a
blob is completed of the parts, by number and ETag, that its state lists. What is written by one who
was overtaken or killed is in no list, and goes when the multipart upload is completed or cancelled.

A small blob is four requests: its state begun, its bytes in the tail, the blob, the state removed.
"""

import hashlib
import io
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeVar, cast

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import paths
from storage.blobs import StoredBlob, StoredUpload
from storage.errors import (
    BlobMissing,
    BodyCutShort,
    OffsetMismatch,
    StorageError,
    StoreUnavailable,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.failpoints import ObjectFailpoint, failpoint
from storage.objects import (
    LAST_NUMBER,
    SMALLEST_PART,
    Body,
    Bucket,
    ConditionFailed,
    Held,
    MultipartGone,
    OutOfRange,
    Part,
    PartsChanged,
)
from storage.states import FRONT, Buffer, State, part_size, read_size
from storage.uploads import BUFFER, RunningHashes, buffers

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CLAIM = 8
"""Part numbers taken at once: a kill loses what came since, some 40 MB, and wastes as many."""

_SMALL_TAIL = 64 * 1024
_REMEMBERED = 256
_COMMITS = 4
"""How often a commit looks again, while others go on with the upload, before it gives up."""
_READS = 4
"""Requests that a reader makes for the next byte before it gives up."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class _Known:
    """A state as it was last seen, with its ETag and tail."""

    state: State
    etag: str
    tail: bytes = b""
    is_ours: bool = False
    """Nobody but this process ever wrote to it."""
    is_remembered: bool = False


class ObjectStore:
    """Blobs as objects below `prefix` in `bucket`; several processes may work on one bucket."""

    smallest_chunk = SMALLEST_PART

    def __init__(self, bucket: Bucket, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._hashes = RunningHashes()
        self._known = _Remembered[_Known]()
        self._sizes = _Remembered[int]()  # of blobs, which never change
        self._writing = _Writing()
        self._is_proved = False

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload (see `BlobStore`).

        The first of a process makes sure that the bucket is there and that the server heeds
        conditions, without which writers would overwrite each other.
        """
        key = paths.state_key(self._prefix, upload_id)
        state = State()
        with Buffer() as buffer:
            buffer.clear(part_size(1))
            if not self._is_proved:
                self._prove_bucket(key)
            try:
                etag = _save(self._bucket, key, buffer, state, None)
            except ConditionFailed as error:
                raise StoreUnavailable(self._bucket.place, str(error)) from error
            if not self._is_proved:
                self._prove_conditions(key, buffer)
                self._is_proved = True
        self._known.put(upload_id, _Known(state, etag, is_ours=True))

    def append(self, upload_id: str, offset: int, stream: BinaryIO, length: int | None) -> int:
        """Add bytes to an upload (see `BlobStore`)."""
        with self._writing.hold(upload_id), Buffer() as buffer:
            known = self._load(upload_id, buffer)
            if known is None or known.state.is_sealed or known.state.size != offset:
                known = self._load(upload_id, buffer, is_fresh=True)
            if known is None or known.state.is_sealed:
                raise self._ended(upload_id, known)
            if known.state.size != offset:
                raise OffsetMismatch(upload_id, expected=known.state.size, found=offset)
            writer = _Writer(self._bucket, self._keys(upload_id), known, buffer)
            try:
                size = self._take_in(upload_id, writer, stream, length)
            except (ConditionFailed, MultipartGone) as error:
                raise self._overtaken(upload_id, offset, error) from error
        if length is not None and size - offset < length:
            raise BodyCutShort(upload_id, expected=length, found=size - offset, size=size)
        return size

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes an upload holds (see `BlobStore`)."""
        size = self._sizes.find(upload_id)
        if size is not None:
            return size
        key = paths.state_key(self._prefix, upload_id)
        held = self._bucket.get(key, 0, FRONT)
        if held is not None:
            return read_size(held, self._bucket.place, key)
        held = self._bucket.get(self._keys(upload_id).blob)
        if held is None:
            raise UploadUnknown(upload_id)
        held.body.close()
        return held.size

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Make an upload a blob (see `BlobStore`)."""
        keys = self._keys(upload_id)
        with self._writing.hold(upload_id), Buffer() as buffer:
            known, size = self._commit(upload_id, buffer, digest)
            failpoint(ObjectFailpoint.AFTER_BLOB)
            if known is not None:
                if known.state.multipart is not None or not known.is_ours:
                    self._cancel_all(keys.blob)  # of one who was killed before it told of it
                self._bucket.delete(keys.state)
            self._forget(upload_id)
            self._sizes.put(upload_id, size)
        return paths.location(upload_id)

    def abort(self, upload_id: str) -> None:
        """Remove an upload, and its blob (see `BlobStore`)."""
        self.clear(upload_id)
        if paths.is_upload(upload_id):
            self._bucket.delete(self._keys(upload_id).blob)

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob (see `BlobStore`); its bytes are asked for as they are read."""
        key = paths.blob_key(self._prefix, location)
        if key is None:
            raise BlobMissing(location)
        bucket = self._bucket

        def fetch(at: int) -> Held:
            try:
                held = bucket.get(key, at)
            except OutOfRange:  # at its end, or beyond: only its size is needed
                held = bucket.get(key)
            if held is None:
                raise BlobMissing(location)
            return held

        return cast(BinaryIO, ObjectStream(fetch, start, bucket.place))

    def link(self, location: str, lifetime: timedelta) -> str | None:
        """Return a URL for a blob (see `BlobStore`)."""
        key = paths.blob_key(self._prefix, location)
        return None if key is None else self._bucket.presign(key, lifetime)

    def delete(self, location: str) -> None:
        """Remove a blob (see `BlobStore`)."""
        key = paths.blob_key(self._prefix, location)
        if key is not None:
            self._bucket.delete(key)

    def blobs(self) -> Iterator[StoredBlob]:
        """Yield every blob (see `Inventory`)."""
        begin = f"{self._prefix}blobs/"
        for listed in self._bucket.list(begin):
            location = listed.key.removeprefix(begin)
            if paths.is_location(location):
                yield StoredBlob(location, listed.size, listed.modified)

    def uploads(self) -> Iterator[StoredUpload]:
        """Yield every upload (see `Inventory`).

        Multipart uploads without a state too, where the server tells of them: MinIO doesn't, and
        removes them itself after a day.
        """
        for listed in self._bucket.list(f"{self._prefix}uploads/"):
            upload_id = listed.key.split("/")[-2]
            if paths.is_upload(upload_id):
                yield StoredUpload(upload_id, listed.size, listed.modified)
        for listed in self._bucket.list_begun(f"{self._prefix}blobs/"):
            upload_id = listed.key.split("/")[-1]
            if paths.is_upload(upload_id):
                yield StoredUpload(upload_id, listed.size, listed.modified)

    def clear(self, upload_id: str) -> None:
        """Remove what is left of an upload (see `Inventory`)."""
        self._forget(upload_id)
        if not paths.is_upload(upload_id):
            return
        keys = self._keys(upload_id)
        # the state first: then whoever is writing finds out, and ends what it began itself
        self._bucket.delete(keys.state)
        failpoint(ObjectFailpoint.AFTER_FORGET)
        self._cancel_all(keys.blob)
        failpoint(ObjectFailpoint.AFTER_CANCEL)

    # What an append does

    def _take_in(
        self, upload_id: str, writer: "_Writer", stream: BinaryIO, length: int | None
    ) -> int:
        """Write a stream; what came of one that breaks is kept. Return the upload's new size."""
        hasher = self._hashes.take(upload_id, writer.size)
        self._known.forget(upload_id)
        broken: Exception | None = None
        for chunk in _until_broken(stream, length):
            if isinstance(chunk, Exception):
                broken = chunk
                break
            writer.write(chunk)
            if hasher is not None:
                hasher.update(chunk)
        known = writer.save()
        if len(known.tail) == known.state.tail:
            self._known.put(upload_id, known)
        if hasher is not None:
            self._hashes.put(upload_id, hasher, known.state.size)
        if broken is not None:
            raise broken
        return known.state.size

    def _overtaken(self, upload_id: str, offset: int, why: StorageError) -> StorageError:
        """Return the error for who went on from `offset` while others did something."""
        with Buffer() as buffer:
            known = self._load(upload_id, buffer, is_fresh=True)
        if known is None or known.state.is_sealed:
            return self._ended(upload_id, known)
        if isinstance(why, MultipartGone):  # somebody cancelled what the state still tells of
            return UploadUnknown(upload_id)
        if known.state.size != offset:
            return OffsetMismatch(upload_id, expected=known.state.size, found=offset)
        return UploadBusy(upload_id)

    def _ended(self, upload_id: str, known: _Known | None) -> StorageError:
        """Return the error for an upload without a state, or with one that takes no more."""
        held = None if known is not None else self._bucket.get(self._keys(upload_id).blob)
        if held is not None:
            held.body.close()
        is_committed = known is not None or held is not None
        return UploadClosed(upload_id) if is_committed else UploadUnknown(upload_id)

    # What a commit does

    def _commit(self, upload_id: str, buffer: Buffer, digest: Digest) -> tuple[_Known | None, int]:
        """Make the blob, of the state as it is; return that, and the size in bytes."""
        is_fresh = False
        for _ in range(_COMMITS):
            known = self._load(upload_id, buffer, is_fresh=is_fresh)
            try:
                return known, self._make_blob(upload_id, known, buffer, digest)
            except DigestMismatch:  # more may have come to another process
                if known is None or not known.is_remembered:
                    raise
            except ConditionFailed:  # it did, or another commits
                pass
            is_fresh = True
        raise UploadBusy(upload_id)

    def _make_blob(
        self, upload_id: str, known: _Known | None, buffer: Buffer, digest: Digest
    ) -> int:
        """Make the blob of what the state says, unless it is there; return its size in bytes.

        Raises:
            ConditionFailed: another process went on with the upload.
        """
        if known is None:
            return self._check_blob(upload_id, digest)
        found = self._hashes.find(upload_id, known.state.size)
        if found is not None and found.algorithm == digest.algorithm:
            _check(upload_id, found, digest)
        if known.state.multipart is not None:
            return self._complete(upload_id, known, buffer, digest)
        with buffer.content() as content:
            hasher = hashlib.new(digest.algorithm, content)
            _check(upload_id, Digest(digest.algorithm, hasher.hexdigest()), digest)
            try:
                self._bucket.put(self._keys(upload_id).blob, content, None)
            except ConditionFailed:  # another commit was here first
                return self._check_blob(upload_id, digest)
        return known.state.size

    def _complete(self, upload_id: str, known: _Known, buffer: Buffer, digest: Digest) -> int:
        """Complete a multipart upload: no more bytes from here on, the tail is the last part."""
        keys, state, multipart = self._keys(upload_id), known.state, known.state.multipart or ""
        if not state.is_sealed:
            sealed = replace(state, is_sealed=True, nonce=State().nonce)
            _save(self._bucket, keys.state, buffer, sealed, known.etag)
            self._known.forget(upload_id)
            failpoint(ObjectFailpoint.AFTER_SEAL)
        parts = state.parts
        try:
            if state.tail:
                with buffer.content() as content:
                    etag = self._bucket.put_part(keys.blob, multipart, state.next_number, content)
                parts += (Part(state.next_number, etag, state.tail),)
                failpoint(ObjectFailpoint.AFTER_TAIL)
            self._bucket.complete(keys.blob, multipart, parts)
        except MultipartGone:  # another commit was here first, or an abort
            return self._check_blob(upload_id, digest)
        except PartsChanged:  # two commits at once wrote the tail
            raise UploadBusy(upload_id) from None
        found = self._hashes.find(upload_id, state.size)
        if found is None or found.algorithm != digest.algorithm:
            return self._check_blob(upload_id, digest)
        return state.size

    def _check_blob(self, upload_id: str, digest: Digest) -> int:
        """Hash the blob that is there; return its size in bytes."""
        try:
            with self.open(paths.location(upload_id)) as stream:
                _check(upload_id, Digest.of_stream(stream, digest.algorithm), digest)
                return stream.tell()
        except BlobMissing:
            raise UploadUnknown(upload_id) from None

    def _cancel_all(self, blob_key: str) -> None:
        """End every multipart upload to a blob's key.

        It lists until nothing new comes, since MinIO's SDK loses its place within one key.
        """
        ended: set[str] = set()
        while True:
            listed = self._bucket.list_begun(blob_key)
            begun = {each.multipart for each in listed if each.key == blob_key} - ended
            if not begun:
                return
            for multipart in begun:
                self._bucket.cancel(blob_key, multipart)
            ended |= begun

    # States

    def _load(self, upload_id: str, buffer: Buffer, *, is_fresh: bool = False) -> _Known | None:
        """Return an upload's state, with its tail in the buffer, or None where there is none.

        One that this process remembers may be old: it is never the reason for a refusal, and what
        is written over it fails.
        """
        key = self._keys(upload_id).state
        known = None if is_fresh else self._known.find(upload_id)
        if known is not None:
            buffer.clear(part_size(known.state.next_number))
            buffer.add(known.tail)
            return replace(known, is_remembered=True)
        held = self._bucket.get(key)
        if held is None:
            return None
        return _Known(buffer.read(held, self._bucket.place, key), held.etag)

    def _prove_bucket(self, key: str) -> None:
        """Ask for what isn't there: the bucket must be, and let us read."""
        held = self._bucket.get(key)
        if held is not None:
            held.body.close()

    def _prove_conditions(self, key: str, buffer: Buffer) -> None:
        """Try to write over a state as a writer that was overtaken would, which must fail."""
        for over in (None, secrets.token_hex(16)):
            with buffer.drawn(State()) as drawn:
                try:
                    self._bucket.put(key, drawn, over)
                except ConditionFailed:
                    continue
            self._bucket.delete(key)
            raise StoreUnavailable(
                self._bucket.place,
                "the server writes over objects in spite of "
                f"{'If-None-Match' if over is None else 'If-Match'}, so that two requests could "
                "mix their bytes; use one that heeds conditional writes, as AWS, MinIO and "
                "SeaweedFS do in their present versions",
            )

    def _keys(self, upload_id: str) -> "_Keys":
        """Return an upload's two keys.

        Raises:
            UploadUnknown: the id isn't one.
        """
        state = paths.state_key(self._prefix, upload_id)
        return _Keys(state, f"{self._prefix}blobs/{paths.location(upload_id)}")

    def _forget(self, upload_id: str) -> None:
        self._hashes.forget(upload_id)
        self._known.forget(upload_id)
        self._sizes.forget(upload_id)


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of an upload: of its state, and of its blob to be."""

    state: str
    blob: str


class _Writer:
    """Writes one append: parts as they fill, the state now and then and at the end."""

    def __init__(self, bucket: Bucket, keys: _Keys, known: _Known, buffer: Buffer) -> None:
        self._bucket = bucket
        self._keys = keys
        self._buffer = buffer
        self._etag = known.etag
        self._is_ours = known.is_ours
        self._multipart = known.state.multipart
        self._parts = known.state.parts
        self._number = known.state.next_number  # of the next part
        self._claimed = self._number  # the first number that isn't ours
        self._old_tail = known.state.tail  # what the buffer begins with, and is no part yet
        self._begun: str | None = None  # a multipart upload of ours that no state tells of yet
        self._may_be_old = known.is_remembered
        self.size = known.state.size

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            ConditionFailed, MultipartGone: another went on with the upload, or ended it.
        """
        left = chunk
        while left:
            if self._buffer.is_full:
                self._write_part()
            left = left[self._buffer.add(left) :]

    def save(self) -> _Known:
        """Write the state of all that came; return it, with its tail if that is small.

        Raises:
            ConditionFailed, MultipartGone: as `write`.
        """
        if self._buffer.is_full:
            self._write_part()
        state = self._save(0, self._buffer.used)
        failpoint(ObjectFailpoint.AFTER_SAVE)
        tail = b""
        if state.tail <= _SMALL_TAIL:
            with self._buffer.content() as content:
                tail = bytes(content)
        return _Known(state, self._etag, tail, is_ours=self._is_ours)

    def _write_part(self) -> None:
        if self._number == self._claimed:
            self._claim()
        if self._number > LAST_NUMBER:
            raise StoreUnavailable(
                self._bucket.place,
                f"{self._keys.blob} has {LAST_NUMBER} parts already, and more there can't be: "
                "push it as several blobs",
            )
        with self._buffer.content() as content:
            multipart = self._multipart or ""
            etag = self._bucket.put_part(self._keys.blob, multipart, self._number, content)
        failpoint(ObjectFailpoint.AFTER_PART)
        self._parts += (Part(self._number, etag, self._buffer.used),)
        self._number += 1
        self._old_tail = 0
        self._buffer.clear(part_size(self._number))

    def _claim(self) -> None:
        """Take numbers for parts, so that nobody else writes parts with them."""
        if self._multipart is None:
            self._begun = self._multipart = self._bucket.begin(self._keys.blob)
            failpoint(ObjectFailpoint.AFTER_BEGIN)
        try:
            self._save(_CLAIM, self._old_tail)
        except ConditionFailed:
            self._cancel_begun()
            raise
        self._begun = None
        self._claimed = self._number + _CLAIM
        failpoint(ObjectFailpoint.AFTER_CLAIM)

    def _save(self, claimed: int, tail: int) -> State:
        while True:
            number = self._number + claimed
            state = State(self._multipart, self._parts, number, tail=tail)
            try:
                self._etag = _save(self._bucket, self._keys.state, self._buffer, state, self._etag)
            except ConditionFailed:
                if not self._may_be_old:
                    raise
                self._look_again()
            else:
                self._may_be_old = False
                return state

    def _look_again(self) -> None:
        """Go on from the state as it is, if it has the bytes of the one that was remembered.

        Another process took numbers then, and got no further: it was killed, or is overtaken now.

        Raises:
            ConditionFailed: it has others.
        """
        self._may_be_old = False
        held = self._bucket.get(self._keys.state)
        if held is None:
            raise ConditionFailed(self._keys.state)
        with Buffer() as other:
            state = other.read(held, self._bucket.place, self._keys.state)
        if state.is_sealed or (state.parts, state.tail) != (self._parts, self._old_tail):
            raise ConditionFailed(self._keys.state)
        if state.multipart is not None:
            self._cancel_begun()
            self._multipart = state.multipart
        self._etag = held.etag
        self._number = self._claimed = state.next_number
        self._is_ours = False

    def _cancel_begun(self) -> None:
        if self._begun is not None:
            self._bucket.cancel(self._keys.blob, self._begun)
            self._begun = None


def _save(bucket: Bucket, key: str, buffer: Buffer, state: State, over: str | None) -> str:
    """Write a state, with the tail that the buffer begins with, and return its ETag.

    Raises:
        ConditionFailed: another wrote since.
    """
    try:
        with buffer.drawn(state) as drawn:
            return bucket.put(key, drawn, over)
    except ConditionFailed:
        # or we did: where an answer is lost the SDK tries again, over what it wrote itself
        held = bucket.get(key)
        if held is None:
            raise
        with Buffer() as other:
            if other.read(held, bucket.place, key).nonce != state.nonce:
                raise
        return held.etag


class ObjectStream(io.RawIOBase):
    """A blob that is read from where one seeks to, by a request for each such place."""

    def __init__(self, fetch: Callable[[int], Held], start: int, place: str) -> None:
        super().__init__()
        self._fetch = fetch
        self._place = place
        self._position = start
        self._held: Held | None = None
        first = fetch(start)
        self._size = first.size
        self._at = start  # where the request's next byte is
        if start < first.size:
            self._held = first
        else:
            first.body.close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move, without a request."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(begin + offset, 0)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, or all that are left.

        Raises:
            StoreUnavailable: the connection broke, again and again.
        """
        if size < 0:
            return self.readall()
        size = min(size, self._size - self._position)
        if size <= 0:
            return b""
        for attempt in range(1, _READS + 1):
            try:
                data = self._body().read(min(size, BUFFER))
            except StoreUnavailable:
                data = b""
                if attempt == _READS:
                    raise
            if data:
                self._position += len(data)
                self._at = self._position
                return data
            self._drop()
        raise StoreUnavailable(self._place, f"a blob ends at {self._position} of {self._size}")

    def readall(self) -> bytes:
        """Return all that is left."""
        return b"".join(iter(lambda: self.read(BUFFER), b""))

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read into `buffer`."""
        with memoryview(buffer) as view, view.cast("B") as into:
            data = self.read(len(into))
            into[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """End the request."""
        self._drop()
        super().close()

    def _body(self) -> Body:
        if self._held is None or self._at != self._position:
            self._drop()
            self._held = self._fetch(self._position)
            self._at = self._position
        return self._held.body

    def _drop(self) -> None:
        if self._held is not None:
            self._held.body.close()
            self._held = None


class _Remembered(Generic[_Value]):
    """A value for each of the last 256 uploads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[str, _Value] = OrderedDict()

    def put(self, upload_id: str, value: _Value) -> None:
        with self._lock:
            self._values[upload_id] = value
            while len(self._values) > _REMEMBERED:
                self._values.popitem(last=False)

    def find(self, upload_id: str) -> _Value | None:
        with self._lock:
            return self._values.get(upload_id)

    def forget(self, upload_id: str) -> None:
        with self._lock:
            self._values.pop(upload_id, None)


class _Writing:
    """The uploads that this process is writing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    @contextmanager
    def hold(self, upload_id: str) -> Iterator[None]:
        with self._lock:
            if upload_id in self._ids:
                raise UploadBusy(upload_id)
            self._ids.add(upload_id)
        try:
            yield
        finally:
            with self._lock:
                self._ids.discard(upload_id)


def _until_broken(stream: BinaryIO, length: int | None) -> Iterator[bytes | Exception]:
    """Yield `stream` in buffers, and the error that it raises, if it does, as the last."""
    try:
        yield from buffers(stream, length)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is raised when all is kept)
        yield error


def _check(upload_id: str, found: Digest, digest: Digest) -> None:
    if found != digest:
        raise DigestMismatch(f"upload {upload_id}", expected=digest, found=found)
