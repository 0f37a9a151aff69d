"""`recipebox admin retention`: rules are tried, set, applied and taken away."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from artifacts.reference import RepositoryName
from tests.builders import Given
from web.commands.admin import command

ONE = RepositoryName("team/one")
RULES = {"rules": [{"keep_last": 1}]}


@pytest.fixture
def given(tmp_path) -> Given:
    """A registry with two tags, a day apart."""
    given = Given(tmp_path / "data")
    given.namespace("team")
    given.artifact(ONE, b"old", tag="old")
    given.clock.advance(timedelta(days=1))
    given.artifact(ONE, b"new", tag="new")
    return given


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(RULES))
    return str(file)


def run(given: Given, verb: str, *words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(
        command, ["retention", verb, "team", *words, "--data", str(given.data)], input=text
    )


def test_rules_are_tried_set_applied_and_taken_away(given, rules):
    assert run(given, "show").output == "none\n"
    tried = run(given, "simulate", rules)
    assert tried.output.splitlines() == [
        "stays team/one:new (rule 1 keeps the last 1)",
        "goes  team/one:old (rule 1: it is not among the last 1)",
        "1 would go, 1 stay.",
    ]
    assert run(given, "apply").output == "0 tags went.\n"
    assert run(given, "set", rules).output == "team has these rules from now on\n"
    assert json.loads(run(given, "show").output) == RULES
    assert run(given, "simulate").output == tried.output
    assert run(given, "apply").output.splitlines()[-1] == "1 tags went."
    assert run(given, "set", "--none").output == "team has no rules from now on\n"
    assert run(given, "simulate").output.splitlines()[-1] == "0 would go, 1 stay."


def test_json_has_all_of_it(given, rules):
    drawn = json.loads(run(given, "simulate", rules, "--json").stdout)
    assert (drawn["goes"], drawn["stays"]) == (1, 1)
    assert drawn["tags"][1]["tag"] == "old"
    assert drawn["tags"][1]["goes"] is True
    assert json.loads(run(given, "set", rules, "--json").stdout)["retention"] == RULES
    assert json.loads(run(given, "show", "--json").stdout)["retention"] == RULES
    applied = json.loads(run(given, "apply", "--json").stdout)
    assert (applied["goes"], applied["tags"][0]["tag"]) == (1, "old")


def test_what_is_no_rule_is_refused(given, rules):
    assert run(given, "set").exit_code == 2
    assert run(given, "set", rules, "--none").exit_code == 2
    said = run(given, "set", "-", text="[")
    assert said.exit_code == 2
    assert "JSON" in said.stderr
    said = run(given, "set", "-", text='{"rules": [{}]}')
    assert said.exit_code == 2
    assert "rules.0" in said.stderr
