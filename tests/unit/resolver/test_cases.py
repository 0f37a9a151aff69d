"""The resolutions of tests/cases/resolution, each in several orders of requirements and index."""

import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from resolver.candidate import Environment
from resolver.errors import ResolutionImpossible
from resolver.solve import solve
from resolver.version import Version
from tests.unit.resolver.builders import digest_of, name, requirements, source

FOLDER = Path(__file__).parents[2] / "cases" / "resolution"
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(FOLDER.glob("*.toml"))
    for case in tomllib.loads(path.read_text())["case"]
]
KEYS = {
    "name",
    "requirements",
    "index",
    "python",
    "platform",
    "prereleases",
    "pins",
    "answer",
    "impossible",
}


def shuffled(drawn: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return dict(chance.sample(list(drawn.items()), len(drawn)))


def outcome(case: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Solve a case with its requirements and index in some order."""
    wanted = requirements(*case["requirements"])
    drawn = {package: shuffled(said, chance) for package, said in case["index"].items()}
    try:
        solution = solve(
            chance.sample(wanted, len(wanted)),
            source(shuffled(drawn, chance)),
            Environment(case.get("python", "3.11"), case.get("platform", "linux/amd64")),
            pins={
                name(package): (Version.parse(version), digest_of(f"{package} {version}"))
                for package, version in case.get("pins", {}).items()
            },
            allow_prereleases=case.get("prereleases", False),
        )
    except ResolutionImpossible as error:
        headline, *sentences = str(error).split("\n")
        assert headline.startswith("No set of releases fits all requirements (python 3.")
        return {"impossible": sentences}
    return {
        "answer": {str(package): str(one.version) for package, one in solution.candidates.items()}
    }


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_its_answer_in_every_order(case: dict[str, Any]) -> None:
    assert case.keys() <= KEYS
    expected = {key: case[key] for key in ("answer", "impossible") if key in case}
    chance = random.Random(case["name"])
    for _ in range(4):
        assert outcome(case, chance) == expected


def test_there_are_as_many_cases_as_were_promised() -> None:
    assert len(CASES) >= 40
