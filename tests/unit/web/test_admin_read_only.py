"""`recipebox admin read-only`: on, off, and how it stands."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.builders import Given
from web.commands.admin import command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RECIPEBOX_DATA", raising=False)
    monkeypatch.delenv("RECIPEBOX_READ_ONLY", raising=False)

    Given(tmp_path / "data")

    def run(*words: str) -> Result:
        where = ["--data", str(tmp_path / "data")]
        return CliRunner().invoke(command, ["read-only", *words, *where])

    return run


def test_it_is_off_until_it_is_turned_on_with_a_reason(run):
    assert run("status").output == "off: everything can be written\n"

    turned = run("on", "--reason", "moving to the new disk")

    assert turned.exit_code == 0
    assert turned.output == run("status").output
    assert turned.output.startswith("on since 20")
    assert turned.output.endswith(" UTC, by operator: moving to the new disk\n")
    assert run("off").output == "off: everything can be written\n"


def test_json_says_why_since_when_and_by_whom(run):
    run("on", "--reason", "a copy is made")

    drawn = json.loads(run("status", "--json").output)

    assert drawn.pop("since").endswith("+00:00")
    assert drawn == {"read_only": True, "reason": "a copy is made", "by": "operator"}
    assert json.loads(run("off", "--json").output) == {"read_only": False}


def test_what_the_settings_force_stays_on(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECIPEBOX_READ_ONLY", "true")

    assert run("off").output == "on: it was started so (setting read_only)\n"
    assert json.loads(run("status", "--json").output)["since"] is None


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501])
def test_a_reason_is_one_line(run, reason):
    refused = run("on", "--reason", reason)

    assert refused.exit_code != 0
    assert "one line of 1 to 500" in refused.output
    assert run("status").output.startswith("off")


def test_a_reason_is_needed(run):
    assert run("on").exit_code == 2
