"""`/api/v1/applications`: bundles, channels, promotions."""

from flask import Blueprint, Response, request

from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName
from registry.images import ImageReference
from web.access_log import NOTES
from web.answers import json_answer, not_modified
from web.api.drawn import draw_application, draw_bundle, draw_promotion
from web.api.fields import NewBundle, NewPromotion, read_request
from web.api.views import ApiViews


class ApplicationViews(ApiViews):
    """The routes of applications."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        one = "/applications/<namespace>/<name>"
        promotions = f"{one}/channels/<channel>/promotions"
        routes.add_url_rule(one, view_func=self.application)
        routes.add_url_rule(f"{one}/acceptance", view_func=self.acceptance)
        routes.add_url_rule(f"{one}/bundles", view_func=self.create_bundle, methods=["POST"])
        routes.add_url_rule(f"{one}/bundles/<digest>", view_func=self.bundle)
        routes.add_url_rule(promotions, view_func=self.history)
        routes.add_url_rule(promotions, view_func=self.promote, methods=["POST"])

    def application(self, namespace: str, name: str) -> Response:
        """Show an application's channels."""
        found = self._registry.channels.application(self.principal(), PackageName(namespace, name))
        return json_answer(draw_application(found))

    def acceptance(self, namespace: str, name: str) -> Response:
        """Tell what its bundles may hold; it needs not be there yet."""
        document = self._registry.acceptances.document(
            self.principal(), PackageName(namespace, name)
        )
        # it names private namespaces that who asks may read
        headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
        unchanged = not_modified(document.etag, headers)
        if unchanged is not None:
            return unchanged
        headers["ETag"] = document.etag
        return Response(document.body, headers=headers, content_type="application/json")

    def create_bundle(self, namespace: str, name: str) -> Response:
        """Make the bundle of a lock and images; the first creates the application."""
        application = PackageName(namespace, name)
        asked = read_request(NewBundle, self._config.json_limit)
        images = [
            ImageReference(RepositoryName(each.repository), Digest.parse(each.digest))
            for each in asked.images
        ]
        bundle = self._registry.bundles.create(self.principal(), application, asked.lock, images)
        request.environ[NOTES]["digest"] = str(bundle.digest)
        return json_answer(draw_bundle(bundle), 201)

    def bundle(self, namespace: str, name: str, digest: str) -> Response:
        """Show what a bundle pins."""
        application = PackageName(namespace, name)
        found = self._registry.bundles.get(self.principal(), application, Digest.parse(digest))
        return json_answer(draw_bundle(found))

    def history(self, namespace: str, name: str, channel: str) -> Response:
        """List a channel's promotions, newest first."""
        application = PackageName(namespace, name)
        history = self._registry.promotions.history(self.principal(), application, channel)
        return json_answer({"promotions": [draw_promotion(entry) for entry in history]})

    def promote(self, namespace: str, name: str, channel: str) -> Response:
        """Move a channel to a bundle, if it is where the client believes it to be."""
        application = PackageName(namespace, name)
        asked = read_request(NewPromotion, self._config.json_limit)
        expected = asked.expected_previous
        promotion = self._registry.promotions.promote(
            self.principal(),
            application,
            channel,
            Digest.parse(asked.bundle),
            None if expected is None else Digest.parse(expected),
        )
        request.environ[NOTES] |= {"application": str(application), "digest": asked.bundle}
        return json_answer(draw_promotion(promotion), 201)
