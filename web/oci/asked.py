"""What a proxy asks before it takes in a body: may who sends it upload there at all?

::

    client ── POST /v2/team/etl/blobs/uploads/ ──> proxy ── GET /v2/_may_upload ──> here
                                                   X-Original-URI: /v2/team/etl/blobs/uploads/

A proxy that buffers requests would else write what anybody sends to its disk, for as long as they
send. A refusal says nothing: the proxy passes the request itself on then, without its body, and
that is answered with what is wrong (deploy/server/nginx.conf).
"""

import re
from urllib.parse import unquote

from flask import Blueprint, Response, request

from artifacts.errors import InvalidName
from registry.errors import RegistryError
from web.oci.views import OciViews

_UPLOADS = re.compile(r"/v2/(.+)/blobs/uploads/.*")


class AskedViews(OciViews):
    """The route that a proxy asks; whom it serves could as well begin an upload to find out."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        routes.add_url_rule("/_may_upload", "may_upload", self.may_upload)

    def may_upload(self) -> Response:
        """Say 204, or 403: a proxy knows no more answers than these."""
        path = unquote(request.headers.get("X-Original-URI", "").partition("?")[0])
        matched = _UPLOADS.fullmatch(path)
        if matched is None:
            return Response(status=403)
        try:
            repository = self.repository(matched[1])
            self._registry.repositories.check_push(self.principal(), repository)
            self._registry.switches.require_writable()
        except (InvalidName, RegistryError):
            return Response(status=403)
        return Response(status=204)
