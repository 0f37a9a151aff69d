"""The client's rooms alone: no registry, and nothing of the developer's own environment."""

from tests.stories.conftest import clean_environment

__all__ = ["clean_environment"]
