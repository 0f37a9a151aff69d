"""`/api/v1/whoami` and `/api/v1/namespaces`: who asks, what they own, whose keys sign there."""

from typing import Any, cast

from flask import Blueprint, Response

from registry.errors import NotAuthenticated
from registry.namespaces import Changes
from registry.retention import Retention
from web.answers import json_answer
from web.api.drawn import draw_key, draw_namespace, draw_verdict
from web.api.fields import NamespaceChange, NewKey, NewNamespace, read_request
from web.api.views import ApiViews

_MOST_TOLD = 1000
"""Tags in the answer of a simulation at most."""


class NamespaceViews(ApiViews):
    """The routes of namespaces."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        one = "/namespaces/<namespace>"
        routes.add_url_rule("/whoami", view_func=self.whoami)
        routes.add_url_rule("/namespaces", view_func=self.namespaces)
        routes.add_url_rule("/namespaces", view_func=self.create, methods=["POST"])
        routes.add_url_rule(one, view_func=self.namespace)
        routes.add_url_rule(one, view_func=self.change, methods=["PATCH"])
        routes.add_url_rule(f"{one}/retention/simulation", view_func=self.simulation)
        routes.add_url_rule(f"{one}/keys", view_func=self.keys)
        routes.add_url_rule(f"{one}/keys", view_func=self.add_key, methods=["POST"])

    def whoami(self) -> Response:
        """Tell who the token belongs to, and what it may do."""
        principal = self.principal()
        if principal.role is None:
            raise NotAuthenticated("whoami")
        return json_answer(
            {
                "name": principal.name,
                "role": principal.role.value,
                "namespace": principal.namespace,
                "verbs": None if principal.verbs is None else sorted(principal.verbs),
            }
        )

    def namespaces(self) -> Response:
        """List the namespaces that may be read."""
        visible = self._registry.namespaces.visible(self.principal())
        return json_answer({"namespaces": [draw_namespace(entry) for entry in visible]})

    def create(self) -> Response:
        """Create one."""
        asked = read_request(NewNamespace, self._config.json_limit)
        made = self._registry.namespaces.create(self.principal(), asked.name, public=asked.public)
        return json_answer(draw_namespace(made), 201)

    def namespace(self, namespace: str) -> Response:
        """Show one."""
        return json_answer(
            draw_namespace(self._registry.namespaces.get(self.principal(), namespace))
        )

    def change(self, namespace: str) -> Response:
        """Change its settings."""
        asked = read_request(NamespaceChange, self._config.json_limit)
        changes = cast("Changes", asked.model_dump(exclude_unset=True))
        if asked.retention is not None:
            changes["retention"] = Retention.read(asked.retention)
        changed = self._registry.namespaces.change(self.principal(), namespace, changes)
        return json_answer(draw_namespace(changed))

    def simulation(self, namespace: str) -> Response:
        """Say which tags would go by its rules: how many, and the first of them."""
        going: list[dict[str, Any]] = []
        counts = {True: 0, False: 0}
        for verdict in self._registry.retentions.simulate(self.principal(), namespace):
            counts[verdict.goes] += 1
            if verdict.goes and len(going) < _MOST_TOLD:
                going.append(draw_verdict(verdict))
        return json_answer({"goes": counts[True], "stays": counts[False], "tags": going})

    def keys(self, namespace: str) -> Response:
        """List its public keys."""
        keys = self._registry.namespaces.keys(self.principal(), namespace)
        return json_answer({"keys": [draw_key(key) for key in keys]})

    def add_key(self, namespace: str) -> Response:
        """Add a public key."""
        asked = read_request(NewKey, self._config.json_limit)
        key = self._registry.namespaces.add_key(
            self.principal(), namespace, asked.armored, asked.roles
        )
        return json_answer(draw_key(key), 201)
