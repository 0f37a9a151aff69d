"""How answers are written: JSON, RFC 9457 problems, OCI errors, links to the next page."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, request

from web.errors import Problem

PROBLEM_JSON = "application/problem+json"
_ERROR_TYPE = "urn:recipebox:error:"


def json_answer(
    value: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return `value` as JSON."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(data, status=status, headers=headers, content_type=media_type)


def problem_answer(problem: Problem, request_id: str) -> Response:
    """Return a problem as RFC 9457 has it, with the error's values as extension members."""
    members = {
        "type": _ERROR_TYPE + problem.code,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "hint": problem.hint,
        "request_id": request_id,
        **problem.values,
    }
    return json_answer(members, problem.status, problem.headers, PROBLEM_JSON)


def oci_error_answer(problem: Problem, request_id: str) -> Response:
    """Return a problem as distribution-spec 1.1 ("Error Codes") has it."""
    message = problem.detail if problem.hint is None else f"{problem.detail}; {problem.hint}"
    detail = {"code": problem.code, "request_id": request_id, **problem.values}
    error = {"code": problem.oci, "message": message, "detail": detail}
    return json_answer({"errors": [error]}, problem.status, problem.headers)


def next_link(parameters: Mapping[str, str | int | None]) -> str:
    """Return the Link header of the next page: this path, with other parameters (RFC 8288)."""
    query = urlencode({key: value for key, value in parameters.items() if value is not None})
    return f'<{quote(request.path)}?{query}>; rel="next"'


def not_modified(etag: str, headers: Mapping[str, str]) -> Response | None:
    """Return 304 when the client has what `etag` (with its quotes) names, else None."""
    if not request.if_none_match.contains_weak(etag.strip('"')):
        return None
    return Response(status=304, headers={**headers, "ETag": etag})
