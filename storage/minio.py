"""Operations on objects by MinIO's own SDK (storage/objects.py says which).

The SDK has conditions, parts and multipart uploads in private methods only. They are used here and
nowhere else, and pyproject.toml pins the SDK to a minor version.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    EnvMinioProvider,
)
from minio.datatypes import Part as SdkPart
from minio.error import MinioException, S3Error
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

_REFUSALS: dict[str, type[StorageError]] = {
    "PreconditionFailed": ConditionFailed,
    "ConditionalRequestConflict": ConditionFailed,
    "NoSuchUpload": MultipartGone,
    "InvalidPart": PartsChanged,
    "InvalidPartOrder": PartsChanged,
    "InvalidRange": OutOfRange,
}
_PAUSE = 0.2
"""Seconds before the second attempt; each further pause is twice as long."""
_FAILED = (500, 502, 503, 504)


class MinioBucket:
    """A bucket, by a client of MinIO's SDK. A child process gets connections of its own."""

    def __init__(self, config: BucketConfig) -> None:
        self._config = config
        self._name = config.name
        self.place = config.place
        self._pool = urllib3.PoolManager(
            maxsize=config.connections,
            timeout=urllib3.Timeout(connect=config.connect_timeout, read=config.read_timeout),
            retries=urllib3.Retry(
                total=config.attempts - 1,
                backoff_factor=_PAUSE,
                status_forcelist=_FAILED,
                allowed_methods=None,  # POST too: beginning twice leaves one to be cancelled
                raise_on_status=False,
            ),
        )
        endpoint = config.endpoint or f"https://s3.{config.region}.amazonaws.com"
        self._client = _client(config, endpoint, self._pool)
        self._public = _client(config, config.public_endpoint or endpoint, self._pool)
        self._process = os.getpid()

    def put(self, key: str, data: memoryview, over: str | None) -> str:
        """Write an object (see `Objects`)."""
        condition: Any = {"If-None-Match": "*"} if over is None else {"If-Match": f'"{over}"'}
        with self._reporting(key, missing=ConditionFailed(key)):
            answer = self._connected()._put_object(  # noqa: SLF001
                self._name, key, cast(bytes, data), condition
            )
        return cast(str, answer.etag)

    def get(self, key: str, start: int = 0, length: int | None = None) -> Held | None:
        """Ask for an object (see `Objects`)."""
        missing = _Missing()
        try:
            with self._reporting(key, missing=missing):
                answer = self._connected().get_object(self._name, key, start, length or 0)
        except _Missing:
            return None
        headers = answer.headers
        size = total_size(headers.get("Content-Range"), int(headers["Content-Length"]))
        return Held(_Body(answer, self.place), size, headers["ETag"].strip('"'))

    def delete(self, key: str) -> None:
        """Remove an object (see `Objects`)."""
        with self._reporting(key):
            self._connected().remove_object(self._name, key)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield objects (see `Objects`)."""
        with self._reporting(prefix):
            for each in self._connected().list_objects(self._name, prefix, recursive=True):
                yield Listed(each.object_name, each.size, int(each.last_modified.timestamp()))

    def presign(self, key: str, lifetime: timedelta) -> str:
        """Return a URL (see `Objects`)."""
        return self._public.presigned_get_object(self._name, key, lifetime)

    def begin(self, key: str) -> str:
        """Begin a multipart upload (see `Multiparts`)."""
        with self._reporting(key):
            return self._connected()._create_multipart_upload(  # noqa: SLF001
                self._name, key, {}
            )

    def put_part(self, key: str, multipart: str, number: int, data: memoryview) -> str:
        """Write a part (see `Multiparts`)."""
        with self._reporting(key):
            return self._connected()._upload_part(  # noqa: SLF001
                self._name, key, cast(bytes, data), None, multipart, number
            )

    def complete(self, key: str, multipart: str, parts: tuple[Part, ...]) -> None:
        """Complete a multipart upload (see `Multiparts`)."""
        listed = [SdkPart(part.number, part.etag) for part in parts]
        with self._reporting(key):
            self._connected()._complete_multipart_upload(  # noqa: SLF001
                self._name, key, multipart, listed
            )

    def cancel(self, key: str, multipart: str) -> None:
        """Remove a multipart upload (see `Multiparts`)."""
        try:
            with self._reporting(key):
                self._connected()._abort_multipart_upload(  # noqa: SLF001
                    self._name, key, multipart
                )
        except MultipartGone:
            return

    def list_begun(self, prefix: str) -> Iterator[Listed]:
        """Yield multipart uploads (see `Multiparts`)."""
        marker: str | None = None
        is_last = False
        with self._reporting(prefix):
            while not is_last:
                page = self._connected()._list_multipart_uploads(  # noqa: SLF001
                    self._name, prefix=prefix, key_marker=marker
                )
                for each in page.uploads:
                    begun = int(each.initiated_time.timestamp()) if each.initiated_time else 0
                    yield Listed(each.object_name, 0, begun, cast(str, each.upload_id))
                marker = page.next_key_marker
                is_last = not page.is_truncated or not marker

    def _connected(self) -> Minio:
        if self._process != os.getpid():  # forked: a connection isn't two processes'
            self._pool.clear()
            self._process = os.getpid()
        return self._client

    @contextmanager
    def _reporting(self, key: str, missing: Exception | None = None) -> Iterator[None]:
        """Turn what the SDK raises into errors of ours; `missing` is for a key that isn't there."""
        try:
            yield
        except S3Error as error:
            code = error.code or ""
            if code in _REFUSALS:
                raise _REFUSALS[code](key) from error
            if missing is not None and code == "NoSuchKey":
                raise missing from error
            if code == "NoSuchBucket":
                raise missing_bucket(self._config) from error
            raise StoreUnavailable(self.place, f"{code}: {error.message}") from error
        except (MinioException, HTTPError, OSError, ValueError, ParseError) as error:
            # the last two: an answer that isn't S3's
            raise StoreUnavailable(self.place, f"{type(error).__name__}: {error}") from error


class _Missing(Exception):
    """There is no such key."""


class _Body:
    """What the SDK streams, raising errors of ours."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, place: str) -> None:
        self._answer = answer
        self._place = place

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes (see `Body`)."""
        try:
            return self._answer.read(size)
        except (HTTPError, OSError) as error:
            raise StoreUnavailable(self._place, f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End the request (see `Body`)."""
        self._answer.close()
        self._answer.release_conn()


def _client(config: BucketConfig, endpoint: str, pool: urllib3.PoolManager) -> Minio:
    parts = urlsplit(endpoint)
    keys: Any = {"access_key": config.access_key, "secret_key": config.secret_key}
    if config.access_key is None:
        chain = [EnvMinioProvider(), EnvAWSProvider(), AWSConfigProvider()]
        keys = {"credentials": ChainedProvider(chain)}
    client = Minio(
        parts.netloc,
        secure=parts.scheme == "https",
        region=config.region,
        http_client=pool,
        **keys,
    )
    if not config.is_path_style:
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client
