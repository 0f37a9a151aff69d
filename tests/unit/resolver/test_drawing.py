"""Explanations as pictures: every case's is well-formed, and shows each fact."""

import random
import re
import xml.etree.ElementTree as ET
from itertools import combinations
from typing import Any

import pytest

from resolver.drawing import draw
from resolver.errors import ResolutionImpossible
from resolver.explain import Explanation
from tests.unit.resolver.test_cases import CASES, solution_of

SVG = "{http://www.w3.org/2000/svg}"
CONFLICTS = [case for case in CASES if "impossible" in case.values[0]]
BY_NAME = {case.values[0]["name"]: case.values[0] for case in CONFLICTS}


def explanation_of(case: dict[str, Any]) -> Explanation:
    with pytest.raises(ResolutionImpossible) as caught:
        solution_of(case, random.Random(1))
    return caught.value.explanation


def picture_of(name: str) -> ET.Element:
    return ET.fromstring(draw(explanation_of(BY_NAME[name])))


def arrows(image: ET.Element) -> list[ET.Element]:
    return [path for path in image.iter(f"{SVG}path") if path.get("marker-end")]


Edges = tuple[float, float, float, float]


def edges_of(box: ET.Element) -> Edges:
    left, top, width, height = (float(box.get(side, "")) for side in ("x", "y", "width", "height"))
    return left, top, left + width, top + height


def label_edges(text: ET.Element) -> Edges:
    middle, bottom = float(text.get("x", "")), float(text.get("y", ""))
    half = len(text.text or "") * 6.7 / 2
    return middle - half, bottom - 9, middle + half, bottom


def is_over(one: Edges, other: Edges) -> bool:
    return (one[0] < other[2] and other[0] < one[2]) and (one[1] < other[3] and other[1] < one[3])


@pytest.mark.parametrize("case", CONFLICTS)
def test_a_picture_has_a_box_for_each_package_and_an_arrow_for_each_fact(
    case: dict[str, Any],
) -> None:
    explanation = explanation_of(case)
    drawn = draw(explanation)
    image = ET.fromstring(drawn)

    packages = {str(fact.requirement.package) for fact in explanation.facts}
    packages |= {str(fact.by[0].name) for fact in explanation.facts if fact.by}
    boxes = [edges_of(box) for box in image.iter(f"{SVG}rect")]
    titles = [path.findtext(f"{SVG}title") for path in arrows(image)]
    assert len(boxes) == len(packages) + 1
    assert titles == [str(fact) for fact in explanation.facts]
    assert draw(explanation_of(case)) == drawn


@pytest.mark.parametrize("case", CONFLICTS)
def test_nothing_is_over_anything_else_or_out_of_the_picture(case: dict[str, Any]) -> None:
    image = ET.fromstring(draw(explanation_of(case)))
    width, height = float(image.get("width", "")), float(image.get("height", ""))
    places = [edges_of(box) for box in image.iter(f"{SVG}rect")]
    places += [label_edges(text) for text in image.findall(f"{SVG}text")]

    assert [pair for pair in combinations(places, 2) if is_over(*pair)] == []
    assert all(left >= 0 and top >= 0 for left, top, _, _ in places)
    assert all(right <= width and bottom <= height for _, _, right, bottom in places)


def test_arrows_lead_to_the_right_but_for_those_that_close_a_circle() -> None:
    image = picture_of("a package whose own requirements disagree about it")
    backwards = []
    for arrow in arrows(image):
        numbers = [float(found) for found in re.findall(r"[0-9.]+", arrow.get("d", ""))]
        if numbers[-2] < numbers[0]:
            backwards.append(arrow.findtext(f"{SVG}title"))
    assert backwards == [
        "team/b 1.0.0, the only release, requires team/a ^1.",
        "team/c 1.0.0, the only release, requires team/a ^2.",
    ]


def test_what_nothing_is_left_of_is_said_and_not_only_red() -> None:
    image = picture_of("each release fails for a reason of its own")
    lost = [group for group in image.iter(f"{SVG}g") if group.get("class") == "lost"]
    assert [group.findtext(f"{SVG}title") for group in lost] == [
        "team/base nothing fits",
        "team/gone nothing fits",
    ]
    assert [text.text for text in lost[0].findall(f"{SVG}text")] == ["team/base", "nothing fits"]


def test_it_is_told_to_who_can_not_see_it() -> None:
    image = picture_of("the user's bound against what a package wants")
    assert image.get("role") == "img"
    named = {element.get("id"): element.text for element in image.iter() if element.get("id")}
    assert [named[name] for name in image.get("aria-labelledby", "").split()] == [
        "Who requires what; nothing fits of team/base",
        (
            "You require team/app ^1. You require team/base <2. "
            "team/app 1.1.0 and 1.0.0, the only releases in ^1, require team/base ^2."
        ),
    ]


def test_it_has_no_style_that_a_strict_page_would_refuse() -> None:
    for case in CONFLICTS:
        drawn = draw(explanation_of(case.values[0]))
        assert "<style" not in drawn
        assert "style=" not in drawn
        assert "<script" not in drawn


def test_what_packages_say_can_not_break_out_of_the_picture() -> None:
    drawn = draw(explanation_of(BY_NAME["a constraint far down a chain"]))
    assert "&lt;2" in drawn
    assert ">&gt;=2</text>" in drawn
    assert 'class="bound"' in drawn
