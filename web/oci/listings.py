"""Listings: tags, referrers, repositories (distribution-spec 1.1, "Content discovery")."""

from flask import Blueprint, Response, request

from artifacts import media
from registry.errors import NotAuthenticated
from web.answers import json_answer, next_link
from web.oci.views import OciViews, page_limit, page_position, page_start


class ListingViews(OciViews):
    """The routes that list."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        routes.add_url_rule("/", "ping", self.ping)
        routes.add_url_rule("/_catalog", "catalog", self.catalog)
        routes.add_url_rule("/<repository:name>/tags/list", "tags", self.tags)
        routes.add_url_rule("/<repository:name>/referrers/<digest>", "referrers", self.referrers)

    def ping(self) -> Response:
        """Say that this is a registry; a challenge to who hasn't logged in.

        Docker learns only here how to log in, so it is asked although public names need none. A
        bearer token of nobody's will do, since then it has learnt it.
        """
        self.principal()
        if "Authorization" not in request.headers:
            raise NotAuthenticated("the registry")
        return json_answer({})

    def catalog(self) -> Response:
        """List the repositories with something that the principal may see.

        Who sends no login is asked for one, since clients keep theirs until then, and would take
        the public names for all there is.
        """
        if "Authorization" not in request.headers:
            raise NotAuthenticated("the catalog")
        limit = page_limit()
        last = page_start()
        principal = self.principal()
        self._registry.access.require_catalog(principal)
        page = self._registry.repositories.page(principal, limit, last)
        answer = json_answer({"repositories": list(page.names)})
        if page.last is not None:
            answer.headers["Link"] = next_link({"n": limit, "last": page.last})
        return answer

    def tags(self, name: str) -> Response:
        """List a repository's tags."""
        limit = page_limit()
        last = page_start()
        repository = self.repository(name)
        page = self._registry.tags.page(self.principal(), repository, limit, last)
        answer = json_answer({"name": name, "tags": list(page.names)})
        if page.last is not None:
            answer.headers["Link"] = next_link({"n": limit, "last": page.last})
        return answer

    def referrers(self, name: str, digest: str) -> Response:
        """List the manifests whose subject is a digest; that it is there isn't needed."""
        wanted = request.args.get("artifactType") or None
        last = page_position()
        found = self._registry.referrers.index(
            self.principal(), self.repository(name), self.digest(digest), wanted, last
        )
        answer = Response(found.data, content_type=media.INDEX)
        if found.filtered:
            answer.headers["OCI-Filters-Applied"] = "artifactType"
        if found.last is not None:
            answer.headers["Link"] = next_link({"artifactType": wanted, "last": found.last})
        return answer
