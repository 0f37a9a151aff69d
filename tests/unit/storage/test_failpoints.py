"""Failpoints: each stands once in the code, and kills only who is asked to die."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.failpoints import VARIABLE, Failpoint, failpoint

ROOT = Path(__file__).parents[3]


def uses() -> list[str]:
    found: list[str] = []
    for package in ("storage", "registry", "web"):
        for file in (ROOT / package).rglob("*.py"):
            found += re.findall(r"failpoint\(Failpoint\.(\w+)\)", file.read_text())
    return found


@pytest.mark.parametrize("point", Failpoint)
def test_each_stands_exactly_once_in_the_code(point: Failpoint) -> None:
    assert uses().count(point.name) == 1


def test_none_stands_in_the_code_that_is_not_listed() -> None:
    assert set(uses()) <= {point.name for point in Failpoint}


def test_nothing_happens_where_another_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    failpoint(Failpoint.BLOB_AFTER_RENAME)
    monkeypatch.setenv(VARIABLE, "admit.after_commit")
    failpoint(Failpoint.BLOB_AFTER_RENAME)


def test_the_process_dies_at_the_one_asked_for() -> None:
    code = (
        "from storage.failpoints import Failpoint, failpoint\n"
        "failpoint(Failpoint.BLOB_AFTER_RENAME); print('alive')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={VARIABLE: "blob.after_rename", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == b""
