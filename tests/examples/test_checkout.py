"""The example checkout does what its README says, run in place by its own runner."""

import json
import re
from pathlib import Path

import pytest

from tests.tools import checkout as tool
from tests.tools.checkout import (
    COMPOSED,
    FILLED,
    REFUSED,
    RUNNABLE,
    Checkout,
    copy_checkout,
    golden,
    sha256,
)
from tests.tools.parts import second_python


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return copy_checkout(tmp_path)


def test_each_recipe_there_is_said_to_run_or_to_be_refused() -> None:
    stems = {path.stem for path in (tool.SOURCE / "orchestrator" / "Recipes").glob("*.yaml")}
    assert stems == {*RUNNABLE, *COMPOSED, *FILLED, *REFUSED}
    assert len(stems) >= 20


def test_the_readme_names_each_recipe() -> None:
    readme = (tool.SOURCE / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)) == {
        *RUNNABLE,
        *COMPOSED,
        *FILLED,
        *REFUSED,
    }


@pytest.mark.parametrize("stem", RUNNABLE)
def test_a_recipe_gives_the_expected_results_twice(checkout: Checkout, stem: str) -> None:
    expected = golden(stem)
    for _ in range(2):
        outcome = checkout.run(stem)
        assert outcome.exit_code == 0, outcome.stderr
        assert outcome.result == expected["result"]
        assert sha256(outcome.printed.encode()) == expected["printed"]
        assert checkout.written() == expected["written"]


@pytest.mark.parametrize("stem", RUNNABLE)
def test_another_minor_version_gives_the_same(checkout: Checkout, stem: str) -> None:
    outcome = checkout.run(stem, python=second_python())
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.result == golden(stem)["result"]
    assert checkout.written() == golden(stem)["written"]


@pytest.mark.parametrize("stem", FILLED)
def test_a_template_gives_the_expected_results_once_filled(checkout: Checkout, stem: str) -> None:
    outcome = checkout.run(checkout.fill(stem))
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.result == golden(stem)["result"]
    assert sha256(outcome.printed.encode()) == golden(stem)["printed"]


def test_the_digest_is_made_of_what_the_other_two_packages_find(checkout: Checkout) -> None:
    found = [golden(stem)["result"]["context"] for stem in ("sales_stats", "customer_cleanup")]
    code = (
        "import sys, json\n"
        "from engine.steps.python.digest import WeeklyDigest\n"
        "from orchestrator.context import Context\n"
        "context = Context(json.loads(sys.argv[1]))\n"
        "code = WeeklyDigest().run(context, {'title': 'Monday'})\n"
        "print(json.dumps(context.to_dict()))\n"
        "sys.exit(code)\n"
    )
    outcome = checkout.python("-c", code, json.dumps(found[0] | found[1]))
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.result == golden("weekly_digest")["result"]["context"]


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("weekly_digest", "step sales: unknown type 'recipe'"),
        ("customer_template", "No module named 'engine.steps.python.{{ step_module }}'"),
        ("month_end", "engine.steps.python.compute_numbers has no CloseMonth"),
        ("quarterly_forecast", "No module named 'analytics.lake.reader'"),
        ("morning_round", "step evening: unknown type 'recipe'"),
        ("rates_live", "Connection refused"),
        ("smoke_checks", "no list of steps"),
        ("webshop_tosca", "no list of steps"),
    ],
)
def test_the_others_do_not_run_with_this_runner(checkout: Checkout, stem: str, reason: str) -> None:
    outcome = checkout.run(stem)
    assert outcome.exit_code != 0
    assert reason in outcome.stderr


def test_only_the_named_steps_run(checkout: Checkout) -> None:
    outcome = checkout.run("access_log", "--only", "analyse, table", "--debug")
    assert [step["name"] for step in outcome.result["steps"]] == ["analyse", "table"]


def test_a_step_that_fails_ends_the_recipe_with_its_code(checkout: Checkout) -> None:
    (checkout.root / "orchestrator" / "Data" / "sales.csv").write_text("amount,region\nx,y\n")
    outcome = checkout.run("sales_stats")
    assert outcome.exit_code == 3
    assert outcome.result["steps"] == [{"idx": 1, "name": "compute_numbers", "exit_code": 3}]


def test_the_context_remembers_who_set_what(checkout: Checkout) -> None:
    history = checkout.run("inventory_diff").result["history"]
    assert history[-1] == {"key": "diff.saved", "who": "save"}


def test_it_is_small_and_partly_does_not_even_parse() -> None:
    modules = [path for path in tool.SOURCE.rglob("*.py") if "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in modules) < 200_000
    broken = [path.name for path in modules if not _parses(path)]
    assert sorted(broken) == ["convert.py", "half_merged.py", "nightly.py"]


def _parses(path: Path) -> bool:
    try:
        compile(path.read_text(encoding="utf-8"), path, "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True
