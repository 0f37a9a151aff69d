"""Blobs: HEAD, GET with ranges, DELETE (distribution-spec 1.1, "Pulling blobs")."""

from flask import Blueprint, Response, request
from werkzeug.datastructures import Headers

from registry.oci.blobs import BlobInfo
from web.answers import not_modified
from web.files import send_part
from web.oci.views import OciViews


class BlobViews(OciViews):
    """The routes of a blob."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        path = "/<repository:name>/blobs/<digest>"
        routes.add_url_rule(path, "get_blob", self.get, methods=["GET"])
        routes.add_url_rule(path, "delete_blob", self.delete, methods=["DELETE"])

    def get(self, name: str, digest: str) -> Response:
        """Send a blob, or its size: HEAD is answered from the database alone."""
        blobs = self._registry.blobs
        info = blobs.stat(self.principal(), self.repository(name), self.digest(digest))
        headers = _headers_of(info)
        unchanged = not_modified(headers["ETag"], {"Docker-Content-Digest": digest})
        if unchanged is not None:
            return unchanged
        if request.method == "HEAD":
            headers["Content-Length"] = str(info.size)
            headers["Accept-Ranges"] = "bytes"
            return Response(status=200, headers=headers)
        path = blobs.path(info)
        file = blobs.open(info) if path is None else path.open("rb", buffering=0)
        return send_part(file, info.size, headers, request.headers.get("Range"), request.environ)

    def delete(self, name: str, digest: str) -> Response:
        """Unlink a blob from the repository."""
        self._registry.blobs.delete(self.principal(), self.repository(name), self.digest(digest))
        return Response(status=202)


def _headers_of(info: BlobInfo) -> Headers:
    return Headers(
        {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": str(info.digest),
            "ETag": f'"{info.digest}"',
        }
    )
