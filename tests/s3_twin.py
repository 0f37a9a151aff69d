"""A server that speaks S3, in memory and without a socket: beneath boto3, and MinIO's SDK.

It does what the real ones were seen to do (tests/storage runs the same contract over those):
conditions are heeded, parts are completed by number and ETag, and pages are short.
"""

import hashlib
import io
import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import urllib3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError

from storage.config import BucketConfig, Sdk
from storage.minio import MinioBucket
from storage.object_store import ObjectStore
from storage.s3 import S3Bucket

NAME = "bucket"
PAGE = 2
"""How much a list tells at once."""


@dataclass(frozen=True)
class Call:
    """A request: `operation` is what S3 calls it."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Its name in S3's own documentation."""
        match self.method, bool(self.key):
            case "GET", False:
                return "ListMultipartUploads" if "uploads" in self.query else "ListObjectsV2"
            case "POST", _:
                is_new = "uploads" in self.query
                return "CreateMultipartUpload" if is_new else "CompleteMultipartUpload"
            case "PUT", _:
                return "UploadPart" if "uploadId" in self.query else "PutObject"
            case "DELETE", _:
                return "AbortMultipartUpload" if "uploadId" in self.query else "DeleteObject"
        return "GetObject"


@dataclass(frozen=True)
class Answer:
    """A status, headers and a body; `cut` bytes of the body never come."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


class Away(Exception):
    """Raised by `before`: there is no server to be reached."""


@dataclass(frozen=True)
class Stored:
    """An object's bytes."""

    data: bytes

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


class S3Twin:
    """The server. `before` may look at each call, act, answer itself, or raise `Away`."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.multiparts: dict[str, tuple[str, dict[int, Stored]]] = {}
        self.calls: list[Call] = []
        self.before: Callable[[Call], Answer | None] = lambda _: None
        self.after: Callable[[Call, Answer], Answer] = lambda _, answer: answer
        self.buckets: dict[Sdk, S3Bucket | MinioBucket] = {}
        self.has_bucket = True
        self.heeds = {"If-None-Match", "If-Match"}
        self._lock = threading.RLock()
        self._ids = (f"multipart-{number}" for number in itertools.count(1))

    @property
    def operations(self) -> list[str]:
        """What was asked so far, by name."""
        return [call.operation for call in self.calls]

    def answer(self, method: str, url: str, headers: Iterable[Any], body: bytes) -> Answer:
        """Answer a request.

        Raises:
            Away: `before` does.
        """
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in _query(parts.query).items()}
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        call = Call(method, key, query, {str(k).title(): _text(v) for k, v in headers}, body)
        with self._lock:
            self.calls.append(call)
        answer = self.before(call)
        if answer is None:
            with self._lock:
                act = getattr(self, f"_{call.operation}")
                answer = act(call) if self.has_bucket else refused(404, "NoSuchBucket")
        return self.after(call, answer)

    def _GetObject(self, call: Call) -> Answer:  # noqa: N802
        stored = self.objects.get(call.key)
        if stored is None:
            return refused(404, "NoSuchKey")
        headers = {"ETag": stored.etag, "Last-Modified": format_datetime(_NOW, usegmt=True)}
        if "Range" not in call.headers:
            return Answer(200, stored.data, headers)
        first, _, last = call.headers["Range"].removeprefix("bytes=").partition("-")
        size = len(stored.data)
        if int(first) >= size:
            return refused(416, "InvalidRange")
        end = min(int(last or size) + 1, size)
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        return Answer(206, stored.data[int(first) : end], headers)

    def _PutObject(self, call: Call) -> Answer:  # noqa: N802
        there = self.objects.get(call.key)
        over = call.headers.get("If-Match") if "If-Match" in self.heeds else None
        if over is not None and there is None:
            return refused(404, "NoSuchKey")  # as MinIO says; SeaweedFS says 412
        if over is not None and there is not None and there.etag != over:
            return refused(412, "PreconditionFailed")
        heeds_absence = "If-None-Match" in self.heeds and "If-None-Match" in call.headers
        if heeds_absence and there is not None:
            return refused(412, "PreconditionFailed")
        self.objects[call.key] = Stored(call.body)
        return Answer(200, headers={"ETag": self.objects[call.key].etag})

    def _DeleteObject(self, call: Call) -> Answer:  # noqa: N802
        self.objects.pop(call.key, None)
        return Answer(204)

    def _ListObjectsV2(self, call: Call) -> Answer:  # noqa: N802
        keys = sorted(key for key in self.objects if key.startswith(call.query.get("prefix", "")))
        after = call.query.get("continuation-token", "")
        keys = [key for key in keys if key > after]
        page, is_cut = keys[:PAGE], len(keys) > PAGE
        inside = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[key].data)}</Size>"
            f"<LastModified>{_TIME}</LastModified><ETag>x</ETag></Contents>"
            for key in page
        )
        if is_cut:
            inside += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        head = f"<Name>{NAME}</Name><IsTruncated>{_bool(is_cut)}</IsTruncated>"
        return _xml("ListBucketResult", head + inside)

    def _CreateMultipartUpload(self, call: Call) -> Answer:  # noqa: N802
        name = next(self._ids)
        self.multiparts[name] = (call.key, {})
        return _xml("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>")

    def _UploadPart(self, call: Call) -> Answer:  # noqa: N802
        if call.query["uploadId"] not in self.multiparts:
            return refused(404, "NoSuchUpload")
        part = Stored(call.body)
        self.multiparts[call.query["uploadId"]][1][int(call.query["partNumber"])] = part
        return Answer(200, headers={"ETag": part.etag})

    def _CompleteMultipartUpload(self, call: Call) -> Answer:  # noqa: N802
        name = call.query["uploadId"]
        if name not in self.multiparts:
            return refused(404, "NoSuchUpload")
        key, parts = self.multiparts[name]
        text = call.body.decode()
        wanted = []
        for part in text.split("<Part>")[1:]:
            number = int(part.split("<PartNumber>")[1].split("<")[0])
            etag = part.split("<ETag>")[1].split("<")[0].replace("&quot;", '"').strip('"')
            if number not in parts or parts[number].etag.strip('"') != etag:
                return refused(400, "InvalidPart")
            wanted.append(parts[number].data)
        if any(len(data) < 5 << 20 for data in wanted[:-1]):
            return refused(400, "EntityTooSmall")
        self.objects[key] = Stored(b"".join(wanted))
        del self.multiparts[name]
        return _xml(
            "CompleteMultipartUploadResult",
            f"<Bucket>{NAME}</Bucket><Key>{escape(key)}</Key><ETag>x</ETag>",
        )

    def _AbortMultipartUpload(self, call: Call) -> Answer:  # noqa: N802
        if self.multiparts.pop(call.query["uploadId"], None) is None:
            return refused(404, "NoSuchUpload")
        return Answer(204)

    def _ListMultipartUploads(self, call: Call) -> Answer:  # noqa: N802
        prefix, marker = call.query.get("prefix", ""), call.query.get("key-marker", "")
        begun = sorted(
            (key, name) for name, (key, _) in self.multiparts.items() if key.startswith(prefix)
        )
        begun = [each for each in begun if each > (marker, call.query.get("upload-id-marker", "~"))]
        page, is_cut = begun[:PAGE], len(begun) > PAGE
        inside = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
            f"<Initiated>{_TIME}</Initiated></Upload>"
            for key, name in page
        )
        if is_cut:
            inside += f"<NextKeyMarker>{escape(page[-1][0])}</NextKeyMarker>"
            inside += f"<NextUploadIdMarker>{page[-1][1]}</NextUploadIdMarker>"
        cut = f"<IsTruncated>{_bool(is_cut)}</IsTruncated>"
        return _xml("ListMultipartUploadsResult", cut + inside)


_NOW = datetime.now(UTC)
_TIME = _NOW.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def a_store(twin: S3Twin, sdk: Sdk = Sdk.BOTO3, prefix: str = "some/where/") -> ObjectStore:
    """Return a store of its own over the twin, as a process of its own has one.

    All of a twin share one client, which takes boto3 a while to make.
    """
    if sdk not in twin.buckets:
        twin.buckets[sdk] = a_bucket(twin, sdk)
    return ObjectStore(twin.buckets[sdk], prefix)


def a_bucket(twin: S3Twin, sdk: Sdk = Sdk.BOTO3, **changes: Any) -> S3Bucket | MinioBucket:
    """Return a bucket over the twin by one of the SDKs; each request is made once."""
    config = BucketConfig(
        NAME,
        sdk,
        endpoint="http://s3.test",
        access_key="key",
        secret_key="secret-key",
        attempts=1,
        **changes,
    )
    if sdk is Sdk.MINIO:
        minio = MinioBucket(config)
        minio._client._http = minio._pool = _TwinPool(twin)
        return minio
    bucket = S3Bucket(config)

    def send(request: Any, **_: Any) -> AWSResponse:
        body = request.body or b""
        data = body.read() if hasattr(body, "read") else bytes(body)
        try:
            answer = twin.answer(request.method, request.url, request.headers.items(), data)
        except Away:
            raise EndpointConnectionError(endpoint_url=request.url) from None
        raw = _raw(answer, request.url)
        return AWSResponse(request.url, answer.status, raw.headers, raw)

    bucket._client.meta.events.register("before-send.s3", send)
    return bucket


class _TwinPool(urllib3.PoolManager):
    """What MinIO's SDK asks."""

    def __init__(self, twin: S3Twin) -> None:
        super().__init__()
        self._twin = twin

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> Any:  # noqa: ARG002, FBT001, FBT002
        try:
            body = bytes(kw.get("body") or b"")
            answer = self._twin.answer(method, url, kw["headers"].items(), body)
        except Away:
            raise urllib3.exceptions.MaxRetryError(self, url) from None  # type: ignore[arg-type]
        raw = _raw(answer, url)
        if kw.get("preload_content", True):
            raw.read(cache_content=True)
        return raw


def _raw(answer: Answer, url: str) -> urllib3.HTTPResponse:
    headers = {"Content-Length": str(len(answer.body)), **answer.headers}
    headers.setdefault("Content-Type", "application/xml")
    came = answer.body[: len(answer.body) - answer.cut]
    return urllib3.HTTPResponse(
        io.BytesIO(came),
        headers,
        answer.status,
        preload_content=False,
        request_url=url,
        enforce_content_length=True,
    )


def refused(status: int, code: str) -> Answer:
    """Return an answer that refuses, as S3 does."""
    return _xml("Error", f"<Code>{code}</Code><Message>{code}!</Message>", status)


def _xml(name: str, inside: str, status: int = 200) -> Answer:
    return Answer(status, f'<?xml version="1.0"?><{name}>{inside}</{name}>'.encode())


def _query(text: str) -> dict[str, list[str]]:
    return parse_qs(text, keep_blank_values=True)


def _bool(value: bool) -> str:  # noqa: FBT001
    return "true" if value else "false"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
