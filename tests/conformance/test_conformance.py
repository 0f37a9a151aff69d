"""Every test of the official suite passes: none fails, is skipped, or is switched off."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.assembly import open_registry
from registry.config import RegistryConfig
from registry.schema import NamespaceRow
from tests.builders import ADMIN
from tests.conformance.suite import NAMESPACE, Outcome, run_suite
from tests.tools.server import RunningServer, running_server

SEVERAL = 1000
"""Tests of the suite at least: fewer would mean that it was narrowed by a setting."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over a folder and SQLite."""
    with running_server(tmp_path_factory.mktemp("conformance") / "data", workers=2) as server:
        registry = open_registry(RegistryConfig(server.data))
        registry.namespaces.create(ADMIN, NAMESPACE, public=False)
        with registry.database.write():
            NamespaceRow.update(is_sparse=True).where(NamespaceRow.name == NAMESPACE).execute()
        yield server


@pytest.mark.real
@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_every_test_of_the_suite_passes(
    server: RunningServer,
    version: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    outcome: Outcome = run_suite(server, version, tmp_path)

    record_property("conformance", str(outcome).partition("\n")[0])
    assert not outcome.blemishes, str(outcome)
    assert outcome.total > SEVERAL
