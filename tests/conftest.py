"""What every suite shares: no sockets in unit tests, long forms, a count of missing parts."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

from tests.tools.parts import missing_part

HERE = Path(__file__).resolve().parent
SOCKETLESS = (HERE / "unit", HERE / "stories")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="random tests try 1,000 examples each instead of 100"
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-socket reads its option
def pytest_configure(config: pytest.Config) -> None:
    config.option.allow_unix_socket = True
    settings.register_profile("ordinary", deadline=None, derandomize=bool(os.environ.get("CI")))
    settings.register_profile("long", deadline=None, max_examples=1000)
    settings.load_profile("long" if config.getoption("--long") else "ordinary")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_socketless = any(item.path.is_relative_to(folder) for folder in SOCKETLESS)
        # said of every test: one that patches a guarded function leaves the guard to those after it
        item.add_marker("disable_socket" if is_socketless else "enable_socket")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = Counter(
        part
        for report in terminalreporter.stats.get("skipped", [])
        if (part := missing_part(str(report.longrepr)))
    )
    if counts:
        terminalreporter.section("parts that are not here")
        for part, count in sorted(counts.items()):
            terminalreporter.write_line(f"{part}: {count} skipped (python -m tests.tools.install)")
