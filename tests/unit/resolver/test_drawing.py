"""Explanations as pictures: every case's is well-formed, and shows each fact."""

import random
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from resolver.drawing import draw
from resolver.errors import ResolutionImpossible
from resolver.explain import Explanation
from tests.unit.resolver.test_cases import CASES, solution_of

SVG = "{http://www.w3.org/2000/svg}"
CONFLICTS = [case for case in CASES if "impossible" in case.values[0]]


def explanation_of(case: dict[str, Any]) -> Explanation:
    with pytest.raises(ResolutionImpossible) as caught:
        solution_of(case, random.Random(1))
    found = caught.value.explanation
    assert isinstance(found, Explanation)
    return found


@pytest.mark.parametrize("case", CONFLICTS)
def test_a_picture_has_a_box_for_each_package_and_an_arrow_for_each_fact(
    case: dict[str, Any],
) -> None:
    explanation = explanation_of(case)
    drawn = draw(explanation)
    image = ET.fromstring(drawn)

    packages = {str(fact.requirement.package) for fact in explanation.facts}
    packages |= {str(fact.by[0].name) for fact in explanation.facts if fact.by}
    boxes = image.findall(f"{SVG}rect")
    titles = [path.findtext(f"{SVG}title") for path in image.findall(f"{SVG}path")]
    assert len(boxes) == len(packages) + 1
    assert titles == [str(fact) for fact in explanation.facts]
    places = {(box.get("x"), box.get("y")) for box in boxes}
    assert len(places) == len(boxes)
    assert draw(explanation_of(case)) == drawn


def test_what_packages_say_can_not_break_out_of_the_picture() -> None:
    (case,) = [
        case.values[0]
        for case in CONFLICTS
        if case.values[0]["name"] == "a constraint far down a chain"
    ]
    drawn = draw(explanation_of(case))
    assert "&lt;2" in drawn
    assert ">&gt;=2</text>" in drawn
    assert 'class="bound"' in drawn
