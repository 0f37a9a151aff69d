"""`/healthz`: the process answers. `/readyz`: database, schema and store can do their work."""

import logging

from flask import Blueprint, Response

from web.answers import json_answer
from web.services import Services


class HealthViews:
    """For load balancers and people; open to all, so it tells what fails and not why."""

    def __init__(self, services: Services, version: str) -> None:
        self._services = services
        self._version = version
        self._log = logging.getLogger("web.health")

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("health", "web")
        routes.add_url_rule("/healthz", view_func=self.alive, endpoint="alive")
        routes.add_url_rule("/readyz", view_func=self.ready, endpoint="ready")
        return routes

    def alive(self) -> Response:
        """Answer."""
        return json_answer({"status": "ok", "version": self._version}, headers=_NO_STORE)

    def ready(self) -> Response:
        """Try each part; 503 when one fails. The reason is in the log, for the operator."""
        checks = self._services.registry.health.checks()
        failed = [check for check in checks if check.problem is not None]
        for check in failed:
            self._log.error("not ready: %s: %s", check.name, check.problem)
        drawn = {check.name: "ok" if check.problem is None else "failed" for check in checks}
        status = "failed" if failed else "ok"
        return json_answer(
            {"status": status, "checks": drawn}, 503 if failed else 200, headers=_NO_STORE
        )


_NO_STORE = {"Cache-Control": "no-store"}
