"""Pushing blobs: in one request, in chunks, by mounting (distribution-spec 1.1, "Push").

::

    POST  uploads/                      202  Location, Range 0-0, OCI-Chunk-Min-Length
    POST  uploads/?digest=D  + body     201  the whole blob
    POST  uploads/?mount=D&from=NAME    201, or 202 and an upload
    PATCH LOCATION  + body              202  Range 0-n; Content-Range says where, or at its end
    PUT   LOCATION?digest=D  (+ body)   201
    GET   LOCATION                      204  Range 0-n
    DELETE LOCATION                     204
"""

import re

from flask import Blueprint, Response, request

from artifacts.digest import ALGORITHMS
from artifacts.errors import InvalidDigest, InvalidName
from artifacts.reference import RepositoryName
from registry.errors import UploadUnknown
from registry.oci.blobs import BlobInfo
from registry.oci.uploads import Upload
from storage.paths import is_upload
from web.bodies import RequestBody, open_body
from web.errors import InvalidContentRange
from web.oci.views import OciViews

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})(?:/[0-9*]+)?")


class UploadViews(OciViews):
    """The routes of uploads."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        path = "/<repository:name>/blobs/uploads/"
        routes.add_url_rule(path, "start_upload", self.start, methods=["POST"])
        path = "/<repository:name>/blobs/uploads/<upload>"
        routes.add_url_rule(path, "get_upload", self.status, methods=["GET"])
        routes.add_url_rule(path, "append_upload", self.append, methods=["PATCH"])
        routes.add_url_rule(path, "finish_upload", self.finish, methods=["PUT"])
        routes.add_url_rule(path, "cancel_upload", self.cancel, methods=["DELETE"])

    def start(self, name: str) -> Response:
        """Begin an upload, take a whole blob, or mount one."""
        repository = self.repository(name)
        principal = self.principal()
        uploads = self._registry.uploads
        mount = request.args.get("mount")
        if mount is not None:
            wanted = self.digest(mount)
            source = request.args.get("from")
            try:
                named = RepositoryName(source) if source else None
            except InvalidName:  # there is nothing by that name
                return self._begun(uploads.start(principal, repository))
            made = uploads.mount(principal, repository, wanted, named)
            return _kept(repository, made) if isinstance(made, BlobInfo) else self._begun(made)
        digest = request.args.get("digest")
        if digest is not None:
            body = open_body(request.environ)
            parsed = self.digest(digest)
            return _kept(
                repository, uploads.push(principal, repository, parsed, body.stream, body.length)
            )
        algorithm = request.args.get("digest-algorithm", "sha256")
        if algorithm not in ALGORITHMS:
            raise InvalidDigest(f"{algorithm}:")
        return self._begun(uploads.start(principal, repository))

    def _begun(self, upload: Upload) -> Response:
        answer = _under_way(upload)
        smallest = self._registry.uploads.smallest_chunk
        if smallest:
            answer.headers["OCI-Chunk-Min-Length"] = str(smallest)
        return answer

    def append(self, name: str, upload: str) -> Response:
        """Take the next chunk."""
        _check_id(upload)
        body = open_body(request.environ)
        held = self._registry.uploads.append(
            self.principal(),
            self.repository(name),
            upload,
            body.stream,
            offset=_offset(body),
            length=body.length,
        )
        return _under_way(held)

    def finish(self, name: str, upload: str) -> Response:
        """Take the last chunk, if there is one, and make the upload a blob."""
        _check_id(upload)
        digest = request.args.get("digest")
        if digest is None:
            raise InvalidDigest("")
        body = open_body(request.environ)
        repository = self.repository(name)
        info = self._registry.uploads.finish(
            self.principal(),
            repository,
            upload,
            self.digest(digest),
            None if body.length == 0 else body.stream,
            offset=_offset(body),
            length=body.length,
        )
        return _kept(repository, info)

    def status(self, name: str, upload: str) -> Response:
        """Tell how far an upload is."""
        _check_id(upload)
        uploads = self._registry.uploads
        answer = _under_way(uploads.status(self.principal(), self.repository(name), upload))
        answer.status_code = 204
        return answer

    def cancel(self, name: str, upload: str) -> Response:
        """End an upload without a blob."""
        _check_id(upload)
        self._registry.uploads.cancel(self.principal(), self.repository(name), upload)
        return Response(status=204)


def upload_range(size: int) -> str:
    """Return the Range header of an upload of `size` bytes (none at all reads as `0-0`)."""
    return f"0-{max(size - 1, 0)}"


def _check_id(upload: str) -> None:
    if not is_upload(upload):
        raise UploadUnknown(upload[:80])


def _offset(body: RequestBody) -> int | None:
    text = request.headers.get("Content-Range")
    if text is None:
        return None
    matched = _CONTENT_RANGE.fullmatch(text.strip())
    if matched is None:
        raise InvalidContentRange(text, "expected START-END, two counts of bytes")
    start, end = int(matched[1]), int(matched[2])
    length = end - start + 1
    if length < 0 or (body.length is not None and length != body.length):
        reason = "it ends before it begins" if length < 0 else f"the body has {body.length} bytes"
        raise InvalidContentRange(text, reason)
    if body.length is None:
        body.hold_to(text, length)
    return start


def _under_way(upload: Upload) -> Response:
    headers = {
        "Location": f"/v2/{upload.repository}/blobs/uploads/{upload.id}",
        "Range": upload_range(upload.size),
        "Docker-Upload-UUID": upload.id,
    }
    return Response(status=202, headers=headers)


def _kept(repository: RepositoryName, info: BlobInfo) -> Response:
    headers = {
        "Location": f"/v2/{repository}/blobs/{info.digest}",
        "Docker-Content-Digest": str(info.digest),
    }
    return Response(status=201, headers=headers)
