"""Blobs: HEAD, GET with ranges, DELETE (distribution-spec 1.1, "Pulling blobs")."""

from flask import Blueprint, Response, g, request

from storage.errors import BlobMissing
from web.leaving import Asked, leave
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
        what = (self.repository(name), self.digest(digest))
        asked = (self.principal(), *what)
        if request.method == "HEAD":
            info, g.is_awaited = blobs.touch(*asked)
            g.confirm = lambda who: blobs.touch(who, *what) == (info, False)
        else:
            info = blobs.stat(*asked)
            g.confirm = lambda who: blobs.stat(who, *what) == info
        g.oci_blob = info
        try:
            leaving = leave(blobs, info, Asked.read(request.environ), self._services.ways)
        except BlobMissing:
            blobs.stat(*asked)  # a sweep may have come between: then it isn't there
            raise
        return Response(
            leaving.body(request.environ),
            status=leaving.status,
            headers=leaving.headers,
            direct_passthrough=True,
        )

    def delete(self, name: str, digest: str) -> Response:
        """Unlink a blob from the repository."""
        self._registry.blobs.delete(self.principal(), self.repository(name), self.digest(digest))
        return Response(status=202)
