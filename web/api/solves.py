"""`/api/v1/solve`: for machines without the client. Writes nothing, whatever its method is."""

from flask import Blueprint, Response, request

from resolver.lock import Lock
from web.answers import json_answer
from web.api.drawn import draw_lock
from web.api.fields import NewSolve, read_request
from web.api.views import ApiViews
from web.asking import Question, read_query, read_question, read_texts


class SolveViews(ApiViews):
    """The routes of solving."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        routes.add_url_rule("/solve", view_func=self.solve, methods=["POST"])
        routes.add_url_rule("/solve", view_func=self.solve_query)

    def solve(self) -> Response:
        """Return the lock of requirements, or why there is none."""
        asked = read_request(NewSolve, self._config.solve_bytes)
        return self._answer(read_question(**asked.model_dump()))

    def solve_query(self) -> Response:
        """Return the same for a query, as the page `/solve` has it."""
        answer = self._answer(read_query(read_texts(request.args)))
        answer.headers["X-Robots-Tag"] = "noindex"
        return answer

    def _answer(self, asked: Question) -> Response:
        solution = self._registry.solving.solve(
            self.principal(), asked.requirements, asked.environment, asked.options
        )
        return json_answer(draw_lock(Lock.from_solution(solution)))
