"""`/api/v1/solve`: for machines without the client. Writes nothing, whatever its method is."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from flask import Blueprint, Response

from artifacts.reference import PackageName
from resolver.candidate import Environment, utc
from resolver.errors import InvalidText
from resolver.lock import Lock
from resolver.options import Options
from resolver.requirement import Requirement
from web.answers import json_answer
from web.api.drawn import draw_lock
from web.api.fields import NewSolve, read_request
from web.api.views import ApiViews
from web.errors import InvalidFields

_Value = TypeVar("_Value")


class SolveViews(ApiViews):
    """The route of solving."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the route."""
        routes.add_url_rule("/solve", view_func=self.solve, methods=["POST"])

    def solve(self) -> Response:
        """Return the lock of requirements, or why there is none."""
        asked = read_request(NewSolve, self._config.solve_bytes)
        requirements = _requirements("requirements", asked.requirements)
        name = asked.application
        application = (
            None if name is None else _read("application", lambda: PackageName.parse(name))
        )
        options = _read(
            "constraints and overrides",
            lambda: Options(
                _requirements("constraints", asked.constraints),
                _requirements("overrides", asked.overrides),
                asked.prereleases,
                None
                if asked.published_before is None
                else _read("published_before", lambda: utc(asked.published_before or "")),
                asked.prefer,
                application,
            ),
        )
        environment = _read(
            "python and platform", lambda: Environment(asked.python, asked.platform)
        )
        solution = self._registry.solving.solve(
            self.principal(), requirements, environment, options
        )
        return json_answer(draw_lock(Lock.from_solution(solution)))


def _requirements(where: str, texts: Iterable[str]) -> tuple[Requirement, ...]:
    return tuple(
        _read(f"{where}.{place}", lambda text=text: Requirement.parse(text))  # type: ignore[misc]
        for place, text in enumerate(texts)
    )


def _read(where: str, read: Callable[[], _Value]) -> _Value:
    try:
        return read()
    except (InvalidText, ValueError) as error:
        raise InvalidFields([{"where": where, "message": str(error)}]) from error
