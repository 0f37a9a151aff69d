"""The application: `create_app(services, config)` and nothing global.

::

    /v2/            oci/        any OCI client        errors as OCI JSON
    /api/v1/        api/        the command line      errors as RFC 9457 problems
    /index/ /keys/  api/index   solvers, verifiers    the same
    /schemas/       schemas     programs              the same
    /healthz        health      load balancers        the same
    /               index/      people                errors as pages
"""

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import metadata
from typing import Any

from flask import Flask, Response, g, render_template, request
from jinja2 import StrictUndefined

from artifacts.errors import InvalidName
from registry.access import ANONYMOUS, Principal
from registry.errors import (
    DatabaseUnavailable,
    ExpiredToken,
    InvalidToken,
    NotAuthenticated,
    RegistryError,
    SolverBusy,
)
from storage.errors import StoreUnavailable
from web.access_log import NOTES, start_notes
from web.answers import oci_error_answer, problem_answer
from web.api.blueprint import api_blueprint
from web.api.index import IndexViews, KeyViews
from web.api.views import public_url
from web.auth import SessionCookies, csrf_token, current_principal
from web.bodies import LARGEST_FORM, has_stalled
from web.config import ServerConfig
from web.errors import CUT_SHORT, Problem, problem_of, stalled
from web.front import install_front
from web.headers import add_headers
from web.health import HealthViews
from web.index import times
from web.index.pages import PageViews
from web.oci.blueprint import oci_blueprint
from web.oci.token import challenge
from web.proxies import PROXIED
from web.routing import RepositoryConverter
from web.schemas import SchemaViews
from web.services import Services

_LOG = logging.getLogger("web")
_NOT_FOUND = 404
_UNAUTHORIZED = 401
_BROKEN = 500
_UNLIMITED = frozenset({"health"})
"""Blueprints of what asks often, and must be answered: load balancers."""

_MAY_UPLOAD = "oci.may_upload"
"""The endpoint that a proxy asks on behalf of a request that is counted itself."""

_DATA_PREFIXES = ("/api/", "/index/", "/keys/", "/schemas/", "/healthz", "/readyz", "/v2/")


def create_app(services: Services, config: ServerConfig) -> Flask:
    """Build the WSGI application over `services`."""
    version = find_version()
    app = Flask("web")
    app.secret_key = services.session_secret
    app.session_interface = SessionCookies()
    app.config.update(
        SESSION_COOKIE_NAME="recipebox_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=config.session_days),
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=LARGEST_FORM,  # of what Flask reads itself, which nothing asks it to
    )
    # `//` in a name is wrong, and one at the end means nothing: neither is a reason to redirect.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["repository"] = RepositoryConverter
    pages = PageViews(services, config)
    for blueprint in (
        oci_blueprint(services),
        api_blueprint(services, config),
        IndexViews(services, config).blueprint(),
        KeyViews(services, config).blueprint(),
        SchemaViews().blueprint(),
        HealthViews(services, version).blueprint(),
        pages.blueprint(),
    ):
        app.register_blueprint(blueprint)
    _dress_templates(app, services, version)
    _wrap_requests(app, services, version)
    app.register_error_handler(Exception, _ErrorAnswers(pages, config).answer)
    checks = [services.rates.allows] if services.rates.is_on else []
    install_front(app, services, config.cache_bytes, checks)
    return app


def find_version() -> str:
    """Return the installed version of Recipebox, or `0+source` where it isn't installed."""
    try:
        return metadata.version("recipebox")
    except metadata.PackageNotFoundError:
        return "0+source"


def _wrap_requests(app: Flask, services: Services, version: str) -> None:
    """Give each request its id and a session of the database, and its answer the headers."""

    def begin() -> None:
        notes = start_notes(request.environ)
        g.request_id = notes["request_id"]
        g.session = contextlib.ExitStack()
        g.session.enter_context(services.registry.database.session())

    def add(answer: Response) -> Response:
        return add_headers(answer, g.request_id, version)

    def end(_error: BaseException | None) -> None:
        session = g.pop("session", None)
        if session is not None:
            session.close()

    app.before_request(begin)
    if services.rates.is_on:
        app.before_request(_limiting(services))
    app.after_request(add)
    app.teardown_request(end)


def _limiting(services: Services) -> Callable[[], None]:
    """Return what counts each request before its view, and refuses those that are too many."""
    rates, registry = services.rates, services.registry

    def limit() -> None:
        if request.blueprint in _UNLIMITED or request.endpoint == "static":
            return
        bearer = registry.bearer if request.blueprint == "oci" else None
        try:
            principal = current_principal(registry.access, bearer)
        except ExpiredToken:
            raise  # who has it knew the secret
        except InvalidToken:
            rates.fail(request.environ)
            raise
        if request.endpoint != _MAY_UPLOAD or request.environ.get(PROXIED) is not True:
            rates.check(request.environ, principal)

    return limit


def _dress_templates(app: Flask, services: Services, version: str) -> None:
    """Give templates their filters and what every page shows."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        relative=times.relative,
        exact=times.exact,
        iso=times.iso,
        grouped=_group,
        shortened=_shorten,
    )

    def context() -> dict[str, Any]:
        principal: Principal = g.get("principal", ANONYMOUS)
        now: datetime = services.clock()
        return {
            "principal": principal if principal.role is not None else None,
            "here": request.full_path.rstrip("?"),
            "now": now,
            "version": version,
            "csrf_token": csrf_token,
        }

    app.context_processor(context)


def _group(fingerprint: str) -> str:
    """Return a fingerprint in groups of four, as gpg prints it."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def _shorten(digest: object) -> str:
    """Return a digest's first twelve hex digits, with its algorithm."""
    algorithm, _, value = str(digest).partition(":")
    return f"{algorithm}:{value[:12]}"


class _ErrorAnswers:
    """Answers every error in the words of whoever asked."""

    def __init__(self, pages: PageViews, config: ServerConfig) -> None:
        self._pages = pages
        self._config = config

    def answer(self, error: Exception) -> Response:
        """Return the answer for `error`; what isn't the client's fault is logged with its trace."""
        problem = problem_of(error)
        if problem.code == CUT_SHORT and has_stalled(request.environ):
            problem = stalled(problem)
        if problem.status >= _BROKEN and not isinstance(error, SolverBusy):
            request_id = g.get("request_id", "")
            # what is away is no defect of the code, and its sentence says all
            trace = None if isinstance(error, DatabaseUnavailable | StoreUnavailable) else error
            _LOG.error("request %s failed: %s", request_id, error, exc_info=trace)
        if request.path == "/v2" or request.path.startswith("/v2/"):
            answer = oci_error_answer(problem, self._request_id())
        elif request.path.startswith(_DATA_PREFIXES):
            answer = problem_answer(problem, self._request_id())
        else:
            return self._page(error, problem)
        if problem.status == _UNAUTHORIZED:
            url = public_url(self._config)
            answer.headers["WWW-Authenticate"] = challenge(error, url)
        return answer

    def _page(self, error: Exception, problem: Problem) -> Response:
        with contextlib.suppress(RegistryError):
            current_principal(self._pages.access)
        status = problem.status
        nearest = []
        missing = status == _NOT_FOUND or isinstance(error, NotAuthenticated | InvalidName)
        if missing:
            status = _NOT_FOUND
            nearest = self._pages.nearest(request.path)
        text = render_template(
            "error.html",
            problem=problem,
            missing=missing,
            nearest=nearest,
            request_id=self._request_id(),
        )
        return Response(text, status=status, mimetype="text/html", headers=dict(problem.headers))

    @staticmethod
    def _request_id() -> str:
        return str(request.environ[NOTES]["request_id"])
