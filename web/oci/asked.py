"""What a proxy asks before it takes in a body: is this somebody's request at all?

::

    client ── POST /v2/team/etl/blobs/uploads/ ──> proxy ── GET /v2/_may_upload ──> here
                                                   X-Original-URI: /v2/team/etl/blobs/uploads/

A proxy that buffers requests would else write what anybody sends to its disk, for as long as they
send. The 401 that it gets is the client's (deploy/server/nginx.conf), so its challenge is for what
the client asked. Who has a token is passed on, and is told then what it may not.
"""

from flask import Blueprint, Response

from registry.errors import NotAuthenticated
from web.oci.views import OciViews


class AskedViews(OciViews):
    """The route that a proxy asks."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        routes.add_url_rule("/_may_upload", "may_upload", self.may_upload)

    def may_upload(self) -> Response:
        """Say 204 to who has a token that holds, else 401."""
        if self.principal().role is None:
            raise NotAuthenticated("a push")
        return Response(status=204)
