"""Headers that every answer carries: ids, version, and what a browser may do with it."""

from flask import Response

# Pages load their own files only, run no inline script, and stand in nobody's frame.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Anything else is data, some of it uploaded by others: a browser must not run it.
_DATA_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"

PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""Of a picture that we draw: it brings its style along, and runs no script either."""

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def add_headers(answer: Response, request_id: str, version: str) -> Response:
    """Add to an answer what all answers have."""
    answer.headers["X-Request-Id"] = request_id
    answer.headers["X-Recipebox-Version"] = version
    for name, value in _ALWAYS.items():
        answer.headers[name] = value
    is_page = answer.mimetype == "text/html"
    policy = _PAGE_POLICY if is_page else _DATA_POLICY
    answer.headers.setdefault("Content-Security-Policy", policy)
    if is_page:
        answer.headers.setdefault("Cache-Control", "private, no-cache")
    return answer
