"""Operations on objects by boto3, for AWS and what speaks S3 (storage/objects.py says which)."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from storage.config import BucketConfig
from storage.errors import StorageError, StoreUnavailable
from storage.objects import (
    ConditionFailed,
    Held,
    Listed,
    MultipartGone,
    OutOfRange,
    Part,
    PartsChanged,
)
from storage.places import missing_bucket, total_size

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_REFUSALS: dict[str, type[StorageError]] = {
    "PreconditionFailed": ConditionFailed,
    "ConditionalRequestConflict": ConditionFailed,
    "NoSuchUpload": MultipartGone,
    "InvalidPart": PartsChanged,
    "InvalidPartOrder": PartsChanged,
    "InvalidRange": OutOfRange,
    "416": OutOfRange,
}
_PIECE = 64 * 1024
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class S3Bucket:
    """A bucket, by a client of boto3's. A child process gets connections of its own."""

    def __init__(self, config: BucketConfig) -> None:
        self._config = config
        self._name = config.name
        self.place = config.place
        session = boto3.session.Session()
        self._client = _client(session, config, config.endpoint)
        self._public = self._client
        if config.public_endpoint is not None:
            self._public = _client(session, config, config.public_endpoint)
        self._process = os.getpid()

    def put(self, key: str, data: memoryview, over: str | None) -> str:
        """Write an object (see `Objects`)."""
        condition: Any = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        with self._reporting(key, missing=ConditionFailed(key)), _Reader(data) as body:
            answer = self._connected().put_object(
                Bucket=self._name, Key=key, Body=cast(IO[bytes], body), **condition
            )
        return answer["ETag"]

    def get(self, key: str, start: int = 0, length: int | None = None) -> Held | None:
        """Ask for an object (see `Objects`)."""
        wanted: Any = {}
        if start or length is not None:
            end = "" if length is None else start + length - 1
            wanted["Range"] = f"bytes={start}-{end}"
        missing = _Missing()
        try:
            with self._reporting(key, missing=missing):
                answer = self._connected().get_object(Bucket=self._name, Key=key, **wanted)
        except _Missing:
            return None
        size = total_size(answer.get("ContentRange"), answer["ContentLength"])
        return Held(_Body(answer["Body"], self.place), size, answer["ETag"])

    def delete(self, key: str) -> None:
        """Remove an object (see `Objects`)."""
        with self._reporting(key):
            self._connected().delete_object(Bucket=self._name, Key=key)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield objects (see `Objects`)."""
        pages = self._connected().get_paginator("list_objects_v2")
        with self._reporting(prefix):
            for page in pages.paginate(Bucket=self._name, Prefix=prefix):
                for each in page.get("Contents", []):
                    yield Listed(each["Key"], each["Size"], int(each["LastModified"].timestamp()))

    def presign(self, key: str, lifetime: timedelta) -> str:
        """Return a URL (see `Objects`)."""
        with self._reporting(key):
            return self._public.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._name, "Key": key},
                ExpiresIn=int(lifetime.total_seconds()),
            )

    def begin(self, key: str) -> str:
        """Begin a multipart upload (see `Multiparts`)."""
        with self._reporting(key):
            answer = self._connected().create_multipart_upload(Bucket=self._name, Key=key)
        return answer["UploadId"]

    def put_part(self, key: str, multipart: str, number: int, data: memoryview) -> str:
        """Write a part (see `Multiparts`)."""
        with self._reporting(key), _Reader(data) as body:
            answer = self._connected().upload_part(
                Bucket=self._name,
                Key=key,
                UploadId=multipart,
                PartNumber=number,
                Body=cast(IO[bytes], body),
            )
        return answer["ETag"]

    def complete(self, key: str, multipart: str, parts: tuple[Part, ...]) -> None:
        """Complete a multipart upload (see `Multiparts`)."""
        with self._reporting(key):
            self._connected().complete_multipart_upload(
                Bucket=self._name,
                Key=key,
                UploadId=multipart,
                MultipartUpload={
                    "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
                },
            )

    def cancel(self, key: str, multipart: str) -> None:
        """Remove a multipart upload (see `Multiparts`)."""
        try:
            with self._reporting(key):
                self._connected().abort_multipart_upload(
                    Bucket=self._name, Key=key, UploadId=multipart
                )
        except MultipartGone:
            return

    def list_begun(self, prefix: str) -> Iterator[Listed]:
        """Yield multipart uploads (see `Multiparts`)."""
        pages = self._connected().get_paginator("list_multipart_uploads")
        with self._reporting(prefix):
            for page in pages.paginate(Bucket=self._name, Prefix=prefix):
                for each in page.get("Uploads", []):
                    begun = int(each["Initiated"].timestamp())
                    yield Listed(each["Key"], 0, begun, each["UploadId"])

    def _connected(self) -> "S3Client":
        if self._process != os.getpid():  # forked: a connection isn't two processes'
            self._client.close()
            self._process = os.getpid()
        return self._client

    @contextmanager
    def _reporting(self, key: str, missing: Exception | None = None) -> Iterator[None]:
        """Turn what boto3 raises into errors of ours; `missing` is for a key that isn't there."""
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _REFUSALS:
                raise _REFUSALS[code](key) from error
            if missing is not None and code in _MISSING:
                raise missing from error
            if code == "NoSuchBucket":
                raise missing_bucket(self._config) from error
            raise StoreUnavailable(self.place, str(error)) from error
        except (BotoCoreError, HTTPError, OSError) as error:
            raise StoreUnavailable(self.place, f"{type(error).__name__}: {error}") from error


class _Missing(Exception):
    """There is no such key."""


class _Body:
    """What boto3 streams, raising errors of ours."""

    def __init__(self, stream: Any, place: str) -> None:
        self._stream = stream
        self._place = place

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes (see `Body`)."""
        try:
            data: bytes = self._stream.read(size)
        except (BotoCoreError, HTTPError, OSError) as error:
            raise StoreUnavailable(self._place, f"{type(error).__name__}: {error}") from error
        return data

    def close(self) -> None:
        """End the request (see `Body`)."""
        self._stream.close()


class _Reader(io.RawIOBase):
    """Bytes in memory as a file, so that boto3 sends them by and by and copies none of them."""

    def __init__(self, data: memoryview) -> None:
        super().__init__()
        self._data = data
        self._position = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes: all, or 64 KiB at most (boto3 asks for 1 MiB to hash it)."""
        count = len(self._data) if size < 0 else min(size, _PIECE)
        with self._data[self._position : self._position + count] as piece:
            self._position += len(piece)
            return bytes(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._data)}
        self._position = begin[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position


def _client(
    session: boto3.session.Session, config: BucketConfig, endpoint: str | None
) -> "S3Client":
    return session.client(
        "s3",
        endpoint_url=endpoint,
        region_name=config.region,
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
        config=Config(
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
            retries={"mode": "standard", "total_max_attempts": config.attempts},
            max_pool_connections=config.connections,
            tcp_keepalive=True,
            signature_version="s3v4",
            s3={"addressing_style": "path" if config.is_path_style else "virtual"},
            # boto3 since 1.36 adds checksums that other servers refuse
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
