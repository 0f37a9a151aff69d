"""How the suite's report is read: whatever isn't a pass is told."""

from pathlib import Path

import pytest

from tests.conformance.suite import read_report

CONFIG = "registry: x&#xA;apis:&#xA;  ping: true&#xA;data:&#xA;  sha512: true&#xA;"
PASSED = '<testcase name="a" status="passed"><system-err>sent</system-err></testcase>'


def report(folder, *cases, config=CONFIG, api="Pass", exit_code=0, **counts):
    """Write a report as the suite does, and read it."""
    attributes = " ".join(f'{name}="{count}"' for name, count in ({"tests": 2} | counts).items())
    properties = f'<properties><property name="Config" value="{config}"/></properties>'
    junit, summary = folder / "junit.xml", folder / "results.yaml"
    text = f"<testsuites {attributes}><testsuite>{properties}{''.join(cases)}</testsuite>"
    junit.write_text(f"{text}</testsuites>")
    summary.write_text(f"apis:\n  Ping: {api}\ndata:\n  Image: Pass\n")
    return read_report(junit, summary, "dev", exit_code=exit_code)


def test_what_passed_is_counted(tmp_path: Path) -> None:
    outcome = report(tmp_path, PASSED, PASSED)

    assert outcome.blemishes == ()
    assert str(outcome) == "OCI_VERSION=dev: 2 tests; of those without parts 2 passed"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"failures": 1}, "1 failures"),
        ({"errors": 1}, "1 errors"),
        ({"skipped": 3}, "3 skipped"),
        ({"disabled": 2}, "2 disabled"),
        ({"exit_code": 1}, "the suite ended with the exit code 1"),
        ({"api": "Skip"}, "apis: Ping: Skip"),
        ({"api": "Disabled"}, "apis: Ping: Disabled"),
        ({"config": CONFIG.replace("sha512: true", "sha512: false")}, "switched off: sha512"),
    ],
)
def test_what_was_narrowed_is_told(tmp_path: Path, members: dict[str, object], said: str) -> None:
    assert report(tmp_path, PASSED, **members).blemishes == (said,)


@pytest.mark.parametrize("status", ["failure", "skipped", "disabled", "error"])
def test_what_did_not_pass_is_named_with_the_reason(tmp_path: Path, status: str) -> None:
    case = f'<testcase name="b/c" status="{status}"><system-out>a reason</system-out></testcase>'

    outcome = report(tmp_path, PASSED, case)

    assert outcome.blemishes == (f"{status}: b/c: a reason",)
    assert outcome.failed == (("b/c", "a reason"),)
    assert f"{status}: b/c: a reason" in str(outcome)
