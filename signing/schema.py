"""The JSON Schema of a statement (draft 2020-12), served at `/schemas/statement.json`.

What a schema can't say is checked by `signing.statement` alone: that the bytes are canonical, that
the subject's name agrees with the predicate, that paths are normal.
"""

from typing import Any, Final

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"

_SEGMENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_NAME = {"type": "string", "maxLength": 255, "pattern": f"^{_SEGMENT}/{_SEGMENT}$"}
_VERSION = {
    "type": "string",
    "maxLength": 64,
    "pattern": r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
    r"(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?$",
}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
_CHANNEL = {"type": "string", "pattern": r"^[a-z0-9]+([._-][a-z0-9]+)*$"}
_FINGERPRINT = {"type": "string", "pattern": "^[0-9A-F]{40}$"}
_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}


def _object(**members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": members,
        "required": sorted(members),
        "additionalProperties": False,
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_PREDICATES = {
    "release": _object(
        package=_NAME,
        version=_VERSION,
        files={
            "description": "Every file of every layer: its sha256 by its path in the package.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^[^/\\][^\\]*$"},
            "additionalProperties": _SHA256,
        },
    ),
    "receipt": _object(
        package=_NAME,
        version=_VERSION,
        statement=_DIGEST,
        signers={"type": "array", "items": _FINGERPRINT},
        admitted=_TIME,
        revision={"type": "integer", "minimum": 0},
    ),
    "bundle": _object(
        application=_NAME,
        packages={
            "type": "object",
            "propertyNames": _NAME,
            "additionalProperties": _VERSION,
        },
    ),
    "promotion": _object(
        application=_NAME,
        channel=_CHANNEL,
        **{"from": _or_null(_CHANNEL)},
        to=_CHANNEL,
        bundle=_DIGEST,
        previous=_or_null(_DIGEST),
        previous_bundle=_or_null(_DIGEST),
        evidence={"type": "array", "items": _DIGEST},
        asked_by=_object(name=_TEXT, role=_TEXT, proof={"enum": ["token", "session"]}),
        time=_TIME,
    ),
    "proof": _object(
        package=_NAME,
        version=_VERSION,
        exit_code=_COUNT,
        steps={
            "type": "array",
            "items": _object(idx={"type": "integer"}, name=_TEXT, exit_code=_COUNT),
        },
        outputs={
            "description": "The sha256 of each output's JSON (sorted keys, no spaces), by its key.",
            "type": "object",
            "additionalProperties": _SHA256,
        },
        python=_TEXT,
        platform=_TEXT,
        runner={"enum": ["bundled", "checkout"]},
        milliseconds=_COUNT,
        enforced={"type": "array", "items": _TEXT},
        not_enforced={"type": "object", "additionalProperties": _TEXT},
        checkout=_object(
            compared={"type": "boolean"},
            reason=_TEXT,
            varying={"type": "array", "items": _TEXT},
        ),
    ),
    "evidence": _object(
        package=_NAME,
        version=_VERSION,
        documents={
            "description": "Documents that hang on the release, by their file names.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^[a-z0-9]+([._-][a-z0-9]+)*$"},
            "additionalProperties": _object(media_type=_TEXT, digest=_DIGEST, size=_COUNT),
        },
    ),
}

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:recipebox:schema:statement:v1",
    "title": "Recipebox statement",
    "description": "An in-toto Statement v1 with a predicate of Recipebox's, in RFC 8785 bytes.",
    **_object(
        _type={"const": STATEMENT_TYPE},
        predicateType={"type": "string", "pattern": "^urn:recipebox:[a-z]+:v1$"},
        subject={
            "type": "array",
            "minItems": 1,
            "items": _object(name=_TEXT, digest=_object(sha256=_SHA256)),
        },
        predicate={"type": "object"},
    ),
    "allOf": [
        {
            "if": {"properties": {"predicateType": {"const": f"urn:recipebox:{kind}:v1"}}},
            "then": {"properties": {"predicate": predicate}},
        }
        for kind, predicate in _PREDICATES.items()
    ],
}
