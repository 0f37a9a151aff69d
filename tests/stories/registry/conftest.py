"""What the registry's unit tests are given, for the stories of a registry that is killed."""

from tests.unit.registry.conftest import (
    folder,
    given,
    on_a_database,
    package,
    released,
    with_namespace,
    with_release,
)

__all__ = [
    "folder",
    "given",
    "on_a_database",
    "package",
    "released",
    "with_namespace",
    "with_release",
]
