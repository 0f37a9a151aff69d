"""Reading an API request: models that refuse unknown members, and say which was nearest."""

import difflib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web.bodies import open_body, parse_json, read_bounded
from web.errors import InvalidFields, NotJson

_LARGEST_PAGE = 100
LONGEST_NUMBER = 18
"""Digits of a number in a query: Python refuses to read very long ones."""


class RequestModel(BaseModel):
    """Base of every request: frozen, strict about types, closed to unknown members."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NewNamespace(RequestModel):
    """`POST /api/v1/namespaces`."""

    name: str
    public: bool = False


class NamespaceChange(RequestModel):
    """`PATCH /api/v1/namespaces/{ns}`: what isn't there stays as it is; quota null is none.

    `retention` is read by `registry.retention`, which names each fault.
    """

    public: bool = False
    quota: int | None = None
    sparse: bool = False
    immutable_tags: list[str] = []
    retention: dict[str, Any] | None = None


class NewToken(RequestModel):
    """`POST /api/v1/tokens`: `expires_in` is in seconds; verbs null are all of the role's."""

    name: str | None = None
    role: Literal["admin", "publisher", "promoter", "reader"] | None = None
    namespace: str | None = None
    verbs: list[str] | None = None
    expires_in: Annotated[int, Field(gt=0, le=100 * 365 * 86_400)] | None = None


class NewKey(RequestModel):
    """`POST /api/v1/namespaces/{ns}/keys`."""

    armored: str
    roles: Annotated[
        list[Literal["release", "promote"]],
        Field(min_length=1),
    ] = ["release", "promote"]


class NewRelease(RequestModel):
    """`POST /api/v1/packages/{ns}/{name}/releases`."""

    digest: str


class NewYank(RequestModel):
    """`POST .../releases/{version}/yank`."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class NewBundleImage(RequestModel):
    """An image of a new bundle."""

    repository: str
    digest: str


class NewBundle(RequestModel):
    """`POST /api/v1/applications/{ns}/{app}/bundles`: the text of a lock, and images."""

    lock: str
    images: list[NewBundleImage] = []


class NewPromotion(RequestModel):
    """`POST .../channels/{channel}/promotions`: null expects an empty channel."""

    bundle: str
    expected_previous: str | None


class NewSolve(RequestModel):
    """`POST /api/v1/solve`: requirements as `team/etl ^1.2`; the rest as `recipebox lock` has it.

    `published_before` is a time, `2026-01-02T03:04:05Z`, or null; `application` is a name as
    `team/shop`, or null.
    """

    requirements: Annotated[list[str], Field(min_length=1)]
    python: str
    platform: str
    constraints: list[str] = []
    overrides: list[str] = []
    prereleases: bool = False
    published_before: str | None = None
    prefer: Literal["newest", "lowest", "lowest-direct"] = "newest"
    application: str | None = None


Model = TypeVar("Model", bound=RequestModel)


def read_request(model: type[Model], limit: int) -> Model:
    """Return the body of this request as `model`; it may have `limit` bytes.

    Raises:
        NotJson, BodyTooLarge, BodyTruncated: not a body that can be read.
        InvalidFields: members that are missing, unknown or of another type, each named.
    """
    if request.mimetype != "application/json":
        raise NotJson("send it with Content-Type: application/json")
    drawn = parse_json(read_bounded(open_body(request.environ), limit, "a request"))
    try:
        return model.model_validate(drawn)
    except ValidationError as error:
        raise _describe(model, error) from error


def read_whole(name: str, default: int | None, largest: int | None = None) -> int | None:
    """Return a parameter of the query that is a whole number.

    Raises:
        InvalidFields: it isn't one, or is over `largest`.
    """
    text = request.args.get(name)
    if text is None:
        return default
    is_number = text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    if not is_number or (largest is not None and not 1 <= int(text) <= largest):
        bounds = "" if largest is None else f" from 1 to {largest}"
        message = f"expected a whole number{bounds}, found {text[:40]!r}"
        raise InvalidFields([{"where": name, "message": message}])
    return int(text)


def page_size() -> int:
    """Return how many entries a page of the API has (`limit`, 20 unless told).

    Raises:
        InvalidFields: not a number from 1 to 100.
    """
    return read_whole("limit", 20, _LARGEST_PAGE) or 20


def _describe(model: type[RequestModel], error: ValidationError) -> InvalidFields:
    known = list(model.model_fields)
    fields = []
    hint = None
    for problem in error.errors(include_url=False, include_context=False):
        where = _place(problem["loc"])
        message = problem["msg"]
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(where, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"
            message = "unknown"
        fields.append({"where": where, "message": message})
    return InvalidFields(fields, hint)


def _place(steps: Sequence[int | str]) -> str:
    return ".".join(str(step) for step in steps) or "the body"
