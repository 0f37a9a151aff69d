"""The page `/solve`: a form whose address can be shared, and what it leads to.

A lock; or why there is none, as sentences, a picture, and the change that would help, one click
away; or what is wrong with a field, beside the field; or a limit of this server. Nothing is
written, and what the browser's session may not read isn't there, as everywhere.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Response, render_template, request
from markupsafe import Markup

from registry.errors import (
    AccessError,
    NotFound,
    SolveEnded,
    SolverBusy,
    Unsolvable,
    WrongKind,
)
from resolver.drawing import draw
from resolver.explain import Explanation
from resolver.lock import Lock
from web.api.drawn import draw_lock
from web.asking import LONGEST, Question, read_query, read_texts
from web.auth import current_principal
from web.errors import InvalidFields, Problem, problem_of
from web.services import Services

_DRAWN_FACTS = 40
"""Facts in a picture at most: more are no picture any more."""


@dataclass(frozen=True, slots=True)
class _Conflict:
    """Why nothing fits, ready to be shown; `helped` is the query with the hint's changes."""

    headline: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    hint: str | None
    helped: str | None
    picture: Markup | None


class SolvingPage:
    """The view of the page."""

    def __init__(self, services: Services) -> None:
        self._access = services.registry.access
        self._solving = services.registry.solving

    def solve(self) -> Response:
        """Show the form, and the answer where something was asked."""
        texts = read_texts(request.args)
        if "requirements" not in request.args:
            return _page(texts)
        try:
            asked = read_query(texts)
        except InvalidFields as error:
            return _page(texts, problem_of(error), faults=_by_field(error))
        principal = current_principal(self._access)
        try:
            solution = self._solving.solve(
                principal, asked.requirements, asked.environment, asked.options
            )
        except Unsolvable as error:
            return _page(texts, problem_of(error), asked, conflict=_conflict(asked, error.told))
        except (SolveEnded, SolverBusy) as error:
            return _page(texts, problem_of(error), asked)
        except (AccessError, NotFound, WrongKind) as error:  # what may not be read isn't there
            if asked.options.application is None:
                raise
            unknown = InvalidFields([{"where": "application", "message": str(error)}])
            return _page(texts, problem_of(unknown), faults=_by_field(unknown))
        lock = draw_lock(Lock.from_solution(solution))
        return _page(
            texts,
            None,
            asked,
            lock=lock,
            download=_data_url(lock["lock"]),
            direct=_direct(asked),
        )


def _page(
    texts: dict[str, str],
    problem: Problem | None = None,
    asked: Question | None = None,
    *,
    faults: dict[str, list[str]] | None = None,
    **answer: Any,
) -> Response:
    shown = {"lock": None, "download": None, "direct": {}, "conflict": None} | answer
    page = render_template(
        "solve.html",
        texts=texts,
        problem=problem,
        faults=faults or {},
        asked=asked is not None,
        query=None if asked is None else asked.query(),
        command_line=None if asked is None else asked.command(),
        longest=LONGEST,
        **shown,
    )
    headers = {"X-Robots-Tag": "noindex, nofollow", "Vary": "Authorization, Cookie"}
    if problem is not None:
        headers |= problem.headers
    status = 200 if problem is None else problem.status
    return Response(page, status=status, headers=headers, mimetype="text/html")


def _by_field(error: InvalidFields) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    for fault in error.fields:
        field, _, _ = fault["where"].partition(".")
        faults.setdefault(field, []).append(fault["message"])
    return faults


def _conflict(asked: Question, told: Explanation) -> _Conflict:
    helped = None
    if told.hint is not None:
        requirements, options = told.hint.apply(asked.requirements, asked.options)
        if requirements:
            helped = Question(requirements, asked.environment, options).query()
    picture = None
    if len(told.facts) <= _DRAWN_FACTS:
        picture = Markup(draw(told))  # noqa: S704 - it escapes all that it is given
    return _Conflict(
        told.sentences[0],
        told.statements,
        told.notes,
        None if told.hint is None else str(told.hint),
        helped,
        picture,
    )


def _direct(asked: Question) -> dict[str, list[str]]:
    """Return the ranges that were asked for of each package."""
    found: dict[str, list[str]] = {}
    for one in asked.requirements:
        found.setdefault(str(one.package), []).append(str(one.range))
    return found


def _data_url(text: str) -> str:
    """Return the address of a text itself, so that what is downloaded is what is shown."""
    return f"data:application/toml;charset=utf-8,{quote(text)}"
