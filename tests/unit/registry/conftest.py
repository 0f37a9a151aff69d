"""A registry with a namespace, and one with a release: each test has its own copy."""

from pathlib import Path

import pytest

from tests.builders import PLATFORM, Given, Package, a_package


@pytest.fixture(scope="session")
def package() -> Package:
    return a_package("team/etl", "1.0.0", wheels={PLATFORM: [b"a wheel for linux"]})


@pytest.fixture(scope="session")
def with_namespace(tmp_path_factory: pytest.TempPathFactory) -> Given:
    given = Given(tmp_path_factory.mktemp("registry") / "data")
    given.namespace("team")
    return given


@pytest.fixture(scope="session")
def with_release(
    with_namespace: Given, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Given:
    given = with_namespace.copied_to(tmp_path_factory.mktemp("release") / "data")
    given.publish(package)
    return given


@pytest.fixture
def given(with_namespace: Given, tmp_path: Path) -> Given:
    """The private namespace `team`, in which SIGNER signs, and nothing else."""
    return with_namespace.copied_to(tmp_path / "data")


@pytest.fixture
def released(with_release: Given, tmp_path: Path) -> Given:
    """The same, with the release `team/etl` 1.0.0."""
    return with_release.copied_to(tmp_path / "data")
