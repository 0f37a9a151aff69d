"""Manifests: PUT, GET, HEAD, DELETE (distribution-spec 1.1, "Pulling/Pushing manifests")."""

from flask import Blueprint, Response, request

from artifacts.errors import InvalidName
from artifacts.reference import Tag, parse_reference
from registry.errors import ManifestTooLarge, ManifestUnknown
from registry.oci.manifests import ManifestInfo
from web.access_log import NOTES
from web.answers import not_modified
from web.bodies import open_body, read_bounded
from web.errors import BodyTooLarge, NotAcceptable
from web.oci.views import OciViews


class ManifestViews(OciViews):
    """The routes of a manifest."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        path = "/<repository:name>/manifests/<reference>"
        routes.add_url_rule(path, "get_manifest", self.get, methods=["GET"])
        routes.add_url_rule(path, "put_manifest", self.put, methods=["PUT"])
        routes.add_url_rule(path, "delete_manifest", self.delete, methods=["DELETE"])

    def get(self, name: str, reference: str) -> Response:
        """Send a manifest; a tag outside of the grammar is one that isn't there."""
        repository = self.repository(name)
        manifests = self._registry.manifests
        try:
            parsed = parse_reference(reference)
        except InvalidName as error:
            raise ManifestUnknown(f"{name}:{reference}") from error
        if request.method == "HEAD":
            info, data = manifests.stat(self.principal(), repository, parsed), None
        else:
            stored = manifests.get(self.principal(), repository, parsed)
            info, data = stored.info, stored.data
        headers = _headers_of(info)
        accepted = request.accept_mimetypes
        if accepted and accepted.quality(info.media_type) <= 0:
            raise NotAcceptable(info.media_type, str(accepted))
        unchanged = not_modified(f'"{info.digest}"', headers)
        if unchanged is not None:
            return unchanged
        headers |= {
            "Content-Type": info.media_type,
            "ETag": f'"{info.digest}"',
            "Content-Length": str(info.size),
        }
        return Response(data, headers=headers)

    def put(self, name: str, reference: str) -> Response:
        """Take in a manifest under a tag or digest, and under the tags that `tag` names."""
        repository = self.repository(name)
        put = self._registry.manifests.put(
            self.principal(),
            repository,
            parse_reference(reference),
            self._read_body(),
            request.mimetype or None,
            tags=[Tag(text) for text in request.args.getlist("tag")],
        )
        answer = Response(status=201, headers=_headers_of(put.info))
        answer.headers["Location"] = f"/v2/{repository}/manifests/{put.info.digest}"
        if put.info.subject is not None:
            answer.headers["OCI-Subject"] = str(put.info.subject)
        for tag in put.tags:
            answer.headers.add("OCI-Tag", str(tag))
        return answer

    def delete(self, name: str, reference: str) -> Response:
        """Delete a tag, or a manifest with its tags."""
        manifests = self._registry.manifests
        manifests.delete(self.principal(), self.repository(name), parse_reference(reference))
        return Response(status=202)

    def _read_body(self) -> bytes:
        limit = self._registry.config.manifest_limit
        try:
            return read_bounded(open_body(request.environ), limit, "a manifest")
        except BodyTooLarge as error:
            raise ManifestTooLarge(error.found, limit) from error


def _headers_of(info: ManifestInfo) -> dict[str, str]:
    request.environ[NOTES]["digest"] = str(info.digest)
    headers = {"Docker-Content-Digest": str(info.digest)}
    if info.warning is not None:
        headers["Warning"] = f'299 - "{_quoted(info.warning)}"'
    return headers


def _quoted(text: str) -> str:
    """Return `text` for a quoted string of a header: one line of latin-1, without controls."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(plain.split()).replace("\\", "\\\\").replace('"', '\\"')
    return line.encode("latin-1", "replace").decode("latin-1")
