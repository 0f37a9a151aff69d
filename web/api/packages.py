"""`/api/v1/packages`: search, a package, admitting, yanking, and what it is related to."""

from flask import Blueprint, Response, request

from artifacts.digest import Digest
from artifacts.reference import PackageName
from web.access_log import NOTES
from web.answers import json_answer
from web.api.drawn import (
    draw_affected,
    draw_dependents,
    draw_graph,
    draw_package,
    draw_summary,
    draw_yank,
)
from web.api.fields import NewRelease, NewYank, page_size, read_request
from web.api.views import ApiViews


class PackageViews(ApiViews):
    """The routes of packages."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        one = "/packages/<namespace>/<name>"
        release = f"{one}/releases/<version>"
        yank = f"{release}/yank"
        routes.add_url_rule("/packages", view_func=self.search)
        routes.add_url_rule(one, view_func=self.package)
        routes.add_url_rule(f"{one}/releases", view_func=self.admit, methods=["POST"])
        routes.add_url_rule(yank, view_func=self.yank, methods=["POST"])
        routes.add_url_rule(yank, view_func=self.unyank, methods=["DELETE"])
        routes.add_url_rule(f"{one}/dependents", view_func=self.dependents)
        routes.add_url_rule(f"{release}/affected", view_func=self.affected)
        routes.add_url_rule(f"{release}/graph", view_func=self.graph)

    def search(self) -> Response:
        """Return a page of the packages that match."""
        page = self._registry.catalog.search(
            self.principal(),
            request.args.get("q", ""),
            request.args.get("cursor"),
            page_size(),
        )
        packages = [draw_summary(package) for package in page.packages]
        return json_answer({"packages": packages, "next": page.next})

    def package(self, namespace: str, name: str) -> Response:
        """Show a package."""
        package = PackageName(namespace, name)
        return json_answer(draw_package(self._registry.catalog.package(self.principal(), package)))

    def admit(self, namespace: str, name: str) -> Response:
        """List a staged release."""
        package = PackageName(namespace, name)
        asked = read_request(NewRelease, self._config.json_limit)
        digest = Digest.parse(asked.digest)
        request.environ[NOTES] |= {"package": str(package), "digest": str(digest)}
        admission = self._registry.publishing.admit(self.principal(), package, digest)
        drawn = {
            "name": str(admission.name),
            "version": admission.version,
            "digest": str(admission.digest),
            "receipt": str(admission.receipt),
            "revision": admission.revision,
            "url": self.page_url(f"/packages/{admission.name}/{admission.version}"),
        }
        return json_answer(drawn, 201 if admission.created else 200)

    def yank(self, namespace: str, name: str, version: str) -> Response:
        """Take a release out of what a solver may choose."""
        package = PackageName(namespace, name)
        asked = read_request(NewYank, self._config.json_limit)
        yank = self._registry.publishing.yank(self.principal(), package, version, asked.reason)
        return json_answer({"version": version, "yanked": draw_yank(yank)})

    def unyank(self, namespace: str, name: str, version: str) -> Response:
        """Take a yank back."""
        package = PackageName(namespace, name)
        self._registry.publishing.unyank(self.principal(), package, version)
        return json_answer({"version": version, "yanked": None})

    def dependents(self, namespace: str, name: str) -> Response:
        """Return a page of the packages that require this one, and who holds it."""
        found = self._registry.relations.dependents(
            self.principal(),
            PackageName(namespace, name),
            request.args.get("cursor"),
            page_size(),
        )
        return json_answer(draw_dependents(found))

    def affected(self, namespace: str, name: str, version: str) -> Response:
        """Show what a yank of a release affects."""
        package = PackageName(namespace, name)
        found = self._registry.relations.affected(self.principal(), package, version)
        return json_answer(draw_affected(found))

    def graph(self, namespace: str, name: str, version: str) -> Response:
        """Show what a release requires, down to the last."""
        package = PackageName(namespace, name)
        found = self._registry.relations.graph(self.principal(), package, version)
        return json_answer(draw_graph(found))
