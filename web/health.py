"""`/healthz`: the process answers. `/readyz`: database, schema and store can do their work."""

import logging
import threading
import time
from collections.abc import Callable

from flask import Blueprint, Response

from registry.health import Check
from web.answers import json_answer
from web.services import Services


class HealthViews:
    """For load balancers and people; open to all, so it tells what fails and not why."""

    def __init__(self, services: Services, version: str) -> None:
        self._services = services
        self._version = version
        self._lately = Lately(self._look)
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
        checks = self._lately.find()
        failed = [check for check in checks if check.problem is not None]
        drawn = {check.name: "ok" if check.problem is None else "failed" for check in checks}
        status = "failed" if failed else "ok"
        return json_answer(
            {"status": status, "checks": drawn}, 503 if failed else 200, headers=_NO_STORE
        )

    def _look(self) -> tuple[Check, ...]:
        checks = self._services.registry.health.checks()
        for check in checks:
            if check.problem is not None:
                self._log.error("not ready: %s: %s", check.name, check.problem)
        return checks


class Lately:
    """What was found when somebody last looked.

    Anybody may ask, as often as they like, and each look writes to the store, which may be far away
    and paid for by the request, or not answer for long. So one looks at a time, and while that
    takes, others hear what was found before; what was well then is taken to be so for a second.
    """

    def __init__(self, look: Callable[[], tuple[Check, ...]]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._found: tuple[Check, ...] | None = None
        self._until = 0.0

    def find(self) -> tuple[Check, ...]:
        """Return what was found, now or lately."""
        found = self._found
        if found is not None and time.monotonic() < self._until:
            return found
        if not self._lock.acquire(blocking=found is None) and found is not None:
            return found
        try:
            if self._found is None or time.monotonic() >= self._until:
                self._found = self._look()
                is_well = all(check.problem is None for check in self._found)
                self._until = time.monotonic() + (_GOOD_FOR if is_well else 0.0)
            return self._found
        finally:
            self._lock.release()


_GOOD_FOR = 1.0
"""Seconds."""

_NO_STORE = {"Cache-Control": "no-store"}
