"""What the registry's unit tests are given, for the stories of a registry that is killed."""

from tests.unit.registry.conftest import (
    given,
    on_a_database,
    package,
    released,
    with_namespace,
    with_release,
)

__all__ = [
    "given",
    "on_a_database",
    "package",
    "released",
    "with_namespace",
    "with_release",
]
