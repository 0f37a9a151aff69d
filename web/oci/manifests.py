"""Manifests: PUT, GET, HEAD, DELETE (distribution-spec 1.1, "Pulling/Pushing manifests")."""

from flask import Blueprint, Response, g, request

from artifacts.errors import InvalidName
from artifacts.reference import Tag, parse_reference
from registry.errors import ManifestTooLarge, ManifestUnknown
from registry.oci.manifests import ManifestInfo
from web.access_log import NOTES
from web.answers import not_modified
from web.bodies import open_body, read_bounded
from web.errors import BodyTooLarge, TooManyTags
from web.oci.views import OciViews

MOST_TAGS = 100
"""Tags that one put may give: the specification asks for ten at least."""

_LONGEST_WARNING = 1000


class ManifestViews(OciViews):
    """The routes of a manifest."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        path = "/<repository:name>/manifests/<reference>"
        routes.add_url_rule(path, "get_manifest", self.get, methods=["GET"])
        routes.add_url_rule(path, "put_manifest", self.put, methods=["PUT"])
        routes.add_url_rule(path, "delete_manifest", self.delete, methods=["DELETE"])

    def get(self, name: str, reference: str) -> Response:
        """Send a manifest; a tag outside of the grammar is one that isn't there.

        Whatever Accept says (docs/adr/0017): a reference names one manifest, of one type.
        """
        repository = self.repository(name)
        manifests = self._registry.manifests
        try:
            parsed = parse_reference(reference)
        except InvalidName as error:
            raise ManifestUnknown(f"{name}:{reference}") from error
        if request.method == "HEAD":
            info, g.is_awaited = manifests.touch(self.principal(), repository, parsed)
            data = None
            g.confirm = lambda who: manifests.touch(who, repository, parsed) == (info, False)
        else:
            stored = manifests.get(self.principal(), repository, parsed)
            info, data = stored.info, stored.data
            g.confirm = lambda who: manifests.stat(who, repository, parsed) == info
        request.environ[NOTES]["digest"] = str(info.digest)
        unchanged = not_modified(f'"{info.digest}"', headers_of_change(info))
        if unchanged is not None:
            return unchanged
        return Response(data, headers=headers_of(info))

    def put(self, name: str, reference: str) -> Response:
        """Take in a manifest under a tag or digest, and under the tags that `tag` names."""
        repository = self.repository(name)
        tags = list(dict.fromkeys(request.args.getlist("tag")))
        if len(tags) > MOST_TAGS:
            raise TooManyTags(len(tags), MOST_TAGS)
        principal = self.principal()
        parsed = parse_reference(reference)
        # before the body is waited for: whoever may not push holds no thread and no memory with it
        self._registry.repositories.check_push(principal, repository)
        put = self._registry.manifests.put(
            principal,
            repository,
            parsed,
            self._read_body(),
            request.mimetype or None,
            tags=[Tag(text) for text in tags],
        )
        request.environ[NOTES]["digest"] = str(put.info.digest)
        answer = Response(status=201, headers=headers_of_change(put.info))
        answer.headers["Location"] = f"/v2/{repository}/manifests/{put.info.digest}"
        if put.info.subject is not None:
            answer.headers["OCI-Subject"] = str(put.info.subject)
        for tag in tags:
            answer.headers.add("OCI-Tag", tag)
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


def headers_of(info: ManifestInfo) -> dict[str, str]:
    """Return the headers of a manifest that is sent, or asked about by HEAD."""
    return {
        **headers_of_change(info),
        "Content-Type": info.media_type,
        "ETag": f'"{info.digest}"',
        "Content-Length": str(info.size),
    }


def headers_of_change(info: ManifestInfo) -> dict[str, str]:
    """Return the headers that a manifest has in any answer, also where it isn't sent."""
    headers = {"Docker-Content-Digest": str(info.digest)}
    if info.warning is not None:
        headers["Warning"] = draw_warning(info.warning)
    return headers


def draw_warning(text: str) -> str:
    """Return `Warning` as distribution-spec has it: 299, no agent, a quoted string, no date.

    All of an answer's may have 4096 bytes; this one has at most 1,000 of text, and its quotes. What
    isn't ASCII is UTF-8, byte by byte (obs-text of RFC 9110): what clients print it as.
    """
    plain = "".join(char if char.isprintable() else " " for char in text)
    cut = " ".join(plain.split()).encode()[:_LONGEST_WARNING].decode("utf-8", "ignore")
    quoted = cut.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'.encode().decode("latin-1")
