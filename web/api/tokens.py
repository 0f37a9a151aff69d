"""`/api/v1/tokens`: administrators make any, others narrower ones of their own."""

from datetime import timedelta

from flask import Blueprint, Response

from registry.access import Role, Verb
from registry.errors import InvalidValue, NotAuthenticated
from web.answers import json_answer
from web.api.drawn import draw_token
from web.api.fields import NewToken, read_request
from web.api.views import ApiViews


class TokenViews(ApiViews):
    """The routes of tokens."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        routes.add_url_rule("/tokens", "tokens", self.tokens)
        routes.add_url_rule("/tokens", "create_token", self.create, methods=["POST"])
        routes.add_url_rule("/tokens/<token>", "revoke_token", self.revoke, methods=["DELETE"])

    def tokens(self) -> Response:
        """List those that the principal may know of."""
        tokens = self._registry.tokens.all(self.principal())
        return json_answer({"tokens": [draw_token(token) for token in tokens]})

    def create(self) -> Response:
        """Make one, and show its text, once; what isn't said is as the principal's own token."""
        asked = read_request(NewToken, self._config.json_limit)
        principal = self.principal()
        if principal.role is None:
            raise NotAuthenticated("a token")
        verbs = asked.verbs
        if verbs is None and asked.role is None and principal.verbs is not None:
            verbs = sorted(principal.verbs)
        made = self._registry.tokens.create(
            asked.name or principal.name,
            principal.role if asked.role is None else Role(asked.role),
            asked.namespace or principal.namespace,
            None if asked.expires_in is None else timedelta(seconds=asked.expires_in),
            verbs=None if verbs is None else [_verb(text) for text in verbs],
            by=principal,
        )
        drawn = {"token": made.text, **draw_token(made.token)}
        return json_answer(drawn, 201, headers={"Cache-Control": "no-store"})

    def revoke(self, token: str) -> Response:
        """End one at once, and those of the same name that were made with it."""
        return json_answer(draw_token(self._registry.tokens.revoke(token, self.principal())))


def _verb(text: str) -> Verb:
    try:
        return Verb(text)
    except ValueError:
        raise InvalidValue("verbs", text, f"some of {', '.join(Verb)}") from None
