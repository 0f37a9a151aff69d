"""What a request can get wrong, and the one table from errors to HTTP.

::

    WebError
    ├── BadRequest
    │   ├── BodyTruncated           the body ended before its declared length
    │   ├── LengthRequired          a Content-Length that is no number
    │   ├── InvalidContentRange     a chunk's Content-Range that isn't one, or isn't the body's
    │   ├── InvalidParameter        a query's parameter that isn't what it must be
    │   ├── NotJson                 a body that should be JSON
    │   └── InvalidFields           JSON with members that aren't what the route takes
    ├── BodyTooLarge
    ├── RangeNotSatisfiable
    ├── TooManyTags                 more tags than one manifest may be put under at once
    ├── NotSupported                a part of a protocol that this server doesn't have
    ├── FormExpired                 a form whose CSRF token isn't the session's
    ├── TooManyRequests             more than the limit of a principal or an address
    └── NoSuchPage

`problem_of` gives every error its status, its code (RFC 9457 problems, stable) and its OCI code
(distribution-spec 1.1, "Error Codes"); what isn't in the table is a defect, and is answered with
500 and no detail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed

from artifacts.digest import Digest
from artifacts.errors import ArtifactError, DigestMismatch, InvalidDigest, InvalidManifest
from artifacts.errors import InvalidName as InvalidArtifactName
from registry import errors as registry
from storage import errors as storage


class WebError(Exception):
    """Base of what `web` itself raises."""

    hint: str | None = None


class BadRequest(WebError):
    """Base of what isn't a request that the route takes."""


class BodyTruncated(BadRequest):
    """A body that ended after `found` bytes, of `expected` (None: chunked, so unknown)."""

    def __init__(self, *, expected: int | None, found: int) -> None:
        self.expected = expected
        self.found = found
        of = "" if expected is None else f" of {expected}"
        super().__init__(f"the body ended after {found}{of} bytes; send it again")


class LengthRequired(BadRequest):
    """A Content-Length that isn't a number."""

    def __init__(self, declared: str) -> None:
        self.declared = declared
        super().__init__(f"Content-Length is {declared[:40]!r}, not a number of bytes")


class InvalidContentRange(BadRequest):
    """A chunk's Content-Range `given` that can't be, for `reason`."""

    def __init__(self, given: str, reason: str) -> None:
        self.given = given
        self.reason = reason
        super().__init__(f"Content-Range is {given[:80]!r}: {reason}")


class InvalidParameter(BadRequest):
    """The parameter `name` of a query with `value`, which isn't `expected`."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        self.name = name
        self.value = value[:80]
        self.expected = expected
        super().__init__(f"{name} is {value[:80]!r}, not {expected}")


class NotJson(BadRequest):
    """A body that isn't JSON, for `reason`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the body is not JSON: {reason}")


class InvalidFields(BadRequest):
    """Members that the route doesn't take: `fields` are {where, message} of each."""

    def __init__(self, fields: Sequence[Mapping[str, str]], hint: str | None = None) -> None:
        self.fields = [dict(entry) for entry in fields]
        self.hint = hint
        said = "; ".join(f"{entry['where']}: {entry['message']}" for entry in self.fields)
        super().__init__(f"the request is not what this route takes: {said}")


class BodyTooLarge(WebError):
    """A body for `what` over `limit` bytes; `found` have been declared or seen."""

    def __init__(self, what: str, *, limit: int, found: int) -> None:
        self.what = what
        self.limit = limit
        self.found = found
        super().__init__(f"{what} may have {limit} bytes, found {found} or more")


class RangeNotSatisfiable(WebError):
    """A range without a byte of the `size` that there are."""

    def __init__(self, asked: str, size: int) -> None:
        self.asked = asked
        self.size = size
        super().__init__(f"the range {asked[:80]!r} has no byte of the {size} that there are")


class TooManyTags(WebError):
    """`found` tags for one manifest, where `limit` may be given at once."""

    hint = "give the others by further puts of the same manifest"

    def __init__(self, found: int, limit: int) -> None:
        self.found = found
        self.limit = limit
        super().__init__(f"a manifest may be put under {limit} tags at once, found {found}")


class FormExpired(WebError):
    """A form that wasn't sent from this session's page."""

    hint = "go back, load the page again, and send the form once more"

    def __init__(self) -> None:
        super().__init__("the form has expired, or was sent from another site")


class TooManyRequests(WebError):
    """More than `limit` a minute, of a `kind`; the next may come in `retry_after` seconds."""

    def __init__(self, kind: str, *, limit: int, retry_after: int) -> None:
        self.kind = kind
        self.limit = limit
        self.retry_after = retry_after
        what = {
            "principal": "requests with tokens of this name",
            "address": "requests without a token from this address",
            "failures": "refused log-ins from this address",
        }[kind]
        super().__init__(f"{what} may be {limit} a minute; try again in {retry_after} seconds")


class NoSuchPage(WebError):
    """Nothing is at `path`; `nearest` are (label, URL) of what may be meant."""

    def __init__(self, path: str, nearest: Sequence[tuple[str, str]] = ()) -> None:
        self.path = path
        self.nearest = list(nearest)
        super().__init__(f"there is nothing at {path[:200]}")


@dataclass(frozen=True, slots=True)
class Row:
    """What one family of errors is over HTTP."""

    status: int
    code: str
    oci: str
    title: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, ready to be written: as RFC 9457, as OCI JSON, or as a page."""

    status: int
    code: str
    oci: str
    title: str
    detail: str
    hint: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


CUT_SHORT = "body_truncated"
"""The code of a body that ended early, whoever found out."""

# The most exact class wins, so the order of the table is for people.
TABLE: Mapping[type[Exception], Row] = {
    # who asks
    registry.InvalidToken: Row(401, "invalid_token", "UNAUTHORIZED", "The token was refused"),
    registry.ExpiredToken: Row(401, "expired_token", "UNAUTHORIZED", "The token has expired"),
    registry.NotAuthenticated: Row(401, "not_authenticated", "UNAUTHORIZED", "Log in first"),
    registry.OutOfScope: Row(401, "out_of_scope", "UNAUTHORIZED", "The token is for other things"),
    registry.Denied: Row(403, "denied", "DENIED", "Not allowed"),
    # what is asked for
    registry.NotFound: Row(404, "not_found", "NAME_UNKNOWN", "Not found"),
    registry.NamespaceUnknown: Row(404, "namespace_unknown", "NAME_UNKNOWN", "No such namespace"),
    registry.RepositoryUnknown: Row(
        404, "repository_unknown", "NAME_UNKNOWN", "No such repository"
    ),
    registry.ManifestUnknown: Row(404, "manifest_unknown", "MANIFEST_UNKNOWN", "No such manifest"),
    registry.BlobUnknown: Row(404, "blob_unknown", "BLOB_UNKNOWN", "No such blob"),
    registry.UploadUnknown: Row(404, "upload_unknown", "BLOB_UPLOAD_UNKNOWN", "No such upload"),
    registry.PackageUnknown: Row(404, "package_unknown", "NAME_UNKNOWN", "No such package"),
    registry.ReleaseUnknown: Row(404, "release_unknown", "MANIFEST_UNKNOWN", "No such release"),
    registry.ApplicationUnknown: Row(
        404, "application_unknown", "NAME_UNKNOWN", "No such application"
    ),
    registry.ChannelUnknown: Row(404, "channel_unknown", "NAME_UNKNOWN", "No such channel"),
    registry.BundleUnknown: Row(404, "bundle_unknown", "MANIFEST_UNKNOWN", "No such bundle"),
    registry.TokenUnknown: Row(404, "token_unknown", "NAME_UNKNOWN", "No such token"),
    NoSuchPage: Row(404, "no_such_page", "NAME_UNKNOWN", "There is nothing here"),
    # what was sent
    registry.Invalid: Row(422, "invalid", "MANIFEST_INVALID", "Not valid"),
    registry.ManifestTooLarge: Row(
        413, "manifest_too_large", "SIZE_INVALID", "The manifest is too large"
    ),
    registry.ManifestBlobUnknown: Row(
        404, "manifest_blob_unknown", "MANIFEST_BLOB_UNKNOWN", "A part of the manifest is missing"
    ),
    registry.WrongKind: Row(409, "wrong_kind", "DENIED", "The name is something else"),
    registry.BodyTooShort: Row(400, CUT_SHORT, "SIZE_INVALID", "The body was cut short"),
    registry.InvalidKey: Row(422, "invalid_key", "UNSUPPORTED", "The key can't be taken"),
    registry.InvalidRelease: Row(
        422, "invalid_release", "MANIFEST_INVALID", "The release can't be admitted"
    ),
    registry.InvalidBundle: Row(
        422, "invalid_bundle", "MANIFEST_INVALID", "The bundle can't be made"
    ),
    registry.InvalidValue: Row(422, "invalid_value", "UNSUPPORTED", "A value breaks its rule"),
    registry.Unsolvable: Row(422, "unsolvable", "UNSUPPORTED", "Nothing fits all requirements"),
    registry.SolveEnded: Row(422, "solve_ended", "UNSUPPORTED", "The solve reached its limit"),
    InvalidDigest: Row(400, "invalid_digest", "DIGEST_INVALID", "Not a digest"),
    DigestMismatch: Row(400, "digest_mismatch", "DIGEST_INVALID", "The bytes have another digest"),
    InvalidArtifactName: Row(400, "invalid_name", "NAME_INVALID", "Not a valid name"),
    InvalidManifest: Row(400, "invalid_manifest", "MANIFEST_INVALID", "Not a valid manifest"),
    ArtifactError: Row(400, "invalid_artifact", "MANIFEST_INVALID", "Not valid"),
    BadRequest: Row(400, "bad_request", "UNSUPPORTED", "Not a request that is understood"),
    BodyTruncated: Row(400, CUT_SHORT, "SIZE_INVALID", "The body was cut short"),
    InvalidContentRange: Row(
        400, "invalid_content_range", "BLOB_UPLOAD_INVALID", "Not a range of bytes"
    ),
    InvalidParameter: Row(400, "invalid_parameter", "UNSUPPORTED", "Not what a query takes"),
    NotJson: Row(400, "not_json", "UNSUPPORTED", "The body is not JSON"),
    InvalidFields: Row(422, "invalid_fields", "UNSUPPORTED", "Not what this route takes"),
    BodyTooLarge: Row(413, "body_too_large", "SIZE_INVALID", "The body is too large"),
    RangeNotSatisfiable: Row(416, "range_not_satisfiable", "SIZE_INVALID", "No such range"),
    # 414 is distribution-spec's own for it
    TooManyTags: Row(414, "too_many_tags", "UNSUPPORTED", "Too many tags at once"),
    TooManyRequests: Row(429, "too_many_requests", "TOOMANYREQUESTS", "Too many requests"),
    FormExpired: Row(400, "form_expired", "DENIED", "The form has expired"),
    # what it clashes with
    registry.Untrusted: Row(403, "untrusted", "DENIED", "Not trusted"),
    registry.Conflict: Row(409, "conflict", "DENIED", "It clashes with what is there"),
    registry.NamespaceExists: Row(409, "namespace_exists", "DENIED", "The namespace is taken"),
    registry.ShowsPrivate: Row(409, "shows_private", "DENIED", "It would show what is private"),
    registry.ReleaseExists: Row(
        409, "release_exists", "DENIED", "The version is listed with other bytes"
    ),
    registry.StagedChanged: Row(
        409, "staged_changed", "DENIED", "It changed while it was looked at"
    ),
    registry.OffsetConflict: Row(
        416, "offset_conflict", "BLOB_UPLOAD_INVALID", "The upload goes on elsewhere"
    ),
    registry.UploadInUse: Row(
        409, "upload_in_use", "BLOB_UPLOAD_INVALID", "The upload is being written"
    ),
    registry.ServerOwned: Row(403, "server_owned", "DENIED", "The tag belongs to the server"),
    registry.TagImmutable: Row(409, "tag_immutable", "DENIED", "The tag is immutable"),
    registry.InUse: Row(403, "in_use", "DENIED", "It is still needed"),
    registry.QuotaExceeded: Row(403, "quota_exceeded", "DENIED", "It doesn't fit the quota"),
    registry.PointerMoved: Row(409, "pointer_moved", "DENIED", "The channel has moved"),
    registry.GateClosed: Row(409, "gate_closed", "DENIED", "A gate of the channel is closed"),
    # 405, since it is what distribution and Quay answer, and Docker shows a sentence of 4xx only
    registry.ReadOnly: Row(405, "read_only", "UNSUPPORTED", "The registry is read-only"),
    registry.SolverBusy: Row(503, "solver_busy", "UNSUPPORTED", "Others are solved for now"),
    # what is broken on this side
    registry.DatabaseUnavailable: Row(
        503, "database_unavailable", "UNSUPPORTED", "The database can't be used now"
    ),
    registry.UnusableKey: Row(503, "unusable_key", "UNSUPPORTED", "A key can't be used"),
    registry.StoreElsewhere: Row(
        503, "store_elsewhere", "UNSUPPORTED", "The store is another registry's"
    ),
    registry.SchemaError: Row(503, "schema_not_ready", "UNSUPPORTED", "The database isn't ready"),
    storage.BlobMissing: Row(500, "blob_missing", "BLOB_UNKNOWN", "Stored bytes are missing"),
    storage.BlobDamaged: Row(500, "blob_damaged", "BLOB_UNKNOWN", "Stored bytes are damaged"),
    storage.StoreUnavailable: Row(
        503, "store_unavailable", "UNSUPPORTED", "The store of blobs can't be used"
    ),
}

_UNEXPECTED = Row(500, "internal_error", "UNSUPPORTED", "Something went wrong here")
_OCI_OF_STATUS = {404: "NAME_UNKNOWN", 405: "UNSUPPORTED", 413: "SIZE_INVALID"}


def problem_of(error: Exception) -> Problem:
    """Return what `error` is over HTTP.

    A domain error's public attributes become the problem's values. What is this side's fault, or
    isn't in the table, tells nothing but that it happened: its sentence may name folders.
    """
    if isinstance(error, HTTPException):
        return _problem_of_http(error)
    row = find_row(type(error))
    if row is None:
        detail = "an unexpected error; the server's log has it under this request's id"
        hint = "try again, and tell whoever runs the server if it stays"
        return _draw(_UNEXPECTED, detail, hint)
    if row.status >= _UNEXPECTED.status and not isinstance(error, registry.SolverBusy):
        detail = "the server can't do this now; its log says why, under this request's id"
        return _draw(row, detail, None, headers=_headers_of(error))
    said: str | None = getattr(error, "hint", None)
    return _draw(row, str(error), said, _values_of(error), _headers_of(error))


def stalled(problem: Problem) -> Problem:
    """Return a cut body's problem as that of a client that was waited for in vain (408)."""
    return replace(
        problem,
        status=408,
        code="body_timed_out",
        title="The body came too slowly",
        hint="an upload goes on where its Range says",
    )


def find_row(kind: type[BaseException]) -> Row | None:
    """Return the row of the nearest class of `kind`'s line that has one, or None."""
    for ancestor in kind.__mro__:
        if issubclass(ancestor, Exception) and ancestor in TABLE:
            return TABLE[ancestor]
    return None


def _draw(
    row: Row,
    detail: str,
    hint: str | None,
    values: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Problem:
    return Problem(
        row.status, row.code, row.oci, row.title, detail, hint, values or {}, headers or {}
    )


def _problem_of_http(error: HTTPException) -> Problem:
    status = error.code or 500
    name = error.name
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return Problem(
        status=status,
        code=name.lower().replace(" ", "_"),
        oci=_OCI_OF_STATUS.get(status, "UNSUPPORTED"),
        title=name,
        detail=error.description or name,
        headers=headers,
    )


def _headers_of(error: Exception) -> dict[str, str]:
    match error:
        case RangeNotSatisfiable(size=size):
            return {"Content-Range": f"bytes */{size}"}
        case registry.OffsetConflict(size=size) | registry.BodyTooShort(size=size):
            return {"Range": f"0-{max(size - 1, 0)}"}  # where an upload goes on
        case TooManyRequests(retry_after=wait) | registry.SolverBusy(retry_after=wait):
            return {"Retry-After": str(wait)}
        case registry.ReadOnly():
            return {"Allow": "GET, HEAD"}
        case storage.StoreUnavailable() | registry.SchemaError() | registry.DatabaseUnavailable():
            return {"Retry-After": "5"}
        case _:
            return {}


_MEMBERS = frozenset({"type", "title", "status", "detail", "code", "hint", "request_id"})


def _values_of(error: Exception) -> dict[str, Any]:
    values = {}
    for name, value in vars(error).items():
        if not name.startswith("_") and name not in _MEMBERS:
            values[name] = _plain(value)
    return values


def _plain(value: object) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Digest):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member) for member in value]
    return str(value)
