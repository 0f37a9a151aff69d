"""The pages: search, a package, an application, log-in. Each reads the domain and renders.

The page that solves has a file of its own (web/index/solving.py).
"""

import difflib
from datetime import timedelta
from urllib.parse import quote

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from artifacts.reference import PackageName
from registry.access import Principal
from registry.catalog import PackagePage, ReleaseInfo
from registry.errors import ExpiredToken, InvalidToken, RegistryError, ReleaseUnknown
from registry.promotions import Promotion
from web.api.views import public_url
from web.auth import begin_session, check_csrf, current_principal, end_session
from web.bodies import first_value, read_form
from web.config import ServerConfig
from web.errors import FormExpired
from web.headers import PICTURE_POLICY
from web.index.graph import draw_svg
from web.index.readme import render_readme
from web.index.solving import SolvingPage
from web.services import Services

_PAGE = 20
_DRAWN_NODES = 60
"""Releases in a picture at most: more are no picture any more, and the API has them."""
_LONGEST_QUERY = 200
_ROBOTS = "User-agent: *\nDisallow: /solve\nDisallow: /api/\n"
"""What crawlers are asked to leave alone: each address there is work of its own."""


class PageViews:
    """The routes of the pages."""

    def __init__(self, services: Services, config: ServerConfig) -> None:
        self.access = services.registry.access
        self._registry = services.registry
        self._config = config
        self._clock = services.clock
        self._rates = services.rates
        self._solving = SolvingPage(services)

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("pages", "web")
        package = "/packages/<namespace>/<name>"
        routes.add_url_rule("/", view_func=self.home)
        routes.add_url_rule(package, view_func=self.package)
        routes.add_url_rule(f"{package}/<version>", view_func=self.release)
        routes.add_url_rule(f"{package}/<version>/graph.svg", view_func=self.graph)
        routes.add_url_rule("/applications/<namespace>/<name>", view_func=self.application)
        routes.add_url_rule("/solve", view_func=self._solving.solve)
        routes.add_url_rule("/robots.txt", view_func=self.robots)
        routes.add_url_rule("/login", view_func=self.login, methods=["GET", "POST"])
        routes.add_url_rule("/logout", view_func=self.logout, methods=["POST"])
        return routes

    def principal(self) -> Principal:
        """Return who asks."""
        return current_principal(self.access)

    def home(self) -> str:
        """Search, and the list of packages."""
        query = " ".join(request.args.get("q", "").split())[:_LONGEST_QUERY]
        cursor = request.args.get("cursor") or None
        page = self._registry.catalog.search(self.principal(), query, cursor, _PAGE)
        return render_template(
            "home.html",
            q=query,
            packages=page.packages,
            first=cursor is None,
            next=page.next,
            registry=public_url(self._config),
        )

    def package(self, namespace: str, name: str) -> str:
        """Show a package by its newest release that isn't yanked."""
        package = self._registry.catalog.package(self.principal(), PackageName(namespace, name))
        return self._render(package, package.latest, pinned=False)

    def release(self, namespace: str, name: str, version: str) -> str:
        """Show one release: the link to it stays good for ever."""
        package = self._registry.catalog.package(self.principal(), PackageName(namespace, name))
        for release in package.releases:
            if release.version == version:
                return self._render(package, release, pinned=True)
        raise ReleaseUnknown(f"{package.name}@{version}")

    def graph(self, namespace: str, name: str, version: str) -> Response:
        """Draw what a release requires, down to the last."""
        package = PackageName(namespace, name)
        graph = self._registry.relations.graph(self.principal(), package, version, _DRAWN_NODES)
        headers = {
            "Cache-Control": "private, no-cache",
            "Vary": "Authorization, Cookie",
            "Content-Security-Policy": PICTURE_POLICY,
        }
        return Response(draw_svg(graph), headers=headers, mimetype="image/svg+xml")

    def application(self, namespace: str, name: str) -> str:
        """Show what each channel holds, and every promotion that led there."""
        principal = self.principal()
        application = self._registry.channels.application(principal, PackageName(namespace, name))
        history: list[Promotion] = []
        bundles = {}
        for channel in application.channels:
            history += self._registry.promotions.history(principal, application.name, channel.name)
            if channel.bundle is not None:
                bundle = self._registry.bundles.get(principal, application.name, channel.bundle)
                bundles[channel.name] = bundle
        history.sort(key=lambda promotion: promotion.at, reverse=True)
        return render_template(
            "application.html", application=application, bundles=bundles, promotions=history
        )

    def robots(self) -> Response:
        """Tell crawlers what isn't for them (RFC 9309)."""
        headers = {"Cache-Control": "public, max-age=86400"}
        return Response(_ROBOTS, headers=headers, mimetype="text/plain")

    def login(self) -> AnyResponse:
        """Show the form; take a token, begin a session, and go where the browser came from."""
        asked = request.args.get("next", "")
        if request.method != "POST":
            destination = local_path(asked)
            if self.principal().role is not None:
                return redirect(destination, code=303)
            return _login_form(destination)
        form = read_form(request.environ)
        destination = local_path(asked or first_value(form, "next"))
        typed = first_value(form, "token").strip()
        try:
            check_csrf(form)
            begin_session(self.access, typed)
        except FormExpired:
            return _login_form(destination, typed, "This form had expired. Send it again.")
        except InvalidToken as error:
            if not isinstance(error, ExpiredToken):
                self._rates.fail(request.environ)
            return _login_form(destination, typed, f"This token was refused: {error.reason}.")
        return redirect(destination, code=303)

    def logout(self) -> AnyResponse:
        """End the session."""
        check_csrf(read_form(request.environ))
        until = self._clock() + timedelta(days=self._config.session_days)
        end_session(self.access, self._registry.sessions, until)
        return redirect(url_for("pages.home"), code=303)

    def nearest(self, path: str) -> list[tuple[str, str]]:
        """Return the (label, URL) of packages whose names are like the one in `path`."""
        wanted = path.removeprefix("/packages/").strip("/")
        words = [part for part in wanted.split("/")[:2] if part]
        candidates: set[str] = set()
        for query in ("/".join(words), *words):
            try:
                page = self._registry.catalog.search(self.principal(), query[:64], None, 100)
            except RegistryError:
                continue
            candidates |= {str(package.name) for package in page.packages}
        near = difflib.get_close_matches("/".join(words), sorted(candidates), n=3, cutoff=0.5)
        return [(name, f"/packages/{quote(name)}") for name in near]

    def _render(self, package: PackagePage, release: ReleaseInfo, *, pinned: bool) -> str:
        metadata = release.metadata
        relations, principal = self._registry.relations, self.principal()
        return render_template(
            "package.html",
            dependents=relations.dependents(principal, package.name, limit=_PAGE),
            affected=relations.affected(principal, package.name, release.version),
            package=package,
            release=release,
            metadata=metadata,
            readme=render_readme(str(metadata.get("readme") or "")),
            readable={name for name in release.requires if self._is_readable(name)},
            fetch_command=_fetch_command(package, release, pinned=pinned),
            solve_with=f"{package.name} ={release.version}" if pinned else str(package.name),
        )

    def _is_readable(self, name: str) -> bool:
        try:
            self._registry.catalog.package(self.principal(), PackageName.parse(name))
        except RegistryError:
            return False
        return True


def local_path(text: str) -> str:
    """Return `text` if it is a path of this server, else `/`: a log-in leads nowhere else."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_local and text.isprintable() else "/"


def _login_form(destination: str, typed: str = "", error: str | None = None) -> Response:
    page = render_template("login.html", next=destination, typed=typed, error=error)
    headers = {"Cache-Control": "no-store"}
    return Response(page, status=400 if error else 200, headers=headers, mimetype="text/html")


def _fetch_command(package: PackagePage, release: ReleaseInfo, *, pinned: bool) -> str:
    which = f"@{release.version}" if pinned or release.yanked else ""
    return f"recipebox fetch {package.name}{which} --out {package.name.name}"
