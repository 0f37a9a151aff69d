"""The explanations in docs/resolving.md are what the resolver says.

`python -m tests.unit.resolver.test_explanations` writes them anew.
"""

import random
from pathlib import Path
from typing import Any

from resolver.errors import ResolutionImpossible
from tests.unit.resolver.test_cases import CASES, solution_of

PAGE = Path(__file__).parents[3] / "docs" / "resolving.md"
BEGIN = "<!-- explanations: made by tests/unit/resolver/test_explanations.py -->\n"
END = "<!-- end of explanations -->\n"
TOLD = (
    "the user's bound against what a package wants",
    "two packages want different majors of a third",
    "a chain is told from the top",
    "a mistyped package",
    "an extra that is spelt wrong",
    "an extra against what the package itself requires",
    "newer releases need a newer python, older ones an older base",
    "a prerelease is all there is",
    "what a release requires is too new",
    "a constraint against what a package requires",
    "an override leads two packages into another conflict",
    "two conflicts that have nothing to do with each other",
    "several are refused for one reason",
    "a public application asks for what is private",
    "what a public application asks for requires what is private",
    "three packages that fit in pairs only",
)


def told() -> str:
    """Return the part of the page that is made."""
    cases = {case.values[0]["name"]: case.values[0] for case in CASES}
    return "".join(_told(cases[name]) for name in TOLD)


def _told(case: dict[str, Any]) -> str:
    words = ["recipebox lock", *(f'"{text}"' for text in case["requirements"])]
    words += [f'--constraint "{text}"' for text in case.get("constraints", ())]
    words += [f"--for {case['application']}"] if "application" in case else []
    words += [f'--override "{text}"' for text in case.get("overrides", ())]
    if "published_before" in case:
        words.append(f"--published-before {case['published_before']}")
    try:
        solution_of(case, random.Random(1))
    except ResolutionImpossible as error:
        sentences = str(error)
    return f"### {case['name'].capitalize()}\n```text\n$ {' '.join(words)}\n{sentences}\n```\n\n"


def test_the_page_tells_what_the_resolver_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    _, _, after = page.partition(BEGIN)
    part, _, _ = after.partition(END)
    assert part.strip() == told().strip(), "python -m tests.unit.resolver.test_explanations"
    assert len(TOLD) >= 10


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{told()}{END}{rest.partition(END)[2]}", encoding="utf-8")
