"""The resolutions of tests/cases/resolution, each in several orders of requirements and index."""

import random
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from resolver.acceptance import Acceptance
from resolver.candidate import Candidate, Environment, utc
from resolver.errors import ResolutionImpossible
from resolver.explain import Explanation
from resolver.hint import Hint
from resolver.lock import Lock
from resolver.options import Options
from resolver.requirement import Requirement
from resolver.solve import Solution, solve
from resolver.version import Version
from tests.unit.resolver.builders import digest_of, name, requirements, source

FOLDER = Path(__file__).parents[2] / "cases" / "resolution"
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(FOLDER.glob("*.toml"))
    for case in tomllib.loads(path.read_text())["case"]
]
KEYS = {
    "name", "requirements", "index", "python", "platform", "pins",
    "prereleases", "constraints", "overrides", "published_before", "prefer", "refused",
    "application", "private",
    "answer", "extras", "impossible", "hint",
}  # fmt: skip


def shuffled(drawn: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return dict(chance.sample(list(drawn.items()), len(drawn)))


def solution_of(case: dict[str, Any], chance: random.Random, hint: Hint | None = None) -> Solution:
    """Solve a case with its requirements and index in some order, changed as a hint says."""
    wanted = requirements(*case["requirements"])
    drawn = {package: shuffled(said, chance) for package, said in case["index"].items()}
    options = Options(
        tuple(requirements(*case.get("constraints", []))),
        tuple(requirements(*case.get("overrides", []))),
        case.get("prereleases", False),
        utc(case["published_before"]) if "published_before" in case else None,
        case.get("prefer", "newest"),
        name(case["application"]) if "application" in case else None,
    )
    asked: Sequence[Requirement] = chance.sample(wanted, len(wanted))
    if hint is not None:
        asked, options = hint.apply(asked, options)
    return solve(
        asked,
        source(shuffled(drawn, chance)),
        Environment(case.get("python", "3.11"), case.get("platform", "linux/amd64")),
        pins={
            name(package): (Version.parse(version), digest_of(f"{package} {version}"))
            for package, version in case.get("pins", {}).items()
        },
        **options.arguments(),
        refused=refusing(case, options),
    )


def refusing(case: dict[str, Any], options: Options) -> Callable[[Candidate], str | None]:
    """Return what says why a release may not be chosen."""
    if options.application is None:
        return lambda one: case.get("refused", {}).get(str(one))
    is_public = "private" in case
    accepted = Acceptance.of(
        options.application, exists=True, is_public=is_public, private=case.get("private", ())
    )
    return accepted.why_not


def outcome(case: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a case's answer, or the sentences that say why it has none."""
    try:
        solution = solution_of(case, chance)
    except ResolutionImpossible as error:
        return explained(case, chance, error)
    lock = Lock.from_solution(solution)
    assert Lock.loads(lock.dumps()) == lock
    assert lock.options == solution.options
    return {
        "answer": {str(package): str(one.version) for package, one in solution.candidates.items()},
        "extras": {str(package): list(on) for package, on in solution.extras.items()},
    }


def explained(
    case: dict[str, Any], chance: random.Random, error: ResolutionImpossible
) -> dict[str, Any]:
    """Return the sentences of a refusal, whose derivation ends and whose hint holds."""
    found = error.explanation
    assert isinstance(found, Explanation)
    headline, *sentences = found.sentences
    assert headline.startswith("No set of releases fits all requirements (python 3.")
    assert str(error) == "\n".join([headline, *sentences])
    assert found.steps[-1].sentence == "So nothing fits."
    assert {step.fact for step in found.steps} >= set(range(len(found.facts)))
    assert found.hint is not None
    assert sentences.pop() == str(found.hint)
    assert solution_of(case, chance, found.hint)
    return {"impossible": sentences, "hint": str(found.hint)}


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_its_answer_in_every_order(case: dict[str, Any]) -> None:
    assert case.keys() <= KEYS
    expected = {key: case[key] for key in ("answer", "impossible", "hint") if key in case}
    if "answer" in case:
        expected["extras"] = case.get("extras", {})
    chance = random.Random(case["name"])
    for _ in range(4):
        assert outcome(case, chance) == expected


def test_there_are_as_many_cases_as_were_promised() -> None:
    conflicts = [case for case in CASES if "impossible" in case.values[0]]
    assert len(CASES) >= 150
    assert len(conflicts) * 2 >= len(CASES)
