"""Thousands of random indexes, each judged by a SAT solver that knows nothing of ours.

Of each: what can be solved is solved and can't be bettered; what can't is refused, by facts that
the index states, that can't all be, and of which none can be left out; and what the hint says fits.
"""

import itertools
import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from resolver.derive import Proof, decide
from resolver.errors import ResolutionImpossible
from resolver.explain import Explanation, Required
from resolver.hint import Hint
from resolver.offers import Offers
from resolver.options import Options
from resolver.requirement import Requirement
from resolver.solve import Solution
from resolver.watch import Watch
from tests.unit.resolver.builders import LINUX, requirements, source
from tests.unit.resolver.random_cases import Case, random_case, shrunk
from tests.unit.resolver.sat import Oracle
from tests.unit.resolver.test_cases import solution_of

PARTS = 8
A_PART = 640  # cases; ten times as many with --long
A_SEED = 64


class Wrong(AssertionError):
    """The resolver and the oracle disagree."""


def check(case: Case, seed: int) -> Counter[str]:
    """Solve a case, and have the oracle judge it; return what it was an example of."""
    found = solved(case, seed)
    with Oracle(case) as oracle:
        switches = oracle.require_all()
        is_solvable = oracle.is_solvable(switches.values())
        if isinstance(found, Solution):
            _demand(is_solvable, "solved what can't be")
            _judge_answer(found, case, oracle, switches)
            return Counter(["all", *_features(case)])
    _demand(not is_solvable, "refused what can be solved")
    packages = _judge_explanation(found, case)
    _judge_hint(found.hint, case, seed)
    told = Counter(["all", "unsolvable", *_features(case)])
    told["cores of three"] += packages >= 3
    told["cores of four"] += packages >= 4
    told["hints of two"] += len(found.hint.changes) > 1 if found.hint else 0
    return told


def solved(case: Case, seed: int) -> Solution | Explanation:
    try:
        return solution_of(case, random.Random(seed))
    except ResolutionImpossible as error:
        found = error.explanation
    assert isinstance(found, Explanation)
    return found


def _judge_answer(
    found: Solution, case: Case, oracle: Oracle, switches: Mapping[tuple[str, str], int]
) -> None:
    chosen = {str(package): str(one.version) for package, one in found.candidates.items()}
    for package, version in chosen.items():
        for better in _better(case, package, version, oracle):
            can_be = oracle.can_have(
                (package, better), {**chosen, package: better}, switches.values()
            )
            _demand(not can_be, f"{package} could be {better}, with all the rest as it is")
    settled: dict[str, str] = {}
    for package in sorted({str(one.package) for one in found.requirements}):
        for better in _better(case, package, chosen[package], oracle):
            can_be = oracle.can_have((package, better), settled, switches.values())
            _demand(not can_be, f"{package}, which is asked for, could be {better}")
        settled[package] = chosen[package]


def _better(case: Case, package: str, version: str, oracle: Oracle) -> list[str]:
    """Return the versions that would be taken rather."""
    usable = oracle.usable(package)
    place = usable.index(version)
    direct = {text.partition(" ")[0].partition("[")[0] for text in case["requirements"]}
    prefer = case.get("prefer", "newest")
    if prefer == "lowest" or (prefer == "lowest-direct" and package in direct):
        return usable[:place]
    return usable[place + 1 :]


def _judge_explanation(found: Explanation, case: Case) -> int:
    """Hold the facts to what they claim; return how many packages they are about."""
    for fact in found.facts:
        _demand(_is_stated(fact, case), f"nobody states: {fact}")
    with Oracle(case) as oracle:
        switches = []
        for fact in found.facts:
            switches.append(switch := oracle.switch())
            _state(fact, switch, oracle)
        _demand(not oracle.is_solvable(switches), "its facts can all be")
        for left_out in switches:
            others = [switch for switch in switches if switch != left_out]
            _demand(oracle.is_solvable(others), "it tells more than it needs")
    about = {fact.requirement.package for fact in found.facts}
    return len(about | {fact.by[0].name for fact in found.facts if fact.by})


def _is_stated(fact: Required, case: Case) -> bool:
    text = str(fact.requirement)
    if not fact.by:
        return text in case["constraints" if fact.is_constraint else "requirements"]
    releases = case["index"][str(fact.by[0].name)]
    for one in fact.by:
        said = releases[str(one.version)]
        if text not in (said["extras"][fact.extra] if fact.extra else said.get("requires", ())):
            return False
    return True


def _state(fact: Required, switch: int, oracle: Oracle) -> None:
    text = str(fact.requirement)
    if fact.is_constraint:
        oracle.constrain([-switch], text)
    elif not fact.by:
        oracle.require([-switch], text)
    else:
        versions = [str(one.version) for one in fact.by]
        for unless in oracle.by(str(fact.by[0].name), versions, fact.extra):
            oracle.require([-switch, *unless], text)


def _judge_hint(hint: Hint | None, case: Case, seed: int) -> None:
    if hint is None:
        raise Wrong("no hint")
    changed = _changed(case, hint)
    with Oracle(changed) as oracle:
        _demand(oracle.is_solvable(oracle.require_all().values()), f"it doesn't help: {hint}")
    _demand(isinstance(solved(changed, seed), Solution), f"it isn't solved then: {hint}")
    if len(hint.changes) > 1:
        for fewer in range(len(hint.changes)):
            for gone in itertools.combinations(_statements(case), fewer):
                less = {
                    **case,
                    **{
                        kind: [one for one in case.get(kind, []) if (kind, one) not in gone]
                        for kind in _KINDS
                    },
                }
                with Oracle(less) as oracle:
                    enough = oracle.is_solvable(oracle.require_all().values())
                _demand(not enough, f"{fewer} changes are enough, {gone}, and it says {hint}")


_KINDS = ("requirements", "constraints", "overrides")


def _statements(case: Case) -> list[tuple[str, str]]:
    return [(kind, one) for kind in _KINDS for one in case.get(kind, [])]


def _changed(case: Case, hint: Hint) -> Case:
    options = Options(
        tuple(requirements(*case.get("constraints", []))),
        tuple(requirements(*case.get("overrides", []))),
        case.get("prereleases", False),
    )
    roots, options = hint.apply(requirements(*case["requirements"]), options)
    changed = {
        **case,
        "requirements": [str(one) for one in roots],
        "constraints": [str(one) for one in options.constraints],
        "overrides": [str(one) for one in options.overrides],
        "prereleases": options.allow_prereleases,
    }
    for change in hint.changes:
        if change.time is not None:
            changed["published_before"] = change.to_json()["to"]
    return changed


def _features(case: Case) -> set[str]:
    """Return what a case uses."""
    found = {key for key in case if key not in {"requirements", "index"}}
    asked = list(case["requirements"])
    for releases in case["index"].values():
        for version, said in releases.items():
            found |= said.keys() - {"requires", "published"}
            found |= {"prerelease"} if "-" in version else set()
            asked += [*said.get("requires", ()), *itertools.chain(*said.get("extras", {}).values())]
    found |= {"asked extras"} if any("[" in text for text in asked) else set()
    found |= {"asked prereleases"} if any("-rc" in text for text in asked) else set()
    return found


def _demand(held: bool, said: str) -> None:  # noqa: FBT001 (reads as an assertion)
    if not held:
        raise Wrong(said)


def _is_wrong(case: Case) -> bool:
    try:
        check(case, 0)
    except Wrong:
        return True
    return False


@pytest.mark.parametrize("part", range(PARTS))
def test_the_resolver_and_a_sat_solver_agree(part: int, request: pytest.FixtureRequest) -> None:
    seeds = (A_PART // A_SEED) * (10 if request.config.getoption("--long") else 1)
    told: Counter[str] = Counter()

    @settings(max_examples=seeds, deadline=None, phases=[Phase.generate], database=None)
    @given(st.integers(0, 2**48))
    def solve_many(seed: int) -> None:
        chance = random.Random(f"{part} {seed}")
        for _ in range(A_SEED):
            case = random_case(chance)
            try:
                told.update(check(case, seed))
            except Wrong:
                smallest = shrunk(case, _is_wrong)
                check(smallest, 0)
                raise

    solve_many()
    assert told["all"] >= A_PART
    assert told["cores of three"] * 3 >= told["all"], told
    for feature, share in FEATURES.items():
        assert told[feature] * share >= told["all"], (feature, told)


FEATURES = {
    "prerelease": 2, "asked prereleases": 2, "asked extras": 2, "extras": 2, "yanked": 3,
    "python": 3, "constraints": 5, "overrides": 5, "prereleases": 40, "prefer": 40, "refused": 40,
    "published_before": 40, "pins": 10, "unsolvable": 3, "cores of four": 20, "hints of two": 200,
}  # fmt: skip
"""What is used by one case of so many, at least."""


def test_promised_numbers_of_cases_are_kept() -> None:
    assert PARTS * A_PART >= 5_000


def test_the_order_of_requirements_and_index_changes_nothing() -> None:
    for number in range(100):
        case = random_case(random.Random(f"order {number}"))
        assert solved(case, 1) == solved(case, 2) == solved(case, 3)


def test_the_other_way_to_decide_agrees() -> None:
    chance = random.Random("decide")
    told: Counter[bool] = Counter()
    for _ in range(300):
        case = {**random_case(chance), "constraints": [], "overrides": [], "prereleases": False}
        case = {key: case[key] for key in ("requirements", "index", "constraints", "overrides")}
        asked: list[Requirement] = requirements(*case["requirements"])
        found = decide(asked, Offers(source(case["index"]), LINUX), Watch(10_000))
        with Oracle(case) as oracle:
            is_solvable = oracle.is_solvable(oracle.require_all().values())
        assert is_solvable != isinstance(found, Proof)
        told[is_solvable] += 1
    assert min(told[True], told[False]) > 50
