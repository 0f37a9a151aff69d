"""All routes of `/api/v1`."""

from flask import Blueprint, Response

from web.api.applications import ApplicationViews
from web.api.namespaces import NamespaceViews
from web.api.packages import PackageViews
from web.api.solves import SolveViews
from web.api.tokens import TokenViews
from web.config import ServerConfig
from web.services import Services
from web.writes import refuse_strangers, refuse_writes


def api_blueprint(services: Services, config: ServerConfig) -> Blueprint:
    """Return the routes of `/api/v1`."""
    routes = Blueprint("api", "web", url_prefix="/api/v1")
    for views in (NamespaceViews, TokenViews, PackageViews, ApplicationViews, SolveViews):
        views(services, config).add_to(routes)
    routes.before_request(refuse_writes(services.registry.switches))
    routes.before_request(refuse_strangers(services.registry.access))
    routes.after_request(_keep_private)
    return routes


def _keep_private(answer: Response) -> Response:
    answer.headers.setdefault("Cache-Control", "private, no-cache")
    answer.headers["Vary"] = "Authorization, Cookie"
    return answer
