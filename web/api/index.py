"""`/index` and `/keys`: what a solver and a verifier read. Cheap, and cacheable by ETag."""

from flask import Blueprint, Response

from artifacts.digest import Digest
from artifacts.reference import PackageName
from web.answers import json_answer, not_modified
from web.api.fields import read_whole
from web.api.views import ApiViews


class IndexViews(ApiViews):
    """The routes of the sparse index."""

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("index", "web", url_prefix="/index")
        routes.add_url_rule("/revision.json", view_func=self.revision)
        routes.add_url_rule("/<namespace>/<name>.json", view_func=self.package)
        return routes

    def revision(self) -> Response:
        """Tell the revision of the last change; it is no secret, and names nothing."""
        drawn = {"schema_version": 1, "revision": self._registry.index.revision()}
        return json_answer(drawn, headers={"Cache-Control": "public, no-cache"})

    def package(self, namespace: str, name: str) -> Response:
        """Send a package's releases, as they are or were at the revision `as_of`."""
        document = self._registry.index.package_index(
            self.principal(), PackageName(namespace, name), read_whole("as_of", None)
        )
        headers = _caching(public=document.public)
        unchanged = not_modified(document.etag, headers)
        if unchanged is not None:
            return unchanged
        headers["ETag"] = document.etag
        return Response(document.body, headers=headers, content_type="application/json")


class KeyViews(ApiViews):
    """The routes of public keys."""

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("keys", "web", url_prefix="/keys")
        routes.add_url_rule("/_server.asc", view_func=self.server_key)
        routes.add_url_rule("/<namespace>.asc", view_func=self.namespace_keys)
        return routes

    def server_key(self) -> Response:
        """Send the server's own public key, which receipts and promotions verify with."""
        return _armored(self._registry.server_key.public_key(), public=True)

    def namespace_keys(self, namespace: str) -> Response:
        """Send a namespace's public keys."""
        principal = self.principal()
        keyring = self._registry.namespaces.keyring(principal, namespace)
        public = self._registry.namespaces.get(principal, namespace).public
        return _armored(keyring, public=public)


def _armored(text: str, *, public: bool) -> Response:
    data = text.encode("ascii")
    etag = f'"{Digest.of(data).hex}"'
    headers = _caching(public=public)
    unchanged = not_modified(etag, headers)
    if unchanged is not None:
        return unchanged
    headers["ETag"] = etag
    return Response(data, headers=headers, content_type="application/pgp-keys")


def _caching(*, public: bool) -> dict[str, str]:
    if public:
        return {"Cache-Control": "public, no-cache"}
    return {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
