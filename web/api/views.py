"""What the views of the API share."""

from flask import request

from registry.access import Principal
from web.auth import current_principal
from web.config import ServerConfig
from web.services import Services


class ApiViews:
    """Base of the views: the services, and who asks."""

    def __init__(self, services: Services, config: ServerConfig) -> None:
        self._registry = services.registry
        self._config = config

    def principal(self) -> Principal:
        """Return who asks."""
        return current_principal(self._registry.access)

    def page_url(self, path: str) -> str:
        """Return the URL of one of this server's pages, as others reach it."""
        return public_url(self._config) + path


def public_url(config: ServerConfig) -> str:
    """Return the server's URL without a slash at its end: configured, or the host asked."""
    return (config.public_url or request.host_url).rstrip("/")
