"""`/schemas/<name>.json`: the JSON Schema of each format, drawn from what reads and writes it."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response

from recipes import package
from recipes.difference import difference_schema
from recipes.record import record_schema
from recipes.traced import trace_schema
from resolver.acceptance import acceptance_schema
from resolver.lock import lock_schema
from resolver.source import index_schema
from signing.schema import SCHEMA as STATEMENT
from web.answers import json_answer
from web.errors import NoSuchPage

SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "package": lambda: package.schemas()["package"],
    "deployment_config": lambda: package.schemas()["deployment_config"],
    "statement": lambda: dict(STATEMENT),
    "index": index_schema,
    "lock": lock_schema,
    "acceptance": acceptance_schema,
    "run_record": record_schema,
    "trace": trace_schema,
    "difference": difference_schema,
}
"""Every format that another program may read, by name; each call makes its schema."""


class SchemaViews:
    """The routes of schemas."""

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("schemas", "web", url_prefix="/schemas")
        routes.add_url_rule("/<name>.json", view_func=self.schema)
        return routes

    def schema(self, name: str) -> Response:
        """Send one format's schema."""
        if name not in SCHEMAS:
            near = difflib.get_close_matches(name, SCHEMAS) or list(SCHEMAS)
            raise NoSuchPage(
                f"/schemas/{name}.json", [(entry, f"/schemas/{entry}.json") for entry in near]
            )
        headers = {"Cache-Control": "public, max-age=3600"}
        return json_answer(SCHEMAS[name](), headers=headers, media_type="application/schema+json")
